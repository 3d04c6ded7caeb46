"""One coroutine workflow gives the same history on every backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from aioworkflow import flow
from aioworkflow.activity import activity
from aioworkflow.client import Client, ProcessHandle
from aioworkflow.errors import ActivityError
from aioworkflow.event import AnyEvent, DecisionCompletedEvent, DecisionScheduledEvent
from aioworkflow.process import Process
from aioworkflow.retry import RetryPolicy
from aioworkflow.stores.memory import MemoryDatabase, MemoryStore
from aioworkflow.stores.postgres import PostgresStore
from aioworkflow.stores.sqlite import SQLiteStore
from aioworkflow.testing import replay
from aioworkflow.testing.conformance.backend import LocalHarness
from aioworkflow.worker import Worker, WorkerOptions
from tests.backends.swf.moto_harness import MotoHarness, moto_server
from tests.backends.swf.swf_harness import StandInHarness
from tests.swf_server.environment import isolated

NOBODY = "nobody polls this"
RESULT = '{"refused":"stolen card","approved":"by ada","child":"PermissionError: 500 from other"}'

Harness = LocalHarness | StandInHarness | MotoHarness


@activity(
    start_to_close_timeout=600, schedule_to_start_timeout=600, schedule_to_close_timeout=600, heartbeat_timeout=600
)
async def charge(card: str, cents: int) -> str:
    if card == "stolen":
        raise PermissionError("stolen card")
    return f"{cents} from {card}"


@flow.workflow(execution_timeout=3600)
async def payment(card: str, cents: int) -> str:
    """What moto can do, too: activities that end in every way, one after the other, markers and the status."""
    flow.set_status("begun")
    number = flow.side_effect(lambda: 7, int)
    assert flow.patched("receipts")
    try:
        return await flow.execute(charge, (card, cents), control={"number": number})
    except ActivityError as error:
        return f"{error.type}: {await flow.execute(charge, ('other', cents), id='second-card')}"


@flow.workflow(execution_timeout=3600)
async def order(cents: int) -> dict[str, Any]:
    async with asyncio.timeout(300):
        await asyncio.sleep(5)
    retry = RetryPolicy(initial=2, backoff=2, maximum_attempts=3)
    try:
        await flow.execute(charge, ("stolen", cents), retry=retry)
    except ActivityError as error:
        refused = error.message
    first = await flow.wait_signal("approved", str)
    child = await flow.execute_child("payment", ("stolen", cents), into=str, id="payment")
    try:
        await flow.execute(charge, ("new", cents), task_list=NOBODY, cancel="wait")
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()
    return {"refused": refused, "approved": first, "child": child}


LOST = {"timestamp", "identity", "execution_context", "run_id", "parent", "task_list"}
"""What must differ, or is the service's own."""


def told(process: Process) -> list[dict[str, Any]]:
    """Return what a history tells that does not depend on the clock, and on who did it."""
    return [_told(event) for event in process.history]


def _told(event: AnyEvent) -> dict[str, Any]:
    fields = msgspec.to_builtins(event)
    fields.pop("process", None)
    details = fields.get("details_json")
    if details is not None and "traceback" in details:
        fields["details_json"] = msgspec.json.decode(details)["type"]
    return {name: value for name, value in fields.items() if name not in LOST}


async def history_of(harness: Harness, workflow: Any, given: Any) -> Process:
    """Run a process to its end, with the help from outside that it needs."""
    options = WorkerOptions(sticky_seconds=None)
    async with Worker(harness.backend, workflows=[payment, order], activities=[charge], options=options):
        handle = await Client(harness.backend).start(workflow, given, id="the-process")
        while (process := await handle.process()).ending is None:
            if is_quiet(process):
                await help_on(harness, handle, process)
            await asyncio.sleep(0.01)
    return process


def is_quiet(process: Process) -> bool:
    """Whether nothing will happen without help."""
    decided = [event.event_id for event in process.history if isinstance(event, DecisionCompletedEvent)]
    asked = [event.event_id for event in process.history if isinstance(event, DecisionScheduledEvent)]
    at_work = any(scheduled.task_list != NOBODY for scheduled in process.open_activities.values())
    return len(decided) == len(asked) and not at_work and not process.open_children


async def help_on(harness: Harness, handle: ProcessHandle, process: Process) -> None:
    if process.open_timers:
        await harness.advance(min(timer.delay for timer in process.open_timers.values()))
    elif process.open_activities:
        await handle.cancel()
    else:
        await handle.signal("approved", "by ada")


@asynccontextmanager
async def local(new_store: Callable[[], Any]) -> AsyncIterator[Harness]:
    async with LocalHarness(new_store) as harness:
        yield harness


@asynccontextmanager
async def stand_in() -> AsyncIterator[Harness]:
    with isolated():
        async with StandInHarness() as harness:
            yield harness


@asynccontextmanager
async def moto() -> AsyncIterator[Harness]:
    with isolated(), moto_server() as url:
        async with MotoHarness(url) as harness:
            yield harness


async def test_all_that_a_workflow_can_do(tmp_path: Path, postgres_url: str, schema: str) -> None:
    memory = MemoryDatabase()
    backends = {
        "memory": local(lambda: MemoryStore(memory)),
        "sqlite": local(lambda: SQLiteStore(tmp_path / "same.db", synchronous="NORMAL")),
        "postgres": local(lambda: PostgresStore(postgres_url, schema=schema)),
        "swf": stand_in(),
    }
    histories = {}
    for name, backend in backends.items():
        async with backend as harness:
            process = await history_of(harness, order, 500)
        await replay(process, order)
        histories[name] = told(process)
    expected = histories.pop("memory")
    assert expected[-1]["result_json"] == RESULT
    for name, history in histories.items():
        assert history == expected, name


async def test_what_moto_can_do() -> None:
    memory = MemoryDatabase()
    histories = []
    for backend in (local(lambda: MemoryStore(memory)), moto()):
        async with backend as harness:
            process = await history_of(harness, payment, ("stolen", 500))
        await replay(process, payment)
        histories.append(told(process))
    assert histories[1] == histories[0]
    assert histories[0][-1]["result_json"] == '"PermissionError: 500 from other"'
