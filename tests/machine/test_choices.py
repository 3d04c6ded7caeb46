"""What no source confirms, and how it was decided: the numbers are those of the docstring of machine/handle.py."""

from __future__ import annotations

from typing import Any

import pytest

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
from aioworkflow.errors import InvalidDecisionError, InvalidRequestError
from aioworkflow.event import (
    ActivityAbortedEvent,
    ActivityCancelRequestedEvent,
    ActivityTimedOutEvent,
    Cause,
    ProcessCancelRequestedEvent,
    ProcessTerminatedEvent,
    ScheduleActivityFailedEvent,
    StartChildProcessFailedEvent,
)
from aioworkflow.machine.requests import (
    CancelProcess,
    ChildStarted,
    CompleteDecisionTask,
    SignalProcess,
    TerminateProcess,
)
from aioworkflow.result import ActivityAborted
from aioworkflow.types import ChildPolicy, ProcessRef, ProcessStatus, TimeoutType
from tests.machine.world import NOW, World, forced, limited, refused

WORK = ScheduleActivityDecision("Work", id="a")


# --- 1: what triggers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "decision",
    [
        ScheduleActivityDecision("Nobody", id="a"),
        CancelActivityDecision("a"),
        CancelTimerDecision("t"),
        StartChildProcessDecision("Nobody", id="c"),
        ContinueAsNewDecision(workflow_version="9"),
    ],
)
def test_1_a_failed_decision_triggers_a_decision_task(decision: Decision) -> None:
    run = World().start()
    run.decide(decision)
    assert run.news()[-1] == "DecisionScheduled"


def test_1_a_failed_timer_triggers_a_decision_task() -> None:
    run = World().start()
    run.decide(StartTimerDecision(9, id="t"), StartTimerDecision(9, id="t"))
    assert run.news() == ["TimerStarted", "StartTimerFailed", "DecisionScheduled"]


@pytest.mark.parametrize("decision", [SignalProcessDecision("q", "s"), RequestCancelProcessDecision("q")])
@pytest.mark.parametrize("there", [True, False])
def test_1_both_answers_of_another_process_trigger_a_decision_task(decision: Decision, there: bool) -> None:
    world = World()
    if there:
        world.start("q")
    run = world.start()
    run.decide(decision)
    assert run.head.queued is None
    world.deliver_all()
    assert run.head.queued is not None


@pytest.mark.parametrize(
    "decision", [CompleteProcessDecision(), FailProcessDecision(), CancelProcessDecision(), ContinueAsNewDecision()]
)
def test_1_an_unhandled_decision_triggers_none(decision: Decision) -> None:
    run = World().start()
    run.take_decision()
    run.ask(SignalProcess(signal="s"))
    queued = run.head.queued
    run.news()
    run.answer(decision)
    assert "DecisionScheduled" not in run.news()
    assert run.head.queued == queued


# --- 2: where it stands, and what it blocks --------------------------------------------------------------


def test_2_the_task_stands_behind_its_trigger_and_blocks_a_close_of_the_same_batch() -> None:
    run = World().start()
    run.decide(CancelTimerDecision("t"), RecordMarkerDecision("m"), CompleteProcessDecision())
    assert run.news() == ["CancelTimerFailed", "DecisionScheduled", "MarkerRecorded", "CompleteProcessFailed"]


# --- 3 and 4: closing ------------------------------------------------------------------------------------

OPEN_THINGS = (
    WORK,
    StartTimerDecision(9, id="t"),
    StartChildProcessDecision("Order", id="c"),
    SignalProcessDecision("q", "s"),
)
CLOSINGS = [CompleteProcessDecision(), FailProcessDecision(), CancelProcessDecision(), ContinueAsNewDecision()]


@pytest.mark.parametrize("closing", CLOSINGS)
def test_3_open_things_block_no_close_and_end_without_events(closing: Decision) -> None:
    run = World().start()
    run.decide(*OPEN_THINGS, closing)
    assert len(run.news()) == len(OPEN_THINGS) + 1
    assert run.head.status is not ProcessStatus.OPEN


@pytest.mark.parametrize("closing", CLOSINGS)
@pytest.mark.parametrize("policy", [ChildPolicy.TERMINATE, ChildPolicy.REQUEST_CANCEL])
def test_4_a_decider_that_closes_its_process_leaves_the_children_alone(closing: Decision, policy: ChildPolicy) -> None:
    world = World()
    parent = world.start(child_policy=policy)
    parent.decide(StartChildProcessDecision("Order", id="c"))
    world.deliver_all()
    parent.decide(closing)
    world.deliver_all()
    child = world.run("c")
    assert child.head.status is ProcessStatus.OPEN
    assert not child.head.cancel_requested


