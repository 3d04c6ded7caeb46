"""Activity tasks: swf-reference 2.3, 7.1."""

from __future__ import annotations

from typing import Any

import pytest

from aioworkflow.decision import CancelActivityDecision, ScheduleActivityDecision, StartTimerDecision
from aioworkflow.errors import InvalidRequestError, PayloadTooLargeError, UnknownTaskError
from aioworkflow.event import (
    ActivityAbortedEvent,
    ActivityCancelRequestedEvent,
    ActivityCompletedEvent,
    ActivityFailedEvent,
    ActivityStartedEvent,
)
from aioworkflow.machine.requests import (
    CompleteActivityTask,
    HandOffActivityTask,
    HeartbeatActivityTask,
    Request,
    StartActivityTask,
)
from aioworkflow.result import ActivityAborted, ActivityCompleted, ActivityFailed, ActivityResult, ActivityTimedOut
from aioworkflow.types import TimeoutType
from tests.machine.world import NOW, Run, World, forced, limited, refused

SCHEDULED, STARTED = 5, 6


def run_with(taken: bool = True, world: World | None = None, **settings: Any) -> Run:
    run = (world or World()).start()
    run.decide(ScheduleActivityDecision("Work", id="a", **settings))
    if taken:
        run.take_activity("a")
    run.news()
    return run


def answer(result: Any = None, scheduled: int = SCHEDULED, started: int = STARTED) -> CompleteActivityTask:
    return CompleteActivityTask(
        scheduled_event_id=scheduled,
        started_event_id=started,
        result=ActivityCompleted() if result is None else result,
    )


def test_handing_out_notes_who_and_when_and_triggers_nothing() -> None:
    run = run_with(taken=False, start_to_close_timeout=9.0)
    run.world.now += 2
    outcome = run.ask(StartActivityTask(scheduled_event_id=SCHEDULED, identity="me", session="s1"))
    assert run.news() == ["ActivityStarted"]
    assert run.last == ActivityStartedEvent(
        event_id=STARTED, timestamp=run.last.timestamp, scheduled_event_id=SCHEDULED, identity="me"
    )
    assert outcome.touched == {SCHEDULED}
    item = run.activity("a")
    assert (item.started_event_id, item.started_at, item.session) == (STARTED, NOW + 2, "s1")
    assert run.state.next_deadline() == NOW + 11


def test_a_task_is_handed_out_once() -> None:
    run = run_with()
    text = refused(UnknownTaskError, run, StartActivityTask(scheduled_event_id=SCHEDULED))
    assert "activity task 5" in text
    assert "'p'" in text
    assert "handed out before" in text


def test_what_is_no_activity_is_not_handed_out() -> None:
    run = World().start()
    run.decide(StartTimerDecision(1, id="t"))
    refused(UnknownTaskError, run, StartActivityTask(scheduled_event_id=run.last.event_id))
    refused(UnknownTaskError, run, StartActivityTask(scheduled_event_id=99))


def test_an_identity_that_is_too_long_is_refused() -> None:
    run = run_with(taken=False)
    request = StartActivityTask(scheduled_event_id=SCHEDULED, identity="x" * 257)
    refused(InvalidRequestError, run, request, match="identity")


# --- answers ---------------------------------------------------------------------------------------------

RESULTS: list[tuple[ActivityResult, type, dict[str, object]]] = [
    (ActivityCompleted([1]), ActivityCompletedEvent, {"result_json": "[1]"}),
    (ActivityCompleted(), ActivityCompletedEvent, {"result_json": None}),
    (
        ActivityFailed(reason="why", details=1),
        ActivityFailedEvent,
        {"reason": "why", "details_json": "1"},
    ),
    (
        ActivityAborted("why", {"k": None}),
        ActivityAbortedEvent,
        {"reason": "why", "details_json": '{"k":null}', "cancel_requested_event_id": 0},
    ),
]


@pytest.mark.parametrize(("result", "kind", "fields"), RESULTS)
def test_an_activity_ends_as_its_worker_says(result: ActivityResult, kind: type, fields: dict[str, object]) -> None:
    run = run_with(start_to_close_timeout=9.0)
    outcome = run.ask(answer(result))
    assert run.news() == [kind.__name__.removesuffix("Event"), "DecisionScheduled"]
    assert run.only(kind) == kind(
        event_id=7,
        timestamp=run.last.timestamp,
        scheduled_event_id=SCHEDULED,
        started_event_id=STARTED,
        **fields,
    )
    assert outcome.touched == {SCHEDULED}
    assert outcome.reply is None
    assert run.state.items == {}
    assert run.state.next_deadline() is None


@pytest.mark.parametrize(("result", "kind", "fields"), RESULTS)
def test_all_ends_are_legal_after_a_request_to_cancel(
    result: ActivityResult, kind: type, fields: dict[str, object]
) -> None:
    run = World().start()
    run.decide(ScheduleActivityDecision("Work", id="a"), StartTimerDecision(0, id="t"))
    run.take_activity("a")
    run.pass_time(0)
    run.decide(CancelActivityDecision("a"))
    requested = run.only(ActivityCancelRequestedEvent).event_id
    run.finish_activity("a", result)
    event = run.only(kind)
    if kind is ActivityAbortedEvent:
        assert event.cancel_requested_event_id == requested


class Stopped(ActivityAborted):
    """Exceptions get subclassed."""


def test_a_subclass_of_a_result_is_a_result() -> None:
    run = run_with()
    run.ask(answer(Stopped("enough")))
    assert run.only(ActivityAbortedEvent).reason == "enough"


