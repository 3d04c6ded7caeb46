"""What can be seen to be wrong without looking at a run (swf-reference 1.2, 1.3, 3).

The constructors of decisions and results check with the same rules (:mod:`aioworkflow.checks`); here they hold for
whoever makes requests in another way, together with the lengths that a backend's :class:`Limits` allow. All functions
return, or raise :class:`InvalidRequestError` with what is wrong; :func:`check_decisions` raises
:class:`InvalidDecisionError`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..checks import (
    IDENTITY_LIMIT,
    LONGEST_DURATION,
    NAME_LIMIT,
    REASON_LIMIT,
    RUN_ID_LIMIT,
    check_child_policy,
    check_label,
    check_name,
    check_priority,
    check_task_list,
    check_text,
    check_version,
    show,
)
from ..decision import (
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
from ..errors import InvalidDecisionError, InvalidRequestError, PayloadTooLargeError
from ..types import UNSET, ProcessRef, TypeRef
from .limits import Limits
from .requests import StartProcess
from .settings import StartSettings
from .transition import Environment

__all__ = ["check_decisions", "check_identity", "check_payload", "check_reason", "check_seconds", "check_start"]


def check_payload(field: str, text: object, longest: int) -> None:
    """Check the JSON text of a payload, which may be missing. Its syntax is the affair of who wrote it."""
    if text is None:
        return
    if type(text) is not str:
        raise InvalidRequestError(f"{field} must be JSON text, not {show(text)}")
    if len(text) > longest:
        raise PayloadTooLargeError(
            f"{field} has {len(text):,} characters of JSON and the limit is {longest:,}: keep big values elsewhere, "
            "and pass where they are"
        )
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidRequestError(f"{field} is not proper Unicode: {error}") from None


def check_reason(reason: object) -> str | None:
    """Return why something failed, was aborted or is terminated, as a plain str; it may be missing."""
    return None if reason is None else check_text(reason, "reason", REASON_LIMIT)


def check_identity(identity: object) -> str | None:
    """Return the name under which a worker polls, as a plain str; it may be missing."""
    return None if identity is None else check_text(identity, "identity", IDENTITY_LIMIT)


def check_seconds(field: str, value: Any, *, optional: bool = True) -> None:
    """Check a duration; None (no limit) and UNSET (not said) pass if ``optional``."""
    if optional and (value is None or value is UNSET):
        return
    if type(value) not in (float, int) or not 0 <= value <= LONGEST_DURATION:
        raise InvalidRequestError(f"{field} must be 0 to {LONGEST_DURATION:,} seconds, not {show(value)}")


def check_start(start: StartProcess, limits: Limits) -> None:
    """Check what a client asks to start."""
    check_name(start.process_id, "process_id")
    _check_settings(start, limits)


def check_decisions(decisions: Sequence[Decision], environment: Environment) -> None:
    """Check a whole batch before anything is done: if one decision is wrong, nothing of it counts (swf-reference 3).

    Raises:
        InvalidDecisionError: With the place and the kind of the decision that is wrong.
    """
    limits = environment.limits
    if len(decisions) > limits.decisions:
        raise InvalidDecisionError(f"{len(decisions):,} decisions are too many; the limit is {limits.decisions:,}")
    last = len(decisions) - 1
    for index, decision in enumerate(decisions):
        kind = type(decision)
        check = _CHECKS.get(kind)
        if check is None:
            raise InvalidDecisionError(f"decision {index + 1}, {show(decision)}, is no decision")
        try:
            check(decision, environment)
        except InvalidRequestError as error:
            raise InvalidDecisionError(f"decision {index + 1}, a {kind.__name__}: {error}") from error
        if index != last and kind in _CLOSING:
            raise InvalidDecisionError(
                f"decision {index + 1}, a {kind.__name__}, closes the process and must be the last of the {last + 1}"
            )


def _check_settings(settings: StartSettings, limits: Limits) -> None:
    check_payload("input", settings.input_json, limits.payload)
    if settings.tags != ():
        if not isinstance(settings.tags, tuple | list):
            raise InvalidRequestError(f"tags must be a tuple of str, not {show(settings.tags)}")
        if len(settings.tags) > limits.tags:
            raise InvalidRequestError(f"a process has at most {limits.tags} tags, not {len(settings.tags)}")
        for tag in settings.tags:
            check_text(tag, "a tag", NAME_LIMIT)
    if settings.task_list is not UNSET:
        check_task_list(settings.task_list)
    if settings.task_priority is not UNSET:
        check_priority(settings.task_priority)
    if settings.child_policy is not UNSET:
        check_child_policy(settings.child_policy)
    check_seconds("decision_timeout", settings.decision_timeout)
    check_seconds("execution_timeout", settings.execution_timeout)


def _check_type(field: str, ref: object) -> None:
    if not isinstance(ref, TypeRef):
        raise InvalidRequestError(f"{field} must be a TypeRef, not {show(ref)}")
    check_name(ref.name, f"{field} name")
    check_version(ref.version, f"{field} version")


def _is_registered(activity: object, environment: Environment) -> bool:
    """Tell whether an activity is known, and so needs no further check."""
    try:
        return type(activity) is TypeRef and activity in environment.activities
    except TypeError:  # what cannot be hashed
        return False


def _check_target(ref: object) -> None:
    """Check where a signal or a request to cancel goes: to any process there may be, see _check_child."""
    if not isinstance(ref, ProcessRef):
        raise InvalidRequestError(f"process must be a ProcessRef, not {show(ref)}")
    check_label(ref.process_id, "process id")
    check_text(ref.run_id, "run id", RUN_ID_LIMIT)


# --- each decision ---------------------------------------------------------------------------------------


def _check_schedule_activity(decision: ScheduleActivityDecision, environment: Environment) -> None:
    check_name(decision.id, "id")
    if not _is_registered(decision.activity, environment):
        _check_type("activity", decision.activity)
    check_payload("input", decision.input_json, environment.limits.payload)
    check_payload("control", decision.control_json, environment.limits.payload)
    if decision.schedule_to_start_timeout is not UNSET:
        check_seconds("schedule_to_start_timeout", decision.schedule_to_start_timeout)
    if decision.start_to_close_timeout is not UNSET:
        check_seconds("start_to_close_timeout", decision.start_to_close_timeout)
    if decision.schedule_to_close_timeout is not UNSET:
        check_seconds("schedule_to_close_timeout", decision.schedule_to_close_timeout)
    if decision.heartbeat_timeout is not UNSET:
        check_seconds("heartbeat_timeout", decision.heartbeat_timeout)
    if decision.task_list is not UNSET:
        check_name(decision.task_list, "task_list")
    if decision.task_priority is not UNSET:
        check_priority(decision.task_priority)


def _check_id(decision: CancelActivityDecision | CancelTimerDecision, environment: Environment) -> None:
    check_name(decision.id, "id")


def _check_complete(decision: CompleteProcessDecision, environment: Environment) -> None:
    check_payload("result", decision.result_json, environment.limits.payload)


def _check_fail(decision: FailProcessDecision, environment: Environment) -> None:
    check_reason(decision.reason)
    check_payload("details", decision.details_json, environment.limits.payload)


def _check_cancel(decision: CancelProcessDecision, environment: Environment) -> None:
    check_payload("details", decision.details_json, environment.limits.payload)


def _check_continue(decision: ContinueAsNewDecision, environment: Environment) -> None:
    if decision.workflow_version is not None:
        check_version(decision.workflow_version, "workflow_version")
    _check_settings(decision, environment.limits)


def _check_start_timer(decision: StartTimerDecision, environment: Environment) -> None:
    check_name(decision.id, "id")
    check_seconds("delay", decision.delay, optional=False)
    check_payload("control", decision.control_json, environment.limits.payload)


def _check_child(decision: StartChildProcessDecision, environment: Environment) -> None:
    check_label(decision.id, "id")  # programs that decide for SWF break rule A here (swf-reference 1.2)
    _check_type("workflow", decision.workflow)
    check_payload("control", decision.control_json, environment.limits.payload)
    _check_settings(decision, environment.limits)


def _check_signal(decision: SignalProcessDecision, environment: Environment) -> None:
    _check_target(decision.process)
    check_label(decision.signal, "signal")
    check_payload("input", decision.input_json, environment.limits.payload)
    check_payload("control", decision.control_json, environment.limits.payload)


def _check_request_cancel(decision: RequestCancelProcessDecision, environment: Environment) -> None:
    _check_target(decision.process)
    check_payload("control", decision.control_json, environment.limits.payload)


def _check_marker(decision: RecordMarkerDecision, environment: Environment) -> None:
    check_label(decision.marker, "marker")
    check_payload("details", decision.details_json, environment.limits.payload)


_CHECKS: dict[type[Decision], Callable[[Any, Environment], None]] = {
    ScheduleActivityDecision: _check_schedule_activity,
    CancelActivityDecision: _check_id,
    CompleteProcessDecision: _check_complete,
    FailProcessDecision: _check_fail,
    CancelProcessDecision: _check_cancel,
    ContinueAsNewDecision: _check_continue,
    StartTimerDecision: _check_start_timer,
    CancelTimerDecision: _check_id,
    StartChildProcessDecision: _check_child,
    SignalProcessDecision: _check_signal,
    RequestCancelProcessDecision: _check_request_cancel,
    RecordMarkerDecision: _check_marker,
}

_CLOSING = frozenset({CompleteProcessDecision, FailProcessDecision, CancelProcessDecision, ContinueAsNewDecision})
