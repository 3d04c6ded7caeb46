"""The rules for names, ids, texts, durations and tags (swf-reference 1.2, 1.3)."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from aioworkflow.checks import (
    LONGEST_DURATION,
    check_child_policy,
    check_duration,
    check_label,
    check_name,
    check_priority,
    check_process,
    check_reason,
    check_setting,
    check_tags,
    check_task_list,
    check_text,
    check_version,
    cut,
    name_part,
    show,
)
from aioworkflow.errors import InvalidRequestError
from aioworkflow.types import UNSET, ChildPolicy, ProcessRef


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class Text(str):
    __slots__ = ()


class Number(int):
    __slots__ = ()


GOOD: list[tuple[Callable[..., Any], Any, Any]] = [
    (check_name, "order 17, ünïcode 🙂", "order 17, ünïcode 🙂"),
    (check_name, "x" * 256, "x" * 256),
    (check_name, "arnold", "arnold"),
    (check_name, " ", " "),
    (check_version, "1.0-beta", "1.0-beta"),
    (check_version, "1" * 64, "1" * 64),
    (check_task_list, "default", "default"),
    (check_label, "a/b:c|d\n", "a/b:c|d\n"),
    (check_label, "s" * 256, "s" * 256),
    (check_reason, None, None),
    (check_reason, "", ""),
    (check_reason, "r" * 256, "r" * 256),
    (check_reason, "r" * 257, "r" * 255 + "…"),
    (check_duration, None, None),
    (check_duration, 0, 0.0),
    (check_duration, 1.5, 1.5),
    (check_duration, timedelta(minutes=1), 60.0),
    (check_duration, LONGEST_DURATION, 99_999_999.0),
    (check_priority, -(2**31), -(2**31)),
    (check_priority, 2**31 - 1, 2**31 - 1),
    (check_child_policy, ChildPolicy.ABANDON, ChildPolicy.ABANDON),
    (check_tags, [], ()),
    (check_tags, ["vip", ""], ("vip", "")),
    (check_tags, (tag for tag in ["a", "t" * 256]), ("a", "t" * 256)),
    (check_process, "order-17", ProcessRef("order-17")),
    (check_process, ProcessRef("order-17", "22X/+="), ProcessRef("order-17", "22X/+=")),
    (check_process, "22X/+=:1", ProcessRef("22X/+=:1")),
    (check_process, ProcessRef("arn", "a|b"), ProcessRef("arn", "a|b")),
]


@pytest.mark.parametrize(("check", "value", "expected"), GOOD)
def test_a_good_value_passes(check: Callable[..., Any], value: Any, expected: Any) -> None:
    assert check(value, "field") == expected


@pytest.mark.parametrize(
    "field", ["version", "task_list", "reason", "task_priority", "child_policy", "tags", "process"]
)
def test_checks_of_one_field_know_its_name(field: str) -> None:
    checks: dict[str, Callable[[Any], Any]] = {
        "version": check_version,
        "task_list": check_task_list,
        "reason": check_reason,
        "task_priority": check_priority,
        "child_policy": check_child_policy,
        "tags": check_tags,
        "process": check_process,
    }
    with pytest.raises(InvalidRequestError, match=f"^{field} must be"):
        checks[field](3.5)


BAD: list[tuple[Callable[..., Any], Any, str]] = [
    (check_name, "", "must be 1 to 256 characters long, and this has 0: ''"),
    (check_name, "x" * 257, "must be 1 to 256 characters long, and this has 257: 'xxx"),
    (check_name, None, "must be a str, not None"),
    (check_name, b"x", "must be a str, not b'x'"),
    (check_name, ["x"], r"must be a str, not \['x'\]"),
    (check_name, Unprintable(), "must be a str, not <Unprintable whose repr raises RuntimeError>"),
    (check_name, "a:b", "must not contain ':': 'a:b'"),
    (check_name, "a/b", "must not contain '/'"),
    (check_name, "a|b", r"must not contain '\|'"),
    (check_name, "a\nb", r"must not contain '\\n'"),
    (check_name, "a\0b", r"must not contain '\\x00'"),
    (check_name, "a\x7fb", r"must not contain '\\x7f'"),
    (check_name, "a\x9fb", r"must not contain '\\x9f'"),
    (check_name, "a\ud800b", r"must not contain '\\ud800'"),
    (check_name, "arn", "must not be the word 'arn'"),
    (check_version, "", "must be 1 to 64 characters"),
    (check_version, "1" * 65, "must be 1 to 64 characters long, and this has 65"),
    (check_version, 1, "must be a str, not 1"),
    (check_task_list, " default", "must not begin or end with white space: ' default'"),
    (check_task_list, "default\u00a0", "must not begin or end with white space"),
    (check_task_list, None, "must be a str"),
    (check_label, "", "must be 1 to 256 characters"),
    (check_label, "s" * 257, "must be 1 to 256 characters"),
    (check_label, "a\0", r"must not contain '\\x00'"),
    (check_label, "\udfff", r"must not contain '\\udfff'"),
    (check_label, 7, "must be a str, not 7"),
    (check_reason, 7, "must be a str, not 7"),
    (check_reason, ValueError("x"), r"must be a str, not ValueError\('x'\)"),
    (check_duration, -1, "must be 0 to 99999999 seconds, not -1"),
    (check_duration, -0.001, "must be 0 to 99999999 seconds"),
    (check_duration, math.nan, "must be 0 to 99999999 seconds, not nan"),
    (check_duration, math.inf, "must be 0 to 99999999 seconds, not inf"),
    (check_duration, -math.inf, "must be 0 to 99999999 seconds, not -inf"),
    (check_duration, 10**400, "must be 0 to 99999999 seconds, not 1000"),
    (check_duration, LONGEST_DURATION + 1, "must be 0 to 99999999 seconds"),
    (check_duration, timedelta(days=-1), "must be 0 to 99999999 seconds, not datetime.timedelta"),
    (check_duration, timedelta.max, "must be 0 to 99999999 seconds"),
    (check_duration, True, "must be seconds, a timedelta or None, not True"),
    (check_duration, "60", "must be seconds, a timedelta or None, not '60'"),
    (check_duration, UNSET, "must be seconds, a timedelta or None, not UNSET"),
    (check_priority, 2**31, r"must be -2\*\*31 to 2\*\*31 - 1, not 2147483648"),
    (check_priority, -(2**31) - 1, "must be"),
    (check_priority, True, "must be an int, not True"),
    (check_priority, 1.0, "must be an int, not 1.0"),
    (check_priority, None, "must be an int, not None"),
    (check_child_policy, "TERMINATE", "must be one of ChildPolicy.TERMINATE, .*, not 'TERMINATE'"),
    (check_child_policy, None, "must be one of"),
    (check_tags, "vip", "must be a list of str, not 'vip'"),
    (check_tags, b"vip", "must be a list of str"),
    (check_tags, {"vip": 1}, "must be a list of str"),
    (check_tags, None, "must be a list of str, not None"),
    (check_tags, ["a", 7], r"\[1\] must be a str, not 7"),
    (check_tags, ["t" * 257], r"\[0\] must be 0 to 256 characters"),
    (check_process, "", "must be 1 to 256 characters"),
    (check_process, None, "must be a process id or a ProcessRef, not None"),
    (check_process, ("a", "b"), "must be a process id or a ProcessRef"),
    (check_process, ProcessRef(""), "process_id must be 1 to 256"),
    (check_process, "a\0", r"must not contain '\\x00'"),
    (check_process, ProcessRef("p" * 257), "process_id must be 1 to 256"),
    (check_process, ProcessRef("a", "r" * 65), "run_id must be 0 to 64"),
    (check_process, ProcessRef("a", None), "run_id must be a str"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("check", "value", "message"), BAD)
def test_a_bad_value_is_refused_by_name(check: Callable[..., Any], value: Any, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=rf"^field[.\w]*(\[\d\])? ?.*{message}") as caught:
        check(value, "field")
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("text", "limit", "part"),
    [("order-17", 20, "order-17"), ("order-17", 5, "order"), ("a:b/c|d\x7f\n", 20, "a_b_c_d__"), ("", 5, "")],
)
def test_a_part_of_a_name_is_made_of_any_id(text: str, limit: int, part: str) -> None:
    assert name_part(text, limit) == part


def test_a_duration_may_be_obligatory() -> None:
    with pytest.raises(InvalidRequestError, match="delay must be seconds, a timedelta, not None"):
        check_duration(None, "delay", optional=False)


def test_subclasses_become_plain_values() -> None:
    assert type(check_name(Text("x"), "field")) is str
    assert type(check_label(Text("x"), "field")) is str
    assert [type(tag) for tag in check_tags([Text("x")])] == [str]
    assert [type(text) for text in check_process(ProcessRef(Text("x"), Text("y")))] == [str, str]
    assert type(check_priority(Number(3))) is int
    assert type(check_duration(Number(3), "field")) is float


class Names(str, enum.Enum):  # noqa: UP042 - the older kind, whose str() is "Names.ORDERS"
    ORDERS = "orders"


@pytest.mark.parametrize("check", [check_name, check_task_list, check_label, check_reason])
def test_the_member_of_an_enum_counts_as_its_text(check: Callable[..., Any]) -> None:
    checked = check(Names.ORDERS, "field")
    assert type(checked) is str
    assert checked == "orders"


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("heartbeat_timeout", UNSET, UNSET),
        ("task_list", UNSET, UNSET),
        ("heartbeat_timeout", 5, 5.0),
        ("heartbeat_timeout", None, None),
        ("task_list", "gpu", "gpu"),
        ("task_priority", 3, 3),
        ("child_policy", ChildPolicy.ABANDON, ChildPolicy.ABANDON),
    ],
)
def test_a_setting_is_checked_by_its_name(field: str, value: Any, expected: Any) -> None:
    assert check_setting(value, field) == expected


@pytest.mark.parametrize("field", ["heartbeat_timeout", "task_list", "task_priority", "child_policy"])
def test_a_bad_setting_is_refused(field: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{field} must be"):
        check_setting([], field)


def test_texts_are_cut_visibly() -> None:
    assert cut("12345", 5) == "12345"
    assert cut("123456", 5) == "1234…"
    assert show("x" * 100, 10) == "'xxxxxxxx…"


def test_any_text_has_limits_of_its_own() -> None:
    assert check_text("", "field", 3) == ""
    with pytest.raises(InvalidRequestError, match="field must be 2 to 3 characters long, and this has 1: 'x'"):
        check_text("x", "field", 3, least=2)
