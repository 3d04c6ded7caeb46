"""Group commit, conflicts between backends, and what a failing database does to callers and polls."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from functools import partial

import anyio
import pytest

from aioworkflow.backends.local import committer as committer_module
from aioworkflow.backends.local import doubts as doubts_module
from aioworkflow.backends.local import lists as lists_module
from aioworkflow.backends.local.doubts import Doubts
from aioworkflow.decision import (
    CompleteProcessDecision,
    ContinueAsNewDecision,
    RecordMarkerDecision,
    SignalProcessDecision,
    StartChildProcessDecision,
)
from aioworkflow.errors import (
    BackendClosedError,
    BackendUnavailableError,
    LimitExceededError,
    ProcessAlreadyRunningError,
    StoreError,
    UnknownProcessError,
    UnknownTaskError,
)
from aioworkflow.event import (
    ActivityStartedEvent,
    ChildProcessStartedEvent,
    DecisionStartedEvent,
    ExternalProcessSignaledEvent,
    ProcessContinuedAsNewEvent,
    ProcessSignaledEvent,
    SignalProcessFailedEvent,
)
from aioworkflow.machine import handle as handle_module
from aioworkflow.machine.requests import CancelProcess, SignalProcess
from aioworkflow.result import ActivityCompleted
from aioworkflow.stores.base import TaskKind
from aioworkflow.stores.memory import MemoryDatabase, MemoryStore
from aioworkflow.testing.conformance.backend.expect import every, kinds, one
from aioworkflow.testing.conformance.backend.lab import Lab
from aioworkflow.types import ProcessRef, ProcessStatus, TypeRef
from tests.backends.labs import Poll, clock_of, event_names, local, open_lab
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
async def other(lab: Lab, database: MemoryDatabase) -> AsyncIterator[Lab]:
    """Another backend on the same database, which notices others only by conflicts."""
    async with open_lab(MemoryStore(database), like=lab, watch_seconds=1000.0) as other:
        yield other


@pytest.fixture
def little_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer_module, "_REST_SECONDS", 0.001)
    monkeypatch.setattr(doubts_module, "_LEAST_PAUSE", 0.001)


def doubts_of(lab: Lab) -> Doubts:
    doubts: Doubts = lab.backend._committer._doubts  # type: ignore[attr-defined]
    return doubts


# --- groups --------------------------------------------------------------------------------------------------------


async def test_answers_come_after_the_commit(lab: Lab, store: ScriptedStore, database: MemoryDatabase) -> None:
    hold = store.hold("commit")
    start = asyncio.create_task(lab.start())
    await hold.reached.wait()
    await anyio.wait_all_tasks_blocked()
    assert not start.done()
    assert database.runs == {}
    hold.release()
    process = await start
    assert list(database.runs) == [process.run_id]


async def test_what_comes_during_a_commit_is_one_group(lab: Lab, store: ScriptedStore) -> None:
    process = await lab.start()
    hold = store.hold("commit")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lab.backend.signal_process, process, "first")
        await hold.reached.wait()
        for number in range(5):
            tasks.start_soon(lab.backend.signal_process, process, "more")
            tasks.start_soon(lab.start, f"process {number}")
        await anyio.wait_all_tasks_blocked()
        store.groups.clear()
        hold.release()
    assert len(store.groups) == 1
    assert sorted(event_names(store.groups[0])) == sorted(
        [["ProcessSignaled"] * 5, *[["ProcessStarted", "DecisionScheduled"]] * 5]
    )


async def test_tasks_are_handed_over_in_the_transaction_that_creates_them(lab: Lab, store: ScriptedStore) -> None:
    async with lab.meanwhile(lab.poll_decision) as decision:
        store.groups.clear()
        await lab.start()
    assert [event_names(group) for group in store.groups] == [
        [["ProcessStarted", "DecisionScheduled", "DecisionStarted"]]
    ]
    async with lab.meanwhile(lab.poll_activity) as activity:
        store.groups.clear()
        await lab.answer(decision.value, lab.schedule(input=1))
    assert [event_names(group) for group in store.groups] == [
        [["DecisionCompleted", "ActivityScheduled", "ActivityStarted"]]
    ]
    assert activity.value.input == 1


async def test_a_poll_that_comes_during_the_commit_gets_the_task(lab: Lab, store: ScriptedStore) -> None:
    await lab.begin(lab.schedule(), word="before")
    await lab.work()
    await lab.decide()  # now both lists are known to hold nothing
    store.calls.clear()
    hold = store.hold("commit")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lab.start)
        await hold.reached.wait()
        async with lab.meanwhile(lab.poll_decision) as decision:
            hold.release()
    hold = store.hold("commit")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lab.answer, decision.value, lab.schedule())
        await hold.reached.wait()
        async with lab.meanwhile(lab.poll_activity):
            hold.release()
    assert store.calls["waiting"] == 0


async def test_tasks_of_others_are_not_behind_all_that_are_made_here(
    lab: Lab, database: MemoryDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backend knows its own tasks by heart, and has to look for those that waited before it came."""
    monkeypatch.setattr(committer_module, "_HINTS_PER_QUERY", 2)
    monkeypatch.setattr(lists_module, "_HINTS_PER_LOOK", 2)
    old = [await lab.start(f"old {number}") for number in range(5)]
    clock_of(lab).advance(1.0)
    async with open_lab(MemoryStore(database), like=lab) as late:
        taken = []
        for number in range(7):
            await late.start(f"new {number}")
            taken.append((await late.poll_decision()).process)
    assert sorted(taken[:5]) == sorted(old)


