"""Decision tasks: swf-reference 5.1, 5.2, 5.7 and the answers of 2.3."""

from __future__ import annotations

import pytest

from aioworkflow.decision import (
    CompleteProcessDecision,
    ContinueAsNewDecision,
    Decision,
    RecordMarkerDecision,
    ScheduleActivityDecision,
    StartChildProcessDecision,
    StartTimerDecision,
)
from aioworkflow.errors import InvalidDecisionError, InvalidRequestError, PayloadTooLargeError, UnknownTaskError
from aioworkflow.event import DecisionCompletedEvent, DecisionScheduledEvent, DecisionStartedEvent
from aioworkflow.machine.requests import CompleteDecisionTask, SignalProcess, StartDecisionTask
from aioworkflow.types import UNSET
from tests.machine.world import NOW, Run, World, forced, limited, refused

SIGNAL = SignalProcess(signal="s")


def answer_to(run: Run, **fields: object) -> CompleteDecisionTask:
    started = run.head.started
    assert started is not None
    return CompleteDecisionTask(
        **{
            "scheduled_event_id": started.scheduled_event_id,
            "started_event_id": started.started_event_id,
            **fields,
        }  # type: ignore[arg-type]
    )


def test_the_first_decision_task_waits_from_the_start() -> None:
    run = World().start(task_priority=3)
    assert run.news() == ["ProcessStarted", "DecisionScheduled"]
    assert run.last == DecisionScheduledEvent(
        event_id=2,
        timestamp=run.history[0].timestamp,
        task_list="orders",
        task_priority=3,
        start_to_close_timeout=60.0,
    )
    assert run.state.decision_ready


def test_handing_out_notes_who_and_when() -> None:
    run = World().start()
    run.world.now += 2
    outcome = run.ask(StartDecisionTask(scheduled_event_id=2, identity="me", session="s1"))
    assert run.last == DecisionStartedEvent(
        event_id=3, timestamp=run.last.timestamp, scheduled_event_id=2, identity="me"
    )
    assert run.last.timestamp.timestamp() == NOW + 2
    assert outcome.events == [run.last]
    assert outcome.reply is None
    started = run.head.started
    assert started is not None
    assert (started.scheduled_event_id, started.started_event_id, started.session) == (2, 3, "s1")
    assert run.head.queued is None
    assert not run.state.decision_ready
    assert run.state.next_deadline() == NOW + 62


def test_a_task_is_handed_out_once() -> None:
    run = World().start()
    run.take_decision()
    text = refused(UnknownTaskError, run, StartDecisionTask(scheduled_event_id=2))
    assert "decision task 2" in text
    assert "'p'" in text
    assert "handed out before" in text


def test_another_id_hands_nothing_out() -> None:
    run = World().start()
    refused(UnknownTaskError, run, StartDecisionTask(scheduled_event_id=1))


def test_the_queued_task_waits_while_another_is_out() -> None:
    run = World().start()
    run.take_decision()
    run.ask(SIGNAL)
    queued = run.head.queued
    assert queued is not None
    assert not run.state.decision_ready
    refused(UnknownTaskError, run, StartDecisionTask(scheduled_event_id=queued.scheduled_event_id))
    run.answer()
    assert run.state.decision_ready


def test_an_identity_that_is_too_long_is_refused() -> None:
    run = World().start()
    refused(InvalidRequestError, run, StartDecisionTask(scheduled_event_id=2, identity="x" * 257), match="identity")


# --- 5.1: one started, at most one queued ----------------------------------------------------------------


def test_triggers_before_a_hand_out_are_covered_by_one_task() -> None:
    run = World().start()
    for _ in range(3):
        run.ask(SIGNAL)
    assert run.news() == ["ProcessStarted", "DecisionScheduled"] + ["ProcessSignaled"] * 3


def test_a_trigger_during_a_task_schedules_the_next_at_once_and_only_once() -> None:
    run = World().start()
    run.take_decision()
    run.ask(SIGNAL)
    run.ask(SIGNAL)
    run.answer()
    assert run.news() == [
        "ProcessStarted",
        "DecisionScheduled",
        "DecisionStarted",
        "ProcessSignaled",
        "DecisionScheduled",
        "ProcessSignaled",
        "DecisionCompleted",
    ]


