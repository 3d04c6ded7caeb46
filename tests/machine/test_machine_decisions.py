"""What each decision does: swf-reference 3.1 to 3.12, 5.5."""

from __future__ import annotations

from typing import Any

import pytest

from aioworkflow.decision import (
    CancelActivityDecision,
    CancelProcessDecision,
    CancelTimerDecision,
    CompleteProcessDecision,
    ContinueAsNewDecision,
    Decision,
    FailProcessDecision,
    RecordMarkerDecision,
    RequestCancelProcessDecision,
    ScheduleActivityDecision,
    SignalProcessDecision,
    StartChildProcessDecision,
    StartTimerDecision,
)
from aioworkflow.event import (
    ActivityAbortedEvent,
    ActivityCancelRequestedEvent,
    ActivityScheduledEvent,
    AnyEvent,
    CancelActivityFailedEvent,
    CancelExternalProcessInitiatedEvent,
    CancelProcessFailedEvent,
    CancelTimerFailedEvent,
    Cause,
    CompleteProcessFailedEvent,
    ContinueAsNewFailedEvent,
    DecisionCompletedEvent,
    FailProcessFailedEvent,
    MarkerRecordedEvent,
    ProcessCanceledEvent,
    ProcessCompletedEvent,
    ProcessContinuedAsNewEvent,
    ProcessFailedEvent,
    ProcessStartedEvent,
    ScheduleActivityFailedEvent,
    SignalProcessInitiatedEvent,
    StartChildProcessFailedEvent,
    StartChildProcessInitiatedEvent,
    StartTimerFailedEvent,
    TimerCanceledEvent,
    TimerStartedEvent,
)
from aioworkflow.machine.requests import (
    CancelProcess,
    ChildClosed,
    SignalProcess,
    StartProcess,
)
from aioworkflow.types import UNSET, ActivityType, ChildPolicy, ProcessRef, ProcessStatus, TypeRef, WorkflowType
from tests.machine.world import NOW, ORDER, WORK, Run, World, forced, limited

FULL: dict[str, Any] = {
    "task_list": "l",
    "schedule_to_start_timeout": 1.0,
    "schedule_to_close_timeout": 2.0,
    "start_to_close_timeout": 3.0,
    "heartbeat_timeout": 4.0,
}
CHILD: dict[str, Any] = {
    "execution_timeout": 5.0,
    "decision_timeout": 6.0,
    "task_list": "l",
    "child_policy": ChildPolicy.ABANDON,
}


def without(settings: dict[str, Any], *left_out: str) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in left_out}


def completed(run: Run) -> int:
    """The id of the DecisionCompletedEvent of the last batch."""
    return next(event.event_id for event in reversed(run.history) if isinstance(event, DecisionCompletedEvent))


# --- 3.1 ScheduleActivity --------------------------------------------------------------------------------


def test_an_activity_is_scheduled_with_the_settings_of_its_type() -> None:
    run = World().start()
    outcome = run.decide(ScheduleActivityDecision("Work", {"x": 1}, id="a", control="note"))
    assert run.news() == ["ActivityScheduled"]
    event = run.last
    assert event == ActivityScheduledEvent(
        event_id=5,
        timestamp=event.timestamp,
        activity_id="a",
        activity=WORK,
        input_json='{"x":1}',
        control_json='"note"',
        task_list="works",
        task_priority=0,
        decision_completed_event_id=4,
    )
    assert outcome.touched == {5}
    assert run.activity("a").scheduled_at == NOW


def test_the_settings_of_the_decision_win() -> None:
    run = World().start()
    run.decide(ScheduleActivityDecision("Work", id="a", task_priority=-7, **FULL))
    event = run.only(ActivityScheduledEvent)
    assert {name: getattr(event, name) for name in FULL} == FULL
    assert event.task_priority == -7


