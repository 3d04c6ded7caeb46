"""Sessions on SQLite: lock files tell at once that an OS process has died; where they cannot, the lease does."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from aioworkflow.stores.base import Group
from aioworkflow.stores.sqlite import SQLiteStore, sessions
from aioworkflow.testing.conformance.store.tools import NOW, head, write

HOLDS_A_SESSION = """
import asyncio, sys
from aioworkflow.stores.sqlite import SQLiteStore

async def main():
    store = SQLiteStore(sys.argv[1])
    await store.open()
    await store.renew_session("child", now=0, expires_at=1e12)
    print("ready", flush=True)
    sys.stdin.readline()

asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "test.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(path)
    await store.open()
    yield store
    await store.close()


def lock_files(path: Path) -> set[str]:
    directory = path.with_name("test.db-sessions")
    return {file.name for file in directory.iterdir()} if directory.exists() else set()


async def dead(store: SQLiteStore, now: float = NOW) -> list[str]:
    return list(await store.renew_session("one", now=now, expires_at=now + 10))


async def test_who_comes_back_after_it_was_ended_has_a_lock_again(store: SQLiteStore, path: Path) -> None:
    other = SQLiteStore(path)
    await other.open()
    await other.renew_session("two", now=NOW, expires_at=NOW + 99)
    await store.end_session("two")
    await other.commit(Group(session="two", claims=True, writes=[write(head())]))
    assert await dead(store) == ["two"]
    assert lock_files(path) == {"one.lock"}
    await other.renew_session("two", now=NOW, expires_at=NOW + 99)
    assert await dead(store) == []
    assert lock_files(path) == {"one.lock", "two.lock"}
    await other.close()
    assert await dead(store) == ["two"], "long before its lease runs out"


@pytest.mark.parametrize("moment", ["makedirs", "open"])
async def test_the_directory_may_go_while_a_session_begins(
    store: SQLiteStore, path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Whoever closes as the last removes it."""
    directory = path.with_name("test.db-sessions")
    real = getattr(os, moment)
    left = 3

    def interrupted(name: str, *args: Any, **kwargs: Any) -> Any:
        nonlocal left
        if str(directory) in name and left:
            left -= 1
            if moment == "makedirs":
                raise FileExistsError(name)
            directory.rmdir()
        return real(name, *args, **kwargs)

    monkeypatch.setattr(os, moment, interrupted)
    await dead(store)
    assert left == 0
    assert lock_files(path) == {"one.lock"}


async def test_a_killed_process(store: SQLiteStore, path: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        HOLDS_A_SESSION,
        str(path),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    assert await child.stdout.readline() == b"ready\n"
    assert await dead(store) == []
    assert lock_files(path) == {"one.lock", "child.lock"}
    child.kill()
    await child.communicate()
    assert await dead(store) == ["child"], "long before its lease runs out"
    assert await dead(store) == ["child"]
    await store.end_session("child")
    assert await dead(store) == []
    assert lock_files(path) == {"one.lock"}


async def test_lock_files_are_tidied_up(path: Path) -> None:
    async def names() -> set[str]:
        return {file.name for file in path.parent.iterdir()}

    one, two = SQLiteStore(path), SQLiteStore(path)
    await one.open()
    await two.open()
    await one.renew_session("../one ü", now=NOW, expires_at=NOW + 10)
    assert await two.renew_session("two", now=NOW, expires_at=NOW + 10) == []
    assert lock_files(path) == {"..%2Fone%20%C3%BC.lock", "two.lock"}
    await one.end_session("../one ü")
    await one.close()
    assert lock_files(path) == {"two.lock"}
    await two.end_session("two")
    await two.close()
    assert await names() == {"test.db"}


async def test_closed_without_an_end(store: SQLiteStore, path: Path) -> None:
    other = SQLiteStore(path)
    await other.open()
    await other.renew_session("other", now=NOW, expires_at=NOW + 1000)
    assert await dead(store) == []
    await other.close()
    assert await dead(store) == ["other"], "who closed the store without ending its session is dead"


async def test_a_session_that_comes_back(store: SQLiteStore, path: Path) -> None:
    other = SQLiteStore(path)
    await other.open()
    await other.renew_session("other", now=NOW, expires_at=NOW + 1)
    assert await dead(store, NOW + 5) == ["other"]
    await store.end_session("other")
    await other.renew_session("other", now=NOW + 6, expires_at=NOW + 9)
    assert await dead(store, NOW + 7) == []
    assert lock_files(path) == {"one.lock", "other.lock"}
    await other.close()
    assert await dead(store, NOW + 7) == ["other"]


async def test_a_lock_file_that_is_gone_or_taken(store: SQLiteStore, path: Path) -> None:
    other = SQLiteStore(path)
    await other.open()
    await other.renew_session("other", now=NOW, expires_at=NOW + 8)
    directory = path.with_name("test.db-sessions")
    (directory / "other.lock").unlink()
    await other.close()
    assert await dead(store) == [], "without the file nothing is known but the lease"
    assert await dead(store, NOW + 8) == ["other"]
    taken = sessions.Sessions(store._connection, store.path)
    assert not await store._call(lambda: taken._lock("one")), "a lock that somebody holds cannot be taken"
    assert await store._call(lambda: not taken._held)


async def test_no_place_for_lock_files(store: SQLiteStore, path: Path) -> None:
    path.with_name("test.db-sessions").write_text("a file in the way")
    other = SQLiteStore(path)
    await other.open()
    await other.renew_session("other", now=NOW, expires_at=NOW + 8)
    await other.close()
    assert await dead(store) == []
    assert await dead(store, NOW + 8) == ["other"]


async def test_a_system_without_locks(store: SQLiteStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    spec = importlib.util.spec_from_file_location("aioworkflow.stores.sqlite.lockless", sessions.__file__)
    assert spec is not None
    assert spec.loader is not None
    lockless = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lockless)
    held = lockless.Sessions(store._connection, store.path)
    assert await store._call(lambda: held.renew("other", NOW, NOW + 8)) == []
    assert lock_files(path) == set()
    assert await dead(store) == []
    assert await store._call(lambda: held.renew("other", NOW, NOW + 8)) == []
    assert await dead(store, NOW + 8) == ["other"]
    assert await store._call(lambda: held.renew("third", NOW, NOW + 20)) == []
    await store._call(held.close)


async def test_a_lease_that_stands_is_not_written_again(store: SQLiteStore, path: Path) -> None:
    other = SQLiteStore(path)
    await other.open()
    await store.renew_session("one", now=NOW, expires_at=NOW + 10)
    assert await other.changed()
    assert await store.renew_session("one", now=NOW + 1, expires_at=NOW + 10) == []
    assert not await other.changed()
    await store.renew_session("one", now=NOW + 2, expires_at=NOW + 12)
    assert await other.changed()
    await other.close()
