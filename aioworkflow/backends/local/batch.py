"""One attempt at one group: requests applied to cached runs, and what must be written, told and handed over for it.

Nothing in here waits. The committer makes a batch, applies the requests, saves :meth:`Batch.group`, and then either
:meth:`settles <Batch.settle>` each run or takes it back. Until then nobody outside knows of anything that a batch did.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...errors import AioworkflowError, UnknownProcessError, UnknownTaskError
from ...event import ActivityScheduledEvent, AnyEvent
from ...machine.handle import Environment, Outcome, handle
from ...machine.requests import (
    Message,
    Request,
    StartActivityTask,
    StartDecisionTask,
    StartProcess,
)
from ...machine.state import ProcessState
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
        """Whether the caller, or the poll, went away before the request was applied."""
        future = self.future if self.waiter is None else self.waiter.future
        return future is not None and future.done()

    def succeed(self, reply: object) -> None:
        """Give the caller the reply."""
        if self.future is not None and not self.future.done():
            self.future.set_result(reply)

    def fail(self, error: BaseException) -> None:
        """Give the caller the error."""
        if self.future is not None and not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # a caller that has gone away meanwhile does not look, and that is all right


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
        outcome: What must be saved and sent; None as long as all requests were refused.
        operations: The requests on it, in order, with their replies.
        refused: Requests that the machine refused, with the error; they rest on the version being the newest.
        handovers: Tasks that were started for polls.
        received: Ids of the messages among the requests.
        successor: The run that continues it.
        wake_at: The deadline that is to be stored.
    """

    __slots__ = ("handovers", "operations", "outcome", "received", "refused", "run", "successor", "wake_at")

    def __init__(self, run: CachedRun | None) -> None:
        self.run = run
        self.outcome: Outcome | None = None
        self.operations: list[tuple[Operation, object]] = []
        self.refused: list[tuple[Operation, AioworkflowError]] | None = None
        self.handovers: list[Handover] | None = None
        self.received: list[str] | None = None
        self.successor: PendingRun | None = None
        self.wake_at: float | UnsetType | None = UNSET

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
        return self.outcome is not None or self.received is not None

    def take(self, outcome: Outcome) -> None:
        """Add what a request did."""
        before = self.outcome
        if before is None:
            self.outcome = outcome
        elif before is not outcome:  # the run was closed by a request before
            before.events += outcome.events
            before.touched |= outcome.touched
            before.messages += outcome.messages

    def refuse(self, operation: Operation, error: AioworkflowError) -> None:
        """Note that the machine refused a request."""
        if self.refused is None:
            self.refused = []
        self.refused.append((operation, error))

    def consume(self, message: Message) -> None:
        """Note that a request was a message."""
        if self.received is None:
            self.received = []
        self.received.append(message.id)

    def hand_over(self, waiter: Waiter, scheduled_event_id: int) -> None:
        """Note that the last event started a task for a poll."""
        assert self.run is not None
        if self.handovers is None:
            self.handovers = []
        self.handovers.append(Handover(waiter, scheduled_event_id, self.run.state.head.last_event_id))

    def write(self, now: float) -> ProcessWrite:
        """Return what the store must save."""
        run = self.run
        outcome = self.outcome
        if run is None:
            send = outcome.messages if outcome is not None else ()
            return ProcessWrite(head=None, version=0, send=send, received=self.received or ())
        state = run.state
        if outcome is None:
            if self.received is None:
                return ProcessWrite(head=state.head, version=run.version, changed=False)
            return ProcessWrite(head=state.head, version=run.version, received=self.received)
        items = state.items
        self.wake_at = _new_wake_at(run, now)
        return ProcessWrite(
            head=state.head,
            version=run.version,
            events=outcome.events,
            items={event_id: items.get(event_id) for event_id in outcome.touched},
            wake_at=self.wake_at,
            send=outcome.messages,
            received=self.received or (),
        )

    def every_operation(self) -> list[Operation]:
        """Return all requests on the run, refused or not."""
        return [operation for operation, _ in (*self.operations, *(self.refused or ()))]


