"""Answers from other processes to what an open run sent them (swf-reference 3.10 to 3.12).

An answer for something that is not open any more, or that it does not fit, changes nothing: messages may come twice.
"""

from __future__ import annotations

from collections.abc import Callable

from ..event import (
    AnyEvent,
    CancelExternalProcessFailedEvent,
    ChildProcessCanceledEvent,
    ChildProcessCompletedEvent,
    ChildProcessFailedEvent,
    ChildProcessStartedEvent,
    ChildProcessTerminatedEvent,
    ChildProcessTimedOutEvent,
    ExternalProcessCancelRequestedEvent,
    ExternalProcessSignaledEvent,
    SignalProcessFailedEvent,
    StartChildProcessFailedEvent,
)
from ..types import ProcessRef, ProcessStatus
from .requests import CancelDelivered, ChildClosed, ChildStarted, DeliveryFailed, SignalDelivered
from .state import OpenChild, OpenRequest
from .transition import Transition

__all__ = ["cancel_delivered", "child_closed", "child_started", "delivery_failed", "signal_delivered"]


def child_started(transition: Transition, request: ChildStarted) -> None:
    """Note that a child runs; the decider is told (swf-reference 3.12)."""
    item = transition.state.items.get(request.initiated_event_id)
    if type(item) is OpenChild and not item.started_event_id:
        _note_start(transition, item, request.child)


def child_closed(transition: Transition, request: ChildClosed) -> None:
    """Note how a child ended. If that overtook the news of its start, both are noted now."""
    item = transition.state.items.get(request.initiated_event_id)
    if type(item) is not OpenChild:
        return
    if not item.started_event_id:
        _note_start(transition, item, request.child)
    transition.touched.add(item.event_id)
    transition.trigger(_CHILD_EVENTS[request.status](transition, item, request))


def signal_delivered(transition: Transition, request: SignalDelivered) -> None:
    """Note that a signal arrived."""
    item = transition.state.items.get(request.initiated_event_id)
    if type(item) is OpenRequest and item.signal is not None:
        transition.touched.add(item.event_id)
        transition.trigger(
            ExternalProcessSignaledEvent(
                event_id=transition.next_event_id,
                timestamp=transition.timestamp,
                process=request.process,
                initiated_event_id=item.event_id,
            )
        )


def cancel_delivered(transition: Transition, request: CancelDelivered) -> None:
    """Note that a request to cancel arrived."""
    item = transition.state.items.get(request.initiated_event_id)
    if type(item) is OpenRequest and item.signal is None:
        transition.touched.add(item.event_id)
        transition.trigger(
            ExternalProcessCancelRequestedEvent(
                event_id=transition.next_event_id,
                timestamp=transition.timestamp,
                process=request.process,
                initiated_event_id=item.event_id,
            )
        )


def delivery_failed(transition: Transition, request: DeliveryFailed) -> None:
    """Note that a child could not be started, or a signal or a request to cancel not be delivered."""
    item = transition.state.items.get(request.initiated_event_id)
    event: AnyEvent
    if type(item) is OpenChild and not item.started_event_id:
        event = StartChildProcessFailedEvent(
            event_id=transition.next_event_id,
            timestamp=transition.timestamp,
            process_id=item.process_id,
            workflow=item.workflow,
            cause=request.cause,
            control_json=item.control_json,
            initiated_event_id=item.event_id,
            decision_completed_event_id=item.decision_completed_event_id,
        )
    elif type(item) is OpenRequest:
        kind = CancelExternalProcessFailedEvent if item.signal is None else SignalProcessFailedEvent
        event = kind(
            event_id=transition.next_event_id,
            timestamp=transition.timestamp,
            process=item.process,
            cause=request.cause,
            control_json=item.control_json,
            initiated_event_id=item.event_id,
            decision_completed_event_id=item.decision_completed_event_id,
        )
    else:
        return
    transition.touched.add(item.event_id)
    transition.trigger(event)


def _note_start(transition: Transition, item: OpenChild, child: ProcessRef) -> None:
    transition.touched.add(item.event_id)
    transition.trigger(
        ChildProcessStartedEvent(
            event_id=transition.next_event_id,
            timestamp=transition.timestamp,
            process=child,
            workflow=item.workflow,
            initiated_event_id=item.event_id,
        )
    )


# --- how a child ended; the process named is the run that ended, which may have continued the one that started ---


def _completed(transition: Transition, item: OpenChild, closed: ChildClosed) -> AnyEvent:
    return ChildProcessCompletedEvent(
        event_id=transition.next_event_id,
        timestamp=transition.timestamp,
        process=closed.child,
        workflow=item.workflow,
        initiated_event_id=item.event_id,
        started_event_id=item.started_event_id,
        result_json=closed.result_json,
    )


def _failed(transition: Transition, item: OpenChild, closed: ChildClosed) -> AnyEvent:
    return ChildProcessFailedEvent(
        event_id=transition.next_event_id,
        timestamp=transition.timestamp,
        process=closed.child,
        workflow=item.workflow,
        initiated_event_id=item.event_id,
        started_event_id=item.started_event_id,
        reason=closed.reason,
        details_json=closed.details_json,
    )


def _canceled(transition: Transition, item: OpenChild, closed: ChildClosed) -> AnyEvent:
    return ChildProcessCanceledEvent(
        event_id=transition.next_event_id,
        timestamp=transition.timestamp,
        process=closed.child,
        workflow=item.workflow,
        initiated_event_id=item.event_id,
        started_event_id=item.started_event_id,
        details_json=closed.details_json,
    )


def _timed_out(transition: Transition, item: OpenChild, closed: ChildClosed) -> AnyEvent:
    return ChildProcessTimedOutEvent(
        event_id=transition.next_event_id,
        timestamp=transition.timestamp,
        process=closed.child,
        workflow=item.workflow,
        initiated_event_id=item.event_id,
        started_event_id=item.started_event_id,
    )


def _terminated(transition: Transition, item: OpenChild, closed: ChildClosed) -> AnyEvent:
    return ChildProcessTerminatedEvent(
        event_id=transition.next_event_id,
        timestamp=transition.timestamp,
        process=closed.child,
        workflow=item.workflow,
        initiated_event_id=item.event_id,
        started_event_id=item.started_event_id,
    )


_CHILD_EVENTS: dict[ProcessStatus, Callable[[Transition, OpenChild, ChildClosed], AnyEvent]] = {
    ProcessStatus.COMPLETED: _completed,
    ProcessStatus.FAILED: _failed,
    ProcessStatus.CANCELED: _canceled,
    ProcessStatus.TIMED_OUT: _timed_out,
    ProcessStatus.TERMINATED: _terminated,
}
