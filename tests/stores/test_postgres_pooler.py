"""A pooler in transaction mode: prepared statements do not last, and nobody can listen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import asyncpg
import pytest

from aioworkflow.errors import BackendUnavailableError
from aioworkflow.stores.postgres import PostgresStore, listener
from aioworkflow.testing.conformance.store import STORE_CHECKS, StoreCheck
from aioworkflow.testing.conformance.store.tools import commit, head, load, queued, start, store_on, write
from tests.stores.postgres_pooler import TransactionPooler

CHECKS = [
    check
    for check in STORE_CHECKS
    if check.__name__
    in ("shares_a_database", "races_for_a_run", "links_writes", "pages_listings", "reads_beside_writes")
]


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - logging sets no event
        await asyncio.sleep(0)


async def test_the_pooler_breaks_prepared_statements(postgres_url: str) -> None:
    """Else the tests below would say nothing."""
    async with TransactionPooler(postgres_url, connections=2) as pooler:
        connection = await asyncpg.connect(pooler.url)
        assert await connection.fetchval("SELECT 1") == 1
        with pytest.raises(asyncpg.InvalidSQLStatementNameError):
            await connection.fetchval("SELECT 1")
        connection.terminate()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_a_store_works_through_it(check: StoreCheck, postgres_url: str, schema: str) -> None:
    async with TransactionPooler(postgres_url, connections=3) as pooler:
        await check(lambda: PostgresStore(pooler.url, schema=schema, pooler=True))


async def test_that_nobody_can_listen_is_said_once(
    postgres_url: str, schema: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listener, "_TEST_SECONDS", 0.0)
    monkeypatch.setattr(listener, "_RECONNECT_SECONDS", 0.0)
    monkeypatch.setattr(listener, "_BLIND_SECONDS", 0.01)
    caplog.set_level(logging.WARNING, "aioworkflow.postgres")
    async with (
        TransactionPooler(postgres_url) as pooler,
        store_on(lambda: PostgresStore(pooler.url, schema=schema, pooler=True)) as one,
    ):
        await until(lambda: bool(caplog.messages))
        monkeypatch.setattr(listener, "_TEST_SECONDS", 60.0)
        async with store_on(lambda: PostgresStore(postgres_url, schema=schema)) as two:
            await start(two, "run-1")
            told = 0
            while told < 3:
                told += await one.changed() is not None
                await asyncio.sleep(0)
            assert await commit(one, write(head(queued=queued()), 1)) == []
            while await two.changed() is None:  # noqa: ASYNC110 - the store has no event to wait for
                await asyncio.sleep(0)
            assert (await load(two)).version == 2
    assert [message for message in caplog.messages if "lets nobody LISTEN" in message] == caplog.messages[:1]
    assert len(caplog.messages) == 1


async def test_without_the_option_the_pooler_is_found_out_before_anything_goes_wrong(
    postgres_url: str, schema: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "aioworkflow.postgres")
    async with (
        TransactionPooler(postgres_url, connections=2) as pooler,
        store_on(lambda: PostgresStore(pooler.url, schema=schema)) as store,
    ):
        for number in range(10):
            await start(store, f"run-{number}")
            assert (await load(store, f"run-{number}")).version == 1
    assert len([message for message in caplog.messages if "is a pooler" in message]) == 1
    assert not [message for message in caplog.messages if "loses prepared statements" in message]


async def test_a_server_is_not_taken_for_a_pooler(
    postgres_url: str, schema: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "aioworkflow.postgres")
    async with store_on(lambda: PostgresStore(postgres_url, schema=schema)) as store:
        await start(store, "run-1")
    assert not caplog.messages


async def test_a_pooler_that_hides_is_found_out_by_an_error(
    postgres_url: str, schema: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "aioworkflow.postgres")
    async with (
        TransactionPooler(postgres_url, connections=2, hides=True) as pooler,
        store_on(lambda: PostgresStore(pooler.url, schema=schema)) as store,
    ):
        for number in range(10):
            try:
                await start(store, f"run-{number}")
            except BackendUnavailableError:  # as if the connection were lost
                await start(store, f"run-{number}")
            assert (await load(store, f"run-{number}")).version == 1
    assert len([message for message in caplog.messages if "loses prepared statements" in message]) == 1
