"""Activity tasks: handed out, kept alive, answered (swf-reference 2.3, 7.1)."""

from __future__ import annotations

from ..checks import show
from ..errors import InvalidRequestError, UnknownTaskError
from ..event import ActivityAbortedEvent, ActivityCompletedEvent, ActivityFailedEvent, ActivityStartedEvent
from ..result import ActivityAborted, ActivityCompleted, ActivityFailed
from .requests import CompleteActivityTask, HandOffActivityTask, HeartbeatActivityTask, StartActivityTask
from .state import OpenActivity
from .transition import Transition
from .validate import check_identity, check_payload, check_reason

__all__ = ["complete_activity_task", "hand_off_activity_task", "heartbeat_activity_task", "start_activity_task"]


def start_activity_task(transition: Transition, request: StartActivityTask) -> None:
    """Hand an activity task out."""
    event_id = request.scheduled_event_id
    item = transition.state.items.get(event_id)
    if type(item) is not OpenActivity or item.started_event_id:
        raise UnknownTaskError(
            f"activity task {event_id} of process {transition.state.ref} does not wait: it was handed out before, "
            "canceled, or has timed out"
        )
    identity = check_identity(request.identity)
    transition.append(
        ActivityStartedEvent(
            event_id=transition.next_event_id,
            timestamp=transition.timestamp,
            scheduled_event_id=event_id,
            identity=identity,
        )
    )
    item.session = request.session
    transition.touched.add(event_id)


def heartbeat_activity_task(transition: Transition, request: HeartbeatActivityTask) -> bool:
    """Reset the heartbeat clock; no event (swf-reference 2.3). Return whether the activity is asked to stop."""
    item = _held(transition, request)
    check_payload("details", request.details_json, transition.environment.limits.heartbeat_details)
    item.heartbeat_at = max(item.heartbeat_at, transition.at)  # never back: the state may look at this deadline later
    item.details_json = request.details_json
    transition.touched.add(item.event_id)
    return item.cancel_requested_event_id != 0


def hand_off_activity_task(transition: Transition, request: HandOffActivityTask) -> None:
    """Let the task outlive the session that holds it; no event."""
    item = _held(transition, request)
    item.session = None
    transition.touched.add(item.event_id)


def complete_activity_task(transition: Transition, request: CompleteActivityTask) -> None:
    """Close an activity as its worker says; any of the three ends is legal at any time (swf-reference 7.1)."""
    item = _held(transition, request)
    event = _closing_event(transition, item, request)
    transition.touched.add(item.event_id)
    transition.trigger(event)


def _closing_event(
    transition: Transition, item: OpenActivity, request: CompleteActivityTask
) -> ActivityCompletedEvent | ActivityFailedEvent | ActivityAbortedEvent:
    result = request.result
    longest = transition.environment.limits.payload
    if isinstance(result, ActivityCompleted):
        check_payload("result", result.result_json, longest)
        return ActivityCompletedEvent(
            event_id=transition.next_event_id,
            timestamp=transition.timestamp,
            scheduled_event_id=item.event_id,
            started_event_id=item.started_event_id,
            result_json=result.result_json,
        )
    if not isinstance(result, ActivityAborted | ActivityFailed):
        raise InvalidRequestError(
            f"the result must be ActivityCompleted, ActivityAborted or ActivityFailed, not {show(result)}"
        )
    reason = check_reason(result.reason)
    check_payload("details", result.details_json, longest)
    if isinstance(result, ActivityFailed):
        return ActivityFailedEvent(
            event_id=transition.next_event_id,
            timestamp=transition.timestamp,
            scheduled_event_id=item.event_id,
            started_event_id=item.started_event_id,
            reason=reason,
            details_json=result.details_json,
        )
    return ActivityAbortedEvent(
        event_id=transition.next_event_id,
        timestamp=transition.timestamp,
        scheduled_event_id=item.event_id,
        started_event_id=item.started_event_id,
        reason=reason,
        details_json=result.details_json,
        cancel_requested_event_id=item.cancel_requested_event_id,
    )


def _held(
    transition: Transition, request: CompleteActivityTask | HeartbeatActivityTask | HandOffActivityTask
) -> OpenActivity:
    """Return the started activity that a worker speaks of."""
    item = transition.state.items.get(request.scheduled_event_id)
    if type(item) is not OpenActivity or item.started_event_id != request.started_event_id or not item.started_event_id:
        raise UnknownTaskError(
            f"activity task {request.scheduled_event_id} of process {transition.state.ref} is not open: it was "
            "answered before or has timed out; stop working on it, no answer is wanted any more"
        )
    return item
