"""Rule workflows: handlers that are called once for each new event.

::

    class OrderWorkflow(RuleWorkflow):
        @on_started
        def start(self, process, event):
            return ChargeCard

        @on_activity_completed(ChargeCard)
        async def charged(self, process, event):
            return ScheduleActivityDecision(Ship, input=event.result)

        @on_activity_completed(Ship)
        def shipped(self, process, event):
            return CompleteProcessDecision()

A handler takes ``(self, process, event)``, is plain or asynchronous, and returns what ``Workflow.decide`` may return.
The ``process`` that it sees has all new events in it, not only those before its own. The decisions of all handlers of
one turn are joined in order. Of equal ones only the first counts, so that "all three are done" may be noticed thrice;
give an ``id`` to what shall happen more than once. A decision that closes the process goes to the end, and of several
the first counts.

What handlers must not forget is done for them:

- *A refused close is repeated.* An event that arrives while the decider decides makes the service refuse to close the
  process (swf-reference 5.5). The handlers get the late events, and then the process is closed as it was decided, as
  if these had come in the same turn. To think again instead, define a handler with ``@on_close_refused``.
- *Activities with a retry policy are tried again.* When one that a decorator or ``activities`` names fails, times
out, or loses
  its worker, a timer is started and then the activity is scheduled again with the same id, until its policy ends it.
  Handlers hear only of the last attempt. How many there were is read from history (:meth:`Process.attempts`).
- *What is waited for in vain fails the process.* If an activity ends without a result and there is a handler for its
  completion but none for its interruption, nobody would ever hear of it. The same goes for a refused timer.
- *Cancellation is obeyed.* Without a handler with ``@on_cancel_requested`` a request to cancel closes the process.

Handlers must follow from history alone: a repeated close is found by calling them again.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, ClassVar

from .activity import ActivityLike
from .deciding import as_decisions, settle
from .decision import (
    CLOSING_DECISIONS,
    CancelProcessDecision,
    Decision,
    FailProcessDecision,
    ScheduleActivityDecision,
    StartTimerDecision,
)
from .errors import InvalidDecisionError, InvalidRequestError
from .event import (
    ActivityAbortedEvent,
    ActivityCompletedEvent,
    ActivityFailedEvent,
    ActivityScheduledEvent,
    ActivityTimedOutEvent,
    AnyEvent,
    CancelProcessFailedEvent,
    Cause,
    CompleteProcessFailedEvent,
    ContinueAsNewFailedEvent,
    DecisionCompletedEvent,
    FailProcessFailedEvent,
    ProcessCancelRequestedEvent,
    ScheduleActivityFailedEvent,
    StartTimerFailedEvent,
    TimerFiredEvent,
)
from .handlers import (
    CLOSE_REFUSED_EVENTS,
    INTERRUPTED_EVENTS,
    Rulebook,
    on_activity_completed,
    on_activity_interrupted,
    on_cancel_requested,
    on_child_closed,
    on_close_refused,
    on_event,
    on_signal,
    on_started,
    on_timer,
    subject_of,
)
from .payload import as_json
from .process import Process
from .result import WORKER_SHUTDOWN
from .workflow import Workflow

__all__ = [
    "RuleWorkflow",
    "on_activity_completed",
    "on_activity_interrupted",
    "on_cancel_requested",
    "on_child_closed",
    "on_close_refused",
    "on_event",
    "on_signal",
    "on_started",
    "on_timer",
]

_RETRY = "aioworkflow.retry"
"""A timer between two attempts has the id ``aioworkflow.retry-<id of the last attempt's ActivityScheduledEvent>``."""


_MINDED = frozenset(
    (
        *INTERRUPTED_EVENTS,
        *CLOSE_REFUSED_EVENTS,
        ProcessCancelRequestedEvent,
        StartTimerFailedEvent,
        TimerFiredEvent,
    )
)
"""What is looked after even if no handler is."""


