"""Activities as coroutines see them: a future that history makes done."""

from __future__ import annotations

import functools
import typing
from collections.abc import Callable
from types import NoneType, UnionType
from typing import Any, Literal, TypeAlias, TypeVar

from ..activity import Activity, ActivityLike, FunctionActivity
from ..checks import show
from ..decision import CancelActivityDecision, ScheduleActivityDecision
from ..errors import InvalidRequestError, PayloadError
from ..event import (
    ActivityCompletedEvent,
    ActivityScheduledEvent,
    ScheduleActivityFailedEvent,
)
from ..payload import decode
from ..records import ActivityClosedEvent
from ..result import ActivityAborted, ActivityCompleted, ActivityFailed
from ..retry import RetryPolicy
from ..retrying import InterruptedEvent, retry_delay
from ..types import UNSET, TypeRef, UnsetType
from .commands import Command
from .loop import DurableTimer
from .outcomes import activity_error
from .run import Run
from .tasks import DurableFuture

__all__ = ["ActivityHandle", "CancelMode", "check_cancel_mode", "read_result", "result_type_of", "retry_of"]

T = TypeVar("T")

CancelMode: TypeAlias = Literal["wait", "request", "abandon"]
"""What cancelling means: to ask for an end and wait for it, to ask and not to wait, or to stop waiting and not ask."""


class ActivityHandle(DurableFuture[T]):
    """An activity that was scheduled: a future of its result, to await, to cancel, to give to ``asyncio.wait``.

    Attributes:
        id: Its id in the process.
        activity: Its name and version.
        attempts: How often it was scheduled.
        outcome: The event that ended its last attempt, also where that came after a cancellation; None before.
    """

    __slots__ = (
        "_cancel_message",
        "_command",
        "_delayed",
        "_event_id",
        "_into",
        "_make",
        "_mode",
        "_retry",
        "_run",
        "_stopping",
        "_timer",
        "activity",
        "attempts",
        "id",
        "outcome",
        "refusals",
    )

    def __init__(
        self,
        run: Run,
        id: str,
        activity: TypeRef,
        make: Callable[[], ScheduleActivityDecision],
        *,
        into: Any,
        mode: CancelMode,
        retry: RetryPolicy | None,
    ) -> None:
        super().__init__(loop=run.loop)
        self.id = id
        self.activity = activity
        self.attempts = 0
        self.outcome: ActivityClosedEvent | None = None
        self.refusals = 0
        self._run = run
        self._make = make
        self._into = into
        self._mode = mode
        self._retry = retry
        self._timer: DurableTimer | None = None
        self._stopping = False
        self._delayed = False
        self._cancel_message: Any = None
        self._command: Command | None = None
        self._schedule()

    def __repr__(self) -> str:
        return f"<ActivityHandle {self.id!r} of {self.activity}, {self._state.lower()}>"

    def cancel(self, msg: Any = None) -> bool:
        """Cancel it as the ``cancel`` mode says. Who cancels again does not wait any longer."""
        if self.done():
            return False
        if self._timer is not None:
            self._timer.cancel()
        elif self._command is not None:
            self._command.withdrawn = True
            self._run.backlog.ended(type(self))
        elif not self._delayed and self._mode != "abandon" and not self._stopping:
            self._stopping = True
            self._run.order(CancelActivityDecision(self.id), self.id)
            if self._mode == "wait":
                self._cancel_message = msg
                return True
        return super().cancel(msg)

    # --- what the run tells it ---

    def accepted(self, event: ActivityScheduledEvent) -> None:
        """Note that it is scheduled."""
        self._command = None
        self.refusals = 0
        self._event_id = event.event_id
        self._run.activities[event.event_id] = self

    def refused(self, event: ScheduleActivityFailedEvent) -> None:
        """Raise where it is waited for, unless it helps to schedule it later."""
        self._command = None
        if self.done():
            return
        self._delayed = self._run.backlog.take(self, event.cause, self._run.activities)
        if not self._delayed:
            self.set_exception(activity_error(self.id, self.activity, event, self.attempts))
            self._run.backlog.ended(type(self))

    def order_again(self) -> None:
        """Schedule it, as the backlog says; that is no further attempt."""
        self._delayed = False
        self.attempts -= 1
        self._schedule()

    def give_up(self, error: BaseException) -> None:
        """Raise where it is waited for: it cannot be scheduled again."""
        self._delayed = False
        self.set_exception(error)

    def closed(self, event: ActivityClosedEvent) -> None:
        """Tell those who wait how it ended, or try it again."""
        self.outcome = event
        if self.done():
            return
        if self._stopping:
            super().cancel(self._cancel_message)
        elif isinstance(event, ActivityCompletedEvent):
            self._complete(event)
        else:
            self._interrupted(event)

    def _complete(self, event: ActivityCompletedEvent) -> None:
        try:
            result = read_result(event.result_json, self._into)
        except PayloadError as error:
            self.set_exception(PayloadError(f"result of activity {self.id!r} ({self.activity.name}): {error}"))
        else:
            self.set_result(result)

    def _interrupted(self, event: InterruptedEvent) -> None:
        delay = None
        if self._retry is not None:
            delay = retry_delay(self._retry, self.attempts, event, self._run.process.run_id)
        if delay is None:
            self.set_exception(activity_error(self.id, self.activity, event, self.attempts))
        elif delay:
            loop = self._run.loop
            self._timer = loop.start_timer(delay, self._schedule, id=f"aioworkflow.retry-{event.scheduled_event_id}")
        else:
            self._schedule()

    def _schedule(self) -> None:
        self._timer = None
        self.attempts += 1
        key = (self.id, self.activity.name)
        self._command = self._run.order_later(ScheduleActivityDecision, self._make, key, self)


