"""Time, as a port: a worker reads it and sets alarms only through a :class:`Clock`, so that tests own it.

The clock need not agree with the backend's: only differences count. :class:`LoopClock` is that of the event loop, which
no change of the wall clock moves.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from ..errors import BackendUnavailableError, ThrottledError
from ..retry import RetryPolicy

__all__ = ["Alarm", "BackOff", "Clock", "Deadlines", "LoopClock", "Overdue", "back_off", "persist", "sleep"]

logger = logging.getLogger("aioworkflow.worker")

T = TypeVar("T")

_SLACK = 0.25
"""Seconds by which :class:`Deadlines` may be late."""

_faults = RetryPolicy(maximum_attempts=None, initial=0.1, maximum_interval=10.0, jitter=1.0)
_throttling = RetryPolicy(maximum_attempts=None, initial=1.0, maximum_interval=60.0, jitter=1.0)


class Alarm(Protocol):
    """A call to come."""

    def cancel(self) -> None:
        """Do not ring. Harmless if it rang already."""


class Clock(Protocol):
    """Tells the time and rings alarms. ``aioworkflow.testing`` has a manual one; worker and backend can share it."""

    def now(self) -> float:
        """Return seconds from some fixed point."""
        ...

    def call_at(self, when: float, callback: Callable[[], object]) -> Alarm:
        """Call ``callback`` in the event loop at ``when``, soon if that is past, perhaps early if it is far."""
        ...


class LoopClock:
    """The clock of the running event loop."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.now = loop.time
        self.call_at: Callable[[float, Callable[[], object]], Alarm] = loop.call_at


async def sleep(clock: Clock, seconds: float, woken: asyncio.Event | None = None) -> None:
    """Come back after ``seconds``, or when ``woken`` is set."""
    woken = woken or asyncio.Event()
    alarm = clock.call_at(clock.now() + seconds, woken.set)
    try:
        await woken.wait()
    finally:
        alarm.cancel()


BackOff = Callable[[int, BackendUnavailableError], float]
"""How many seconds to wait after the n-th failure in a row, from 1."""


def back_off(failures: int, error: BackendUnavailableError) -> float:
    """Wait with full jitter: up to 0.1 s at first and 10 s in the end; for throttling, up to 1 s and 60 s."""
    policy = _throttling if isinstance(error, ThrottledError) else _faults
    return policy.delay(failures)


async def persist(
    call: Callable[[], Awaitable[T]], *, what: object, clock: Clock, back_off: BackOff, until: float | None = None
) -> T:
    """Return what ``call`` returns, trying again after passing faults.

    Args:
        call: Must be harmless to repeat.
        what: Says in the log what it is about.
        clock: Tells when to stop.
        back_off: Says how long to wait between tries.
        until: When to try for the last time and then raise the fault; None is never.
    """
    failures = 0
    while True:
        try:
            return await call()
        except BackendUnavailableError as error:
            failures += 1
            now = clock.now()
            if until is not None and now >= until:
                raise
            delay = back_off(failures, error)
            if until is not None:
                delay = min(delay, until - now)
            if failures == 1:
                logger.warning("%s: trying again after a passing fault: %s", what, error)
        await sleep(clock, delay)


class Overdue(Protocol):
    """Something that must end in time."""

    def overdue(self) -> None:
        """It did not. Must not block and must not raise."""


class Deadlines:
    """Watches over many things that seldom last until their deadline, at the cost of two dict operations each.

    One alarm serves all. It may be late by a quarter of a second, and is never early.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._items: dict[Overdue, float] = {}
        self._alarm: Alarm | None = None
        self._rings_at = 0.0

    def add(self, item: Overdue, when: float) -> None:
        """Call ``item.overdue()`` at ``when``, by the clock, unless it is discarded before."""
        self._items[item] = when
        if self._alarm is None or when < self._rings_at:
            self._set_alarm(when)

    def discard(self, item: Overdue) -> None:
        """Stop watching, whether or not it was watched."""
        self._items.pop(item, None)

    def close(self) -> None:
        """Forget everything."""
        self._items.clear()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _set_alarm(self, when: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._clock.call_at(when, self._ring)
        self._rings_at = when

    def _ring(self) -> None:
        self._alarm = None
        now = self._clock.now()
        late = [item for item, when in self._items.items() if when <= now]
        for item in late:
            del self._items[item]
        if self._items:
            self._set_alarm(max(min(self._items.values()), now + _SLACK))
        for item in late:
            item.overdue()
