"""Limits: swf-reference 8.1."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from aioworkflow.errors import InvalidRequestError
from aioworkflow.machine.limits import SWF_LIMITS, Limits


def test_the_numbers_of_swf() -> None:
    assert dataclasses.asdict(SWF_LIMITS) == {
        "payload": 32_768,
        "heartbeat_details": 2_048,
        "tags": 5,
        "decisions": 1_000,
        "events": 25_000,
        "open_activities": 1_000,
        "open_timers": 1_000,
        "open_children": 1_000,
        "execution_timeout": 365 * 86_400,
    }


def test_the_defaults_are_roomier_in_everything() -> None:
    roomy, swf = dataclasses.asdict(Limits()), dataclasses.asdict(SWF_LIMITS)
    assert roomy.pop("execution_timeout") is None
    assert all(number > swf[name] for name, number in roomy.items())
    assert roomy["payload"] == 2**20
    assert roomy["events"] == 100_000


def test_limits_are_a_value() -> None:
    assert Limits(tags=3) == Limits(tags=3) != Limits()
    with pytest.raises(dataclasses.FrozenInstanceError):
        SWF_LIMITS.tags = 6  # type: ignore[misc]


def test_limits_may_be_narrow() -> None:
    least = Limits(payload=0, tags=0, decisions=1, events=10, open_activities=0, execution_timeout=0.5)
    assert (least.events, least.execution_timeout) == (10, 0.5)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("payload", -1, "payload must be an int of at least 0, not -1"),
        ("heartbeat_details", math.inf, "heartbeat_details must be an int of at least 0, not inf"),
        ("tags", None, "tags must be an int of at least 0, not None"),
        ("decisions", 0, "decisions must be an int of at least 1, not 0"),
        ("events", 9, "events must be an int of at least 10, not 9"),
        ("open_activities", "7", "open_activities must be an int of at least 0, not '7'"),
        ("open_timers", True, "open_timers must be an int"),
        ("open_children", 1.0, "open_children must be an int"),
        ("execution_timeout", 0, "execution_timeout must be more than 0 seconds, or None"),
        ("execution_timeout", math.nan, "execution_timeout must be 0 to 99999999 seconds, not nan"),
        ("execution_timeout", "1", "execution_timeout must be seconds"),
    ],
)
def test_limits_that_make_no_sense_are_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^the limit {message}"):
        Limits(**{name: value})
