"""Checking code against what it once decided.

:func:`replay` takes a process through its history turn by turn, as a worker did, asks the workflow at each turn, and
compares what it decides now with what history says it decided then. So a change of a workflow can be tested against
processes that are still open, and those of production can be replayed at a desk: nothing is executed.

Decisions are compared by what they are about: kind, id, name of the activity, child, signal or marker.
Their payloads and settings may differ, as what has happened is not changed by them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, TypeAlias

from ..coroutine.commands import RESULTS
from ..deciding import decide
from ..decision import (
    CancelActivityDecision,
    CancelTimerDecision,
    Decision,
    RecordMarkerDecision,
    RequestCancelProcessDecision,
    ScheduleActivityDecision,
    SignalProcessDecision,
    StartChildProcessDecision,
    StartTimerDecision,
)
from ..errors import InvalidRequestError, NondeterminismError
from ..event import AnyEvent, Cause, DecisionCompletedEvent, ProcessTerminatedEvent
from ..flow import replay as replay_coroutine
from ..process import Process
from ..workflow import Workflow, runs_as_coroutine
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
    if runs_as_coroutine(decider):  # it compares turn by turn itself
        return replay_coroutine(decider, whole)
    process: Process | None = None
    for completed in [event for event in whole.history if isinstance(event, DecisionCompletedEvent)]:
        known = whole.history[: completed.started_event_id]
        if process is None:
            process = Process(whole.ref, known)
        else:
            process.extend(known[process.last_event_id :])
        decisions = await decide(decider, process)
        _compare(whole, completed, decisions)
    return None


_Told: TypeAlias = tuple[type[Decision], Any]
"""What a decision is, and what it is about."""


def _compare(process: Process, completed: DecisionCompletedEvent, decisions: Sequence[Decision]) -> None:
    recorded = _results(process, completed)
    then, now = [_told_by(event) for event in recorded], [_told_of(decision) for decision in decisions]
    if _was_cut_off(process, recorded[-1] if recorded else completed):
        now = now[: len(then)]
    if then != now:
        raise NondeterminismError(
            f"the code of workflow {process.workflow} does not fit the history of process {process.ref}; what was "
            f"decided at event {completed.event_id}:\n{_side_by_side(then, now)}"
        )


def _results(process: Process, completed: DecisionCompletedEvent) -> list[AnyEvent]:
    """Return the events of which each tells of one decision."""
    results: list[AnyEvent] = []
    for event in process.history[completed.event_id :]:
        if isinstance(event, DecisionCompletedEvent):
            break
        decided = type(event) in RESULTS and getattr(event, "decision_completed_event_id", 0) == completed.event_id
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
        if old == new:
            lines.append(f"    both say:      {_shown(old)}")
        else:
            lines += [f"  - history says:  {_shown(old)}", f"  + the code does: {_shown(new)}"]
    return "\n".join(lines)


def _shown(told: _Told | None) -> str:
    if told is None:
        return "nothing more"
    kind, key = told
    about = "" if key is None else " of ".join(map(repr, key)) if isinstance(key, tuple) else repr(key)
    return f"{kind.__name__.removesuffix('Decision')} {about}".rstrip()


def _told_by(event: AnyEvent) -> _Told:
    result = RESULTS[type(event)]
    return result.decision, result.key(event)


def _told_of(decision: Decision) -> _Told:
    return type(decision), _key_of(decision)


def _key_of(decision: Decision) -> Any:
    match decision:
        case ScheduleActivityDecision():
            return decision.id, decision.activity.name
        case StartChildProcessDecision():
            return decision.id, decision.workflow.name
        case CancelActivityDecision() | StartTimerDecision() | CancelTimerDecision():
            return decision.id
        case RecordMarkerDecision():
            return decision.marker
        case SignalProcessDecision():
            return decision.process.process_id, decision.signal
        case RequestCancelProcessDecision():
            return decision.process.process_id
        case _:
            return None
