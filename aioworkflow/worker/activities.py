"""Activities: how a worker runs them, stops them and tells how they ended.

An :class:`Attempt` is one run of one activity, and what the activity gets as ``worker``. It runs in the asyncio task
of its turn (see :mod:`.poller`). To stop it, that task is cancelled once, with the reason noted; at the boundary
between user code and worker the cancellation is taken back, and the reason decides what is told:

============================  ========================================================================================
:class:`Stop`                 told, if ``CancelledError`` comes out
============================  ========================================================================================
``CANCEL``                    ``ActivityAborted`` with the reason and the last heartbeat details
``SHUTDOWN``                  the same
``CLOSED``                    nothing, whatever comes out: the service has already decided
none: the embedding program   as for ``SHUTDOWN``, whatever else is cancelled meanwhile; then the cancellation goes on
none: the activity itself     ``ActivityFailed``
============================  ========================================================================================

Whatever else comes out is told as it is: a cancelled activity may still return a value, or fail.
"""

from __future__ import annotations

import asyncio
import enum
import inspect
import logging
import threading
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextvars import Token
from typing import Any, NoReturn, cast

import anyio
import anyio.to_thread

from ..activity import (
    Activity,
    ActivityAborted,
    ActivityCompleted,
    ActivityContext,
    ActivityFailed,
    ActivityResult,
    activity_context,
)
from ..backend import Backend, Interruption
from ..errors import BackendUnavailableError, InvalidRequestError, UnknownTaskError
from ..payload import Json, encode
from ..task import ActivityTask
from ..types import TypeRef
from .cancellation import take_back
from .heartbeat import Heartbeats, Pulse
from .timing import Alarm, BackOff, Clock, Deadlines, persist

__all__ = ["Activities", "Attempt", "Stop"]

logger = logging.getLogger("aioworkflow.worker")

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
_results = frozenset((ActivityCompleted, ActivityAborted, ActivityFailed))


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
        "_activities",
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
        "_yield_at",
        "closes_at",
        "details_json",
        "host",
        "task",
    )

    task: ActivityTask
    host: asyncio.Task[Any]
    _outside: Token[ActivityContext]

    def __init__(self, activities: Activities) -> None:
        self.closes_at: float | None = None
        self.details_json: str | None = None
        self._activities = activities
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
        activities = self._activities
        if threading.get_ident() != activities.loop_thread:
            if self._pulse is None:
                activities.loop.call_soon_threadsafe(self._start_pulse)
            if self._pending:
                self._pending = False
                raise asyncio.CancelledError(self._stops[-1].value)
            return _done
        if self._pulse is None:
            self._start_pulse()
        now = activities.clock.now()
        if self._stops or now >= self._yield_at:
            self._yield_at = now + _YIELD_EVERY
            return asyncio.sleep(0)
        return _done

    def heartbeat_from_thread(self, details: object = None) -> None:
        """Do as :meth:`heartbeat` from the thread of a plain ``def``."""
        self.heartbeat(details).close()

    def _start_pulse(self) -> None:
        if self._pulse is None and self._running:
            self._pulse = self._activities.heartbeats.start(self, self.task.heartbeat_timeout)

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
        clock = self._activities.clock
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
            self.closes_at = self._activities.clock.now() + task.start_to_close_timeout
            self._activities.deadlines.add(self, self.closes_at)
        return True

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
        if self._pulse is not None:
            self._pulse.stop()
            self._pulse = None
        if self.closes_at is not None:
            self._activities.deadlines.discard(self)


class _Implementation:
    """How an activity is executed."""

    __slots__ = ("auto_complete", "execute", "in_thread")

    def __init__(self, activity: Activity) -> None:
        self.execute: Callable[[ActivityTask, Attempt], Any] = activity.execute
        self.auto_complete = activity.auto_complete
        self.in_thread = not inspect.iscoroutinefunction(activity.execute)


