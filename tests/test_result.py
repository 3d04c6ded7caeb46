"""Results of activities: values, and ActivityAborted both returned and raised."""

from __future__ import annotations

import copy
import pickle
from contextlib import contextmanager
from typing import Any

import pytest

from aioworkflow.errors import InvalidRequestError, PayloadError
from aioworkflow.payload import Json
from aioworkflow.result import (
    ActivityAborted,
    ActivityCompleted,
    ActivityFailed,
    ActivityTimedOut,
    exception_details,
)
from aioworkflow.types import TimeoutType


def raised(error: BaseException) -> BaseException:
    """Return the error with a traceback."""
    try:
        raise error
    except BaseException as caught:
        return caught


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


class UnformattableError(Exception):
    @property
    def __cause__(self) -> BaseException | None:  # type: ignore[override]
        raise RuntimeError("no")


def test_completed_encodes_at_once() -> None:
    value = {"a": [1]}
    completed = ActivityCompleted(value)
    value["a"].append(2)
    assert completed.result_json == '{"a":[1]}'
    assert completed.result == {"a": [1]}
    assert completed == ActivityCompleted(Json('{"a":[1]}'))
    assert hash(completed) == hash(ActivityCompleted({"a": [1]}))
    assert ActivityCompleted().result_json is None
    assert ActivityCompleted(None) == ActivityCompleted()


def test_failed_tells_type_message_and_traceback() -> None:
    failed = ActivityFailed(raised(ValueError("no input")))
    assert failed.reason == "ValueError: no input"
    assert failed.details["type"] == "ValueError"
    assert failed.details["message"] == "no input"
    assert failed.details["traceback"].startswith("Traceback (most recent call last):")
    assert failed.details["traceback"].endswith("ValueError: no input\n")


@pytest.mark.parametrize(
    ("failed", "reason", "details"),
    [
        (ActivityFailed(), None, None),
        (ActivityFailed(reason="no stock", details={"sku": 7}), "no stock", {"sku": 7}),
        (ActivityFailed(KeyError("a"), reason="no stock", details=0), "no stock", 0),
        (ActivityFailed(reason="r" * 300), "r" * 255 + "…", None),
        (ActivityFailed(ValueError("m" * 300), details=0), "ValueError: " + "m" * 243 + "…", 0),
        (ActivityFailed(ValueError(), details=0), "ValueError", 0),
        (ActivityFailed(UnprintableError(), details=0), "UnprintableError: <its __str__ raises RuntimeError>", 0),
        (ActivityFailed(ValueError("a\0b\ud800c"), details=0), "ValueError: a\N{REPLACEMENT CHARACTER}b?c", 0),
    ],
)
def test_failed_takes_what_it_is_told(failed: ActivityFailed, reason: str | None, details: Any) -> None:
    assert failed.reason == reason
    assert failed.details == details


def test_a_long_traceback_loses_its_middle() -> None:
    error = ValueError("end")
    error.add_note("n" * 50_000)
    details = exception_details(raised(error))
    assert details["traceback"].startswith("Traceback")
    assert "characters left out …" in details["traceback"]
    assert details["traceback"].endswith("nnn\n")
    assert len(details["traceback"]) < 12_100


def test_a_long_message_is_cut() -> None:
    assert len(exception_details(ValueError("m" * 5_000))["message"]) == 2_000


def test_an_odd_exception_is_told_as_well_as_can_be() -> None:
    assert exception_details(UnformattableError("x")) == {
        "type": "UnformattableError",
        "message": "x",
        "traceback": "<formatting it raises RuntimeError>",
    }


def test_groups_and_causes_are_in_the_traceback() -> None:
    error = ValueError("outer")
    error.__cause__ = ExceptionGroup("several", [KeyError("inner")])
    assert "KeyError: 'inner'" in exception_details(raised(error))["traceback"]


def test_timed_out_tells_which_clock() -> None:
    timed_out = ActivityTimedOut(TimeoutType.HEARTBEAT, {"done": 3})
    assert timed_out.timeout_type is TimeoutType.HEARTBEAT
    assert timed_out.details == {"done": 3}
    assert ActivityTimedOut(TimeoutType.HEARTBEAT).details_json is None


def test_aborted_is_a_value() -> None:
    aborted = ActivityAborted("input out of bounds", {"limit": 10})
    assert aborted == ActivityAborted(reason="input out of bounds", details={"limit": 10})
    assert hash(aborted) == hash(ActivityAborted("input out of bounds", {"limit": 10}))
    assert aborted != ActivityAborted("input out of bounds")
    assert aborted != ActivityAborted("other", {"limit": 10})
    assert aborted != "input out of bounds"
    assert aborted.details == {"limit": 10}
    assert str(aborted) == "input out of bounds"
    assert repr(aborted) == "ActivityAborted(reason='input out of bounds', details_json='{\"limit\":10}')"
    assert str(ActivityAborted()) == ""
    assert ActivityAborted("r" * 300).reason == "r" * 255 + "…"


@pytest.mark.parametrize("aborted", [ActivityAborted(), ActivityAborted("why"), ActivityAborted("why", [1, None])])
def test_aborted_can_be_raised_copied_and_pickled(aborted: ActivityAborted) -> None:
    with pytest.raises(ActivityAborted) as caught, passing_through():
        raise aborted
    assert caught.value is aborted
    assert copy.copy(aborted) == aborted
    assert pickle.loads(pickle.dumps(aborted)) == aborted


@contextmanager
def passing_through() -> Any:
    """Context managers made of generators set the traceback of what passes through them."""
    yield


@pytest.mark.parametrize(
    ("result", "field"),
    [
        (ActivityCompleted([1]), "result_json"),
        (ActivityFailed(ValueError("x")), "reason"),
        (ActivityTimedOut(TimeoutType.HEARTBEAT, 1), "timeout_type"),
    ],
)
def test_the_others_are_frozen_and_can_be_copied_and_pickled(result: Any, field: str) -> None:
    assert copy.copy(result) == result
    assert pickle.loads(pickle.dumps(result)) == result
    assert not hasattr(result, "__dict__")
    with pytest.raises(AttributeError):
        setattr(result, field, None)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ActivityCompleted(object()), PayloadError, "object has no JSON form"),
        (lambda: ActivityAborted(details={1j}), PayloadError, "complex has no JSON form"),
        (lambda: ActivityAborted(7), InvalidRequestError, "reason must be a str, not 7"),  # type: ignore[arg-type]
        (lambda: ActivityFailed("text"), InvalidRequestError, "exception must be an exception, not 'text'"),  # type: ignore[arg-type]
        (lambda: ActivityFailed(reason=b"x"), InvalidRequestError, "reason must be a str"),  # type: ignore[arg-type]
        (lambda: ActivityFailed(details=float("nan")), PayloadError, "nan is no JSON number"),
        (lambda: ActivityTimedOut(TimeoutType.HEARTBEAT, object()), PayloadError, "object has no JSON form"),
        (lambda: ActivityTimedOut("HEARTBEAT"), InvalidRequestError, "timeout_type must be a TimeoutType"),  # type: ignore[arg-type]
    ],
)
def test_garbage_is_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
