"""The client, on a local backend in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

import pytest
from msgspec.structs import replace

from aioworkflow.backend import Backend, ProcessFilter, ProcessPage
from aioworkflow.backends.local import LocalBackend
from aioworkflow.client import Client, ProcessHandle
from aioworkflow.decision import (
    CancelProcessDecision,
    CompleteProcessDecision,
    ContinueAsNewDecision,
    Decision,
    FailProcessDecision,
    StartChildProcessDecision,
)
from aioworkflow.errors import (
    BackendError,
    InvalidRequestError,
    PayloadError,
    ProcessAlreadyRunningError,
    ProcessCanceledError,
    ProcessFailedError,
    ProcessNotCompletedError,
    ProcessTerminatedError,
    ProcessTimedOutError,
    UnknownProcessError,
    UnknownTypeError,
)
from aioworkflow.event import ProcessCancelRequestedEvent, ProcessSignaledEvent, ProcessTerminatedEvent
from aioworkflow.payload import encode
from aioworkflow.process import Process
from aioworkflow.stores.memory import MemoryStore
from aioworkflow.testing import ManualClock
from aioworkflow.types import ChildPolicy, ProcessRef, ProcessStatus, TypeRef
from aioworkflow.worker import Worker, WorkerOptions
from aioworkflow.workflow import Workflow, workflow_type
from tests.worker.scripted import ScriptedBackend, history


@dataclass
class Point:
    x: int
    y: int


class Echo(Workflow):
    """Does what its input says, by a dict, or completes with it."""

    execution_timeout = timedelta(days=1)
    task_priority = 3

    def decide(self, process: Process) -> Decision | None:
        match process.input:
            case {"fail": reason}:
                return FailProcessDecision(reason, {"why": reason})
            case {"wait": _} if process.cancel_requested:
                return CancelProcessDecision(process.cancel_details)
            case {"say": status}:
                process.execution_context = encode(status)
                return None
            case {"wait": name}:
                signals = process.signals(name)
                return CompleteProcessDecision(signals[0].input) if signals else None
            case {"child": id} if not process.previous_started_event_id:
                return child(id)
            case {"again": times, "then": then}:
                return ContinueAsNewDecision({"again": times - 1, "then": then} if times > 1 else then)
            case value:
                return CompleteProcessDecision(value)


def child(id: str) -> StartChildProcessDecision:
    """Start a child as programs of others do, whose ids may break the rules."""
    decision = StartChildProcessDecision(Echo, input={"again": 1, "then": {"wait": "go"}})
    object.__setattr__(decision, "id", id)
    return decision


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def backend(clock: ManualClock) -> AsyncIterator[Backend]:
    async with LocalBackend(MemoryStore(), clock=clock) as backend:
        yield backend


@pytest.fixture
async def client(backend: Backend) -> AsyncIterator[Client]:
    async with Worker(backend, workflows=[Echo], options=WorkerOptions(block_seconds=None)):
        yield Client(backend)


def scripted(**script: Any) -> tuple[ScriptedBackend, Client]:
    backend = ScriptedBackend()
    for verb, steps in script.items():
        backend.script[verb] += steps
    return backend, Client(backend)


def returning(value: Any) -> Callable[[], Any]:
    async def step() -> Any:
        return value

    return step


# --- starting --------------------------------------------------------------------------------------------------------


async def test_a_process_is_started_and_its_result_awaited(client: Client) -> None:
    handle = await client.start(Echo, input=[1, "two"], id="order-17", tags=["vip", "eu"])
    assert (handle.id, bool(handle.run_id)) == ("order-17", True)
    assert repr(handle) == f"<ProcessHandle 'order-17' (run {handle.run_id})>"
    assert await handle.result() == [1, "two"]
    assert (await handle.info()).tags == ("vip", "eu")


async def test_without_an_id_it_gets_one_of_its_own(client: Client) -> None:
    first, second = await client.start(Echo), await client.start("Echo", version="1")
    assert first.id != second.id
    assert await second.result() is None


async def test_settings_are_those_of_the_class_unless_they_are_given(client: Client) -> None:
    own = await (await client.start(Echo, {"wait": "s"})).info()
    given = await (
        await client.start(
            Echo,
            {"wait": "s"},
            execution_timeout=timedelta(seconds=5),
            decision_timeout=None,
            task_list="default",
            task_priority=-1,
            child_policy=ChildPolicy.ABANDON,
        )
    ).info()
    assert (own.execution_timeout, own.task_priority, own.child_policy) == (86_400.0, 3, ChildPolicy.TERMINATE)
    assert (given.execution_timeout, given.decision_timeout, given.task_priority) == (5.0, None, -1)
    assert given.child_policy is ChildPolicy.ABANDON


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"workflow": 1}, "a workflow must be"),
        ({"workflow": "a:b"}, "workflow must not contain ':'"),
        ({"id": ""}, "id must be 1 to 256"),
        ({"id": "a/b"}, "id must not contain '/'"),
        ({"id": "x" * 257}, "id must be 1 to 256"),
        ({"tags": "vip"}, "tags must be a list"),
        ({"tags": [1]}, r"tags\[0\] must be a str"),
        ({"input": object()}, "cannot be written as JSON"),
        ({"execution_timeout": -1}, "execution_timeout must be 0 to"),
        ({"execution_timeout": float("nan")}, "execution_timeout must be 0 to"),
        ({"decision_timeout": 1e300}, "decision_timeout must be 0 to"),
        ({"task_list": " x"}, "task_list must not begin"),
        ({"task_priority": 2**31}, "task_priority must be"),
        ({"child_policy": "TERMINATE"}, "child_policy must be one of"),
        ({"version": "2"}, "version goes with the name"),
        ({"if_open": "attach!"}, "if_open must be 'raise' or 'attach', not 'attach!'"),
        ({"if_open": []}, "if_open must be"),
    ],
)
async def test_what_breaks_a_rule_is_refused_before_anything_is_asked(arguments: dict[str, Any], message: str) -> None:
    backend, client = scripted()
    with pytest.raises(InvalidRequestError, match=message):
        await client.start(**{"workflow": Echo, **arguments})
    assert backend.calls == []


async def test_an_unknown_workflow_and_an_id_in_use_are_refused(client: Client) -> None:
    with pytest.raises(UnknownTypeError):
        await client.start("Strange")
    await client.start(Echo, {"wait": "s"}, id="one")
    with pytest.raises(ProcessAlreadyRunningError):
        await client.start(Echo, id="one")


async def test_a_start_may_attach_to_the_process_that_is_open(client: Client) -> None:
    first = await client.start(Echo, {"wait": "go"}, id="one", if_open="attach")
    again = await client.start(Echo, {"wait": "something else"}, id="one", if_open="attach")
    assert again.ref == first.ref
    await again.signal("go", "both")
    assert await first.result() == await again.result() == "both"
    anew = await client.start(Echo, "anew", id="one", if_open="attach")
    assert anew.run_id != first.run_id
    assert await anew.result() == "anew"


async def test_a_start_attaches_to_no_process_of_another_workflow(client: Client, backend: Backend) -> None:
    for ref in (TypeRef("Echo", "2"), TypeRef("Other")):
        await backend.register_workflow(replace(workflow_type(Echo), ref=ref))
    first = await client.start(Echo, {"wait": "go"}, id="one")
    assert (await client.start("Echo", version="2", id="one", if_open="attach")).ref == first.ref
    with pytest.raises(ProcessAlreadyRunningError, match=r"process 'one' .* is of workflow Echo .*, not Other"):
        await client.start("Other", version="1", id="one", if_open="attach")


# --- results ---------------------------------------------------------------------------------------------------------


async def test_a_result_is_read_as_the_asked_type(client: Client) -> None:
    handle = await client.start(Echo, Point(1, 2))
    assert await handle.result() == {"x": 1, "y": 2}
    assert await handle.result(Point) == Point(1, 2)
    with pytest.raises(PayloadError):
        await handle.result(int)
    nothing = await client.start(Echo)
    assert await nothing.result(Point | None) is None
    with pytest.raises(PayloadError):
        await nothing.result(int)


async def test_what_is_no_type_is_refused_before_the_result_is_awaited(client: Client) -> None:
    handle = await client.start(Echo, {"wait": "go"})
    with pytest.raises(PayloadError, match=r"^'Point' is no type that JSON can be read as"):
        await handle.result("Point")


async def test_the_result_is_that_of_the_last_run(client: Client) -> None:
    handle = await client.start(Echo, {"again": 3, "then": "done"})
    assert await handle.result() == "done"
    assert (await handle.info()).status is ProcessStatus.CONTINUED_AS_NEW


async def test_the_status_is_what_the_decider_says(client: Client) -> None:
    silent = await client.start(Echo, input={"wait": "go"})
    assert await silent.status() is None
    handle = await client.start(Echo, input={"say": {"x": 1, "y": 2}})
    async with asyncio.timeout(10):
        while await handle.status() is None:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0)
    assert await handle.status() == {"x": 1, "y": 2}
    assert assert_type(await handle.status(Point), Point | None) == Point(1, 2)
    with pytest.raises(PayloadError):
        await handle.status(int)


async def test_a_process_that_fails(client: Client) -> None:
    handle = await client.start(Echo, {"fail": "no stock"}, id="p")
    with pytest.raises(ProcessFailedError, match=r"process 'p' .* failed: no stock") as caught:
        await handle.result()
    error = caught.value
    assert (error.process_id, error.run_id) == handle.ref
    assert (error.reason, error.details) == ("no stock", {"why": "no stock"})


async def test_a_process_that_is_canceled(client: Client) -> None:
    handle = await client.start(Echo, {"wait": "s"})
    await handle.cancel({"by": "me"})
    with pytest.raises(ProcessCanceledError, match=r"was canceled$") as caught:
        await handle.result()
    assert caught.value.details == {"by": "me"}


async def test_a_process_that_is_terminated(client: Client) -> None:
    handle = await client.start(Echo, {"wait": "s"})
    await handle.terminate("no longer needed", [1], child_policy=ChildPolicy.ABANDON)
    with pytest.raises(ProcessTerminatedError, match="was terminated: no longer needed") as caught:
        await handle.result()
    assert caught.value.details == [1]
    *_, last = [event async for event in handle.history()]
    assert isinstance(last, ProcessTerminatedEvent)
    assert last.child_policy is ChildPolicy.ABANDON


async def test_a_process_terminated_without_a_reason_tells_the_cause(client: Client) -> None:
    handle = await client.start(Echo, {"wait": "s"})
    await handle.terminate()
    with pytest.raises(ProcessTerminatedError, match="was terminated: OPERATOR_INITIATED"):
        await handle.result()


async def test_a_process_that_times_out(client: Client, clock: ManualClock) -> None:
    handle = await client.start(Echo, {"wait": "s"}, execution_timeout=60)
    waiting = asyncio.create_task(handle.result())
    clock.advance(60.0)
    with pytest.raises(ProcessTimedOutError, match=r"timed out$") as caught:
        await waiting
    assert isinstance(caught.value, ProcessNotCompletedError)
    assert (caught.value.reason, caught.value.details) == (None, None)


async def test_a_last_event_that_closes_nothing_is_an_error_of_the_backend() -> None:
    _, client = scripted(wait_process=[returning(history()[1])])
    with pytest.raises(BackendError, match="which closes nothing"):
        await client.handle("p").result()


async def test_a_termination_without_any_cause() -> None:
    event = ProcessTerminatedEvent(
        event_id=4, timestamp=datetime(2026, 1, 1, tzinfo=UTC), child_policy=ChildPolicy.TERMINATE
    )
    _, client = scripted(wait_process=[returning(event)])
    with pytest.raises(ProcessTerminatedError, match=r"^process 'p' was terminated$"):
        await client.handle("p").result()


# --- telling ---------------------------------------------------------------------------------------------------------


async def test_signals_reach_the_process_in_order(client: Client) -> None:
    handle = await client.start(Echo, {"wait": "go"})
    for number in range(3):
        await handle.signal("other", number)
    await handle.signal("go", Point(3, 4))
    assert await handle.result(Point) == Point(3, 4)
    signals = [event for event in (await handle.process()).history if isinstance(event, ProcessSignaledEvent)]
    assert [(event.signal, event.input) for event in signals] == [
        ("other", 0),
        ("other", 1),
        ("other", 2),
        ("go", {"x": 3, "y": 4}),
    ]


async def continued(client: Client) -> tuple[ProcessHandle, ProcessHandle]:
    """A handle of the first run of a process that was continued as new twice, and one of the run that is open."""
    handle = await client.start(Echo, {"again": 2, "then": {"wait": "go"}}, id="p")
    runs = 0
    while runs < 2:
        runs = await client.count(id="p", status=ProcessStatus.CONTINUED_AS_NEW)
        await asyncio.sleep(0)
    return handle, client.handle("p")


async def test_a_signal_follows_a_process_that_was_continued_as_new(client: Client) -> None:
    first, open_run = await continued(client)
    await first.signal("go", "found you")
    assert await first.result() == await open_run.result() == "found you"


async def test_so_does_a_request_to_cancel(client: Client) -> None:
    first, open_run = await continued(client)
    await first.cancel()
    with pytest.raises(ProcessCanceledError):
        await first.result()
    assert any(isinstance(event, ProcessCancelRequestedEvent) for event in (await open_run.process()).history)


async def test_whoever_is_closed_or_unknown_cannot_be_told_anything(client: Client) -> None:
    closed = await client.start(Echo, "done")
    await closed.result()
    for handle in (closed, client.handle(closed.id), client.handle("nobody"), client.handle("nobody", "no-run")):
        with pytest.raises(UnknownProcessError):
            await handle.signal("s")
        with pytest.raises(UnknownProcessError):
            await handle.cancel()
        with pytest.raises(UnknownProcessError):
            await handle.terminate()
    for ask in (client.handle("nobody").info, client.handle("nobody").process, client.handle("nobody").result):
        with pytest.raises(UnknownProcessError):
            await ask()


async def test_what_is_told_is_checked_before_anything_is_asked() -> None:
    backend, client = scripted()
    handle = client.handle("p")
    with pytest.raises(InvalidRequestError, match="name must be 1 to 256"):
        await handle.signal("")
    with pytest.raises(PayloadError):
        await handle.signal("s", object())
    with pytest.raises(PayloadError):
        await handle.cancel(float("nan"))
    with pytest.raises(PayloadError):
        await handle.terminate("r", {1, object()})
    with pytest.raises(InvalidRequestError, match="reason must be a str"):
        await handle.terminate(5)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match="child_policy"):
        await handle.terminate(child_policy="ABANDON")  # type: ignore[arg-type]
    assert backend.calls == []


@pytest.mark.parametrize(
    ("id", "run_id"), [("", None), (5, None), ("a\0b", None), ("p" * 257, None), ("p", "x" * 65), ("p", 0)]
)
def test_a_handle_of_what_cannot_be_is_refused(id: Any, run_id: Any) -> None:
    _, client = scripted()
    with pytest.raises(InvalidRequestError):
        client.handle(id, run_id)


@pytest.mark.parametrize("id", ["22X56OQhwfy+AtGx1iSo3HX51AK2DdtKzfUnU+RQElbms=:1", "arn", "a/b|c\nd"])
async def test_processes_that_others_gave_odd_ids_can_be_seen_and_told(client: Client, id: str) -> None:
    parent = await client.start(Echo, {"child": id})
    await parent.result()  # the child has started then
    handle = client.handle(id)
    await handle.signal("go", "heard")
    assert await handle.result() == "heard"
    assert (await handle.process()).id == (await handle.info()).process.process_id == id
    assert await client.count(id=id) == 2


# --- looking ---------------------------------------------------------------------------------------------------------


async def test_a_process_is_seen_as_its_decider_sees_it(client: Client) -> None:
    handle = await client.start(Echo, {"wait": "go"}, id="p")
    await handle.signal("other")
    process = await client.handle("p").process()
    assert process.ref == handle.ref == ProcessRef("p", handle.run_id)
    assert process.status is ProcessStatus.OPEN
    assert process.input == {"wait": "go"}
    assert len(process.signals("other")) == 1
    assert client.handle("p").run_id == ""


async def test_history_is_read_event_by_event(client: Client) -> None:
    handle = await client.start(Echo, "x", id="p")
    await handle.result()
    assert [event.event_id async for event in handle.history()] == [1, 2, 3, 4, 5]
    assert [event.event_id async for event in client.handle("p").history(after=3)] == [4, 5]


async def test_processes_are_found_and_counted(client: Client, clock: ManualClock) -> None:
    def at(seconds: float) -> datetime:
        return datetime.fromtimestamp(start + seconds, UTC)

    start = clock.now()
    for name in ("a", "b"):
        await (await client.start(Echo, name, id=name, tags=["done", name])).result()
        clock.advance(10.0)
    await client.start(Echo, {"wait": "s"}, id="c")
    queries: list[tuple[dict[str, Any], list[str]]] = [
        ({}, ["c", "b", "a"]),
        ({"id": "a"}, ["a"]),
        ({"workflow": Echo}, ["c", "b", "a"]),
        ({"workflow": "Echo", "closed": True}, ["b", "a"]),
        ({"workflow": TypeRef("Echo", "2")}, []),
        ({"workflow": TypeRef("Echo", "1")}, ["c", "b", "a"]),
        ({"tag": "b"}, ["b"]),
        ({"tag": None, "status": ProcessStatus.OPEN}, ["c"]),
        ({"closed": False}, ["c"]),
        ({"started_after": at(10)}, ["c", "b"]),
        ({"started_before": at(10)}, ["a"]),
        ({"closed_after": at(5), "closed_before": at(15)}, ["b"]),
    ]
    for query, ids in queries:
        assert [info.process.process_id async for info in client.processes(**query)] == ids
        assert await client.count(**query) == len(ids)


async def test_pages_are_asked_for_as_they_are_needed() -> None:
    infos = [await _info(number) for number in range(5)]
    backend, client = scripted(
        list_processes=[
            returning(ProcessPage(processes=infos[:2], next_token="one")),
            returning(ProcessPage(processes=(), next_token="two")),
            returning(ProcessPage(processes=infos[2:])),
        ]
    )
    found = []
    async for info in client.processes(tag="x"):
        found.append(info)
        if len(found) == 2:
            assert [call.argument for call in backend.calls] == [None]
    assert found == infos
    assert [call.argument for call in backend.calls] == [None, "one", "two"]
    assert {call.value for call in backend.calls} == {ProcessFilter(tag="x")}


async def _info(number: int) -> Any:
    async with LocalBackend(MemoryStore()) as backend, Worker(backend, workflows=[Echo]):
        return await (await Client(backend).start(Echo, number)).info()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"colour": "red"}, "processes cannot be found by 'colour'; there are workflow, id, tag"),
        ({"workflow": 5}, "a workflow must be"),
        ({"id": 5}, "id must be a str"),
        ({"tag": ["a"]}, "tag must be a str"),
        ({"status": "OPEN"}, "status must be a ProcessStatus"),
        ({"closed": 1}, "closed must be a bool"),
        ({"started_after": 0.0}, "started_after must be a datetime"),
        ({"closed_before": datetime(2026, 1, 1)}, "closed_before must have a time zone"),  # noqa: DTZ001
    ],
)
async def test_a_query_that_makes_no_sense_is_refused_at_the_call(query: dict[str, Any], message: str) -> None:
    backend, client = scripted()
    with pytest.raises(InvalidRequestError, match=message):
        client.processes(**query)
    with pytest.raises(InvalidRequestError, match=message):
        await client.count(**query)
    assert backend.calls == []
