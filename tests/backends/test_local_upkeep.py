"""Deadlines, leases, and what other backends on the same database do."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from aioworkflow.backends.local import upkeep as upkeep_module
from aioworkflow.decision import CompleteProcessDecision, SignalProcessDecision, StartTimerDecision
from aioworkflow.errors import BackendUnavailableError, UnknownTaskError
from aioworkflow.event import (
    ActivityTimedOutEvent,
    DecisionTimedOutEvent,
    ExternalProcessSignaledEvent,
    ProcessSignaledEvent,
    TimerFiredEvent,
)
from aioworkflow.machine.handle import handle
from aioworkflow.machine.requests import FireDeadlines, Message, SignalProcess, StartDecisionTask
from aioworkflow.result import ActivityCompleted
from aioworkflow.stores.base import Changes, Due, Group
from aioworkflow.stores.memory import MemoryDatabase, MemoryStore
from aioworkflow.stores.sqlite import SQLiteStore
from aioworkflow.task import DecisionTask
from aioworkflow.testing import ManualClock
from aioworkflow.testing.conformance.backend.expect import every, kinds, one
from aioworkflow.testing.conformance.backend.lab import Lab
from aioworkflow.types import TimeoutType
from tests.backends.labs import clock_of, local, open_lab
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


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is repeated slowly is repeated fast."""
    monkeypatch.setattr(upkeep_module, "_FALLBACK_PERIOD", 0.01)


# --- deadlines -----------------------------------------------------------------------------------------------------


async def test_an_earlier_deadline_goes_before_a_later_one(lab: Lab) -> None:
    late = await lab.begin(StartTimerDecision(9 * lab.tick, id="late"), word="late")
    early = await lab.begin(StartTimerDecision(3 * lab.tick, id="early"), word="early")
    for ticks, process in ((4, early), (6, late)):
        await lab.advance(ticks)
        task = await lab.poll_decision()
        assert task.process == process
        one(task.events, TimerFiredEvent)


async def test_more_can_be_due_than_one_query_tells(database: MemoryDatabase) -> None:
    class Terse(MemoryStore):
        async def due(self, now: float, *, limit: int = 500) -> Due:
            return await super().due(now, limit=2)

    async with open_lab(Terse(database)) as lab:
        for number in range(7):
            await lab.begin(StartTimerDecision(lab.tick, id="t"), word=f"{number}")
        await lab.advance(2)
        fired = {(await lab.poll_decision()).process for _ in range(7)}
        assert len(fired) == 7


async def test_deadlines_are_seen_to_when_the_database_is_back(lab: Lab, store: ScriptedStore) -> None:
    await lab.begin(StartTimerDecision(lab.tick, id="t"))
    store.fail("due", AWAY, times=2)
    store.fail("commit", AWAY)
    await lab.advance(2)
    one((await lab.poll_decision()).events, TimerFiredEvent)


async def test_deadlines_that_others_have_set_are_seen_to_when_they_are_gone(
    lab: Lab, database: MemoryDatabase
) -> None:
    async with open_lab(MemoryStore(database), like=lab) as other:
        process = await other.begin(StartTimerDecision(3 * lab.tick, id="t"), word="theirs")
    async with lab.meanwhile(lab.poll_decision) as task:
        await lab.advance(4)
    assert task.value.process == process


async def test_a_process_that_closes_before_its_deadline_is_looked_at(lab: Lab, store: ScriptedStore) -> None:
    process = await lab.start(execution_timeout=5 * lab.tick)
    hold = store.hold("commit")
    other = asyncio.create_task(lab.start("other"))
    await hold.reached.wait()
    terminate = asyncio.create_task(lab.backend.terminate_process(process))
    await anyio.wait_all_tasks_blocked()
    async with store.calling("due"):
        await lab.advance(6)
    hold.release()
    await asyncio.gather(other, terminate)
    assert kinds(await lab.history(process)) == ["ProcessStarted", "DecisionScheduled", "ProcessTerminated"]


# --- leases --------------------------------------------------------------------------------------------------------


