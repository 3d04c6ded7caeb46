"""Connections that are lost, values that cannot be held, groups whose caller goes away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from aioworkflow.backend import ProcessFilter
from aioworkflow.errors import (
    BackendClosedError,
    BackendUnavailableError,
    InvalidRequestError,
    StoreError,
    UnknownTaskError,
)
from aioworkflow.stores.base import Group
from aioworkflow.stores.postgres import PostgresStore, writer
from aioworkflow.stores.postgres.clock import DatabaseClock
from aioworkflow.stores.postgres.columns import Columns
from aioworkflow.stores.postgres.connections import Connection, Pool, disconnect
from aioworkflow.stores.postgres.errors import is_conflict, translated
from aioworkflow.stores.postgres.sql import Sql
from aioworkflow.testing.conformance.store.tools import (
    NOW,
    closed_head,
    commit,
    events,
    head,
    ids,
    load,
    queued,
    start,
    store_on,
    write,
)
from tests.postgres_server import PostgresServer


@pytest.fixture
async def store(postgres_url: str, schema: str) -> AsyncIterator[PostgresStore]:
    opened = PostgresStore(postgres_url, schema=schema)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def admin(postgres_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(postgres_url)
    yield connection
    await connection.close()


async def cut(admin: Any, *, waiting_for_lock: bool = False) -> int:
    """Cut the connections of stores; return how many there were."""
    condition = "wait_event_type = 'Lock'" if waiting_for_lock else "true"
    rows = await admin.fetch(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'aioworkflow' AND {condition}"
    )
    return len(rows)


@asynccontextmanager
async def locked(admin: Any, schema: str) -> AsyncIterator[None]:
    """Hold all runs, so that a group that changes them must wait."""
    async with admin.transaction():
        await admin.execute(f"SELECT FROM {schema}.state FOR UPDATE")
        yield


async def waiting_for_locks(admin: Any) -> int:
    """Return how many connections of stores wait for a lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'aioworkflow' AND wait_event_type = 'Lock'"
    await admin.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees what it saw the first time
    count: int = await admin.fetchval(query)
    return count


async def until_one_waits(admin: Any) -> None:
    while not await waiting_for_locks(admin):
        pass


# --- lost connections ------------------------------------------------------------------------------------------------


async def test_reading_goes_on_over_other_connections(store: PostgresStore, admin: Any) -> None:
    await start(store, "run-1")
    for _ in range(3):
        assert await cut(admin)
        assert (await load(store)).version == 1


async def test_writing_goes_on_over_another_connection(store: PostgresStore, admin: Any) -> None:
    await start(store, "run-1")
    await cut(admin)
    while True:
        try:
            assert await commit(store, write(head(last_event_id=5), 1)) == []
        except BackendUnavailableError:  # it was not known yet that the connection is gone
            continue
        break
    assert (await load(store)).version == 2


async def test_a_group_whose_connection_is_lost_may_or_may_not_be_saved(
    store: PostgresStore, admin: Any, schema: str
) -> None:
    await start(store, "run-1")
    async with locked(admin, schema):
        committing = asyncio.ensure_future(commit(store, write(head(last_event_id=5), 1)))
        await until_one_waits(admin)
        assert await cut(admin, waiting_for_lock=True) == 1
        with pytest.raises(BackendUnavailableError, match=r"could not do it now|cannot be reached"):
            await committing
    assert (await load(store)).version == 1
    assert await commit(store, write(head(last_event_id=5), 1)) == []


