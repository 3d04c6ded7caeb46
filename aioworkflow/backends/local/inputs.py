"""Inputs of activities that were scheduled before their run was loaded: they are in the history.

Who takes one of them takes more as a rule, and what a decision has scheduled stands together. So they are read some at
a time, by one who reads for all, and kept for a moment.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

from ...errors import StoreError
from ...event import ActivityScheduledEvent, AnyEvent

__all__ = ["Inputs"]

_TOGETHER = 50
"""Events that are read together."""

_MOST_RUNS = 100
_MOST_LEFT = 200
_MOST_CHARACTERS = 1_000_000
"""Of how many runs inputs are kept, how many that nobody has asked for, and how much of one read."""


class Inputs:
    """Reads inputs.

    Args:
        read: Returns the events of a run with ids from the first to the last, both included.
    """

    def __init__(self, read: Callable[[str, int, int], Awaitable[Sequence[AnyEvent]]]) -> None:
        self._read = read
        self._known: OrderedDict[str, dict[int, str | None]] = OrderedDict()
        self._reads: dict[str, list[tuple[int, int, asyncio.Future[None]]]] = {}

    async def of(self, run_id: str, scheduled_event_id: int, *, last_event_id: int) -> str | None:
        """Return the input of an activity, and forget it.

        Args:
            run_id: Of its process.
            scheduled_event_id: Its own.
            last_event_id: The last that is known of the run.
        """
        while (known := self._known.get(run_id)) is None or scheduled_event_id not in known:
            under_way = next(
                (done for first, last, done in self._reads.get(run_id, ()) if first <= scheduled_event_id <= last), None
            )
            if under_way is not None:
                await asyncio.wait([under_way])
                continue
            events = await self._read_for_all(run_id, scheduled_event_id, last_event_id)
            if not isinstance(events[0], ActivityScheduledEvent):
                raise StoreError(f"event {scheduled_event_id} of run {run_id} schedules no activity")
            return events[0].input_json
        return known.pop(scheduled_event_id)

    async def _read_for_all(self, run_id: str, first: int, last_event_id: int) -> Sequence[AnyEvent]:
        last = max(min(first + _TOGETHER - 1, last_event_id), first)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (first, last, done)
        self._reads.setdefault(run_id, []).append(entry)
        try:
            events = await self._read(run_id, first, last)
            self._keep(run_id, events[1:])
        finally:
            done.set_result(None)
            self._reads[run_id].remove(entry)
            if not self._reads[run_id]:
                del self._reads[run_id]
        return events

    def _keep(self, run_id: str, events: Sequence[AnyEvent]) -> None:
        found = {event.event_id: event.input_json for event in events if isinstance(event, ActivityScheduledEvent)}
        if not found or sum(len(text) for text in found.values() if text is not None) > _MOST_CHARACTERS:
            return
        known = self._known.pop(run_id, {})
        if len(known) > _MOST_LEFT:  # others have taken them
            known.clear()
        self._known[run_id] = known | found
        if len(self._known) > _MOST_RUNS:
            self._known.popitem(last=False)
