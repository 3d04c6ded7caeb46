"""The embedded PostgreSQL starts, crashes, recovers and ends."""

from __future__ import annotations

import tempfile
from pathlib import Path

import asyncpg
import pytest

from aioworkflow.testing.postgres import EmbeddedPostgres


async def ask(server: EmbeddedPostgres, question: str) -> object:
    connection = await asyncpg.connect(server.url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_a_server_outlives_a_crash() -> None:
    # Not in tmp_path: other runs of pytest shut everybody else out of the directories above.
    with tempfile.TemporaryDirectory(prefix="aioworkflow-postgres-") as name:
        with EmbeddedPostgres(Path(name) / "data", settings={"fsync": "off", "work_mem": "7MB"}) as server:
            assert repr(server) == f"<EmbeddedPostgres at {server.url}, data in {Path(name) / 'data'}>"
            assert await ask(server, "SHOW work_mem") == "7MB"
            await ask(server, "CREATE TABLE kept AS SELECT 1")
            server.stop(immediate=True)
            server.start()
            assert await ask(server, "SELECT count(*) FROM kept") == 1
            server.stop()
            with pytest.raises(ConnectionRefusedError):
                await ask(server, "SELECT 1")
            server.start()
            await ask(server, "SELECT 1")
        with pytest.raises(ConnectionRefusedError):
            await ask(server, "SELECT 1")
