"""The life of a local backend: entered, used, left, and what becomes of what is under way then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from aioworkflow.backend import ProcessFilter
from aioworkflow.backends.local import LocalBackend, LocalOptions
from aioworkflow.backends.local.backend import _only_cause
from aioworkflow.decision import CompleteProcessDecision, StartTimerDecision
from aioworkflow.errors import (
    BackendClosedError,
    BackendUnavailableError,
    InvalidRequestError,
    SchemaVersionError,
    StoreError,
    UnknownProcessError,
    UnknownTaskError,
    UnknownTypeError,
)
from aioworkflow.event import ActivityTimedOutEvent, DecisionTimedOutEvent, TimerFiredEvent
from aioworkflow.result import ActivityCompleted
from aioworkflow.stores.memory import MemoryDatabase, MemoryStore
from aioworkflow.testing.conformance.backend.expect import every, kinds, one
from aioworkflow.testing.conformance.backend.lab import Lab
from aioworkflow.types import ProcessRef, ProcessStatus, TimeoutType, TypeRef
from tests.backends.labs import Poll, clock_of, local, open_lab
from tests.backends.scripted_store import ScriptedStore

AWAY = BackendUnavailableError("the database is away")


@pytest.fixture
def database() -> MemoryDatabase:
    return MemoryDatabase()


@pytest.fixture
def store(database: MemoryDatabase) -> ScriptedStore:
    return ScriptedStore(MemoryStore(database))


@pytest.fixture
async def lab(store: ScriptedStore) -> AsyncIterator[Lab]:
    async with open_lab(store) as lab:
        yield lab


# --- entering ------------------------------------------------------------------------------------------------------


async def test_a_backend_is_entered_once(store: ScriptedStore) -> None:
    backend = LocalBackend(store)
    assert "closed" in repr(backend)
    async with backend as entered:
        assert entered is backend
        assert "open" in repr(backend)
        assert backend.polls_can_be_cancelled
        with pytest.raises(BackendClosedError, match="entered once"):
            await backend.__aenter__()
    with pytest.raises(BackendClosedError, match="entered once"):
        await backend.__aenter__()
    assert store.calls["close"] == 1


async def test_it_is_not_usable_before(store: ScriptedStore) -> None:
    backend = LocalBackend(store)
    with pytest.raises(BackendClosedError, match="async with"):
        await backend.process_info(ProcessRef("p"))
    with pytest.raises(BackendClosedError, match="async with"):
        await backend.poll_activity_task("l")


@pytest.mark.parametrize("method", ["open", "types", "renew_session", "outbox"])
@pytest.mark.parametrize(
    "error", [AWAY, StoreError("it is not a database"), SchemaVersionError("too new")], ids=lambda e: type(e).__name__
)
async def test_what_fails_on_entry_is_told_and_everything_is_closed(
    store: ScriptedStore, method: str, error: Exception
) -> None:
    store.fail(method, error)
    backend = LocalBackend(store)
    with pytest.raises(type(error), match=str(error)):
        async with backend:
            pytest.fail("it is not open")
    assert store.calls["close"] == (0 if method == "open" else 1)
    with pytest.raises(BackendClosedError):
        await backend.process_info(ProcessRef("p"))


async def test_entering_may_be_cancelled(store: ScriptedStore) -> None:
    hold = store.hold("renew_session")
    backend = LocalBackend(store)
    enter = asyncio.create_task(backend.__aenter__())
    await hold.reached.wait()
    enter.cancel()
    hold.release()
    await asyncio.wait([enter])
    assert enter.cancelled()
    assert store.calls["close"] == 1


async def test_it_may_be_left_from_another_task(store: ScriptedStore) -> None:
    backend = LocalBackend(store)
    await asyncio.create_task(backend.__aenter__())
    await asyncio.create_task(backend.__aexit__(None, None, None))
    assert store.calls["close"] == 1


# --- leaving -------------------------------------------------------------------------------------------------------


async def test_polls_end_when_it_is_left(store: ScriptedStore) -> None:
    async with open_lab(store) as lab:
        polls = [
            asyncio.create_task(lab.backend.poll_activity_task(lab.activities)),
            asyncio.create_task(lab.backend.poll_decision_task(lab.decisions)),
        ]
        await anyio.wait_all_tasks_blocked()
    assert [poll.result() for poll in polls] == [None, None]


async def test_requests_under_way_are_carried_out(store: ScriptedStore, database: MemoryDatabase) -> None:
    async with open_lab(store) as lab:
        hold = store.hold("commit")
        first = asyncio.create_task(lab.start("first"))
        await hold.reached.wait()
        second = asyncio.create_task(lab.start("second"))
        await anyio.wait_all_tasks_blocked()
        asyncio.get_running_loop().call_soon(hold.release)
    assert {first.result().run_id, second.result().run_id} == set(database.runs)


async def test_tasks_on_their_way_are_given_back(store: ScriptedStore, database: MemoryDatabase) -> None:
    async with open_lab(store) as lab:
        poll = asyncio.create_task(lab.backend.poll_decision_task(lab.decisions))
        await anyio.wait_all_tasks_blocked()
        hold = store.hold("commit")
        start = asyncio.create_task(lab.start())
        await hold.reached.wait()
        asyncio.get_running_loop().call_soon(hold.release)
    async with open_lab(MemoryStore(database), like=lab) as later:
        events = (await later.poll_decision()).events
    assert kinds(events)[2:5] == ["DecisionStarted", "DecisionTimedOut", "DecisionScheduled"]
    assert start.done()
    assert poll.done()


async def test_held_tasks_are_given_back_at_once(lab: Lab, database: MemoryDatabase) -> None:
    async with open_lab(MemoryStore(database), like=lab) as leaving:
        process = await leaving.begin(
            leaving.schedule("a"), leaving.schedule("b", heartbeat_timeout=900 * lab.tick), leaving.schedule("c")
        )
        tasks = {task.activity_id: task for task in [await leaving.poll_activity() for _ in "abc"]}
        await leaving.backend.heartbeat_activity_task(tasks["a"].token, '"half"')
        await leaving.backend.hand_off_activity_task(tasks["c"].token)
        await leaving.backend.signal_process(process, "s")
        await leaving.poll_decision()
    task = await lab.poll_decision()
    timed_out = {event.scheduled_event_id: event for event in every(task.events, ActivityTimedOutEvent)}
    a, b = timed_out[tasks["a"].scheduled_event_id], timed_out[tasks["b"].scheduled_event_id]
    assert (a.timeout_type, a.details_json) == (TimeoutType.START_TO_CLOSE, '"half"')
    assert b.timeout_type is TimeoutType.HEARTBEAT
    assert len(timed_out) == 2
    one(task.events, DecisionTimedOutEvent)
    with pytest.raises(UnknownTaskError):
        await lab.backend.heartbeat_activity_task(tasks["a"].token)
    await lab.backend.complete_activity_task(tasks["c"].token, ActivityCompleted())
    assert len(database.sessions) == 1


async def test_leaving_takes_no_longer_than_it_may(
    store: ScriptedStore, database: MemoryDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_lab(store, close_seconds=0.01) as lab:
        hold = store.hold("commit")
        start = asyncio.create_task(lab.start())
        await hold.reached.wait()
        waiting = asyncio.create_task(lab.start("waiting"))
        await anyio.wait_all_tasks_blocked()
    for request in (start, waiting):
        with pytest.raises(BackendClosedError):
            await request
    assert "closing took over 0.01 s" in caplog.text
    assert database.runs == {}


async def test_leaving_is_finished_before_it_is_cancelled(store: ScriptedStore) -> None:
    backend = LocalBackend(store)
    await backend.__aenter__()
    hold = store.hold("end_session")
    leave = asyncio.create_task(backend.__aexit__(None, None, None))
    await hold.reached.wait()
    for _ in range(3):
        leave.cancel()
        await anyio.wait_all_tasks_blocked()
    assert not leave.done()
    hold.release()
    await asyncio.wait([leave])
    assert leave.cancelled()
    assert store.calls["close"] == 1


async def test_a_history_that_is_being_read_ends_with_an_error(database: MemoryDatabase) -> None:
    async with open_lab(MemoryStore(database)) as lab:
        process = await lab.start()
        pages = lab.backend.history(process)
        await anext(pages)
    with pytest.raises(BackendClosedError):
        await anext(pages)


async def test_an_unforeseen_error_in_the_background_stops_it(
    store: ScriptedStore, caplog: pytest.LogCaptureFixture
) -> None:
    backend = LocalBackend(store, LocalOptions(watch_seconds=0.001))
    await backend.__aenter__()
    poll = asyncio.create_task(backend.poll_activity_task("l"))
    store.fail("changed", ZeroDivisionError("in the store"))
    assert await poll is None
    with pytest.raises(BackendClosedError, match="because of an error") as info:
        await backend.poll_activity_task("l")
    assert isinstance(info.value.__cause__, ZeroDivisionError)
    with pytest.raises(ZeroDivisionError, match="in the store"):
        await backend.__aexit__(None, None, None)
    assert "the backend has stopped" in caplog.text
    assert store.calls["close"] == 1


def test_several_errors_stay_together() -> None:
    error = ZeroDivisionError("alone")
    assert _only_cause(ExceptionGroup("outer", [ExceptionGroup("inner", [error])])) is error
    both = ExceptionGroup("both", [error, ValueError("not alone")])
    assert _only_cause(both) is both


# --- what the suite does not show ----------------------------------------------------------------------------------


async def test_a_workflow_that_others_registered_is_found(lab: Lab, database: MemoryDatabase) -> None:
    async with open_lab(MemoryStore(database), like=lab) as other:
        workflow = await other.add_workflow("new")
        process = await lab.start(workflow=workflow)
        assert (await lab.info(process)).workflow == workflow
        activity = await other.add_activity("new")
        await lab.decide(lab.schedule(activity=activity))
        assert (await lab.poll_activity()).activity == activity
        with pytest.raises(UnknownTypeError):
            await lab.start("other", workflow=TypeRef(lab.name("nobody")))


async def test_a_cancelled_poll_ends_when_its_task_is_taken_back(lab: Lab, store: ScriptedStore) -> None:
    poll = asyncio.create_task(lab.poll_decision())
    await anyio.wait_all_tasks_blocked()
    hold = store.hold("commit")
    store.fail("commit", AWAY)
    start = asyncio.create_task(lab.start())
    await hold.reached.wait()
    poll.cancel()
    await anyio.wait_all_tasks_blocked()
    hold.release()
    await asyncio.wait([poll, start])
    assert poll.cancelled()


async def test_waiting_for_a_process_that_closes_while_it_is_looked_up(lab: Lab, store: ScriptedStore) -> None:
    process = await lab.start()
    async with open_lab(store.inner, like=lab) as other:
        hold = store.hold("load")
        wait = asyncio.create_task(lab.backend.wait_process(ProcessRef(process.process_id)))
        await hold.reached.wait()
        await other.backend.terminate_process(process)
        hold.release()
        assert kinds([await wait]) == ["ProcessTerminated"]
    assert kinds([await lab.backend.wait_process(process)]) == ["ProcessTerminated"]


async def test_bad_arguments_are_refused(lab: Lab) -> None:
    process = await lab.start()
    wrong: Any = None
    for call in (
        lambda: lab.backend.start_process(wrong),
        lambda: lab.backend.signal_process(wrong, "s"),
        lambda: lab.backend.process_info(wrong),
        lambda: lab.backend.wait_process(wrong),
        lambda: lab.backend.list_processes(wrong),
        lambda: lab.backend.list_processes(ProcessFilter(), page_size=0),
        lambda: lab.backend.count_processes(wrong),
        lambda: lab.backend.poll_activity_task(wrong),
        lambda: lab.backend.poll_activity_task("l", identity="x" * 257),
        lambda: lab.backend.poll_activity_task("l", on_interrupt=7),  # type: ignore[arg-type]
        lambda: anext(lab.backend.history(process, after=-1)),
        lambda: lab.backend.register_workflow(wrong),
        lambda: lab.backend.register_activity(wrong),
    ):
        with pytest.raises(InvalidRequestError):
            await call()
    for _ in range(2):
        with anyio.move_on_after(0):
            await lab.backend.poll_activity_task("l", identity="me")


async def test_waiting_for_a_process_of_another_backend(lab: Lab, database: MemoryDatabase) -> None:
    async with open_lab(MemoryStore(database), like=lab) as other:
        process = await other.start(task_list="elsewhere")
        async with lab.meanwhile(lambda: lab.closed(process)) as closed:
            await other.backend.terminate_process(process)
        assert kinds([closed.value]) == ["ProcessTerminated"]


async def test_waiting_for_a_process_that_is_known_to_be_open(lab: Lab) -> None:
    process = await lab.begin()
    waits = [asyncio.create_task(lab.backend.wait_process(ref)) for ref in (process, ProcessRef(process.process_id))]
    await anyio.wait_all_tasks_blocked()
    await lab.backend.terminate_process(process)
    assert kinds([await wait for wait in waits]) == ["ProcessTerminated"] * 2


@pytest.mark.parametrize("takes", [True, False])
async def test_a_poll_that_is_cancelled_returns_what_is_on_its_way(lab: Lab, store: ScriptedStore, takes: bool) -> None:
    async def poll() -> object:
        task = await lab.backend.poll_decision_task(lab.decisions)
        if takes:
            this = asyncio.current_task()
            assert this is not None
            this.uncancel()
        await anyio.lowlevel.checkpoint()
        return task

    polled = asyncio.create_task(poll())
    await anyio.wait_all_tasks_blocked()
    hold = store.hold("commit")
    start = asyncio.create_task(lab.start())
    await hold.reached.wait()
    polled.cancel()
    await anyio.wait_all_tasks_blocked()
    hold.release()
    await start
    await asyncio.wait([polled])
    assert polled.cancelled() is not takes


async def test_a_poll_that_is_cancelled_twice_passes_on_what_it_has(lab: Lab, store: ScriptedStore) -> None:
    poll = asyncio.create_task(lab.backend.poll_decision_task(lab.decisions))
    await anyio.wait_all_tasks_blocked()
    hold = store.hold("commit")
    start = asyncio.create_task(lab.start())
    await hold.reached.wait()
    poll.cancel()
    await anyio.wait_all_tasks_blocked()

    def cancel_again() -> None:
        asyncio.get_running_loop().call_soon(poll.cancel)

    store.after["commit"] = cancel_again
    hold.release()
    process = await start
    await asyncio.wait([poll])
    task = await lab.poll_decision() if poll.cancelled() else poll.result()
    assert task is not None
    assert task.process == process


async def test_a_started_task_goes_to_the_next_poll(lab: Lab, store: ScriptedStore) -> None:
    poll = Poll(lab.poll_decision)
    await anyio.wait_all_tasks_blocked()
    hold = store.hold("commit")
    start = asyncio.create_task(lab.start())
    await hold.reached.wait()
    poll.cancel()
    hold.release()
    process = await start
    assert (await lab.poll_decision()).process == process


async def test_asking_a_process_to_end(lab: Lab) -> None:
    process = await lab.start()
    await lab.backend.cancel_process(process)
    assert (await lab.info(process)).cancel_requested


async def test_a_poll_that_is_cancelled_loses_no_task(lab: Lab, store: ScriptedStore) -> None:
    for moment in range(12):
        poll = asyncio.create_task(lab.backend.poll_decision_task(lab.decisions))
        start = asyncio.create_task(lab.start(f"process {moment}"))
        for _ in range(moment):
            await anyio.lowlevel.checkpoint()
        poll.cancel()
        process = await start
        await asyncio.wait([poll])
        task = await lab.poll_decision() if poll.cancelled() else poll.result()
        assert task is not None
        assert task.process == process


async def test_reading(lab: Lab) -> None:
    process = await lab.begin(lab.schedule("a"), lab.schedule("b"), StartTimerDecision(lab.tick, id="t"), tags=("x",))
    info = await lab.info(process)
    assert info.open_counts is not None
    assert (info.open_counts.activities, info.open_counts.timers, info.open_counts.decisions) == (2, 1, 0)
    page = await lab.backend.list_processes(ProcessFilter(tag="x"))
    assert [listed.process for listed in page.processes] == [process]
    pages = [page async for page in lab.backend.history(process, after=2)]
    assert [event.event_id for page in pages for event in page] == [3, 4, 5, 6, 7]
    assert await lab.backend.count_processes(ProcessFilter(tag="y")) == 0
    with pytest.raises(UnknownProcessError):
        await lab.info(ProcessRef("nobody", process.run_id))
    async with lab.meanwhile(lambda: lab.closed(process)) as closed:
        await lab.advance(2)
        await lab.decide(CompleteProcessDecision())
    assert kinds([closed.value]) == ["ProcessCompleted"]
    assert (await lab.info(process)).closed_at is not None
    assert local(lab).quiet[0] > 0


async def test_everything_goes_on_after_a_restart(database: MemoryDatabase) -> None:
    async with open_lab(MemoryStore(database)) as lab:
        process = await lab.begin(
            StartTimerDecision(5 * lab.tick, id="t"),
            lab.schedule("a", schedule_to_start_timeout=3 * lab.tick),
            execution_timeout=20 * lab.tick,
        )
    clock_of(lab).advance(4 * lab.tick)
    async with open_lab(MemoryStore(database), like=lab) as lab:
        task = await lab.decide()
        assert one(task.events, ActivityTimedOutEvent).timeout_type is TimeoutType.SCHEDULE_TO_START
    async with open_lab(MemoryStore(database), like=lab) as lab:
        async with lab.meanwhile(lab.decide) as decision:
            await lab.advance(2)
        one(decision.value.events, TimerFiredEvent)
        async with lab.meanwhile(lambda: lab.closed(process)):
            await lab.advance(20)
        assert (await lab.info(process)).status is ProcessStatus.TIMED_OUT


async def test_polls_end_after_the_poll_time(store: ScriptedStore, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with open_lab(store, poll_seconds=0.001) as lab:
            assert await lab.backend.poll_activity_task(lab.activities) is None
            assert await lab.backend.poll_decision_task(lab.decisions, new_events_only=True) is None
    assert caplog.text == ""
