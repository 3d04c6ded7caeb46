from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from aioworkflow.backends.local.clock import StoreClock, SystemClock
from aioworkflow.stores.memory import MemoryStore


def test_the_time_is_that_of_the_machine() -> None:
    before = time.time()
    now = SystemClock().now()
    assert before <= now <= time.time()


async def test_an_alarm_rings() -> None:
    rung = asyncio.Event()
    SystemClock().call_at(time.time() + 0.001, rung.set)
    await rung.wait()


async def test_an_alarm_can_be_cancelled() -> None:
    rung = asyncio.Event()
    clock = SystemClock()
    clock.call_at(time.time() + 0.001, pytest.fail).cancel()
    clock.call_at(time.time() + 0.002, rung.set)
    await rung.wait()


@pytest.mark.parametrize(("ahead", "least", "most"), [(-50.0, 0.0, 0.0), (30.0, 29.0, 30.0), (1e9, 86_400, 86_400)])
async def test_delays_are_neither_negative_nor_very_long(
    ahead: float, least: float, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays: list[float] = []

    def call_later(delay: float, callback: Callable[[], object]) -> None:
        delays.append(delay)

    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", call_later)
    SystemClock().call_at(time.time() + ahead, lambda: None)
    monkeypatch.undo()
    assert len(delays) == 1
    assert least <= delays[0] <= most


async def test_a_store_tells_the_time_of_all_who_share_it() -> None:
    class Elsewhere(MemoryStore):
        def now(self) -> float:
            return 5_000.0

    clock = StoreClock(Elsewhere())
    assert clock.now() == 5_000.0
    rung = asyncio.Event()
    clock.call_at(5_000.001, rung.set)
    await asyncio.wait_for(rung.wait(), 10)
