"""The writing half of the store, as it runs in the store's thread."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple

from ...types import UNSET
from ..base import StoredProcess
from ..codec import ListPosition, decode_head, decode_item, encode_keys
from ..encoded import EncodedWrite
from ..guard import refused_writes
from .database import transaction
from .sql import QUERIES, for_rows

__all__ = ["Writer"]

_MOST_KNOWN = 50_000
"""How many runs are remembered (about 200 bytes each)."""

_MOST_ROWS = 64
_LARGE_TEXT = 1 << 14
"""So many rows are written by one statement, unless the text at the end of a row is longer than this (characters): a
compiled statement keeps a copy of what it wrote last."""

_ONE_BY_ONE = ("update_status", "update_queue", "update_wake", "delete_item", "delete_message")
_TOGETHER = ("insert_process", "insert_tag", "save_state", "insert_history", "save_item", "insert_message")

_REMOVALS = ("remove_process", "remove_state", "remove_history", "remove_items", "remove_tags")

_Rows = dict[str, list[tuple[Any, ...]]]


class _Known(NamedTuple):
    """What the writer knows of a stored run: its key, its version, and where its decision task waits."""

    id: int
    version: int
    position: ListPosition | None


class Writer:
    """Commits groups, and loads what it must know for that.

    The versions of runs are remembered between transactions, and who is on record as a session. That is sound as long
    as nobody else commits, which SQLite's data_version tells at the beginning of each; if somebody did, all is
    forgotten.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[str, _Known] = {}
        self._next_id: int | None = None
        self._on_record: str | None = None
        self._data_version = self._read_data_version()
        self._changed = False

    def commit(self, writes: Sequence[EncodedWrite], linked: Sequence[Sequence[int]], claimer: str | None) -> list[int]:
        """Save what stands in one transaction; return the indices of the rest.

        Args:
            writes: What to save.
            linked: Indices of writes that stand or fall together.
            claimer: The session that tasks are handed to, if any are.
        """
        try:
            with transaction(self._connection, QUERIES["begin"]):
                self._notice_others()
                refused = self._refused(writes, linked)
                skipped = set(refused)
                known = self._save([write for index, write in enumerate(writes) if index not in skipped])
                if claimer is not None and claimer != self._on_record:
                    self._connection.execute(QUERIES["record_session"], (claimer,))
        except BaseException:
            self._forget()
            raise
        self._known.update(known)
        self._on_record = claimer or self._on_record
        return refused

    def forget_session(self) -> None:
        """Note that a session was ended; whoever claims is put on record anew."""
        self._on_record = None

    def load(self, run_ids: Sequence[str]) -> dict[str, StoredProcess]:
        """Return runs with their items, and remember their versions."""
        found: dict[str, StoredProcess] = {}
        items: dict[str, dict[int, str]] = {}
        rows = self._connection.execute(QUERIES["load"], {"run_ids": encode_keys(run_ids)})
        for run_id, number, version, text, *position in rows:
            if version is None:
                items.setdefault(run_id, {})[number] = text
            else:
                self._remember(run_id, number, version, position)
                found[run_id] = StoredProcess(version=version, head=decode_head(text), items=[])
        for run_id, texts in items.items():
            found[run_id].items = [decode_item(texts[event_id]) for event_id in sorted(texts)]
        return found

    def remove_closed(self, before: int, limit: int) -> int:
        """Remove runs that were closed before a time (microseconds); return how many."""
        with transaction(self._connection, QUERIES["begin"]):
            self._notice_others()
            old = self._connection.execute(QUERIES["closed_before"], (before, limit)).fetchall()
            for name in _REMOVALS if old else ():
                self._connection.execute(QUERIES[name], (json.dumps([id for id, _ in old]),))
        for _, run_id in old:
            self._known.pop(run_id, None)
        return len(old)

    def changed(self) -> bool:
        """Tell whether somebody else committed since this was last asked."""
        self._notice_others()
        changed, self._changed = self._changed, False
        return changed

    def _read_data_version(self) -> int:
        (version,) = self._connection.execute(QUERIES["data_version"]).fetchone()
        return int(version)

    def _notice_others(self) -> None:
        version = self._read_data_version()
        if version != self._data_version:
            self._data_version = version
            self._changed = True
            self._forget()

    def _forget(self) -> None:
        self._known.clear()
        self._next_id = None
        self._on_record = None

    def _remember(self, run_id: str, id: int, version: int, position: Sequence[Any]) -> None:
        self._known[run_id] = _Known(id, version, None if position[0] is None else ListPosition(*position))

    def _refused(self, writes: Sequence[EncodedWrite], linked: Sequence[Sequence[int]]) -> list[int]:
        known = self._known
        if len(known) > _MOST_KNOWN:
            known.clear()
        unknown: list[str] = []
        processes: list[str] = []
        messages: list[str] = []
        for write in writes:
            if write.run_id:
                if write.run_id not in known:
                    unknown.append(write.run_id)
                if write.changed and not (write.open and write.version):
                    processes.append(write.process_id)
            if write.received:
                messages += write.received
        for run_id, id, version, *position in self._select("known_runs", unknown):
            self._remember(run_id, id, version, position)
        open_runs = dict(self._select("open_runs", processes))
        present = {message_id for (message_id,) in self._select("present_messages", messages)}
        return refused_writes(
            writes,
            linked,
            version=lambda run_id: known[run_id].version if run_id in known else 0,
            open_run=open_runs.get,
            has_message=present.__contains__,
        )

    def _select(self, query: str, keys: list[str]) -> Iterable[Any]:
        return self._connection.execute(QUERIES[query], (encode_keys(keys),)) if keys else ()

    def _save(self, writes: Iterable[EncodedWrite]) -> dict[str, _Known]:
        """Write rows; return what will be known when they are committed."""
        rows: _Rows = {name: [] for name in _ONE_BY_ONE + _TOGETHER}
        known: dict[str, _Known] = {}
        for write in writes:
            if write.run_id and write.changed:
                known[write.run_id] = self._collect(rows, write)
            if write.messages or write.received:
                rows["insert_message"] += write.messages
                rows["delete_message"] += [(message_id,) for message_id in write.received]
        # What is closed makes room for what is new: process ids are unique among open runs.
        for name in _ONE_BY_ONE:
            if rows[name]:
                self._connection.executemany(QUERIES[name], rows[name])
        for name in _TOGETHER:
            if rows[name]:
                self._insert(name, rows[name])
        return known

    def _collect(self, rows: _Rows, write: EncodedWrite) -> _Known:
        """Add the rows of one run; return what will be known of it."""
        before = self._known[write.run_id] if write.version else None
        id = before.id if before is not None else self._new_id()
        if before is None:
            self._collect_birth(rows, write, id)
        else:
            if not write.open:
                rows["update_status"].append((write.status, write.closed_at, id))
            if write.position != before.position:
                rows["update_queue"].append((*(write.position or (None, None, None, None)), id))
            if write.wake_at is not UNSET:
                rows["update_wake"].append((write.wake_at, id))
        rows["save_state"].append((id, write.version + 1, write.head))
        for first_event_id, events in write.history:
            rows["insert_history"].append((id, first_event_id, events))
        for item in write.saved_items:
            rows["save_item"].append((id, *item))
        for event_id in write.deleted_items:
            rows["delete_item"].append((id, event_id))
        return _Known(id, write.version + 1, write.position)

    def _collect_birth(self, rows: _Rows, write: EncodedWrite, id: int) -> None:
        wake_at = None if write.wake_at is UNSET else write.wake_at
        position = write.position or (None, None, None, None)
        rows["insert_process"].append(
            (id, write.started_at, write.closed_at, wake_at, *position, write.status, *write.names)
        )
        rows["insert_tag"] += [(id, tag) for tag in write.tags]

    def _new_id(self) -> int:
        if self._next_id is None:
            ((self._next_id,),) = self._connection.execute(QUERIES["next_id"])
        id = self._next_id
        self._next_id += 1
        return id

    def _insert(self, name: str, rows: list[tuple[Any, ...]]) -> None:
        """Insert rows with few calls: the fewer, the less this thread and the event loop's wait for each other."""
        small = [row for row in rows if len(row[-1]) < _LARGE_TEXT]
        if len(small) < len(rows):
            self._connection.executemany(QUERIES[name], (row for row in rows if len(row[-1]) >= _LARGE_TEXT))
        start = 0
        while start < len(small):
            count = min(1 << ((len(small) - start).bit_length() - 1), _MOST_ROWS)
            values = list(chain.from_iterable(small[start : start + count]))
            self._connection.execute(for_rows(name, count), values)
            start += count
