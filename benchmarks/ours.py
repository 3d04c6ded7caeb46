"""The jobs on aioworkflow: one worker and one client in one process, on the store that the job names."""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from aioworkflow.activity import Activity
from aioworkflow.backend import Backend
from aioworkflow.client import Client
from aioworkflow.connect import connect
from aioworkflow.decision import CompleteProcessDecision, Decision, ScheduleActivityDecision
from aioworkflow.event import ActivityCompletedEvent
from aioworkflow.process import Process
from aioworkflow.worker import Worker, WorkerOptions
from aioworkflow.workflow import Workflow
from harness import Counter, Job, child, database_url, finish, throughput

LAST_ROUNDS = 50  # of a long history, over which a decision is timed

counter = Counter()
decided_at: list[tuple[int, float, float]] = []  # events in history, wall clock, CPU clock


class StepActivity(Activity):
    async def execute(self, task: Any, worker: Any) -> int:
        counter.add()
        number: int = task.input
        return number + 1


class WaitActivity(Activity):
    async def execute(self, task: Any, worker: Any) -> None:
        counter.add()
        await asyncio.Event().wait()


class ChainWorkflow(Workflow):
    """``input`` activities, one after another; each gets what the one before it returned."""

    async def decide(self, process: Process) -> Decision:
        number = 0
        for event in process.new_events:
            if isinstance(event, ActivityCompletedEvent):
                number = event.result
        if number == process.input:
            return CompleteProcessDecision(result=number)
        return ScheduleActivityDecision(StepActivity, input=number)


class TimedChainWorkflow(ChainWorkflow):
    async def decide(self, process: Process) -> Decision:
        decided_at.append((process.last_event_id, time.perf_counter(), time.process_time()))
        return await super().decide(process)


class FanoutWorkflow(Workflow):
    """``input`` activities at once; the result is the sum of theirs."""

    async def decide(self, process: Process) -> list[Decision]:
        if not process.previous_started_event_id:
            return [ScheduleActivityDecision(StepActivity, input=0) for _ in range(process.input)]
        if process.open_activities:
            return []
        return [CompleteProcessDecision(result=sum(record.result() for record in process.activities(StepActivity)))]


class WaitWorkflow(Workflow):
    """``input["width"]`` activities that wait for ever, with heartbeats."""

    async def decide(self, process: Process) -> list[Decision]:
        timeout = process.input["heartbeat_timeout"]
        return [
            ScheduleActivityDecision(WaitActivity, heartbeat_timeout=timeout) for _ in range(process.input["width"])
        ]


WORKFLOWS = [ChainWorkflow, TimedChainWorkflow, FanoutWorkflow, WaitWorkflow]
ACTIVITIES = [StepActivity, WaitActivity]


def url(job: Job, directory: Path) -> str:
    if job.store == "memory":
        return "memory://"
    if job.needs_server:
        return database_url()
    return f"sqlite:///{directory}/benchmark.db?synchronous={job.store.removeprefix('sqlite-')}"


@asynccontextmanager
async def running(job: Job, at: str, activities: int) -> AsyncIterator[tuple[Any, Client]]:
    """Open the backend at a URL, a worker with room for that many activities and for all processes, and a client."""
    room = max(100, 2 * job.concurrency)
    options = WorkerOptions(
        max_concurrent_activities=max(activities, room),
        max_concurrent_decisions=room,
        max_polls=room,
        cached_processes=max(1000, room),
    )
    async with (
        connect(at) as backend,
        Worker(backend, workflows=WORKFLOWS, activities=ACTIVITIES, options=options),
    ):
        yield backend, Client(backend)


async def run_process(job: Job, client: Client) -> None:
    """Run one process of the job's shape."""
    workflow = ChainWorkflow if job.shape.startswith("chain") else FanoutWorkflow
    handle = await client.start(workflow, input=job.size)
    result = await handle.result()
    if result != job.size:
        raise AssertionError(f"{job.case}: got {result}")


async def run_jobs(job: Job, directory: Path) -> NoReturn:
    """Processes of the job's shape, again and again."""
    async with running(job, url(job, directory), activities=1000) as (_, client):
        finish(await throughput(job, lambda: run_process(job, client), counter))


