"""Opening an SQLite file: what may be there, who else may be opening it, and older and newer schemas."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from aioworkflow.backend import ProcessFilter
from aioworkflow.errors import BackendError, BackendUnavailableError, SchemaVersionError, StoreError
from aioworkflow.stores.base import TaskKind
from aioworkflow.stores.sqlite import SQLiteStore, database
from aioworkflow.stores.sqlite.database import APPLICATION_ID, SCHEMA_VERSION
from aioworkflow.stores.sqlite.sql import MIGRATIONS
from aioworkflow.testing.conformance.store.tools import (
    NOW,
    activity,
    closed_head,
    commit,
    events,
    head,
    load,
    message,
    queued,
    start,
    write,
)
from aioworkflow.types import ActivityType, ProcessStatus, TypeRef

V1 = (Path(__file__).parent / "schema_v1.sql").read_text(encoding="utf-8")

OPENS_AND_WRITES = """
import asyncio, sys
from aioworkflow.stores.sqlite import SQLiteStore
from aioworkflow.testing.conformance.store.tools import start

async def main():
    print("ready", flush=True)
    sys.stdin.readline()
    store = SQLiteStore(sys.argv[1], busy_timeout=60)
    await store.open()
    for number in range(20):
        await start(store, f"{sys.argv[2]}-{number}")
    await store.close()

asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "test.db"


