"""Attempts: one run of one activity each, and all that can happen to it.

To stop an activity, the asyncio task of its turn is cancelled once, with the reason noted; at the boundary between user
code and worker, :meth:`Attempt.leave`, the cancellation is taken back. What the reasons mean: see :mod:`.activities`.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Token
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from ..activity import ActivityContext, ActivityFailed, activity_context
from ..backend import Interruption
from ..payload import encode
from ..task import ActivityTask
from .cancellation import take_back
from .heartbeat import Heartbeats, Pulse
from .timing import Alarm, Clock, Deadlines

__all__ = ["Attempt", "Stop", "Surroundings"]

logger = logging.getLogger("aioworkflow.worker")

T = TypeVar("T")

_YIELD_EVERY = 0.02
"""An activity that heartbeats in a tight loop lets others run this often, in seconds."""

_PATIENCE = 10.0
"""Seconds after which an activity that was told to stop and goes on is complained about, again and again."""


class Stop(enum.Enum):
    """Why an activity is to end."""

    CANCEL = "cancel requested"
    SHUTDOWN = "worker shutdown"
    CLOSED = "task closed"


class _Done(Coroutine[Any, Any, None]):
    """A coroutine with nothing to do; it may be awaited any number of times, or not at all."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, None]:
        return iter(())  # type: ignore[return-value]

    def send(self, value: Any) -> NoReturn:
        raise StopIteration

    def throw(self, *error: Any) -> NoReturn:
        raise error[0]

    def close(self) -> None:
        pass