async def decide_on_history(job: Job, directory: Path) -> NoReturn:
    """How long it takes from one decision to the next, an activity between them, at ``job.size`` events of history."""
    rounds: list[tuple[float, float]] = []
    async with running(job, url(job, directory), activities=10) as (_, client):
        begun = time.perf_counter()
        while not rounds or (len(rounds) < LAST_ROUNDS or time.perf_counter() - begun < job.seconds):
            decided_at.clear()
            handle = await client.start(TimedChainWorkflow, input=job.size // 6 + 1)
            await handle.result()
            late = [(wall, cpu) for events, wall, cpu in decided_at if events > job.size - 6 * LAST_ROUNDS]
            if job.size < 6 * LAST_ROUNDS:
                late = late[1:]  # the first round has only the start of the process behind it
            rounds += [(after[0] - before[0], after[1] - before[1]) for before, after in pairwise(late)]
        finish(
            {
                "seconds_per_decision": statistics.median(wall for wall, _ in rounds),
                "cpu_seconds_per_decision": statistics.fmean(cpu for _, cpu in rounds),
            }
        )


async def stay_idle(job: Job, directory: Path) -> NoReturn:
    """What ``job.size`` polls cost while nothing comes, each at a task list of its own."""
    queries = Counter()
    open_database = sqlite3.connect

    def traced(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = open_database(*args, **kwargs)
        connection.set_trace_callback(lambda _: queries.add())
        return connection

    sqlite3.connect = traced  # type: ignore[assignment]
    if job.needs_server:
        await count_queries(queries)
    async with connect(url(job, directory)) as backend:
        polls = [asyncio.create_task(backend.poll_activity_task(f"list-{number}")) for number in range(job.size)]
        await asyncio.sleep(1.0)
        before, cpu, wall = queries.value, time.process_time(), time.perf_counter()
        await asyncio.sleep(max(job.seconds, 1.0))
        elapsed = time.perf_counter() - wall
        metrics = {"cpu_seconds_per_second": (time.process_time() - cpu) / elapsed}
        if job.store != "memory":
            metrics["queries_per_second"] = (queries.value - before) / elapsed
        if any(poll.done() for poll in polls):
            raise AssertionError(f"{job.case}: a poll ended")
        finish(metrics)


async def count_queries(queries: Counter) -> None:
    """Count the queries of all connections that are made to PostgreSQL from now on."""
    import asyncpg

    open_connection = asyncpg.connect

    async def traced(*args: Any, **kwargs: Any) -> Any:
        connection = await open_connection(*args, **kwargs)
        connection.add_query_logger(lambda _: queries.add())
        return connection

    asyncpg.connect = traced


async def wait_with_heartbeats(job: Job, directory: Path) -> NoReturn:
    """What ``job.size`` activities cost that wait in one worker, and how late their heartbeats are.

    A heartbeat is due a third of its timeout after the one before it; the timeout is such that 1,000 are due a second.
    """
    timeout = 3 * job.size / 1000
    late: list[float] = []
    async with running(job, url(job, directory), activities=job.size) as (backend, client):
        await (await client.start(ChainWorkflow, input=10)).result()
        begun = counter.value
        before = resident_bytes()
        for number in range(job.concurrency):
            width = len(range(number, job.size, job.concurrency))
            await client.start(WaitWorkflow, input={"width": width, "heartbeat_timeout": timeout})
        while counter.value < begun + job.size:  # noqa: ASYNC110 — an event would need the activities to know how many they are
            await asyncio.sleep(0.05)
        used = resident_bytes() - before
        record_heartbeats(backend, timeout / 3, late)
        await asyncio.sleep(2.2 * timeout / 3)
        if len(late) < job.size * 0.9:
            raise AssertionError(f"{job.case}: only {len(late)} heartbeats came")
        finish(
            {
                "bytes_per_waiting_activity": used / job.size,
                "heartbeat_seconds_late_median": statistics.median(late),
                "heartbeat_seconds_late_max": max(late),
                "heartbeat_timeout_seconds": timeout,
            }
        )


def record_heartbeats(backend: Backend, interval: float, late: list[float]) -> None:
    """Note from now on by how much each heartbeat comes later than ``interval`` seconds after the one before it."""
    last: dict[str, float] = defaultdict(float)
    heartbeat = backend.heartbeat_activity_task

    async def recorded(token: str, details_json: str | None = None) -> bool:
        now = time.perf_counter()
        if token in last:
            late.append(now - last[token] - interval)
        last[token] = now
        return await heartbeat(token, details_json)

    backend.heartbeat_activity_task = recorded  # type: ignore[method-assign]


def resident_bytes() -> int:
    """The memory that this OS process has in use (where the system does not tell, the most that it ever had)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except FileNotFoundError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")


MEASUREMENTS = {
    "chain": run_jobs,
    "fanout": run_jobs,
    "history": decide_on_history,
    "idle-polls": stay_idle,
    "waiting": wait_with_heartbeats,
}


async def measurement(job: Job, directory: Path) -> NoReturn:
    await MEASUREMENTS[job.shape.rpartition("-")[0]](job, directory)


if __name__ == "__main__":
    child(measurement)
