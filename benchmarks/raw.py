"""The limit that the disk sets: how many transactions of one row a bare SQLite loop commits in a second."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import NoReturn

from harness import Job, child, finish


async def commits(job: Job, directory: Path) -> NoReturn:
    connection = sqlite3.connect(directory / "raw.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {job.store.removeprefix('sqlite-')}")
    connection.execute("CREATE TABLE line (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
    text = "x" * 200
    done = 0
    begun = time.perf_counter()
    while (elapsed := time.perf_counter() - begun) < job.seconds:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO line (text) VALUES (?)", (text,))
        connection.execute("COMMIT")
        done += 1
    finish({"commits_per_second": done / elapsed})


if __name__ == "__main__":
    child(commits)
