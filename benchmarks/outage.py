"""The database goes away in the midst of work for as many seconds as the job's shape says, and comes back.

It has a server of its own, which crashes. Who starts processes goes on trying; in the end every one of them must have
ended with the right result, and just once.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeVar

from aioworkflow.client import Client
from aioworkflow.errors import BackendUnavailableError, ProcessAlreadyRunningError
from harness import Job, child, finish
from ours import ChainWorkflow, counter, running
from postgres import own_server

LENGTH = 10  # of the chains

T = TypeVar("T")


async def measurement(job: Job, directory: Path) -> NoReturn:
    with own_server(directory) as server:
        async with running(job, server.url, activities=1000) as (_, client):
            numbers = itertools.count()
            enough = asyncio.Event()
            busy = [asyncio.create_task(start_processes(client, numbers, enough)) for _ in range(job.concurrency)]
            before = await rate(job.seconds)
            await asyncio.to_thread(server.stop, "immediate")
            await asyncio.sleep(job.size)
            await asyncio.to_thread(server.start)
            resumed = await seconds_until_work()
            after = await rate(job.seconds)
            enough.set()
            await asyncio.gather(*busy)
            started = next(numbers)
            ended = await client.count(closed=True)
            metrics = {
                "seconds_to_resume": resumed,
                "processes": started,
                "processes_lost": started - ended,
                "activities_per_second_before": before,
                "activities_per_second_after": after,
            }
    finish(metrics)


async def start_processes(client: Client, numbers: itertools.count[int], enough: asyncio.Event) -> None:
    while not enough.is_set():
        id = f"process-{next(numbers)}"
        await patiently(partial(start, client, id))
        result = await patiently(client.handle(id).result)
        if result != LENGTH:
            raise AssertionError(f"{id}: got {result}")


async def start(client: Client, id: str) -> None:
    """Start a process, unless an attempt before did that without being told."""
    if not await client.count(id=id):
        try:
            await client.start(ChainWorkflow, input=LENGTH, id=id)
        except ProcessAlreadyRunningError:
            pass


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await ask()
        except BackendUnavailableError:
            await asyncio.sleep(0.1)


async def rate(seconds: float) -> float:
    """Return how many activities run in a second."""
    before, begun = counter.value, time.perf_counter()
    await asyncio.sleep(seconds)
    return (counter.value - before) / (time.perf_counter() - begun)


async def seconds_until_work() -> float:
    """Return how long it takes until activities run again."""
    before, begun = counter.value, time.perf_counter()
    while counter.value == before:  # noqa: ASYNC110 — the activities do not know of it
        await asyncio.sleep(0.005)
    return time.perf_counter() - begun


if __name__ == "__main__":
    child(measurement)
