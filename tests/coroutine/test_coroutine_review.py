"""Coroutine workflows as those write them who hope that they break."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from aioworkflow import (
    Process,
    activity,
    execute,
    patched,
    side_effect,
    start_activity,
    wait_signal,
    workflow,
)
from aioworkflow.decision import RecordMarkerDecision
from aioworkflow.errors import NondeterminismError
from aioworkflow.machine.limits import Limits
from tests.coroutine.stage import Stage


@activity
async def double(number: int) -> int:
    return number * 2


async def finish_all(stage: Stage) -> None:
    """Take turns and complete what is scheduled, until the process is closed."""
    for _ in range(100):
        stage.pass_time(0)
        await stage.settle()
        if not stage.is_open:
            return
        for activity_id in stage.open_activities:
            stage.complete(activity_id, 1)
    raise AssertionError("it goes on and on")


# --- side effects and patches ----------------------------------------------------------------------------


@pytest.mark.parametrize("effect", [lambda: 1 / 0, lambda: object()], ids=["raises", "no JSON"])
async def test_a_side_effect_that_raises_spoils_the_turn_also_where_that_is_caught(effect: Callable[[], Any]) -> None:
    effects = [effect]

    @workflow
    async def order() -> str:
        await wait_signal("go")
        try:
            value = str(side_effect(effects[0]))
        except Exception:
            value = str(await execute(double, 1))
        await wait_signal("end")
        return value

    stage = Stage(order, double)
    await stage.start()
    stage.signal("go")
    stage.take()
    stage.replays = False
    with pytest.raises((ZeroDivisionError, ValueError)):
        await stage.decide()
    effects[0] = lambda: "well"
    decisions = await stage.decide()
    assert decisions == [RecordMarkerDecision("aioworkflow.side_effect", "well")]
    stage.answer(decisions)
    stage.replays = True
    stage.signal("end")
    await stage.settle()
    assert stage.result == "well"


async def test_a_side_effect_that_history_does_not_know_cannot_be_caught() -> None:
    @workflow(name="order")
    async def before() -> None:
        await execute(double, 1)

    @workflow(name="order")
    async def after() -> None:
        try:
            side_effect(lambda: 1)
        except NondeterminismError:
            await execute(double, 1)

    stage = Stage(before, double)
    await stage.start()
    with pytest.raises(NondeterminismError, match="it has 0 side effects"):
        await after.decide(Process(stage.run.ref, stage.run.history))


async def test_a_side_effect_beyond_what_an_answer_carries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioworkflow.coroutine.run._MOST_COMMANDS", 3)

    @workflow
    async def order() -> list[Any]:
        handles = [start_activity(double, number) for number in range(7)]
        value = side_effect(lambda: 7)
        return [value, *await asyncio.gather(*handles)]

    stage = Stage(order, double)
    await stage.start()
    await finish_all(stage)
    assert stage.result == [7, *[1] * 7]


async def test_a_patch_beyond_what_an_answer_carries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioworkflow.coroutine.run._MOST_COMMANDS", 3)

    @workflow
    async def order() -> int:
        handles = [start_activity(double, number) for number in range(7)]
        if patched("one more"):
            handles.append(start_activity(double, 7))
        return sum(await asyncio.gather(*handles))

    stage = Stage(order, double)
    await stage.start()
    await finish_all(stage)
    assert stage.result == 8


@pytest.mark.parametrize("turns", [1, 2, 3, 4])
async def test_a_patch_in_code_that_was_sent_in_several_answers(monkeypatch: pytest.MonkeyPatch, turns: int) -> None:
    monkeypatch.setattr("aioworkflow.coroutine.run._MOST_COMMANDS", 3)

    @workflow(name="order")
    async def before() -> int:
        return sum(await asyncio.gather(*(execute(double, number) for number in range(7))))

    @workflow(name="order")
    async def after() -> int:
        handles = [start_activity(double, number) for number in range(5)]
        more = 3 if patched("one more") else 2
        return sum(await asyncio.gather(*handles, *(execute(double, number) for number in range(more))))

    stage = Stage(before, double)
    await stage.start()
    for _ in range(turns - 1):
        stage.pass_time(0)
        await stage.settle()
    stage.forget()
    stage.workflow = after
    await finish_all(stage)
    assert stage.result == (8 if turns < 3 else 7)


# --- timers ----------------------------------------------------------------------------------------------


async def test_what_is_due_in_all_eternity_needs_no_timer() -> None:
    @workflow
    async def order() -> str:
        with anyio.move_on_after(5):
            await anyio.sleep_forever()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(float("inf")), 5)
        return "on time"

    stage = Stage(order)
    await stage.start()
    assert stage.open_timers == ["timer-1"]
    stage.pass_time(5)
    await stage.settle()
    stage.pass_time(5)
    await stage.settle()
    assert stage.result == "on time"


async def test_more_timers_than_there_may_be_in_more_answers_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioworkflow.coroutine.run._MOST_COMMANDS", 4)

    @workflow
    async def order() -> list[str]:
        ends = await asyncio.gather(*(asyncio.sleep(5) for _ in range(12)), return_exceptions=True)
        return [type(end).__name__ for end in ends]

    stage = Stage(order, limits=Limits(open_timers=4))
    await stage.start()
    stage.pass_time(0)
    await stage.settle()
    stage.pass_time(5)
    await stage.settle()
    assert stage.result == ["NoneType"] * 4 + ["LimitExceededError"] * 8