class RuleWorkflow(Workflow):
    """A workflow that decides by its handlers; see the module.

    Attributes:
        activities: Further activities whose retry policies are to be followed, besides those that decorators name.
    """

    activities: Sequence[ActivityLike] = ()
    _rulebook: ClassVar[Rulebook] = Rulebook(object, ())

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._rulebook = Rulebook(cls, cls.activities)

    def __init__(self) -> None:
        if not self._rulebook:
            raise InvalidRequestError(f"rule workflow {type(self).__qualname__} has no handler")

    async def decide(self, process: Process) -> list[Decision]:
        """Call the handlers for all new events and join what they decide."""
        decisions: dict[Decision, None] = {}
        closing: Decision | None = None
        for event in process.new_events:
            if type(event) not in _MINDED and not self._rulebook.has_rules_for(type(event)):
                continue
            for decision in await self._answer(process, event):
                if isinstance(decision, CLOSING_DECISIONS):
                    closing = closing or decision
                else:
                    decisions[decision] = None
        return [*decisions, closing] if closing else [*decisions]

    async def _answer(self, process: Process, event: AnyEvent) -> Sequence[Decision]:
        retried = _retried(process, event)
        if isinstance(event, TimerFiredEvent) and retried and not process.cancel_requested:
            return _again(process, retried)
        # Without the next attempt, the end of the last one is what handlers should hear of.
        event = (retried and process.closing_of(retried)) or event
        if not retried and isinstance(event, ActivityFailedEvent | ActivityTimedOutEvent | ActivityAbortedEvent):
            delay = self._retry_delay(process, event)
            if delay is not None:
                scheduled = process.opening_of(event)
                if not delay:
                    return _again(process, scheduled)
                return [StartTimerDecision(delay, id=f"{_RETRY}-{scheduled.event_id}")]
        return await self._ask_handlers(process, event)

    async def _ask_handlers(self, process: Process, event: AnyEvent) -> Sequence[Decision]:
        subject = subject_of(process, event)
        methods = self._rulebook.handlers(type(event), subject)
        if not methods:
            return await self._unhandled(process, event, subject)
        decisions: list[Decision] = []
        for method in methods:
            returned = await settle(getattr(self, method)(process, event))
            decisions += as_decisions(returned, process, f"{self.name}.{method}")
        return decisions

    def _retry_delay(
        self, process: Process, event: ActivityFailedEvent | ActivityTimedOutEvent | ActivityAbortedEvent
    ) -> float | None:
        """Return after how many seconds there is another attempt; None if there is none."""
        scheduled = process.opening_of(event)
        policy = self._rulebook.retries.get(scheduled.activity.name)
        if policy is None or process.cancel_requested:
            return None
        if isinstance(event, ActivityAbortedEvent) and event.reason != WORKER_SHUTDOWN:
            return None
        attempts = process.attempts(scheduled.activity_id)
        if not policy.allows(attempts, _error_type(event)):
            return None
        # Jitter may not come from chance: deciding again must give the same delay.
        share = zlib.crc32(f"{process.run_id}/{event.event_id}".encode()) / 2**32
        return policy.delay(attempts, lambda: share)

    # --- what handlers must not forget ---

    async def _unhandled(self, process: Process, event: AnyEvent, subject: str | None) -> Sequence[Decision]:
        match event:
            case ProcessCancelRequestedEvent(details_json=details):
                return [CancelProcessDecision(as_json(details))]
            case (
                CompleteProcessFailedEvent()
                | FailProcessFailedEvent()
                | CancelProcessFailedEvent()
                | ContinueAsNewFailedEvent()
            ) if event.cause is Cause.UNHANDLED_DECISION:
                return [await self._refused_close(process, event.decision_completed_event_id)]
            case ContinueAsNewFailedEvent(cause=cause):
                return [FailProcessDecision(f"continuing as new was refused: {cause.value}")]
            case ActivityAbortedEvent(cancel_requested_event_id=requested) if requested:
                return []
            case ActivityFailedEvent() | ActivityTimedOutEvent() | ActivityAbortedEvent():
                if self._rulebook.handlers(ActivityCompletedEvent, subject):
                    return [_failed(f"activity {process.opening_of(event).activity_id!r} ({subject})", event)]
            case ScheduleActivityFailedEvent(activity_id=activity_id):
                if self._rulebook.handlers(ActivityCompletedEvent, subject):
                    return [_failed(f"activity {activity_id!r} ({subject})", event)]
            case StartTimerFailedEvent(timer_id=timer_id):
                if self._rulebook.handlers(TimerFiredEvent, timer_id):
                    return [_failed(f"timer {timer_id!r}", event)]
        return []

    async def _refused_close(self, process: Process, decision_completed_event_id: int) -> Decision:
        """Return the decision to close that was refused, found by deciding again as it was decided then.

        Raises:
            InvalidDecisionError: The handlers decide otherwise now.
        """
        while True:  # back to the turn in which closing was decided first, if it was refused several times
            completed = process.event(decision_completed_event_id)
            assert isinstance(completed, DecisionCompletedEvent)
            refused_before = _refusal_before(process, completed.started_event_id)
            if not refused_before:
                break
            decision_completed_event_id = refused_before
        for decision in await self.decide(process.as_of(completed.started_event_id)):
            if isinstance(decision, CLOSING_DECISIONS):
                return decision
        raise InvalidDecisionError(
            f"workflow {self.name} decided to close process {process.ref} at event {completed.event_id}, was refused, "
            f"and no longer decides so; its handlers must follow from history alone, or handle @on_close_refused"
        )