def _new_wake_at(run: CachedRun, now: float) -> float | UnsetType | None:
    """Return the deadline to store, UNSET while the stored one will do: it may be too early, never too late."""
    state = run.state
    deadline = state.next_deadline()
    stored = run.wake_at
    if stored is UNSET:
        return deadline
    if deadline == stored:
        return UNSET
    is_open = state.head.status is ProcessStatus.OPEN
    if is_open and stored is not None and now < stored and (deadline is None or stored <= deadline):
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
        self.unfounded: list[tuple[Operation, Exception]] = []
        """Requests that were refused and concern no run, or failed by a fault in the rules, with the error."""
        self.postponed: list[Operation] = []
        """Requests on runs that are broken."""
        self._broken_ids: set[str] = set()
        self._received: set[str] = set()
        self.broken: list[PendingRun] = []
        """Runs whose state is unusable since a rule raised something unforeseen; to be loaded anew."""

    def apply(self, operation: Operation) -> None:
        """Apply one request to its run, which must be in the cache if it exists."""
        if self._broken_ids and not self._broken_ids.isdisjoint(operation.process):
            self.postponed.append(operation)
            return
        message = operation.message
        if message is not None:
            if message.id in self._received:  # read from the outbox too, while it was on its way
                operation.succeed(None)
                return
            self._received.add(message.id)
        try:
            self._apply(operation)
        except Exception as error:
            self._break(operation, error)

    def _apply(self, operation: Operation) -> None:
        request = operation.request
        message = operation.message
        run = self._target(operation)
        if run is None and message is None and type(request) is not StartProcess:
            self.unfounded.append((operation, _unknown(operation.process)))
            return
        pending = self._pending(run)
        before = len(pending.outcome.events) if pending.outcome is not None else 0
        try:
            outcome = self._handle(run, pending, request)
        except AioworkflowError as error:
            if run is None and message is None:
                self.unfounded.append((operation, error))
                return
            pending.refuse(operation, error)
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
        pending.take(outcome)
        if operation.waiter is not None:
            assert isinstance(request, StartActivityTask | StartDecisionTask)
            pending.hand_over(operation.waiter, request.scheduled_event_id)
        if run is not None:
            self._follow(pending, run, outcome, before)

    def group(self) -> tuple[Group, list[PendingRun]]:
        """Return what is to be saved, and the run of each write."""
        order = [*self.pending.values(), *self._without_run]
        index = {id(pending): position for position, pending in enumerate(order)}
        linked = [(index[id(p)], index[id(p.successor)]) for p in order if p.successor is not None]
        now = self._now
        claims = any(p.handovers for p in order)
        writes = [p.write(now) for p in order]
        return Group(session=self._session, claims=claims, writes=writes, linked=linked), order

    def _handle(self, run: CachedRun | None, pending: PendingRun, request: Request) -> Outcome:
        return handle(
            None if run is None else run.state,
            request,
            now=self._now,
            new_id=new_id,
            environment=self._environment,
            onto=pending.outcome,
        )

    def _target(self, operation: Operation) -> CachedRun | None:
        process = operation.process
        run_id = (
            process.run_id or self._runs.open_run_id(process.process_id) or self._latest.get(process.process_id) or ""
        )
        operation.run_id = run_id
        run = self._runs.get(run_id) if run_id else None
        if run is not None and process.process_id not in ("", run.state.head.process_id):
            return None
        return run

    def _pending(self, run: CachedRun | None) -> PendingRun:
        if run is None:
            return PendingRun(None)
        run_id = run.state.head.run_id
        found = self.pending.get(run_id)
        if found is None:
            found = self.pending[run_id] = PendingRun(run)
        return found

    def _consume(self, pending: PendingRun, message: Message) -> None:
        pending.consume(message)
        if pending.run is None:
            self._without_run.append(pending)

    def _follow(self, pending: PendingRun, run: CachedRun, outcome: Outcome, before: int) -> None:
        """Hand new tasks over to polls that wait for them here, in the transaction that creates them.

        Args:
            pending: The run.
            run: The same.
            outcome: Of the request.
            before: How many events the outcome had before the request.
        """
        if run.state.head.status is not ProcessStatus.OPEN:
            self._runs.closed(run)
            if outcome.successor is not None and pending.successor is None:
                self._begin_successor(pending, outcome.successor, outcome.successor_events)
            return
        events = outcome.events
        for index in range(before, len(events)):
            event = events[index]
            if type(event) is ActivityScheduledEvent:
                run.inputs[event.event_id] = event.input_json
                self._match_activity(pending, run, event)
        self._match_decision(pending, run)

    def _begin_successor(self, pending: PendingRun, state: ProcessState, events: Sequence[AnyEvent]) -> None:
        run = CachedRun(state)
        self._runs.put(run)
        successor = pending.successor = self._pending(run)
        successor.take(Outcome(state=state, events=list(events)))
        self._match_decision(successor, run)

    def _match_activity(self, pending: PendingRun, run: CachedRun, event: ActivityScheduledEvent) -> None:
        event_id = event.event_id
        if event_id not in run.state.items:  # canceled by a later decision
            return
        waiter = self._lists.get(TaskKind.ACTIVITY, event.task_list).claim_waiter()
        if waiter is not None:
            request = StartActivityTask(scheduled_event_id=event_id, identity=waiter.identity, session=self._session)
            pending.take(self._handle(run, pending, request))
            pending.hand_over(waiter, event_id)

    def _match_decision(self, pending: PendingRun, run: CachedRun) -> None:
        state = run.state
        if not state.decision_ready:
            return
        queued = state.head.queued
        assert queued is not None
        waiter = self._lists.get(TaskKind.DECISION, queued.task_list).claim_waiter()
        if waiter is not None:
            event_id = queued.scheduled_event_id
            request = StartDecisionTask(scheduled_event_id=event_id, identity=waiter.identity, session=self._session)
            pending.take(self._handle(run, pending, request))
            pending.hand_over(waiter, event_id)

    def _break(self, operation: Operation, error: Exception) -> None:
        """A rule raised something unforeseen: fail this request, and set the run aside with whatever waits for it."""
        self._on_fault(operation, error)
        self.unfounded.append((operation, error))
        run = self._target(operation)
        pending = self.pending.get(operation.run_id)
        while run is not None and pending is not None:
            del self.pending[run.state.head.run_id]
            self._runs.drop(run)
            self._broken_ids |= {run.state.head.run_id, run.state.head.process_id}
            self.broken.append(pending)
            pending = pending.successor
            run = pending.run if pending is not None else None


def _unknown(process: ProcessRef) -> AioworkflowError:
    """Return the error for a request on nothing. Only those that come from a token have no process id."""
    if process.process_id:
        return UnknownProcessError(f"there is no process {process}")
    return UnknownTaskError("the task of this token does not exist; pass the token of the task as the backend gave it")
