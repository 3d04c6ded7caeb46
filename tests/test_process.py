"""Process: what is folded from a history, and the questions it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioworkflow.activity import Activity
from aioworkflow.errors import InvalidRequestError, PayloadError, ResultNotAvailableError
from aioworkflow.event import (
    ActivityAbortedEvent,
    ActivityCompletedEvent,
    ActivityFailedEvent,
    ActivityScheduledEvent,
    ActivityTimedOutEvent,
    AnyEvent,
    Cause,
    ChildProcessCanceledEvent,
    ChildProcessCompletedEvent,
    ChildProcessFailedEvent,
    ChildProcessTerminatedEvent,
    ChildProcessTimedOutEvent,
    CompleteProcessFailedEvent,
    DecisionCompletedEvent,
    DecisionTimedOutEvent,
    MarkerRecordedEvent,
    ProcessCanceledEvent,
    ProcessCancelRequestedEvent,
    ProcessCompletedEvent,
    ProcessContinuedAsNewEvent,
    ProcessFailedEvent,
    ProcessSignaledEvent,
    ProcessTerminatedEvent,
    ProcessTimedOutEvent,
    SignalProcessFailedEvent,
    StartChildProcessFailedEvent,
    StartChildProcessInitiatedEvent,
    TimerCanceledEvent,
    TimerFiredEvent,
    TimerStartedEvent,
)
from aioworkflow.process import Process, View
from aioworkflow.result import ActivityAborted, ActivityCompleted, ActivityFailed, ActivityTimedOut
from aioworkflow.types import ChildPolicy, ProcessRef, ProcessStatus, TimeoutType, TypeRef
from aioworkflow.workflow import Workflow
from tests.written_history import NOON, REF, History


class FooActivity(Activity):
    pass


class BarWorkflow(Workflow):
    pass


@dataclass
class Order:
    sku: str


def ids(events: Sequence[AnyEvent]) -> list[int]:
    return [event.event_id for event in events]


# --- what it is ------------------------------------------------------------------------------------------


def test_a_process_knows_how_it_was_started() -> None:
    parent = ProcessRef("parent", "run-0")
    history = History({"sku": "a"}, tags=("vip",), parent=parent)
    process = history.process()
    assert (process.ref, process.id, process.run_id) == (REF, "order-17", "run-1")
    assert process.workflow == TypeRef("Order")
    assert process.input == {"sku": "a"}
    assert process.input_as(Order) == Order("a")
    assert process.tags == ("vip",)
    assert process.parent == parent
    assert process.started_at == NOON + timedelta(seconds=1)
    assert process.started is history.events[0]
    assert (process.status, process.ending) == (ProcessStatus.OPEN, None)
    assert repr(process) == "<Process 'order-17' (run run-1) of Order (version 1), OPEN, 1 events>"


def test_an_input_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(PayloadError, match="cannot be read as Order"):
        History(5).process().input_as(Order)
    with pytest.raises(PayloadError, match="cannot be read as Order"):
        History().process().input_as(Order)
    assert History().process().input is None


CLOSINGS: list[tuple[Callable[..., AnyEvent], dict[str, Any], ProcessStatus]] = [
    (ProcessCompletedEvent, {}, ProcessStatus.COMPLETED),
    (ProcessFailedEvent, {}, ProcessStatus.FAILED),
    (ProcessCanceledEvent, {}, ProcessStatus.CANCELED),
    (
        ProcessContinuedAsNewEvent,
        {"new_run_id": "r", "workflow": TypeRef("Order"), "task_list": "d", "child_policy": ChildPolicy.TERMINATE},
        ProcessStatus.CONTINUED_AS_NEW,
    ),
]


@pytest.mark.parametrize(("kind", "fields", "status"), CLOSINGS)
def test_a_decided_end_is_known(kind: Callable[..., AnyEvent], fields: dict[str, Any], status: ProcessStatus) -> None:
    history = History()
    history.decide()
    history.result(kind, **fields)
    assert history.process().status is status
    assert history.process().ending is history.events[-1]


@pytest.mark.parametrize(
    ("kind", "status"),
    [(ProcessTimedOutEvent, ProcessStatus.TIMED_OUT), (ProcessTerminatedEvent, ProcessStatus.TERMINATED)],
)
def test_an_end_from_outside_is_known(kind: Callable[..., AnyEvent], status: ProcessStatus) -> None:
    history = History()
    history.add(kind, child_policy=ChildPolicy.TERMINATE)
    assert history.process().status is status


# --- history ---------------------------------------------------------------------------------------------


def test_history_is_complete_and_cannot_be_changed() -> None:
    history = History()
    history.decide()
    process = history.process()
    assert process.history == history.events
    assert ids(process.history) == [1, 2, 3, 4]
    assert process.history[-1] is history.events[-1]
    assert ids(process.history[1:3]) == [2, 3]
    assert process.last_event_id == 4
    assert process.now == NOON + timedelta(seconds=4)
    assert not hasattr(process.history, "append")
    assert process.event(3) is history.events[2]
    for missing in (0, -1, 5):
        with pytest.raises(ResultNotAvailableError, match=f"has no event {missing}"):
            process.event(missing)


def test_it_can_be_extended_many_times_and_known_events_are_passed_over() -> None:
    history = History()
    process = history.process()
    history.decide()
    foo = history.schedule("a")
    process.extend(history.events)
    history.start_timer("t")
    history.complete(foo, 5)
    process.extend(history.events[2:])
    process.extend([])
    assert process.history == history.events
    assert process.result_of("a") == 5
    assert list(process.open_timers) == ["t"]


@pytest.mark.parametrize("events", [[], [2], [1, 3]])
def test_a_history_with_a_gap_is_refused(events: list[int]) -> None:
    history = History()
    history.decide()
    with pytest.raises(InvalidRequestError, match="order-17"):
        Process(REF, [history.events[event_id - 1] for event_id in events])


def test_a_gap_when_extending_is_refused_and_the_rest_stays() -> None:
    history = History()
    process = history.process()
    history.decide()
    with pytest.raises(InvalidRequestError, match="event 3 cannot follow event 1"):
        process.extend(history.events[2:])
    assert process.last_event_id == 1


def test_a_history_that_begins_otherwise_is_refused() -> None:
    event = ProcessTimedOutEvent(event_id=1, timestamp=NOON, child_policy=ChildPolicy.TERMINATE)
    with pytest.raises(InvalidRequestError, match="must begin with its start"):
        Process(REF, [event])


def test_an_earlier_state_can_be_asked_for() -> None:
    history = History()
    history.decide()
    foo = history.schedule("a")
    history.complete(foo)
    then = history.process().as_of(foo)
    assert list(then.open_activities) == ["a"]
    assert then.last_event_id == foo


# --- new events ------------------------------------------------------------------------------------------


def test_at_first_everything_is_new() -> None:
    process = History().turn()
    assert ids(process.new_events) == [1, 2, 3]
    assert process.previous_started_event_id == 0
    assert process.new_events is process.new_events


def test_after_a_decision_its_results_and_what_came_later_are_new() -> None:
    history = History()
    history.decide()
    foo = history.schedule("a")
    history.complete(foo)
    process = history.turn()
    assert ids(process.new_events) == [4, 5, 6, 7, 8, 9]
    assert process.previous_started_event_id == 3


def test_what_came_while_the_decider_decided_comes_after_what_it_decided() -> None:
    history = History()
    history.start_decision()  # 2, 3
    history.signal("go")  # 4
    history.complete_decision()  # 5
    foo = history.schedule("a")  # 6
    refused = history.result(CompleteProcessFailedEvent, cause=Cause.UNHANDLED_DECISION)  # 7
    history.start(foo)  # 8
    delivery = history.result(  # 9: of this decision, but told later
        SignalProcessFailedEvent,
        process=ProcessRef("x"),
        cause=Cause.UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION,
        initiated_event_id=6,
    )
    process = history.turn()
    assert ids(process.new_events) == [foo, refused, 4, 5, 8, delivery, 10, 11]


def test_what_a_lost_decision_had_seen_is_new_again() -> None:
    history = History()
    started = history.start_decision()
    history.add(
        DecisionTimedOutEvent,
        timeout_type=TimeoutType.START_TO_CLOSE,
        scheduled_event_id=2,
        started_event_id=started,
    )
    assert ids(history.turn().new_events) == [1, 2, 3, 4, 5, 6]


def test_new_events_move_on_with_the_process() -> None:
    history = History()
    process = history.turn()
    assert ids(process.new_events) == [1, 2, 3]
    history.complete_decision()
    history.signal("go")
    history.start_decision()
    process.extend(history.events)
    assert ids(process.new_events) == [4, 5, 6, 7]


# --- activities ------------------------------------------------------------------------------------------


def test_an_open_activity() -> None:
    history = History()
    history.decide()
    foo = history.schedule("a", input=5)
    history.start(foo)
    process = history.process()
    assert process.open_activities == {"a": history.events[foo - 1]}
    record = process.activity("a")
    assert record
    assert (record.id, record.activity, record.scheduled.input) == ("a", TypeRef("Foo"), 5)
    assert record.is_open
    assert not record.is_completed
    assert record.outcome is None
    assert process.outcome_of("a") is None
    with pytest.raises(ResultNotAvailableError, match=r"activity 'a' \(Foo\) is still open"):
        process.result_of("a")
    with pytest.raises(TypeError):
        process.open_activities["b"] = record.scheduled  # type: ignore[index]


def test_a_completed_activity() -> None:
    history = History()
    history.decide()
    foo = history.schedule("a")
    completed = history.complete(foo, {"sku": "x"})
    process = history.process()
    assert process.open_activities == {}
    assert process.result_of("a") == {"sku": "x"}
    assert process.result_of("a", Order) == Order("x")
    assert process.outcome_of("a") == ActivityCompleted({"sku": "x"})
    record = process.activity("a")
    assert record
    assert record.is_completed
    assert not record.is_open
    with pytest.raises(PayloadError, match="cannot be read as int"):
        process.result_of("a", int)
    event = history.events[completed - 1]
    assert isinstance(event, ActivityCompletedEvent)
    assert process.opening_of(event) is history.events[foo - 1]
    assert process.closing_of(process.opening_of(event)) is event


INTERRUPTIONS: list[tuple[Callable[..., AnyEvent], dict[str, Any], Any, str]] = [
    (
        ActivityFailedEvent,
        {"reason": "ValueError: no", "details_json": "[1]"},
        ActivityFailed(reason="ValueError: no", details=[1]),
        "ended with ActivityFailedEvent: ValueError: no",
    ),
    (ActivityFailedEvent, {}, ActivityFailed(), "ended with ActivityFailedEvent$"),
    (
        ActivityAbortedEvent,
        {"reason": "enough", "details_json": '"x"'},
        ActivityAborted("enough", "x"),
        "ended with ActivityAbortedEvent: enough",
    ),
    (
        ActivityTimedOutEvent,
        {"timeout_type": TimeoutType.HEARTBEAT, "details_json": "5"},
        ActivityTimedOut(TimeoutType.HEARTBEAT, 5),
        "ended with ActivityTimedOutEvent",
    ),
]


@pytest.mark.parametrize(("kind", "fields", "outcome", "message"), INTERRUPTIONS)
def test_an_interrupted_activity(kind: Callable[..., AnyEvent], fields: Any, outcome: Any, message: str) -> None:
    history = History()
    history.decide()
    history.close(kind, history.schedule("a"), **fields)
    process = history.process()
    assert process.open_activities == {}
    assert process.outcome_of("a") == outcome
    with pytest.raises(ResultNotAvailableError, match=rf"activity 'a' \(Foo\) {message}"):
        process.result_of("a")


def test_an_id_that_is_used_again_means_the_latest() -> None:
    history = History()
    history.decide()
    history.complete(history.schedule("a"), 1)
    assert history.process().attempts("a") == 0
    second = history.schedule("a")
    assert history.process().attempts("a") == 1
    history.close(ActivityFailedEvent, second)
    assert history.process().outcome_of("a") == ActivityFailed()
    third = history.schedule("a")
    process = history.process()
    assert process.attempts("a") == 2
    assert list(process.open_activities) == ["a"]
    assert process.outcome_of("a") is None
    history.complete(third, 3)
    process.extend(history.events)
    assert process.result_of("a") == 3
    assert process.attempts("a") == 0
    assert [record.is_completed for record in process.activities(FooActivity)] == [True, False, True]


def test_activities_of_one_kind_are_listed_in_order() -> None:
    history = History()
    history.decide()
    one = history.schedule("one")
    history.schedule("other", "Bar")
    history.schedule("two")
    history.complete(one, 1)
    process = history.process()
    assert [(record.id, record.is_open) for record in process.activities(FooActivity)] == [
        ("one", False),
        ("two", True),
    ]
    assert [record.id for record in process.activities("Bar")] == ["other"]
    assert process.activities("Baz") == []
    with pytest.raises(InvalidRequestError, match="an activity must be"):
        process.activities(7)  # type: ignore[arg-type]


def test_an_activity_that_never_was() -> None:
    process = History().process()
    assert process.activity("a") is None
    assert process.outcome_of("a") is None
    assert process.attempts("a") == 0
    with pytest.raises(ResultNotAvailableError, match=r"process 'order-17' \(run run-1\) has no activity 'a'"):
        process.result_of("a")


# --- timers ----------------------------------------------------------------------------------------------


def test_timers() -> None:
    history = History()
    history.decide()
    fired = history.start_timer("fired")
    canceled = history.start_timer("canceled")
    running = history.start_timer("running", 2.5)
    fire = history.fire("fired", fired)
    history.decide()
    cancel = history.result(TimerCanceledEvent, timer_id="canceled", started_event_id=canceled)
    process = history.process()
    assert process.open_timers == {"running": history.events[running - 1]}
    records = [process.timer(id) for id in ("fired", "canceled", "running")]
    assert all(records)
    assert [record and (record.id, record.is_open, record.has_fired) for record in records] == [
        ("fired", False, True),
        ("canceled", False, False),
        ("running", True, False),
    ]
    assert process.timer("none") is None
    for closing, opening in ((fire, fired), (cancel, canceled)):
        event = process.event(closing)
        assert isinstance(event, TimerFiredEvent | TimerCanceledEvent)
        started = process.opening_of(event)
        assert started.event_id == opening
        assert process.closing_of(started) is event
    still = process.event(running)
    assert isinstance(still, TimerStartedEvent)
    assert process.closing_of(still) is None


def test_a_timer_id_can_be_used_again() -> None:
    history = History()
    history.decide()
    history.fire("t", history.start_timer("t"))
    history.start_timer("t", 9)
    process = history.process()
    record = process.timer("t")
    assert record
    assert (record.is_open, record.started.delay) == (True, 9)


# --- children --------------------------------------------------------------------------------------------


def test_a_child_is_open_from_its_initiation_to_its_end() -> None:
    history = History()
    history.decide()
    initiated = history.initiate_child("child")
    process = history.process()
    assert process.open_children == {"child": history.events[initiated - 1]}
    record = process.child("child")
    assert record
    assert (record.id, record.workflow, record.process) == ("child", TypeRef("Bar"), ProcessRef("child"))
    with pytest.raises(ResultNotAvailableError, match=r"child process 'child' \(Bar\) is still open"):
        process.child_result_of("child")
    closed = history.close_child(ChildProcessCompletedEvent, "child", initiated, result_json='{"sku":"x"}')
    process.extend(history.events)
    assert process.open_children == {}
    assert process.child_result_of("child") == {"sku": "x"}
    assert process.child_result_of("child", Order) == Order("x")
    (record,) = process.children(BarWorkflow)
    assert (record.is_open, record.is_completed) == (False, True)
    assert record.process == ProcessRef("child", f"run-of-{initiated}")
    event = process.event(closed)
    assert isinstance(event, ChildProcessCompletedEvent)
    assert process.closing_of(process.opening_of(event)) is event
    assert process.children("Baz") == []


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (ChildProcessFailedEvent, {"reason": "why"}, "ended with ChildProcessFailedEvent: why"),
        (ChildProcessTimedOutEvent, {}, "ended with ChildProcessTimedOutEvent"),
        (ChildProcessCanceledEvent, {}, "ended with ChildProcessCanceledEvent"),
        (ChildProcessTerminatedEvent, {}, "ended with ChildProcessTerminatedEvent"),
    ],
)
def test_a_child_that_ends_otherwise(kind: Callable[..., AnyEvent], fields: Any, message: str) -> None:
    history = History()
    history.decide()
    history.close_child(kind, "child", history.initiate_child("child"), **fields)
    process = history.process()
    assert process.open_children == {}
    record = process.child("child")
    assert record
    assert not record.is_open
    assert not record.is_completed
    with pytest.raises(ResultNotAvailableError, match=message):
        process.child_result_of("child")


def test_a_child_that_is_refused_at_once_was_never_open() -> None:
    history = History()
    history.decide()
    history.result(
        StartChildProcessFailedEvent,
        process_id="child",
        workflow=TypeRef("Bar"),
        cause=Cause.WORKFLOW_TYPE_DOES_NOT_EXIST,
    )
    process = history.process()
    assert process.child("child") is None
    event = process.event(process.last_event_id)
    assert isinstance(event, StartChildProcessFailedEvent)
    with pytest.raises(ResultNotAvailableError):
        process.opening_of(event)
    with pytest.raises(ResultNotAvailableError, match="has no child 'child'"):
        process.child_result_of("child")


def test_a_second_child_with_the_id_of_an_open_one_does_not_hide_it() -> None:
    history = History()
    history.decide()
    first = history.initiate_child("child")
    history.start_child("child", first)
    second = history.initiate_child("child")
    process = history.process()
    assert process.open_children["child"].event_id == first
    history.result(
        StartChildProcessFailedEvent,
        process_id="child",
        workflow=TypeRef("Bar"),
        cause=Cause.WORKFLOW_ALREADY_RUNNING,
        initiated_event_id=second,
    )
    process.extend(history.events)
    assert process.open_children["child"].event_id == first
    assert [record.is_open for record in process.children("Bar")] == [True, False]
    initiated = process.event(second)
    assert isinstance(initiated, StartChildProcessInitiatedEvent)
    assert isinstance(process.closing_of(initiated), StartChildProcessFailedEvent)


def test_a_second_child_that_is_about_to_start_is_open_when_the_first_has_ended() -> None:
    history = History()
    history.decide()
    first = history.initiate_child("child")
    history.start_child("child", first)
    history.decide()
    second = history.initiate_child("child")
    history.close_child(ChildProcessCompletedEvent, "child", first)
    process = history.process()
    assert process.open_children["child"].event_id == second
    assert not process.is_idle
    history.close_child(ChildProcessCompletedEvent, "child", second)
    assert history.process().is_idle


def test_a_second_child_that_starts_after_the_first_ended_is_open() -> None:
    history = History()
    history.decide()
    first = history.initiate_child("child")
    second = history.initiate_child("child")
    history.close_child(ChildProcessCompletedEvent, "child", first)
    history.start_child("child", second)
    assert history.process().open_children["child"].event_id == second


# --- signals, cancellation, markers ----------------------------------------------------------------------


def test_signals_and_markers_are_kept_by_name_in_order() -> None:
    history = History()
    history.signal("add", 1)
    history.signal("stop")
    history.signal("add", 2)
    history.decide()
    history.result(MarkerRecordedEvent, marker="seen", details_json="[1]")
    process = history.process()
    assert [signal.input for signal in process.signals("add")] == [1, 2]
    assert len(process.signals("stop")) == 1
    assert process.signals("none") == []
    assert [marker.details for marker in process.markers("seen")] == [[1]]
    assert process.markers("none") == ()


def test_a_request_to_cancel_is_known() -> None:
    history = History()
    process = history.process()
    assert not process.cancel_requested
    assert process.cancel_request is None
    assert process.cancel_details is None
    history.add(ProcessCancelRequestedEvent, details_json='"late"')
    process.extend(history.events)
    later = process
    assert later.cancel_requested
    assert later.cancel_details == "late"
    assert later.cancel_request is history.events[-1]


def test_a_view_is_a_sequence_that_cannot_be_changed() -> None:
    view = View([1, 2])
    for equal, other in ((True, View((1, 2))), (True, [1, 2]), (True, (1, 2)), (False, [1]), (False, {1, 2})):
        assert (view == other) is equal
    assert list(reversed(view)) == [2, 1]
    assert 2 in view
    assert repr(view) == "[1, 2]"
    with pytest.raises(TypeError):
        hash(view)


# --- cost ------------------------------------------------------------------------------------------------


class Unscannable(list[Any]):
    """A history that gives single events and no more."""

    def __iter__(self) -> Any:
        raise AssertionError

    def __getitem__(self, index: Any) -> Any:
        assert isinstance(index, int)
        return super().__getitem__(index)


def test_no_question_reads_the_history() -> None:
    history = History()
    history.decide()
    for number in range(20):
        history.complete(history.schedule(f"a{number}"), number)
        history.fire("t", history.start_timer("t"))
        history.close_child(ChildProcessCompletedEvent, "c", history.initiate_child("c"), result_json="1")
        history.signal("go")
    process = history.process()
    process._facts.history = Unscannable(process._facts.history)
    assert process.result_of("a7") == 7
    assert process.outcome_of("a7") == ActivityCompleted(7)
    assert len(process.activities("Foo")) == len(process.children("Bar")) == len(process.signals("go")) == 20
    assert process.child_result_of("c") == 1
    assert process.timer("t")
    assert not process.open_activities
    assert not process.open_timers
    assert not process.open_children
    assert not process.cancel_requested
    assert process.status is ProcessStatus.OPEN
    assert process.now == NOON + timedelta(seconds=process.last_event_id)


# --- any history -----------------------------------------------------------------------------------------


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Histories in which activities, timers and children with few ids open and close in any order."""
    history = History()
    history.decide()
    activities: dict[str, int] = {}
    timers: dict[str, int] = {}
    children: dict[str, int] = {}
    for action in draw(st.lists(st.tuples(st.integers(0, 8), st.sampled_from("abc")), max_size=40)):
        match action:
            case 0, id if id not in activities:
                activities[id] = history.schedule(id, id.upper())
            case 1, id if id in activities:
                history.complete(activities.pop(id), id)
            case 2, id if id in activities:
                history.close(ActivityFailedEvent, activities.pop(id))
            case 3, id if id not in timers:
                timers[id] = history.start_timer(id)
            case 4, id if id in timers:
                history.fire(id, timers.pop(id))
            case 5, id if id not in children:
                children[id] = history.initiate_child(id)
            case 6, id if id in children:
                history.close_child(ChildProcessCompletedEvent, id, children.pop(id))
            case 7, id:
                history.signal(id)
            case 8, _:
                history.decide()
            case _:
                pass
    return history


