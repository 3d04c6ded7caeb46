"""Tasks that a failed transaction may have started, or may yet start.

Whether it was saved is seen by loading its runs. But a transaction whose reply did not come may still be under way in
the database: it waits for a lock, or for a disk, and nobody can stop it behind a network that is cut. So a run that is
found as it was before is looked at again, until it has gone on: then what was made from the version before it is
refused. A run that was to be new may never come, so looking for it ends some time.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from ...machine.state import OpenActivity
from .batch import Handover, PendingRun
from .runs import CachedRun

__all__ = ["Doubts"]

_LEAST_PAUSE = 1.0
"""Seconds until a run is looked at again that was found as it was; later half its time in doubt."""

_LONGEST = 600.0
"""Seconds after which no transaction is under way any more."""


class _Doubt:
    """One run: as of which version it was when the transaction failed, and what that was to hand over."""

    __slots__ = ("handovers", "look_at", "since", "version")

    def __init__(self, pending: PendingRun, handovers: list[Handover], since: float, look_at: float) -> None:
        assert pending.run is not None
        self.version = pending.run.version
        self.handovers = handovers
        self.since = since
        self.look_at = look_at


class Doubts:
    """Runs of which it is not known whether a task of theirs was started for a poll of this backend.

    Args:
        session: Of this backend.
        on_recovered: Called for each task that was started all the same: nobody else will hand it over.
    """

    def __init__(self, session: str, on_recovered: Callable[[Handover, CachedRun], None]) -> None:
        self._session = session
        self._on_recovered = on_recovered
        self._doubts: dict[str, _Doubt] = {}
        self._looked_for: list[str] = []
        self.look_at = math.inf
        """When the next look is due, in the time of the event loop."""

    def __bool__(self) -> bool:
        return bool(self._doubts)

    @property
    def are_due(self) -> bool:
        """Whether it is time to look at some runs."""
        return self.look_at < math.inf and self.look_at <= _now()

    def add(self, pending: PendingRun, *, rest: float) -> None:
        """Note that the transaction failed which was to save this; it is looked at after so many seconds of rest."""
        if pending.run is None or not pending.handovers:
            return
        run_id = pending.run.state.head.run_id
        now = _now()
        before = self._doubts.get(run_id)
        handovers = pending.handovers if before is None else [*before.handovers, *pending.handovers]
        self._doubts[run_id] = _Doubt(pending, handovers, now, now + rest)
        self.look_at = min(self.look_at, now + rest)

    def begin_look(self) -> list[str]:
        """Return the ids of the runs that are to be loaded now, and say when to look at what is in doubt after that."""
        now = _now()
        self._looked_for = [run_id for run_id, doubt in self._doubts.items() if doubt.look_at <= now]
        for run_id in self._looked_for:
            doubt = self._doubts[run_id]
            if now - doubt.since > _LONGEST:
                del self._doubts[run_id]
            else:
                doubt.look_at = now + max(_LEAST_PAUSE, (now - doubt.since) / 2)
        self._plan()
        return self._looked_for

    def put_off(self, *, rest: float) -> None:
        """Note that the runs could not be loaded; they are to be after so many seconds of rest."""
        for run_id in self._looked_for:
            if run_id in self._doubts:
                self._doubts[run_id].look_at = _now() + rest
        self._plan()

    def look(self, run: CachedRun) -> None:
        """Look at a run that was loaded."""
        run_id = run.state.head.run_id
        doubt = self._doubts.get(run_id)
        if doubt is None or run.version <= doubt.version:
            return
        self.end(run_id)
        # By its started event: after a second failure the same task may be there twice.
        for handover in {handover.started_event_id: handover for handover in doubt.handovers}.values():
            item = run.state.items.get(handover.scheduled_event_id)
            started = item if isinstance(item, OpenActivity) else run.state.head.started
            if (
                started is not None
                and started.started_event_id == handover.started_event_id
                and started.session == self._session
            ):
                self._on_recovered(handover, run)

    def end(self, run_id: str) -> None:
        """Note that this backend has written to the run since: whatever was under way then is refused."""
        if self._doubts.pop(run_id, None) is not None and not self._doubts:
            self.look_at = math.inf

    def _plan(self) -> None:
        self.look_at = min([doubt.look_at for doubt in self._doubts.values()], default=math.inf)


def _now() -> float:
    return asyncio.get_running_loop().time()
