"""What is refused without looking at a run: swf-reference 1.2, 1.3, 3."""

from __future__ import annotations

import math
from typing import Any

import pytest

from aioworkflow.decision import (
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
from aioworkflow.errors import InvalidDecisionError, InvalidRequestError, PayloadTooLargeError
from aioworkflow.machine.limits import Limits
from aioworkflow.machine.validate import (
    check_decisions,
    check_identity,
    check_payload,
    check_reason,
    check_seconds,
    check_start,
)
from aioworkflow.types import UNSET, ChildPolicy, ProcessRef, TypeRef
from tests.machine.world import ENVIRONMENT, forced, limited, start_request

ACTIVITY = ScheduleActivityDecision("Work", id="a")
UNKNOWN_ACTIVITY = ScheduleActivityDecision("Unknown", id="a")
CHILD = StartChildProcessDecision("Order", id="c")
SIGNAL = SignalProcessDecision("p", "s")
CANCEL = RequestCancelProcessDecision("p")
TIMER = StartTimerDecision(1, id="t")
CONTINUE = ContinueAsNewDecision()

EVERY_DECISION: list[Decision] = [
    ACTIVITY,
    CancelActivityDecision("a"),
    CompleteProcessDecision(),
    FailProcessDecision(),
    CancelProcessDecision(),
    CONTINUE,
    TIMER,
    CancelTimerDecision("t"),
    CHILD,
    SIGNAL,
    CANCEL,
    RecordMarkerDecision("m"),
]
CLOSING = (CompleteProcessDecision, FailProcessDecision, CancelProcessDecision, ContinueAsNewDecision)

LONG = "x" * 257
WRONG_NAMES = ["", LONG, "a:b", "a/b", "a|b", "a\n", "\x7f", "\x9f", "arn", "\ud800", 5, b"a", None]
WRONG_SECONDS = [-1, -0.001, math.nan, math.inf, 99_999_999.5, "5", True]
WRONG_JSON = [5, b"1", "1234567", '"\udc80"']


@pytest.mark.parametrize("decision", EVERY_DECISION, ids=lambda decision: type(decision).__name__)
def test_what_constructors_make_passes(decision: Decision) -> None:
    check_decisions([decision], ENVIRONMENT)


def test_a_full_decision_passes() -> None:
    settings: dict[str, Any] = {"task_list": "l", "task_priority": -(2**31)}
    timeouts: dict[str, Any] = {
        "schedule_to_start_timeout": 0,
        "schedule_to_close_timeout": None,
        "start_to_close_timeout": 99_999_999,
        "heartbeat_timeout": 0.5,
    }
    child: dict[str, Any] = {
        "execution_timeout": 0,
        "decision_timeout": None,
        "tags": ["", "x" * 256],
        "child_policy": ChildPolicy.ABANDON,
    }
    check_decisions(
        [
            ScheduleActivityDecision("Unknown", 1, id="x" * 256, control=2, **settings, **timeouts),
            StartChildProcessDecision("Unknown", 1, id="c", control=2, **settings, **child),
            SignalProcessDecision(ProcessRef("p", "r" * 64), "s", 1, control=2),
            FailProcessDecision("x" * 256, 1),
        ],
        ENVIRONMENT,
    )


# --- the batch -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decision", EVERY_DECISION, ids=lambda decision: type(decision).__name__)
def test_only_a_closing_decision_must_be_last(decision: Decision) -> None:
    batch = [RecordMarkerDecision("m"), decision, RecordMarkerDecision("n")]
    if isinstance(decision, CLOSING):
        with pytest.raises(InvalidDecisionError, match=r"decision 2, a \w+, closes the process.*last of the 3"):
            check_decisions(batch, ENVIRONMENT)
    else:
        check_decisions(batch, ENVIRONMENT)
    check_decisions([RecordMarkerDecision("m"), decision], ENVIRONMENT)


def test_two_closing_decisions_are_one_too_many() -> None:
    with pytest.raises(InvalidDecisionError, match="decision 1"):
        check_decisions([CompleteProcessDecision(), CompleteProcessDecision()], ENVIRONMENT)


def test_too_many_decisions() -> None:
    batch = [RecordMarkerDecision("m")] * 3
    check_decisions(batch, limited(decisions=3))
    with pytest.raises(InvalidDecisionError, match="3 decisions are too many; the limit is 2"):
        check_decisions(batch, limited(decisions=2))


class OwnDecision(Decision):
    pass


@pytest.mark.parametrize("rubbish", [None, "complete", object(), CompleteProcessDecision, OwnDecision()])
def test_what_is_no_decision(rubbish: Any) -> None:
    with pytest.raises(InvalidDecisionError, match=r"decision 2, .* is no decision"):
        check_decisions([RecordMarkerDecision("m"), rubbish], ENVIRONMENT)


def test_the_message_tells_which_decision_is_wrong_and_why() -> None:
    with pytest.raises(InvalidDecisionError, match="decision 2, a StartTimerDecision: delay must be") as caught:
        check_decisions([TIMER, forced(TIMER, delay=-1)], ENVIRONMENT)
    assert isinstance(caught.value.__cause__, InvalidRequestError)


# --- each field of each decision -------------------------------------------------------------------------


def wrong(decision: Decision, field: str, values: list[Any]) -> list[Any]:
    return [
        pytest.param(decision, field, value, id=f"{type(decision).__name__}-{field}-{value!r:.20}") for value in values
    ]


WRONG_SETTINGS: list[Any] = []
for settled in (CHILD, CONTINUE):
    WRONG_SETTINGS += wrong(settled, "input_json", WRONG_JSON)
    WRONG_SETTINGS += wrong(settled, "tags", ["abc", 5, (1,), (LONG,), ("a", "b", "c", "d"), ("\ud800",), (None,)])
    WRONG_SETTINGS += wrong(settled, "task_list", [*WRONG_NAMES, " a", "a "])
    WRONG_SETTINGS += wrong(settled, "task_priority", [2**31, -(2**31) - 1, 1.0, "1", True, None])
    WRONG_SETTINGS += wrong(settled, "child_policy", ["TERMINATE", None, 1])
    WRONG_SETTINGS += wrong(settled, "decision_timeout", WRONG_SECONDS)
    WRONG_SETTINGS += wrong(settled, "execution_timeout", WRONG_SECONDS)


@pytest.mark.parametrize(
    ("decision", "field", "value"),
    [
        *wrong(ACTIVITY, "id", WRONG_NAMES),
        *wrong(ACTIVITY, "activity", [None, "Work", ("Work", "1")]),
        *wrong(ACTIVITY, "activity", [TypeRef("a:b"), TypeRef(""), TypeRef("Work", ""), TypeRef("Work", "x" * 65)]),
        *wrong(ACTIVITY, "activity", [TypeRef(["Work"]), TypeRef("Work", {})]),  # type: ignore[arg-type]
        *wrong(UNKNOWN_ACTIVITY, "activity", [TypeRef("Unknown", "1/2")]),
        *wrong(ACTIVITY, "input_json", WRONG_JSON),
        *wrong(ACTIVITY, "control_json", WRONG_JSON),
        *wrong(ACTIVITY, "schedule_to_start_timeout", WRONG_SECONDS),
        *wrong(ACTIVITY, "schedule_to_close_timeout", WRONG_SECONDS),
        *wrong(ACTIVITY, "start_to_close_timeout", WRONG_SECONDS),
        *wrong(ACTIVITY, "heartbeat_timeout", WRONG_SECONDS),
        *wrong(ACTIVITY, "task_list", WRONG_NAMES),
        *wrong(ACTIVITY, "task_priority", [2**31, "1", None]),
        *wrong(CancelActivityDecision("a"), "id", WRONG_NAMES),
        *wrong(CancelTimerDecision("t"), "id", WRONG_NAMES),
        *wrong(CompleteProcessDecision(), "result_json", WRONG_JSON),
        *wrong(FailProcessDecision(), "reason", [LONG, 5, "\ud800"]),
        *wrong(FailProcessDecision(), "details_json", WRONG_JSON),
        *wrong(CancelProcessDecision(), "details_json", WRONG_JSON),
        *wrong(CONTINUE, "workflow_version", ["", "x" * 65, "a:b", 5]),
        *wrong(TIMER, "id", WRONG_NAMES),
        *wrong(TIMER, "delay", [*WRONG_SECONDS, None, UNSET]),
        *wrong(TIMER, "control_json", WRONG_JSON),
        *wrong(CHILD, "id", ["", LONG, 5, None, "\ud800"]),
        *wrong(CHILD, "workflow", [None, "Order", TypeRef("a:b"), TypeRef("Order", "")]),
        *wrong(CHILD, "control_json", WRONG_JSON),
        *WRONG_SETTINGS,
        *wrong(SIGNAL, "process", [None, "p", ("p", ""), ProcessRef(""), ProcessRef("p", "r" * 65), ProcessRef(5)]),  # type: ignore[arg-type]
        *wrong(SIGNAL, "signal", ["", LONG, 5, None]),
        *wrong(SIGNAL, "input_json", WRONG_JSON),
        *wrong(SIGNAL, "control_json", WRONG_JSON),
        *wrong(CANCEL, "process", [None, "p", ProcessRef(""), ProcessRef(LONG)]),
        *wrong(CANCEL, "control_json", WRONG_JSON),
        *wrong(RecordMarkerDecision("m"), "marker", ["", LONG, 5, None]),
        *wrong(RecordMarkerDecision("m"), "details_json", WRONG_JSON),
    ],
)
def test_a_wrong_field(decision: Decision, field: str, value: Any) -> None:
    """Constructors refuse these; whoever gets past them is refused here."""
    with pytest.raises(InvalidDecisionError, match=f"decision 1, a {type(decision).__name__}: "):
        check_decisions([forced(decision, **{field: value})], limited(payload=6, tags=3))


@pytest.mark.parametrize("id", ["22X56OQ+AtGx1=:1", "a/b", "arn", "a b", "ä|"])
def test_ids_of_children_and_targets_are_free(id: str) -> None:
    """1.2: programs that decide for SWF use the parent's run id, a colon and a number."""
    ref = ProcessRef(id)
    batch = [forced(CHILD, id=id), forced(SIGNAL, process=ref), forced(CANCEL, process=ref)]
    check_decisions(batch, ENVIRONMENT)


@pytest.mark.parametrize("name", ["a:b/c", "arn", "ä|\n"])
def test_signals_and_markers_may_have_any_name(name: str) -> None:
    check_decisions([SignalProcessDecision("p", name), RecordMarkerDecision(name)], ENVIRONMENT)


def test_a_registered_activity_is_not_checked_again() -> None:
    check_decisions([ACTIVITY], ENVIRONMENT)
    with pytest.raises(InvalidDecisionError, match="activity name"):
        check_decisions([forced(ACTIVITY, activity=TypeRef("a:b"))], ENVIRONMENT)


# --- the single checks -----------------------------------------------------------------------------------


def test_payloads_count_characters() -> None:
    check_payload("input", None, 0)
    check_payload("input", "ä" * 10, 10)
    check_payload("input", "x" * 10, 10)
    with pytest.raises(PayloadTooLargeError, match="input has 11 characters of JSON and the limit is 10"):
        check_payload("input", "ä" * 11, 10)


@pytest.mark.parametrize("check", [check_reason, check_identity])
def test_reasons_and_identities(check: Any) -> None:
    check(None)
    check("")
    check("ä" * 256)
    for value in (LONG, 5, "\ud800"):
        with pytest.raises(InvalidRequestError):
            check(value)


def test_seconds() -> None:
    for value in (None, UNSET, 0, 0.0, 1, 99_999_999.0):
        check_seconds("delay", value)
    check_seconds("delay", 5, optional=False)
    for value in (None, UNSET):
        with pytest.raises(InvalidRequestError, match="delay must be 0 to 99,999,999 seconds"):
            check_seconds("delay", value, optional=False)


@pytest.mark.parametrize("value", WRONG_SECONDS)
def test_wrong_seconds(value: Any) -> None:
    with pytest.raises(InvalidRequestError, match="delay"):
        check_seconds("delay", value)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("process_id", WRONG_NAMES),
        ("input_json", WRONG_JSON),
        ("tags", [("a", "b", "c", "d"), (5,), "abc"]),
        ("task_list", WRONG_NAMES),
        ("task_priority", [2**31, None]),
        ("child_policy", [None, "TERMINATE"]),
        ("decision_timeout", WRONG_SECONDS),
        ("execution_timeout", WRONG_SECONDS),
    ],
)
def test_a_wrong_start(field: str, values: list[Any]) -> None:
    limits = Limits(payload=6, tags=3)
    check_start(start_request(tags=("a", "b", "c")), limits)
    for value in values:
        with pytest.raises(InvalidRequestError):
            check_start(start_request(**{field: value}), limits)
