"""What happens by itself: timers fire, timeouts expire, and a dead session loses its tasks (swf-reference 6)."""

from __future__ import annotations

from ..event import (
    ActivityTimedOutEvent,
    DecisionTimedOutEvent,
    ProcessTimedOutEvent,
    TimerFiredEvent,
)
from ..types import TimeoutType
from .requests import FireDeadlines, ReleaseTasks
from .state import OpenActivity, OpenTimer, StartedDecision, deadline
from .transition import Transition

__all__ = ["fire_deadlines", "release_tasks"]

_SLACK = 0.000_001
"""Seconds. Who rounds a deadline to whole microseconds may wake up this much too early, and is not sent away again."""


def fire_deadlines(transition: Transition, request: FireDeadlines) -> None:
    """Let all that is due happen, in the order of its time, of equal times the lower event id first."""
    state = transition.state
    while (due := state.next_due()) is not None and due[0] - transition.now < _SLACK:
        _fire(transition, due[1])
        transition.enforce_event_limit()


def release_tasks(transition: Transition, request: ReleaseTasks) -> None:
    """Time out the tasks that a dead session held, as their own clocks would have in the end.

    An activity that should have heartbeated missed its heartbeat; anything else was not closed in time.
    """
    held = [item for item in transition.state.items.values() if type(item) is OpenActivity and _is_meant(item, request)]
    held.sort(key=lambda item: item.event_id)  # a store has no order of them
    for item in held:
        if not transition.is_open:
            return
        missed = TimeoutType.START_TO_CLOSE if item.heartbeat_timeout is None else TimeoutType.HEARTBEAT
        _time_out_activity(transition, item, missed)
        transition.enforce_event_limit()
    started = transition.head.started
    if started is not None and _is_meant(started, request):
        _time_out_started_decision(transition)


def _is_meant(task: OpenActivity | StartedDecision, request: ReleaseTasks) -> bool:
    return task.session == request.session and request.started_event_id in (0, task.started_event_id)


def _fire(transition: Transition, event_id: int) -> None:
    """Let happen what was armed by the event ``event_id``."""
    head = transition.head
    item = transition.state.items.get(event_id)
    if type(item) is OpenTimer:
        _fire_timer(transition, item)
    elif type(item) is OpenActivity:
        due = deadline(item)
        assert due is not None
        assert due[1] is not None
        _time_out_activity(transition, item, due[1])
    elif head.started is not None and event_id == head.started.started_event_id:
        _time_out_started_decision(transition)
    elif head.queued is not None and event_id == head.queued.scheduled_event_id:
        _time_out_queued_decision(transition)
    else:
        transition.close_by_force(
            ProcessTimedOutEvent(
                event_id=transition.next_event_id, timestamp=transition.timestamp, child_policy=head.child_policy
            )
        )


def _fire_timer(transition: Transition, item: OpenTimer) -> None:
    transition.touched.add(item.event_id)
    transition.trigger(
        TimerFiredEvent(
            event_id=transition.next_event_id,
            timestamp=transition.timestamp,
            timer_id=item.timer_id,
            started_event_id=item.event_id,
        )
    )


def _time_out_activity(transition: Transition, item: OpenActivity, timeout_type: TimeoutType) -> None:
    """Close an activity with the details of its last heartbeat; trying again is the decider's affair."""
    transition.touched.add(item.event_id)
    transition.trigger(
        ActivityTimedOutEvent(
            event_id=transition.next_event_id,
            timestamp=transition.timestamp,
            timeout_type=timeout_type,
            scheduled_event_id=item.event_id,
            started_event_id=item.started_event_id,
            details_json=item.details_json,
        )
    )


def _time_out_started_decision(transition: Transition) -> None:
    """Drop the task that a decider holds, and schedule another unless one waits (swf-reference 5.6)."""
    started = transition.head.started
    assert started is not None
    transition.trigger(
        DecisionTimedOutEvent(
            event_id=transition.next_event_id,
            timestamp=transition.timestamp,
            timeout_type=TimeoutType.START_TO_CLOSE,
            scheduled_event_id=started.scheduled_event_id,
            started_event_id=started.started_event_id,
        )
    )


def _time_out_queued_decision(transition: Transition) -> None:
    """Take the task back from the list that a decider asked for; the run's own gets it (swf-reference 5.7)."""
    queued = transition.head.queued
    assert queued is not None
    transition.trigger(
        DecisionTimedOutEvent(
            event_id=transition.next_event_id,
            timestamp=transition.timestamp,
            timeout_type=TimeoutType.SCHEDULE_TO_START,
            scheduled_event_id=queued.scheduled_event_id,
        )
    )