LATE: list[tuple[str, Request]] = [
    ("an answer", answer()),
    ("a heartbeat", HeartbeatActivityTask(scheduled_event_id=SCHEDULED, started_event_id=STARTED)),
    ("a hand-off", HandOffActivityTask(scheduled_event_id=SCHEDULED, started_event_id=STARTED)),
]
late = pytest.mark.parametrize("request_", [request for _, request in LATE], ids=[name for name, _ in LATE])


@late
def test_it_is_refused_after_an_answer(request_: Request) -> None:
    run = run_with()
    run.ask(answer())
    text = refused(UnknownTaskError, run, request_)
    assert "activity task 5" in text
    assert "'p'" in text
    assert "stop working on it" in text


@late
def test_it_is_refused_after_a_timeout(request_: Request) -> None:
    run = run_with(start_to_close_timeout=1.0)
    run.pass_time(1)
    refused(UnknownTaskError, run, request_)


@late
def test_it_is_refused_before_the_task_was_handed_out(request_: Request) -> None:
    run = run_with(taken=False)
    refused(UnknownTaskError, run, request_)


@pytest.mark.parametrize(
    ("scheduled", "started"), [(SCHEDULED, 0), (SCHEDULED, STARTED + 1), (SCHEDULED + 1, STARTED), (99, STARTED)]
)
def test_a_forged_task_is_refused(scheduled: int, started: int) -> None:
    run = run_with()
    refused(UnknownTaskError, run, answer(scheduled=scheduled, started=started))
    refused(UnknownTaskError, run, HeartbeatActivityTask(scheduled_event_id=scheduled, started_event_id=started))


def test_zero_is_not_the_started_event_of_a_task_that_waits() -> None:
    run = run_with(taken=False)
    refused(UnknownTaskError, run, answer(started=0))


@pytest.mark.parametrize(
    ("result", "error", "match"),
    [
        (ActivityCompleted("x" * 9), PayloadTooLargeError, "result has 11 characters"),
        (ActivityFailed(details="x" * 9), PayloadTooLargeError, "details has 11 characters"),
        (ActivityAborted(details="x" * 9), PayloadTooLargeError, "details has 11 characters"),
        (forced(ActivityFailed(), reason="x" * 257), InvalidRequestError, "reason"),
        (ActivityTimedOut(TimeoutType.HEARTBEAT), InvalidRequestError, "must be ActivityCompleted"),
        ("done", InvalidRequestError, "must be ActivityCompleted"),
    ],
)
def test_a_wrong_result_is_refused_and_the_task_stays_open(
    result: Any, error: type[InvalidRequestError], match: str
) -> None:
    run = run_with(world=World(limited(payload=10)))
    refused(error, run, answer(result), match=match)
    run.ask(answer(ActivityCompleted("short")))


# --- heartbeats ------------------------------------------------------------------------------------------


def test_a_heartbeat_resets_its_clock_and_writes_no_event() -> None:
    run = run_with(heartbeat_timeout=10.0)
    assert run.state.next_deadline() == NOW + 10
    run.world.now += 7
    outcome = run.ask(
        HeartbeatActivityTask(scheduled_event_id=SCHEDULED, started_event_id=STARTED, details_json='"half"')
    )
    assert outcome.reply is False
    assert outcome.events == []
    assert outcome.touched == {SCHEDULED}
    assert run.activity("a").details_json == '"half"'
    assert run.state.next_deadline() == NOW + 17


def test_the_details_are_those_of_the_last_heartbeat() -> None:
    run = run_with(heartbeat_timeout=10.0)
    run.heartbeat("a", "1")
    run.heartbeat("a")
    assert run.activity("a").details_json is None


def test_a_clock_that_goes_back_shortens_no_heartbeat() -> None:
    run = run_with(heartbeat_timeout=10.0)
    run.world.now += 5
    run.heartbeat("a")
    run.world.now -= 4
    run.heartbeat("a")
    assert run.state.next_deadline() == NOW + 15


def test_heartbeats_extend_no_other_clock() -> None:
    run = run_with(heartbeat_timeout=10.0, start_to_close_timeout=12.0)
    run.world.now += 9
    run.heartbeat("a")
    assert run.state.next_deadline() == NOW + 12


def test_a_heartbeat_tells_of_a_request_to_cancel_each_time() -> None:
    run = World().start()
    run.decide(ScheduleActivityDecision("Work", id="a"), StartTimerDecision(0, id="t"))
    run.take_activity("a")
    run.pass_time(0)
    run.decide(CancelActivityDecision("a"))
    assert [run.heartbeat("a"), run.heartbeat("a")] == [True, True]


def test_the_details_of_a_heartbeat_have_a_limit_of_their_own() -> None:
    run = run_with(world=World(limited(heartbeat_details=3)))
    request = HeartbeatActivityTask(scheduled_event_id=SCHEDULED, started_event_id=STARTED, details_json="1234")
    refused(PayloadTooLargeError, run, request)


# --- handing off -----------------------------------------------------------------------------------------


def test_a_task_that_was_handed_off_outlives_its_session() -> None:
    run = run_with(taken=False)
    run.take_activity("a", session="s1")
    outcome = run.ask(HandOffActivityTask(scheduled_event_id=SCHEDULED, started_event_id=STARTED))
    assert outcome.events == []
    assert outcome.touched == {SCHEDULED}
    run.news()
    run.release("s1")
    assert run.news() == []
    run.finish_activity("a")