_done = _Done()
_no_stops: tuple[Stop, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the attempts of one worker have in common."""

    clock: Clock
    deadlines: Deadlines
    heartbeats: Heartbeats
    loop: asyncio.AbstractEventLoop
    loop_thread: int


class Attempt:
    """One run of an activity; implements :class:`aioworkflow.activity.ActivityContext`.

    It is made before the poll that brings its task, so that no interruption comes too early for it.

    Attributes:
        task: What is to be done.
        details_json: Those of the last heartbeat.
        host: The asyncio task that runs it, from when it runs.
        closes_at: When its start-to-close timeout has passed for sure, by the worker's clock.
    """

    __slots__ = (
        "_alarm",
        "_cancels",
        "_given_up",
        "_in_thread",
        "_outside",
        "_pending",
        "_pulse",
        "_reporting",
        "_running",
        "_stops",
        "_surroundings",
        "_yield_at",
        "closes_at",
        "details_json",
        "host",
        "task",
    )

    task: ActivityTask
    host: asyncio.Task[Any]
    _outside: Token[ActivityContext]

    def __init__(self, surroundings: Surroundings) -> None:
        self.closes_at: float | None = None
        self.details_json: str | None = None
        self._surroundings = surroundings
        self._alarm: Alarm | None = None
        self._cancels = 0
        self._given_up = False
        self._in_thread = False
        self._pending = False
        self._pulse: Pulse | None = None
        self._reporting = False
        self._running = False
        self._stops = _no_stops
        self._yield_at = 0.0

    def __str__(self) -> str:
        task = self.task
        return f"activity {task.activity.name} {task.activity_id!r} of process {task.process}"

    # --- for the activity ----------------------------------------------------------------------------------------

    @property
    def token(self) -> str:
        """Of the task."""
        return self.task.token

    def heartbeat(self, details: object = None) -> Coroutine[Any, Any, None]:
        """Tell that the work goes on; ``details`` other than None replace those that others see.

        The worker sends heartbeats at its own pace, so this is cheap. Now and then it lets other tasks run; if the
        activity was cancelled meanwhile, that raises CancelledError. In the thread of a plain ``def`` it takes effect
        without being awaited, and raises by itself.

        Raises:
            PayloadError: The details have no JSON form.
        """
        if details is not None:
            self.details_json = encode(details)
        around = self._surroundings
        if threading.get_ident() != around.loop_thread:
            if self._pulse is None:
                around.loop.call_soon_threadsafe(self._start_pulse)
            self._raise_if_pending()
            return _done
        if self._pulse is None:
            self._start_pulse()
        now = around.clock.now()
        if self._stops or now >= self._yield_at:
            self._yield_at = now + _YIELD_EVERY
            return asyncio.sleep(0)
        return _done

    def heartbeat_from_thread(self, details: object = None) -> None:
        """Do as :meth:`heartbeat` from the thread of a plain ``def``."""
        self.heartbeat(details).close()

    def _start_pulse(self) -> None:
        if self._pulse is None and self._running:
            self._pulse = self._surroundings.heartbeats.start(self, self.task.heartbeat_timeout)

    # --- for those who want to end it ----------------------------------------------------------------------------

    @property
    def stopped_for(self) -> Stop | None:
        """Why it was told to end: the first reason, unless its task is closed."""
        if not self._stops:
            return None
        return Stop.CLOSED if Stop.CLOSED in self._stops else self._stops[0]

    def on_interrupt(self, token: str, interruption: Interruption) -> None:
        """Take the backend's word."""
        self.interrupt(interruption)

    def interrupt(self, interruption: Interruption) -> None:
        """Take the backend's word."""
        self.stop(Stop.CLOSED if interruption is Interruption.CLOSED else Stop.CANCEL)

    def overdue(self) -> None:
        """Note that its start-to-close timeout has passed."""
        self.stop(Stop.CLOSED)

    def stop(self, stop: Stop) -> None:
        """Cancel it, once for each reason; what has ended is left alone."""
        if stop in self._stops:
            return
        self._stops += (stop,)
        if not self._running:
            return
        if self._in_thread:
            self._pending = True
        else:
            self._cancels += 1
            self.host.cancel()
        if self._alarm is None:
            self._be_patient()

    def _be_patient(self) -> None:
        clock = self._surroundings.clock
        self._alarm = clock.call_at(clock.now() + _PATIENCE, self._complain)

    def _complain(self) -> None:
        logger.warning("%s was told to stop (%s) and goes on", self, self._stops[-1].value)
        self._be_patient()

    # --- for the worker ------------------------------------------------------------------------------------------

    def enter(self, *, in_thread: bool) -> bool:
        """Begin; return False if it is to end before it has begun."""
        if self._stops or self.host.cancelling():
            return False
        self._in_thread = in_thread
        self._running = True
        self._outside = activity_context.set(self)
        task = self.task
        if task.heartbeat_timeout is not None:
            self._start_pulse()
        if task.start_to_close_timeout is not None:
            self.closes_at = self._surroundings.clock.now() + task.start_to_close_timeout
            self._surroundings.deadlines.add(self, self.closes_at)
        return True

    def execute_in_thread(self, execute: Callable[[ActivityTask, Attempt], Any]) -> Any:
        """Call ``execute``, unless the attempt was stopped while it waited for a thread.

        What in the main thread ends the program, as ``sys.exit()`` does, is a failure here: no signal is handled in
        this thread, so it was the activity's own, and it must not stop the event loop in which it is awaited.
        """
        self._raise_if_pending()
        try:
            return execute(self.task, self)
        except (SystemExit, KeyboardInterrupt) as error:
            return ActivityFailed(error)

    async def back_in_loop(self, work: Awaitable[T]) -> T:
        """Await what the thread has returned; from here on it can be cancelled."""
        self._in_thread = False
        if self._pending:
            self._pending = False
            self._cancels += 1
            self.host.cancel()
        return await work

    def _raise_if_pending(self) -> None:
        if self._pending:
            self._pending = False
            raise asyncio.CancelledError(self._stops[-1].value)

    async def leave(self) -> bool:
        """End it: take back the cancellations from here; return whether there are others."""
        if self._running:
            self._running = False
            activity_context.reset(self._outside)
        if self._alarm is not None:
            self._alarm.cancel()
        if self._cancels:
            return await take_back(self.host, self._cancels)
        return self.host.cancelling() > 0

    async def report(self, report: Coroutine[Any, Any, None]) -> None:
        """Await ``report``, which :meth:`give_up` can end."""
        self._reporting = True
        try:
            await report
        except asyncio.CancelledError:
            if not self._given_up or self.host.uncancel():
                raise
            logger.error("how %s ended could not be told in time", self)
        finally:
            self._reporting = False

    def give_up(self) -> None:
        """Stop reporting how it ended."""
        if self._reporting and not self._given_up:
            self._given_up = True
            self.host.cancel()

    def close(self) -> None:
        """Let go of everything."""
        self._running = False
        if self._pulse is not None:
            self._pulse.stop()
            self._pulse = None
        if self.closes_at is not None:
            self._surroundings.deadlines.discard(self)
