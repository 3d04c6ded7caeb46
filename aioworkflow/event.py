"""History: one class for each thing that can have happened to a process (swf-reference 4).

Events are frozen values and their own stored form. ``event_id`` counts from 1 without gaps within a run; events that
one request caused share a ``timestamp`` (aware, UTC). A field ``…_event_id`` points back to the event that opened
what this one closes, 0 where there is none. Payloads are JSON text in ``…_json``; the attribute without the suffix
decodes it.
"""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any

import msgspec

from .payload import Decoded
from .types import ChildPolicy, ProcessRef, TimeoutType, TypeRef

__all__ = [
    "CLOSING_EVENTS",
    "ActivityAbortedEvent",
    "ActivityCancelRequestedEvent",
    "ActivityCompletedEvent",
    "ActivityFailedEvent",
    "ActivityScheduledEvent",
    "ActivityStartedEvent",
    "ActivityTimedOutEvent",
    "AnyEvent",
    "CancelActivityFailedEvent",
    "CancelExternalProcessFailedEvent",
    "CancelExternalProcessInitiatedEvent",
    "CancelProcessFailedEvent",
    "CancelTimerFailedEvent",
    "Cause",
    "ChildProcessCanceledEvent",
    "ChildProcessCompletedEvent",
    "ChildProcessFailedEvent",
    "ChildProcessStartedEvent",
    "ChildProcessTerminatedEvent",
    "ChildProcessTimedOutEvent",
    "CompleteProcessFailedEvent",
    "ContinueAsNewFailedEvent",
    "DecisionCompletedEvent",
    "DecisionScheduledEvent",
    "DecisionStartedEvent",
    "DecisionTimedOutEvent",
    "Event",
    "ExternalProcessCancelRequestedEvent",
    "ExternalProcessSignaledEvent",
    "FailProcessFailedEvent",
    "LambdaCompletedEvent",
    "LambdaFailedEvent",
    "LambdaScheduledEvent",
    "LambdaStartedEvent",
    "LambdaTimedOutEvent",
    "MarkerRecordedEvent",
    "ProcessCancelRequestedEvent",
    "ProcessCanceledEvent",
    "ProcessCompletedEvent",
    "ProcessContinuedAsNewEvent",
    "ProcessFailedEvent",
    "ProcessSignaledEvent",
    "ProcessStartedEvent",
    "ProcessTerminatedEvent",
    "ProcessTimedOutEvent",
    "RecordMarkerFailedEvent",
    "ScheduleActivityFailedEvent",
    "ScheduleLambdaFailedEvent",
    "SignalProcessFailedEvent",
    "SignalProcessInitiatedEvent",
    "StartChildProcessFailedEvent",
    "StartChildProcessInitiatedEvent",
    "StartLambdaFailedEvent",
    "StartTimerFailedEvent",
    "TimerCanceledEvent",
    "TimerFiredEvent",
    "TimerStartedEvent",
    "UnknownEvent",
]


