"""The boundary at which a cancellation of the worker's own ends."""

from __future__ import annotations

import asyncio

import pytest

from aioworkflow.worker.cancellation import take_back


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("delivered", [True, False])
@pytest.mark.parametrize("others", [0, 1])
async def test_own_cancellations_are_taken_back_and_others_told(count: int, delivered: bool, others: int) -> None:
    async def work() -> tuple[bool, str]:
        host = asyncio.current_task()
        assert host is not None
        for _ in range(count + others):
            host.cancel()
        if delivered:
            with pytest.raises(asyncio.CancelledError):
                await asyncio.sleep(0)
        left = await take_back(host, count)
        await asyncio.sleep(0)
        return left, "went on"

    assert await asyncio.create_task(work()) == (others > 0, "went on")
