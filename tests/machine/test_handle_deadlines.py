"""Timers and timeouts: swf-reference 6, 5.6, and the tasks of dead sessions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioworkflow.decision import (
    RecordMarkerDecision,
    ScheduleActivityDecision,
    StartChildProcessDecision,
    StartTimerDecision,
)
from aioworkflow.event import (
    ActivityTimedOutEvent,
    DecisionTimedOutEvent,
    ProcessTerminatedEvent,
    ProcessTimedOutEvent,
    TimerFiredEvent,
)
from aioworkflow.machine.requests import ChildClosed, FireDeadlines, SignalProcess
from aioworkflow.types import ChildPolicy, ProcessRef, ProcessStatus, TimeoutType
from tests.machine.world import NOW, Run, World, limited

S2S, STC, S2C, HEARTBEAT = (
    TimeoutType.SCHEDULE_TO_START,
    TimeoutType.START_TO_CLOSE,
    TimeoutType.SCHEDULE_TO_CLOSE,
    TimeoutType.HEARTBEAT,
)


def run_with(world: World | None = None, taken_after: float | None = None, **settings: Any) -> Run:
    run = (world or World()).start()
    run.decide(ScheduleActivityDecision("Work", id="a", **settings))
    if taken_after is not None:
        run.world.now += taken_after
        run.take_activity("a")
    run.news()
    return run


def test_nothing_happens_before_its_time() -> None:
    run = World().start(execution_timeout=9.0)
    run.decide(StartTimerDecision(5, id="t"), ScheduleActivityDecision("Work", id="a", schedule_to_close_timeout=5))
    run.news()
    outcome = run.pass_time(4.999)
    assert run.news() == []
    assert outcome.events == []
    assert outcome.touched == set()


@given(start=st.floats(0, 4e9), delay=st.floats(0, 1e6), rounded=st.sampled_from([round, math.ceil]))
def test_who_keeps_deadlines_in_microseconds_wakes_up_in_time(
    start: float, delay: float, rounded: Callable[[float], int]
) -> None:
    run = World(now=start, checked=False).start()
    run.decide(StartTimerDecision(delay, id="t"))
    deadline = run.state.next_deadline()
    assert deadline is not None
    run.world.now = rounded(deadline * 1_000_000) / 1_000_000
    run.ask(FireDeadlines())
    assert isinstance(run.history[-2], TimerFiredEvent)


# --- timers ----------------------------------------------------------------------------------------------


def test_a_timer_fires() -> None:
    run = World().start()
    run.decide(StartTimerDecision(5, id="t"))
    run.news()
    outcome = run.pass_time(5)
    assert run.news() == ["TimerFired", "DecisionScheduled"]
    event = run.only(TimerFiredEvent)
    assert event == TimerFiredEvent(event_id=6, timestamp=event.timestamp, timer_id="t", started_event_id=5)
    assert event.timestamp.timestamp() == NOW + 5
    assert outcome.touched == {5}
    assert run.state.items == {}
    assert run.pass_time(100).events == []


def test_a_timer_of_zero_fires_at_the_next_look() -> None:
    run = World().start()
    run.decide(StartTimerDecision(0, id="t"))
    assert run.state.next_deadline() == NOW
    run.news()
    run.pass_time(0)
    assert run.news() == ["TimerFired", "DecisionScheduled"]


# --- activities ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "taken_after", "expires_after", "timeout_type"),
    [
        ({"schedule_to_start_timeout": 5.0}, None, 5.0, S2S),
        ({"schedule_to_close_timeout": 5.0}, None, 5.0, S2C),
        ({"schedule_to_close_timeout": 5.0}, 2.0, 5.0, S2C),
        ({"start_to_close_timeout": 5.0}, 2.0, 7.0, STC),
        ({"heartbeat_timeout": 5.0}, 2.0, 7.0, HEARTBEAT),
        ({"schedule_to_start_timeout": 3.0, "schedule_to_close_timeout": 5.0}, None, 3.0, S2S),
        ({"schedule_to_start_timeout": 7.0, "schedule_to_close_timeout": 5.0}, None, 5.0, S2C),
        ({"start_to_close_timeout": 5.0, "heartbeat_timeout": 3.0}, 1.0, 4.0, HEARTBEAT),
        ({"start_to_close_timeout": 3.0, "heartbeat_timeout": 5.0}, 1.0, 4.0, STC),
        ({"schedule_to_close_timeout": 5.0, "heartbeat_timeout": 5.0}, 1.0, 5.0, S2C),
        ({"schedule_to_start_timeout": 0.0}, None, 0.0, S2S),
    ],
)
def test_the_earliest_clock_of_an_activity_wins(
    settings: dict[str, Any], taken_after: float | None, expires_after: float, timeout_type: TimeoutType
) -> None:
    run = run_with(taken_after=taken_after, **settings)
    assert run.state.next_deadline() == NOW + expires_after
    outcome = run.pass_time(NOW + expires_after - run.world.now)
    assert run.news() == ["ActivityTimedOut", "DecisionScheduled"]
    event = run.only(ActivityTimedOutEvent)
    assert (event.timeout_type, event.scheduled_event_id) == (timeout_type, 5)
    assert event.started_event_id == (0 if taken_after is None else 6)
    assert outcome.touched == {5}
    assert run.state.items == {}
    assert run.state.next_deadline() is None


@pytest.mark.parametrize(
    "settings", [{"schedule_to_start_timeout": 5.0}, {"start_to_close_timeout": 5.0, "heartbeat_timeout": 5.0}]
)
def test_a_clock_that_does_not_run_does_not_expire(settings: dict[str, Any]) -> None:
    taken = 1.0 if "schedule_to_start_timeout" in settings else None
    run = run_with(taken_after=taken, **settings)
    assert run.state.next_deadline() is None
    assert run.pass_time(100).events == []


@pytest.mark.parametrize("settings", [{"heartbeat_timeout": 5.0}, {"start_to_close_timeout": 5.0}])
def test_a_timeout_of_any_kind_tells_the_details_of_the_last_heartbeat(settings: dict[str, Any]) -> None:
    run = run_with(taken_after=0.0, **settings)
    run.heartbeat("a", "1")
    run.heartbeat("a", "2")
    run.pass_time(5)
    assert run.only(ActivityTimedOutEvent).details_json == "2"


# --- decisions -------------------------------------------------------------------------------------------


def test_a_decision_that_is_not_answered_is_scheduled_again() -> None:
    run = World().start()
    run.take_decision(session="s")
    run.news()
    assert run.state.next_deadline() == NOW + 60
    run.pass_time(60)
    assert run.news() == ["DecisionTimedOut", "DecisionScheduled"]
    event = run.only(DecisionTimedOutEvent)
    assert (event.timeout_type, event.scheduled_event_id, event.started_event_id) == (STC, 2, 3)
    assert run.last.timestamp == event.timestamp
    assert run.state.decision_ready


def test_a_queued_decision_is_not_scheduled_twice() -> None:
    run = World().start()
    run.take_decision()
    run.ask(SignalProcess(signal="s"))
    run.news()
    run.pass_time(60)
    assert run.news() == ["DecisionTimedOut"]
    assert run.state.decision_ready


def test_attempts_are_counted_until_one_is_answered() -> None:
    run = World().start()
    attempts = []
    for _ in range(3):
        attempts.append(run.head.decision_attempt)
        run.take_decision()
        run.pass_time(60)
    run.decide(StartTimerDecision(0, id="t"))
    attempts.append(run.head.decision_attempt)
    assert attempts == [1, 2, 3, 1]
    assert run.head.previous_started_event_id == 12


def test_a_decision_that_nobody_takes_from_a_sticky_list_goes_back() -> None:
    run = World().start()
    run.decide(task_list="mine", task_list_schedule_to_start_timeout=5.0)
    run.ask(SignalProcess(signal="s"))
    scheduled = run.last.event_id
    run.news()
    run.pass_time(5)
    assert run.news() == ["DecisionTimedOut", "DecisionScheduled"]
    event = run.only(DecisionTimedOutEvent)
    assert (event.timeout_type, event.scheduled_event_id, event.started_event_id) == (S2S, scheduled, 0)
    assert run.last.task_list == "orders"


def test_a_decision_without_a_timeout_waits_for_ever() -> None:
    run = World().start(decision_timeout=None)
    run.take_decision()
    assert run.state.next_deadline() is None
    assert run.pass_time(10**6).events == []


# --- the process -----------------------------------------------------------------------------------------


def test_a_process_times_out() -> None:
    run = World().start(execution_timeout=50.0, parent=ProcessRef("parent", "run"), parent_initiated_event_id=5)
    run.world.outbox.clear()
    run.decide(StartTimerDecision(100, id="t"))
    outcome = run.pass_time(50)
    assert run.news() == ["TimerStarted", "ProcessTimedOut"]
    assert run.last == ProcessTimedOutEvent(
        event_id=6, timestamp=run.last.timestamp, child_policy=ChildPolicy.TERMINATE
    )
    assert run.head.status is ProcessStatus.TIMED_OUT
    assert run.head.closed_at == NOW + 50
    assert outcome.touched == {5}
    (message,) = outcome.messages
    assert message.body == ChildClosed(initiated_event_id=5, child=run.ref, status=ProcessStatus.TIMED_OUT)


def test_the_child_policy_is_applied_when_a_process_times_out() -> None:
    world = World()
    parent = world.start(execution_timeout=50.0)
    parent.decide(StartChildProcessDecision("Order", id="c"))
    world.deliver_all()
    parent.pass_time(50)
    world.deliver_all()
    child = world.run("c")
    assert isinstance(child.last, ProcessTerminatedEvent)


# --- order -----------------------------------------------------------------------------------------------


def test_all_that_is_due_happens_in_the_order_of_its_time() -> None:
    run = World().start(execution_timeout=1000.0)
    run.decide(
        StartTimerDecision(3, id="third"),
        ScheduleActivityDecision("Work", id="second", schedule_to_start_timeout=2),
        StartTimerDecision(1, id="first"),
        StartTimerDecision(9, id="later"),
    )
    run.news()
    run.pass_time(5)
    assert run.news() == ["TimerFired", "DecisionScheduled", "ActivityTimedOut", "TimerFired"]
    assert [event.timer_id for event in run.history if isinstance(event, TimerFiredEvent)] == ["first", "third"]
    assert list(run.state.timers) == ["later"]


def test_of_equal_times_the_lower_event_comes_first() -> None:
    run = World().start()
    run.decide(StartTimerDecision(1, id="b"), StartTimerDecision(1, id="a"), StartTimerDecision(1, id="c"))
    run.pass_time(1)
    assert [event.timer_id for event in run.history if isinstance(event, TimerFiredEvent)] == ["b", "a", "c"]


def test_nothing_happens_after_the_process_timed_out() -> None:
    run = World().start(execution_timeout=2.0)
    run.decide(StartTimerDecision(1, id="t"), StartTimerDecision(2, id="u"), StartTimerDecision(3, id="v"))
    run.news()
    run.pass_time(10)
    assert run.news() == ["TimerFired", "DecisionScheduled", "ProcessTimedOut"]


def test_a_full_history_ends_the_run_while_things_fire() -> None:
    run = World(limited(events=20)).start()
    run.decide(*(StartTimerDecision(1, id=f"t{number}") for number in range(8)))
    run.pass_time(1)
    assert run.news()[8:] == ["TimerFired", "DecisionScheduled"] + ["TimerFired"] * 3 + ["ProcessTerminated"]
    assert len(run.history) <= 20


# --- dead sessions ---------------------------------------------------------------------------------------


def test_a_dead_session_loses_its_tasks() -> None:
    run = World().start()
    run.decide(
        ScheduleActivityDecision("Work", id="beats", heartbeat_timeout=9),
        ScheduleActivityDecision("Work", id="silent"),
        ScheduleActivityDecision("Work", id="other's"),
        ScheduleActivityDecision("Work", id="waits"),
        StartTimerDecision(0, id="t"),
    )
    for activity_id, session in (("beats", "dead"), ("silent", "dead"), ("other's", "alive")):
        run.take_activity(activity_id, session=session)
    run.heartbeat("beats", "1")
    run.pass_time(0)
    run.take_decision(session="dead")
    run.news()
    outcome = run.release("dead")
    assert run.news() == ["ActivityTimedOut", "DecisionScheduled", "ActivityTimedOut", "DecisionTimedOut"]
    first, second = (event for event in run.history if isinstance(event, ActivityTimedOutEvent))
    assert (first.timeout_type, first.scheduled_event_id, first.details_json) == (HEARTBEAT, 5, "1")
    assert (second.timeout_type, second.scheduled_event_id) == (STC, 6)
    assert run.last.timeout_type is STC
    assert outcome.touched == {5, 6}
    assert list(run.state.activities) == ["other's", "waits"]
    assert run.head.decision_attempt == 2
    assert run.release("dead").events == []


def test_one_task_of_a_session_is_released() -> None:
    run = World().start()
    run.decide(*[ScheduleActivityDecision("Work", id=id) for id in ("mine", "lost")], StartTimerDecision(0, id="t"))
    for activity_id in ("mine", "lost"):
        run.take_activity(activity_id, session="s")
    lost = run.head.last_event_id
    run.pass_time(0)
    run.take_decision(session="s")
    decision = run.head.last_event_id
    run.news()
    assert run.release("another", lost).events == []
    run.release("s", lost)
    assert run.news() == ["ActivityTimedOut", "DecisionScheduled"]
    assert list(run.state.activities) == ["mine"]
    run.release("s", decision)
    assert run.news() == ["DecisionTimedOut"]
    assert run.release("s", decision).events == []


def test_a_session_that_holds_nothing_loses_nothing() -> None:
    run = run_with(taken_after=0.0)
    run.ask(SignalProcess(signal="s"))
    run.take_decision(session="alive")
    run.news()
    run.release("dead")
    assert run.news() == []


def test_a_full_history_ends_the_run_while_tasks_are_released() -> None:
    run = World(limited(events=16)).start()
    run.decide(*(ScheduleActivityDecision("Work", id=id) for id in "abc"))
    for id in "abc":
        run.take_activity(id, session="dead")
    run.news()
    run.release("dead")
    assert run.news() == ["ActivityTimedOut", "DecisionScheduled", "ActivityTimedOut", "ProcessTerminated"]


def test_firing_twice_changes_nothing() -> None:
    run = World().start()
    run.decide(RecordMarkerDecision("m"), StartTimerDecision(1, id="t"))
    run.pass_time(1)
    assert run.ask(FireDeadlines()).events == []
