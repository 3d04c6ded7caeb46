"""What a local backend does by itself: deadlines, its own lease and those of others, and what other OS processes wrote.

Hints from elsewhere may be lost or late; everything here is repeated at a slow pace, so a lost hint costs latency,
never correctness.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any

import anyio

from ...errors import BackendError
from ...machine.requests import FireDeadlines, ReleaseTasks, Request
from ...stores.base import Changes, Store
from ...types import ProcessRef
from .clock import Alarm, Clock
from .committer import Committer
from .deliveries import Deliveries
from .lease import Lease
from .lists import TaskList, TaskLists
from .options import LocalOptions
from .registry import Registry
from .runs import RunCache

__all__ = ["Upkeep"]

_logger = logging.getLogger("aioworkflow.local")

_FALLBACK_PERIOD = 10.0
"""Seconds between looks at the database for what no hint told of: deadlines, undelivered messages, types."""

_MESSAGES_PER_QUERY = 500

_RETENTION_PERIOD = 30.0
"""Seconds between two looks for what closed long enough ago."""

_REMOVALS_PER_QUERY = 100
_REMOVAL_PAUSE = 0.05
"""Closed processes are removed so many at a time, and others get their turn in between."""

_RUNS_PER_LOOK = 200
"""Of the runs whose end is awaited so many are looked at in each period, in turns."""


class Upkeep:
    """The background work of one local backend."""

    def __init__(
        self,
        store: Store,
        *,
        session: str,
        clock: Clock,
        lease_clock: Clock,
        options: LocalOptions,
        committer: Committer,
        deliveries: Deliveries,
        lists: TaskLists,
        runs: RunCache,
        registry: Registry,
    ) -> None:
        self._store = store
        self._session = session
        self._clock = clock
        self._options = options
        self._look_seconds = max(options.session_check_seconds, store.session_look_seconds)
        self._lease = Lease(lease_clock, lifetime=options.lease_seconds, period=self._look_seconds)
        self._committer = committer
        self._deliveries = deliveries
        self._lists = lists
        self._runs = runs
        self._registry = registry
        self._ending = False
        self._deadline: float | None = None
        self._alarm: Alarm | None = None
        self._deadline_due = anyio.Event()
        self._looked_at = 0

    @property
    def duties(self) -> tuple[Callable[[], Coroutine[Any, Any, None]], ...]:
        """What must run for as long as the backend is open."""
        return self.fire_deadlines, self.keep_session, self.watch, self.repeat, self.forget_closed

    # --- deadlines ---------------------------------------------------------------------------------------------------

    def on_deadline(self, when: float) -> None:
        """Make sure that the deadline at ``when`` is seen to."""
        if self._deadline is None or when < self._deadline:
            self._deadline = when
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = self._clock.call_at(when, self._ring)

    def _ring(self) -> None:
        self._deadline_due.set()

    async def fire_deadlines(self) -> None:
        """Let everything happen whose time has come, for ever."""
        self._deadline_due.set()
        while True:
            await self._deadline_due.wait()
            self._deadline_due = anyio.Event()
            await self._guarded("deadlines", self._fire_due)

    async def _fire_due(self) -> None:
        self._deadline = None
        if self._alarm is not None:
            self._alarm.cancel()
        due = await self._store.due(self._clock.now())
        if due.next_wake_at is not None:
            self.on_deadline(due.next_wake_at)
        fired = await self._submit_all(FireDeadlines(), due.run_ids)
        if fired:
            self._deadline_due.set()  # there may be more than one query returns

    async def _submit_all(self, request: Request, run_ids: Sequence[str]) -> int:
        """Put a request to many runs; return how many took it (the others were closed meanwhile)."""
        return await self._taken([self._committer.submit(request, ProcessRef("", run_id)) for run_id in run_ids])

    @staticmethod
    async def _taken(futures: Sequence[asyncio.Future[Any]]) -> int:
        """Wait for requests to be carried out; return how many were."""
        taken = 0
        if futures:
            await asyncio.wait(futures)
        for future in futures:
            error = future.exception()
            if error is None:
                taken += 1
            elif isinstance(error, BackendError):
                raise error
            else:  # it came too late, or there is a fault, which has been logged
                _logger.debug("a request of the upkeep was not carried out: %s", error)
        return taken

    # --- sessions ----------------------------------------------------------------------------------------------------

    async def keep_session(self) -> None:
        """Renew the lease, and release what dead sessions held, for ever."""
        while True:
            await anyio.sleep(self._look_seconds)
            await self._guarded("sessions", self.renew_session)

    async def renew_session(self) -> None:
        """Renew the lease once, and release what dead sessions held; not when the session is being ended."""
        if self._ending:
            return
        now, expires_at = self._lease.ask()
        dead = await self._store.renew_session(self._session, now=now, expires_at=expires_at)
        self._lease.looked()
        if self._lease.is_doubtful:
            await self._deliveries.let_go_of_lost()
        for session in dead if self._lease.counts_others else ():
            released = await self.release(session)
            await self._store.end_session(session)
            released += await self.release(session)  # what it was about to take meanwhile: it may only have been slow
            await self.deliver_messages(older_than=math.inf)
            _logger.warning(
                "session %s is gone; the tasks that it held in %d processes have timed out", session, released
            )

    async def release(self, session: str) -> int:
        """Time out the tasks that a session held; return in how many runs."""
        released = 0
        while run_ids := await self._store.held_by(session):
            taken = await self._submit_all(ReleaseTasks(session=session), run_ids)
            if not taken:
                return released
            released += taken
        return released

    async def deliver_messages(self, *, older_than: float) -> None:
        """Deliver messages between processes that were left lying, all of them."""
        submit = self._committer.submit
        while messages := await self._store.outbox(older_than=older_than, limit=_MESSAGES_PER_QUERY):
            taken = await self._taken([submit(message.body, message.to, message=message) for message in messages])
            if not taken or len(messages) < _MESSAGES_PER_QUERY:
                break

    async def end_session(self) -> None:
        """See what is under way to its end, give back what the own session holds, and forget the session."""
        self._ending = True
        await self._committer.drain()
        try:
            await self.release(self._session)
            await self._store.end_session(self._session)
        except BackendError as error:
            _logger.error("the session could not be ended (its tasks time out later): %s", error)

    # --- other OS processes ------------------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Notice what other OS processes write, for ever."""
        while True:
            await anyio.sleep(self._options.watch_seconds)
            await self._guarded("the database", self._look)

    async def _look(self) -> None:
        changes = await self._store.changed()
        if changes is not None:
            await self.on_foreign_change(changes)
        if self._committer.unsure:
            self._committer.unsure = False
            try:
                await self._catch_up()
            except BackendError:
                self._committer.unsure = True
                raise

    async def _catch_up(self) -> None:
        """A transaction failed that may have been saved all the same: see to what it may have brought."""
        await self.deliver_messages(older_than=math.inf)
        self._deadline_due.set()
        await self._look_for_closed(self._deliveries.awaited_runs)

    async def on_foreign_change(self, changes: Changes) -> None:
        """Look at everything that writes of others may concern."""
        if changes.task_lists is None:
            self._lists.forget_completeness()
            self._deadline_due.set()
            self._feed(self._lists)
        else:
            concerned = [self._lists.get(*place) for place in changes.task_lists if self._lists.has(*place)]
            for task_list in concerned:
                task_list.doubt()
            self._feed(concerned)
        awaited = self._deliveries.awaited_runs
        if changes.closed is None:
            self._runs.epoch += 1
        else:
            self._runs.doubt(changes.closed)
            awaited = [run_id for run_id in awaited if run_id in changes.closed]
        await self._look_for_closed(awaited)

    async def repeat(self) -> None:
        """Do slowly what hints should have brought at once, for ever."""
        while True:
            await anyio.sleep(_FALLBACK_PERIOD)
            self._lists.forget_completeness()
            self._feed(self._lists)
            self._deadline_due.set()
            await self._guarded("what was forgotten", self._find_forgotten)

    async def _find_forgotten(self) -> None:
        await self._registry.refresh()
        await self.deliver_messages(older_than=self._clock.now() - _FALLBACK_PERIOD)
        awaited = self._deliveries.awaited_runs
        self._looked_at = 0 if self._looked_at >= len(awaited) else self._looked_at
        await self._look_for_closed(awaited[self._looked_at : self._looked_at + _RUNS_PER_LOOK])
        self._looked_at += _RUNS_PER_LOOK

    async def forget_closed(self) -> None:
        """Remove the processes that closed long ago, for ever."""
        while self._options.retention_seconds is not None:
            await self._guarded("closed processes", partial(self._remove_closed, self._options.retention_seconds))
            await anyio.sleep(_RETENTION_PERIOD)

    async def _remove_closed(self, age: float) -> None:
        before = self._clock.now() - age
        removed = limit = _REMOVALS_PER_QUERY
        while removed == limit:
            removed = await self._store.remove_closed(before=before, limit=limit)
            await anyio.sleep(_REMOVAL_PAUSE)

    def _feed(self, task_lists: Iterable[TaskList]) -> None:
        for task_list in task_lists:
            if task_list.wants_tasks:
                self._committer.feed(task_list)

    async def _look_for_closed(self, run_ids: Sequence[str]) -> None:
        for run_id, event in (await self._store.endings(run_ids)).items() if run_ids else ():
            self._deliveries.closed(run_id, event)

    async def _guarded(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do ``work``; a database that is away is said, and tried again at the next turn."""
        try:
            await work()
        except BackendError as error:
            _logger.warning("upkeep of %s failed, will try again: %s", what, error)
            await anyio.sleep(self._options.session_check_seconds)
            self._deadline_due.set()
