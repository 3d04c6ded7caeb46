"""Cancellation as asyncio has it, made durable."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import pytest

from aioworkflow import (
    CancelActivityDecision,
    CancelProcessDecision,
    CancelTimerDecision,
    CompleteProcessDecision,
    RequestCancelProcessDecision,
    ScheduleActivityDecision,
    StartTimerDecision,
    Workflow,
    activity,
    execute,
    execute_child,
    flow,
    start_activity,
    start_child,
    wait_signal,
    workflow,
)
from aioworkflow.decision import Decision
from aioworkflow.event import ActivityAbortedEvent, ActivityCompletedEvent
from aioworkflow.result import ActivityAborted
from tests.coroutine.stage import Stage


@activity
async def work(name: str = "") -> str:
    return name


class ChildWorkflow(Workflow):
    async def run(self, input: int) -> int:
        return input


def only(decisions: list[Decision], kind: type[Decision]) -> list[Decision]:
    return [decision for decision in decisions if isinstance(decision, kind)]


async def test_a_request_to_cancel_raises_in_run_and_cancels_the_process() -> None:
    cleaned: list[str] = []

    @workflow
    async def order() -> None:
        try:
            await wait_signal("never")
        except asyncio.CancelledError:
            cleaned.append("yes")
            raise

    stage = Stage(order)
    await stage.start()
    stage.cancel({"by": "customer"})
    assert await stage.turn() == [CancelProcessDecision({"by": "customer"})]
    assert cleaned == ["yes", "yes"]  # and once more in the replay
    assert stage.ending.details == {"by": "customer"}


async def test_a_cancellation_that_is_caught_lets_the_process_complete() -> None:
    @workflow
    async def order() -> list[Any]:
        try:
            await wait_signal("never")
        except asyncio.CancelledError:
            return ["rescued", flow.info().cancel_requested]
        return []

    stage = Stage(order)
    await stage.start()
    stage.cancel()
    assert await stage.turn() == [CompleteProcessDecision(["rescued", True])]


async def test_cleanup_may_wait() -> None:
    @workflow
    async def order() -> None:
        try:
            await execute(work, "charge")
            await wait_signal("never")
        except asyncio.CancelledError:
            await execute(work, "refund")
            await asyncio.sleep(10)
            raise

    stage = Stage(order, work)
    await stage.start()
    stage.complete("work-1", "charged")
    await stage.settle()
    stage.cancel()
    assert await stage.turn() == [ScheduleActivityDecision(work, "refund", id="work-2")]
    stage.complete("work-2", "refunded")
    assert await stage.turn() == [StartTimerDecision(10, id="timer-1")]
    stage.pass_time(10)
    assert await stage.turn() == [CancelProcessDecision()]


async def test_cleanup_can_be_cancelled_by_a_second_request() -> None:
    @workflow
    async def order() -> None:
        try:
            await wait_signal("never")
        finally:
            await wait_signal("never either")

    stage = Stage(order)
    await stage.start()
    stage.cancel(1)
    assert await stage.turn() == []
    stage.cancel(2)
    assert await stage.turn() == [CancelProcessDecision(2)]


async def test_a_process_that_is_cancelled_before_its_first_turn_begins_all_the_same() -> None:
    @workflow
    async def order() -> None:
        try:
            await execute(work)
        except asyncio.CancelledError:
            await execute(work, "undo")
            raise

    stage = Stage(order, work)
    request = stage.request()
    stage.world.ask(request.ref, request)
    stage.run = stage.run_of("p")
    stage.cancel()
    assert await stage.turn() == [ScheduleActivityDecision(work, "undo", id="work-2")]


async def test_uncancel() -> None:
    @workflow
    async def order() -> list[int]:
        task = asyncio.current_task()
        assert task is not None
        try:
            await wait_signal("never")
        except asyncio.CancelledError:
            seen = [task.cancelling(), task.uncancel()]
        async with asyncio.timeout(5):
            await asyncio.sleep(1)
        return seen

    stage = Stage(order)
    await stage.start()
    stage.cancel()
    await stage.turn()
    stage.pass_time(1)
    await stage.settle()
    assert stage.result == [1, 0]


@pytest.mark.parametrize("mode", ["wait", "request", "abandon"])
async def test_a_timeout_around_an_activity(mode: Literal["wait", "request", "abandon"]) -> None:
    @workflow
    async def order() -> str:
        try:
            async with asyncio.timeout(10):
                return await execute(work, cancel=mode)
        except TimeoutError:
            return "too late"

    stage = Stage(order, work)
    await stage.start()
    stage.run.take_activity("work-1")
    stage.pass_time(10)
    decisions = await stage.turn()
    if mode == "abandon":
        assert decisions == [CompleteProcessDecision("too late")]
    elif mode == "request":
        assert decisions == [CancelActivityDecision("work-1"), CompleteProcessDecision("too late")]
    else:
        assert decisions == [CancelActivityDecision("work-1")]
        stage.finish("work-1", ActivityAborted("canceled"))
        assert await stage.turn() == [CompleteProcessDecision("too late")]
    assert stage.result == "too late"


async def test_an_activity_that_completes_although_it_was_cancelled_is_cancelled_for_who_waited() -> None:
    @workflow
    async def order() -> list[Any]:
        handle = start_activity(work, "x")
        try:
            async with asyncio.timeout(10):
                await handle
        except TimeoutError:
            return [handle.cancelled(), type(handle.outcome).__name__, handle.outcome.result]  # type: ignore[union-attr]
        return []

    stage = Stage(order, work)
    await stage.start()
    stage.run.take_activity("work-1")
    stage.pass_time(10)
    await stage.turn()
    stage.complete("work-1", "y")
    await stage.turn()
    assert stage.result == [True, "ActivityCompletedEvent", "y"]
    assert stage.events(ActivityCompletedEvent)


async def test_an_activity_that_waits_for_a_worker_is_cancelled_at_once() -> None:
    @workflow
    async def order() -> str:
        try:
            async with asyncio.timeout(10):
                return await execute(work)
        except TimeoutError:
            return "too late"

    stage = Stage(order, work)
    await stage.start()
    stage.pass_time(10)
    assert await stage.turn() == [CancelActivityDecision("work-1")]
    assert stage.events(ActivityAbortedEvent)
    await stage.turn()
    assert stage.result == "too late"


async def test_who_cancels_again_does_not_wait() -> None:
    @workflow
    async def order() -> str:
        try:
            return await execute(work)
        except asyncio.CancelledError:
            return "left"

    stage = Stage(order, work)
    await stage.start()
    stage.run.take_activity("work-1")
    stage.cancel()
    assert await stage.turn() == [CancelActivityDecision("work-1")]
    stage.cancel()
    assert await stage.turn() == [CompleteProcessDecision("left")]


async def test_what_is_cancelled_in_its_own_turn_is_never_sent() -> None:
    @workflow
    async def order() -> str:
        tasks = [asyncio.create_task(execute(work)), asyncio.create_task(asyncio.sleep(5))]
        child = start_child(ChildWorkflow, 1)
        message = asyncio.create_task(flow.signal_process("other", "hello"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        orders: list[asyncio.Future[Any]] = [*tasks, child, message]
        for one in orders:
            one.cancel()
        await asyncio.wait(orders)
        assert child.started.cancelled()
        assert not child.cancel()
        return "nothing"

    assert await Stage(order, work, others=[ChildWorkflow]).start() == [CompleteProcessDecision("nothing")]


async def test_a_failing_branch_of_a_group_cancels_the_others() -> None:
    @workflow
    async def order() -> str:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(execute(work, "fails"))
                group.create_task(execute(work, "goes on"))
                group.create_task(asyncio.sleep(60))
                group.create_task(execute_child(ChildWorkflow, 1, id="child"))
        except* Exception as errors:
            failures = len(errors.exceptions)
        return f"{failures} failed"

    stage = Stage(order, work, others=[ChildWorkflow])
    await stage.start()
    stage.world.deliver_all()
    await stage.settle()
    stage.run.take_activity("work-2")
    stage.fail("work-1", ValueError("no"))
    assert await stage.turn() == [
        CancelActivityDecision("work-2"),
        RequestCancelProcessDecision("child"),
        CancelTimerDecision("timer-1"),  # by the `finally` of sleep, when its task has its turn
    ]
    stage.finish("work-2", ActivityAborted())
    await stage.settle()
    assert stage.is_open
    child = stage.run_of("child")
    child.decide(CancelProcessDecision())
    await stage.settle()
    assert stage.result == "1 failed"


async def test_shield() -> None:
    @workflow
    async def order() -> str:
        inner = asyncio.ensure_future(execute(work))
        try:
            async with asyncio.timeout(10):
                await asyncio.shield(inner)
        except TimeoutError:
            return f"late {await inner}"
        return "in time"

    stage = Stage(order, work)
    await stage.start()
    stage.pass_time(10)
    assert await stage.turn() == []
    stage.complete("work-1", "work")
    await stage.turn()
    assert stage.result == "late work"


async def test_wait_for() -> None:
    @workflow
    async def order() -> str:
        try:
            await asyncio.wait_for(execute(work, cancel="request"), 10)
        except TimeoutError:
            return "late"
        return "in time"

    stage = Stage(order, work)
    await stage.start()
    stage.pass_time(10)
    assert await stage.turn() == [CancelActivityDecision("work-1"), CompleteProcessDecision("late")]


async def test_a_child_is_asked_to_end_when_it_has_started() -> None:
    @workflow
    async def order() -> str:
        try:
            async with asyncio.timeout(10):
                await execute_child(ChildWorkflow, 1, id="child", cancel="request")
        except TimeoutError:
            await wait_signal("end")
        return "done"

    stage = Stage(order, others=[ChildWorkflow])
    await stage.start()
    stage.pass_time(10)
    assert await stage.turn() == []
    stage.world.deliver()  # the child starts
    stage.world.deliver()  # and tells so
    assert await stage.turn() == [RequestCancelProcessDecision("child")]
    stage.run_of("child").decide(CompleteProcessDecision(1))  # before it hears of it
    await stage.settle()
    assert "CancelExternalProcessFailed" in stage.names
    assert stage.is_open


async def test_a_child_that_is_abandoned_goes_on() -> None:
    @workflow
    async def order() -> str:
        handle = start_child(ChildWorkflow, 1, id="child", cancel="abandon")
        await handle.started
        handle.cancel()
        return "done"

    stage = Stage(order, others=[ChildWorkflow])
    await stage.start()
    stage.world.deliver_all()
    assert await stage.turn() == [CompleteProcessDecision("done")]


async def test_another_mode_is_refused() -> None:
    @workflow
    async def order() -> str:
        try:
            await execute(work, cancel="later")  # type: ignore[call-overload]
        except ValueError as error:
            return str(error)
        return ""

    stage = Stage(order, work)
    await stage.start()
    assert stage.result == "cancel must be 'wait', 'request' or 'abandon', not 'later'"


async def test_run_may_cancel_itself() -> None:
    @workflow
    async def order() -> None:
        raise asyncio.CancelledError

    assert await Stage(order).start() == [CancelProcessDecision()]
