"""The store: the port from the local backend to a database.

A store loads, guards and saves; it knows no rule. What it keeps for a run is a *head* (the small part of the state
that most requests change), *items* (one row for each open activity, timer, child and request to another process) and
the history. ``aioworkflow.testing.conformance`` holds every implementation to the promises below.

Every run has a version, counted up by each write. A :class:`ProcessWrite` says which version it was made from; if the
stored one is another (another OS process was faster), that write is refused, alone, and nothing of it is stored.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec

from ..backend import ProcessFilter, ProcessInfo
from ..event import AnyEvent
from ..machine.requests import Message
from ..machine.state import Head, OpenItem
from ..types import UNSET, ActivityType, UnsetType, WorkflowType

__all__ = ["Changes", "Due", "Group", "ProcessWrite", "Store", "StoredProcess", "TaskKind", "WaitingTask"]


class TaskKind(enum.Enum):
    """The two kinds of task list; lists of equal names are unrelated (swf-reference 1.1)."""

    DECISION = "decision"
    ACTIVITY = "activity"


class WaitingTask(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A task that waits in a list: a hint; only the state of its run can tell whether it still does."""

    kind: TaskKind
    task_list: str
    run_id: str
    scheduled_event_id: int
    task_priority: int
    scheduled_at: float


class StoredProcess(msgspec.Struct, kw_only=True, gc=False):
    """A run as it was loaded: its own objects, for the caller to change."""

    version: int
    head: Head
    items: list[OpenItem]


class ProcessWrite(msgspec.Struct, kw_only=True, gc=False):
    """What to save of one run.

    Attributes:
        head: The head to save. ``head.run_id`` names the run. None where a message found no process: then only the
            outbox changes.
        version: The version that this was made from; 0 for a run that is new. The stored version becomes one more.
        changed: False where nothing is to be saved and only the version is to be checked (the answer to a request that
            was refused must rest on the newest state too). Then the version stays.
        events: New events, consecutive, to be appended to the history.
        items: By opening event id: the item to insert or replace, or None to delete it.
        wake_at: The earliest deadline of the run, epoch seconds, or None for none; UNSET leaves what is stored (which
            may be too early: the caller avoids touching an index for each change, and an early wake is harmless).
        send: Messages to put into the outbox, in order.
        received: Ids of outbox messages that this write consumes; if one is no longer there, the write is refused.
    """

    head: Head | None
    version: int
    changed: bool = True
    events: Sequence[AnyEvent] = ()
    items: dict[int, OpenItem | None] = {}
    wake_at: float | UnsetType | None = UNSET
    send: Sequence[Message] = ()
    received: Sequence[str] = ()


class Group(msgspec.Struct, kw_only=True, gc=False):
    """What one transaction saves.

    Attributes:
        session: Of the backend that saves it.
        claims: Whether a task is handed to the session. If others have ended it meanwhile (it was taken for dead), it
            is on record again after that, as dead, so that what it holds is released unless it is renewed before.
        writes: At most one for each run.
        linked: Indices into ``writes`` of those that stand or fall together (a run and its successor).
    """

    session: str
    claims: bool = False
    writes: Sequence[ProcessWrite]
    linked: Sequence[tuple[int, ...]] = ()


