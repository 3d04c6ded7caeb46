"""Activities: scheduled, done, canceled (swf-reference 3.1, 3.2, 7.1)."""

from __future__ import annotations

from typing import Any

from ....backend import Interruption
from ....decision import CancelActivityDecision, CompleteProcessDecision
from ....errors import InvalidRequestError, UnknownTaskError
from ....event import (
    ActivityAbortedEvent,
    ActivityCancelRequestedEvent,
    ActivityCompletedEvent,
    ActivityFailedEvent,
    ActivityScheduledEvent,
    ActivityTimedOutEvent,
    CancelActivityFailedEvent,
    Cause,
    ScheduleActivityFailedEvent,
)
from ....payload import Json
from ....result import ActivityAborted, ActivityCompleted, ActivityFailed
from ....types import UNSET, TypeRef
from .check import check
from .expect import WHEN, equal, every, one, refused, timeless
from .harness import Feature
from .lab import Lab


@check("3.1")
async def an_activity_is_scheduled_with_all_its_settings(lab: Lab) -> None:
    """The event has what the decision says, else what the type says."""
    activity = await lab.add_activity(
        "timed",
        schedule_to_start_timeout=1 * lab.tick,
        schedule_to_close_timeout=2 * lab.tick,
        start_to_close_timeout=3 * lab.tick,
        heartbeat_timeout=4 * lab.tick,
        task_priority=5,
    )
    own: dict[str, Any] = {
        "schedule_to_start_timeout": 60 * lab.tick,
        "schedule_to_close_timeout": None,
        "start_to_close_timeout": 80 * lab.tick,
        "heartbeat_timeout": 90 * lab.tick,
        "task_list": lab.name("elsewhere"),
        "task_priority": -1,
    }
    process = await lab.begin(lab.schedule("a", activity=activity), lab.schedule("b", activity=activity, **own))
    first, second = every(await lab.history(process), ActivityScheduledEvent)
    expected = ActivityScheduledEvent(
        event_id=5,
        timestamp=WHEN,
        activity_id="a",
        activity=activity,
        task_list=lab.activities,
        task_priority=5,
        schedule_to_start_timeout=1 * lab.tick,
        schedule_to_close_timeout=2 * lab.tick,
        start_to_close_timeout=3 * lab.tick,
        heartbeat_timeout=4 * lab.tick,
        decision_completed_event_id=4,
    )
    equal(timeless(first), expected)
    expected = ActivityScheduledEvent(
        event_id=6, timestamp=WHEN, activity_id="b", activity=activity, decision_completed_event_id=4, **own
    )
    equal(timeless(second), expected)
    await lab.expect_scheduled(process, 1)


async def _expect_not_scheduled(lab: Lab, word: str, cause: Cause, activity: TypeRef, **settings: Any) -> None:
    process = await lab.begin(lab.schedule("a", activity=activity, **settings), word=word)
    failed = one(await lab.history(process), ScheduleActivityFailedEvent)
    expected = ScheduleActivityFailedEvent(
        event_id=5, timestamp=WHEN, activity_id="a", activity=activity, cause=cause, decision_completed_event_id=4
    )
    equal(timeless(failed), expected)
    equal((await lab.decide()).process.process_id, lab.name(word), "the process of the decision task")


@check("3.1")
async def an_unknown_activity_is_not_scheduled(lab: Lab) -> None:
    """A type, or a version of it, that nobody registered is a failure with a decision task."""
    await _expect_not_scheduled(lab, "one", Cause.ACTIVITY_TYPE_DOES_NOT_EXIST, TypeRef(lab.name("nobody")))
    await _expect_not_scheduled(lab, "two", Cause.ACTIVITY_TYPE_DOES_NOT_EXIST, TypeRef(lab.activity.name, "2"))


@check("3.1", Feature.DEPRECATION)
async def a_deprecated_activity_is_not_scheduled(lab: Lab) -> None:
    """A deprecated type takes no new work."""
    old = await lab.add_activity("old", deprecated=True)
    await _expect_not_scheduled(lab, "one", Cause.ACTIVITY_TYPE_DEPRECATED, old)


