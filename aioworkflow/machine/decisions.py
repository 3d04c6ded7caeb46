"""What each decision does (swf-reference 3): one short function for each.

A decision sees what those before it in the batch did, and succeeds or fails alone: a refusal is a …FailedEvent with
its cause, which the decider is told by another decision task.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..decision import (
    CancelActivityDecision,
    CancelProcessDecision,
    CancelTimerDecision,
    CompleteProcessDecision,
    ContinueAsNewDecision,
    Decision,
    FailProcessDecision,
    RecordMarkerDecision,
    RequestCancelProcessDecision,
    ScheduleActivityDecision,
    SignalProcessDecision,
    StartChildProcessDecision,
    StartTimerDecision,
)
from ..event import (
    ActivityAbortedEvent,
    ActivityCancelRequestedEvent,
    ActivityScheduledEvent,
    CancelActivityFailedEvent,
    CancelExternalProcessInitiatedEvent,
    CancelProcessFailedEvent,
    CancelTimerFailedEvent,
    Cause,
    CompleteProcessFailedEvent,
    ContinueAsNewFailedEvent,
    FailProcessFailedEvent,
    MarkerRecordedEvent,
    ProcessCanceledEvent,
    ProcessCompletedEvent,
    ProcessContinuedAsNewEvent,
    ProcessFailedEvent,
    ScheduleActivityFailedEvent,
    SignalProcessInitiatedEvent,
    StartChildProcessFailedEvent,
    StartChildProcessInitiatedEvent,
    StartTimerFailedEvent,
    TimerCanceledEvent,
    TimerStartedEvent,
)
from ..types import UNSET, ProcessRef, TypeRef
from .requests import CancelProcess, SignalProcess, StartProcess
from .settings import resolve
from .state import OpenActivity
from .transition import Transition

__all__ = ["apply"]


def apply(transition: Transition, decisions: Sequence[Decision]) -> None:
    """Apply checked decisions in order; the last event is their DecisionCompletedEvent."""
    completed = transition.head.last_event_id
    transition.enforce_event_limit()
    for decision in decisions:
        if not transition.is_open:
            return
        _DECISIONS[type(decision)](transition, decision, completed)
        transition.enforce_event_limit()


# --- activities ------------------------------------------------------------------------------------------


def _schedule_activity(transition: Transition, decision: ScheduleActivityDecision, completed: int) -> None:
    """3.1."""
    found = _resolve_activity(transition, decision, completed)
    if isinstance(found, ActivityScheduledEvent):
        transition.touched.add(found.event_id)
        transition.append(found)
        return
    transition.trigger(
        ScheduleActivityFailedEvent(
            event_id=transition.next_event_id,
            timestamp=transition.timestamp,
            activity_id=_known(decision.id),
            activity=decision.activity,
            cause=found,
            decision_completed_event_id=completed,
        )
    )


def _resolve_activity(
    transition: Transition, decision: ScheduleActivityDecision, completed: int
) -> ActivityScheduledEvent | Cause:
    """Fill in the settings of an activity: the decision's, else those of its type; or tell why that cannot be."""
    kind = transition.environment.activities.get(decision.activity)
    activities = transition.state.activities
    if kind is None:
        return Cause.ACTIVITY_TYPE_DOES_NOT_EXIST
    if kind.deprecated:
        return Cause.ACTIVITY_TYPE_DEPRECATED
    if decision.id in activities:
        return Cause.ACTIVITY_ID_ALREADY_IN_USE
    if len(activities) >= transition.environment.limits.open_activities:
        return Cause.OPEN_ACTIVITIES_LIMIT_EXCEEDED
    task_list = kind.task_list if decision.task_list is UNSET else decision.task_list
    if task_list is UNSET:
        return Cause.DEFAULT_TASK_LIST_UNDEFINED
    to_start = decision.schedule_to_start_timeout
    to_start = kind.schedule_to_start_timeout if to_start is UNSET else to_start
    if to_start is UNSET:
        return Cause.DEFAULT_SCHEDULE_TO_START_TIMEOUT_UNDEFINED
    to_close = decision.schedule_to_close_timeout
    to_close = kind.schedule_to_close_timeout if to_close is UNSET else to_close
    if to_close is UNSET:
        return Cause.DEFAULT_SCHEDULE_TO_CLOSE_TIMEOUT_UNDEFINED
    start_to_close = decision.start_to_close_timeout
    start_to_close = kind.start_to_close_timeout if start_to_close is UNSET else start_to_close
    if start_to_close is UNSET:
        return Cause.DEFAULT_START_TO_CLOSE_TIMEOUT_UNDEFINED
    heartbeat = kind.heartbeat_timeout if decision.heartbeat_timeout is UNSET else decision.heartbeat_timeout
    if heartbeat is UNSET:
        return Cause.DEFAULT_HEARTBEAT_TIMEOUT_UNDEFINED
    priority = kind.task_priority if decision.task_priority is UNSET else decision.task_priority
    return ActivityScheduledEvent(
        event_id=transition.next_event_id,
        timestamp=transition.timestamp,
        activity_id=_known(decision.id),
        activity=decision.activity,
        input_json=decision.input_json,
        control_json=decision.control_json,
        task_list=task_list,
        task_priority=0 if priority is UNSET else priority,
        schedule_to_start_timeout=to_start,
        schedule_to_close_timeout=to_close,
        start_to_close_timeout=start_to_close,
        heartbeat_timeout=heartbeat,
        decision_completed_event_id=completed,
    )