def test_the_priority_of_the_type_comes_second_and_that_of_the_process_never() -> None:
    world = World()
    settings = without(FULL)
    kind = ActivityType(ref=TypeRef("Urgent"), task_priority=3, **settings)
    world.environment = limited()
    world.environment = type(world.environment)(activities={kind.ref: kind, WORK: world.environment.activities[WORK]})
    run = world.start(task_priority=9)
    run.decide(ScheduleActivityDecision("Urgent", id="a"), ScheduleActivityDecision("Work", id="b"))
    assert [event.task_priority for event in run.history if isinstance(event, ActivityScheduledEvent)] == [3, 0]


@pytest.mark.parametrize(
    ("decision", "cause"),
    [
        (ScheduleActivityDecision("Nobody", id="a"), Cause.ACTIVITY_TYPE_DOES_NOT_EXIST),
        (ScheduleActivityDecision("Work", id="a", version="2"), Cause.ACTIVITY_TYPE_DOES_NOT_EXIST),
        (ScheduleActivityDecision("Old", id="a", **FULL), Cause.ACTIVITY_TYPE_DEPRECATED),
        (ScheduleActivityDecision("Work", id="open"), Cause.ACTIVITY_ID_ALREADY_IN_USE),
        (ScheduleActivityDecision("Plain", id="a"), Cause.DEFAULT_TASK_LIST_UNDEFINED),
        (
            ScheduleActivityDecision("Plain", id="a", **without(FULL, "schedule_to_start_timeout")),
            Cause.DEFAULT_SCHEDULE_TO_START_TIMEOUT_UNDEFINED,
        ),
        (
            ScheduleActivityDecision("Plain", id="a", **without(FULL, "schedule_to_close_timeout")),
            Cause.DEFAULT_SCHEDULE_TO_CLOSE_TIMEOUT_UNDEFINED,
        ),
        (
            ScheduleActivityDecision("Plain", id="a", **without(FULL, "start_to_close_timeout")),
            Cause.DEFAULT_START_TO_CLOSE_TIMEOUT_UNDEFINED,
        ),
        (
            ScheduleActivityDecision("Plain", id="a", **without(FULL, "heartbeat_timeout")),
            Cause.DEFAULT_HEARTBEAT_TIMEOUT_UNDEFINED,
        ),
    ],
)
def test_an_activity_is_refused_with_its_cause(decision: ScheduleActivityDecision, cause: Cause) -> None:
    run = World().start()
    run.decide(ScheduleActivityDecision("Work", id="open"), decision)
    assert run.news() == ["ActivityScheduled", "ScheduleActivityFailed", "DecisionScheduled"]
    event = run.only(ScheduleActivityFailedEvent)
    assert (event.cause, event.activity, event.activity_id) == (cause, decision.activity, decision.id)
    assert event.decision_completed_event_id == completed(run)
    assert list(run.state.activities) == ["open"]


def test_a_timeout_of_none_is_a_setting_and_resolves() -> None:
    run = World().start()
    unlimited: dict[str, Any] = {**dict.fromkeys(FULL), "task_list": "l"}
    run.decide(ScheduleActivityDecision("Plain", id="a", **unlimited))
    assert run.news() == ["ActivityScheduled"]
    assert run.last.heartbeat_timeout is None


def test_too_many_open_activities() -> None:
    run = World(limited(open_activities=2)).start()
    run.decide(*(ScheduleActivityDecision("Work", id=id) for id in "abc"))
    assert run.only(ScheduleActivityFailedEvent).cause is Cause.OPEN_ACTIVITIES_LIMIT_EXCEEDED
    assert run.only(ScheduleActivityFailedEvent).activity_id == "c"
    run.take_activity("a")
    run.finish_activity("a")
    run.decide(ScheduleActivityDecision("Work", id="c"))
    assert run.news() == ["ActivityScheduled"]


def test_the_id_of_a_closed_activity_may_be_used_again() -> None:
    run = World().start()
    run.decide(ScheduleActivityDecision("Work", id="a"))
    run.take_activity("a")
    run.finish_activity("a")
    run.decide(ScheduleActivityDecision("Work", id="a"))
    assert run.news() == ["ActivityScheduled"]


# --- 3.2 CancelActivity ----------------------------------------------------------------------------------


