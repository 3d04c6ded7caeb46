"""The store itself: what the event loop sees, and how its calls get to the thread that does the work."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from typing import TypeVar

from ...backend import ProcessFilter, ProcessInfo
from ...errors import BackendClosedError, BackendError, StoreError
from ...event import AnyEvent
from ...machine.requests import Message
from ...types import ActivityType, WorkflowType
from ..base import Changes, Due, Group, StoredProcess, TaskKind, WaitingTask
from ..codec import encode_type, microseconds, read_page_token
from ..encoded import EncodedWrite
from . import reader
from .database import Synchronous, connect, migrate
from .errors import is_busy, translated
from .sessions import Sessions
from .sql import QUERIES
from .thread import JobThread
from .writer import Writer

__all__ = ["SQLiteStore"]

T = TypeVar("T")

_PAUSE = 0.001
"""Seconds between two attempts while another connection is in the way."""


class SQLiteStore:
    """A store in one SQLite file, in WAL mode; several OS processes of one machine may use the file at the same time.

    Args:
        path: Of the file, which is made if it is not there; its directory must exist. Beside it lie SQLite's own
            ``-wal`` and ``-shm``, and ``-sessions`` with a lock file for each backend that is open.
        synchronous: "FULL" survives a loss of power after each commit. "NORMAL" is faster; it survives a crash of the
            process, but a loss of power may undo the last commits.
        busy_timeout: Seconds to wait for other connections before :class:`BackendUnavailableError`.
    """

    session_look_seconds = 0.0

    def __init__(
        self, path: str | bytes | os.PathLike[str], *, synchronous: Synchronous = "FULL", busy_timeout: float = 5.0
    ) -> None:
        name = os.fsdecode(path)
        if not name or name == ":memory:" or "\0" in name:
            raise StoreError(f"{name!r} names no file; for data that need not last use MemoryStore")
        if synchronous not in ("FULL", "NORMAL"):
            raise StoreError(f"synchronous must be 'FULL' or 'NORMAL', not {synchronous!r}")
        self.path = os.path.realpath(name)
        self._synchronous: Synchronous = synchronous
        self._busy_timeout = busy_timeout
        self._thread: JobThread | None = None
        self._resources = ExitStack()
        self._connection: sqlite3.Connection
        self._identity: tuple[int, int]
        self._writer: Writer
        self._sessions: Sessions

    async def open(self) -> None:
        """Open the file, making or migrating it as needed."""
        if self._thread is not None:
            raise BackendError(f"the store of {self.path} is open already; use another store object")
        self._thread = JobThread(f"aioworkflow {os.path.basename(self.path)}")
        try:
            await self._thread.call(self._connect)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Finish what is under way, and close the file."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await thread.stop(self._resources.close)

    def now(self) -> float:
        """Return the time of this machine."""
        return time.time()

    async def commit(self, group: Group) -> Sequence[int]:
        """Save the writes whose guard holds; return the indices of those refused."""
        writes = [EncodedWrite(write) for write in group.writes]
        linked = [tuple(indices) for indices in group.linked]
        claimer = group.session if group.claims else None
        return await self._call(lambda: self._writer.commit(writes, linked, claimer))

    async def load(self, run_ids: Sequence[str]) -> dict[str, StoredProcess]:
        """Return the runs that exist, by run id."""
        return await self._call(lambda: self._writer.load(run_ids))

    async def resolve(self, process_ids: Sequence[str]) -> dict[str, str]:
        """Return the open or else the latest run of each process."""
        return await self._call(lambda: reader.resolve(self._connection, process_ids))

    async def history(self, run_id: str, *, after: int = 0, limit: int = 1000) -> Sequence[AnyEvent]:
        """Return events with ids above ``after``."""
        return await self._call(lambda: reader.history(self._connection, run_id, max(after, 0), max(limit, 1)))

    async def endings(self, run_ids: Sequence[str]) -> dict[str, AnyEvent]:
        """Return the last events of those of the runs that are closed."""
        return await self._call(lambda: reader.endings(self._connection, run_ids))

    async def waiting(
        self, kind: TaskKind, task_list: str, *, limit: int, wanted: int | None = None
    ) -> Sequence[WaitingTask]:
        """Return the first waiting tasks of a list."""
        return await self._call(lambda: reader.waiting(self._connection, kind, task_list, limit))

    async def due(self, now: float, *, limit: int = 500) -> Due:
        """Return the runs with a deadline at or before ``now``."""
        return await self._call(lambda: reader.due(self._connection, now, limit))

    async def find(
        self, filter: ProcessFilter, *, limit: int, page_token: str | None = None
    ) -> tuple[Sequence[ProcessInfo], str | None]:
        """Return processes that match, latest start first."""
        after = None if page_token is None else read_page_token(page_token)
        return await self._call(lambda: reader.find(self._connection, filter, limit, after))

    async def count(self, filter: ProcessFilter) -> int:
        """Return how many processes match."""
        return await self._call(lambda: reader.count(self._connection, filter))

    async def remove_closed(self, *, before: float, limit: int) -> int:
        """Remove runs that were closed before a time; return how many."""
        return await self._call(lambda: self._writer.remove_closed(microseconds(before), limit))

    async def save_type(self, type: WorkflowType | ActivityType) -> None:
        """Insert or replace a registered type."""
        kind, text = encode_type(type)
        row = kind, type.ref.name, type.ref.version, text.decode()
        await self._call(lambda: self._connection.execute(QUERIES["save_type"], row).close())

    async def types(self) -> Sequence[WorkflowType | ActivityType]:
        """Return all registered types."""
        return await self._call(lambda: reader.types(self._connection))

    async def changed(self) -> Changes | None:
        """Tell whether another connection wrote since this was last asked."""
        return Changes() if await self._call(lambda: self._writer.changed()) else None

    async def renew_session(self, session: str, *, now: float, expires_at: float) -> Sequence[str]:
        """Keep a session alive and return the ids of the dead ones."""
        return await self._call(lambda: self._sessions.renew(session, now, expires_at))

    async def end_session(self, session: str) -> None:
        """Forget a session."""
        await self._call(lambda: self._end_session(session))

    def _end_session(self, session: str) -> None:
        self._sessions.end(session)
        self._writer.forget_session()

    async def held_by(self, session: str, *, limit: int = 500) -> Sequence[str]:
        """Return ids of open runs that hold an unanswered task of this session."""
        return await self._call(lambda: reader.held_by(self._connection, session, limit))

    async def outbox(self, *, older_than: float, limit: int = 500) -> Sequence[Message]:
        """Return messages sent before ``older_than``, oldest first."""
        return await self._call(lambda: reader.outbox(self._connection, older_than, limit))

    async def _call(self, job: Callable[[], T]) -> T:
        """Do ``job`` in the thread, even if the caller is cancelled meanwhile."""
        if self._thread is None:
            raise BackendClosedError(f"the store of {self.path} is not open")
        return await self._thread.call(lambda: self._attend(job))

    # What follows runs in the thread.

    def _connect(self) -> None:
        with translated(self.path):
            self._connection = self._resources.enter_context(closing(connect(self.path)))
            self._patiently(lambda: migrate(self._connection, self.path, self._synchronous))
            self._writer = self._patiently(lambda: Writer(self._connection))
            self._sessions = self._resources.enter_context(closing(Sessions(self._connection, self.path)))
            self._identity = self._look()

    def _attend(self, job: Callable[[], T]) -> T:
        """Do a job, and see that it was done to a file that is still there."""
        with translated(self.path):
            result = self._patiently(job)
        if self._look() != self._identity:
            raise StoreError(f"the database {self.path} was removed or replaced while it was in use; open it again")
        return result

    def _patiently(self, job: Callable[[], T]) -> T:
        """Do a job again while another connection is in the way; jobs leave nothing behind when that happens."""
        deadline = time.monotonic() + self._busy_timeout
        while True:
            try:
                return job()
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() >= deadline:
                    raise
            time.sleep(_PAUSE)

    def _look(self) -> tuple[int, int]:
        """Return what tells the file from any other; zeros if it is gone."""
        try:
            status = os.stat(self.path)
        except OSError:
            return 0, 0
        return status.st_dev, status.st_ino