def _cancel_activity(transition: Transition, decision: CancelActivityDecision, completed: int) -> None:
    """3.2: a started activity is asked to stop, one that still waits is closed at once."""
    event_id = transition.state.activities.get(decision.id)
    if event_id is None:
        transition.trigger(
            CancelActivityFailedEvent(
                event_id=transition.next_event_id,
                timestamp=transition.timestamp,
                activity_id=decision.id,
                cause=Cause.ACTIVITY_ID_UNKNOWN,
                decision_completed_event_id=completed,
            )
        )
        return
    requested = transition.next_event_id
    transition.touched.add(event_id)
    transition.append(
        ActivityCancelRequestedEvent(
            event_id=requested,
            timestamp=transition.timestamp,
            activity_id=decision.id,
            decision_completed_event_id=completed,
        )
    )
    item = transition.state.items[event_id]
    assert type(item) is OpenActivity
    if not item.started_event_id:
        transition.trigger(
            ActivityAbortedEvent(
                event_id=transition.next_event_id,
                timestamp=transition.timestamp,
                scheduled_event_id=event_id,
                cancel_requested_event_id=requested,
            )
        )


# --- closing the process: refused if anything has happened that the decider has not seen (5.5) -----------


def _complete_process(transition: Transition, decision: CompleteProcessDecision, completed: int) -> None:
    """3.3."""
    if transition.head.queued is not None:
        transition.append(
            CompleteProcessFailedEvent(
                event_id=transition.next_event_id,
                timestamp=transition.timestamp,
                cause=Cause.UNHANDLED_DECISION,
                decision_completed_event_id=completed,
            )
        )
        return
    transition.close(
        ProcessCompletedEvent(
            event_id=transition.next_event_id,
            timestamp=transition.timestamp,
            result_json=decision.result_json,
            decision_completed_event_id=completed,
        )
    )
    transition.tell_parent(result_json=decision.result_json)


def _fail_process(transition: Transition, decision: FailProcessDecision, completed: int) -> None:
    """3.4."""
    if transition.head.queued is not None:
        transition.append(
            FailProcessFailedEvent(
                event_id=transition.next_event_id,
                timestamp=transition.timestamp,
                cause=Cause.UNHANDLED_DECISION,
                decision_completed_event_id=completed,
            )
        )
        return
    transition.close(
        ProcessFailedEvent(
            event_id=transition.next_event_id,
            timestamp=transition.timestamp,
            reason=decision.reason,
            details_json=decision.details_json,
            decision_completed_event_id=completed,
        )
    )
    transition.tell_parent(reason=decision.reason, details_json=decision.details_json)


