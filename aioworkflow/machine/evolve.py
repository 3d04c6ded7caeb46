"""How each event changes the state of its run.

This is the only place where anything changes that history tells: the rules append events and come here with each, and
:func:`fold` comes here with each event of a stored history, so the two cannot differ. What no event tells (the
session that holds a task, heartbeats) is not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..event import (
    ActivityAbortedEvent,
    ActivityCancelRequestedEvent,
    ActivityCompletedEvent,
    ActivityFailedEvent,
    ActivityScheduledEvent,
    ActivityStartedEvent,
    ActivityTimedOutEvent,
    AnyEvent,
    CancelExternalProcessFailedEvent,
    CancelExternalProcessInitiatedEvent,
    ChildProcessCanceledEvent,
    ChildProcessCompletedEvent,
    ChildProcessFailedEvent,
    ChildProcessStartedEvent,
    ChildProcessTerminatedEvent,
    ChildProcessTimedOutEvent,
    DecisionCompletedEvent,
    DecisionScheduledEvent,
    DecisionStartedEvent,
    DecisionTimedOutEvent,
    ExternalProcessCancelRequestedEvent,
    ExternalProcessSignaledEvent,
    ProcessCanceledEvent,
    ProcessCancelRequestedEvent,
    ProcessCompletedEvent,
    ProcessContinuedAsNewEvent,
    ProcessFailedEvent,
    ProcessStartedEvent,
    ProcessTerminatedEvent,
    ProcessTimedOutEvent,
    SignalProcessFailedEvent,
    SignalProcessInitiatedEvent,
    StartChildProcessFailedEvent,
    StartChildProcessInitiatedEvent,
    TimerCanceledEvent,
    TimerFiredEvent,
    TimerStartedEvent,
)
from ..types import ProcessRef, ProcessStatus, TimeoutType
from .state import (
    Head,
    OpenActivity,
    OpenChild,
    OpenRequest,
    OpenTimer,
    ProcessState,
    QueuedDecision,
    StartedDecision,
    Sticky,
)

__all__ = ["begin", "evolve", "fold"]


def fold(process: ProcessRef, events: Iterable[AnyEvent]) -> ProcessState:
    """Return the state that a whole history tells of, except sessions and heartbeats.

    Args:
        process: Which run it is; events do not say.
        events: All of them, from the first.

    Raises:
        ValueError: The history does not begin with a ProcessStartedEvent.
    """
    iterator = iter(events)
    first = next(iterator, None)
    if not isinstance(first, ProcessStartedEvent):
        raise ValueError(f"the history of {process} does not begin with a ProcessStartedEvent")
    state = begin(process, first, first.timestamp.timestamp())
    for event in iterator:
        evolve(state, event, event.timestamp.timestamp())
    return state


def begin(process: ProcessRef, event: ProcessStartedEvent, at: float) -> ProcessState:
    """Return the state after the first event."""
    return ProcessState(
        Head(
            process_id=process.process_id,
            run_id=process.run_id,
            workflow=event.workflow,
            task_list=event.task_list,
            child_policy=event.child_policy,
            started_at=at,
            tags=event.tags,
            task_priority=event.task_priority,
            execution_timeout=event.execution_timeout,
            decision_timeout=event.decision_timeout,
            parent=event.parent,
            parent_initiated_event_id=event.parent_initiated_event_id,
            continued_run_id=event.continued_run_id,
            last_event_id=event.event_id,
        )
    )


def evolve(state: ProcessState, event: AnyEvent, at: float) -> None:
    """Advance ``state`` by one event but the first.

    Args:
        state: Of the run.
        event: The next one.
        at: Its time in epoch seconds (which who appends events has at hand).
    """
    state.head.last_event_id = event.event_id
    change = _CHANGES.get(type(event))
    if change is not None:
        change(state, event, at)


# --- the process itself ----------------------------------------------------------------------------------


def _closed_as(status: ProcessStatus) -> _Change:
    def close(state: ProcessState, event: AnyEvent, at: float) -> None:
        head = state.head
        head.status = status
        head.closed_at = at
        head.queued = head.started = None
        state.close_all()

    return close


def _closed_by_force(status: ProcessStatus) -> _Change:
    close = _closed_as(status)

    def close_and_keep_policy(
        state: ProcessState, event: ProcessTerminatedEvent | ProcessTimedOutEvent, at: float
    ) -> None:
        close(state, event, at)
        state.head.child_policy = event.child_policy  # of use to children that tell only now that they have started

    return close_and_keep_policy


def _cancel_requested(state: ProcessState, event: ProcessCancelRequestedEvent, at: float) -> None:
    state.head.cancel_requested = True


# --- decision tasks --------------------------------------------------------------------------------------


def _decision_scheduled(state: ProcessState, event: DecisionScheduledEvent, at: float) -> None:
    state.head.queued = QueuedDecision(
        scheduled_event_id=event.event_id,
        task_list=event.task_list,
        scheduled_at=at,
        schedule_to_start_timeout=event.schedule_to_start_timeout,
    )


def _decision_started(state: ProcessState, event: DecisionStartedEvent, at: float) -> None:
    head = state.head
    head.queued = None
    head.started = StartedDecision(
        scheduled_event_id=event.scheduled_event_id,
        started_event_id=event.event_id,
        started_at=at,
        start_to_close_timeout=head.decision_timeout,
    )


def _decision_completed(state: ProcessState, event: DecisionCompletedEvent, at: float) -> None:
    head = state.head
    head.started = None
    head.previous_started_event_id = event.started_event_id
    head.decision_attempt = 1
    if event.execution_context is not None:
        head.execution_context = event.execution_context
    if event.task_list is not None:
        head.sticky = Sticky(
            task_list=event.task_list, schedule_to_start_timeout=event.task_list_schedule_to_start_timeout
        )


def _decision_timed_out(state: ProcessState, event: DecisionTimedOutEvent, at: float) -> None:
    head = state.head
    if event.timeout_type is TimeoutType.START_TO_CLOSE:
        head.started = None
        head.decision_attempt += 1
    else:
        head.queued = None
    if head.sticky is not None and head.sticky.schedule_to_start_timeout is not None:
        head.sticky = None  # an override without a timeout is permanent (swf-reference 5.7)


# --- activities ------------------------------------------------------------------------------------------


def _activity_scheduled(state: ProcessState, event: ActivityScheduledEvent, at: float) -> None:
    state.open(
        OpenActivity(
            event_id=event.event_id,
            activity_id=event.activity_id,
            activity=event.activity,
            task_list=event.task_list,
            scheduled_at=at,
            task_priority=event.task_priority,
            schedule_to_start_timeout=event.schedule_to_start_timeout,
            schedule_to_close_timeout=event.schedule_to_close_timeout,
            start_to_close_timeout=event.start_to_close_timeout,
            heartbeat_timeout=event.heartbeat_timeout,
        )
    )


def _activity_started(state: ProcessState, event: ActivityStartedEvent, at: float) -> None:
    item = state.items[event.scheduled_event_id]
    assert type(item) is OpenActivity
    item.started_event_id = event.event_id
    item.started_at = item.heartbeat_at = at
    state.arm(item)


def _activity_cancel_requested(state: ProcessState, event: ActivityCancelRequestedEvent, at: float) -> None:
    item = state.items[state.activities[event.activity_id]]
    assert type(item) is OpenActivity
    item.cancel_requested_event_id = event.event_id


def _activity_closed(
    state: ProcessState,
    event: ActivityCompletedEvent | ActivityFailedEvent | ActivityTimedOutEvent | ActivityAbortedEvent,
    at: float,
) -> None:
    state.close(event.scheduled_event_id)


# --- timers ----------------------------------------------------------------------------------------------


def _timer_started(state: ProcessState, event: TimerStartedEvent, at: float) -> None:
    state.open(OpenTimer(event_id=event.event_id, timer_id=event.timer_id, fires_at=at + event.delay))


def _timer_closed(state: ProcessState, event: TimerFiredEvent | TimerCanceledEvent, at: float) -> None:
    state.close(event.started_event_id)


# --- children and other processes ------------------------------------------------------------------------


def _child_initiated(state: ProcessState, event: StartChildProcessInitiatedEvent, at: float) -> None:
    state.open(
        OpenChild(
            event_id=event.event_id,
            process_id=event.process_id,
            workflow=event.workflow,
            decision_completed_event_id=event.decision_completed_event_id,
            control_json=event.control_json,
        )
    )


def _child_started(state: ProcessState, event: ChildProcessStartedEvent, at: float) -> None:
    item = state.items[event.initiated_event_id]
    assert type(item) is OpenChild
    item.run_id = event.process.run_id
    item.started_event_id = event.event_id


def _child_failed_to_start(state: ProcessState, event: StartChildProcessFailedEvent, at: float) -> None:
    if event.initiated_event_id:
        state.close(event.initiated_event_id)


def _request_initiated(
    state: ProcessState, event: SignalProcessInitiatedEvent | CancelExternalProcessInitiatedEvent, at: float
) -> None:
    state.open(
        OpenRequest(
            event_id=event.event_id,
            process=event.process,
            decision_completed_event_id=event.decision_completed_event_id,
            signal=event.signal if isinstance(event, SignalProcessInitiatedEvent) else None,
            control_json=event.control_json,
        )
    )


def _initiated_closed(
    state: ProcessState,
    event: ChildProcessCompletedEvent
    | ChildProcessFailedEvent
    | ChildProcessTimedOutEvent
    | ChildProcessCanceledEvent
    | ChildProcessTerminatedEvent
    | SignalProcessFailedEvent
    | ExternalProcessSignaledEvent
    | CancelExternalProcessFailedEvent
    | ExternalProcessCancelRequestedEvent,
    at: float,
) -> None:
    state.close(event.initiated_event_id)


_Change = Callable[[ProcessState, Any, float], None]

_CHANGES: dict[type[AnyEvent], _Change] = {
    ProcessCancelRequestedEvent: _cancel_requested,
    ProcessCompletedEvent: _closed_as(ProcessStatus.COMPLETED),
    ProcessFailedEvent: _closed_as(ProcessStatus.FAILED),
    ProcessCanceledEvent: _closed_as(ProcessStatus.CANCELED),
    ProcessContinuedAsNewEvent: _closed_as(ProcessStatus.CONTINUED_AS_NEW),
    ProcessTimedOutEvent: _closed_by_force(ProcessStatus.TIMED_OUT),
    ProcessTerminatedEvent: _closed_by_force(ProcessStatus.TERMINATED),
    DecisionScheduledEvent: _decision_scheduled,
    DecisionStartedEvent: _decision_started,
    DecisionCompletedEvent: _decision_completed,
    DecisionTimedOutEvent: _decision_timed_out,
    ActivityScheduledEvent: _activity_scheduled,
    ActivityStartedEvent: _activity_started,
    ActivityCancelRequestedEvent: _activity_cancel_requested,
    ActivityCompletedEvent: _activity_closed,
    ActivityFailedEvent: _activity_closed,
    ActivityTimedOutEvent: _activity_closed,
    ActivityAbortedEvent: _activity_closed,
    TimerStartedEvent: _timer_started,
    TimerFiredEvent: _timer_closed,
    TimerCanceledEvent: _timer_closed,
    StartChildProcessInitiatedEvent: _child_initiated,
    StartChildProcessFailedEvent: _child_failed_to_start,
    ChildProcessStartedEvent: _child_started,
    ChildProcessCompletedEvent: _initiated_closed,
    ChildProcessFailedEvent: _initiated_closed,
    ChildProcessTimedOutEvent: _initiated_closed,
    ChildProcessCanceledEvent: _initiated_closed,
    ChildProcessTerminatedEvent: _initiated_closed,
    SignalProcessInitiatedEvent: _request_initiated,
    SignalProcessFailedEvent: _initiated_closed,
    ExternalProcessSignaledEvent: _initiated_closed,
    CancelExternalProcessInitiatedEvent: _request_initiated,
    CancelExternalProcessFailedEvent: _initiated_closed,
    ExternalProcessCancelRequestedEvent: _initiated_closed,
}
"""What each event changes besides the count of events; the others change nothing else."""