async def test_a_request_whose_caller_went_away_is_not_carried_out(lab: Lab, store: ScriptedStore) -> None:
    process = await lab.start()
    hold = store.hold("commit")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lab.backend.signal_process, process, "first")
        await hold.reached.wait()
        second = asyncio.create_task(lab.backend.signal_process(process, "second"))
        await anyio.wait_all_tasks_blocked()
        second.cancel()
        hold.release()
    await lab.backend.signal_process(process, "third")
    signals = every(await lab.history(process), ProcessSignaledEvent)
    assert [event.signal for event in signals] == ["first", "third"]


async def test_a_request_whose_caller_goes_away_during_the_commit_stands(lab: Lab, store: ScriptedStore) -> None:
    process = await lab.start()
    hold = store.hold("commit")
    signal = asyncio.create_task(lab.backend.signal_process(process, "s"))
    await hold.reached.wait()
    signal.cancel()
    hold.release()
    await lab.backend.signal_process(process, "t")
    signals = every(await lab.history(process), ProcessSignaledEvent)
    assert [event.signal for event in signals] == ["s", "t"]


async def test_two_starts_of_one_process_in_one_group(lab: Lab, store: ScriptedStore) -> None:
    hold = store.hold("commit")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lab.start, "first")
        await hold.reached.wait()
        one_of_them, the_other = (asyncio.create_task(lab.start("twice")) for _ in range(2))
        await anyio.wait_all_tasks_blocked()
        hold.release()
    process = await one_of_them
    with pytest.raises(ProcessAlreadyRunningError):
        await the_other
    assert (await lab.info(ProcessRef(process.process_id))).process == process


async def test_ending_and_starting_again_in_one_group(lab: Lab, store: ScriptedStore) -> None:
    old = await lab.start("again")
    hold = store.hold("commit")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lab.start, "first")
        await hold.reached.wait()
        tasks.start_soon(lab.backend.terminate_process, old)
        start = asyncio.create_task(lab.start("again"))
        signal = asyncio.create_task(lab.backend.signal_process(ProcessRef(old.process_id), "s"))
        late = asyncio.create_task(lab.backend.signal_process(old, "s"))
        await anyio.wait_all_tasks_blocked()
        hold.release()
    new = await start
    await signal
    with pytest.raises(UnknownProcessError):
        await late
    assert kinds(await lab.history(new)) == ["ProcessStarted", "DecisionScheduled", "ProcessSignaled"]
    assert (await lab.info(old)).status is ProcessStatus.TERMINATED


# --- conflicts -----------------------------------------------------------------------------------------------------


async def test_the_losers_of_a_group_are_applied_again_and_the_winners_stand(
    lab: Lab, other: Lab, store: ScriptedStore
) -> None:
    contested, quiet = await lab.start("contested"), await lab.start("quiet")
    await other.backend.signal_process(contested, "theirs")
    hold = store.hold("commit")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lab.start, "first")
        await hold.reached.wait()
        for process in (contested, quiet, contested):
            tasks.start_soon(lab.backend.signal_process, process, "ours")
        await anyio.wait_all_tasks_blocked()
        store.groups.clear()
        hold.release()
    assert [len(group.writes) for group in store.groups] == [2, 1]
    signals = every(await lab.history(contested), ProcessSignaledEvent)
    assert [event.signal for event in signals] == ["theirs", "ours", "ours"]
    one(await lab.history(quiet), ProcessSignaledEvent)