def facts_by_hand(events: Sequence[AnyEvent]) -> object:
    """The same answers as :func:`facts_of`, found by reading everything."""
    closed = {event.scheduled_event_id for event in events if isinstance(event, CLOSED_ACTIVITY)}
    fired = {event.started_event_id for event in events if isinstance(event, TimerFiredEvent)}
    ended = {event.initiated_event_id for event in events if isinstance(event, ChildProcessCompletedEvent)}
    decided = [event.started_event_id for event in events if isinstance(event, DecisionCompletedEvent)]
    return (
        {e.event_id for e in events if isinstance(e, ActivityScheduledEvent) and e.event_id not in closed},
        {e.event_id for e in events if isinstance(e, TimerStartedEvent) and e.event_id not in fired},
        {e.event_id for e in events if isinstance(e, StartChildProcessInitiatedEvent) and e.event_id not in ended},
        [[e.event_id for e in events if isinstance(e, ProcessSignaledEvent) and e.signal == id] for id in "abc"],
        [
            [
                (e.event_id, e.event_id not in closed)
                for e in events
                if isinstance(e, ActivityScheduledEvent) and e.activity_id == id
            ]
            for id in "abc"
        ],
        list(range(decided[-1] + 1, len(events) + 1)),
    )


CLOSED_ACTIVITY = (ActivityCompletedEvent, ActivityFailedEvent)


