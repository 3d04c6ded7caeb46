"""Limits: swf-reference 8.1."""

from __future__ import annotations

import dataclasses

import pytest

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