def test_an_activity_that_waits_is_canceled_at_once() -> None:
    run = World().start()
    run.decide(ScheduleActivityDecision("Work", id="a"), StartTimerDecision(0, id="t"))
    run.pass_time(0)
    outcome = run.decide(CancelActivityDecision("a"))
    assert run.news() == ["ActivityCancelRequested", "ActivityAborted", "DecisionScheduled"]
    requested, aborted = run.only(ActivityCancelRequestedEvent), run.only(ActivityAbortedEvent)
    assert requested.activity_id == "a"
    assert requested.decision_completed_event_id == completed(run)
    assert aborted.scheduled_event_id == run.only(ActivityScheduledEvent).event_id
    assert aborted.started_event_id == 0
    assert aborted.cancel_requested_event_id == requested.event_id
    assert outcome.touched == {aborted.scheduled_event_id}
    assert run.state.activities == {}


def test_an_activity_that_was_handed_out_is_only_asked() -> None:
    run = World().start()
    run.decide(ScheduleActivityDecision("Work", id="a"), StartTimerDecision(0, id="t"))
    run.take_activity("a")
    run.pass_time(0)
    assert run.heartbeat("a") is False
    run.decide(CancelActivityDecision("a"))
    assert run.news() == ["ActivityCancelRequested"]
    assert run.heartbeat("a") is True
    assert run.activity("a").cancel_requested_event_id == run.last.event_id


def test_canceling_an_activity_that_is_not_open_fails() -> None:
    run = World().start()
    run.decide(CancelActivityDecision("a"))
    assert run.news() == ["CancelActivityFailed", "DecisionScheduled"]
    event = run.only(CancelActivityFailedEvent)
    assert (event.activity_id, event.cause) == ("a", Cause.ACTIVITY_ID_UNKNOWN)
    assert event.decision_completed_event_id == completed(run)


# --- 3.3 to 3.6 closing ----------------------------------------------------------------------------------

CLOSINGS: list[tuple[Decision, type[AnyEvent], type[AnyEvent], ProcessStatus]] = [
    (CompleteProcessDecision(), ProcessCompletedEvent, CompleteProcessFailedEvent, ProcessStatus.COMPLETED),
    (FailProcessDecision(), ProcessFailedEvent, FailProcessFailedEvent, ProcessStatus.FAILED),
    (CancelProcessDecision(), ProcessCanceledEvent, CancelProcessFailedEvent, ProcessStatus.CANCELED),
    (
        ContinueAsNewDecision(),
        ProcessContinuedAsNewEvent,
        ContinueAsNewFailedEvent,
        ProcessStatus.CONTINUED_AS_NEW,
    ),
]


@pytest.mark.parametrize(("decision", "closed", "failed", "status"), CLOSINGS)
def test_a_run_closes_whatever_is_open_in_it(
    decision: Decision, closed: type[AnyEvent], failed: type[AnyEvent], status: ProcessStatus
) -> None:
    run = World().start()
    outcome = run.decide(
        ScheduleActivityDecision("Work", id="a"),
        StartTimerDecision(60, id="t"),
        StartChildProcessDecision("Order", id="c"),
        SignalProcessDecision("q", "s"),
        decision,
    )
    last = run.last
    assert type(last) is closed
    assert run.last.decision_completed_event_id == completed(run)
    assert run.head.status is status
    assert run.head.closed_at == NOW
    assert outcome.touched == {5, 6, 7, 8}
    assert run.state.items == {}
    assert run.state.next_deadline() is None


@pytest.mark.parametrize(("decision", "closed", "failed", "status"), CLOSINGS)
def test_a_close_is_refused_if_something_happened_meanwhile(
    decision: Decision, closed: type[AnyEvent], failed: type[AnyEvent], status: ProcessStatus
) -> None:
    run = World().start()
    run.take_decision()
    run.ask(SignalProcess(signal="s"))
    run.news()
    run.answer(RecordMarkerDecision("m"), decision)
    assert run.news() == ["DecisionCompleted", "MarkerRecorded", failed.__name__.removesuffix("Event")]
    assert (run.last.cause, run.last.decision_completed_event_id) == (Cause.UNHANDLED_DECISION, completed(run))
    assert run.head.status is ProcessStatus.OPEN
    run.decide(decision)
    assert type(run.last) is closed


