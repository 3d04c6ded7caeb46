"""Which writes of a group stand: the promise of :meth:`Store.commit`, decided once for all stores.

The writes are looked at in order, each against what the database holds and what the writes before it will have changed.
Linked writes are looked at together, at the place of the first of them. A store answers three questions from what it
has read under its lock; what comes back is final, so the store then saves the rest without looking again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..types import ProcessStatus
from .base import ProcessWrite

__all__ = ["Claim", "refused_writes"]

_WRITTEN = -1
"""The version of a run that this group has written already: no write is made from it."""


class Claim:
    """What a write asks of the database and does to it, as far as the guard is concerned; fixed when it is made.

    Attributes:
        run_id: The run; empty where only the outbox changes.
        process_id: Its process.
        version: The version that the write was made from.
        changed: False where only the version is to be checked.
        open: Whether the run is open after the write.
        received: Ids of the messages that it consumes.
    """

    __slots__ = ("changed", "open", "process_id", "received", "run_id", "version")

    def __init__(self, write: ProcessWrite) -> None:
        head = write.head
        self.version = write.version
        self.changed = write.changed
        self.received: Sequence[str] = tuple(write.received) if write.received else ()
        if head is None:
            self.run_id = self.process_id = ""
            self.open = False
        else:
            self.run_id = head.run_id
            self.process_id = head.process_id
            self.open = head.status is ProcessStatus.OPEN


def refused_writes(
    claims: Sequence[Claim],
    linked: Sequence[Sequence[int]],
    *,
    version: Callable[[str], int],
    open_run: Callable[[str], str | None],
    has_message: Callable[[str], bool],
) -> list[int]:
    """Return the indices of the writes that must not be saved, ascending.

    Args:
        claims: Those of the writes.
        linked: Indices of writes that stand or fall together.
        version: By run id the stored version, 0 if there is no such run.
        open_run: By process id the id of its open run, if it has one; asked only for runs that are new or closed.
        has_message: By message id, whether the outbox has it; asked only for messages that are received.
    """
    prospect = _Prospect(version, open_run, has_message)
    refused: list[int] = []
    for unit in _units(len(claims), linked):
        if len(unit) == 1:
            stands = prospect.take(claims[unit[0]])
        else:
            attempt = _Prospect(prospect.version, prospect.open_run, prospect.has_message)
            stands = all(attempt.take(claims[index]) for index in unit)
            if stands:
                prospect.adopt(attempt)
        if not stands:
            refused += unit
    return sorted(refused)


class _Prospect:
    """What the database will hold after the writes taken so far: what differs, over functions that tell the rest."""

    def __init__(
        self,
        version: Callable[[str], int],
        open_run: Callable[[str], str | None],
        has_message: Callable[[str], bool],
    ) -> None:
        self._stored_version = version
        self._stored_open_run = open_run
        self._stored_message = has_message
        self._written: set[str] = set()
        self._open_runs: dict[str, str | None] = {}
        self._received: set[str] = set()

    def version(self, run_id: str) -> int:
        return _WRITTEN if run_id in self._written else self._stored_version(run_id)

    def open_run(self, process_id: str) -> str | None:
        known = self._open_runs
        return known[process_id] if process_id in known else self._stored_open_run(process_id)

    def has_message(self, message_id: str) -> bool:
        return message_id not in self._received and self._stored_message(message_id)

    def take(self, claim: Claim) -> bool:
        """Return whether a write stands, and if it does take it in."""
        run_id = claim.run_id
        if run_id:
            if self.version(run_id) != claim.version:
                return False
            if not claim.changed:
                return True
            if not claim.version and self.open_run(claim.process_id) is not None:
                return False
        if claim.received and not all(map(self.has_message, claim.received)):
            return False
        if run_id:
            self._written.add(run_id)
            if claim.open:
                self._open_runs[claim.process_id] = run_id
            elif self.open_run(claim.process_id) == run_id:
                self._open_runs[claim.process_id] = None
        self._received.update(claim.received)
        return True

    def adopt(self, attempt: _Prospect) -> None:
        """Take in what another prospect, which stood on this one, took in."""
        self._written |= attempt._written
        self._open_runs |= attempt._open_runs
        self._received |= attempt._received


def _units(count: int, linked: Sequence[Sequence[int]]) -> Iterable[Sequence[int]]:
    """Return the indices grouped by what stands or falls together, in the order of the first of each."""
    if not linked:
        return [(index,) for index in range(count)]
    unit_of = {index: [index] for index in range(count)}
    for indices in linked:
        joined = sorted({member for index in indices for member in unit_of[index]})
        for index in joined:
            unit_of[index] = joined
    return [unit for index, unit in unit_of.items() if unit[0] == index]