async def test_a_statement_that_takes_too_long_is_given_up(
    postgres_url: str, schema: str, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with store_on(lambda: PostgresStore(postgres_url, schema=schema, timeout=0.2)) as impatient:
        await start(impatient, "run-1")
        async with locked(admin, schema):
            with pytest.raises(BackendUnavailableError, match="TimeoutError"):
                await commit(impatient, write(head(), 1))
            async with asyncio.timeout(10):
                while await waiting_for_locks(admin):
                    pass
        assert (await load(impatient)).version == 1, "it does not go on behind our back"


async def test_a_server_that_comes_back_is_waited_for(new_schema: Callable[[], str]) -> None:
    loop = asyncio.get_running_loop()
    with PostgresServer(fsync="off") as server:
        async with store_on(lambda: PostgresStore(server.url, timeout=60.0)) as store:
            await start(store, "run-1")
            await loop.run_in_executor(None, server.stop, "immediate")
            loading, counting = asyncio.ensure_future(load(store)), asyncio.ensure_future(store.count(ProcessFilter()))
            committing = asyncio.ensure_future(commit(store, write(head("run-2"))))
            await loop.run_in_executor(None, server.start)
            assert (await loading).version == 1
            assert await counting in (1, 2)
            try:
                assert await committing == []
            except BackendUnavailableError:  # the connection was lost with the group on its way
                assert await commit(store, write(head("run-2"))) == []
            # For a moment after its start nobody is taken for dead.
            now = store.now()
            await store.renew_session("dead", now=now, expires_at=now - 1)
            assert await store.renew_session("mine", now=now, expires_at=now + 9) == []
            assert await store.renew_session("mine", now=now + 3600, expires_at=now + 9) == ["dead"]
            await loop.run_in_executor(None, server.stop, "fast")
        await store.close()


async def test_a_server_that_stays_away_is_waited_for_so_long(unused_tcp_port: int) -> None:
    attempts = 0

    async def connect() -> Connection:
        nonlocal attempts
        attempts += 1
        return await asyncpg.connect(f"postgresql://127.0.0.1:{unused_tcp_port}/work")

    pool = Pool(connect, size=1, timeout=0.3, server="db/work", on_pooler=pytest.fail)
    with pytest.raises(BackendUnavailableError, match="db/work cannot be reached"):
        await pool.fetch("SELECT 1")
    assert attempts > 2
    await pool.close()
    with pytest.raises(BackendClosedError):
        await pool.fetch("SELECT 1")


async def test_who_stands_in_line_for_a_server_that_is_away_waits_no_longer_than_others() -> None:
    attempts = 0

    async def connect() -> Connection:
        nonlocal attempts
        attempts += 1
        await asyncio.sleep(0.05)
        raise TimeoutError  # no answer at all

    pool = Pool(connect, size=1, timeout=0.05, server="db/work", on_pooler=pytest.fail)
    errors = await asyncio.gather(*(pool.fetch("SELECT 1") for _ in range(30)), return_exceptions=True)
    assert {type(error) for error in errors} == {BackendUnavailableError}
    assert attempts <= 3


async def test_connections_are_bounded(postgres_url: str, schema: str, admin: Any) -> None:
    url = f"{postgres_url}?application_name=bounded"  # connections of the test before may still be there for a moment
    async with store_on(lambda: PostgresStore(url, schema=schema, connections=4)) as store:
        await asyncio.gather(
            *(store.load(["run-1"]) for _ in range(50)), *(start(store, f"run-{number}") for number in range(20))
        )
        count = await admin.fetchval("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bounded'")
        assert 1 < count <= 4


async def test_a_connection_that_cannot_say_good_bye_is_dropped() -> None:
    class Rude:
        terminated = False

        async def close(self, *, timeout: float) -> None:
            raise OSError("gone")

        def terminate(self) -> None:
            self.terminated = True

    rude = Rude()
    await disconnect(rude)  # type: ignore[arg-type]
    assert rude.terminated


# --- callers that go away --------------------------------------------------------------------------------------------


async def test_what_is_asked_after_a_cancelled_group_waits_for_it(
    store: PostgresStore, admin: Any, schema: str
) -> None:
    await start(store, "run-1")
    async with locked(admin, schema):
        committing = asyncio.ensure_future(commit(store, write(head(), 1, events=events(1, 2))))
        await until_one_waits(admin)
        committing.cancel()
        await asyncio.wait([committing])
        reading = asyncio.ensure_future(store.history("run-1"))
        await asyncio.sleep(0)
    assert committing.cancelled()
    assert ids(await reading) == [1, 2]


async def test_how_a_cancelled_group_ended_is_logged(
    store: PostgresStore, admin: Any, schema: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aioworkflow.postgres")
    await start(store, "run-1")
    async with locked(admin, schema):
        committing = asyncio.ensure_future(commit(store, write(head(), 1)))
        await until_one_waits(admin)
        committing.cancel()
        await asyncio.wait([committing])
        await cut(admin, waiting_for_lock=True)
        await store.load(["run-1"])
    assert any("a group whose caller was gone was not saved" in message for message in caplog.messages)


async def test_who_waits_for_a_group_that_ends_with_the_event_loop_waits_no_longer(
    store: PostgresStore, admin: Any, schema: str
) -> None:
    await start(store, "run-1")
    async with locked(admin, schema):
        committing = asyncio.ensure_future(commit(store, write(head(), 1)))
        await until_one_waits(admin)
        assert store._life is not None
        (task,) = store._life._commits
        task.cancel()
        await asyncio.wait([committing])
    assert committing.cancelled()


async def test_closing_waits_for_a_group_even_if_cancelled(postgres_url: str, schema: str, admin: Any) -> None:
    store = PostgresStore(postgres_url, schema=schema)
    await store.open()
    await start(store, "run-1")
    async with locked(admin, schema):
        committing = asyncio.ensure_future(commit(store, write(head(), 1)))
        await until_one_waits(admin)
        closing = asyncio.ensure_future(store.close())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.sleep(0)
    await asyncio.wait([closing])
    assert closing.cancelled()
    assert await committing == []


# --- who ends a session and who is handed tasks, one after the other -------------------------------------------------


async def test_who_ends_a_session_waits_for_groups_that_hand_it_tasks(
    store: PostgresStore, admin: Any, schema: str
) -> None:
    await store.renew_session("one", now=NOW, expires_at=NOW + 10)
    commit_one = Sql(schema)["commit"]
    async with admin.transaction():
        await admin.fetch(commit_one, *Columns([], {}).arguments(), "one")
        ending = asyncio.ensure_future(store.end_session("one"))
        await until_one_waits(admin)
        assert await sessions(admin, schema) == ["one"]
    await ending
    assert await sessions(admin, schema) == []


async def test_a_group_that_hands_out_tasks_waits_for_who_ends_the_session(
    store: PostgresStore, admin: Any, schema: str
) -> None:
    await store.renew_session("one", now=NOW, expires_at=NOW + 10)
    async with admin.transaction():
        await admin.fetch(Sql(schema)["end_session"], "one")
        claiming = asyncio.ensure_future(store.commit(Group(session="one", claims=True, writes=[write(head())])))
        await until_one_waits(admin)
    assert await claiming == []
    assert await sessions(admin, schema) == ["one"], "on record again, as one that is dead"
    assert await store.renew_session("two", now=NOW, expires_at=NOW + 10) == ["one"]


async def sessions(admin: Any, schema: str) -> list[str]:
    return [name for (name,) in await admin.fetch(f"SELECT session FROM {schema}.session ORDER BY session")]


# --- contention ------------------------------------------------------------------------------------------------------


async def test_a_group_that_others_are_always_faster_than_is_given_up(
    postgres_url: str, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def conflict(*args: object) -> bool:
        return False

    monkeypatch.setattr(writer, "_ATTEMPTS", 2)
    monkeypatch.setattr(writer.Writer, "_save", conflict)
    async with store_on(lambda: PostgresStore(postgres_url, schema=schema)) as store:
        with pytest.raises(BackendUnavailableError, match="others keep changing"):
            await commit(store, write(head()))


async def test_the_same_process_is_started_once_by_two_who_do_so_at_once(postgres_url: str, schema: str) -> None:
    async with (
        store_on(lambda: PostgresStore(postgres_url, schema=schema)) as one,
        store_on(lambda: PostgresStore(postgres_url, schema=schema)) as two,
    ):
        for number in range(20):
            refused = await asyncio.gather(
                commit(one, write(head(f"a-{number}", process_id=f"{number}")), write(head(f"c-{number}"))),
                commit(two, write(head(f"b-{number}", process_id=f"{number}")), write(head(f"d-{number}"))),
            )
            assert sorted(refused) == [[], [0]]
        assert await one.count(ProcessFilter()) == 60


async def test_groups_that_share_runs_do_not_lock_each_other_out(postgres_url: str, schema: str) -> None:
    async with (
        store_on(lambda: PostgresStore(postgres_url, schema=schema)) as one,
        store_on(lambda: PostgresStore(postgres_url, schema=schema)) as two,
    ):
        names = [f"run-{number}" for number in range(30)]
        await start(one, *names)

        async def count_up(store: PostgresStore, order: list[str]) -> None:
            for _ in range(15):
                found = await store.load(names)
                await commit(store, *(write(found[name].head, found[name].version) for name in order))

        await asyncio.gather(count_up(one, names), count_up(two, names[::-1]))  # type: ignore[arg-type]


async def test_what_is_being_written_to_is_removed_later(store: PostgresStore, admin: Any, schema: str) -> None:
    await commit(store, write(closed_head("run-1")), write(closed_head("run-2")))
    async with admin.transaction():
        # As a group does that brings a message to a run which is closed: it will lock the row in `process` next.
        await admin.execute(f"SELECT FROM {schema}.state WHERE head LIKE '%run-1%' FOR UPDATE")
        async with asyncio.timeout(10):
            assert await store.remove_closed(before=NOW + 3600, limit=10) == 1
        await admin.execute(f"UPDATE {schema}.process SET status = status WHERE run_id = 'run-1'")
    assert list(await store.load(["run-1", "run-2"])) == ["run-1"]
    assert await store.remove_closed(before=NOW + 3600, limit=10) == 1


async def test_many_known_runs_are_forgotten(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_MOST_KNOWN", 3)
    for number in range(10):
        await start(store, f"run-{number}")
    assert await commit(store, *(write(closed_head(f"run-{number}"), 1) for number in range(10))) == []


# --- values and errors -----------------------------------------------------------------------------------------------


async def test_values_that_cannot_be_held_are_refused(store: PostgresStore) -> None:
    with pytest.raises(InvalidRequestError, match="cannot hold such a value"):
        await commit(store, write(head(queued=queued(), task_priority=2**40)))
    assert await commit(store, write(head())) == []


@pytest.mark.parametrize(
    ("error", "becomes", "message"),
    [
        (asyncpg.AdminShutdownError("stop"), BackendUnavailableError, "could not do it now .AdminShutdownError: stop"),
        (asyncpg.TooManyConnectionsError("full"), BackendUnavailableError, "could not do it now"),
        (asyncpg.ReadOnlySQLTransactionError("standby"), BackendUnavailableError, "could not do it now"),
        (asyncpg.DeadlockDetectedError("x"), BackendUnavailableError, "could not do it now"),
        (asyncpg.InterfaceError("connection is closed"), BackendUnavailableError, "cannot be reached"),
        (ConnectionResetError("reset"), BackendUnavailableError, "cannot be reached"),
        (TimeoutError(), BackendUnavailableError, r"cannot be reached \(TimeoutError\)"),
        (asyncpg.InvalidPasswordError("no"), StoreError, "check the user and the password"),
        (asyncpg.InvalidCatalogNameError("no"), StoreError, "there is no such database"),
        (asyncpg.InsufficientPrivilegeError("no"), StoreError, "GRANT CREATE"),
        (asyncpg.UndefinedTableError("no"), StoreError, "a table is gone"),
        (asyncpg.SyntaxOrAccessError("no"), StoreError, "the server refuses the operation"),
        (asyncpg.CharacterNotInRepertoireError("no"), InvalidRequestError, "cannot hold"),
        (asyncpg.DataError("no"), InvalidRequestError, "cannot hold"),
        (OverflowError("large"), InvalidRequestError, "cannot hold"),
        (UnknownTaskError("ours"), UnknownTaskError, "ours"),
        (KeyError("a bug"), KeyError, "a bug"),
    ],
)
def test_errors_are_translated(error: Exception, becomes: type[Exception], message: str) -> None:
    with pytest.raises(becomes, match=message), translated("db/work"):
        raise error


def test_conflicts_are_told_from_other_errors() -> None:
    assert is_conflict(asyncpg.SerializationError("x"))
    assert is_conflict(asyncpg.UniqueViolationError("x"))
    assert not is_conflict(asyncpg.AdminShutdownError("x"))
    assert not is_conflict(None)


def test_the_clock_trusts_the_fastest_of_the_last_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 50.0
    monkeypatch.setattr("aioworkflow.stores.postgres.clock.time.monotonic", lambda: now)
    clock = DatabaseClock()
    clock.observe(10.0, 10.5, 1000.0)
    assert clock.now() == 1039.75
    clock.observe(20.0, 20.0, 1010.0)
    assert clock.now() == 1040.0
    clock.observe(30.0, 31.0, 1020.2)
    assert clock.now() == 1040.0
    for number in range(16):
        clock.observe(40.0, 41.0, 1030.2 + number % 2 / 10)
    assert clock.now() == pytest.approx(1039.7)
    clock.forget()
    clock.observe(40.0, 49.0, 3044.5)
    assert clock.now() == pytest.approx(3050.0)


@pytest.mark.parametrize("told", [1020.0 + 3600, 1020.0 - 3600])
def test_a_clock_that_was_set_is_followed_at_once(monkeypatch: pytest.MonkeyPatch, told: float) -> None:
    """So is another server after a failover; and a machine that slept looks as if the server's clock had been set."""
    now = 50.0
    monkeypatch.setattr("aioworkflow.stores.postgres.clock.time.monotonic", lambda: now)
    clock = DatabaseClock()
    clock.observe(20.0, 20.001, 1010.0)
    clock.observe(30.0, 30.5, told)  # it took longer than the one before
    assert clock.now() == pytest.approx(told + 19.75)
    clock.observe(31.0, 31.2, told + 1.0)
    assert clock.now() == pytest.approx(told + 19.9)
