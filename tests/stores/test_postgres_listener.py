"""Hearing of the writes of others."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import asyncpg
import pytest

from aioworkflow.errors import BackendUnavailableError
from aioworkflow.stores.base import Changes, Store, TaskKind
from aioworkflow.stores.encoded import EncodedWrite
from aioworkflow.stores.postgres import PostgresStore, listener
from aioworkflow.stores.postgres.news import News, news_of, read_news, write_news, write_test
from aioworkflow.testing.conformance.store.tools import (
    activity,
    closed_head,
    commit,
    head,
    queued,
    start,
    store_on,
    write,
)

LISTS = {(TaskKind.DECISION, "deciders"), (TaskKind.ACTIVITY, "workers")}


async def told(store: Store) -> Changes:
    """Wait until a store knows of changes."""
    while (changes := await store.changed()) is None:  # noqa: ASYNC110 - the store has no event to wait for
        await asyncio.sleep(0.001)
    return changes


async def test_what_others_wrote_is_told_in_detail(postgres_url: str, schema: str) -> None:
    async with (
        store_on(lambda: PostgresStore(postgres_url, schema=schema)) as one,
        store_on(lambda: PostgresStore(postgres_url, schema=schema)) as two,
    ):
        await start(one, "run-1", queued=queued(), items=[activity(4)])
        changes = await told(two)
        assert (set(changes.task_lists or ()), changes.closed) == (LISTS, frozenset())
        await commit(one, write(closed_head(), 1, items={4: None}), write(head("run-2"), 5))
        changes = await told(two)
        assert (changes.task_lists, changes.closed) == (frozenset(), {"run-1"})


async def test_what_was_missed_while_the_connection_was_lost_may_be_anything(
    postgres_url: str, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "_RECONNECT_SECONDS", 0.001)
    admin = await asyncpg.connect(postgres_url)
    async with store_on(lambda: PostgresStore(postgres_url, schema=schema)) as store:
        cut = await admin.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'aioworkflow' AND (query LIKE 'LISTEN%' OR query LIKE '%pg_notify%')"
        )
        assert cut
        assert await told(store) == Changes()
    await admin.close()


async def test_a_connection_that_went_dead_without_a_word_is_found_out(
    postgres_url: str, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "_RECONNECT_SECONDS", 0.001)
    monkeypatch.setattr(listener, "_LOOK_SECONDS", 0.01)
    original, failures = asyncpg.Connection.execute, iter([TimeoutError()])

    async def execute(self: Any, query: str, *args: Any, **how: Any) -> Any:
        if query == "SELECT 1":
            for error in failures:
                raise error
        return await original(self, query, *args, **how)

    monkeypatch.setattr(asyncpg.Connection, "execute", execute)
    async with store_on(lambda: PostgresStore(postgres_url, schema=schema)) as store:
        assert await told(store) == Changes()


async def test_a_database_that_was_only_slow_is_listened_to_later(
    postgres_url: str, schema: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listener, "_DEAF_SECONDS", 0.01)
    monkeypatch.setattr(listener, "_BLIND_SECONDS", 1000.0)
    monkeypatch.setattr(listener, "_TEST_SECONDS", 0.0)
    monkeypatch.setattr(listener, "write_test", lambda sender: write_test("nobody"))
    caplog.set_level(logging.WARNING, "aioworkflow.postgres")
    async with store_on(lambda: PostgresStore(postgres_url, schema=schema)) as slow:
        while not caplog.messages:  # noqa: ASYNC110 - logging sets no event
            await asyncio.sleep(0.001)
        assert await slow.changed() == Changes()
        monkeypatch.setattr(listener, "_TEST_SECONDS", 60.0)
        monkeypatch.setattr(listener, "write_test", write_test)
        assert await told(slow) == Changes()
        async with store_on(lambda: PostgresStore(postgres_url, schema=schema)) as other:
            await start(other, "run-1", queued=queued())
            assert (await told(slow)).task_lists == {(TaskKind.DECISION, "deciders")}
    assert len(caplog.messages) == 1, "it is said once"


async def test_several_messages_are_one_change(postgres_url: str, schema: str) -> None:
    async with store_on(lambda: PostgresStore(postgres_url, schema=schema)) as store:
        hear = store._life.listener._hear  # type: ignore[attr-defined]
        hear(None, 1, "", write_news("a", News(set(LISTS), {"run-1"})))
        hear(None, 1, "", write_news("b", News(set(), {"run-2"})))
        assert await store.changed() == Changes(task_lists=LISTS, closed={"run-1", "run-2"})
        hear(None, 1, "", write_news("a", News(set(LISTS), {"run-1"})))
        hear(None, 1, "", "garbage")
        assert await store.changed() == Changes()
        hear(None, 1, "", write_test("b"))
        assert await store.changed() is None


async def test_what_cannot_be_told_is_logged(
    postgres_url: str, schema: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aioworkflow.postgres")
    failed = asyncio.Event()
    async with store_on(lambda: PostgresStore(postgres_url, schema=schema)) as store:

        async def away(*args: Any) -> Any:
            failed.set()
            raise BackendUnavailableError("away")

        monkeypatch.setattr(store._life.listener._pool, "fetch", away)  # type: ignore[attr-defined]
        await start(store, "run-1", queued=queued())
        await failed.wait()
        await asyncio.sleep(0)
    assert "others could not be told of a change: away" in caplog.messages


async def test_a_store_opens_also_if_nobody_can_listen_for_now(
    postgres_url: str, schema: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aioworkflow.postgres")
    monkeypatch.setattr(listener, "_RECONNECT_SECONDS", 0.001)
    original, failures = asyncpg.Connection.add_listener, iter([OSError("lost")])

    async def add_listener(self: Any, *args: Any) -> None:
        for error in failures:
            raise error
        await original(self, *args)

    monkeypatch.setattr(asyncpg.Connection, "add_listener", add_listener)
    async with (
        store_on(lambda: PostgresStore(postgres_url, schema=schema)) as store,
        store_on(lambda: PostgresStore(postgres_url, schema=schema)) as other,
    ):
        assert await store.changed() == Changes()
        await start(other, "run-1", queued=queued())
        await told(store)
    assert any("changes by others are not heard of for now" in message for message in caplog.messages)


def test_news_of_a_group() -> None:
    writes = [
        EncodedWrite(one)
        for one in (
            write(head("run-1", queued=queued()), items={4: activity(4), 5: activity(5, started_event_id=6), 7: None}),
            write(closed_head("run-2")),
            write(closed_head("run-3")),
            write(head("run-4"), 1, changed=False),
            write(None, received=["message-1"]),
        )
    ]
    news = news_of(writes, [2])
    assert (news.task_lists, news.closed) == (LISTS, {"run-2"})
    news.add(News({(TaskKind.DECISION, "others")}, {"run-9"}))
    assert (len(news.task_lists), news.closed) == (3, {"run-2", "run-9"})
    assert news
    assert not news_of(writes[3:], []), "what concerns nobody else is no news"


@pytest.mark.parametrize(
    ("lists", "closed", "changes"),
    [
        (1, 2, Changes(task_lists={(TaskKind.ACTIVITY, "list-0")}, closed={"run-0", "run-1"})),
        (1, 2000, Changes(task_lists={(TaskKind.ACTIVITY, "list-0")})),
        (2000, 2000, Changes()),
    ],
)
def test_messages_are_short(lists: int, closed: int, changes: Changes) -> None:
    news = News({(TaskKind.ACTIVITY, f"list-{n}") for n in range(lists)}, {f"run-{n}" for n in range(closed)})
    text = write_news("me", news)
    assert len(text) < 8000
    assert read_news(text) == ("me", changes)