def _refusal_before(process: Process, started_event_id: int) -> int:
    """Return the completion of the decision before that of a task, if that tried to close and was refused; else 0."""
    for event_id in range(started_event_id, 0, -1):
        event = process.event(event_id)
        if isinstance(event, CLOSE_REFUSED_EVENTS) and event.cause is Cause.UNHANDLED_DECISION:
            return event.decision_completed_event_id
        if isinstance(event, DecisionCompletedEvent):
            break
    return 0


def _retried(process: Process, event: AnyEvent) -> ActivityScheduledEvent | None:
    """Return which activity ``event`` wanted to try again; None if it is no event of a timer for that."""
    if isinstance(event, TimerFiredEvent | StartTimerFailedEvent):
        prefix, _, scheduled_event_id = event.timer_id.rpartition("-")
        if prefix == _RETRY and scheduled_event_id.isdecimal():
            scheduled = process.event(int(scheduled_event_id))
            return scheduled if isinstance(scheduled, ActivityScheduledEvent) else None
    return None


def _again(process: Process, scheduled: ActivityScheduledEvent) -> Sequence[Decision]:
    """Schedule an activity as it was scheduled before, unless its id is in use."""
    if scheduled.activity_id in process.open_activities:
        return []
    decision = ScheduleActivityDecision(
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
    return [decision]


def _error_type(event: ActivityFailedEvent | ActivityTimedOutEvent | ActivityAbortedEvent) -> str | None:
    """Return the name of the exception type that an activity failed with, as :class:`ActivityFailed` tells it."""
    if not isinstance(event, ActivityFailedEvent):
        return None
    details = event.details
    if isinstance(details, dict) and isinstance(details.get("type"), str):
        return str(details["type"])
    return event.reason.partition(":")[0] if event.reason else None


def _failed(
    what: str,
    event: ActivityFailedEvent
    | ActivityTimedOutEvent
    | ActivityAbortedEvent
    | ScheduleActivityFailedEvent
    | StartTimerFailedEvent,
) -> FailProcessDecision:
    match event:
        case ActivityTimedOutEvent(timeout_type=timeout_type):
            told = f"timed out: {timeout_type.value}"
        case ActivityFailedEvent(reason=reason):
            told = f"failed: {reason}"
        case ActivityAbortedEvent(reason=reason):
            told = f"was aborted: {reason}"
        case _:
            told = f"was refused: {event.cause.value}"
    return FailProcessDecision(f"{what} {told}", as_json(getattr(event, "details_json", None)))
