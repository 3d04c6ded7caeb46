"""A small world of processes for the tests of the machine: it asks, delivers messages, and checks after each request
what must hold always.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from aioworkflow.decision import Decision
from aioworkflow.errors import AioworkflowError
from aioworkflow.event import CLOSING_EVENTS, AnyEvent
from aioworkflow.machine.evolve import fold
from aioworkflow.machine.handle import Environment, Outcome, handle
from aioworkflow.machine.limits import Limits
from aioworkflow.machine.requests import (
    CompleteActivityTask,
    CompleteDecisionTask,
    FireDeadlines,
    HeartbeatActivityTask,
    Message,
    ReleaseTasks,
    Request,
    StartActivityTask,
    StartDecisionTask,
    StartProcess,
)
from aioworkflow.machine.state import (
    Head,
    OpenActivity,
    OpenChild,
    OpenItem,
    OpenRequest,
    OpenTimer,
    ProcessState,
    deadline,
)
from aioworkflow.result import ActivityCompleted, ActivityResult
from aioworkflow.types import ActivityType, ChildPolicy, ProcessRef, ProcessStatus, TypeRef, WorkflowType

NOW = 1_700_000_000.0

ORDER = TypeRef("Order")
PLAIN_WORKFLOW = TypeRef("Plain")
OLD_WORKFLOW = TypeRef("Old")
WORK = TypeRef("Work")
PLAIN_ACTIVITY = TypeRef("Plain")
OLD_ACTIVITY = TypeRef("Old")

WORKFLOWS = {
    kind.ref: kind
    for kind in (
        WorkflowType(
            ref=ORDER,
            execution_timeout=None,
            decision_timeout=60.0,
            task_list="orders",
            child_policy=ChildPolicy.TERMINATE,
        ),
        WorkflowType(ref=PLAIN_WORKFLOW),
        WorkflowType(ref=OLD_WORKFLOW, deprecated=True),
    )
}
ACTIVITIES = {
    kind.ref: kind
    for kind in (
        ActivityType(
            ref=WORK,
            schedule_to_start_timeout=None,
            start_to_close_timeout=None,
            schedule_to_close_timeout=None,
            heartbeat_timeout=None,
            task_list="works",
        ),
        ActivityType(ref=PLAIN_ACTIVITY),
        ActivityType(ref=OLD_ACTIVITY, deprecated=True),
    )
}
ENVIRONMENT = Environment(limits=Limits(), workflows=WORKFLOWS, activities=ACTIVITIES)


def limited(**limits: Any) -> Environment:
    return replace(ENVIRONMENT, limits=Limits(**limits))


def start_request(process_id: str = "p", run_id: str = "r", **fields: Any) -> StartProcess:
    settings: dict[str, Any] = {
        "process_id": process_id,
        "run_id": run_id,
        "workflow": ORDER,
        "task_list": "orders",
        "child_policy": ChildPolicy.TERMINATE,
        "decision_timeout": 60.0,
    }
    return StartProcess(**(settings | fields))


def forced(decision: Any, **fields: Any) -> Any:
    """Return a decision with values that its constructor would have refused."""
    decision = copy.copy(decision)
    for name, value in fields.items():
        object.__setattr__(decision, name, value)
    return decision


def names(events: Sequence[AnyEvent]) -> list[str]:
    return [type(event).__name__.removesuffix("Event") for event in events]


@dataclass
class World:
    """Runs, their histories, and the messages between them; delivery is up to the test.

    Attributes:
        open_runs: Run ids by process id, of open runs and of the last closed ones.
    """

    environment: Environment = ENVIRONMENT
    now: float = NOW
    states: dict[str, ProcessState] = field(default_factory=dict)
    histories: dict[str, list[AnyEvent]] = field(default_factory=dict)
    latest: dict[str, str] = field(default_factory=dict)
    outbox: list[Message] = field(default_factory=list)
    ids: Any = field(default_factory=itertools.count)
    checked: bool = True

    def new_id(self) -> str:
        return f"id-{next(self.ids)}"

    def state(self, process: ProcessRef) -> ProcessState | None:
        return self.states.get(process.run_id or self.latest.get(process.process_id, ""))

    def ask(self, process: ProcessRef, request: Request) -> Outcome:
        state = self.state(process)
        before = copy.deepcopy(state) if self.checked else None
        try:
            outcome = handle(state, request, now=self.now, new_id=self.new_id, environment=self.environment)
        except AioworkflowError:
            if self.checked:
                assert state == before, "a refused request must change nothing"
            raise
        if outcome.state is not None:
            self._keep(outcome.state, outcome.events)
            if self.checked and outcome.state is state and before is not None:
                assert_touched(before, state, outcome)
        if outcome.successor is not None:
            self._keep(outcome.successor, outcome.successor_events)
        self.outbox += outcome.messages
        return outcome

    def _keep(self, state: ProcessState, events: Sequence[AnyEvent]) -> None:
        head = state.head
        if head.run_id not in self.states:
            self.states[head.run_id] = state
            self.latest[head.process_id] = head.run_id
        history = self.histories.setdefault(head.run_id, [])
        history += events
        if self.checked:
            assert_consistent(state, history)

    def start(self, process_id: str = "p", **fields: Any) -> Run:
        run_id = f"{process_id}-run-{len(self.states)}"
        self.ask(ProcessRef(process_id), start_request(process_id, run_id, **fields))
        return Run(self, ProcessRef(process_id, run_id))

    def run(self, process_id: str) -> Run:
        """Return the open run of a process, or the last."""
        return Run(self, ProcessRef(process_id, self.latest[process_id]))

    def deliver(self, index: int = 0) -> Outcome:
        """Deliver one message; index 0 is the oldest."""
        message = self.outbox.pop(index)
        return self.ask(message.to, message.body)

    def deliver_all(self) -> None:
        while self.outbox:
            self.deliver()


@dataclass
class Run:
    """One run in a world."""

    world: World
    ref: ProcessRef
    seen: int = 0

    @property
    def state(self) -> ProcessState:
        return self.world.states[self.ref.run_id]

    @property
    def head(self) -> Head:
        return self.state.head

    @property
    def history(self) -> list[Any]:
        return list(self.world.histories[self.ref.run_id])

    @property
    def last(self) -> Any:
        return self.history[-1]

    def news(self) -> list[str]:
        """Return the names of the events since this was last asked."""
        found = names(self.history[self.seen :])
        self.seen = len(self.history)
        return found

    def only(self, kind: type[AnyEvent]) -> Any:
        """Return the one event of a kind."""
        (found,) = (event for event in self.history if type(event) is kind)
        return found

    def ask(self, request: Request) -> Outcome:
        return self.world.ask(self.ref, request)

    def pass_time(self, seconds: float) -> Outcome:
        self.world.now += seconds
        return self.ask(FireDeadlines())

    def release(self, session: str, started_event_id: int = 0) -> Outcome:
        return self.ask(ReleaseTasks(session=session, started_event_id=started_event_id))

    # --- decision tasks ---

    def take_decision(self, session: str | None = None) -> None:
        queued = self.head.queued
        assert queued is not None
        self.ask(StartDecisionTask(scheduled_event_id=queued.scheduled_event_id, session=session))

    def answer(self, *decisions: Decision, **fields: Any) -> Outcome:
        """Answer the decision task that is out."""
        started = self.head.started
        assert started is not None
        return self.ask(
            CompleteDecisionTask(
                scheduled_event_id=started.scheduled_event_id,
                started_event_id=started.started_event_id,
                decisions=decisions,
                **fields,
            )
        )

    def decide(self, *decisions: Decision, **fields: Any) -> Outcome:
        """Take a decision task and answer it; ``news`` then begins behind the DecisionCompletedEvent."""
        self.take_decision()
        before = len(self.history)
        outcome = self.answer(*decisions, **fields)
        self.seen = before + 1
        return outcome

    # --- activities ---

    def activity(self, activity_id: str) -> OpenActivity:
        item = self.state.items[self.state.activities[activity_id]]
        assert isinstance(item, OpenActivity)
        return item

    def take_activity(self, activity_id: str, session: str | None = None) -> None:
        self.ask(StartActivityTask(scheduled_event_id=self.activity(activity_id).event_id, session=session))

    def heartbeat(self, activity_id: str, details_json: str | None = None) -> object:
        item = self.activity(activity_id)
        return self.ask(
            HeartbeatActivityTask(
                scheduled_event_id=item.event_id, started_event_id=item.started_event_id, details_json=details_json
            )
        ).reply

    def finish_activity(self, activity_id: str, result: ActivityResult | None = None) -> Outcome:
        item = self.activity(activity_id)
        return self.ask(
            CompleteActivityTask(
                scheduled_event_id=item.event_id,
                started_event_id=item.started_event_id,
                result=ActivityCompleted() if result is None else result,
            )
        )


# --- what must hold always -------------------------------------------------------------------------------


def assert_consistent(state: ProcessState, history: Sequence[AnyEvent]) -> None:
    """Check one run after a request."""
    head = state.head
    assert [event.event_id for event in history] == list(range(1, len(history) + 1))
    assert head.last_event_id == len(history)
    assert forget_what_no_event_tells(state) == fold(state.ref, history)
    assert (head.status is not ProcessStatus.OPEN) == isinstance(history[-1], CLOSING_EVENTS)
    assert not any(isinstance(event, CLOSING_EVENTS) for event in history[:-1])
    if head.status is not ProcessStatus.OPEN:
        assert not state.items
        assert head.queued is None
        assert head.started is None
    assert state.next_deadline() == slow_deadline(state)
    items = state.items.values()
    assert state.activities == {item.activity_id: item.event_id for item in items if isinstance(item, OpenActivity)}
    assert state.timers == {item.timer_id: item.event_id for item in items if isinstance(item, OpenTimer)}
    assert state.children == {item.event_id for item in items if isinstance(item, OpenChild)}
    assert state.decision_ready == (head.queued is not None and head.started is None)


def assert_touched(before: ProcessState, after: ProcessState, outcome: Outcome) -> None:
    """Check that an outcome names every item that it changed."""
    changed = {
        event_id
        for event_id in before.items.keys() | after.items.keys()
        if before.items.get(event_id) != after.items.get(event_id)
    }
    assert changed <= outcome.touched


def forget_what_no_event_tells(state: ProcessState) -> ProcessState:
    state = copy.deepcopy(state)
    if state.head.started is not None:
        state.head.started.session = None
    for item in state.items.values():
        if isinstance(item, OpenActivity):
            item.session = None
            item.heartbeat_at = item.started_at
            item.details_json = None
    return state


def slow_deadline(state: ProcessState) -> float | None:
    """Compute the next deadline from everything that is open (swf-reference 6)."""
    head = state.head
    if head.status is not ProcessStatus.OPEN:
        return None
    pairs: list[tuple[float, float | None]] = [(head.started_at, head.execution_timeout)]
    if head.queued is not None:
        pairs.append((head.queued.scheduled_at, head.queued.schedule_to_start_timeout))
    if head.started is not None:
        pairs.append((head.started.started_at, head.started.start_to_close_timeout))
    for item in state.items.values():
        pairs += slow_item_deadlines(item)
    return min((begin + timeout for begin, timeout in pairs if timeout is not None), default=None)


def slow_item_deadlines(item: OpenItem) -> list[tuple[float, float | None]]:
    match item:
        case OpenTimer():
            return [(item.fires_at, 0.0)]
        case OpenActivity(started_event_id=0):
            return [
                (item.scheduled_at, item.schedule_to_start_timeout),
                (item.scheduled_at, item.schedule_to_close_timeout),
            ]
        case OpenActivity():
            return [
                (item.scheduled_at, item.schedule_to_close_timeout),
                (item.started_at, item.start_to_close_timeout),
                (item.heartbeat_at, item.heartbeat_timeout),
            ]
        case OpenChild() | OpenRequest():
            assert deadline(item) is None
            return []


def assert_families_agree(world: World) -> None:
    """Check a world in which no message is on its way."""
    states = [state for state in world.states.values() if state.head.status is ProcessStatus.OPEN]
    links = {(state.head.parent, state.head.parent_initiated_event_id) for state in states}
    for state in states:
        for item in state.items.values():
            assert not isinstance(item, OpenRequest), "every request is answered"
            if isinstance(item, OpenChild):
                assert item.started_event_id
                assert (state.ref, item.event_id) in links, "who counts as open is open"
        parent = state.head.parent
        if parent is not None:
            assert_parent_agrees(world, world.states[parent.run_id], state)


def assert_parent_agrees(world: World, parent: ProcessState, child: ProcessState) -> None:
    if parent.head.status is ProcessStatus.OPEN:
        assert child.head.parent_initiated_event_id in parent.items
    elif parent.head.status in (ProcessStatus.TERMINATED, ProcessStatus.TIMED_OUT):
        policy = parent.head.child_policy
        assert policy is not ChildPolicy.TERMINATE, "nobody is left behind"
        if policy is ChildPolicy.REQUEST_CANCEL:
            assert any(head.cancel_requested for head in lineage_of(world, child.head))


def lineage_of(world: World, head: Head) -> list[Head]:
    """Return the heads of a run and of those that it continues."""
    found = [head]
    while found[-1].continued_run_id is not None:
        found.append(world.states[found[-1].continued_run_id].head)
    return found


def refused(error: type[AioworkflowError], run: Run, request: Request, match: str | None = None) -> str:
    """Check that a request is refused with ``error`` and return the message."""
    with pytest.raises(error, match=match) as caught:
        run.ask(request)
    return str(caught.value)
