"""From when on deadlines are looked for: what was due long ago has been seen to.

While somebody holds an old snapshot (a dump, a forgotten transaction) the server keeps the rows of all changes since,
and their entries in the index of deadlines. Most of these lie in the past, where hardly a deadline is left, and
passing a million of them takes a tenth of a second. So a look begins a little before the last one, and only now and
then, the longer it takes the more rarely, at the very first: for what was due and not seen to, as after a fault.
"""

from __future__ import annotations

import math
import time

__all__ = ["DueLooks"]

_BACK = 30.0
"""Seconds before the last look, to be on the safe side: clocks differ, and what is due may take its time."""

_FULL_LOOK = 10.0
"""Seconds between two full looks, at least."""

_SHARE = 20.0
"""So many times as long as a full look takes nothing is looked for so thoroughly again."""


class DueLooks:
    """When one store has looked for deadlines, and how far."""

    def __init__(self) -> None:
        self._seen = -math.inf
        self._full_look_at = -math.inf

    def since(self, now: float) -> float:
        """Return after when to look for what is due at ``now``, in its seconds."""
        return -math.inf if time.monotonic() >= self._full_look_at else min(self._seen, now) - _BACK

    def wrote(self, wake_at: float) -> None:
        """Note that this store has written a deadline; if it lies far back the next look must find it."""
        if wake_at <= self._seen - _BACK:
            self._full_look_at = -math.inf

    def looked(self, now: float, *, since: float, seconds: float) -> None:
        """Note that all that was due at ``now`` is known.

        Args:
            now: As in :meth:`since`.
            since: What that has returned.
            seconds: How long it took.
        """
        self._seen = now
        if since == -math.inf:
            self._full_look_at = time.monotonic() + max(_FULL_LOOK, _SHARE * seconds)