async def test_what_a_dead_session_held_is_released(
    lab: Lab, database: MemoryDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_lab(MemoryStore(database), like=lab, session_check_seconds=1000.0) as dead:
        process = await dead.begin(
            dead.schedule("a", heartbeat_timeout=50 * lab.tick), dead.schedule("b"), dead.schedule("c")
        )
        tasks = {task.activity_id: task.token for task in [await dead.poll_activity() for _ in "abc"]}
        await dead.backend.hand_off_activity_task(tasks["c"])
        await dead.backend.signal_process(process, "s")
        decision = await dead.poll_decision()
        later = ManualClock()
        later.advance_to(4e9)
        async with open_lab(MemoryStore(database), like=lab, lease_clock=later) as alive:
            with caplog.at_level(logging.WARNING):
                task = await alive.poll_decision()
            assert one(task.events, DecisionTimedOutEvent).started_event_id == decision.started_event_id
            timed_out = [
                (event.timeout_type, event.started_event_id) for event in every(task.events, ActivityTimedOutEvent)
            ]
            assert timed_out == [(TimeoutType.HEARTBEAT, 8), (TimeoutType.START_TO_CLOSE, 9)]
            with pytest.raises(UnknownTaskError):
                await alive.backend.complete_decision_task(decision.token)
            await alive.backend.complete_activity_task(tasks["c"], ActivityCompleted())
    assert "is gone; the tasks that it held in 1 processes have timed out" in caplog.text


async def test_a_lease_is_renewed_before_it_ends(database: MemoryDatabase) -> None:
    clock = ManualClock()
    store = ScriptedStore(MemoryStore(database))
    async with open_lab(store, lease_clock=clock, lease_seconds=15.0) as lab:
        _, task = await lab.begin_activity()
        async with open_lab(MemoryStore(database), like=lab, lease_clock=clock, lease_seconds=15.0):
            for _ in range(5):
                async with store.calling("renew_session", 2):
                    clock.advance(10)
        assert await lab.backend.heartbeat_activity_task(task.token) is False


async def test_a_session_is_renewed_when_the_database_is_back(
    lab: Lab, store: ScriptedStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.fail("renew_session", AWAY, times=2)
    with caplog.at_level(logging.WARNING):
        await store.next_call("renew_session", 3)
    assert "upkeep of sessions failed, will try again" in caplog.text


async def test_who_was_taken_for_dead_and_goes_on_is_known_when_it_dies(lab: Lab, database: MemoryDatabase) -> None:
    async with open_lab(MemoryStore(database), like=lab, session_check_seconds=1000.0) as slow:
        await slow.begin(slow.schedule("a"), slow.schedule("b"))
        first = await slow.poll_activity()
        async with open_lab(MemoryStore(database), like=lab, lease_clock=much_later()) as alive:
            task = await alive.poll_decision()
            assert one(task.events, ActivityTimedOutEvent).started_event_id == first.started_event_id
            second = await slow.poll_activity()
            await alive.backend.complete_decision_task(task.token)
            timed_out = every((await alive.poll_decision()).events, ActivityTimedOutEvent)
            assert timed_out[-1].started_event_id == second.started_event_id


async def test_what_a_session_takes_while_it_is_ended_is_released(lab: Lab, database: MemoryDatabase) -> None:
    store = ScriptedStore(MemoryStore(database))
    hold = store.hold("end_session")

    async def next_decision() -> DecisionTask:
        async with open_lab(store, like=lab, lease_clock=much_later()) as alive:
            return await alive.poll_decision()

    async with open_lab(MemoryStore(database), like=lab, session_check_seconds=1000.0) as slow:
        await slow.begin(slow.schedule("a"))
        deciding = asyncio.create_task(next_decision())
        await hold.reached.wait()
        taken = await slow.poll_activity()
        hold.release()
        timed_out = one((await deciding).events, ActivityTimedOutEvent)
        assert timed_out.started_event_id == taken.started_event_id


def much_later() -> ManualClock:
    """Return a clock by which all leases have run out."""
    clock = ManualClock()
    clock.advance_to(4e9)
    return clock


async def test_a_release_that_fails_is_tried_again(lab: Lab, database: MemoryDatabase) -> None:
    async with open_lab(MemoryStore(database), like=lab, session_check_seconds=1000.0) as dead:
        await dead.begin_activity()
        later = ManualClock()
        later.advance_to(4e9)
        store = ScriptedStore(MemoryStore(database))
        store.fail("held_by", AWAY)
        with pytest.raises(BackendUnavailableError):
            async with open_lab(store, like=lab, lease_clock=later):
                pytest.fail("a backend that cannot begin its work is not open")
        store = ScriptedStore(MemoryStore(database))
        async with open_lab(store, like=lab, lease_clock=later) as alive:
            assert every((await alive.poll_decision()).events, ActivityTimedOutEvent)


async def test_a_session_that_cannot_be_ended_is_told(caplog: pytest.LogCaptureFixture) -> None:
    store = ScriptedStore(MemoryStore())
    async with open_lab(store) as lab:
        await lab.start()
        store.fail("end_session", AWAY)
    assert "the session could not be ended" in caplog.text


async def test_a_release_that_changes_nothing_ends() -> None:
    class Stubborn(MemoryStore):
        async def held_by(self, session: str, *, limit: int = 500) -> Sequence[str]:
            return ["no such run"]

    database = MemoryDatabase()
    async with open_lab(Stubborn(database)) as stubborn:
        await stubborn.start()
    assert database.sessions == {}


# --- other backends ------------------------------------------------------------------------------------------------


async def test_what_others_write_is_noticed(lab: Lab, database: MemoryDatabase) -> None:
    async with open_lab(MemoryStore(database), like=lab) as other:
        await lab.begin(StartTimerDecision(50 * lab.tick, id="t"), word="before")
        async with lab.meanwhile(lab.poll_decision) as decision:
            process = await other.start()
        assert decision.value.process == process
        async with lab.meanwhile(lambda: lab.closed(process)) as closed:
            await other.backend.terminate_process(process)
        assert kinds([closed.value]) == ["ProcessTerminated"]


async def test_noticing_goes_on_when_the_database_is_back(
    lab: Lab, store: ScriptedStore, database: MemoryDatabase
) -> None:
    async with open_lab(MemoryStore(database), like=lab) as other:
        process = await other.start(task_list="elsewhere")
        async with lab.meanwhile(lambda: lab.closed(process)):
            async with store.calling("changed", 3):
                store.fail("changed", AWAY, times=2)
            async with store.calling("endings"):
                store.fail("endings", AWAY)
                await other.backend.terminate_process(process)
            await other.start("another", task_list="elsewhere")


@pytest.mark.usefixtures("soon")
async def test_what_no_hint_tells_of_is_found_all_the_same(lab: Lab, database: MemoryDatabase) -> None:
    """A database that never says that it changed."""

    class Silent(MemoryStore):
        async def changed(self) -> Changes | None:
            return None

    async with open_lab(Silent(database), like=lab) as deaf:
        async with deaf.meanwhile(deaf.poll_decision) as decision:
            process = await lab.start()
        assert decision.value.process == process


@pytest.mark.usefixtures("soon")
async def test_messages_that_were_left_lying_are_delivered(lab: Lab, store: ScriptedStore) -> None:
    receiver, sender = await lab.begin(word="receiver"), await lab.start("sender")
    decision = await lab.poll_decision()
    first, delivery = store.hold("commit"), store.hold("commit")
    answer = asyncio.create_task(lab.answer(decision, SignalProcessDecision(receiver, "s")))
    await first.reached.wait()
    first.release()
    await delivery.reached.wait()
    await answer
    store.fail("commit", AWAY)
    async with store.calling("outbox"):
        delivery.release()
    await lab.advance(10)
    await lab.told(sender, ExternalProcessSignaledEvent)
    one(await lab.history(receiver), ProcessSignaledEvent)


async def test_what_a_failed_transaction_brought_is_seen_to(lab: Lab, store: ScriptedStore) -> None:
    process = await lab.start()
    decision = await lab.poll_decision()
    async with lab.meanwhile(lambda: lab.closed(process)) as closed:
        store.fail("commit", AWAY, after=True)
        store.fail("outbox", AWAY)
        with pytest.raises(BackendUnavailableError):
            await lab.answer(decision, CompleteProcessDecision())
    assert kinds([closed.value]) == ["ProcessCompleted"]


@pytest.mark.usefixtures("soon")
async def test_ends_that_no_hint_tells_of_are_found_in_turns(
    lab: Lab, database: MemoryDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep_module, "_RUNS_PER_LOOK", 2)

    class Silent(MemoryStore):
        async def changed(self) -> Changes | None:
            return None

    processes = [await lab.start(f"{number}", task_list="elsewhere") for number in range(5)]
    async with open_lab(Silent(database), like=lab) as deaf:
        waits = [asyncio.create_task(deaf.backend.wait_process(process)) for process in processes]
        await anyio.wait_all_tasks_blocked()
        for process in processes:
            await lab.backend.terminate_process(process)
        assert kinds(await asyncio.gather(*waits)) == ["ProcessTerminated"] * 5


async def test_a_message_that_is_found_twice_is_delivered_once(store: ScriptedStore) -> None:
    async with open_lab(store, watch_seconds=1000.0) as lab:
        receiver, sender = await lab.begin(word="receiver"), await lab.start("sender")
        decision = await lab.poll_decision()
        first, delivery = store.hold("commit"), store.hold("commit")
        answer = asyncio.create_task(lab.answer(decision, SignalProcessDecision(receiver, "s")))
        await first.reached.wait()
        first.release()
        await delivery.reached.wait()
        await answer
        async with store.calling("commit"):
            store.fail("commit", AWAY)
            delivery.release()
        find = local(lab)._upkeep.deliver_messages
        await asyncio.gather(find(older_than=math.inf), find(older_than=math.inf))
        one(await lab.history(receiver), ProcessSignaledEvent)
        await lab.told(sender, ExternalProcessSignaledEvent)


async def test_a_message_is_not_forgotten_when_its_process_cannot_be_read(lab: Lab, database: MemoryDatabase) -> None:
    """Nor must the clock go on for that."""
    receiver = await lab.begin(word="receiver")
    store = ScriptedStore(MemoryStore(database))
    async with open_lab(store, like=lab) as other:
        sender = await other.start("sender")
        decision = await other.poll_decision()
        async with store.calling("load"):
            store.fail("load", AWAY)
            await other.answer(decision, SignalProcessDecision(receiver, "s"))
        await other.told(sender, ExternalProcessSignaledEvent)
    one(await lab.history(receiver), ProcessSignaledEvent)


@pytest.mark.usefixtures("soon")
async def test_defaults_that_others_have_changed_are_found(lab: Lab, database: MemoryDatabase) -> None:
    store = ScriptedStore(MemoryStore(database))
    async with open_lab(store, like=lab) as other:
        async with store.calling("types", 2):
            await lab.add_workflow(lab.workflow, task_priority=7)
        process = await other.start()
        assert (await other.info(process)).task_priority == 7


async def test_all_messages_of_a_dead_backend_are_delivered(
    lab: Lab, database: MemoryDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep_module, "_MESSAGES_PER_QUERY", 3)

    class Dying(MemoryStore):
        """Delivers no message."""

        async def commit(self, group: Group) -> Sequence[int]:
            if any(write.received for write in group.writes):
                raise AWAY
            return await super().commit(group)

        async def outbox(self, *, older_than: float, limit: int = 500) -> Sequence[Message]:
            return []

    receiver = await lab.begin(word="receiver", task_list="elsewhere")
    async with open_lab(Dying(database), like=lab) as dying:
        await dying.begin(*(SignalProcessDecision(receiver, "s", number) for number in range(8)))
    assert len(database.messages) == 8
    clock_of(lab).advance(1)
    async with open_lab(MemoryStore(database), like=lab):
        signals = [event.input for event in every(await lab.history(receiver), ProcessSignaledEvent)]
        assert signals == list(range(8))


async def test_messages_that_cannot_be_delivered_are_left_alone(
    lab: Lab, database: MemoryDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep_module, "_MESSAGES_PER_QUERY", 1)

    class Refusing(MemoryStore):
        async def commit(self, group: Group) -> Sequence[int]:
            if any(write.received for write in group.writes):
                return list(range(len(group.writes)))
            return await super().commit(group)

    receiver = await lab.begin(word="receiver", task_list="elsewhere")
    async with open_lab(Refusing(database), like=lab) as refusing:
        await refusing.begin(SignalProcessDecision(receiver, "s"))
    clock_of(lab).advance(1)
    async with open_lab(Refusing(database), like=lab):
        assert len(database.messages) == 1
    async with open_lab(MemoryStore(database), like=lab):
        assert database.messages.keys() != {receiver.run_id}
        one(await lab.history(receiver), ProcessSignaledEvent)


async def test_two_backends_on_one_file(tmp_path: Path) -> None:
    def store() -> SQLiteStore:
        return SQLiteStore(tmp_path / "shared.db")

    async with open_lab(store()) as lab, open_lab(store(), like=lab) as other:
        async with lab.meanwhile(lab.poll_decision) as decision:
            process = await other.start()
        async with other.meanwhile(other.poll_activity) as activity:
            await lab.answer(decision.value, lab.schedule(input=1))
        assert activity.value.input == 1
        async with lab.meanwhile(lab.poll_decision) as decision:
            await other.backend.complete_activity_task(activity.value.token, ActivityCompleted(2))
        async with other.meanwhile(lambda: other.closed(process)) as closed:
            await lab.backend.terminate_process(process)
        assert kinds([closed.value]) == ["ProcessTerminated"]


async def test_two_backends_on_one_file_contend(tmp_path: Path) -> None:
    def store() -> SQLiteStore:
        return SQLiteStore(tmp_path / "shared.db")

    async with open_lab(store()) as lab, open_lab(store(), like=lab) as other:
        process = await lab.begin()
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                for each in (lab, other):
                    tasks.start_soon(each.backend.signal_process, process, "s", str(number))
        signals = sorted(event.input for event in every(await lab.history(process), ProcessSignaledEvent))
        assert signals == sorted([*range(20), *range(20)])


# --- faults in the rules -------------------------------------------------------------------------------------------


def failing_once(kind: type, monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """Let the rules fail at the next request of a kind; return what is left to be raised."""
    faults: list[Exception] = [ZeroDivisionError("a bug")]

    def faulty(state: Any, request: Any, **how: Any) -> Any:
        if isinstance(request, kind) and faults:
            raise faults.pop()
        return handle(state, request, **how)

    monkeypatch.setattr("aioworkflow.backends.local.batch.handle", faulty)
    return faults


@pytest.mark.usefixtures("soon")
async def test_a_deadline_that_fails_stops_no_other(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for word in ("one", "two"):
        await lab.begin(StartTimerDecision(lab.tick, id="t"), word=word)
    faults = failing_once(FireDeadlines, monkeypatch)
    await lab.advance(2)
    fired = {(await lab.poll_decision()).process.process_id for _ in range(2)}
    assert fired == {lab.name("one"), lab.name("two")}
    assert faults == []


@pytest.mark.usefixtures("soon")
async def test_a_message_that_fails_is_tried_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver, sender = await lab.begin(word="receiver"), await lab.start("sender")
    faults = failing_once(SignalProcess, monkeypatch)
    await lab.decide(SignalProcessDecision(receiver, "s"))
    while faults:
        await anyio.lowlevel.checkpoint()
    await lab.advance(1)
    await lab.told(sender, ExternalProcessSignaledEvent)
    one(await lab.history(receiver), ProcessSignaledEvent)


async def test_a_message_that_fails_does_not_keep_a_backend_from_opening(
    lab: Lab, database: MemoryDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, sender = await lab.begin(word="receiver"), await lab.start("sender")
    faults = failing_once(SignalProcess, monkeypatch)
    await lab.decide(SignalProcessDecision(receiver, "s"))
    while faults:
        await anyio.lowlevel.checkpoint()
    faults = failing_once(SignalProcess, monkeypatch)
    async with open_lab(MemoryStore(database), like=lab):
        assert faults == []
        assert len(database.messages) == 1
    async with open_lab(MemoryStore(database), like=lab):
        await lab.told(sender, ExternalProcessSignaledEvent)


async def test_a_claim_that_fails_lets_its_poll_wait(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    process = await lab.start()
    faults = failing_once(StartDecisionTask, monkeypatch)
    assert (await lab.poll_decision()).process == process
    assert faults == []
