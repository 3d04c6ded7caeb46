"""The steps that many rules share: swf-reference 5.1, 7.4, 8.1."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import pytest

from aioworkflow.event import (
    CancelTimerFailedEvent,
    Cause,
    ChildProcessStartedEvent,
    DecisionCompletedEvent,
    DecisionScheduledEvent,
    DecisionStartedEvent,
    MarkerRecordedEvent,
    ProcessCompletedEvent,
    ProcessStartedEvent,
    ProcessTerminatedEvent,
    StartChildProcessInitiatedEvent,
    TimerStartedEvent,
)
from aioworkflow.machine.handle import Environment, Outcome
from aioworkflow.machine.limits import Limits
from aioworkflow.machine.requests import CancelProcess, ChildClosed, Message, TerminateProcess
from aioworkflow.machine.transition import Transition, policy_message
from aioworkflow.types import ChildPolicy, ProcessRef, ProcessStatus
from tests.machine.world import NOW, ORDER, PLAIN_WORKFLOW, limited, names, start_request

PARENT = ProcessRef("parent", "run")
DTC: dict[str, Any] = {"decision_completed_event_id": 4}


class Steps:
    """A transition on a run that has just been started, with ids "1", "2", …"""

    def __init__(self, environment: Environment | None = None, **start: Any) -> None:
        ids = itertools.count(1)
        self.t = Transition.begin(start_request(**start), NOW, lambda: str(next(ids)), environment or limited())

    def event(self, kind: Any, **fields: Any) -> Any:
        return kind(event_id=self.t.next_event_id, timestamp=self.t.timestamp, **fields)

    def add(self, kind: Any, **fields: Any) -> Any:
        event = self.event(kind, **fields)
        self.t.append(event)
        return event

    def decided(self) -> Steps:
        self.add(DecisionStartedEvent, scheduled_event_id=2)
        self.add(DecisionCompletedEvent, scheduled_event_id=2, started_event_id=3)
        return self

    def child(self, process_id: str, started: bool) -> int:
        event = self.add(
            StartChildProcessInitiatedEvent,
            process_id=process_id,
            workflow=ORDER,
            task_list="l",
            child_policy=ChildPolicy.TERMINATE,
            **DTC,
        )
        if started:
            self.add(
                ChildProcessStartedEvent,
                process=ProcessRef(process_id, "x"),
                workflow=ORDER,
                initiated_event_id=event.event_id,
            )
        return int(event.event_id)


def test_an_environment_of_nothing() -> None:
    environment = Environment()
    assert environment == Environment(limits=Limits(), workflows={}, activities={})


def test_outcomes_are_compared_by_what_they_say() -> None:
    assert Outcome(state=None) == Outcome(state=None, events=[], touched=set(), messages=[])
    assert Outcome(state=None) != Outcome(state=None, reply=True)
    assert Steps().t == Steps().t
    assert Steps().t != Steps(task_list="other").t


def test_a_run_begins() -> None:
    t = Steps(parent=PARENT, parent_initiated_event_id=7).t
    assert names(t.events) == ["ProcessStarted", "DecisionScheduled"]
    assert t.next_event_id == 3
    assert t.is_open
    assert t.head is t.state.head
    assert t.timestamp == datetime.fromtimestamp(NOW, UTC)
    assert t.at == NOW
    assert (t.reply, t.messages, t.touched, t.successor, t.successor_events) == (None, [], set(), None, ())


def test_a_run_begins_with_all_that_was_asked_for() -> None:
    settings: dict[str, Any] = {
        "workflow": PLAIN_WORKFLOW,
        "input_json": "1",
        "task_list": "l",
        "task_priority": 3,
        "execution_timeout": 9.0,
        "decision_timeout": 8.0,
        "child_policy": ChildPolicy.ABANDON,
        "tags": ("t",),
        "parent": PARENT,
        "parent_initiated_event_id": 7,
    }
    t = Transition.begin(start_request(**settings), NOW, str, limited(), continued_run_id="before")
    expected = ProcessStartedEvent(event_id=1, timestamp=t.timestamp, continued_run_id="before", **settings)
    assert t.events[0] == expected
    assert t.state.ref == ProcessRef("p", "r")


@pytest.mark.parametrize(
    ("now", "at"),
    [(0.0, 0.0), (0.1234564, 0.123456), (0.1234566, 0.123457), (1_700_000_000.9999999, 1_700_000_001.0)],
)
def test_times_are_what_a_timestamp_can_tell(now: float, at: float) -> None:
    t = Transition(Steps().t.state, now, str, limited())
    assert t.at == at == t.timestamp.timestamp()
    assert t.now == now


def test_an_event_that_triggers_schedules_at_once_and_once() -> None:
    steps = Steps().decided()
    steps.t.events.clear()
    for _ in range(2):
        steps.t.trigger(steps.event(CancelTimerFailedEvent, timer_id="t", cause=Cause.TIMER_ID_UNKNOWN, **DTC))
    assert names(steps.t.events) == ["CancelTimerFailed", "DecisionScheduled", "CancelTimerFailed"]
    assert [event.event_id for event in steps.t.events] == [5, 6, 7]


def test_a_decision_is_scheduled_with_the_settings_of_the_run() -> None:
    steps = Steps(task_priority=3, decision_timeout=8.0).decided()
    steps.t.schedule_decision()
    assert steps.t.events[-1] == DecisionScheduledEvent(
        event_id=5, timestamp=steps.t.timestamp, task_list="orders", task_priority=3, start_to_close_timeout=8.0
    )


def test_a_decision_is_scheduled_where_the_decider_asked() -> None:
    steps = Steps()
    steps.add(DecisionStartedEvent, scheduled_event_id=2)
    steps.add(
        DecisionCompletedEvent,
        scheduled_event_id=2,
        started_event_id=3,
        task_list="mine",
        task_list_schedule_to_start_timeout=5.0,
    )
    steps.t.schedule_decision()
    event = steps.t.events[-1]
    assert isinstance(event, DecisionScheduledEvent)
    assert (event.task_list, event.schedule_to_start_timeout) == ("mine", 5.0)


def test_messages_are_sent_with_an_id_and_the_time() -> None:
    t = Steps().t
    body = TerminateProcess()
    t.send(PARENT, body)
    t.send(PARENT, body)
    assert t.messages == [
        Message(id="1", to=PARENT, sent_at=NOW, body=body),
        Message(id="2", to=PARENT, sent_at=NOW, body=body),
    ]


def test_closing_touches_all_that_was_open() -> None:
    steps = Steps().decided()
    steps.add(TimerStartedEvent, timer_id="t", delay=1.0, **DTC)
    steps.t.close(steps.event(ProcessCompletedEvent, **DTC))
    assert steps.t.touched == {5}
    assert not steps.t.is_open


def test_a_parent_is_told() -> None:
    steps = Steps(parent=PARENT, parent_initiated_event_id=7).decided()
    steps.t.close(steps.event(ProcessCompletedEvent, **DTC))
    steps.t.tell_parent(result_json="1", reason="r", details_json="2")
    (message,) = steps.t.messages
    assert message.to == PARENT
    assert message.body == ChildClosed(
        initiated_event_id=7,
        child=ProcessRef("p", "r"),
        status=ProcessStatus.COMPLETED,
        result_json="1",
        reason="r",
        details_json="2",
    )


def test_nobody_is_told_where_there_is_no_parent() -> None:
    t = Steps().t
    t.tell_parent()
    assert t.messages == []


@pytest.mark.parametrize("policy", ChildPolicy)
def test_closing_by_force_applies_the_policy_of_the_event(policy: ChildPolicy) -> None:
    own = ChildPolicy.ABANDON if policy is ChildPolicy.TERMINATE else ChildPolicy.TERMINATE
    steps = Steps(child_policy=own, parent=PARENT, parent_initiated_event_id=7).decided()
    started, waiting = steps.child("a", started=True), steps.child("b", started=False)
    steps.t.close_by_force(steps.event(ProcessTerminatedEvent, child_policy=policy))
    first, *others = steps.t.messages
    assert isinstance(first.body, ChildClosed)
    assert steps.t.touched == {started, waiting}
    expected: dict[ChildPolicy, list[Any]] = {
        ChildPolicy.TERMINATE: [TerminateProcess],
        ChildPolicy.REQUEST_CANCEL: [CancelProcess],
        ChildPolicy.ABANDON: [],
    }
    assert [(message.to, type(message.body)) for message in others] == [
        (ProcessRef("a"), kind) for kind in expected[policy]
    ]


@pytest.mark.parametrize(
    ("policy", "kind"),
    [(ChildPolicy.TERMINATE, TerminateProcess), (ChildPolicy.REQUEST_CANCEL, CancelProcess)],
)
def test_the_message_of_a_policy_names_the_parent(policy: ChildPolicy, kind: Any) -> None:
    state = Steps(child_policy=policy).t.state
    assert policy_message(state, 5) == kind(
        cause=Cause.CHILD_POLICY_APPLIED, sender=ProcessRef("p", "r"), sender_initiated_event_id=5
    )


def test_a_history_that_is_nearly_full_is_ended() -> None:
    steps = Steps(limited(events=10), child_policy=ChildPolicy.ABANDON).decided()
    for expected in (["MarkerRecorded"], ["MarkerRecorded"], ["MarkerRecorded", "ProcessTerminated"]):
        steps.t.events.clear()
        steps.add(MarkerRecordedEvent, marker="m", **DTC)
        steps.t.enforce_event_limit()
        assert names(steps.t.events) == expected
    end = steps.t.events[-1]
    assert isinstance(end, ProcessTerminatedEvent)
    assert (end.cause, end.child_policy) == (Cause.EVENT_LIMIT_EXCEEDED, ChildPolicy.ABANDON)
    assert (end.reason, end.details_json) == (None, None)
    steps.t.enforce_event_limit()
    assert names(steps.t.events) == ["MarkerRecorded", "ProcessTerminated"], "and it is ended once"
