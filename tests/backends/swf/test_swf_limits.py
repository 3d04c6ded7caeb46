"""What Amazon SWF takes: lengths in UTF-16 units, characters, counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aioworkflow.backends.swf import limits
from aioworkflow.errors import InvalidRequestError, PayloadTooLargeError
from aioworkflow.types import ProcessRef, TypeRef
from tests.backends.swf.service_model import MODEL


@pytest.mark.parametrize(("text", "units"), [("", 0), ("abc", 3), ("é", 1), ("🎈", 2), ("a🎈é", 4), ("\ud83c", 1)])
def test_length_counts_utf_16_units(text: str, units: int) -> None:
    assert limits.length(text) == units


@pytest.mark.parametrize(
    ("shape", "limit"),
    [
        ("Data", limits.PAYLOAD_LIMIT),
        ("LimitedData", limits.HEARTBEAT_LIMIT),
        ("TagList", limits.TAGS_LIMIT),
        ("Arn", limits.ROLE_LIMIT),
        ("TaskToken", limits.TASK_TOKEN_LIMIT),
        ("PageToken", limits.PAGE_TOKEN_LIMIT),
        ("PageSize", limits.PAGE_LIMIT),
    ],
)
def test_the_limits_are_those_of_the_service_model(shape: str, limit: int) -> None:
    assert MODEL.shape_for(shape).metadata["max"] == limit


GOOD: list[tuple[Callable[[Any], object], Any, Any]] = [
    (lambda value: limits.check_text(value, "field", 4), "🎈🎈", "🎈🎈"),
    (lambda value: limits.check_name(value, "field"), "é" * 256, "é" * 256),
    (limits.check_task_list, "a list", "a list"),
    (lambda value: limits.check_type(value, "field"), TypeRef("A", "v" * 64), TypeRef("A", "v" * 64)),
    (limits.check_process, ProcessRef("a:b/c", ""), ProcessRef("a:b/c", "")),
    (limits.check_run, ProcessRef("p", "r"), ProcessRef("p", "r")),
    (limits.check_tags, ("a", "", "c"), ["a", "", "c"]),
    (limits.check_reason, "", ""),
    (limits.check_reason, "🎈" * 128, "🎈" * 128),
    (limits.check_reason, "🎈" * 129, "🎈" * 127 + "…"),
    (limits.check_reason, "a" + "🎈" * 128, "a" + "🎈" * 127 + "…"),
    (limits.check_page_size, 1_000, 1_000),
    (lambda value: limits.check_payload(value, "field"), "é" * 32_768, "é" * 32_768),
    (lambda value: limits.check_payload(value, "field"), "🎈" * 16_384, "🎈" * 16_384),
]


@pytest.mark.parametrize(("check", "value", "expected"), GOOD)
def test_what_is_right_passes(check: Callable[[Any], object], value: object, expected: object) -> None:
    assert check(value) == expected


WRONG: list[tuple[Callable[[Any], object], Any, str]] = [
    (
        lambda value: limits.check_text(value, "field", 4),
        "🎈🎈a",
        "field must have at most 4 characters, and this has 5",
    ),
    (lambda value: limits.check_text(value, "field", 4), "aaaaa", "field must be 0 to 4 characters long"),
    (lambda value: limits.check_name(value, "field"), "🎈" * 129, "field must have at most 256 .* has 258"),
    (lambda value: limits.check_name(value, "field"), "a\x7fb", r"field must not contain '\\x7f'"),
    (limits.check_task_list, "list ", "task_list must not begin or end with white space"),
    (lambda value: limits.check_type(value, "field"), ("A", "1"), "field must be a TypeRef"),
    (lambda value: limits.check_type(value, "field"), TypeRef("A", "v" * 65), "field version must be 1 to 64"),
    (limits.check_process, "p", "process must be a ProcessRef, not 'p'"),
    (limits.check_process, ProcessRef(""), "process id must be 1 to 256"),
    (limits.check_process, ProcessRef("p", "r" * 65), "process run id must be 0 to 64"),
    (limits.check_run, ProcessRef("p"), "process 'p' must have a run id"),
    (limits.check_tags, "abc", "tags must be a list of str"),
    (limits.check_tags, list("abcdef"), r"tags are 6, and a process has at most 5 on Amazon SWF: \('a', 'b'"),
    (limits.check_tags, ["🎈" * 129], r"tags\[0\] must have at most 256"),
    (limits.check_reason, "x" * 257, "reason must be 0 to 256"),
    (limits.check_page_size, True, "page_size must be 1 to 1,000, not True"),
    (lambda value: limits.check_payload(value, "field"), b"1", "field must be JSON text, not b'1'"),
    (lambda value: limits.check_payload(value, "field"), '"\udf88"', "field is not proper Unicode"),
]


@pytest.mark.parametrize(("check", "value", "message"), WRONG)
def test_what_is_wrong_is_told_with_field_limit_and_value(
    check: Callable[[Any], object], value: object, message: str
) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{message}"):
        check(value)


@pytest.mark.parametrize("text", ["é" * 32_769, "🎈" * 16_385, "x" * 100_000])
def test_a_long_payload_is_an_error_of_its_own(text: str) -> None:
    with pytest.raises(PayloadTooLargeError, match=r"^field has .* Amazon SWF takes 32,768: .* \(this one is '"):
        limits.check_payload(text, "field")
