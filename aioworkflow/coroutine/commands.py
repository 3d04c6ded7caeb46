"""Commands: what the code of a workflow orders, and the events with which history confirms it.

Each decision has exactly one event in its own transaction: of a success, or a refusal. So the commands of a turn and
these events go in pairs, in order. Markers of ``patched`` are the exception: they may be there or not.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple, Protocol

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
    ActivityCancelRequestedEvent,
    ActivityScheduledEvent,
    AnyEvent,
    CancelActivityFailedEvent,
    CancelExternalProcessInitiatedEvent,
    CancelProcessFailedEvent,
    CancelTimerFailedEvent,
    CompleteProcessFailedEvent,
    ContinueAsNewFailedEvent,
    FailProcessFailedEvent,
    MarkerRecordedEvent,
    ProcessCanceledEvent,
    ProcessCompletedEvent,
    ProcessContinuedAsNewEvent,
    ProcessFailedEvent,
    RecordMarkerFailedEvent,
    ScheduleActivityFailedEvent,
    SignalProcessInitiatedEvent,
    StartChildProcessFailedEvent,
    StartChildProcessInitiatedEvent,
    StartTimerFailedEvent,
    TimerCanceledEvent,
    TimerStartedEvent,
)

__all__ = ["MORE", "PATCH", "RESULTS", "SIDE_EFFECT", "Command", "Owner", "Result"]

MORE = "aioworkflow.more"
"""The id of a timer that asks for another turn at once, since one turn could not carry all decisions."""

PATCH = "aioworkflow.patch"
"""The marker that ``patched`` leaves; its details are the id of the change."""

SIDE_EFFECT = "aioworkflow.side_effect"
"""The marker that ``side_effect`` leaves; its details are the value."""


class Owner(Protocol):
    """Who gave a command and hears of its event."""

    def accepted(self, event: Any) -> None:
        """Note the event that says that the command was carried out."""

    def refused(self, event: Any) -> None:
        """Answer the event that says that it was not."""


class Command:
    """One decision of a coroutine.

    Attributes:
        kind: The type of the decision.
        key: Identifies it among those of its type; equal to what the event says.
        owner: Who hears of its event; None if nobody needs to.
        withdrawn: Whether it was taken back in the turn in which it was given, so that it is never sent.
        where: The line of code that gave it, where that was asked for.
    """

    __slots__ = ("_make", "key", "kind", "owner", "where", "withdrawn")

    def __init__(
        self, kind: type[Decision], make: Callable[[], Decision], key: Any, owner: Owner | None = None
    ) -> None:
        self.kind = kind
        self._make = make
        self.key = key
        self.owner = owner
        self.withdrawn = False
        self.where = ""

    @property
    def decision(self) -> Decision:
        """What is sent; replays do without it."""
        return self._make()


class Result(NamedTuple):
    """What an event says of the decision whose result it is."""

    decision: type[Decision]
    key: Callable[[Any], Any]
    accepted: bool


def _no_key(event: AnyEvent) -> None:
    return None


def _activity(event: ActivityScheduledEvent | ScheduleActivityFailedEvent) -> tuple[str, str]:
    return event.activity_id, event.activity.name


def _child(event: StartChildProcessInitiatedEvent | StartChildProcessFailedEvent) -> tuple[str, str]:
    return event.process_id, event.workflow.name


def _signal(event: SignalProcessInitiatedEvent) -> tuple[str, str]:
    return event.process.process_id, event.signal


RESULTS: dict[type, Result] = {
    ActivityScheduledEvent: Result(ScheduleActivityDecision, _activity, True),
    ScheduleActivityFailedEvent: Result(ScheduleActivityDecision, _activity, False),
    ActivityCancelRequestedEvent: Result(CancelActivityDecision, attrgetter("activity_id"), True),
    CancelActivityFailedEvent: Result(CancelActivityDecision, attrgetter("activity_id"), False),
    TimerStartedEvent: Result(StartTimerDecision, attrgetter("timer_id"), True),
    StartTimerFailedEvent: Result(StartTimerDecision, attrgetter("timer_id"), False),
    TimerCanceledEvent: Result(CancelTimerDecision, attrgetter("timer_id"), True),
    CancelTimerFailedEvent: Result(CancelTimerDecision, attrgetter("timer_id"), False),
    MarkerRecordedEvent: Result(RecordMarkerDecision, attrgetter("marker"), True),
    RecordMarkerFailedEvent: Result(RecordMarkerDecision, attrgetter("marker"), False),
    StartChildProcessInitiatedEvent: Result(StartChildProcessDecision, _child, True),
    StartChildProcessFailedEvent: Result(StartChildProcessDecision, _child, False),
    SignalProcessInitiatedEvent: Result(SignalProcessDecision, _signal, True),
    CancelExternalProcessInitiatedEvent: Result(RequestCancelProcessDecision, attrgetter("process.process_id"), True),
    ProcessCompletedEvent: Result(CompleteProcessDecision, _no_key, True),
    CompleteProcessFailedEvent: Result(CompleteProcessDecision, _no_key, False),
    ProcessFailedEvent: Result(FailProcessDecision, _no_key, True),
    FailProcessFailedEvent: Result(FailProcessDecision, _no_key, False),
    ProcessCanceledEvent: Result(CancelProcessDecision, _no_key, True),
    CancelProcessFailedEvent: Result(CancelProcessDecision, _no_key, False),
    ProcessContinuedAsNewEvent: Result(ContinueAsNewDecision, _no_key, True),
    ContinueAsNewFailedEvent: Result(ContinueAsNewDecision, _no_key, False),
}
"""The events that one transaction writes for the decisions that it takes."""
