"""Decisions: what a decider orders (swf-reference 3).

A decision is a frozen value. Payload arguments are encoded by the constructor, so a value that JSON cannot carry is an
error at the call; settings are checked there too. ``UNSET`` leaves a setting to the default of the registered type; a
decision made from a class carries the settings which that class sets itself. An ``id`` of None is replaced by a unique,
deterministic one before the decision is sent (:func:`aioworkflow.deciding.fill_ids`).
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar, dataclass_transform

from .activity import ActivityLike, activity_settings
from .checks import (
    check_duration,
    check_label,
    check_name,
    check_process,
    check_reason,
    check_setting,
    check_tags,
    check_version,
    show,
)
from .errors import InvalidRequestError
from .event import ActivityScheduledEvent, StartChildProcessInitiatedEvent, TimerStartedEvent
from .payload import Decoded, encode_optional
from .types import UNSET, ActivityType, ChildPolicy, Duration, ProcessRef, TypeRef, UnsetType, WorkflowType
from .workflow import WorkflowLike, workflow_settings

if TYPE_CHECKING:
    from .process import Process

__all__ = [
    "CLOSING_DECISIONS",
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
]

T = TypeVar("T")
_put = object.__setattr__


@dataclass_transform(frozen_default=True)
def _decision(cls: type[T]) -> type[T]:
    return dataclass(frozen=True, init=False, repr=False, slots=True)(cls)


class Decision:
    """The base of all decisions."""

    __slots__: tuple[str, ...] = ()

    def __repr__(self) -> str:
        fields = ((name, getattr(self, name)) for name in self.__slots__)
        shown = (f"{name}={value!r}" for name, value in fields if value is not None and value is not UNSET)
        return f"{type(self).__name__}({', '.join(shown)})"

    def with_id(self, id: str) -> Self:
        """Return a copy with this id; for decisions that have one.

        Raises:
            InvalidRequestError: The decision has no id, or the id breaks a rule.
        """
        if "id" not in self.__slots__:
            raise InvalidRequestError(f"a {type(self).__name__} has no id")
        copy = object.__new__(type(self))
        for name in self.__slots__:
            _put(copy, name, getattr(self, name))
        _put(copy, "id", check_name(id, "id"))
        return copy


# --- activities ------------------------------------------------------------------------------------------


@_decision
class ScheduleActivityDecision(Decision):
    """Have an activity done.

    Args:
        activity: An activity class, an instance, a function made by ``@activity``, or the name of one.
        input: What its ``execute`` gets.
        id: Unique among the open activities of the process.
        control: A note to the decider itself, kept in history and not shown to the activity.
        version: With a name: the version of the activity, "1" if left out.

    The timeouts, the task list and the priority override the defaults of the activity.
    """

    id: str | None
    activity: TypeRef
    input_json: str | None
    control_json: str | None
    schedule_to_start_timeout: float | UnsetType | None
    start_to_close_timeout: float | UnsetType | None
    schedule_to_close_timeout: float | UnsetType | None
    heartbeat_timeout: float | UnsetType | None
    task_list: str | UnsetType
    task_priority: int | UnsetType

    input = Decoded[Any]()
    control = Decoded[Any]()

    def __init__(
        self,
        activity: ActivityLike,
        input: object = None,
        *,
        id: str | None = None,
        control: object = None,
        version: str | None = None,
        schedule_to_start_timeout: Duration | UnsetType = UNSET,
        start_to_close_timeout: Duration | UnsetType = UNSET,
        schedule_to_close_timeout: Duration | UnsetType = UNSET,
        heartbeat_timeout: Duration | UnsetType = UNSET,
        task_list: str | UnsetType = UNSET,
        task_priority: int | UnsetType = UNSET,
    ) -> None:
        own = activity_settings(activity, version)
        _put(self, "id", None if id is None else check_name(id, "id"))
        _put(self, "activity", own.ref)
        _put(self, "input_json", encode_optional(input))
        _put(self, "control_json", encode_optional(control))
        _put_setting(self, own, "schedule_to_start_timeout", schedule_to_start_timeout)
        _put_setting(self, own, "start_to_close_timeout", start_to_close_timeout)
        _put_setting(self, own, "schedule_to_close_timeout", schedule_to_close_timeout)
        _put_setting(self, own, "heartbeat_timeout", heartbeat_timeout)
        _put_setting(self, own, "task_list", task_list)
        _put_setting(self, own, "task_priority", task_priority)


@_decision
class CancelActivityDecision(Decision):
    """Ask for an open activity to be canceled: at once if no worker has it yet, else the worker is told.

    Args:
        activity: Its id, the decision that scheduled it, or its ActivityScheduledEvent.
    """

    id: str

    def __init__(self, activity: str | ScheduleActivityDecision | ActivityScheduledEvent) -> None:
        given: object = activity
        if isinstance(given, ActivityScheduledEvent):
            given = given.activity_id
        elif isinstance(given, ScheduleActivityDecision):
            given = given.id
        _put(self, "id", check_name(given, "id of the activity"))


# --- the process itself ----------------------------------------------------------------------------------


@_decision
class CompleteProcessDecision(Decision):
    """Close the process as completed, with a result; must be the last decision of its list."""

    result_json: str | None

    result = Decoded[Any]()

    def __init__(self, result: object = None) -> None:
        _put(self, "result_json", encode_optional(result))


@_decision
class FailProcessDecision(Decision):
    """Close the process as failed; must be the last decision of its list. The reason is cut at 256 characters."""

    reason: str | None
    details_json: str | None

    details = Decoded[Any]()

    def __init__(self, reason: str | None = None, details: object = None) -> None:
        _put(self, "reason", check_reason(reason))
        _put(self, "details_json", encode_optional(details))


@_decision
class CancelProcessDecision(Decision):
    """Close the process as canceled, asked for or not; must be the last decision of its list."""

    details_json: str | None

    details = Decoded[Any]()

    def __init__(self, details: object = None) -> None:
        _put(self, "details_json", encode_optional(details))


@_decision
class ContinueAsNewDecision(Decision):
    """Close this run and start a new one of the same process id and workflow; must be the last decision of its list.

    Args:
        input: Of the new run; nothing is taken over from this one (swf-reference 3.6).
        workflow_version: Of the new run; this one's if left out.
        tags: Of the new run.

    Unset settings are the defaults of the workflow.
    """

    input_json: str | None
    workflow_version: str | None
    tags: tuple[str, ...]
    task_list: str | UnsetType
    task_priority: int | UnsetType
    execution_timeout: float | UnsetType | None
    decision_timeout: float | UnsetType | None
    child_policy: ChildPolicy | UnsetType

    input = Decoded[Any]()

    def __init__(
        self,
        input: object = None,
        *,
        workflow_version: str | None = None,
        tags: Iterable[str] = (),
        task_list: str | UnsetType = UNSET,
        task_priority: int | UnsetType = UNSET,
        execution_timeout: Duration | UnsetType = UNSET,
        decision_timeout: Duration | UnsetType = UNSET,
        child_policy: ChildPolicy | UnsetType = UNSET,
    ) -> None:
        version = workflow_version
        _put(self, "input_json", encode_optional(input))
        _put(self, "workflow_version", None if version is None else check_version(version, "workflow_version"))
        _put(self, "tags", check_tags(tags))
        _put(self, "task_list", check_setting(task_list, "task_list"))
        _put(self, "task_priority", check_setting(task_priority, "task_priority"))
        _put(self, "execution_timeout", check_setting(execution_timeout, "execution_timeout"))
        _put(self, "decision_timeout", check_setting(decision_timeout, "decision_timeout"))
        _put(self, "child_policy", check_setting(child_policy, "child_policy"))

    def with_input_json(self, input_json: str | None) -> ContinueAsNewDecision:
        """Return the same decision with another input, which is JSON already."""
        other = copy(self)
        _put(other, "input_json", input_json)
        return other


# --- timers and markers ----------------------------------------------------------------------------------


@_decision
class StartTimerDecision(Decision):
    """Be woken after ``delay`` seconds (or a timedelta); 0 asks for another turn at once.

    Args:
        delay: From now on; never None.
        id: Unique among the open timers of the process.
        control: A note to the decider itself, kept in history.
    """

    id: str | None
    delay: float
    control_json: str | None

    control = Decoded[Any]()

    def __init__(self, delay: Duration, *, id: str | None = None, control: object = None) -> None:
        _put(self, "id", None if id is None else check_name(id, "id"))
        _put(self, "delay", check_duration(delay, "delay", optional=False))
        _put(self, "control_json", encode_optional(control))


@_decision
class CancelTimerDecision(Decision):
    """Stop an open timer.

    Args:
        timer: Its id, the decision that started it, or its TimerStartedEvent.
    """

    id: str

    def __init__(self, timer: str | StartTimerDecision | TimerStartedEvent) -> None:
        given: object = timer
        if isinstance(given, TimerStartedEvent):
            given = given.timer_id
        elif isinstance(given, StartTimerDecision):
            given = given.id
        _put(self, "id", check_name(given, "id of the timer"))


@_decision
class RecordMarkerDecision(Decision):
    """Write a note into history; it causes no further decision."""

    marker: str
    details_json: str | None

    details = Decoded[Any]()

    def __init__(self, marker: str, details: object = None) -> None:
        _put(self, "marker", check_label(marker, "marker"))
        _put(self, "details_json", encode_optional(details))


# --- other processes -------------------------------------------------------------------------------------


@_decision
class StartChildProcessDecision(Decision):
    """Start another process and be told how it ends.

    Args:
        workflow: A workflow class, an instance, or the name of one.
        input: What it gets.
        id: Its process id, unique among all open processes.
        control: A note to the decider itself, kept in history.
        tags: Up to 256 characters each.
        version: With a name: the version of the workflow, "1" if left out.
        child_policy: What becomes of *its* children (swf-reference 3.12).

    The other settings override the defaults of the workflow.
    """

    id: str | None
    workflow: TypeRef
    input_json: str | None
    control_json: str | None
    tags: tuple[str, ...]
    task_list: str | UnsetType
    task_priority: int | UnsetType
    execution_timeout: float | UnsetType | None
    decision_timeout: float | UnsetType | None
    child_policy: ChildPolicy | UnsetType

    input = Decoded[Any]()
    control = Decoded[Any]()

    def __init__(
        self,
        workflow: WorkflowLike,
        input: object = None,
        *,
        id: str | None = None,
        control: object = None,
        tags: Iterable[str] = (),
        version: str | None = None,
        task_list: str | UnsetType = UNSET,
        task_priority: int | UnsetType = UNSET,
        execution_timeout: Duration | UnsetType = UNSET,
        decision_timeout: Duration | UnsetType = UNSET,
        child_policy: ChildPolicy | UnsetType = UNSET,
    ) -> None:
        own = workflow_settings(workflow, version)
        _put(self, "id", None if id is None else check_name(id, "id"))
        _put(self, "workflow", own.ref)
        _put(self, "input_json", encode_optional(input))
        _put(self, "control_json", encode_optional(control))
        _put(self, "tags", check_tags(tags))
        _put_setting(self, own, "task_list", task_list)
        _put_setting(self, own, "task_priority", task_priority)
        _put_setting(self, own, "execution_timeout", execution_timeout)
        _put_setting(self, own, "decision_timeout", decision_timeout)
        _put_setting(self, own, "child_policy", child_policy)


@_decision
class SignalProcessDecision(Decision):
    """Send a signal to another process (or this one).

    Args:
        process: Its id, which means the open run, a ProcessRef, or a Process.
        signal: The name of the signal.
        input: What comes with it.
        control: A note to the decider itself, kept in history.
    """

    process: ProcessRef
    signal: str
    input_json: str | None
    control_json: str | None

    input = Decoded[Any]()
    control = Decoded[Any]()

    def __init__(
        self, process: str | ProcessRef | Process, signal: str, input: object = None, *, control: object = None
    ) -> None:
        _put(self, "process", _target(process))
        _put(self, "signal", check_label(signal, "signal"))
        _put(self, "input_json", encode_optional(input))
        _put(self, "control_json", encode_optional(control))


@_decision
class RequestCancelProcessDecision(Decision):
    """Ask another process, as a child, to end.

    Args:
        process: Its id, which means the open run, a ProcessRef, the decision that started it (with an id), or the
            StartChildProcessInitiatedEvent of a child.
        control: A note to the decider itself, kept in history.
    """

    process: ProcessRef
    control_json: str | None

    control = Decoded[Any]()

    def __init__(
        self,
        process: str | ProcessRef | Process | StartChildProcessDecision | StartChildProcessInitiatedEvent,
        *,
        control: object = None,
    ) -> None:
        _put(self, "process", _target(process))
        _put(self, "control_json", encode_optional(control))


CLOSING_DECISIONS = (CompleteProcessDecision, FailProcessDecision, CancelProcessDecision, ContinueAsNewDecision)
"""The decisions that end a run; one of them may stand at the end of a list."""


def _put_setting(decision: Decision, own: ActivityType | WorkflowType, field: str, given: object) -> None:
    """Set a field to what the caller says, else to what the class of the activity or workflow says."""
    _put(decision, field, getattr(own, field) if given is UNSET else check_setting(given, field))


def _target(process: object) -> ProcessRef:
    if isinstance(process, str | ProcessRef):
        return check_process(process)
    if isinstance(process, StartChildProcessInitiatedEvent):
        return ProcessRef(process.process_id)
    if isinstance(process, StartChildProcessDecision) and process.id is not None:
        return ProcessRef(process.id)
    ref = getattr(process, "ref", None)
    if isinstance(ref, ProcessRef):
        return ref
    raise InvalidRequestError(f"process must be a process id or a ProcessRef, not {show(process)}")
