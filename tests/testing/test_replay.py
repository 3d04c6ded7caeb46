"""replay() finds where code and history part, and only there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from aioworkflow import Client, RuleWorkflow, Worker, connect, execute, patched, workflow
from aioworkflow.activity import activity
from aioworkflow.decision import (
    CancelActivityDecision,
    CancelProcessDecision,
    CancelTimerDecision,
    CompleteProcessDecision,
    ContinueAsNewDecision,
    Decision,
    FailProcessDecision,
    RecordMarkerDecision,
    RequestCancelProcessDecision,
    ScheduleActivityDecision,
    SignalProcessDecision,
    StartChildProcessDecision,
    StartTimerDecision,
)
from aioworkflow.errors import InvalidRequestError, NondeterminismError
from aioworkflow.event import (
    ActivityAbortedEvent,
    ActivityCancelRequestedEvent,
    ActivityCompletedEvent,
    ActivityScheduledEvent,
    AnyEvent,
    CancelActivityFailedEvent,
    CancelExternalProcessInitiatedEvent,
    CancelProcessFailedEvent,
    CancelTimerFailedEvent,
    Cause,
    CompleteProcessFailedEvent,
    ContinueAsNewFailedEvent,
    Event,
    FailProcessFailedEvent,
    MarkerRecordedEvent,
    ProcessCanceledEvent,
    ProcessCompletedEvent,
    ProcessContinuedAsNewEvent,
    ProcessFailedEvent,
    ProcessTerminatedEvent,
    RecordMarkerFailedEvent,
    ScheduleActivityFailedEvent,
    SignalProcessFailedEvent,
    SignalProcessInitiatedEvent,
    StartChildProcessFailedEvent,
    StartChildProcessInitiatedEvent,
    StartTimerFailedEvent,
    TimerCanceledEvent,
    TimerStartedEvent,
)
from aioworkflow.process import Process
from aioworkflow.rules import on_activity_completed, on_started
from aioworkflow.testing import replay, write_history
from aioworkflow.types import ChildPolicy, ProcessRef, TypeRef
from aioworkflow.workflow import Workflow
from tests.written_history import History


class OrderWorkflow(Workflow):
    """Decides what it was given, turn by turn."""

    def __init__(self, *turns: Sequence[Decision]) -> None:
        self.turns = turns

    def decide(self, process: Process) -> Sequence[Decision]:
        return self.turns[process.previous_started_event_id > 0]


P = ProcessRef("p", "r")
FULL = Cause.OPEN_TIMERS_LIMIT_EXCEEDED
NEW_RUN = {"new_run_id": "n", "workflow": TypeRef("Order"), "task_list": "d", "child_policy": ChildPolicy.TERMINATE}
CHILD = {"workflow": TypeRef("Bar"), "process_id": "c"}
INITIATED = {**CHILD, "task_list": "d", "child_policy": ChildPolicy.TERMINATE}
FOO = {"activity_id": "a", "activity": TypeRef("Foo")}

CASES: list[tuple[Decision, Callable[..., AnyEvent], dict[str, Any]]] = [
    (ScheduleActivityDecision("Foo", id="a"), ActivityScheduledEvent, {**FOO, "task_list": "d"}),
    (ScheduleActivityDecision("Foo", id="a"), ScheduleActivityFailedEvent, {**FOO, "cause": FULL}),
    (CancelActivityDecision("a"), ActivityCancelRequestedEvent, {"activity_id": "a"}),
    (CancelActivityDecision("a"), CancelActivityFailedEvent, {"activity_id": "a", "cause": FULL}),
    (StartTimerDecision(1, id="t"), TimerStartedEvent, {"timer_id": "t", "delay": 1.0}),
    (StartTimerDecision(1, id="t"), StartTimerFailedEvent, {"timer_id": "t", "cause": FULL}),
    (CancelTimerDecision("t"), CancelTimerFailedEvent, {"timer_id": "t", "cause": FULL}),
    (RecordMarkerDecision("m"), MarkerRecordedEvent, {"marker": "m"}),
    (RecordMarkerDecision("m"), RecordMarkerFailedEvent, {"marker": "m", "cause": FULL}),
    (StartChildProcessDecision("Bar", id="c"), StartChildProcessInitiatedEvent, INITIATED),
    (StartChildProcessDecision("Bar", id="c"), StartChildProcessFailedEvent, {**CHILD, "cause": FULL}),
    (SignalProcessDecision("p", "s"), SignalProcessInitiatedEvent, {"process": P, "signal": "s"}),
    (RequestCancelProcessDecision("p"), CancelExternalProcessInitiatedEvent, {"process": P}),
    (CompleteProcessDecision(), ProcessCompletedEvent, {}),
    (CompleteProcessDecision(), CompleteProcessFailedEvent, {"cause": FULL}),
    (FailProcessDecision(), ProcessFailedEvent, {}),
    (FailProcessDecision(), FailProcessFailedEvent, {"cause": FULL}),
    (CancelProcessDecision(), ProcessCanceledEvent, {}),
    (CancelProcessDecision(), CancelProcessFailedEvent, {"cause": FULL}),
    (ContinueAsNewDecision(), ProcessContinuedAsNewEvent, NEW_RUN),
    (ContinueAsNewDecision(), ContinueAsNewFailedEvent, {"cause": FULL}),
]


@pytest.mark.parametrize(("decision", "kind", "fields"), CASES, ids=[kind.__name__ for _, kind, _ in CASES])
async def test_every_event_tells_of_its_decision(
    decision: Decision, kind: Callable[..., AnyEvent], fields: dict[str, Any]
) -> None:
    history = History()
    history.decide()
    history.result(kind, **fields)
    await replay(history.process(), OrderWorkflow([decision]))
    other = RecordMarkerDecision("another")
    for wrong in ([], [other], [decision, other], [other, decision]):
        with pytest.raises(NondeterminismError):
            await replay(history.process(), OrderWorkflow(wrong))


async def test_what_follows_from_a_decision_later_is_no_decision() -> None:
    history = History()
    history.decide()
    timer = history.start_timer("t")
    scheduled = history.schedule("a")
    history.result(SignalProcessInitiatedEvent, process=P, signal="s")
    initiated = len(history.events)
    first = [
        StartTimerDecision(1, id="t"),
        ScheduleActivityDecision("Foo", id="a"),
        SignalProcessDecision("p", "s"),
    ]
    history.start_decision()
    history.result(SignalProcessFailedEvent, process=P, cause=FULL, initiated_event_id=initiated)
    history.complete_decision()
    history.result(TimerCanceledEvent, timer_id="t", started_event_id=timer)
    requested = history.result(ActivityCancelRequestedEvent, activity_id="a")
    history.add(ActivityAbortedEvent, scheduled_event_id=scheduled, cancel_requested_event_id=requested)
    workflow = OrderWorkflow(first, [CancelTimerDecision("t"), CancelActivityDecision("a")])
    await replay(history.process(), workflow)


async def test_the_error_shows_both_sides() -> None:
    history = History()
    history.decide()
    history.start_timer("t")
    history.schedule("a")
    workflow = OrderWorkflow([StartTimerDecision(2, id="t"), CancelTimerDecision("t"), RecordMarkerDecision("m")])
    with pytest.raises(NondeterminismError) as raised:
        await replay(history.process(), workflow)
    assert str(raised.value) == (
        "the code of workflow Order (version 1) does not fit the history of process 'order-17' (run run-1); "
        "what was decided at event 4:\n"
        "    both say:      StartTimer 't'\n"
        "  - history says:  ScheduleActivity 'a' of 'Foo'\n"
        "  + the code does: CancelTimer 't'\n"
        "  - history says:  nothing more\n"
        "  + the code does: RecordMarker 'm'"
    )


TERMINATED: dict[str, Any] = {"child_policy": ChildPolicy.TERMINATE, "cause": Cause.EVENT_LIMIT_EXCEEDED}


@pytest.mark.parametrize("recorded", [0, 1])
async def test_decisions_that_a_full_history_cut_off_are_not_missed(recorded: int) -> None:
    history = History()
    history.decide()
    for _ in range(recorded):
        history.start_timer("t")
    history.add(ProcessTerminatedEvent, **TERMINATED)
    await replay(history.process(), OrderWorkflow([StartTimerDecision(1, id="t"), RecordMarkerDecision("m")]))


async def test_decisions_before_a_history_was_full_are_missed() -> None:
    history = History()
    history.decide()
    history.signal("s")
    history.add(ProcessTerminatedEvent, **TERMINATED)
    with pytest.raises(NondeterminismError):
        await replay(history.process(), OrderWorkflow([StartTimerDecision(1, id="t")]))


async def test_a_process_of_another_workflow_is_refused() -> None:
    class OtherWorkflow(Workflow):
        version = "2"

    with pytest.raises(InvalidRequestError, match=r"is of workflow Order \(version 1\), not of Other \(version 2\)"):
        await replay(History().process(), OtherWorkflow)


async def test_what_the_decider_raises_comes_out() -> None:
    history = History()
    history.decide()
    with pytest.raises(IndexError):
        await replay(history.process(), OrderWorkflow())


# --- what really happened --------------------------------------------------------------------------------


@activity
async def add_one(number: int) -> int:
    return number + 1


class CountWorkflow(RuleWorkflow):
    goal = 3

    @on_started
    def start(self, process: Process, event: Event) -> Decision:
        return ScheduleActivityDecision(add_one, 0)

    @on_activity_completed(add_one)
    def added(self, process: Process, event: ActivityCompletedEvent) -> Decision:
        if event.result < self.goal:
            return ScheduleActivityDecision(add_one, event.result)
        return CompleteProcessDecision(event.result)


class PatientCountWorkflow(CountWorkflow):
    name = "Count"
    goal = 4


async def test_a_process_of_a_worker_can_be_replayed_from_its_file(tmp_path: Path) -> None:
    async with connect("memory://") as backend, Worker(backend, workflows=[CountWorkflow], activities=[add_one]):
        handle = await Client(backend).start(CountWorkflow)
        assert await handle.result() == 3
        write_history(await handle.process(), tmp_path / "count.json")
    await replay(tmp_path / "count.json", CountWorkflow)
    with pytest.raises(
        NondeterminismError, match=r"history says:  CompleteProcess\n.*code does: ScheduleActivity 'add_one-"
    ):
        await replay(str(tmp_path / "count.json"), PatientCountWorkflow)


@activity
async def subtract_one(number: int) -> int:
    return number - 1


@workflow(name="Countdown")
async def countdown(number: int) -> str:
    while number := await execute(subtract_one, number):
        patched("nothing has changed")
    return "liftoff"


@workflow(name="Countdown")
async def quicker_countdown(number: int) -> str:
    while number > 1:
        number = await execute(subtract_one, number)
    return "liftoff"


async def test_coroutine_workflows_compare_by_themselves() -> None:
    async with connect("memory://") as backend, Worker(backend, workflows=[countdown], activities=[subtract_one]):
        handle = await Client(backend).start(countdown, 3)
        assert await handle.result() == "liftoff"
        process = await handle.process()
    await replay(process, countdown)
    with pytest.raises(NondeterminismError, match="history: event"):
        await replay(process, quicker_countdown)