class Cause(enum.Enum):
    """Why a decision was refused or a process closed from outside; SWF's names (swf-reference 3)."""

    ACTIVITY_TYPE_DOES_NOT_EXIST = "ACTIVITY_TYPE_DOES_NOT_EXIST"
    ACTIVITY_TYPE_DEPRECATED = "ACTIVITY_TYPE_DEPRECATED"
    ACTIVITY_ID_ALREADY_IN_USE = "ACTIVITY_ID_ALREADY_IN_USE"
    OPEN_ACTIVITIES_LIMIT_EXCEEDED = "OPEN_ACTIVITIES_LIMIT_EXCEEDED"
    ACTIVITY_CREATION_RATE_EXCEEDED = "ACTIVITY_CREATION_RATE_EXCEEDED"
    DEFAULT_SCHEDULE_TO_START_TIMEOUT_UNDEFINED = "DEFAULT_SCHEDULE_TO_START_TIMEOUT_UNDEFINED"
    DEFAULT_SCHEDULE_TO_CLOSE_TIMEOUT_UNDEFINED = "DEFAULT_SCHEDULE_TO_CLOSE_TIMEOUT_UNDEFINED"
    DEFAULT_START_TO_CLOSE_TIMEOUT_UNDEFINED = "DEFAULT_START_TO_CLOSE_TIMEOUT_UNDEFINED"
    DEFAULT_HEARTBEAT_TIMEOUT_UNDEFINED = "DEFAULT_HEARTBEAT_TIMEOUT_UNDEFINED"
    ACTIVITY_ID_UNKNOWN = "ACTIVITY_ID_UNKNOWN"
    UNHANDLED_DECISION = "UNHANDLED_DECISION"
    WORKFLOW_TYPE_DOES_NOT_EXIST = "WORKFLOW_TYPE_DOES_NOT_EXIST"
    WORKFLOW_TYPE_DEPRECATED = "WORKFLOW_TYPE_DEPRECATED"
    DEFAULT_EXECUTION_START_TO_CLOSE_TIMEOUT_UNDEFINED = "DEFAULT_EXECUTION_START_TO_CLOSE_TIMEOUT_UNDEFINED"
    DEFAULT_TASK_START_TO_CLOSE_TIMEOUT_UNDEFINED = "DEFAULT_TASK_START_TO_CLOSE_TIMEOUT_UNDEFINED"
    DEFAULT_TASK_LIST_UNDEFINED = "DEFAULT_TASK_LIST_UNDEFINED"
    DEFAULT_CHILD_POLICY_UNDEFINED = "DEFAULT_CHILD_POLICY_UNDEFINED"
    CONTINUE_AS_NEW_WORKFLOW_EXECUTION_RATE_EXCEEDED = "CONTINUE_AS_NEW_WORKFLOW_EXECUTION_RATE_EXCEEDED"
    TIMER_ID_ALREADY_IN_USE = "TIMER_ID_ALREADY_IN_USE"
    OPEN_TIMERS_LIMIT_EXCEEDED = "OPEN_TIMERS_LIMIT_EXCEEDED"
    TIMER_CREATION_RATE_EXCEEDED = "TIMER_CREATION_RATE_EXCEEDED"
    TIMER_ID_UNKNOWN = "TIMER_ID_UNKNOWN"
    UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION = "UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION"
    SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_RATE_EXCEEDED = "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_RATE_EXCEEDED"
    REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_RATE_EXCEEDED = (
        "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_RATE_EXCEEDED"
    )
    OPEN_CHILDREN_LIMIT_EXCEEDED = "OPEN_CHILDREN_LIMIT_EXCEEDED"
    OPEN_WORKFLOWS_LIMIT_EXCEEDED = "OPEN_WORKFLOWS_LIMIT_EXCEEDED"
    CHILD_CREATION_RATE_EXCEEDED = "CHILD_CREATION_RATE_EXCEEDED"
    WORKFLOW_ALREADY_RUNNING = "WORKFLOW_ALREADY_RUNNING"
    ID_ALREADY_IN_USE = "ID_ALREADY_IN_USE"
    OPEN_LAMBDA_FUNCTIONS_LIMIT_EXCEEDED = "OPEN_LAMBDA_FUNCTIONS_LIMIT_EXCEEDED"
    LAMBDA_FUNCTION_CREATION_RATE_EXCEEDED = "LAMBDA_FUNCTION_CREATION_RATE_EXCEEDED"
    LAMBDA_SERVICE_NOT_AVAILABLE_IN_REGION = "LAMBDA_SERVICE_NOT_AVAILABLE_IN_REGION"
    ASSUME_ROLE_FAILED = "ASSUME_ROLE_FAILED"
    OPERATION_NOT_PERMITTED = "OPERATION_NOT_PERMITTED"
    OPERATOR_INITIATED = "OPERATOR_INITIATED"
    CHILD_POLICY_APPLIED = "CHILD_POLICY_APPLIED"
    EVENT_LIMIT_EXCEEDED = "EVENT_LIMIT_EXCEEDED"
    UNKNOWN = "UNKNOWN"
    """One that this version does not know: Amazon SWF may add some."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag_field="type"):
    """What all events have."""

    event_id: int
    timestamp: datetime


# --- the process itself ----------------------------------------------------------------------------------


class ProcessStartedEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ProcessStarted"):
    """The process was started; event 1 of every run."""

    workflow: TypeRef
    input_json: str | None = None
    task_list: str
    task_priority: int = 0
    execution_timeout: float | None = None
    decision_timeout: float | None = None
    child_policy: ChildPolicy
    tags: tuple[str, ...] = ()
    parent: ProcessRef | None = None
    parent_initiated_event_id: int = 0
    continued_run_id: str | None = None
    lambda_role: str | None = None

    input = Decoded[Any]()


class ProcessSignaledEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ProcessSignaled"):
    """A signal arrived, from a client or from another process."""

    signal: str
    input_json: str | None = None
    sender: ProcessRef | None = None
    sender_initiated_event_id: int = 0

    input = Decoded[Any]()


class ProcessCancelRequestedEvent(
    Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ProcessCancelRequested"
):
    """Somebody asked the process to end; its decider answers as it likes."""

    details_json: str | None = None
    sender: ProcessRef | None = None
    sender_initiated_event_id: int = 0
    cause: Cause | None = None

    details = Decoded[Any]()


class ProcessCompletedEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ProcessCompleted"):
    """The decider completed the process."""

    result_json: str | None = None
    decision_completed_event_id: int

    result = Decoded[Any]()


class ProcessFailedEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ProcessFailed"):
    """The decider failed the process."""

    reason: str | None = None
    details_json: str | None = None
    decision_completed_event_id: int

    details = Decoded[Any]()


class ProcessCanceledEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ProcessCanceled"):
    """The decider canceled the process."""

    details_json: str | None = None
    decision_completed_event_id: int

    details = Decoded[Any]()


class ProcessContinuedAsNewEvent(
    Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ProcessContinuedAsNew"
):
    """The run ended and a new run of the same process id began."""

    new_run_id: str
    workflow: TypeRef
    input_json: str | None = None
    task_list: str
    task_priority: int = 0
    execution_timeout: float | None = None
    decision_timeout: float | None = None
    child_policy: ChildPolicy
    tags: tuple[str, ...] = ()
    lambda_role: str | None = None
    decision_completed_event_id: int

    input = Decoded[Any]()


class ProcessTimedOutEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ProcessTimedOut"):
    """The process was open for longer than its execution timeout."""

    timeout_type: TimeoutType = TimeoutType.START_TO_CLOSE
    child_policy: ChildPolicy


class ProcessTerminatedEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ProcessTerminated"):
    """The process was closed from outside, without asking its decider."""

    reason: str | None = None
    details_json: str | None = None
    child_policy: ChildPolicy
    cause: Cause | None = None

    details = Decoded[Any]()


class CompleteProcessFailedEvent(
    Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="CompleteProcessFailed"
):
    """The decision to complete the process was refused."""

    cause: Cause
    decision_completed_event_id: int


class FailProcessFailedEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="FailProcessFailed"):
    """The decision to fail the process was refused."""

    cause: Cause
    decision_completed_event_id: int


class CancelProcessFailedEvent(
    Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="CancelProcessFailed"
):
    """The decision to cancel the process was refused."""

    cause: Cause
    decision_completed_event_id: int


class ContinueAsNewFailedEvent(
    Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ContinueAsNewFailed"
):
    """The decision to continue as a new run was refused."""

    cause: Cause
    decision_completed_event_id: int


# --- decision tasks --------------------------------------------------------------------------------------


class DecisionScheduledEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="DecisionScheduled"):
    """A decision task waits for a decider."""

    task_list: str
    task_priority: int = 0
    start_to_close_timeout: float | None = None
    schedule_to_start_timeout: float | None = None


class DecisionStartedEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="DecisionStarted"):
    """A decider has the decision task."""

    scheduled_event_id: int
    identity: str | None = None


class DecisionCompletedEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="DecisionCompleted"):
    """The decider answered; the events of its decisions follow."""

    scheduled_event_id: int
    started_event_id: int
    execution_context: str | None = None
    task_list: str | None = None
    task_list_schedule_to_start_timeout: float | None = None


class DecisionTimedOutEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="DecisionTimedOut"):
    """The decider did not answer in time; nothing of its answer counts."""

    timeout_type: TimeoutType
    scheduled_event_id: int
    started_event_id: int = 0


# --- activities ------------------------------------------------------------------------------------------


class ActivityScheduledEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ActivityScheduled"):
    """An activity task waits for a worker, with these resolved settings."""

    activity_id: str
    activity: TypeRef
    input_json: str | None = None
    control_json: str | None = None
    task_list: str
    task_priority: int = 0
    schedule_to_start_timeout: float | None = None
    schedule_to_close_timeout: float | None = None
    start_to_close_timeout: float | None = None
    heartbeat_timeout: float | None = None
    decision_completed_event_id: int

    input = Decoded[Any]()
    control = Decoded[Any]()


class ScheduleActivityFailedEvent(
    Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ScheduleActivityFailed"
):
    """The decision to schedule an activity was refused."""

    activity_id: str
    activity: TypeRef
    cause: Cause
    decision_completed_event_id: int


class ActivityStartedEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ActivityStarted"):
    """A worker has the activity task."""

    scheduled_event_id: int
    identity: str | None = None


class ActivityCompletedEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ActivityCompleted"):
    """The activity returned a result."""

    scheduled_event_id: int
    started_event_id: int
    result_json: str | None = None

    result = Decoded[Any]()


class ActivityFailedEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ActivityFailed"):
    """The activity raised; details hold the type, message and traceback of the exception."""

    scheduled_event_id: int
    started_event_id: int
    reason: str | None = None
    details_json: str | None = None

    details = Decoded[Any]()


class ActivityTimedOutEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ActivityTimedOut"):
    """One of the activity's timeouts passed; details are those of its last heartbeat."""

    timeout_type: TimeoutType
    scheduled_event_id: int
    started_event_id: int = 0
    details_json: str | None = None

    details = Decoded[Any]()


class ActivityAbortedEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ActivityAborted"):
    """The activity stopped on purpose or was canceled (SWF: ActivityTaskCanceled)."""

    scheduled_event_id: int
    started_event_id: int = 0
    reason: str | None = None
    details_json: str | None = None
    cancel_requested_event_id: int = 0

    details = Decoded[Any]()


class ActivityCancelRequestedEvent(
    Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ActivityCancelRequested"
):
    """The decider asked for the activity to be canceled."""

    activity_id: str
    decision_completed_event_id: int


class CancelActivityFailedEvent(
    Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="CancelActivityFailed"
):
    """The decision to cancel an activity was refused."""

    activity_id: str
    cause: Cause
    decision_completed_event_id: int


# --- markers and timers ----------------------------------------------------------------------------------


class MarkerRecordedEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="MarkerRecorded"):
    """The decider wrote a note into history."""

    marker: str
    details_json: str | None = None
    decision_completed_event_id: int

    details = Decoded[Any]()


class RecordMarkerFailedEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="RecordMarkerFailed"):
    """The decision to record a marker was refused."""

    marker: str
    cause: Cause
    decision_completed_event_id: int


class TimerStartedEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="TimerStarted"):
    """A timer runs."""

    timer_id: str
    control_json: str | None = None
    delay: float
    decision_completed_event_id: int

    control = Decoded[Any]()


class StartTimerFailedEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="StartTimerFailed"):
    """The decision to start a timer was refused."""

    timer_id: str
    cause: Cause
    decision_completed_event_id: int


class TimerFiredEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="TimerFired"):
    """The timer ran out."""

    timer_id: str
    started_event_id: int


class TimerCanceledEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="TimerCanceled"):
    """The decider canceled the timer."""

    timer_id: str
    started_event_id: int
    decision_completed_event_id: int


class CancelTimerFailedEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="CancelTimerFailed"):
    """The decision to cancel a timer was refused."""

    timer_id: str
    cause: Cause
    decision_completed_event_id: int


# --- children --------------------------------------------------------------------------------------------


class StartChildProcessInitiatedEvent(
    Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="StartChildProcessInitiated"
):
    """A child process is about to start, with these resolved settings."""

    process_id: str
    workflow: TypeRef
    input_json: str | None = None
    control_json: str | None = None
    task_list: str
    task_priority: int = 0
    execution_timeout: float | None = None
    decision_timeout: float | None = None
    child_policy: ChildPolicy
    tags: tuple[str, ...] = ()
    lambda_role: str | None = None
    decision_completed_event_id: int

    input = Decoded[Any]()
    control = Decoded[Any]()


class StartChildProcessFailedEvent(
    Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="StartChildProcessFailed"
):
    """The child process could not be started."""

    process_id: str
    workflow: TypeRef
    cause: Cause
    control_json: str | None = None
    initiated_event_id: int = 0
    decision_completed_event_id: int

    control = Decoded[Any]()


