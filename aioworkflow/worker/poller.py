"""Polling: how tasks come to a worker.

A poller keeps some polls waiting at one task list, each in a *turn*, which is one asyncio task: it polls until a task
comes, sees to it that enough other polls wait, handles the task, and polls again if a poll is wanted, else ends. So
nothing queues between poll and handler, and a task costs little more than its own work. A turn also ends where user
code has left something behind in it (a context variable, a cancellation), so that no task ever sees traces of another.

A turn takes one of the worker's *places* from its first poll to its end; without a free place there is no poll, so a
task that comes can always be worked on at once. How many polls wait adapts: one more for each task that came quickly,
one less for each poll that came back empty, and a single one while the backend fails. While turns are busy with tasks
half as many polls are enough, as busy turns often poll again before those are used up.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, Generic, TypeVar

from ..errors import BackendError, BackendUnavailableError
from .timing import BackOff, Clock, sleep

__all__ = ["Places", "Poller"]

logger = logging.getLogger("aioworkflow.worker")

T = TypeVar("T")

_QUICK = 0.5
"""A poll that brings a task within so many seconds suggests that more tasks wait."""

_LEAST_PAUSE = 0.05
"""A backend whose empty polls end at once is asked no more often than this, in seconds."""


class Places:
    """How many turns a worker may take at a time for one kind of task.

    Every task list has a place of its own, so that a busy list never silences a quiet one; the rest is shared, first
    come, first served.
    """

    def __init__(self, limit: int, task_lists: int) -> None:
        self._shared = limit - task_lists
        self._hungry: deque[Poller[Any]] = deque()

    def take(self, poller: Poller[Any]) -> bool:
        """Take a place for one more turn; where there is none, ``poller.fill`` is called when there is."""
        if poller.turns:
            if not self._shared:
                if not poller.hungry:
                    poller.hungry = True
                    self._hungry.append(poller)
                return False
            self._shared -= 1
        poller.turns += 1
        return True

    def are_wanted_by_others(self, poller: Poller[Any]) -> bool:
        """Whether some other poller waits for one."""
        return any(hungry is not poller for hungry in self._hungry)

    def give_back(self, poller: Poller[Any]) -> None:
        """End a turn."""
        poller.turns -= 1
        if poller.turns:
            self._shared += 1
        while self._hungry and self._shared:
            hungry = self._hungry.popleft()
            hungry.hungry = False
            hungry.fill()


class Poller(Generic[T]):
    """Polls one task list and handles what comes.

    Attributes:
        turns: How many turns are under way: polls and tasks at work.
        hungry: Whether it waits for a place.
    """

    def __init__(
        self,
        task_list: str,
        *,
        poll: Callable[[str], Coroutine[Any, Any, T | None]],
        handle: Callable[[T], Coroutine[Any, Any, None]],
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        ended: Callable[[BaseException | None], None],
        places: Places,
        clock: Clock,
        back_off: BackOff,
        max_polls: int,
        cancel_polls: bool,
    ) -> None:
        """Make it; :meth:`fill` starts it.

        Args:
            task_list: Where to poll.
            poll: Polls once.
            handle: Does the work of a task.
            spawn: Starts an asyncio task in the worker's group.
            ended: Called after each turn, with the error that it raised, before its place is given back.
            places: Shared with the pollers of other task lists.
            clock: Tells what is quick.
            back_off: Says how long to wait after faults.
            max_polls: The most polls that wait at a time.
            cancel_polls: Whether :meth:`stop` may cancel them.
        """
        self.turns = 0
        self.hungry = False
        self._task_list = task_list
        self._poll = poll
        self._handle = handle
        self._spawn = spawn
        self._ended = ended
        self._places = places
        self._clock = clock
        self._back_off = back_off
        self._max_polls = max_polls
        self._cancel_polls = cancel_polls
        self._target = 1
        self._polls = 0
        self._failures = 0
        self._waiting: set[asyncio.Task[Any]] = set()
        self._naps: set[asyncio.Event] = set()
        self._stopping = False
        self._cancelled = False

    def fill(self) -> None:
        """Start as many polls as are wanted and have a place."""
        wanted = max(self._target // 2, 1)
        while self._polls < wanted and not self._stopping and self._places.take(self):
            self._polls += 1
            self._spawn(self._turn()).add_done_callback(self._turn_done)

    def stop(self) -> None:
        """Start no more polls, and end those that wait: at once if that loses no task, else when the backend ends them.

        What they bring all the same is handled.
        """
        self._stopping = True
        for nap in self._naps:
            nap.set()
        if self._cancel_polls and not self._cancelled:
            self._cancelled = True
            for task in self._waiting:
                task.cancel()

    def halt(self) -> None:
        """Start no more polls, and leave alone what is under way: the whole worker is being cancelled."""
        self._stopping = True

    async def _turn(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        clean = copy_context()
        try:
            while (item := await self._next(task)) is not None:
                self._polls -= 1
                self.fill()
                try:
                    await self._handle(item)
                finally:
                    self._polls += 1
                if self._polls > self._target or self._places.are_wanted_by_others(self) or not _is_fresh(task, clean):
                    break
        except asyncio.CancelledError as error:
            if not task.cancelling():
                raise BackendError(f"the backend cancelled its caller ({self._task_list!r})") from error
            raise

    def _turn_done(self, turn: asyncio.Task[None]) -> None:
        """See to what comes after a turn, also after one that was cancelled before it began.

        A cancelled one is replaced: the worker's own group cancels only when the pollers were halted before, so it was
        somebody else, perhaps the very activity. (In Python before 3.13 an ``asyncio.TaskGroup`` in which something
        fails leaves its task counted as cancelled.)
        """
        error = None if turn.cancelled() else turn.exception()
        if error is not None:
            self.halt()
        self._ended(error)
        self._polls -= 1
        self._places.give_back(self)
        self.fill()

    async def _next(self, task: asyncio.Task[Any]) -> T | None:
        """Poll until a task comes; None when this poll is one too many."""
        while not self._stopping:
            began = self._clock.now()
            self._waiting.add(task)
            try:
                item = await self._poll(self._task_list)
            except asyncio.CancelledError:
                if self._cancelled and not task.uncancel():
                    return None
                raise
            except BackendUnavailableError as error:
                if await self._goes_on_after(error):
                    continue
                return None
            finally:
                self._waiting.discard(task)
            self._came_back(task)
            took = self._clock.now() - began
            if item is not None:
                if took < _QUICK and self._target < self._max_polls:
                    self._target += 1
                return item
            self._target = max(self._target - 1, 1)
            if self._polls > self._target:
                return None
            if took < _LEAST_PAUSE:
                await self._pause(_LEAST_PAUSE)
        return None

    async def _goes_on_after(self, error: BackendUnavailableError) -> bool:
        """Go down to a single poll, which waits before it is repeated."""
        if not self._failures:
            self._failures = 1
            logger.warning("cannot poll task list %r, trying again: %s", self._task_list, error)
        self._target = 1
        if self._polls > 1:
            return False
        await self._pause(self._back_off(self._failures, error))
        self._failures += 1
        return True

    def _came_back(self, task: asyncio.Task[Any]) -> None:
        if self._cancelled:  # and yet the poll did not end by it
            task.uncancel()
        if self._failures:
            self._failures = 0
            logger.info("polling task list %r works again", self._task_list)

    async def _pause(self, seconds: float) -> None:
        if self._stopping:
            return
        woken = asyncio.Event()
        self._naps.add(woken)
        try:
            await sleep(self._clock, seconds, woken)
        finally:
            self._naps.discard(woken)


def _is_fresh(task: asyncio.Task[Any], clean: Context) -> bool:
    """Whether user code has left nothing behind in a task: no cancellation, no context variable."""
    now = copy_context()
    return (
        len(now) == len(clean)
        and all(clean.get(variable, _MISSING) is value for variable, value in now.items())
        and not task.cancelling()
    )


_MISSING = object()
