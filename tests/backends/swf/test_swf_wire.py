"""Durations, payloads and reasons on the wire of Amazon SWF, both ways."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aioworkflow import payload
from aioworkflow.backends.swf.limits import check_reason, length
from aioworkflow.backends.swf.wire import (
    aborted_details,
    cut_details,
    execution_seconds,
    json_text,
    read_aborted_details,
    read_seconds,
    seconds,
)
from aioworkflow.errors import InvalidRequestError, PayloadTooLargeError

DEEP = "[" * 200_000 + "]" * 200_000
"""JSON that is nested too deeply to be read."""

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


# --- durations -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_", "written"),
    [
        (None, "NONE"),
        (0, "0"),
        (0.0, "0"),
        (1e-9, "1"),
        (1, "1"),
        (1.0, "1"),
        (59.01, "60"),
        (99_999_998.5, "99999999"),
        (99_999_999, "99999999"),
    ],
)
def test_durations_are_whole_seconds_rounded_up(given_: float | None, written: str) -> None:
    assert seconds(given_, "timeout") == written


@pytest.mark.parametrize("wrong", [-1, -0.1, 1e8, float("nan"), float("inf"), "1", True, [1]])
def test_other_durations_are_refused(wrong: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^timeout must be 0 to 99,999,999 seconds, not "):
        seconds(wrong, "timeout")


def test_a_delay_cannot_be_without_limit() -> None:
    with pytest.raises(InvalidRequestError, match=r"^delay must be 0 to 99,999,999 seconds, not None"):
        seconds(None, "delay", optional=False)


@pytest.mark.parametrize(
    ("given_", "written"),
    [
        (60, "60"),
        (31_535_999.5, "31536000"),
        (31_536_000, "31536000"),
        (31_536_001, "31536000"),
        (99_999_999, "31536000"),
        (None, "31536000"),
    ],
)
def test_a_process_stays_open_for_a_year_at_most(given_: float | None, written: str) -> None:
    assert execution_seconds(given_) == written


@pytest.mark.parametrize(("text", "read"), [("NONE", None), (None, None), ("0", 0.0), ("300", 300.0)])
def test_durations_are_read(text: str | None, read: float | None) -> None:
    assert read_seconds(text) == read


# --- payloads --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["null", "1", '"a"', "[1, 2]", ' {"a" : 1e999} ', '"\\ud83c\\udf88"', "-0.5"])
def test_json_is_left_as_it_is(text: str) -> None:
    assert json_text(text) is text


@pytest.mark.parametrize("text", ["", "hello", "{", "[1,]", "01", "NaN", "'a'", "a\nb", "é🎈", DEEP])
def test_text_that_is_no_json_becomes_a_string(text: str) -> None:
    assert json.loads(json_text(text)) == text


@settings(max_examples=100, deadline=None)
@given(texts)
def test_any_text_can_be_read(text: str) -> None:
    assert payload.decode(json_text(text)) == payload.decode(text)


# --- heartbeats ------------------------------------------------------------------------------------------


def test_short_details_are_left_as_they_are() -> None:
    details = '"' + "x" * 2_046 + '"'
    assert cut_details(details) is details


def test_long_details_are_cut_visibly() -> None:
    details = '["' + "x" * 2_046 + '"]'
    kept = json.loads(cut_details(details))
    assert kept.startswith('["xxx')
    assert kept.endswith("x… (cut: 2,050 characters of JSON)")
    assert 2_000 < len(cut_details(details)) <= 2_048


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20), st.integers(100, 3_000))
@example('"', 3_000)
@example("\\", 2_000)
@example("🎈", 3_000)
@example("\x7f\x01", 3_000)
def test_any_details_fit_after_the_cut(piece: str, times: int) -> None:
    details = payload.encode(piece * times)
    cut = cut_details(details)
    assert length(cut) <= 2_048
    shown, mark, _ = json.loads(cut).rpartition("… (cut: ") if cut != details else (details, "", "")
    assert details.startswith(shown)
    assert bool(mark) == (length(details) > 2_048)


def test_details_of_a_heartbeat_are_text() -> None:
    with pytest.raises(InvalidRequestError, match="details must be JSON text, not 7"):
        cut_details(7)  # type: ignore[arg-type]


# --- aborted activities ----------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=256), values)
@example(None, None)
@example("", None)
@example("why", {"aborted": {"reason": "other"}})
@example(None, {"aborted": {"reason": "other"}})
def test_reason_and_details_come_back(reason: str | None, value: object) -> None:
    reason = None if reason is None else check_reason(reason)  # which may cut it
    details = payload.encode_optional(value)
    text = aborted_details(reason, details)
    assert ((None, None) if text is None else read_aborted_details(text)) == (reason, details)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "stopped",
        '{"aborted":{"reason":7}}',
        '{"aborted":{"reason":"a"},"more":1}',
        '{"aborted":{"reason":"a","more":1}}',
        '{"aborted":{',
        '{"aborted": {"reason": "with spaces"}}',
        '{"aborted":{"details":' + DEEP + "}}",
    ],
)
def test_details_of_others_are_details(text: str) -> None:
    assert read_aborted_details(text) == (None, json_text(text))


def test_reason_and_details_are_within_the_limits() -> None:
    aborted_details(None, '"' + "x" * 32_766 + '"')
    with pytest.raises(PayloadTooLargeError, match="details has 32,769"):
        aborted_details(None, '"' + "x" * 32_767 + '"')
    with pytest.raises(PayloadTooLargeError, match=r"details \(with the reason\) has 32,8"):
        aborted_details("why", '"' + "x" * 32_766 + '"')
    with pytest.raises(InvalidRequestError, match="reason must be 0 to 256"):
        aborted_details("x" * 257, None)