@pytest.mark.parametrize(("decision", "closed", "failed", "status"), CLOSINGS)
def test_what_does_not_trigger_a_decision_blocks_no_close(
    decision: Decision, closed: type[AnyEvent], failed: type[AnyEvent], status: ProcessStatus
) -> None:
    run = World().start()
    run.decide(ScheduleActivityDecision("Work", id="a"), StartTimerDecision(0, id="t"))
    run.pass_time(0)
    run.take_decision()
    run.take_activity("a")
    run.heartbeat("a")
    run.answer(RecordMarkerDecision("m"), StartTimerDecision(1, id="u"), CancelTimerDecision("u"), decision)
    assert type(run.last) is closed


@pytest.mark.parametrize(
    ("decision", "fields", "told"),
    [
        (CompleteProcessDecision(7), {"result_json": "7"}, {"status": ProcessStatus.COMPLETED, "result_json": "7"}),
        (
            FailProcessDecision("why", [1]),
            {"reason": "why", "details_json": "[1]"},
            {"status": ProcessStatus.FAILED, "reason": "why", "details_json": "[1]"},
        ),
        (
            CancelProcessDecision("stopped"),
            {"details_json": '"stopped"'},
            {"status": ProcessStatus.CANCELED, "details_json": '"stopped"'},
        ),
    ],
)
def test_a_parent_is_told_how_its_child_closed(
    decision: Decision, fields: dict[str, Any], told: dict[str, Any]
) -> None:
    parent = ProcessRef("parent", "run")
    child = World().start(parent=parent, parent_initiated_event_id=5)
    child.world.outbox.clear()
    child.decide(decision)
    assert {name: getattr(child.last, name) for name in fields} == fields
    (message,) = child.world.outbox
    assert message.to == parent
    assert message.body == ChildClosed(initiated_event_id=5, child=child.ref, **told)
    assert message.sent_at == NOW


def test_a_root_tells_nobody() -> None:
    run = World().start()
    assert run.decide(CompleteProcessDecision()).messages == []


def test_continue_as_new_takes_nothing_but_id_workflow_and_parent() -> None:
    world = World()
    parent = ProcessRef("parent", "run")
    run = world.start(
        input_json="1",
        tags=("t",),
        task_list="elsewhere",
        task_priority=5,
        execution_timeout=9.0,
        decision_timeout=None,
        child_policy=ChildPolicy.ABANDON,
        parent=parent,
        parent_initiated_event_id=5,
    )
    world.outbox.clear()
    outcome = run.decide(ContinueAsNewDecision())
    successor = world.run("p")
    assert outcome.messages == [], "the parent sees no close (3.6)"
    assert outcome.successor is successor.state
    assert list(outcome.successor_events) == successor.history
    assert run.last.new_run_id == successor.ref.run_id
    assert successor.news() == ["ProcessStarted", "DecisionScheduled"]
    assert successor.history[0] == ProcessStartedEvent(
        event_id=1,
        timestamp=run.last.timestamp,
        workflow=ORDER,
        task_list="orders",
        decision_timeout=60.0,
        child_policy=ChildPolicy.TERMINATE,
        parent=parent,
        parent_initiated_event_id=5,
        continued_run_id=run.ref.run_id,
    )
    assert successor.head.parent == parent
    assert successor.head.continued_run_id == run.ref.run_id


def test_continue_as_new_takes_what_the_decision_says() -> None:
    world = World()
    newer = WorkflowType(ref=TypeRef("Order", "2"))
    world.environment = type(world.environment)(workflows={newer.ref: newer})
    run = world.start()
    settings = CHILD | {"tags": ("x",), "task_priority": 4}
    run.decide(ContinueAsNewDecision([2], workflow_version="2", **settings))
    for event in (run.last, world.run("p").history[0]):
        assert {name: getattr(event, name) for name in settings} == settings
        assert (event.input_json, event.workflow) == ("[2]", newer.ref)


