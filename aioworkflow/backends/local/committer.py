"""The committer: gathers requests while a transaction is under way and writes the next group in one (DESIGN 6).

One task owns it all, so no state changes across an await that somebody else might see: requests are queued, the runs
they concern are loaded, the batch is applied in one go, saved, and only then do the callers get their answers. A run
whose write the store refuses (another OS process was faster) is loaded anew and its requests are applied again; the
others stand.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any

from ...errors import (
    AioworkflowError,
    BackendClosedError,
    BackendError,
    BackendUnavailableError,
    StoreError,
    UnknownResourceError,
)
from ...machine.requests import (
    CompleteDecisionTask,
    Message,
    Request,
    StartActivityTask,
    StartDecisionTask,
    StartProcess,
)
from ...machine.state import ProcessState
from ...stores.base import Store, TaskKind
from ...types import UNSET, ProcessRef
from .batch import Batch, Handover, Operation, PendingRun
from .clock import Clock
from .doubts import Doubts
from .lists import TaskList, TaskLists, Waiter
from .registry import Registry
from .runs import CachedRun, RunCache

__all__ = ["Committer"]

_logger = logging.getLogger("aioworkflow.local")

_HINTS_PER_QUERY = 200
"""How many waiting tasks are asked for at least, when a list's hints are used up."""

_REST_SECONDS = 0.2
"""After the database failed, polls that wait are fed again when this time has passed."""

_MOST_PAUSE = 0.005
"""Seconds, of which chance takes a part, before what another session was faster with is tried again: who work on one
run come less in each other's way, with larger groups."""

_MESSAGE_ATTEMPTS = 3
"""A message that is refused this often was probably delivered by another session; if not, the outbox is read again
later."""