def test_the_recorded_trace_of_a_refused_close_is_reproduced() -> None:
    """5.5: 18 ActivityTaskCompleted, 19 Scheduled, 20 Completed, 21 CompleteFailed, 22 Started(scheduled 19)."""
    run = World().start()
    run.decide(ScheduleActivityDecision("Work", id="a"), StartTimerDecision(0, id="t"))
    run.take_activity("a")
    run.pass_time(0)
    run.take_decision()
    run.news()
    run.finish_activity("a")
    scheduled = run.last.event_id
    run.answer(CompleteProcessDecision())
    run.take_decision()
    assert run.news() == [
        "ActivityCompleted",
        "DecisionScheduled",
        "DecisionCompleted",
        "CompleteProcessFailed",
        "DecisionStarted",
    ]
    assert run.last.scheduled_event_id == scheduled


# --- answers ---------------------------------------------------------------------------------------------


def test_an_answer_is_noted_with_all_that_it_says() -> None:
    run = World().start()
    run.take_decision()
    outcome = run.answer(execution_context="ctx", task_list="sticky", task_list_schedule_to_start_timeout=5.0)
    assert run.last == DecisionCompletedEvent(
        event_id=4,
        timestamp=run.last.timestamp,
        scheduled_event_id=2,
        started_event_id=3,
        execution_context="ctx",
        task_list="sticky",
        task_list_schedule_to_start_timeout=5.0,
    )
    assert outcome.reply is None
    assert run.head.previous_started_event_id == 3
    assert run.head.execution_context == "ctx"


def test_an_execution_context_stays_until_there_is_another() -> None:
    """1.5: an omitted one keeps the old one, an empty one is stored."""
    run = World().start()
    run.decide(StartTimerDecision(0, id="t"), execution_context="ctx")
    run.pass_time(0)
    run.decide(StartTimerDecision(0, id="t"))
    assert run.head.execution_context == "ctx"
    run.pass_time(0)
    run.decide(execution_context="")
    assert run.head.execution_context == ""


@pytest.mark.parametrize("change", [{"scheduled_event_id": 1}, {"started_event_id": 2}])
def test_a_forged_answer_is_refused(change: dict[str, int]) -> None:
    run = World().start()
    run.take_decision()
    text = refused(UnknownTaskError, run, answer_to(run, **change))
    assert "decision task" in text
    assert "'p'" in text
    assert "nothing of this answer counts" in text


def test_a_repeated_or_early_answer_is_refused() -> None:
    run = World().start()
    refused(UnknownTaskError, run, CompleteDecisionTask(scheduled_event_id=2, started_event_id=3))
    run.take_decision()
    answer = answer_to(run)
    run.ask(answer)
    refused(UnknownTaskError, run, answer)


def test_an_answer_after_the_timeout_is_refused() -> None:
    run = World().start()
    run.take_decision()
    answer = answer_to(run, decisions=(CompleteProcessDecision(),))
    run.pass_time(60)
    refused(UnknownTaskError, run, answer)
    run.take_decision()
    refused(UnknownTaskError, run, answer)


def test_a_wrong_batch_is_refused_as_a_whole_and_the_task_stays_open() -> None:
    run = World().start()
    run.take_decision()
    wrong = answer_to(run, decisions=(RecordMarkerDecision("m"), CompleteProcessDecision(), RecordMarkerDecision("n")))
    refused(InvalidDecisionError, run, wrong, match="decision 2.*must be the last")
    run.answer(CompleteProcessDecision())
    assert run.news()[-1] == "ProcessCompleted"


@pytest.mark.parametrize("tags", [None, 0, {}, set(), "", b"", "vip", {"vip"}])
@pytest.mark.parametrize("decision", [StartChildProcessDecision("Order", id="c"), ContinueAsNewDecision()])
def test_tags_that_are_no_tuple_are_refused_before_anything_is_done(decision: Decision, tags: object) -> None:
    run = World().start()
    run.take_decision()
    wrong = answer_to(run, decisions=(RecordMarkerDecision("m"), forced(decision, tags=tags)))
    refused(InvalidDecisionError, run, wrong, match="decision 2.*tags must be a tuple")
    run.answer(forced(decision, tags=["vip"]))
    assert run.last.tags == ("vip",)


