"""The twelve decisions: what constructors make of their arguments, and what they refuse."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import aioworkflow.decision as vocabulary
from aioworkflow.activity import Activity, activity
from aioworkflow.decision import (
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
from aioworkflow.errors import InvalidRequestError, PayloadError
from aioworkflow.event import (
    ActivityScheduledEvent,
    ProcessStartedEvent,
    StartChildProcessInitiatedEvent,
    TimerStartedEvent,
)
from aioworkflow.payload import Json
from aioworkflow.process import Process
from aioworkflow.types import UNSET, ChildPolicy, ProcessRef, TypeRef
from aioworkflow.workflow import Workflow

NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)


class FooActivity(Activity):
    heartbeat_timeout = 30
    start_to_close_timeout = timedelta(minutes=1)
    schedule_to_close_timeout = None
    task_list = "foo"


class BarWorkflow(Workflow):
    version = "3"
    execution_timeout = timedelta(days=1)
    child_policy = ChildPolicy.ABANDON


@activity(task_priority=3)
async def charge(cents: int) -> str:
    raise NotImplementedError


def fields(decision: Decision) -> dict[str, object]:
    """Return the fields of a decision that say something."""
    pairs = {name: getattr(decision, name) for name in decision.__slots__}
    return {name: value for name, value in pairs.items() if value is not UNSET and value is not None and value != ()}


FOO_SETTINGS = {"heartbeat_timeout": 30.0, "start_to_close_timeout": 60.0, "task_list": "foo"}

MADE: list[tuple[Decision, dict[str, object]]] = [
    (ScheduleActivityDecision("Foo"), {"activity": TypeRef("Foo")}),
    (ScheduleActivityDecision("Foo", version="2"), {"activity": TypeRef("Foo", "2")}),
    (ScheduleActivityDecision(TypeRef("Foo", "2")), {"activity": TypeRef("Foo", "2")}),
    (ScheduleActivityDecision(FooActivity, [1]), {"activity": TypeRef("Foo"), "input_json": "[1]", **FOO_SETTINGS}),
    (ScheduleActivityDecision(FooActivity()), {"activity": TypeRef("Foo"), **FOO_SETTINGS}),
    (
        ScheduleActivityDecision(FooActivity, heartbeat_timeout=None, task_list="bar", start_to_close_timeout=2),
        {"activity": TypeRef("Foo"), "start_to_close_timeout": 2.0, "task_list": "bar"},
    ),
    (
        ScheduleActivityDecision(charge, charge.input_for(5), id="c", control={"try": 1}),
        {
            "id": "c",
            "activity": TypeRef("charge"),
            "input_json": "5",
            "control_json": '{"try":1}',
            "task_priority": 3,
        },
    ),
    (
        ScheduleActivityDecision(
            "Foo",
            Json("{}"),
            schedule_to_start_timeout=1,
            schedule_to_close_timeout=timedelta(seconds=2),
            task_priority=-1,
        ),
        {
            "activity": TypeRef("Foo"),
            "input_json": "{}",
            "schedule_to_start_timeout": 1.0,
            "schedule_to_close_timeout": 2.0,
            "task_priority": -1,
        },
    ),
    (CancelActivityDecision("a"), {"id": "a"}),
    (CancelActivityDecision(ScheduleActivityDecision("Foo", id="a")), {"id": "a"}),
    (
        CancelActivityDecision(
            ActivityScheduledEvent(
                event_id=4,
                timestamp=NOON,
                activity_id="a",
                activity=TypeRef("Foo"),
                task_list="d",
                decision_completed_event_id=3,
            )
        ),
        {"id": "a"},
    ),
    (CompleteProcessDecision(), {}),
    (CompleteProcessDecision({"total": 5}), {"result_json": '{"total":5}'}),
    (FailProcessDecision(), {}),
    (FailProcessDecision("no stock", ["a"]), {"reason": "no stock", "details_json": '["a"]'}),
    (FailProcessDecision("r" * 300), {"reason": "r" * 255 + "…"}),
    (CancelProcessDecision(), {}),
    (CancelProcessDecision("late"), {"details_json": '"late"'}),
    (ContinueAsNewDecision(), {}),
    (
        ContinueAsNewDecision(
            3,
            workflow_version="4",
            tags=["vip"],
            task_list="x",
            task_priority=1,
            execution_timeout=timedelta(hours=1),
            decision_timeout=5,
            child_policy=ChildPolicy.TERMINATE,
        ),
        {
            "input_json": "3",
            "workflow_version": "4",
            "tags": ("vip",),
            "task_list": "x",
            "task_priority": 1,
            "execution_timeout": 3600.0,
            "decision_timeout": 5.0,
            "child_policy": ChildPolicy.TERMINATE,
        },
    ),
    (StartTimerDecision(0), {"delay": 0.0}),
    (StartTimerDecision(timedelta(days=30), id="t", control=1), {"delay": 2_592_000.0, "id": "t", "control_json": "1"}),
    (CancelTimerDecision("t"), {"id": "t"}),
    (CancelTimerDecision(StartTimerDecision(1, id="t")), {"id": "t"}),
    (
        CancelTimerDecision(
            TimerStartedEvent(event_id=4, timestamp=NOON, timer_id="t", delay=1, decision_completed_event_id=3)
        ),
        {"id": "t"},
    ),
    (RecordMarkerDecision("a/b"), {"marker": "a/b"}),
    (RecordMarkerDecision("m", 5), {"marker": "m", "details_json": "5"}),
    (
        StartChildProcessDecision(BarWorkflow, "in", tags=("a", "b")),
        {
            "workflow": TypeRef("Bar", "3"),
            "input_json": '"in"',
            "tags": ("a", "b"),
            "execution_timeout": 86_400.0,
            "child_policy": ChildPolicy.ABANDON,
        },
    ),
    (
        StartChildProcessDecision(
            "Bar",
            id="bar-1",
            version="2",
            control=[],
            task_list="x",
            task_priority=2,
            execution_timeout=3,
            decision_timeout=4,
            child_policy=ChildPolicy.REQUEST_CANCEL,
        ),
        {
            "id": "bar-1",
            "workflow": TypeRef("Bar", "2"),
            "control_json": "[]",
            "task_list": "x",
            "task_priority": 2,
            "execution_timeout": 3.0,
            "decision_timeout": 4.0,
            "child_policy": ChildPolicy.REQUEST_CANCEL,
        },
    ),
    (SignalProcessDecision("p", "go"), {"process": ProcessRef("p"), "signal": "go"}),
    (
        SignalProcessDecision(ProcessRef("p", "r"), "go", 5, control=6),
        {"process": ProcessRef("p", "r"), "signal": "go", "input_json": "5", "control_json": "6"},
    ),
    (
        SignalProcessDecision(
            Process(
                ProcessRef("p", "r"),
                [
                    ProcessStartedEvent(
                        event_id=1,
                        timestamp=NOON,
                        workflow=TypeRef("Bar"),
                        task_list="d",
                        child_policy=ChildPolicy.TERMINATE,
                    )
                ],
            ),
            "go",
        ),
        {"process": ProcessRef("p", "r"), "signal": "go"},
    ),
    (RequestCancelProcessDecision("p", control=1), {"process": ProcessRef("p"), "control_json": "1"}),
    (RequestCancelProcessDecision(StartChildProcessDecision("Bar", id="b")), {"process": ProcessRef("b")}),
    (
        RequestCancelProcessDecision(
            StartChildProcessInitiatedEvent(
                event_id=4,
                timestamp=NOON,
                process_id="b",
                workflow=TypeRef("Bar"),
                task_list="d",
                child_policy=ChildPolicy.TERMINATE,
                decision_completed_event_id=3,
            )
        ),
        {"process": ProcessRef("b")},
    ),
]


@pytest.mark.parametrize(("decision", "expected"), MADE)
def test_a_constructor_normalises(decision: Decision, expected: dict[str, object]) -> None:
    made = fields(decision)
    assert made == expected
    assert {name: type(value) for name, value in made.items()} == {
        name: type(value) for name, value in expected.items()
    } | ({"input_json": str} if "input_json" in made else {})


@pytest.mark.parametrize("decision", [decision for decision, _ in MADE])
def test_a_decision_is_a_frozen_value(decision: Decision) -> None:
    twin = copy.copy(decision)
    assert twin == decision
    assert hash(twin) == hash(decision)
    assert pickle.loads(pickle.dumps(decision)) == decision
    assert decision != object()
    assert not hasattr(decision, "__dict__")
    for name in decision.__slots__:
        with pytest.raises(AttributeError):
            setattr(decision, name, None)


def test_all_twelve_are_there_and_differ() -> None:
    kinds = {type(made) for made, _ in MADE}
    assert {kind.__name__ for kind in kinds} == set(vocabulary.__all__) - {"CLOSING_DECISIONS", "Decision"}
    assert len(kinds) == 12
    assert kinds > set(CLOSING_DECISIONS)
    alike: list[Decision] = [CompleteProcessDecision(), CancelProcessDecision()]
    assert alike[0] != alike[1]


def test_a_payload_is_encoded_at_once_and_decoded_anew() -> None:
    value = {"a": [1]}
    decision = ScheduleActivityDecision("Foo", value, control=value)
    value["a"].append(2)
    assert decision.input == {"a": [1]}
    assert decision.control == {"a": [1]}
    assert CompleteProcessDecision(value).result == {"a": [1, 2]}
    assert FailProcessDecision(details=value).details == value
    assert CancelProcessDecision(value).details == value
    assert RecordMarkerDecision("m", value).details == value
    assert ContinueAsNewDecision(value).input == value
    assert StartTimerDecision(1, control=value).control == value
    child = StartChildProcessDecision("Bar", value, control=value)
    assert (child.input, child.control) == (value, value)
    signal = SignalProcessDecision("p", "go", value, control=value)
    assert (signal.input, signal.control) == (value, value)
    assert RequestCancelProcessDecision("p", control=value).control == value


def test_repr_shows_what_is_said() -> None:
    decision = ScheduleActivityDecision("Foo", 5, id="a", heartbeat_timeout=3)
    assert repr(decision) == (
        "ScheduleActivityDecision(id='a', activity=TypeRef(name='Foo', version='1'), input_json='5', "
        "heartbeat_timeout=3.0)"
    )
    assert repr(CompleteProcessDecision()) == "CompleteProcessDecision()"


def test_an_id_can_be_given_later() -> None:
    decision = ScheduleActivityDecision(FooActivity, 5)
    with_id = decision.with_id("a")
    assert with_id == ScheduleActivityDecision(FooActivity, 5, id="a")
    assert decision.id is None
    assert StartTimerDecision(1).with_id("t").id == "t"
    with pytest.raises(InvalidRequestError, match="id must not contain ':'"):
        decision.with_id("a:b")
    with pytest.raises(InvalidRequestError, match="a CompleteProcessDecision has no id"):
        CompleteProcessDecision().with_id("a")


NAN = float("nan")

REFUSED: list[tuple[Any, tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    (ScheduleActivityDecision, (None,), {}, InvalidRequestError, "an activity must be"),
    (ScheduleActivityDecision, (Activity,), {}, InvalidRequestError, "subclass it"),
    (ScheduleActivityDecision, (BarWorkflow,), {}, InvalidRequestError, "an activity must be"),
    (ScheduleActivityDecision, (len,), {}, InvalidRequestError, "an activity must be"),
    (ScheduleActivityDecision, ("a/b",), {}, InvalidRequestError, "activity must not contain '/'"),
    (ScheduleActivityDecision, (FooActivity,), {"version": "2"}, InvalidRequestError, "version goes with the name"),
    (ScheduleActivityDecision, ("Foo",), {"version": 2}, InvalidRequestError, "version must be a str"),
    (ScheduleActivityDecision, ("Foo",), {"version": []}, InvalidRequestError, "name and version must be str"),
    (ScheduleActivityDecision, ("Foo", object()), {}, PayloadError, "object has no JSON form"),
    (ScheduleActivityDecision, ("Foo", NAN), {}, PayloadError, "nan is no JSON number"),
    (ScheduleActivityDecision, ("Foo",), {"control": {1j}}, PayloadError, "complex has no JSON form"),
    (ScheduleActivityDecision, ("Foo",), {"id": ""}, InvalidRequestError, "id must be 1 to 256"),
    (ScheduleActivityDecision, ("Foo",), {"id": "arn"}, InvalidRequestError, "id must not be the word 'arn'"),
    (ScheduleActivityDecision, ("Foo",), {"id": 7}, InvalidRequestError, "id must be a str, not 7"),
    (ScheduleActivityDecision, ("Foo",), {"start_to_close_timeout": -1}, InvalidRequestError, "start_to_close_timeout"),
    (ScheduleActivityDecision, ("Foo",), {"heartbeat_timeout": NAN}, InvalidRequestError, "heartbeat_timeout must be"),
    (ScheduleActivityDecision, ("Foo",), {"schedule_to_start_timeout": 1e99}, InvalidRequestError, "_start_timeout"),
    (ScheduleActivityDecision, ("Foo",), {"schedule_to_close_timeout": "1"}, InvalidRequestError, "_close_timeout"),
    (ScheduleActivityDecision, ("Foo",), {"task_list": None}, InvalidRequestError, "task_list must be a str"),
    (ScheduleActivityDecision, ("Foo",), {"task_priority": "1"}, InvalidRequestError, "task_priority must be an int"),
    (CancelActivityDecision, (None,), {}, InvalidRequestError, "id of the activity must be a str, not None"),
    (CancelActivityDecision, (ScheduleActivityDecision("Foo"),), {}, InvalidRequestError, "id of the activity must be"),
    (CancelActivityDecision, (StartTimerDecision(1),), {}, InvalidRequestError, "id of the activity must be a str"),
    (CompleteProcessDecision, (object(),), {}, PayloadError, "object has no JSON form"),
    (FailProcessDecision, (7,), {}, InvalidRequestError, "reason must be a str"),
    (FailProcessDecision, (ValueError("x"),), {}, InvalidRequestError, "reason must be a str, not ValueError"),
    (FailProcessDecision, ("x", object()), {}, PayloadError, "object has no JSON form"),
    (CancelProcessDecision, (object(),), {}, PayloadError, "object has no JSON form"),
    (ContinueAsNewDecision, (object(),), {}, PayloadError, "object has no JSON form"),
    (
        ContinueAsNewDecision,
        (),
        {"workflow_version": "v" * 65},
        InvalidRequestError,
        "workflow_version must be 1 to 64",
    ),
    (ContinueAsNewDecision, (), {"tags": "vip"}, InvalidRequestError, "tags must be a list"),
    (ContinueAsNewDecision, (), {"child_policy": None}, InvalidRequestError, "child_policy must be one of"),
    (ContinueAsNewDecision, (), {"execution_timeout": -1}, InvalidRequestError, "execution_timeout must be"),
    (ContinueAsNewDecision, (), {"decision_timeout": True}, InvalidRequestError, "decision_timeout must be"),
    (ContinueAsNewDecision, (), {"task_list": ""}, InvalidRequestError, "task_list must be"),
    (ContinueAsNewDecision, (), {"task_priority": None}, InvalidRequestError, "task_priority must be"),
    (StartTimerDecision, (None,), {}, InvalidRequestError, "delay must be seconds, a timedelta, not None"),
    (StartTimerDecision, (-0.1,), {}, InvalidRequestError, "delay must be 0 to"),
    (StartTimerDecision, (NAN,), {}, InvalidRequestError, "delay must be 0 to"),
    (StartTimerDecision, (10**30,), {}, InvalidRequestError, "delay must be 0 to"),
    (StartTimerDecision, (1,), {"id": "a:b"}, InvalidRequestError, "id must not contain ':'"),
    (StartTimerDecision, (1,), {"control": object()}, PayloadError, "object has no JSON form"),
    (CancelTimerDecision, (StartTimerDecision(1),), {}, InvalidRequestError, "id of the timer must be a str, not None"),
    (CancelTimerDecision, (5,), {}, InvalidRequestError, "id of the timer must be a str, not 5"),
    (RecordMarkerDecision, ("",), {}, InvalidRequestError, "marker must be 1 to 256"),
    (RecordMarkerDecision, (None,), {}, InvalidRequestError, "marker must be a str"),
    (RecordMarkerDecision, ("m", object()), {}, PayloadError, "object has no JSON form"),
    (StartChildProcessDecision, (FooActivity,), {}, InvalidRequestError, "a workflow must be"),
    (StartChildProcessDecision, (None,), {}, InvalidRequestError, "a workflow must be"),
    (StartChildProcessDecision, ("Bar",), {"id": "x" * 257}, InvalidRequestError, "id must be 1 to 256"),
    (StartChildProcessDecision, ("Bar",), {"tags": [7]}, InvalidRequestError, r"tags\[0\] must be a str"),
    (StartChildProcessDecision, ("Bar",), {"child_policy": "ABANDON"}, InvalidRequestError, "child_policy must be"),
    (StartChildProcessDecision, (BarWorkflow,), {"version": "1"}, InvalidRequestError, "version goes with the name"),
    (StartChildProcessDecision, ("Bar", object()), {}, PayloadError, "object has no JSON form"),
    (SignalProcessDecision, (None, "go"), {}, InvalidRequestError, "process must be a process id or a ProcessRef"),
    (SignalProcessDecision, ("", "go"), {}, InvalidRequestError, "process must be 1 to 256"),
    (SignalProcessDecision, ("p", ""), {}, InvalidRequestError, "signal must be 1 to 256"),
    (SignalProcessDecision, ("p", None), {}, InvalidRequestError, "signal must be a str"),
    (SignalProcessDecision, ("p", "go", object()), {}, PayloadError, "object has no JSON form"),
    (RequestCancelProcessDecision, (StartChildProcessDecision("Bar"),), {}, InvalidRequestError, "process must be a"),
    (
        RequestCancelProcessDecision,
        (7,),
        {},
        InvalidRequestError,
        "process must be a process id or a ProcessRef, not 7",
    ),
    (RequestCancelProcessDecision, (ProcessRef("p", "r" * 65),), {}, InvalidRequestError, "run_id must be 0 to 64"),
]


@pytest.mark.parametrize(("kind", "args", "kwargs", "error", "message"), REFUSED)
def test_garbage_is_refused_at_the_call(
    kind: Any, args: tuple[Any, ...], kwargs: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        kind(*args, **kwargs)
