"""Of a run with many open items only what has changed is loaded anew."""

from __future__ import annotations

import pytest

from aioworkflow.stores.base import Store
from aioworkflow.stores.encoded import EncodedWrite
from aioworkflow.stores.postgres import PostgresStore
from aioworkflow.stores.postgres import items as items_module
from aioworkflow.stores.postgres.items import LargeRuns
from aioworkflow.testing.conformance.store.tools import NOW, activity, commit, head, load, start, store_on, write


async def assert_loaded(store: Store, version: int, event_ids: list[int]) -> None:
    found = await load(store)
    assert (found.version, [item.event_id for item in found.items]) == (version, event_ids)


async def test_two_sessions_work_on_a_large_run(postgres_url: str, schema: str) -> None:
    async with (
        store_on(lambda: PostgresStore(postgres_url, schema=schema)) as one,
        store_on(lambda: PostgresStore(postgres_url, schema=schema)) as two,
    ):
        await start(one, "run-1", items=[activity(number) for number in range(1, 201)])
        await assert_loaded(one, 1, [*range(1, 201)])
        await assert_loaded(two, 1, [*range(1, 201)])
        running = activity(7, started_event_id=300, started_at=NOW)
        await commit(one, write(head(), 1, items={7: running, 8: None, 201: activity(201)}))
        await assert_loaded(two, 2, [*range(1, 8), *range(9, 202)])
        assert (await load(two)).items[6] == running
        await commit(two, write(head(), 2, items={9: None, 10: activity(10, started_event_id=300)}))
        await assert_loaded(two, 3, [*range(1, 8), *range(10, 202)])
        await assert_loaded(one, 3, [*range(1, 8), *range(10, 202)])
        await commit(one, write(head(), 3, items=dict.fromkeys(range(1, 190))))
        await assert_loaded(two, 4, [*range(190, 202)])
        await commit(two, write(head(), 4, items={190: None}))
        await assert_loaded(one, 5, [*range(191, 202)])


def remembered(runs: LargeRuns, run_id: str, version: int = 1, count: int = 60) -> list[int]:
    made = [EncodedWrite(write(head(run_id), items={n: activity(n)})).saved_items[0][-1] for n in range(1, count + 1)]
    loaded = runs.loaded(run_id, version, made, since=runs.get(run_id), event_ids=None)
    return [item.event_id for item in loaded]


def test_small_runs_are_not_kept() -> None:
    runs = LargeRuns()
    assert remembered(runs, "run-1", count=49) == [*range(1, 50)]
    assert runs.get("run-1").version == -1


def test_few_runs_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items_module, "_MOST_RUNS", 2)
    runs = LargeRuns()
    for run_id in ("run-1", "run-2", "run-3"):
        remembered(runs, run_id)
    assert [runs.get(run_id).version for run_id in ("run-1", "run-2", "run-3")] == [-1, 1, 1]


def test_what_was_loaded_late_does_not_replace_what_is_newer() -> None:
    runs = LargeRuns()
    remembered(runs, "run-1", version=5)
    remembered(runs, "run-1", version=4)
    assert runs.get("run-1").version == 5
    runs.saved(EncodedWrite(write(head("run-1"), 3, items={1: None})))
    runs.saved(EncodedWrite(write(head("run-1"), 5, changed=False)))
    assert (runs.get("run-1").version, len(runs.get("run-1").texts)) == (5, 60)
    runs.saved(EncodedWrite(write(head("run-1"), 5, items={1: None, 99: None})))
    assert (runs.get("run-1").version, len(runs.get("run-1").texts)) == (6, 59)
