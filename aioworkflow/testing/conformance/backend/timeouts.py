"""Each timeout of activities and processes (swf-reference 6). Those of decision tasks are among the turns."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ....decision import CancelActivityDecision, StartTimerDecision
from ....errors import UnknownTaskError
from ....event import ActivityScheduledEvent, ActivityTimedOutEvent, ProcessTimedOutEvent, TimerFiredEvent
from ....result import ActivityCompleted
from ....types import ChildPolicy, ProcessStatus, TimeoutType
from .check import check
from .expect import WHEN, equal, every, one, refused, timeless, true
from .harness import Feature
from .lab import Lab


def _timed_out(timeout_type: TimeoutType, **fields: Any) -> ActivityTimedOutEvent:
    usual: dict[str, Any] = {"event_id": 7, "timestamp": WHEN, "scheduled_event_id": 5, "started_event_id": 6}
    return ActivityTimedOutEvent(timeout_type=timeout_type, **(usual | fields))


@check("6")
async def an_activity_that_nobody_takes_times_out(lab: Lab) -> None:
    """Schedule-to-start: the decider is told, and the task is handed to nobody."""
    process = await lab.begin(lab.schedule(schedule_to_start_timeout=5 * lab.tick))
    await lab.advance(6)
    events = (await lab.decide()).events
    timed_out = one(events, ActivityTimedOutEvent)
    equal(timeless(timed_out), _timed_out(TimeoutType.SCHEDULE_TO_START, event_id=6, started_event_id=0))
    passed = timed_out.timestamp - one(events, ActivityScheduledEvent).timestamp
    true(passed >= timedelta(seconds=5 * lab.tick - 0.01), f"{passed} is as long as the timeout")
    await lab.expect_no_activity()
    await lab.expect_scheduled(process, 2)


@check("6")
async def an_activity_that_was_taken_in_time_may_take_its_time(lab: Lab) -> None:
    """Schedule-to-start is over when the task is handed out."""
    process, task = await lab.begin_activity(schedule_to_start_timeout=5 * lab.tick)
    await lab.advance(20)
    await lab.backend.complete_activity_task(task.token, ActivityCompleted())
    equal((await lab.decide()).process, process, "the process of the decision task")
    equal(every(await lab.history(process), ActivityTimedOutEvent), [], "timeouts")


@check("6")
async def an_activity_that_takes_too_long_times_out(lab: Lab) -> None:
    """Start-to-close: heartbeats do not extend it; the last details are told; the token is dead."""
    process, task = await lab.begin_activity(start_to_close_timeout=5 * lab.tick)
    await lab.advance(3)
    await lab.backend.heartbeat_activity_task(task.token, "1")
    await lab.backend.heartbeat_activity_task(task.token, '"half"')
    await lab.advance(3)
    timed_out = one((await lab.decide()).events, ActivityTimedOutEvent)
    equal(timeless(timed_out), _timed_out(TimeoutType.START_TO_CLOSE, details_json='"half"'))
    before = await lab.history(process)
    with refused(UnknownTaskError):
        await lab.backend.heartbeat_activity_task(task.token)
    with refused(UnknownTaskError):
        await lab.backend.complete_activity_task(task.token, ActivityCompleted())
    await lab.expect_unchanged(process, before)


@check("6")
async def start_to_close_begins_with_the_start(lab: Lab) -> None:
    """Time spent waiting for a worker does not count."""
    process = await lab.begin(lab.schedule(start_to_close_timeout=5 * lab.tick))
    await lab.advance(20)
    task = await lab.poll_activity()
    await lab.advance(3)
    equal(await lab.backend.heartbeat_activity_task(task.token), False, "what a heartbeat tells")
    await lab.advance(3)
    one((await lab.decide()).events, ActivityTimedOutEvent)
    equal((await lab.info(process)).status, ProcessStatus.OPEN)


@check("6")
async def an_activity_has_a_time_in_all(lab: Lab) -> None:
    """Schedule-to-close counts from the scheduling, whether the task is handed out or not."""
    await lab.begin(
        lab.schedule("a", schedule_to_close_timeout=5 * lab.tick),
        lab.schedule("b", schedule_to_close_timeout=6 * lab.tick),
    )
    await lab.advance(3)
    equal((await lab.poll_activity()).activity_id, "a", "the activity that is handed out")
    await lab.advance(4)
    told = every((await lab.decide_until(ActivityTimedOutEvent, 2)).events, ActivityTimedOutEvent)
    expected = [
        _timed_out(TimeoutType.SCHEDULE_TO_CLOSE, event_id=told[0].event_id, started_event_id=7),
        _timed_out(TimeoutType.SCHEDULE_TO_CLOSE, event_id=told[1].event_id, scheduled_event_id=6, started_event_id=0),
    ]
    equal([timeless(event) for event in told], expected)
    await lab.expect_no_activity()


@check("6")
async def a_worker_that_does_not_heartbeat_is_missed(lab: Lab) -> None:
    """The heartbeat timeout counts from the start, without any details."""
    await lab.begin(lab.schedule(heartbeat_timeout=5 * lab.tick))
    await lab.advance(20)
    await lab.poll_activity()
    await lab.advance(6)
    timed_out = one((await lab.decide()).events, ActivityTimedOutEvent)
    equal(timeless(timed_out), _timed_out(TimeoutType.HEARTBEAT))


@check("6")
async def each_heartbeat_gives_more_time(lab: Lab) -> None:
    """The heartbeat timeout counts from the last heartbeat, and its details are told in the end."""
    _, task = await lab.begin_activity(heartbeat_timeout=5 * lab.tick)
    for number in range(4):
        await lab.advance(3)
        equal(await lab.backend.heartbeat_activity_task(task.token, str(number)), False, "what a heartbeat tells")
    await lab.advance(6)
    timed_out = one((await lab.decide()).events, ActivityTimedOutEvent)
    equal(timeless(timed_out), _timed_out(TimeoutType.HEARTBEAT, details_json="3"))


@check("2.3")
async def a_heartbeat_without_details_tells_none(lab: Lab) -> None:
    """The details of the last heartbeat are told; if it had none, none are."""
    _, task = await lab.begin_activity(heartbeat_timeout=5 * lab.tick)
    await lab.backend.heartbeat_activity_task(task.token, "1")
    await lab.backend.heartbeat_activity_task(task.token)
    await lab.advance(6)
    equal(one((await lab.decide()).events, ActivityTimedOutEvent).details_json, None, "the details")


@check("6")
async def the_earliest_timeout_wins(lab: Lab) -> None:
    """Of all clocks of an activity the first that runs out closes it."""
    clocks = {
        TimeoutType.START_TO_CLOSE: "start_to_close_timeout",
        TimeoutType.SCHEDULE_TO_CLOSE: "schedule_to_close_timeout",
        TimeoutType.HEARTBEAT: "heartbeat_timeout",
    }
    for timeout_type in clocks:
        settings = {name: (5 if clock is timeout_type else 9) * lab.tick for clock, name in clocks.items()}
        await lab.begin(lab.schedule("a", **settings), word=timeout_type.value)
        await lab.poll_activity()
        await lab.advance(6)
        timed_out = one((await lab.decide()).events, ActivityTimedOutEvent)
        equal(timeless(timed_out), _timed_out(timeout_type))


@check("6")
async def a_request_to_stop_stops_no_clock(lab: Lab) -> None:
    """An activity that is asked to stop times out like any other."""
    process, _ = await lab.begin_activity(heartbeat_timeout=5 * lab.tick)
    await lab.backend.signal_process(process, "s")
    await lab.decide(CancelActivityDecision("a"))
    await lab.advance(6)
    one((await lab.decide()).events, ActivityTimedOutEvent)


@check("6")
async def a_handed_off_activity_times_out_too(lab: Lab) -> None:
    """Handing off stops no clock, and whoever goes on must heartbeat."""
    _, task = await lab.begin_activity(heartbeat_timeout=5 * lab.tick)
    await lab.backend.hand_off_activity_task(task.token)
    await lab.advance(3)
    await lab.backend.heartbeat_activity_task(task.token, "1")
    await lab.advance(6)
    equal(one((await lab.decide()).events, ActivityTimedOutEvent).details_json, "1", "the details")


@check("6")
async def without_timeouts_nothing_times_out(lab: Lab) -> None:
    """None disables each of an activity's clocks."""
    process = await lab.begin(
        lab.schedule("a"), lab.schedule("b"), StartTimerDecision(30 * lab.tick, id="t"), decision_timeout=None
    )
    task = await lab.poll_activity()
    await lab.advance(31)
    decision = await lab.poll_decision()
    one(decision.events, TimerFiredEvent)
    await lab.advance(30)
    await lab.backend.complete_activity_task(task.token, ActivityCompleted())
    await lab.work()
    await lab.answer(decision)
    equal(every(await lab.history(process), ActivityTimedOutEvent), [], "timeouts")


