"""The writing half of the store: groups are saved by one call of a function in the database."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import BackendUnavailableError
from ...machine.state import OpenActivity
from ..base import StoredProcess
from ..codec import decode_head, waiting_decision
from ..encoded import EncodedWrite
from ..guard import refused_writes
from .columns import Columns, Known
from .connections import Pool
from .errors import is_conflict
from .items import LargeRuns
from .sql import Sql, key_text

__all__ = ["Writer"]

_MOST_KNOWN = 50_000
"""How many runs are remembered (about 300 bytes each)."""

_ATTEMPTS = 20
"""So often a group is tried at most; each time somebody else must have been faster."""


class Writer:
    """Saves groups, and remembers what it must know of runs for that.

    What is remembered is true as of a version, and a write from another version is refused, so it does not matter who
    else writes. That a group stands is decided here, from what is remembered, and checked by the function that saves
    it; only if that finds something else the database is asked and the group tried again without the writes refused.
    """

    def __init__(self, pool: Pool, sql: Sql) -> None:
        self._pool = pool
        self._sql = sql
        self._known: dict[str, Known] = {}
        self.large = LargeRuns()

    async def commit(
        self, writes: Sequence[EncodedWrite], linked: Sequence[Sequence[int]], claimer: str | None
    ) -> list[int]:
        """Save what stands in one transaction; return the indices of the rest.

        Args:
            writes: What to save.
            linked: Indices of writes that stand or fall together.
            claimer: The session that tasks are handed to, if any are.
        """
        await self._prepare(writes)
        facts = _Facts() if not _closes_too_late(writes) else await self._ask(writes)
        for _ in range(_ATTEMPTS):
            refused = refused_writes(
                writes, linked, version=self._version, open_run=facts.open_runs.get, has_message=facts.has_message
            )
            if len(refused) == len(writes) or await self._save(writes, refused, claimer):
                return refused
            if len(writes) == 1 and writes[0].version and not writes[0].received:
                self._known.pop(writes[0].run_id, None)
                return [0]  # what it was made from is no longer there: nothing else can be in its way
            facts = await self._ask(writes)
        raise BackendUnavailableError("others keep changing the same processes; the group could not be saved")

    async def load(self, pool: Pool, run_ids: Sequence[str]) -> dict[str, StoredProcess]:
        """Return runs with their items, and remember what writing them takes."""
        found: dict[str, StoredProcess] = {}
        since = {key_text(run_id): self.large.get(run_id) for run_id in run_ids}
        rows = await pool.fetch(self._sql["load"], list(since), [known.version for known in since.values()])
        for key, id, version, text, changed, event_ids in rows:
            head = decode_head(text)
            run_id = head.run_id
            items = self.large.loaded(run_id, version, changed, since=since[key], event_ids=event_ids)
            found[run_id] = run = StoredProcess(version=version, head=head, items=items)
            self.note(run_id, id, run)
        return found

    def note(self, run_id: str, id: int, run: StoredProcess) -> None:
        """Remember a run that was loaded."""
        position = waiting_decision(run.head)
        decision = 0 if position is None else position.scheduled_event_id
        activities = frozenset(
            [item.event_id for item in run.items if type(item) is OpenActivity and not item.started_event_id]
        )
        self._known[run_id] = Known(id, run.version, decision, position, activities)

    def _version(self, run_id: str) -> int:
        known = self._known.get(run_id)
        return 0 if known is None else known.version

    async def _prepare(self, writes: Sequence[EncodedWrite]) -> None:
        """Make sure that what is known of each run is true as of the version that its write was made from."""
        known = self._known
        if len(known) > _MOST_KNOWN:
            known.clear()
        unknown = [
            write.run_id
            for write in writes
            if write.version and ((found := known.get(write.run_id)) is None or found.version != write.version)
        ]
        if unknown:
            await self._learn(unknown)

    async def _save(self, writes: Sequence[EncodedWrite], refused: Sequence[int], claimer: str | None) -> bool:
        skipped = set(refused)
        columns = Columns([write for index, write in enumerate(writes) if index not in skipped], self._known)
        one = columns.of_one_run()
        query, values = (self._sql["commit"], columns.arguments()) if one is None else (self._sql["commit_one"], one)
        try:
            ((new,),) = await self._pool.fetch_once(query, *values, None if claimer is None else key_text(claimer))
        except Exception as error:
            if not is_conflict(error.__cause__):
                raise
            return False
        if new is None:
            return False
        self._known.update(columns.known)
        for index, write in enumerate(writes):
            if index not in skipped and write.run_id:
                self.large.saved(write)
        for run_id, id in zip(columns.new, new, strict=True):
            self._known[run_id] = columns.known[run_id]._replace(id=id)
        return True

    async def _ask(self, writes: Sequence[EncodedWrite]) -> _Facts:
        """Learn everything anew that the guard may want to know."""
        await self._learn([write.run_id for write in writes if write.run_id])
        processes = {key_text(write.process_id): write.process_id for write in writes if write.run_id}
        open_runs = await self._pool.fetch(self._sql["open_runs"], list(processes))
        messages = {key_text(message_id): message_id for write in writes for message_id in write.received}
        present = await self._pool.fetch(self._sql["present_messages"], list(messages)) if messages else ()
        return _Facts(
            {processes[process_id]: run_id for process_id, run_id in open_runs}, {messages[id] for (id,) in present}
        )

    async def _learn(self, run_ids: Sequence[str]) -> None:
        keys = {key_text(run_id): run_id for run_id in run_ids}
        found = await self._pool.fetch(self._sql["known_runs"], list(keys))
        for run_id in run_ids:
            self._known.pop(run_id, None)
        for key, id, version, decisions, activities in found:
            decision = decisions[0] if decisions else 0
            self._known[keys[key]] = Known(id, version, decision, None, frozenset(activities))


class _Facts:
    """What the database holds beside runs; as long as nobody has looked: nothing that is in the way."""

    def __init__(self, open_runs: dict[str, str] | None = None, messages: set[str] | None = None) -> None:
        self.open_runs = open_runs or {}
        self._messages = messages

    def has_message(self, message_id: str) -> bool:
        return self._messages is None or message_id in self._messages


def _closes_too_late(writes: Sequence[EncodedWrite]) -> bool:
    """Tell whether a run is closed by a write behind one that starts another of the same process."""
    born: set[str] = set()
    for write in writes:
        if write.run_id and write.changed:
            if not write.version:
                born.add(write.process_id)
            elif not write.open and write.process_id in born:
                return True
    return False
