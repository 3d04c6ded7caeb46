"""The manual clock of the testing kit."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from aioworkflow.activity import ActivityCompleted
from aioworkflow.backend import StartRequest
from aioworkflow.backends.local import LocalBackend
from aioworkflow.decision import CompleteProcessDecision, ScheduleActivityDecision, StartTimerDecision
from aioworkflow.event import ActivityTimedOutEvent, TimerFiredEvent
from aioworkflow.stores.memory import MemoryStore
from aioworkflow.testing import ManualClock, idle_time_passes
from aioworkflow.types import ActivityType, ChildPolicy, ProcessRef, TypeRef, WorkflowType
from tests.backends.scripted_store import ScriptedStore

DAY = 86_400.0
WORKFLOW = WorkflowType(
    ref=TypeRef("W"),
    execution_timeout=None,
    decision_timeout=None,
    task_list="default",
    task_priority=0,
    child_policy=ChildPolicy.TERMINATE,
)
ACTIVITY = ActivityType(
    ref=TypeRef("A"),
    schedule_to_start_timeout=None,
    start_to_close_timeout=None,
    schedule_to_close_timeout=None,
    heartbeat_timeout=DAY,
    task_list="default",
)


def test_rings_what_is_due_in_order_and_stands_still_otherwise() -> None:
    clock = ManualClock(start=100.0)
    rung: list[tuple[str, float]] = []
    clock.call_at(130.0, lambda: rung.append(("late", clock.now())))
    clock.call_at(110.0, lambda: rung.append(("early", clock.now())))
    clock.call_at(110.0, lambda: rung.append(("early too", clock.now())))
    assert clock.now() == 100.0
    assert clock.next_alarm == 110.0
    clock.advance(29.0)
    assert rung == [("early", 110.0), ("early too", 110.0)]
    assert clock.now() == 129.0
    clock.advance_to(131.0)
    assert rung[-1] == ("late", 130.0)
    assert clock.next_alarm is None


def test_a_cancelled_alarm_does_not_ring() -> None:
    clock = ManualClock(start=0.0)
    rung: list[int] = []
    alarm = clock.call_at(1.0, lambda: rung.append(1))
    clock.call_at(2.0, lambda: rung.append(2))
    alarm.cancel()
    alarm.cancel()
    assert clock.next_alarm == 2.0
    clock.advance(5.0)
    assert rung == [2]


def test_an_alarm_set_in_the_past_rings_at_the_next_move() -> None:
    clock = ManualClock(start=50.0)
    rung: list[float] = []
    clock.call_at(10.0, lambda: rung.append(clock.now()))
    assert rung == []
    clock.advance_to(20.0)
    assert rung == [50.0]
    assert clock.now() == 50.0


async def test_an_alarm_set_in_the_past_rings_soon_in_an_event_loop() -> None:
    clock = ManualClock(start=50.0)
    rung = anyio.Event()
    clock.call_at(50.0, rung.set)
    assert not rung.is_set()
    await rung.wait()
    assert clock.now() == 50.0


def test_an_alarm_may_set_another_that_is_due_in_the_same_move() -> None:
    clock = ManualClock(start=0.0)
    rung: list[float] = []

    def again() -> None:
        rung.append(clock.now())
        if clock.now() < 3.0:
            clock.call_at(clock.now() + 1.0, again)

    clock.call_at(1.0, again)
    clock.advance(10.0)
    assert rung == [1.0, 2.0, 3.0]


def test_moves_only_forward() -> None:
    with pytest.raises(ValueError, match="forward"):
        ManualClock().advance(-1.0)


async def test_thirty_days_pass_when_nothing_goes_on() -> None:
    clock = ManualClock()
    begun = clock.now()
    async with LocalBackend(MemoryStore(), clock=clock) as backend, idle_time_passes(clock, backend):
        await backend.register_workflow(WORKFLOW)
        ref = await backend.start_process(StartRequest(process_id="p", workflow=TypeRef("W")))
        first = await backend.poll_decision_task("default")
        assert first is not None
        await backend.complete_decision_task(first.token, [StartTimerDecision(30 * DAY, id="t")])
        second = await backend.poll_decision_task("default", new_events_only=True)
        assert second is not None
        assert any(isinstance(event, TimerFiredEvent) for event in second.events)
        assert clock.now() == begun + 30 * DAY
        await backend.complete_decision_task(second.token, [CompleteProcessDecision()])
        assert (await backend.process_info(ProcessRef("p", ref.run_id))).closed_at is not None


async def test_time_passes_while_an_activity_hangs() -> None:
    clock = ManualClock()
    begun = clock.now()
    async with (
        LocalBackend(MemoryStore(), clock=clock) as backend,
        idle_time_passes(clock, backend, patience_seconds=0.02),
    ):
        await backend.register_workflow(WORKFLOW)
        await backend.register_activity(ACTIVITY)
        await backend.start_process(StartRequest(process_id="p", workflow=TypeRef("W")))
        first = await backend.poll_decision_task("default")
        assert first is not None
        await backend.complete_decision_task(first.token, [ScheduleActivityDecision("A", id="a")])
        task = await backend.poll_activity_task("default")
        assert task is not None
        second = await backend.poll_decision_task("default", new_events_only=True)
        assert second is not None
        assert isinstance(second.events[-3], ActivityTimedOutEvent)
        assert clock.now() == begun + DAY
        with pytest.raises(LookupError):
            await backend.complete_activity_task(task.token, ActivityCompleted(1))


async def test_no_time_passes_while_something_is_being_saved() -> None:
    clock = ManualClock()
    store = ScriptedStore(MemoryStore())
    rung = anyio.Event()
    async with LocalBackend(store, clock=clock) as backend:
        await backend.register_workflow(WORKFLOW)
        hold = store.hold("commit")
        start = asyncio.create_task(backend.start_process(StartRequest(process_id="p", workflow=TypeRef("W"))))
        await hold.reached.wait()
        clock.call_at(clock.now() + DAY, rung.set)
        async with idle_time_passes(clock, backend, idle_seconds=0.0):
            for _ in range(50):
                await anyio.lowlevel.checkpoint()
            assert not rung.is_set()
            hold.release()
            await start
            with anyio.fail_after(20):
                await rung.wait()


async def test_stops_with_its_block() -> None:
    clock = ManualClock()
    async with LocalBackend(MemoryStore(), clock=clock) as backend:
        async with idle_time_passes(clock, backend):
            pass
        rung: list[int] = []
        clock.call_at(clock.now() + 1.0, lambda: rung.append(1))
        await anyio.wait_all_tasks_blocked()
        assert rung == []