def _cancel_process(transition: Transition, decision: CancelProcessDecision, completed: int) -> None:
    """3.5; nobody need have asked for it."""
    if transition.head.queued is not None:
        transition.append(
            CancelProcessFailedEvent(
                event_id=transition.next_event_id,
                timestamp=transition.timestamp,
                cause=Cause.UNHANDLED_DECISION,
                decision_completed_event_id=completed,
            )
        )
        return
    transition.close(
        ProcessCanceledEvent(
            event_id=transition.next_event_id,
            timestamp=transition.timestamp,
            details_json=decision.details_json,
            decision_completed_event_id=completed,
        )
    )
    transition.tell_parent(details_json=decision.details_json)


def _continue_as_new(transition: Transition, decision: ContinueAsNewDecision, completed: int) -> None:
    """3.6: a new run takes over the process id and the parent, and nothing else."""
    head = transition.head
    start: StartProcess | Cause = Cause.UNHANDLED_DECISION
    if head.queued is None:
        start = resolve(
            decision,
            ProcessRef(head.process_id, transition.new_id()),
            TypeRef(head.workflow.name, decision.workflow_version or head.workflow.version),
            transition.environment,
            parent=head.parent,
            parent_initiated_event_id=head.parent_initiated_event_id,
        )
    if isinstance(start, Cause):
        transition.trigger(
            ContinueAsNewFailedEvent(
                event_id=transition.next_event_id,
                timestamp=transition.timestamp,
                cause=start,
                decision_completed_event_id=completed,
            )
        )
        return
    transition.close(
        ProcessContinuedAsNewEvent(
            event_id=transition.next_event_id,
            timestamp=transition.timestamp,
            new_run_id=start.run_id,
            workflow=start.workflow,
            input_json=start.input_json,
            task_list=start.task_list,
            task_priority=start.task_priority,
            execution_timeout=start.execution_timeout,
            decision_timeout=start.decision_timeout,
            child_policy=start.child_policy,
            tags=start.tags,
            decision_completed_event_id=completed,
        )
    )
    successor = Transition.begin(
        start, transition.now, transition.new_id, transition.environment, continued_run_id=head.run_id
    )
    transition.successor, transition.successor_events = successor.state, successor.events


# --- markers and timers ----------------------------------------------------------------------------------


def _record_marker(transition: Transition, decision: RecordMarkerDecision, completed: int) -> None:
    """3.7."""
    transition.append(
        MarkerRecordedEvent(
            event_id=transition.next_event_id,
            timestamp=transition.timestamp,
            marker=decision.marker,
            details_json=decision.details_json,
            decision_completed_event_id=completed,
        )
    )


def _start_timer(transition: Transition, decision: StartTimerDecision, completed: int) -> None:
    """3.8."""
    timers = transition.state.timers
    timer_id = _known(decision.id)
    cause = None
    if timer_id in timers:
        cause = Cause.TIMER_ID_ALREADY_IN_USE
    elif len(timers) >= transition.environment.limits.open_timers:
        cause = Cause.OPEN_TIMERS_LIMIT_EXCEEDED
    event_id = transition.next_event_id
    if cause is not None:
        transition.trigger(
            StartTimerFailedEvent(
                event_id=event_id,
                timestamp=transition.timestamp,
                timer_id=timer_id,
                cause=cause,
                decision_completed_event_id=completed,
            )
        )
        return
    transition.touched.add(event_id)
    transition.append(
        TimerStartedEvent(
            event_id=event_id,
            timestamp=transition.timestamp,
            timer_id=timer_id,
            control_json=decision.control_json,
            delay=decision.delay,
            decision_completed_event_id=completed,
        )
    )


def _cancel_timer(transition: Transition, decision: CancelTimerDecision, completed: int) -> None:
    """3.9; a success is no news to the decider."""
    event_id = transition.state.timers.get(decision.id)
    if event_id is None:
        transition.trigger(
            CancelTimerFailedEvent(
                event_id=transition.next_event_id,
                timestamp=transition.timestamp,
                timer_id=decision.id,
                cause=Cause.TIMER_ID_UNKNOWN,
                decision_completed_event_id=completed,
            )
        )
        return
    transition.touched.add(event_id)
    transition.append(
        TimerCanceledEvent(
            event_id=transition.next_event_id,
            timestamp=transition.timestamp,
            timer_id=decision.id,
            started_event_id=event_id,
            decision_completed_event_id=completed,
        )
    )


