"""The store itself: what the backend sees, over connections that come and go."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import anyio
import asyncpg

from ...backend import ProcessFilter, ProcessInfo
from ...errors import BackendClosedError, BackendError, BackendUnavailableError, InvalidRequestError
from ...event import AnyEvent
from ...machine.requests import Message
from ...types import ActivityType, WorkflowType
from ..base import Changes, Due, Group, StoredProcess, TaskKind, WaitingTask
from ..codec import decode_events, decode_message, decode_type, encode, encode_type, microseconds
from ..encoded import EncodedWrite
from . import reader
from .clock import DatabaseClock
from .connections import Connection, Pool, disconnect
from .due import DueLooks
from .errors import is_of_pooler, translated
from .listener import Listener
from .news import News, news_of
from .schema import migrate
from .sql import Sql, key_text
from .writer import Writer

__all__ = ["PostgresStore"]

T = TypeVar("T")

_logger = logging.getLogger("aioworkflow.postgres")

_RESERVED_SECONDS = 2.0
"""How long others are not told of a task that somebody is about to claim."""

_GRACE_SECONDS = 5.0
"""After a start of the server, sessions have so long to come back before they are taken for dead."""


class PostgresStore:
    """A store in a schema of a PostgreSQL database (14 or newer).

    Args:
        url: ``postgresql://user:password@host/database``, with what else asyncpg takes (several hosts, ``sslmode``, …).
        schema: Where its tables are; made if it is not there. Several stores may have one database, each its schema.
        connections: How many connections are held at most, one of which listens; at least 3.
        timeout: Seconds that a statement may take, and that a database is waited for which is away, before
            :class:`BackendUnavailableError`.
        pooler: Whether there is a pooler through which prepared statements do not last: one in transaction mode
            (PgBouncer before 1.21, or without ``max_prepared_statements``). It is a little slower without them. If it
            is not said, every pooler that can be told from a server is taken for one of these.
    """

    session_look_seconds = 2.5

    def __init__(
        self,
        url: str,
        *,
        schema: str = "aioworkflow",
        connections: int = 5,
        timeout: float = 10.0,
        pooler: bool | None = None,
    ) -> None:
        if connections < 3:
            raise InvalidRequestError(f"connections must be at least 3, not {connections}")
        self._url = url
        self._sql = Sql(schema)
        self._connections = connections
        self._timeout = timeout
        self._pooler = pooler
        self._clock = DatabaseClock()
        self._life: _Life | None = None
        self.server = _describe(url)
        self._has_name = "application_name=" in url.partition("?")[2]

    def __repr__(self) -> str:
        return f"<PostgresStore {self.server}, schema {self._sql.schema}>"

    # --- life --------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect, making or migrating the schema as needed."""
        if self._life is not None:
            raise BackendError(f"the store on {self.server} is open already; use another store object")
        try:
            connection = await self._connect_and_migrate()
        except BackendUnavailableError as error:
            if self._pooler or not is_of_pooler(error.__cause__):
                raise
            self._note_pooler()
            connection = await self._connect_and_migrate()
        self._clock.forget()
        life = self._life = _Life(
            self._connect,
            self._sql,
            connections=self._connections,
            timeout=self._timeout,
            server=self.server,
            on_pooler=self._note_pooler,
        )
        life.reads.adopt(connection)
        try:
            await life.start()
            asked = time.monotonic()
            ((told,),) = await life.reads.fetch(self._sql["clock"])
            self._clock.observe(asked, time.monotonic(), told)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Finish what is under way, even if cancelled meanwhile, and disconnect."""
        life, self._life = self._life, None
        if life is not None:
            await life.end()

    def now(self) -> float:
        """Return the time of the server, as well as it is known."""
        return self._clock.now()

    # --- writing -----------------------------------------------------------------------------------------------------

    async def commit(self, group: Group) -> Sequence[int]:
        """Save the writes whose guard holds; return the indices of those refused."""
        life = self._open()
        writes = [EncodedWrite(write) for write in group.writes]
        linked = [tuple(indices) for indices in group.linked]
        claimer = group.session if group.claims else None
        refused = await life.unbroken(life.writer.commit(writes, linked, claimer))
        for write in writes:
            if write.run_id and write.changed and isinstance(write.wake_at, float):
                life.due_looks.wrote(write.wake_at)
        if news := news_of(writes, refused):
            life.listener.tell(news)
        return refused

    async def remove_closed(self, *, before: float, limit: int) -> int:
        """Remove runs that were closed before a time; return how many."""
        life = await self._settled()
        return len(await life.reads.fetch(self._sql["remove_closed"], microseconds(before), limit))

    async def save_type(self, type: WorkflowType | ActivityType) -> None:
        """Insert or replace a registered type."""
        kind, text = encode_type(type)
        ref = type.ref
        life = self._open()
        await life.reads.fetch(self._sql["save_type"], kind, key_text(ref.name), key_text(ref.version), text.decode())
        life.listener.tell(News())

    # --- reading -----------------------------------------------------------------------------------------------------

    async def load(self, run_ids: Sequence[str]) -> dict[str, StoredProcess]:
        """Return the runs that exist, by run id."""
        life = await self._settled()
        return await life.writer.load(life.reads, _storable(run_ids))

    async def resolve(self, process_ids: Sequence[str]) -> dict[str, str]:
        """Return the open or else the latest run of each process."""
        life = await self._settled()
        keys = {key_text(process_id): process_id for process_id in process_ids}
        rows = await life.reads.fetch(self._sql["resolve"], _keys(process_ids))
        return {keys[key]: run_id for key, run_id in rows if run_id is not None}

    async def history(self, run_id: str, *, after: int = 0, limit: int = 1000) -> Sequence[AnyEvent]:
        """Return events with ids above ``after``."""
        life = await self._settled()
        after, limit = max(after, 0), max(limit, 1)
        rows = await life.reads.fetch(self._sql["history"], key_text(run_id), after + 1, after + limit)
        return reader.to_events(rows, after, after + limit)

    async def endings(self, run_ids: Sequence[str]) -> dict[str, AnyEvent]:
        """Return the last events of those of the runs that are closed."""
        life = await self._settled()
        keys = {key_text(run_id): run_id for run_id in run_ids}
        rows = await life.reads.fetch(self._sql["endings"], _keys(run_ids))
        return {keys[key]: decode_events(text)[-1] for key, text in rows if text is not None}

    async def waiting(
        self, kind: TaskKind, task_list: str, *, limit: int, wanted: int | None = None
    ) -> Sequence[WaitingTask]:
        """Return the first waiting tasks of a list; those that are wanted are reserved, if there are other sessions."""
        life = await self._settled()
        place = kind is TaskKind.ACTIVITY, key_text(task_list)
        if wanted is None or life.alone:
            rows = await life.reads.fetch(self._sql["waiting"], *place, limit)
        else:
            rows = await life.reads.fetch(
                self._sql["reserve"], *place, min(wanted, limit), life.listener.name, _RESERVED_SECONDS
            )
        return reader.to_waiting_tasks(rows, kind, task_list)

    async def due(self, now: float, *, limit: int = 500) -> Due:
        """Return the runs with a deadline at or before ``now``; those of long ago may have to wait for another look."""
        life = await self._settled()
        since, begun = life.due_looks.since(now), time.monotonic()
        due = reader.to_due(await life.reads.fetch(self._sql["due"], now, limit, since), limit)
        if len(due.run_ids) < limit:
            life.due_looks.looked(now, since=since, seconds=time.monotonic() - begun)
        return due

    async def find(
        self, filter: ProcessFilter, *, limit: int, page_token: str | None = None
    ) -> tuple[Sequence[ProcessInfo], str | None]:
        """Return processes that match, latest start first."""
        query, values = reader.find_query(self._sql, filter, limit, page_token)
        life = await self._settled()
        return reader.to_page(await life.reads.fetch(query, *values), limit)

    async def count(self, filter: ProcessFilter) -> int:
        """Return how many processes match."""
        query, values = reader.count_query(self._sql, filter)
        life = await self._settled()
        ((number,),) = await life.reads.fetch(query, *values)
        return int(number)

    async def types(self) -> Sequence[WorkflowType | ActivityType]:
        """Return all registered types."""
        life = await self._settled()
        return [decode_type(kind, text) for kind, text in await life.reads.fetch(self._sql["types"])]

    async def outbox(self, *, older_than: float, limit: int = 500) -> Sequence[Message]:
        """Return messages sent before ``older_than``, oldest first."""
        life = await self._settled()
        return [decode_message(text) for (text,) in await life.reads.fetch(self._sql["outbox"], older_than, limit)]

    async def changed(self) -> Changes | None:
        """Tell what others are known to have written since this was last asked; the database is not asked."""
        return self._open().listener.changed()

    # --- sessions ----------------------------------------------------------------------------------------------------

    async def renew_session(self, session: str, *, now: float, expires_at: float) -> Sequence[str]:
        """Keep a session alive and return the ids of the dead ones."""
        life = await self._settled()
        asked = time.monotonic()
        rows = await life.reads.fetch(self._sql["renew_session"], key_text(session), expires_at)
        self._clock.observe(asked, time.monotonic(), rows[0]["clock"].timestamp())
        others = [(name, expiry) for _, _, name, expiry in rows if name is not None]
        life.alone = not others
        up_since = rows[0]["up_since"].timestamp()
        if up_since <= now < up_since + _GRACE_SECONDS:
            return []
        return [name for name, expiry in others if expiry <= now]

    async def end_session(self, session: str) -> None:
        """Forget a session."""
        life = await self._settled()
        await life.reads.fetch(self._sql["end_session"], key_text(session))

    async def held_by(self, session: str, *, limit: int = 500) -> Sequence[str]:
        """Return ids of open runs that hold an unanswered task of this session."""
        life = await self._settled()
        rows = await life.reads.fetch(self._sql["held_by"], encode(session).decode(), limit)
        return [run_id for (run_id,) in rows]

    # --- inside ------------------------------------------------------------------------------------------------------

    def _open(self) -> _Life:
        if self._life is None:
            raise BackendClosedError(f"the store on {self.server} is not open")
        return self._life

    async def _settled(self) -> _Life:
        life = self._open()
        if life.left_behind is not None:
            await life.settle()
        return life

    async def _connect_and_migrate(self) -> Connection:
        with translated(self.server):
            connection = await self._connect()
            try:
                if self._pooler is None and await _is_of_pooler(connection):
                    self._pooler = True
                    _logger.warning(
                        "%s is a pooler, so prepared statements are done without; if they last behind it (session "
                        "mode, or max_prepared_statements of PgBouncer), pooler=session in the URL says so",
                        self.server,
                    )
                    await disconnect(connection)
                    connection = await self._connect()
                await migrate(connection, self._sql, self.server)
            except BaseException:
                await disconnect(connection)
                raise
            return connection

    async def _connect(self) -> Connection:
        try:
            return await asyncpg.connect(
                self._url,
                timeout=self._timeout,
                statement_cache_size=0 if self._pooler else 100,
                max_cached_statement_lifetime=0,
                server_settings={} if self._has_name else {"application_name": "aioworkflow"},
            )
        except asyncpg.ClientConfigurationError as error:
            raise InvalidRequestError(f"the URL of the database {self.server} does not do: {error}") from None
        except ValueError as error:
            if type(error) is not ValueError:
                raise
            # Neither the URL nor the error is shown: what is read as a port may be a part of the password.
            raise InvalidRequestError(
                "the URL of the database cannot be read: a port must be a number, and in user and password :, /, ?, # "
                "and @ must be written as %3A, %2F, %3F, %23 and %40"
            ) from None

    def _note_pooler(self) -> None:
        if not self._pooler:
            self._pooler = True
            _logger.warning(
                "%s loses prepared statements, so there is a pooler in transaction mode: they are done without from "
                "now on; pooler=transaction in the URL spares the first errors",
                self.server,
            )


class _Life:
    """What there is between opening and closing.

    Attributes:
        reads: Connections for everything but groups.
        writer: Saves groups, over a connection of its own.
        listener: Hears of the writes of others.
        due_looks: How far deadlines have been looked for.
        alone: Whether no other session was there when this was last looked at.
        left_behind: A commit whose caller was cancelled, and which goes on.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        sql: Sql,
        *,
        connections: int,
        timeout: float,
        server: str,
        on_pooler: Callable[[], None],
    ) -> None:
        self.reads = Pool(connect, size=connections - 2, timeout=timeout, server=server, on_pooler=on_pooler)
        self._writes = Pool(connect, size=1, timeout=timeout, server=server, on_pooler=on_pooler)
        self.writer = Writer(self._writes, sql)
        self.listener = Listener(connect, self.reads, sql, server)
        self.due_looks = DueLooks()
        self.alone = True
        self.left_behind: asyncio.Future[Any] | None = None
        self._commits: set[asyncio.Future[Any]] = set()
        self._listening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to listen."""
        started = asyncio.Event()
        self._listening = asyncio.create_task(self.listener.run(started), name="aioworkflow listener")
        await started.wait()

    async def unbroken(self, work: Awaitable[T]) -> T:
        """Do work that goes on if the caller is cancelled; what is asked for later waits for it."""
        ended: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(_settle(work, ended))
        self._commits.add(task)
        task.add_done_callback(self._commits.discard)
        try:
            return await ended
        except asyncio.CancelledError:
            if not task.done():
                self.left_behind = task
            raise

    async def settle(self) -> None:
        """Wait for a commit whose caller has gone."""
        if self.left_behind is not None:
            await asyncio.wait([self.left_behind])
            self.left_behind = None

    async def end(self) -> None:
        """Finish what is under way and disconnect, even if cancelled meanwhile."""
        ending = asyncio.ensure_future(self._end())
        cancelled: asyncio.CancelledError | None = None
        with anyio.CancelScope(shield=True):
            while not ending.done():
                try:
                    await asyncio.wait([ending])
                except asyncio.CancelledError as error:
                    cancelled = error
        ending.result()
        if cancelled is not None:
            raise cancelled

    async def _end(self) -> None:
        if self._commits:
            await asyncio.wait(self._commits)
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait([self._listening])
        await self._writes.close()
        await self.reads.close()


async def _is_of_pooler(connection: Connection) -> bool:
    """Tell whether somebody else than the server has greeted us.

    It must not wait for an error: behind a pooler the statement of some other program may have the name of one of ours,
    and would be carried out instead. (This one has no name.)
    """
    asking = await connection.prepare("SELECT pg_backend_pid()", name="")
    return bool(await asking.fetchval() != connection.get_server_pid())


async def _settle(work: Awaitable[T], ended: asyncio.Future[T]) -> None:
    """Do work, and tell who waits for it, at once (shield() would take turns of the event loop)."""
    try:
        result = await work
    except Exception as error:
        if ended.cancelled():
            _logger.info("a group whose caller was gone was not saved: %s", error)
        else:
            ended.set_exception(error)
    except BaseException:
        ended.cancel()
        raise
    else:
        if not ended.cancelled():
            ended.set_result(result)


def _storable(ids: Sequence[str]) -> list[str]:
    """Return ids without those that UTF-8 cannot hold: lone surrogates."""
    return [id for id in ids if id.isascii() or id.encode("utf-8", "ignore").decode() == id]


def _keys(ids: Sequence[str]) -> list[str]:
    """Return ids as they are kept."""
    return [key_text(id) for id in _storable(ids)]


def _describe(url: str) -> str:
    """Return what errors say of a URL: no password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "at an unreadable URL"
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}"
