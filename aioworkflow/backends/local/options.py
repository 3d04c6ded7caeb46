"""Settings of the local backend."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...checks import check_duration, show
from ...errors import InvalidRequestError
from ...machine.limits import Limits

__all__ = ["LocalOptions"]


_LEAST_RETENTION = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalOptions:
    """Settings of a :class:`LocalBackend`. Durations are seconds, and more than 0.

    Attributes:
        limits: What the rules allow; ``SWF_LIMITS`` for Amazon's.
        poll_seconds: How long a poll waits for a task before it returns None.
        lease_seconds: After this time without a sign of life a session's tasks are given up.
        session_check_seconds: How often the own lease is renewed and others are looked at.
        watch_seconds: How often the database is asked whether another OS process wrote.
        cached_runs: How many runs are kept in memory.
        close_seconds: How long closing may take to save what is waiting.
        retention_seconds: How long closed processes are kept, at least 60; None: for ever.
    """

    limits: Limits = field(default_factory=Limits)
    poll_seconds: float = 60.0
    lease_seconds: float = 15.0
    session_check_seconds: float = 1.0
    watch_seconds: float = 0.04
    cached_runs: int = 10_000
    close_seconds: float = 10.0
    retention_seconds: float | None = None

    def __post_init__(self) -> None:
        limits: object = self.limits
        if not isinstance(limits, Limits):
            raise InvalidRequestError(f"limits must be a Limits, not {show(limits)}")
        for name in ("poll_seconds", "lease_seconds", "session_check_seconds", "watch_seconds", "close_seconds"):
            if not check_duration(getattr(self, name), name, optional=False):
                raise InvalidRequestError(f"{name} must be more than 0 seconds")
        retention = check_duration(self.retention_seconds, "retention_seconds")
        if retention is not None and retention < _LEAST_RETENTION:
            raise InvalidRequestError(
                f"retention_seconds must be at least {_LEAST_RETENTION:g}, that who waits for the end of a process "
                f"can see it, or None; not {show(self.retention_seconds)}"
            )
        runs: object = self.cached_runs
        if not isinstance(runs, int) or isinstance(runs, bool) or runs < 1:
            raise InvalidRequestError(f"cached_runs must be an int above 0, not {show(runs)}")
