"""Coroutine workflows as a hostile user writes them."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import threading
from typing import Any

import anyio
import anyio.to_thread
import pytest

from aioworkflow import Activity, activity, flow, workflow
from aioworkflow.decision import *
from tests.coroutine.stage import Stage


@activity
async def double(number: int) -> int:
    return number * 2


async def test_side_effect_raises_and_is_caught() -> None:
    @workflow
    async def order() -> str:
        try:
            flow.side_effect(lambda: 1 / 0)
        except ZeroDivisionError:
            await flow.execute(double, 1)
            return "caught"
        return "not raised"

    stage = Stage(order, double)
    stage.replays = False
    await stage.start()
    stage.replays = True
    stage.complete("double-1", 2)
    await stage.turn()
    assert stage.result == "caught"


async def test_side_effect_after_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioworkflow.coroutine.run._MOST_COMMANDS", 3)

    @workflow
    async def order() -> Any:
        handles = [flow.start_activity(double, n) for n in range(5)]
        x = flow.side_effect(lambda: 7)
        return [x, await asyncio.gather(*handles)]

    stage = Stage(order, double)
    stage.replays = False
    await stage.start()
    stage.replays = True
    stage.pass_time(0)
    await stage.settle()
    for n in range(5):
        stage.complete(f"double-{n + 1}", n)
    await stage.settle()
    assert stage.result == [7, [0, 1, 2, 3, 4]]


async def test_patched_after_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioworkflow.coroutine.run._MOST_COMMANDS", 3)

    @workflow
    async def order() -> Any:
        handles = [flow.start_activity(double, n) for n in range(5)]
        if flow.patched("x"):
            handles.append(flow.start_activity(double, 5))
        return await asyncio.gather(*handles)

    stage = Stage(order, double)
    await stage.start()
    stage.pass_time(0)
    await stage.settle()
    stage.pass_time(0)
    await stage.settle()
    for n in range(6):
        stage.complete(f"double-{n + 1}", n)
    await stage.settle()
    assert stage.result == [0, 1, 2, 3, 4, 5]


async def test_anyio_sleep_forever() -> None:
    @workflow
    async def order() -> str:
        with anyio.move_on_after(5):
            await anyio.sleep_forever()
        return "done"

    stage = Stage(order, double)
    await stage.start()
    stage.pass_time(5)
    await stage.settle()
    assert stage.result == "done"


async def test_asyncio_sleep_inf() -> None:
    @workflow
    async def order() -> str:
        try:
            await asyncio.wait_for(asyncio.sleep(float("inf")), 5)
        except TimeoutError:
            return "done"
        return "?"

    stage = Stage(order, double)
    await stage.start()
    stage.pass_time(5)
    await stage.settle()
    assert stage.result == "done"


async def test_sleep_nan() -> None:
    @workflow
    async def order() -> str:
        try:
            await asyncio.sleep(float("nan"))
        except ValueError as e:
            return "value error"
        return "?"

    stage = Stage(order, double)
    await stage.start()
    assert stage.result == "value error"


async def test_long_message() -> None:
    @workflow
    async def order() -> str:
        raise ValueError("x" * 100_000)

    stage = Stage(order, double)
    await stage.start()
    assert stage.ending.reason.startswith("ValueError: xx")


async def test_thread_by_anyio() -> None:
    @workflow
    async def order() -> str:
        try:
            await anyio.to_thread.run_sync(lambda: 1)
        except flow_forbidden:
            return "forbidden"
        return "?"

    from aioworkflow.errors import ForbiddenCallError as flow_forbidden

    stage = Stage(order, double)
    await stage.start()
    assert stage.result == "forbidden"


async def test_eager_factory_group() -> None:
    if not hasattr(asyncio, "eager_task_factory"):
        return

    @workflow
    async def order() -> str:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        try:
            async with asyncio.TaskGroup() as group:
                for n in range(30):
                    group.create_task(flow.execute(double, n))
        except ExceptionGroup:
            return "failed"
        return "?"

    stage = Stage(order, double)
    await stage.start()
    stage.fail("double-3", ValueError())
    await stage.turn()
    for n in range(30):
        if n != 2:
            stage.complete(f"double-{n + 1}", 1)
    await stage.settle()
    assert stage.result == "failed"


async def test_dataclass_activity() -> None:
    @dataclasses.dataclass
    class Charge(Activity):
        key: str

        async def execute(self, task: Any, worker: Any) -> int:
            return 1

    @workflow
    async def order() -> int:
        return await flow.execute(Charge("x"), 1)

    stage = Stage(order, Charge("x"))
    await stage.start()
    stage.complete("Charge-1", 1)
    await stage.turn()
    assert stage.result == 1


async def test_wait_on_gathers() -> None:
    @workflow
    async def order() -> Any:
        ones = [asyncio.gather(flow.execute(double, n)) for n in range(10)]
        done, _ = await asyncio.wait(ones)
        for d in done:
            await flow.execute(double, d.result()[0])
        return "ok"

    stage = Stage(order, double)
    await stage.start()
    for n in range(10):
        stage.complete(f"double-{n + 1}", n)
    keep = []
    for n in range(10):
        keep.append(await stage.turn())
        for i in stage.open_activities:
            stage.complete(i, 1)
    await stage.settle()
    assert stage.result == "ok"


async def test_contextvars_and_tasks_left() -> None:
    import contextvars

    var = contextvars.ContextVar("var", default=0)

    @workflow
    async def order() -> Any:
        async def child(n: int) -> int:
            var.set(n)
            await flow.execute(double, n)
            return var.get()

        token = var.set(99)
        left = asyncio.create_task(child(5))
        r = await asyncio.gather(child(1), child(2))
        return [*r, var.get()]

    stage = Stage(order, double)
    await stage.start()
    stage.complete("double-1", 1)
    await stage.turn()
    stage.complete("double-2", 1)
    await stage.turn()
    while stage.is_open and stage.open_activities:
        for i in stage.open_activities: stage.complete(i, 1)
        await stage.settle()
    assert stage.result == [1, 2, 99]


async def test_asyncio_run_inside() -> None:
    @workflow
    async def order() -> Any:
        async def other() -> None: ...
        c = other()
        try:
            asyncio.run(c)
        except RuntimeError as e:
            c.close()
            return str(e)

    stage = Stage(order, double)
    await stage.start()
    print(stage.result)


async def test_many_sleeps_beyond_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioworkflow.coroutine.run._MOST_COMMANDS", 4)
    from aioworkflow.machine.limits import Limits

    @workflow
    async def order() -> Any:
        r = await asyncio.gather(*(asyncio.sleep(5, n) for n in range(12)), return_exceptions=True)
        return [type(x).__name__ for x in r]

    stage = Stage(order, double, limits=Limits(open_timers=4))
    await stage.start()
    for _ in range(20):
        stage.pass_time(0)
        await stage.settle()
    stage.pass_time(10)
    await stage.settle()
    assert stage.is_open is False
    print(stage.result)


async def test_replay_calls_side_effect() -> None:
    from aioworkflow.testing import replay
    calls = []

    @workflow
    async def order() -> Any:
        flow.side_effect(lambda: calls.append(1) or 5)
        return await flow.execute(double, 1)

    stage = Stage(order, double)
    stage.replays = False
    await stage.start()
    stage.complete("double-1", 2)
    await stage.turn()
    calls.clear()
    from aioworkflow.process import Process
    await replay(Process(stage.run.ref, stage.run.history), order)
    assert calls == []
