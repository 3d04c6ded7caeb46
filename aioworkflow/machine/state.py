"""The state of one run, as the service machine sees it.

A state is a :class:`Head` and the open items, by the id of the event that opened them. Only :mod:`.evolve` changes
what history tells, one event at a time, so folding a stored history gives the same state; the rest (heartbeats,
sessions) is changed by the requests that bring it. Times are those of the events, in epoch seconds rounded to
microseconds.
"""

from __future__ import annotations

import math
from heapq import heapify, heappop, heappush, heapreplace

import msgspec

from ..types import ChildPolicy, ProcessRef, ProcessStatus, TimeoutType, TypeRef

__all__ = [
    "Head",
    "OpenActivity",
    "OpenChild",
    "OpenItem",
    "OpenRequest",
    "OpenTimer",
    "ProcessState",
    "QueuedDecision",
    "StartedDecision",
    "Sticky",
    "deadline",
]


class QueuedDecision(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """The decision task that is scheduled and not handed out; at most one (swf-reference 5.1)."""

    scheduled_event_id: int
    task_list: str
    scheduled_at: float
    schedule_to_start_timeout: float | None = None


class StartedDecision(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """The decision task that a decider holds; at most one (swf-reference 5.1)."""

    scheduled_event_id: int
    started_event_id: int
    started_at: float
    start_to_close_timeout: float | None = None
    session: str | None = None


class Sticky(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """Where a decider asked later decision tasks to wait (swf-reference 5.7)."""

    task_list: str
    schedule_to_start_timeout: float | None = None


class Head(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """The part of the state that most requests change. Times are epoch seconds, durations seconds."""

    process_id: str
    run_id: str
    workflow: TypeRef
    task_list: str
    child_policy: ChildPolicy
    started_at: float
    status: ProcessStatus = ProcessStatus.OPEN
    closed_at: float | None = None
    tags: tuple[str, ...] = ()
    task_priority: int = 0
    execution_timeout: float | None = None
    decision_timeout: float | None = None
    parent: ProcessRef | None = None
    parent_initiated_event_id: int = 0
    continued_run_id: str | None = None
    last_event_id: int = 0
    previous_started_event_id: int = 0
    decision_attempt: int = 1
    cancel_requested: bool = False
    execution_context: str | None = None
    queued: QueuedDecision | None = None
    started: StartedDecision | None = None
    sticky: Sticky | None = None


class OpenActivity(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False, tag="activity", tag_field="kind"):
    """An activity that is scheduled or started."""

    event_id: int
    activity_id: str
    activity: TypeRef
    task_list: str
    scheduled_at: float
    task_priority: int = 0
    schedule_to_start_timeout: float | None = None
    schedule_to_close_timeout: float | None = None
    start_to_close_timeout: float | None = None
    heartbeat_timeout: float | None = None
    cancel_requested_event_id: int = 0
    started_event_id: int = 0
    started_at: float = 0.0
    session: str | None = None
    heartbeat_at: float = 0.0
    details_json: str | None = None


class OpenTimer(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False, tag="timer", tag_field="kind"):
    """A timer that runs."""

    event_id: int
    timer_id: str
    fires_at: float


class OpenChild(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False, tag="child", tag_field="kind"):
    """A child process that is initiated or started."""

    event_id: int
    process_id: str
    workflow: TypeRef
    decision_completed_event_id: int
    control_json: str | None = None
    run_id: str = ""
    started_event_id: int = 0


class OpenRequest(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False, tag="request", tag_field="kind"):
    """A signal to another process (``signal`` is set) or a request to cancel one, still unanswered."""

    event_id: int
    process: ProcessRef
    decision_completed_event_id: int
    signal: str | None = None
    control_json: str | None = None


OpenItem = OpenActivity | OpenTimer | OpenChild | OpenRequest


class ProcessState:
    """The whole state of one run.

    Attributes:
        head: The small part.
        items: What is open, by opening event id.
        activities: Opening event ids of the open activities, by activity id.
        timers: The same of timers, by timer id.
        children: Opening event ids of the open children. (Not by process id: a child that is about to be refused
            because that process runs already is open beside the one that runs.)
    """

    __slots__ = ("_deadlines", "activities", "children", "head", "items", "timers")

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, head: Head, items: dict[int, OpenItem] | None = None) -> None:
        self.head = head
        self.items: dict[int, OpenItem] = {} if items is None else items
        self.activities: dict[str, int] = {}
        self.timers: dict[str, int] = {}
        self.children: set[int] = set()
        self._deadlines: list[tuple[float, int]] = []
        for item in self.items.values():
            self._index(item)
        self._rebuild_deadlines()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ProcessState):
            return NotImplemented
        return self.head == other.head and self.items == other.items

    def __repr__(self) -> str:
        return f"ProcessState({self.head!r}, {self.items!r})"

    @property
    def ref(self) -> ProcessRef:
        """The run itself."""
        head = self.head
        return ProcessRef(head.process_id, head.run_id)

    @property
    def decision_ready(self) -> bool:
        """Whether a decision task waits that may be handed out: queued, and none is out (swf-reference 5.1)."""
        head = self.head
        return head.queued is not None and head.started is None

    # --- open items: for evolve only ---------------------------------------------------------------------

    def open(self, item: OpenItem) -> None:
        """Add an item."""
        self.items[item.event_id] = item
        self._index(item)
        self.arm(item)

    def close(self, event_id: int) -> None:
        """Remove an item."""
        item = self.items.pop(event_id)
        if type(item) is OpenActivity:
            del self.activities[item.activity_id]
        elif type(item) is OpenTimer:
            del self.timers[item.timer_id]
        elif type(item) is OpenChild:
            self.children.remove(event_id)

    def close_all(self) -> None:
        """Remove all items."""
        for index in (self.items, self.activities, self.timers, self.children, self._deadlines):
            index.clear()

    def arm(self, item: OpenItem) -> None:
        """Note the deadline of an item that is new, or whose deadline may have become earlier."""
        due = deadline(item)
        if due is None:
            return
        heappush(self._deadlines, (due[0], item.event_id))
        if len(self._deadlines) > 4 * len(self.items) + 64:
            self._rebuild_deadlines()

    def _index(self, item: OpenItem) -> None:
        if type(item) is OpenActivity:
            self.activities[item.activity_id] = item.event_id
        elif type(item) is OpenTimer:
            self.timers[item.timer_id] = item.event_id
        elif type(item) is OpenChild:
            self.children.add(item.event_id)

    # --- deadlines ---------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """Return when FireDeadlines is next due (epoch seconds), without looking through the open items."""
        due = self.next_due()
        return None if due is None else due[0]

    def next_due(self) -> tuple[float, int] | None:
        """Return the next deadline and the id of the event that set it; of equal ones the lower id."""
        due = self._next_item_due()
        for time, event_id in self._head_deadlines():
            if due is None or (time, event_id) < due:
                due = (time, event_id)
        return due

    def _head_deadlines(self) -> list[tuple[float, int]]:
        head = self.head
        found: list[tuple[float, int]] = []
        if head.status is not ProcessStatus.OPEN:
            return found
        if head.execution_timeout is not None:
            found.append((head.started_at + head.execution_timeout, 1))
        queued = head.queued
        if queued is not None and queued.schedule_to_start_timeout is not None:
            found.append((queued.scheduled_at + queued.schedule_to_start_timeout, queued.scheduled_event_id))
        started = head.started
        if started is not None and started.start_to_close_timeout is not None:
            found.append((started.started_at + started.start_to_close_timeout, started.started_event_id))
        return found

    def _next_item_due(self) -> tuple[float, int] | None:
        """Look at the top of the heap, whose entries may be stale: too early, or of an item that is closed."""
        heap = self._deadlines
        while heap:
            time, event_id = heap[0]
            item = self.items.get(event_id)
            due = None if item is None else deadline(item)
            if due is None:
                heappop(heap)
            elif due[0] == time:
                return heap[0]
            else:
                heapreplace(heap, (due[0], event_id))
        return None

    def _rebuild_deadlines(self) -> None:
        self._deadlines[:] = [
            (due[0], item.event_id) for item in self.items.values() if (due := deadline(item)) is not None
        ]
        heapify(self._deadlines)


def deadline(item: OpenItem) -> tuple[float, TimeoutType | None] | None:
    """Return when an open item runs out, and by which timeout (none for a timer, which fires); None for never.

    The earliest of an activity's four clocks counts (swf-reference 6); equal ones in the order of :class:`TimeoutType`.
    """
    if type(item) is OpenActivity:
        return _activity_deadline(item)
    if type(item) is OpenTimer:
        return item.fires_at, None
    return None


def _activity_deadline(item: OpenActivity) -> tuple[float, TimeoutType] | None:
    earliest = math.inf
    which = None
    if item.started_event_id:
        if item.start_to_close_timeout is not None:
            earliest, which = item.started_at + item.start_to_close_timeout, TimeoutType.START_TO_CLOSE
    elif item.schedule_to_start_timeout is not None:
        earliest, which = item.scheduled_at + item.schedule_to_start_timeout, TimeoutType.SCHEDULE_TO_START
    if item.schedule_to_close_timeout is not None:
        time = item.scheduled_at + item.schedule_to_close_timeout
        if time < earliest:
            earliest, which = time, TimeoutType.SCHEDULE_TO_CLOSE
    if item.started_event_id and item.heartbeat_timeout is not None:
        time = item.heartbeat_at + item.heartbeat_timeout
        if time < earliest:
            earliest, which = time, TimeoutType.HEARTBEAT
    return None if which is None else (earliest, which)
