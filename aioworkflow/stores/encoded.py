"""What a database stores for one :class:`ProcessWrite`: encoded, and fixed while the caller waits."""

from __future__ import annotations

from collections.abc import Sequence

from ..event import AnyEvent
from ..machine.state import Head
from .base import ProcessWrite
from .codec import encode, microseconds, waiting_activity, waiting_decision
from .guard import Claim

__all__ = ["EncodedWrite", "ItemRow"]

ItemRow = tuple[int, str | None, int | None, float | None, str]
"""Event id; task list, priority and time if it is an activity task that waits (else None); and the JSON of the item."""

_NOWHERE = (None, None, None)

_EVENTS_PER_ROW = 50
"""A decision may bring a thousand events; whoever takes one of its activities elsewhere reads the input from them."""


class EncodedWrite(Claim):
    """A write as rows.

    Attributes:
        messages: Id, time and JSON of those that are sent.
        head: JSON. This and what follows is there only if the run changes.
        position: Where the decision task waits, if it does.
        wake_at: As it was given.
        history: The events in rows: the id of the first, and a JSON array.
        saved_items: Those to insert or replace.
        deleted_items: Event ids.
        status: This and what follows is there only if the run is new or closed.
        started_at: Microseconds.
        closed_at: Microseconds.
        names: Run id, process id, version of the workflow and its name.
        tags: As they were given.
    """

    __slots__ = (
        "closed_at",
        "deleted_items",
        "head",
        "history",
        "messages",
        "names",
        "position",
        "saved_items",
        "started_at",
        "status",
        "tags",
        "wake_at",
    )

    def __init__(self, write: ProcessWrite) -> None:
        super().__init__(write)
        self.messages: list[tuple[str, float, str]] = []
        if write.send:
            self.messages = [(message.id, message.sent_at, encode(message).decode()) for message in write.send]
        head = write.head
        if head is None or not write.changed:
            return
        self.head = encode(head).decode()
        self.position = waiting_decision(head)
        self.wake_at = write.wake_at
        self.history: list[tuple[int, str]] = []
        if write.events:
            self.history = _history_rows(write.events)
        self.saved_items: list[ItemRow] = []
        self.deleted_items: list[int] = []
        for event_id, item in write.items.items():
            if item is None:
                self.deleted_items.append(event_id)
            else:
                position = waiting_activity(item) or _NOWHERE
                self.saved_items.append((event_id, *position[:3], encode(item).decode()))
        if not self.open or not write.version:
            self._encode_facts(head)

    def _encode_facts(self, head: Head) -> None:
        """Encode what changes at the start and the end of a run alone."""
        workflow = head.workflow
        self.status = head.status.value
        self.started_at = microseconds(head.started_at)
        self.closed_at = None if head.closed_at is None else microseconds(head.closed_at)
        self.names = self.run_id, self.process_id, workflow.version, workflow.name
        self.tags = head.tags


def _history_rows(events: Sequence[AnyEvent]) -> list[tuple[int, str]]:
    if len(events) <= _EVENTS_PER_ROW:
        return [(events[0].event_id, encode(events).decode())]
    starts = range(0, len(events), _EVENTS_PER_ROW)
    return [row for start in starts for row in _history_rows(events[start : start + _EVENTS_PER_ROW])]
