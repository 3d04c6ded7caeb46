"""The reading half of the store, as it runs in the store's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ...backend import ProcessFilter, ProcessInfo
from ...event import AnyEvent
from ...machine.requests import Message
from ...types import ActivityType, ProcessStatus, WorkflowType
from ..base import Due, TaskKind, WaitingTask
from ..codec import (
    decode_events,
    decode_head,
    decode_message,
    decode_type,
    describe,
    encode_keys,
    microseconds,
    write_page_token,
)
from .sql import QUERIES

__all__ = ["count", "due", "endings", "find", "held_by", "history", "outbox", "resolve", "types", "waiting"]

_Conditions = list[tuple[str, tuple[Any, ...]]]

_WAITING = {TaskKind.DECISION: "waiting_decisions", TaskKind.ACTIVITY: "waiting_activities"}


def resolve(connection: sqlite3.Connection, process_ids: Sequence[str]) -> dict[str, str]:
    """Return the open or else the latest run of each process."""
    rows = connection.execute(QUERIES["resolve"], (encode_keys(process_ids),))
    return {process_id: run_id for process_id, run_id in rows if run_id is not None}


def history(connection: sqlite3.Connection, run_id: str, after: int, limit: int) -> Sequence[AnyEvent]:
    """Return events with ids above ``after``, at most ``limit``."""
    last = after + limit
    rows = connection.execute(QUERIES["history"], {"run_id": run_id, "first": after + 1, "last": last})
    # Each row is the array of one write: joined into one array, they are read in one go.
    arrays = ",".join([text[1:-1] for (text,) in rows])
    return [event for event in decode_events(f"[{arrays}]") if after < event.event_id <= last]


def endings(connection: sqlite3.Connection, run_ids: Sequence[str]) -> dict[str, AnyEvent]:
    """Return the last events of those of the runs that are closed."""
    rows = connection.execute(QUERIES["endings"], (encode_keys(run_ids),))
    return {run_id: decode_events(text)[-1] for run_id, text in rows if text is not None}


def waiting(connection: sqlite3.Connection, kind: TaskKind, task_list: str, limit: int) -> Sequence[WaitingTask]:
    """Return the first waiting tasks of a list."""
    return [
        WaitingTask(
            kind=kind,
            task_list=task_list,
            run_id=run_id,
            scheduled_event_id=event_id,
            task_priority=priority,
            scheduled_at=scheduled_at,
        )
        for run_id, event_id, priority, scheduled_at in connection.execute(QUERIES[_WAITING[kind]], (task_list, limit))
    ]


def due(connection: sqlite3.Connection, now: float, limit: int) -> Due:
    """Return the runs with a deadline at or before ``now``."""
    *rows, (_, next_wake_at) = connection.execute(QUERIES["due"], {"now": now, "limit": limit}).fetchall()
    if len(rows) > limit:
        next_wake_at = rows[limit][1]
    return Due(run_ids=[run_id for run_id, _ in rows[:limit]], next_wake_at=next_wake_at)


def find(
    connection: sqlite3.Connection, filter: ProcessFilter, limit: int, after: tuple[int, str] | None
) -> tuple[Sequence[ProcessInfo], str | None]:
    """Return processes that match, from behind the place ``after``."""
    conditions = _conditions(filter)
    if after is not None:
        started_at, run_id = after
        behind = "started_at <= ? AND (started_at < ? OR run_id > ?)"
        conditions.append((behind, (started_at, started_at, run_id)))
    rows = connection.execute(_where("find", conditions), (*_values(conditions), limit + 1)).fetchall()
    page = [describe(decode_head(text)) for (text,) in rows[:limit]]
    if len(rows) <= limit:
        return page, None
    return page, write_page_token(microseconds(page[-1].started_at), page[-1].process.run_id)


def count(connection: sqlite3.Connection, filter: ProcessFilter) -> int:
    """Return how many processes match."""
    conditions = _conditions(filter)
    ((number,),) = connection.execute(_where("count", conditions), _values(conditions))
    return int(number)


def types(connection: sqlite3.Connection) -> Sequence[WorkflowType | ActivityType]:
    """Return all registered types."""
    return [decode_type(kind, text) for kind, text in connection.execute(QUERIES["types"])]


def outbox(connection: sqlite3.Connection, older_than: float, limit: int) -> Sequence[Message]:
    """Return messages sent before ``older_than``, oldest first."""
    return [decode_message(text) for (text,) in connection.execute(QUERIES["outbox"], (older_than, limit))]


def held_by(connection: sqlite3.Connection, session: str, limit: int) -> Sequence[str]:
    """Return ids of open runs that hold an unanswered task of this session. Looks at all open runs: it is rare."""
    rows = connection.execute(QUERIES["held_by"], {"session": session, "limit": limit})
    return [run_id for (run_id,) in rows]


def _conditions(filter: ProcessFilter) -> _Conditions:
    """Return the conditions in SQL, each with its values."""
    is_open = ProcessStatus.OPEN.value
    asked: list[tuple[str, str | int | None]] = [
        ("process_id = ?", filter.process_id),
        ("workflow = ?", filter.workflow),
        ("workflow_version = ?", filter.workflow_version),
        ("id IN (SELECT process FROM tag WHERE tag = ?)", filter.tag),
        ("status = ?", None if filter.status is None else filter.status.value),
        ("status <> ?", is_open if filter.closed is True else None),
        ("status = ?", is_open if filter.closed is False else None),
        ("started_at >= ?", _optional_microseconds(filter.started_after)),
        ("started_at < ?", _optional_microseconds(filter.started_before)),
        ("closed_at >= ?", _optional_microseconds(filter.closed_after)),
        ("closed_at < ?", _optional_microseconds(filter.closed_before)),
    ]
    return [(sql, (value,)) for sql, value in asked if value is not None]


def _optional_microseconds(when: datetime | None) -> int | None:
    return None if when is None else microseconds(when)


def _where(query: str, conditions: _Conditions) -> str:
    return QUERIES[query].replace("{conditions}", " AND ".join(sql for sql, _ in conditions) or "true")


def _values(conditions: _Conditions) -> tuple[Any, ...]:
    return tuple(value for _, values in conditions for value in values)