# --- children and other processes ------------------------------------------------------------------------


def _start_child(transition: Transition, decision: StartChildProcessDecision, completed: int) -> None:
    """3.12: it is started by a message, and whether its id is free turns out there."""
    event_id = transition.next_event_id
    start: StartProcess | Cause = resolve(
        decision,
        ProcessRef(_known(decision.id), transition.new_id()),
        decision.workflow,
        transition.environment,
        parent=transition.state.ref,
        parent_initiated_event_id=event_id,
    )
    if isinstance(start, StartProcess) and (
        len(transition.state.children) >= transition.environment.limits.open_children
    ):
        start = Cause.OPEN_CHILDREN_LIMIT_EXCEEDED
    if isinstance(start, Cause):
        transition.trigger(
            StartChildProcessFailedEvent(
                event_id=event_id,
                timestamp=transition.timestamp,
                process_id=_known(decision.id),
                workflow=decision.workflow,
                cause=start,
                control_json=decision.control_json,
                decision_completed_event_id=completed,
            )
        )
        return
    transition.touched.add(event_id)
    transition.append(
        StartChildProcessInitiatedEvent(
            event_id=event_id,
            timestamp=transition.timestamp,
            process_id=start.process_id,
            workflow=start.workflow,
            input_json=start.input_json,
            control_json=decision.control_json,
            task_list=start.task_list,
            task_priority=start.task_priority,
            execution_timeout=start.execution_timeout,
            decision_timeout=start.decision_timeout,
            child_policy=start.child_policy,
            tags=start.tags,
            decision_completed_event_id=completed,
        )
    )
    transition.send(ProcessRef(start.process_id), start)


def _signal_process(transition: Transition, decision: SignalProcessDecision, completed: int) -> None:
    """3.10."""
    event_id = transition.next_event_id
    transition.touched.add(event_id)
    transition.append(
        SignalProcessInitiatedEvent(
            event_id=event_id,
            timestamp=transition.timestamp,
            process=decision.process,
            signal=decision.signal,
            input_json=decision.input_json,
            control_json=decision.control_json,
            decision_completed_event_id=completed,
        )
    )
    transition.send(
        decision.process,
        SignalProcess(
            signal=decision.signal,
            input_json=decision.input_json,
            sender=transition.state.ref,
            sender_initiated_event_id=event_id,
        ),
    )


def _request_cancel_process(transition: Transition, decision: RequestCancelProcessDecision, completed: int) -> None:
    """3.11."""
    event_id = transition.next_event_id
    transition.touched.add(event_id)
    transition.append(
        CancelExternalProcessInitiatedEvent(
            event_id=event_id,
            timestamp=transition.timestamp,
            process=decision.process,
            control_json=decision.control_json,
            decision_completed_event_id=completed,
        )
    )
    transition.send(decision.process, CancelProcess(sender=transition.state.ref, sender_initiated_event_id=event_id))


def _known(id: str | None) -> str:
    """Return an id that the check of the batch has seen."""
    assert id is not None
    return id


_DECISIONS: dict[type[Decision], Callable[[Transition, Any, int], None]] = {
    ScheduleActivityDecision: _schedule_activity,
    CancelActivityDecision: _cancel_activity,
    CompleteProcessDecision: _complete_process,
    FailProcessDecision: _fail_process,
    CancelProcessDecision: _cancel_process,
    ContinueAsNewDecision: _continue_as_new,
    RecordMarkerDecision: _record_marker,
    StartTimerDecision: _start_timer,
    CancelTimerDecision: _cancel_timer,
    StartChildProcessDecision: _start_child,
    SignalProcessDecision: _signal_process,
    RequestCancelProcessDecision: _request_cancel_process,
}