class Committer:
    """Applies and saves requests, one group at a time.

    Attributes:
        submitted: How many requests were made.
        busy: Whether some of them are being carried out.
        unsure: Whether a message was left lying, or a transaction has failed of which it is not known whether it was
            saved. Tasks that it may have handed out are seen to here (such a run is loaded before anything else is
            done to it); whoever cares for what else it may have brought resets this.
    """

    def __init__(
        self,
        store: Store,
        *,
        session: str,
        clock: Clock,
        registry: Registry,
        runs: RunCache,
        lists: TaskLists,
        on_settled: Callable[[PendingRun], None],
        on_recovered: Callable[[Handover, CachedRun], None],
    ) -> None:
        self._store = store
        self._session = session
        self._clock = clock
        self._registry = registry
        self._runs = runs
        self._lists = lists
        self._on_settled = on_settled
        self._queue: list[Operation] = []
        self._hungry: dict[TaskList, None] = {}
        self._resting: set[TaskList] = set()
        self._doubts = Doubts(session, on_recovered)
        self._doubts_timer: asyncio.TimerHandle | None = None
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._closed = False
        self._now = 0.0
        self.unsure = False
        self.submitted = 0
        self.busy = False

    def submit(self, request: Request, process: ProcessRef, *, message: Message | None = None) -> asyncio.Future[Any]:
        """Queue a request; the future gets its reply when that is durable."""
        if self._closed:
            raise BackendClosedError("the backend is closed; use it inside its `async with` block")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.enqueue(Operation(request, process, future=future, message=message))
        return future

    def enqueue(self, operation: Operation) -> None:
        """Queue an operation."""
        self._queue.append(operation)
        self.submitted += 1
        self._wake.set()

    def feed(self, task_list: TaskList) -> None:
        """See to it that waiting polls of a list get the tasks that wait there."""
        self._hungry[task_list] = None
        self._wake.set()

    async def drain(self) -> None:
        """Wait until everything that was asked for is done, and what follows from it."""
        while (self._wake.is_set() or self.busy) and not self._closed:
            self._idle.clear()
            await self._idle.wait()

    async def run(self) -> None:
        """Work until cancelled; requests still queued then are failed, and polls that a task was claimed for end."""
        operations: list[Operation] = []
        try:
            while True:
                self._idle.set()
                await self._wake.wait()
                self._wake.clear()
                self.busy = True
                while self._queue or self._hungry or self._doubts.are_due:
                    if self._hungry or len(self._queue) > 1:  # there is much to do, so let us gather
                        await asyncio.sleep(0)  # whoever is about to ask or to poll does: larger groups, fewer claims
                    await self._feed_lists()
                    operations, self._queue = self._queue, []
                    if operations or self._doubts.are_due:
                        # What must be tried again is joined by what came meanwhile: fewer, larger groups.
                        again = await self._attempt(operations)
                        operations, self._queue = [], again + self._queue
                        if again:
                            await asyncio.sleep(random.random() * _MOST_PAUSE)
                self.busy = False
                self._runs.shrink()
                if self._doubts:
                    self._look_later()
        finally:
            self._closed = True
            self._idle.set()
            for operation in [*operations, *self._queue]:
                if operation.waiter is not None:
                    operation.waiter.abandon()
                operation.fail(BackendClosedError("the backend was closed before the request was carried out"))

    async def _attempt(self, operations: list[Operation]) -> list[Operation]:
        """Apply and save; return the operations that must be tried again."""
        try:
            latest = await self._load(operations)
        except Exception as error:
            if len(operations) > 1 and not isinstance(error, BackendUnavailableError | BackendClosedError):
                # One run that is damaged harms no other.
                return [again for operation in operations for again in await self._attempt([operation])]
            if not isinstance(error, BackendError):
                _logger.error("runs could not be read; this is a bug in aioworkflow", exc_info=error)
            for operation in operations:
                if operation.waiter is not None and isinstance(error, StoreError):
                    _logger.warning("a task of run %s cannot be handed out: %s", operation.process.run_id, error)
                self._give_up(operation, error)
                self.unsure |= operation.message is not None
            self._doubts.put_off(rest=_REST_SECONDS)
            return []
        self._now = max(self._now, self._clock.now())
        batch = Batch(
            runs=self._runs,
            lists=self._lists,
            environment=self._registry.environment,
            session=self._session,
            now=self._now,
            latest=latest,
            on_fault=_log_fault,
        )
        for operation in operations:
            if operation.abandoned:
                if operation.waiter is not None:
                    self._return(operation.waiter, self.feed)
                continue
            batch.apply(operation)
        return await self._save(batch)

    async def _save(self, batch: Batch) -> list[Operation]:
        again: list[Operation] = []
        for operation, error in batch.unfounded:
            self._give_up(operation, error)
        for pending in batch.broken:
            again += self._take_back(pending)
        again += batch.postponed
        epoch = self._runs.epoch
        group, order = batch.group()
        if not order:
            return again
        try:
            refused = set(await self._store.commit(group))
        except BackendError as error:
            for pending in order:
                self._fail(pending, error)
            return again
        except Exception as error:
            again += [operation for pending in order for operation in self._take_back(pending, self._feed_later)]
            return await self._one_by_one(again, error)
        except BaseException:
            for pending in order:
                self._fail(pending, BackendClosedError("the backend was closed while the request was being saved"))
            raise
        for index, pending in enumerate(order):
            if index in refused:
                again += self._take_back(pending)
            else:
                self._settle(pending, epoch)
        return again

    async def _one_by_one(self, operations: list[Operation], error: Exception) -> list[Operation]:
        """There is something that the store cannot take: the request that brought it fails, and harms no other."""
        if len(operations) == 1:
            _logger.error(
                "a request of type %s on process %s cannot be saved; this is a bug in aioworkflow",
                type(operations[0].request).__name__,
                operations[0].process,
                exc_info=error,
            )
            self._give_up(operations[0], error)
            return []
        return [again for operation in operations for again in await self._attempt([operation])]

    async def _load(self, operations: list[Operation]) -> dict[str, str]:
        """Bring what is asked for into the cache; return the latest run ids of processes without an open run."""
        runs = self._runs
        unresolved: dict[str, None] = {}
        wanted: dict[str, None] = dict.fromkeys(self._doubts.begin_look() if self._doubts else ())
        for operation in operations:
            request = operation.request
            process = operation.process
            if process.run_id:
                if process.run_id not in runs:
                    wanted[process.run_id] = None
            elif runs.open_run_id(process.process_id) is None and (
                type(request) is not StartProcess or operation.attempts
            ):
                unresolved[process.process_id] = None
        latest = await self._store.resolve(list(unresolved)) if unresolved else {}
        wanted.update((run_id, None) for run_id in latest.values() if run_id not in runs)
        if wanted:
            for stored in (await self._store.load(list(wanted))).values():
                run = CachedRun(
                    ProcessState(stored.head, {item.event_id: item for item in stored.items}), stored.version
                )
                runs.put(run)
                self._doubts.look(run)
        for operation in operations:
            if type(operation.request) is CompleteDecisionTask:
                await self._learn_types(operation.request, operation.process.run_id)
        return latest

    async def _learn_types(self, request: CompleteDecisionTask, run_id: str) -> None:
        """Ask for the types that a decision names, where they are not known here."""
        run = self._runs.get(run_id)
        if self._registry.lacks_types(request.decisions, None if run is None else run.state.head.workflow):
            await self._registry.refresh()

    async def _feed_lists(self) -> None:
        """Claim known waiting tasks for the polls that wait for them."""
        hungry, self._hungry = self._hungry, {}
        is_away = False
        for task_list in hungry:
            if not task_list.wants_tasks:
                continue
            if task_list.must_look:
                if is_away:  # those who wait for an answer are not to wait for as many failures as there are lists
                    self._feed_later(task_list)
                    continue
                wanted = task_list.waiting_polls
                limit = max(2 * wanted, _HINTS_PER_QUERY)
                try:
                    tasks = await self._store.waiting(task_list.kind, task_list.name, limit=limit, wanted=wanted)
                except BackendError as error:
                    _logger.warning("task list %r could not be read: %s", task_list.name, error)
                    self._feed_later(task_list)
                    is_away = True
                    continue
                task_list.learn(tasks, complete=len(tasks) < wanted)
            while task_list.has_hints and (waiter := task_list.claim_waiter()) is not None:
                hint = task_list.take_hint()
                assert hint is not None
                self.enqueue(self._claim(waiter, *hint))

    def _claim(self, waiter: Waiter, run_id: str, scheduled_event_id: int) -> Operation:
        start = StartDecisionTask if waiter.kind is TaskKind.DECISION else StartActivityTask
        request = start(scheduled_event_id=scheduled_event_id, identity=waiter.identity, session=self._session)
        return Operation(request, ProcessRef("", run_id), waiter=waiter)

    def _settle(self, pending: PendingRun, epoch: int) -> None:
        """Make known what was saved."""
        run = pending.run
        if run is not None:
            run.epoch = epoch
        if run is not None and pending.changed:
            run.version += 1
            if self._doubts:
                self._doubts.end(run.state.head.run_id)
            if pending.wake_at is not UNSET:
                run.wake_at = pending.wake_at
            if pending.outcome is not None:
                run.remember(pending.outcome.events)
        for operation, reply in pending.operations:
            operation.succeed(reply)
        for operation, error in pending.refused or ():
            self._give_up(operation, error)
        self._on_settled(pending)

    def _take_back(self, pending: PendingRun, feed: Callable[[TaskList], None] | None = None) -> list[Operation]:
        """Undo in memory what was not saved, and return what must be tried again."""
        self._forget(pending, feed or self.feed)
        again = []
        for operation in pending.every_operation():
            operation.attempts += 1
            if operation.waiter is not None:
                continue
            if operation.message is None or operation.attempts < _MESSAGE_ATTEMPTS:
                again.append(operation)
            else:
                operation.fail(UnknownResourceError("the message was delivered by another session"))
        return again

    def _fail(self, pending: PendingRun, error: BaseException) -> None:
        """The database failed: whether the group was saved is not known, so nothing of it may stay in memory."""
        self.unsure = True
        self._forget(pending, self._feed_later)
        for operation in pending.every_operation():
            operation.fail(error)
        self._doubts.add(pending, rest=_REST_SECONDS)

    def _forget(self, pending: PendingRun, feed: Callable[[TaskList], None]) -> None:
        """Forget a run, and let the polls go on waiting that were to get something of it."""
        if pending.run is not None:
            self._runs.drop(pending.run)
        for handover in pending.handovers or ():
            self._return(handover.waiter, feed)
        for operation, _ in pending.refused or ():
            if operation.waiter is not None:
                self._return(operation.waiter, feed)

    def _give_up(self, operation: Operation, error: BaseException) -> None:
        if operation.waiter is not None:
            refused = isinstance(error, AioworkflowError) and not isinstance(error, BackendError)
            self._return(operation.waiter, self.feed if refused else self._feed_later)
        operation.fail(error)

    def _return(self, waiter: Waiter, feed: Callable[[TaskList], None]) -> None:
        """Let a poll go on waiting."""
        task_list = self._lists.put_back(waiter)
        task_list.doubt()
        feed(task_list)

    def _look_later(self) -> None:
        """See to it that what is in doubt is looked at when it is due."""
        if self._doubts_timer is not None:
            self._doubts_timer.cancel()
        self._doubts_timer = asyncio.get_running_loop().call_at(self._doubts.look_at, self._wake.set)

    def _feed_later(self, task_list: TaskList) -> None:
        """The database failed: leave it alone for a moment."""
        if task_list not in self._resting:
            self._resting.add(task_list)
            asyncio.get_running_loop().call_later(_REST_SECONDS, self._end_rest, task_list)

    def _end_rest(self, task_list: TaskList) -> None:
        self._resting.discard(task_list)
        self.feed(task_list)


def _log_fault(operation: Operation, error: Exception) -> None:
    _logger.error(
        "a request of type %s on process %s failed in the rules; this is a bug in aioworkflow",
        type(operation.request).__name__,
        operation.process,
        exc_info=error,
    )
