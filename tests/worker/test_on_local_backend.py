"""Workers on a real backend: what the history says of activities and deciders that were cancelled, failed or moved."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from aioworkflow.activity import Activity, ActivityAborted, ActivityCompleted, ActivityContext, ActivityFailed
from aioworkflow.backends.local import LocalBackend
from aioworkflow.client import Client, ProcessHandle
from aioworkflow.decision import (
    CancelActivityDecision,
    CompleteProcessDecision,
    Decision,
    ScheduleActivityDecision,
)
from aioworkflow.errors import ProcessFailedError
from aioworkflow.event import (
    ActivityAbortedEvent,
    ActivityCompletedEvent,
    ActivityFailedEvent,
    ActivityStartedEvent,
    ActivityTimedOutEvent,
    AnyEvent,
    DecisionStartedEvent,
)
from aioworkflow.process import Process
from aioworkflow.stores.base import Store
from aioworkflow.stores.memory import MemoryStore
from aioworkflow.stores.sqlite import SQLiteStore
from aioworkflow.task import ActivityTask
from aioworkflow.testing import ManualClock
from aioworkflow.types import TimeoutType
from aioworkflow.worker import Worker, WorkerOptions
from aioworkflow.workflow import Workflow
from tests.worker.scripted import settle

QUIET = WorkerOptions(block_seconds=None)


class Waiting(Activity):
    """Waits until it is told to go on."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.goes_on = asyncio.Event()
        self.ended = asyncio.Event()
        self.tasks: list[ActivityTask] = []

    async def execute(self, task: ActivityTask, worker: ActivityContext) -> str:
        self.tasks.append(task)
        await worker.heartbeat({"begun": True})
        self.began.set()
        try:
            await self.goes_on.wait()
        finally:
            self.ended.set()
        return "done"


class OneActivity(Workflow):
    """Has one activity done, with its input as settings; cancels it on a signal; completes with how it ended."""

    def decide(self, process: Process) -> Decision | None:
        outcome = process.outcome_of("it")
        match outcome:
            case None if process.signals("cancel"):
                return CancelActivityDecision("it")
            case None if process.activity("it") is None:
                return ScheduleActivityDecision("Waiting", id="it", **(process.input or {}))
            case None:
                return None
            case ActivityCompleted(result=result):
                return CompleteProcessDecision(["completed", result])
            case ActivityAborted(reason=reason, details=details):
                return CompleteProcessDecision(["aborted", reason, details])
            case ActivityFailed(reason=reason):
                return CompleteProcessDecision(["failed", reason])
            case _:
                return CompleteProcessDecision(["timed out", outcome.timeout_type.value, outcome.details])


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["memory", "sqlite"])
async def backend(request: pytest.FixtureRequest, clock: ManualClock, tmp_path: Path) -> AsyncIterator[LocalBackend]:
    store: Store = (
        MemoryStore() if request.param == "memory" else SQLiteStore(tmp_path / "test.db", synchronous="NORMAL")
    )
    async with LocalBackend(store, clock=clock) as backend:
        yield backend


def worker(backend: LocalBackend, clock: ManualClock, *activities: Activity, **options: Any) -> Worker:
    return Worker(
        backend,
        workflows=[OneActivity],
        activities=activities,
        options=WorkerOptions(**{"block_seconds": None, **options}),
        clock=clock,
    )


async def events_of(handle: ProcessHandle, *kinds: type[AnyEvent]) -> list[AnyEvent]:
    return [event async for event in handle.history() if not kinds or isinstance(event, kinds)]


async def test_a_result_reaches_the_history(backend: LocalBackend, clock: ManualClock) -> None:
    act = Waiting()
    act.goes_on.set()
    async with worker(backend, clock, act):
        handle = await Client(backend).start(OneActivity)
        assert await handle.result() == ["completed", "done"]
    assert len(await events_of(handle)) == 11


