"""Real time, of which only what does not depend on it is told here."""

from __future__ import annotations

from datetime import UTC

from aioworkflow.backends.swf.time import LoopTime, Time


async def test_it_goes_on() -> None:
    time: Time = LoopTime()
    before = time.now()
    await time.sleep(0.0)
    assert time.now() >= before
    assert time.wall().tzinfo is UTC


def test_chance_is_spread_over_the_whole_span() -> None:
    drawn = [LoopTime().jitter(10.0) for _ in range(1_000)]
    assert all(0.0 <= seconds <= 10.0 for seconds in drawn)
    assert {int(seconds) for seconds in drawn} >= set(range(10))
