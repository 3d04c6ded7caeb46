"""The errors that are raised in code which waits for an activity or a child."""

from __future__ import annotations

from typing import TypeAlias, assert_never

from ..errors import ActivityError, ChildError
from ..event import (
    ActivityAbortedEvent,
    ActivityFailedEvent,
    ActivityTimedOutEvent,
    ChildProcessCanceledEvent,
    ChildProcessFailedEvent,
    ChildProcessTerminatedEvent,
    ChildProcessTimedOutEvent,
    ScheduleActivityFailedEvent,
    StartChildProcessFailedEvent,
)
from ..payload import decode
from ..retrying import InterruptedEvent
from ..types import ProcessRef, TimeoutType, TypeRef

__all__ = ["activity_error", "child_error"]

ChildInterruptedEvent: TypeAlias = (
    ChildProcessFailedEvent
    | ChildProcessTimedOutEvent
    | ChildProcessCanceledEvent
    | ChildProcessTerminatedEvent
    | StartChildProcessFailedEvent
)
"""The events that end a child without a result."""


def activity_error(
    activity_id: str, activity: TypeRef, event: InterruptedEvent | ScheduleActivityFailedEvent, attempts: int
) -> ActivityError:
    """Return the error for an activity that ended with ``event``."""
    reason: str | None
    timeout_type: TimeoutType | None = None
    match event:
        case ActivityFailedEvent(reason=reason):
            how = "failed"
        case ActivityTimedOutEvent():
            timeout_type = event.timeout_type
            how, reason = "timed out", timeout_type.value
        case ActivityAbortedEvent(reason=reason):
            how = "aborted"
        case ScheduleActivityFailedEvent(cause=cause):
            how, reason = "refused", cause.value
        case _:
            assert_never(event)
    times = f" after {attempts} attempts" if attempts > 1 else ""
    error = ActivityError(
        f"activity {activity_id!r} ({activity.name}) {_verb(how)}{times}{_because(reason)}",
        activity_id=activity_id,
        activity=activity,
        how=how,
        reason=reason,
        details=decode(getattr(event, "details_json", None)),
        timeout_type=timeout_type,
    )
    _quote(error, error.traceback)
    return error


def child_error(process: ProcessRef, workflow: TypeRef, event: ChildInterruptedEvent) -> ChildError:
    """Return the error for a child that ended with ``event``."""
    reason: str | None = None
    match event:
        case ChildProcessFailedEvent(reason=reason):
            how = "failed"
        case ChildProcessTimedOutEvent():
            how = "timed out"
        case ChildProcessCanceledEvent():
            how = "canceled"
        case ChildProcessTerminatedEvent():
            how = "terminated"
        case StartChildProcessFailedEvent(cause=cause):
            how, reason = "refused", cause.value
        case _:
            assert_never(event)
    error = ChildError(
        f"child process {process.process_id!r} ({workflow.name}) {_verb(how)}{_because(reason)}",
        process=process,
        workflow=workflow,
        how=how,
        reason=reason,
        details=decode(getattr(event, "details_json", None)),
    )
    _quote(error, error.traceback)
    return error


def _verb(how: str) -> str:
    return how if how in ("failed", "timed out") else f"was {how}"


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""


def _quote(error: Exception, traceback: str | None) -> None:
    """Show the traceback of the cause below that of the error."""
    if traceback:
        error.add_note(f"\nIt was caused elsewhere by:\n\n{traceback.rstrip()}")
