"""SQLite in trouble: full, locked, damaged, removed; and what a killed process leaves behind."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aioworkflow.errors import BackendUnavailableError, InvalidRequestError, StoreError
from aioworkflow.stores.sqlite import SQLiteStore, writer
from aioworkflow.stores.sqlite.errors import translated
from aioworkflow.testing.conformance.store.tools import activity, commit, events, group, head, load, start, write

COUNTS_UP = """
import asyncio, sys
from aioworkflow.stores.sqlite import SQLiteStore
from aioworkflow.testing.conformance.store.tools import activity, commit, events, head, write

async def main():
    store = SQLiteStore(sys.argv[1])
    await store.open()
    for version in range(1_000_000):
        last = 3 * version + 3
        items = {last: activity(last)} if version % 2 == 0 else {last - 3: None}
        saved = write(head(last_event_id=last), version, events=events(last - 2, last), items=items)
        assert await commit(store, saved) == []
        print(version + 1, flush=True)

asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "test.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(path, busy_timeout=0.01)
    await store.open()
    await start(store, "run-1")
    yield store
    await store.close()


async def execute(store: SQLiteStore, sql: str) -> list[Any]:
    return await store._call(lambda: store._connection.execute(sql).fetchall())


async def test_a_full_disk(store: SQLiteStore) -> None:
    await execute(store, "PRAGMA max_page_count = 1")
    with pytest.raises(StoreError, match="the disk is full"):
        await commit(
            store, write(head(last_event_id=9), 1), write(head("run-2"), items={4: activity(4)}, events=events(1, 900))
        )
    found = await store.load(["run-1", "run-2"])
    assert {run_id: run.version for run_id, run in found.items()} == {"run-1": 1}, "nothing of the group was saved"
    assert await store.history("run-2") == []
    await execute(store, "PRAGMA max_page_count = 1000000")
    assert await commit(store, write(head(last_event_id=9), 1), write(head("run-2"), events=events(1, 900))) == []
    assert await execute(store, "PRAGMA integrity_check") == [("ok",)]


async def test_another_writer(store: SQLiteStore, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BackendUnavailableError, match="longer than the busy timeout"):
            await commit(store, write(head(last_event_id=9), 1))
        assert (await load(store)).version == 1, "reading goes on beside another writer"
        other.execute("ROLLBACK")
    assert await commit(store, write(head(last_event_id=9), 1)) == []


async def test_waiting_for_another_writer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SQLiteStore(path, busy_timeout=60)
    await store.open()
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        pauses: list[float] = []

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 5:
                other.execute("COMMIT")

        monkeypatch.setattr("aioworkflow.stores.sqlite.store.time.sleep", pause)
        other.execute("BEGIN IMMEDIATE")
        assert await store.commit(group(write(head()))) == []
        assert len(pauses) == 5
    await store.close()


async def test_an_error_in_the_middle_of_a_group(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise sqlite3.DatabaseError("no more")

    await start(store, "run-2", items=[activity(4)])
    with monkeypatch.context() as patch:
        patch.setattr(writer.Writer, "_insert", fail)
        with pytest.raises(StoreError, match="no more"):
            await commit(store, write(head("run-2"), 1, items={4: None}), write(head("run-3")))
    assert (await load(store, "run-2")).items == [activity(4)], "what was done before the error is undone"
    assert await commit(store, write(head("run-2"), 1, items={4: None}), write(head("run-3"))) == []


async def test_forgets_what_it_knows_in_time(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_MOST_KNOWN", 2)
    await start(store, "run-2", "run-3", "run-4")
    for version in (1, 2):
        assert await commit(store, write(head("run-3"), version), write(head("run-4"), version + 5)) == [1]
    assert len(store._writer._known) < 4


async def test_a_removed_file(store: SQLiteStore, path: Path) -> None:
    path.unlink()
    with pytest.raises(StoreError, match="was removed or replaced"):
        await commit(store, write(head(last_event_id=9), 1))
    with pytest.raises(StoreError, match="was removed or replaced"):
        await store.changed()


async def test_a_replaced_file(store: SQLiteStore, path: Path, tmp_path: Path) -> None:
    other = SQLiteStore(tmp_path / "other.db")
    await other.open()
    await other.close()
    os.replace(tmp_path / "other.db", path)
    with pytest.raises(StoreError, match="was removed or replaced"):
        await store.load(["run-1"])


async def test_a_damaged_file(path: Path) -> None:
    store = SQLiteStore(path)
    await store.open()
    await start(store, *(f"run-{number}" for number in range(100)))
    await store.close()
    content = path.read_bytes()
    path.write_bytes(content[:8192] + b"\xff" * (len(content) - 8192))
    await store.open()
    with pytest.raises(StoreError, match="it is damaged"):
        await store.load([f"run-{number}" for number in range(100)])
    await store.close()


def test_errors_of_the_module_itself() -> None:
    with pytest.raises(StoreError, match="SQLite refuses the operation"), translated("test.db"):
        raise sqlite3.ProgrammingError("Cannot operate on a closed database.")


async def test_values_that_sqlite_has_no_form_for(store: SQLiteStore) -> None:
    with pytest.raises(InvalidRequestError, match="surrogates not allowed"):
        await store.history("\ud800")
    with pytest.raises(InvalidRequestError, match="too large"):
        await store.history("run-1", after=1 << 70)


async def test_a_killed_process_loses_nothing_it_was_told_is_saved(path: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", COUNTS_UP, str(path), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    acknowledged = 0
    while acknowledged < 40:
        acknowledged = int(await child.stdout.readline())
    child.kill()
    rest, _ = await child.communicate()
    acknowledged = max([acknowledged, *(int(line) for line in rest.splitlines(keepends=True) if line.endswith(b"\n"))])
    store = SQLiteStore(path)
    await store.open()
    found = await load(store)
    assert found.version >= acknowledged
    assert found.head.last_event_id == 3 * found.version
    assert await store.history("run-1") == events(1, 3 * found.version)[:1000]
    assert found.items == ([activity(3 * found.version)] if found.version % 2 else [])
    assert await execute(store, "PRAGMA integrity_check") == [("ok",)]
    await store.close()
