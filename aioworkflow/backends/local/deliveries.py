"""What happens after a commit: tasks go to polls, messages on their way, and whoever waits for something is told."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

import anyio
import msgspec

from ...backend import Interruption, OnInterrupt
from ...errors import AioworkflowError, BackendError, StoreError, UnknownTaskError
from ...event import AnyEvent
from ...machine.handle import Outcome
from ...machine.requests import CompleteActivityTask, HandOffActivityTask, HeartbeatActivityTask, ReleaseTasks
from ...machine.state import OpenActivity
from ...stores.base import Store, TaskKind
from ...task import ActivityTask, DecisionTask
from ...types import ProcessRef, ProcessStatus
from .batch import Handover, Operation, PendingRun
from .inputs import Inputs
from .lists import TaskList, TaskLists, Waiter
from .runs import CachedRun, RunCache
from .tokens import read_token, write_token

__all__ = ["Deliveries"]

_logger = logging.getLogger("aioworkflow.local")

T = TypeVar("T")

_UNCLAIMED_SECONDS = 5.0
"""A started task whose poll went away waits so long for another poll of this backend."""

_Holder = tuple[str, OnInterrupt | None]
"""The token of a task that is out, and what tells its holder that it has ended."""


class Deliveries:
    """Tells everybody what a committed run brought."""

    def __init__(
        self,
        store: Store,
        *,
        session: str,
        runs: RunCache,
        lists: TaskLists,
        enqueue: Callable[[Operation], None],
        feed: Callable[[TaskList], None],
        on_deadline: Callable[[float], None],
        spawn: Callable[[Callable[[], Coroutine[Any, Any, None]]], None],
    ) -> None:
        self._store = store
        self._session = session
        self._inputs = Inputs(self._read)
        self._runs = runs
        self._lists = lists
        self._enqueue = enqueue
        self._feed = feed
        self._on_deadline = on_deadline
        self._spawn = spawn
        self._holders: dict[str, dict[int, _Holder]] = {}
        self._closings: dict[str, list[asyncio.Future[AnyEvent]]] = {}

    @property
    def awaited_runs(self) -> list[str]:
        """Ids of the runs whose end somebody waits for."""
        return list(self._closings)

    @property
    def outstanding(self) -> int:
        """How many activities are in the hands of polls of this backend."""
        return sum(len(holders) for holders in self._holders.values())

    def settled(self, pending: PendingRun) -> None:
        """Take in one committed run."""
        if pending.refused is not None:
            self._forget_dead(pending.refused)
        outcome = pending.outcome
        if outcome is None:
            return
        for message in outcome.messages:
            self._enqueue(Operation(message.body, message.to, message=message))
        run = pending.run
        if run is None:
            return
        head = run.state.head
        if head.run_id in self._holders:
            self._interrupt(pending, run, outcome)
        for handover in pending.handovers or ():
            self._deliver(handover, run)
        if head.status is not ProcessStatus.OPEN:
            self._runs.drop(run)
            self.closed(head.run_id, outcome.events[-1] if outcome.events else None)
            return
        self._hint(run, outcome)
        if type(pending.wake_at) is float:
            self._on_deadline(pending.wake_at)

    def closing(self, run_id: str) -> asyncio.Future[AnyEvent]:
        """Return a future that gets the last event of a run."""
        future: asyncio.Future[AnyEvent] = asyncio.get_running_loop().create_future()
        futures = self._closings.setdefault(run_id, [])
        futures[:] = [other for other in futures if not other.done()]
        futures.append(future)
        return future

    def stop_closing(self, run_id: str, future: asyncio.Future[AnyEvent]) -> None:
        """Forget a future that nobody waits for any more."""
        futures = self._closings.get(run_id)
        if futures is not None and future in futures:
            futures.remove(future)
            if not futures:
                del self._closings[run_id]

    def closed(self, run_id: str, event: AnyEvent | None) -> None:
        """Tell those who wait for the end of a run."""
        if event is None:
            return
        for future in self._closings.pop(run_id, ()):
            if not future.done():
                future.set_result(event)

    def end(self, error: BaseException) -> None:
        """Fail everybody who still waits for the end of a run, and forget what waits for polls."""
        for futures in self._closings.values():
            for future in futures:
                if not future.done():
                    future.set_exception(error)
        self._closings.clear()
        for task_list in self._lists:
            task_list.unclaimed.clear()

    def offer(self, kind: TaskKind, name: str, task: ActivityTask | DecisionTask) -> None:
        """Give a started task to a poll; if none waits, the next one gets it, unless that is long in coming."""
        task_list = self._lists.get(kind, name)
        waiter = task_list.claim_waiter()
        if waiter is None:
            task_list.unclaimed.append(task)
            asyncio.get_running_loop().call_later(_UNCLAIMED_SECONDS, self._give_up_unclaimed, task_list, task)
        else:
            self._pass_on(waiter, task)

    def recovered(self, handover: Handover, run: CachedRun) -> None:
        """Give a task to a poll that was started for one which waits again since, or has gone away."""
        waiter = handover.waiter
        stand_in = Waiter(waiter.kind, waiter.task_list, identity=waiter.identity)
        stand_in.expire()
        self._deliver(Handover(stand_in, handover.scheduled_event_id, handover.started_event_id), run)

    def _pass_on(self, waiter: Waiter, task: ActivityTask | DecisionTask) -> None:
        """Give a poll a task that was made for another, with the events that this one wants."""
        if isinstance(task, DecisionTask):
            first = _first_event(waiter, task.previous_started_event_id)
            if first != task.events[0].event_id:
                bare = msgspec.structs.replace(task, events=())
                self._spawn_for(waiter, lambda: self._deliver_with_events(waiter, bare, first))
                return
        self.give(waiter, task)

    def give(self, waiter: Waiter, task: ActivityTask | DecisionTask) -> None:
        """Give a started task to this poll, or to another if this one went away."""
        if waiter.future.done():
            waiter.claimed = False
            self.offer(waiter.kind, waiter.task_list, task)
            return
        if isinstance(task, ActivityTask):
            holders = self._holders.get(task.process.run_id)
            if holders is None:
                holders = self._holders[task.process.run_id] = {}
            holders[task.scheduled_event_id] = (task.token, waiter.on_interrupt)
        waiter.future.set_result(task)

    def _give_up_unclaimed(self, task_list: TaskList, task: ActivityTask | DecisionTask) -> None:
        """Nobody here polls any more: the task ends as it does when a worker dies, for others may be waiting for it."""
        if any(unclaimed is task for unclaimed in task_list.unclaimed):
            task_list.unclaimed.remove(task)
            self._spawn(lambda: self._release(task))

    async def _release(self, task: ActivityTask | DecisionTask) -> None:
        run_id = task.process.run_id
        request = ReleaseTasks(session=self._session, started_event_id=task.started_event_id)

        def ask() -> asyncio.Future[None]:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._enqueue(Operation(request, ProcessRef("", run_id), future=future))
            return future

        try:
            await self._insist(ask, run_id)
        except Exception as error:  # the run is gone, or there is a fault, which has been logged
            _logger.debug("a task that nobody takes was not released: %s", error)

    def await_again(self, waiter: Waiter, task_list: TaskList) -> bool:
        """Let a poll that was cancelled wait for what is on its way to it all the same; tell whether anything is."""
        if not waiter.claimed and not task_list.unclaimed:
            return False
        waiter.renew()
        if not waiter.claimed:  # it was on its way a moment ago
            self.give_unclaimed(waiter, task_list)
        return True

    def give_unclaimed(self, waiter: Waiter, task_list: TaskList) -> None:
        """Give a poll a task that was started for another that went away, if one is still open; else let it wait."""
        waiter.claimed = True
        self._spawn_for(waiter, lambda: self._give_unclaimed(waiter, task_list))

    async def _give_unclaimed(self, waiter: Waiter, task_list: TaskList) -> None:
        while task_list.unclaimed:
            task = task_list.unclaimed.popleft()
            if await self._is_open(task):
                self._pass_on(waiter, task)
                return
        self._feed(self._lists.put_back(waiter))

    async def _is_open(self, task: ActivityTask | DecisionTask) -> bool:
        """Tell whether a task that nobody has looked after has not timed out in the meantime."""
        run_id = task.process.run_id
        stored = (await self._insist(lambda: self._store.load([run_id]), run_id)).get(run_id)
        if stored is None or stored.head.status is not ProcessStatus.OPEN:
            return False
        if isinstance(task, DecisionTask):
            started = stored.head.started
            return started is not None and started.started_event_id == task.started_event_id
        return any(
            type(item) is OpenActivity and item.started_event_id == task.started_event_id for item in stored.items
        )

    def _forget_dead(self, refused: Sequence[tuple[Operation, AioworkflowError]]) -> None:
        """Who asks about a task that others have closed is told by the error, and holds it no longer."""
        for operation, error in refused:
            request = operation.request
            if isinstance(error, UnknownTaskError) and isinstance(
                request, HeartbeatActivityTask | CompleteActivityTask | HandOffActivityTask
            ):
                holders = self._holders.get(operation.run_id, {})
                holders.pop(request.scheduled_event_id, None)
                if not holders:
                    self._holders.pop(operation.run_id, None)

    async def let_go_of_lost(self) -> None:
        """Tell the holders of tasks that others have given up, since this session was taken for dead."""
        held = {run_id: dict(holders) for run_id, holders in self._holders.items()}
        stored = await self._store.load(list(held))
        for run_id, tasks in held.items():
            items = {} if run_id not in stored else {item.event_id: item for item in stored[run_id].items}
            for event_id, task in tasks.items():
                item = items.get(event_id)
                if not isinstance(item, OpenActivity) or item.started_event_id != read_token(task[0], "a")[3]:
                    self._let_go(run_id, event_id, task)

    def _let_go(self, run_id: str, event_id: int, task: _Holder) -> None:
        token, callback = task
        holders = self._holders.get(run_id, {})
        if holders.get(event_id) == task:
            del holders[event_id]
            _call(callback, token, Interruption.CLOSED)
        if not holders:
            self._holders.pop(run_id, None)

    def _interrupt(self, pending: PendingRun, run: CachedRun, outcome: Outcome) -> None:
        """Tell the holders of tasks that are canceled or closed, but not who just answered or handed one off."""
        state = run.state
        run_id = state.head.run_id
        holders = self._holders[run_id]
        for operation, _ in pending.operations:
            if isinstance(operation.request, CompleteActivityTask | HandOffActivityTask):
                holders.pop(operation.request.scheduled_event_id, None)
        if state.head.status is not ProcessStatus.OPEN:
            for token, callback in holders.values():
                _call(callback, token, Interruption.CLOSED)
            holders.clear()
        else:
            for event_id in outcome.touched & holders.keys():
                item = state.items.get(event_id)
                if not isinstance(item, OpenActivity):
                    _call(holders[event_id][1], holders[event_id][0], Interruption.CLOSED)
                    del holders[event_id]
                elif item.cancel_requested_event_id:
                    _call(holders[event_id][1], holders[event_id][0], Interruption.CANCEL_REQUESTED)
        if not holders:
            del self._holders[run_id]

    def _hint(self, run: CachedRun, outcome: Outcome) -> None:
        """Note the tasks that found no poll."""
        state = run.state
        head = state.head
        queued = head.queued
        if queued is not None and state.decision_ready and run.hinted != queued.scheduled_event_id:
            run.hinted = queued.scheduled_event_id
            task_list = self._lists.get(TaskKind.DECISION, queued.task_list)
            task_list.add_hint(head.run_id, queued.scheduled_event_id, head.task_priority, queued.scheduled_at)
            self._feed_if_polled(task_list)
        for event_id in outcome.touched:
            item = state.items.get(event_id)
            if type(item) is not OpenActivity or item.started_event_id:
                run.inputs.pop(event_id, None)
            else:
                task_list = self._lists.get(TaskKind.ACTIVITY, item.task_list)
                task_list.add_hint(head.run_id, event_id, item.task_priority, item.scheduled_at)
                self._feed_if_polled(task_list)

    def _feed_if_polled(self, task_list: TaskList) -> None:
        """See to the polls that came while the task was being saved, and so were not there to get it with that."""
        if task_list.wants_tasks:
            self._feed(task_list)

    def _deliver(self, handover: Handover, run: CachedRun) -> None:
        if handover.waiter.kind is TaskKind.ACTIVITY:
            self._deliver_activity(handover, run)
        else:
            self._deliver_decision(handover, run)

    def _deliver_activity(self, handover: Handover, run: CachedRun) -> None:
        scheduled_event_id = handover.scheduled_event_id
        item = run.state.items.get(scheduled_event_id)
        if not isinstance(item, OpenActivity):  # closed by a later request of the same group
            self._feed_if_polled(self._lists.put_back(handover.waiter))
            return
        head = run.state.head
        task = ActivityTask(
            token=write_token("a", head.run_id, scheduled_event_id, handover.started_event_id),
            process=run.state.ref,
            activity_id=item.activity_id,
            activity=item.activity,
            input_json=run.inputs.get(scheduled_event_id),
            heartbeat_timeout=item.heartbeat_timeout,
            start_to_close_timeout=item.start_to_close_timeout,
            scheduled_event_id=scheduled_event_id,
            started_event_id=handover.started_event_id,
        )
        if scheduled_event_id in run.inputs:
            self.give(handover.waiter, task)
        else:
            version = run.version
            self._spawn_for(handover.waiter, lambda: self._deliver_with_input(handover.waiter, task, run, version))

    def _deliver_decision(self, handover: Handover, run: CachedRun) -> None:
        head = run.state.head
        if head.started is None or head.started.started_event_id != handover.started_event_id:
            self._feed_if_polled(self._lists.put_back(handover.waiter))  # the run was closed by the same group
            return
        previous = head.previous_started_event_id
        first = _first_event(handover.waiter, previous)
        events = run.events_since(first, handover.started_event_id)
        task = DecisionTask(
            token=write_token("d", head.run_id, handover.scheduled_event_id, handover.started_event_id),
            process=run.state.ref,
            workflow=head.workflow,
            events=events or (),
            started_event_id=handover.started_event_id,
            previous_started_event_id=previous,
            attempt=head.decision_attempt,
        )
        if events is not None:
            self.give(handover.waiter, task)
        else:
            self._spawn_for(handover.waiter, lambda: self._deliver_with_events(handover.waiter, task, first))

    def _spawn_for(self, waiter: Waiter, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do in the background what brings a poll its task; if the backend is closed over it, the poll ends."""

        async def run() -> None:
            try:
                await work()
            except Exception:
                _logger.exception("a task of list %r could not be handed out; it times out later", waiter.task_list)
                waiter.abandon()
            except BaseException:
                waiter.abandon()
                raise

        self._spawn(run)

    async def _deliver_with_input(self, waiter: Waiter, task: ActivityTask, run: CachedRun, version: int) -> None:
        """Deliver an activity that was scheduled before its run was loaded: its input is in the history."""
        last_event_id = run.state.head.last_event_id
        input_json = await self._inputs.of(task.process.run_id, task.scheduled_event_id, last_event_id=last_event_id)
        if run.version != version and not await self._is_open(task):  # closed while its input was being read
            self._feed(self._lists.put_back(waiter))
            return
        self.give(waiter, msgspec.structs.replace(task, input_json=input_json))

    async def _deliver_with_events(self, waiter: Waiter, task: DecisionTask, first: int) -> None:
        """Deliver a decision whose events are not all at hand."""
        events = await self._read(task.process.run_id, first, task.started_event_id)
        self.give(waiter, msgspec.structs.replace(task, events=tuple(events)))

    async def _read(self, run_id: str, first: int, last: int) -> list[AnyEvent]:
        """Read the events with ids from ``first`` to ``last``."""
        events: list[AnyEvent] = []
        while (after := first + len(events) - 1) < last:
            events += await self._insist(partial(self._page, run_id, after, min(last - after, 1000)), run_id)
        return events

    async def _page(self, run_id: str, after: int, limit: int) -> Sequence[AnyEvent]:
        if events := await self._store.history(run_id, after=after, limit=limit):
            return events
        raise StoreError(f"the history of run {run_id} ends after event {after}, where it should go on")

    async def _insist(self, read: Callable[[], Awaitable[T]], run_id: str) -> T:
        """Ask the database for something, however long it is away: the task that needs it is started already."""
        delays = itertools.chain((0.05, 0.1, 0.2, 0.5), itertools.repeat(1.0))
        while True:
            try:
                return await read()
            except BackendError as error:
                delay = next(delays)
                _logger.warning("run %s could not be seen to, trying again in %s s: %s", run_id, delay, error)
                await anyio.sleep(delay)


def _first_event(waiter: Waiter, previous_started_event_id: int) -> int:
    """Return the id of the first event that a poll wants to see (swf-reference 2.3)."""
    return max(previous_started_event_id, 1) if waiter.new_events_only else 1


def _call(callback: OnInterrupt | None, token: str, interruption: Interruption) -> None:
    """Tell the holder of a task; what it raises is its own fault, and logged."""
    if callback is None:
        return
    try:
        callback(token, interruption)
    except Exception:
        _logger.exception("the on_interrupt callback of a poll raised for task %s", token)
