"""What the rules work with: a :class:`Transition` gathers what one request does to one open run.

A handler first checks and raises, having touched nothing; then it appends events, each of which advances the state at
once, and sends messages. The few steps that many rules share (trigger a decision task, close the run) are methods
here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

from ..event import (
    AnyEvent,
    Cause,
    DecisionScheduledEvent,
    ProcessStartedEvent,
    ProcessTerminatedEvent,
    ProcessTimedOutEvent,
)
from ..types import ActivityType, ChildPolicy, ProcessRef, ProcessStatus, TypeRef, WorkflowType
from .evolve import begin, evolve
from .limits import Limits
from .requests import CancelProcess, ChildClosed, Message, MessageBody, StartProcess, TerminateProcess
from .state import OpenChild, ProcessState

__all__ = ["Environment", "Outcome", "Transition", "policy_message"]

_ROOM = 4
"""Events kept free at the end of a history: a step between two looks at its length appends at most 3, the end is 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What the rules depend on besides the run.

    Attributes:
        limits: How much of everything is allowed.
        workflows: The registered workflows.
        activities: The registered activities.
    """

    limits: Limits = field(default_factory=Limits)
    workflows: Mapping[TypeRef, WorkflowType] = field(default_factory=dict)
    activities: Mapping[TypeRef, ActivityType] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a request did.

    Attributes:
        state: The advanced state (for StartProcess: the new one); None if a message found no process.
        reply: What the caller of the request gets: bool (cancel requested) for a heartbeat, else None.
        events: Appended to history.
        touched: Opening event ids of the items that were opened, changed or closed.
        messages: To other processes (through the outbox).
        successor: The state of the new run, after continue-as-new; its events are in ``successor_events``.
    """

    state: ProcessState | None
    reply: object = None
    events: list[AnyEvent] = field(default_factory=list)
    touched: set[int] = field(default_factory=set)
    messages: list[Message] = field(default_factory=list)
    successor: ProcessState | None = None
    successor_events: Sequence[AnyEvent] = ()