@pytest.mark.parametrize(
    ("workflow", "decision", "cause"),
    [
        (ORDER, ContinueAsNewDecision(workflow_version="9"), Cause.WORKFLOW_TYPE_DOES_NOT_EXIST),
        (TypeRef("Old"), ContinueAsNewDecision(**CHILD), Cause.WORKFLOW_TYPE_DEPRECATED),
        (
            TypeRef("Plain"),
            ContinueAsNewDecision(**without(CHILD, "execution_timeout")),
            Cause.DEFAULT_EXECUTION_START_TO_CLOSE_TIMEOUT_UNDEFINED,
        ),
        (
            TypeRef("Plain"),
            ContinueAsNewDecision(**without(CHILD, "decision_timeout")),
            Cause.DEFAULT_TASK_START_TO_CLOSE_TIMEOUT_UNDEFINED,
        ),
        (TypeRef("Plain"), ContinueAsNewDecision(**without(CHILD, "task_list")), Cause.DEFAULT_TASK_LIST_UNDEFINED),
        (
            TypeRef("Plain"),
            ContinueAsNewDecision(**without(CHILD, "child_policy")),
            Cause.DEFAULT_CHILD_POLICY_UNDEFINED,
        ),
    ],
)
def test_continue_as_new_is_refused_with_its_cause(
    workflow: TypeRef, decision: ContinueAsNewDecision, cause: Cause
) -> None:
    run = World().start(workflow=workflow)
    outcome = run.decide(decision)
    assert run.news() == ["ContinueAsNewFailed", "DecisionScheduled"]
    assert run.only(ContinueAsNewFailedEvent).cause is cause
    assert outcome.successor is None
    assert run.head.status is ProcessStatus.OPEN


# --- 3.7 to 3.9 markers and timers -----------------------------------------------------------------------


def test_a_marker_is_recorded_and_causes_no_decision() -> None:
    run = World().start()
    run.decide(RecordMarkerDecision("m", {"k": 1}))
    assert run.news() == ["MarkerRecorded"]
    assert run.last == MarkerRecordedEvent(
        event_id=5,
        timestamp=run.last.timestamp,
        marker="m",
        details_json='{"k":1}',
        decision_completed_event_id=4,
    )
    assert run.head.queued is None


def test_a_timer_starts() -> None:
    run = World().start()
    outcome = run.decide(StartTimerDecision(1.5, id="t", control=1))
    assert run.news() == ["TimerStarted"]
    assert run.last == TimerStartedEvent(
        event_id=5,
        timestamp=run.last.timestamp,
        timer_id="t",
        control_json="1",
        delay=1.5,
        decision_completed_event_id=4,
    )
    assert outcome.touched == {5}
    assert run.state.next_deadline() == NOW + 1.5


def test_a_timer_id_is_unique_among_open_timers() -> None:
    run = World().start()
    run.decide(StartTimerDecision(1, id="t"), StartTimerDecision(2, id="t"))
    assert run.news() == ["TimerStarted", "StartTimerFailed", "DecisionScheduled"]
    event = run.only(StartTimerFailedEvent)
    assert (event.timer_id, event.cause) == ("t", Cause.TIMER_ID_ALREADY_IN_USE)
    assert event.decision_completed_event_id == completed(run)
    run.pass_time(1)
    run.decide(StartTimerDecision(2, id="t"))
    assert run.news() == ["TimerStarted"]


def test_too_many_open_timers() -> None:
    run = World(limited(open_timers=1)).start()
    run.decide(StartTimerDecision(1, id="t"), StartTimerDecision(2, id="u"))
    assert run.only(StartTimerFailedEvent).cause is Cause.OPEN_TIMERS_LIMIT_EXCEEDED


