"""A group as columns: what the function ``commit`` of the schema takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ...types import UNSET
from ..codec import ListPosition
from ..encoded import EncodedWrite
from .sql import key_text

__all__ = ["Columns", "Known"]

_Rows = list[tuple[Any, ...]]


class Known(NamedTuple):
    """What is known of a stored run.

    Attributes:
        id: Its key.
        version: As of which the rest is true.
        decision: The scheduled event id of its decision task that waits; 0 for none.
        position: Where that waits, if it is known.
        activities: The scheduled event ids of its activity tasks that wait.
    """

    id: int
    version: int
    decision: int = 0
    position: ListPosition | None = None
    activities: frozenset[int] = frozenset()


class Columns:
    """The rows of a group, table by table, in the order of the function's parameters.

    Attributes:
        new: The run ids of new runs, in the order in which they get their keys.
        known: What will be known of each run when it is saved; keys of new runs are negative numbers, -1 for the first.
    """

    def __init__(self, writes: Iterable[EncodedWrite], known: Mapping[str, Known]) -> None:
        self.new: list[str] = []
        self.known: dict[str, Known] = {}
        self._checked: _Rows = []
        self._updated: _Rows = []
        self._closed: _Rows = []
        self._received: _Rows = []
        self._born: _Rows = []
        self._tags: _Rows = []
        self._gone_items: _Rows = []
        self._items: _Rows = []
        self._gone_tasks: _Rows = []
        self._tasks: _Rows = []
        self._history: _Rows = []
        self._sent: _Rows = []
        # Rows are locked in the order of their keys, by everybody.
        for write in sorted(writes, key=lambda write: known[write.run_id].id if write.version else 0):
            self._add(write, known)

    def arguments(self) -> list[Sequence[Any] | None]:
        """Return all columns; None, which costs less than an empty one, for those of tables without rows.

        What the guard of new runs compares with is never None: nothing is unlike NULL.
        """
        self._received.sort()
        tables = (
            (self._checked, 2),
            (self._updated, 5),
            (self._closed, 3),
            (self._received, 1),
            (self._born, 9),
            (self._tags, 2),
            (self._gone_items, 2),
            (self._items, 4),
            (self._gone_tasks, 2),
            (self._tasks, 6),
            (self._history, 3),
            (self._sent, 3),
        )
        columns: list[Sequence[Any] | None] = []
        for rows, width in tables:
            if rows:
                columns += zip(*rows, strict=True)
            else:
                columns += [() if rows is self._closed else None] * width
        return columns

    def of_one_run(self) -> Sequence[Any] | None:
        """Return the values that ``commit_one`` takes; None if the group is more than that can save."""
        others = (self._checked, self._closed, self._received, self._born, self._gone_tasks, self._tasks, self._sent)
        if len(self._updated) != 1 or any(others) or self._tags:
            return None
        gone, saved, history = self._gone_items, self._items, self._history
        if len(gone) > 1 or len(saved) > 1 or len(history) > 1:
            return None
        _, gone_id = gone[0] if gone else (0, None)
        _, saved_id, _, item = saved[0] if saved else (0, None, 0, None)
        _, first, events = history[0] if history else (0, None, None)
        return (*self._updated[0], gone_id, saved_id, item, first, events)

    def _add(self, write: EncodedWrite, known: Mapping[str, Known]) -> None:
        for message_id in write.received:
            self._received.append((key_text(message_id),))
        for id, sent_at, text in write.messages:
            self._sent.append((key_text(id), sent_at, text))
        if not write.run_id:
            return
        before = known.get(write.run_id) if write.version else None
        if not write.changed:
            assert before is not None
            self._checked.append((before.id, write.version))
        elif before is not None:
            self._change(write, before)
        else:
            self._bear(write)

    def _change(self, write: EncodedWrite, before: Known) -> None:
        id = before.id
        wakes = write.wake_at is not UNSET
        self._updated.append((id, write.version, write.head, wakes, write.wake_at if wakes else None))
        if not write.open:
            self._closed.append((id, write.status, write.closed_at))
        self._change_rest(write, before)

    def _bear(self, write: EncodedWrite) -> None:
        self.new.append(write.run_id)
        number = -len(self.new)
        run_id, process_id, version, workflow = map(key_text, write.names)
        wake_at = None if write.wake_at is UNSET else write.wake_at
        self._born.append(
            (
                run_id,
                process_id,
                workflow,
                version,
                write.status,
                write.started_at,
                write.closed_at,
                write.head,
                wake_at,
            )
        )
        for tag in write.tags:
            self._tags.append((number, key_text(tag)))
        self._change_rest(write, Known(number, 0))

    def _change_rest(self, write: EncodedWrite, before: Known) -> None:
        """Add the rows that belong to a run."""
        id = before.id
        position = write.position
        decision = 0 if position is None else position.scheduled_event_id
        if decision != before.decision or position != before.position:
            if before.decision:
                self._gone_tasks.append((id, before.decision))
            if position is not None:
                self._tasks.append(
                    (id, decision, False, key_text(position.task_list), position.task_priority, position.scheduled_at)
                )
        activities = before.activities
        if write.saved_items or write.deleted_items:
            activities = self._change_items(write, id, activities)
        for first_event_id, events in write.history:
            self._history.append((id, first_event_id, events))
        self.known[write.run_id] = Known(id, write.version + 1, decision, position, activities)

    def _change_items(self, write: EncodedWrite, id: int, waiting: frozenset[int]) -> frozenset[int]:
        """Add the rows of items and of activity tasks; return which of these wait then."""
        added: set[int] = set()
        gone: set[int] = set()
        for event_id, task_list, priority, scheduled_at, text in write.saved_items:
            self._items.append((id, event_id, write.version + 1, text))
            if task_list is None:
                if event_id in waiting:
                    gone.add(event_id)
            elif event_id not in waiting:
                added.add(event_id)
                self._tasks.append((id, event_id, True, key_text(task_list), priority, scheduled_at))
        for event_id in write.deleted_items:
            if id > 0:
                self._gone_items.append((id, event_id))
            if event_id in waiting:
                gone.add(event_id)
        for event_id in gone:
            self._gone_tasks.append((id, event_id))
        return (waiting - gone) | added if gone or added else waiting
