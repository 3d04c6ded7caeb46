"""The reading half of the store, as it runs in the store's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
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

__all__ = ["count", "due", "find", "held_by", "history", "outbox", "resolve", "types", "waiting"]

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
        conditions["started_at <= ? AND (started_at < ? OR run_id > ?)"] = (started_at, started_at, run_id)
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


def _conditions(filter: ProcessFilter) -> dict[str, tuple[Any, ...]]:
    """Return the conditions in SQL, with their values."""
    conditions: dict[str, tuple[Any, ...]] = {}
    if filter.process_id is not None:
        conditions["process_id = ?"] = (filter.process_id,)
    if filter.workflow is not None:
        conditions["workflow = ?"] = (filter.workflow,)
    if filter.workflow_version is not None:
        conditions["workflow_version = ?"] = (filter.workflow_version,)
    if filter.tag is not None:
        conditions["id IN (SELECT process FROM tag WHERE tag = ?)"] = (filter.tag,)
    if filter.status is not None:
        conditions["status = ?"] = (filter.status.value,)
    if filter.closed is not None:
        conditions[f"status {'NOT IN' if filter.closed else 'IN'} (?)"] = (ProcessStatus.OPEN.value,)
    for column, comparison, when in (
        ("started_at", ">=", filter.started_after),
        ("started_at", "<", filter.started_before),
        ("closed_at", ">=", filter.closed_after),
        ("closed_at", "<", filter.closed_before),
    ):
        if when is not None:
            conditions[f"{column} {comparison} ?"] = (microseconds(when),)
    return conditions


def _where(query: str, conditions: dict[str, tuple[Any, ...]]) -> str:
    return QUERIES[query].replace("{conditions}", " AND ".join(conditions) or "true")


def _values(conditions: dict[str, tuple[Any, ...]]) -> tuple[Any, ...]:
    return tuple(value for values in conditions.values() for value in values)
