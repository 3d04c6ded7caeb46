"""What a history tells, kept up to date one event at a time.

:class:`Facts` holds what is open, how what is closed ended, signals and so on, so that no question about a process
needs its history to be read again. One table leads from the type of an event to the small function that takes it in;
events that deciders ask nothing about are not in it.

Items are told apart by the id of the event that opened them, since ids of activities and timers may be used again
(swf-reference 11.3). The dictionaries hold references to events, which the history owns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .errors import InvalidRequestError
from .event import (
    CLOSING_EVENTS,
    ActivityAbortedEvent,
    ActivityCompletedEvent,
    ActivityFailedEvent,
    ActivityScheduledEvent,
    ActivityTimedOutEvent,
    AnyEvent,
    ChildProcessCanceledEvent,
    ChildProcessCompletedEvent,
    ChildProcessFailedEvent,
    ChildProcessStartedEvent,
    ChildProcessTerminatedEvent,
    ChildProcessTimedOutEvent,
    DecisionCompletedEvent,
    MarkerRecordedEvent,
    ProcessCancelRequestedEvent,
    ProcessSignaledEvent,
    StartChildProcessFailedEvent,
    StartChildProcessInitiatedEvent,
    TimerCanceledEvent,
    TimerFiredEvent,
    TimerStartedEvent,
)
from .records import ActivityClosedEvent, ChildClosedEvent, TimerClosedEvent
from .types import ProcessRef

__all__ = ["Facts"]


class Facts:
    """See the module. All attributes are read by :class:`aioworkflow.process.Process` and written only here.

    Attributes:
        history: All events; event 1 has index 0.
        previous_started_event_id: The start of the last decision task that a decider completed; 0 if there is none.
        decided_event_id: Its completion.
        ending: The event that closed the run.
        cancel_request: The latest.
        open_activities: Open ones by id; likewise timers and children.
        activities: The latest one by id, open or closed; likewise timers and children.
        activities_by_name: All in order; likewise children.
        closed_activities: The closing event by the id of the opening event; likewise timers and children.
        child_runs: The runs of children by the id of the opening event.
        attempts: How often an activity id was scheduled since one with this id completed.
        signals: By name, in order; likewise markers.
    """

    __slots__ = (
        "activities",
        "activities_by_name",
        "attempts",
        "cancel_request",
        "child_runs",
        "children",
        "children_by_name",
        "closed_activities",
        "closed_children",
        "closed_timers",
        "decided_event_id",
        "ending",
        "history",
        "markers",
        "open_activities",
        "open_children",
        "open_timers",
        "previous_started_event_id",
        "signals",
        "timers",
    )

    def __init__(self) -> None:
        self.history: list[AnyEvent] = []
        self.previous_started_event_id = 0
        self.decided_event_id = 0
        self.ending: AnyEvent | None = None
        self.cancel_request: ProcessCancelRequestedEvent | None = None
        self.open_activities: dict[str, ActivityScheduledEvent] = {}
        self.open_timers: dict[str, TimerStartedEvent] = {}
        self.open_children: dict[str, StartChildProcessInitiatedEvent] = {}
        self.activities: dict[str, ActivityScheduledEvent] = {}
        self.timers: dict[str, TimerStartedEvent] = {}
        self.children: dict[str, StartChildProcessInitiatedEvent] = {}
        self.activities_by_name: dict[str, list[ActivityScheduledEvent]] = {}
        self.children_by_name: dict[str, list[StartChildProcessInitiatedEvent]] = {}
        self.closed_activities: dict[int, ActivityClosedEvent] = {}
        self.closed_timers: dict[int, TimerClosedEvent] = {}
        self.closed_children: dict[int, ChildClosedEvent] = {}
        self.child_runs: dict[int, ProcessRef] = {}
        self.attempts: dict[str, int] = {}
        self.signals: dict[str, list[ProcessSignaledEvent]] = {}
        self.markers: dict[str, list[MarkerRecordedEvent]] = {}

    def extend(self, events: Iterable[AnyEvent]) -> None:
        """Take the next events in; those that are known already are passed over.

        Raises:
            InvalidRequestError: There is a gap between the last known event and these.
        """
        history = self.history
        known = len(history)
        change_for = _CHANGES.get
        for event in events:
            event_id = event.event_id
            if event_id <= known:
                continue
            known += 1
            if event_id != known:
                raise InvalidRequestError(f"event {event_id} cannot follow event {known - 1}")
            history.append(event)
            change = change_for(type(event))
            if change is not None:
                change(self, event)


def _activity_scheduled(facts: Facts, event: ActivityScheduledEvent) -> None:
    activity_id = event.activity_id
    facts.activities[activity_id] = facts.open_activities[activity_id] = event
    facts.attempts[activity_id] = facts.attempts.get(activity_id, 0) + 1
    name = event.activity.name
    if name in facts.activities_by_name:
        facts.activities_by_name[name].append(event)
    else:
        facts.activities_by_name[name] = [event]


def _activity_closed(facts: Facts, event: ActivityClosedEvent) -> ActivityScheduledEvent:
    scheduled = facts.history[event.scheduled_event_id - 1]
    assert isinstance(scheduled, ActivityScheduledEvent)
    del facts.open_activities[scheduled.activity_id]
    facts.closed_activities[scheduled.event_id] = event
    return scheduled


def _activity_completed(facts: Facts, event: ActivityCompletedEvent) -> None:
    scheduled = _activity_closed(facts, event)
    del facts.attempts[scheduled.activity_id]


def _timer_started(facts: Facts, event: TimerStartedEvent) -> None:
    facts.timers[event.timer_id] = facts.open_timers[event.timer_id] = event


def _timer_closed(facts: Facts, event: TimerClosedEvent) -> None:
    del facts.open_timers[event.timer_id]
    facts.closed_timers[event.started_event_id] = event


def _child_initiated(facts: Facts, event: StartChildProcessInitiatedEvent) -> None:
    # A second child with the id of an open one is only refused later, so it must not hide the open one.
    facts.open_children.setdefault(event.process_id, event)
    facts.children[event.process_id] = event
    facts.children_by_name.setdefault(event.workflow.name, []).append(event)


def _child_started(facts: Facts, event: ChildProcessStartedEvent) -> None:
    initiated = facts.history[event.initiated_event_id - 1]
    assert isinstance(initiated, StartChildProcessInitiatedEvent)
    facts.open_children[initiated.process_id] = initiated
    facts.child_runs[initiated.event_id] = event.process


def _child_closed(facts: Facts, event: ChildClosedEvent) -> None:
    initiated = facts.history[event.initiated_event_id - 1]
    assert isinstance(initiated, StartChildProcessInitiatedEvent)
    facts.closed_children[initiated.event_id] = event
    process_id = initiated.process_id
    if facts.open_children.get(process_id) is initiated:
        del facts.open_children[process_id]
        latest = facts.children[process_id]
        if latest.event_id not in facts.closed_children:  # the id is free now, so this one may start after all
            facts.open_children[process_id] = latest


def _child_refused(facts: Facts, event: StartChildProcessFailedEvent) -> None:
    if event.initiated_event_id:  # 0: refused at once, so nothing was opened (swf-reference 3.12)
        _child_closed(facts, event)


def _signaled(facts: Facts, event: ProcessSignaledEvent) -> None:
    facts.signals.setdefault(event.signal, []).append(event)


def _marked(facts: Facts, event: MarkerRecordedEvent) -> None:
    facts.markers.setdefault(event.marker, []).append(event)


def _cancel_requested(facts: Facts, event: ProcessCancelRequestedEvent) -> None:
    facts.cancel_request = event


def _decided(facts: Facts, event: DecisionCompletedEvent) -> None:
    facts.decided_event_id = event.event_id
    facts.previous_started_event_id = event.started_event_id


def _ended(facts: Facts, event: AnyEvent) -> None:
    facts.ending = event


_CHANGES: dict[type, Callable[[Facts, Any], object]] = {
    ActivityScheduledEvent: _activity_scheduled,
    ActivityCompletedEvent: _activity_completed,
    ActivityFailedEvent: _activity_closed,
    ActivityTimedOutEvent: _activity_closed,
    ActivityAbortedEvent: _activity_closed,
    TimerStartedEvent: _timer_started,
    TimerFiredEvent: _timer_closed,
    TimerCanceledEvent: _timer_closed,
    StartChildProcessInitiatedEvent: _child_initiated,
    StartChildProcessFailedEvent: _child_refused,
    ChildProcessStartedEvent: _child_started,
    ChildProcessCompletedEvent: _child_closed,
    ChildProcessFailedEvent: _child_closed,
    ChildProcessTimedOutEvent: _child_closed,
    ChildProcessCanceledEvent: _child_closed,
    ChildProcessTerminatedEvent: _child_closed,
    ProcessSignaledEvent: _signaled,
    ProcessCancelRequestedEvent: _cancel_requested,
    MarkerRecordedEvent: _marked,
    DecisionCompletedEvent: _decided,
    **dict.fromkeys(CLOSING_EVENTS, _ended),
}