# --- results ---------------------------------------------------------------------------------------------


def read_result(result_json: str | None, into: Any) -> Any:
    """Decode a result as a type; no result is None."""
    if result_json is None:
        if into is Any or into is NoneType:
            return None
        result_json = "null"
    return decode(result_json, into)


_ANSWERS = (ActivityAborted, ActivityCompleted, ActivityFailed)


def result_type_of(activity: Any) -> Any:
    """Return the type that an activity says it returns; Any if it says nothing."""
    if isinstance(activity, FunctionActivity):
        return _result_type_of_function(activity)
    return _result_type(activity if isinstance(activity, type) else type(activity))


@functools.lru_cache(maxsize=1024)
def _result_type_of_function(activity: FunctionActivity[..., Any]) -> Any:
    return _without_answers(activity.arguments.types.get("return", Any))


@functools.lru_cache(maxsize=1024)
def _result_type(owner: type) -> Any:
    if not issubclass(owner, Activity):
        return Any
    try:
        hint = typing.get_type_hints(owner.execute).get("return", Any)
    except Exception:  # names that exist only for type checkers, of the arguments as likely as of the result
        return Any
    return _without_answers(hint)


def _without_answers(hint: Any) -> Any:
    """Return what remains of ``int | ActivityAborted``: an answer that is no result."""
    if isinstance(hint, UnionType) or typing.get_origin(hint) is typing.Union:
        rest = tuple(item for item in typing.get_args(hint) if item not in _ANSWERS)
        return typing.Union[rest] if rest else Any  # noqa: UP007 - made at run time
    return Any if hint in _ANSWERS else hint


def check_cancel_mode(mode: Any) -> CancelMode:
    """Check what was given as ``cancel=``."""
    if mode not in ("wait", "request", "abandon"):
        raise InvalidRequestError(f"cancel must be 'wait', 'request' or 'abandon', not {show(mode)}")
    return typing.cast("CancelMode", mode)


def retry_of(activity: ActivityLike, given: RetryPolicy | UnsetType | None) -> RetryPolicy | None:
    """Return the policy that was given, else the activity's own."""
    if given is not UNSET:
        if given is not None and not isinstance(given, RetryPolicy):
            raise InvalidRequestError(f"retry must be a RetryPolicy or None, not {show(given)}")
        return given
    return None if isinstance(activity, str | TypeRef) else activity.retry
