"""A plain queue beside workflows: one job for each activity on procrastinate, without history and without a decider."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import NoReturn

from procrastinate import App, PsycopgConnector

from harness import Counter, Job, child, database_url, finish, throughput

counter = Counter()
ended: dict[int, asyncio.Future[None]] = {}


async def step(number: int) -> None:
    counter.add()
    ended.pop(number).set_result(None)


async def measurement(job: Job, directory: Path) -> NoReturn:
    app = App(connector=PsycopgConnector(conninfo=database_url(), min_size=2, max_size=20))
    task = app.task(name="step")(step)
    numbers = itertools.count()
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        working = asyncio.create_task(app.run_worker_async(concurrency=job.concurrency, install_signal_handlers=False))

        async def run_process() -> None:
            number = next(numbers)
            end = ended[number] = asyncio.get_running_loop().create_future()
            await task.defer_async(number=number)
            await asyncio.wait([end, working], return_when=asyncio.FIRST_COMPLETED)
            if not end.done():
                raise AssertionError(f"{job.case}: {working}")

        finish(await throughput(job, run_process, counter))


if __name__ == "__main__":
    child(measurement)