async def test_a_cancellation_by_the_decider_is_pushed(backend: LocalBackend, clock: ManualClock) -> None:
    act = Waiting()
    async with worker(backend, clock, act):
        handle = await Client(backend).start(OneActivity)
        await act.began.wait()
        await handle.signal("cancel")
        assert await handle.result() == ["aborted", "cancel requested", {"begun": True}]
    (aborted,) = await events_of(handle, ActivityAbortedEvent)
    assert isinstance(aborted, ActivityAbortedEvent)
    assert aborted.cancel_requested_event_id


async def test_heartbeats_keep_an_activity_alive(backend: LocalBackend, clock: ManualClock) -> None:
    act = Waiting()
    async with worker(backend, clock, act):
        handle = await Client(backend).start(OneActivity, {"heartbeat_timeout": 3})
        await act.began.wait()
        for _ in range(20):
            while clock.next_alarm is None or clock.next_alarm > clock.now() + 1.0:  # noqa: ASYNC110 - one is under way
                await asyncio.sleep(0)
            clock.advance(1.0)
        act.goes_on.set()
        assert await handle.result() == ["completed", "done"]


async def test_a_task_that_times_out_is_stopped_and_not_told(backend: LocalBackend, clock: ManualClock) -> None:
    act = Waiting()
    async with worker(backend, clock, act):
        handle = await Client(backend).start(OneActivity, {"start_to_close_timeout": 5})
        await act.began.wait()
        clock.advance(5.0)
        assert await handle.result() == ["timed out", "START_TO_CLOSE", None]
        await act.ended.wait()
    assert await events_of(handle, ActivityAbortedEvent, ActivityCompletedEvent, ActivityFailedEvent) == []


async def test_a_process_that_is_closed_stops_its_activities(backend: LocalBackend, clock: ManualClock) -> None:
    act = Waiting()
    async with worker(backend, clock, act):
        handle = await Client(backend).start(OneActivity)
        await act.began.wait()
        await handle.terminate("enough")
        await act.ended.wait()
    assert await events_of(handle, ActivityAbortedEvent) == []


async def test_what_a_worker_leaves_another_takes_up(backend: LocalBackend, clock: ManualClock) -> None:
    act = Waiting()
    async with worker(backend, clock, act) as first:
        handle = await Client(backend).start(OneActivity)
        await act.began.wait()
        first.stop(now=True)
    assert isinstance((await events_of(handle))[-2], ActivityAbortedEvent)
    async with worker(backend, clock):
        assert await handle.result() == ["aborted", "worker shutdown", {"begun": True}]


async def test_a_polls_end_loses_no_task(backend: LocalBackend, clock: ManualClock) -> None:
    """Workers come and go while processes start: everything gets done, once."""
    client, act = Client(backend), Waiting()
    act.goes_on.set()
    handles: list[ProcessHandle] = []
    for number in range(10):
        async with worker(backend, clock, act):
            handles += [await client.start(OneActivity, id=f"{number}-{other}") for other in range(3)]
    async with worker(backend, clock, act):
        results = [await handle.result() for handle in handles]
    assert results == [["completed", "done"]] * 30
    counts = Counter(task.process.process_id for task in act.tasks)
    assert set(counts.values()) == {1}
    assert len(counts) == 30


async def test_an_activity_may_be_finished_elsewhere(backend: LocalBackend, clock: ManualClock) -> None:
    act = Waiting()
    act.auto_complete = False
    act.goes_on.set()
    async with worker(backend, clock, act):
        handle = await Client(backend).start(OneActivity)
        await act.ended.wait()
    (task,) = act.tasks
    await backend.complete_activity_task(task.token, ActivityCompleted("by somebody else"))
    async with worker(backend, clock):
        assert await handle.result() == ["completed", "by somebody else"]


