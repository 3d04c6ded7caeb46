"""The jobs on absurd, as its documentation writes them: async tasks that await async steps.

An absurd worker has one connection, so ``absurd-postgres-N`` is N of them in one OS process, which share the work. They
look for tasks every 10 ms (absurd's own setting is 250 ms, which nobody would choose who is in a hurry). A process
counts as ended when its last step is, not when its end was saved, since the client has only polling to find that out.
"""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any, NoReturn

from absurd_sdk import AsyncAbsurd
from absurdctl import BUNDLED_SCHEMA_SQL
from psycopg import AsyncConnection

from harness import Counter, Job, child, database_url, finish, throughput

counter = Counter()
ended: dict[int, asyncio.Future[int]] = {}


async def step(number: int) -> int:
    counter.add()
    return number + 1


async def chain(params: Any, context: Any) -> int:
    number = 0
    for _ in range(params["length"]):
        number = await context.step("step", lambda number=number: step(number))
    ended.pop(params["process"]).set_result(number)
    return number


async def work(number: int, concurrency: int) -> None:
    worker = AsyncAbsurd(database_url())
    worker.register_task("chain")(chain)
    await worker.start_worker(worker_id=f"worker-{number}", concurrency=concurrency, poll_interval=0.01)


async def measurement(job: Job, directory: Path) -> NoReturn:
    async with await AsyncConnection.connect(database_url(), autocommit=True) as connection:
        await connection.execute(BUNDLED_SCHEMA_SQL)
    client = AsyncAbsurd(database_url())
    await client.create_queue("default")
    size = int(job.store.rpartition("-")[2])
    share = max(1, job.concurrency // size)
    working = [asyncio.create_task(work(number, share)) for number in range(size)]
    numbers = itertools.count()

    async def run_process() -> None:
        number = next(numbers)
        end = ended[number] = asyncio.get_running_loop().create_future()
        await client.spawn("chain", {"process": number, "length": job.size}, queue="default")
        await asyncio.wait([end, *working], return_when=asyncio.FIRST_COMPLETED)
        if not end.done() or end.result() != job.size:
            raise AssertionError(f"{job.case}: {working}")

    finish(await throughput(job, run_process, counter))


if __name__ == "__main__":
    child(measurement)
