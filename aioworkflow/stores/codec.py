"""What every store derives from the values it is given: their stored form, and the few facts that queries ask for.

The stored form is the JSON that the structs write themselves, so that a database can be read without this package.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from ..backend import ProcessFilter, ProcessInfo
from ..checks import show
from ..errors import InvalidRequestError
from ..event import AnyEvent
from ..machine.requests import Message
from ..machine.state import Head, OpenActivity, OpenItem
from ..types import ActivityType, ProcessRef, ProcessStatus, WorkflowType

__all__ = [
    "ListPosition",
    "decode_events",
    "decode_head",
    "decode_item",
    "decode_message",
    "decode_type",
    "describe",
    "encode",
    "encode_keys",
    "encode_type",
    "matches",
    "microseconds",
    "plain",
    "read_page_token",
    "waiting_activity",
    "waiting_decision",
    "write_page_token",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def plain(value: object) -> object:
    """Return the text or the number of a value of a subclass of str, int or float, which msgspec does not write."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    raise TypeError(f"there is no stored form of {show(value)}")


encode = msgspec.json.Encoder(enc_hook=plain).encode
"""Write a head, an item, a message or a list of events."""

decode_head = msgspec.json.Decoder(Head).decode
decode_item = msgspec.json.Decoder(OpenItem).decode
decode_events = msgspec.json.Decoder(list[AnyEvent]).decode
decode_message = msgspec.json.Decoder(Message).decode


def encode_keys(keys: Iterable[str]) -> str:
    """Write ids as a JSON array, leaving out what no database can hold: lone surrogates have no UTF-8 form."""
    return encode([key for key in keys if key.isascii() or key.encode("utf-8", "ignore").decode() == key]).decode()


class ListPosition(NamedTuple):
    """Where a task waits. Within a list the order is: higher priority, earlier, lower event id."""

    task_list: str
    task_priority: int
    scheduled_at: float
    scheduled_event_id: int


def waiting_decision(head: Head) -> ListPosition | None:
    """Return where the decision task of a run waits, if it has one that waits (swf-reference 5.1)."""
    queued = head.queued
    if queued is None or head.started is not None or head.status is not ProcessStatus.OPEN:
        return None
    return ListPosition(queued.task_list, head.task_priority, queued.scheduled_at, queued.scheduled_event_id)


def waiting_activity(item: OpenItem) -> ListPosition | None:
    """Return where the task of an activity waits; None for what is started already or is no activity."""
    if type(item) is not OpenActivity or item.started_event_id:
        return None
    return ListPosition(item.task_list, item.task_priority, item.scheduled_at, item.event_id)


def encode_type(type: WorkflowType | ActivityType) -> tuple[str, bytes]:
    """Return "workflow" or "activity", and the stored form."""
    return ("workflow" if isinstance(type, WorkflowType) else "activity"), encode(type)


_decode_workflow_type = msgspec.json.Decoder(WorkflowType).decode
_decode_activity_type = msgspec.json.Decoder(ActivityType).decode


def decode_type(kind: str, text: bytes | str) -> WorkflowType | ActivityType:
    """Return the type that :func:`encode_type` wrote."""
    return _decode_workflow_type(text) if kind == "workflow" else _decode_activity_type(text)


def microseconds(when: float | datetime) -> int:
    """Return a time as whole microseconds since the epoch: exactly what an aware ``datetime`` can tell."""
    if not isinstance(when, datetime):
        when = datetime.fromtimestamp(when, UTC)
    return (when - _EPOCH) // _MICROSECOND


def describe(head: Head) -> ProcessInfo:
    """Return what a listing shows of a run."""
    return ProcessInfo(
        process=ProcessRef(head.process_id, head.run_id),
        workflow=head.workflow,
        status=head.status,
        started_at=datetime.fromtimestamp(head.started_at, UTC),
        closed_at=None if head.closed_at is None else datetime.fromtimestamp(head.closed_at, UTC),
        tags=head.tags,
        parent=head.parent,
        cancel_requested=head.cancel_requested,
        task_list=head.task_list,
        task_priority=head.task_priority,
        execution_timeout=head.execution_timeout,
        decision_timeout=head.decision_timeout,
        child_policy=head.child_policy,
    )


def matches(info: ProcessInfo, filter: ProcessFilter) -> bool:
    """Tell whether all that the filter asks for holds."""
    checks = (
        filter.process_id is None or info.process.process_id == filter.process_id,
        filter.workflow is None or info.workflow.name == filter.workflow,
        filter.workflow_version is None or info.workflow.version == filter.workflow_version,
        filter.tag is None or filter.tag in info.tags,
        filter.status is None or info.status is filter.status,
        filter.closed is None or (info.status is not ProcessStatus.OPEN) is filter.closed,
        _within(info.started_at, filter.started_after, filter.started_before),
        _within(info.closed_at, filter.closed_after, filter.closed_before),
    )
    return all(checks)


def _within(when: datetime | None, after: datetime | None, before: datetime | None) -> bool:
    if when is None:
        return after is None and before is None
    return (after is None or when >= after) and (before is None or when < before)


def write_page_token(started_at: int, run_id: str) -> str:
    """Return the token of the page that follows this run (its start in microseconds, its id)."""
    return encode([started_at, run_id]).hex()


_decode_page_token = msgspec.json.Decoder(tuple[int, str], strict=True).decode


def read_page_token(token: str) -> tuple[int, str]:
    """Return what :func:`write_page_token` was given.

    Raises:
        InvalidRequestError: The token is none of ours.
    """
    try:
        return _decode_page_token(bytes.fromhex(token))
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidRequestError(
            f"{str(token)[:80]!r} is not a page token; pass the one that came with the page before"
        ) from error
