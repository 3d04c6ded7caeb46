"""The settings of activities and processes, as requests carry them and as registered types have them for defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ...checks import check_child_policy, check_priority
from ...types import UNSET, ChildPolicy
from .limits import check_task_list
from .wire import execution_seconds, read_seconds, seconds

__all__ = [
    "ACTIVITY_SETTINGS",
    "PROCESS_SETTINGS",
    "Setting",
    "put_defaults",
    "put_settings",
    "read_defaults",
    "read_settings",
]


class Setting(NamedTuple):
    """One setting.

    Attributes:
        field: Its name in our values.
        member: Its name in the requests of SWF.
        default: Its name in the registered types of SWF.
        write: Checks the value and returns its form on the wire; also takes the name for messages.
        read: The other way.
    """

    field: str
    member: str
    default: str
    write: Callable[[Any, str], object]
    read: Callable[[Any], object]


def _write_task_list(value: Any, field: str) -> dict[str, str]:
    return {"name": check_task_list(value, field)}


def _read_task_list(value: Mapping[str, str]) -> str:
    return value["name"]


def _write_priority(value: Any, field: str) -> str:
    return str(check_priority(value, field))


def _write_child_policy(value: Any, field: str) -> str:
    return check_child_policy(value, field).value


ACTIVITY_SETTINGS = (
    Setting(
        "schedule_to_start_timeout",
        "scheduleToStartTimeout",
        "defaultTaskScheduleToStartTimeout",
        seconds,
        read_seconds,
    ),
    Setting(
        "schedule_to_close_timeout",
        "scheduleToCloseTimeout",
        "defaultTaskScheduleToCloseTimeout",
        seconds,
        read_seconds,
    ),
    Setting("start_to_close_timeout", "startToCloseTimeout", "defaultTaskStartToCloseTimeout", seconds, read_seconds),
    Setting("heartbeat_timeout", "heartbeatTimeout", "defaultTaskHeartbeatTimeout", seconds, read_seconds),
    Setting("task_list", "taskList", "defaultTaskList", _write_task_list, _read_task_list),
    Setting("task_priority", "taskPriority", "defaultTaskPriority", _write_priority, int),
)

PROCESS_SETTINGS = (
    Setting(
        "execution_timeout",
        "executionStartToCloseTimeout",
        "defaultExecutionStartToCloseTimeout",
        execution_seconds,
        read_seconds,
    ),
    Setting("decision_timeout", "taskStartToCloseTimeout", "defaultTaskStartToCloseTimeout", seconds, read_seconds),
    Setting("task_list", "taskList", "defaultTaskList", _write_task_list, _read_task_list),
    Setting("task_priority", "taskPriority", "defaultTaskPriority", _write_priority, int),
    Setting("child_policy", "childPolicy", "defaultChildPolicy", _write_child_policy, ChildPolicy),
)


def put_settings(parameters: dict[str, object], settings: tuple[Setting, ...], source: object) -> None:
    """Add what ``source`` (a decision or a request) says to the parameters; what is UNSET is left out."""
    for setting in settings:
        value = getattr(source, setting.field)
        if value is not UNSET:
            parameters[setting.member] = setting.write(value, setting.field)


def put_defaults(parameters: dict[str, object], settings: tuple[Setting, ...], source: object) -> None:
    """Add the defaults that ``source`` (a type) has to the parameters."""
    for setting in settings:
        value = getattr(source, setting.field)
        if value is not UNSET:
            parameters[setting.default] = setting.write(value, setting.field)


def read_settings(wire: Mapping[str, Any], settings: tuple[Setting, ...]) -> dict[str, Any]:
    """Return the settings of a process, by our names."""
    return {
        setting.field: setting.read(wire[setting.member])
        for setting in settings
        if wire.get(setting.member) is not None
    }


def read_defaults(wire: Mapping[str, Any], settings: tuple[Setting, ...]) -> dict[str, Any]:
    """Return the defaults of a registered type, by our names."""
    return {
        setting.field: setting.read(wire[setting.default])
        for setting in settings
        if wire.get(setting.default) is not None
    }