@pytest.mark.parametrize(
    ("fields", "error", "match"),
    [
        ({"execution_context": "x" * 11}, PayloadTooLargeError, "execution_context has 11 char"),
        ({"task_list": "a:b"}, InvalidRequestError, "task_list"),
        ({"task_list": ""}, InvalidRequestError, "task_list"),
        ({"task_list": "l", "task_list_schedule_to_start_timeout": -1.0}, InvalidRequestError, "0 to"),
        ({"task_list": "l", "task_list_schedule_to_start_timeout": float("nan")}, InvalidRequestError, "nan"),
        ({"task_list": "l", "task_list_schedule_to_start_timeout": UNSET}, InvalidRequestError, "0 to"),
        ({"task_list_schedule_to_start_timeout": 1.0}, InvalidRequestError, "goes with a task_list"),
    ],
)
def test_what_surrounds_the_batch_is_checked_too(
    fields: dict[str, object], error: type[InvalidRequestError], match: str
) -> None:
    run = World(limited(payload=10)).start()
    run.take_decision()
    refused(error, run, answer_to(run, **fields), match=match)
    run.answer()


# --- 5.7: another task list ------------------------------------------------------------------------------


def sticky_run(timeout: float | None) -> Run:
    """Return a run whose decider asked for the list "mine", and in which nothing happens."""
    run = World().start()
    run.decide(task_list="mine", task_list_schedule_to_start_timeout=timeout)
    return run


def test_later_tasks_wait_where_the_decider_asked() -> None:
    run = sticky_run(5.0)
    run.ask(SIGNAL)
    event = run.last
    assert (event.task_list, event.schedule_to_start_timeout, event.start_to_close_timeout) == ("mine", 5.0, 60.0)
    queued = run.head.queued
    assert queued is not None
    assert (queued.task_list, queued.schedule_to_start_timeout) == ("mine", 5.0)
    assert run.state.next_deadline() == NOW + 5


def test_a_task_not_taken_in_time_goes_back_to_the_list_of_the_run() -> None:
    run = sticky_run(5.0)
    run.ask(SIGNAL)
    scheduled = run.last.event_id
    run.news()
    run.pass_time(5)
    assert run.news() == ["DecisionTimedOut", "DecisionScheduled"]
    timed_out, again = run.history[-2:]
    assert (timed_out.timeout_type.value, timed_out.scheduled_event_id, timed_out.started_event_id) == (
        "SCHEDULE_TO_START",
        scheduled,
        0,
    )
    assert (again.task_list, again.schedule_to_start_timeout) == ("orders", None)
    assert run.head.sticky is None
    assert run.head.decision_attempt == 1, "nobody tried"


def test_a_task_taken_and_not_answered_drops_the_list_too() -> None:
    run = sticky_run(5.0)
    run.ask(SIGNAL)
    run.take_decision()
    run.pass_time(60)
    assert run.last.task_list == "orders"
    assert run.head.sticky is None


def test_a_list_without_a_timeout_is_permanent() -> None:
    run = sticky_run(None)
    run.ask(SIGNAL)
    assert run.state.next_deadline() is None
    run.take_decision()
    run.pass_time(60)
    assert (run.last.task_list, run.last.schedule_to_start_timeout) == ("mine", None)


def test_an_answer_in_time_keeps_the_list() -> None:
    run = sticky_run(5.0)
    run.ask(SIGNAL)
    run.decide()
    run.ask(SIGNAL)
    assert run.last.task_list == "mine"


def test_a_successor_does_not_inherit_the_list() -> None:
    run = World().start()
    assert run.head.sticky is None
    run.decide(RecordMarkerDecision("m"), task_list="orders")
    run.ask(SIGNAL)
    assert run.last.task_list == "orders"