def query(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def make(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def schema(path: Path) -> set[tuple[Any, ...]]:
    return set(query(path, "SELECT type, name, tbl_name, sql FROM sqlite_master"))


async def make_fresh(path: Path) -> None:
    store = SQLiteStore(path)
    await store.open()
    await start(store, "run-1")
    await store.close()


async def refusal(path: Path, error: type[StoreError] = StoreError) -> str:
    """Open a store that cannot be opened; return the message."""
    store = SQLiteStore(path)
    with pytest.raises(error) as caught:
        await store.open()
    await store.close()
    assert str(path) in str(caught.value)
    return str(caught.value)


@contextmanager
def as_nobody(directory: Path) -> Iterator[None]:
    """Drop root's right to write what is read-only, if the tests have it."""
    user = os.geteuid()
    if user == 0:
        for place in (directory, *directory.parents):
            place.chmod(place.stat().st_mode | 0o055)
        for place in (directory, *directory.iterdir()):
            os.chown(place, 65534, -1)
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


async def test_settings(path: Path) -> None:
    await make_fresh(path)
    assert query(path, "PRAGMA journal_mode") == [("wal",)]
    assert query(path, "PRAGMA application_id") == [(APPLICATION_ID,)]
    assert query(path, "PRAGMA user_version") == [(SCHEMA_VERSION,)]
    for synchronous, expected in (("FULL", 2), ("NORMAL", 1)):
        store = SQLiteStore(path, synchronous=synchronous)  # type: ignore[arg-type]
        await store.open()
        rows = await store._call(lambda store=store: store._connection.execute("PRAGMA synchronous").fetchall())  # type: ignore[misc]
        assert rows == [(expected,)]
        await store.close()


@pytest.mark.parametrize("name", ["", ":memory:", "a\0b"])
def test_a_name_that_is_none(name: str) -> None:
    with pytest.raises(StoreError, match="names no file"):
        SQLiteStore(name)


def test_an_unknown_setting() -> None:
    with pytest.raises(StoreError, match="'OFF'"):
        SQLiteStore("test.db", synchronous="OFF")  # type: ignore[arg-type]


async def test_bytes_and_links_name_files_too(path: Path, tmp_path: Path) -> None:
    await make_fresh(path)
    (tmp_path / "link.db").symlink_to(path)
    store = SQLiteStore(os.fsencode(tmp_path / "link.db"))
    await store.open()
    assert store.path == str(path)
    assert (await load(store)).version == 1
    await store.close()


async def test_open_already(path: Path) -> None:
    store = SQLiteStore(path)
    await store.open()
    with pytest.raises(BackendError, match="open already"):
        await store.open()
    await store.close()


async def test_a_directory(tmp_path: Path) -> None:
    assert "it is a directory" in await refusal(tmp_path)


async def test_a_missing_directory(tmp_path: Path) -> None:
    assert "its directory does not exist" in await refusal(tmp_path / "missing" / "test.db")
    assert not (tmp_path / "missing").exists()


async def test_a_file_in_place_of_the_directory(path: Path) -> None:
    path.write_text("a file")
    assert "its directory does not exist" in await refusal(path / "test.db")


@pytest.mark.parametrize("content", [b"1", b"hello", b"not a database, " * 1000, b"\0" * 100])
async def test_no_database(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert "it is not an SQLite database" in await refusal(path)
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


async def test_an_empty_file_is_a_fresh_database(path: Path) -> None:
    path.touch()
    await make_fresh(path)
    assert query(path, "PRAGMA user_version") == [(SCHEMA_VERSION,)]


@pytest.mark.parametrize("theirs", ["CREATE TABLE t (x)", "PRAGMA application_id = 77", "PRAGMA user_version = 5"])
async def test_another_applications_database(path: Path, theirs: str) -> None:
    make(path, theirs)
    before = path.read_bytes()
    assert "belongs to another application" in await refusal(path)
    assert path.read_bytes() == before, "not even its journal mode was changed"


async def test_a_newer_schema(path: Path) -> None:
    await make_fresh(path)
    make(path, "PRAGMA user_version = 99")
    before = path.read_bytes()
    text = await refusal(path, SchemaVersionError)
    assert "schema version 99" in text
    assert f"up to {SCHEMA_VERSION}" in text
    assert "upgrade aioworkflow" in text
    assert path.read_bytes() == before


async def test_an_older_schema_is_migrated_with_its_data(path: Path, tmp_path: Path) -> None:
    make(path, V1)
    assert query(path, "PRAGMA user_version") == [(1,)]
    store = SQLiteStore(path)
    await store.open()
    expected = head(queued=queued(5), tags=("vip",), last_event_id=5)
    found = await load(store)
    assert (found.version, found.head, found.items) == (2, expected, [activity(4)])
    assert await store.history("run-1") == events(1, 5)
    assert len(await store.waiting(TaskKind.DECISION, "deciders", limit=9)) == 1
    assert (await store.due(NOW + 10)).run_ids == ["run-1"]
    assert await store.outbox(older_than=NOW + 1) == [message()]
    assert await store.types() == [ActivityType(ref=TypeRef("Foo"))]
    assert await store.count(ProcessFilter(workflow="Foo", status=ProcessStatus.FAILED)) == 1
    assert await commit(store, write(closed_head(), 2), write(head("run-3"))) == []
    await store.close()
    assert query(path, "PRAGMA user_version") == [(SCHEMA_VERSION,)]
    await make_fresh(tmp_path / "fresh.db")
    assert schema(path) == schema(tmp_path / "fresh.db"), "a migrated database has the schema of a new one"


async def test_a_migration_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(path, V1)
    before = schema(path), query(path, "SELECT * FROM state")
    broken = [*MIGRATIONS, "CREATE TABLE more (x);\nINSERT INTO missing VALUES (1);\n"]
    monkeypatch.setattr(database, "MIGRATIONS", broken)
    monkeypatch.setattr(database, "SCHEMA_VERSION", len(broken))
    assert "no such table: missing" in await refusal(path)
    assert (schema(path), query(path, "SELECT * FROM state")) == before
    assert query(path, "PRAGMA user_version") == [(1,)]


async def test_a_file_system_without_shared_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stubborn(sqlite3.Connection):
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            return super().execute("PRAGMA journal_mode" if "journal_mode" in sql else sql, *args)

    monkeypatch.setattr(database, "connect", lambda path: sqlite3.connect(path, isolation_level=None, factory=Stubborn))
    monkeypatch.setattr("aioworkflow.stores.sqlite.store.connect", database.connect)
    assert "use a local disk" in await refusal(path)


async def test_a_read_only_file(path: Path) -> None:
    await make_fresh(path)
    path.chmod(0o444)
    with as_nobody(path.parent):
        assert "it cannot be written" in await refusal(path)
    path.chmod(0o644)
    await make_fresh_again(path)


async def test_an_unreadable_file(path: Path) -> None:
    await make_fresh(path)
    path.chmod(0o000)
    with as_nobody(path.parent):
        assert "it cannot be opened" in await refusal(path)
    path.chmod(0o644)
    await make_fresh_again(path)


async def test_a_read_only_directory(path: Path) -> None:
    await make_fresh(path)
    path.parent.chmod(0o555)
    with as_nobody(path.parent):
        assert "this user" in await refusal(path)
        assert "this user" in await refusal(path.parent / "new.db")
    path.parent.chmod(0o755)
    await make_fresh_again(path)


async def make_fresh_again(path: Path) -> None:
    """See that a database that was refused is unharmed."""
    store = SQLiteStore(path)
    await store.open()
    assert (await load(store)).version == 1
    await store.close()


async def test_locked_by_another_program(path: Path) -> None:
    await make_fresh(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        store = SQLiteStore(path, busy_timeout=0.01)
        with pytest.raises(BackendUnavailableError, match="locked by another connection"):
            await store.open()
    await store.open()
    assert (await load(store)).version == 1
    await store.close()


async def test_cancelled_while_opening(path: Path) -> None:
    await make_fresh(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        store = SQLiteStore(path, busy_timeout=0.05)
        opening = asyncio.ensure_future(store.open())
        await asyncio.sleep(0)
        opening.cancel()
        await asyncio.wait([opening])
        assert opening.cancelled()
    await store.open()
    await store.close()


async def test_several_processes_make_one_database(path: Path) -> None:
    children = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            OPENS_AND_WRITES,
            str(path),
            f"child-{number}",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for number in range(4)
    ]
    for child in children:
        assert child.stdout is not None
        assert await child.stdout.readline() == b"ready\n"
    await asyncio.gather(*(child.communicate(b"go\n") for child in children))
    assert [child.returncode for child in children] == [0, 0, 0, 0]
    store = SQLiteStore(path)
    await store.open()
    assert await store.count(ProcessFilter(closed=False)) == 80
    await store.close()
