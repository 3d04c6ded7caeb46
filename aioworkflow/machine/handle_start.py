"""Starting a run (swf-reference 2.2, 3.12)."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import ProcessAlreadyRunningError
from ..event import Cause
from ..types import ProcessStatus
from .requests import ChildStarted, DeliveryFailed, Message, MessageBody, StartProcess
from .state import ProcessState
from .transition import Environment, Outcome, Transition
from .validate import check_start

__all__ = ["start_process"]


def start_process(
    state: ProcessState | None, request: StartProcess, now: float, new_id: Callable[[], str], environment: Environment
) -> Outcome:
    """Start a run beside ``state``, the open run of its process id, or the last one, or None.

    Asking twice for the same run starts it once, and answers a parent twice.
    """
    if state is not None and state.head.run_id == request.run_id:
        return Outcome(state=state, messages=_answer(request, now, new_id))
    if state is not None and state.head.status is ProcessStatus.OPEN:
        if request.parent is None:
            raise ProcessAlreadyRunningError(f"process {state.ref} is open; the ids of open processes are unique")
        return Outcome(state=state, messages=_answer(request, now, new_id, refused=Cause.WORKFLOW_ALREADY_RUNNING))
    if request.parent is None:
        check_start(request, environment.limits)
    transition = Transition.begin(request, now, new_id, environment)
    transition.messages += _answer(request, now, new_id)
    return transition


def _answer(
    request: StartProcess, now: float, new_id: Callable[[], str], refused: Cause | None = None
) -> list[Message]:
    parent = request.parent
    if parent is None:
        return []
    initiated = request.parent_initiated_event_id
    body: MessageBody
    if refused is None:
        body = ChildStarted(initiated_event_id=initiated, child=request.ref)
    else:
        body = DeliveryFailed(initiated_event_id=initiated, cause=refused)
    return [Message(id=new_id(), to=parent, sent_at=now, body=body)]
