"""When decision tasks are scheduled (swf-reference 5.1, 5.2, 5.6, 5.7)."""

from __future__ import annotations

from typing import Any

from ....decision import CompleteProcessDecision, RecordMarkerDecision
from ....errors import UnknownTaskError
from ....event import (
    DecisionCompletedEvent,
    DecisionScheduledEvent,
    DecisionTimedOutEvent,
    ProcessSignaledEvent,
)
from ....result import ActivityCompleted
from ....types import ProcessStatus, TimeoutType
from .check import check
from .expect import WHEN, equal, every, one, refused, timeless
from .harness import Feature
from .lab import Lab


@check("5.1")
async def a_decision_task_is_scheduled_while_another_is_out(lab: Lab) -> None:
    """At once, and one at most: what happens later is covered by it."""
    process = await lab.begin(lab.schedule("a"), lab.schedule("b"))
    await lab.backend.signal_process(process, "s")
    task = await lab.poll_decision()
    before = await lab.history(process)
    await lab.work()
    await lab.backend.signal_process(process, "s")
    await lab.work()
    await lab.answer(task)
    await lab.expect_added(
        process,
        before,
        "ActivityStarted",
        "ActivityCompleted",
        "DecisionScheduled",
        "ProcessSignaled",
        "ActivityStarted",
        "ActivityCompleted",
        "DecisionCompleted",
    )


@check("5.1")
async def one_decision_task_is_out_at_a_time(lab: Lab) -> None:
    """The next one is handed out when the one that is out is answered, also to a poll that waits already."""
    process = await lab.start()
    first = await lab.poll_decision()
    await lab.backend.signal_process(process, "s")
    async with lab.meanwhile(lab.poll_decision) as second:
        await lab.expect_no_decision()
        await lab.answer(first, RecordMarkerDecision("m"))
    await lab.expect_history(
        process,
        "ProcessStarted",
        "DecisionScheduled",
        "DecisionStarted",
        "ProcessSignaled",
        "DecisionScheduled",
        "DecisionCompleted",
        "MarkerRecorded",
        "DecisionStarted",
    )
    equal(second.value.previous_started_event_id, 3, "the previous start")
    one(second.value.events, ProcessSignaledEvent)


@check("5.2")
async def a_recorded_trace_of_amazon_is_followed(lab: Lab) -> None:
    """The order of events around a cancel request that came while a decision task was out."""
    process = await lab.begin(lab.schedule("a"))
    activity = await lab.poll_activity()
    await lab.backend.cancel_process(process)
    decision = await lab.poll_decision()
    await lab.backend.complete_activity_task(activity.token, ActivityCompleted())
    await lab.answer(decision)
    await lab.decide(CompleteProcessDecision())
    events = await lab.expect_history(
        process,
        "ProcessStarted",
        "DecisionScheduled",
        "DecisionStarted",
        "DecisionCompleted",
        "ActivityScheduled",
        "ActivityStarted",
        "ProcessCancelRequested",
        "DecisionScheduled",
        "DecisionStarted",
        "ActivityCompleted",
        "DecisionScheduled",
        "DecisionCompleted",
        "DecisionStarted",
        "DecisionCompleted",
        "ProcessCompleted",
    )
    completed = [(event.scheduled_event_id, event.started_event_id) for event in every(events, DecisionCompletedEvent)]
    equal(completed, [(2, 3), (8, 9), (11, 13)], "what the completions name")


@check("5.6")
async def a_decision_that_takes_too_long_times_out(lab: Lab) -> None:
    """Nothing of its answer counts, and there is another task in the same moment; its events merge with new ones."""
    process = await lab.start(decision_timeout=5 * lab.tick)
    late = await lab.poll_decision()
    before = await lab.history(process)
    await lab.advance(6)
    task = await lab.poll_decision()
    timed_out, scheduled, _ = await lab.expect_added(
        process, before, "DecisionTimedOut", "DecisionScheduled", "DecisionStarted"
    )
    expected = DecisionTimedOutEvent(
        event_id=4,
        timestamp=WHEN,
        timeout_type=TimeoutType.START_TO_CLOSE,
        scheduled_event_id=2,
        started_event_id=3,
    )
    equal(timeless(timed_out), expected)
    equal(scheduled.timestamp, timed_out.timestamp, "the timestamp")
    with refused(UnknownTaskError):
        await lab.answer(late, CompleteProcessDecision())
    equal([event.event_id for event in task.events], [1, 2, 3, 4, 5, 6], "the event ids of the task")
    await lab.answer(task)
    equal((await lab.info(process)).status, ProcessStatus.OPEN)


@check("5.6", Feature.CHOICES)
async def a_task_that_timed_out_is_no_previous_task(lab: Lab) -> None:
    """``previous_started_event_id`` is that of the last task that was answered (12.6); attempts are counted."""
    process = await lab.begin(decision_timeout=5 * lab.tick)
    await lab.backend.signal_process(process, "s")
    seen = []
    for _ in range(3):
        task = await lab.poll_decision(new_events_only=True)
        seen.append((task.previous_started_event_id, task.attempt, task.events[0].event_id))
        await lab.advance(6)
    equal(seen, [(3, 1, 3), (3, 2, 3), (3, 3, 3)], "previous start, attempt, first event")
    await lab.decide()
    await lab.backend.signal_process(process, "s")
    equal((await lab.poll_decision()).attempt, 1, "the attempt after an answer")


