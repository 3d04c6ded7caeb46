"""How many calls go out."""

from __future__ import annotations

import asyncio

import pytest

from aioworkflow.backends.swf.throttle import QUOTAS, Quota, Throttle
from aioworkflow.errors import ThrottledError
from tests.backends.swf.scripted_swf import ManualTime

START = "StartWorkflowExecution"
USUAL = Quota(4, 2)


@pytest.fixture
def time() -> ManualTime:
    return ManualTime()


def throttle(time: ManualTime, quota: Quota = USUAL, share: float | None = 0.5) -> Throttle:
    return Throttle(share, {START: quota}, time)


async def test_a_burst_goes_at_once_and_then_as_many_as_the_rate_allows(time: ManualTime) -> None:
    throttled = throttle(time)
    for _ in range(5):
        await throttled.wait(START)
    assert time.naps == [1.0, 1.0, 1.0]  # 2 at once, then 1 per second


async def test_who_comes_later_waits_longer(time: ManualTime) -> None:
    throttled = throttle(time)
    await asyncio.gather(*(throttled.wait(START) for _ in range(5)))
    assert time.naps == [1.0, 2.0, 3.0]


async def test_a_bucket_fills_up_to_its_burst(time: ManualTime) -> None:
    throttled = throttle(time)
    for _ in range(2):
        await throttled.wait(START)
    time.elapsed += 3600.0
    for _ in range(3):
        await throttled.wait(START)
    assert time.naps == [1.0]


async def test_a_share_below_one_call_still_lets_calls_out(time: ManualTime) -> None:
    throttled = throttle(time, Quota(4, 2), share=0.01)
    for _ in range(2):
        await throttled.wait(START)
    assert time.naps == [50.0]


async def test_who_would_have_to_wait_too_long_does_not_and_takes_no_turn(time: ManualTime) -> None:
    throttled = throttle(time)
    for _ in range(2):
        await throttled.wait(START)
    with pytest.raises(ThrottledError, match=r"StartWorkflowExecution has to wait 1\.0 s.*quota_share"):
        await throttled.wait(START, until=time.now() + 0.5)
    await throttled.wait(START, until=time.now() + 1.0)
    assert time.naps == [1.0]


async def test_a_turn_that_is_cancelled_is_given_back() -> None:
    class Endless(ManualTime):
        async def sleep(self, seconds: float) -> None:
            self.naps.append(seconds)
            await asyncio.Event().wait()

    time = Endless()
    throttled = throttle(time, Quota(2, 2))
    await throttled.wait(START)
    for _ in range(2):
        waiting = asyncio.create_task(throttled.wait(START))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert time.naps == [1.0, 1.0]


async def test_throttling_empties_the_bucket_but_takes_no_promised_turns(time: ManualTime) -> None:
    throttled = throttle(time)
    throttled.slow_down(START)
    await throttled.wait(START)
    throttled.slow_down(START)
    await throttled.wait(START)
    assert time.naps == [1.0, 1.0]


async def test_what_is_borrowed_is_waited_for_by_others(time: ManualTime) -> None:
    throttle = Throttle(1.0, {"StartWorkflowExecution": Quota(1, 2)}, time)
    throttle.borrow("StartWorkflowExecution")
    throttle.borrow("ListOrders")
    await throttle.wait("StartWorkflowExecution")
    assert time.naps == [0.5]


async def test_no_share_and_unknown_calls_are_not_limited(time: ManualTime) -> None:
    free = throttle(time, share=None)
    for _ in range(5):
        await free.wait(START)
        await throttle(time).wait("Unheard")
    free.slow_down(START)
    assert time.naps == []


def test_the_table_is_amazons() -> None:
    assert QUOTAS["PollForDecisionTask"] == (2000.0, 200.0)
    assert QUOTAS["ListClosedWorkflowExecutions"] == Quota(burst=200.0, rate=6.0)
    assert QUOTAS["RecordActivityTaskHeartbeat"] == (2000.0, 160.0)
