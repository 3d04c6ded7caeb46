"""Orders that are refused for a reason that passes: they are given again, later and not all at once."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from aioworkflow import ActivityError, Workflow, activity, execute, execute_child, flow, start_child, workflow
from aioworkflow.coroutine import backlog
from aioworkflow.errors import LimitExceededError
from aioworkflow.event import (
    ActivityScheduledEvent,
    Cause,
    ChildProcessStartedEvent,
    ScheduleActivityFailedEvent,
    StartChildProcessFailedEvent,
    TimerStartedEvent,
)
from aioworkflow.machine import decisions
from aioworkflow.machine.limits import Limits
from tests.coroutine.stage import Stage


@activity
async def double(number: int) -> int:
    return number * 2


@workflow
async def fan_out(width: int) -> int:
    return sum(await asyncio.gather(*(execute(double, number) for number in range(width))))


async def finish_all(stage: Stage) -> None:
    """Complete what is open, one activity in each turn, until the process has ended."""
    while stage.is_open:
        first = stage.open_activities[0]
        stage.complete(first, int(first.rpartition("-")[2]))
        await stage.settle()


def delays(stage: Stage) -> list[float]:
    """Return the delays of all timers."""
    return [event.delay for event in stage.run.history if isinstance(event, TimerStartedEvent)]


def refuse(monkeypatch: pytest.MonkeyPatch, cause: Cause, times: int, *, first: int = 1) -> None:
    """Have some of the next activities refused as only the service does."""
    original: Callable[..., Any] = decisions._resolve_activity
    asked = itertools.count(1)
    monkeypatch.setattr(
        decisions,
        "_resolve_activity",
        lambda *args: cause if first <= next(asked) < first + times else original(*args),
    )


async def test_more_than_may_be_open_wait_for_others_to_end() -> None:
    stage = Stage(fan_out, double, limits=Limits(open_activities=3))
    await stage.start(10)
    assert stage.open_activities == ["double-1", "double-2", "double-3"]
    await stage.settle()
    stage.complete("double-2", 2)
    await stage.settle()
    assert stage.open_activities == ["double-1", "double-3", "double-4"]
    await finish_all(stage)
    assert stage.result == sum(range(1, 11))
    assert len(stage.events(ScheduleActivityFailedEvent)) == 7, "each was refused once"
    assert stage.events(TimerStartedEvent) == []


async def test_children_wait_for_children() -> None:
    class ChildWorkflow(Workflow):
        async def run(self, number: int) -> int:
            await flow.wait_signal("go")
            return number

    @workflow
    async def parent() -> list[str]:
        children = (execute_child(ChildWorkflow, number, id=f"c-{number}") for number in range(5))
        ended = await asyncio.gather(*children, return_exceptions=True)
        return [type(end).__name__ for end in ended]

    stage = Stage(parent, others=[ChildWorkflow], limits=Limits(open_children=2))
    await stage.start()
    await stage.settle()
    assert len(stage.events(StartChildProcessFailedEvent)) == 3
    started = []
    for number in range(5):
        started.append(len(stage.events(ChildProcessStartedEvent)))
        stage.run_of(f"c-{number}").ask(stage.termination())
        await stage.settle()
    assert started == [2, 3, 4, 5, 5]
    assert stage.result == ["ChildError"] * 5


async def test_a_child_that_waits_can_be_cancelled() -> None:
    class ChildWorkflow(Workflow):
        async def run(self) -> None:
            await flow.wait_signal("go")

    @workflow
    async def parent() -> str:
        start_child(ChildWorkflow, id="c-1")
        waiting = start_child(ChildWorkflow, id="c-2")
        await flow.wait_signal("enough")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting.started
        return "cancelled"

    stage = Stage(parent, others=[ChildWorkflow], limits=Limits(open_children=1))
    await stage.start()
    await stage.settle()
    stage.signal("enough")
    await stage.settle()
    assert stage.result == "cancelled"


@pytest.mark.parametrize("cause", [Cause.ACTIVITY_CREATION_RATE_EXCEEDED, Cause.OPEN_WORKFLOWS_LIMIT_EXCEEDED])
async def test_what_comes_too_fast_comes_again_after_pauses_that_grow(
    monkeypatch: pytest.MonkeyPatch, cause: Cause
) -> None:
    refuse(monkeypatch, cause, times=6)
    stage = Stage(fan_out, double)
    await stage.start(3)
    await stage.settle()
    assert delays(stage) == [1.0]
    stage.pass_time(1.0)
    await stage.settle()
    assert stage.open_activities == []
    stage.pass_time(1.9)
    assert stage.open_activities == []
    stage.pass_time(0.2)
    await stage.settle()
    assert stage.open_activities == ["double-1", "double-2", "double-3"]
    assert delays(stage) == [1.0, 2.0]
    await finish_all(stage)
    assert stage.result == 6


async def test_pauses_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, Cause.ACTIVITY_CREATION_RATE_EXCEEDED, times=9)
    stage = Stage(fan_out, double)
    await stage.start(1)
    while not stage.open_activities:
        await stage.settle()
        stage.pass_time(60.0)
    assert delays(stage) == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    await finish_all(stage)


async def test_many_come_again_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "_AT_A_TIME", 2)
    refuse(monkeypatch, Cause.ACTIVITY_CREATION_RATE_EXCEEDED, times=5)
    stage = Stage(fan_out, double)
    await stage.start(5)
    opened = []
    while len(stage.open_activities) < 5:
        await stage.settle()
        stage.pass_time(1.0)
        await stage.settle()
        opened.append(len(stage.open_activities))
    assert opened == [2, 4, 5]


async def test_a_limit_with_nothing_open_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, Cause.OPEN_ACTIVITIES_LIMIT_EXCEEDED, times=1)
    stage = Stage(fan_out, double)
    await stage.start(1)
    await stage.settle()
    stage.pass_time(1.0)
    await stage.settle()
    assert stage.open_activities == ["double-1"]


async def test_who_waits_can_be_cancelled_and_is_not_ordered_again() -> None:
    @workflow
    async def order() -> str:
        first = flow.start_activity(double, 1)
        second = flow.start_activity(double, 2)
        await flow.wait_signal("enough")
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        await first
        return f"attempt {first.attempts}"

    stage = Stage(order, double, limits=Limits(open_activities=1))
    await stage.start()
    await stage.settle()
    stage.signal("enough")
    await stage.settle()
    stage.complete("double-1", 2)
    await stage.settle()
    assert stage.result == "attempt 1"
    assert len(stage.events(ActivityScheduledEvent)) == 1


async def test_refusals_are_no_attempts_and_others_raise() -> None:
    @workflow
    async def order() -> list[object]:
        first, second = flow.start_activity(double, 1), flow.start_activity(double, 2)
        await first
        await second
        try:
            await execute("Unknown")
        except ActivityError as error:
            return [second.attempts, second.refusals, error.how]
        raise AssertionError

    stage = Stage(order, double, limits=Limits(open_activities=1))
    await stage.start()
    await stage.settle()
    stage.complete("double-1", 2)
    await stage.settle()
    stage.complete("double-2", 4)
    await stage.settle()
    assert stage.result == [1, 0, "refused"]


@workflow
async def three(cancels: str) -> int:
    """Order three activities; the second may be cancelled when the first ends, or by a signal."""
    first, second, third = (flow.start_activity(double, number) for number in (1, 2, 3))

    async def cancel() -> None:
        await (first if cancels == "at once" else flow.wait_signal("enough"))
        second.cancel()

    cancelling = asyncio.create_task(cancel())
    await asyncio.wait([second])
    result = await third
    cancelling.cancel()
    return result


async def end_first_of_three(stage: Stage, cancels: str) -> None:
    """Let the second be ordered again, and come to nothing."""
    await stage.start(cancels)
    await stage.settle()
    stage.complete("double-1", 2)
    await stage.settle()


async def test_one_that_is_cancelled_when_it_may_go_lets_the_next_go() -> None:
    stage = Stage(three, double, limits=Limits(open_activities=1))
    await end_first_of_three(stage, "at once")
    await finish_all(stage)
    assert stage.result == 3


async def test_one_that_is_refused_for_good_lets_the_next_go(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(three, double, limits=Limits(open_activities=1))
    refuse(monkeypatch, Cause.ACTIVITY_TYPE_DEPRECATED, 1, first=4)
    await end_first_of_three(stage, "never")
    await finish_all(stage)
    assert stage.result == 3


async def test_one_that_is_cancelled_in_its_pause_lets_the_next_go(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(three, double, limits=Limits(open_activities=1))
    refuse(monkeypatch, Cause.ACTIVITY_CREATION_RATE_EXCEEDED, 1, first=4)
    await end_first_of_three(stage, "by signal")
    stage.signal("enough")
    await stage.settle()
    stage.pass_time(1.0)
    await stage.settle()
    await finish_all(stage)
    assert stage.result == 3


async def test_a_child_that_comes_to_nothing_lets_the_next_go() -> None:
    class ChildWorkflow(Workflow):
        async def run(self) -> None:
            await flow.wait_signal("go")

    @workflow
    async def parent() -> None:
        first = start_child(ChildWorkflow, id="c-1")
        second = start_child(ChildWorkflow, id="c-2")
        third = start_child(ChildWorkflow, id="c-3")

        async def cancel() -> None:
            await asyncio.wait([first])
            second.cancel()

        cancelling = asyncio.create_task(cancel())
        await third.started
        await cancelling

    stage = Stage(parent, others=[ChildWorkflow], limits=Limits(open_children=1))
    await stage.start()
    await stage.settle()
    stage.run_of("c-1").ask(stage.termination())
    await stage.settle()
    assert not stage.is_open
    assert len(stage.events(ChildProcessStartedEvent)) == 2


async def test_what_waits_is_not_ordered_when_nobody_can_wait_for_it() -> None:
    @workflow
    async def order() -> None:
        flow.start_activity(double, 1)
        flow.start_activity(double, 2)
        await flow.wait_signal("enough")

    stage = Stage(order, double, limits=Limits(open_activities=1))
    await stage.start()
    await stage.settle()
    stage.signal("enough")
    stage.take()
    decisions = await stage.decide()
    stage.complete("double-1", 2)
    stage.answer(decisions)
    assert await stage.settle() == decisions
    assert not stage.is_open


@pytest.mark.parametrize("kind", ["activity", "child"])
async def test_a_pause_that_cannot_begin_is_told_to_who_waits(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    @workflow
    async def order() -> str:
        try:
            await (execute(double, 1) if kind == "activity" else execute_child(order, id="c-1"))
        except LimitExceededError as error:
            return str(error)
        return "not refused"

    refuse(monkeypatch, Cause.ACTIVITY_CREATION_RATE_EXCEEDED, times=1)
    stage = Stage(order, double, limits=Limits(open_timers=0, open_children=0))
    await stage.start()
    await stage.settle()
    assert stage.result == "timer 'aioworkflow.backlog-1' could not be started: OPEN_TIMERS_LIMIT_EXCEEDED"