@check("5.6")
async def a_waiting_task_is_enough_after_a_timeout(lab: Lab) -> None:
    """If a decision task waits already when one times out, no other is scheduled."""
    process = await lab.start(decision_timeout=5 * lab.tick)
    await lab.poll_decision()
    await lab.backend.signal_process(process, "s")
    before = await lab.history(process)
    await lab.advance(6)
    task = await lab.poll_decision()
    await lab.expect_added(process, before, "DecisionTimedOut", "DecisionStarted")
    one(task.events, ProcessSignaledEvent)


@check("5.7")
async def a_decider_may_ask_for_another_task_list(lab: Lab) -> None:
    """Later decision tasks wait there, for good, until it asks for another."""
    own, third = lab.name("own"), lab.name("third")
    process = await lab.start()
    await lab.decide()
    for number, (polled, asked) in enumerate(((lab.decisions, own), (own, None), (own, third), (third, None))):
        await lab.backend.signal_process(process, str(number))
        task = await lab.poll_decision(polled)
        await lab.backend.complete_decision_task(task.token, task_list=asked)
    events = await lab.history(process)
    lists = [event.task_list for event in every(events, DecisionScheduledEvent)]
    equal(lists, [lab.decisions, lab.decisions, own, own, third], "where the tasks waited")
    asked_for = [event.task_list for event in every(events, DecisionCompletedEvent)]
    equal(asked_for, [None, own, None, third, None], "what the completions tell")
    scheduled = {event.schedule_to_start_timeout for event in every(events, DecisionScheduledEvent)}
    equal(scheduled, {None}, "the timeouts")


@check("5.7", Feature.CHOICES)
async def a_task_that_waits_already_stays_where_it_is(lab: Lab) -> None:
    """Asking for another list concerns tasks that are scheduled later (12.17)."""
    process = await lab.start()
    task = await lab.poll_decision()
    await lab.backend.signal_process(process, "s")
    await lab.backend.complete_decision_task(task.token, task_list=lab.name("own"))
    equal((await lab.decide()).process, process, "the process of the decision task")
    await lab.backend.signal_process(process, "t")
    equal((await lab.decide(task_list=lab.name("own"))).process, process, "the process of the decision task")


async def _go_sticky(lab: Lab, **settings: Any) -> None:
    await lab.start(**settings)
    task = await lab.poll_decision()
    await lab.backend.complete_decision_task(
        task.token, task_list=lab.name("own"), task_list_schedule_to_start_timeout=5 * lab.tick
    )
    await lab.backend.signal_process(task.process, "s")


@check("5.7")
async def a_sticky_task_may_be_taken_in_time(lab: Lab) -> None:
    """The timeout is told by the events; while it is kept, the override stays."""
    await _go_sticky(lab)
    for _ in range(2):
        await lab.advance(3)
        task = await lab.decide(task_list=lab.name("own"))
        await lab.backend.signal_process(task.process, "s")
    events = await lab.history(task.process)
    scheduled = [(event.task_list, event.schedule_to_start_timeout) for event in every(events, DecisionScheduledEvent)]
    own = (lab.name("own"), 5 * lab.tick)
    equal(scheduled, [(lab.decisions, None), own, own, own], "the lists and timeouts")
    completed = every(events, DecisionCompletedEvent)[0]
    equal((completed.task_list, completed.task_list_schedule_to_start_timeout), own, "what the answer tells")


@check("5.7")
async def a_sticky_task_that_is_not_taken_goes_back(lab: Lab) -> None:
    """It times out, the override is dropped, and a new task waits in the list of the process."""
    await _go_sticky(lab)
    await lab.advance(6)
    task = await lab.poll_decision()
    timed_out = one(task.events, DecisionTimedOutEvent)
    expected = DecisionTimedOutEvent(
        event_id=7, timestamp=WHEN, timeout_type=TimeoutType.SCHEDULE_TO_START, scheduled_event_id=6
    )
    equal(timeless(timed_out), expected)
    await lab.answer(task)
    await lab.backend.signal_process(task.process, "s")
    await lab.decide()
    await lab.expect_no_decision(lab.name("own"))


@check("5.7")
async def a_sticky_decider_that_dies_loses_the_override(lab: Lab) -> None:
    """If the task was taken and takes too long, the next one waits in the list of the process."""
    await _go_sticky(lab, decision_timeout=5 * lab.tick)
    await lab.poll_decision(lab.name("own"))
    await lab.advance(6)
    task = await lab.decide()
    equal(one(task.events, DecisionTimedOutEvent).timeout_type, TimeoutType.START_TO_CLOSE, "which timeout")
    await lab.expect_scheduled(task.process, 3)
