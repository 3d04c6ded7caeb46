"""The jobs on aioworkflow and Amazon SWF's protocol: one worker and one client in one OS process."""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter as CounterOf
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

import aioworkflow as aw
from aioworkflow.activity import Activity
from aioworkflow.backend import Backend, StartRequest
from aioworkflow.backends.swf import SWFBackend, SWFOptions
from aioworkflow.event import ActivityCompletedEvent, ChildProcessCompletedEvent, Event
from aioworkflow.types import ActivityType, WorkflowType
from harness import Counter, Job, child, throughput
from ours import resident_bytes
from swf_stage import DOMAIN, REGION, Counts, Stage, stage

CALLS = 300  # of which a round of the comparison of CPU is made

counter = Counter()
ended: dict[str, asyncio.Future[None]] = {}
"""For each open process, what its decider tells when it has closed it; to ask Amazon SWF would be a cost of its own."""


@aw.activity(start_to_close_timeout=60)
async def step(number: int) -> int:
    counter.add()
    return number + 1


@aw.activity(start_to_close_timeout=60)
async def charge_card(customer: str) -> None:
    counter.add()


@aw.activity(start_to_close_timeout=60)
async def book_carrier(customer: str) -> str:
    counter.add()
    return f"1Z-{customer}"


def complete(process: aw.Process, result: object) -> aw.Decision:
    if process.id in ended and not ended[process.id].done():
        ended[process.id].set_result(None)
    return aw.CompleteProcessDecision(result)


class ChainWorkflow(aw.Workflow):
    """``input`` activities, one after another; each gets what the one before it returned."""

    async def decide(self, process: aw.Process) -> aw.Decision:
        number = 0
        for event in process.new_events:
            if isinstance(event, ActivityCompletedEvent):
                number = event.result
        return complete(process, number) if number == process.input else aw.ScheduleActivityDecision(step, number)


class ShipmentWorkflow(aw.RuleWorkflow):
    @aw.on_started
    def book(self, process: aw.Process, event: Event) -> aw.Decision:
        return aw.ScheduleActivityDecision(book_carrier, process.input)

    @aw.on_activity_completed(book_carrier)
    def booked(self, process: aw.Process, event: ActivityCompletedEvent) -> aw.Decision:
        return aw.CompleteProcessDecision(event.result)


class OrderWorkflow(aw.RuleWorkflow):
    """The order of the second example, which goes well: a payment, a signal, a child with an activity."""

    @aw.on_started
    def charge(self, process: aw.Process, event: Event) -> aw.Decision:
        return aw.ScheduleActivityDecision(charge_card, process.input)

    @aw.on_activity_completed(charge_card)
    def paid(self, process: aw.Process, event: ActivityCompletedEvent) -> aw.Decision:
        return self.ship(process) if process.signals("packed") else aw.StartTimerDecision(60, id="packing")

    @aw.on_signal("packed")
    def packed(self, process: aw.Process, event: Event) -> list[aw.Decision]:
        return [aw.CancelTimerDecision("packing"), self.ship(process)] if process.open_timers else []

    @aw.on_child_closed(ShipmentWorkflow)
    def shipped(self, process: aw.Process, event: Event) -> aw.Decision:
        assert isinstance(event, ChildProcessCompletedEvent)
        return complete(process, event.result)

    def ship(self, process: aw.Process) -> aw.Decision:
        return aw.StartChildProcessDecision(ShipmentWorkflow, process.input)


WORKFLOWS = [ChainWorkflow, OrderWorkflow, ShipmentWorkflow]
ACTIVITIES: list[Activity] = [step, charge_card, book_carrier]


def backend_on(url: str) -> SWFBackend:
    options = SWFOptions(register_domain=True, quota_share=None, close_seconds=0)
    return SWFBackend(DOMAIN, region=REGION, endpoint_url=url, options=options)


