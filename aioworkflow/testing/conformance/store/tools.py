"""Values to store, and what the checks are made of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from ....event import ActivityScheduledEvent, AnyEvent, DecisionScheduledEvent, MarkerRecordedEvent
from ....machine.requests import ChildClosed, Message
from ....machine.state import Head, OpenActivity, OpenItem, QueuedDecision, StartedDecision
from ....stores.base import Group, ProcessWrite, Store, StoredProcess
from ....types import ChildPolicy, ProcessRef, ProcessStatus, TypeRef

__all__ = [
    "NOW",
    "NewStore",
    "StoreCheck",
    "activity",
    "at",
    "closed_head",
    "commit",
    "events",
    "expect",
    "expect_raises",
    "group",
    "head",
    "ids",
    "load",
    "message",
    "queued",
    "start",
    "started",
    "store_on",
    "write",
]

NewStore = Callable[[], Store]
"""Makes a store object, not yet open, on the database under test."""

StoreCheck = Callable[[NewStore], Awaitable[None]]

NOW = 1_700_000_000.0
"""Epoch seconds."""


def at(seconds: float = 0.0) -> datetime:
    """Return NOW and some seconds."""
    return datetime.fromtimestamp(NOW + seconds, UTC)


def expect(actual: object, expected: object, promise: str) -> None:
    """Raise AssertionError, naming the promise, unless both are equal."""
    if actual != expected:
        raise AssertionError(f"{promise}: expected {expected!r}, got {actual!r}")


async def expect_raises(error: type[Exception], call: Awaitable[object], promise: str) -> None:
    """Raise AssertionError, naming the promise, unless awaiting ``call`` raises ``error``."""
    try:
        result = await call
    except error:
        return
    raise AssertionError(f"{promise}: expected {error.__name__}, got {result!r}")


@asynccontextmanager
async def store_on(new_store: NewStore) -> AsyncIterator[Store]:
    """Open a store, and close it at the end."""
    store = new_store()
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def head(run_id: str = "run-1", **changes: Any) -> Head:
    """Return a head; unless said otherwise the process id is made from the run id."""
    settings: dict[str, Any] = {
        "process_id": f"process of {run_id}",
        "workflow": TypeRef("Bar"),
        "task_list": "deciders",
        "child_policy": ChildPolicy.TERMINATE,
        "started_at": NOW,
    }
    return Head(run_id=run_id, **(settings | changes))


def closed_head(run_id: str = "run-1", *, status: ProcessStatus = ProcessStatus.COMPLETED, **changes: Any) -> Head:
    """Return the head of a run that is closed."""
    return head(run_id, status=status, **({"closed_at": NOW + 60} | changes))


def queued(event_id: int = 2, task_list: str = "deciders", scheduled_at: float = NOW) -> QueuedDecision:
    """Return a decision task that waits."""
    return QueuedDecision(scheduled_event_id=event_id, task_list=task_list, scheduled_at=scheduled_at)


def started(session: str | None, event_id: int = 2) -> StartedDecision:
    """Return a decision task that was handed to a session."""
    return StartedDecision(scheduled_event_id=event_id, started_event_id=event_id + 1, started_at=NOW, session=session)


def activity(event_id: int, **changes: Any) -> OpenActivity:
    """Return an activity whose task waits in "workers", unless it is said to be started."""
    settings: dict[str, Any] = {
        "activity_id": f"activity-{event_id}",
        "activity": TypeRef("Foo"),
        "task_list": "workers",
        "scheduled_at": NOW,
    }
    return OpenActivity(event_id=event_id, **(settings | changes))


def events(first: int, last: int) -> list[AnyEvent]:
    """Return events with these ids, of several classes."""
    made: list[AnyEvent] = []
    for event_id in range(first, last + 1):
        match event_id % 3:
            case 0:
                made.append(
                    ActivityScheduledEvent(
                        event_id=event_id,
                        timestamp=at(event_id),
                        activity_id=f"activity-{event_id}",
                        activity=TypeRef("Foo", "2"),
                        input_json='{"text":"ü \\u0000 \\"[1]\\""}',
                        task_list="workers",
                        decision_completed_event_id=event_id - 1,
                    )
                )
            case 1:
                made.append(
                    MarkerRecordedEvent(
                        event_id=event_id, timestamp=at(event_id), marker="m", decision_completed_event_id=0
                    )
                )
            case _:
                made.append(DecisionScheduledEvent(event_id=event_id, timestamp=at(event_id), task_list="deciders"))
    return made


def ids(found: Sequence[AnyEvent]) -> list[int]:
    """Return the ids of events."""
    return [event.event_id for event in found]


def message(id: str = "message-1", *, sent_at: float = NOW, to: str = "process of run-2") -> Message:
    """Return a message that is to be delivered."""
    body = ChildClosed(
        initiated_event_id=5,
        child=ProcessRef("process of run-1", "run-1"),
        status=ProcessStatus.FAILED,
        reason='no "luck"',
    )
    return Message(id=id, to=ProcessRef(to), sent_at=sent_at, body=body)


def write(head: Head | None, version: int = 0, **changes: Any) -> ProcessWrite:
    """Return a write."""
    return ProcessWrite(head=head, version=version, **changes)


def group(*writes: ProcessWrite, linked: Sequence[tuple[int, ...]] = ()) -> Group:
    """Return a group."""
    return Group(session="session-1", writes=list(writes), linked=linked)


async def commit(store: Store, *writes: ProcessWrite, linked: Sequence[tuple[int, ...]] = ()) -> list[int]:
    """Commit writes as one group and return which were refused."""
    return list(await store.commit(group(*writes, linked=linked)))


async def start(store: Store, *run_ids: str, items: Sequence[OpenItem] = (), **changes: Any) -> None:
    """Save new runs, each with the same items and head."""
    opened = {item.event_id: item for item in items}
    refused = await commit(store, *(write(head(run_id, **changes), items=dict(opened)) for run_id in run_ids))
    expect(refused, [], "new runs are saved")


async def load(store: Store, run_id: str = "run-1") -> StoredProcess:
    """Load a run that must be there."""
    found = await store.load([run_id])
    expect(list(found), [run_id], "a saved run can be loaded")
    return found[run_id]