@check("3.1", Feature.MISSING_DEFAULTS)
async def an_activity_without_a_default_is_not_scheduled(lab: Lab) -> None:
    """A setting that neither decision nor type gives is a failure that names it; the decision may give it."""
    cases: tuple[tuple[str, Cause, Any], ...] = (
        ("task_list", Cause.DEFAULT_TASK_LIST_UNDEFINED, lab.activities),
        ("schedule_to_start_timeout", Cause.DEFAULT_SCHEDULE_TO_START_TIMEOUT_UNDEFINED, None),
        ("schedule_to_close_timeout", Cause.DEFAULT_SCHEDULE_TO_CLOSE_TIMEOUT_UNDEFINED, None),
        ("start_to_close_timeout", Cause.DEFAULT_START_TO_CLOSE_TIMEOUT_UNDEFINED, None),
        ("heartbeat_timeout", Cause.DEFAULT_HEARTBEAT_TIMEOUT_UNDEFINED, None),
    )
    for setting, cause, value in cases:
        activity = await lab.add_activity(f"without {setting}", **{setting: UNSET})
        await _expect_not_scheduled(lab, setting, cause, activity)
        process = await lab.begin(lab.schedule("a", activity=activity, **{setting: value}), word=f"with {setting}")
        equal((await lab.work()).process, process, "the process of the activity task")
        await lab.decide()


@check("3.1")
async def an_activity_id_is_unique_among_the_open_ones(lab: Lab) -> None:
    """An id in use is a failure; once its activity is closed it may be used again."""
    process = await lab.begin(lab.schedule("a"))
    task = await lab.poll_activity()
    await lab.backend.signal_process(process, "s")
    await lab.decide(lab.schedule("a"))
    failed = one(await lab.history(process), ScheduleActivityFailedEvent)
    equal((failed.activity_id, failed.cause), ("a", Cause.ACTIVITY_ID_ALREADY_IN_USE), "id and cause")
    await lab.backend.complete_activity_task(task.token, ActivityCompleted())
    await lab.decide(lab.schedule("a"))
    equal((await lab.work()).process, process, "the process of the activity task")
    equal(len(every(await lab.history(process), ActivityScheduledEvent)), 2, "the number of activities")


@check("8.1", Feature.SMALL_LIMITS)
async def open_activities_have_a_limit(lab: Lab) -> None:
    """One more than the limit, waiting and started together, is a failure; when one closes there is room again."""
    most = lab.limits.open_activities
    process = await lab.begin(*(lab.schedule(str(number)) for number in range(most)))
    task = await lab.poll_activity()
    await lab.backend.signal_process(process, "s")
    await lab.decide(lab.schedule("more"))
    cause = one(await lab.history(process), ScheduleActivityFailedEvent).cause
    equal(cause, Cause.OPEN_ACTIVITIES_LIMIT_EXCEEDED, "the cause")
    await lab.backend.complete_activity_task(task.token, ActivityCompleted())
    await lab.decide(lab.schedule("more"))
    equal(len(every(await lab.history(process), ActivityScheduledEvent)), most + 1, "the number of activities")


@check("2.3")
async def an_activity_completes(lab: Lab) -> None:
    """Its result is an event that names schedule and start, with a decision task."""
    process, task = await lab.begin_activity()
    before = await lab.history(process)
    await lab.backend.complete_activity_task(task.token, ActivityCompleted({"x": [1]}))
    completed, _ = await lab.expect_added(process, before, "ActivityCompleted", "DecisionScheduled")
    expected = ActivityCompletedEvent(
        event_id=7, timestamp=WHEN, scheduled_event_id=5, started_event_id=6, result_json='{"x":[1]}'
    )
    equal(timeless(completed), expected)
    equal(one((await lab.poll_decision()).events, ActivityCompletedEvent), completed)


@check("2.3")
async def a_result_may_be_missing(lab: Lab) -> None:
    """An activity may complete with nothing."""
    process, task = await lab.begin_activity()
    await lab.backend.complete_activity_task(task.token, ActivityCompleted())
    equal(one(await lab.history(process), ActivityCompletedEvent).result_json, None, "the result")


