"""Several OS processes on one SQLite file. What is heard from them in time is not a matter of luck: polls and leases
last far longer than any test may.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from aioworkflow.backend import StartRequest
from aioworkflow.backends.local import LocalBackend
from aioworkflow.decision import ScheduleActivityDecision
from aioworkflow.errors import UnknownTaskError
from aioworkflow.event import ActivityTimedOutEvent, AnyEvent, DecisionTimedOutEvent, ProcessSignaledEvent
from aioworkflow.result import ActivityCompleted
from aioworkflow.task import DecisionTask
from aioworkflow.testing.conformance.backend.expect import every, kinds, one
from aioworkflow.types import ProcessRef, TimeoutType
from tests.backends.os_process import ACTIVITY, WORKFLOW, open_backend

ROOT = Path(__file__).parents[2]
LIMIT = 45.0
"""Seconds; less than polls and leases last."""


class Companion:
    """Another OS process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def hear(self) -> Any:
        """Return what it says next."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise AssertionError("the other OS process has ended without a word")
        return json.loads(line)

    async def end(self) -> None:
        """Expect it to end well."""
        assert await self._process.wait() == 0

    async def kill(self) -> None:
        """End it at once."""
        self._process.send_signal(signal.SIGKILL)
        assert await self._process.wait() == -signal.SIGKILL

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None


@asynccontextmanager
async def companion(path: Path, *command: str) -> AsyncIterator[Companion]:
    """Run another OS process beside the body."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.backends.os_process", str(path), *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    other = Companion(process)
    try:
        yield other
    finally:
        if other.is_running:
            await other.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shared.db"


@pytest.fixture
async def backend(path: Path) -> AsyncIterator[LocalBackend]:
    async with asyncio.timeout(LIMIT), open_backend(str(path)) as backend:
        await backend.register_workflow(WORKFLOW)
        await backend.register_activity(ACTIVITY)
        yield backend


async def history(backend: LocalBackend, process: ProcessRef) -> list[AnyEvent]:
    return [event async for page in backend.history(process) for event in page]


async def decision(backend: LocalBackend) -> DecisionTask:
    task = await backend.poll_decision_task("decisions")
    assert task is not None
    return task


async def start(backend: LocalBackend, process_id: str) -> ProcessRef:
    return await backend.start_process(StartRequest(process_id=process_id, workflow=WORKFLOW.ref))


async def test_a_poll_is_woken_by_another_os_process(backend: LocalBackend, path: Path) -> None:
    poll = asyncio.create_task(decision(backend))
    await anyio.wait_all_tasks_blocked()
    async with companion(path, "start", "theirs") as other:
        process = ProcessRef(*await other.hear())
        assert (await poll).process == process
        await other.end()


async def test_an_end_is_told_across_os_processes(backend: LocalBackend, path: Path) -> None:
    process = await start(backend, "ours")
    wait = asyncio.create_task(backend.wait_process(process))
    await anyio.wait_all_tasks_blocked()
    async with companion(path, "terminate", "ours") as other:
        assert kinds([await wait]) == ["ProcessTerminated"]
        assert await other.hear() == "terminated"
        await other.end()


async def test_the_tasks_of_a_killed_os_process_are_released_at_once(backend: LocalBackend, path: Path) -> None:
    process = await start(backend, "p")
    await backend.complete_decision_task(
        (await decision(backend)).token, [ScheduleActivityDecision(ACTIVITY.ref, id="a")]
    )
    await backend.signal_process(process, "s")
    async with companion(path, "hold") as other:
        activity_token, decision_token = await other.hear()
        before = await history(backend, process)
        assert kinds(before)[-2:] == ["ActivityStarted", "DecisionStarted"]
        poll = asyncio.create_task(decision(backend))
        await anyio.wait_all_tasks_blocked()
        assert await history(backend, process) == before
        await other.kill()
        task = await poll
    assert one(task.events, ActivityTimedOutEvent).timeout_type is TimeoutType.START_TO_CLOSE
    assert one(task.events, DecisionTimedOutEvent).timeout_type is TimeoutType.START_TO_CLOSE
    with pytest.raises(UnknownTaskError):
        await backend.complete_activity_task(activity_token, ActivityCompleted())
    with pytest.raises(UnknownTaskError):
        await backend.complete_decision_task(decision_token)


async def test_many_os_processes_write_to_one_process(backend: LocalBackend, path: Path) -> None:
    process = await start(backend, "contested")
    async with (
        companion(path, "signal", "contested", "0", "50") as one_of_them,
        companion(path, "signal", "contested", "100", "50") as another,
    ):
        ours = [backend.signal_process(process, "s", str(number)) for number in range(200, 250)]
        await asyncio.gather(*ours)
        for other in (one_of_them, another):
            assert await other.hear() == "sent"
            await other.end()
    events = await history(backend, process)
    assert [event.event_id for event in events] == list(range(1, len(events) + 1))
    signals = sorted(event.input for event in every(events, ProcessSignaledEvent))
    assert signals == [*range(50), *range(100, 150), *range(200, 250)]


async def test_os_processes_share_the_work(backend: LocalBackend, path: Path) -> None:
    async with companion(path, "work", "10") as one_of_them, companion(path, "work", "10") as another:
        processes = {await start(backend, f"{number}") for number in range(20)}
        decided = [await other.hear() for other in (one_of_them, another) for _ in range(10)]
        for other in (one_of_them, another):
            await other.end()
    first = [ProcessRef(*decision) for decision, _ in decided]
    # A task that follows on an activity may be decided on before others' first ones, so not every process has its turn.
    assert set(first) <= processes
    counts = [kinds(await history(backend, process)) for process in processes]
    assert sum(names.count("DecisionStarted") for names in counts) == 20
    assert sum(names.count("DecisionCompleted") for names in counts) == 20
    starts = sum(names.count("ActivityStarted") for names in counts)
    assert starts == sum(names.count("ActivityCompleted") for names in counts) == 20