@pytest.mark.parametrize("end", ["terminated", "timed out", "full"])
def test_4_the_policy_is_applied_by_force_and_goes_on_to_grandchildren(end: str) -> None:
    world = World(limited(events=20))
    parent = world.start(execution_timeout=50.0)
    parent.decide(StartChildProcessDecision("Order", id="child"))
    world.deliver_all()
    world.run("child").decide(StartChildProcessDecision("Order", id="grandchild", child_policy=ChildPolicy.TERMINATE))
    world.deliver_all()
    if end == "terminated":
        parent.ask(TerminateProcess())
    elif end == "timed out":
        parent.pass_time(50)
    else:
        while parent.head.status is ProcessStatus.OPEN:
            parent.ask(SignalProcess(signal="s"))
    world.deliver_all()
    for process_id in ("child", "grandchild"):
        last = world.run(process_id).last
        assert isinstance(last, ProcessTerminatedEvent)
        assert last.cause is Cause.CHILD_POLICY_APPLIED


def test_4_a_child_goes_on_by_its_own_policy() -> None:
    world = World()
    parent = world.start()
    parent.decide(StartChildProcessDecision("Order", id="child", child_policy=ChildPolicy.ABANDON))
    world.deliver_all()
    world.run("child").decide(StartChildProcessDecision("Order", id="grandchild"))
    world.deliver_all()
    parent.ask(TerminateProcess())
    world.deliver_all()
    assert world.run("child").head.status is ProcessStatus.TERMINATED
    assert world.run("grandchild").head.status is ProcessStatus.OPEN


# --- 5 to 9 ----------------------------------------------------------------------------------------------


def test_5_the_previous_task_is_the_last_that_was_completed() -> None:
    run = World().start()
    run.decide(StartTimerDecision(0, id="t"))
    run.pass_time(0)
    run.take_decision()
    run.pass_time(60)
    assert run.head.previous_started_event_id == 3


def test_6_a_worker_may_abort_without_being_asked() -> None:
    run = World().start()
    run.decide(WORK)
    run.take_activity("a")
    run.finish_activity("a", ActivityAborted("enough"))
    assert run.only(ActivityAbortedEvent).cancel_requested_event_id == 0


def test_7_each_request_to_cancel_is_an_event() -> None:
    run = World().start()
    run.ask(CancelProcess())
    run.ask(CancelProcess())
    assert sum(isinstance(event, ProcessCancelRequestedEvent) for event in run.history) == 2
    run.decide(WORK)
    run.take_activity("a")
    run.ask(SignalProcess(signal="s"))
    run.decide(CancelActivityDecision("a"), CancelActivityDecision("a"))
    requests = [event.event_id for event in run.history if isinstance(event, ActivityCancelRequestedEvent)]
    assert len(requests) == 2
    run.finish_activity("a", ActivityAborted())
    assert run.only(ActivityAbortedEvent).cancel_requested_event_id == requests[-1], "the newest (7.1)"


def test_8_a_timeout_of_zero_expires_at_the_next_look() -> None:
    run = World().start(execution_timeout=0.0)
    assert run.news() == ["ProcessStarted", "DecisionScheduled"]
    run.pass_time(0)
    assert run.news() == ["ProcessTimedOut"]


@pytest.mark.parametrize(("asked", "expected"), [(None, 1000.0), (2000.0, 1000.0), (10.0, 10.0)])
def test_8_where_there_is_a_longest_execution_no_limit_means_that(asked: float | None, expected: float) -> None:
    world = World(limited(execution_timeout=1000.0))
    run = world.start()
    run.decide(StartChildProcessDecision("Order", id="c", execution_timeout=asked))
    assert run.last.execution_timeout == expected
    world.deliver_all()
    assert world.run("c").head.execution_timeout == expected
    run.decide(ContinueAsNewDecision(execution_timeout=asked))
    assert world.run("p").head.execution_timeout == expected


def test_9_there_is_a_number_of_decisions_that_is_too_many() -> None:
    run = World(limited(decisions=1)).start()
    run.take_decision()
    answer = CompleteDecisionTask(
        scheduled_event_id=2, started_event_id=3, decisions=(RecordMarkerDecision("m"), RecordMarkerDecision("n"))
    )
    refused(InvalidDecisionError, run, answer, match="too many")


# --- 10: one cause ---------------------------------------------------------------------------------------

