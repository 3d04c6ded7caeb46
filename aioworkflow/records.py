"""What a decider learns about one activity, timer or child: the event that opened it and the one that closed it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias, assert_never

from .errors import ResultNotAvailableError
from .event import (
    ActivityAbortedEvent,
    ActivityCompletedEvent,
    ActivityFailedEvent,
    ActivityScheduledEvent,
    ActivityTimedOutEvent,
    ChildProcessCanceledEvent,
    ChildProcessCompletedEvent,
    ChildProcessFailedEvent,
    ChildProcessTerminatedEvent,
    ChildProcessTimedOutEvent,
    StartChildProcessFailedEvent,
    StartChildProcessInitiatedEvent,
    TimerCanceledEvent,
    TimerFiredEvent,
    TimerStartedEvent,
)
from .payload import as_json, decode
from .result import ActivityAborted, ActivityCompleted, ActivityFailed, ActivityOutcome, ActivityTimedOut
from .types import ProcessRef, TypeRef

__all__ = [
    "ActivityClosedEvent",
    "ActivityRecord",
    "ChildClosedEvent",
    "ChildRecord",
    "TimerClosedEvent",
    "TimerRecord",
]

ActivityClosedEvent: TypeAlias = (
    ActivityCompletedEvent | ActivityFailedEvent | ActivityTimedOutEvent | ActivityAbortedEvent
)
"""The events that end an activity."""

TimerClosedEvent: TypeAlias = TimerFiredEvent | TimerCanceledEvent
"""The events that end a timer."""

ChildClosedEvent: TypeAlias = (
    ChildProcessCompletedEvent
    | ChildProcessFailedEvent
    | ChildProcessTimedOutEvent
    | ChildProcessCanceledEvent
    | ChildProcessTerminatedEvent
    | StartChildProcessFailedEvent
)
"""The events that end a child, or tell that it could not start."""


@dataclass(frozen=True, slots=True)
class ActivityRecord:
    """One activity of a process.

    Attributes:
        scheduled: How it began.
        closed: How it ended; None while it is open.
    """

    scheduled: ActivityScheduledEvent
    closed: ActivityClosedEvent | None

    @property
    def id(self) -> str:
        """Its id in the process."""
        return self.scheduled.activity_id

    @property
    def activity(self) -> TypeRef:
        """Its name and version."""
        return self.scheduled.activity

    @property
    def is_open(self) -> bool:
        """Whether it waits for a worker or is worked on."""
        return self.closed is None

    @property
    def is_completed(self) -> bool:
        """Whether it ended with a result."""
        return isinstance(self.closed, ActivityCompletedEvent)

    @property
    def outcome(self) -> ActivityOutcome | None:
        """How it ended, as a value; None while it is open."""
        closed = self.closed
        match closed:
            case None:
                return None
            case ActivityCompletedEvent(result_json=result):
                return ActivityCompleted(as_json(result))
            case ActivityFailedEvent(reason=reason, details_json=details):
                return ActivityFailed(reason=reason, details=as_json(details))
            case ActivityAbortedEvent(reason=reason, details_json=details):
                return ActivityAborted(reason, as_json(details))
            case ActivityTimedOutEvent(timeout_type=timeout_type, details_json=details):
                return ActivityTimedOut(timeout_type, as_json(details))
            case _:
                assert_never(closed)

    def result(self, into: Any = Any) -> Any:
        """Return its result, decoded as type ``into``.

        Raises:
            ResultNotAvailableError: It is open, or ended otherwise.
            PayloadError: The result does not fit ``into``.
        """
        if isinstance(self.closed, ActivityCompletedEvent):
            return decode(self.closed.result_json, into)
        raise ResultNotAvailableError(f"activity {self.id!r} ({self.activity.name}) {_told(self.closed)}")


@dataclass(frozen=True, slots=True)
class TimerRecord:
    """One timer of a process.

    Attributes:
        started: How it began.
        closed: How it ended; None while it runs.
    """

    started: TimerStartedEvent
    closed: TimerClosedEvent | None

    @property
    def id(self) -> str:
        """Its id in the process."""
        return self.started.timer_id

    @property
    def is_open(self) -> bool:
        """Whether it still runs."""
        return self.closed is None

    @property
    def has_fired(self) -> bool:
        """Whether it ran out (and was not canceled)."""
        return isinstance(self.closed, TimerFiredEvent)


@dataclass(frozen=True, slots=True)
class ChildRecord:
    """One child of a process.

    Attributes:
        initiated: How it began.
        process: The child's id and run id; the run id is empty until it is known.
        closed: How it ended, or why it could not start; None while it is open.
    """

    initiated: StartChildProcessInitiatedEvent
    process: ProcessRef
    closed: ChildClosedEvent | None

    @property
    def id(self) -> str:
        """Its process id."""
        return self.initiated.process_id

    @property
    def workflow(self) -> TypeRef:
        """The name and version of its workflow."""
        return self.initiated.workflow

    @property
    def is_open(self) -> bool:
        """Whether it is about to start or runs."""
        return self.closed is None

    @property
    def is_completed(self) -> bool:
        """Whether it ended with a result."""
        return isinstance(self.closed, ChildProcessCompletedEvent)

    def result(self, into: Any = Any) -> Any:
        """Return its result, decoded as type ``into``.

        Raises:
            ResultNotAvailableError: It is open, or ended otherwise.
            PayloadError: The result does not fit ``into``.
        """
        if isinstance(self.closed, ChildProcessCompletedEvent):
            return decode(self.closed.result_json, into)
        raise ResultNotAvailableError(f"child process {self.id!r} ({self.workflow.name}) {_told(self.closed)}")


def _told(closed: ActivityClosedEvent | ChildClosedEvent | None) -> str:
    if closed is None:
        return "is still open"
    reason = getattr(closed, "reason", None)
    return f"ended with {type(closed).__name__}" + (f": {reason}" if reason else "")
