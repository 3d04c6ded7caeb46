"""Closing a process by decision, and what stands in the way (swf-reference 3.3 to 3.5, 5.5)."""

from __future__ import annotations

from ....decision import (
    CancelActivityDecision,
    CancelProcessDecision,
    CompleteProcessDecision,
    ContinueAsNewDecision,
    Decision,
    FailProcessDecision,
    RecordMarkerDecision,
    StartChildProcessDecision,
    StartTimerDecision,
)
from ....errors import UnknownProcessError, UnknownTaskError
from ....event import (
    CancelProcessFailedEvent,
    Cause,
    CompleteProcessFailedEvent,
    ContinueAsNewFailedEvent,
    FailProcessFailedEvent,
    ProcessCanceledEvent,
    ProcessCompletedEvent,
    ProcessFailedEvent,
)
from ....result import ActivityCompleted
from ....types import ProcessRef, ProcessStatus
from .check import check
from .expect import WHEN, equal, kinds, refused, timeless
from .harness import Feature
from .lab import Lab


@check("3.3")
async def a_process_completes_fails_or_is_canceled(lab: Lab) -> None:
    """The closing event has what the decision says, is the last, and is what ``wait_process`` returns."""
    for word, decision, status, event in (
        (
            "completed",
            CompleteProcessDecision({"sum": 3}),
            ProcessStatus.COMPLETED,
            ProcessCompletedEvent(event_id=5, timestamp=WHEN, result_json='{"sum":3}', decision_completed_event_id=4),
        ),
        (
            "completed with nothing",
            CompleteProcessDecision(),
            ProcessStatus.COMPLETED,
            ProcessCompletedEvent(event_id=5, timestamp=WHEN, decision_completed_event_id=4),
        ),
        (
            "failed",
            FailProcessDecision("r" * 256, details=[1]),
            ProcessStatus.FAILED,
            ProcessFailedEvent(
                event_id=5, timestamp=WHEN, reason="r" * 256, details_json="[1]", decision_completed_event_id=4
            ),
        ),
        (
            "failed for no reason",
            FailProcessDecision(),
            ProcessStatus.FAILED,
            ProcessFailedEvent(event_id=5, timestamp=WHEN, decision_completed_event_id=4),
        ),
        (
            "canceled",
            CancelProcessDecision([2]),
            ProcessStatus.CANCELED,
            ProcessCanceledEvent(event_id=5, timestamp=WHEN, details_json="[2]", decision_completed_event_id=4),
        ),
    ):
        process = await lab.begin(decision, word=word)
        last = (await lab.history(process))[-1]
        equal(timeless(last), event)
        equal(await lab.closed(process), last)
        info = await lab.info(process)
        equal((info.status, info.closed_at), (status, last.timestamp), "status and time of the end")


@check("promise")
async def waiting_for_the_end_of_a_process(lab: Lab) -> None:
    """``wait_process`` returns when the run closes, for any number of callers; what is unknown is an error."""
    process = await lab.start()
    open_run = ProcessRef(process.process_id)
    async with lab.meanwhile(lambda: lab.closed(process)) as one, lab.meanwhile(lambda: lab.closed(open_run)) as two:
        await lab.decide(CompleteProcessDecision(1))
    last = (await lab.history(process))[-1]
    equal((one.value, two.value), (last, last), "what the callers get")
    for unknown in (ProcessRef(lab.name("nobody")), ProcessRef(process.process_id, "no-such-run")):
        with refused(UnknownProcessError):
            await lab.backend.wait_process(unknown)


@check("3.3")
async def what_is_open_does_not_block_the_end(lab: Lab) -> None:
    """A process may close while activities, timers and children are open; they get no events."""
    process = await lab.begin(
        lab.schedule("waiting"),
        lab.schedule("started"),
        StartTimerDecision(50 * lab.tick, id="t"),
        StartChildProcessDecision(lab.workflow, id=lab.name("child")),
    )
    await lab.poll_activity()
    seen = [await lab.decide(), await lab.decide()]  # the child's first task, and the parent's that tells of its start
    equal({task.process.process_id for task in seen}, {process.process_id, lab.name("child")}, "the processes")
    await lab.backend.signal_process(process, "s")
    await lab.decide(CompleteProcessDecision())
    before = await lab.history(process)
    equal(kinds(before)[-1], "ProcessCompleted", "the last event")
    await lab.advance(60)
    await lab.expect_unchanged(process, before)


