"""A clock that tests move by hand, or that moves by itself when nothing else does.

::

    clock = ManualClock()
    async with LocalBackend(MemoryStore(), clock=clock) as backend, idle_time_passes(clock, backend):
        ...                               # a timer of thirty days now takes milliseconds

Only the time of processes is manual: timers, timeouts, heartbeat limits, timestamps. Polls and leases go by the real
clock.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import anyio

__all__ = ["ManualClock", "idle_time_passes"]

_START = 1_767_225_600.0
"""2026-01-01 00:00 UTC."""


class _Alarm:
    __slots__ = ("callback", "is_cancelled")

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback = callback
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class ManualClock:
    """Stands still until it is moved.

    Args:
        start: Epoch seconds to begin with.
    """

    def __init__(self, start: float = _START) -> None:
        self._now = start
        self._alarms: list[tuple[float, int, _Alarm]] = []
        self._order = itertools.count()

    def now(self) -> float:
        """Return epoch seconds."""
        return self._now

    def call_at(self, when: float, callback: Callable[[], object]) -> _Alarm:
        """Call ``callback`` when the clock is moved to ``when`` or past it.

        If that is past already, call it soon, as any clock does (outside an event loop: at the next move).
        """
        alarm = _Alarm(callback)
        heapq.heappush(self._alarms, (when, next(self._order), alarm))
        if when <= self._now:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                return alarm
            loop.call_soon(self.advance, 0.0)
        return alarm

    @property
    def next_alarm(self) -> float | None:
        """When the next alarm rings (epoch seconds), if one is set."""
        while self._alarms and self._alarms[0][2].is_cancelled:
            heapq.heappop(self._alarms)
        return self._alarms[0][0] if self._alarms else None

    def advance(self, seconds: float) -> None:
        """Move on, and ring what is due on the way, in order.

        Raises:
            ValueError: ``seconds`` is negative.
        """
        if seconds < 0:
            raise ValueError(f"a clock only moves forward, not by {seconds} seconds")
        self.advance_to(self._now + seconds)

    def advance_to(self, when: float) -> None:
        """Move on to ``when`` (epoch seconds); a time that is past rings what is due and moves nothing."""
        while (due := self.next_alarm) is not None and due <= max(when, self._now):
            _, _, alarm = heapq.heappop(self._alarms)
            self._now = max(self._now, due)
            alarm.callback()
        self._now = max(self._now, when)


class _Observable(Protocol):
    @property
    def quiet(self) -> tuple[int, int]: ...

    @property
    def is_busy(self) -> bool: ...


@asynccontextmanager
async def idle_time_passes(
    clock: ManualClock, backend: _Observable, *, idle_seconds: float = 0.005, patience_seconds: float = 0.1
) -> AsyncIterator[None]:
    """Let ``clock`` jump to its next alarm whenever nothing goes on.

    Args:
        clock: The clock of the backend.
        backend: A local backend.
        idle_seconds: Real time without any request to the backend, and with none being carried out, that counts as
            "nothing goes on".
        patience_seconds: The same while activities are being executed, which may be busy with something that the
            backend does not see. Must be longer than any real work that the activities under test do between requests.
    """

    async def run() -> None:
        while True:
            before, outstanding = backend.quiet
            await anyio.sleep(patience_seconds if outstanding else idle_seconds)
            if backend.is_busy or backend.quiet != (before, outstanding):
                continue
            if (when := clock.next_alarm) is not None:
                clock.advance_to(when)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        try:
            yield
        finally:
            tasks.cancel_scope.cancel()