async def test_a_refusal_rests_on_the_newest_state(lab: Lab, other: Lab) -> None:
    old = await lab.start()
    await other.backend.terminate_process(old)
    new = await lab.start()  # here the old run is still thought to be open
    assert new != old
    await other.backend.terminate_process(new)
    newest = await other.start()
    with pytest.raises(ProcessAlreadyRunningError):
        await lab.start()
    await lab.backend.signal_process(ProcessRef(new.process_id), "s")
    one(await lab.history(newest), ProcessSignaledEvent)


async def test_starting_a_process_that_runs_elsewhere_is_refused(lab: Lab, other: Lab, store: ScriptedStore) -> None:
    process = await other.start()
    with pytest.raises(ProcessAlreadyRunningError):
        await lab.start()
    assert (await lab.info(ProcessRef(process.process_id))).process == process


async def test_a_task_that_was_taken_elsewhere_is_not_handed_out_here(lab: Lab, other: Lab) -> None:
    process = await lab.begin(lab.schedule("a"), lab.schedule("b"))
    taken = await other.poll_activity()
    got = await lab.poll_activity()
    assert {taken.activity_id, got.activity_id} == {"a", "b"}
    await lab.backend.signal_process(process, "s")
    decision = await other.poll_decision()
    async with lab.meanwhile(lab.poll_decision) as later:
        await other.backend.signal_process(process, "t")
        await other.answer(decision)
    assert every(later.value.events, ProcessSignaledEvent)[-1].signal == "t"
    assert len(every(await lab.history(process), ActivityStartedEvent)) == 2


async def test_a_run_and_its_successor_stand_or_fall_together(lab: Lab, other: Lab, store: ScriptedStore) -> None:
    process = await lab.start()
    decision = await lab.poll_decision()
    await other.backend.signal_process(process, "s")  # blocks the end, which is not known here
    store.groups.clear()
    await lab.answer(decision, ContinueAsNewDecision())
    assert [len(group.writes) for group in store.groups] == [2, 1]
    assert (await lab.info(ProcessRef(process.process_id))).process == process
    await lab.decide(ContinueAsNewDecision())
    ended = one(await lab.history(process), ProcessContinuedAsNewEvent)
    new = ProcessRef(process.process_id, ended.new_run_id)
    assert (await lab.poll_decision()).process == new


async def test_polls_whose_task_was_taken_back_go_on_waiting(lab: Lab, other: Lab) -> None:
    process = await lab.begin()
    await other.backend.cancel_process(process)
    taken = await other.poll_decision()
    async with lab.meanwhile(lab.poll_decision) as decision:
        await lab.backend.signal_process(process, "s")
        await other.answer(taken)
    assert kinds(decision.value.events)[-2:] == ["DecisionCompleted", "DecisionStarted"]


async def test_a_message_is_delivered_once_though_two_try(
    lab: Lab, store: ScriptedStore, database: MemoryDatabase
) -> None:
    receiver = await lab.begin(word="receiver")
    sender = await lab.start("sender")
    decision = await lab.poll_decision()
    first, delivery = store.hold("commit"), store.hold("commit")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lab.answer, decision, SignalProcessDecision(receiver, "s"))
        await first.reached.wait()
        first.release()
        await delivery.reached.wait()
        clock_of(lab).advance(1)
        async with open_lab(MemoryStore(database), like=lab) as other:  # which delivers what is left lying
            assert len(every(await other.history(receiver), ProcessSignaledEvent)) == 1
        delivery.release()
        await lab.told(sender, ExternalProcessSignaledEvent)
    assert len(every(await lab.history(receiver), ProcessSignaledEvent)) == 1
    assert database.messages == {}


