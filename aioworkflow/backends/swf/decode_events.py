"""History events: from Amazon SWF's wire to ours (swf-reference 4).

An attribute has the same meaning in whatever event it stands, so two tables say it all: what each event is called, and
what each attribute is called and how it is read. What an event of ours has no field for is passed over; what is absent
has its default, or is empty (emulators leave out even what SWF always sends). An event that has no name here becomes
an :class:`UnknownEvent`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from ... import event
from ...checks import show
from ...errors import BackendError
from ...event import AnyEvent, Cause, UnknownEvent
from ...types import ChildPolicy, ProcessRef, TimeoutType, TypeRef
from .told_timeouts import told
from .wire import json_text, read_aborted_details, read_seconds

__all__ = ["EVENTS", "MALFORMED", "decode_event", "read_input", "read_time"]

MALFORMED = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)
"""What reading a value of another form than expected raises."""

EVENTS: Mapping[str, type[AnyEvent]] = {
    "WorkflowExecutionStarted": event.ProcessStartedEvent,
    "WorkflowExecutionSignaled": event.ProcessSignaledEvent,
    "WorkflowExecutionCancelRequested": event.ProcessCancelRequestedEvent,
    "WorkflowExecutionCompleted": event.ProcessCompletedEvent,
    "WorkflowExecutionFailed": event.ProcessFailedEvent,
    "WorkflowExecutionCanceled": event.ProcessCanceledEvent,
    "WorkflowExecutionContinuedAsNew": event.ProcessContinuedAsNewEvent,
    "WorkflowExecutionTimedOut": event.ProcessTimedOutEvent,
    "WorkflowExecutionTerminated": event.ProcessTerminatedEvent,
    "CompleteWorkflowExecutionFailed": event.CompleteProcessFailedEvent,
    "FailWorkflowExecutionFailed": event.FailProcessFailedEvent,
    "CancelWorkflowExecutionFailed": event.CancelProcessFailedEvent,
    "ContinueAsNewWorkflowExecutionFailed": event.ContinueAsNewFailedEvent,
    "DecisionTaskScheduled": event.DecisionScheduledEvent,
    "DecisionTaskStarted": event.DecisionStartedEvent,
    "DecisionTaskCompleted": event.DecisionCompletedEvent,
    "DecisionTaskTimedOut": event.DecisionTimedOutEvent,
    "ActivityTaskScheduled": event.ActivityScheduledEvent,
    "ScheduleActivityTaskFailed": event.ScheduleActivityFailedEvent,
    "ActivityTaskStarted": event.ActivityStartedEvent,
    "ActivityTaskCompleted": event.ActivityCompletedEvent,
    "ActivityTaskFailed": event.ActivityFailedEvent,
    "ActivityTaskTimedOut": event.ActivityTimedOutEvent,
    "ActivityTaskCanceled": event.ActivityAbortedEvent,
    "ActivityTaskCancelRequested": event.ActivityCancelRequestedEvent,
    "RequestCancelActivityTaskFailed": event.CancelActivityFailedEvent,
    "MarkerRecorded": event.MarkerRecordedEvent,
    "RecordMarkerFailed": event.RecordMarkerFailedEvent,
    "TimerStarted": event.TimerStartedEvent,
    "StartTimerFailed": event.StartTimerFailedEvent,
    "TimerFired": event.TimerFiredEvent,
    "TimerCanceled": event.TimerCanceledEvent,
    "TimerCancelled": event.TimerCanceledEvent,  # so spelt by an emulator (swf-reference 10.2)
    "CancelTimerFailed": event.CancelTimerFailedEvent,
    "StartChildWorkflowExecutionInitiated": event.StartChildProcessInitiatedEvent,
    "StartChildWorkflowExecutionFailed": event.StartChildProcessFailedEvent,
    "ChildWorkflowExecutionStarted": event.ChildProcessStartedEvent,
    "ChildWorkflowExecutionCompleted": event.ChildProcessCompletedEvent,
    "ChildWorkflowExecutionFailed": event.ChildProcessFailedEvent,
    "ChildWorkflowExecutionTimedOut": event.ChildProcessTimedOutEvent,
    "ChildWorkflowExecutionCanceled": event.ChildProcessCanceledEvent,
    "ChildWorkflowExecutionTerminated": event.ChildProcessTerminatedEvent,
    "SignalExternalWorkflowExecutionInitiated": event.SignalProcessInitiatedEvent,
    "SignalExternalWorkflowExecutionFailed": event.SignalProcessFailedEvent,
    "ExternalWorkflowExecutionSignaled": event.ExternalProcessSignaledEvent,
    "RequestCancelExternalWorkflowExecutionInitiated": event.CancelExternalProcessInitiatedEvent,
    "RequestCancelExternalWorkflowExecutionFailed": event.CancelExternalProcessFailedEvent,
    "ExternalWorkflowExecutionCancelRequested": event.ExternalProcessCancelRequestedEvent,
    "LambdaFunctionScheduled": event.LambdaScheduledEvent,
    "LambdaFunctionStarted": event.LambdaStartedEvent,
    "LambdaFunctionCompleted": event.LambdaCompletedEvent,
    "LambdaFunctionFailed": event.LambdaFailedEvent,
    "LambdaFunctionTimedOut": event.LambdaTimedOutEvent,
    "ScheduleLambdaFunctionFailed": event.ScheduleLambdaFailedEvent,
    "StartLambdaFunctionFailed": event.StartLambdaFailedEvent,
}


def read_time(value: float) -> datetime:
    """Return a time of the wire, in seconds since the epoch; aware, UTC."""
    return datetime.fromtimestamp(value, UTC)


def _read_type(value: Mapping[str, str]) -> TypeRef:
    """Return the name and version of a workflow or activity type."""
    return TypeRef(value["name"], value["version"])


def _read_process(value: Mapping[str, str]) -> ProcessRef:
    """Return the process and run that an execution is."""
    return ProcessRef(value["workflowId"], value.get("runId") or "")


def _read_task_list(value: Mapping[str, str]) -> str:
    """Return the name of a task list."""
    return value["name"]


def read_input(text: str) -> str | None:
    """Return an input as JSON text, without what a decider has told a worker."""
    bare, _ = told(text)
    return json_text(bare) if bare or bare == text else None


def _read_cause(value: str) -> Cause:
    return _CAUSES.get(value, Cause.UNKNOWN)


_CAUSES = {cause.value: cause for cause in Cause}

_Read = Callable[[Any], Any]
_READERS: Mapping[str, tuple[str, _Read | None]] = {
    "activityId": ("activity_id", None),
    "activityType": ("activity", _read_type),
    "cause": ("cause", _read_cause),
    "childPolicy": ("child_policy", ChildPolicy),
    "continuedExecutionRunId": ("continued_run_id", None),
    "control": ("control_json", json_text),
    "decisionTaskCompletedEventId": ("decision_completed_event_id", None),
    "details": ("details_json", json_text),
    "executionContext": ("execution_context", None),
    "executionStartToCloseTimeout": ("execution_timeout", read_seconds),
    "externalInitiatedEventId": ("sender_initiated_event_id", None),
    "externalWorkflowExecution": ("sender", _read_process),
    "heartbeatTimeout": ("heartbeat_timeout", read_seconds),
    "id": ("lambda_id", None),
    "identity": ("identity", None),
    "initiatedEventId": ("initiated_event_id", None),
    "input": ("input_json", read_input),
    "lambdaRole": ("lambda_role", None),
    "latestCancelRequestedEventId": ("cancel_requested_event_id", None),
    "markerName": ("marker", None),
    "message": ("message", None),
    "name": ("function", None),
    "newExecutionRunId": ("new_run_id", None),
    "parentInitiatedEventId": ("parent_initiated_event_id", None),
    "parentWorkflowExecution": ("parent", _read_process),
    "reason": ("reason", None),
    "result": ("result_json", json_text),
    "scheduleToCloseTimeout": ("schedule_to_close_timeout", read_seconds),
    "scheduleToStartTimeout": ("schedule_to_start_timeout", read_seconds),
    "scheduledEventId": ("scheduled_event_id", None),
    "signalName": ("signal", None),
    "startToCloseTimeout": ("start_to_close_timeout", read_seconds),
    "startToFireTimeout": ("delay", float),
    "startedEventId": ("started_event_id", None),
    "tagList": ("tags", tuple),
    "taskList": ("task_list", _read_task_list),
    "taskListScheduleToStartTimeout": ("task_list_schedule_to_start_timeout", read_seconds),
    "taskPriority": ("task_priority", int),
    "taskStartToCloseTimeout": ("decision_timeout", read_seconds),
    "timeoutType": ("timeout_type", TimeoutType),
    "timerId": ("timer_id", None),
    "workflowExecution": ("process", _read_process),
    "workflowId": ("process_id", None),
    "workflowType": ("workflow", _read_type),
}


class _Shape(NamedTuple):
    """How one type of event is read.

    Attributes:
        kind: Our class.
        member: The name of the member with the attributes.
        readers: By the name of an attribute: our field, and how to read the value.
        empty: What is required, and empty where SWF leaves it out.
        prepare: Brings attributes that belong together into one form before they are read.
    """

    kind: type[AnyEvent]
    member: str
    readers: Mapping[str, tuple[str, _Read | None]]
    empty: Mapping[str, object]
    prepare: Callable[[dict[str, Any]], dict[str, Any]] | None


_EMPTY: Mapping[object, object] = {
    str: "",
    int: 0,
    float: 0.0,
    TypeRef: TypeRef("", ""),
    ProcessRef: ProcessRef(""),
    ChildPolicy: ChildPolicy.TERMINATE,
    TimeoutType: TimeoutType.START_TO_CLOSE,
    Cause: Cause.UNKNOWN,
}


def _target(attributes: dict[str, Any]) -> dict[str, Any]:
    """Put the id and the run id of another process together."""
    return attributes if attributes.get("workflowId") is None else {**attributes, "workflowExecution": attributes}


def _aborted(attributes: dict[str, Any]) -> dict[str, Any]:
    """Take the reason of an aborted activity out of its details."""
    if (text := attributes.get("details")) is None:
        return attributes
    reason, details = read_aborted_details(text)
    return {**attributes, "reason": reason, "details": details}


_PREPARE = {
    event.SignalProcessInitiatedEvent: _target,
    event.SignalProcessFailedEvent: _target,
    event.CancelExternalProcessInitiatedEvent: _target,
    event.CancelExternalProcessFailedEvent: _target,
    event.ActivityAbortedEvent: _aborted,
}


def _member(name: str) -> str:
    """Return the name of the member that holds the attributes of an event of this name."""
    return f"{name[:1].lower()}{name[1:]}EventAttributes"


def _shape(name: str, kind: type[AnyEvent]) -> _Shape:
    fields = msgspec.structs.fields(kind)
    ours = {field.name for field in fields}
    return _Shape(
        kind,
        _member(name),
        {wire: reader for wire, reader in _READERS.items() if reader[0] in ours},
        {field.name: _EMPTY[field.type] for field in fields if field.required and field.type in _EMPTY},
        _PREPARE.get(kind),
    )


_SHAPES = {name: _shape(name, kind) for name, kind in EVENTS.items()}


def decode_event(wire: Mapping[str, Any]) -> AnyEvent:
    """Return an event of the wire as ours.

    Raises:
        BackendError: It is malformed.
    """
    try:
        shape = _SHAPES.get(wire["eventType"])
        if shape is None:
            return _unknown(wire)
        attributes = wire.get(shape.member) or {}
        if shape.prepare is not None:
            attributes = shape.prepare(attributes)
        fields: dict[str, Any] = dict(shape.empty)
        reader_of = shape.readers.get
        for name, value in attributes.items():
            if value is not None and (reader := reader_of(name)) is not None:
                field, read = reader
                fields[field] = value if read is None else read(value)
        fields["event_id"] = wire["eventId"]
        fields["timestamp"] = read_time(wire["eventTimestamp"])
        return shape.kind(**fields)
    except MALFORMED as error:
        raise BackendError(
            f"Amazon SWF sent an event that cannot be read ({type(error).__name__}: {error}): {show(wire, 1_000)}"
        ) from error


def _unknown(wire: Mapping[str, Any]) -> UnknownEvent:
    """Return an event without a name here, with its attributes, or whatever it has in their place."""
    name = wire["eventType"]
    others = {key: value for key, value in wire.items() if key not in ("eventId", "eventTimestamp", "eventType")}
    attributes = others.get(_member(name), others or None)
    return UnknownEvent(
        event_id=wire["eventId"],
        timestamp=read_time(wire["eventTimestamp"]),
        name=name,
        attributes_json=None if attributes is None else msgspec.json.encode(attributes).decode(),
    )
