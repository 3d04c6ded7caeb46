"""RetryPolicy: delays, limits, and what it refuses."""

from __future__ import annotations

import math
import random
from datetime import timedelta
from typing import Any

import pytest

from aioworkflow.errors import InvalidRequestError
from aioworkflow.retry import RetryPolicy


@pytest.mark.parametrize(
    ("policy", "delays"),
    [
        (RetryPolicy(), [1, 2, 4, 8]),
        (RetryPolicy(initial=0.5, backoff=3), [0.5, 1.5, 4.5, 13.5]),
        (RetryPolicy(initial=timedelta(minutes=1), maximum_interval=timedelta(minutes=3)), [60, 120, 180, 180]),
        (RetryPolicy(initial=0), [0, 0, 0, 0]),
        (RetryPolicy(backoff=1), [1, 1, 1, 1]),
    ],
)
def test_the_delay_grows_to_its_maximum(policy: RetryPolicy, delays: list[float]) -> None:
    assert [policy.delay(attempt) for attempt in (1, 2, 3, 4)] == delays


def test_a_delay_beyond_all_numbers_is_the_longest() -> None:
    assert RetryPolicy(maximum_interval=10).delay(10_000) == 10
    assert RetryPolicy(initial=0).delay(10_000) == 0


@pytest.mark.parametrize(("jitter", "chance", "expected"), [(1.0, 0.25, 7.5), (0.5, 1.0, 5.0), (1.0, 0.0, 10.0)])
def test_jitter_takes_away_a_share(jitter: float, chance: float, expected: float) -> None:
    assert RetryPolicy(initial=10, jitter=jitter).delay(1, lambda: chance) == expected


def test_full_jitter_stays_within_the_delay() -> None:
    policy = RetryPolicy(initial=10, jitter=1)
    source = random.Random(7)
    delays = [policy.delay(1, source.random) for _ in range(100)]
    assert 0 <= min(delays) < 2 < 8 < max(delays) <= 10
    assert 0 <= policy.delay(1) <= 10


def test_without_jitter_chance_is_not_asked() -> None:
    def never() -> float:
        raise AssertionError

    assert RetryPolicy().delay(1, never) == 1


@pytest.mark.parametrize(
    ("policy", "attempts", "error", "allowed"),
    [
        (RetryPolicy(), 2, None, True),
        (RetryPolicy(), 3, None, False),
        (RetryPolicy(maximum_attempts=1), 1, None, False),
        (RetryPolicy(maximum_attempts=None), 10**9, "KeyError", True),
        (RetryPolicy(non_retryable=("ValueError",)), 1, "ValueError", False),
        (RetryPolicy(non_retryable=(ValueError,)), 1, "ValueError", False),
        (RetryPolicy(non_retryable=(ValueError,)), 1, "KeyError", True),
        (RetryPolicy(non_retryable=(ValueError,)), 1, None, True),
        (RetryPolicy(non_retryable=("Refused",)), 1, "Bank.Refused", False),
        (RetryPolicy(non_retryable=("Bank.Refused",)), 1, "Bank.Refused", False),
        (RetryPolicy(non_retryable=("Bank",)), 1, "Bank.Refused", True),
    ],
)
def test_attempts_are_counted_and_hopeless_errors_known(
    policy: RetryPolicy, attempts: int, error: str | None, allowed: bool
) -> None:
    assert policy.allows(attempts, error) is allowed


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("maximum_attempts", 0),
        ("maximum_attempts", -1),
        ("maximum_attempts", 1.5),
        ("maximum_attempts", True),
        ("maximum_attempts", "3"),
        ("initial", -1),
        ("initial", math.nan),
        ("initial", None),
        ("maximum_interval", math.inf),
        ("maximum_interval", "1"),
        ("backoff", 0.5),
        ("backoff", math.nan),
        ("backoff", math.inf),
        ("backoff", True),
        ("backoff", None),
        ("jitter", -0.1),
        ("jitter", 1.1),
        ("jitter", "full"),
        ("non_retryable", "ValueError"),
        ("non_retryable", ValueError),
        ("non_retryable", None),
        ("non_retryable", (3,)),
    ],
)
def test_nonsense_is_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{field} must"):
        RetryPolicy(**{field: value})


def test_it_is_a_value() -> None:
    policy = RetryPolicy(initial=timedelta(seconds=1), non_retryable=[ValueError])  # type: ignore[arg-type]
    assert policy == RetryPolicy(non_retryable=("ValueError",))
    assert hash(policy) == hash(RetryPolicy(non_retryable=("ValueError",)))
    with pytest.raises(AttributeError):
        policy.jitter = 1.0  # type: ignore[misc]