@check("5.5")
async def what_is_no_news_does_not_block_the_end(lab: Lab) -> None:
    """Starting an activity, heartbeats and markers do not get in the way of closing."""
    process = await lab.begin(lab.schedule("a"))
    await lab.backend.signal_process(process, "s")
    decision = await lab.poll_decision()
    activity = await lab.poll_activity()
    await lab.backend.heartbeat_activity_task(activity.token)
    await lab.answer(decision, RecordMarkerDecision("m"), CancelActivityDecision("a"), CompleteProcessDecision())
    equal((await lab.info(process)).status, ProcessStatus.COMPLETED)


@check("5.5")
async def news_blocks_the_end(lab: Lab) -> None:
    """If something happened that the decider has not seen, closing is refused; the other decisions stand, and the next
    task, which waits already, may close.
    """
    cases: tuple[tuple[str, Decision, type, ProcessStatus], ...] = (
        ("complete", CompleteProcessDecision(), CompleteProcessFailedEvent, ProcessStatus.COMPLETED),
        ("fail", FailProcessDecision(), FailProcessFailedEvent, ProcessStatus.FAILED),
        ("cancel", CancelProcessDecision(), CancelProcessFailedEvent, ProcessStatus.CANCELED),
    )
    for word, decision, failed, status in cases:
        process = await lab.start(word)
        task = await lab.poll_decision()
        before = await lab.history(process)
        await lab.backend.signal_process(process, "s")
        await lab.answer(task, RecordMarkerDecision("m"), decision)
        added = await lab.expect_added(
            process,
            before,
            "ProcessSignaled",
            "DecisionScheduled",
            "DecisionCompleted",
            "MarkerRecorded",
            failed.__name__.removesuffix("Event"),
        )
        expected = failed(event_id=8, timestamp=WHEN, cause=Cause.UNHANDLED_DECISION, decision_completed_event_id=6)
        equal(timeless(added[-1]), expected)
        await lab.decide(decision)
        equal((await lab.info(process)).status, status)


@check("5.5")
async def news_blocks_continuing_as_new(lab: Lab) -> None:
    """As for the other closing decisions; no new run is started."""
    process = await lab.start()
    task = await lab.poll_decision()
    await lab.backend.signal_process(process, "s")
    await lab.answer(task, ContinueAsNewDecision())
    last = (await lab.history(process))[-1]
    expected = ContinueAsNewFailedEvent(
        event_id=7, timestamp=WHEN, cause=Cause.UNHANDLED_DECISION, decision_completed_event_id=6
    )
    equal(timeless(last), expected)
    equal((await lab.info(ProcessRef(process.process_id))).process, process, "the open run")
    await lab.expect_scheduled(process, 2)


@check("5.5", Feature.CHOICES)
async def a_failed_decision_blocks_the_end_behind_it(lab: Lab) -> None:
    """The failure of a decision is news for the closing decision of the same batch (12.2)."""
    process = await lab.begin(CancelActivityDecision("nothing"), CompleteProcessDecision())
    await lab.expect_history(
        process,
        "ProcessStarted",
        "DecisionScheduled",
        "DecisionStarted",
        "DecisionCompleted",
        "CancelActivityFailed",
        "DecisionScheduled",
        "CompleteProcessFailed",
    )


@check("3.3")
async def nothing_happens_after_the_end(lab: Lab) -> None:
    """Whatever runs out or is answered later changes nothing any more."""
    process = await lab.begin(
        StartTimerDecision(5 * lab.tick, id="t"),
        lab.schedule("a", start_to_close_timeout=6 * lab.tick, schedule_to_start_timeout=7 * lab.tick),
        lab.schedule("b", schedule_to_start_timeout=8 * lab.tick),
        execution_timeout=20 * lab.tick,
    )
    activity = await lab.poll_activity()
    await lab.backend.signal_process(process, "s")
    decision = await lab.decide(CompleteProcessDecision())
    before = await lab.history(process)
    await lab.advance(30)
    witness = await lab.begin(StartTimerDecision(1 * lab.tick, id="t"), word="witness")
    await lab.advance(2)
    equal((await lab.poll_decision()).process, witness, "the process of the decision task")
    with refused(UnknownTaskError):
        await lab.answer(decision)
    with refused(UnknownTaskError):
        await lab.backend.complete_activity_task(activity.token, ActivityCompleted())
    await lab.expect_unchanged(process, before)
    equal((await lab.info(process)).status, ProcessStatus.COMPLETED)
