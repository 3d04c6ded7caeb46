"""Checking code against what it once decided.

:func:`replay` takes a process through its history turn by turn, as a worker did, asks the workflow at each turn, and
compares what it decides now with what history says it decided then. So a change of a workflow can be tested against
processes that are still open, and those of production can be replayed at a desk: nothing is executed.

Decisions are compared by what they are about: kind, id, type of the activity or child, name of the signal or marker.
Their payloads and settings may differ, as what has happened is not changed by them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from itertools import zip_longest
from typing import TypeAlias

from ..deciding import decide
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
from ..errors import InvalidRequestError, NondeterminismError
from ..event import (
    ActivityCancelRequestedEvent,
    ActivityScheduledEvent,
    AnyEvent,
    CancelActivityFailedEvent,
    CancelExternalProcessFailedEvent,
    CancelExternalProcessInitiatedEvent,
    CancelProcessFailedEvent,
    CancelTimerFailedEvent,
    Cause,
    CompleteProcessFailedEvent,
    ContinueAsNewFailedEvent,
    DecisionCompletedEvent,
    FailProcessFailedEvent,
    MarkerRecordedEvent,
    ProcessCanceledEvent,
    ProcessCompletedEvent,
    ProcessContinuedAsNewEvent,
    ProcessFailedEvent,
    ProcessTerminatedEvent,
    RecordMarkerFailedEvent,
    ScheduleActivityFailedEvent,
    SignalProcessFailedEvent,
    SignalProcessInitiatedEvent,
    StartChildProcessFailedEvent,
    StartChildProcessInitiatedEvent,
    StartTimerFailedEvent,
    TimerCanceledEvent,
    TimerStartedEvent,
)
from ..process import Process
from ..workflow import Workflow
from .histories import read_history

__all__ = ["replay"]


async def replay(history: Process | str | os.PathLike[str], workflow: type[Workflow] | Workflow) -> None:
    """Check that a workflow decides now as history says that it decided.

    Args:
        history: A process, or a file that :func:`write_history` wrote.
        workflow: The class, or an instance, as a worker takes it.

    Raises:
        NondeterminismError: It decides otherwise; the message shows what history says and what the code does.
        InvalidRequestError: The file is no history, or one of another workflow.
        Exception: Whatever the decider raised.
    """
    whole = history if isinstance(history, Process) else await asyncio.to_thread(read_history, history)
    if (workflow.name, workflow.version) != whole.workflow:
        raise InvalidRequestError(
            f"process {whole.ref} is of workflow {whole.workflow}, not of {workflow.name} (version {workflow.version})"
        )
    decider = workflow() if isinstance(workflow, type) else workflow
    process: Process | None = None
    for completed in [event for event in whole.history if isinstance(event, DecisionCompletedEvent)]:
        known = whole.history[: completed.started_event_id]
        if process is None:
            process = Process(whole.ref, known)
        else:
            process.extend(known[process.last_event_id :])
        _compare(whole, completed, await decide(decider, process))


_Told: TypeAlias = tuple[str, ...]
"""What a decision is, and what it is about; the last parts are missing where an event does not tell them."""


def _compare(process: Process, completed: DecisionCompletedEvent, decisions: Sequence[Decision]) -> None:
    recorded = _results(process, completed)
    then, now = [_told_by(event) for event in recorded], [_told_of(decision) for decision in decisions]
    if _was_cut_off(process, recorded[-1] if recorded else completed):
        now = now[: len(then)]
    if len(then) != len(now) or not all(_are_same(*pair) for pair in zip(then, now, strict=True)):
        raise NondeterminismError(
            f"the code of workflow {process.workflow} does not fit the history of process {process.ref}; what was "
            f"decided at event {completed.event_id}:\n{_side_by_side(then, now)}"
        )


def _are_same(then: _Told | None, now: _Told | None) -> bool:
    return then is not None and now is not None and now[: len(then)] == then


def _results(process: Process, completed: DecisionCompletedEvent) -> list[AnyEvent]:
    """Return the events of which each tells of one decision."""
    results: list[AnyEvent] = []
    for event in process.history[completed.event_id :]:
        if isinstance(event, DecisionCompletedEvent):
            break
        decided = type(event) in _KINDS and getattr(event, "decision_completed_event_id", 0) == completed.event_id
        if decided and not getattr(event, "initiated_event_id", 0):  # those tell what became of it later
            results.append(event)
    return results


def _was_cut_off(process: Process, last: AnyEvent) -> bool:
    """Whether the history was full after ``last``, so that no further decision was looked at."""
    ending = process.ending
    return (
        isinstance(ending, ProcessTerminatedEvent)
        and ending.cause is Cause.EVENT_LIMIT_EXCEEDED
        and ending.event_id == last.event_id + 1
    )


def _side_by_side(then: Sequence[_Told], now: Sequence[_Told]) -> str:
    lines = []
    for old, new in zip_longest(then, now):
        if _are_same(old, new):
            lines.append(f"    both say:      {' '.join(old)}")
        else:
            lines.append(f"  - history says:  {' '.join(old) if old else 'nothing more'}")
            lines.append(f"  + the code does: {' '.join(new) if new else 'nothing more'}")
    return "\n".join(lines)


def _told_by(event: AnyEvent) -> _Told:
    kind = _KINDS[type(event)].__name__.removesuffix("Decision")
    match event:
        case ActivityScheduledEvent() | ScheduleActivityFailedEvent():
            return kind, str(event.activity), repr(event.activity_id)
        case ActivityCancelRequestedEvent() | CancelActivityFailedEvent():
            return kind, repr(event.activity_id)
        case TimerStartedEvent() | StartTimerFailedEvent() | TimerCanceledEvent() | CancelTimerFailedEvent():
            return kind, repr(event.timer_id)
        case StartChildProcessInitiatedEvent() | StartChildProcessFailedEvent():
            return kind, str(event.workflow), repr(event.process_id)
        case MarkerRecordedEvent() | RecordMarkerFailedEvent():
            return kind, repr(event.marker)
        case SignalProcessInitiatedEvent():
            return kind, repr(event.process.process_id), repr(event.signal)
        case SignalProcessFailedEvent() | CancelExternalProcessInitiatedEvent() | CancelExternalProcessFailedEvent():
            return kind, repr(event.process.process_id)
        case _:
            return (kind,)


def _told_of(decision: Decision) -> _Told:
    kind = type(decision).__name__.removesuffix("Decision")
    match decision:
        case ScheduleActivityDecision():
            return kind, str(decision.activity), repr(decision.id)
        case CancelActivityDecision() | StartTimerDecision() | CancelTimerDecision():
            return kind, repr(decision.id)
        case StartChildProcessDecision():
            return kind, str(decision.workflow), repr(decision.id)
        case RecordMarkerDecision():
            return kind, repr(decision.marker)
        case SignalProcessDecision():
            return kind, repr(decision.process.process_id), repr(decision.signal)
        case RequestCancelProcessDecision():
            return kind, repr(decision.process.process_id)
        case _:
            return (kind,)


_KINDS: dict[type[AnyEvent], type[Decision]] = {
    ActivityScheduledEvent: ScheduleActivityDecision,
    ScheduleActivityFailedEvent: ScheduleActivityDecision,
    ActivityCancelRequestedEvent: CancelActivityDecision,
    CancelActivityFailedEvent: CancelActivityDecision,
    TimerStartedEvent: StartTimerDecision,
    StartTimerFailedEvent: StartTimerDecision,
    TimerCanceledEvent: CancelTimerDecision,
    CancelTimerFailedEvent: CancelTimerDecision,
    StartChildProcessInitiatedEvent: StartChildProcessDecision,
    StartChildProcessFailedEvent: StartChildProcessDecision,
    SignalProcessInitiatedEvent: SignalProcessDecision,
    SignalProcessFailedEvent: SignalProcessDecision,
    CancelExternalProcessInitiatedEvent: RequestCancelProcessDecision,
    CancelExternalProcessFailedEvent: RequestCancelProcessDecision,
    MarkerRecordedEvent: RecordMarkerDecision,
    RecordMarkerFailedEvent: RecordMarkerDecision,
    ProcessCompletedEvent: CompleteProcessDecision,
    CompleteProcessFailedEvent: CompleteProcessDecision,
    ProcessFailedEvent: FailProcessDecision,
    FailProcessFailedEvent: FailProcessDecision,
    ProcessCanceledEvent: CancelProcessDecision,
    CancelProcessFailedEvent: CancelProcessDecision,
    ProcessContinuedAsNewEvent: ContinueAsNewDecision,
    ContinueAsNewFailedEvent: ContinueAsNewDecision,
}
"""Which decision an event tells of, in deed or by its refusal."""
