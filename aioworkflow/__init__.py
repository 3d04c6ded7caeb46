"""aioworkflow: an asyncio-native workflow engine on the Amazon SWF model.

Write activities and workflows, run them with a :class:`Worker` on a backend made by :func:`connect`, and start
processes with a :class:`Client`. The events of a history are in :mod:`aioworkflow.event`.
"""

from .activity import (
    Activity,
    ActivityAborted,
    ActivityCompleted,
    ActivityContext,
    ActivityFailed,
    ActivityOutcome,
    ActivityResult,
    ActivityTimedOut,
    activity,
    current_activity,
    heartbeat,
    heartbeat_from_thread,
)
from .backend import Backend, ProcessInfo
from .client import Client, ProcessHandle
from .connect import connect
from .decision import (
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
from .errors import (
    AioworkflowError,
    BackendClosedError,
    BackendError,
    BackendUnavailableError,
    DefaultUndefinedError,
    InvalidDecisionError,
    InvalidRequestError,
    LimitExceededError,
    NotInActivityError,
    PayloadError,
    PayloadTooLargeError,
    ProcessAlreadyRunningError,
    ProcessCanceledError,
    ProcessFailedError,
    ProcessNotCompletedError,
    ProcessTerminatedError,
    ProcessTimedOutError,
    ResultNotAvailableError,
    SchemaVersionError,
    StoreError,
    ThrottledError,
    TypeDeprecatedError,
    UnknownProcessError,
    UnknownResourceError,
    UnknownTaskError,
    UnknownTypeError,
)
from .payload import Json
from .process import Process
from .records import ActivityRecord, ChildRecord, TimerRecord
from .retry import RetryPolicy
from .rules import (
    RuleWorkflow,
    on_activity_completed,
    on_activity_interrupted,
    on_cancel_requested,
    on_child_closed,
    on_close_refused,
    on_event,
    on_signal,
    on_started,
    on_timer,
)
from .task import ActivityTask
from .types import ChildPolicy, ProcessRef, ProcessStatus, TimeoutType, TypeRef
from .worker import Worker, WorkerOptions, run_worker
from .workflow import Workflow

__all__ = [  # noqa: RUF022 - grouped by what they are for
    # writing activities
    "Activity",
    "ActivityAborted",
    "ActivityCompleted",
    "ActivityContext",
    "ActivityFailed",
    "ActivityOutcome",
    "ActivityResult",
    "ActivityTask",
    "ActivityTimedOut",
    "RetryPolicy",
    "activity",
    "current_activity",
    "heartbeat",
    "heartbeat_from_thread",
    # writing workflows
    "ActivityRecord",
    "ChildRecord",
    "Process",
    "TimerRecord",
    "Workflow",
    # decisions
    "CancelActivityDecision",
    "CancelProcessDecision",
    "CancelTimerDecision",
    "CompleteProcessDecision",
    "ContinueAsNewDecision",
    "Decision",
    "FailProcessDecision",
    "RecordMarkerDecision",
    "RequestCancelProcessDecision",
    "ScheduleActivityDecision",
    "SignalProcessDecision",
    "StartChildProcessDecision",
    "StartTimerDecision",
    # rule workflows
    "RuleWorkflow",
    "on_activity_completed",
    "on_activity_interrupted",
    "on_cancel_requested",
    "on_child_closed",
    "on_close_refused",
    "on_event",
    "on_signal",
    "on_started",
    "on_timer",
    # running them
    "Backend",
    "Client",
    "ProcessHandle",
    "ProcessInfo",
    "Worker",
    "WorkerOptions",
    "connect",
    "run_worker",
    # values
    "ChildPolicy",
    "Json",
    "ProcessRef",
    "ProcessStatus",
    "TimeoutType",
    "TypeRef",
    # errors
    "AioworkflowError",
    "BackendClosedError",
    "BackendError",
    "BackendUnavailableError",
    "DefaultUndefinedError",
    "InvalidDecisionError",
    "InvalidRequestError",
    "LimitExceededError",
    "NotInActivityError",
    "PayloadError",
    "PayloadTooLargeError",
    "ProcessAlreadyRunningError",
    "ProcessCanceledError",
    "ProcessFailedError",
    "ProcessNotCompletedError",
    "ProcessTerminatedError",
    "ProcessTimedOutError",
    "ResultNotAvailableError",
    "SchemaVersionError",
    "StoreError",
    "ThrottledError",
    "TypeDeprecatedError",
    "UnknownProcessError",
    "UnknownResourceError",
    "UnknownTaskError",
    "UnknownTypeError",
]
