"""A database that fails now and then, before or after it has done what it was asked, while polls are cancelled: in the
end everything is done, and nothing twice.

No timeout is there to repair anything: a task that got lost would be missed for ever, and one that was handed out twice
would be counted.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest

from aioworkflow.backends.local import committer as committer_module
from aioworkflow.backends.local import upkeep as upkeep_module
from aioworkflow.decision import CompleteProcessDecision, Decision, SignalProcessDecision, StartChildProcessDecision
from aioworkflow.errors import BackendUnavailableError, ProcessAlreadyRunningError, UnknownTaskError
from aioworkflow.event import (
    ActivityCompletedEvent,
    ChildProcessCompletedEvent,
    ProcessCompletedEvent,
    ProcessStartedEvent,
    StartChildProcessInitiatedEvent,
)
from aioworkflow.result import ActivityCompleted
from aioworkflow.stores.base import Store
from aioworkflow.stores.memory import MemoryDatabase, MemoryStore
from aioworkflow.stores.sqlite import SQLiteStore
from aioworkflow.task import ActivityTask, DecisionTask
from aioworkflow.testing.conformance.backend.expect import every, kinds, one
from aioworkflow.testing.conformance.backend.lab import Lab
from aioworkflow.types import ProcessRef
from tests.backends.labs import open_lab
from tests.backends.scripted_store import ScriptedStore

T = TypeVar("T")

PROCESSES, STEPS = 8, 3


class UnreliableStore(ScriptedStore):
    """Fails every now and then."""

    def __init__(self, inner: Store, chance: random.Random, share: float) -> None:
        super().__init__(inner)
        self._chance = chance
        self._share = share
        self.fails = False

    async def _do(self, method: str, work: Callable[[], Awaitable[T]]) -> T:
        fate = self._chance.random() if self.fails else 0.5
        if fate < self._share:
            raise BackendUnavailableError(f"{method} was not done")
        result = await super()._do(method, work)
        if fate > 1 - self._share:
            raise BackendUnavailableError(f"{method} was done, but who knows")
        return result


class Crew:
    """Decides and works on one backend, and is interrupted in its polls."""

    def __init__(self, lab: Lab, chance: random.Random, executed: Counter[tuple[str, str]]) -> None:
        self._lab = lab
        self._chance = chance
        self._executed = executed

    async def decide(self) -> None:
        """Have each process do its steps; the main ones have a child, and wait for it."""
        while True:
            task = await self._interrupted(lambda: self._lab.backend.poll_decision_task(self._lab.decisions))
            if task is not None:
                await insist(lambda task=task: self._lab.answer(task, *decisions(self._lab, task)))  # type: ignore[misc]

    async def work(self) -> None:
        """Count the steps."""
        while True:
            task = await self._interrupted(lambda: self._lab.backend.poll_activity_task(self._lab.activities))
            if task is not None:
                self._executed[task.process.process_id, task.activity_id] += 1
                await insist(lambda task=task: self._complete(task))  # type: ignore[misc]

    async def _complete(self, task: ActivityTask) -> None:
        await self._lab.backend.complete_activity_task(task.token, ActivityCompleted(task.activity_id))

    async def _interrupted(self, poll: Callable[[], Coroutine[Any, Any, T | None]]) -> T | None:
        """Poll, and perhaps give up in the midst of it, in one of two ways; a poll that has its task by then may return
        it.
        """
        turns = self._chance.choice((0, 1, 2, 3, 5, 8, 13, 1000))
        if self._chance.random() < 0.5:
            with anyio.CancelScope() as scope:
                countdown(scope.cancel, turns)
                return await poll()
            return None
        task = asyncio.create_task(poll())
        countdown(task.cancel, turns)
        await asyncio.wait([task])
        return None if task.cancelled() else task.result()


def countdown(cancel: Callable[[], object], turns: int) -> None:
    """Cancel after so many turns of the event loop; after many, never."""
    if turns == 0:
        asyncio.get_running_loop().call_soon(cancel)
    elif turns < 100:
        asyncio.get_running_loop().call_soon(countdown, cancel, turns - 1)


def decisions(lab: Lab, task: DecisionTask) -> list[Decision]:
    """Return what is to be done next."""
    events = task.events
    parent = one(events, ProcessStartedEvent).parent
    done = len(every(events, ActivityCompletedEvent))
    scheduled = kinds(events).count("ActivityScheduled")
    if scheduled > done:
        return []
    if done < STEPS:
        return [lab.schedule(f"step {done}")]
    if parent is not None:
        return [SignalProcessDecision(parent, "hello"), CompleteProcessDecision("grown up")]
    if not every(events, StartChildProcessInitiatedEvent):
        return [StartChildProcessDecision(lab.workflow, id=f"child of {task.process.process_id}")]
    if not every(events, ChildProcessCompletedEvent) or "ProcessSignaled" not in kinds(events):
        return []
    return [CompleteProcessDecision(one(events, ChildProcessCompletedEvent).result)]


async def insist(work: Callable[[], Awaitable[T]]) -> T | None:
    """Try again until the database answers; that it is done already is an answer too."""
    while True:
        try:
            return await work()
        except BackendUnavailableError:
            await anyio.lowlevel.checkpoint()
        except (UnknownTaskError, ProcessAlreadyRunningError):
            return None


async def start_and_wait(lab: Lab, number: int) -> tuple[ProcessRef, object]:
    """Start a process and return it with its result."""
    word = f"process {number}"
    await insist(lambda: lab.start(word))
    info = await insist(lambda: lab.info(ProcessRef(lab.name(word))))
    assert info is not None
    event = await insist(lambda: lab.backend.wait_process(info.process))
    assert isinstance(event, ProcessCompletedEvent)
    return info.process, event.result


async def run(new_store: Callable[[], Store], seed: int, share: float) -> None:
    chance = random.Random(seed)
    executed: Counter[tuple[str, str]] = Counter()
    stores = [UnreliableStore(new_store(), chance, share) for _ in range(2)]
    async with open_lab(stores[0]) as lab, open_lab(stores[1], like=lab) as other:
        for store in stores:
            store.fails = True
        async with asyncio.timeout(60), anyio.create_task_group() as tasks:
            for each in (lab, other):
                crew = Crew(each, chance, executed)
                for _ in range(3):
                    tasks.start_soon(crew.decide)
                    tasks.start_soon(crew.work)
            ends = await asyncio.gather(
                *(start_and_wait(chance.choice((lab, other)), number) for number in range(PROCESSES))
            )
            tasks.cancel_scope.cancel()
        for store in stores:
            store.fails = False
        assert [result for _, result in ends] == ["grown up"] * PROCESSES
        for process, _ in ends:
            names = kinds(await lab.history(process))
            child = kinds(await lab.history(ProcessRef(f"child of {process.process_id}")))
            for history in (names, child):
                assert history.count("ActivityStarted") == history.count("ActivityCompleted") == STEPS
                assert history.count("DecisionStarted") == history.count("DecisionCompleted")
                assert not {"ActivityTimedOut", "DecisionTimedOut"} & set(history)
            assert names.count("ProcessSignaled") == names.count("ChildProcessCompleted") == 1
    assert set(executed.values()) == {1}
    assert len(executed) == 2 * PROCESSES * STEPS


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """What is tried again later is tried again soon."""
    monkeypatch.setattr(committer_module, "_REST_SECONDS", 0.001)
    monkeypatch.setattr(upkeep_module, "_FALLBACK_PERIOD", 0.05)
    caplog.set_level(logging.CRITICAL)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("share", [0.02, 0.15])
async def test_memory(seed: int, share: float) -> None:
    database = MemoryDatabase()
    await run(lambda: MemoryStore(database), seed, share)


@pytest.mark.parametrize("seed", range(2))
async def test_sqlite(seed: int, tmp_path: Path) -> None:
    await run(lambda: SQLiteStore(tmp_path / "unreliable.db", synchronous="NORMAL"), seed, 0.05)
