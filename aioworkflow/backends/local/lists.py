"""Task lists as one backend object sees them: who waits there for a task, and which tasks are known to wait for a
taker.

The database is the truth. What is kept here of waiting tasks are *hints* that save asking it: a hint may be out of
date (the state of the run decides when the task is claimed), and there may be tasks that no hint tells of; then the
list is not ``complete``.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Iterator, Sequence

from ...backend import OnInterrupt
from ...stores.base import TaskKind, WaitingTask
from ...task import ActivityTask, DecisionTask

__all__ = ["TaskList", "TaskLists", "Waiter"]

_MOST_HINTS = 10_000
"""More waiting tasks than this are left to the database."""

_HINTS_PER_LOOK = 200
"""While there may be tasks that no hint tells of, so many hints are taken before the database is asked again: tasks
that it alone knows may be older, or of higher priority."""


class Waiter:
    """A poll that waits.

    Attributes:
        since: When it began, in the time of the event loop.
        future: Gets the task, or None when the poll time is over.
        claimed: Whether a task is being handed to it in the transaction under way.
        expired: Whether its poll time ended meanwhile.
    """

    __slots__ = (
        "claimed",
        "expired",
        "future",
        "identity",
        "kind",
        "new_events_only",
        "on_interrupt",
        "since",
        "task_list",
    )

    def __init__(
        self,
        kind: TaskKind,
        task_list: str,
        *,
        identity: str | None,
        new_events_only: bool = False,
        on_interrupt: OnInterrupt | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.since = loop.time()
        self.future: asyncio.Future[ActivityTask | DecisionTask | None] = loop.create_future()
        self.kind = kind
        self.task_list = task_list
        self.identity = identity
        self.new_events_only = new_events_only
        self.on_interrupt = on_interrupt
        self.claimed = False
        self.expired = False

    def expire(self) -> None:
        """End the poll without a task, unless one is on its way."""
        self.expired = True
        if not self.claimed and not self.future.done():
            self.future.set_result(None)

    def renew(self) -> None:
        """Wait anew, but only for what is on its way."""
        self.future = self.future.get_loop().create_future()
        self.expired = True

    def abandon(self) -> None:
        """End the poll without the task that was on its way."""
        self.claimed = False
        self.expire()

    def unclaim(self) -> bool:
        """Note that the task did not come after all; return whether the poll still waits."""
        self.claimed = False
        if self.expired:
            self.expire()
        return not self.future.done()


class TaskList:
    """One named list of one kind.

    Attributes:
        complete: Whether every task that waits in the database has a hint here.
        unclaimed: Tasks that were started for a poll that then went away; the next poll gets them, if it comes soon.
    """

    __slots__ = ("_hints", "_known", "_sure", "_waiters", "complete", "kind", "name", "unclaimed")

    def __init__(self, kind: TaskKind, name: str) -> None:
        self.kind = kind
        self.name = name
        self.complete = False
        self.unclaimed: deque[ActivityTask | DecisionTask] = deque()
        self._waiters: deque[Waiter] = deque()
        self._hints: list[tuple[int, float, str, int]] = []
        self._known: set[tuple[str, int]] = set()
        self._sure = 0

    def add_waiter(self, waiter: Waiter) -> None:
        """Queue a poll."""
        self._waiters.append(waiter)

    def put_back(self, waiter: Waiter) -> None:
        """Queue a poll at the front, where it was before it was claimed."""
        if waiter.unclaim():
            self._waiters.appendleft(waiter)

    def claim_waiter(self) -> Waiter | None:
        """Take the poll that waits longest, if any."""
        waiters = self._waiters
        while waiters:
            waiter = waiters.popleft()
            if not waiter.future.done():
                waiter.claimed = True
                return waiter
        return None

    @property
    def waiting_polls(self) -> int:
        """How many polls wait (those that have gone away meanwhile may be counted)."""
        return len(self._waiters)

    def drop_gone(self) -> bool:
        """Forget polls at the front that have gone away; return whether any poll waits."""
        waiters = self._waiters
        while waiters and waiters[0].future.done():
            waiters.popleft()
        return bool(waiters)

    def expire_polls(self, begun_before: float) -> float | None:
        """End the polls that began at or before that time; return when the oldest of the others began."""
        waiters = self._waiters
        while waiters and (waiters[0].future.done() or waiters[0].since <= begun_before):
            waiters.popleft().expire()
        return waiters[0].since if waiters else None

    @property
    def wants_tasks(self) -> bool:
        """Whether a poll waits and there may be a task for it."""
        return (bool(self._hints) or not self.complete) and self.drop_gone()

    @property
    def has_hints(self) -> bool:
        """Whether some waiting task is known."""
        return bool(self._hints)

    @property
    def must_look(self) -> bool:
        """Whether the database must be asked which task is the next."""
        return not self._hints or (not self.complete and self._sure <= 0)

    def doubt(self) -> None:
        """Note that there may be tasks that no hint tells of."""
        if self.complete:
            self.complete = False
            self._sure = _HINTS_PER_LOOK

    def add_hint(self, run_id: str, scheduled_event_id: int, task_priority: int, scheduled_at: float) -> None:
        """Note that a task waits. Too many are forgotten, and the database is asked for the first of them."""
        if len(self._hints) >= _MOST_HINTS:
            self.complete = False
            self._sure = 0
            self._hints.clear()
            self._known.clear()
        self._add(run_id, scheduled_event_id, task_priority, scheduled_at)

    def _add(self, run_id: str, scheduled_event_id: int, task_priority: int, scheduled_at: float) -> None:
        key = (run_id, scheduled_event_id)
        if key not in self._known:
            self._known.add(key)
            heapq.heappush(self._hints, (-task_priority, scheduled_at, run_id, scheduled_event_id))

    def take_hint(self) -> tuple[str, int] | None:
        """Take the task that is first by priority, then by age (swf-reference 5.8): run id, scheduled event id."""
        if not self._hints:
            return None
        self._sure -= 1
        _, _, run_id, scheduled_event_id = heapq.heappop(self._hints)
        self._known.discard((run_id, scheduled_event_id))
        return run_id, scheduled_event_id

    def learn(self, tasks: Sequence[WaitingTask], *, complete: bool) -> None:
        """Add what the database knows."""
        self.complete = complete
        self._sure = max(len(tasks), _HINTS_PER_LOOK)
        for task in tasks:
            self._add(task.run_id, task.scheduled_event_id, task.task_priority, task.scheduled_at)

    def end_polls(self) -> None:
        """Let all polls end without a task."""
        for waiter in self._waiters:
            waiter.expire()
        self._waiters.clear()


class TaskLists:
    """All task lists that were polled or filled here.

    Args:
        poll_seconds: How long a poll waits.
    """

    def __init__(self, poll_seconds: float) -> None:
        self._poll_seconds = poll_seconds
        self._decisions: dict[str, TaskList] = {}
        self._activities: dict[str, TaskList] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __iter__(self) -> Iterator[TaskList]:
        return itertools.chain(self._decisions.values(), self._activities.values())

    def has(self, kind: TaskKind, name: object) -> bool:
        """Tell whether the list was polled or filled before."""
        return type(name) is str and name in (self._activities if kind is TaskKind.ACTIVITY else self._decisions)

    def get(self, kind: TaskKind, name: str) -> TaskList:
        """Return the list, making it if it is new."""
        lists = self._activities if kind is TaskKind.ACTIVITY else self._decisions
        found = lists.get(name)
        if found is None:
            found = lists[name] = TaskList(kind, name)
        return found

    def add_waiter(self, task_list: TaskList, waiter: Waiter) -> None:
        """Queue a poll, and see to it that it ends in time. One timer serves all polls, which come and go fast."""
        task_list.add_waiter(waiter)
        if self._timer is None:
            self._set_timer(waiter)

    def put_back(self, waiter: Waiter) -> TaskList:
        """Let a poll that was claimed go on waiting, at the front; return its list."""
        task_list = self.get(waiter.kind, waiter.task_list)
        task_list.put_back(waiter)
        self._set_timer(waiter)
        return task_list

    def forget_completeness(self) -> None:
        """Somebody else may have added tasks."""
        for task_list in self:
            task_list.doubt()

    def end_polls(self) -> None:
        """Let all polls end without a task."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for task_list in self:
            task_list.end_polls()

    def _set_timer(self, waiter: Waiter) -> None:
        """See to it that the time of a poll ends; one that was claimed meanwhile may be older than all that wait."""
        end = waiter.since + self._poll_seconds
        if self._timer is not None:
            if self._timer.when() <= end:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(end, self._expire_polls)

    def _expire_polls(self) -> None:
        loop = asyncio.get_running_loop()
        oldest = [task_list.expire_polls(loop.time() - self._poll_seconds) for task_list in self]
        begun = [since for since in oldest if since is not None]
        self._timer = loop.call_at(min(begun) + self._poll_seconds, self._expire_polls) if begun else None
