"""Histories for tests of what deciders see, written event by event."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from aioworkflow.decision import Decision
from aioworkflow.event import (
    ActivityCompletedEvent,
    ActivityScheduledEvent,
    ActivityStartedEvent,
    AnyEvent,
    ChildProcessStartedEvent,
    DecisionCompletedEvent,
    DecisionScheduledEvent,
    DecisionStartedEvent,
    ProcessSignaledEvent,
    ProcessStartedEvent,
    StartChildProcessInitiatedEvent,
    TimerFiredEvent,
    TimerStartedEvent,
)
from aioworkflow.payload import encode_optional
from aioworkflow.process import Process
from aioworkflow.types import ChildPolicy, ProcessRef, TypeRef

NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)
REF = ProcessRef("order-17", "run-1")


class History:
    """A list of events that grows; each method returns the id of the (last) event that it adds.

    Ids of decision tasks are kept: ``decision`` is the last completion, to which the results of decisions point.
    """

    def __init__(self, input: object = None, **fields: Any) -> None:
        self.events: list[AnyEvent] = []
        self.decision = 0
        self._scheduled = 0
        self._started = 0
        fields = {"task_list": "default", "child_policy": ChildPolicy.TERMINATE, **fields}
        self.add(ProcessStartedEvent, workflow=TypeRef("Order"), input_json=encode_optional(input), **fields)

    def add(self, kind: Callable[..., AnyEvent], **fields: Any) -> int:
        event_id = len(self.events) + 1
        self.events.append(kind(event_id=event_id, timestamp=NOON + timedelta(seconds=event_id), **fields))
        return event_id

    def result(self, kind: Callable[..., AnyEvent], **fields: Any) -> int:
        """Add an event that the last decision caused."""
        return self.add(kind, decision_completed_event_id=self.decision, **fields)

    # --- decision tasks ---

    def start_decision(self) -> int:
        self._scheduled = self.add(DecisionScheduledEvent, task_list="default")
        self._started = self.add(DecisionStartedEvent, scheduled_event_id=self._scheduled)
        return self._started

    def complete_decision(self) -> int:
        self.decision = self.add(
            DecisionCompletedEvent, scheduled_event_id=self._scheduled, started_event_id=self._started
        )
        return self.decision

    def decide(self) -> int:
        self.start_decision()
        return self.complete_decision()

    # --- items ---

    def schedule(self, activity_id: str, name: str = "Foo", input: object = None, **fields: Any) -> int:
        return self.result(
            ActivityScheduledEvent,
            activity_id=activity_id,
            activity=TypeRef(name),
            input_json=encode_optional(input),
            **{"task_list": "default", **fields},
        )

    def start(self, scheduled: int) -> int:
        return self.add(ActivityStartedEvent, scheduled_event_id=scheduled)

    def close(self, kind: Callable[..., AnyEvent], scheduled: int, **fields: Any) -> int:
        return self.add(kind, scheduled_event_id=scheduled, started_event_id=self.start(scheduled), **fields)

    def complete(self, scheduled: int, result: object = None) -> int:
        return self.close(ActivityCompletedEvent, scheduled, result_json=encode_optional(result))

    def start_timer(self, timer_id: str, delay: float = 1.0) -> int:
        return self.result(TimerStartedEvent, timer_id=timer_id, delay=delay)

    def fire(self, timer_id: str, started: int) -> int:
        return self.add(TimerFiredEvent, timer_id=timer_id, started_event_id=started)

    def initiate_child(self, process_id: str, name: str = "Bar") -> int:
        return self.result(
            StartChildProcessInitiatedEvent,
            process_id=process_id,
            workflow=TypeRef(name),
            task_list="default",
            child_policy=ChildPolicy.TERMINATE,
        )

    def start_child(self, process_id: str, initiated: int, name: str = "Bar") -> int:
        return self.add(
            ChildProcessStartedEvent,
            process=ProcessRef(process_id, f"run-of-{initiated}"),
            workflow=TypeRef(name),
            initiated_event_id=initiated,
        )

    def close_child(self, kind: Callable[..., AnyEvent], process_id: str, initiated: int, **fields: Any) -> int:
        name = fields.pop("name", "Bar")
        started = self.start_child(process_id, initiated, name)
        return self.add(
            kind,
            process=ProcessRef(process_id, f"run-of-{initiated}"),
            workflow=TypeRef(name),
            initiated_event_id=initiated,
            started_event_id=started,
            **fields,
        )

    def signal(self, name: str, input: object = None) -> int:
        return self.add(ProcessSignaledEvent, signal=name, input_json=encode_optional(input))

    # --- the decider's side ---

    def process(self) -> Process:
        return Process(REF, self.events)

    def turn(self) -> Process:
        """Start a decision task and return what its decider sees."""
        self.start_decision()
        return self.process()


def kinds(decisions: list[Decision]) -> list[str]:
    return [type(decision).__name__.removesuffix("Decision") for decision in decisions]
