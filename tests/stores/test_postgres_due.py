"""Deadlines: how far back they are looked for."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest

from aioworkflow.stores.postgres import PostgresStore
from aioworkflow.stores.postgres.due import DueLooks
from aioworkflow.testing.conformance.store.tools import NOW, commit, head, store_on, write


class Clock:
    """The monotonic clock, turned by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


def test_most_looks_begin_a_little_before_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, looks = Clock(monkeypatch), DueLooks()
    assert looks.since(5000.0) == -math.inf
    looks.looked(5000.0, since=-math.inf, seconds=0.1)
    assert looks.since(5001.0) == 4970.0
    looks.looked(5001.0, since=4970.0, seconds=0.1)
    assert looks.since(5002.0) == 4971.0
    assert looks.since(4000.0) == 3970.0, "a clock may be set back"
    clock.now += 10.0
    assert looks.since(5010.0) == -math.inf


def test_a_look_that_takes_long_is_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, looks = Clock(monkeypatch), DueLooks()
    looks.looked(5000.0, since=-math.inf, seconds=3.0)
    clock.now += 59.0
    assert looks.since(5059.0) == 4970.0
    clock.now += 1.0
    assert looks.since(5060.0) == -math.inf


async def due(store: PostgresStore, now: float, limit: int = 500) -> list[str]:
    return list((await store.due(now, limit=limit)).run_ids)


async def test_what_was_due_long_ago_is_found_by_the_next_full_look(
    postgres_url: str, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        store_on(lambda: PostgresStore(postgres_url, schema=schema)) as opened,
        store_on(lambda: PostgresStore(postgres_url, schema=schema)) as other,
    ):
        store: Any = opened
        assert await due(store, NOW) == []
        for run_id, wake_at in (("old", NOW - 31), ("late", NOW - 27), ("now", NOW)):
            assert await commit(other, write(head(run_id), wake_at=wake_at)) == []
        assert await due(store, NOW + 0.5) == ["late", "now"]
        assert await commit(store, write(head("mine"), wake_at=NOW - 40)) == []
        assert await due(store, NOW + 1) == ["mine", "old", "late", "now"]
        assert await due(store, NOW + 1) == ["late", "now"]
        monkeypatch.setattr(store._life.due_looks, "_full_look_at", 0.0)
        assert await due(store, NOW + 1) == ["mine", "old", "late", "now"]


async def test_a_look_that_did_not_see_all_is_made_again(postgres_url: str, schema: str) -> None:
    async with store_on(lambda: PostgresStore(postgres_url, schema=schema)) as opened:
        store: Any = opened
        for run_id, wake_at in (("old", NOW - 100), ("late", NOW - 27)):
            assert await commit(store, write(head(run_id), wake_at=wake_at)) == []
        assert await due(store, NOW, limit=1) == ["old"]
        assert await due(store, NOW) == ["old", "late"]
