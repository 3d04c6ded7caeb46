"""The lease of a backend's session: until when it is held, when it may have been lost, and whether others' count.

A session is dead for others when its lease has run out. That may happen to one that lives: its process was stopped, or
the database was away. So whoever notices that it was itself held up for long gives all others the time to come back
before it takes any of them for dead, and whoever held no lease for a while looks after what it may have lost by that.
"""

from __future__ import annotations

import asyncio
import math

from .clock import Clock

__all__ = ["Lease"]

_RENEWED_AT = 2 / 3
"""The share of a lease that is left when it is renewed; before that others are looked at, and nothing is written."""

_GRACE = 1 / 3
"""The share of a lease that others are given to come back."""


class Lease:
    """When the lease is to be renewed, and what follows when that is late.

    Args:
        clock: What all sessions go by.
        lifetime: After so many seconds without a sign of life a session's tasks are given up.
        period: The seconds between two looks at the sessions.
    """

    def __init__(self, clock: Clock, *, lifetime: float, period: float) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._period = period
        # Whoever dies is found at the first look after that, which must come within the lifetime.
        self._seconds = max(lifetime - period, lifetime / 2)
        self._expires_at = 0.0
        self._doubtful_until = -math.inf
        self._looked_at: float | None = None
        self._grace_until = -math.inf

    def ask(self) -> tuple[float, float]:
        """Return the time, and until when the lease is to be held."""
        now = self._clock.now()
        if self._expires_at and now >= self._expires_at:
            self._doubtful_until = now + self._lifetime
        if not self._seconds * _RENEWED_AT <= self._expires_at - now <= self._seconds:
            self._expires_at = now + self._seconds
        return now, self._expires_at

    def looked(self) -> None:
        """Note that the sessions were looked at."""
        now = asyncio.get_running_loop().time()
        if self._looked_at is not None and now - self._looked_at > self._period + self._lifetime * _GRACE:
            self._grace_until = now + self._lifetime * _GRACE
        self._looked_at = now

    @property
    def counts_others(self) -> bool:
        """Whether others whose lease has run out are dead."""
        return asyncio.get_running_loop().time() >= self._grace_until

    @property
    def is_doubtful(self) -> bool:
        """Whether others may have given up, or be about to give up, what this session holds."""
        return self._clock.now() < self._doubtful_until
