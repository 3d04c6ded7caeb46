"""Activities: how a worker runs them, and tells how they ended.

An :class:`.Attempt` is one run of one activity, and what the activity gets as ``worker``. It runs in the asyncio task
of its turn (see :mod:`.poller`). How it ended is what comes out of it; but if ``CancelledError`` comes out, that
depends on who stopped it:

============================  ========================================================================================
:class:`.Stop`                told
============================  ========================================================================================
``CANCEL``                    ``ActivityAborted`` with the reason and the last heartbeat details
``SHUTDOWN``                  the same
``CLOSED``                    nothing, whatever comes out: the service has already decided
none: the embedding program   as for ``SHUTDOWN``, whatever else is cancelled meanwhile; then the cancellation goes on
none: the activity itself     ``ActivityFailed``
============================  ========================================================================================

So a cancelled activity may still return a value, or fail.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, cast

import anyio
import anyio.to_thread

from ..activity import Activity, ActivityAborted, ActivityCompleted, ActivityFailed, ActivityResult
from ..backend import Backend
from ..errors import BackendUnavailableError, InvalidRequestError, UnknownTaskError
from ..payload import Json
from ..task import ActivityTask
from ..types import TypeRef
from .attempt import Attempt, Stop, Surroundings
from .heartbeat import Heartbeats
from .timing import BackOff, Clock, Deadlines, persist

__all__ = ["Activities"]

logger = logging.getLogger("aioworkflow.worker")

_results = frozenset((ActivityCompleted, ActivityAborted, ActivityFailed))


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
        self._loop = asyncio.get_running_loop()
        self._surroundings = Surroundings(
            clock=clock,
            deadlines=deadlines,
            heartbeats=heartbeats,
            loop=self._loop,
            loop_thread=threading.get_ident(),
        )
        self._clock = clock
        self._backend = backend
        self._back_off = back_off
        self._identity = identity
        self._implementations = {ref: _Implementation(activity) for ref, activity in activities.items()}
        self._report_seconds = report_seconds
        self._threads = anyio.CapacityLimiter(max_threads)
        self._shutting_down = False
        self._had_their_time: set[Attempt] = set()

    async def poll(self, task_list: str) -> Attempt | None:
        """Poll for one task."""
        attempt = Attempt(self._surroundings)
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
                await self._tell_all_the_same(attempt, _result_of_cancelled(attempt, outcome, stop))
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
        self._had_their_time = set(self.attempts)
        for attempt in self.attempts:
            attempt.stop(Stop.SHUTDOWN)

    def give_up_reports(self) -> None:
        """Leave untold what could not be told since the last time, or since the shutdown.

        What a late poll has brought meanwhile has its own time.
        """
        for attempt in self.attempts & self._had_their_time:
            attempt.give_up()
        self._had_their_time = set(self.attempts)

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
                if inspect.isawaitable(value):  # plain only from outside, as some decorators make it
                    value = await attempt.back_in_loop(value)
            else:
                value = await implementation.execute(task, attempt)
            if type(value) in _results:
                return cast("ActivityResult", value)
            return ActivityCompleted(value) if implementation.auto_complete else None
        except asyncio.CancelledError as error:  # what it means is found at the boundary, by Attempt.leave
            return error
        except ActivityAborted as aborted:
            return aborted
        except BaseExceptionGroup as group:
            return _only_aborted(group) or ActivityFailed(group)
        except Exception as error:
            return ActivityFailed(error)

    async def _in_thread(self, attempt: Attempt, implementation: _Implementation) -> Any:
        """Execute a plain function. No cancellation can interrupt it, so it is waited for whatever comes."""
        work = self._loop.create_task(
            anyio.to_thread.run_sync(attempt.execute_in_thread, implementation.execute, limiter=self._threads)
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
        telling = self._loop.create_task(self._tell(attempt, result))
        alarm = self._clock.call_at(self._clock.now() + self._report_seconds, telling.cancel)
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
            await persist(tell, what=attempt, clock=self._clock, back_off=self._back_off, until=attempt.closes_at)
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


def _only_aborted(group: BaseExceptionGroup) -> ActivityAborted | None:
    """Return the first ActivityAborted of a group, as task groups raise them, unless there are other errors in it."""
    aborted, others = group.split(ActivityAborted)
    if others is not None:
        return None
    first: BaseException | None = aborted
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return cast("ActivityAborted", first)


def _result_of_cancelled(
    attempt: Attempt, outcome: ActivityResult | asyncio.CancelledError | None, stop: Stop | None
) -> ActivityResult | None:
    if stop is None and isinstance(outcome, asyncio.CancelledError):
        logger.warning("%s was cancelled together with the asyncio task that ran it", attempt)
    return _result(attempt, outcome, stop or Stop.SHUTDOWN)


def _result(
    attempt: Attempt, outcome: ActivityResult | asyncio.CancelledError | None, stop: Stop | None
) -> ActivityResult | None:
    if not isinstance(outcome, asyncio.CancelledError):
        return outcome
    if stop is None:
        return ActivityFailed(outcome, reason="it raised CancelledError, and nobody had cancelled it")
    details = None if attempt.details_json is None else Json(attempt.details_json)
    return ActivityAborted(reason=stop.value, details=details)