OLD_SETTINGS: dict[str, Any] = {
    "task_list": "l",
    "schedule_to_start_timeout": None,
    "schedule_to_close_timeout": None,
    "start_to_close_timeout": None,
}


@pytest.mark.parametrize(
    ("decision", "cause"),
    [
        (ScheduleActivityDecision("Nobody", id="a"), Cause.ACTIVITY_TYPE_DOES_NOT_EXIST),
        (ScheduleActivityDecision("Old", id="a"), Cause.ACTIVITY_TYPE_DEPRECATED),
        (ScheduleActivityDecision("Plain", id="a"), Cause.ACTIVITY_ID_ALREADY_IN_USE),
        (ScheduleActivityDecision("Plain", id="b"), Cause.OPEN_ACTIVITIES_LIMIT_EXCEEDED),
    ],
)
def test_10_the_first_of_several_causes_of_an_activity(decision: Decision, cause: Cause) -> None:
    run = World(limited(open_activities=1)).start()
    run.decide(WORK, decision)
    assert run.only(ScheduleActivityFailedEvent).cause is cause


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        (0, Cause.DEFAULT_TASK_LIST_UNDEFINED),
        (1, Cause.DEFAULT_SCHEDULE_TO_START_TIMEOUT_UNDEFINED),
        (2, Cause.DEFAULT_SCHEDULE_TO_CLOSE_TIMEOUT_UNDEFINED),
        (3, Cause.DEFAULT_START_TO_CLOSE_TIMEOUT_UNDEFINED),
        (4, Cause.DEFAULT_HEARTBEAT_TIMEOUT_UNDEFINED),
    ],
)
def test_10_the_first_of_several_defaults_of_an_activity(given: int, cause: Cause) -> None:
    run = World().start()
    run.decide(ScheduleActivityDecision("Plain", id="a", **dict(list(OLD_SETTINGS.items())[:given])))
    assert run.only(ScheduleActivityFailedEvent).cause is cause


CHILD_SETTINGS: dict[str, Any] = {
    "execution_timeout": None,
    "decision_timeout": None,
    "task_list": "l",
    "child_policy": ChildPolicy.ABANDON,
}


@pytest.mark.parametrize(
    ("workflow", "given", "cause"),
    [
        ("Nobody", 0, Cause.WORKFLOW_TYPE_DOES_NOT_EXIST),
        ("Old", 0, Cause.WORKFLOW_TYPE_DEPRECATED),
        ("Plain", 0, Cause.DEFAULT_EXECUTION_START_TO_CLOSE_TIMEOUT_UNDEFINED),
        ("Plain", 1, Cause.DEFAULT_TASK_START_TO_CLOSE_TIMEOUT_UNDEFINED),
        ("Plain", 2, Cause.DEFAULT_TASK_LIST_UNDEFINED),
        ("Plain", 3, Cause.DEFAULT_CHILD_POLICY_UNDEFINED),
        ("Plain", 4, Cause.OPEN_CHILDREN_LIMIT_EXCEEDED),
    ],
)
def test_10_the_first_of_several_causes_of_a_child(workflow: str, given: int, cause: Cause) -> None:
    run = World(limited(open_children=0)).start()
    run.decide(StartChildProcessDecision(workflow, id="c", **dict(list(CHILD_SETTINGS.items())[:given])))
    assert run.only(StartChildProcessFailedEvent).cause is cause


def test_10_an_unhandled_decision_comes_before_all_causes() -> None:
    run = World().start()
    run.take_decision()
    run.ask(SignalProcess(signal="s"))
    run.answer(ContinueAsNewDecision(workflow_version="9"))
    assert run.last.cause is Cause.UNHANDLED_DECISION


# --- 11 to 18 --------------------------------------------------------------------------------------------


def test_11_a_task_that_waits_stays_in_its_list() -> None:
    run = World().start()
    run.take_decision()
    run.ask(SignalProcess(signal="s"))
    run.answer(task_list="mine")
    queued = run.head.queued
    assert queued is not None
    assert queued.task_list == "orders"
    run.decide()
    run.ask(SignalProcess(signal="s"))
    assert run.last.task_list == "mine"


def test_12_children_and_targets_may_have_any_id() -> None:
    world = World()
    run = world.start()
    process_id = "22X56OQhwfy+AtGx1iSo3=:1"
    run.decide(forced(StartChildProcessDecision("Order", id="c"), id=process_id))
    world.deliver_all()
    run.decide(forced(SignalProcessDecision("c", "s"), process=ProcessRef(process_id)))
    world.deliver_all()
    assert "ProcessSignaled" in world.run(process_id).news()


