"""Timeouts in white space."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioworkflow.backends.swf.decode import activity_task
from aioworkflow.backends.swf.encode_decisions import encode_decisions
from aioworkflow.backends.swf.limits import PAYLOAD_LIMIT
from aioworkflow.backends.swf.told_timeouts import TOLD_LENGTH, ToldTimeouts, tell, told
from aioworkflow.decision import ScheduleActivityDecision
from aioworkflow.payload import Json
from aioworkflow.types import UNSET, ActivityType, TypeRef

timeouts = st.one_of(st.none(), st.just(UNSET), st.integers(0, 99_999_999).map(float))


@given(heartbeat=timeouts, start_to_close=timeouts, spaces=st.text(" \t\r\n"), value=st.none() | st.integers())
def test_what_is_told_is_read_and_the_input_is_as_it_was(
    heartbeat: Any, start_to_close: Any, spaces: str, value: int | None
) -> None:
    bare = json.dumps(value) + spaces
    given = ToldTimeouts(heartbeat, start_to_close)
    text = bare + tell(given)
    assert told(text) == (bare, given)
    assert json.loads(text) == value


def test_nothing_is_written_if_there_is_nothing_to_tell() -> None:
    assert tell(ToldTimeouts()) == ""
    assert len(tell(ToldTimeouts(None))) == TOLD_LENGTH


@pytest.mark.parametrize(
    "text",
    ["", "1", '{"n": 1}\n', " " * 50, "\t \r\t", "\t \r\t" + " " * 26 + "x ", "1" + "\t \r\t" + " " * 27],
)
def test_other_texts_are_left_alone(text: str) -> None:
    assert told(text) == (text, ToldTimeouts())


def sent(*args: Any, **settings: Any) -> dict[str, Any]:
    (encoded,) = encode_decisions([ScheduleActivityDecision("Act", *args, id="a", **settings)])
    attributes: Any = encoded["scheduleActivityTaskDecisionAttributes"]
    return dict(attributes)


def received(input: str | None, **defaults: Any) -> Any:
    task = {
        "taskToken": "t",
        "activityId": "a",
        "activityType": {"name": "Act", "version": "1"},
        "startedEventId": 6,
        "workflowExecution": {"workflowId": "w", "runId": "r"},
    }
    if input is not None:
        task["input"] = input
    ref = TypeRef("Act")
    return activity_task(json.dumps(task).encode(), {ref: ActivityType(ref=ref, **defaults)})


@pytest.mark.parametrize(
    ("settings", "heartbeat", "start_to_close"),
    [
        ({}, 20.0, 60.0),
        ({"heartbeat_timeout": 4.5}, 5.0, 60.0),
        ({"heartbeat_timeout": None, "start_to_close_timeout": 3600}, None, 3600.0),
    ],
)
@pytest.mark.parametrize("input", [None, {"n": [1]}])
def test_a_worker_knows_what_the_decision_says_and_else_what_the_type_says(
    settings: dict[str, Any], heartbeat: float | None, start_to_close: float | None, input: Any
) -> None:
    task = received(sent(input, **settings).get("input"), heartbeat_timeout=20.0, start_to_close_timeout=60.0)
    assert (task.heartbeat_timeout, task.start_to_close_timeout) == (heartbeat, start_to_close)
    assert task.input_json == (None if input is None else '{"n":[1]}')


def test_an_input_without_room_goes_without() -> None:
    longest = Json("1" * (PAYLOAD_LIMIT - TOLD_LENGTH))
    assert len(sent(longest, heartbeat_timeout=5)["input"]) == PAYLOAD_LIMIT
    longer = Json("1" * (PAYLOAD_LIMIT - TOLD_LENGTH + 1))
    assert sent(longer, heartbeat_timeout=5)["input"] == longer
