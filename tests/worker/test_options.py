"""The settings of a worker."""

from __future__ import annotations

from typing import Any

import pytest

from aioworkflow.errors import InvalidRequestError
from aioworkflow.worker import WorkerOptions


def test_the_defaults_and_the_extremes_are_valid() -> None:
    assert WorkerOptions().max_concurrent_activities == 100
    options = WorkerOptions(
        max_concurrent_activities=1,
        max_concurrent_decisions=1,
        max_polls=1,
        max_threads=1,
        grace_seconds=None,
        report_seconds=0,
        on_decider_error="fail_process",
        cached_processes=0,
        sticky_seconds=None,
        heartbeat_fraction=0.9,
        block_seconds=None,
    )
    assert (options.max_threads, options.grace_seconds, options.block_seconds) == (1, None, None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_concurrent_activities", 0),
        ("max_concurrent_decisions", -1),
        ("max_concurrent_decisions", None),
        ("max_polls", 1.5),
        ("max_polls", True),
        ("max_threads", 0),
        ("cached_processes", -1),
        ("cached_processes", "many"),
        ("sticky_seconds", 0),
        ("sticky_seconds", "long"),
        ("grace_seconds", -1),
        ("grace_seconds", float("nan")),
        ("report_seconds", None),
        ("report_seconds", float("inf")),
        ("block_seconds", 0),
        ("block_seconds", -0.1),
        ("heartbeat_fraction", 0),
        ("heartbeat_fraction", 1),
        ("heartbeat_fraction", "half"),
        ("on_decider_error", "ignore"),
        ("on_decider_error", None),
    ],
)
def test_a_wrong_setting_is_named(field: str, value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=field):
        WorkerOptions(**{field: value})
