"""Histories that do not fit the code: what is said of them, and what is left alone."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from aioworkflow import (
    NondeterminismError,
    activity,
    execute,
    execute_child,
    flow,
    side_effect,
    signal_process,
    wait_signal,
    workflow,
)
from aioworkflow.machine.limits import Limits
from aioworkflow.process import Process
from tests.coroutine.stage import Stage


@activity
async def charge(name: str = "") -> str:
    return name


@activity
async def ship(name: str = "") -> str:
    return name


Code = Callable[[], Coroutine[Any, Any, Any]]


async def misfit(before: Code, after: Code) -> str:
    """Return what is said when ``after`` replays what ``before`` did up to a signal."""

    @workflow
    async def order() -> None:
        await code()
        await wait_signal("end")

    code = before
    stage = Stage(order, charge, ship)
    stage.replays = False
    await stage.start()
    stage.forget()
    stage.signal("go")
    code = after
    stage.take()
    with pytest.raises(NondeterminismError) as caught:
        await stage.decide()
    assert stage.kept is not None
    assert stage.kept.attached is None
    assert not re.search(r"\n\S", str(caught.value)), "all lines but the first are indented"
    return re.sub(r"/\S*/(\w+\.py):\d+", r"\1:N", str(caught.value))


async def nothing() -> None:
    pass


async def charges() -> None:
    await execute(charge, "x")


async def ships() -> None:
    await execute(ship, "x")


async def charges_and_ships() -> None:
    await charges()
    await asyncio.gather(wait_signal("end"), ships())


async def both() -> None:
    await asyncio.gather(execute(charge), execute(ship))


async def sleeps() -> None:
    await asyncio.sleep(5)


async def test_another_activity() -> None:
    assert await misfit(charges, ships) == (
        "the history of process 'p' (run r) (order (version 1)) does not fit the code, in the turn that decision 4 "
        "answered; the process is left as it is until code comes that fits (see aioworkflow.flow.patched)\n"
        "  - history: event 5, ActivityScheduledEvent 'charge-1' of 'charge'\n"
        "  + code:    ScheduleActivityDecision 'ship-1' of 'ship' at test_coroutine_matching.py:N in ships < "
        "test_coroutine_matching.py:N in order"
    )


async def test_the_same_and_one_more() -> None:
    told = await misfit(charges, both)
    assert "    both:    event 5, ActivityScheduledEvent 'charge-1' of 'charge'\n" in told
    assert (
        "  - history: nothing more\n  + code:    ScheduleActivityDecision 'ship-1' of 'ship' at "
        "test_coroutine_matching.py:N in both < test_coroutine_matching.py:N in order"
    ) in told, "no line of the workflow runs in the task that gather() makes of execute()"
    assert sys.get_coroutine_origin_tracking_depth() == 0


async def test_one_less() -> None:
    told = await misfit(both, charges)
    assert "  - history: event 6, ActivityScheduledEvent 'ship-1' of 'ship'\n  + code:    nothing more\n" in told
    assert "the code waits at test_coroutine_matching.py:N in charges < test_coroutine_matching.py:N in order" in told


async def test_a_timer_in_the_place_of_an_activity() -> None:
    told = await misfit(charges, sleeps)
    assert "  + code:    StartTimerDecision 'timer-1' at test_coroutine_matching.py:N in sleeps" in told


async def test_nothing_in_the_place_of_something() -> None:
    async def waits() -> None:
        asyncio.create_task(asyncio.Event().wait())  # noqa: RUF006 - which waits nowhere in the code of the workflow

    told = await misfit(charges, waits)
    assert told.count("the code waits at") == 1
    assert "the code waits at test_coroutine_matching.py:N in order" in told


async def test_an_exception_in_the_place_of_something() -> None:
    async def fails() -> None:
        raise ValueError("oops")

    assert "  + code:    FailProcessDecision (ValueError: oops)" in await misfit(charges, fails)


async def test_another_child_or_signal() -> None:
    async def child() -> None:
        await execute_child("Child", 1, id="a")

    async def other_child() -> None:
        await execute_child("Child", 1, id="b")

    async def signal() -> None:
        await signal_process("p", "hello")

    async def other_signal() -> None:
        await signal_process("p", "good bye")

    assert "StartChildProcessFailedEvent 'a' of 'Child'\n  + code:    StartChildProcessDecision 'b'" in await misfit(
        child, other_child
    )
    assert "SignalProcessInitiatedEvent 'p' of 'hello'\n" in await misfit(signal, other_signal)


async def test_a_side_effect_that_history_does_not_know() -> None:
    async def effect() -> None:
        side_effect(lambda: 1)

    assert "it has 0 side effects, and the code wants the result of another one" in await misfit(nothing, effect)


async def test_code_that_goes_otherwise_each_time() -> None:
    count = iter(range(100))

    async def odd() -> None:
        if next(count) % 2 == 0:
            await execute(ship)
        else:
            await execute(charge)

    told = await misfit(charges, odd)
    assert "ScheduleActivityDecision 'ship-1' of 'ship'" in told
    assert " at " not in told


async def test_a_long_diff_is_cut() -> None:
    async def many() -> None:
        await asyncio.gather(*(execute(charge) for _ in range(30)))

    async def nearly() -> None:
        await asyncio.gather(*(execute(ship if number == 15 else charge) for number in range(30)))

    told = (await misfit(many, nearly)).splitlines()
    assert [line.split()[0] for line in told[1:]] == ["both:"] * 5 + ["-", "+"] * 6 + ["…"]


async def test_replay_checks_a_whole_history() -> None:
    code = charges

    @workflow
    async def order() -> str:
        await code()
        flow.set_status("charged")
        return str(await wait_signal("end"))

    stage = Stage(order, charge, ship)
    await stage.start()
    stage.complete("charge-1", "x")
    await stage.settle()
    flow.replay(order, Process(stage.run.ref, stage.run.history))
    stage.signal("end")
    await stage.settle()
    process = Process(stage.run.ref, stage.run.history)
    flow.replay(order, process)
    code = charges_and_ships
    with pytest.raises(NondeterminismError, match=r"code: +ScheduleActivityDecision 'ship-1' of 'ship' at "):
        flow.replay(order, process)
    code = ships
    with pytest.raises(NondeterminismError, match=r"at .*test_coroutine_matching\.py:"):
        flow.replay(order, process)


async def test_a_history_that_was_ended_by_force_may_lack_results() -> None:
    @workflow
    async def order() -> None:
        await asyncio.gather(*(execute(charge) for _ in range(20)))

    stage = Stage(order, charge, limits=Limits(events=10))
    await stage.start()
    assert stage.names[-1] == "ProcessTerminated"
    process = Process(stage.run.ref, stage.run.history)
    flow.replay(order, process)
    assert process.attached is None