# --- a database that fails -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [AWAY, StoreError("the disk is full")], ids=lambda error: type(error).__name__)
async def test_callers_get_the_error_of_a_commit_and_nothing_is_changed(
    lab: Lab, store: ScriptedStore, error: Exception
) -> None:
    process = await lab.start()
    before = await lab.history(process)
    store.fail("commit", error)
    with pytest.raises(type(error), match=str(error)):
        await lab.backend.signal_process(process, "s")
    assert await lab.history(process) == before
    await lab.backend.signal_process(process, "t")
    assert one(await lab.history(process), ProcessSignaledEvent).signal == "t"


async def test_after_a_commit_that_failed_but_was_saved_the_saved_state_counts(lab: Lab, store: ScriptedStore) -> None:
    process = await lab.start()
    store.fail("commit", AWAY, after=True)
    with pytest.raises(BackendUnavailableError):
        await lab.backend.signal_process(process, "s")
    await lab.backend.signal_process(process, "t")
    signals = every(await lab.history(process), ProcessSignaledEvent)
    assert [event.signal for event in signals] == ["s", "t"]


@pytest.mark.parametrize("method", ["load", "resolve"])
async def test_callers_get_the_error_of_a_read(
    lab: Lab, database: MemoryDatabase, store: ScriptedStore, method: str
) -> None:
    process = await lab.start()
    fresh_store = ScriptedStore(MemoryStore(database))
    async with open_lab(fresh_store, like=lab) as fresh:
        open_run = ProcessRef(process.process_id)
        fresh_store.fail(method, AWAY)
        with pytest.raises(BackendUnavailableError, match="away"):
            await fresh.backend.signal_process(open_run, "s")
        await fresh.backend.signal_process(open_run, "s")
    one(await lab.history(process), ProcessSignaledEvent)


