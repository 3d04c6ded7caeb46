"""The reading half of the store: rows as the values of the protocol."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ...backend import ProcessFilter, ProcessInfo
from ...event import AnyEvent
from ...types import ProcessStatus
from ..base import Due, TaskKind, WaitingTask
from ..codec import decode_events, decode_head, describe, microseconds, read_page_token, write_page_token
from .connections import Rows
from .sql import Sql, key_text

__all__ = ["count_query", "find_query", "to_due", "to_events", "to_page", "to_waiting_tasks"]

_Query = tuple[str, list[Any]]


def to_events(rows: Rows, after: int, last: int) -> list[AnyEvent]:
    """Return the events with ids above ``after`` up to ``last``."""
    # Each row is the array of one write: joined into one array, they are read in one go.
    arrays = ",".join([text[1:-1] for (text,) in rows])
    return [event for event in decode_events(f"[{arrays}]") if after < event.event_id <= last]


def to_waiting_tasks(rows: Rows, kind: TaskKind, task_list: str) -> list[WaitingTask]:
    """Return tasks that wait in a list."""
    return [
        WaitingTask(
            kind=kind,
            task_list=task_list,
            run_id=run_id,
            scheduled_event_id=event_id,
            task_priority=priority,
            scheduled_at=scheduled_at,
        )
        for run_id, event_id, priority, scheduled_at in rows
    ]


def to_due(rows: Rows, limit: int) -> Due:
    """Return the runs that are due; the last row is the earliest time of those that are not."""
    *due, (_, next_wake_at) = rows
    if len(due) > limit:
        next_wake_at = due[limit][1]
    return Due(run_ids=[run_id for run_id, _ in due[:limit]], next_wake_at=next_wake_at)


def to_page(rows: Rows, limit: int) -> tuple[list[ProcessInfo], str | None]:
    """Return a page of a listing, for which one row more than its limit was asked for."""
    page = [describe(decode_head(text)) for (text,) in rows[:limit]]
    if len(rows) <= limit:
        return page, None
    return page, write_page_token(microseconds(page[-1].started_at), page[-1].process.run_id)


def find_query(sql: Sql, filter: ProcessFilter, limit: int, page_token: str | None) -> _Query:
    """Return the query for a page and one row more."""
    conditions = _conditions(filter)
    if page_token is not None:
        started_at, run_id = read_page_token(page_token)
        conditions += [("started_at <= {}", started_at), ("(started_at < {} OR run_id > {})", (started_at, run_id))]
    query, values = _where(sql, "find", conditions)
    return query.replace("{limit}", f"${len(values) + 1}"), [*values, limit + 1]


def count_query(sql: Sql, filter: ProcessFilter) -> _Query:
    """Return the query that counts what matches."""
    return _where(sql, "count", _conditions(filter))


def _conditions(filter: ProcessFilter) -> list[tuple[str, Any]]:
    """Return the conditions in SQL, each with its value."""
    is_open = ProcessStatus.OPEN.value
    asked: list[tuple[str, Any]] = [
        ("process_id = {}", _key(filter.process_id)),
        ("workflow = {}", _key(filter.workflow)),
        ("workflow_version = {}", _key(filter.workflow_version)),
        ("id IN (SELECT process FROM {schema}.tag WHERE tag = {})", _key(filter.tag)),
        ("status = {}", None if filter.status is None else filter.status.value),
        ("status <> {}", is_open if filter.closed is True else None),
        ("status = {}", is_open if filter.closed is False else None),
        ("started_at >= {}", _time(filter.started_after)),
        ("started_at < {}", _time(filter.started_before)),
        ("closed_at >= {}", _time(filter.closed_after)),
        ("closed_at < {}", _time(filter.closed_before)),
    ]
    return [(condition, value) for condition, value in asked if value is not None]


def _key(text: str | None) -> str | None:
    return None if text is None else key_text(text)


def _time(when: datetime | None) -> int | None:
    return None if when is None else microseconds(when)


def _where(sql: Sql, query: str, conditions: Sequence[tuple[str, Any]]) -> _Query:
    """Return a query with conditions, and the values of its numbered parameters."""
    values: list[Any] = []
    parts: list[str] = []
    for condition, value in conditions:
        for one in value if isinstance(value, tuple) else (value,):
            values.append(one)
            condition = condition.replace("{}", f"${len(values)}", 1)
        parts.append(condition)
    return sql.complete(sql[query].replace("{conditions}", " AND ".join(parts) or "true")), values
