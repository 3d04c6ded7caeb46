"""Timers (swf-reference 3.8, 3.9)."""

from __future__ import annotations

from datetime import timedelta

from ....decision import CancelTimerDecision, CompleteProcessDecision, StartTimerDecision
from ....event import (
    CancelTimerFailedEvent,
    Cause,
    StartTimerFailedEvent,
    TimerCanceledEvent,
    TimerFiredEvent,
    TimerStartedEvent,
)
from .check import check
from .expect import WHEN, equal, every, one, timeless, true
from .harness import Feature
from .lab import Lab


@check("3.8")
async def a_timer_fires(lab: Lab) -> None:
    """It fires after its delay, not before, with a decision task."""
    process = await lab.begin(StartTimerDecision(3 * lab.tick, id="a timer", control={"c": 1}))
    started = one(await lab.history(process), TimerStartedEvent)
    expected = TimerStartedEvent(
        event_id=5,
        timestamp=WHEN,
        timer_id="a timer",
        control_json='{"c":1}',
        delay=3 * lab.tick,
        decision_completed_event_id=4,
    )
    equal(timeless(started), expected)
    async with lab.meanwhile(lab.poll_decision) as task:
        await lab.advance(4)
    fired = one(task.value.events, TimerFiredEvent)
    equal(timeless(fired), TimerFiredEvent(event_id=6, timestamp=WHEN, timer_id="a timer", started_event_id=5))
    passed = fired.timestamp - started.timestamp
    true(passed >= timedelta(seconds=3 * lab.tick - 0.01), f"{passed} is as long as the timer")


@check("3.8")
async def a_timer_of_zero_gives_another_turn(lab: Lab) -> None:
    """It fires at once."""
    process = await lab.begin(StartTimerDecision(0, id="t"))
    await lab.advance(1)
    await lab.decide(CompleteProcessDecision())
    await lab.expect_history(
        process,
        "ProcessStarted",
        "DecisionScheduled",
        "DecisionStarted",
        "DecisionCompleted",
        "TimerStarted",
        "TimerFired",
        "DecisionScheduled",
        "DecisionStarted",
        "DecisionCompleted",
        "ProcessCompleted",
    )


@check("6")
async def timers_fire_in_their_order(lab: Lab) -> None:
    """The earlier first, whatever the order in which they were started."""
    process = await lab.begin(
        StartTimerDecision(3 * lab.tick, id="late"),
        StartTimerDecision(1 * lab.tick, id="early"),
        StartTimerDecision(100 * lab.tick, id="never"),
        StartTimerDecision(2 * lab.tick, id="middle"),
    )
    await lab.advance(2.5)
    await lab.advance(2)
    while len(fired := every(await lab.history(process), TimerFiredEvent)) < 3:
        await lab.decide()
    equal([event.timer_id for event in fired], ["early", "middle", "late"], "the order")


@check("3.9")
async def a_canceled_timer_does_not_fire(lab: Lab) -> None:
    """Canceling is an event without a decision task, and the timer is forgotten."""
    process = await lab.begin(StartTimerDecision(5 * lab.tick, id="t"), StartTimerDecision(6 * lab.tick, id="u"))
    await lab.backend.signal_process(process, "s")
    before = await lab.history(process)
    await lab.decide(CancelTimerDecision("t"))
    *_, canceled = await lab.expect_added(process, before, "DecisionStarted", "DecisionCompleted", "TimerCanceled")
    expected = TimerCanceledEvent(
        event_id=canceled.event_id,
        timestamp=WHEN,
        timer_id="t",
        started_event_id=5,
        decision_completed_event_id=canceled.event_id - 1,
    )
    equal(timeless(canceled), expected)
    await lab.advance(7)
    equal([event.timer_id for event in every((await lab.decide()).events, TimerFiredEvent)], ["u"], "what fired")


@check("3.9")
async def canceling_an_unknown_timer_fails(lab: Lab) -> None:
    """An id that was never used, or whose timer has fired or was canceled, is a failure with a decision task."""
    process = await lab.begin(CancelTimerDecision("t"))
    failed = one(await lab.history(process), CancelTimerFailedEvent)
    expected = CancelTimerFailedEvent(
        event_id=5, timestamp=WHEN, timer_id="t", cause=Cause.TIMER_ID_UNKNOWN, decision_completed_event_id=4
    )
    equal(timeless(failed), expected)
    await lab.decide(StartTimerDecision(1 * lab.tick, id="t"), StartTimerDecision(90 * lab.tick, id="u"))
    await lab.advance(2)
    await lab.decide(CancelTimerDecision("t"), CancelTimerDecision("u"), CancelTimerDecision("u"))
    failures = every(await lab.history(process), CancelTimerFailedEvent)
    equal([event.timer_id for event in failures], ["t", "t", "u"], "the failures")
    await lab.decide()


@check("3.8")
async def a_timer_id_is_unique_among_the_open_ones(lab: Lab) -> None:
    """An id in use is a failure with a decision task; after its timer has fired or was canceled it is free."""
    timer = StartTimerDecision(1 * lab.tick, id="t")
    process = await lab.begin(timer)
    await lab.backend.signal_process(process, "s")
    await lab.decide(timer)
    failed = one(await lab.history(process), StartTimerFailedEvent)
    equal((failed.timer_id, failed.cause), ("t", Cause.TIMER_ID_ALREADY_IN_USE), "id and cause")
    await lab.decide()
    await lab.advance(2)
    await lab.decide(timer)
    await lab.backend.signal_process(process, "s")
    await lab.decide(CancelTimerDecision("t"))
    await lab.backend.signal_process(process, "s")
    await lab.decide(timer)
    equal(len(every(await lab.history(process), TimerStartedEvent)), 3, "the number of timers")


@check("8.1", Feature.SMALL_LIMITS)
async def open_timers_have_a_limit(lab: Lab) -> None:
    """One more than the limit is a failure; canceling one makes room."""
    most = lab.limits.open_timers
    timers = [StartTimerDecision(50 * lab.tick, id=str(number)) for number in range(most + 2)]
    process = await lab.begin(*timers[: most + 1])
    failed = one(await lab.history(process), StartTimerFailedEvent)
    equal((failed.timer_id, failed.cause), (str(most), Cause.OPEN_TIMERS_LIMIT_EXCEEDED), "id and cause")
    await lab.decide(CancelTimerDecision("0"), timers[-1])
    equal(len(every(await lab.history(process), TimerStartedEvent)), most + 1, "the number of timers")