@pytest.mark.usefixtures("little_rest")
@pytest.mark.parametrize("method", ["waiting", "load", "commit"])
async def test_polls_survive_a_database_that_fails(
    lab: Lab, database: MemoryDatabase, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    process = await lab.start()
    fresh_store = ScriptedStore(MemoryStore(database))
    async with open_lab(fresh_store, like=lab) as fresh:
        with caplog.at_level(logging.CRITICAL):
            fresh_store.fail(method, AWAY, times=3)
            task = await fresh.poll_decision()
    assert task.process == process
    assert fresh_store.calls[method] >= 4


async def test_a_failing_database_is_left_alone_for_a_moment(
    lab: Lab, store: ScriptedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []
    loop = asyncio.get_running_loop()
    call_later = loop.call_later

    def note(delay: float, *args: object) -> object:
        if delay == committer_module._REST_SECONDS:
            rests.append(delay)
            return call_later(0, *args)  # type: ignore[arg-type]
        return call_later(delay, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "call_later", note)
    await lab.start("one")
    await lab.start("two")
    store.fail("commit", StoreError("the disk is full"), times=5)
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(lab.poll_decision)
        tasks.start_soon(store.next_call, "commit", 6)
        with anyio.move_on_after(20):
            await store.next_call("commit", 6)
        tasks.cancel_scope.cancel()
    assert len(rests) == 5


async def test_a_database_that_is_away_is_asked_about_one_list_only(
    lab: Lab, store: ScriptedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer_module, "_REST_SECONDS", 60.0)
    store.fail("waiting", AWAY, times=100)
    polls = [Poll(partial(lab.poll_decision, f"list-{number}")) for number in range(5)]
    await anyio.wait_all_tasks_blocked()
    assert store.calls["waiting"] == 1
    for poll in polls:
        poll.cancel()


# --- a transaction that fails and was saved ------------------------------------------------------------------------


@pytest.mark.usefixtures("little_rest")
async def test_tasks_that_a_failed_transaction_started_are_handed_out(lab: Lab, store: ScriptedStore) -> None:
    async with lab.meanwhile(lab.poll_decision) as decision:
        store.fail("commit", AWAY, after=True)
        with pytest.raises(BackendUnavailableError):
            await lab.start()
    assert kinds(decision.value.events) == ["ProcessStarted", "DecisionScheduled", "DecisionStarted"]
    async with lab.meanwhile(lab.poll_activity) as activity:
        store.fail("commit", AWAY, after=True)
        with pytest.raises(BackendUnavailableError):
            await lab.answer(decision.value, lab.schedule(input=[1]))
    assert activity.value.input == [1]
    await lab.backend.complete_activity_task(activity.value.token, ActivityCompleted())
    with pytest.raises(UnknownTaskError):
        await lab.answer(decision.value)
    events = await lab.history(decision.value.process)
    one(events, DecisionStartedEvent)
    one(events, ActivityStartedEvent)


@pytest.mark.usefixtures("little_rest")
async def test_claims_that_failed_but_were_saved_are_handed_out(lab: Lab, store: ScriptedStore) -> None:
    process = await lab.begin(lab.schedule("a", input=7))
    store.fail("commit", AWAY, after=True)
    assert (await lab.poll_activity()).input == 7
    await lab.backend.signal_process(process, "s")
    store.fail("commit", AWAY, after=True)
    await lab.poll_decision()
    events = await lab.history(process)
    one(events, ActivityStartedEvent)
    assert len(every(events, DecisionStartedEvent)) == 2


@pytest.mark.usefixtures("little_rest")
async def test_a_started_task_whose_poll_is_gone_goes_to_the_next(lab: Lab, store: ScriptedStore) -> None:
    poll = Poll(lab.poll_decision)
    await anyio.wait_all_tasks_blocked()
    hold = store.hold("commit")
    store.fail("commit", AWAY, after=True)
    start = asyncio.create_task(lab.start())
    await hold.reached.wait()
    poll.cancel()
    hold.release()
    with pytest.raises(BackendUnavailableError):
        await start
    task = await lab.poll_decision()
    one(await lab.history(task.process), DecisionStartedEvent)


@pytest.mark.usefixtures("little_rest")
async def test_a_start_that_is_saved_long_after_it_failed_leaves_no_task_with_nobody(
    lab: Lab, store: ScriptedStore
) -> None:
    async with lab.meanwhile(lab.poll_decision) as decision:
        store.fail("commit", AWAY)
        async with store.calling("load", 3):  # it is looked for again and again
            with pytest.raises(BackendUnavailableError):
                await lab.start()
        assert await store.inner.commit(store.groups[-1]) == []
    one(await lab.history(decision.value.process), DecisionStartedEvent)
    loads = store.calls["load"]
    await lab.answer(decision.value)
    assert store.calls["load"] == loads, "what is known by now is looked for no more"


@pytest.mark.usefixtures("little_rest")
async def test_a_claim_that_is_saved_while_it_is_tried_again_is_handed_out(lab: Lab, store: ScriptedStore) -> None:
    process = await lab.begin(lab.schedule("a", input=7))
    store.fail("commit", AWAY)
    first, second = store.hold("commit"), store.hold("commit")
    async with lab.meanwhile(lab.poll_activity) as activity:
        first.release()
        await second.reached.wait()
        assert await store.inner.commit(store.groups[-2]) == []
        second.release()
    assert activity.value.input == 7
    one(await lab.history(process), ActivityStartedEvent)
    await lab.backend.complete_activity_task(activity.value.token, ActivityCompleted())


@pytest.mark.usefixtures("little_rest")
async def test_what_was_in_doubt_and_is_handed_out_since_is_not_handed_out_again(
    lab: Lab, other: Lab, store: ScriptedStore
) -> None:
    process = await lab.begin(lab.schedule("a"))
    store.fail("commit", AWAY)
    await lab.poll_activity()
    await other.backend.signal_process(process, "s")
    await lab.backend.signal_process(process, "t")  # a conflict, so the run is loaded anew
    poll = Poll(lab.poll_activity)
    await anyio.wait_all_tasks_blocked()
    assert not poll.task.done()
    poll.cancel()


@pytest.mark.usefixtures("little_rest")
async def test_what_is_never_saved_is_not_looked_for_for_ever(
    lab: Lab, store: ScriptedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doubts_module, "_LONGEST", 0.01)
    async with lab.meanwhile(lab.poll_decision) as decision:
        store.fail("commit", AWAY)
        with pytest.raises(BackendUnavailableError):
            await lab.start()
        while doubts_of(lab):  # noqa: ASYNC110 - nobody is told of it
            await asyncio.sleep(0)
        process = await lab.start()
    assert decision.value.process == process


@pytest.mark.usefixtures("little_rest")
async def test_doubts_wait_for_a_database_that_can_be_read(lab: Lab, store: ScriptedStore) -> None:
    async with lab.meanwhile(lab.poll_decision) as decision:
        store.fail("commit", AWAY, after=True)
        store.fail("load", AWAY, times=3)
        with pytest.raises(BackendUnavailableError):
            await lab.start()
    one(await lab.history(decision.value.process), DecisionStartedEvent)


@pytest.mark.usefixtures("little_rest")
async def test_what_was_not_saved_is_handed_out_once_it_is(lab: Lab, store: ScriptedStore) -> None:
    process = await lab.begin()
    async with lab.meanwhile(lab.poll_decision) as decision:
        store.fail("commit", AWAY)
        with pytest.raises(BackendUnavailableError):
            await lab.backend.signal_process(process, "s")
        await lab.backend.signal_process(process, "t")
    assert one(decision.value.events, ProcessSignaledEvent).signal == "t"
    assert len(every(await lab.history(process), DecisionStartedEvent)) == 2


@pytest.mark.usefixtures("little_rest")
async def test_messages_and_ends_of_a_failed_transaction_are_seen_to(lab: Lab, store: ScriptedStore) -> None:
    process = await lab.start()
    decision = await lab.poll_decision()
    store.fail("commit", AWAY, after=True)
    with pytest.raises(BackendUnavailableError):
        await lab.answer(decision, StartChildProcessDecision(lab.workflow, id=lab.name("c"), task_list="elsewhere"))
    await lab.told(process, ChildProcessStartedEvent)
    await lab.backend.signal_process(process, "s")
    decision = await lab.poll_decision()
    async with lab.meanwhile(lambda: lab.closed(process)) as closed:
        store.fail("commit", AWAY, after=True)
        with pytest.raises(BackendUnavailableError):
            await lab.answer(decision, CompleteProcessDecision())
    assert kinds([closed.value]) == ["ProcessCompleted"]


@pytest.mark.usefixtures("little_rest")
async def test_seeing_to_that_goes_on_when_the_database_is_back(lab: Lab, store: ScriptedStore) -> None:
    process = await lab.start()
    decision = await lab.poll_decision()
    async with lab.meanwhile(lambda: lab.closed(process)) as closed:
        store.fail("commit", AWAY, after=True)
        store.fail("outbox", AWAY, times=2)
        with pytest.raises(BackendUnavailableError):
            await lab.answer(decision, RecordMarkerDecision("m"), CompleteProcessDecision())
    assert kinds([closed.value]) == ["ProcessCompleted"]
    assert store.calls["outbox"] >= 3


# --- faults of the rules -------------------------------------------------------------------------------------------


async def test_a_fault_in_the_rules_concerns_only_its_request(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    process = await lab.start()
    signal = handle_module._HANDLERS[SignalProcess]

    def faulty(transition: object, request: SignalProcess) -> object:
        reply = signal(transition, request)  # type: ignore[arg-type]
        if request.signal == "bad":
            raise ZeroDivisionError("a bug")
        return reply

    monkeypatch.setitem(handle_module._HANDLERS, SignalProcess, faulty)
    outcomes = await asyncio.gather(
        lab.backend.signal_process(process, "one"),
        lab.backend.signal_process(process, "bad"),
        lab.backend.signal_process(process, "two"),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), ZeroDivisionError, type(None)]
    assert "this is a bug in aioworkflow" in caplog.text
    signals = every(await lab.history(process), ProcessSignaledEvent)
    assert sorted(event.signal for event in signals) == ["one", "two"]


async def test_lists_that_have_no_polls_any_more_are_not_asked_for(lab: Lab, store: ScriptedStore) -> None:
    hold = store.hold("commit")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lab.start)
        await hold.reached.wait()
        poll = asyncio.create_task(lab.backend.poll_activity_task(lab.activities))
        await anyio.wait_all_tasks_blocked()
        poll.cancel()
        await asyncio.wait([poll])
        hold.release()
    assert store.calls["waiting"] == 0


async def test_requests_after_the_end_are_refused(store: ScriptedStore) -> None:
    async with open_lab(store) as lab:
        committer = local(lab)._committer
        committer.feed(local(lab)._lists.get(TaskKind.ACTIVITY, "l"))
    with pytest.raises(BackendClosedError, match="closed"):
        committer.submit(CancelProcess(), ProcessRef("p"))


async def test_a_claim_that_is_not_carried_out_any_more_ends_its_poll(lab: Lab, database: MemoryDatabase) -> None:
    await lab.start()
    store = ScriptedStore(MemoryStore(database))
    async with open_lab(store, like=lab, close_seconds=0.01) as leaving:
        hold = store.hold("load")
        poll = asyncio.create_task(leaving.backend.poll_decision_task(lab.decisions))
        await hold.reached.wait()
        start = asyncio.create_task(leaving.start("too late"))
        await anyio.wait_all_tasks_blocked()
    assert await poll is None
    with pytest.raises(BackendClosedError):
        await start
    await lab.decide()


async def test_a_request_that_is_being_saved_at_the_end_has_failed(store: ScriptedStore) -> None:
    async with open_lab(store, close_seconds=0.01) as lab:
        hold = store.hold("commit")
        start = asyncio.create_task(lab.start())
        await hold.reached.wait()
    with pytest.raises(BackendClosedError, match="while the request was being saved"):
        await start


async def test_types_that_others_registered_are_asked_for(lab: Lab, other: Lab) -> None:
    activity = await other.add_activity("new")
    await lab.begin(lab.schedule(activity=activity))
    assert (await lab.poll_activity()).activity == activity


async def test_a_version_that_others_registered_is_asked_for(lab: Lab, other: Lab) -> None:
    """As when a new version of a program takes over: the old one may continue its processes as the new one."""
    process = await lab.start()
    task = await lab.poll_decision()
    new = await other.add_workflow(TypeRef(lab.workflow.name, "2"))
    await lab.answer(task, ContinueAsNewDecision(workflow_version="2"))
    assert (await lab.backend.process_info(process)).status is ProcessStatus.CONTINUED_AS_NEW
    assert (await lab.backend.process_info(ProcessRef(process.process_id))).workflow == new


@pytest.mark.usefixtures("little_rest")
async def test_a_claim_that_the_store_cannot_take_is_tried_again(lab: Lab, store: ScriptedStore) -> None:
    process = await lab.start()
    store.fail("commit", ZeroDivisionError("a bug of the store"), times=3)
    assert (await lab.poll_decision()).process == process
    assert store.calls["commit"] == 5


async def test_a_claim_on_a_run_that_is_gone_lets_its_poll_wait(lab: Lab, database: MemoryDatabase) -> None:
    process = await lab.start()
    store = ScriptedStore(MemoryStore(database))
    async with open_lab(store, like=lab) as other:
        hold = store.hold("load")
        poll = asyncio.create_task(other.poll_decision())
        await hold.reached.wait()
        del database.runs[process.run_id]
        del database.open_runs[process.process_id]
        database.lists[TaskKind.DECISION].clear()
        hold.release()
        again = await other.start("again")
        assert (await poll).process == again


@pytest.mark.usefixtures("little_rest")
async def test_a_message_to_nobody_is_answered_though_the_database_fails(lab: Lab, store: ScriptedStore) -> None:
    sender = await lab.start()
    decision = await lab.poll_decision()
    hold, delivery = store.hold("commit"), store.hold("commit")
    answer = asyncio.create_task(lab.answer(decision, SignalProcessDecision(ProcessRef("nobody"), "s")))
    await hold.reached.wait()
    hold.release()
    await delivery.reached.wait()
    await answer
    store.fail("commit", AWAY)
    delivery.release()
    await lab.told(sender, SignalProcessFailedEvent)


async def test_a_message_that_the_rules_refuse_is_consumed(
    lab: Lab, database: MemoryDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(transition: object, request: object) -> None:
        raise LimitExceededError("no more signals")

    monkeypatch.setitem(handle_module._HANDLERS, SignalProcess, refuse)
    receiver = await lab.begin(word="receiver")
    sender = await lab.begin(
        SignalProcessDecision(receiver, "s"), StartChildProcessDecision(lab.workflow, id="c", task_list="elsewhere")
    )
    await lab.told(sender, ChildProcessStartedEvent)
    assert database.messages == {}


@pytest.mark.usefixtures("little_rest")
async def test_what_the_store_cannot_read_fails_who_asks_for_it(
    lab: Lab, database: MemoryDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    process = await lab.start()
    store = ScriptedStore(MemoryStore(database))
    async with open_lab(store, like=lab) as fresh:
        store.fail("load", ValueError("it is damaged"))
        with pytest.raises(ValueError, match="damaged"):
            await fresh.backend.signal_process(process, "s")
        store.fail("load", ValueError("it is damaged"))
        assert (await fresh.poll_decision()).process == process
    assert "this is a bug in aioworkflow" in caplog.text
