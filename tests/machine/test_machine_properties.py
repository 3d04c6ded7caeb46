"""Any requests in any order, on several processes that talk to each other, keep what must hold always."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from aioworkflow.decision import (
    CancelActivityDecision,
    CancelProcessDecision,
    CancelTimerDecision,
    CompleteProcessDecision,
    ContinueAsNewDecision,
    FailProcessDecision,
    RecordMarkerDecision,
    RequestCancelProcessDecision,
    ScheduleActivityDecision,
    SignalProcessDecision,
    StartChildProcessDecision,
    StartTimerDecision,
)
from aioworkflow.errors import (
    AioworkflowError,
    InvalidRequestError,
    ProcessAlreadyRunningError,
    UnknownProcessError,
    UnknownTaskError,
)
from aioworkflow.event import (
    ActivityAbortedEvent,
    ActivityCompletedEvent,
    ActivityFailedEvent,
    ActivityScheduledEvent,
    ActivityStartedEvent,
    ActivityTimedOutEvent,
    AnyEvent,
    CancelActivityFailedEvent,
    CancelExternalProcessFailedEvent,
    CancelExternalProcessInitiatedEvent,
    CancelTimerFailedEvent,
    ChildProcessCanceledEvent,
    ChildProcessCompletedEvent,
    ChildProcessFailedEvent,
    ChildProcessStartedEvent,
    ChildProcessTerminatedEvent,
    ChildProcessTimedOutEvent,
    ContinueAsNewFailedEvent,
    DecisionCompletedEvent,
    DecisionScheduledEvent,
    DecisionStartedEvent,
    DecisionTimedOutEvent,
    ExternalProcessCancelRequestedEvent,
    ExternalProcessSignaledEvent,
    ProcessCancelRequestedEvent,
    ProcessSignaledEvent,
    ProcessStartedEvent,
    RecordMarkerFailedEvent,
    ScheduleActivityFailedEvent,
    SignalProcessFailedEvent,
    SignalProcessInitiatedEvent,
    StartChildProcessFailedEvent,
    StartChildProcessInitiatedEvent,
    StartTimerFailedEvent,
    TimerCanceledEvent,
    TimerFiredEvent,
    TimerStartedEvent,
)
from aioworkflow.machine.handle import Outcome, handle
from aioworkflow.machine.requests import (
    CancelProcess,
    CompleteActivityTask,
    CompleteDecisionTask,
    FireDeadlines,
    HandOffActivityTask,
    HeartbeatActivityTask,
    Message,
    ReleaseTasks,
    Request,
    SignalProcess,
    StartActivityTask,
    StartDecisionTask,
    StartProcess,
    TerminateProcess,
)
from aioworkflow.machine.state import Head, OpenItem, ProcessState
from aioworkflow.result import ActivityAborted, ActivityCompleted, ActivityFailed
from aioworkflow.types import UNSET, ChildPolicy, ProcessRef, ProcessStatus
from tests.machine.world import World, assert_families_agree, limited, start_request

EVENT_LIMIT = 70

TRIGGERS: tuple[type[AnyEvent], ...] = (
    ProcessStartedEvent,
    ProcessSignaledEvent,
    ProcessCancelRequestedEvent,
    ContinueAsNewFailedEvent,
    DecisionTimedOutEvent,
    ScheduleActivityFailedEvent,
    ActivityCompletedEvent,
    ActivityFailedEvent,
    ActivityTimedOutEvent,
    ActivityAbortedEvent,
    CancelActivityFailedEvent,
    RecordMarkerFailedEvent,
    StartTimerFailedEvent,
    TimerFiredEvent,
    CancelTimerFailedEvent,
    StartChildProcessFailedEvent,
    ChildProcessStartedEvent,
    ChildProcessCompletedEvent,
    ChildProcessFailedEvent,
    ChildProcessTimedOutEvent,
    ChildProcessCanceledEvent,
    ChildProcessTerminatedEvent,
    SignalProcessFailedEvent,
    ExternalProcessSignaledEvent,
    CancelExternalProcessFailedEvent,
    ExternalProcessCancelRequestedEvent,
)
"""The column DT of swf-reference 4."""

CLOSED_BY: dict[type[AnyEvent], tuple[str, tuple[type[AnyEvent], ...]]] = {
    ActivityScheduledEvent: (
        "scheduled_event_id",
        (ActivityCompletedEvent, ActivityFailedEvent, ActivityTimedOutEvent, ActivityAbortedEvent),
    ),
    TimerStartedEvent: ("started_event_id", (TimerFiredEvent, TimerCanceledEvent)),
    StartChildProcessInitiatedEvent: (
        "initiated_event_id",
        (
            StartChildProcessFailedEvent,
            ChildProcessCompletedEvent,
            ChildProcessFailedEvent,
            ChildProcessTimedOutEvent,
            ChildProcessCanceledEvent,
            ChildProcessTerminatedEvent,
        ),
    ),
    SignalProcessInitiatedEvent: ("initiated_event_id", (ExternalProcessSignaledEvent, SignalProcessFailedEvent)),
    CancelExternalProcessInitiatedEvent: (
        "initiated_event_id",
        (ExternalProcessCancelRequestedEvent, CancelExternalProcessFailedEvent),
    ),
    DecisionScheduledEvent: ("scheduled_event_id", (DecisionCompletedEvent, DecisionTimedOutEvent)),
}
STARTED_BY: dict[type[AnyEvent], tuple[str, type[AnyEvent]]] = {
    ActivityScheduledEvent: ("scheduled_event_id", ActivityStartedEvent),
    DecisionScheduledEvent: ("scheduled_event_id", DecisionStartedEvent),
    StartChildProcessInitiatedEvent: ("initiated_event_id", ChildProcessStartedEvent),
}


@dataclass
class ReplayingWorld(World):
    """Asks everything twice, the second time a copy of the state as a store would have kept it.

    Attributes:
        drawn: The ids that were drawn; the second time gets the same.
    """

    drawn: list[str] = field(default_factory=list)

    def ask(self, process: ProcessRef, request: Request) -> Outcome:
        twin = reload(self.state(process))
        first = len(self.drawn)
        try:
            outcome = super().ask(process, request)
        except AioworkflowError as error:
            with pytest.raises(type(error)):
                self._replay(twin, request, first)
            raise
        again = self._replay(twin, request, first)
        assert (again.state, again.reply, again.events) == (outcome.state, outcome.reply, outcome.events)
        assert (again.touched, again.messages) == (outcome.touched, outcome.messages)
        assert (again.successor, again.successor_events) == (outcome.successor, outcome.successor_events)
        return outcome

    def new_id(self) -> str:
        self.drawn.append(super().new_id())
        return self.drawn[-1]

    def _replay(self, twin: ProcessState | None, request: Request, first: int) -> Outcome:
        ids = iter(self.drawn[first:])
        return handle(twin, request, now=self.now, new_id=lambda: next(ids), environment=self.environment)


def reload(state: ProcessState | None) -> ProcessState | None:
    """Return the state as it comes back from a store, which has no order of the items."""
    if state is None:
        return None
    head = msgspec.json.decode(msgspec.json.encode(state.head), type=Head)
    items = msgspec.json.decode(msgspec.json.encode(list(state.items.values())), type=list[OpenItem])
    loaded = ProcessState(head, {item.event_id: item for item in reversed(items)})
    assert loaded == state
    return loaded


# --- what may be asked -----------------------------------------------------------------------------------

process_ids = st.sampled_from(["p", "q", "r"])
run_choices = st.integers(0, 30)
event_ids = st.integers(0, EVENT_LIMIT)
sessions = st.sampled_from([None, "s1", "s2"])
timeouts = st.sampled_from([UNSET, UNSET, None, 0.0, 1.0, 5.0])
payloads = st.sampled_from([None, 1, "x"])
policies = st.sampled_from(ChildPolicy)
texts = st.sampled_from([None, "1", '"x"'])
targets = st.builds(ProcessRef, process_ids, st.sampled_from(["", "", "p-run-0", "nowhere"]))

activities = st.builds(
    ScheduleActivityDecision,
    st.sampled_from(["Work", "Work", "Work", "Plain", "Old", "Nobody"]),
    payloads,
    id=st.sampled_from("abc"),
    schedule_to_start_timeout=timeouts,
    schedule_to_close_timeout=timeouts,
    start_to_close_timeout=timeouts,
    heartbeat_timeout=timeouts,
)
side_decisions = st.one_of(
    activities,
    activities,
    st.builds(CancelActivityDecision, st.sampled_from("abc")),
    st.builds(StartTimerDecision, st.sampled_from([0, 1, 5]), id=st.sampled_from("tu")),
    st.builds(CancelTimerDecision, st.sampled_from("tu")),
    st.builds(RecordMarkerDecision, st.just("m"), payloads),
    st.builds(
        StartChildProcessDecision,
        st.sampled_from(["Order", "Order", "Order", "Plain", "Nobody"]),
        payloads,
        id=process_ids,
        execution_timeout=timeouts,
        child_policy=policies,
    ),
    st.builds(SignalProcessDecision, targets, st.just("s"), payloads),
    st.builds(RequestCancelProcessDecision, targets),
)
closing_decisions = st.one_of(
    st.builds(CompleteProcessDecision, payloads),
    st.builds(FailProcessDecision, st.just("why"), payloads),
    st.builds(CancelProcessDecision, payloads),
    st.builds(ContinueAsNewDecision, payloads, execution_timeout=timeouts, child_policy=policies),
    st.builds(ContinueAsNewDecision, payloads, workflow_version=st.just("9")),
)
batches = st.one_of(
    st.lists(side_decisions, max_size=5),
    st.tuples(st.lists(side_decisions, max_size=3), closing_decisions).map(lambda pair: [*pair[0], pair[1]]),
    st.lists(st.one_of(side_decisions, closing_decisions), max_size=4),
)
results = st.one_of(
    st.builds(ActivityCompleted, payloads),
    st.builds(ActivityFailed, reason=st.just("why"), details=payloads),
    st.builds(ActivityAborted, st.just("why"), payloads),
)
outside_requests = st.one_of(
    st.builds(SignalProcess, signal=st.just("s"), input_json=texts),
    st.builds(CancelProcess, details_json=texts),
)


class Processes(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = ReplayingWorld(
            environment=limited(events=EVENT_LIMIT, open_activities=2, open_timers=1, open_children=2, decisions=4)
        )
        self.names = itertools.count()
        self.delivered: list[Message] = []

    # --- helpers ---

    def ask(self, process: ProcessRef, request: Request, *may_be: type[AioworkflowError]) -> Outcome | None:
        try:
            return self.world.ask(process, request)
        except may_be:
            return None

    def pick(self, choice: int) -> ProcessRef:
        """Return one of the last runs, open ones first."""
        states = sorted(self.world.states.values(), key=lambda state: state.head.status is not ProcessStatus.OPEN)
        return states[choice % len(states)].ref if states else ProcessRef("p")

    def head(self, ref: ProcessRef) -> Head | None:
        state = self.world.states.get(ref.run_id)
        return state.head if state is not None else None

    def activity_ids(self, ref: ProcessRef, choice: int) -> tuple[int, int]:
        """Return the two ids of one of the activities of a run, or made-up ones."""
        state = self.world.states.get(ref.run_id)
        found = list(state.activities.values()) if state is not None else []
        if state is None or not found:
            return choice, choice + 1
        item: Any = state.items[found[choice % len(found)]]
        return item.event_id, item.started_event_id

    # --- what clients do ---

    @initialize()
    def start_one(self) -> None:
        self.world.ask(ProcessRef("p"), start_request("p", "p-run-0"))

    @rule(process_id=process_ids, timeout=st.sampled_from([None, 5.0, 20.0]), policy=policies)
    def start(self, process_id: str, timeout: float | None, policy: ChildPolicy) -> None:
        request = start_request(
            process_id, f"{process_id}-client-{next(self.names)}", execution_timeout=timeout, child_policy=policy
        )
        self.ask(ProcessRef(process_id), request, ProcessAlreadyRunningError)

    @rule(choice=run_choices, request=outside_requests)
    def ask_from_outside(self, choice: int, request: Request) -> None:
        self.ask(self.pick(choice), request, UnknownProcessError)

    @rule(process_id=process_ids, policy=st.one_of(st.none(), policies))
    def terminate(self, process_id: str, policy: ChildPolicy | None) -> None:
        self.ask(ProcessRef(process_id), TerminateProcess(reason="why", child_policy=policy), UnknownProcessError)

    # --- what workers do ---

    @rule(choice=run_choices, session=sessions)
    def take_decision(self, choice: int, session: str | None) -> None:
        ref = self.pick(choice)
        head = self.head(ref)
        event_id = head.queued.scheduled_event_id if head is not None and head.queued is not None else choice
        self.ask(ref, StartDecisionTask(scheduled_event_id=event_id, session=session), UnknownTaskError)

    @rule(
        choice=run_choices,
        decisions=batches,
        sticky=st.sampled_from([{}, {}, {"task_list": "mine"}, {"task_list_schedule_to_start_timeout": 1.0}]),
        timeout=st.sampled_from([None, 1.0]),
    )
    def answer_decision(
        self, choice: int, decisions: Sequence[Any], sticky: dict[str, Any], timeout: float | None
    ) -> None:
        ref = self.pick(choice)
        head = self.head(ref)
        if head is not None and head.started is None and head.queued is not None:
            self.take_decision(choice, None)
        started = head.started if head is not None else None
        request = CompleteDecisionTask(
            scheduled_event_id=started.scheduled_event_id if started is not None else choice,
            started_event_id=started.started_event_id if started is not None else choice + 1,
            decisions=decisions,
            **(sticky | {"task_list_schedule_to_start_timeout": timeout} if "task_list" in sticky else sticky),
        )
        self.ask(ref, request, UnknownTaskError, InvalidRequestError)

    @rule(choice=run_choices, which=event_ids, session=sessions)
    def take_activity(self, choice: int, which: int, session: str | None) -> None:
        ref = self.pick(choice)
        scheduled, _ = self.activity_ids(ref, which)
        self.ask(ref, StartActivityTask(scheduled_event_id=scheduled, session=session), UnknownTaskError)

    @rule(choice=run_choices, which=event_ids, result=results)
    def finish_activity(self, choice: int, which: int, result: Any) -> None:
        ref = self.pick(choice)
        scheduled, started = self.activity_ids(ref, which)
        request = CompleteActivityTask(scheduled_event_id=scheduled, started_event_id=started, result=result)
        self.ask(ref, request, UnknownTaskError)

    @rule(choice=run_choices, which=event_ids, details=texts)
    def heartbeat(self, choice: int, which: int, details: str | None) -> None:
        ref = self.pick(choice)
        scheduled, started = self.activity_ids(ref, which)
        request = HeartbeatActivityTask(scheduled_event_id=scheduled, started_event_id=started, details_json=details)
        self.ask(ref, request, UnknownTaskError)

    @rule(choice=run_choices, which=event_ids)
    def hand_off(self, choice: int, which: int) -> None:
        ref = self.pick(choice)
        scheduled, started = self.activity_ids(ref, which)
        self.ask(ref, HandOffActivityTask(scheduled_event_id=scheduled, started_event_id=started), UnknownTaskError)

    # --- what happens by itself ---

    @rule(seconds=st.sampled_from([0.0, 0.000001, 0.7, 1.0, 3.0, 61.0]))
    def pass_time(self, seconds: float) -> None:
        self.world.now += seconds
        for state in list(self.world.states.values()):
            self.world.ask(state.ref, FireDeadlines())

    @rule(seconds=st.sampled_from([0.5, 2.0]))
    def pass_time_unnoticed(self, seconds: float) -> None:
        self.world.now += seconds

    @rule(session=st.sampled_from(["s1", "s2"]))
    def lose_session(self, session: str) -> None:
        for state in list(self.world.states.values()):
            self.world.ask(state.ref, ReleaseTasks(session=session))
            assert all(getattr(item, "session", None) != session for item in state.items.values())

    @precondition(lambda self: self.world.outbox)
    @rule(which=st.integers(0, 20))
    def deliver(self, which: int) -> None:
        index = which % len(self.world.outbox)
        self.delivered.append(self.world.outbox[index])
        self.world.deliver(index)

    @precondition(lambda self: self.delivered)
    @rule(which=st.integers(0, 20))
    def deliver_again(self, which: int) -> None:
        """Answers may come twice; a request is consumed together with what it does."""
        message = self.delivered[which % len(self.delivered)]
        if not isinstance(message.body, StartProcess | SignalProcess | CancelProcess | TerminateProcess):
            outcome = self.world.ask(message.to, message.body)
            assert outcome.events == []
            self.world.outbox = [waiting for waiting in self.world.outbox if waiting not in outcome.messages]

    # --- what must hold after each of them (World.ask checks the rest) ---

    @invariant()
    def each_thing_starts_and_closes_once(self) -> None:
        for history in self.world.histories.values():
            assert_each_closes_once(history)

    @invariant()
    def no_decision_is_lost(self) -> None:
        for run_id, history in self.world.histories.items():
            head = self.world.states[run_id].head
            if head.status is ProcessStatus.OPEN:
                seen = max(head.previous_started_event_id, head.started.started_event_id if head.started else 0)
                unseen = any(isinstance(event, TRIGGERS) for event in history[seen:])
                assert (head.queued is not None) == unseen

    @invariant()
    def limits_are_kept(self) -> None:
        limits = self.world.environment.limits
        for run_id, state in self.world.states.items():
            assert len(self.world.histories[run_id]) <= limits.events
            assert len(state.activities) <= limits.open_activities
            assert len(state.timers) <= limits.open_timers
            assert len(state.children) <= limits.open_children

    @invariant()
    def one_run_of_a_process_is_open(self) -> None:
        heads = [state.head for state in self.world.states.values()]
        open_runs = Counter(head.process_id for head in heads if head.status is ProcessStatus.OPEN)
        assert set(open_runs.values()) <= {1}

    def teardown(self) -> None:
        """When all messages have come, parents and children agree, and no request is without its answer."""
        self.world.deliver_all()
        assert_families_agree(self.world)


def assert_each_closes_once(history: Sequence[AnyEvent]) -> None:
    closed: Counter[int] = Counter()
    started: Counter[int] = Counter()
    for event in history:
        for opening, (back, closings) in CLOSED_BY.items():
            event_id = getattr(event, back, 0)
            if isinstance(event, closings) and event_id:
                closed[event_id] += 1
                assert isinstance(history[event_id - 1], opening)
        for opening, (back, start) in STARTED_BY.items():
            if isinstance(event, start):
                event_id = getattr(event, back)
                started[event_id] += 1
                assert not closed[event_id], "what is closed starts no more"
                assert isinstance(history[event_id - 1], opening)
    assert set(closed.values()) <= {1}
    assert set(started.values()) <= {1}
    assert_one_decision_at_a_time(history)


def assert_one_decision_at_a_time(history: Sequence[AnyEvent]) -> None:
    queued = out = 0
    for event in history:
        match event:
            case DecisionScheduledEvent():
                assert not queued
                queued = event.event_id
            case DecisionStartedEvent():
                assert not out
                assert event.scheduled_event_id == queued
                queued, out = 0, event.event_id
            case DecisionCompletedEvent():
                assert event.started_event_id == out
                out = 0
            case DecisionTimedOutEvent(started_event_id=0):
                assert event.scheduled_event_id == queued
                queued = 0
            case DecisionTimedOutEvent():
                assert event.started_event_id == out
                out = 0


Processes.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestProcesses = Processes.TestCase
