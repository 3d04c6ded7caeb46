"""Opening a store on PostgreSQL: the schema is made once, brought up to date, and left alone where it is newer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from aioworkflow.backend import ProcessFilter
from aioworkflow.errors import (
    BackendError,
    BackendUnavailableError,
    InvalidRequestError,
    SchemaVersionError,
    StoreError,
)
from aioworkflow.stores.postgres import PostgresStore
from aioworkflow.stores.postgres.schema import migrate
from aioworkflow.stores.postgres.sql import SCHEMA_VERSION, Sql, key_text
from aioworkflow.testing.conformance.store.tools import commit, head, start, store_on, write


async def test_twenty_that_start_at_once_make_the_schema_once(postgres_url: str, new_schema: Callable[[], str]) -> None:
    name = new_schema()
    stores = [PostgresStore(postgres_url, schema=name, connections=3) for _ in range(20)]
    await asyncio.gather(*(store.open() for store in stores))
    await start(stores[0], "run-1")
    assert list(await stores[19].load(["run-1"])) == ["run-1"]
    await asyncio.gather(*(store.close() for store in stores))
    connection = await asyncpg.connect(postgres_url)
    versions = await connection.fetch(f"SELECT version FROM {name}.schema_version ORDER BY version")
    await connection.close()
    assert [version for (version,) in versions] == list(range(1, SCHEMA_VERSION + 1))


async def test_a_schema_is_migrated_while_an_older_worker_works(
    postgres_url: str, new_schema: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = new_schema()
    async with store_on(lambda: PostgresStore(postgres_url, schema=name)) as older:
        await start(older, "run-1")
        monkeypatch.setattr(
            "aioworkflow.stores.postgres.sql._MIGRATIONS",
            [*Sql(name).migrations, "ALTER TABLE {schema}.state ADD COLUMN note text"],
        )
        monkeypatch.setattr("aioworkflow.stores.postgres.schema.SCHEMA_VERSION", SCHEMA_VERSION + 1)
        async with store_on(lambda: PostgresStore(postgres_url, schema=name)) as newer:
            assert await commit(older, write(head(last_event_id=3), 1)) == []
            assert (await newer.load(["run-1"]))["run-1"].version == 2
            assert await commit(newer, write(head(last_event_id=4), 2)) == []
        assert (await older.load(["run-1"]))["run-1"].head.last_event_id == 4
        monkeypatch.undo()
        with pytest.raises(SchemaVersionError, match=f"version {SCHEMA_VERSION + 1}.*upgrade aioworkflow"):
            await PostgresStore(postgres_url, schema=name).open()


async def test_schemas_of_one_database_are_apart(postgres_url: str, new_schema: Callable[[], str]) -> None:
    names = new_schema(), new_schema()
    async with (
        store_on(lambda: PostgresStore(postgres_url, schema=names[0])) as one,
        store_on(lambda: PostgresStore(postgres_url, schema=names[1])) as two,
    ):
        await start(one, "run-1")
        assert await two.count(ProcessFilter()) == 0


async def test_a_schema_that_somebody_else_has_made_is_enough(postgres_url: str, new_schema: Callable[[], str]) -> None:
    name = new_schema()
    admin = await asyncpg.connect(postgres_url)
    try:
        await admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{name}'; CREATE SCHEMA {name} AUTHORIZATION {name}")
        url = urlsplit(postgres_url)
        place = url.netloc.rpartition("@")[2]
        async with store_on(
            lambda: PostgresStore(url._replace(netloc=f"{name}:{name}@{place}").geturl(), schema=name)
        ) as store:
            await start(store, "run-1")
            assert await store.count(ProcessFilter()) == 1
    finally:
        await admin.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")
        await admin.close()


@pytest.mark.parametrize("name", ["", "a-b", 'a"b', "1a", "a" * 52, "ä", "a b", "a\n"])
def test_names_that_need_quotes_are_refused(name: str) -> None:
    with pytest.raises(StoreError, match="cannot be the name of a schema"):
        PostgresStore("postgresql://db/work", schema=name)


def test_too_few_connections_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="connections must be at least 3, not 2"):
        PostgresStore("postgresql://db/work", connections=2)


async def test_a_store_is_opened_once(postgres_url: str, schema: str) -> None:
    async with store_on(lambda: PostgresStore(postgres_url, schema=schema)) as store:
        with pytest.raises(BackendError, match="is open already"):
            await store.open()


async def test_a_database_that_is_not_there_is_named(postgres_url: str) -> None:
    store = PostgresStore(postgres_url.rpartition("/")[0] + "/nowhere")
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:\d+/nowhere: there is no such database"):
        await store.open()
    await store.close()


async def test_a_server_that_is_away_is_told_at_once(unused_tcp_port: int) -> None:
    store = PostgresStore(f"postgresql://me:secret@127.0.0.1:{unused_tcp_port}/work")
    with pytest.raises(BackendUnavailableError, match=f"127.0.0.1:{unused_tcp_port}/work cannot be reached") as caught:
        await store.open()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["postgresql://me:se/cret@db/work", "postgresql://me:se?cret@db", "postgresql://db:x"])
async def test_a_url_whose_port_is_no_number_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(InvalidRequestError, match="a port must be a number, and in user and password") as caught:
        await PostgresStore(url).open()
    assert "cret" not in str(caught.value)
    assert "'se'" not in str(caught.value)


async def test_what_asyncpg_makes_nothing_of_is_no_matter_of_trying_again(postgres_url: str) -> None:
    with pytest.raises(InvalidRequestError, match="`sslmode` parameter must be one of"):
        await PostgresStore(f"{postgres_url}?sslmode=nonsense").open()


@pytest.mark.parametrize(("query", "name"), [("", "aioworkflow"), ("?application_name=orders", "orders")])
async def test_the_server_is_told_who_connects(postgres_url: str, schema: str, query: str, name: str) -> None:
    admin = await asyncpg.connect(postgres_url)
    async with store_on(lambda: PostgresStore(f"{postgres_url}{query}", schema=schema)):
        names = await admin.fetch("SELECT application_name FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
    await admin.close()
    assert (name,) in [tuple(row) for row in names]


async def test_a_server_that_is_too_old_is_refused() -> None:
    class Old:
        def get_server_version(self) -> Any:
            return asyncpg.types.ServerVersion(13, 9, 0, "final", 0)

    with pytest.raises(StoreError, match="runs PostgreSQL 13; 14 or newer is needed"):
        await migrate(Old(), Sql("x"), "db/work")  # type: ignore[arg-type]


def test_a_url_that_cannot_be_read_is_not_shown() -> None:
    assert (
        repr(PostgresStore("postgresql://me:secret@[/x")) == "<PostgresStore at an unreadable URL, schema aioworkflow>"
    )


def test_ids_with_zeros_are_kept_apart() -> None:
    texts = ["a", "a\0", "a\x1a", "a\x1a0", "a\x1a\x1a", "\0\0", "\x1a0\x1a0"]
    keys = [key_text(text) for text in texts]
    assert len(set(keys)) == len(texts)
    assert not any("\0" in key for key in keys)
