"""Deciding in a worker: the cache of processes, deciders that fail or hang, faults of the backend."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from aioworkflow.activity import Activity
from aioworkflow.decision import (
    CompleteProcessDecision,
    Decision,
    FailProcessDecision,
    RecordMarkerDecision,
    ScheduleActivityDecision,
)
from aioworkflow.errors import (
    InvalidDecisionError,
    PayloadTooLargeError,
    StoreError,
    UnknownProcessError,
    UnknownTaskError,
)
from aioworkflow.event import (
    AnyEvent,
    DecisionCompletedEvent,
    DecisionScheduledEvent,
    DecisionStartedEvent,
    ProcessSignaledEvent,
)
from aioworkflow.process import Process
from aioworkflow.testing import ManualClock
from aioworkflow.workflow import Workflow
from tests.worker.scripted import NOW, ScriptedBackend, decision_task, history, settle, unavailable, working


class Flow(Workflow):
    """Decides what the test says, and remembers what it saw."""

    def __init__(self, decides: Callable[[Process], Any] = lambda process: None) -> None:
        self.decides = decides
        self.seen: list[tuple[int, list[int]]] = []
        self.began = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def decide(self, process: Process) -> Any:
        self.seen.append((process.last_event_id, [event.event_id for event in process.new_events]))
        self.began.set()
        returned = self.decides(process)
        return await returned if asyncio.iscoroutine(returned) else returned


class Work(Activity):
    async def execute(self, task: object, worker: object) -> None: ...


def failing(times: int) -> Flow:
    """A decider that raises so many times."""

    def decide(process: Process) -> Decision:
        if len(flow.seen) <= times:
            raise ValueError(f"bug {len(flow.seen)}")
        return CompleteProcessDecision()

    flow = Flow(decide)
    return flow


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def next_turn(after: int) -> tuple[AnyEvent, ...]:
    """A signal and another decision task, which follow the DecisionStartedEvent ``after``, itself included."""
    return (
        DecisionStartedEvent(event_id=after, timestamp=NOW, scheduled_event_id=after - 1),
        DecisionCompletedEvent(event_id=after + 1, timestamp=NOW, scheduled_event_id=after - 1, started_event_id=after),
        ProcessSignaledEvent(event_id=after + 2, timestamp=NOW, signal="s"),
        DecisionScheduledEvent(event_id=after + 3, timestamp=NOW, task_list="default"),
        DecisionStartedEvent(event_id=after + 4, timestamp=NOW, scheduled_event_id=after + 3),
    )


@pytest.fixture
def backend() -> ScriptedBackend:
    return ScriptedBackend()


def sent(backend: ScriptedBackend) -> list[Sequence[Decision]]:
    return backend.told("complete_decision_task")


# --- deciding --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("returned", "decided"),
    [
        (None, []),
        (CompleteProcessDecision(1), [CompleteProcessDecision(1)]),
        (Work, [ScheduleActivityDecision("Work", "in", id="Work-3-0")]),
        ([RecordMarkerDecision("m"), None], [RecordMarkerDecision("m")]),
    ],
)
async def test_decisions_are_sent_with_ids(backend: ScriptedBackend, returned: Any, decided: list[Decision]) -> None:
    backend.give(decision_task(token="t"))
    async with working(backend, workflows=[Flow(lambda process: returned)]):
        await backend.until(lambda: sent(backend))
    assert [call[:2] for call in backend.calls[1:]] == [("complete_decision_task", "t")]
    assert sent(backend) == [decided]


async def test_a_plain_decider_runs_in_the_loop(backend: ScriptedBackend) -> None:
    class Plain(Workflow):
        @classmethod
        def decide(cls, process: Process) -> Decision:
            return CompleteProcessDecision(asyncio.get_running_loop() is not None)

    backend.give(decision_task(workflow="Plain"))
    async with working(backend, workflows=[Plain]):
        await backend.until(lambda: sent(backend))
    assert sent(backend) == [[CompleteProcessDecision(True)]]


async def test_a_task_for_an_unknown_workflow_is_left_to_others(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    backend.give(decision_task(workflow="Strange"), decision_task())
    async with working(backend, workflows=[Flow()]):
        await backend.until(lambda: sent(backend))
    assert len(sent(backend)) == 1
    (message,) = messages(caplog)
    assert message.startswith("a task came for workflow Strange (version 1) (process 'order' (run run)), which")


# --- the cache -------------------------------------------------------------------------------------------------------


async def test_a_process_is_kept_and_extended_by_the_new_events(backend: ScriptedBackend) -> None:
    flow = Flow()
    backend.give(decision_task())
    async with working(backend, workflows=[flow]):
        await backend.until(lambda: len(sent(backend)) == 1)
        await settle()
        backend.give(decision_task(next_turn(3)))
        await backend.until(lambda: len(sent(backend)) == 2)
    assert flow.seen == [(3, [1, 2, 3]), (7, [4, 5, 6, 7])]
    assert "history" not in {call.verb for call in backend.calls}


@pytest.mark.parametrize(("cached", "known"), [(0, 0), (1, 3)])
async def test_what_is_missing_is_read_and_no_more(backend: ScriptedBackend, cached: int, known: int) -> None:
    """Nothing is kept, or what is kept does not reach up to the new events."""
    flow = Flow()
    backend.events = [*history(), *next_turn(3)[1:], *next_turn(7)[1:]]
    backend.give(decision_task())
    async with working(backend, workflows=[flow], cached_processes=cached):
        await backend.until(lambda: len(sent(backend)) == 1)
        await settle()
        backend.give(decision_task(next_turn(7)))
        await backend.until(lambda: len(sent(backend)) == 2)
    assert flow.seen == [(3, [1, 2, 3]), (11, [8, 9, 10, 11])]
    assert [call.value for call in backend.calls if call.verb == "history"] == [known]


async def test_a_history_that_ends_too_early_is_read_again(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    clock, flow = ManualClock(), Flow()
    backend.events = history()
    backend.give(decision_task(next_turn(7)))
    async with working(backend, workflows=[flow], clock=clock):
        await backend.until(lambda: "history" in {call.verb for call in backend.calls})
        await settle()
        backend.events = [*history(), *next_turn(3)[1:]]
        clock.advance(10.0)
        await backend.until(lambda: sent(backend))
    assert [seen for seen, _ in flow.seen] == [11]
    assert "lags behind: of 6 events after 0 only 3 are there" in caplog.text


async def test_no_more_processes_are_kept_than_allowed(backend: ScriptedBackend) -> None:
    flow = Flow()
    backend.events = [*history(), *next_turn(3)[1:]]
    backend.give(*(decision_task(run_id=str(number)) for number in range(3)))
    async with working(backend, workflows=[flow], cached_processes=2):
        await backend.until(lambda: len(sent(backend)) == 3)
        await settle()
        for number in (2, 1, 0):
            backend.give(decision_task(next_turn(3), run_id=str(number)))
            await backend.until(lambda number=number: len(sent(backend)) == 6 - number)  # type: ignore[misc]
            await settle()
    assert [call.argument.run_id for call in backend.calls if call.verb == "history"] == ["0"]


async def test_a_process_that_was_closed_is_not_kept(backend: ScriptedBackend) -> None:
    backend.events = [*history(), *next_turn(3)[1:]]
    backend.give(decision_task())
    async with working(backend, workflows=[Flow(lambda process: CompleteProcessDecision())]):
        await backend.until(lambda: len(sent(backend)) == 1)
        await settle()
        backend.give(decision_task(next_turn(3)))
        await backend.until(lambda: len(sent(backend)) == 2)
    assert [call.verb for call in backend.calls].count("history") == 1


async def test_reading_is_tried_again_after_passing_faults(backend: ScriptedBackend) -> None:
    clock, flow = ManualClock(), Flow()
    backend.events = [*history(), *next_turn(3)[1:]]
    backend.script["history"] += unavailable(2)
    backend.give(decision_task(next_turn(3)))
    async with working(backend, workflows=[flow], clock=clock):
        for _ in range(3):
            await settle()
            clock.advance(10.0)
        await backend.until(lambda: sent(backend))
    assert flow.seen == [(7, [4, 5, 6, 7])]


async def test_a_history_that_is_not_there_leaves_the_task_to_others(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    flow = Flow()
    backend.script["history"].append(UnknownProcessError("gone"))
    backend.give(decision_task(next_turn(3)), decision_task(run_id="other"))
    async with working(backend, workflows=[flow]):
        await backend.until(lambda: sent(backend))
    assert [seen for seen, _ in flow.seen] == [3]
    assert messages(caplog)[0].endswith("cannot have its history; its task is left to time out: gone")


# --- deciders that fail ----------------------------------------------------------------------------------------------


async def test_a_decider_that_raises_is_tried_again_with_growing_delay(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    clock, flow = ManualClock(), failing(3)
    backend.give(decision_task())
    async with working(backend, workflows=[flow], clock=clock):
        for attempts, delay in enumerate((1.0, 2.0, 4.0), start=1):
            await settle()
            assert len(flow.seen) == attempts
            clock.advance(delay - 0.01)
            await settle()
            assert len(flow.seen) == attempts
            clock.advance(0.01)
        await backend.until(lambda: sent(backend))
    assert sent(backend) == [[CompleteProcessDecision()]]
    assert messages(caplog) == [
        f"decider of process 'order' (run run) (Flow (version 1)) failed, {number} times in a row"
        for number in (1, 2, 3)
    ]
    assert "ValueError: bug 1" in caplog.text


async def test_what_waits_to_be_tried_again_takes_no_place(backend: ScriptedBackend) -> None:
    flow = failing(1)
    backend.give(decision_task(run_id="bad"), decision_task(run_id="good"))
    async with working(backend, workflows=[flow], max_concurrent_decisions=1):
        await backend.until(lambda: sent(backend))
    assert len(flow.seen) == 2


async def test_a_task_that_would_have_timed_out_is_not_tried_again_but_failures_are_remembered(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    clock, flow = ManualClock(), failing(3)
    backend.give(decision_task(timeout=2.5))
    async with working(backend, workflows=[flow], clock=clock):
        await settle()
        clock.advance(1.0)
        await settle()
        assert len(flow.seen) == 2
        clock.advance(100.0)
        await settle()
        assert len(flow.seen) == 2
        backend.give(decision_task(timeout=2.5))
        await settle()
        assert len(flow.seen) == 3
        assert "failed, 3 times in a row" in messages(caplog)[-1]
        clock.advance(100.0)
        backend.give(decision_task(), decision_task(run_id="other"))
        await backend.until(lambda: len(sent(backend)) == 2)
        assert clock.next_alarm is None


async def test_failures_are_forgotten_with_the_first_success(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    def decide(process: Process) -> None:
        if len(flow.seen) in (1, 3):
            raise ValueError("bug")

    clock, flow = ManualClock(), Flow(decide)
    backend.give(decision_task())
    async with working(backend, workflows=[flow], clock=clock):
        await settle()
        clock.advance(1.0)
        await backend.until(lambda: sent(backend))
        await settle()
        backend.give(decision_task())
        await settle()
    assert [message[-16:] for message in messages(caplog)] == ["1 times in a row"] * 2


async def test_only_so_many_failures_are_remembered_and_tried_again(
    backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aioworkflow.worker.decisions._MOST_RETRIES", 2)
    clock, flow = ManualClock(), failing(5)
    backend.give(*(decision_task(run_id=str(number)) for number in range(5)))
    async with working(backend, workflows=[flow], clock=clock):
        await settle()
        assert len(flow.seen) == 5
        clock.advance(1.0)
        await backend.until(lambda: len(sent(backend)) == 2)
        clock.advance(1000.0)
        await settle()
    assert len(sent(backend)) == 2


@pytest.mark.parametrize(
    ("decides", "error"),
    [
        (lambda process: "rubbish", "InvalidDecisionError"),
        (lambda process: [CompleteProcessDecision, 1], "InvalidDecisionError"),
        (lambda process: 1 / 0, "ZeroDivisionError"),
    ],
)
async def test_fail_process_closes_the_process_of_a_decider_that_fails(
    backend: ScriptedBackend, decides: Callable[[Process], Any], error: str
) -> None:
    backend.give(decision_task())
    async with working(backend, workflows=[Flow(decides)], on_decider_error="fail_process"):
        await backend.until(lambda: sent(backend))
    ((decision,),) = sent(backend)
    assert isinstance(decision, FailProcessDecision)
    assert decision.reason is not None
    assert decision.reason.startswith(f"decider failed: {error}: ")
    assert decision.details["type"] == error


async def test_a_refused_failure_is_tried_again_later(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock()
    backend.give(decision_task())
    backend.script["complete_decision_task"].append(PayloadTooLargeError("details too large"))
    async with working(backend, workflows=[failing(1)], clock=clock, on_decider_error="fail_process"):
        await settle()
        clock.advance(1.0)
        await backend.until(lambda: len(sent(backend)) == 2)
    assert "refuses to fail the process: details too large" in messages(caplog)[-1]
    assert sent(backend)[1] == [CompleteProcessDecision()]


@pytest.mark.parametrize("error", [InvalidDecisionError("close must be last"), PayloadTooLargeError("too large")])
async def test_decisions_that_the_backend_refuses_are_a_failure_of_the_decider(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    clock, flow = ManualClock(), Flow()
    backend.give(decision_task())
    backend.script["complete_decision_task"].append(error)
    async with working(backend, workflows=[flow], clock=clock):
        await settle()
        clock.advance(1.0)
        await backend.until(lambda: len(sent(backend)) == 2)
    assert len(flow.seen) == 2
    assert str(error) in caplog.text


async def test_a_decider_that_cancels_itself_has_failed(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    async def decide(process: Process) -> None:
        inner = asyncio.create_task(flow.goes_on.wait())
        inner.cancel()
        await inner

    flow = Flow(decide)
    backend.give(decision_task())
    async with working(backend, workflows=[flow]):
        await flow.began.wait()
        await settle()
    assert messages(caplog)[0].endswith("failed, 1 times in a row")


# --- deciders that hang ----------------------------------------------------------------------------------------------


def hanging() -> Flow:
    flow = Flow(lambda process: flow.goes_on.wait())
    return flow


async def test_a_decider_that_never_returns_is_cancelled_when_its_time_is_over(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    clock, flow = ManualClock(), hanging()
    backend.give(decision_task(timeout=60.0))
    async with working(backend, workflows=[flow], clock=clock, max_concurrent_decisions=1):
        await flow.began.wait()
        assert backend.waiting("d") == 0
        clock.advance(60.0)
        await settle()
        assert backend.waiting("d") == 1
    (message,) = messages(caplog)
    assert message.startswith("decider of process 'order' (run run) (Flow (version 1)) did not answer within")
    assert sent(backend) == []


async def test_a_decider_that_swallows_its_cancellation_is_complained_about(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    async def decide(process: Process) -> None:
        while not flow.goes_on.is_set():
            try:
                await flow.goes_on.wait()
            except asyncio.CancelledError:
                pass

    clock, flow = ManualClock(), Flow(decide)
    backend.give(decision_task(timeout=60.0))
    async with working(backend, workflows=[flow], clock=clock) as worker:
        await flow.began.wait()
        clock.advance(60.0)
        for _ in range(2):
            await settle()
            clock.advance(10.0)
        worker.stop(now=True)  # it was cancelled already
        flow.goes_on.set()
    complaint = "decider of process 'order' (run run) (Flow (version 1)) was cancelled and goes on"
    assert messages(caplog) == [complaint] * 2


async def test_when_the_worker_stops_deciders_may_end_and_are_then_cancelled(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    clock, flow = ManualClock(), hanging()
    backend.give(decision_task(timeout=600.0), decision_task(run_id="other"))
    async with working(backend, workflows=[flow], clock=clock) as worker:
        await settle()
        assert len(flow.seen) == 2
        worker.stop()
        await settle()
        clock.advance(29.0)
        await settle()
        assert caplog.records == []
        clock.advance(1.0)
        worker.stop(now=True)
    cancelled = "was cancelled because the worker stops; its task is left to others"
    assert [message.endswith(cancelled) for message in messages(caplog)] == [True, True]


@pytest.mark.parametrize("verb", ["complete_decision_task", "history"])
async def test_what_needs_no_more_than_the_backend_is_sent_though_the_worker_is_cancelled(
    backend: ScriptedBackend, verb: str
) -> None:
    gate, flow = asyncio.Event(), Flow(lambda process: CompleteProcessDecision())
    backend.script[verb].append(gate)
    backend.events = history()
    backend.give(decision_task(history()[2:]))

    async def work() -> None:
        async with working(backend, workflows=[flow]):
            await asyncio.Event().wait()

    working_task = asyncio.create_task(work())
    await backend.until(lambda: [call for call in backend.calls if call.verb == verb])
    working_task.cancel()
    await settle()
    assert not working_task.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await working_task
    assert sent(backend) == [[CompleteProcessDecision()]]


async def test_what_cannot_be_sent_in_time_is_given_up(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    backend.polls_can_be_cancelled = False
    clock, flow = ManualClock(), Flow()
    backend.script["complete_decision_task"] += [asyncio.Event(), asyncio.Event()]
    backend.give(decision_task(run_id="early"))
    async with working(backend, workflows=[flow], clock=clock, report_seconds=5) as worker:
        await backend.until(lambda: sent(backend))
        worker.stop(now=True)
        clock.advance(4.0)
        backend.give(decision_task(run_id="late"), *[None] * (backend.waiting("d") - 1))
        await settle()
        assert (len(sent(backend)), messages(caplog)) == (2, [])
        clock.advance(1.0)
        await settle()
        (early,) = messages(caplog)
        assert early.startswith("decider of process 'order' (run early) (Flow (version 1)) was cancelled because")
        clock.advance(5.0)  # what a late poll has brought has its own time
    assert messages(caplog) == [early, early.replace("early", "late")]


async def test_nothing_is_tried_again_when_the_worker_stops(backend: ScriptedBackend) -> None:
    clock, flow = ManualClock(), failing(9)
    backend.give(decision_task())
    async with working(backend, workflows=[flow], clock=clock) as worker:
        await settle()
        worker.stop()
        await settle()
        clock.advance(10.0)
    assert len(flow.seen) == 1


async def test_a_failure_while_the_worker_stops_is_not_tried_again(backend: ScriptedBackend) -> None:
    async def decide(process: Process) -> None:
        await flow.goes_on.wait()
        raise ValueError("bug")

    clock, flow = ManualClock(), Flow(decide)
    backend.give(decision_task())
    async with working(backend, workflows=[flow], clock=clock) as worker:
        await flow.began.wait()
        worker.stop()
        flow.goes_on.set()
    clock.advance(10.0)
    await settle()
    assert len(flow.seen) == 1


async def test_a_cancellation_from_outside_goes_on(backend: ScriptedBackend) -> None:
    hosts: list[asyncio.Task[Any]] = []

    async def decide(process: Process) -> None:
        host = asyncio.current_task()
        assert host is not None
        hosts.append(host)
        await flow.goes_on.wait()

    flow = Flow(decide)
    backend.give(decision_task())
    async with working(backend, workflows=[flow]):
        await flow.began.wait()
        hosts[0].cancel()
        await settle()
        assert hosts[0].cancelled()


async def test_a_cancellation_from_outside_in_the_same_moment_goes_on(backend: ScriptedBackend) -> None:
    clock, flow = ManualClock(), hanging()
    backend.give(decision_task(timeout=1.0))
    async with working(backend, workflows=[flow], clock=clock) as worker:
        await flow.began.wait()
        (host,) = worker._deciding.turns
        clock.advance(1.0)
        host.cancel()
        await settle()
        assert host.cancelled()


# --- answers ---------------------------------------------------------------------------------------------------------


async def test_an_answer_is_repeated_after_passing_faults(backend: ScriptedBackend) -> None:
    clock, flow = ManualClock(), Flow()
    backend.give(decision_task())
    backend.script["complete_decision_task"] += unavailable(2)
    async with working(backend, workflows=[flow], clock=clock):
        for _ in range(3):
            await settle()
            clock.advance(10.0)
        await backend.until(lambda: len(sent(backend)) == 3)
    assert len(flow.seen) == 1


async def test_an_answer_is_not_repeated_once_the_task_has_timed_out(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock()
    backend.give(decision_task(timeout=1.0))
    backend.script["complete_decision_task"] += unavailable(1000)
    async with working(backend, workflows=[Flow()], clock=clock):
        for _ in range(110):
            await settle()
            clock.advance(0.01)
        answers = len(sent(backend))
        clock.advance(100.0)
        await settle()
        assert len(sent(backend)) == answers
    assert messages(caplog)[-1].endswith("did not answer within its decision timeout and was cancelled")


async def test_a_late_answer_is_no_error_and_the_process_is_not_kept(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "aioworkflow.worker")
    backend.events = [*history(), *next_turn(3)[1:]]
    backend.give(decision_task())
    backend.script["complete_decision_task"].append(UnknownTaskError("timed out"))
    async with working(backend, workflows=[Flow()]):
        await backend.until(lambda: len(sent(backend)) == 1)
        await settle()
        backend.give(decision_task(next_turn(3)))
        await backend.until(lambda: len(sent(backend)) == 2)
    assert any(message.endswith("has decided, but its task was closed before") for message in messages(caplog))
    assert [call.verb for call in backend.calls].count("history") == 1


async def test_errors_of_the_backend_that_do_not_pass_come_out(backend: ScriptedBackend) -> None:
    async def work() -> None:
        async with working(backend, workflows=[Flow()]):
            backend.script["complete_decision_task"].append(StoreError("disk full"))
            backend.give(decision_task())
            await asyncio.Event().wait()

    with pytest.raises(StoreError, match="disk full"):
        await work()


async def test_errors_of_the_backend_in_a_second_attempt_come_out_too(backend: ScriptedBackend) -> None:
    clock, flow = ManualClock(), failing(1)

    async def work() -> None:
        async with working(backend, workflows=[flow], clock=clock):
            backend.script["complete_decision_task"].append(StoreError("disk full"))
            backend.give(decision_task())
            await settle()
            clock.advance(1.0)
            await asyncio.Event().wait()

    with pytest.raises(StoreError, match="disk full"):
        await work()


@pytest.mark.parametrize(
    "events",
    [
        history(timeout=5.0)[:2],  # no start of a decision
        history(timeout=5.0)[2:],  # its scheduling is not there
        (*history(timeout=5.0)[:2], DecisionStartedEvent(event_id=3, timestamp=NOW, scheduled_event_id=1)),
    ],
)
async def test_without_a_scheduling_event_there_is_no_timeout(
    backend: ScriptedBackend, events: tuple[AnyEvent, ...]
) -> None:
    clock, flow = ManualClock(), hanging()
    backend.events = history()
    backend.give(decision_task(events))
    async with working(backend, workflows=[flow], clock=clock):
        await flow.began.wait()
        assert clock.next_alarm is None
        flow.goes_on.set()
