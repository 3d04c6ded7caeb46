"""History as Amazon SWF writes it (swf-reference 4), from our events.

Written from the reference and the recorded samples, not from the library's reading of it, so that each checks the
other. Rules of presence: what is not set is absent, an id of 0 that means something is there, "NONE" is no limit.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple

import msgspec

from aioworkflow import event as ours
from aioworkflow.types import ProcessRef, TypeRef

__all__ = ["EVENT_NAMES", "execution", "run_id", "timeout", "type_ref", "wire_event", "wire_run_id"]

EVENT_NAMES: dict[type[ours.Event], str] = {
    ours.ProcessStartedEvent: "WorkflowExecutionStarted",
    ours.ProcessSignaledEvent: "WorkflowExecutionSignaled",
    ours.ProcessCancelRequestedEvent: "WorkflowExecutionCancelRequested",
    ours.ProcessCompletedEvent: "WorkflowExecutionCompleted",
    ours.ProcessFailedEvent: "WorkflowExecutionFailed",
    ours.ProcessCanceledEvent: "WorkflowExecutionCanceled",
    ours.ProcessContinuedAsNewEvent: "WorkflowExecutionContinuedAsNew",
    ours.ProcessTimedOutEvent: "WorkflowExecutionTimedOut",
    ours.ProcessTerminatedEvent: "WorkflowExecutionTerminated",
    ours.CompleteProcessFailedEvent: "CompleteWorkflowExecutionFailed",
    ours.FailProcessFailedEvent: "FailWorkflowExecutionFailed",
    ours.CancelProcessFailedEvent: "CancelWorkflowExecutionFailed",
    ours.ContinueAsNewFailedEvent: "ContinueAsNewWorkflowExecutionFailed",
    ours.DecisionScheduledEvent: "DecisionTaskScheduled",
    ours.DecisionStartedEvent: "DecisionTaskStarted",
    ours.DecisionCompletedEvent: "DecisionTaskCompleted",
    ours.DecisionTimedOutEvent: "DecisionTaskTimedOut",
    ours.ActivityScheduledEvent: "ActivityTaskScheduled",
    ours.ScheduleActivityFailedEvent: "ScheduleActivityTaskFailed",
    ours.ActivityStartedEvent: "ActivityTaskStarted",
    ours.ActivityCompletedEvent: "ActivityTaskCompleted",
    ours.ActivityFailedEvent: "ActivityTaskFailed",
    ours.ActivityTimedOutEvent: "ActivityTaskTimedOut",
    ours.ActivityAbortedEvent: "ActivityTaskCanceled",
    ours.ActivityCancelRequestedEvent: "ActivityTaskCancelRequested",
    ours.CancelActivityFailedEvent: "RequestCancelActivityTaskFailed",
    ours.MarkerRecordedEvent: "MarkerRecorded",
    ours.RecordMarkerFailedEvent: "RecordMarkerFailed",
    ours.TimerStartedEvent: "TimerStarted",
    ours.StartTimerFailedEvent: "StartTimerFailed",
    ours.TimerFiredEvent: "TimerFired",
    ours.TimerCanceledEvent: "TimerCanceled",
    ours.CancelTimerFailedEvent: "CancelTimerFailed",
    ours.StartChildProcessInitiatedEvent: "StartChildWorkflowExecutionInitiated",
    ours.StartChildProcessFailedEvent: "StartChildWorkflowExecutionFailed",
    ours.ChildProcessStartedEvent: "ChildWorkflowExecutionStarted",
    ours.ChildProcessCompletedEvent: "ChildWorkflowExecutionCompleted",
    ours.ChildProcessFailedEvent: "ChildWorkflowExecutionFailed",
    ours.ChildProcessTimedOutEvent: "ChildWorkflowExecutionTimedOut",
    ours.ChildProcessCanceledEvent: "ChildWorkflowExecutionCanceled",
    ours.ChildProcessTerminatedEvent: "ChildWorkflowExecutionTerminated",
    ours.SignalProcessInitiatedEvent: "SignalExternalWorkflowExecutionInitiated",
    ours.SignalProcessFailedEvent: "SignalExternalWorkflowExecutionFailed",
    ours.ExternalProcessSignaledEvent: "ExternalWorkflowExecutionSignaled",
    ours.CancelExternalProcessInitiatedEvent: "RequestCancelExternalWorkflowExecutionInitiated",
    ours.CancelExternalProcessFailedEvent: "RequestCancelExternalWorkflowExecutionFailed",
    ours.ExternalProcessCancelRequestedEvent: "ExternalWorkflowExecutionCancelRequested",
    ours.LambdaScheduledEvent: "LambdaFunctionScheduled",
    ours.ScheduleLambdaFailedEvent: "ScheduleLambdaFunctionFailed",
    ours.LambdaStartedEvent: "LambdaFunctionStarted",
    ours.StartLambdaFailedEvent: "StartLambdaFunctionFailed",
    ours.LambdaCompletedEvent: "LambdaFunctionCompleted",
    ours.LambdaFailedEvent: "LambdaFunctionFailed",
    ours.LambdaTimedOutEvent: "LambdaFunctionTimedOut",
}

# --- values ---

_RUN_PREFIX, _RUN_SUFFIX = "22X56OQ+", "/AtGx="
_is_run_id = re.compile("[0-9a-f]{32}").fullmatch


def wire_run_id(run: str) -> str:
    """Return a run id as it looks live, which is not fit for URLs and file names (swf-reference 1.4); what is no run id
    of the machine behind came from the wire as it is.
    """
    return f"{_RUN_PREFIX}{run}{_RUN_SUFFIX}" if _is_run_id(run) else run


def run_id(wire: str | None) -> str:
    """Return what :func:`wire_run_id` was given; what it never gave out is unknown to all."""
    return (wire or "").removeprefix(_RUN_PREFIX).removesuffix(_RUN_SUFFIX)


def type_ref(ref: TypeRef) -> dict[str, str]:
    return {"name": ref.name, "version": ref.version}


def execution(ref: ProcessRef) -> dict[str, str]:
    return {"workflowId": ref.process_id, "runId": wire_run_id(ref.run_id)}


def timeout(seconds: float | None) -> str:
    return "NONE" if seconds is None else str(int(seconds))


def _given(value: Any) -> Any:
    return value


def _text(value: Any) -> str:
    return str(value)


def _enum(value: Enum | None) -> Any:
    return None if value is None else value.value


def _task_list(name: str | None) -> dict[str, str] | None:
    return None if name is None else {"name": name}


def _if_any(value: Any) -> Any:
    return value or None


def _priority(value: int) -> str | None:
    return str(value) if value else None


def _optional_execution(ref: ProcessRef | None) -> dict[str, str] | None:
    return None if ref is None else execution(ref)


def _optional_timeout(seconds: float | None) -> str | None:
    return None if seconds is None else timeout(seconds)


def _optional_run(run: str | None) -> str | None:
    return None if run is None else wire_run_id(run)


_Form = tuple[str, Callable[[Any], Any]]

_MEMBERS: dict[str, _Form] = {
    "activity": ("activityType", type_ref),
    "activity_id": ("activityId", _given),
    "cancel_requested_event_id": ("latestCancelRequestedEventId", _if_any),
    "cause": ("cause", _enum),
    "child_policy": ("childPolicy", _enum),
    "continued_run_id": ("continuedExecutionRunId", _optional_run),
    "control_json": ("control", _given),
    "decision_completed_event_id": ("decisionTaskCompletedEventId", _given),
    "decision_timeout": ("taskStartToCloseTimeout", timeout),
    "delay": ("startToFireTimeout", timeout),
    "details_json": ("details", _given),
    "execution_context": ("executionContext", _given),
    "execution_timeout": ("executionStartToCloseTimeout", timeout),
    "function": ("name", _given),
    "heartbeat_timeout": ("heartbeatTimeout", timeout),
    "identity": ("identity", _given),
    "initiated_event_id": ("initiatedEventId", _given),
    "input_json": ("input", _given),
    "lambda_id": ("id", _given),
    "lambda_role": ("lambdaRole", _given),
    "marker": ("markerName", _given),
    "message": ("message", _given),
    "new_run_id": ("newExecutionRunId", wire_run_id),
    "parent": ("parentWorkflowExecution", _optional_execution),
    "parent_initiated_event_id": ("parentInitiatedEventId", _given),
    "process": ("workflowExecution", execution),
    "process_id": ("workflowId", _given),
    "reason": ("reason", _given),
    "result_json": ("result", _given),
    "schedule_to_close_timeout": ("scheduleToCloseTimeout", timeout),
    "schedule_to_start_timeout": ("scheduleToStartTimeout", timeout),
    "scheduled_event_id": ("scheduledEventId", _given),
    "sender": ("externalWorkflowExecution", _optional_execution),
    "sender_initiated_event_id": ("externalInitiatedEventId", _given),
    "signal": ("signalName", _given),
    "start_to_close_timeout": ("startToCloseTimeout", timeout),
    "started_event_id": ("startedEventId", _given),
    "tags": ("tagList", _if_any),
    "task_list": ("taskList", _task_list),
    "task_list_schedule_to_start_timeout": ("taskListScheduleToStartTimeout", _optional_timeout),
    "task_priority": ("taskPriority", _priority),
    "timeout_type": ("timeoutType", _enum),
    "timer_id": ("timerId", _given),
    "workflow": ("workflowType", type_ref),
}
"""What a field of ours is called there, and how it is written."""

_ENVELOPE = ("event_id", "timestamp")
_TO_OTHERS = (
    ours.SignalProcessInitiatedEvent,
    ours.SignalProcessFailedEvent,
    ours.CancelExternalProcessInitiatedEvent,
    ours.CancelExternalProcessFailedEvent,
)
"""They have the two ids of the other execution as members of their own, the run id only if it was given."""

_NOT_THERE = {
    ours.ActivityAbortedEvent: ("reason",),
    ours.ProcessCancelRequestedEvent: ("details_json",),
}
"""Fields that the service has no member for."""


class _Shape(NamedTuple):
    name: str
    member: str
    fields: tuple[tuple[str, str, Callable[[Any], Any]], ...]


def _shape(kind: type[ours.Event], name: str) -> _Shape:
    left_out = (*_ENVELOPE, *_NOT_THERE.get(kind, ()), *(("process",) if kind in _TO_OTHERS else ()))
    fields = tuple(
        (field.name, *_MEMBERS[field.name]) for field in msgspec.structs.fields(kind) if field.name not in left_out
    )
    return _Shape(name, name[0].lower() + name[1:] + "EventAttributes", fields)


_SHAPES = {kind: _shape(kind, name) for kind, name in EVENT_NAMES.items()}


def wire_event(event: ours.AnyEvent) -> dict[str, object]:
    """Return an event as it stands in a history."""
    name, member, fields = _SHAPES[type(event)]
    attributes = {key: form for field, key, write in fields if (form := write(getattr(event, field))) is not None}
    if isinstance(event, _TO_OTHERS):
        attributes["workflowId"] = event.process.process_id
        if event.process.run_id:
            attributes["runId"] = wire_run_id(event.process.run_id)
    return {
        "eventId": event.event_id,
        "eventTimestamp": epoch(event.timestamp),
        "eventType": name,
        member: attributes,
    }


def epoch(when: datetime) -> float:
    """Return a time as it is written: seconds since 1970, with milliseconds."""
    return round(when.timestamp(), 3)