@check("6")
async def a_process_that_is_open_too_long_times_out(lab: Lab) -> None:
    """It is closed at once, without a decision task; everything that was out is dead."""
    process = await lab.start(execution_timeout=5 * lab.tick, child_policy=ChildPolicy.ABANDON)
    await lab.decide(lab.schedule())
    activity = await lab.poll_activity()
    await lab.backend.signal_process(process, "s")
    decision = await lab.poll_decision()
    before = await lab.history(process)
    await lab.advance(6)
    timed_out = await lab.closed(process)
    expected = ProcessTimedOutEvent(event_id=len(before) + 1, timestamp=WHEN, child_policy=ChildPolicy.ABANDON)
    equal(timeless(timed_out), expected)
    await lab.expect_added(process, before, "ProcessTimedOut")
    equal((await lab.info(process)).status, ProcessStatus.TIMED_OUT)
    with refused(UnknownTaskError):
        await lab.answer(decision)
    with refused(UnknownTaskError):
        await lab.backend.heartbeat_activity_task(activity.token)


@check("6", Feature.CHOICES)
async def timeouts_of_zero_expire_at_once(lab: Lab) -> None:
    """At the next look at the clock (12.11)."""
    await lab.begin(lab.schedule("a", schedule_to_start_timeout=0), lab.schedule("b", schedule_to_close_timeout=0))
    await lab.advance(1)
    told = every((await lab.decide_until(ActivityTimedOutEvent, 2)).events, ActivityTimedOutEvent)
    equal({event.scheduled_event_id for event in told}, {5, 6}, "what timed out")
