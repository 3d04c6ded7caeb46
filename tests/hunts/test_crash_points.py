"""Crash points: the OS process dies before or after its n-th operation on the database, for every n, and another takes
its place.

A crash is told by a store that from then on raises at every call, so that whatever the dying backend and worker still
try comes to nothing; then its connection is closed. What the next one finds is what the disk would hold.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from aioworkflow.activity import Activity, ActivityContext
from aioworkflow.backends.local import LocalBackend, LocalOptions
from aioworkflow.client import Client
from aioworkflow.decision import (
    CancelActivityDecision,
    CompleteProcessDecision,
    ContinueAsNewDecision,
    Decision,
    SignalProcessDecision,
    StartChildProcessDecision,
    StartTimerDecision,
)
from aioworkflow.event import (
    ActivityCancelRequestedEvent,
    ActivityScheduledEvent,
    ActivityStartedEvent,
    ActivityTimedOutEvent,
    AnyEvent,
    ExternalProcessSignaledEvent,
    ProcessContinuedAsNewEvent,
    ProcessSignaledEvent,
    SignalProcessInitiatedEvent,
    StartChildProcessInitiatedEvent,
    TimerFiredEvent,
)
from aioworkflow.process import Process
from aioworkflow.stores.base import Store
from aioworkflow.stores.memory import MemoryDatabase, MemoryStore
from aioworkflow.stores.sqlite import SQLiteStore
from aioworkflow.task import ActivityTask
from aioworkflow.testing import ManualClock
from aioworkflow.types import ProcessRef
from aioworkflow.worker import Worker, WorkerOptions
from aioworkflow.workflow import Workflow
from tests.backends.scripted_store import ScriptedStore
from tests.hunts.audit import Histories, assert_all_over, audit, completions
from tests.hunts.steps import is_done, todo

T = TypeVar("T")

LEASE_SECONDS = 15.0
OPTIONS = LocalOptions(lease_seconds=LEASE_SECONDS, watch_seconds=3600.0, session_check_seconds=3600.0)
QUIET = WorkerOptions(block_seconds=None, grace_seconds=0.0, max_polls=3)

CHAIN, FAN = 2, 3
RESULT = [4, [0, 2, 4], 20, "napped", "stopped", 7, "hello", 8]

WRITES = ("commit", "save_type", "renew_session", "end_session")


# --- the scenario ----------------------------------------------------------------------------------------------------


class Main(Workflow):
    """A chain, a fan-out, a child, a timer, signals and an activity that is cancelled; then it continues as new."""

    decision_timeout = None

    def decide(self, process: Process) -> list[Decision]:
        if process.input is not None:
            return self.end(process)
        decisions: list[Decision] = []
        value = 1
        for step in range(CHAIN):
            decisions += todo(process, "Double", f"chain-{step}", value)
            if not is_done(process, f"chain-{step}"):
                break
            value = process.result_of(f"chain-{step}")
        for part in range(FAN):
            decisions += todo(process, "Double", f"fan-{part}", part)
        if process.child("child") is None:
            decisions.append(StartChildProcessDecision(Child, 10, id="child"))
        if process.timer("nap") is None:
            decisions.append(StartTimerDecision(30 * 86_400, id="nap"))
        decisions += self.stop_endless(process)
        return decisions or self.go_on(process, value)

    def stop_endless(self, process: Process) -> list[Decision]:
        if not process.signals("stop"):
            return todo(process, "Endless", "endless")
        if "endless" in process.open_activities and not every(process.history, ActivityCancelRequestedEvent):
            return [CancelActivityDecision("endless")]
        return []

    def go_on(self, process: Process, value: int) -> list[Decision]:
        if process.open_activities or process.open_children or process.open_timers or not process.signals("hello"):
            return []
        fan = [process.result_of(f"fan-{part}") for part in range(FAN)]
        stop, hello = process.signals("stop")[0].input, process.signals("hello")[0].input
        child = process.child_result_of("child")
        return [ContinueAsNewDecision([value, fan, child, "napped", "stopped", stop, hello])]

    def end(self, process: Process) -> list[Decision]:
        if not is_done(process, "last"):
            return todo(process, "Double", "last", process.input[0])
        return [CompleteProcessDecision([*process.input, process.result_of("last")])]


class Child(Workflow):
    """Greets its parent."""

    decision_timeout = None

    def decide(self, process: Process) -> list[Decision]:
        decisions = todo(process, "Double", "step", process.input)
        if not every(process.history, SignalProcessInitiatedEvent):
            assert process.parent is not None
            decisions.append(SignalProcessDecision(process.parent, "hello", "hello"))
        if not is_done(process, "step") or not every(process.history, ExternalProcessSignaledEvent):
            return decisions
        return [CompleteProcessDecision(process.result_of("step"))]


class Double(Activity):
    def __init__(self, executed: Counter[tuple[str, str]]) -> None:
        self.executed = executed

    def count(self, task: ActivityTask) -> None:
        self.executed[task.process.run_id, task.activity_id] += 1

    async def execute(self, task: ActivityTask, worker: ActivityContext) -> Any:
        self.count(task)
        return 2 * task.input


class Endless(Double):
    def __init__(self, executed: Counter[tuple[str, str]]) -> None:
        super().__init__(executed)
        self.began = asyncio.Event()

    async def execute(self, task: ActivityTask, worker: ActivityContext) -> Any:
        self.count(task)
        self.began.set()
        await asyncio.Event().wait()


def every(events: Any, kind: type[AnyEvent]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


# --- crashes ---------------------------------------------------------------------------------------------------------


class CrashError(BaseException):
    """The OS process is no more; nothing in the package may stop this."""


class CrashingStore(ScriptedStore):
    """Dies before its n-th operation, or after its n-th write. (After a read is before the next operation.)"""

    def __init__(self, inner: Store, *, before: int = 0, after: int = 0) -> None:
        super().__init__(inner)
        self.left_before = before
        self.left_after = after
        self.is_dead = False

    async def _do(self, method: str, work: Callable[[], Awaitable[T]]) -> T:
        if method == "close":
            return await work()
        if not self.is_dead:
            self.left_before -= 1
            self.is_dead = self.left_before == 0
        self.check()
        result = await super()._do(method, work)
        self.check()  # another operation may have been the last
        if method in WRITES:
            self.left_after -= 1
            self.is_dead = self.left_after == 0
        self.check()
        return result

    def check(self) -> None:
        if self.is_dead:
            raise CrashError


class World:
    """A database, and what those who used it were promised."""

    def __init__(self, new_store: Callable[[], Store]) -> None:
        self.new_store = new_store
        self.clock = ManualClock()
        self.lease_clock = ManualClock()
        self.executed: Counter[tuple[str, str]] = Counter()
        self.started: ProcessRef | None = None
        self.signaled = False

    async def live(self, store: CrashingStore) -> Any:
        """Be an OS process: return the result of the scenario, or None after a crash."""
        backend = LocalBackend(store, OPTIONS, clock=self.clock, lease_clock=self.lease_clock)
        endless = Endless(self.executed)
        activities = [Double(self.executed), endless]
        try:
            async with (
                asyncio.timeout(20),
                backend,
                Worker(backend, workflows=[Main, Child], activities=activities, options=QUIET),
                time_flies(self.clock),
            ):
                return await self.drive(Client(backend), endless)
        except (Exception, BaseExceptionGroup, CrashError):
            if not store.is_dead:
                raise
            return None
        finally:
            self.lease_clock.advance(LEASE_SECONDS + 1)

    async def drive(self, client: Client, endless: Endless) -> Any:
        """Start and signal, except what an OS process before has done."""
        if not self.started and not await client.count(id="main"):
            self.started = (await client.start(Main, id="main")).ref
        first = [info.process async for info in client.processes(id="main")][-1]
        handle = client.handle(*first)
        if not self.signaled and not (await handle.process()).signals("stop"):
            await endless.began.wait()
            await handle.signal("stop", 7)
            self.signaled = True
        return await handle.result()

    async def check(self) -> None:
        """Check that nothing was lost or doubled."""
        store = self.new_store()
        await store.open()
        histories = await audit(store)
        await assert_all_over(store, histories, session="auditor")
        await store.close()
        assert sorted(ref.process_id for ref in histories) == ["child", "main", "main"]
        (child,) = (ref for ref in histories if ref.process_id == "child")
        (first,) = (ref for ref, events in histories.items() if isinstance(events[-1], ProcessContinuedAsNewEvent))
        (last,) = histories.keys() - {child, first}
        assert self.started in (None, first)
        assert completions(histories[first]) == ["chain-0", "chain-1", "fan-0", "fan-1", "fan-2"]
        assert completions(histories[last]) == ["last"]
        assert completions(histories[child]) == ["step"]
        assert sorted(event.signal for event in every(histories[first], ProcessSignaledEvent)) == ["hello", "stop"]
        assert len(every(histories[first], StartChildProcessInitiatedEvent)) == 1
        assert len(every(histories[first], TimerFiredEvent)) == 1
        assert_runs_again_only_if_asked(histories, self.executed)


def assert_runs_again_only_if_asked(histories: Histories, executed: Counter[tuple[str, str]]) -> None:
    """An activity is scheduled once more for each time that it was lost, and executed at most once for each start."""
    known: Counter[tuple[str, str]] = Counter()
    for ref, events in histories.items():
        ids = {event.event_id: (ref.run_id, event.activity_id) for event in every(events, ActivityScheduledEvent)}
        scheduled = Counter(ids.values())
        lost = Counter(ids[event.scheduled_event_id] for event in every(events, ActivityTimedOutEvent))
        started = Counter(ids[event.scheduled_event_id] for event in every(events, ActivityStartedEvent))
        for key, times in scheduled.items():
            assert lost[key] in ((times - 1, times) if key[1] == "endless" else (times - 1,))
            assert times - lost[key] <= started[key] <= times
            assert executed[key] <= started[key]
        known += scheduled
    assert executed.keys() <= known.keys()


@asynccontextmanager
async def time_flies(clock: ManualClock) -> AsyncIterator[None]:
    """Ring the next alarm again and again: in the scenario nothing times out, there is only the timer."""

    async def fly() -> None:
        while True:
            await asyncio.sleep(0.001)
            if clock.next_alarm is not None:
                clock.advance_to(clock.next_alarm)

    flying = asyncio.create_task(fly())
    try:
        yield
    finally:
        flying.cancel()


# --- the hunt --------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "sqlite"])
def new_world(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], World]:
    numbers = iter(range(10_000))

    def make() -> World:
        if request.param == "memory":
            database = MemoryDatabase()
            return World(lambda: MemoryStore(database))
        path = tmp_path / f"{next(numbers)}.db"
        return World(lambda: SQLiteStore(path, synchronous="NORMAL"))

    return make


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_crash_at_every_operation(new_world: Callable[[], World], moment: str) -> None:
    number = 0
    crashed = True
    while crashed:
        number += 1
        world = new_world()
        store = CrashingStore(world.new_store(), **{moment: number})
        result = await world.live(store)
        crashed = store.is_dead
        if crashed:
            result = await world.live(CrashingStore(world.new_store()))
        assert result == RESULT, f"after a crash {moment} operation {number}"
        await world.check()
    assert number > 20


@pytest.mark.parametrize("seed", range(10))
async def test_crash_upon_crash(new_world: Callable[[], World], seed: int) -> None:
    chance = random.Random(seed)
    world = new_world()
    for _ in range(20):
        store = CrashingStore(world.new_store(), **{chance.choice(["before", "after"]): chance.randint(1, 20)})
        result = await world.live(store)
        if result is not None:
            break
    else:
        result = await world.live(CrashingStore(world.new_store()))
    assert result == RESULT
    await world.check()