def facts_of(process: Process) -> object:
    return (
        {event.event_id for event in process.open_activities.values()},
        {event.event_id for event in process.open_timers.values()},
        {event.event_id for event in process.open_children.values()},
        [ids(process.signals(id)) for id in "abc"],
        [[(record.scheduled.event_id, record.is_open) for record in process.activities(id)] for id in "ABC"],
        sorted(ids(process.new_events)),
    )


@given(histories(), st.data())
def test_whatever_comes_in_whatever_pieces_the_answers_are_those_of_the_history(
    history: History, data: st.DataObject
) -> None:
    events = history.events
    whole = history.process()
    assert facts_of(whole) == facts_by_hand(events)
    cuts = sorted(data.draw(st.lists(st.integers(4, len(events)), max_size=4)))
    piecewise = Process(REF, events[:4])
    for cut in cuts:
        piecewise.extend(events[max(0, cut - 6) : cut] if cut - 6 <= piecewise.last_event_id else events[:cut])
        assert facts_of(piecewise) == facts_by_hand(events[:cut])
    piecewise.extend(events)
    assert facts_of(piecewise) == facts_of(whole)


# --- what a decider keeps --------------------------------------------------------------------------------


class Kept:
    def __init__(self) -> None:
        self.disposals = 0

    def dispose(self) -> None:
        self.disposals += 1


def test_what_is_attached_is_disposed_of_once_when_it_is_replaced_or_released() -> None:
    process = History().process()
    process.release()
    first, second = Kept(), Kept()
    process.attach(first)
    assert process.attached is first
    process.attach(second)
    assert (first.disposals, second.disposals) == (1, 0)
    process.release()
    process.release()
    assert (first.disposals, second.disposals) == (1, 1)
    assert process.attached is None
