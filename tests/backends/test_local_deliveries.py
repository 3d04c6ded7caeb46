"""Who gets what after a commit: polls, holders of tasks, and those who wait for the end of a process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from types import SimpleNamespace

import anyio
import pytest

from aioworkflow.backend import Interruption
from aioworkflow.backends.local import backend as backend_module
from aioworkflow.backends.local import deliveries as deliveries_module
from aioworkflow.decision import (
    CancelActivityDecision,
    CompleteProcessDecision,
    RecordMarkerDecision,
    SignalProcessDecision,
)
from aioworkflow.errors import BackendClosedError, BackendUnavailableError, InvalidRequestError, UnknownTaskError
from aioworkflow.event import ActivityTimedOutEvent, AnyEvent, DecisionStartedEvent, SignalProcessFailedEvent
from aioworkflow.result import ActivityAborted, ActivityCompleted
from aioworkflow.stores.base import TaskKind
from aioworkflow.stores.memory import MemoryDatabase, MemoryStore
from aioworkflow.task import ActivityTask, DecisionTask
from aioworkflow.testing.conformance.backend.expect import kinds, one
from aioworkflow.testing.conformance.backend.lab import Lab
from aioworkflow.types import ProcessRef
from tests.backends.labs import Poll, local, open_lab
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
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(delay: float) -> None:
        await anyio.lowlevel.checkpoint()

    monkeypatch.setattr(deliveries_module, "anyio", SimpleNamespace(sleep=sleep))


async def cancelled_decision_poll(lab: Lab, store: ScriptedStore, *, new_events_only: bool = False) -> ProcessRef:
    """Start a decision task for a poll that goes away meanwhile; return the process."""
    poll = Poll(lambda: lab.poll_decision(new_events_only=new_events_only))
    process = await lab.begin(word="idle", task_list="elsewhere")
    await lab.backend.signal_process(process, "s")
    task = await lab.poll_decision("elsewhere")
    await lab.backend.complete_decision_task(task.token, task_list=lab.decisions)
    hold = store.hold("commit")
    signal = asyncio.create_task(lab.backend.signal_process(process, "t"))
    await hold.reached.wait()
    poll.cancel()
    hold.release()
    await signal
    return process


async def cancelled_activity_poll(lab: Lab, store: ScriptedStore, **settings: float) -> tuple[DecisionTask, ProcessRef]:
    """Start an activity task for a poll that goes away meanwhile; return the decision that scheduled it."""
    process = await lab.start()
    decision = await lab.poll_decision()
    poll = Poll(lab.poll_activity)
    await anyio.wait_all_tasks_blocked()
    hold = store.hold("commit")
    answer = asyncio.create_task(lab.answer(decision, lab.schedule("a", **settings)))
    await hold.reached.wait()
    poll.cancel()
    hold.release()
    await answer
    return decision, process


# --- polls that go away --------------------------------------------------------------------------------------------


async def test_the_task_of_a_poll_that_went_away_goes_to_the_next(lab: Lab, store: ScriptedStore) -> None:
    _, process = await cancelled_activity_poll(lab, store)
    task = await lab.poll_activity()
    assert task.process == process
    await lab.backend.complete_activity_task(task.token, ActivityCompleted())
    assert kinds(await lab.history(process)).count("ActivityStarted") == 1


async def test_the_task_of_a_poll_that_went_away_goes_to_one_that_waits(lab: Lab, store: ScriptedStore) -> None:
    process = await lab.start()
    decision = await lab.poll_decision()
    gone = Poll(lab.poll_activity)
    await anyio.wait_all_tasks_blocked()
    hold = store.hold("commit")
    answer = asyncio.create_task(lab.answer(decision, lab.schedule("a")))
    await hold.reached.wait()
    other = asyncio.create_task(lab.poll_activity())
    await anyio.wait_all_tasks_blocked()
    gone.cancel()
    hold.release()
    await answer
    assert (await other).process == process


@pytest.fixture
def soon_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries_module, "_UNCLAIMED_SECONDS", 0.01)


@pytest.mark.usefixtures("soon_given_up")
async def test_an_activity_that_nobody_here_polls_for_any_more_has_lost_its_worker(
    lab: Lab, store: ScriptedStore, database: MemoryDatabase
) -> None:
    """Else it would be held for as long as this backend lives, by nobody."""
    _, process = await cancelled_activity_poll(lab, store)
    async with open_lab(MemoryStore(database), like=lab) as other:
        assert (await other.poll_decision()).process == process
        one(await other.history(process), ActivityTimedOutEvent)


@pytest.mark.usefixtures("soon_given_up")
async def test_a_decision_that_nobody_here_polls_for_any_more_goes_to_others(
    lab: Lab, store: ScriptedStore, database: MemoryDatabase
) -> None:
    process = await cancelled_decision_poll(lab, store)
    async with open_lab(MemoryStore(database), like=lab) as other:
        task = await other.poll_decision()
        assert (task.process, task.attempt) == (process, 2)


def give_up(lab: Lab) -> None:
    """Let the time pass for which a task waits for another poll."""
    backend = local(lab)
    task_list = backend._lists.get(TaskKind.ACTIVITY, lab.activities)
    (task,) = task_list.unclaimed
    backend._deliveries._give_up_unclaimed(task_list, task)


async def test_giving_a_task_up_goes_on_when_the_database_is_back(
    lab: Lab, store: ScriptedStore, caplog: pytest.LogCaptureFixture
) -> None:
    _, process = await cancelled_activity_poll(lab, store)
    store.fail("commit", AWAY)
    give_up(lab)
    assert (await lab.poll_decision()).process == process
    assert "could not be seen to" in caplog.text


async def test_a_task_whose_run_is_gone_need_not_be_given_up(
    lab: Lab, store: ScriptedStore, database: MemoryDatabase
) -> None:
    await cancelled_activity_poll(lab, store)
    database.runs.clear()
    give_up(lab)
    following = await lab.start("following")
    assert (await lab.poll_decision()).process == following


@pytest.mark.parametrize("turns", range(6))
async def test_a_poll_that_is_cancelled_with_the_task_in_hand_passes_it_on(
    lab: Lab, store: ScriptedStore, turns: int
) -> None:
    poll = Poll(lambda: lab.backend.poll_decision_task(lab.decisions))
    await anyio.wait_all_tasks_blocked()
    store.after["commit"] = lambda: soon(turns, poll.cancel)
    process = await lab.start()
    await asyncio.wait([poll.task])
    task = poll.task.result() or await lab.poll_decision()
    assert isinstance(task, DecisionTask)
    assert task.process == process
    one(await lab.history(process), DecisionStartedEvent)


def soon(turns: int, callback: Callable[[], object]) -> None:
    """Call back after so many turns of the event loop."""
    if turns:
        asyncio.get_running_loop().call_soon(soon, turns - 1, callback)
    else:
        callback()


# --- polls that are cancelled by somebody who can do something with what they bring --------------------------------


class Caller:
    """Polls, and after that waits for something; if it takes what comes in spite of a cancellation, it says so."""

    def __init__(self, lab: Lab, *, takes: bool) -> None:
        self._takes = takes
        self._is_back = False
        self.task = asyncio.create_task(self._run(lab))

    async def _run(self, lab: Lab) -> DecisionTask | None:
        found = await lab.backend.poll_decision_task(lab.decisions)
        self._is_back = True
        if self._takes:
            self.task.uncancel()
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        return found

    def cancel(self) -> None:
        """Cancel the poll, not what comes after it."""
        if not self._is_back:
            self.task.cancel()


@pytest.mark.parametrize("turns", range(6))
async def test_a_cancelled_poll_returns_the_task_that_is_on_its_way(lab: Lab, store: ScriptedStore, turns: int) -> None:
    caller = Caller(lab, takes=True)
    await anyio.wait_all_tasks_blocked()
    hold = store.hold("commit")
    start = asyncio.create_task(lab.start())
    await hold.reached.wait()
    hold.release()
    soon(turns, caller.cancel)
    process = await start
    task = await caller.task
    assert task is not None
    assert task.process == process
    await lab.answer(task)


async def test_the_cancellation_is_not_forgotten(lab: Lab, store: ScriptedStore) -> None:
    caller = Caller(lab, takes=False)
    await anyio.wait_all_tasks_blocked()
    hold = store.hold("commit")
    start = asyncio.create_task(lab.start())
    await hold.reached.wait()
    caller.cancel()
    hold.release()
    await start
    with pytest.raises(asyncio.CancelledError):
        await caller.task
    assert caller.task.cancelled()


async def test_a_timeout_may_still_bring_the_task(lab: Lab, store: ScriptedStore) -> None:
    hold = store.hold("commit")
    expired = asyncio.Event()

    async def poll() -> DecisionTask | None:
        async with asyncio.timeout(None) as timeout:
            asyncio.get_running_loop().call_soon(expired.set)
            timer = asyncio.create_task(expire(timeout))
            task = await lab.backend.poll_decision_task(lab.decisions)
        await timer
        return task

    async def expire(timeout: asyncio.Timeout) -> None:
        await hold.reached.wait()
        timeout.reschedule(0)
        await anyio.lowlevel.checkpoint()
        hold.release()

    polled = asyncio.create_task(poll())
    await expired.wait()
    process = await lab.start()
    task = await polled
    assert task is not None
    assert task.process == process


async def test_a_poll_that_is_cancelled_twice_leaves_the_task_to_another(lab: Lab, store: ScriptedStore) -> None:
    poll = asyncio.create_task(lab.poll_decision())
    await anyio.wait_all_tasks_blocked()
    hold = store.hold("commit")
    start = asyncio.create_task(lab.start())
    await hold.reached.wait()
    for _ in range(2):
        poll.cancel()
        await anyio.wait_all_tasks_blocked()
    assert poll.cancelled()
    hold.release()
    process = await start
    assert (await lab.poll_decision()).process == process


@pytest.mark.parametrize("turns", range(6))
async def test_a_poll_that_is_cancelled_again_in_the_last_moment(lab: Lab, store: ScriptedStore, turns: int) -> None:
    poll = asyncio.create_task(lab.backend.poll_decision_task(lab.decisions))
    await anyio.wait_all_tasks_blocked()
    hold = store.hold("commit")
    start = asyncio.create_task(lab.start())
    await hold.reached.wait()
    poll.cancel()
    await anyio.wait_all_tasks_blocked()
    store.after["commit"] = lambda: soon(turns, poll.cancel)
    hold.release()
    process = await start
    await asyncio.wait([poll])
    task = await lab.poll_decision() if poll.cancelled() else poll.result()
    assert task is not None
    assert task.process == process
    one(await lab.history(process), DecisionStartedEvent)


async def test_a_cancelled_poll_does_not_wait_for_long(
    lab: Lab, store: ScriptedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend_module, "_LAST_WORD_SECONDS", 0.001)
    poll = asyncio.create_task(lab.poll_decision())
    await anyio.wait_all_tasks_blocked()
    hold = store.hold("commit")
    start = asyncio.create_task(lab.start())
    await hold.reached.wait()
    poll.cancel()
    await asyncio.wait([poll])
    assert poll.cancelled()
    hold.release()
    process = await start
    assert (await lab.poll_decision()).process == process


async def test_a_cancelled_poll_ends_when_its_task_is_taken_back(lab: Lab, store: ScriptedStore) -> None:
    poll = asyncio.create_task(lab.poll_decision())
    await anyio.wait_all_tasks_blocked()
    hold = store.hold("commit")
    store.fail("commit", AWAY)
    start = asyncio.create_task(lab.start())
    await hold.reached.wait()
    poll.cancel()
    hold.release()
    await asyncio.wait([poll, start])
    assert poll.cancelled()
    assert isinstance(start.exception(), BackendUnavailableError)


async def test_a_poll_for_which_nothing_is_on_its_way_ends_at_once(lab: Lab) -> None:
    poll = asyncio.create_task(lab.poll_decision())
    await anyio.wait_all_tasks_blocked()
    poll.cancel()
    await asyncio.wait([poll])
    assert poll.cancelled()


async def test_a_claim_for_a_poll_that_went_away_is_not_carried_out(lab: Lab, database: MemoryDatabase) -> None:
    process = await lab.start()
    fresh_store = ScriptedStore(MemoryStore(database))
    async with open_lab(fresh_store, like=lab) as fresh:
        hold = fresh_store.hold("load")
        poll = Poll(fresh.poll_decision)
        await hold.reached.wait()
        poll.cancel()
        await asyncio.wait([poll.task])
        hold.release()
        await fresh.start("other", task_list="elsewhere")
        assert kinds(await lab.history(process)) == ["ProcessStarted", "DecisionScheduled"]
        assert (await fresh.poll_decision()).process == process


@pytest.mark.parametrize("gone_wanted_new", [True, False])
@pytest.mark.parametrize("next_wants_new", [True, False])
async def test_each_poll_gets_the_events_it_wants(
    lab: Lab, store: ScriptedStore, gone_wanted_new: bool, next_wants_new: bool
) -> None:
    process = await cancelled_decision_poll(lab, store, new_events_only=gone_wanted_new)
    task = await lab.poll_decision(new_events_only=next_wants_new)
    history = await lab.history(process)
    assert task.events[-1].event_id == task.started_event_id == len(history)
    first = task.previous_started_event_id if next_wants_new else 1
    assert list(task.events) == history[first - 1 :]


async def test_a_task_that_timed_out_meanwhile_is_not_handed_out(lab: Lab, store: ScriptedStore) -> None:
    decision, _ = await cancelled_activity_poll(lab, store, heartbeat_timeout=5 * lab.tick)
    await lab.advance(6)
    assert kinds((await lab.poll_decision()).events)[-3:] == [
        "ActivityTimedOut",
        "DecisionScheduled",
        "DecisionStarted",
    ]
    async with lab.meanwhile(lab.poll_activity) as activity:
        await lab.begin(lab.schedule("b"), word="other")
    assert activity.value.activity_id == "b"
    assert decision.token


async def test_a_task_of_a_process_that_closed_meanwhile_is_not_handed_out(lab: Lab, store: ScriptedStore) -> None:
    _, process = await cancelled_activity_poll(lab, store)
    await lab.backend.terminate_process(process)
    async with lab.meanwhile(lab.poll_activity) as activity:
        await lab.begin(lab.schedule("b"), word="other")
    assert activity.value.activity_id == "b"


async def test_a_decision_that_timed_out_meanwhile_is_handed_out_anew(lab: Lab, store: ScriptedStore) -> None:
    poll = Poll(lab.poll_decision)
    await anyio.wait_all_tasks_blocked()
    hold = store.hold("commit")
    start = asyncio.create_task(lab.start(decision_timeout=5 * lab.tick))
    await hold.reached.wait()
    poll.cancel()
    hold.release()
    process = await start
    async with store.calling("commit"):
        await lab.advance(6)
    task = await lab.poll_decision()
    assert (task.process, task.attempt) == (process, 2)
    await lab.answer(task)


async def test_whether_a_task_is_still_open_is_asked_until_the_database_answers(
    lab: Lab, store: ScriptedStore, short_delays: None
) -> None:
    _, process = await cancelled_activity_poll(lab, store)
    store.fail("load", AWAY, times=3)
    assert (await lab.poll_activity()).process == process


async def test_a_task_whose_run_is_gone_is_not_handed_out(
    lab: Lab, store: ScriptedStore, database: MemoryDatabase
) -> None:
    _, process = await cancelled_activity_poll(lab, store)
    del database.runs[process.run_id]
    async with lab.meanwhile(lab.poll_activity) as activity:
        await lab.begin(lab.schedule("b"), word="other")
    assert activity.value.activity_id == "b"


# --- closed by a later request of the same group -------------------------------------------------------------------


async def test_tasks_of_a_run_that_closes_in_the_same_group_are_not_handed_out(lab: Lab, store: ScriptedStore) -> None:
    process = await lab.start()
    decision = await lab.poll_decision()
    polls = [asyncio.create_task(lab.poll_activity()), asyncio.create_task(lab.poll_decision())]
    await anyio.wait_all_tasks_blocked()
    hold = store.hold("commit")
    other = asyncio.create_task(lab.start("other", task_list="elsewhere"))
    await hold.reached.wait()
    requests = [
        asyncio.create_task(lab.backend.signal_process(process, "s")),
        asyncio.create_task(lab.answer(decision, lab.schedule("a"))),
        asyncio.create_task(lab.backend.terminate_process(process)),
    ]
    await anyio.wait_all_tasks_blocked()
    hold.release()
    await asyncio.gather(other, *requests)
    await lab.start("next")
    task = await polls[1]
    assert isinstance(task, DecisionTask)
    assert task.process.process_id == lab.name("next")
    await lab.answer(task, lab.schedule("b"))
    activity = await polls[0]
    assert isinstance(activity, ActivityTask)
    assert activity.activity_id == "b"


# --- what is not at hand is read -----------------------------------------------------------------------------------


async def test_runs_that_are_not_in_memory_are_read(database: MemoryDatabase) -> None:
    async with open_lab(MemoryStore(database), cached_runs=2) as lab:
        processes = [await lab.begin(lab.schedule(input=number), word=f"{number}") for number in range(8)]
        for process in processes:
            await lab.backend.signal_process(process, "s")
        tasks = [await lab.poll_activity() for _ in processes]
        assert {task.process: task.input for task in tasks} == {ref: index for index, ref in enumerate(processes)}
        for _ in processes:
            decision = await lab.poll_decision()
            assert list(decision.events) == (await lab.history(decision.process))[: decision.started_event_id]
        assert len(local(lab)._runs) <= 2


async def test_long_histories_are_read_in_pages(lab: Lab, store: ScriptedStore) -> None:
    markers = [RecordMarkerDecision("m") for _ in range(800)]
    process = await lab.begin(*markers)
    for _ in range(2):
        await lab.backend.signal_process(process, "s")
        await lab.decide(*markers)
    await lab.backend.signal_process(process, "s")
    task = await lab.poll_decision()
    assert [event.event_id for event in task.events] == list(range(1, task.started_event_id + 1))
    assert task.started_event_id > 2400
    assert [event async for page in lab.backend.history(process) for event in page] == list(task.events)


@pytest.mark.usefixtures("short_delays")
async def test_events_are_read_however_long_the_database_is_away(
    database: MemoryDatabase, lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    process = await lab.begin(lab.schedule(input=5))
    await lab.backend.signal_process(process, "s")
    fresh_store = ScriptedStore(MemoryStore(database))
    async with open_lab(fresh_store, like=lab) as fresh:
        fresh_store.fail("history", AWAY, times=8)
        task = await fresh.poll_decision()
        fresh_store.fail("history", AWAY, times=8)
        activity = await fresh.poll_activity()
    assert list(task.events) == (await lab.history(process))[: task.started_event_id]
    assert activity.input == 5
    assert "trying again in 1.0 s" in caplog.text


@pytest.mark.usefixtures("short_delays")
async def test_a_history_that_ends_too_soon_is_read_again(database: MemoryDatabase, lab: Lab) -> None:
    class Slow(MemoryStore):
        empty = 3

        async def history(self, run_id: str, *, after: int = 0, limit: int = 1000) -> Sequence[AnyEvent]:
            self.empty -= 1
            return await super().history(run_id, after=after, limit=limit) if self.empty < 0 else []

    process = await lab.start()
    async with open_lab(Slow(database), like=lab) as fresh:
        assert (await fresh.poll_decision()).process == process


# --- holders of tasks ----------------------------------------------------------------------------------------------


async def test_holders_hear_what_happens_to_their_tasks(lab: Lab) -> None:
    told: list[tuple[str, Interruption]] = []
    process, task = await lab.begin_activity(
        on_interrupt=lambda token, what: told.append((token, what)), heartbeat_timeout=50 * lab.tick
    )
    assert local(lab).quiet[1] == 1
    await lab.backend.heartbeat_activity_task(task.token)
    assert told == []
    await lab.backend.signal_process(process, "s")
    await lab.decide(CancelActivityDecision("a"))
    assert told == [(task.token, Interruption.CANCEL_REQUESTED)]
    await lab.backend.complete_activity_task(task.token, ActivityAborted())
    assert len(told) == 1
    assert local(lab).quiet[1] == 0


async def test_holders_hear_of_timeouts_and_ends(lab: Lab) -> None:
    told: list[tuple[str, Interruption]] = []
    process = await lab.begin(lab.schedule("a", heartbeat_timeout=5 * lab.tick), lab.schedule("b"))
    tasks = [await lab.poll_activity(on_interrupt=lambda token, what: told.append((token, what))) for _ in "ab"]
    tokens = {task.activity_id: task.token for task in tasks}
    await lab.advance(6)
    await lab.poll_decision()
    assert told == [(tokens["a"], Interruption.CLOSED)]
    await lab.backend.terminate_process(process)
    assert told[1:] == [(tokens["b"], Interruption.CLOSED)]
    assert local(lab).quiet[1] == 0


async def test_a_holder_that_raises_harms_nobody(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    def on_interrupt(token: str, interruption: Interruption) -> None:
        raise ZeroDivisionError("a fault of the holder")

    process, _ = await lab.begin_activity(on_interrupt=on_interrupt)
    await lab.backend.terminate_process(process)
    assert "a fault of the holder" in caplog.text
    await lab.start()


async def test_holders_need_not_listen(lab: Lab) -> None:
    process, _ = await lab.begin_activity()
    await lab.backend.terminate_process(process)
    assert kinds([await lab.closed(process)]) == ["ProcessTerminated"]


# --- ends of processes ---------------------------------------------------------------------------------------------


async def test_all_who_wait_for_the_end_are_told(lab: Lab) -> None:
    process = await lab.start()
    waits = [asyncio.create_task(lab.backend.wait_process(process)) for _ in range(4)]
    await anyio.wait_all_tasks_blocked()
    for wait in waits[:2]:
        wait.cancel()
    await asyncio.wait(waits[:2])
    await lab.decide(CompleteProcessDecision(1))
    assert kinds([await wait for wait in waits[2:]]) == ["ProcessCompleted"] * 2
    assert local(lab)._deliveries.awaited_runs == []


async def test_nobody_is_left_in_the_book(lab: Lab) -> None:
    process = await lab.start()
    wait = asyncio.create_task(lab.backend.wait_process(process))
    await anyio.wait_all_tasks_blocked()
    assert local(lab)._deliveries.awaited_runs == [process.run_id]
    wait.cancel()
    await asyncio.wait([wait])
    assert local(lab)._deliveries.awaited_runs == []
    await lab.backend.terminate_process(process)


async def test_the_end_may_come_together_with_the_cancellation_of_the_wait(lab: Lab) -> None:
    process = await lab.start()
    waits = [asyncio.create_task(lab.backend.wait_process(process)) for _ in range(2)]
    await anyio.wait_all_tasks_blocked()
    decision = await lab.poll_decision()
    answer = asyncio.create_task(lab.answer(decision, CompleteProcessDecision()))
    for _ in range(20):
        if answer.done():
            break
        await anyio.lowlevel.checkpoint()
        waits[0].cancel()
    await asyncio.wait(waits)
    assert waits[0].cancelled()
    assert kinds([waits[1].result()]) == ["ProcessCompleted"]
    await answer


async def test_who_asks_about_a_task_that_others_closed_holds_it_no_longer(lab: Lab, database: MemoryDatabase) -> None:
    process = await lab.begin(lab.schedule("a"), lab.schedule("b"))
    first, second = await lab.poll_activity(), await lab.poll_activity()
    async with open_lab(MemoryStore(database), like=lab) as other:
        await other.backend.terminate_process(process)
    assert local(lab).quiet[1] == 2
    with pytest.raises(UnknownTaskError):
        await lab.backend.heartbeat_activity_task(first.token)
    assert local(lab).quiet[1] == 1
    for _ in range(2):
        with pytest.raises(UnknownTaskError):
            await lab.backend.complete_activity_task(second.token, ActivityCompleted())
        assert local(lab).quiet[1] == 0


async def test_who_hands_a_task_off_holds_it_no_longer(lab: Lab, database: MemoryDatabase) -> None:
    """It may be finished by another OS process, of which this backend would never hear."""
    told: list[str] = []
    await lab.begin(lab.schedule("a"))
    task = await lab.poll_activity(on_interrupt=lambda token, _: told.append(token))
    await lab.backend.hand_off_activity_task(task.token)
    assert local(lab).quiet[1] == 0
    async with open_lab(MemoryStore(database), like=lab) as other:
        await other.backend.complete_activity_task(task.token, ActivityCompleted())
    assert told == []


async def test_a_refusal_for_another_reason_closes_nothing(lab: Lab) -> None:
    _, task = await lab.begin_activity()
    with pytest.raises(InvalidRequestError):
        await lab.backend.complete_activity_task(task.token, "done")  # type: ignore[arg-type]
    assert local(lab).quiet[1] == 1


@pytest.mark.parametrize("end", [True, False])
async def test_what_happens_while_the_input_is_read(lab: Lab, database: MemoryDatabase, end: bool) -> None:
    process = await lab.begin(lab.schedule("a", input=1), task_list="first")
    await lab.backend.signal_process(process, "s")
    fresh_store = ScriptedStore(MemoryStore(database))
    async with open_lab(fresh_store, like=lab) as fresh:
        hold = fresh_store.hold("history")
        poll = asyncio.create_task(fresh.poll_activity())
        await hold.reached.wait()
        await (fresh.backend.terminate_process(process) if end else fresh.backend.signal_process(process, "t"))
        hold.release()
        if end:
            await fresh.begin(lab.schedule("b", input=2), word="next")
        task = await poll
        assert (task.activity_id, task.input) == (("b", 2) if end else ("a", 1))
        assert local(fresh).quiet[1] == 1


async def test_messages_are_sent_on_after_the_commit(lab: Lab, database: MemoryDatabase) -> None:
    receiver, sender = await lab.begin(word="receiver"), await lab.start("sender")
    await lab.decide(SignalProcessDecision(receiver, "s"), SignalProcessDecision(ProcessRef("nobody"), "s"))
    await lab.told(sender, SignalProcessFailedEvent)
    assert kinds(await lab.history(receiver)).count("ProcessSignaled") == 1
    assert database.messages == {}


async def test_a_poll_that_comes_during_the_commit_is_fed(lab: Lab, store: ScriptedStore) -> None:
    await lab.begin(CompleteProcessDecision(), word="before")  # the list is known to hold nothing now
    hold = store.hold("commit")
    start = asyncio.create_task(lab.start())
    await hold.reached.wait()
    poll = asyncio.create_task(lab.poll_decision())
    await anyio.wait_all_tasks_blocked()
    hold.release()
    assert (await poll).process == await start


async def test_a_task_of_a_failed_transaction_that_was_saved_is_delivered(lab: Lab, store: ScriptedStore) -> None:
    poll = asyncio.create_task(lab.poll_decision())
    await anyio.wait_all_tasks_blocked()
    store.fail("commit", AWAY, after=True)
    with pytest.raises(BackendUnavailableError):
        await lab.start()
    assert kinds((await poll).events)[-1] == "DecisionStarted"


async def test_closing_ends_what_waits(database: MemoryDatabase) -> None:
    store = ScriptedStore(MemoryStore(database))
    async with open_lab(store) as lab:
        process = await lab.start(task_list="elsewhere")
        waits = [asyncio.create_task(lab.backend.wait_process(process)) for _ in range(2)]
        await anyio.wait_all_tasks_blocked()
        waits[0].cancel()
    assert [type(wait.exception()) for wait in waits[1:]] == [BackendClosedError]
    assert waits[0].cancelled()


async def test_closing_ends_a_poll_whose_events_are_being_read(lab: Lab, database: MemoryDatabase) -> None:
    process = await lab.start()
    store = ScriptedStore(MemoryStore(database))
    async with open_lab(store, like=lab) as fresh:
        hold = store.hold("history")
        poll = asyncio.create_task(fresh.backend.poll_decision_task(lab.decisions))
        await hold.reached.wait()
    assert await poll is None
    assert kinds(await lab.history(process))[-2:] == ["DecisionTimedOut", "DecisionScheduled"]


async def test_ends_are_told_to_those_who_still_wait(lab: Lab) -> None:
    deliveries = local(lab)._deliveries
    gone, waits = deliveries.closing("r"), deliveries.closing("r")
    gone.cancel()
    deliveries.closed("r", None)
    assert not waits.done()
    process = await lab.start()
    deliveries.closed("r", (await lab.history(process))[0])
    assert kinds([await waits]) == ["ProcessStarted"]
    assert deliveries.awaited_runs == []
    deliveries.stop_closing("r", waits)
    gone, waits = deliveries.closing("r"), deliveries.closing("r")
    gone.cancel()
    deliveries.end(BackendClosedError("closed"))
    assert isinstance(waits.exception(), BackendClosedError)


async def test_a_task_that_cannot_be_read_harms_nobody_else(
    lab: Lab, database: MemoryDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    process = await lab.start(decision_timeout=5 * lab.tick)
    store = ScriptedStore(MemoryStore(database))
    async with open_lab(store, like=lab) as fresh:
        store.fail("history", ValueError("it is damaged"))
        assert await fresh.backend.poll_decision_task(lab.decisions) is None
        assert "could not be handed out" in caplog.text
        await fresh.advance(6)
        assert (await fresh.poll_decision()).process == process