def test_12_lengths_count_code_points() -> None:
    run = World(limited(payload=3)).start()
    run.ask(SignalProcess(signal="\U0001f600" * 256, input_json="\U0001f600" * 3))
    refused(InvalidRequestError, run, SignalProcess(signal="\U0001f600" * 257))


def test_13_of_equal_deadlines_the_first_kind_and_the_lower_event() -> None:
    run = World().start()
    timeouts: dict[str, Any] = {"schedule_to_close_timeout": 5.0}
    run.decide(
        ScheduleActivityDecision("Work", id="waits", schedule_to_start_timeout=5.0, **timeouts),
        ScheduleActivityDecision("Work", id="taken", start_to_close_timeout=5.0, heartbeat_timeout=5.0, **timeouts),
        ScheduleActivityDecision("Work", id="beats", heartbeat_timeout=5.0, **timeouts),
    )
    run.take_activity("taken")
    run.take_activity("beats")
    run.pass_time(5)
    assert [
        (event.scheduled_event_id, event.timeout_type)
        for event in run.history
        if isinstance(event, ActivityTimedOutEvent)
    ] == [
        (5, TimeoutType.SCHEDULE_TO_START),
        (6, TimeoutType.START_TO_CLOSE),
        (7, TimeoutType.SCHEDULE_TO_CLOSE),
    ]


def test_14_the_clock_of_a_sticky_task_runs_while_another_is_out() -> None:
    run = World().start()
    run.decide(task_list="mine", task_list_schedule_to_start_timeout=5.0)
    run.ask(SignalProcess(signal="s"))
    run.take_decision()
    run.ask(SignalProcess(signal="s"))
    run.news()
    run.pass_time(5)
    assert run.news() == ["DecisionTimedOut", "DecisionScheduled"]
    assert run.last.task_list == "orders"
    assert run.head.started is not None, "the one that is out is not concerned"
    run.answer()
    assert run.state.decision_ready


@pytest.mark.parametrize(("timeout", "expected"), [(5.0, "orders"), (None, "mine")])
def test_15_an_override_stays_until_there_is_another_or_its_timeout_drops_it(
    timeout: float | None, expected: str
) -> None:
    run = World().start()
    run.decide(task_list="mine", task_list_schedule_to_start_timeout=timeout)
    for _ in range(2):
        run.ask(SignalProcess(signal="s"))
        assert run.last.task_list == "mine"
        run.decide()
    run.ask(SignalProcess(signal="s"))
    run.take_decision()
    run.pass_time(60)
    assert run.last.task_list == expected


def test_16_a_timer_may_be_canceled_and_started_in_one_batch() -> None:
    run = World().start()
    run.decide(StartTimerDecision(9, id="t"), CancelTimerDecision("t"), StartTimerDecision(5, id="t"))
    assert run.news() == ["TimerStarted", "TimerCanceled", "TimerStarted"]
    assert run.state.next_deadline() == NOW + 5


@pytest.mark.parametrize("limit", range(10, 20))
def test_17_no_history_is_longer_than_its_limit(limit: int) -> None:
    run = World(limited(events=limit)).start()
    run.decide(WORK, *(StartTimerDecision(0, id=f"t{number}") for number in range(20)))
    while run.head.status is ProcessStatus.OPEN:
        run.ask(SignalProcess(signal="s"))
        run.pass_time(1)
    assert run.last.cause is Cause.EVENT_LIMIT_EXCEEDED
    assert limit - 3 <= len(run.history) <= limit


@pytest.mark.parametrize("limit", range(14, 24))
def test_17_the_longest_step_at_the_end_of_a_history(limit: int) -> None:
    run = World(limited(events=limit)).start()
    run.decide(WORK)
    for _ in range(4):
        run.ask(SignalProcess(signal="s"))
    if run.head.status is ProcessStatus.OPEN:
        run.take_decision()
    if run.head.status is ProcessStatus.OPEN:
        run.answer(CancelActivityDecision("a"))
    assert len(run.history) <= limit
    assert (run.last.cause is Cause.EVENT_LIMIT_EXCEEDED) if limit < 19 else run.head.status is ProcessStatus.OPEN


def test_18_a_start_that_comes_too_late_meets_the_policy() -> None:
    world = World()
    parent = world.start()
    parent.decide(StartChildProcessDecision("Order", id="c"))
    parent.ask(TerminateProcess())
    world.deliver_all()
    child = world.run("c")
    assert child.last.cause is Cause.CHILD_POLICY_APPLIED
    assert parent.ask(ChildStarted(initiated_event_id=5, child=child.ref)).events == []