def test_a_timer_is_canceled_without_a_decision() -> None:
    run = World().start()
    run.decide(StartTimerDecision(1, id="t"), StartTimerDecision(0, id="u"))
    run.pass_time(0)
    outcome = run.decide(CancelTimerDecision("t"))
    assert run.news() == ["TimerCanceled"]
    assert run.last == TimerCanceledEvent(
        event_id=run.last.event_id,
        timestamp=run.last.timestamp,
        timer_id="t",
        started_event_id=5,
        decision_completed_event_id=completed(run),
    )
    assert outcome.touched == {5}
    assert run.state.next_deadline() is None


def test_canceling_a_timer_that_does_not_run_fails() -> None:
    run = World().start()
    run.decide(CancelTimerDecision("t"))
    assert run.news() == ["CancelTimerFailed", "DecisionScheduled"]
    event = run.only(CancelTimerFailedEvent)
    assert (event.timer_id, event.cause) == ("t", Cause.TIMER_ID_UNKNOWN)
    assert event.decision_completed_event_id == completed(run)


# --- 3.10 and 3.11 other processes -----------------------------------------------------------------------


def test_a_signal_to_another_process_is_sent() -> None:
    run = World().start()
    to = ProcessRef("other", "run")
    outcome = run.decide(SignalProcessDecision(to, "s", [1], control="c"))
    assert run.news() == ["SignalProcessInitiated"]
    assert run.last == SignalProcessInitiatedEvent(
        event_id=5,
        timestamp=run.last.timestamp,
        process=to,
        signal="s",
        input_json="[1]",
        control_json='"c"',
        decision_completed_event_id=4,
    )
    assert outcome.touched == {5}
    (message,) = outcome.messages
    assert message.to == to
    assert message.body == SignalProcess(signal="s", input_json="[1]", sender=run.ref, sender_initiated_event_id=5)


def test_a_request_to_cancel_another_process_is_sent() -> None:
    run = World().start()
    outcome = run.decide(RequestCancelProcessDecision("other", control="c"))
    assert run.news() == ["CancelExternalProcessInitiated"]
    assert run.last == CancelExternalProcessInitiatedEvent(
        event_id=5,
        timestamp=run.last.timestamp,
        process=ProcessRef("other"),
        control_json='"c"',
        decision_completed_event_id=4,
    )
    assert outcome.touched == {5}
    (message,) = outcome.messages
    assert message.to == ProcessRef("other")
    assert message.body == CancelProcess(sender=run.ref, sender_initiated_event_id=5)


# --- 3.12 StartChildProcess ------------------------------------------------------------------------------


def test_a_child_is_initiated_with_resolved_settings() -> None:
    run = World().start(task_list="elsewhere", tags=("t",), child_policy=ChildPolicy.ABANDON)
    outcome = run.decide(StartChildProcessDecision("Order", [1], id="c", control="note"))
    assert run.news() == ["StartChildProcessInitiated"]
    assert run.last == StartChildProcessInitiatedEvent(
        event_id=5,
        timestamp=run.last.timestamp,
        process_id="c",
        workflow=ORDER,
        input_json="[1]",
        control_json='"note"',
        task_list="orders",
        decision_timeout=60.0,
        child_policy=ChildPolicy.TERMINATE,
        decision_completed_event_id=4,
    )
    assert outcome.touched == {5}
    (message,) = outcome.messages
    assert message.to == ProcessRef("c"), "so that a process of this id that runs is found"
    assert isinstance(message.body, StartProcess)
    assert message.body == StartProcess(
        process_id="c",
        run_id=message.body.run_id,
        workflow=ORDER,
        task_list="orders",
        child_policy=ChildPolicy.TERMINATE,
        input_json="[1]",
        decision_timeout=60.0,
        parent=run.ref,
        parent_initiated_event_id=5,
    )


def test_a_child_gets_the_settings_of_the_decision() -> None:
    run = World().start()
    settings = CHILD | {"tags": ("x", "y"), "task_priority": 4}
    (message,) = run.decide(StartChildProcessDecision("Plain", id="c", **settings)).messages
    for value in (run.last, message.body):
        assert {name: getattr(value, name) for name in settings} == settings


