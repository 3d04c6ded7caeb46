from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from aioworkflow.backends.local import LocalOptions
from aioworkflow.errors import InvalidRequestError
from aioworkflow.machine.limits import SWF_LIMITS


def test_good_options() -> None:
    LocalOptions()
    options = LocalOptions(limits=SWF_LIMITS, poll_seconds=1, cached_runs=1, close_seconds=0.5)
    assert options.limits.tags == 5


@pytest.mark.parametrize(
    "field", ["poll_seconds", "lease_seconds", "session_check_seconds", "watch_seconds", "close_seconds"]
)
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), None, "1", True, timedelta(0)])
def test_durations_are_more_than_nothing(field: str, value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=field):
        LocalOptions(**{field: value})


@pytest.mark.parametrize("value", [0, -1, 1.5, None, "1", True])
def test_some_run_is_kept(value: Any) -> None:
    with pytest.raises(InvalidRequestError, match="cached_runs"):
        LocalOptions(cached_runs=value)


def test_limits_are_limits() -> None:
    with pytest.raises(InvalidRequestError, match="limits"):
        LocalOptions(limits={"tags": 5})  # type: ignore[arg-type]
