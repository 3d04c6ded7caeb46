"""The process as its decider sees it: history, and the questions that deciders ask of it.

A :class:`Process` is made from events and can be extended by later ones, so a worker keeps it and reads only what is
new. No question costs more with a longer history, except where all of something is asked for.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol, TypeVar, overload

from .activity import ActivityLike, activity_settings
from .carried import unwrap
from .checks import show
from .decision import Decision
from .errors import InvalidRequestError, ResultNotAvailableError
from .event import (
    ActivityScheduledEvent,
    AnyEvent,
    MarkerRecordedEvent,
    ProcessCanceledEvent,
    ProcessCancelRequestedEvent,
    ProcessCompletedEvent,
    ProcessContinuedAsNewEvent,
    ProcessFailedEvent,
    ProcessSignaledEvent,
    ProcessStartedEvent,
    ProcessTerminatedEvent,
    ProcessTimedOutEvent,
    StartChildProcessInitiatedEvent,
    TimerStartedEvent,
)
from .facts import Facts
from .payload import decode
from .records import ActivityClosedEvent, ActivityRecord, ChildClosedEvent, ChildRecord, TimerClosedEvent, TimerRecord
from .result import ActivityOutcome
from .retry import RetryPolicy
from .retrying import Retries, policies_of, retrying
from .types import ProcessRef, ProcessStatus, TypeRef
from .workflow import WorkflowLike, workflow_settings

__all__ = ["Process"]

T = TypeVar("T")


class Attachment(Protocol):
    """What a decider keeps of a process in memory, besides its history."""

    def dispose(self) -> None:
        """Free what it holds; it is not needed any more."""


class Process:
    """One run of a process, up to the last event that is known of it.

    Args:
        ref: Its id and run id.
        events: Its history from event 1 on, or the beginning of it; :meth:`extend` adds to it.

    Raises:
        InvalidRequestError: Event 1 is missing, or there is a gap.
    """

    def __init__(self, ref: ProcessRef, events: Iterable[AnyEvent]) -> None:
        self.ref = ref
        self._facts = Facts()
        self._new: Sequence[AnyEvent] | None = None
        self._retrying: dict[str, ActivityScheduledEvent] | None = None
        self.extend(events)
        history = self._facts.history
        if not history or not isinstance(history[0], ProcessStartedEvent):
            raise InvalidRequestError(f"the history of process {ref} must begin with its start")
        self.started: ProcessStartedEvent = history[0]
        """Event 1."""
        self.attached: Attachment | None = None
        """What the decider keeps with it for its next turn; lost when the worker forgets the process."""
        self.execution_context: str | None = None
        """The note that goes with the next decisions, and that ``Backend.process_info`` shows; None keeps the last."""

    def __repr__(self) -> str:
        return f"<Process {self.ref} of {self.workflow}, {self.status.name}, {len(self._facts.history)} events>"

    def extend(self, events: Iterable[AnyEvent]) -> None:
        """Take the next events in; those that are known already are passed over.

        Raises:
            InvalidRequestError: There is a gap between the last known event and these.
        """
        try:
            self._facts.extend(events)
        except InvalidRequestError as error:
            raise InvalidRequestError(f"process {self.ref}: {error}") from None
        self._new = None
        self._retrying = None

    def attach(self, attachment: Attachment) -> None:
        """Keep something with the process until it is released, in the place of what was kept before."""
        self.release()
        self.attached = attachment

    def release(self) -> None:
        """Dispose of what is attached."""
        attached, self.attached = self.attached, None
        if attached is not None:
            attached.dispose()

    def as_of(self, event_id: int) -> Process:
        """Return the process as it was when event ``event_id`` had just happened; costs as much as folding it anew."""
        return Process(self.ref, self._facts.history[:event_id])

    # --- what it is ---

    @property
    def id(self) -> str:
        """Its process id."""
        return self.ref.process_id

    @property
    def run_id(self) -> str:
        """Its run id."""
        return self.ref.run_id

    @property
    def workflow(self) -> TypeRef:
        """The name and version of its workflow."""
        return self.started.workflow

    @property
    def input(self) -> Any:
        """Its input, decoded anew at each call."""
        input_json = self.input_json
        return None if input_json is None else decode(input_json)

    @property
    def input_json(self) -> str | None:
        """Its input as JSON, without the signals that may have come with it from the run that it continues."""
        return unwrap(self.started)[0]

    def input_as(self, into: type[T]) -> T:
        """Return its input as type ``into``.

        Raises:
            PayloadError: It does not fit.
        """
        input_json = self.input_json
        value: T = decode("null" if input_json is None else input_json, into)
        return value

    @property
    def tags(self) -> tuple[str, ...]:
        """Its tags."""
        return self.started.tags

    @property
    def parent(self) -> ProcessRef | None:
        """The process that started it, if one did."""
        return self.started.parent

    @property
    def started_at(self) -> datetime:
        """When it was started; aware, UTC."""
        return self.started.timestamp

    @property
    def now(self) -> datetime:
        """The time of the last event: the clock for deciders, whose answers should follow from history alone."""
        return self._facts.history[-1].timestamp

    @property
    def status(self) -> ProcessStatus:
        """Where it stands."""
        return ProcessStatus.OPEN if self._facts.ending is None else _STATUS[type(self._facts.ending)]

    @property
    def ending(self) -> AnyEvent | None:
        """The event that closed it, one of ``CLOSING_EVENTS``; None while it is open."""
        return self._facts.ending

    # --- history ---

    @property
    def history(self) -> Sequence[AnyEvent]:
        """All events in order; event 1 has index 0."""
        return View(self._facts.history)

    @property
    def last_event_id(self) -> int:
        """The id of the last known event."""
        return len(self._facts.history)

    @property
    def previous_started_event_id(self) -> int:
        """The DecisionStartedEvent of the last decision task that a decider completed; 0 if there is none."""
        return self._facts.previous_started_event_id

    @property
    def new_events(self) -> Sequence[AnyEvent]:
        """The events that came after those of the last completed decision.

        The results of that decision (as ActivityScheduledEvent) come first, then the rest in order, so that what
        arrived while the decider was deciding comes after what it had decided (swf-reference 5.2).
        """
        if self._new is None:
            start, decided = self._facts.previous_started_event_id, self._facts.decided_event_id
            events = self._facts.history[start:]
            if decided > start + 1:
                results = [event for event in self._facts.history[decided:] if _is_result(event, decided)]
                found = {event.event_id for event in results}
                events = results + [event for event in events if event.event_id not in found]
            self._new = View(events)
        return self._new

    def event(self, event_id: int) -> AnyEvent:
        """Return an event by its id.

        Raises:
            ResultNotAvailableError: There is no such event yet.
        """
        if not 0 < event_id <= len(self._facts.history):
            raise ResultNotAvailableError(f"process {self.ref} has no event {event_id}")
        return self._facts.history[event_id - 1]

    @overload
    def opening_of(self, event: ActivityClosedEvent) -> ActivityScheduledEvent: ...
    @overload
    def opening_of(self, event: TimerClosedEvent) -> TimerStartedEvent: ...
    @overload
    def opening_of(self, event: ChildClosedEvent) -> StartChildProcessInitiatedEvent: ...
    def opening_of(self, event: ActivityClosedEvent | TimerClosedEvent | ChildClosedEvent) -> AnyEvent:
        """Return the event that opened the activity, timer or child that ``event`` closed.

        Raises:
            ResultNotAvailableError: ``event`` closed nothing (a child that was refused has no opening event).
        """
        if isinstance(event, ActivityClosedEvent):
            return self.event(event.scheduled_event_id)
        if isinstance(event, TimerClosedEvent):
            return self.event(event.started_event_id)
        return self.event(event.initiated_event_id)

    @overload
    def closing_of(self, event: ActivityScheduledEvent) -> ActivityClosedEvent | None: ...
    @overload
    def closing_of(self, event: TimerStartedEvent) -> TimerClosedEvent | None: ...
    @overload
    def closing_of(self, event: StartChildProcessInitiatedEvent) -> ChildClosedEvent | None: ...
    def closing_of(
        self, event: ActivityScheduledEvent | TimerStartedEvent | StartChildProcessInitiatedEvent
    ) -> AnyEvent | None:
        """Return the event that closed the activity, timer or child that ``event`` opened; None while it is open."""
        if isinstance(event, ActivityScheduledEvent):
            return self._facts.closed_activities.get(event.event_id)
        if isinstance(event, TimerStartedEvent):
            return self._facts.closed_timers.get(event.event_id)
        return self._facts.closed_children.get(event.event_id)

    # --- activities ---

    @property
    def open_activities(self) -> Mapping[str, ActivityScheduledEvent]:
        """The activities that wait for a worker or are worked on, by id."""
        return MappingProxyType(self._facts.open_activities)

    def activity(self, activity_id: str) -> ActivityRecord | None:
        """Return the latest activity with this id, open or closed; None if there was none."""
        scheduled = self._facts.activities.get(activity_id)
        return None if scheduled is None else self._activity(scheduled)

    def activities(self, activity: ActivityLike) -> list[ActivityRecord]:
        """Return all activities of this name (and any version), in the order in which they were scheduled."""
        name = activity_settings(activity).ref.name
        return [self._activity(scheduled) for scheduled in self._facts.activities_by_name.get(name, ())]

    def result_of(self, activity_id: str, into: Any = Any) -> Any:
        """Return the result of the latest activity with this id, decoded as type ``into``.

        Raises:
            ResultNotAvailableError: There is no such activity, it is open, or it ended otherwise.
            PayloadError: The result does not fit ``into``.
        """
        record = self.activity(activity_id)
        if record is None:
            raise ResultNotAvailableError(f"process {self.ref} has no activity {activity_id!r}")
        return record.result(into)

    def outcome_of(self, activity_id: str) -> ActivityOutcome | None:
        """Return how the latest activity with this id ended; None if it is open or there was none."""
        record = self.activity(activity_id)
        return None if record is None else record.outcome

    def attempts(self, activity_id: str) -> int:
        """Return how often an activity with this id was scheduled since one with this id last completed."""
        return self._facts.attempts.get(activity_id, 0)

    def _activity(self, scheduled: ActivityScheduledEvent) -> ActivityRecord:
        return ActivityRecord(scheduled, self.closing_of(scheduled))

    # --- trying activities again (see aioworkflow.retrying) ---

    def retry(self, *activities: ActivityLike, policy: RetryPolicy | None = None) -> list[Decision]:
        """Return what ``decide`` has to decide in this turn so that interrupted activities are tried again.

        Call it in every turn, before asking for :attr:`pending_activities`, and add to what it returns::

            def decide(self, process):
                again = process.retry(charge_card)
                if process.pending_activities:
                    return again

        Args:
            activities: What may be tried again.
            policy: For all of them, instead of their own.

        Raises:
            InvalidRequestError: One is no activity, or there is no policy for it.
        """
        if policy is not None and not isinstance(policy, RetryPolicy):
            raise InvalidRequestError(f"policy must be a RetryPolicy, not {show(policy)}")
        names = [activity_settings(activity).ref.name for activity in activities]
        policies = policies_of(activities) if policy is None else dict.fromkeys(names, policy)
        for name in names:
            if name not in policies:
                raise InvalidRequestError(f"activity {name!r} has no retry policy; pass policy=RetryPolicy(…)")
        return [decision for decision in self.follow(policies).decisions.values() if decision is not None]

    def follow(self, policies: Mapping[str, RetryPolicy]) -> Retries:
        """Return the same as :meth:`retry` for policies by name, with the events that it answers."""
        retries = Retries(self, policies)
        if retries.pending:
            self._attempted().update(retries.pending)
        return retries

    @property
    def pending_activities(self) -> Mapping[str, ActivityScheduledEvent]:
        """The open activities and those that wait for their next attempt (the last one is given), by id.

        Of interruptions that are new in this turn it counts those that :meth:`retry` was asked about; in rule workflows
        all that they retry.
        """
        return MappingProxyType(ChainMap(self._facts.open_activities, self._attempted()))

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way that could still bring an event by itself.

        That is: no pending activity, no open timer and no open child.
        """
        return not (self.pending_activities or self._facts.open_timers or self._facts.open_children)

    def _attempted(self) -> dict[str, ActivityScheduledEvent]:
        if self._retrying is None:
            self._retrying = {scheduled.activity_id: scheduled for scheduled in retrying(self)}
        return self._retrying

    # --- timers ---

    @property
    def open_timers(self) -> Mapping[str, TimerStartedEvent]:
        """The timers that run, by id."""
        return MappingProxyType(self._facts.open_timers)

    def timer(self, timer_id: str) -> TimerRecord | None:
        """Return the latest timer with this id, open or closed; None if there was none."""
        started = self._facts.timers.get(timer_id)
        return None if started is None else TimerRecord(started, self.closing_of(started))

    # --- children ---

    @property
    def open_children(self) -> Mapping[str, StartChildProcessInitiatedEvent]:
        """The children that are about to start or run, by process id."""
        return MappingProxyType(self._facts.open_children)

    def child(self, process_id: str) -> ChildRecord | None:
        """Return the latest child with this process id, open or closed; None if there was none."""
        initiated = self._facts.children.get(process_id)
        return None if initiated is None else self._child(initiated)

    def children(self, workflow: WorkflowLike) -> list[ChildRecord]:
        """Return all children of this workflow's name (and any version), in order."""
        name = workflow_settings(workflow).ref.name
        return [self._child(initiated) for initiated in self._facts.children_by_name.get(name, ())]

    def child_result_of(self, process_id: str, into: Any = Any) -> Any:
        """Return the result of the latest child with this process id, as :meth:`result_of`."""
        record = self.child(process_id)
        if record is None:
            raise ResultNotAvailableError(f"process {self.ref} has no child {process_id!r}")
        return record.result(into)

    def _child(self, initiated: StartChildProcessInitiatedEvent) -> ChildRecord:
        run = self._facts.child_runs.get(initiated.event_id) or ProcessRef(initiated.process_id)
        return ChildRecord(initiated, run, self.closing_of(initiated))

    # --- signals, cancellation, markers ---

    def signals(self, name: str) -> Sequence[ProcessSignaledEvent]:
        """Return the signals of this name, in order of arrival."""
        return View(self._facts.signals.get(name, _NOTHING))

    def markers(self, name: str) -> Sequence[MarkerRecordedEvent]:
        """Return the markers of this name, in order."""
        return View(self._facts.markers.get(name, _NOTHING))

    @property
    def cancel_requested(self) -> bool:
        """Whether somebody asked the process to end."""
        return self._facts.cancel_request is not None

    @property
    def cancel_request(self) -> ProcessCancelRequestedEvent | None:
        """The latest request to end."""
        return self._facts.cancel_request

    @property
    def cancel_details(self) -> Any:
        """The decoded details of the latest request to end; None if there is none."""
        return None if self._facts.cancel_request is None else self._facts.cancel_request.details


class View(Sequence[T]):
    """A list that cannot be changed through this view of it."""

    __slots__ = ("_items",)

    def __init__(self, items: Sequence[T]) -> None:
        self._items = items

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, View | list | tuple):
            return NotImplemented
        return list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._items)


_NOTHING: Sequence[Any] = ()

_STATUS: dict[type, ProcessStatus] = {
    ProcessCompletedEvent: ProcessStatus.COMPLETED,
    ProcessFailedEvent: ProcessStatus.FAILED,
    ProcessCanceledEvent: ProcessStatus.CANCELED,
    ProcessContinuedAsNewEvent: ProcessStatus.CONTINUED_AS_NEW,
    ProcessTimedOutEvent: ProcessStatus.TIMED_OUT,
    ProcessTerminatedEvent: ProcessStatus.TERMINATED,
}


def _is_result(event: AnyEvent, decision_completed_event_id: int) -> bool:
    """Whether the event was written in the very transaction of a decision (those with an initiated id came later)."""
    return getattr(event, "decision_completed_event_id", 0) == decision_completed_event_id and not getattr(
        event, "initiated_event_id", 0
    )