@pytest.mark.parametrize(
    ("decision", "cause"),
    [
        (StartChildProcessDecision("Nobody", id="c"), Cause.WORKFLOW_TYPE_DOES_NOT_EXIST),
        (StartChildProcessDecision("Order", id="c", version="2"), Cause.WORKFLOW_TYPE_DOES_NOT_EXIST),
        (StartChildProcessDecision("Old", id="c", **CHILD), Cause.WORKFLOW_TYPE_DEPRECATED),
        (
            StartChildProcessDecision("Plain", id="c", **without(CHILD, "execution_timeout")),
            Cause.DEFAULT_EXECUTION_START_TO_CLOSE_TIMEOUT_UNDEFINED,
        ),
        (
            StartChildProcessDecision("Plain", id="c", **without(CHILD, "decision_timeout")),
            Cause.DEFAULT_TASK_START_TO_CLOSE_TIMEOUT_UNDEFINED,
        ),
        (
            StartChildProcessDecision("Plain", id="c", **without(CHILD, "task_list")),
            Cause.DEFAULT_TASK_LIST_UNDEFINED,
        ),
        (
            StartChildProcessDecision("Plain", id="c", **without(CHILD, "child_policy")),
            Cause.DEFAULT_CHILD_POLICY_UNDEFINED,
        ),
    ],
)
def test_a_child_is_refused_with_its_cause_and_nothing_initiated(
    decision: StartChildProcessDecision, cause: Cause
) -> None:
    run = World().start()
    outcome = run.decide(forced(decision, control_json="1"))
    assert run.news() == ["StartChildProcessFailed", "DecisionScheduled"]
    event = run.only(StartChildProcessFailedEvent)
    assert event == StartChildProcessFailedEvent(
        event_id=5,
        timestamp=event.timestamp,
        process_id="c",
        workflow=decision.workflow,
        cause=cause,
        control_json="1",
        initiated_event_id=0,
        decision_completed_event_id=4,
    )
    assert outcome.messages == []
    assert outcome.touched == set()


def test_too_many_open_children() -> None:
    run = World(limited(open_children=1)).start()
    run.decide(StartChildProcessDecision("Order", id="c"), StartChildProcessDecision("Order", id="d"))
    event = run.only(StartChildProcessFailedEvent)
    assert (event.process_id, event.cause) == ("d", Cause.OPEN_CHILDREN_LIMIT_EXCEEDED)


# --- batches ---------------------------------------------------------------------------------------------


def test_each_decision_succeeds_or_fails_alone_and_sees_those_before_it() -> None:
    run = World().start()
    run.decide(
        ScheduleActivityDecision("Work", id="a"),
        ScheduleActivityDecision("Work", id="a"),
        StartTimerDecision(1, id="t"),
        CancelTimerDecision("t"),
        CancelTimerDecision("t"),
        RecordMarkerDecision("m"),
    )
    assert run.news() == [
        "ActivityScheduled",
        "ScheduleActivityFailed",
        "DecisionScheduled",
        "TimerStarted",
        "TimerCanceled",
        "CancelTimerFailed",
        "MarkerRecorded",
    ]
    batch = [event for event in run.history if event.event_id >= completed(run)]
    assert {event.timestamp for event in batch} == {batch[0].timestamp}, "one batch, one time (swf-reference 3)"


def test_a_full_history_ends_the_run_within_a_batch() -> None:
    run = World(limited(events=12)).start()
    outcome = run.decide(*(RecordMarkerDecision(f"m{number}") for number in range(20)))
    assert run.news() == ["MarkerRecorded"] * 5 + ["ProcessTerminated"]
    assert run.last.cause is Cause.EVENT_LIMIT_EXCEEDED
    assert len(run.history) <= 12
    assert outcome.state is run.state


def test_no_decision_leaves_an_idle_run() -> None:
    run = World().start()
    run.decide()
    assert run.news() == []
    assert run.head.queued is None
    assert run.head.started is None


def test_unset_is_left_to_the_type() -> None:
    decision = ScheduleActivityDecision("Work", id="a")
    assert decision.task_list is UNSET
