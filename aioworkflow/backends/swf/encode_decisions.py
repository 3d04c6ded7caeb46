"""Decisions, as Amazon SWF takes them (swf-reference 3).

A batch is refused as a whole if one decision of it is wrong, so each is checked here, and the error says which it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...checks import NAME_LIMIT, VERSION_LIMIT, show
from ...decision import (
    CLOSING_DECISIONS,
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
from ...errors import InvalidDecisionError, InvalidRequestError
from ...types import UNSET, ProcessRef, TypeRef
from .limits import (
    DECISIONS_LIMIT,
    PAYLOAD_LIMIT,
    ROLE_LIMIT,
    check_name,
    check_payload,
    check_process,
    check_reason,
    check_tags,
    check_text,
    check_type,
    length,
)
from .settings import ACTIVITY_SETTINGS, PROCESS_SETTINGS, put_settings
from .told_timeouts import ToldTimeouts, tell
from .wire import read_seconds, seconds

__all__ = ["encode_decisions", "put_payload", "put_process", "put_role", "type_parameters"]


def encode_decisions(decisions: Sequence[Decision], *, lambda_role: str | None = None) -> list[dict[str, object]]:
    """Return the decisions of one answer.

    Args:
        decisions: With ids.
        lambda_role: Of the children and new runs that they start; SWF hands down none.

    Raises:
        InvalidDecisionError: One of them breaks a rule, which the message tells with the place and kind of the
            decision, or there are too many.
    """
    if len(decisions) > DECISIONS_LIMIT:
        raise InvalidDecisionError(
            f"{len(decisions):,} decisions are too many for one answer: Amazon SWF takes {DECISIONS_LIMIT:,}; decide "
            f"the rest in another turn, which StartTimerDecision(0) brings"
        )
    last = len(decisions) - 1
    encoded: list[dict[str, object]] = []
    for index, decision in enumerate(decisions):
        kind = type(decision)
        if kind not in _ENCODERS:
            raise InvalidDecisionError(f"decision {index + 1}, {show(decision)}, is no decision")
        if index != last and kind in CLOSING_DECISIONS:
            raise InvalidDecisionError(
                f"decision {index + 1}, a {kind.__name__}, closes the process and must be the last of the {last + 1}"
            )
        name, member, attributes_of = _ENCODERS[kind]
        try:
            attributes = attributes_of(decision)
            if kind in _STARTING:
                put_role(attributes, "lambdaRole", lambda_role)
        except InvalidRequestError as error:
            raise InvalidDecisionError(f"decision {index + 1}, a {kind.__name__}: {error}") from error
        encoded.append({"decisionType": name, member: attributes})
    return encoded


def put_payload(attributes: dict[str, object], member: str, text: str | None) -> None:
    """Add a payload, if there is one."""
    if text is not None:
        attributes[member] = check_payload(text, member)


def put_process(attributes: dict[str, object], process: ProcessRef) -> None:
    """Add the id of a process, and the run id if it has one."""
    process = check_process(process)
    attributes["workflowId"] = process.process_id
    if process.run_id:
        attributes["runId"] = process.run_id


def put_role(attributes: dict[str, object], member: str, role: str | None) -> None:
    """Add the IAM role for Lambda, if there is one."""
    if role is not None:
        attributes[member] = check_text(role, "lambda_role", ROLE_LIMIT, least=1)


def type_parameters(ref: TypeRef, field: str) -> dict[str, str]:
    """Return the name and version of a workflow or activity."""
    name, version = check_type(ref, field)
    return {"name": name, "version": version}


# --- each decision ---------------------------------------------------------------------------------------


def _schedule_activity(decision: ScheduleActivityDecision) -> dict[str, object]:
    attributes: dict[str, object] = {
        "activityId": check_name(decision.id, "id"),
        "activityType": type_parameters(decision.activity, "activity"),
    }
    put_payload(attributes, "input", decision.input_json)
    put_payload(attributes, "control", decision.control_json)
    put_settings(attributes, ACTIVITY_SETTINGS, decision)
    _tell_timeouts(attributes)
    return attributes


def _tell_timeouts(attributes: dict[str, object]) -> None:
    """Write behind the input what the worker must know and Amazon SWF does not tell it."""
    heartbeat, start_to_close = (
        read_seconds(str(attributes[member])) if member in attributes else UNSET
        for member in ("heartbeatTimeout", "startToCloseTimeout")
    )
    bare = str(attributes.get("input", ""))
    written = bare + tell(ToldTimeouts(heartbeat, start_to_close))
    if len(bare) < len(written) and length(written) <= PAYLOAD_LIMIT:
        attributes["input"] = written


def _cancel_activity(decision: CancelActivityDecision) -> dict[str, object]:
    return {"activityId": check_name(decision.id, "id")}


def _complete_process(decision: CompleteProcessDecision) -> dict[str, object]:
    attributes: dict[str, object] = {}
    put_payload(attributes, "result", decision.result_json)
    return attributes


def _fail_process(decision: FailProcessDecision) -> dict[str, object]:
    attributes: dict[str, object] = {}
    if decision.reason is not None:
        attributes["reason"] = check_reason(decision.reason)
    put_payload(attributes, "details", decision.details_json)
    return attributes


def _cancel_process(decision: CancelProcessDecision) -> dict[str, object]:
    attributes: dict[str, object] = {}
    put_payload(attributes, "details", decision.details_json)
    return attributes


def _continue_as_new(decision: ContinueAsNewDecision) -> dict[str, object]:
    attributes: dict[str, object] = {}
    if decision.workflow_version is not None:
        attributes["workflowTypeVersion"] = check_name(decision.workflow_version, "workflow_version", VERSION_LIMIT)
    _put_start(attributes, decision)
    return attributes


def _start_timer(decision: StartTimerDecision) -> dict[str, object]:
    attributes: dict[str, object] = {
        "timerId": check_name(decision.id, "id"),
        "startToFireTimeout": seconds(decision.delay, "delay", optional=False),
    }
    put_payload(attributes, "control", decision.control_json)
    return attributes


def _cancel_timer(decision: CancelTimerDecision) -> dict[str, object]:
    return {"timerId": check_name(decision.id, "id")}


def _record_marker(decision: RecordMarkerDecision) -> dict[str, object]:
    attributes: dict[str, object] = {"markerName": check_text(decision.marker, "marker", NAME_LIMIT, least=1)}
    put_payload(attributes, "details", decision.details_json)
    return attributes


def _start_child(decision: StartChildProcessDecision) -> dict[str, object]:
    attributes: dict[str, object] = {
        "workflowId": check_name(decision.id, "id"),
        "workflowType": type_parameters(decision.workflow, "workflow"),
    }
    put_payload(attributes, "control", decision.control_json)
    _put_start(attributes, decision)
    return attributes


def _signal_process(decision: SignalProcessDecision) -> dict[str, object]:
    attributes: dict[str, object] = {"signalName": check_text(decision.signal, "signal", NAME_LIMIT, least=1)}
    put_process(attributes, decision.process)
    put_payload(attributes, "input", decision.input_json)
    put_payload(attributes, "control", decision.control_json)
    return attributes


def _request_cancel(decision: RequestCancelProcessDecision) -> dict[str, object]:
    attributes: dict[str, object] = {}
    put_process(attributes, decision.process)
    put_payload(attributes, "control", decision.control_json)
    return attributes


def _put_start(attributes: dict[str, object], decision: ContinueAsNewDecision | StartChildProcessDecision) -> None:
    put_payload(attributes, "input", decision.input_json)
    if decision.tags != ():
        attributes["tagList"] = check_tags(decision.tags)
    put_settings(attributes, PROCESS_SETTINGS, decision)


_STARTING = frozenset({ContinueAsNewDecision, StartChildProcessDecision})


def _encoder(name: str, attributes_of: Callable[[Any], dict[str, object]]) -> _Encoder:
    return name, f"{name[0].lower()}{name[1:]}DecisionAttributes", attributes_of


_Encoder = tuple[str, str, Callable[[Any], dict[str, object]]]
_ENCODERS: Mapping[type[Decision], _Encoder] = {
    ScheduleActivityDecision: _encoder("ScheduleActivityTask", _schedule_activity),
    CancelActivityDecision: _encoder("RequestCancelActivityTask", _cancel_activity),
    CompleteProcessDecision: _encoder("CompleteWorkflowExecution", _complete_process),
    FailProcessDecision: _encoder("FailWorkflowExecution", _fail_process),
    CancelProcessDecision: _encoder("CancelWorkflowExecution", _cancel_process),
    ContinueAsNewDecision: _encoder("ContinueAsNewWorkflowExecution", _continue_as_new),
    StartTimerDecision: _encoder("StartTimer", _start_timer),
    CancelTimerDecision: _encoder("CancelTimer", _cancel_timer),
    RecordMarkerDecision: _encoder("RecordMarker", _record_marker),
    StartChildProcessDecision: _encoder("StartChildWorkflowExecution", _start_child),
    SignalProcessDecision: _encoder("SignalExternalWorkflowExecution", _signal_process),
    RequestCancelProcessDecision: _encoder("RequestCancelExternalWorkflowExecution", _request_cancel),
}
