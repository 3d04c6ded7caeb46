"""Trying interrupted activities again, by decisions and timers: visible in history, the same on every backend.

When an activity fails, times out, or loses its worker, and its :class:`aioworkflow.retry.RetryPolicy` allows another
attempt, a timer is started; when that has fired, the activity is scheduled again as it was, with the same id. Without
delay it is scheduled again at once. All that is needed to go on stands in the history: how many attempts there were
(:meth:`Process.attempts`), and in the timer's id which attempt it follows.

Rule workflows do this by themselves, ``decide`` by :meth:`Process.retry`, coroutine workflows by :func:`retry_delay`
and timers of their own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias

from .activity import ActivityLike, activity_settings
from .checks import show
from .decision import Decision, ScheduleActivityDecision, StartTimerDecision
from .errors import InvalidRequestError
from .event import (
    ActivityAbortedEvent,
    ActivityFailedEvent,
    ActivityScheduledEvent,
    ActivityTimedOutEvent,
    AnyEvent,
    StartTimerFailedEvent,
    TimerFiredEvent,
)
from .payload import as_json
from .result import WORKER_SHUTDOWN
from .retry import RetryPolicy

if TYPE_CHECKING:
    from .process import Process

__all__ = ["InterruptedEvent", "Retries", "exception_type", "policies_of", "retried", "retry_delay", "retrying"]

InterruptedEvent: TypeAlias = ActivityFailedEvent | ActivityTimedOutEvent | ActivityAbortedEvent
"""The events that may be followed by another attempt."""

_RETRY = "aioworkflow.retry"
"""A timer between two attempts has the id ``aioworkflow.retry-<id of the last attempt's ActivityScheduledEvent>``."""


def retry_delay(policy: RetryPolicy, attempts: int, event: InterruptedEvent, run_id: str) -> float | None:
    """Return after how many seconds an interrupted activity is tried again; None if it is not.

    Jitter is drawn from the run and the event instead of from chance, so deciding again gives the same delay.

    Args:
        policy: The activity's.
        attempts: How many there have been.
        event: How the last one ended.
        run_id: Of the process.
    """
    if isinstance(event, ActivityAbortedEvent) and event.reason != WORKER_SHUTDOWN:
        return None  # it stopped on purpose
    if not policy.allows(attempts, exception_type(event)):
        return None
    return policy.delay(attempts, lambda: _share(f"{run_id}/{event.event_id}"))


def exception_type(event: InterruptedEvent) -> str | None:
    """Return the name of the exception type that an activity failed with, as :class:`ActivityFailed` tells it."""
    if not isinstance(event, ActivityFailedEvent):
        return None
    details = event.details
    if isinstance(details, dict) and isinstance(details.get("type"), str):
        return str(details["type"])
    return event.reason.partition(":")[0] if event.reason else None


def _share(seed: str) -> float:
    """Return a number from 0 to 1 that looks like chance and follows from ``seed``."""
    return int.from_bytes(hashlib.blake2b(seed.encode(), digest_size=4).digest()) / 2**32


def policies_of(activities: Iterable[ActivityLike]) -> dict[str, RetryPolicy]:
    """Return the retry policies of those activities that have one, by name.

    Raises:
        InvalidRequestError: One is no activity, or its ``retry`` is no policy.
    """
    policies: dict[str, RetryPolicy] = {}
    for activity in activities:
        name = activity_settings(activity).ref.name
        policy = None if isinstance(activity, str | tuple) else activity.retry
        if policy is None:
            continue
        if not isinstance(policy, RetryPolicy):
            raise InvalidRequestError(f"retry of activity {name!r} must be a RetryPolicy, not {show(policy)}")
        policies[name] = policy
    return policies


class Retries:
    """What becomes of the interrupted activities of one turn.

    Attributes:
        decisions: What is decided, by the id of the event that it answers: an interruption, or a timer that fired.
        pending: The activities that are to be tried again and have no timer yet, by id: their last attempts.
    """

    __slots__ = ("decisions", "pending")

    def __init__(self, process: Process, policies: Mapping[str, RetryPolicy]) -> None:
        self.decisions: dict[int, Decision | None] = {}
        self.pending: dict[str, ActivityScheduledEvent] = {}
        if not policies or process.cancel_requested:
            return
        for event in process.new_events:
            if isinstance(event, InterruptedEvent):
                self._interrupted(process, event, policies)
            elif isinstance(event, TimerFiredEvent):
                scheduled = retried(process, event)
                if scheduled is not None and scheduled.activity.name in policies:
                    self._decide(process, event, scheduled, 0.0)

    def _interrupted(self, process: Process, event: InterruptedEvent, policies: Mapping[str, RetryPolicy]) -> None:
        scheduled = process.opening_of(event)
        policy = policies.get(scheduled.activity.name)
        if policy is not None:
            delay = retry_delay(policy, process.attempts(scheduled.activity_id), event, process.run_id)
            if delay is not None:
                self._decide(process, event, scheduled, delay)

    def _decide(self, process: Process, event: AnyEvent, scheduled: ActivityScheduledEvent, delay: float) -> None:
        if delay:
            decision: Decision | None = StartTimerDecision(delay, id=f"{_RETRY}-{scheduled.event_id}")
        elif scheduled.activity_id in process.open_activities:
            decision = None  # somebody else uses its id meanwhile
        else:
            decision = _again(scheduled)
        self.decisions[event.event_id] = decision
        if decision is not None:
            self.pending[scheduled.activity_id] = scheduled


def retried(process: Process, event: TimerFiredEvent | StartTimerFailedEvent) -> ActivityScheduledEvent | None:
    """Return which attempt a timer followed; None if it is no timer between two attempts."""
    return _attempt_before(process, event.timer_id)


def retrying(process: Process) -> Iterator[ActivityScheduledEvent]:
    """Yield the last attempts of the activities whose timers run."""
    for timer_id in process.open_timers:
        scheduled = _attempt_before(process, timer_id)
        if scheduled is not None:
            yield scheduled


def _attempt_before(process: Process, timer_id: str) -> ActivityScheduledEvent | None:
    prefix, _, event_id = timer_id.rpartition("-")
    if prefix != _RETRY or not event_id.isdecimal() or not 0 < int(event_id) <= process.last_event_id:
        return None
    scheduled = process.event(int(event_id))
    return scheduled if isinstance(scheduled, ActivityScheduledEvent) else None


def _again(scheduled: ActivityScheduledEvent) -> Decision:
    """Schedule an activity as it was scheduled before."""
    return ScheduleActivityDecision(
        scheduled.activity,
        as_json(scheduled.input_json),
        id=scheduled.activity_id,
        control=as_json(scheduled.control_json),
        schedule_to_start_timeout=scheduled.schedule_to_start_timeout,
        start_to_close_timeout=scheduled.start_to_close_timeout,
        schedule_to_close_timeout=scheduled.schedule_to_close_timeout,
        heartbeat_timeout=scheduled.heartbeat_timeout,
        task_list=scheduled.task_list,
        task_priority=scheduled.task_priority,
    )
