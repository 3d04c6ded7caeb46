"""Time, as a port: what waits in the Amazon SWF backend waits by a :class:`Time`, so that tests own it."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["LoopTime", "Time"]


class Time(Protocol):
    """Tells the time, waits, and draws the chance that spreads waiting."""

    def now(self) -> float:
        """Return seconds from some fixed point, which no change of the wall clock moves."""
        ...

    def wall(self) -> datetime:
        """Return the time of day; aware, UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Come back after ``seconds``."""

    def jitter(self, seconds: float) -> float:
        """Return some time between 0 and ``seconds``."""
        ...


class LoopTime:
    """Real time."""

    def now(self) -> float:
        """Return the seconds of the monotonic clock, as event loops do."""
        return time.monotonic()

    def wall(self) -> datetime:
        """Return the time of day."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await asyncio.sleep(seconds)

    def jitter(self, seconds: float) -> float:
        """Draw a number, evenly."""
        return random.uniform(0.0, seconds)
