"""The jobs on DBOS Transact, as its documentation writes them: async workflows that await async steps.

Settings are DBOS's own (SQLite in rollback-journal mode, synchronous FULL), with its log at ERROR. A workflow is
awaited directly, which is its quickest way; nothing goes through a queue. ``dbos-sqlite-wal`` is the same on a database
that was put into WAL mode beforehand, which DBOS does not do itself. ``dbos-postgres`` is on PostgreSQL.
"""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import NoReturn

from dbos import DBOS, DBOSConfig

from harness import Counter, Job, child, database_url, finish, throughput

counter = Counter()


@DBOS.step()
async def step(number: int) -> int:
    counter.add()
    return number + 1


@DBOS.workflow()
async def chain(length: int) -> int:
    number = 0
    for _ in range(length):
        number = await step(number)
    return number


@DBOS.workflow()
async def fanout(width: int) -> int:
    return sum(await asyncio.gather(*(step(0) for _ in range(width))))


def sqlite_url(job: Job, directory: Path) -> str:
    path = directory / "dbos.sqlite"
    if job.store == "dbos-sqlite-wal":
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.close()
    return f"sqlite:///{path}"


async def measurement(job: Job, directory: Path) -> NoReturn:
    url = database_url() if job.needs_server else sqlite_url(job, directory)
    DBOS(config=DBOSConfig(name="benchmark", system_database_url=url, log_level="ERROR"))
    DBOS.launch()
    workflow = chain if job.shape.startswith("chain") else fanout

    async def run_process() -> None:
        result = await workflow(job.size)
        if result != job.size:
            raise AssertionError(f"{job.case}: got {result}")

    finish(await throughput(job, run_process, counter))


if __name__ == "__main__":
    child(measurement)
