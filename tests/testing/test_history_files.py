"""Histories in files: nothing is lost, and people can read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioworkflow.errors import InvalidRequestError
from aioworkflow.event import ActivityFailedEvent, ActivityScheduledEvent
from aioworkflow.process import Process
from aioworkflow.testing import read_history, write_history
from aioworkflow.testing.histories import _decode_event, _decode_fields, _readable, _spaced, _stored
from aioworkflow.types import TypeRef
from tests.test_event import KINDS, samples
from tests.written_history import History

HEAD = '{"format": "aioworkflow history", "version": 1, "process": {"id": "p", "run_id": "r"}, "events": '


def there_and_back(process: Process, directory: Path) -> Process:
    write_history(process, directory / "history.json")
    return read_history(directory / "history.json")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("required_only", [False, True])
def test_every_event_comes_back(kind: type[Any], required_only: bool) -> None:
    event = kind(**samples(kind, required_only=required_only))
    line = _spaced(_readable(event))
    assert b"_json" not in line
    assert _decode_event(_stored(_decode_fields(line))) == event


payloads = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
utf8 = st.text(st.characters(exclude_categories=["Cs"]))
"""What a store can hold."""


@given(
    st.lists(
        st.none()
        | utf8
        | payloads.map(lambda value: json.dumps(value, ensure_ascii=True))
        | payloads.map(lambda value: json.dumps(value, ensure_ascii=True, indent=1))
        | st.sampled_from(
            [" 1", "1 ", "1e400", "[1,\t2]", '{"a":1,"a":2}', '"\\ud800"', "NaN", "", "1.0", "1E2", "\u20281"]
        ),
        min_size=1,
    )
)
def test_payloads_come_back_to_the_letter(tmp_path_factory: pytest.TempPathFactory, texts: list[str | None]) -> None:
    history = History()
    for text in texts:
        history.result(
            ActivityScheduledEvent, activity_id="a", activity=TypeRef("Foo"), input_json=text, task_list="default"
        )
        history.close(ActivityFailedEvent, len(history.events), details_json=text, reason=text)
    process = history.process()
    found = there_and_back(process, tmp_path_factory.getbasetemp())
    assert (found.ref, found.history) == (process.ref, process.history)


def test_a_file_has_a_line_for_each_event_and_payloads_as_they_are(tmp_path: Path) -> None:
    history = History({"sku": ["ä"]}, tags=("vip",))
    history.decide()
    write_history(history.process(), tmp_path / "history.json")
    text = (tmp_path / "history.json").read_text(encoding="utf-8")
    assert (
        text
        == """{
  "format": "aioworkflow history",
  "version": 1,
  "process": {"id": "order-17", "run_id": "run-1"},
  "events": [
    {"type": "ProcessStarted", "event_id": 1, "timestamp": "2024-02-29T12:00:01Z", "workflow": ["Order","1"], \
"input": {"sku":["ä"]}, "task_list": "default", "child_policy": "TERMINATE", "tags": ["vip"]},
    {"type": "DecisionScheduled", "event_id": 2, "timestamp": "2024-02-29T12:00:02Z", "task_list": "default"},
    {"type": "DecisionStarted", "event_id": 3, "timestamp": "2024-02-29T12:00:03Z", "scheduled_event_id": 2},
    {"type": "DecisionCompleted", "event_id": 4, "timestamp": "2024-02-29T12:00:04Z", "scheduled_event_id": 2, \
"started_event_id": 3}
  ]
}
"""
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is no history that can be read: Input data was truncated"),
        ("[]", "Expected `object`, got `array`"),
        ('{"format": "recipe", "version": 1}', "its format is 'recipe', not 'aioworkflow history'"),
        (HEAD.replace("1,", "2,", 1) + "[]}", "version 2 of the format, this aioworkflow knows 1"),
        (HEAD + "7}", "Expected `array`, got `int`"),
        (HEAD + "[]}", "must begin with its start"),
        (HEAD + '[{"event_id": 1}]}', "missing required field `type`"),
        (HEAD + '[{"type": ["ProcessStarted"]}]}', r"Expected `str`"),
        (HEAD + '[{"type": "ProcessVanished"}]}', "Invalid value 'ProcessVanished'"),
        (HEAD + '[{"type": "ProcessStarted", "event_id": 1}]}', "missing required field `timestamp`"),
        ("\udcff", "is no history that can be read"),
    ],
)
def test_what_is_no_history_is_refused(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(InvalidRequestError, match=message) as raised:
        read_history(path)
    assert str(path) in str(raised.value)