@asynccontextmanager
async def running(url: str, polls: int) -> AsyncIterator[aw.Client]:
    options = aw.WorkerOptions(
        max_concurrent_activities=2 * polls, max_concurrent_decisions=2 * polls, max_polls=polls, cached_processes=1000
    )
    async with (
        backend_on(url) as backend,
        aw.Worker(backend, workflows=WORKFLOWS, activities=ACTIVITIES, options=options),
    ):
        yield aw.Client(backend)


async def run_process(job: Job, client: aw.Client, number: int) -> None:
    id = f"{job.shape} {number}"
    ended[id] = end = asyncio.get_running_loop().create_future()
    if job.shape.startswith("order"):
        handle = await client.start(OrderWorkflow, "ada", id=id)
        await handle.signal("packed")
    else:
        await client.start(ChainWorkflow, job.size, id=id)
    await end
    del ended[id]


def runner(job: Job, client: aw.Client) -> Callable[[], Awaitable[None]]:
    numbers = iter(range(1_000_000_000))
    return lambda: run_process(job, client, next(numbers))


async def run_jobs(job: Job, here: Stage) -> NoReturn:
    """Processes of the job's shape, again and again; decisions as the service counted them."""
    async with running(here.url, polls=job.concurrency) as client:
        begun = time.perf_counter()
        metrics = dict(await throughput(job, runner(job, client), counter))
        metrics.pop("activities", None)
        elapsed = time.perf_counter() - begun
        decisions = here.counts().calls["RespondDecisionTaskCompleted"]
        here.finish({**metrics, "decisions_per_second": decisions / elapsed})


async def count_calls(job: Job, here: Stage) -> NoReturn:
    """What one process takes: calls by kind, and bytes of bodies; heartbeats, empty polls and types aside."""
    async with running(here.url, polls=1) as client:
        await run_process(job, client, 0)
        await settled(here)
        await run_process(job, client, 1)
        counts = await settled(here)
        calls = CounterOf({name: count for name, count in counts.calls.items() if "(empty)" not in name})
        metrics: dict[str, float] = {
            "starts": calls.pop("StartWorkflowExecution", 0),
            "decision_polls": calls.pop("PollForDecisionTask", 0),
            "decision_answers": calls.pop("RespondDecisionTaskCompleted", 0),
            "activity_polls": calls.pop("PollForActivityTask", 0),
            "activity_answers": calls.pop("RespondActivityTaskCompleted", 0),
            "other_calls": calls.total(),
            "bytes_sent": counts.bytes_in.total(),
            "bytes_received": counts.bytes_out.total(),
        }
        here.finish({**metrics, "calls_per_activity": (sum(list(metrics.values())[:6]) - 3) / job.size})


async def settled(here: Stage) -> Counts:
    """Return what was counted when nothing more comes: the decider tells of the end before it answers."""
    counts = here.counts()
    total = Counts(*(CounterOf(counter) for counter in counts))
    while True:
        await asyncio.sleep(0.1)
        if not (counts := here.counts()).calls:
            return total
        for sum_of, more in zip(total, counts, strict=True):
            sum_of.update(more)


async def decide_on_history(job: Job, here: Stage) -> NoReturn:
    """What the last decisions of one cached process receive whose history has ``job.size`` events."""
    rounds = job.size // 6
    async with running(here.url, polls=1) as client:
        id = "long"
        ended[id] = asyncio.get_running_loop().create_future()
        await client.start(ChainWorkflow, rounds + 1, id=id)
        while counter.value < rounds - 50:  # noqa: ASYNC110 - the decider would have to know how many there are
            await asyncio.sleep(0.01)
        here.counts()
        began, decided = time.perf_counter(), counter.value
        await ended[id]
        counts = here.counts()
        polls = counts.calls["PollForDecisionTask"]
        here.finish(
            {
                "events_per_decision": counts.events_out["PollForDecisionTask"] / polls,
                "bytes_per_decision": counts.bytes_out["PollForDecisionTask"] / polls,
                "seconds_per_decision": (time.perf_counter() - began) / (counter.value - decided),
            }
        )


