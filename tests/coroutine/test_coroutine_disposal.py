"""Code that is not needed in memory any more ends silently, and can do nothing on the way."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from aioworkflow import NotInWorkflowError, activity, execute, flow, start_activity, wait_signal, workflow
from aioworkflow.coroutine.run import Run
from aioworkflow.process import Process
from tests.coroutine.stage import Stage


@activity
async def work(name: str = "") -> str:
    return name


@pytest.fixture(autouse=True)
def _silence(caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder) -> Iterator[None]:
    yield
    gc.collect()
    assert [record for record in caplog.get_records("call") if record.levelno >= logging.WARNING] == []
    assert list(recwarn) == []


async def disposed(code: Callable[[], Any]) -> None:
    """Take the first turn of a workflow, and dispose of its code."""
    stage = Stage(workflow(name="order")(code), work)
    stage.replays = False
    await stage.start()
    stage.forget()


async def test_finally_blocks_run_and_can_order_nothing() -> None:
    seen: list[str] = []

    async def code() -> None:
        try:
            await wait_signal("never")
        except GeneratorExit:
            for attempt in (
                lambda: start_activity(work),
                flow.now,
                lambda: asyncio.create_task(wait_signal("x")),
            ):
                with pytest.raises(NotInWorkflowError, match="is being disposed of"):
                    attempt()
            loop = asyncio.get_running_loop()
            loop.call_soon(seen.append, "called soon")
            loop.call_later(0, seen.append, "called later")
            loop.call_later(5, seen.append, "called later").cancel()
            loop.create_future().set_result(None)
            seen.append("cleaned")
            raise

    await disposed(code)
    await asyncio.sleep(0)
    assert seen == ["cleaned"]


async def test_finally_blocks_that_wait_are_ended_too() -> None:
    seen: list[str] = []

    async def code() -> None:
        try:
            await wait_signal("never")
        finally:
            seen.append("first")
            try:
                await asyncio.sleep(0)
            finally:
                seen.append("second")

    await disposed(code)
    assert seen == ["first", "second"]


async def test_code_that_will_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioworkflow.coroutine.disposal._PATIENCE", 3)
    count = 0

    @workflow
    async def order() -> None:
        nonlocal count
        while count < 10:
            try:
                await asyncio.get_running_loop().create_future()
            except GeneratorExit:
                count += 1

    stage = Stage(order)
    stage.replays = False
    await stage.start()
    assert stage.kept is not None
    assert isinstance(stage.kept.attached, Run)
    (task,) = stage.kept.attached.loop.tasks
    inner: list[Any] = [task.get_coro().cr_await]  # type: ignore[union-attr]
    stage.forget()
    assert 3 <= count < 10
    while (coroutine := inner[0]).cr_frame is not None:
        with contextlib.suppress(RuntimeError):
            coroutine.close()


async def test_exceptions_of_cleanup_are_dropped() -> None:
    async def code() -> None:
        try:
            await wait_signal("never")
        finally:
            raise ValueError("from cleanup")

    await disposed(code)


async def test_tasks_groups_and_coroutines_that_nobody_began() -> None:
    ended: list[str] = []

    async def waits(name: str) -> None:
        try:
            await execute(work)
        finally:
            ended.append(name)

    async def code() -> None:
        forgotten = wait_signal("a")
        several = [wait_signal("b"), wait_signal("c")]
        other = asyncio.create_task(waits("other"))
        async with asyncio.TaskGroup() as group:
            group.create_task(waits("in group"))
            await asyncio.gather(waits("gathered"), asyncio.shield(waits("shielded")))
        del forgotten, several, other

    await disposed(code)
    assert sorted(ended) == ["gathered", "in group", "other", "shielded"]


async def test_generators() -> None:
    ended: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            await wait_signal("never")
            yield 2
        finally:
            ended.append("generator")
            await execute(work)

    async def code() -> None:
        kept = numbers()
        await anext(kept)
        async for _ in numbers():
            pass

    await disposed(code)
    gc.collect()
    await asyncio.sleep(0)
    assert set(ended) <= {"generator"}  # up to Python 3.12 it is freed as it stands


async def test_eager_tasks() -> None:
    factory: Any = getattr(asyncio, "eager_task_factory", None)

    async def nothing() -> int:
        return 1

    async def code() -> None:
        asyncio.get_running_loop().set_task_factory(factory)
        done = asyncio.create_task(nothing())
        waiting = asyncio.create_task(execute(work))
        await asyncio.gather(done, waiting)

    await disposed(code)


async def test_nothing_is_left() -> None:
    class Thing:
        pass

    things: list[weakref.ref[Thing]] = []

    async def code() -> None:
        thing = Thing()
        things.append(weakref.ref(thing))
        await asyncio.gather(execute(work), asyncio.sleep(5), wait_signal("x"))

    await disposed(code)
    gc.collect()
    assert things[0]() is None


async def test_disposing_twice_is_harmless_and_so_is_forgetting_without_it() -> None:
    @workflow
    async def order() -> None:
        await wait_signal("never")

    stage = Stage(order)
    await stage.start()
    process = stage.kept
    assert process is not None
    run = process.attached
    assert run is not None
    process.release()
    run.dispose()
    process.release()
    again = Process(stage.run.ref, stage.run.history)
    flow.replay(order, again)
    stage.replays = False
    stage.signal("x")
    stage.kept = None
    await stage.turn()
    stage.kept = None
    del run, process
    gc.collect()


async def test_a_task_that_ends_while_code_is_disposed_of() -> None:
    async def code() -> None:
        future = asyncio.get_running_loop().create_future()

        async def waits() -> None:
            await future

        task = asyncio.create_task(waits())
        try:
            await wait_signal("never")
        finally:
            future.set_result(None)
            task.cancel()

    await disposed(code)


async def test_coroutines_that_cleanup_code_makes_and_cannot_begin_are_let_go() -> None:
    async def code() -> None:
        try:
            await wait_signal("never")
        finally:
            await asyncio.gather(execute(work, "a"), execute(work, "b"))

    await disposed(code)


async def test_what_cleanup_code_awaits_while_it_is_ended_is_ended_too() -> None:
    seen: list[str] = []

    async def tidy(depth: int) -> None:
        try:
            if depth:
                await tidy(depth - 1)
            await wait_signal("never")
        finally:
            try:
                await wait_signal("never either")
            finally:
                seen.append(f"tidied {depth}")

    async def code() -> None:
        await tidy(2)

    await disposed(code)
    gc.collect()
    assert seen == ["tidied 0", "tidied 1", "tidied 2"]
