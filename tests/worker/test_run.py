"""``run_worker``: what the signals of the operating system do. They are real, sent to this very process."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from aioworkflow.activity import Activity, ActivityAborted, ActivityCompleted
from aioworkflow.errors import InvalidRequestError, StoreError
from aioworkflow.worker import WorkerOptions, run_worker
from tests.worker.scripted import ScriptedBackend, activity_task, settle


class Waiting(Activity):
    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def execute(self, task: object, worker: object) -> str:
        self.began.set()
        await self.goes_on.wait()
        return "done"


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Whatever was there before is there afterwards, whoever set it."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    was = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    yield
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == was
    signal.signal(signal.SIGTERM, before)


async def arrived(running: asyncio.Task[None], backend: ScriptedBackend) -> None:
    """Wait until the signal has been handled: it ends the polls."""
    while backend.waiting() and not running.done():  # noqa: ASYNC110 - a signal sets no event
        await asyncio.sleep(0)
    await settle()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_signal_drains(number: signal.Signals) -> None:
    backend, act = ScriptedBackend(), Waiting()
    backend.give(activity_task("Waiting"))
    running = asyncio.create_task(run_worker(backend, activities=[act], options=WorkerOptions(block_seconds=None)))
    await act.began.wait()
    await backend.until(lambda: backend.waiting())
    os.kill(os.getpid(), number)
    await arrived(running, backend)
    assert not running.done()
    act.goes_on.set()
    await running
    assert backend.told("complete_activity_task") == [ActivityCompleted("done")]


async def test_the_second_signal_cancels() -> None:
    backend, act = ScriptedBackend(), Waiting()
    backend.give(activity_task("Waiting"))
    running = asyncio.create_task(run_worker(backend, activities=[act], identity="me", task_lists=["default"]))
    await act.began.wait()
    await backend.until(lambda: backend.waiting())
    os.kill(os.getpid(), signal.SIGTERM)
    await arrived(running, backend)
    assert backend.told("complete_activity_task") == []
    os.kill(os.getpid(), signal.SIGINT)
    await running
    assert backend.told("complete_activity_task") == [ActivityAborted("worker shutdown")]


async def test_a_signal_during_the_registration_is_not_lost(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "aioworkflow.worker")
    backend, gate = ScriptedBackend(), asyncio.Event()
    backend.script["register_activity"].append(gate)
    running = asyncio.create_task(run_worker(backend, activities=[Waiting]))
    await backend.until(lambda: backend.calls)
    os.kill(os.getpid(), signal.SIGTERM)
    while "SIGTERM" not in caplog.text:  # noqa: ASYNC110 - a signal sets no event
        await asyncio.sleep(0)
    gate.set()
    await running
    assert not backend.polls


async def test_what_breaks_the_worker_comes_out_and_signals_are_as_before() -> None:
    backend = ScriptedBackend()
    backend.give(StoreError("the disk is full"))
    with pytest.raises(StoreError, match="the disk is full"):
        await run_worker(backend, activities=[Waiting])


async def test_signals_are_meant_for_all_workers_whichever_ends_first() -> None:
    backends, acts = [ScriptedBackend(), ScriptedBackend()], [Waiting(), Waiting()]
    running = []
    for backend, act in zip(backends, acts, strict=True):
        backend.give(activity_task("Waiting"))
        running.append(asyncio.create_task(run_worker(backend, activities=[act])))
        await act.began.wait()
        await backend.until(backend.waiting)
    os.kill(os.getpid(), signal.SIGTERM)
    for backend, task in zip(backends, running, strict=True):
        await arrived(task, backend)
    acts[0].goes_on.set()
    await running[0]
    assert not running[1].done()
    os.kill(os.getpid(), signal.SIGTERM)
    await running[1]
    assert backends[0].told("complete_activity_task") == [ActivityCompleted("done")]
    assert backends[1].told("complete_activity_task") == [ActivityAborted("worker shutdown")]


async def test_in_another_thread_there_are_no_signals() -> None:
    def run() -> None:
        asyncio.run(run_worker(ScriptedBackend(), activities=[Waiting]))

    with pytest.raises(InvalidRequestError, match=r"must be called in the main thread"):
        await asyncio.to_thread(run)
