"""Time, as a port: the local backend reads it and sets alarms only through a :class:`Clock`.

``aioworkflow.testing`` has a manual one, with which thirty days pass in a millisecond.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from ...stores.base import Store

__all__ = ["Alarm", "Clock", "StoreClock", "SystemClock"]

_LONGEST_DELAY = 86_400.0
"""An alarm that is further away (seconds) rings early; whoever set it looks at the clock and sets another."""


class Alarm(Protocol):
    """A call to come."""

    def cancel(self) -> None:
        """Do not ring. Harmless if it rang already."""


class Clock(Protocol):
    """Tells the time and rings alarms."""

    def now(self) -> float:
        """Return epoch seconds."""
        ...

    def call_at(self, when: float, callback: Callable[[], object]) -> Alarm:
        """Call ``callback`` in the event loop at ``when`` (epoch seconds): soon if past, perhaps early if far away."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> float:
        """Return epoch seconds."""
        return time.time()

    def call_at(self, when: float, callback: Callable[[], object]) -> Alarm:
        """Call ``callback`` at ``when``, at the latest after a day."""
        return _call_after(when - time.time(), callback)


class StoreClock:
    """The clock of a store: where several machines share a database, all go by its time, whatever their own says."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def now(self) -> float:
        """Return epoch seconds."""
        return self._store.now()

    def call_at(self, when: float, callback: Callable[[], object]) -> Alarm:
        """Call ``callback`` at ``when``, at the latest after a day."""
        return _call_after(when - self._store.now(), callback)


def _call_after(delay: float, callback: Callable[[], object]) -> Alarm:
    return asyncio.get_running_loop().call_later(min(max(delay, 0.0), _LONGEST_DELAY), callback)
