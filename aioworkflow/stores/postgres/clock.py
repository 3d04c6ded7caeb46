"""The clock of the database, as well as it can be told from here."""

from __future__ import annotations

import time
from collections import deque

__all__ = ["DatabaseClock"]

_OBSERVATIONS = 16

_DRIFT = 0.05
"""So many seconds two clocks may have drifted apart since the first of these observations."""


class DatabaseClock:
    """Tells the server's time: the monotonic clock of this machine and an offset, which is observed again and again.

    An answer that took long tells little; of the last observations the one that took least counts. One that cannot be
    true if those before it are ends their time: the server's clock was set, another server answers (after a failover),
    or this machine slept and its monotonic clock with it. Until the first one it tells the time of this machine.
    """

    def __init__(self) -> None:
        self._observed: deque[tuple[float, float]] = deque(maxlen=_OBSERVATIONS)
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Return epoch seconds."""
        return time.monotonic() + self._offset

    def observe(self, asked: float, answered: float, told: float) -> None:
        """Note what the server told.

        Args:
            asked: When it was asked, by the monotonic clock.
            answered: When the answer came.
            told: The time it told, in epoch seconds.
        """
        if not told - answered - _DRIFT <= self._offset <= told - asked + _DRIFT:
            self._observed.clear()
        self._observed.append((answered - asked, told - (asked + answered) / 2))
        self._offset = min(self._observed)[1]

    def forget(self) -> None:
        """Trust no observation made so far: another server may answer from now on."""
        self._observed.clear()
