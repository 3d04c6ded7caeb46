"""What clients and other processes ask of an open run: signals, requests to cancel, termination (swf-reference 7)."""

from __future__ import annotations

from ..checks import check_child_policy, check_label
from ..event import Cause, ProcessCancelRequestedEvent, ProcessSignaledEvent, ProcessTerminatedEvent
from .requests import CancelDelivered, CancelProcess, SignalDelivered, SignalProcess, TerminateProcess
from .transition import Transition
from .validate import check_payload, check_reason

__all__ = ["cancel_process", "signal_process", "terminate_process"]


def signal_process(transition: Transition, request: SignalProcess) -> None:
    """Add a signal and tell its sender (swf-reference 3.10, 7.5)."""
    signal = request.signal
    if request.sender is None:
        signal = check_label(signal, "signal")
        check_payload("input", request.input_json, transition.environment.limits.payload)
    transition.trigger(
        ProcessSignaledEvent(
            event_id=transition.next_event_id,
            timestamp=transition.timestamp,
            signal=signal,
            input_json=request.input_json,
            sender=request.sender,
            sender_initiated_event_id=request.sender_initiated_event_id,
        )
    )
    if request.sender is not None:
        transition.send(
            request.sender,
            SignalDelivered(initiated_event_id=request.sender_initiated_event_id, process=transition.state.ref),
        )


def cancel_process(transition: Transition, request: CancelProcess) -> None:
    """Ask the decider to end the run (swf-reference 7.2).

    Nothing else is canceled by itself; each request is an event.
    """
    sender, initiated = request.sender, request.sender_initiated_event_id
    if sender is None:
        check_payload("details", request.details_json, transition.environment.limits.payload)
    by_policy = request.cause is Cause.CHILD_POLICY_APPLIED
    if by_policy:
        if not _is_parent(transition, request):
            return
        sender, initiated = None, 0  # the policy asked, not a decision of the parent (swf-reference 7.4)
    transition.trigger(
        ProcessCancelRequestedEvent(
            event_id=transition.next_event_id,
            timestamp=transition.timestamp,
            details_json=request.details_json,
            sender=sender,
            sender_initiated_event_id=initiated,
            cause=request.cause,
        )
    )
    if sender is not None:
        transition.send(sender, CancelDelivered(initiated_event_id=initiated, process=transition.state.ref))


def terminate_process(transition: Transition, request: TerminateProcess) -> None:
    """Close the run at once (swf-reference 7.3)."""
    head = transition.head
    reason = request.reason
    if request.cause is Cause.CHILD_POLICY_APPLIED:
        if not _is_parent(transition, request):
            return
    else:
        reason = check_reason(reason)
        check_payload("details", request.details_json, transition.environment.limits.payload)
        if request.child_policy is not None:
            check_child_policy(request.child_policy)
    transition.close_by_force(
        ProcessTerminatedEvent(
            event_id=transition.next_event_id,
            timestamp=transition.timestamp,
            reason=reason,
            details_json=request.details_json,
            child_policy=head.child_policy if request.child_policy is None else request.child_policy,
            cause=request.cause,
        )
    )


def _is_parent(transition: Transition, request: CancelProcess | TerminateProcess) -> bool:
    """Whether the run is the child whose parent's policy speaks, not one that has come to its process id since."""
    head = transition.head
    return head.parent == request.sender and head.parent_initiated_event_id == request.sender_initiated_event_id
