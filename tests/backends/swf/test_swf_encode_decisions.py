"""Decisions for Amazon SWF: each in full, whatever Hypothesis thinks of against the service model, and the limits."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aioworkflow.backends.swf.encode import complete_decision_task
from aioworkflow.backends.swf.encode_decisions import encode_decisions
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
from aioworkflow.errors import InvalidDecisionError, PayloadTooLargeError
from aioworkflow.payload import Json
from aioworkflow.types import UNSET, ChildPolicy, ProcessRef
from tests.backends.swf.service_model import MODEL, accepts, flaws

FULL: dict[str, tuple[Decision, dict[str, Any]]] = {
    "ScheduleActivityTask": (
        ScheduleActivityDecision(
            "Charge",
            {"n": 17},
            id="charge-1",
            control=1,
            version="2",
            schedule_to_start_timeout=1,
            start_to_close_timeout=2.5,
            schedule_to_close_timeout=None,
            heartbeat_timeout=0,
            task_list="cards",
            task_priority=-7,
        ),
        {
            "activityId": "charge-1",
            "activityType": {"name": "Charge", "version": "2"},
            "input": '{"n":17}' + "\t \r\t" + " " * 27 + "\r",  # tells the worker 0 and 3 seconds
            "control": "1",
            "scheduleToStartTimeout": "1",
            "startToCloseTimeout": "3",
            "scheduleToCloseTimeout": "NONE",
            "heartbeatTimeout": "0",
            "taskList": {"name": "cards"},
            "taskPriority": "-7",
        },
    ),
    "RequestCancelActivityTask": (CancelActivityDecision("charge-1"), {"activityId": "charge-1"}),
    "CompleteWorkflowExecution": (CompleteProcessDecision([1]), {"result": "[1]"}),
    "FailWorkflowExecution": (FailProcessDecision("why", {"a": 1}), {"reason": "why", "details": '{"a":1}'}),
    "CancelWorkflowExecution": (CancelProcessDecision("x"), {"details": '"x"'}),
    "ContinueAsNewWorkflowExecution": (
        ContinueAsNewDecision(
            5,
            workflow_version="3",
            tags=["a", ""],
            task_list="l",
            task_priority=0,
            execution_timeout=86_400,
            decision_timeout=30,
            child_policy=ChildPolicy.ABANDON,
        ),
        {
            "input": "5",
            "workflowTypeVersion": "3",
            "tagList": ["a", ""],
            "taskList": {"name": "l"},
            "taskPriority": "0",
            "executionStartToCloseTimeout": "86400",
            "taskStartToCloseTimeout": "30",
            "childPolicy": "ABANDON",
        },
    ),
    "StartTimer": (
        StartTimerDecision(0.001, id="t", control=[]),
        {"timerId": "t", "startToFireTimeout": "1", "control": "[]"},
    ),
    "CancelTimer": (CancelTimerDecision("t"), {"timerId": "t"}),
    "RecordMarker": (RecordMarkerDecision("a: b", "x"), {"markerName": "a: b", "details": '"x"'}),
    "StartChildWorkflowExecution": (
        StartChildProcessDecision(
            "Ship",
            {"to": "Ω"},
            id="ship-1",
            control="c",
            tags=["eu"],
            version="2",
            task_list="ships",
            task_priority=5,
            execution_timeout=None,
            decision_timeout=None,
            child_policy=ChildPolicy.REQUEST_CANCEL,
        ),
        {
            "workflowId": "ship-1",
            "workflowType": {"name": "Ship", "version": "2"},
            "input": '{"to":"Ω"}',
            "control": '"c"',
            "tagList": ["eu"],
            "taskList": {"name": "ships"},
            "taskPriority": "5",
            "executionStartToCloseTimeout": "31536000",
            "taskStartToCloseTimeout": "NONE",
            "childPolicy": "REQUEST_CANCEL",
        },
    ),
    "SignalExternalWorkflowExecution": (
        SignalProcessDecision(ProcessRef("p", "r"), "go/on", 1, control=2),
        {"workflowId": "p", "runId": "r", "signalName": "go/on", "input": "1", "control": "2"},
    ),
    "RequestCancelExternalWorkflowExecution": (
        RequestCancelProcessDecision("p", control=2),
        {"workflowId": "p", "control": "2"},
    ),
}

BARE: dict[str, tuple[Decision, dict[str, Any]]] = {
    "ScheduleActivityTask": (
        ScheduleActivityDecision("A", id="a"),
        {"activityId": "a", "activityType": {"name": "A", "version": "1"}},
    ),
    "CompleteWorkflowExecution": (CompleteProcessDecision(), {}),
    "FailWorkflowExecution": (FailProcessDecision(), {}),
    "CancelWorkflowExecution": (CancelProcessDecision(), {}),
    "ContinueAsNewWorkflowExecution": (ContinueAsNewDecision(), {}),
    "StartTimer": (StartTimerDecision(0, id="t"), {"timerId": "t", "startToFireTimeout": "0"}),
    "RecordMarker": (RecordMarkerDecision("m"), {"markerName": "m"}),
    "StartChildWorkflowExecution": (
        StartChildProcessDecision("W", id="c"),
        {"workflowId": "c", "workflowType": {"name": "W", "version": "1"}},
    ),
    "SignalExternalWorkflowExecution": (SignalProcessDecision("p", "s"), {"workflowId": "p", "signalName": "s"}),
    "RequestCancelExternalWorkflowExecution": (RequestCancelProcessDecision("p"), {"workflowId": "p"}),
}


def test_every_decision_of_the_service_is_here_but_that_for_lambda() -> None:
    assert set(FULL) == set(MODEL.shape_for("DecisionType").enum) - {"ScheduleLambdaFunction"}
    for name, (_, attributes) in FULL.items():
        shape = MODEL.shape_for(f"{name}DecisionAttributes")
        unused = {"lambdaRole"} | ({"runId"} if name == "RequestCancelExternalWorkflowExecution" else set())
        assert set(attributes) == set(shape.members) - unused, name


@pytest.mark.parametrize(("name", "cases"), [(name, cases) for cases in (FULL, BARE) for name in cases])
def test_a_decision_is_written(name: str, cases: dict[str, tuple[Decision, dict[str, Any]]]) -> None:
    decision, attributes = cases[name]
    member = f"{name[0].lower()}{name[1:]}DecisionAttributes"
    assert encode_decisions([decision]) == [{"decisionType": name, member: attributes}]
    assert accepts("RespondDecisionTaskCompleted", complete_decision_task("token", [decision]))


# --- any decision ----------------------------------------------------------------------------------------

characters = st.characters(exclude_categories=["Cc", "Cs"], exclude_characters=":/|")
names = st.text(characters, min_size=1, max_size=128).filter(lambda name: name != "arn")
task_lists = names.filter(lambda name: name == name.strip())
versions = st.text(characters, min_size=1, max_size=32).filter(lambda name: name != "arn")
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=128)
labels = texts.filter(bool)
payloads = st.none() | st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
durations = st.integers(0, 99_999_999) | st.floats(0, 99_999_999)
timeouts = st.just(UNSET) | st.none() | durations
priorities = st.just(UNSET) | st.integers(-(2**31), 2**31 - 1)
policies = st.just(UNSET) | st.sampled_from(ChildPolicy)
tags = st.lists(texts, max_size=5)
processes = st.builds(ProcessRef, names, st.text(characters, max_size=32))
process_settings: dict[str, st.SearchStrategy[Any]] = {
    "tags": tags,
    "task_list": st.just(UNSET) | task_lists,
    "task_priority": priorities,
    "execution_timeout": timeouts,
    "decision_timeout": timeouts,
    "child_policy": policies,
}

steps: st.SearchStrategy[Decision] = st.one_of(
    st.builds(
        ScheduleActivityDecision,
        names,
        payloads,
        id=names,
        control=payloads,
        version=versions,
        schedule_to_start_timeout=timeouts,
        start_to_close_timeout=timeouts,
        schedule_to_close_timeout=timeouts,
        heartbeat_timeout=timeouts,
        task_list=st.just(UNSET) | task_lists,
        task_priority=priorities,
    ),
    st.builds(CancelActivityDecision, names),
    st.builds(StartTimerDecision, durations, id=names, control=payloads),
    st.builds(CancelTimerDecision, names),
    st.builds(RecordMarkerDecision, labels, payloads),
    st.builds(
        StartChildProcessDecision, names, payloads, id=names, control=payloads, version=versions, **process_settings
    ),
    st.builds(SignalProcessDecision, processes, labels, payloads, control=payloads),
    st.builds(RequestCancelProcessDecision, processes, control=payloads),
)
endings: st.SearchStrategy[Decision] = st.one_of(
    st.builds(CompleteProcessDecision, payloads),
    st.builds(FailProcessDecision, st.none() | texts, payloads),
    st.builds(CancelProcessDecision, payloads),
    st.builds(ContinueAsNewDecision, payloads, workflow_version=st.none() | versions, **process_settings),
)
batches = st.builds(lambda some, last: [*some, *last], st.lists(steps, max_size=4), st.lists(endings, max_size=1))


@settings(max_examples=60, deadline=None)
@given(batches)
def test_the_service_takes_any_decisions(batch: list[Decision]) -> None:
    parameters = complete_decision_task("token", batch, execution_context="c", task_list="l")
    assert accepts("RespondDecisionTaskCompleted", parameters)
    assert json.loads(json.dumps(parameters)) == parameters


def test_the_service_model_is_read_strictly() -> None:
    wrong = {
        "taskToken": "",
        "taskList": {"name": "a:b"},
        "executionContext": "x" * 32_769,
        "taskListScheduleToStartTimeout": "1.5",
        "decisions": [
            {"decisionType": "Dance"},
            {
                "decisionType": "StartTimer",
                "startTimerDecisionAttributes": {"timerId": "t", "startToFireTimeout": "NONE"},
            },
            {
                "decisionType": "ContinueAsNewWorkflowExecution",
                "continueAsNewWorkflowExecutionDecisionAttributes": {"tagList": list("abcdef")},
            },
        ],
    }
    assert len(flaws("RespondDecisionTaskCompleted", wrong)) == 7


# --- limits ----------------------------------------------------------------------------------------------

LONG = Json('"' + "x" * 32_767 + '"')
ASTRAL = "🎈" * 129  # 258 UTF-16 units

TOO_LONG: dict[str, tuple[Callable[[], Decision], str]] = {
    "input": (lambda: ScheduleActivityDecision("A", LONG, id="a"), "input has 32,769 .* takes 32,768"),
    "control": (lambda: ScheduleActivityDecision("A", id="a", control=LONG), "control has 32,769"),
    "result": (lambda: CompleteProcessDecision(LONG), "result has 32,769"),
    "details": (lambda: FailProcessDecision("r", LONG), "details has 32,769"),
    "details of a marker": (lambda: RecordMarkerDecision("m", LONG), "details has 32,769"),
    "control of a timer": (lambda: StartTimerDecision(1, id="t", control=LONG), "control has 32,769"),
    "balloons": (lambda: CompleteProcessDecision("🎈" * 16_384), "result has 32,770"),
    "activity id": (lambda: ScheduleActivityDecision("A", id=ASTRAL), "id must have at most 256 .* has 258"),
    "activity": (lambda: ScheduleActivityDecision(ASTRAL, id="a"), "activity name must have at most 256"),
    "version": (lambda: ScheduleActivityDecision("A", id="a", version="🎈" * 33), "activity version .* at most 64"),
    "timer id": (lambda: StartTimerDecision(1, id=ASTRAL), "id must have at most 256"),
    "timer to cancel": (lambda: CancelTimerDecision(ASTRAL), "id must have at most 256"),
    "marker": (lambda: RecordMarkerDecision(ASTRAL), "marker must have at most 256"),
    "signal": (lambda: SignalProcessDecision("p", ASTRAL), "signal must have at most 256"),
    "target": (lambda: RequestCancelProcessDecision(ASTRAL), "process id must have at most 256"),
    "run": (lambda: SignalProcessDecision(ProcessRef("p", "🎈" * 33), "s"), "process run id .* at most 64"),
    "task list": (lambda: ScheduleActivityDecision("A", id="a", task_list=ASTRAL), "task_list must have at most 256"),
    "a tag": (lambda: ContinueAsNewDecision(tags=["a", ASTRAL]), r"tags\[1\] must have at most 256"),
    "many tags": (
        lambda: StartChildProcessDecision("W", id="c", tags=list("abcdef")),
        r"tags are 6, and a process has at most 5 on Amazon SWF: \('a', ",
    ),
    "no id": (lambda: ScheduleActivityDecision("A"), "id must be a str, not None"),
    "no timer id": (lambda: StartTimerDecision(1), "id must be a str, not None"),
    "no child id": (lambda: StartChildProcessDecision("W"), "id must be a str, not None"),
}


@pytest.mark.parametrize("case", TOO_LONG)
def test_what_the_service_would_refuse_is_refused_before(case: str) -> None:
    make, message = TOO_LONG[case]
    decision = make()
    with pytest.raises(InvalidDecisionError, match=f"^decision 2, a {type(decision).__name__}: {message}"):
        encode_decisions([RecordMarkerDecision("m"), decision])


def test_what_is_just_short_enough_is_taken() -> None:
    decisions = [
        CompleteProcessDecision(Json('"' + "x" * 32_766 + '"')),
        CompleteProcessDecision("🎈" * 16_383),
        ScheduleActivityDecision("🎈" * 128, id="x" * 256, version="v" * 64),
    ]
    for decision in decisions:
        assert accepts("RespondDecisionTaskCompleted", complete_decision_task("token", [decision]))


def test_a_reason_is_cut_rather_than_refused() -> None:
    (encoded,) = encode_decisions([FailProcessDecision(ASTRAL)])
    assert encoded["failWorkflowExecutionDecisionAttributes"] == {"reason": "🎈" * 127 + "…"}


def test_a_role_is_handed_down_to_children_and_new_runs() -> None:
    role = "arn:aws:iam::123456789012:role/swf-lambda"
    decisions = [RecordMarkerDecision("m"), StartChildProcessDecision("W", id="c"), ContinueAsNewDecision()]
    parameters = complete_decision_task("token", decisions, lambda_role=role)
    assert accepts("RespondDecisionTaskCompleted", parameters)
    attributes = [list(encoded.values())[1] for encoded in encode_decisions(decisions, lambda_role=role)]
    assert attributes == [
        {"markerName": "m"},
        {"workflowId": "c", "workflowType": {"name": "W", "version": "1"}, "lambdaRole": role},
        {"lambdaRole": role},
    ]


def test_the_cause_of_a_refused_decision_is_chained() -> None:
    with pytest.raises(InvalidDecisionError) as raised:
        encode_decisions([CompleteProcessDecision(LONG)])
    assert isinstance(raised.value.__cause__, PayloadTooLargeError)


@pytest.mark.parametrize("garbage", ["complete", None, CompleteProcessDecision, Decision(), 7])
def test_what_is_no_decision_is_refused(garbage: Any) -> None:
    with pytest.raises(InvalidDecisionError, match=r"^decision 1, .*, is no decision"):
        encode_decisions([garbage])


@pytest.mark.parametrize(
    "closing", [CompleteProcessDecision(), FailProcessDecision(), CancelProcessDecision(), ContinueAsNewDecision()]
)
def test_a_closing_decision_must_be_the_last(closing: Decision) -> None:
    with pytest.raises(InvalidDecisionError, match=r"^decision 1, .* must be the last of the 2"):
        encode_decisions([closing, RecordMarkerDecision("m")])
    assert len(encode_decisions([RecordMarkerDecision("m"), closing])) == 2


def test_decisions_may_be_too_many() -> None:
    marker = RecordMarkerDecision("m")
    assert len(encode_decisions([marker] * 1_000)) == 1_000
    with pytest.raises(InvalidDecisionError, match="1,001 decisions are too many"):
        encode_decisions([marker] * 1_001)