class Due(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What :meth:`Store.due` tells.

    Attributes:
        run_ids: Runs whose ``wake_at`` has come, earliest first.
        next_wake_at: The earliest ``wake_at`` among the others; None if there is none.
    """

    run_ids: Sequence[str]
    next_wake_at: float | None = None


class Changes(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What somebody else has written.

    Attributes:
        task_lists: Lists in which tasks may wait that did not before; None: any.
        closed: Ids of runs that may have been closed; None: any.
    """

    task_lists: Collection[tuple[TaskKind, str]] | None = None
    closed: Collection[str] | None = None


class Store(Protocol):
    """A database of processes.

    Used by one backend object, which calls one method at a time for writing and may read beside it; other store
    objects, in this OS process or in others, may use the same database. Every ``limit`` is at least 1. All methods
    raise :class:`BackendUnavailableError` for passing faults, :class:`StoreError` for lasting ones and
    :class:`BackendClosedError` while the store is not open; after an error of :meth:`commit`, and if it is cancelled,
    the group may or may not have been saved, and the caller must load anew.
    """

    @property
    def session_look_seconds(self) -> float:
        """To look at other sessions more often than this brings nothing."""
        ...

    async def open(self) -> None:
        """Connect, and bring the schema to this version.

        Raises:
            SchemaVersionError: The database was written by a newer aioworkflow.
            StoreError: It cannot be used; the message says what it is and what to do.
        """

    async def close(self) -> None:
        """Finish what is under way, even if cancelled meanwhile, and disconnect. Harmless when closed already."""

    def now(self) -> float:
        """Return the time that all who use the database agree on (epoch seconds); the machine's before it is open."""
        ...

    async def commit(self, group: Group) -> Sequence[int]:
        """Save the writes whose guard holds in one durable transaction; return the indices of those refused, ascending.

        A write is refused if the stored version is not ``write.version``, if the run is new and its process id has an
        open run, if a received message is not in the outbox, or if a linked write is refused; a write before it in the
        group counts as saved. Values are encoded before the first await, so the caller may go on changing them.
        """
        ...

    async def load(self, run_ids: Sequence[str]) -> dict[str, StoredProcess]:
        """Return the runs that exist, by run id, each as of one moment, its items by ascending event id."""
        ...

    async def resolve(self, process_ids: Sequence[str]) -> dict[str, str]:
        """Return, by process id, the id of its open run, else of the run that started last; unknown ones are left out.

        (Of runs that started at the same time, the one saved later counts as the last.)
        """
        ...

    async def history(self, run_id: str, *, after: int = 0, limit: int = 1000) -> Sequence[AnyEvent]:
        """Return events with ids above ``after``, ascending, at most ``limit``, at least one if there is one."""
        ...

    async def endings(self, run_ids: Sequence[str]) -> dict[str, AnyEvent]:
        """Return, by run id, the last events of those of the runs that are closed."""
        ...

    async def waiting(
        self, kind: TaskKind, task_list: str, *, limit: int, wanted: int | None = None
    ) -> Sequence[WaitingTask]:
        """Return the first waiting tasks of a list: higher priority first, then older first (swf-reference 5.8).

        Args:
            kind: Of the list.
            task_list: Its name.
            limit: How many at most.
            wanted: How many the caller is about to claim. A database of many machines may return no more than that, and
                not tell others of them for a moment, lest all claim the same; what others are about to claim is left
                out. None: the caller only looks.
        """
        ...

    async def due(self, now: float, *, limit: int = 500) -> Due:
        """Return the runs with a deadline at or before ``now``."""
        ...

    async def find(
        self, filter: ProcessFilter, *, limit: int, page_token: str | None = None
    ) -> tuple[Sequence[ProcessInfo], str | None]:
        """Return processes that match, latest start first (ties: by run id), and the token of the next page, if any.

        Runs that start between two pages do not shift the second.

        Raises:
            InvalidRequestError: The page token is none of this method's.
        """
        ...

    async def count(self, filter: ProcessFilter) -> int:
        """Return how many processes match."""
        ...

    async def remove_closed(self, *, before: float, limit: int) -> int:
        """Remove runs that were closed before a time (epoch seconds), with all that belongs to them; return how many.

        The earliest first, and at most ``limit``, so that others are not held up for long.
        """
        ...

    async def save_type(self, type: WorkflowType | ActivityType) -> None:
        """Insert or replace a registered type."""

    async def types(self) -> Sequence[WorkflowType | ActivityType]:
        """Return all registered types."""
        ...

    async def changed(self) -> Changes | None:
        """Tell what others may have written since this was last asked (or since :meth:`open`), None if nothing; cheap.

        A hint: it may come a moment late, and be lost when a connection is. Writes that bring no waiting task, no
        closed run and no type need not be told.
        """
        ...

    async def renew_session(self, session: str, *, now: float, expires_at: float) -> Sequence[str]:
        """Keep a session alive (creating it at first) and return the ids of the dead ones.

        Dead are others whose lease has expired at ``now``, or whose OS process is known to be gone. A dead session
        stays listed until :meth:`end_session`. Where the lease stands at ``expires_at`` already nothing is written, so
        that looking for the dead often does not disturb others.
        """
        ...

    async def end_session(self, session: str) -> None:
        """Forget a session; its own at the end, or a dead one whose tasks have been released. Harmless if unknown.

        A group of that session which was under way when this was called has been saved when it returns, or puts the
        session on record again.
        """

    async def held_by(self, session: str, *, limit: int = 500) -> Sequence[str]:
        """Return ids of open runs in which a task that was handed to this session is unanswered."""
        ...

    async def outbox(self, *, older_than: float, limit: int = 500) -> Sequence[Message]:
        """Return messages still to be delivered that were sent before ``older_than`` (epoch seconds), oldest first."""
        ...
