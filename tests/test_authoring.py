"""What authors write, run for real: on the memory store, with a clock that jumps when nothing happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from aioworkflow import (
    Activity,
    ActivityAborted,
    ActivityAbortedEvent,
    ActivityCompletedEvent,
    ActivityFailedEvent,
    Client,
    CompleteProcessDecision,
    CompleteProcessFailedEvent,
    Event,
    Process,
    ProcessFailedError,
    ProcessSignaledEvent,
    ProcessStartedEvent,
    RetryPolicy,
    RuleWorkflow,
    ScheduleActivityDecision,
    Worker,
    Workflow,
    activity,
    current_activity,
    heartbeat,
    heartbeat_from_thread,
    on_activity_completed,
    on_signal,
    on_started,
)
from aioworkflow.backends.local import LocalBackend
from aioworkflow.stores.memory import MemoryStore
from aioworkflow.testing.clock import ManualClock, idle_time_passes


@asynccontextmanager
async def running(
    workflows: Sequence[type[Workflow] | Workflow], activities: Sequence[type[Activity] | Activity]
) -> AsyncIterator[Client]:
    clock = ManualClock()
    async with (
        LocalBackend(MemoryStore(), clock=clock) as backend,
        idle_time_passes(clock, backend),
        Worker(backend, workflows=workflows, activities=activities),
    ):
        yield Client(backend)


# --- the seed's example ----------------------------------------------------------------------------------


class FooActivity(Activity):
    @classmethod
    async def execute(cls, task: Any, worker: Any) -> Any:
        await worker.heartbeat()
        if task.input is None:
            raise Exception("no input")
        if task.input < 10:
            return task.input * 2
        return ActivityAborted(reason="input out of bounds")


class BarWorkflow(Workflow):
    @classmethod
    async def decide(cls, process: Process) -> Any:
        last = process.activities(FooActivity)
        if not last:
            return FooActivity
        return CompleteProcessDecision(type(last[-1].closed).__name__)


@pytest.mark.parametrize(
    ("input", "ending"), [(5, ActivityCompletedEvent), (50, ActivityAbortedEvent), (None, ActivityFailedEvent)]
)
async def test_the_example_of_the_seed(input: int | None, ending: type[Event]) -> None:
    async with running([BarWorkflow], [FooActivity]) as client:
        handle = await client.start(BarWorkflow, input=input, id="p")
        assert await handle.result() == ending.__name__
        process = await handle.process()
        assert process.result_of("Foo-3-0") == 10 if input == 5 else process.outcome_of("Foo-3-0")


# --- functions as activities -----------------------------------------------------------------------------


@dataclass
class Order:
    sku: str
    count: int


@activity
async def price(order: Order, currency: str = "EUR") -> str:
    await heartbeat({"sku": order.sku})
    return f"{order.count * 5} {currency} for {current_activity().task.activity_id}"


@activity(name="Pack")
def pack(order: Order) -> Order:
    heartbeat_from_thread("packing")
    return Order(order.sku, order.count - 1)


class SaleWorkflow(RuleWorkflow):
    @on_started
    def start(self, process: Process, event: ProcessStartedEvent) -> Any:
        return pack

    @on_activity_completed(pack)
    def packed(self, process: Process, event: ActivityCompletedEvent) -> Any:
        order = process.result_of("Pack-3-0", Order)
        return ScheduleActivityDecision(price, price.input_for(order, currency="CHF"), id="the price")

    @on_activity_completed(price)
    def priced(self, process: Process, event: ActivityCompletedEvent) -> Any:
        return CompleteProcessDecision(event.result)


async def test_functions_get_their_arguments_and_results_come_back() -> None:
    async with running([SaleWorkflow], [pack, price]) as client:
        handle = await client.start(SaleWorkflow, input=Order("a", 4), id="p")
        assert await handle.result() == "15 CHF for the price"


async def test_an_input_that_does_not_fit_fails_the_activity_and_names_the_parameter() -> None:
    async with running([SaleWorkflow], [pack, price]) as client:
        handle = await client.start(SaleWorkflow, input={"sku": "a"}, id="p")
        with pytest.raises(ProcessFailedError) as caught:
            await handle.result()
        assert "parameter 'order' of pack" in str(caught.value.reason)


# --- rule workflows --------------------------------------------------------------------------------------


class FlakyActivity(Activity):
    retry = RetryPolicy(maximum_attempts=4, initial=86_400, backoff=10, maximum_interval=99 * 86_400)

    def __init__(self) -> None:
        self.attempts = 0

    async def execute(self, task: Any, worker: Any) -> int:
        self.attempts += 1
        if self.attempts < 4:
            raise ValueError(self.attempts)
        return self.attempts


class PatientWorkflow(RuleWorkflow):
    @on_started
    def start(self, process: Process, event: ProcessStartedEvent) -> Any:
        return FlakyActivity

    @on_activity_completed(FlakyActivity)
    def done(self, process: Process, event: ActivityCompletedEvent) -> Any:
        return CompleteProcessDecision([event.result, (process.now - process.started_at).days])


async def test_an_activity_is_tried_again_over_months() -> None:
    async with running([PatientWorkflow], [FlakyActivity]) as client:
        handle = await client.start(PatientWorkflow, id="p")
        assert await handle.result() == [4, 1 + 10 + 99]


class RacedWorkflow(RuleWorkflow):
    """Decides to close while a signal arrives."""

    decision_timeout = None  # the clock must not jump past it

    def __init__(self) -> None:
        self.deciding = asyncio.Event()
        self.signaled = asyncio.Event()
        self.late = 0

    @on_started
    async def start(self, process: Process, event: ProcessStartedEvent) -> Any:
        self.deciding.set()
        await self.signaled.wait()
        return CompleteProcessDecision("closed")

    @on_signal("late")
    def signal(self, process: Process, event: ProcessSignaledEvent) -> None:
        self.late += 1


async def test_a_close_that_is_raced_by_a_signal_loses_neither() -> None:
    workflow = RacedWorkflow()
    async with running([workflow], []) as client:
        handle = await client.start(RacedWorkflow, id="p")
        await workflow.deciding.wait()
        await handle.signal("late")
        workflow.signaled.set()
        assert await handle.result() == "closed"
        process = await handle.process()
    assert workflow.late == 1
    assert [type(event) for event in process.history].count(CompleteProcessFailedEvent) == 1
