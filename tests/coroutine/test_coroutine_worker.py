"""Coroutine workflows in a worker: what is kept, what is forgotten, and what comes of faults."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from aioworkflow import (
    Client,
    ProcessCanceledError,
    ProcessFailedError,
    ProcessHandle,
    ProcessStatus,
    Worker,
    WorkerOptions,
    Workflow,
    activity,
    connect,
    execute,
    execute_child,
    flow,
    set_status,
    wait_signal,
    workflow,
)
from aioworkflow.backends.local import LocalBackend
from aioworkflow.errors import InvalidRequestError
from aioworkflow.stores.memory import MemoryStore
from aioworkflow.testing import ManualClock, idle_time_passes


@activity
async def double(number: int) -> int:
    return number * 2


@asynccontextmanager
async def at_work(*workflows: Any, **options: Any) -> AsyncIterator[Client]:
    clock = ManualClock()
    async with (
        LocalBackend(MemoryStore(), clock=clock) as backend,
        idle_time_passes(clock, backend),
        Worker(backend, workflows=workflows, activities=[double], options=WorkerOptions(**options)),
    ):
        yield Client(backend)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds that nobody tells of."""
    for _ in range(100_000):
        if await condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to that")


async def says(handle: ProcessHandle, status: object) -> None:
    async def holds() -> bool:
        return bool(await handle.status() == status)

    await until(holds)


@workflow
async def child(number: int) -> int:
    return await execute(double, number) + 1


class OrderWorkflow(Workflow):
    async def run(self, numbers: list[int]) -> list[int]:
        set_status("begun")
        doubled = await asyncio.gather(*(execute(double, number) for number in numbers))
        await asyncio.sleep(3600)
        set_status({"doubled": doubled})
        add = await wait_signal("add", int)
        return [number + add for number in doubled] + [await execute_child(child, add)]


async def play(client: Client) -> Any:
    handle = await client.start(OrderWorkflow, [1, 2, 3])
    await says(handle, {"doubled": [2, 4, 6]})
    await handle.signal("add", 10)
    result = await handle.result()
    flow.replay(OrderWorkflow(), await handle.process())
    return result


@pytest.mark.parametrize(
    "options", [{}, {"always_replay": True}, {"cached_processes": 1}, {"cached_processes": 0}], ids=str
)
async def test_the_same_with_and_without_what_is_kept(options: dict[str, Any]) -> None:
    async with at_work(OrderWorkflow, child, **options) as client:
        results = await asyncio.gather(*(play(client) for _ in range(3)))
    assert results == [[12, 14, 16, 21]] * 3


async def test_a_workflow_may_ask_to_be_replayed_always() -> None:
    begun = 0

    @workflow(always_replay=True)
    async def order() -> int:
        nonlocal begun
        begun += 1
        for number in range(3):
            await execute(double, number)
        return begun

    async with at_work(order) as client:
        assert await (await client.start(order)).result(int) == 4


async def test_a_process_goes_on_in_another_worker(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    async with connect(url) as backend:
        client = Client(backend)
        async with Worker(backend, workflows=[OrderWorkflow, child], activities=[double]):
            handle = await client.start(OrderWorkflow, [], id="order")
            await says(handle, "begun")
        async with Worker(backend, workflows=[OrderWorkflow, child], activities=[double]):
            await handle.cancel()
            with pytest.raises(ProcessCanceledError):
                await handle.result()


async def test_code_that_does_not_fit_leaves_the_process_alone(caplog: pytest.LogCaptureFixture) -> None:
    class Order1(Workflow):
        name = "Order"

        async def run(self) -> str:
            await execute(double, 1)
            set_status("charged")
            return str(await wait_signal("end"))

    class Order2(Workflow):
        name = "Order"

        async def run(self) -> str:
            return str(await wait_signal("end"))

    async def complaint() -> bool:
        return "NondeterminismError" in caplog.text

    async with LocalBackend(MemoryStore()) as backend:
        client = Client(backend)
        async with Worker(backend, workflows=[Order1], activities=[double]):
            handle = await client.start(Order1)
            await says(handle, "charged")
        async with Worker(backend, workflows=[Order2], options=WorkerOptions(on_decider_error="fail_process")):
            await handle.signal("end", "well")
            await until(complaint)
            assert (await handle.info()).status is ProcessStatus.OPEN
    assert "history: event 5, ActivityScheduledEvent 'double-1' of 'double'" in caplog.text
    assert "the code waits at" in caplog.text


async def test_a_failed_process_tells_why() -> None:
    @workflow
    async def order() -> None:
        raise LookupError("nothing there")

    async with at_work(order) as client:
        with pytest.raises(ProcessFailedError, match="LookupError: nothing there"):
            await (await client.start(order)).result()


async def test_what_is_kept_is_disposed_of_when_the_worker_ends(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[str] = []

    @workflow
    async def order() -> None:
        try:
            set_status("waits")
            await wait_signal("never")
        finally:
            ended.append("ended")

    async with at_work(order) as client:
        handle = await client.start(order)
        await says(handle, "waits")
    assert ended == ["ended"]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_long_replay_lets_others_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioworkflow.coroutine.decider._SLICE", 0.0)
    passes = 0

    async def count() -> None:
        nonlocal passes
        while True:
            passes += 1
            await asyncio.sleep(0)

    @workflow
    async def order() -> int:
        for number in range(20):
            await execute(double, number)
        return 1

    async with at_work(order) as client:
        handle = await client.start(order)
        await handle.result()
        process = await handle.process()
        counting = asyncio.create_task(count())
        await order.decide(process)
        counting.cancel()
        process.release()
    assert passes >= 20


def test_always_replay_is_a_bool() -> None:
    with pytest.raises(InvalidRequestError, match="always_replay must be a bool, not 1"):
        WorkerOptions(always_replay=1)  # type: ignore[arg-type]
