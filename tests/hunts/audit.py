"""What must hold of every database, whatever has happened to those who used it."""

from __future__ import annotations

import math
from collections.abc import Mapping

from aioworkflow.backend import ProcessFilter
from aioworkflow.event import CLOSING_EVENTS, ActivityCompletedEvent, ActivityScheduledEvent, AnyEvent
from aioworkflow.machine.evolve import fold
from aioworkflow.machine.state import ProcessState
from aioworkflow.stores.base import Store
from aioworkflow.types import ProcessRef, ProcessStatus
from tests.machine.test_machine_properties import assert_each_closes_once
from tests.machine.world import forget_what_no_event_tells

Histories = Mapping[ProcessRef, list[AnyEvent]]


async def audit(store: Store) -> Histories:
    """Check every run in an open store; return the histories, latest start first.

    Event ids are contiguous, everything closes at most once and only while the run is open, folding a history gives the
    stored state, and no two runs of a process are open.
    """
    histories: dict[ProcessRef, list[AnyEvent]] = {}
    page_token: str | None = None
    while True:
        page, page_token = await store.find(ProcessFilter(), limit=500, page_token=page_token)
        stored = await store.load([info.process.run_id for info in page])
        for info in page:
            ref, run = info.process, stored[info.process.run_id]
            events = histories[ref] = await read_history(store, ref)
            assert run.head.last_event_id == len(events)
            assert_history(events, is_open=run.head.status is ProcessStatus.OPEN)
            state = ProcessState(run.head, {item.event_id: item for item in run.items})
            assert forget_what_no_event_tells(state) == forget_what_no_event_tells(fold(ref, events))
        if page_token is None:
            break
    still_open = [ref.process_id for ref, events in histories.items() if not isinstance(events[-1], CLOSING_EVENTS)]
    assert len(set(still_open)) == len(still_open)
    return histories


async def read_history(store: Store, ref: ProcessRef) -> list[AnyEvent]:
    events: list[AnyEvent] = []
    while page := await store.history(ref.run_id, after=len(events), limit=500):
        events += page
    return events


def assert_history(events: list[AnyEvent], *, is_open: bool) -> None:
    assert [event.event_id for event in events] == list(range(1, len(events) + 1))
    assert [event.event_id for event in events if isinstance(event, CLOSING_EVENTS)] == [len(events)] * (not is_open)
    assert_each_closes_once(events)


async def assert_all_over(store: Store, histories: Histories, *, session: str) -> None:
    """Check that everything is closed, nothing waits to be delivered, and nobody but ``session`` is on record."""
    assert [ref for ref, events in histories.items() if not isinstance(events[-1], CLOSING_EVENTS)] == []
    assert list(await store.outbox(older_than=math.inf)) == []
    assert list(await store.renew_session(session, now=math.inf, expires_at=math.inf)) == []


def completions(events: list[AnyEvent]) -> list[str]:
    """Return the ids of the activities that completed, in alphabetical order."""
    scheduled = {event.event_id: event.activity_id for event in events if isinstance(event, ActivityScheduledEvent)}
    return sorted(scheduled[event.scheduled_event_id] for event in events if isinstance(event, ActivityCompletedEvent))
