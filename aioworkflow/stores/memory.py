"""A store in memory: for tests, and for work that may be lost when the Python process ends.

What callers may change later (heads and items) is kept encoded; events are frozen and are kept as they are. The data
belong to a :class:`MemoryDatabase`, so a store can be closed and another opened on the same data, as with any database.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

from ..backend import ProcessFilter, ProcessInfo
from ..errors import BackendClosedError
from ..event import AnyEvent
from ..machine.requests import Message
from ..machine.state import Head, OpenActivity, OpenItem
from ..types import UNSET, ActivityType, ProcessRef, ProcessStatus, TypeRef, WorkflowType
from .base import Changes, Due, Group, ProcessWrite, StoredProcess, TaskKind, WaitingTask
from .codec import (
    ListPosition,
    describe,
    matches,
    microseconds,
    plain,
    read_page_token,
    waiting_activity,
    waiting_decision,
    write_page_token,
)
from .guard import Claim, refused_writes

__all__ = ["MemoryDatabase", "MemoryStore"]

# Nobody reads these bytes but this module, and MessagePack is the fastest form there is.
_encode = msgspec.msgpack.Encoder(enc_hook=plain).encode
_decode_head = msgspec.msgpack.Decoder(Head).decode
_decode_item: Callable[[bytes], OpenItem] = msgspec.msgpack.Decoder(OpenItem).decode

_Entry = tuple[int, float, int, str]


class _TaskList:
    """The tasks that wait in one list: a heap whose entries count only while they are in ``live`` too."""

    __slots__ = ("heap", "live")

    def __init__(self) -> None:
        self.heap: list[_Entry] = []
        self.live: set[_Entry] = set()

    def add(self, entry: _Entry) -> None:
        self.live.add(entry)
        heapq.heappush(self.heap, entry)

    def remove(self, entry: _Entry) -> None:
        self.live.discard(entry)
        if len(self.heap) > 2 * len(self.live) + 64:
            self.heap = sorted(self.live)

    def first(self, limit: int) -> list[_Entry]:
        found: list[_Entry] = []
        while self.heap and len(found) < limit:
            entry = heapq.heappop(self.heap)
            if entry in self.live and (not found or found[-1] != entry):
                found.append(entry)
        for entry in found:
            heapq.heappush(self.heap, entry)
        return found


class _Run:
    """What is kept of a run: ``sessions`` by scheduled event id (0: the decision task), ``waits`` likewise."""

    __slots__ = ("events", "head", "info", "items", "open", "sessions", "version", "waits", "wake_at")

    def __init__(self) -> None:
        self.version = 0
        self.head = b""
        self.info: ProcessInfo | None = None
        self.open = True
        self.items: dict[int, bytes] = {}
        self.events: list[AnyEvent] = []
        self.wake_at: float | None = None
        self.sessions: dict[int, str] = {}
        self.waits: dict[int, tuple[TaskKind, ListPosition]] = {}

    def describe(self) -> ProcessInfo:
        """Return what a listing shows."""
        if self.info is None:
            self.info = describe(_decode_head(self.head))
        return self.info


class MemoryDatabase:
    """The data that one or more memory stores share. Not for use from several event loops at once."""

    def __init__(self) -> None:
        self.runs: dict[str, _Run] = {}
        self.open_runs: dict[str, str] = {}
        self.latest_runs: dict[str, str] = {}
        self.lists: dict[TaskKind, dict[str, _TaskList]] = {kind: {} for kind in TaskKind}
        self.alarms: list[tuple[float, str]] = []
        self.messages: dict[str, Message] = {}
        self.types: dict[tuple[type, TypeRef], WorkflowType | ActivityType] = {}
        self.sessions: dict[str, float] = {}
        self.revision = 0
        """Counts the writes."""

    def version(self, run_id: str) -> int:
        """Return the version of a run, 0 if there is none."""
        run = self.runs.get(run_id)
        return 0 if run is None else run.version

    def save(self, write: ProcessWrite) -> None:
        """Save a write that the guard let pass."""
        if write.head is not None:
            if not write.changed:
                return
            self._save_run(write, write.head)
        for message_id in write.received:
            self.messages.pop(message_id, None)
        for message in write.send:
            self.messages.setdefault(message.id, message)

    def remove(self, process: ProcessRef) -> None:
        """Remove a run that is closed."""
        del self.runs[process.run_id]
        if self.latest_runs.get(process.process_id) == process.run_id:
            del self.latest_runs[process.process_id]

    def wakes(self, run_id: str, wake_at: float) -> bool:
        """Tell whether an alarm counts."""
        run = self.runs.get(run_id)
        return run is not None and run.wake_at == wake_at

    def _save_run(self, write: ProcessWrite, head: Head) -> None:
        run = self.runs.get(head.run_id)
        if run is None:
            run = self.runs[head.run_id] = _Run()
            self._note_start(head)
        run.version += 1
        run.head = _encode(head)
        run.info = None
        run.open = head.status is ProcessStatus.OPEN
        if not run.open and self.open_runs.get(head.process_id) == head.run_id:
            del self.open_runs[head.process_id]
        run.events += write.events
        started = head.started
        self._hold(run, 0, None if started is None else started.session)
        self._wait(run, head.run_id, 0, TaskKind.DECISION, waiting_decision(head))
        for event_id, item in write.items.items():
            self._save_item(run, head.run_id, event_id, item)
        if write.wake_at is not UNSET and write.wake_at != run.wake_at:
            run.wake_at = write.wake_at
            self._set_alarm(write.wake_at, head.run_id)

    def _set_alarm(self, wake_at: float | None, run_id: str) -> None:
        if wake_at is not None:
            heapq.heappush(self.alarms, (wake_at, run_id))
            if len(self.alarms) > 2 * len(self.runs) + 64:
                self.alarms = sorted({alarm for alarm in self.alarms if self.wakes(alarm[1], alarm[0])})

    def _save_item(self, run: _Run, run_id: str, event_id: int, item: OpenItem | None) -> None:
        if item is None:
            run.items.pop(event_id, None)
            self._hold(run, event_id, None)
            self._wait(run, run_id, event_id, TaskKind.ACTIVITY, None)
            return
        run.items[event_id] = _encode(item)
        if type(item) is OpenActivity:
            self._hold(run, event_id, item.session)
            self._wait(run, run_id, event_id, TaskKind.ACTIVITY, waiting_activity(item))

    def _note_start(self, head: Head) -> None:
        process_id = head.process_id
        if head.status is ProcessStatus.OPEN:
            self.open_runs[process_id] = head.run_id
        latest = self.runs.get(self.latest_runs.get(process_id, ""))
        if latest is None or microseconds(head.started_at) >= microseconds(latest.describe().started_at):
            self.latest_runs[process_id] = head.run_id

    def _hold(self, run: _Run, event_id: int, session: str | None) -> None:
        if session is not None:
            run.sessions[event_id] = session
        elif run.sessions:
            run.sessions.pop(event_id, None)

    def _wait(self, run: _Run, run_id: str, event_id: int, kind: TaskKind, position: ListPosition | None) -> None:
        """Note where a task waits now, or that it does not."""
        waits = (kind, position) if position is not None else None
        before = run.waits.get(event_id)
        if before == waits:
            return
        lists = self.lists[kind]
        if before is not None:
            del run.waits[event_id]
            task_list = lists[before[1].task_list]
            task_list.remove(_entry(before[1], run_id))
            if not task_list.live:
                del lists[before[1].task_list]
        if position is not None:
            run.waits[event_id] = kind, position
            found = lists.get(position.task_list)
            if found is None:
                found = lists[position.task_list] = _TaskList()
            found.add(_entry(position, run_id))


def _entry(position: ListPosition, run_id: str) -> _Entry:
    return -position.task_priority, position.scheduled_at, position.scheduled_event_id, run_id


class MemoryStore:
    """A store on a :class:`MemoryDatabase`; without one it makes its own, which lives as long as the store object.

    Backends that share the object itself, rather than only its database, work too: then :meth:`changed` cannot tell
    them apart and says yes as long as there are several sessions. Sessions die by their lease alone.
    """

    session_look_seconds = 0.0

    def __init__(self, database: MemoryDatabase | None = None) -> None:
        self.database = database if database is not None else MemoryDatabase()
        self._opened = 0
        self._own_writes = 0
        self._foreign_writes = 0
        self._sessions: set[str] = set()

    async def open(self) -> None:
        """Begin to use the data."""
        self._opened += 1
        self._foreign_writes = self.database.revision - self._own_writes

    async def close(self) -> None:
        """End using the data, which stay."""
        self._opened = max(self._opened - 1, 0)

    def now(self) -> float:
        """Return the time of this machine."""
        return time.time()

    async def commit(self, group: Group) -> Sequence[int]:
        """Save the writes whose guard holds; return the indices of those refused."""
        database = self._data()
        refused = refused_writes(
            [Claim(write) for write in group.writes],
            group.linked,
            version=database.version,
            open_run=database.open_runs.get,
            has_message=database.messages.__contains__,
        )
        self._count_write(database)
        skipped = set(refused)
        if group.claims:
            database.sessions.setdefault(group.session, -math.inf)
        for index, write in enumerate(group.writes):
            if index not in skipped:
                database.save(write)
        return refused

    async def load(self, run_ids: Sequence[str]) -> dict[str, StoredProcess]:
        """Return the runs that exist, by run id."""
        runs = self._data().runs
        return {
            run_id: StoredProcess(
                version=run.version,
                head=_decode_head(run.head),
                items=[_decode_item(run.items[event_id]) for event_id in sorted(run.items)],
            )
            for run_id in run_ids
            if (run := runs.get(run_id)) is not None
        }

    async def resolve(self, process_ids: Sequence[str]) -> dict[str, str]:
        """Return the open or else the latest run of each process."""
        database = self._data()
        return {
            process_id: database.open_runs.get(process_id, database.latest_runs[process_id])
            for process_id in process_ids
            if process_id in database.latest_runs
        }

    async def history(self, run_id: str, *, after: int = 0, limit: int = 1000) -> Sequence[AnyEvent]:
        """Return events with ids above ``after``."""
        run = self._data().runs.get(run_id)
        return run.events[max(after, 0) : max(after, 0) + max(limit, 1)] if run is not None else []

    async def endings(self, run_ids: Sequence[str]) -> dict[str, AnyEvent]:
        """Return the last events of those of the runs that are closed."""
        runs = self._data().runs
        return {
            run_id: run.events[-1]
            for run_id in run_ids
            if (run := runs.get(run_id)) is not None and not run.open and run.events
        }

    async def waiting(
        self, kind: TaskKind, task_list: str, *, limit: int, wanted: int | None = None
    ) -> Sequence[WaitingTask]:
        """Return the first waiting tasks of a list."""
        found = self._data().lists[kind].get(task_list)
        return [
            WaitingTask(
                kind=kind,
                task_list=task_list,
                run_id=run_id,
                scheduled_event_id=event_id,
                task_priority=-negated,
                scheduled_at=scheduled_at,
            )
            for negated, scheduled_at, event_id, run_id in (found.first(limit) if found is not None else ())
        ]

    async def due(self, now: float, *, limit: int = 500) -> Due:
        """Return the runs with a deadline at or before ``now``."""
        database = self._data()
        alarms = database.alarms
        due: list[tuple[float, str]] = []
        while alarms:
            wake_at, run_id = alarms[0]
            counts = database.wakes(run_id, wake_at) and alarms[0] not in due[-1:]
            if counts and (wake_at > now or len(due) >= limit):
                break
            alarm = heapq.heappop(alarms)
            if counts:
                due.append(alarm)
        next_wake_at = alarms[0][0] if alarms else None
        for alarm in due:
            heapq.heappush(alarms, alarm)
        return Due(run_ids=[run_id for _, run_id in due], next_wake_at=next_wake_at)

    async def find(
        self, filter: ProcessFilter, *, limit: int, page_token: str | None = None
    ) -> tuple[Sequence[ProcessInfo], str | None]:
        """Return processes that match, latest start first."""
        after = None if page_token is None else _place(*read_page_token(page_token))
        found = [(_place(microseconds(info.started_at), info.process.run_id), info) for info in self._matching(filter)]
        found = sorted(entry for entry in found if after is None or entry[0] > after)
        page = [info for _, info in found[:limit]]
        if len(found) <= limit:
            return page, None
        return page, write_page_token(microseconds(page[-1].started_at), page[-1].process.run_id)

    async def count(self, filter: ProcessFilter) -> int:
        """Return how many processes match."""
        return len(self._matching(filter))

    async def remove_closed(self, *, before: float, limit: int) -> int:
        """Remove runs that were closed before a time; return how many."""
        database = self._data()
        end = datetime.fromtimestamp(before, UTC)
        infos = [run.describe() for run in database.runs.values() if not run.open]
        closed = sorted((info.closed_at, info.process) for info in infos if info.closed_at and info.closed_at < end)
        for _, process in closed[:limit]:
            database.remove(process)
        self._count_write(database)
        return len(closed[:limit])

    async def save_type(self, type: WorkflowType | ActivityType) -> None:
        """Insert or replace a registered type."""
        database = self._data()
        self._count_write(database)
        database.types[type.__class__, type.ref] = type

    async def types(self) -> Sequence[WorkflowType | ActivityType]:
        """Return all registered types."""
        return list(self._data().types.values())

    async def changed(self) -> Changes | None:
        """Tell whether another store wrote to the database since this was last asked."""
        before, self._foreign_writes = self._foreign_writes, self._data().revision - self._own_writes
        return Changes() if self._foreign_writes != before or len(self._sessions) > 1 else None

    async def renew_session(self, session: str, *, now: float, expires_at: float) -> Sequence[str]:
        """Keep a session alive and return the ids of the dead ones."""
        sessions = self._data().sessions
        sessions[session] = expires_at
        self._sessions.add(session)
        return [other for other, expiry in sessions.items() if expiry <= now and other != session]

    async def end_session(self, session: str) -> None:
        """Forget a session."""
        self._data().sessions.pop(session, None)
        self._sessions.discard(session)

    async def held_by(self, session: str, *, limit: int = 500) -> Sequence[str]:
        """Return ids of open runs that hold an unanswered task of this session."""
        runs = self._data().runs
        held = (run_id for run_id, run in runs.items() if run.open and session in run.sessions.values())
        return [run_id for run_id, _ in zip(held, range(limit), strict=False)]

    async def outbox(self, *, older_than: float, limit: int = 500) -> Sequence[Message]:
        """Return messages sent before ``older_than``, oldest first."""
        sent = [message for message in self._data().messages.values() if message.sent_at < older_than]
        return sorted(sent, key=lambda message: message.sent_at)[:limit]

    def _data(self) -> MemoryDatabase:
        if not self._opened:
            raise BackendClosedError(
                "the memory store is not open; await its open() first, or enter the backend that uses it"
            )
        return self.database

    def _count_write(self, database: MemoryDatabase) -> None:
        database.revision += 1
        self._own_writes += 1

    def _matching(self, filter: ProcessFilter) -> list[ProcessInfo]:
        return [info for run in self._data().runs.values() if matches(info := run.describe(), filter)]


def _place(started_at: int, run_id: str) -> tuple[int, str]:
    """Return the place of a run in a listing, as a key to sort by."""
    return -started_at, run_id
