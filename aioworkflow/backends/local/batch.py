"""One attempt at one group: requests applied to cached runs, and what must be written, told and handed over for it.

Nothing in here waits. The committer makes a batch, applies the requests, saves :meth:`Batch.group`, and then either
:meth:`settles <Batch.settle>` each run or takes it back. Until then nobody outside knows of anything that a batch did.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import AioworkflowError, UnknownProcessError
from ...event import ActivityScheduledEvent, AnyEvent
from ...machine.handle import Environment, Outcome, handle
from ...machine.requests import (
    Message,
    Request,
    StartActivityTask,
    StartDecisionTask,
    StartProcess,
)
from ...machine.state import OpenActivity, ProcessState
from ...stores.base import Group, ProcessWrite, TaskKind
from ...types import UNSET, ProcessRef, ProcessStatus, UnsetType
from .lists import TaskLists, Waiter
from .runs import CachedRun, RunCache

__all__ = ["Batch", "Handover", "Operation", "PendingRun", "new_id"]


def new_id() -> str:
    """Draw an id for a run or a message."""
    return uuid.uuid4().hex


class Operation:
    """A request on its way through the committer.

    Attributes:
        request: What is asked.
        process: Of which run (without a run id: of the open one).
        future: Gets the reply once it is durable, or the error; None if nobody waits.
        message: The outbox row that the request came from.
        waiter: The poll that a known waiting task is claimed for.
        attempts: How often it was refused by the store.
        run_id: The run it was applied to last.
    """

    __slots__ = ("attempts", "future", "message", "process", "request", "run_id", "waiter")

    def __init__(
        self,
        request: Request,
        process: ProcessRef,
        *,
        future: asyncio.Future[Any] | None = None,
        message: Message | None = None,
        waiter: Waiter | None = None,
    ) -> None:
        self.request = request
        self.process = process
        self.future = future
        self.message = message
        self.waiter = waiter
        self.attempts = 0
        self.run_id = ""

    @property
    def abandoned(self) -> bool:
        """Whether the caller went away before the request was applied."""
        return self.future is not None and self.future.done()

    def succeed(self, reply: object) -> None:
        """Give the caller the reply."""
        if self.future is not None and not self.future.done():
            self.future.set_result(reply)

    def fail(self, error: BaseException) -> None:
        """Give the caller the error."""
        if self.future is not None and not self.future.done():
            self.future.set_exception(error)


class Handover:
    """A task that was started for a poll."""

    __slots__ = ("scheduled_event_id", "started_event_id", "waiter")

    def __init__(self, waiter: Waiter, scheduled_event_id: int, started_event_id: int) -> None:
        self.waiter = waiter
        self.scheduled_event_id = scheduled_event_id
        self.started_event_id = started_event_id


class PendingRun:
    """What a batch did to one run.

    Attributes:
        run: The run; None where a message found no process.
        operations: The requests on it, in order, with their replies.
        refused: Requests that the machine refused, with the error; they rest on the version being the newest.
        changed: Whether there is anything to write.
        successor: The run that continues it.
    """

    __slots__ = (
        "changed",
        "events",
        "handovers",
        "messages",
        "operations",
        "received",
        "refused",
        "run",
        "successor",
        "touched",
        "wake_at",
    )

    def __init__(self, run: CachedRun | None) -> None:
        self.run = run
        self.operations: list[tuple[Operation, object]] = []
        self.refused: list[tuple[Operation, AioworkflowError]] = []
        self.handovers: list[Handover] = []
        self.events: list[AnyEvent] = []
        self.touched: set[int] = set()
        self.messages: list[Message] = []
        self.received: list[str] = []
        self.changed = False
        self.successor: PendingRun | None = None
        self.wake_at: float | UnsetType | None = UNSET

    def write(self, now: float) -> ProcessWrite:
        """Return what the store must save."""
        run = self.run
        if run is None:
            return ProcessWrite(head=None, version=0, send=self.messages, received=self.received)
        state = run.state
        if not self.changed:
            return ProcessWrite(head=state.head, version=run.version, changed=False)
        items = state.items
        self.wake_at = wake_at = _new_wake_at(run, now)
        return ProcessWrite(
            head=state.head,
            version=run.version,
            events=self.events,
            items={event_id: items.get(event_id) for event_id in self.touched},
            wake_at=wake_at,
            send=self.messages,
            received=self.received,
        )

    def every_operation(self) -> list[Operation]:
        """Return all requests on the run, refused or not."""
        return [operation for operation, _ in self.operations] + [operation for operation, _ in self.refused]


def _new_wake_at(run: CachedRun, now: float) -> float | UnsetType | None:
    """Return the deadline to store, UNSET while the stored one will do: it may be too early, never too late."""
    deadline = run.state.next_deadline()
    stored = run.wake_at
    if stored is UNSET:
        return deadline
    if deadline == stored or (deadline is not None and stored is not None and now < stored <= deadline):
        return UNSET
    return deadline


class Batch:
    """One attempt at one group of requests."""

    def __init__(
        self,
        *,
        runs: RunCache,
        lists: TaskLists,
        environment: Environment,
        session: str,
        now: float,
        latest: Mapping[str, str],
        on_fault: Callable[[Operation, Exception], None],
    ) -> None:
        self._runs = runs
        self._lists = lists
        self._environment = environment
        self._session = session
        self._now = now
        self._latest = latest
        self._on_fault = on_fault
        self._without_run: list[PendingRun] = []
        self.pending: dict[str, PendingRun] = {}
        self.broken: list[PendingRun] = []
        """Runs whose state is unusable since a rule raised something unforeseen; to be loaded anew."""

    def apply(self, operation: Operation) -> None:
        """Apply one request to its run, which must be in the cache if it exists."""
        try:
            self._apply(operation)
        except Exception as error:
            self._break(operation, error)

    def _apply(self, operation: Operation) -> None:
        run = self._target(operation)
        message = operation.message
        if run is None and message is None and type(operation.request) is not StartProcess:
            operation.fail(UnknownProcessError(f"there is no process {operation.process}"))
            return
        pending = self._pending(run)
        try:
            outcome = self._handle(run.state if run is not None else None, operation.request)
        except AioworkflowError as error:
            pending.refused.append((operation, error))
            if message is not None:
                self._consume(pending, message)
            return
        if outcome.state is not None and (run is None or outcome.state is not run.state):
            run = CachedRun(outcome.state)
            self._runs.put(run)
            pending = self._pending(run)
        if message is not None:
            self._consume(pending, message)
        pending.operations.append((operation, outcome.reply))
        self._merge(pending, outcome)
        if operation.waiter is not None:
            request = operation.request
            assert isinstance(request, StartActivityTask | StartDecisionTask)
            self._hand_over(pending, operation.waiter, request.scheduled_event_id)
        if run is not None:
            self._match(pending, run, outcome)

    def group(self) -> tuple[Group, list[PendingRun]]:
        """Return what is to be saved, and the run of each write."""
        order = [*self.pending.values(), *self._without_run]
        index = {id(pending): position for position, pending in enumerate(order)}
        linked = [(index[id(p)], index[id(p.successor)]) for p in order if p.successor is not None]
        now = self._now
        return Group(session=self._session, writes=[p.write(now) for p in order], linked=linked), order

    def _handle(self, state: ProcessState | None, request: Request) -> Outcome:
        if type(request) is StartProcess and state is not None and state.head.status is not ProcessStatus.OPEN:
            state = None
        return handle(state, request, now=self._now, new_id=new_id, environment=self._environment)

    def _target(self, operation: Operation) -> CachedRun | None:
        process = operation.process
        run_id = (
            process.run_id or self._runs.open_run_id(process.process_id) or self._latest.get(process.process_id) or ""
        )
        operation.run_id = run_id
        return self._runs.get(run_id) if run_id else None

    def _pending(self, run: CachedRun | None) -> PendingRun:
        if run is None:
            return PendingRun(None)
        run_id = run.state.head.run_id
        found = self.pending.get(run_id)
        if found is None:
            found = self.pending[run_id] = PendingRun(run)
        return found

    def _consume(self, pending: PendingRun, message: Message) -> None:
        pending.received.append(message.id)
        pending.changed = True
        if pending.run is None:
            self._without_run.append(pending)

    def _merge(self, pending: PendingRun, outcome: Outcome) -> None:
        pending.changed = True
        pending.events += outcome.events
        pending.touched |= outcome.touched
        pending.messages += outcome.messages
        run = pending.run
        if run is None:
            return
        for event in outcome.events:
            if type(event) is ActivityScheduledEvent:
                run.inputs[event.event_id] = event.input_json
        if run.state.head.status is not ProcessStatus.OPEN:
            self._runs.closed(run)
        if outcome.successor is not None:
            successor = CachedRun(outcome.successor)
            self._runs.put(successor)
            pending.successor = self._pending(successor)
            pending.successor.changed = True
            pending.successor.events += outcome.successor_events
            self._match_decision(pending.successor, successor)

    def _match(self, pending: PendingRun, run: CachedRun, outcome: Outcome) -> None:
        """Hand tasks over to polls that wait for them here, in the transaction that creates them."""
        self._match_decision(pending, run)
        for event_id in outcome.touched:
            item = run.state.items.get(event_id)
            if type(item) is OpenActivity and not item.started_event_id:
                waiter = self._lists.get(TaskKind.ACTIVITY, item.task_list).claim_waiter()
                if waiter is not None:
                    request = StartActivityTask(
                        scheduled_event_id=event_id, identity=waiter.identity, session=self._session
                    )
                    self._merge(pending, self._handle(run.state, request))
                    self._hand_over(pending, waiter, event_id)

    def _match_decision(self, pending: PendingRun, run: CachedRun) -> None:
        head = run.state.head
        queued = head.queued
        if queued is None or head.started is not None or head.status is not ProcessStatus.OPEN:
            return
        waiter = self._lists.get(TaskKind.DECISION, queued.task_list).claim_waiter()
        if waiter is not None:
            event_id = queued.scheduled_event_id
            request = StartDecisionTask(scheduled_event_id=event_id, identity=waiter.identity, session=self._session)
            self._merge(pending, self._handle(run.state, request))
            self._hand_over(pending, waiter, event_id)

    @staticmethod
    def _hand_over(pending: PendingRun, waiter: Waiter, scheduled_event_id: int) -> None:
        assert pending.run is not None
        pending.handovers.append(Handover(waiter, scheduled_event_id, pending.run.state.head.last_event_id))

    def _break(self, operation: Operation, error: Exception) -> None:
        """A rule raised something unforeseen: fail this request, and set the run aside with what else was asked of
        it.
        """
        self._on_fault(operation, error)
        operation.fail(error)
        run = self._target(operation)
        pending = self.pending.get(operation.run_id)
        while run is not None and pending is not None:
            del self.pending[run.state.head.run_id]
            self._runs.drop(run)
            self.broken.append(pending)
            pending = pending.successor
            run = pending.run if pending is not None else None
