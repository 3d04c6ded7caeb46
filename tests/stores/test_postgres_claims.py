"""Claims on PostgreSQL: what one session is about to claim the others are not told of, for a moment."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from aioworkflow.stores.base import Store, TaskKind
from aioworkflow.stores.postgres import PostgresStore
from aioworkflow.stores.postgres import store as store_module
from aioworkflow.testing.conformance.store.tools import NOW, activity, commit, head, start, store_on, write


@pytest.fixture
async def sessions(postgres_url: str, schema: str) -> AsyncIterator[tuple[Store, Store]]:
    """Two stores that know of each other."""
    async with (
        store_on(lambda: PostgresStore(postgres_url, schema=schema)) as one,
        store_on(lambda: PostgresStore(postgres_url, schema=schema)) as two,
    ):
        for _ in range(2):
            await one.renew_session("one", now=NOW, expires_at=NOW + 10)
            await two.renew_session("two", now=NOW, expires_at=NOW + 10)
        yield one, two


async def claim(store: Store, wanted: int) -> list[int]:
    found = await store.waiting(TaskKind.ACTIVITY, "workers", limit=100, wanted=wanted)
    return [task.scheduled_event_id for task in found]


async def test_sessions_claim_different_tasks_by_priority(sessions: tuple[Store, Store]) -> None:
    one, two = sessions
    await start(one, "run-1", items=[activity(number, task_priority=number // 3) for number in range(1, 10)])
    assert await claim(one, 3) == [9, 6, 7]
    assert await claim(two, 4) == [8, 3, 4, 5]
    assert await claim(one, 3) == [9, 6, 7], "what it was told before it is told again"
    assert await claim(one, 9) == [9, 6, 7, 1, 2]
    assert await claim(two, 1) == [8]
    tasks = await two.waiting(TaskKind.ACTIVITY, "workers", limit=100)
    assert len(tasks) == 9, "who only looks sees all"


async def test_a_claim_that_comes_to_nothing_is_over_soon(
    sessions: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = sessions
    await start(one, "run-1", items=[activity(4), activity(5)])
    monkeypatch.setattr(store_module, "_RESERVED_SECONDS", -1.0)
    assert await claim(one, 2) == [4, 5]
    assert await claim(two, 2) == [4, 5]


async def test_what_somebody_is_writing_is_skipped(
    sessions: tuple[Store, Store], postgres_url: str, schema: str
) -> None:
    one, _ = sessions
    await start(one, "run-1", items=[activity(4), activity(5)])
    connection = await asyncpg.connect(postgres_url)
    async with connection.transaction():
        await connection.execute(f"SELECT FROM {schema}.task WHERE event_id = 4 FOR UPDATE")
        assert await claim(one, 2) == [5]
    await connection.close()


async def test_a_session_that_is_alone_reserves_nothing(postgres_url: str, schema: str) -> None:
    async with store_on(lambda: PostgresStore(postgres_url, schema=schema)) as alone:
        await alone.renew_session("one", now=NOW, expires_at=NOW + 10)
        await start(alone, "run-1", items=[activity(number) for number in range(1, 10)])
        assert await claim(alone, 2) == list(range(1, 10))


async def test_what_is_claimed_and_started_waits_no_more(sessions: tuple[Store, Store]) -> None:
    one, two = sessions
    await start(one, "run-1", items=[activity(4), activity(5)])
    assert await claim(two, 1) == [4]
    await two.load(["run-1"])
    running = activity(4, started_event_id=6, started_at=NOW, session="two")
    assert await commit(two, write(head(), 1, items={4: running})) == []
    assert await claim(one, 9) == [5]
