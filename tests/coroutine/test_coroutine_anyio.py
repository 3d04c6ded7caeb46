"""anyio's task groups and cancel scopes inside a coroutine workflow."""

from __future__ import annotations

import asyncio

import anyio

from aioworkflow import (
    CancelActivityDecision,
    CancelProcessDecision,
    CancelTimerDecision,
    StartTimerDecision,
    activity,
    execute,
    wait_signal,
    workflow,
)
from aioworkflow.decision import CompleteProcessDecision, ScheduleActivityDecision
from aioworkflow.result import ActivityAborted
from tests.coroutine.stage import Stage


@activity
async def work(name: str = "") -> str:
    return name


async def test_a_task_group() -> None:
    @workflow
    async def order() -> list[str]:
        found: list[str] = []

        async def call(name: str) -> None:
            found.append(await execute(work, name))

        async with anyio.create_task_group() as group:
            for name in "abc":
                group.start_soon(call, name)
        return found

    stage = Stage(order, work)
    await stage.start()
    for id, name in (("work-3", "c"), ("work-1", "a"), ("work-2", "b")):
        stage.complete(id, name)
    await stage.settle()
    assert stage.result == ["c", "a", "b"]


async def test_a_failing_task_cancels_its_group() -> None:
    @workflow
    async def order() -> str:
        try:
            async with anyio.create_task_group() as group:
                for name in "abcdefgh":
                    group.start_soon(execute, work, name)
        except* Exception as errors:
            told = str(errors.exceptions[0])
        return told

    stage = Stage(order, work)
    await stage.start()
    stage.fail("work-4", ValueError("no"))
    decided = await stage.turn()
    assert decided[:-1] == [CancelActivityDecision(f"work-{number}") for number in (1, 2, 3, 5, 6, 7, 8)]
    await stage.settle()
    assert stage.result == "activity 'work-4' (work) failed: ValueError: no"


async def test_a_scope_with_a_deadline() -> None:
    @workflow
    async def order() -> str:
        with anyio.move_on_after(10) as scope:
            await execute(work, cancel="request")
        return f"cancelled: {scope.cancelled_caught}"

    stage = Stage(order, work)
    assert await stage.start() == [
        StartTimerDecision(10, id="timer-1"),
        ScheduleActivityDecision(work, id="work-1"),
    ]
    stage.pass_time(10)
    assert await stage.turn() == [CancelActivityDecision("work-1"), CompleteProcessDecision("cancelled: True")]


async def test_a_scope_that_is_left_in_time() -> None:
    @workflow
    async def order() -> str:
        with anyio.fail_after(10):
            await execute(work)
        await anyio.sleep(1)
        return "in time"

    stage = Stage(order, work)
    await stage.start()
    stage.complete("work-1", "x")
    assert await stage.turn() == [CancelTimerDecision("timer-1"), StartTimerDecision(1, id="timer-2")]
    stage.pass_time(1)
    await stage.settle()
    assert stage.result == "in time"


async def test_cleanup_in_a_shielded_scope() -> None:
    @workflow
    async def order() -> None:
        try:
            await wait_signal("never")
        finally:
            with anyio.CancelScope(shield=True):
                await execute(work, "clean")

    stage = Stage(order, work)
    await stage.start()
    stage.cancel()
    assert await stage.turn() == [ScheduleActivityDecision(work, "clean", id="work-1")]
    stage.complete("work-1", "cleaned")
    assert await stage.turn() == [CancelProcessDecision()]


async def test_a_cancelled_scope_does_not_wait_for_activities() -> None:
    @workflow
    async def order() -> str:
        async with anyio.create_task_group() as group:
            group.start_soon(execute, work)
            await wait_signal("enough")
            group.cancel_scope.cancel()
        return "done"

    stage = Stage(order, work)
    await stage.start()
    stage.run.take_activity("work-1")
    stage.signal("enough")
    assert await stage.turn() == [CancelActivityDecision("work-1"), CompleteProcessDecision("done")]


async def test_a_cancelled_scope_around_what_waits_for_an_activity_to_end() -> None:
    """The scope cancels its task again and again, and asyncio's group waits for the activity all the same."""

    @workflow
    async def order() -> str:
        with anyio.move_on_after(60) as scope:
            async with asyncio.TaskGroup() as group:
                group.create_task(execute(work))
        task = asyncio.current_task()
        assert task is not None
        return f"{scope.cancelled_caught} {task.cancelling()}"

    stage = Stage(order, work)
    await stage.start()
    stage.run.take_activity("work-1")
    stage.pass_time(60)
    assert await stage.turn() == [CancelActivityDecision("work-1")]
    stage.signal("something else")
    assert await stage.turn() == []
    stage.finish("work-1", ActivityAborted("enough"))
    assert await stage.turn() == [CompleteProcessDecision("True 0")]


async def test_a_task_that_takes_many_cancellations_to_end() -> None:
    @workflow
    async def order() -> int:
        ended = 0

        async def clean_up(depth: int) -> None:
            nonlocal ended
            try:
                await wait_signal("never")
            finally:
                ended += 1
                if depth:
                    await clean_up(depth - 1)

        async with anyio.create_task_group() as group:
            group.start_soon(clean_up, 50)
            await wait_signal("enough")
            group.cancel_scope.cancel()
        return ended

    stage = Stage(order, work)
    await stage.start()
    stage.signal("enough")
    assert await stage.turn() == [CompleteProcessDecision(51)]


async def test_events_and_locks() -> None:
    @workflow
    async def order() -> list[str]:
        event, lock, log = anyio.Event(), anyio.Lock(), list[str]()

        async def wait(name: str) -> None:
            await event.wait()
            async with lock:
                log.append(name)

        async with anyio.create_task_group() as group:
            group.start_soon(wait, "a")
            group.start_soon(wait, "b")
            await wait_signal("go")
            event.set()
        return log

    stage = Stage(order)
    await stage.start()
    stage.signal("go")
    await stage.settle()
    assert stage.result == ["a", "b"]
