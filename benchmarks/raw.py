"""The limit that the disk sets: how many transactions of one row a bare loop commits in a second."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import NoReturn

from harness import Job, child, database_url, finish

TEXT = "x" * 200


async def commits(job: Job, directory: Path) -> NoReturn:
    finish({"commits_per_second": await (on_postgres(job) if job.needs_server else on_sqlite(job, directory))})


async def on_postgres(job: Job) -> float:
    import asyncpg

    connection = await asyncpg.connect(database_url())
    await connection.execute("CREATE TABLE line (id bigserial PRIMARY KEY, text text NOT NULL)")
    insert = await connection.prepare("INSERT INTO line (text) VALUES ($1)")
    done = 0
    begun = time.perf_counter()
    while (elapsed := time.perf_counter() - begun) < job.seconds:
        await insert.fetch(TEXT)
        done += 1
    return done / elapsed


async def on_sqlite(job: Job, directory: Path) -> float:
    connection = sqlite3.connect(directory / "raw.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {job.store.removeprefix('sqlite-')}")
    connection.execute("CREATE TABLE line (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
    done = 0
    begun = time.perf_counter()
    while (elapsed := time.perf_counter() - begun) < job.seconds:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO line (text) VALUES (?)", (TEXT,))
        connection.execute("COMMIT")
        done += 1
    return done / elapsed


if __name__ == "__main__":
    child(commits)