@check("2.3")
async def an_activity_fails(lab: Lab) -> None:
    """Reason and details are told, both may be missing."""
    process, task = await lab.begin_activity()
    before = await lab.history(process)
    await lab.backend.complete_activity_task(task.token, ActivityFailed(reason="r" * 256, details=[1]))
    failed, _ = await lab.expect_added(process, before, "ActivityFailed", "DecisionScheduled")
    expected = ActivityFailedEvent(
        event_id=7,
        timestamp=WHEN,
        scheduled_event_id=5,
        started_event_id=6,
        reason="r" * 256,
        details_json="[1]",
    )
    equal(timeless(failed), expected)
    await lab.decide(lab.schedule("b"))
    await lab.work(ActivityFailed())
    bare = every(await lab.history(process), ActivityFailedEvent)[-1]
    equal((bare.reason, bare.details_json), (None, None), "reason and details")


@check("7.1")
async def a_started_activity_is_asked_to_stop(lab: Lab) -> None:
    """The request is an event without a decision task; each heartbeat tells it from then on, and the answer names
    it.
    """
    process, task = await lab.begin_activity()
    equal(await lab.backend.heartbeat_activity_task(task.token), False, "what a heartbeat tells before")
    await lab.backend.signal_process(process, "s")
    await lab.decide(CancelActivityDecision("a"))
    history = await lab.history(process)
    requested = one(history, ActivityCancelRequestedEvent)
    expected = ActivityCancelRequestedEvent(
        event_id=history[-1].event_id,
        timestamp=WHEN,
        activity_id="a",
        decision_completed_event_id=history[-1].event_id - 1,
    )
    equal(timeless(requested), expected)
    for _ in range(2):
        equal(await lab.backend.heartbeat_activity_task(task.token), True, "what a heartbeat tells after")
    await lab.expect_unchanged(process, history)
    await lab.backend.complete_activity_task(task.token, ActivityAborted(details={"done": 3}))
    aborted, _ = await lab.expect_added(process, history, "ActivityAborted", "DecisionScheduled")
    equal(
        timeless(aborted),
        ActivityAbortedEvent(
            event_id=requested.event_id + 1,
            timestamp=WHEN,
            scheduled_event_id=5,
            started_event_id=6,
            details_json='{"done":3}',
            cancel_requested_event_id=requested.event_id,
        ),
    )


@check("2.3", Feature.ABORT_REASON)
async def an_aborted_activity_may_tell_a_reason(lab: Lab) -> None:
    """Reason and details are kept apart; asking for cancellation is not needed (12.9)."""
    process, task = await lab.begin_activity()
    await lab.backend.complete_activity_task(task.token, ActivityAborted("out of bounds", [1]))
    expected = ActivityAbortedEvent(
        event_id=7,
        timestamp=WHEN,
        scheduled_event_id=5,
        started_event_id=6,
        reason="out of bounds",
        details_json="[1]",
    )
    equal(timeless(one(await lab.history(process), ActivityAbortedEvent)), expected)


@check("7.1")
async def a_worker_need_not_stop(lab: Lab) -> None:
    """An activity that is asked to stop may complete or fail all the same."""
    process = await lab.begin(lab.schedule("a"), lab.schedule("b"))
    first, second = await lab.poll_activity(), await lab.poll_activity()
    await lab.backend.signal_process(process, "s")
    await lab.decide(CancelActivityDecision("a"), CancelActivityDecision("b"))
    await lab.backend.complete_activity_task(first.token, ActivityCompleted(1))
    await lab.backend.complete_activity_task(second.token, ActivityFailed(reason="r"))
    events = await lab.history(process)
    equal(one(events, ActivityCompletedEvent).started_event_id, first.started_event_id, "what completed")
    equal(one(events, ActivityFailedEvent).started_event_id, second.started_event_id, "what failed")


@check("3.2")
async def a_waiting_activity_is_canceled_at_once(lab: Lab) -> None:
    """It is closed in the same transaction, with a decision task, and handed out to nobody."""
    process = await lab.begin(lab.schedule("a"))
    await lab.backend.signal_process(process, "s")
    before = await lab.history(process)
    await lab.decide(CancelActivityDecision("a"))
    _, completed, requested, aborted, scheduled = await lab.expect_added(
        process,
        before,
        "DecisionStarted",
        "DecisionCompleted",
        "ActivityCancelRequested",
        "ActivityAborted",
        "DecisionScheduled",
    )
    expected = ActivityAbortedEvent(
        event_id=requested.event_id + 1,
        timestamp=WHEN,
        scheduled_event_id=5,
        cancel_requested_event_id=requested.event_id,
    )
    equal(timeless(aborted), expected)
    equal(scheduled.timestamp, completed.timestamp, "the timestamp")
    await lab.decide(lab.schedule("b"))
    equal((await lab.poll_activity()).activity_id, "b", "the activity that is handed out")
    await lab.expect_no_activity()


