"""Ordinary asyncio, on a clock that jumps to the next timer when nothing is ready."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["run_virtually"]

T = TypeVar("T")


class _VirtualLoop(asyncio.SelectorEventLoop):
    _scheduled: list[asyncio.TimerHandle]
    _ready: Any

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._clock_resolution = 0.001  # the real clock's is lost beside years

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        while self._scheduled and self._scheduled[0].cancelled():
            heapq.heappop(self._scheduled)
        if not self._ready:
            assert self._scheduled, "the program waits for nothing"
            self._now = max(self._now, self._scheduled[0].when())
        super()._run_once()  # type: ignore[misc]


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, in no time; may be called inside a running loop."""
    outer = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
            return runner.run(main)
    finally:
        asyncio._set_running_loop(outer)
