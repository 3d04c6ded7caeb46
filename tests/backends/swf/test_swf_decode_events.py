"""Events of Amazon SWF: each type from a literal in SWF's wire form, what the real service sent, and what nobody sends.

``wire_events.json`` has one literal for each event type, with every attribute of the service model, and the stored form
of the event that it is. ``real_events.json`` has events as the real service sent them, recorded by the test suites of
flowy (2016) and simpleflow (2017 to 2023).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aioworkflow.backends.swf.decode_events import EVENTS, decode_event
from aioworkflow.decision import RecordMarkerDecision
from aioworkflow.errors import BackendError
from aioworkflow.event import (
    ActivityAbortedEvent,
    ActivityScheduledEvent,
    ActivityTimedOutEvent,
    AnyEvent,
    CancelTimerFailedEvent,
    Cause,
    ChildProcessStartedEvent,
    DecisionCompletedEvent,
    DecisionScheduledEvent,
    ExternalProcessSignaledEvent,
    MarkerRecordedEvent,
    ProcessSignaledEvent,
    ProcessStartedEvent,
    ProcessTerminatedEvent,
    SignalProcessInitiatedEvent,
    StartChildProcessFailedEvent,
    TimerCanceledEvent,
    UnknownEvent,
)
from aioworkflow.process import Process
from aioworkflow.rules import RuleWorkflow, on_event, on_started
from aioworkflow.types import ChildPolicy, ProcessRef, TimeoutType, TypeRef
from tests.backends.swf.service_model import MODEL

HERE = Path(__file__).parent
LITERALS: Mapping[str, Any] = json.loads((HERE / "wire_events.json").read_text())
REAL: Mapping[str, Any] = json.loads((HERE / "real_events.json").read_text())
WHEN = datetime(2017, 6, 10, 10, 45, 2, 319_000, tzinfo=UTC)


def wire(type: str, attributes: Mapping[str, Any] | None = None, event_id: int = 5) -> dict[str, Any]:
    event: dict[str, Any] = {"eventId": event_id, "eventTimestamp": 1497091502.319, "eventType": type}
    if attributes is not None:
        event[f"{type[0].lower()}{type[1:]}EventAttributes"] = attributes
    return event


def test_the_literals_are_all_events_with_all_attributes_of_the_service_model() -> None:
    event_shape = MODEL.shape_for("HistoryEvent")
    assert set(LITERALS) == set(MODEL.shape_for("EventType").enum) == set(EVENTS) - {"TimerCancelled"}
    for name, literal in LITERALS.items():
        (member,) = (member for member in literal["wire"] if member.endswith("Attributes"))
        assert set(literal["wire"][member]) == set(event_shape.members[member].members), name


@pytest.mark.parametrize("name", LITERALS)
def test_an_event_is_read(name: str) -> None:
    literal = LITERALS[name]
    assert decode_event(literal["wire"]) == msgspec.convert(literal["event"], AnyEvent)


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("attributes", [None, {}, {"future": {"member": [1]}}])
def test_an_event_without_its_attributes_has_empty_ones(name: str, attributes: Mapping[str, Any] | None) -> None:
    event = decode_event(wire(name, attributes))
    assert type(event) is EVENTS[name]
    assert (event.event_id, event.timestamp) == (5, WHEN)


@pytest.mark.parametrize("name", LITERALS)
def test_null_is_as_good_as_absent(name: str) -> None:
    shape = MODEL.shape_for("HistoryEvent").members[f"{name[0].lower()}{name[1:]}EventAttributes"]
    assert decode_event(wire(name, dict.fromkeys(shape.members))) == decode_event(wire(name))


def test_each_cause_of_the_service_model_is_known() -> None:
    causes = {name for name in MODEL.shape_names if name.endswith("Cause")}
    assert len(causes) == 16
    for name in causes:
        assert set(MODEL.shape_for(name).enum) <= {cause.value for cause in Cause}, name


def test_a_cause_of_the_future_is_unknown() -> None:
    attributes = {"timerId": "t", "cause": "MOON_IN_THE_WAY", "decisionTaskCompletedEventId": 4}
    assert decode_event(wire("CancelTimerFailed", attributes)) == CancelTimerFailedEvent(
        event_id=5, timestamp=WHEN, timer_id="t", cause=Cause.UNKNOWN, decision_completed_event_id=4
    )


# --- what the real service sent --------------------------------------------------------------------------


@pytest.mark.parametrize(("era", "name"), [(era, name) for era, events in REAL.items() for name in events])
def test_a_real_event_is_read(era: str, name: str) -> None:
    event = decode_event(REAL[era][name])
    assert type(event) is EVENTS[name]
    assert event.event_id == REAL[era][name]["eventId"]


def test_a_real_start_is_read() -> None:
    assert decode_event(REAL["2016"]["WorkflowExecutionStarted"]) == ProcessStartedEvent(
        event_id=1,
        timestamp=datetime(2016, 7, 18, 11, 11, 27, 197_000, tzinfo=UTC),
        workflow=TypeRef("TestWorkflow", "2"),
        input_json="[[], {}]",
        task_list="tl",
        execution_timeout=60.0,
        decision_timeout=10.0,
        child_policy=ChildPolicy.TERMINATE,
    )


def test_a_real_activity_is_read() -> None:
    assert decode_event(REAL["2016"]["ActivityTaskScheduled"]) == ActivityScheduledEvent(
        event_id=5,
        timestamp=datetime(2016, 7, 18, 11, 11, 27, 463_000, tzinfo=UTC),
        activity_id="task-0-0",
        activity=TypeRef("tactivity", "2"),
        input_json="[[10], {}]",
        task_list="tl",
        schedule_to_start_timeout=30.0,
        schedule_to_close_timeout=60.0,
        start_to_close_timeout=15.0,
        heartbeat_timeout=10.0,
        decision_completed_event_id=4,
    )
    timed_out = decode_event(REAL["2016"]["ActivityTaskTimedOut"])
    assert isinstance(timed_out, ActivityTimedOutEvent)
    assert (timed_out.timeout_type, timed_out.started_event_id) == (TimeoutType.SCHEDULE_TO_CLOSE, 0)


def test_ids_of_real_children_break_the_rules_for_names() -> None:
    started = decode_event(REAL["2016"]["ChildWorkflowExecutionStarted"])
    assert isinstance(started, ChildProcessStartedEvent)
    assert started.process == ProcessRef("fakeuuid-2-:task-2-0", "22nZhUEScb28nwIzQ+86d/lFGZKjceycmeFpbX3/PiCMM=")
    refused = decode_event(REAL["2016"]["StartChildWorkflowExecutionFailed"])
    assert isinstance(refused, StartChildProcessFailedEvent)
    assert (refused.cause, refused.initiated_event_id) == (Cause.WORKFLOW_TYPE_DOES_NOT_EXIST, 0)


def test_a_real_marker_has_no_details() -> None:
    marker = decode_event(REAL["2017 to 2023"]["MarkerRecorded"])
    assert isinstance(marker, MarkerRecordedEvent)
    assert (marker.marker, marker.details_json) == ("marker 1", None)


# --- zeros, absence, and other spellings -----------------------------------------------------------------


def test_zeros_are_read_as_zeros() -> None:
    signaled = decode_event(wire("WorkflowExecutionSignaled", {"signalName": "s", "externalInitiatedEventId": 0}))
    assert signaled == ProcessSignaledEvent(event_id=5, timestamp=WHEN, signal="s")
    aborted = decode_event(wire("ActivityTaskCanceled", {"scheduledEventId": 3, "startedEventId": 0}))
    assert aborted == ActivityAbortedEvent(event_id=5, timestamp=WHEN, scheduled_event_id=3)


def test_no_limit_is_none() -> None:
    attributes = {"taskList": {"name": "l"}, "startToCloseTimeout": "NONE", "scheduleToStartTimeout": "NONE"}
    assert decode_event(wire("DecisionTaskScheduled", attributes)) == DecisionScheduledEvent(
        event_id=5, timestamp=WHEN, task_list="l"
    )


def test_a_process_without_a_run_id_is_any_run() -> None:
    attributes = {"workflowId": "other", "signalName": "s", "decisionTaskCompletedEventId": 4}
    assert decode_event(wire("SignalExternalWorkflowExecutionInitiated", attributes)) == SignalProcessInitiatedEvent(
        event_id=5, timestamp=WHEN, process=ProcessRef("other"), signal="s", decision_completed_event_id=4
    )


def test_a_timer_that_an_emulator_cancelled_with_two_ls() -> None:
    attributes = {"timerId": "t", "startedEventId": 3, "decisionTaskCompletedEventId": 4}
    assert decode_event(wire("TimerCancelled", attributes)) == TimerCanceledEvent(
        event_id=5, timestamp=WHEN, timer_id="t", started_event_id=3, decision_completed_event_id=4
    )


def test_an_execution_context_is_no_payload() -> None:
    attributes = {"scheduledEventId": 2, "startedEventId": 3, "executionContext": "half {way"}
    completed = decode_event(wire("DecisionTaskCompleted", attributes))
    assert isinstance(completed, DecisionCompletedEvent)
    assert completed.execution_context == "half {way"


@pytest.mark.parametrize("text", ["plain words", "", "{not json", "NaN", "'single'"])
def test_text_of_others_is_read_as_a_string(text: str) -> None:
    signaled = decode_event(wire("WorkflowExecutionSignaled", {"signalName": "s", "input": text}))
    assert isinstance(signaled, ProcessSignaledEvent)
    assert signaled.input == text
    assert json.loads(signaled.input_json or "") == text


def test_a_reason_is_found_in_the_details_of_an_aborted_activity() -> None:
    details = '{"aborted":{"reason":"worker shutdown","details":[1, 2]}}'
    attributes = {"details": details, "scheduledEventId": 3, "startedEventId": 4, "latestCancelRequestedEventId": 2}
    assert decode_event(wire("ActivityTaskCanceled", attributes)) == ActivityAbortedEvent(
        event_id=5,
        timestamp=WHEN,
        scheduled_event_id=3,
        started_event_id=4,
        reason="worker shutdown",
        details_json="[1, 2]",
        cancel_requested_event_id=2,
    )


# --- what is not known -----------------------------------------------------------------------------------


def test_an_event_of_the_future_is_unknown() -> None:
    event = decode_event(wire("MoonRisen", {"phase": "full", "at": {"hour": 3}}))
    assert event == UnknownEvent(
        event_id=5, timestamp=WHEN, name="MoonRisen", attributes_json='{"phase":"full","at":{"hour":3}}'
    )
    assert isinstance(event, UnknownEvent)
    assert event.attributes == {"phase": "full", "at": {"hour": 3}}
    assert decode_event(wire("MoonRisen")) == UnknownEvent(event_id=5, timestamp=WHEN, name="MoonRisen")
    assert decode_event(wire("MoonRisen") | {"phase": "full"}) == UnknownEvent(
        event_id=5, timestamp=WHEN, name="MoonRisen", attributes_json='{"phase":"full"}'
    )


class Watcher(RuleWorkflow):
    """Decides on what it does not know only where it says so."""

    @on_started
    def begin(self, process: Process, event: ProcessStartedEvent) -> RecordMarkerDecision:
        return RecordMarkerDecision("begun")

    @on_event(UnknownEvent)
    def wonder(self, process: Process, event: UnknownEvent) -> RecordMarkerDecision:
        return RecordMarkerDecision(event.name)


async def test_deciders_pass_over_what_they_do_not_know() -> None:
    start = decode_event(wire("WorkflowExecutionStarted", {"workflowType": {"name": "W", "version": "1"}}, 1))
    lambdas = [name for name in LITERALS if "LambdaFunction" in name]
    strange = [decode_event(LITERALS[name]["wire"] | {"eventId": 2 + at}) for at, name in enumerate(lambdas)]
    risen = decode_event(wire("MoonRisen", {}, 2 + len(lambdas)))
    process = Process(ProcessRef("p", "r"), [start, *strange, risen])
    assert len(strange) == 7
    assert list(process.new_events) == [start, *strange, risen]
    assert process.is_idle
    assert await Watcher().decide(process) == [RecordMarkerDecision("begun"), RecordMarkerDecision("MoonRisen")]


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"eventType": "TimerFired"},
        {"eventType": "TimerFired", "eventId": 1},
        {"eventType": ["TimerFired"], "eventId": 1},
        {"eventType": "TimerFired", "eventId": 1, "eventTimestamp": "noon"},
        {"eventType": "TimerFired", "eventId": 1, "eventTimestamp": 1e300},
        {"eventType": "MoonRisen", "eventId": 1},
        wire("TimerFired", ["t"]),  # type: ignore[arg-type]
        wire("TimerStarted", {"startToFireTimeout": "soon"}),
        wire("ActivityTaskScheduled", {"activityType": {"name": "A"}}),
        wire("ActivityTaskScheduled", {"taskList": "l"}),
        wire("ActivityTaskCanceled", {"details": 7}),
        wire("ActivityTaskTimedOut", {"timeoutType": "MIDNIGHT"}),
        wire("WorkflowExecutionStarted", {"taskPriority": "high"}),
        wire("WorkflowExecutionSignaled", {"input": {"not": "a text"}}),
    ],
)
def test_a_malformed_event_is_an_error_that_shows_it(event: Mapping[str, Any]) -> None:
    with pytest.raises(BackendError, match="an event that cannot be read") as raised:
        decode_event(event)
    assert str(event.get("eventType", "{}")) in str(raised.value)


def test_what_closed_a_process_from_outside() -> None:
    attributes = {"childPolicy": "ABANDON", "cause": "EVENT_LIMIT_EXCEEDED"}
    assert decode_event(wire("WorkflowExecutionTerminated", attributes)) == ProcessTerminatedEvent(
        event_id=5, timestamp=WHEN, child_policy=ChildPolicy.ABANDON, cause=Cause.EVENT_LIMIT_EXCEEDED
    )
    signaled = decode_event(wire("ExternalWorkflowExecutionSignaled", {"workflowExecution": {"workflowId": "p"}}))
    assert signaled == ExternalProcessSignaledEvent(
        event_id=5, timestamp=WHEN, process=ProcessRef("p"), initiated_event_id=0
    )