@check("7.1")
async def the_latest_request_to_stop_counts(lab: Lab) -> None:
    """Two requests are two events, and the answer names the second."""
    process, task = await lab.begin_activity()
    for _ in range(2):
        await lab.backend.signal_process(process, "s")
        await lab.decide(CancelActivityDecision("a"))
    requests = every(await lab.history(process), ActivityCancelRequestedEvent)
    equal(len(requests), 2, "the number of requests")
    await lab.backend.complete_activity_task(task.token, ActivityAborted())
    aborted = one(await lab.history(process), ActivityAbortedEvent)
    equal(aborted.cancel_requested_event_id, requests[1].event_id, "the request that is named")


@check("3.2")
async def canceling_an_unknown_activity_fails(lab: Lab) -> None:
    """An id that was never used, or whose activity is closed, is a failure with a decision task."""
    process = await lab.begin(CancelActivityDecision("a"))
    failed = one(await lab.history(process), CancelActivityFailedEvent)
    expected = CancelActivityFailedEvent(
        event_id=5,
        timestamp=WHEN,
        activity_id="a",
        cause=Cause.ACTIVITY_ID_UNKNOWN,
        decision_completed_event_id=4,
    )
    equal(timeless(failed), expected)
    await lab.decide(lab.schedule("b"))
    await lab.work()
    await lab.decide(CancelActivityDecision("b"))
    equal(len(every(await lab.history(process), CancelActivityFailedEvent)), 2, "the number of failures")
    await lab.decide()


@check("2.3")
async def an_activity_is_answered_once(lab: Lab) -> None:
    """After the first answer its token is dead, for any answer, for heartbeats and for handing off."""
    process, task = await lab.begin_activity()
    await lab.backend.complete_activity_task(task.token, ActivityCompleted(1))
    before = await lab.history(process)
    await _expect_dead(lab, task.token)
    await lab.expect_unchanged(process, before)


@check("3.3")
async def activities_of_a_closed_process_are_dead(lab: Lab) -> None:
    """Tokens are dead when the run closes; nothing is written for its open activities."""
    process = await lab.begin(lab.schedule("a"), lab.schedule("b"))
    task = await lab.poll_activity()
    await lab.backend.signal_process(process, "s")
    await lab.decide(CompleteProcessDecision())
    before = await lab.history(process)
    await _expect_dead(lab, task.token)
    await lab.expect_no_activity()
    await lab.expect_unchanged(process, before)


async def _expect_dead(lab: Lab, token: str) -> None:
    for result in (ActivityCompleted(1), ActivityFailed(reason="r"), ActivityAborted()):
        with refused(UnknownTaskError):
            await lab.backend.complete_activity_task(token, result)
    with refused(UnknownTaskError):
        await lab.backend.heartbeat_activity_task(token)
    with refused(UnknownTaskError):
        await lab.backend.hand_off_activity_task(token)


@check("2.3")
async def heartbeats_leave_no_trace(lab: Lab) -> None:
    """A heartbeat is no event, with details or without."""
    process, task = await lab.begin_activity()
    before = await lab.history(process)
    for details in (None, '{"n":1}', "2"):
        equal(await lab.backend.heartbeat_activity_task(task.token, details), False, "what a heartbeat tells")
    await lab.expect_unchanged(process, before)


@check("2.3")
async def wrong_answers_to_an_activity_change_nothing(lab: Lab) -> None:
    """What is no result, and details that are no text, are refused; the task stays open."""
    process, task = await lab.begin_activity()
    before = await lab.history(process)
    for result in (None, "done", ActivityCompleted, 7):
        with refused(InvalidRequestError):
            await lab.backend.complete_activity_task(task.token, result)  # type: ignore[arg-type]
    with refused(InvalidRequestError):
        await lab.backend.heartbeat_activity_task(task.token, 7)  # type: ignore[arg-type]
    await lab.expect_unchanged(process, before)
    await lab.backend.complete_activity_task(task.token, ActivityCompleted())


