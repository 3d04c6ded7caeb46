"""The thread that does the store's work: in order, to the end, and leaving nothing behind."""

from __future__ import annotations

import asyncio
import threading

import anyio
import pytest

from aioworkflow.stores.sqlite.thread import JobThread


def alive() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("jobs")]


async def test_jobs_are_done_in_order_in_one_other_thread() -> None:
    thread = JobThread("jobs in order")
    done: list[int] = []
    threads: set[int] = set()

    def job(number: int) -> int:
        done.append(number)
        threads.add(threading.get_ident())
        return number * 2

    results = await asyncio.gather(*(thread.call(lambda number=number: job(number)) for number in range(50)))  # type: ignore[misc]
    assert results == [number * 2 for number in range(50)]
    assert done == list(range(50))
    assert len(threads) == 1
    assert threading.get_ident() not in threads
    await thread.stop(lambda: done.append(-1))
    assert done[-1] == -1
    assert alive() == []


async def test_errors_come_out() -> None:
    thread = JobThread("jobs that fail")
    with pytest.raises(ZeroDivisionError):
        await thread.call(lambda: 1 // 0)
    assert await thread.call(lambda: 5) == 5
    with pytest.raises(ZeroDivisionError):
        await thread.stop(lambda: 1 // 0)
    assert alive() == []


async def test_a_job_is_done_though_its_caller_is_cancelled() -> None:
    thread = JobThread("jobs of cancelled callers")
    begin, done = threading.Event(), threading.Event()

    def job() -> None:
        begin.wait()
        done.set()

    callers = [asyncio.ensure_future(thread.call(job)), asyncio.ensure_future(thread.call(lambda: 1 // 0))]
    await asyncio.sleep(0)
    for caller in callers:
        caller.cancel()
    await asyncio.wait(callers)
    assert [caller.cancelled() for caller in callers] == [True, True]
    begin.set()
    await thread.stop(lambda: None)
    assert done.is_set()


async def test_stopping_is_finished_though_it_is_cancelled() -> None:
    thread = JobThread("jobs while stopping")
    begin, done = threading.Event(), threading.Event()

    def last() -> None:
        begin.wait()
        done.set()

    stopping = asyncio.ensure_future(thread.stop(last))
    for _ in range(3):
        await asyncio.sleep(0)
        stopping.cancel()
    await asyncio.sleep(0)
    assert not stopping.done()
    begin.set()
    await asyncio.wait([stopping])
    assert stopping.cancelled()
    assert done.is_set()
    assert alive() == []


async def test_stopping_is_finished_in_a_cancelled_scope() -> None:
    thread = JobThread("jobs in a scope")
    done: list[int] = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        await thread.stop(lambda: done.append(1))
    assert done == [1]
    assert alive() == []


def test_the_loop_may_be_gone_when_a_job_ends() -> None:
    begin = threading.Event()
    made: list[JobThread] = []

    async def leave() -> None:
        made.append(JobThread("jobs without a loop"))
        waiting = asyncio.ensure_future(made[0].call(begin.wait))
        await asyncio.sleep(0)
        assert not waiting.done()

    asyncio.run(leave())
    begin.set()

    async def stop() -> None:
        await made[0].stop(lambda: None)

    asyncio.run(stop())
    assert alive() == []
