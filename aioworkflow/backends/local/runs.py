"""The cache of runs: states that were loaded or made here, kept while they are busy.

A cached state may be stale where several OS processes share a database. That is harmless: whatever rests on it is
written, or checked, under the version that it was loaded at, and refused by the store if that is not the newest.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from ...event import AnyEvent
from ...machine.state import ProcessState
from ...types import UNSET, ProcessRef, ProcessStatus, UnsetType

__all__ = ["CachedRun", "RunCache"]


class CachedRun:
    """One run in memory.

    Attributes:
        state: The machine's state; advanced in place.
        version: The stored version that it rests on; 0 before the first write.
        wake_at: The ``wake_at`` that is stored; UNSET where that is not known.
        tail: The last events, consecutive, as far as they are at hand.
        inputs: Inputs of activities that wait to be handed out, as far as they are at hand, by scheduled event id.
        hinted: The scheduled event id of the decision task that was last put into a task list here.
        epoch: Of the cache, when the version was last found to be the newest.
    """

    __slots__ = ("epoch", "hinted", "inputs", "state", "tail", "version", "wake_at")

    def __init__(self, state: ProcessState, version: int = 0) -> None:
        self.state = state
        self.version = version
        self.wake_at: float | UnsetType | None = UNSET
        self.tail: list[AnyEvent] = []
        self.inputs: dict[int, str | None] = {}
        self.hinted = 0
        self.epoch = -1

    def remember(self, events: Sequence[AnyEvent]) -> None:
        """Add committed events to the tail and drop those that no decider will be shown as new any more."""
        tail = self.tail
        tail.extend(events)
        surplus = self.state.head.previous_started_event_id - tail[0].event_id if tail else 0
        if surplus > 0:
            del tail[:surplus]

    def events_since(self, first: int, last: int) -> tuple[AnyEvent, ...] | None:
        """Return the events with ids from ``first`` to ``last``, or None if not all are at hand."""
        tail = self.tail
        if not tail or tail[0].event_id > first:
            return None
        base = tail[0].event_id
        return tuple(tail[max(first - base, 0) : last - base + 1])


class RunCache:
    """Runs by run id, and the open ones by process id too; the least recently used are forgotten first.

    Attributes:
        epoch: Counts how often somebody else was found to have written to the database.
    """

    def __init__(self, capacity: int) -> None:
        self.epoch = 0
        self._capacity = capacity
        self._runs: OrderedDict[str, CachedRun] = OrderedDict()
        self._open: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._runs)

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._runs

    def get(self, run_id: str) -> CachedRun | None:
        """Return the run, if it is cached, and count that as a use."""
        run = self._runs.get(run_id)
        if run is not None:
            self._runs.move_to_end(run_id)
        return run

    def is_open(self, process: ProcessRef) -> bool:
        """Tell whether a run is known to be open: by a saved state, and nobody else has written since."""
        run = self._runs.get(process.run_id)
        if run is None or run.epoch != self.epoch or run.state.head.process_id != process.process_id:
            return False
        return run.state.head.status is ProcessStatus.OPEN

    def doubt(self, run_ids: Iterable[str]) -> None:
        """Note that somebody else has written to these runs."""
        for run_id in run_ids:
            run = self._runs.get(run_id)
            if run is not None:
                run.epoch = -1

    def open_run_id(self, process_id: str) -> str | None:
        """Return the id of the cached open run of a process."""
        return self._open.get(process_id)

    def put(self, run: CachedRun) -> None:
        """Add a run."""
        head = run.state.head
        self._runs[head.run_id] = run
        if head.status is ProcessStatus.OPEN:
            self._open[head.process_id] = head.run_id

    def closed(self, run: CachedRun) -> None:
        """Note that a run is no longer the open one of its process."""
        head = run.state.head
        if self._open.get(head.process_id) == head.run_id:
            del self._open[head.process_id]

    def drop(self, run: CachedRun) -> None:
        """Forget a run."""
        self._runs.pop(run.state.head.run_id, None)
        self.closed(run)

    def shrink(self) -> None:
        """Forget what is over the capacity; call it only while no group is being applied."""
        while len(self._runs) > self._capacity:
            self.drop(next(iter(self._runs.values())))
