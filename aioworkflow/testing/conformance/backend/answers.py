"""Answering a decision task: the batch as a whole, and markers (swf-reference 2.3, 3, 3.7)."""

from __future__ import annotations

from typing import Any

import anyio

from ....decision import (
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
from ....errors import AioworkflowError, InvalidDecisionError, InvalidRequestError, UnknownTaskError
from ....event import (
    ActivityScheduledEvent,
    DecisionCompletedEvent,
    DecisionStartedEvent,
    MarkerRecordedEvent,
    TimerStartedEvent,
)
from ....types import ProcessRef, ProcessStatus
from .check import check
from .expect import WHEN, equal, one, refused, timeless
from .harness import Feature
from .lab import Lab


@check("3")
async def decisions_are_applied_in_order(lab: Lab) -> None:
    """Their events follow the DecisionCompletedEvent in order, name it, and share its timestamp."""
    process = await lab.start()
    task = await lab.poll_decision()
    await lab.answer(
        task,
        RecordMarkerDecision("m", {"d": 1}),
        StartTimerDecision(50 * lab.tick, id="t", control="c"),
        lab.schedule("a", input=1, control=2),
        RecordMarkerDecision("n"),
        execution_context="thinking",
    )
    events = await lab.expect_history(
        process,
        "ProcessStarted",
        "DecisionScheduled",
        "DecisionStarted",
        "DecisionCompleted",
        "MarkerRecorded",
        "TimerStarted",
        "ActivityScheduled",
        "MarkerRecorded",
    )
    expected = [
        DecisionCompletedEvent(
            event_id=4, timestamp=WHEN, scheduled_event_id=2, started_event_id=3, execution_context="thinking"
        ),
        MarkerRecordedEvent(
            event_id=5, timestamp=WHEN, marker="m", details_json='{"d":1}', decision_completed_event_id=4
        ),
        TimerStartedEvent(
            event_id=6,
            timestamp=WHEN,
            timer_id="t",
            control_json='"c"',
            delay=50 * lab.tick,
            decision_completed_event_id=4,
        ),
        ActivityScheduledEvent(
            event_id=7,
            timestamp=WHEN,
            activity_id="a",
            activity=lab.activity,
            input_json="1",
            control_json="2",
            task_list=lab.activities,
            decision_completed_event_id=4,
        ),
        MarkerRecordedEvent(event_id=8, timestamp=WHEN, marker="n", decision_completed_event_id=4),
    ]
    equal([timeless(event) for event in events[3:]], expected, "the events")
    equal({event.timestamp for event in events[3:]}, {events[3].timestamp}, "the timestamps")


@check("5.1")
async def no_decisions_leave_the_process_waiting(lab: Lab) -> None:
    """An empty answer is legal, and schedules nothing."""
    process = await lab.begin()
    await lab.expect_history(process, "ProcessStarted", "DecisionScheduled", "DecisionStarted", "DecisionCompleted")
    equal((await lab.info(process)).status, ProcessStatus.OPEN)


@check("3.7")
async def markers_cause_no_decision(lab: Lab) -> None:
    """A marker is an event and nothing else; names need not differ, and have no rule but their length."""
    marker = RecordMarkerDecision("any: kind/of|name")
    process = await lab.begin(marker, marker)
    await lab.expect_scheduled(process, 1)


@check("1.5")
async def the_execution_context_is_kept(lab: Lab) -> None:
    """``process_info`` shows the last one that was given; leaving it out keeps it, an empty one replaces it."""
    process = await lab.begin()
    seen = [(await lab.info(process)).execution_context]
    answers: tuple[dict[str, str], ...] = ({"execution_context": "one"}, {}, {"execution_context": ""})
    for how in answers:
        await lab.backend.signal_process(process, "s")
        await lab.decide(**how)
        seen.append((await lab.info(process)).execution_context)
    equal(seen, [None, "one", "one", ""], "the contexts")


def _wrong_batches(lab: Lab) -> dict[str, tuple[Any, ...]]:
    good = RecordMarkerDecision("m")
    closing = (CompleteProcessDecision(), FailProcessDecision(), CancelProcessDecision(), ContinueAsNewDecision())
    batches: dict[str, tuple[Any, ...]] = {
        f"{type(decision).__name__} that is not last": (good, decision, good) for decision in closing
    }
    batches |= {
        "two closing decisions": (good, closing[0], closing[1]),
        "an activity without id": (good, ScheduleActivityDecision(lab.activity)),
        "a timer without id": (good, StartTimerDecision(1)),
        "a child without id": (good, StartChildProcessDecision(lab.workflow)),
        "no decision at all": (good, "complete"),
        "a class": (good, CompleteProcessDecision),
        "nothing": (good, None),
        "the base class": (good, Decision()),
    }
    return batches


@check("3")
async def a_wrong_batch_changes_nothing(lab: Lab) -> None:
    """A batch that breaks a rule is refused as a whole, and its token stays good."""
    process = await lab.start()
    task = await lab.poll_decision()
    before = await lab.history(process)
    for what, batch in _wrong_batches(lab).items():
        try:
            await lab.answer(task, *batch)
        except InvalidDecisionError:
            pass
        else:
            raise AssertionError(f"{what}: this should raise InvalidDecisionError and raises nothing")
    await lab.expect_unchanged(process, before)
    await lab.answer(task, RecordMarkerDecision("m"), CompleteProcessDecision())
    await lab.expect_added(process, before, "DecisionCompleted", "MarkerRecorded", "ProcessCompleted")


@check("2.3")
async def other_wrong_answers_change_nothing(lab: Lab) -> None:
    """A wrong override of the task list is refused, and the token stays good."""
    process = await lab.start()
    task = await lab.poll_decision()
    before = await lab.history(process)
    wrong: tuple[dict[str, Any], ...] = (
        {"task_list": ""},
        {"task_list": "a:b"},
        {"task_list": "l", "task_list_schedule_to_start_timeout": -1.0},
        {"task_list": "l", "task_list_schedule_to_start_timeout": float("nan")},
        {"execution_context": 7},
    )
    for how in wrong:
        with refused(InvalidRequestError):
            await lab.answer(task, **how)
    await lab.expect_unchanged(process, before)
    await lab.answer(task)


@check("8.1", Feature.SMALL_LIMITS)
async def a_batch_over_a_limit_changes_nothing(lab: Lab) -> None:
    """Payloads, tags and the number of decisions have limits; what is within them is taken."""
    process = await lab.start()
    task = await lab.poll_decision()
    before = await lab.history(process)
    long = "x" * (lab.limits.payload - 1)  # and two quotation marks
    ref = ProcessRef(lab.name("other"))
    tags = [str(number) for number in range(lab.limits.tags + 1)]
    wrong: tuple[Decision, ...] = (
        lab.schedule(input=long),
        lab.schedule(control=long),
        StartTimerDecision(1, id="t", control=long),
        RecordMarkerDecision("m", long),
        StartChildProcessDecision(lab.workflow, long, id="c"),
        StartChildProcessDecision(lab.workflow, id="c", control=long),
        StartChildProcessDecision(lab.workflow, id="c", tags=tags),
        SignalProcessDecision(ref, "s", long),
        SignalProcessDecision(ref, "s", control=long),
        RequestCancelProcessDecision(ref, control=long),
        CompleteProcessDecision(long),
        FailProcessDecision(details=long),
        CancelProcessDecision(long),
        ContinueAsNewDecision(long),
        ContinueAsNewDecision(tags=tags),
    )
    for decision in wrong:
        with refused(InvalidRequestError):
            await lab.answer(task, RecordMarkerDecision("m"), decision)
    marker = RecordMarkerDecision("m", long[1:])
    with refused(InvalidDecisionError):
        await lab.answer(task, *[marker] * (lab.limits.decisions + 1))
    with refused(InvalidRequestError):
        await lab.answer(task, execution_context=long + "xx")
    await lab.expect_unchanged(process, before)
    await lab.answer(task, *[marker] * lab.limits.decisions)


@check("3")
async def each_decision_succeeds_or_fails_alone(lab: Lab) -> None:
    """Decisions that fail are told by events with a decision task behind them; the others stand, and see what those
    before them did.
    """
    process = await lab.begin(
        CancelTimerDecision("nothing"),
        lab.schedule("a"),
        lab.schedule("a"),
        RecordMarkerDecision("m"),
        CancelActivityDecision("nothing"),
        StartTimerDecision(50 * lab.tick, id="t"),
        StartTimerDecision(50 * lab.tick, id="t"),
    )
    told = [event for event in await lab.history(process) if event.event_id > 4]
    names = [type(event).__name__ for event in told]
    expected = [
        "CancelTimerFailedEvent",
        "ActivityScheduledEvent",
        "ScheduleActivityFailedEvent",
        "MarkerRecordedEvent",
        "CancelActivityFailedEvent",
        "TimerStartedEvent",
        "StartTimerFailedEvent",
    ]
    equal([name for name in names if name != "DecisionScheduledEvent"], expected, "the events")
    await lab.expect_scheduled(process, 2)


@check("2.3")
async def an_answer_counts_once(lab: Lab) -> None:
    """Answering a task again is an UnknownTaskError and changes nothing, also with the very same answer."""
    process = await lab.start()
    task = await lab.poll_decision()
    await lab.answer(task, RecordMarkerDecision("m"))
    before = await lab.history(process)
    for batch in ([RecordMarkerDecision("m")], [], [CompleteProcessDecision()]):
        with refused(UnknownTaskError):
            await lab.answer(task, *batch)
    await lab.expect_unchanged(process, before)


@check("2.3")
async def of_many_answers_at_once_one_counts(lab: Lab) -> None:
    """Answers that race are applied once; the losers get UnknownTaskError."""
    process = await lab.start()
    task = await lab.poll_decision()
    outcomes: list[AioworkflowError | None] = []

    async def answer() -> None:
        try:
            await lab.answer(task, RecordMarkerDecision("m"))
            outcomes.append(None)
        except UnknownTaskError as error:
            outcomes.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(answer)
    equal((len(outcomes), outcomes.count(None)), (8, 1), "answers, accepted answers")
    one(await lab.history(process), DecisionStartedEvent)
    one(await lab.history(process), MarkerRecordedEvent)


@check("promise")
async def tokens_of_tasks_cannot_be_made_up(lab: Lab) -> None:
    """A token that was never given out, or belongs to the other kind of task, answers nothing."""
    process, activity = await lab.begin_activity()
    await lab.backend.signal_process(process, "s")
    decision = await lab.poll_decision()
    before = await lab.history(process)
    forged: tuple[Any, ...] = (
        "",
        "x",
        "a.b.c.d",
        decision.token[:-1],
        decision.token + "0",
        "d..1.2",
        "ü" * 80,
        None,
        7,
    )
    for token in (*forged, activity.token):
        with refused(UnknownTaskError):
            await lab.backend.complete_decision_task(token)
    for token in (*forged, activity.token + "1", activity.token[1:], decision.token):
        with refused(UnknownTaskError):
            await lab.backend.heartbeat_activity_task(token)
        with refused(UnknownTaskError):
            await lab.backend.hand_off_activity_task(token)
    await lab.expect_unchanged(process, before)
    await lab.answer(decision)
