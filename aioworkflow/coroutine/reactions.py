"""What each kind of event does to the code of a workflow: one small function for each.

Events that only confirm commands are not here; they are matched before (:mod:`aioworkflow.coroutine.matching`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..carried import unwrap
from ..event import (
    ActivityAbortedEvent,
    ActivityCompletedEvent,
    ActivityFailedEvent,
    ActivityTimedOutEvent,
    CancelExternalProcessFailedEvent,
    ChildProcessCanceledEvent,
    ChildProcessCompletedEvent,
    ChildProcessFailedEvent,
    ChildProcessStartedEvent,
    ChildProcessTerminatedEvent,
    ChildProcessTimedOutEvent,
    ExternalProcessCancelRequestedEvent,
    ExternalProcessSignaledEvent,
    ProcessCancelRequestedEvent,
    ProcessSignaledEvent,
    ProcessStartedEvent,
    SignalProcessFailedEvent,
    StartChildProcessFailedEvent,
    TimerFiredEvent,
)
from ..records import ActivityClosedEvent, ChildClosedEvent

if TYPE_CHECKING:
    from .run import Run

__all__ = ["REACTIONS"]


def _process_started(run: Run, event: ProcessStartedEvent) -> None:
    input_json, signals = unwrap(event)
    run.begin(input_json)
    for name, payload in signals:
        run.deliver(name, payload)


def _signaled(run: Run, event: ProcessSignaledEvent) -> None:
    run.deliver(event.signal, event.input_json)


def _cancel_requested(run: Run, event: ProcessCancelRequestedEvent) -> None:
    run.request_cancel(event.details_json)


def _timer_fired(run: Run, event: TimerFiredEvent) -> None:
    timer = run.timers.pop(event.started_event_id, None)
    if timer is not None:
        run.loop.ring(timer)


def _activity_closed(run: Run, event: ActivityClosedEvent) -> None:
    handle = run.activities.pop(event.scheduled_event_id)
    handle.closed(event)
    run.backlog.ended(type(handle))


def _child_started(run: Run, event: ChildProcessStartedEvent) -> None:
    run.children[event.initiated_event_id].child_started(event)


def _child_closed(run: Run, event: ChildClosedEvent) -> None:
    handle = run.children.pop(event.initiated_event_id, None)
    if handle is not None:
        handle.closed(event)
        run.backlog.ended(type(handle))


def _delivered(run: Run, event: ExternalProcessSignaledEvent | ExternalProcessCancelRequestedEvent) -> None:
    message = run.messages.pop(event.initiated_event_id, None)
    if message is not None:  # nobody waits until a child has the request to cancel it
        message.delivered()


def _undelivered(run: Run, event: SignalProcessFailedEvent | CancelExternalProcessFailedEvent) -> None:
    message = run.messages.pop(event.initiated_event_id, None)
    if message is not None:
        message.undelivered(event)


REACTIONS: dict[type, Callable[[Run, Any], None]] = {
    ProcessStartedEvent: _process_started,
    ProcessSignaledEvent: _signaled,
    ProcessCancelRequestedEvent: _cancel_requested,
    TimerFiredEvent: _timer_fired,
    ActivityCompletedEvent: _activity_closed,
    ActivityFailedEvent: _activity_closed,
    ActivityTimedOutEvent: _activity_closed,
    ActivityAbortedEvent: _activity_closed,
    ChildProcessStartedEvent: _child_started,
    ChildProcessCompletedEvent: _child_closed,
    ChildProcessFailedEvent: _child_closed,
    ChildProcessTimedOutEvent: _child_closed,
    ChildProcessCanceledEvent: _child_closed,
    ChildProcessTerminatedEvent: _child_closed,
    StartChildProcessFailedEvent: _child_closed,  # with initiated_event_id 0 it is a result, and meets no child here
    ExternalProcessSignaledEvent: _delivered,
    ExternalProcessCancelRequestedEvent: _delivered,
    SignalProcessFailedEvent: _undelivered,
    CancelExternalProcessFailedEvent: _undelivered,
}
