"""Decisions: what a decider orders (swf-reference 3).

A decision is a frozen value. Payload arguments are encoded by the constructor, so a value that JSON cannot carry is an error
at the call; settings are checked there too. ``UNSET`` leaves a setting to the default of the type. An ``id`` of None
is given a unique, deterministic one by the worker before the decision is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .activity import activity_type
from .checks import check_child_policy, check_duration, check_name, check_tags, check_text
from .payload import Decoded, encode
from .types import UNSET, ChildPolicy, Duration, ProcessRef, TypeRef, UnsetType
from .workflow import workflow_type

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .activity import ActivityLike
    from .workflow import WorkflowLike

__all__ = [
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

_frozen = dataclass(frozen=True, init=False)


def _payload(value: object) -> str | None:
    return None if value is None else encode(value)


class Decision:
    """The base of all decisions."""

    __slots__ = ()

    def _set(self, **fields: object) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)


@_frozen
class ScheduleActivityDecision(Decision):
    """Have an activity done.

    Args:
        activity: An activity class, an instance, a function made by ``@activity``, or the name of one.
        input: What its ``execute`` gets.
        id: Unique among the open activities of the process.
        control: A note to the decider itself, kept in history and not shown to the activity.
        version: With a name: the version of the activity.

    The timeouts, the task list and the priority override the defaults of the activity.
    """

    id: str | None
    activity: TypeRef
    input_json: str | None
    control_json: str | None
    schedule_to_start_timeout: float | None | UnsetType
    start_to_close_timeout: float | None | UnsetType
    schedule_to_close_timeout: float | None | UnsetType
    heartbeat_timeout: float | None | UnsetType
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
    ) -> None: ...
