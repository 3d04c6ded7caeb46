"""The decorators of rule workflows, and the book that a class makes of them.

A decorator notes :class:`Rule` objects on the function. When the class is defined, :class:`Rulebook` collects them,
base classes first and in the order of the methods. A method that overrides a handler takes its place and its rules,
unless it has rules of its own; None in its place removes it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from .activity import ActivityLike, activity_settings
from .checks import check_label, check_name, show
from .errors import InvalidRequestError
from .event import (
    ActivityAbortedEvent,
    ActivityCompletedEvent,
    ActivityFailedEvent,
    ActivityTimedOutEvent,
    AnyEvent,
    CancelProcessFailedEvent,
    ChildProcessCanceledEvent,
    ChildProcessCompletedEvent,
    ChildProcessFailedEvent,
    ChildProcessTerminatedEvent,
    ChildProcessTimedOutEvent,
    CompleteProcessFailedEvent,
    ContinueAsNewFailedEvent,
    Event,
    FailProcessFailedEvent,
    ProcessCancelRequestedEvent,
    ProcessSignaledEvent,
    ProcessStartedEvent,
    ScheduleActivityFailedEvent,
    StartChildProcessFailedEvent,
    TimerFiredEvent,
)
from .process import Process
from .retrying import policies_of
from .workflow import WorkflowLike, workflow_settings

__all__ = [
    "CHILD_CLOSED_EVENTS",
    "CLOSE_REFUSED_EVENTS",
    "INTERRUPTED_EVENTS",
    "Rule",
    "Rulebook",
    "on_activity_completed",
    "on_activity_interrupted",
    "on_cancel_requested",
    "on_child_closed",
    "on_close_refused",
    "on_event",
    "on_signal",
    "on_started",
    "on_timer",
    "subject_of",
]

H = TypeVar("H", bound=Callable[..., Any])

INTERRUPTED_EVENTS = (ActivityFailedEvent, ActivityTimedOutEvent, ActivityAbortedEvent, ScheduleActivityFailedEvent)
CHILD_CLOSED_EVENTS = (
    ChildProcessCompletedEvent,
    ChildProcessFailedEvent,
    ChildProcessTimedOutEvent,
    ChildProcessCanceledEvent,
    ChildProcessTerminatedEvent,
    StartChildProcessFailedEvent,
)
CLOSE_REFUSED_EVENTS = (
    CompleteProcessFailedEvent,
    FailProcessFailedEvent,
    CancelProcessFailedEvent,
    ContinueAsNewFailedEvent,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """When a handler is called.

    Attributes:
        events: Types of events.
        names: What the event must be about, as :func:`subject_of` tells it; None is anything.
        activities: The activities that the decorator named.
    """

    events: tuple[type[Event], ...]
    names: frozenset[str] | None = None
    activities: tuple[ActivityLike, ...] = ()


# --- decorators ------------------------------------------------------------------------------------------


def on_started(handler: H) -> H:
    """Call the method when the process has started."""
    return _noted(handler, Rule((ProcessStartedEvent,)))


def on_activity_completed(*activities: ActivityLike) -> Callable[[H], H]:
    """Call the method when one of these activities (any, if none is named; in any version) has completed."""
    return _decorator(Rule((ActivityCompletedEvent,), _activity_names(activities), activities))


def on_activity_interrupted(*activities: ActivityLike) -> Callable[[H], H]:
    """Call the method when one of these activities (any, if none is named) did not complete, or could not be scheduled.

    The event is of type ActivityFailed, ActivityTimedOut, ActivityAborted or ScheduleActivityFailed.
    """
    return _decorator(Rule(INTERRUPTED_EVENTS, _activity_names(activities), activities))


def on_signal(*names: str) -> Callable[[H], H]:
    """Call the method when a signal of one of these names (any, if none is given) has arrived."""
    return _decorator(Rule((ProcessSignaledEvent,), _names([check_label(name, "signal") for name in names])))


def on_timer(*ids: str) -> Callable[[H], H]:
    """Call the method when a timer with one of these ids (any, if none is given) has fired."""
    return _decorator(Rule((TimerFiredEvent,), _names([check_name(id, "id of the timer") for id in ids])))


def on_child_closed(*workflows: WorkflowLike) -> Callable[[H], H]:
    """Call the method when a child of one of these workflows (any, if none is named) has closed or could not start.

    The event is of type ChildProcessCompleted, …Failed, …TimedOut, …Canceled, …Terminated or StartChildProcessFailed.
    """
    return _decorator(Rule(CHILD_CLOSED_EVENTS, _names([workflow_settings(item).ref.name for item in workflows])))


def on_cancel_requested(handler: H) -> H:
    """Call the method when somebody asked the process to end, instead of closing it at once as canceled."""
    return _noted(handler, Rule((ProcessCancelRequestedEvent,)))


def on_close_refused(handler: H) -> H:
    """Call the method when the process could not be closed, instead of closing it again.

    The event is of type CompleteProcessFailed, FailProcessFailed, CancelProcessFailed or ContinueAsNewFailed.
    """
    return _noted(handler, Rule(CLOSE_REFUSED_EVENTS))


def on_event(*events: type[AnyEvent]) -> Callable[[H], H]:
    """Call the method for events of these very types."""
    kinds: tuple[object, ...] = events
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, Event) and kind is not Event):
            raise InvalidRequestError(f"@on_event needs types of events, not {show(kind)}")
    if not events:
        raise InvalidRequestError("@on_event needs at least one type of event")
    return _decorator(Rule(events))


def _activity_names(activities: Iterable[ActivityLike]) -> frozenset[str] | None:
    return _names([activity_settings(activity).ref.name for activity in activities])


def _names(names: list[str]) -> frozenset[str] | None:
    return frozenset(names) or None


def _decorator(rule: Rule) -> Callable[[H], H]:
    return lambda handler: _noted(handler, rule)


def _noted(handler: H, rule: Rule) -> H:
    if not inspect.isfunction(handler):
        raise InvalidRequestError(f"a handler must be a method, not {show(handler)}")
    try:
        inspect.signature(handler).bind(None, None, None)
    except TypeError:
        raise InvalidRequestError(f"handler {handler.__qualname__} must take (self, process, event)") from None
    handler.__dict__.setdefault(_RULES, []).append(rule)
    return handler


_RULES = "__aioworkflow_rules__"


# --- the book --------------------------------------------------------------------------------------------


class Rulebook:
    """All rules of a class.

    Attributes:
        retries: The retry policies of the activities that its rules (or ``activities``) name, by name.
    """

    def __init__(self, workflow: type, activities: Iterable[ActivityLike]) -> None:
        self._handlers: dict[type[Event], list[tuple[frozenset[str] | None, str]]] = {}
        named: list[ActivityLike] = []
        for method, rules in _rules_of(workflow).items():
            for rule in rules:
                named += rule.activities
                for event in rule.events:
                    self._handlers.setdefault(event, []).append((rule.names, method))
        self.retries = policies_of([*named, *activities])

    def __bool__(self) -> bool:
        return bool(self._handlers)

    def has_rules_for(self, event: type[Event]) -> bool:
        """Return whether there is any rule for events of this type."""
        return event in self._handlers

    def handlers(self, event: type[Event], subject: str | None) -> list[str]:
        """Return the names of the methods to be called, each once, in order."""
        rules = self._handlers.get(event, ())
        return list(dict.fromkeys(method for names, method in rules if names is None or subject in names))


def _rules_of(workflow: type) -> dict[str, list[Rule]]:
    found: dict[str, list[Rule]] = {}
    for base in reversed(workflow.__mro__):
        for name, attribute in vars(base).items():
            function = getattr(attribute, "__func__", attribute)  # of a classmethod
            rules = getattr(function, _RULES, None)
            if rules is not None:
                found[name] = rules
            elif attribute is None:
                found.pop(name, None)
    return found


def subject_of(process: Process, event: AnyEvent) -> str | None:
    """Return what rules choose by: the name of the activity, child workflow or signal, or the id of the timer."""
    match event:
        case ActivityCompletedEvent() | ActivityFailedEvent() | ActivityTimedOutEvent() | ActivityAbortedEvent():
            return process.opening_of(event).activity.name
        case ScheduleActivityFailedEvent(activity=activity):
            return activity.name
        case ProcessSignaledEvent(signal=signal):
            return signal
        case TimerFiredEvent(timer_id=timer_id):
            return timer_id
        case _ if isinstance(event, CHILD_CLOSED_EVENTS):
            return event.workflow.name
        case _:
            return None
