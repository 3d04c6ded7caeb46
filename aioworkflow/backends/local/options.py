"""Settings of the local backend."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...machine.limits import Limits

__all__ = ["LocalOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalOptions:
    """Settings of a :class:`LocalBackend`.

    Attributes:
        limits: What the rules allow; ``SWF_LIMITS`` for Amazon's.
        poll_seconds: How long a poll waits for a task before it returns None.
        lease_seconds: After this time without a sign of life a session's tasks are given up.
        session_check_seconds: How often the own lease is renewed and others are looked at.
        watch_seconds: How often the database is asked whether another OS process wrote.
        cached_runs: How many runs are kept in memory.
        close_seconds: How long closing may take to save what is waiting.
    """

    limits: Limits = field(default_factory=Limits)
    poll_seconds: float = 60.0
    lease_seconds: float = 15.0
    session_check_seconds: float = 1.0
    watch_seconds: float = 0.04
    cached_runs: int = 10_000
    close_seconds: float = 10.0
