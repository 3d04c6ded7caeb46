"""Settings of a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..checks import check_duration, show
from ..errors import InvalidRequestError
from ..types import UNSET, UnsetType

__all__ = ["WorkerOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """Settings of a :class:`Worker`. Durations are seconds.

    Attributes:
        max_concurrent_activities: Activities at work and polls for them together.
        max_concurrent_decisions: The same for decisions.
        max_polls: The most polls that wait at one task list, for each kind of task.
        max_threads: The most activities with a plain ``def execute`` at work; None is as many as activities.
        grace_seconds: How long activities may go on when the worker stops; None is as long as they like.
        report_seconds: How long the worker then tries to tell how those ended that it had to cancel, and to send what
            was decided.
        on_decider_error: "retry" decides again, after longer and longer delays; "fail_process" fails the process.
        cached_processes: How many processes the deciders keep in memory, so as to read only new events.
        sticky_seconds: How long a decision task waits for the worker that has its process in memory, before another may
            take it; None is not at all, UNSET what the backend suggests (5 s on Amazon SWF, else not at all).
        always_replay: Whether coroutine workflows are replayed from history in each turn, to see that they can be.
        heartbeat_fraction: When to heartbeat, as a share of the heartbeat timeout.
        block_seconds: Warn of whatever blocks the event loop for this long; None is not to watch.
    """

    max_concurrent_activities: int = 100
    max_concurrent_decisions: int = 100
    max_polls: int = 100
    max_threads: int | None = None
    grace_seconds: float | None = 30.0
    report_seconds: float = 5.0
    on_decider_error: Literal["retry", "fail_process"] = "retry"
    cached_processes: int = 1000
    sticky_seconds: float | UnsetType | None = UNSET
    always_replay: bool = False
    heartbeat_fraction: float = 1 / 3
    block_seconds: float | None = 1.0

    def __post_init__(self) -> None:
        for field in ("max_concurrent_activities", "max_concurrent_decisions", "max_polls", "max_threads"):
            value = getattr(self, field)
            if not (value is None and field == "max_threads"):
                _check_count(value, field, 1)
        _check_count(self.cached_processes, "cached_processes", 0)
        check_duration(self.grace_seconds, "grace_seconds")
        if self.sticky_seconds is not UNSET and check_duration(self.sticky_seconds, "sticky_seconds") == 0:
            raise InvalidRequestError("sticky_seconds must be more than 0, or None")
        check_duration(self.report_seconds, "report_seconds", optional=False)
        if check_duration(self.block_seconds, "block_seconds") == 0:
            raise InvalidRequestError("block_seconds must be more than 0, or None")
        _check_choice(self.on_decider_error, "on_decider_error", "retry", "fail_process")
        if not isinstance(self.always_replay, bool):
            raise InvalidRequestError(f"always_replay must be a bool, not {show(self.always_replay)}")
        _check_share(self.heartbeat_fraction, "heartbeat_fraction")


def _check_count(value: object, field: str, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InvalidRequestError(f"{field} must be an int of at least {least}, not {show(value)}")


def _check_share(value: object, field: str) -> None:
    if not isinstance(value, int | float) or not 0 < value < 1:
        raise InvalidRequestError(f"{field} must be between 0 and 1, not {show(value)}")


def _check_choice(value: object, field: str, *choices: str) -> None:
    if value not in choices:
        raise InvalidRequestError(f"{field} must be {' or '.join(map(repr, choices))}, not {show(value)}")
