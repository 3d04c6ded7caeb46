"""What happens to requests that share a group, as far as the committer's tests do not show it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from aioworkflow.decision import (
    CancelActivityDecision,
    ContinueAsNewDecision,
    SignalProcessDecision,
    StartChildProcessDecision,
    StartTimerDecision,
)
from aioworkflow.errors import InvalidRequestError, LimitExceededError, UnknownProcessError, UnknownTaskError
from aioworkflow.event import (
    ActivityAbortedEvent,
    ChildProcessStartedEvent,
    ExternalProcessSignaledEvent,
    ProcessContinuedAsNewEvent,
    ProcessSignaledEvent,
    SignalProcessFailedEvent,
    StartChildProcessFailedEvent,
    TimerFiredEvent,
)
from aioworkflow.machine import handle as handle_module
from aioworkflow.machine.requests import SignalProcess
from aioworkflow.stores.memory import MemoryDatabase, MemoryStore
from aioworkflow.testing.conformance.backend.expect import every, kinds, one
from aioworkflow.testing.conformance.backend.lab import Lab
from aioworkflow.types import UNSET, ProcessRef, ProcessStatus
from tests.backends.labs import event_names, open_lab
from tests.backends.scripted_store import ScriptedStore


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


@asynccontextmanager
async def one_group(lab: Lab, store: ScriptedStore) -> AsyncIterator[None]:
    """What the body begins is one group, in that order."""
    hold = store.hold("commit")
    other = asyncio.create_task(lab.start("somebody else", task_list="elsewhere"))
    await hold.reached.wait()
    yield
    await anyio.wait_all_tasks_blocked()
    store.groups.clear()
    hold.release()
    await other


def begin(*requests: Awaitable[Any]) -> list[asyncio.Future[Any]]:
    return [asyncio.ensure_future(request) for request in requests]


async def outcomes(futures: list[asyncio.Future[Any]]) -> list[str]:
    return [type(outcome).__name__ for outcome in await asyncio.gather(*futures, return_exceptions=True)]


async def test_what_is_asked_of_a_run_that_closes_in_the_same_group(lab: Lab, store: ScriptedStore) -> None:
    process = await lab.start()
    decision = await lab.poll_decision()
    async with one_group(lab, store):
        futures = begin(
            lab.backend.signal_process(process, "s"),
            lab.backend.terminate_process(process),
            lab.backend.signal_process(process, "t"),
            lab.answer(decision),
        )
    assert await outcomes(futures) == ["NoneType", "NoneType", "UnknownProcessError", "UnknownTaskError"]
    assert event_names(store.groups[0]) == [["ProcessSignaled", "DecisionScheduled", "ProcessTerminated"]]


async def test_a_message_to_a_run_that_closes_in_the_same_group(lab: Lab, store: ScriptedStore) -> None:
    receiver, sender = await lab.begin(word="receiver"), await lab.start("sender")
    decision = await lab.poll_decision()
    hold = store.hold("commit")
    futures = begin(lab.answer(decision, SignalProcessDecision(receiver, "s")))
    await hold.reached.wait()
    futures += begin(lab.backend.terminate_process(receiver))
    await anyio.wait_all_tasks_blocked()
    hold.release()
    await lab.told(sender, SignalProcessFailedEvent)
    assert await outcomes(futures) == ["NoneType", "NoneType"]
    assert kinds(await lab.history(receiver))[-1] == "ProcessTerminated"


async def test_a_message_to_nobody_is_answered(lab: Lab, database: MemoryDatabase) -> None:
    sender = await lab.begin(SignalProcessDecision(ProcessRef("nobody"), "s"))
    await lab.told(sender, SignalProcessFailedEvent)
    assert database.messages == {}


async def test_a_message_to_a_run_of_another_process_is_refused(lab: Lab) -> None:
    other = await lab.begin(word="other")
    sender = await lab.begin(SignalProcessDecision(ProcessRef("nobody", other.run_id), "s"))
    await lab.told(sender, SignalProcessFailedEvent)
    with pytest.raises(UnknownProcessError):
        await lab.backend.signal_process(ProcessRef("nobody", other.run_id), "s")
    assert every(await lab.history(other), ProcessSignaledEvent) == []


async def test_a_child_whose_id_is_taken(lab: Lab) -> None:
    taken = await lab.begin(word="taken")
    parent = await lab.begin(StartChildProcessDecision(lab.workflow, id=taken.process_id))
    await lab.told(parent, StartChildProcessFailedEvent)


async def test_a_message_that_the_rules_refuse_is_not_tried_for_ever(
    lab: Lab, database: MemoryDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(transition: object, request: object) -> None:
        raise LimitExceededError("no more signals")

    monkeypatch.setitem(handle_module._HANDLERS, SignalProcess, refuse)
    receiver = await lab.begin(word="receiver")
    before = await lab.history(receiver)
    sender = await lab.begin(
        SignalProcessDecision(receiver, "s"), StartChildProcessDecision(lab.workflow, id="c", task_list="elsewhere")
    )
    await lab.told(sender, ChildProcessStartedEvent)
    assert await lab.history(receiver) == before
    assert database.messages == {}


async def test_requests_that_are_refused_before_there_is_a_run(lab: Lab, store: ScriptedStore) -> None:
    with pytest.raises(InvalidRequestError, match="input"):
        await lab.start(input_json="1" * (lab.limits.payload + 1))
    for token in (f"a.{'0' * 32}.1.2", f"d.{'0' * 32}.1.2"):
        with pytest.raises(UnknownTaskError):
            await (
                lab.backend.heartbeat_activity_task(token)
                if token.startswith("a")
                else lab.backend.complete_decision_task(token)
            )
    assert store.calls["commit"] == 0


async def test_refusals_are_answered_together_and_save_nothing(lab: Lab, store: ScriptedStore) -> None:
    process = await lab.start()
    async with one_group(lab, store):
        futures = begin(*(lab.backend.signal_process(process, "") for _ in range(2)))
    assert await outcomes(futures) == ["InvalidRequestError"] * 2
    assert [(write.changed, write.events) for write in store.groups[0].writes] == [(False, ())]


async def test_several_tasks_of_one_batch_go_to_several_polls(lab: Lab, store: ScriptedStore) -> None:
    polls = begin(*(lab.poll_activity() for _ in range(2)))
    await anyio.wait_all_tasks_blocked()
    await lab.begin(*(lab.schedule(id) for id in "abc"))
    assert {task.activity_id for task in await asyncio.gather(*polls)} == {"a", "b"}
    assert (await lab.poll_activity()).activity_id == "c"


async def test_several_messages_to_one_process(lab: Lab, store: ScriptedStore) -> None:
    receiver, sender = await lab.begin(word="receiver"), await lab.start("sender")
    store.groups.clear()
    await lab.decide(*(SignalProcessDecision(receiver, signal) for signal in "abc"))
    await lab.told(sender, ExternalProcessSignaledEvent)
    received = [write.received for group in store.groups for write in group.writes if write.received]
    assert [len(messages) for messages in received] == [3, 3]


async def test_an_activity_that_is_canceled_by_its_own_batch(lab: Lab) -> None:
    async with lab.meanwhile(lab.poll_activity) as activity:
        process = await lab.begin(lab.schedule("a"), CancelActivityDecision("a"), lab.schedule("b"))
    assert activity.value.activity_id == "b"
    one(await lab.history(process), ActivityAbortedEvent)


async def test_a_successor_goes_to_a_poll_that_waits(lab: Lab, store: ScriptedStore) -> None:
    process = await lab.start()
    decision = await lab.poll_decision()
    async with lab.meanwhile(lab.poll_decision) as successor:
        store.groups.clear()
        await lab.answer(decision, ContinueAsNewDecision())
    new = one(await lab.history(process), ProcessContinuedAsNewEvent).new_run_id
    assert successor.value.process == ProcessRef(process.process_id, new)
    assert event_names(store.groups[0]) == [
        ["DecisionCompleted", "ProcessContinuedAsNew"],
        ["ProcessStarted", "DecisionScheduled", "DecisionStarted"],
    ]


async def test_a_fault_takes_a_successor_with_it(
    lab: Lab, store: ScriptedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = [ZeroDivisionError("a bug")]

    def faulty(state: Any, request: Any, **how: Any) -> Any:
        if isinstance(request, SignalProcess) and request.signal == "bad" and faults:
            raise faults.pop()
        return handle_module.handle(state, request, **how)

    monkeypatch.setattr("aioworkflow.backends.local.batch.handle", faulty)
    process = await lab.start()
    decision = await lab.poll_decision()
    async with one_group(lab, store):
        futures = begin(
            lab.answer(decision, ContinueAsNewDecision()),
            lab.backend.signal_process(process, "bad"),
            lab.backend.signal_process(ProcessRef(process.process_id), "good"),
        )
    assert await outcomes(futures) == ["NoneType", "ZeroDivisionError", "NoneType"]
    new = ProcessRef(process.process_id, one(await lab.history(process), ProcessContinuedAsNewEvent).new_run_id)
    assert one(await lab.history(new), ProcessSignaledEvent).signal == "good"


async def test_a_fault_without_a_run(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(*args: Any, **how: Any) -> Any:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("aioworkflow.backends.local.batch.handle", faulty)
    with pytest.raises(ZeroDivisionError):
        await lab.start()


async def test_the_deadline_is_stored_only_when_it_is_needed(lab: Lab, store: ScriptedStore) -> None:
    process = await lab.start(execution_timeout=50 * lab.tick, decision_timeout=None)
    decision = await lab.poll_decision()
    store.groups.clear()
    timers = [StartTimerDecision(ticks * lab.tick, id=str(ticks)) for ticks in (10, 20)]
    await lab.answer(decision, *timers)
    await lab.backend.signal_process(process, "s")
    await lab.advance(11)
    decision = await lab.poll_decision()
    one(decision.events, TimerFiredEvent)
    await lab.answer(decision)
    await lab.backend.terminate_process(process)
    started = (await lab.history(process))[0].timestamp.timestamp()
    wakes = [write.wake_at for group in store.groups for write in group.writes]
    ticks = [wake if wake is UNSET or wake is None else (wake - started) / lab.tick for wake in wakes]
    assert [tick for tick in ticks if tick is not UNSET] == [10, 20, None]
    assert (await lab.info(process)).status is ProcessStatus.TERMINATED


async def test_a_stored_deadline_that_is_no_longer_one_stays_until_it_is_due(lab: Lab, store: ScriptedStore) -> None:
    process = await lab.start(execution_timeout=None, decision_timeout=50 * lab.tick)
    decision = await lab.poll_decision()
    store.groups.clear()
    await lab.answer(decision, lab.schedule())
    await lab.advance(60)
    await anyio.wait_all_tasks_blocked()
    await lab.backend.signal_process(process, "s")
    wakes = [write.wake_at for group in store.groups for write in group.writes]
    assert wakes == [UNSET, None, UNSET]
