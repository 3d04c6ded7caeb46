"""What the deciders here have in common: what must be done, and again when whoever did it has died or was sent away."""

from __future__ import annotations

from aioworkflow.decision import Decision, ScheduleActivityDecision
from aioworkflow.process import Process
from aioworkflow.result import ActivityAborted, ActivityCompleted, ActivityTimedOut


def todo(process: Process, activity: str, id: str, input: object = None) -> list[Decision]:
    """Decide on an activity that must be done."""
    if id in process.open_activities:
        return []
    outcome = process.outcome_of(id)
    if outcome is None or isinstance(outcome, ActivityAborted | ActivityTimedOut):
        return [ScheduleActivityDecision(activity, input, id=id)]
    return []


def is_done(process: Process, id: str) -> bool:
    return isinstance(process.outcome_of(id), ActivityCompleted)
