"""The state of one run, as the service machine sees it.

A state is a :class:`Head` and the open items, by the id of the event that opened them. Only :mod:`.evolve` changes what history
tells, one event at a time, so folding a stored history gives the same state; the rest (heartbeats, sessions) is changed by the
requests that bring it.
"""

from __future__ import annotations

import msgspec

from ..types import ChildPolicy, ProcessRef, ProcessStatus, TypeRef

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
]


class QueuedDecision(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The decision task that is scheduled and not handed out; at most one (swf-reference 5.1)."""

    scheduled_event_id: int
    task_list: str
    scheduled_at: float
    schedule_to_start_timeout: float | None = None


class StartedDecision(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The decision task that a decider holds; at most one (swf-reference 5.1)."""

    scheduled_event_id: int
    started_event_id: int
    started_at: float
    start_to_close_timeout: float | None = None
    session: str | None = None


class Sticky(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Where a decider asked later decision tasks to wait (swf-reference 5.7)."""

    task_list: str
    schedule_to_start_timeout: float | None = None


class Head(msgspec.Struct, kw_only=True, omit_defaults=True):
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


class OpenActivity(msgspec.Struct, kw_only=True, omit_defaults=True, tag="activity", tag_field="kind"):
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


class OpenTimer(msgspec.Struct, kw_only=True, omit_defaults=True, tag="timer", tag_field="kind"):
    """A timer that runs."""

    event_id: int
    timer_id: str
    fires_at: float


class OpenChild(msgspec.Struct, kw_only=True, omit_defaults=True, tag="child", tag_field="kind"):
    """A child process that is initiated or started."""

    event_id: int
    process_id: str
    workflow: TypeRef
    decision_completed_event_id: int
    control_json: str | None = None
    run_id: str = ""
    started_event_id: int = 0


class OpenRequest(msgspec.Struct, kw_only=True, omit_defaults=True, tag="request", tag_field="kind"):
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
        children: The same of children, by process id.
    """

    __slots__ = ("activities", "children", "deadlines", "head", "items", "timers")

    def __init__(self, head: Head, items: dict[int, OpenItem] | None = None) -> None:
        self.head = head
        self.items: dict[int, OpenItem] = items or {}
        ...
