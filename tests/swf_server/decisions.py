"""Decisions of the wire (swf-reference 3), for the machine behind.

The form is checked here: types of decision, required members, lengths. What the rules say of them is the machine's
affair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from aioworkflow import decision as ours
from aioworkflow.decision import Decision
from aioworkflow.types import UNSET, ChildPolicy, ProcessRef, TypeRef

from .events import run_id
from .faults import validation
from .requests import (
    Data,
    Label,
    Name,
    Number,
    OptionalRunId,
    Policy,
    Role,
    Seconds,
    Short,
    Tags,
    Version,
    Wire,
    WireTaskList,
    WireTypeRef,
)

__all__ = ["read_decisions", "seconds", "settings"]

D = TypeVar("D", bound=Decision)


class ScheduleActivityTask(Wire, frozen=True):
    activity_type: WireTypeRef
    activity_id: Name
    control: Data | None = None
    input: Data | None = None
    schedule_to_close_timeout: Seconds | None = None
    schedule_to_start_timeout: Seconds | None = None
    start_to_close_timeout: Seconds | None = None
    heartbeat_timeout: Seconds | None = None
    task_list: WireTaskList | None = None
    task_priority: Number | None = None


class RequestCancelActivityTask(Wire, frozen=True):
    activity_id: Name


class CompleteWorkflowExecution(Wire, frozen=True):
    result: Data | None = None


class FailWorkflowExecution(Wire, frozen=True):
    reason: Short | None = None
    details: Data | None = None


class CancelWorkflowExecution(Wire, frozen=True):
    details: Data | None = None


class ContinueAsNewWorkflowExecution(Wire, frozen=True):
    input: Data | None = None
    execution_start_to_close_timeout: Seconds | None = None
    task_list: WireTaskList | None = None
    task_priority: Number | None = None
    task_start_to_close_timeout: Seconds | None = None
    child_policy: Policy | None = None
    tag_list: Tags | None = None
    workflow_type_version: Version | None = None
    lambda_role: Role | None = None


class RecordMarker(Wire, frozen=True):
    marker_name: Label
    details: Data | None = None


class StartTimer(Wire, frozen=True):
    timer_id: Name
    start_to_fire_timeout: Seconds
    control: Data | None = None


class CancelTimer(Wire, frozen=True):
    timer_id: Name


class SignalExternalWorkflowExecution(Wire, frozen=True):
    workflow_id: Label
    signal_name: Label
    run_id: OptionalRunId | None = None
    input: Data | None = None
    control: Data | None = None


class RequestCancelExternalWorkflowExecution(Wire, frozen=True):
    workflow_id: Label
    run_id: OptionalRunId | None = None
    control: Data | None = None


class StartChildWorkflowExecution(Wire, frozen=True):
    workflow_type: WireTypeRef
    workflow_id: Name
    control: Data | None = None
    input: Data | None = None
    execution_start_to_close_timeout: Seconds | None = None
    task_list: WireTaskList | None = None
    task_priority: Number | None = None
    task_start_to_close_timeout: Seconds | None = None
    child_policy: Policy | None = None
    tag_list: Tags | None = None
    lambda_role: Role | None = None


# --- into ours ---


def seconds(text: str | None) -> Any:
    """Return a duration; what is absent is UNSET, "NONE" is no limit."""
    if text is None:
        return UNSET
    return None if text == "NONE" else float(text)


def settings(wire: Any) -> dict[str, Any]:
    """Return the settings of a process that a request or decision gives."""
    return {
        "task_list": UNSET if wire.task_list is None else wire.task_list.name,
        "task_priority": UNSET if wire.task_priority is None else int(wire.task_priority),
        "execution_timeout": seconds(wire.execution_start_to_close_timeout),
        "decision_timeout": seconds(wire.task_start_to_close_timeout),
        "child_policy": UNSET if wire.child_policy is None else ChildPolicy(wire.child_policy),
        "tags": tuple(wire.tag_list or ()),
        "input_json": wire.input,
    }


def _make(kind: type[D], **fields: Any) -> D:
    """Return a decision without asking its constructor: what the library would refuse must come through too."""
    decision = object.__new__(kind)
    for name in kind.__slots__:
        object.__setattr__(decision, name, fields[name])
    return decision


def _schedule_activity(wire: ScheduleActivityTask) -> Decision:
    return _make(
        ours.ScheduleActivityDecision,
        id=wire.activity_id,
        activity=TypeRef(wire.activity_type.name, wire.activity_type.version),
        input_json=wire.input,
        control_json=wire.control,
        schedule_to_start_timeout=seconds(wire.schedule_to_start_timeout),
        start_to_close_timeout=seconds(wire.start_to_close_timeout),
        schedule_to_close_timeout=seconds(wire.schedule_to_close_timeout),
        heartbeat_timeout=seconds(wire.heartbeat_timeout),
        task_list=UNSET if wire.task_list is None else wire.task_list.name,
        task_priority=UNSET if wire.task_priority is None else int(wire.task_priority),
    )


def _continue_as_new(wire: ContinueAsNewWorkflowExecution) -> Decision:
    return _make(ours.ContinueAsNewDecision, workflow_version=wire.workflow_type_version, **settings(wire))


def _start_child(wire: StartChildWorkflowExecution) -> Decision:
    return _make(
        ours.StartChildProcessDecision,
        id=wire.workflow_id,
        workflow=TypeRef(wire.workflow_type.name, wire.workflow_type.version),
        control_json=wire.control,
        **settings(wire),
    )


def _start_timer(wire: StartTimer) -> Decision:
    if wire.start_to_fire_timeout == "NONE":
        raise validation("1 validation error detected: a timer must have an end")
    return _make(
        ours.StartTimerDecision, id=wire.timer_id, delay=float(wire.start_to_fire_timeout), control_json=wire.control
    )


def _signal(wire: SignalExternalWorkflowExecution) -> Decision:
    return _make(
        ours.SignalProcessDecision,
        process=ProcessRef(wire.workflow_id, run_id(wire.run_id)),
        signal=wire.signal_name,
        input_json=wire.input,
        control_json=wire.control,
    )


def _request_cancel(wire: RequestCancelExternalWorkflowExecution) -> Decision:
    return _make(
        ours.RequestCancelProcessDecision,
        process=ProcessRef(wire.workflow_id, run_id(wire.run_id)),
        control_json=wire.control,
    )


_DECISIONS: dict[str, tuple[str, type[Wire], Callable[[Any], Decision]]] = {
    kind.__name__: (kind.__name__[0].lower() + kind.__name__[1:] + "DecisionAttributes", kind, make)
    for kind, make in (
        (ScheduleActivityTask, _schedule_activity),
        (RequestCancelActivityTask, lambda wire: _make(ours.CancelActivityDecision, id=wire.activity_id)),
        (CompleteWorkflowExecution, lambda wire: _make(ours.CompleteProcessDecision, result_json=wire.result)),
        (
            FailWorkflowExecution,
            lambda wire: _make(ours.FailProcessDecision, reason=wire.reason, details_json=wire.details),
        ),
        (CancelWorkflowExecution, lambda wire: _make(ours.CancelProcessDecision, details_json=wire.details)),
        (ContinueAsNewWorkflowExecution, _continue_as_new),
        (
            RecordMarker,
            lambda wire: _make(ours.RecordMarkerDecision, marker=wire.marker_name, details_json=wire.details),
        ),
        (StartTimer, _start_timer),
        (CancelTimer, lambda wire: _make(ours.CancelTimerDecision, id=wire.timer_id)),
        (SignalExternalWorkflowExecution, _signal),
        (RequestCancelExternalWorkflowExecution, _request_cancel),
        (StartChildWorkflowExecution, _start_child),
    )
}
_MEMBERS = {"decisionType", *(member for member, _, _ in _DECISIONS.values())}


def read_decisions(decisions: Iterable[dict[str, Any]]) -> list[Decision]:
    """Return the decisions of an answer.

    Raises:
        Fault: ValidationException; then none of them may count.
    """
    return [_read(place, decision) for place, decision in enumerate(decisions, 1)]


def _read(place: int, wire: dict[str, Any]) -> Decision:
    kind = wire.get("decisionType")
    if kind not in _DECISIONS:
        raise validation(
            f"1 validation error detected: Value '{kind}' at 'decisions.{place}.member.decisionType' failed to satisfy "
            f"constraint: Member must satisfy enum value set: [{', '.join(_DECISIONS)}]"
        )
    if strange := set(wire) - _MEMBERS:
        raise validation(f"1 validation error detected: decisions.{place}.member has no {strange}")
    member, struct, make = _DECISIONS[kind]
    try:
        return make(msgspec.convert(wire.get(member) or {}, struct))
    except msgspec.ValidationError as error:
        raise validation(
            f"1 validation error detected: at 'decisions.{place}.member.{member}' failed to satisfy constraint: {error}"
        ) from None
