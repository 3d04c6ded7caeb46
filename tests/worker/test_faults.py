"""A worker on a real backend that fails at random: before a call takes effect, or after, so that its answer is lost."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from aioworkflow.activity import Activity, ActivityContext
from aioworkflow.backend import Backend
from aioworkflow.backends.local import LocalBackend
from aioworkflow.client import Client
from aioworkflow.decision import CompleteProcessDecision, Decision, ScheduleActivityDecision
from aioworkflow.errors import BackendUnavailableError, ThrottledError
from aioworkflow.process import Process
from aioworkflow.stores.memory import MemoryStore
from aioworkflow.task import ActivityTask
from aioworkflow.testing import ManualClock
from aioworkflow.worker import Worker, WorkerOptions
from aioworkflow.workflow import Workflow
from tests.worker.scripted import settle

PROCESSES, STEPS = 30, 4

BEFORE = (
    "poll_activity_task",
    "poll_decision_task",
    "heartbeat_activity_task",
    "complete_activity_task",
    "complete_decision_task",
    "register_activity",
    "register_workflow",
)
AFTER = ("heartbeat_activity_task", "complete_activity_task", "complete_decision_task", "register_activity")


class Chain(Workflow):
    """One step after the other; each adds itself. Nothing times out, so nothing is done twice."""

    decision_timeout = None

    def decide(self, process: Process) -> Decision | None:
        records = process.activities(Step)
        if process.open_activities:
            return None
        if len(records) < STEPS:
            before = records[-1].result() if records else []
            return ScheduleActivityDecision(Step, [*before, len(records)])
        return CompleteProcessDecision(records[-1].result())


class Step(Activity):
    def __init__(self) -> None:
        self.done: Counter[tuple[str, int]] = Counter()

    async def execute(self, task: ActivityTask, worker: ActivityContext) -> Any:
        await worker.heartbeat({"at": len(task.input)})
        await settle()
        self.done[task.process.process_id, len(task.input)] += 1
        return task.input


def make_faulty(backend: Any, chance: random.Random, share: float) -> Backend:
    """Let calls of the worker fail so often."""

    def faulty(verb: str, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            if verb in BEFORE and chance.random() < share:
                raise chance.choice((BackendUnavailableError, ThrottledError))(f"before {verb}")
            answer = await call(*args, **kwargs)
            if verb in AFTER and chance.random() < share:
                raise BackendUnavailableError(f"after {verb}")
            return answer

        return wrapped

    for verb in BEFORE:
        setattr(backend, verb, faulty(verb, getattr(backend, verb)))
    found: Backend = backend
    return found


@asynccontextmanager
async def time_flies(clock: ManualClock) -> AsyncIterator[None]:
    """Ring the next alarm of the clock whenever the loop has had its turn."""

    async def fly() -> None:
        while True:
            await settle()
            if clock.next_alarm is not None:
                clock.advance_to(clock.next_alarm)

    flying = asyncio.create_task(fly())
    try:
        yield
    finally:
        flying.cancel()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.05, 0.4])
async def test_everything_is_done_once_whatever_fails(seed: int, share: float) -> None:
    clock, step, chance = ManualClock(), Step(), random.Random(seed)
    options = WorkerOptions(block_seconds=None, max_concurrent_activities=9, cached_processes=seed)
    async with LocalBackend(MemoryStore()) as local, time_flies(clock):
        backend = make_faulty(local, chance, share)
        async with Worker(backend, workflows=[Chain], activities=[step], options=options, clock=clock):
            client = Client(backend)
            handles = [await client.start(Chain, id=str(number)) for number in range(PROCESSES)]
            results = [await handle.result() for handle in handles]
    assert results == [list(range(STEPS))] * PROCESSES
    assert step.done == Counter((str(number), length) for number in range(PROCESSES) for length in range(1, STEPS + 1))