class Activities:
    """Runs the activities of one worker; lives in one event loop.

    Attributes:
        attempts: Those at work.
    """

    def __init__(
        self,
        backend: Backend,
        activities: Mapping[TypeRef, Activity],
        *,
        identity: str,
        clock: Clock,
        back_off: BackOff,
        heartbeats: Heartbeats,
        deadlines: Deadlines,
        max_threads: int,
        report_seconds: float,
    ) -> None:
        self.attempts: set[Attempt] = set()
        self.clock = clock
        self.deadlines = deadlines
        self.heartbeats = heartbeats
        self.loop = asyncio.get_running_loop()
        self.loop_thread = threading.get_ident()
        self._backend = backend
        self._back_off = back_off
        self._identity = identity
        self._implementations = {ref: _Implementation(activity) for ref, activity in activities.items()}
        self._report_seconds = report_seconds
        self._threads = anyio.CapacityLimiter(max_threads)
        self._shutting_down = False

    async def poll(self, task_list: str) -> Attempt | None:
        """Poll for one task."""
        attempt = Attempt(self)
        task = await self._backend.poll_activity_task(
            task_list, identity=self._identity, on_interrupt=attempt.on_interrupt
        )
        if task is None:
            return None
        attempt.task = task
        return attempt

    async def handle(self, attempt: Attempt) -> None:
        """Run an activity, and tell how it ended."""
        attempt.host = cast("asyncio.Task[Any]", asyncio.current_task())
        self.attempts.add(attempt)
        try:
            if self._shutting_down:
                attempt.stop(Stop.SHUTDOWN)
            outcome = await self._run(attempt)
            cancelled = await attempt.leave()
            stop = attempt.stopped_for
            if stop is Stop.CLOSED:
                logger.info("%s was stopped: its task is closed", attempt)
            elif cancelled:
                await self._tell_all_the_same(attempt, _result(attempt, outcome, stop or Stop.SHUTDOWN))
            else:
                await self._report(attempt, _result(attempt, outcome, stop))
            if cancelled:
                raise asyncio.CancelledError
        finally:
            attempt.close()
            self.attempts.discard(attempt)
            del attempt.host  # the task knows the attempt by its context: no cycle for the garbage collector to find

    def shut_down(self) -> None:
        """Stop everything, now and from now on."""
        self._shutting_down = True
        for attempt in self.attempts:
            attempt.stop(Stop.SHUTDOWN)

    def give_up_reports(self) -> None:
        """Leave untold what could not be told so far."""
        for attempt in self.attempts:
            attempt.give_up()

    async def _run(self, attempt: Attempt) -> ActivityResult | asyncio.CancelledError | None:
        """Return how it ended; None if others will tell."""
        task = attempt.task
        implementation = self._implementations.get(task.activity)
        if implementation is None:
            return self._unknown(task.activity)
        if not attempt.enter(in_thread=implementation.in_thread):
            return asyncio.CancelledError()
        try:
            if implementation.in_thread:
                value = await self._in_thread(attempt, implementation)
            else:
                value = await implementation.execute(task, attempt)
            if type(value) in _results:
                return cast("ActivityResult", value)
            return ActivityCompleted(value) if implementation.auto_complete else None
        except asyncio.CancelledError as error:  # what it means is found at the boundary, by Attempt.leave
            return error
        except ActivityAborted as aborted:
            return aborted
        except Exception as error:
            return ActivityFailed(error)

    async def _in_thread(self, attempt: Attempt, implementation: _Implementation) -> Any:
        """Execute a plain function. No cancellation can interrupt it, so it is waited for whatever comes."""
        work = self.loop.create_task(
            anyio.to_thread.run_sync(implementation.execute, attempt.task, attempt, limiter=self._threads)
        )
        while not work.done():
            try:
                await asyncio.wait([work])
            except asyncio.CancelledError:
                attempt.stop(Stop.SHUTDOWN)
        return work.result()

    def _unknown(self, activity: TypeRef) -> ActivityFailed:
        known = sorted(map(str, self._implementations))
        logger.error(
            "a task came for activity %s, which is not registered with this worker; those are: %s", activity, known
        )
        return ActivityFailed(
            reason=f"worker {self._identity} has no activity {activity}", details={"registered": known}
        )

    async def _report(self, attempt: Attempt, result: ActivityResult | None) -> None:
        try:
            await attempt.report(self._tell(attempt, result))
        except asyncio.CancelledError:
            await self._tell_all_the_same(attempt, result)
            raise

    async def _tell_all_the_same(self, attempt: Attempt, result: ActivityResult | None) -> None:
        """Tell how it ended while everything around is being cancelled, in bounded time."""
        telling = self.loop.create_task(self._tell(attempt, result))
        alarm = self.clock.call_at(self.clock.now() + self._report_seconds, telling.cancel)
        while not telling.done():
            try:
                await asyncio.wait([telling])
            except asyncio.CancelledError:
                pass  # the caller goes on with it
        alarm.cancel()
        if telling.cancelled():
            logger.error("how %s ended could not be told in time", attempt)
        else:
            telling.result()

    async def _tell(self, attempt: Attempt, result: ActivityResult | None) -> None:
        """Tell how it ended, trying again after passing faults for as long as it can matter."""
        backend, token = self._backend, attempt.task.token

        async def tell() -> None:
            if result is None:
                await backend.hand_off_activity_task(token)
            else:
                await backend.complete_activity_task(token, result)

        try:
            await persist(tell, what=attempt, clock=self.clock, back_off=self._back_off, until=attempt.closes_at)
        except UnknownTaskError:
            logger.info("%s has ended, but its task was closed before", attempt)
        except BackendUnavailableError as error:
            logger.error("%s has ended, which could not be told before its task timed out: %s", attempt, error)
        except InvalidRequestError as error:
            if type(result) is ActivityFailed and result.details_json is None:
                logger.error("%s has ended, which the backend refuses to be told: %s", attempt, error)
            else:
                logger.warning("how %s ended cannot be told, so it is told as failed: %s", attempt, error)
                await self._tell(attempt, ActivityFailed(reason=f"how it ended cannot be told: {error}"))


def _result(
    attempt: Attempt, outcome: ActivityResult | asyncio.CancelledError | None, stop: Stop | None
) -> ActivityResult | None:
    if not isinstance(outcome, asyncio.CancelledError):
        return outcome
    if stop is None:
        return ActivityFailed(outcome, reason="it raised CancelledError, and nobody had cancelled it")
    details = None if attempt.details_json is None else Json(attempt.details_json)
    return ActivityAborted(reason=stop.value, details=details)
