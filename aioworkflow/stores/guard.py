"""Which writes of a group stand: the promise of :meth:`Store.commit`, decided once for all stores.

The writes are looked at in order, each against what the database holds and what the writes before it will have changed. Linked writes
are looked at together, at the place of the first of them. A store answers three questions from what it has read under its lock; what
comes back is final, so the store then saves the rest without looking again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..types import ProcessStatus
from .base import Group, ProcessWrite

__all__ = ["refused_writes"]


class _Refused(Exception):
    pass


class _Guard:
    """What the database will hold after the writes that were accepted so far, as far as it differs from what it holds."""

    def __init__(
        self,
        version: Callable[[str], int],
        open_run: Callable[[str], str | None],
        has_message: Callable[[str], bool],
        before: _Guard | None = None,
    ) -> None:
        self.version = version
        self.open_run = open_run
        self.has_message = has_message
        self.versions: dict[str, int] = {} if before is None else before.versions.copy()
        self.open_runs: dict[str, str | None] = {} if before is None else before.open_runs.copy()
        self.messages: dict[str, bool] = {} if before is None else before.messages.copy()

    def copy(self) -> _Guard:
        return _Guard(self.version, self.open_run, self.has_message, self)

    def accept(self, write: ProcessWrite) -> None:
        """Take in one write; raises :class:`_Refused` (then the guard is spoilt if the write was linked)."""
        head = write.head
        if head is not None:
            run_id = head.run_id
            version = self.versions.get(run_id)
            if version is None:
                version = self.version(run_id)
            if version != write.version:
                raise _Refused
            if not write.changed:
                return
            process_id = head.process_id
            if not version and self._open_run(process_id) is not None:
                raise _Refused
        for message_id in write.received:
            known = self.messages.get(message_id)
            if not (self.has_message(message_id) if known is None else known):
                raise _Refused
        if head is not None:
            self.versions[run_id] = version + 1
            if head.status is ProcessStatus.OPEN:
                self.open_runs[process_id] = run_id
            elif self._open_run(process_id) == run_id:
                self.open_runs[process_id] = None
        for message_id in write.received:
            self.messages[message_id] = False
        for message in write.send:
            self.messages[message.id] = True

    def _open_run(self, process_id: str) -> str | None:
        if process_id in self.open_runs:
            return self.open_runs[process_id]
        return self.open_run(process_id)


def refused_writes(
    group: Group,
    *,
    version: Callable[[str], int],
    open_run: Callable[[str], str | None],
    has_message: Callable[[str], bool],
) -> list[int]:
    """Return the indices of the writes that must not be saved, ascending.

    Args:
        group: The writes.
        version: By run id the stored version, 0 if there is no such run.
        open_run: By process id the id of its open run, if it has one; asked only for runs that are new or closing.
        has_message: By message id, whether the outbox has it.
    """
    guard = _Guard(version, open_run, has_message)
    writes = group.writes
    refused = []
    if not group.linked:
        for index, write in enumerate(writes):
            try:
                guard.accept(write)
            except _Refused:
                refused.append(index)
        return refused
    for unit in _units(len(writes), group.linked):
        attempt = guard.copy()
        try:
            for index in unit:
                attempt.accept(writes[index])
        except _Refused:
            refused += unit
        else:
            guard = attempt
    return sorted(refused)


def _units(count: int, linked: Iterable[Sequence[int]]) -> list[list[int]]:
    """Return the indices grouped by what stands or falls together, in the order of the first of each."""
    unit_of = {index: [index] for index in range(count)}
    for indices in linked:
        joined = sorted({member for index in indices for member in unit_of[index]})
        for index in joined:
            unit_of[index] = joined
    return [unit for index, unit in unit_of.items() if unit[0] == index]