@check("8.1", Feature.SMALL_LIMITS)
async def long_answers_to_an_activity_change_nothing(lab: Lab) -> None:
    """Results and details over the limit are refused and the task stays open; at the limit they are taken."""
    process, task = await lab.begin_activity(heartbeat_timeout=50 * lab.tick)
    before = await lab.history(process)
    long = Json("1" * (lab.limits.payload + 1))
    for result in (ActivityCompleted(long), ActivityFailed(details=long), ActivityAborted(details=long)):
        with refused(InvalidRequestError):
            await lab.backend.complete_activity_task(task.token, result)
    most = lab.limits.heartbeat_details
    with refused(InvalidRequestError):
        await lab.backend.heartbeat_activity_task(task.token, "1" * (most + 1))
    await lab.expect_unchanged(process, before)
    await lab.backend.heartbeat_activity_task(task.token, "1" * most)
    await lab.advance(51)
    await lab.decide(lab.schedule())
    equal(one(await lab.history(process), ActivityTimedOutEvent).details_json, "1" * most, "the last details")
    await lab.work(ActivityCompleted(Json(long[:-1])))
    equal(one(await lab.history(process), ActivityCompletedEvent).result_json, long[:-1], "the result")


@check("promise")
async def an_activity_may_be_handed_off(lab: Lab) -> None:
    """After a hand-off, which is no event, the task goes on as before: heartbeats, cancellation, an answer."""
    process, task = await lab.begin_activity()
    before = await lab.history(process)
    for _ in range(2):
        await lab.backend.hand_off_activity_task(task.token)
    await lab.expect_unchanged(process, before)
    equal(await lab.backend.heartbeat_activity_task(task.token), False, "what a heartbeat tells")
    await lab.backend.complete_activity_task(task.token, ActivityCompleted(1))
    await lab.expect_added(process, before, "ActivityCompleted", "DecisionScheduled")


@check("promise", Feature.SECOND_BACKEND)
async def an_activity_may_be_answered_from_elsewhere(lab: Lab) -> None:
    """Whoever has the token can heartbeat, hand off and answer, through any backend object."""
    process, task = await lab.begin_activity()
    async with lab.harness.connect() as other:
        equal(await other.heartbeat_activity_task(task.token, "1"), False, "what a heartbeat tells")
        await other.hand_off_activity_task(task.token)
        await other.complete_activity_task(task.token, ActivityCompleted(5))
        with refused(UnknownTaskError):
            await other.complete_activity_task(task.token, ActivityCompleted(6))
    with refused(UnknownTaskError):
        await lab.backend.heartbeat_activity_task(task.token)
    equal(one(await lab.history(process), ActivityCompletedEvent).result_json, "5", "the result")


@check("promise", Feature.PUSHED_INTERRUPTIONS)
async def holders_are_told_of_cancellation_and_end(lab: Lab) -> None:
    """``on_interrupt`` is called when the decider asks the activity to stop, and when the task is closed by others;
    not when the holder itself answers.
    """
    told: list[tuple[str, Interruption]] = []

    def on_interrupt(token: str, interruption: Interruption) -> None:
        told.append((token, interruption))

    process = await lab.begin(*(lab.schedule(id, heartbeat_timeout=50 * lab.tick) for id in "abcd"))
    tasks = [await lab.poll_activity(on_interrupt=on_interrupt) for _ in "abcd"]
    tokens = {task.activity_id: task.token for task in tasks}
    await lab.backend.complete_activity_task(tokens["a"], ActivityCompleted())
    equal(told, [], "what holders are told when one answers")
    await lab.decide(CancelActivityDecision("b"))
    await lab.backend.heartbeat_activity_task(tokens["b"])
    told_of = {interruption for token, interruption in told if token == tokens["b"]}
    equal(told_of, {Interruption.CANCEL_REQUESTED}, "what the holder of b is told")
    await lab.backend.complete_activity_task(tokens["b"], ActivityAborted())
    await lab.advance(40)
    await lab.backend.heartbeat_activity_task(tokens["c"])
    await lab.decide()
    told.clear()
    await lab.advance(20)
    await lab.decide()
    equal(told, [(tokens["d"], Interruption.CLOSED)], "what holders are told when d times out")
    await lab.backend.terminate_process(process)
    equal(told[1:], [(tokens["c"], Interruption.CLOSED)], "what holders are told at the end")
