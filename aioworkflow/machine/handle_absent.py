"""What is asked of a run that is closed, or of none at all."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import UnknownProcessError, UnknownTaskError
from ..event import Cause
from ..types import ChildPolicy, ProcessRef, ProcessStatus
from .requests import (
    CancelProcess,
    ChildStarted,
    CompleteActivityTask,
    CompleteDecisionTask,
    DeliveryFailed,
    HandOffActivityTask,
    HeartbeatActivityTask,
    Message,
    MessageBody,
    Request,
    SignalProcess,
    StartActivityTask,
    StartDecisionTask,
    TerminateProcess,
)
from .state import ProcessState
from .transition import Outcome, policy_message

__all__ = ["handle_absent"]


def handle_absent(state: ProcessState | None, request: Request, now: float, new_id: Callable[[], str]) -> Outcome:
    """Refuse clients and workers, answer other processes, and let everything else pass without a trace."""
    match request:
        case SignalProcess(sender=ProcessRef() as sender) | CancelProcess(sender=ProcessRef() as sender, cause=None):
            body = DeliveryFailed(
                initiated_event_id=request.sender_initiated_event_id, cause=Cause.UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION
            )
            return _told(state, sender, body, now, new_id)
        case CancelProcess(cause=Cause.CHILD_POLICY_APPLIED) | TerminateProcess(cause=Cause.CHILD_POLICY_APPLIED):
            return Outcome(state=state)
        case SignalProcess() | CancelProcess() | TerminateProcess():
            raise UnknownProcessError(_closed("the process", state))
        case (
            StartDecisionTask()
            | CompleteDecisionTask()
            | StartActivityTask()
            | HeartbeatActivityTask()
            | HandOffActivityTask()
            | CompleteActivityTask()
        ):
            task = f"task {request.scheduled_event_id} is not open any more, stop working on it:"
            raise UnknownTaskError(f"{task} {_closed('its process', state)}")
        case ChildStarted() if state is not None and _left_by_force(state):
            # It started too late to be among the children that the policy was applied to (swf-reference 7.4).
            child = ProcessRef(request.child.process_id)
            return _told(state, child, policy_message(state, request.initiated_event_id), now, new_id)
        case _:
            return Outcome(state=state)


def _told(
    state: ProcessState | None, to: ProcessRef, body: MessageBody, now: float, new_id: Callable[[], str]
) -> Outcome:
    return Outcome(state=state, messages=[Message(id=new_id(), to=to, sent_at=now, body=body)])


def _left_by_force(state: ProcessState) -> bool:
    head = state.head
    return (
        head.status in (ProcessStatus.TERMINATED, ProcessStatus.TIMED_OUT)
        and head.child_policy is not ChildPolicy.ABANDON
    )


def _closed(what: str, state: ProcessState | None) -> str:
    if state is None:
        return f"{what} does not exist"
    return f"{what} {state.ref} is closed ({state.head.status.value})"
