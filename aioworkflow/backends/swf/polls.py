"""Polls that lose nothing.

Amazon SWF goes on with a poll whose caller has gone away, for up to 60 seconds, and a task that it then hands out
reaches nobody and has to time out (swf-reference 11.2). So a poll in flight is never cancelled: it is an asyncio task
of its own, and if its caller is cancelled it flies on.

- The next poll for the same takes it over, whoever makes it: also a worker that comes after one that has failed.
- A task that it brings meanwhile goes to a caller that waits for the same.
- Without such a caller an activity task is handed back at once: told as aborted because of "worker shutdown", just as
  workers tell of those that they cannot finish. The decider may schedule it again.
- A decision task cannot be handed back: every answer counts as a decision, also an empty one, after which nobody would
  look at the new events. It waits for the next poll, and else times out, and Amazon hands it out again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from ...errors import BackendClosedError

__all__ = ["Polls"]

_logger = logging.getLogger("aioworkflow.swf")

T = TypeVar("T")


class _Flight(Generic[T]):
    """One poll; ``caller`` is who waits for what it brings, if there is one."""

    __slots__ = ("caller", "key", "task")

    def __init__(self, key: Hashable, task: asyncio.Task[T | None]) -> None:
        self.key = key
        self.task = task
        self.caller: _Caller[T] | None = None


class _Caller(Generic[T]):
    """Who waits, at ``waiter``, for what ``flight`` brings."""

    __slots__ = ("flight", "waiter")

    def __init__(self, flight: _Flight[T], waiter: asyncio.Future[T | None]) -> None:
        self.waiter = waiter
        self.take(flight)

    def take(self, flight: _Flight[T]) -> None:
        self.flight = flight
        flight.caller = self


class Polls(Generic[T]):
    """The polls for one kind of task.

    Args:
        hand_back: Gives a task back that nobody waits for; None if that cannot be done, so that it is kept for who
            comes.
    """

    def __init__(self, hand_back: Callable[[T], Coroutine[Any, Any, None]] | None = None) -> None:
        self._hand_back = hand_back
        self._flights: set[_Flight[T]] = set()
        self._orphans: dict[Hashable, list[_Flight[T]]] = {}
        self._handing_back: set[asyncio.Task[None]] = set()
        self._closing = False

    @property
    def in_flight(self) -> int:
        """How many polls wait for an answer."""
        return len(self._flights)

    async def poll(self, key: Hashable, start: Callable[[], Coroutine[Any, Any, T | None]]) -> T | None:
        """Poll, or take over a poll that was left alone; None also when polls are closed.

        Args:
            key: What the poll is for; only one for the same can be taken over.
            start: Makes it.
        """
        loop = asyncio.get_running_loop()
        flight = self._adopt(key)
        if flight is None:
            flight = _Flight(key, loop.create_task(start()))
            self._flights.add(flight)
            flight.task.add_done_callback(lambda _: self._landed(flight))
        elif flight.task.done():
            return flight.task.result()
        waiter: asyncio.Future[T | None] = loop.create_future()
        caller = _Caller(flight, waiter)
        try:
            item = await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                waiter.exception()  # it came together with the cancellation, and is seen to below
            caller.flight.caller = None
            self._abandon(caller.flight)
            raise
        caller.flight.caller = None  # no cycle for the garbage collector to find
        return item

    async def close(self, seconds: float) -> None:
        """End the waiting of all callers, take in what the polls bring, and hand it back.

        Polls that are still in flight after ``seconds``, or when this is cancelled, are given up.
        """
        self._closing = True
        for flight in self._flights:
            if flight.caller is not None and not flight.caller.waiter.done():
                flight.caller.waiter.set_result(None)
            flight.caller = None
        try:
            async with asyncio.timeout(seconds):
                await self._settle(lambda: [flight.task for flight in self._flights])
                await self._settle(lambda: list(self._handing_back))
        except TimeoutError:
            pass
        finally:
            await self._give_up()

    async def _settle(self, tasks: Callable[[], list[asyncio.Task[Any]]]) -> None:
        while waiting := tasks():
            await asyncio.wait(waiting)
            await asyncio.sleep(0)  # their callbacks come now

    async def _give_up(self) -> None:
        if self._flights:
            _logger.warning(
                "%d polls were given up; a task that one of them brings has to time out", len(self._flights)
            )
        tasks = [*(flight.task for flight in self._flights), *self._handing_back]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _adopt(self, key: Hashable) -> _Flight[T] | None:
        waiting = self._orphans.get(key)
        if not waiting:
            return None
        flight = waiting.pop()
        if not waiting:
            del self._orphans[key]
        return flight

    def _abandon(self, flight: _Flight[T]) -> None:
        """Let a poll fly on alone, or see to what it has brought just now."""
        if flight in self._flights:
            self._orphans.setdefault(flight.key, []).append(flight)
        else:
            self._left_behind(flight)

    def _landed(self, flight: _Flight[T]) -> None:
        self._flights.discard(flight)
        caller = flight.caller
        if caller is None:
            self._left_behind(flight)
        elif not caller.waiter.done():
            _pass_on(flight.task, caller.waiter)
        # else its caller is being cancelled, and leaves it behind

    def _left_behind(self, flight: _Flight[T]) -> None:
        """See to a poll that has ended and that nobody waits for."""
        waiting = self._orphans.get(flight.key, [])
        if flight in waiting:
            waiting.remove(flight)
            if not waiting:
                del self._orphans[flight.key]
        task = flight.task
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            if not isinstance(error, BackendClosedError):
                _logger.warning("a poll that nobody waited for has failed: %s", error)
        elif (item := task.result()) is not None:
            self._see_to(flight, item)

    def _see_to(self, flight: _Flight[T], item: T) -> None:
        if (caller := self._waiting_for(flight.key)) is not None:
            caller.flight.caller = None
            self._orphans.setdefault(flight.key, []).append(caller.flight)
            caller.take(flight)
            caller.waiter.set_result(item)
        elif self._hand_back is not None:
            work = asyncio.get_running_loop().create_task(self._hand_back(item))
            self._handing_back.add(work)
            work.add_done_callback(self._handed_back)
        elif self._closing:
            _logger.warning("a poll brought a task after all were told to end; it is left to time out: %s", item)
        else:
            self._orphans.setdefault(flight.key, []).append(flight)

    def _waiting_for(self, key: Hashable) -> _Caller[T] | None:
        """Return somebody who waits for a poll for the same."""
        for flight in self._flights:
            if flight.key == key and flight.caller is not None and not flight.caller.waiter.done():
                return flight.caller
        return None

    def _handed_back(self, work: asyncio.Task[None]) -> None:
        self._handing_back.discard(work)
        if not work.cancelled() and (error := work.exception()) is not None:
            _logger.error("a task that nobody waits for could not be handed back: %s", error)


def _pass_on(task: asyncio.Task[T | None], waiter: asyncio.Future[T | None]) -> None:
    if task.cancelled():
        waiter.set_result(None)
    elif (error := task.exception()) is not None:
        waiter.set_exception(error)
    else:
        waiter.set_result(task.result())
