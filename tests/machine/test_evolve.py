"""How each event changes the state; folding a history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from aioworkflow import event as events
from aioworkflow.event import (
    ActivityAbortedEvent,
    ActivityCancelRequestedEvent,
    ActivityCompletedEvent,
    ActivityFailedEvent,
    ActivityScheduledEvent,
    ActivityStartedEvent,
    ActivityTimedOutEvent,
    AnyEvent,
    CancelExternalProcessFailedEvent,
    CancelExternalProcessInitiatedEvent,
    Cause,
    ChildProcessCanceledEvent,
    ChildProcessCompletedEvent,
    ChildProcessFailedEvent,
    ChildProcessStartedEvent,
    ChildProcessTerminatedEvent,
    ChildProcessTimedOutEvent,
    DecisionCompletedEvent,
    DecisionScheduledEvent,
    DecisionStartedEvent,
    DecisionTimedOutEvent,
    ExternalProcessCancelRequestedEvent,
    ExternalProcessSignaledEvent,
    ProcessCanceledEvent,
    ProcessCancelRequestedEvent,
    ProcessCompletedEvent,
    ProcessContinuedAsNewEvent,
    ProcessFailedEvent,
    ProcessSignaledEvent,
    ProcessStartedEvent,
    ProcessTerminatedEvent,
    ProcessTimedOutEvent,
    SignalProcessFailedEvent,
    SignalProcessInitiatedEvent,
    StartChildProcessFailedEvent,
    StartChildProcessInitiatedEvent,
    TimerCanceledEvent,
    TimerFiredEvent,
    TimerStartedEvent,
)
from aioworkflow.machine.evolve import _CHANGES, fold
from aioworkflow.machine.state import (
    Head,
    OpenActivity,
    OpenChild,
    OpenItem,
    OpenRequest,
    OpenTimer,
    ProcessState,
    QueuedDecision,
    StartedDecision,
    Sticky,
)
from aioworkflow.types import ChildPolicy, ProcessRef, ProcessStatus, TimeoutType
from tests.machine.world import ORDER, WORK

REF = ProcessRef("p", "r")
OTHER = ProcessRef("o", "x")
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
T = BEGIN.timestamp()
DTC: dict[str, Any] = {"decision_completed_event_id": 4}


class History:
    """Builds a history; each event comes one second after the one before."""

    def __init__(self, **start: Any) -> None:
        self.events: list[Any] = []
        settings: dict[str, Any] = {"workflow": ORDER, "task_list": "l", "child_policy": ChildPolicy.TERMINATE}
        self.add(ProcessStartedEvent, **(settings | start))

    def add(self, kind: Any, **fields: Any) -> int:
        event_id = len(self.events) + 1
        self.events.append(kind(event_id=event_id, timestamp=BEGIN + timedelta(seconds=event_id), **fields))
        return event_id

    def decided(self, **fields: Any) -> History:
        """Add the three events of a decision task: 2, 3, 4."""
        self.add(DecisionScheduledEvent, task_list="l")
        self.add(DecisionStartedEvent, scheduled_event_id=2)
        self.add(DecisionCompletedEvent, scheduled_event_id=2, started_event_id=3, **fields)
        return self

    def fold(self) -> ProcessState:
        return fold(REF, self.events)


def activity(**fields: Any) -> OpenActivity:
    return OpenActivity(event_id=5, activity_id="a", activity=WORK, task_list="w", scheduled_at=T + 5, **fields)


def with_activity() -> History:
    history = History().decided()
    history.add(ActivityScheduledEvent, activity_id="a", activity=WORK, task_list="w", **DTC)
    return history


# --- the beginning ---------------------------------------------------------------------------------------


def test_the_first_event_makes_the_head() -> None:
    settings: dict[str, Any] = {
        "task_list": "l",
        "task_priority": 3,
        "execution_timeout": 9.0,
        "decision_timeout": 8.0,
        "child_policy": ChildPolicy.ABANDON,
        "tags": ("t",),
        "parent": OTHER,
        "parent_initiated_event_id": 7,
        "continued_run_id": "before",
    }
    state = History(**settings).fold()
    assert state == ProcessState(
        Head(process_id="p", run_id="r", workflow=ORDER, started_at=T + 1, last_event_id=1, **settings)
    )


@pytest.mark.parametrize("history", [[], History().decided().events[1:]])
def test_a_history_begins_with_the_start(history: list[AnyEvent]) -> None:
    with pytest.raises(ValueError, match=r"'p'.*does not begin"):
        fold(REF, history)


def test_every_event_is_counted() -> None:
    history = History()
    history.add(ProcessSignaledEvent, signal="s")
    assert history.fold().head.last_event_id == 2


def test_no_event_but_these_changes_anything_else() -> None:
    """All other events are news to the decider only; a new kind of event must be put on one side or the other."""
    untouched = {
        "ProcessStartedEvent",
        "ProcessSignaledEvent",
        "MarkerRecordedEvent",
        "RecordMarkerFailedEvent",
        "CompleteProcessFailedEvent",
        "FailProcessFailedEvent",
        "CancelProcessFailedEvent",
        "ContinueAsNewFailedEvent",
        "ScheduleActivityFailedEvent",
        "CancelActivityFailedEvent",
        "StartTimerFailedEvent",
        "CancelTimerFailedEvent",
        "UnknownEvent",  # this and those of Lambda come from Amazon only
        *(name for name in events.__all__ if "Lambda" in name),
    }
    assert {kind.__name__ for kind in get_args(events.AnyEvent)} == untouched | {kind.__name__ for kind in _CHANGES}
    assert untouched.isdisjoint(kind.__name__ for kind in _CHANGES)


# --- closing ---------------------------------------------------------------------------------------------

CONTINUED: dict[str, Any] = {
    "new_run_id": "n",
    "workflow": ORDER,
    "task_list": "l",
    "child_policy": ChildPolicy.TERMINATE,
}


@pytest.mark.parametrize(
    ("kind", "fields", "status"),
    [
        (ProcessCompletedEvent, DTC, ProcessStatus.COMPLETED),
        (ProcessFailedEvent, DTC, ProcessStatus.FAILED),
        (ProcessCanceledEvent, DTC, ProcessStatus.CANCELED),
        (ProcessContinuedAsNewEvent, DTC | CONTINUED, ProcessStatus.CONTINUED_AS_NEW),
        (ProcessTimedOutEvent, {"child_policy": ChildPolicy.TERMINATE}, ProcessStatus.TIMED_OUT),
        (ProcessTerminatedEvent, {"child_policy": ChildPolicy.TERMINATE}, ProcessStatus.TERMINATED),
    ],
)
def test_the_end_closes_everything(kind: Any, fields: dict[str, Any], status: ProcessStatus) -> None:
    history = with_activity()
    history.add(TimerStartedEvent, timer_id="t", delay=1.0, **DTC)
    history.add(DecisionScheduledEvent, task_list="l")
    history.add(DecisionStartedEvent, scheduled_event_id=7)
    history.add(DecisionScheduledEvent, task_list="l")
    history.add(kind, **fields)
    state = history.fold()
    assert (state.head.status, state.head.closed_at) == (status, T + 10)
    assert (state.head.queued, state.head.started) == (None, None)
    assert (state.items, state.activities, state.timers) == ({}, {}, {})
    assert state.next_deadline() is None


@pytest.mark.parametrize("kind", [ProcessTerminatedEvent, ProcessTimedOutEvent])
def test_an_end_by_force_leaves_the_policy_that_was_applied(kind: Any) -> None:
    history = History()
    history.add(kind, child_policy=ChildPolicy.REQUEST_CANCEL)
    assert history.fold().head.child_policy is ChildPolicy.REQUEST_CANCEL


def test_a_request_to_cancel_is_remembered() -> None:
    history = History()
    history.add(ProcessCancelRequestedEvent)
    assert history.fold().head.cancel_requested


# --- decision tasks --------------------------------------------------------------------------------------


def test_a_decision_is_queued_started_completed() -> None:
    history = History(decision_timeout=8.0)
    history.add(DecisionScheduledEvent, task_list="m", schedule_to_start_timeout=5.0)
    state = history.fold()
    assert state.head.queued == QueuedDecision(
        scheduled_event_id=2, task_list="m", scheduled_at=T + 2, schedule_to_start_timeout=5.0
    )
    assert state.head.started is None
    history.add(DecisionStartedEvent, scheduled_event_id=2)
    state = history.fold()
    assert state.head.queued is None
    assert state.head.started == StartedDecision(
        scheduled_event_id=2, started_event_id=3, started_at=T + 3, start_to_close_timeout=8.0
    )
    assert state.head.previous_started_event_id == 0
    history.add(DecisionCompletedEvent, scheduled_event_id=2, started_event_id=3)
    state = history.fold()
    assert (state.head.queued, state.head.started) == (None, None)
    assert state.head.previous_started_event_id == 3
    assert (state.head.sticky, state.head.execution_context) == (None, None)


def test_what_an_answer_says_stays() -> None:
    history = History().decided(execution_context="c", task_list="m", task_list_schedule_to_start_timeout=5.0)
    history.add(DecisionScheduledEvent, task_list="m")
    history.add(DecisionStartedEvent, scheduled_event_id=5)
    history.add(DecisionCompletedEvent, scheduled_event_id=5, started_event_id=6)
    head = history.fold().head
    assert head.execution_context == "c"
    assert head.sticky == Sticky(task_list="m", schedule_to_start_timeout=5.0)


@pytest.mark.parametrize("timeout", [5.0, None])
@pytest.mark.parametrize("which", [TimeoutType.START_TO_CLOSE, TimeoutType.SCHEDULE_TO_START])
def test_a_decision_times_out(timeout: float | None, which: TimeoutType) -> None:
    history = History().decided(task_list="m", task_list_schedule_to_start_timeout=timeout)
    history.add(DecisionScheduledEvent, task_list="m")
    if which is TimeoutType.START_TO_CLOSE:
        history.add(DecisionStartedEvent, scheduled_event_id=5)
    history.add(DecisionTimedOutEvent, timeout_type=which, scheduled_event_id=5)
    head = history.fold().head
    assert (head.queued, head.started) == (None, None)
    assert head.decision_attempt == (2 if which is TimeoutType.START_TO_CLOSE else 1)
    assert (head.sticky is None) == (timeout is not None)
    assert head.previous_started_event_id == 3


def test_attempts_are_counted_until_one_is_answered() -> None:
    history = History()
    history.add(DecisionScheduledEvent, task_list="l")
    history.add(DecisionStartedEvent, scheduled_event_id=2)
    history.add(DecisionTimedOutEvent, timeout_type=TimeoutType.START_TO_CLOSE, scheduled_event_id=2)
    history.add(DecisionScheduledEvent, task_list="l")
    history.add(DecisionStartedEvent, scheduled_event_id=5)
    assert history.fold().head.decision_attempt == 2
    history.add(DecisionCompletedEvent, scheduled_event_id=5, started_event_id=6)
    assert history.fold().head.decision_attempt == 1


def test_a_timeout_leaves_the_other_task_alone() -> None:
    history = History()
    history.add(DecisionScheduledEvent, task_list="l")
    history.add(DecisionStartedEvent, scheduled_event_id=2)
    history.add(DecisionScheduledEvent, task_list="l")
    both = history.fold().head
    history.add(DecisionTimedOutEvent, timeout_type=TimeoutType.START_TO_CLOSE, scheduled_event_id=2)
    assert history.fold().head.queued == both.queued
    history.events[-1] = DecisionTimedOutEvent(
        event_id=5, timestamp=BEGIN, timeout_type=TimeoutType.SCHEDULE_TO_START, scheduled_event_id=4
    )
    assert history.fold().head.started == both.started


# --- activities ------------------------------------------------------------------------------------------


def test_an_activity_opens_with_its_settings() -> None:
    settings: dict[str, Any] = {
        "task_priority": 3,
        "schedule_to_start_timeout": 1.0,
        "schedule_to_close_timeout": 2.0,
        "start_to_close_timeout": 3.0,
        "heartbeat_timeout": 4.0,
    }
    history = History().decided()
    history.add(
        ActivityScheduledEvent, activity_id="a", activity=WORK, task_list="w", input_json="1", **DTC, **settings
    )
    state = history.fold()
    assert state.items == {5: activity(**settings)}
    assert state.activities == {"a": 5}
    assert state.next_deadline() == T + 6


def test_an_activity_starts() -> None:
    history = with_activity()
    history.add(ActivityStartedEvent, scheduled_event_id=5)
    assert history.fold().items == {5: activity(started_event_id=6, started_at=T + 6, heartbeat_at=T + 6)}


def test_the_clocks_of_a_started_activity_run() -> None:
    history = History().decided()
    history.add(
        ActivityScheduledEvent, activity_id="a", activity=WORK, task_list="w", start_to_close_timeout=3.0, **DTC
    )
    history.add(ActivityStartedEvent, scheduled_event_id=5)
    assert history.fold().next_deadline() == T + 9


def test_an_activity_is_asked_to_stop() -> None:
    history = with_activity()
    for event_id in (6, 7):
        history.add(ActivityCancelRequestedEvent, activity_id="a", **DTC)
        assert history.fold().items == {5: activity(cancel_requested_event_id=event_id)}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (ActivityCompletedEvent, {}),
        (ActivityFailedEvent, {}),
        (ActivityTimedOutEvent, {"timeout_type": TimeoutType.START_TO_CLOSE}),
        (ActivityAbortedEvent, {}),
    ],
)
def test_an_activity_ends(kind: Any, fields: dict[str, Any]) -> None:
    history = with_activity()
    history.add(ActivityStartedEvent, scheduled_event_id=5)
    history.add(kind, scheduled_event_id=5, started_event_id=6, **fields)
    state = history.fold()
    assert (state.items, state.activities) == ({}, {})


# --- timers, children, requests --------------------------------------------------------------------------


def test_a_timer_runs() -> None:
    history = History().decided()
    history.add(TimerStartedEvent, timer_id="t", delay=1.5, **DTC)
    state = history.fold()
    assert state.items == {5: OpenTimer(event_id=5, timer_id="t", fires_at=T + 6.5)}
    assert state.timers == {"t": 5}
    assert state.next_deadline() == T + 6.5


@pytest.mark.parametrize(("kind", "fields"), [(TimerFiredEvent, {}), (TimerCanceledEvent, DTC)])
def test_a_timer_ends(kind: Any, fields: dict[str, Any]) -> None:
    history = History().decided()
    history.add(TimerStartedEvent, timer_id="t", delay=1.5, **DTC)
    history.add(kind, timer_id="t", started_event_id=5, **fields)
    state = history.fold()
    assert (state.items, state.timers, state.next_deadline()) == ({}, {}, None)


def with_child() -> History:
    history = History().decided()
    history.add(
        StartChildProcessInitiatedEvent,
        process_id="c",
        workflow=ORDER,
        control_json="1",
        task_list="l",
        child_policy=ChildPolicy.TERMINATE,
        **DTC,
    )
    return history


def test_a_child_is_initiated_and_starts() -> None:
    history = with_child()
    expected = OpenChild(event_id=5, process_id="c", workflow=ORDER, decision_completed_event_id=4, control_json="1")
    state = history.fold()
    assert state.items == {5: expected}
    assert state.children == {5}
    history.add(ChildProcessStartedEvent, process=OTHER, workflow=ORDER, initiated_event_id=5)
    expected.run_id, expected.started_event_id = "x", 6
    assert history.fold().items == {5: expected}


@pytest.mark.parametrize(
    "kind",
    [
        ChildProcessCompletedEvent,
        ChildProcessFailedEvent,
        ChildProcessTimedOutEvent,
        ChildProcessCanceledEvent,
        ChildProcessTerminatedEvent,
    ],
)
def test_a_child_ends(kind: Any) -> None:
    history = with_child()
    history.add(ChildProcessStartedEvent, process=OTHER, workflow=ORDER, initiated_event_id=5)
    history.add(kind, process=OTHER, workflow=ORDER, initiated_event_id=5, started_event_id=6)
    state = history.fold()
    assert (state.items, state.children) == ({}, set())


@pytest.mark.parametrize(("initiated", "left"), [(5, set()), (0, {5})])
def test_a_child_does_not_start(initiated: int, left: set[int]) -> None:
    """3.12: only one cause comes after an Initiated event; the others have none to close."""
    history = with_child()
    history.add(
        StartChildProcessFailedEvent,
        process_id="c",
        workflow=ORDER,
        cause=Cause.WORKFLOW_ALREADY_RUNNING,
        initiated_event_id=initiated,
        **DTC,
    )
    assert history.fold().children == left


FAILED: dict[str, Any] = {"cause": Cause.UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION, **DTC}


@pytest.mark.parametrize(
    ("opens", "fields", "signal", "closes", "closing_fields"),
    [
        (SignalProcessInitiatedEvent, {"signal": "s"}, "s", ExternalProcessSignaledEvent, {}),
        (SignalProcessInitiatedEvent, {"signal": "s"}, "s", SignalProcessFailedEvent, FAILED),
        (CancelExternalProcessInitiatedEvent, {}, None, ExternalProcessCancelRequestedEvent, {}),
        (CancelExternalProcessInitiatedEvent, {}, None, CancelExternalProcessFailedEvent, FAILED),
    ],
)
def test_a_request_waits_for_its_answer(
    opens: Any, fields: dict[str, Any], signal: str | None, closes: Any, closing_fields: dict[str, Any]
) -> None:
    history = History().decided()
    history.add(opens, process=OTHER, control_json="1", **DTC, **fields)
    expected: dict[int, OpenItem] = {
        5: OpenRequest(event_id=5, process=OTHER, decision_completed_event_id=4, signal=signal, control_json="1")
    }
    assert history.fold().items == expected
    history.add(closes, process=OTHER, initiated_event_id=5, **closing_fields)
    assert history.fold().items == {}