class Transition(Outcome):
    """What one request does to one open run, as it is being worked out; in the end it is the outcome.

    Attributes:
        head: ``state.head``.
        now: Epoch seconds, as the caller gave it.
        at: The same in whole microseconds, which is what an event's timestamp can tell.
        timestamp: ``at`` as an aware datetime; all events of a request share it (swf-reference 1.3).
        next_event_id: Of the event that is appended next.
    """

    __slots__ = ("at", "environment", "head", "new_id", "next_event_id", "now", "timestamp")

    # Outcome's own constructor is not called: this is on the path of every request.
    def __init__(self, state: ProcessState, now: float, new_id: Callable[[], str], environment: Environment) -> None:
        head = state.head
        self.head = head
        self.now = now
        self.new_id = new_id
        self.environment = environment
        self.at, self.timestamp = _clock_reading(now)
        self.next_event_id = head.last_event_id + 1
        self.state: ProcessState = state
        self.reply = None
        self.events = []
        self.touched = set()
        self.messages = []
        self.successor = None
        self.successor_events = ()

    @classmethod
    def begin(
        cls,
        start: StartProcess,
        now: float,
        new_id: Callable[[], str],
        environment: Environment,
        *,
        continued_run_id: str | None = None,
    ) -> Transition:
        """Start a run: events 1 and 2 (swf-reference 2.2)."""
        at, timestamp = _clock_reading(now)
        event = ProcessStartedEvent(
            event_id=1,
            timestamp=timestamp,
            workflow=start.workflow,
            input_json=start.input_json,
            task_list=start.task_list,
            task_priority=start.task_priority,
            execution_timeout=start.execution_timeout,
            decision_timeout=start.decision_timeout,
            child_policy=start.child_policy,
            tags=start.tags,
            parent=start.parent,
            parent_initiated_event_id=start.parent_initiated_event_id,
            continued_run_id=continued_run_id,
        )
        self = cls(begin(ProcessRef(start.process_id, start.run_id), event, at), now, new_id, environment)
        self.events.append(event)
        self.schedule_decision()
        return self

    @property
    def is_open(self) -> bool:
        """Whether the run is still open."""
        return self.head.status is ProcessStatus.OPEN

    def append(self, event: AnyEvent) -> None:
        """Append an event to history and advance the state."""
        self.events.append(event)
        self.next_event_id += 1
        evolve(self.state, event, self.at)

    def trigger(self, event: AnyEvent) -> None:
        """Append an event that the decider must see: a decision task is scheduled, unless one waits already.

        It is scheduled at once and in front of what follows, also while another is out (swf-reference 5.1, 5.4).
        """
        self.append(event)
        if self.head.queued is None:
            self.schedule_decision()

    def schedule_decision(self) -> None:
        """Schedule a decision task (swf-reference 5.7).

        It waits in the list that the last decider asked for, else in the run's own.
        """
        head = self.head
        sticky = head.sticky
        self.append(
            DecisionScheduledEvent(
                event_id=self.next_event_id,
                timestamp=self.timestamp,
                task_list=head.task_list if sticky is None else sticky.task_list,
                task_priority=head.task_priority,
                start_to_close_timeout=head.decision_timeout,
                schedule_to_start_timeout=None if sticky is None else sticky.schedule_to_start_timeout,
            )
        )

    def send(self, to: ProcessRef, body: MessageBody) -> None:
        """Send a message to another process (or to this very one)."""
        self.messages.append(Message(id=self.new_id(), to=to, sent_at=self.now, body=body))

    def close(self, event: AnyEvent) -> None:
        """Append the event that ends the run (swf-reference 3.3).

        Nothing that is open is closed by an event of its own.
        """
        self.touched.update(self.state.items)
        self.append(event)

    def tell_parent(
        self,
        *,
        result_json: str | None = None,
        reason: str | None = None,
        details_json: str | None = None,
    ) -> None:
        """Tell the parent, if there is one, how the run was closed."""
        head = self.head
        if head.parent is not None:
            self.send(
                head.parent,
                ChildClosed(
                    initiated_event_id=head.parent_initiated_event_id,
                    child=self.state.ref,
                    status=head.status,
                    result_json=result_json,
                    reason=reason,
                    details_json=details_json,
                ),
            )

    def close_by_force(self, event: ProcessTerminatedEvent | ProcessTimedOutEvent) -> None:
        """Close the run without asking its decider: its child policy is applied (swf-reference 7.4)."""
        state = self.state
        children = [state.items[event_id] for event_id in sorted(state.children)]  # a store has no order of them
        self.close(event)
        self.tell_parent()
        if event.child_policy is ChildPolicy.ABANDON:
            return
        for child in children:
            assert type(child) is OpenChild
            if child.started_event_id:  # of the others the policy waits for their ChildStarted
                self.send(ProcessRef(child.process_id), policy_message(state, child.event_id))

    def enforce_event_limit(self) -> None:
        """Terminate the run if its history is about to be full (swf-reference 8.1)."""
        head = self.head
        if head.last_event_id > self.environment.limits.events - _ROOM and self.is_open:
            self.close_by_force(
                ProcessTerminatedEvent(
                    event_id=self.next_event_id,
                    timestamp=self.timestamp,
                    child_policy=head.child_policy,
                    cause=Cause.EVENT_LIMIT_EXCEEDED,
                )
            )


def policy_message(parent: ProcessState, initiated_event_id: int) -> TerminateProcess | CancelProcess:
    """Return what a parent that was closed by force has to tell a child; its policy must not be ABANDON.

    The message goes to the process, not to a run of it, since the child may have continued as new; the child checks
    that it is this parent's.
    """
    if parent.head.child_policy is ChildPolicy.TERMINATE:
        return TerminateProcess(
            cause=Cause.CHILD_POLICY_APPLIED, sender=parent.ref, sender_initiated_event_id=initiated_event_id
        )
    return CancelProcess(
        cause=Cause.CHILD_POLICY_APPLIED, sender=parent.ref, sender_initiated_event_id=initiated_event_id
    )


@lru_cache(maxsize=8)
def _clock_reading(now: float) -> tuple[float, datetime]:
    """Return ``now`` in whole microseconds, as epoch seconds and as a datetime; requests of one group share it."""
    at = round(now * 1_000_000) / 1_000_000
    return at, datetime.fromtimestamp(at, UTC)
