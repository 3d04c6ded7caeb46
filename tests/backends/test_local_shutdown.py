"""A worker that stops while much is under way: no task gets lost between a poll and the worker, so none times out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from aioworkflow.activity import Activity, ActivityContext
from aioworkflow.backend import ProcessFilter
from aioworkflow.backends.local import LocalBackend
from aioworkflow.client import Client
from aioworkflow.decision import CompleteProcessDecision, Decision, ScheduleActivityDecision
from aioworkflow.event import ActivityCompletedEvent
from aioworkflow.process import Process
from aioworkflow.stores.base import Group, Store
from aioworkflow.stores.memory import MemoryDatabase, MemoryStore
from aioworkflow.stores.sqlite import SQLiteStore
from aioworkflow.task import ActivityTask
from aioworkflow.testing.conformance.backend.expect import every, kinds
from aioworkflow.types import ProcessRef
from aioworkflow.worker import Worker, WorkerOptions
from aioworkflow.workflow import Workflow
from tests.backends.labs import event_names
from tests.backends.scripted_store import Hold, ScriptedStore

PROCESSES, STEPS, LIVES = 30, 40, 8
QUIET = WorkerOptions(block_seconds=None)


class Chain(Workflow):
    decision_timeout = None

    def decide(self, process: Process) -> list[Decision]:
        done = len(every(process.history, ActivityCompletedEvent))
        if process.open_activities:
            return []
        return [CompleteProcessDecision(done) if done == STEPS else ScheduleActivityDecision("Step", id=f"step {done}")]


class Step(Activity):
    def __init__(self, executed: Counter[tuple[ProcessRef, str]]) -> None:
        self._executed = executed

    async def execute(self, task: ActivityTask, worker: ActivityContext) -> None:
        self._executed[task.process, task.activity_id] += 1


class PausingStore(ScriptedStore):
    """Stops in the midst of the n-th transaction that hands out tasks, until it is told to go on."""

    def __init__(self, inner: Store, transactions: int) -> None:
        super().__init__(inner)
        self._left = transactions
        self.pause = Hold()

    async def commit(self, group: Group) -> Sequence[int]:
        if any(name.endswith("Started") for names in event_names(group) for name in names):
            self._left -= 1
            if self._left == 0:
                await self.pause.stop()
        return await super().commit(group)


def soon(turns: int, callback: Callable[[], object]) -> None:
    """Call back after so many turns of the event loop."""
    if turns:
        asyncio.get_running_loop().call_soon(soon, turns - 1, callback)
    else:
        callback()


def memory(directory: Path) -> Callable[[], Store]:
    database = MemoryDatabase()
    return lambda: MemoryStore(database)


def sqlite(directory: Path) -> Callable[[], Store]:
    return lambda: SQLiteStore(directory / "shutdown.db", synchronous="NORMAL")


@pytest.mark.parametrize("stores", [memory, sqlite])
async def test_no_task_gets_lost_when_workers_stop(
    stores: Callable[[Path], Callable[[], Store]], tmp_path: Path
) -> None:
    new_store = stores(tmp_path)
    executed: Counter[tuple[ProcessRef, str]] = Counter()
    chain, step = Chain(), Step(executed)
    async with asyncio.timeout(60):
        async with LocalBackend(new_store()) as backend, Worker(backend, workflows=[chain], options=QUIET):
            client = Client(backend)
            await asyncio.gather(*(client.start(Chain, id=f"{number}") for number in range(PROCESSES)))
        for life in range(LIVES):
            store = PausingStore(new_store(), 3 + life)
            async with (
                LocalBackend(store) as backend,
                Worker(backend, workflows=[chain], activities=[step], options=QUIET),
            ):
                await store.pause.reached.wait()
                soon(life, store.pause.release)
        async with (
            LocalBackend(new_store()) as backend,
            Worker(backend, workflows=[chain], activities=[step], options=QUIET),
        ):
            client = Client(backend)
            results = await asyncio.gather(*(client.handle(f"{number}").result() for number in range(PROCESSES)))
            assert results == [STEPS] * PROCESSES
            page = await backend.list_processes(ProcessFilter(), page_size=1000)
            for info in page.processes:
                names = Counter(
                    [name for part in [p async for p in backend.history(info.process)] for name in kinds(part)]
                )
                assert names["ActivityStarted"] == names["ActivityCompleted"] == STEPS
                assert names["DecisionStarted"] == names["DecisionCompleted"]
                assert not names["ActivityTimedOut"] + names["DecisionTimedOut"]
    assert set(executed.values()) == {1}
    assert executed.total() == PROCESSES * STEPS
