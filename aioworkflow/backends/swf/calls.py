"""Calls: made again after passing faults, for as long as that can help, and never where it could do harm.

Between tries there is a pause with full jitter that doubles, longer after throttling. No call waits behind its
deadline: that is ``retry_seconds`` after its first try, or the end of the task that it answers if that is sooner.

A call whose reply was lost may have been carried out (see :func:`.faults.is_doubtful`). What comes of it:

=======================================  ============================================================================
what asks, registrations, heartbeats     nothing; they are made again
answers to activity tasks, terminations  made again; if the task or process is then closed, by this it was
cancellations                            the same; a second request changes nothing
answers to decision tasks                made again; if the task is then closed, nobody knows whether by this or by its
                                         timeout: the worker is told so, and reads the history next time
signals                                  made again, so a decider may see one twice, which is better than never
starts                                   looked up first, see :mod:`.starting`
polls                                    never made again: the task that one may have brought times out
=======================================  ============================================================================
"""

from __future__ import annotations

import enum
import logging

from ...errors import BackendClosedError, BackendUnavailableError, ThrottledError, UnknownResourceError
from .clients import Transport
from .encode import Parameters
from .faults import FOREIGN_ERRORS, is_doubtful, translate
from .throttle import Throttle
from .time import Time

__all__ = ["Calls", "DoubtfulError", "Repeat"]

_logger = logging.getLogger("aioworkflow.swf")

_FIRST_PAUSE = 0.1
_FIRST_PAUSE_THROTTLED = 0.5
_LONGEST_PAUSE = 5.0


class Repeat(enum.Enum):
    """When a call may be made again."""

    ALWAYS = "after all passing faults"
    UNDOUBTED = "only if it was not carried out for sure"
    NEVER = "never"


_POLLS = ("PollForActivityTask", "PollForDecisionTask")

_DONE_IF_GONE = frozenset(
    {
        "RequestCancelWorkflowExecution",
        "RespondActivityTaskCanceled",
        "RespondActivityTaskCompleted",
        "RespondActivityTaskFailed",
        "TerminateWorkflowExecution",
    }
)


class DoubtfulError(BackendUnavailableError):
    """The call may have been carried out, and must not be made again without looking."""


class Calls:
    """Makes the calls of one backend object.

    Args:
        transport: Makes each of them once.
        throttle: Says when.
        time: Its time.
        retry_seconds: How long after the first try the last one may begin.

    Attributes:
        time: The same.
        closed: Whether no more calls are made.
        draining: Whether no more polls are made.
    """

    def __init__(
        self,
        transport: Transport,
        throttle: Throttle,
        time: Time,
        *,
        retry_seconds: float,
    ) -> None:
        self.time = time
        self.closed = True
        self.draining = False
        self._transport = transport
        self._throttle = throttle
        self._retry_seconds = retry_seconds

    @property
    def server_ahead(self) -> float:
        """By how many seconds Amazon's clock is ahead of this one, to a second or two."""
        return self._transport.server_ahead

    async def __call__(
        self,
        call: str,
        parameters: Parameters,
        subject: object,
        *,
        until: float | None = None,
        repeat: Repeat = Repeat.ALWAYS,
    ) -> bytes:
        """Make a call and return the body of its reply.

        Args:
            call: Amazon's name of it.
            parameters: Its members.
            subject: What it is about, for messages.
            until: When there is no point in it any more, by ``time.now()``.
            repeat: When it may be made again.

        Raises:
            DoubtfulError: As a passing fault, where only undoubted ones are repeated.
            AioworkflowError: As :func:`.faults.translate` says.
        """
        deadline = self.time.now() + self._retry_seconds
        if until is not None:
            deadline = min(deadline, until)
        failures = 0
        doubtful = False
        while True:
            self._check_open(call, repeat)
            if call == "PollForDecisionTask" and repeat is not Repeat.NEVER:
                self._throttle.borrow(call)  # a further page: its task would time out behind the polls that wait
            else:
                await self._throttle.wait(call, None if call in _POLLS else deadline)
            self._check_open(call, repeat)
            try:
                return await self._transport(call, parameters)
            except FOREIGN_ERRORS as error:
                fault = translate(error, call, str(subject))
                fault.__cause__ = error
                doubtful = doubtful or is_doubtful(error)
            if not isinstance(fault, BackendUnavailableError):
                if doubtful and isinstance(fault, UnknownResourceError) and call in _DONE_IF_GONE:
                    _logger.info("%s (%s): the reply to an earlier try was lost, and now it is closed", call, subject)
                    return b""
                raise fault
            failures += 1
            if isinstance(fault, ThrottledError):
                self._throttle.slow_down(call)
            if doubtful and repeat is Repeat.UNDOUBTED:
                raise DoubtfulError(str(fault)) from fault.__cause__
            pause = self._pause(failures, fault)
            if repeat is Repeat.NEVER or self.time.now() + pause > deadline:
                raise fault
            _logger.debug("trying again: %s", fault)
            await self.time.sleep(pause)

    def _check_open(self, call: str, repeat: Repeat) -> None:
        if self.closed or (self.draining and repeat is Repeat.NEVER and call in _POLLS):
            raise BackendClosedError("the backend is not open; use it inside its `async with` block")

    def _pause(self, failures: int, fault: BackendUnavailableError) -> float:
        first = _FIRST_PAUSE_THROTTLED if isinstance(fault, ThrottledError) else _FIRST_PAUSE
        return self.time.jitter(min(first * 2.0 ** min(failures - 1, 10), _LONGEST_PAUSE))