class ChildProcessStartedEvent(
    Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ChildProcessStarted"
):
    """The child process was started."""

    process: ProcessRef
    workflow: TypeRef
    initiated_event_id: int


class ChildProcessCompletedEvent(
    Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ChildProcessCompleted"
):
    """The child process completed."""

    process: ProcessRef
    workflow: TypeRef
    initiated_event_id: int
    started_event_id: int
    result_json: str | None = None

    result = Decoded[Any]()


class ChildProcessFailedEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ChildProcessFailed"):
    """The child process failed."""

    process: ProcessRef
    workflow: TypeRef
    initiated_event_id: int
    started_event_id: int
    reason: str | None = None
    details_json: str | None = None

    details = Decoded[Any]()


class ChildProcessTimedOutEvent(
    Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ChildProcessTimedOut"
):
    """The child process timed out."""

    process: ProcessRef
    workflow: TypeRef
    initiated_event_id: int
    started_event_id: int
    timeout_type: TimeoutType = TimeoutType.START_TO_CLOSE


class ChildProcessCanceledEvent(
    Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ChildProcessCanceled"
):
    """The child process canceled itself."""

    process: ProcessRef
    workflow: TypeRef
    initiated_event_id: int
    started_event_id: int
    details_json: str | None = None

    details = Decoded[Any]()


class ChildProcessTerminatedEvent(
    Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ChildProcessTerminated"
):
    """The child process was terminated."""

    process: ProcessRef
    workflow: TypeRef
    initiated_event_id: int
    started_event_id: int


# --- other processes -------------------------------------------------------------------------------------


class SignalProcessInitiatedEvent(
    Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="SignalProcessInitiated"
):
    """A signal to another process is on its way."""

    process: ProcessRef
    signal: str
    input_json: str | None = None
    control_json: str | None = None
    decision_completed_event_id: int

    input = Decoded[Any]()
    control = Decoded[Any]()


class SignalProcessFailedEvent(
    Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="SignalProcessFailed"
):
    """The signal to another process could not be delivered."""

    process: ProcessRef
    cause: Cause
    control_json: str | None = None
    initiated_event_id: int
    decision_completed_event_id: int

    control = Decoded[Any]()


class ExternalProcessSignaledEvent(
    Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ExternalProcessSignaled"
):
    """The other process has the signal."""

    process: ProcessRef
    initiated_event_id: int


class CancelExternalProcessInitiatedEvent(
    Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="CancelExternalProcessInitiated"
):
    """A request to cancel another process is on its way."""

    process: ProcessRef
    control_json: str | None = None
    decision_completed_event_id: int

    control = Decoded[Any]()


class CancelExternalProcessFailedEvent(
    Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="CancelExternalProcessFailed"
):
    """The request to cancel another process could not be delivered."""

    process: ProcessRef
    cause: Cause
    control_json: str | None = None
    initiated_event_id: int
    decision_completed_event_id: int

    control = Decoded[Any]()


class ExternalProcessCancelRequestedEvent(
    Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ExternalProcessCancelRequested"
):
    """The other process has the request to cancel."""

    process: ProcessRef
    initiated_event_id: int


# --- what only others schedule ---------------------------------------------------------------------------


class LambdaScheduledEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="LambdaScheduled"):
    """A Lambda function waits to be called; only deciders of other programs have Amazon SWF call any."""

    lambda_id: str
    function: str
    input_json: str | None = None
    control_json: str | None = None
    start_to_close_timeout: float | None = None
    decision_completed_event_id: int

    input = Decoded[Any]()
    control = Decoded[Any]()


class ScheduleLambdaFailedEvent(
    Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ScheduleLambdaFailed"
):
    """The decision to call a Lambda function was refused."""

    lambda_id: str
    function: str
    cause: Cause
    decision_completed_event_id: int


class LambdaStartedEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="LambdaStarted"):
    """The Lambda function was called."""

    scheduled_event_id: int


class StartLambdaFailedEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="StartLambdaFailed"):
    """The Lambda function could not be called."""

    scheduled_event_id: int = 0
    cause: Cause | None = None
    message: str | None = None


class LambdaCompletedEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="LambdaCompleted"):
    """The Lambda function returned a result."""

    scheduled_event_id: int
    started_event_id: int
    result_json: str | None = None

    result = Decoded[Any]()


class LambdaFailedEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="LambdaFailed"):
    """The Lambda function failed."""

    scheduled_event_id: int
    started_event_id: int
    reason: str | None = None
    details_json: str | None = None

    details = Decoded[Any]()


class LambdaTimedOutEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="LambdaTimedOut"):
    """The Lambda function did not return in time."""

    timeout_type: TimeoutType = TimeoutType.START_TO_CLOSE
    scheduled_event_id: int
    started_event_id: int


class UnknownEvent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="Unknown"):
    """Something that this version has no word for; ``name`` and ``attributes`` are the backend's own."""

    name: str
    attributes_json: str | None = None

    attributes = Decoded[Any]()


AnyEvent = (
    ProcessStartedEvent
    | ProcessSignaledEvent
    | ProcessCancelRequestedEvent
    | ProcessCompletedEvent
    | ProcessFailedEvent
    | ProcessCanceledEvent
    | ProcessContinuedAsNewEvent
    | ProcessTimedOutEvent
    | ProcessTerminatedEvent
    | CompleteProcessFailedEvent
    | FailProcessFailedEvent
    | CancelProcessFailedEvent
    | ContinueAsNewFailedEvent
    | DecisionScheduledEvent
    | DecisionStartedEvent
    | DecisionCompletedEvent
    | DecisionTimedOutEvent
    | ActivityScheduledEvent
    | ScheduleActivityFailedEvent
    | ActivityStartedEvent
    | ActivityCompletedEvent
    | ActivityFailedEvent
    | ActivityTimedOutEvent
    | ActivityAbortedEvent
    | ActivityCancelRequestedEvent
    | CancelActivityFailedEvent
    | MarkerRecordedEvent
    | RecordMarkerFailedEvent
    | TimerStartedEvent
    | StartTimerFailedEvent
    | TimerFiredEvent
    | TimerCanceledEvent
    | CancelTimerFailedEvent
    | StartChildProcessInitiatedEvent
    | StartChildProcessFailedEvent
    | ChildProcessStartedEvent
    | ChildProcessCompletedEvent
    | ChildProcessFailedEvent
    | ChildProcessTimedOutEvent
    | ChildProcessCanceledEvent
    | ChildProcessTerminatedEvent
    | SignalProcessInitiatedEvent
    | SignalProcessFailedEvent
    | ExternalProcessSignaledEvent
    | CancelExternalProcessInitiatedEvent
    | CancelExternalProcessFailedEvent
    | ExternalProcessCancelRequestedEvent
    | LambdaScheduledEvent
    | ScheduleLambdaFailedEvent
    | LambdaStartedEvent
    | StartLambdaFailedEvent
    | LambdaCompletedEvent
    | LambdaFailedEvent
    | LambdaTimedOutEvent
    | UnknownEvent
)
"""Any event, as a closed union."""

CLOSING_EVENTS = (
    ProcessCompletedEvent,
    ProcessFailedEvent,
    ProcessCanceledEvent,
    ProcessContinuedAsNewEvent,
    ProcessTimedOutEvent,
    ProcessTerminatedEvent,
)
"""The events that end a run; exactly one is the last of a closed run."""
