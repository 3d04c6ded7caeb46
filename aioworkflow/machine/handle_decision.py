"""Decision tasks: handed out, answered (swf-reference 5)."""

from __future__ import annotations

from ..checks import check_task_list
from ..errors import InvalidRequestError, UnknownTaskError
from ..event import DecisionCompletedEvent, DecisionStartedEvent
from .decisions import apply
from .requests import CompleteDecisionTask, StartDecisionTask
from .transition import Transition
from .validate import check_decisions, check_identity, check_payload, check_seconds

__all__ = ["complete_decision_task", "start_decision_task"]


def start_decision_task(transition: Transition, request: StartDecisionTask) -> None:
    """Hand the queued decision task out, if no other is out (swf-reference 5.1)."""
    head = transition.head
    queued = head.queued
    if queued is None or queued.scheduled_event_id != request.scheduled_event_id or head.started is not None:
        raise UnknownTaskError(
            f"decision task {request.scheduled_event_id} of process {transition.state.ref} does not wait: it was "
            "handed out before, has timed out, or another one is out"
        )
    identity = check_identity(request.identity)
    transition.append(
        DecisionStartedEvent(
            event_id=transition.next_event_id,
            timestamp=transition.timestamp,
            scheduled_event_id=request.scheduled_event_id,
            identity=identity,
        )
    )
    started = transition.state.head.started
    assert started is not None
    started.session = request.session


def complete_decision_task(transition: Transition, request: CompleteDecisionTask) -> None:
    """Apply the answer of a decider: checked as a whole, then each decision succeeds or fails (swf-reference 3)."""
    head = transition.head
    started = head.started
    if (
        started is None
        or started.scheduled_event_id != request.scheduled_event_id
        or started.started_event_id != request.started_event_id
    ):
        raise UnknownTaskError(
            f"decision task {request.scheduled_event_id} of process {transition.state.ref} is not open: it was "
            "answered before or has timed out; nothing of this answer counts"
        )
    _check(request, transition)
    transition.append(
        DecisionCompletedEvent(
            event_id=transition.next_event_id,
            timestamp=transition.timestamp,
            scheduled_event_id=request.scheduled_event_id,
            started_event_id=request.started_event_id,
            execution_context=request.execution_context,
            task_list=request.task_list,
            task_list_schedule_to_start_timeout=request.task_list_schedule_to_start_timeout,
        )
    )
    apply(transition, request.decisions)


def _check(request: CompleteDecisionTask, transition: Transition) -> None:
    limits = transition.environment.limits
    check_decisions(request.decisions, transition.environment)
    check_payload("execution_context", request.execution_context, limits.payload)
    if request.task_list is not None:
        check_task_list(request.task_list)
        timeout = request.task_list_schedule_to_start_timeout
        if timeout is not None:
            check_seconds("task_list_schedule_to_start_timeout", timeout, optional=False)
    elif request.task_list_schedule_to_start_timeout is not None:
        raise InvalidRequestError("task_list_schedule_to_start_timeout goes with a task_list")