async def test_an_unknown_activity_fails_and_the_decider_is_told(backend: LocalBackend, clock: ManualClock) -> None:
    async with worker(backend, clock, Waiting()):
        pass  # it is registered, so that it can be scheduled

    class Other(Activity):
        async def execute(self, task: object, worker: object) -> None: ...

    async with worker(backend, clock, Other()):
        kind, reason = await (await Client(backend).start(OneActivity)).result()
    assert kind == "failed"
    assert reason.endswith("has no activity Waiting (version 1)")


async def test_a_decider_that_hangs_loses_its_turn_and_gets_another(backend: LocalBackend, clock: ManualClock) -> None:
    class Hanging(Workflow):
        turns = 0

        async def decide(self, process: Process) -> Decision:
            type(self).turns += 1
            if self.turns == 1:
                began.set()
                await asyncio.Event().wait()
            return CompleteProcessDecision(self.turns)

    began = asyncio.Event()
    async with Worker(backend, workflows=[Hanging], options=QUIET, clock=clock):
        handle = await Client(backend).start(Hanging, decision_timeout=10)
        await began.wait()
        clock.advance(10.0)
        assert await handle.result() == 2
    assert len(await events_of(handle, DecisionStartedEvent)) == 2


async def test_a_decider_that_raises_closes_its_process_if_that_is_asked_for(
    backend: LocalBackend, clock: ManualClock
) -> None:
    class Buggy(Workflow):
        def decide(self, process: Process) -> Decision:
            raise ValueError("bug")

    options = WorkerOptions(block_seconds=None, on_decider_error="fail_process")
    async with Worker(backend, workflows=[Buggy], options=options, clock=clock):
        handle = await Client(backend).start(Buggy)
        with pytest.raises(ProcessFailedError, match="decider failed: ValueError: bug"):
            await handle.result()


async def test_a_heartbeat_timeout_is_learnt(backend: LocalBackend, clock: ManualClock) -> None:
    """The worker's clock stands still, so no heartbeat is sent."""
    act = Waiting()
    async with worker(backend, ManualClock(), act):
        handle = await Client(backend).start(OneActivity, {"heartbeat_timeout": 3})
        await act.began.wait()
        clock.advance(3.0)
        await act.ended.wait()
        assert await handle.result() == ["timed out", TimeoutType.HEARTBEAT.value, None]
    (timed_out,) = await events_of(handle, ActivityTimedOutEvent)
    assert isinstance(timed_out, ActivityTimedOutEvent)


class Fan(Workflow):
    """As many activities at once as its input says."""

    def decide(self, process: Process) -> list[Decision]:
        if not process.previous_started_event_id:
            return [ScheduleActivityDecision("Square", number) for number in range(process.input)]
        if process.open_activities:
            return []
        return [CompleteProcessDecision(sum(record.result() for record in process.activities("Square")))]


class Square(Activity):
    running, most = 0, 0

    async def execute(self, task: ActivityTask, worker: ActivityContext) -> int:
        self.running += 1
        self.most = max(self.most, self.running)
        await settle()
        self.running -= 1
        return int(task.input) ** 2


@pytest.mark.parametrize("workers", [1, 3])
async def test_activities_run_side_by_side_up_to_the_limit(
    backend: LocalBackend, clock: ManualClock, workers: int
) -> None:
    square = Square()
    async with asyncio.TaskGroup() as group:
        options = WorkerOptions(block_seconds=None, max_concurrent_activities=7)
        running = [
            Worker(backend, workflows=[Fan], activities=[square], options=options, clock=clock) for _ in range(workers)
        ]
        for one in running:
            group.create_task(one.run())
        await settle()
        client = Client(backend)
        handles = [await client.start(Fan, 50) for _ in range(4)]
        results = [await handle.result() for handle in handles]
        for one in running:
            one.stop()
    assert results == [sum(number**2 for number in range(50))] * 4
    assert 1 < square.most <= 7 * workers
    for handle in handles:
        assert len(await events_of(handle, ActivityStartedEvent)) == 50
