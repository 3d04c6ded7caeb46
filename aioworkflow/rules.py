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
- *Activities with a retry policy are tried again* (:mod:`aioworkflow.retrying`), if a decorator or ``activities`` names
  them. Handlers hear only of the last attempt; ``process.pending_activities`` and ``process.is_idle`` count those that
  wait for their next one.
- *What is waited for in vain fails the process.* If an activity ends without a result and there is a handler for its
  completion but none for its interruption, nobody would ever hear of it. The same goes for a refused timer.
- *Cancellation is obeyed.* Without a handler with ``@on_cancel_requested`` a request to cancel closes the process.

Handlers must follow from history alone: a repeated close is found by calling them again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from .activity import ActivityLike
from .deciding import as_decisions, settle
from .decision import (
    CLOSING_DECISIONS,
    CancelProcessDecision,
    Decision,
    FailProcessDecision,
)
from .errors import InvalidDecisionError, InvalidRequestError
from .event import (
    ActivityAbortedEvent,
    ActivityCompletedEvent,
    ActivityFailedEvent,
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
from .retrying import Retries, retried
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
        retries = process.follow(self._rulebook.retries)
        for event in process.new_events:
            if type(event) not in _MINDED and not self._rulebook.has_rules_for(type(event)):
                continue
            for decision in await self._answer(process, event, retries):
                if isinstance(decision, CLOSING_DECISIONS):
                    closing = closing or decision
                else:
                    decisions[decision] = None
        return [*decisions, closing] if closing else [*decisions]

    async def _answer(self, process: Process, event: AnyEvent, retries: Retries) -> Sequence[Decision]:
        if event.event_id in retries.decisions:
            decision = retries.decisions[event.event_id]
            return [] if decision is None else [decision]
        if isinstance(event, TimerFiredEvent | StartTimerFailedEvent) and (scheduled := retried(process, event)):
            # Without the next attempt, the end of the last one is what handlers should hear of.
            event = process.closing_of(scheduled) or event
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