async def stay_idle(job: Job, here: Stage) -> NoReturn:
    """The memory that ``job.size`` open polls take in this OS process."""
    async with backend_on(here.url) as backend:
        polls = [asyncio.create_task(backend.poll_activity_task("warm")) for _ in range(10)]
        await asyncio.sleep(0.5)
        gc.collect()
        before = resident_bytes()
        polls += [asyncio.create_task(backend.poll_activity_task("idle")) for _ in range(job.size)]
        await asyncio.sleep(2.0 + job.size / 1000)
        gc.collect()
        used = resident_bytes() - before
        if any(poll.done() for poll in polls):
            raise AssertionError(f"{job.case}: a poll ended")
        here.finish({"bytes_per_poll": used / job.size})


async def compare_calls(job: Job, here: Stage) -> NoReturn:
    """The CPU of one call beside that of a bare client of aiobotocore: heartbeats, and histories of 100 events."""
    session = AioSession()
    config = AioConfig(retries={"mode": "standard", "total_max_attempts": 1})
    async with (
        running(here.url, polls=1) as client,
        backend_on(here.url) as backend,
        session.create_client("swf", region_name=REGION, endpoint_url=here.url, config=config) as bare,
    ):
        await run_process(Job(script="", store="", shape="chain-16"), client, 0)
        await asyncio.sleep(0.5)
        process = (await client.handle("chain-16 0").info()).process
        run = {"workflowId": process.process_id, "runId": process.run_id}
        token = await waiting_task(backend, bare)

        async def our_history() -> None:
            async for _ in backend.history(process):
                pass

        pairs: dict[str, tuple[Callable[[], Awaitable[object]], Callable[[], Awaitable[object]]]] = {
            "heartbeat": (
                lambda: backend.heartbeat_activity_task(token, '{"done": 5}'),
                lambda: bare.record_activity_task_heartbeat(taskToken=token, details='{"done": 5}'),
            ),
            "history": (our_history, lambda: bare.get_workflow_execution_history(domain=DOMAIN, execution=run)),
        }
        metrics: dict[str, float] = {}
        for name, (ours, theirs) in pairs.items():
            mine = bares = 0.0
            for _ in range(4):
                mine += await cpu(ours)
                bares += await cpu(theirs)
            metrics |= {f"cpu_seconds_per_{name}": mine / 4, f"bare_cpu_seconds_per_{name}": bares / 4}
        here.finish(metrics)


async def waiting_task(backend: Backend, bare: object) -> str:
    """Return the token of an activity task that nobody else works on."""
    activity = ActivityType(
        ref=aw.TypeRef("endless"),
        schedule_to_start_timeout=None,
        schedule_to_close_timeout=None,
        start_to_close_timeout=None,
        heartbeat_timeout=None,
        task_list="endless",
    )
    await backend.register_activity(activity)
    await backend.register_workflow(
        WorkflowType(
            ref=aw.TypeRef("endless"),
            execution_timeout=1000.0,
            decision_timeout=100.0,
            task_list="endless",
            child_policy=aw.ChildPolicy.TERMINATE,
        )
    )
    await backend.start_process(StartRequest(process_id="endless", workflow=aw.TypeRef("endless")))
    decision = await backend.poll_decision_task("endless")
    assert decision is not None
    await backend.complete_decision_task(decision.token, [aw.ScheduleActivityDecision("endless", id="a")])
    task = await backend.poll_activity_task("endless")
    assert task is not None
    return task.token


async def cpu(call: Callable[[], Awaitable[object]]) -> float:
    """Return the CPU seconds of a call."""
    await call()
    begun = time.process_time()
    for _ in range(CALLS):
        await call()
    return (time.process_time() - begun) / CALLS


async def measure(job: Job, directory: Path) -> NoReturn:
    with stage() as here:
        kinds = {"calls": count_calls, "history": decide_on_history, "polls": stay_idle, "cpu": compare_calls}
        await kinds.get(job.shape.partition("-")[0], run_jobs)(job, here)


if __name__ == "__main__":
    child(measure)
