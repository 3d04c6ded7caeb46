"""What tests of several places need: a PostgreSQL server, and schemas on it."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable, Iterator

import asyncpg
import pytest

from tests.postgres_server import PostgresServer

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a database: that in AIOWORKFLOW_TEST_POSTGRES, else of a server that is started for the session."""
    url = os.environ.get("AIOWORKFLOW_TEST_POSTGRES")
    if url:
        yield url
        asyncio.run(_drop_schemas(url))
    else:
        with PostgresServer(fsync="off", full_page_writes="off") as server:
            yield server.url


@pytest.fixture(scope="session")
def new_schema() -> Callable[[], str]:
    """Gives names of schemas that nobody else uses."""
    return lambda: f"test_{os.getpid()}_{next(_numbers)}"


@pytest.fixture
async def schema(postgres_url: str) -> str:
    """A schema that is empty or not there yet; one after another the tests of this session use the same."""
    name = f"test_{os.getpid()}"
    connection = await asyncpg.connect(postgres_url)
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", name)
    used = ", ".join(f"{name}.{table}" for (table,) in tables if table != "schema_version")
    if used:
        await connection.execute(f"TRUNCATE {used}")
    await connection.close()
    return name


async def _drop_schemas(url: str) -> None:
    connection = await asyncpg.connect(url)
    for suffix in ("", *(f"_{number}" for number in range(1, next(_numbers)))):
        await connection.execute(f"DROP SCHEMA IF EXISTS test_{os.getpid()}{suffix} CASCADE")
    await connection.close()
