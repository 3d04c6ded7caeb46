"""Memory, SQLite and PostgreSQL keep the promises of the store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from aioworkflow.stores.memory import MemoryDatabase, MemoryStore
from aioworkflow.stores.postgres import PostgresStore
from aioworkflow.stores.sqlite import SQLiteStore
from aioworkflow.testing.conformance.store import STORE_CHECKS, NewStore, StoreCheck, check_store
from aioworkflow.testing.conformance.store.tools import expect_raises
from aioworkflow.types import ActivityType, WorkflowType


def names_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


by_name = pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: check.__name__)


@by_name
async def test_memory(check: StoreCheck) -> None:
    database = MemoryDatabase()
    await check(lambda: MemoryStore(database))


@by_name
async def test_sqlite(check: StoreCheck, tmp_path: Path) -> None:
    await check(lambda: SQLiteStore(tmp_path / "test.db", synchronous="NORMAL"))
    assert names_in(tmp_path) <= {"test.db", "test.db-sessions"}


@by_name
async def test_postgres(check: StoreCheck, postgres_url: str, schema: str) -> None:
    await check(lambda: PostgresStore(postgres_url, schema=schema))


async def test_all_checks_run_without_pytest() -> None:
    databases = 0

    @asynccontextmanager
    async def database() -> AsyncIterator[NewStore]:
        nonlocal databases
        databases += 1
        shared = MemoryDatabase()
        yield lambda: MemoryStore(shared)

    await check_store(database)
    assert databases == len(STORE_CHECKS)


async def test_a_broken_promise_is_named() -> None:
    class Forgetful(MemoryStore):
        async def types(self) -> list[WorkflowType | ActivityType]:
            return []

    @asynccontextmanager
    async def database() -> AsyncIterator[NewStore]:
        shared = MemoryDatabase()
        yield lambda: Forgetful(shared)

    with pytest.raises(AssertionError, match="types are told apart") as caught:
        await check_store(database)
    assert any("registers_types" in note for note in caught.value.__notes__)


async def test_a_missing_error_is_a_broken_promise() -> None:
    async def harmless() -> int:
        return 5

    with pytest.raises(AssertionError, match="must fail: expected ValueError, got 5"):
        await expect_raises(ValueError, harmless(), "must fail")
