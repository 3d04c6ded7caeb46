from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aioworkflow.stores.base import Store
from aioworkflow.stores.memory import MemoryDatabase, MemoryStore
from aioworkflow.stores.postgres import PostgresStore
from aioworkflow.stores.sqlite import SQLiteStore
from aioworkflow.testing.conformance.backend import BACKEND_CHECKS, Check, local_harness, run_check


def memory(directory: Path) -> Callable[[], Store]:
    database = MemoryDatabase()
    return lambda: MemoryStore(database)


def sqlite(directory: Path) -> Callable[[], Store]:
    return lambda: SQLiteStore(directory / "conformance.db")


@pytest.mark.parametrize("stores", [memory, sqlite])
@pytest.mark.parametrize("check", BACKEND_CHECKS, ids=lambda check: check.name)
async def test_local_backend(check: Check, stores: Callable[[Path], Callable[[], Store]], tmp_path: Path) -> None:
    new_store = stores(tmp_path)
    verdict = await run_check(check, lambda: local_harness(new_store))
    assert verdict.check == check.name
    assert verdict.excuse is None


@pytest.mark.parametrize("check", BACKEND_CHECKS, ids=lambda check: check.name)
async def test_local_backend_on_postgres(check: Check, postgres_url: str, schema: str) -> None:
    verdict = await run_check(check, lambda: local_harness(lambda: PostgresStore(postgres_url, schema=schema)))
    assert verdict.excuse is None
