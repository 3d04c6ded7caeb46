"""The small values that the whole vocabulary shares: names, references, settings and statuses.

Everything here is frozen data. Durations are seconds as ``float``; ``None`` means "no limit" (SWF: ``"NONE"``) and
``UNSET`` means "not said here, take the default of the type".
"""

from __future__ import annotations

import enum
from datetime import timedelta
from typing import NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

__all__ = [
    "DEFAULT_TASK_LIST",
    "UNSET",
    "ActivityType",
    "ChildPolicy",
    "Duration",
    "ProcessRef",
    "ProcessStatus",
    "TimeoutType",
    "TypeRef",
    "UnsetType",
    "WorkflowType",
]

Duration = float | int | timedelta | None
"""What a user may write for a timeout: seconds, a timedelta, or None for "no limit"."""

DEFAULT_TASK_LIST = "default"


class ChildPolicy(enum.Enum):
    """What happens to the open children of a process that is terminated or times out (swf-reference 7.4)."""

    TERMINATE = "TERMINATE"
    REQUEST_CANCEL = "REQUEST_CANCEL"
    ABANDON = "ABANDON"


class TimeoutType(enum.Enum):
    """Which clock ran out (swf-reference 6)."""

    SCHEDULE_TO_START = "SCHEDULE_TO_START"
    START_TO_CLOSE = "START_TO_CLOSE"
    SCHEDULE_TO_CLOSE = "SCHEDULE_TO_CLOSE"
    HEARTBEAT = "HEARTBEAT"


class ProcessStatus(enum.Enum):
    """Where a process stands; all but OPEN are final (SWF: executionStatus and closeStatus in one)."""

    OPEN = "OPEN"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    TERMINATED = "TERMINATED"
    CONTINUED_AS_NEW = "CONTINUED_AS_NEW"
    TIMED_OUT = "TIMED_OUT"


class TypeRef(NamedTuple):
    """The name and version of a workflow or an activity."""

    name: str
    version: str = "1"

    def __str__(self) -> str:
        return f"{self.name} (version {self.version})"


class ProcessRef(NamedTuple):
    """One run of a process. An empty ``run_id`` means "whichever run is open"."""

    process_id: str
    run_id: str = ""

    def __str__(self) -> str:
        return f"{self.process_id!r} (run {self.run_id})" if self.run_id else repr(self.process_id)


class WorkflowType(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A registered workflow and the defaults of its processes (swf-reference 1.6).

    Attributes:
        ref: Name and version.
        execution_timeout: Seconds from start to close of a process; None is no limit.
        decision_timeout: Seconds that a decider may take for one decision task; None is no limit.
        task_list: Where its decision tasks wait.
        task_priority: Higher is handed out earlier.
        child_policy: What becomes of open children when the process is terminated or times out.
    """

    ref: TypeRef
    execution_timeout: float | UnsetType | None = UNSET
    decision_timeout: float | UnsetType | None = UNSET
    task_list: str | UnsetType = UNSET
    task_priority: int | UnsetType = UNSET
    child_policy: ChildPolicy | UnsetType = UNSET
    description: str | None = None
    deprecated: bool = False


class ActivityType(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A registered activity and the defaults of its tasks, in seconds (swf-reference 1.6)."""

    ref: TypeRef
    schedule_to_start_timeout: float | UnsetType | None = UNSET
    start_to_close_timeout: float | UnsetType | None = UNSET
    schedule_to_close_timeout: float | UnsetType | None = UNSET
    heartbeat_timeout: float | UnsetType | None = UNSET
    task_list: str | UnsetType = UNSET
    task_priority: int | UnsetType = UNSET
    description: str | None = None
    deprecated: bool = False
