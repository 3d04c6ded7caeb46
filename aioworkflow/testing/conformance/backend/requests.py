"""What clients ask of a process that runs: signal, cancel, terminate (swf-reference 2.2, 7.2, 7.3, 7.5)."""

from __future__ import annotations

from ....decision import CompleteProcessDecision, StartTimerDecision
from ....errors import InvalidRequestError, UnknownProcessError, UnknownTaskError
from ....event import (
    Cause,
    ProcessCancelRequestedEvent,
    ProcessSignaledEvent,
    ProcessTerminatedEvent,
)
from ....result import ActivityCompleted
from ....types import ChildPolicy, ProcessRef, ProcessStatus
from .check import check
from .expect import WHEN, equal, every, one, refused, timeless, true
from .harness import Feature
from .lab import Lab


@check("2.2")
async def a_signal_is_told_to_the_decider(lab: Lab) -> None:
    """A signal is an event, with a decision task behind it in the same moment."""
    process = await lab.begin()
    before = await lab.history(process)
    await lab.backend.signal_process(process, "a name: of/any|kind", '{"n":1}')
    signaled, scheduled = await lab.expect_added(process, before, "ProcessSignaled", "DecisionScheduled")
    expected = ProcessSignaledEvent(
        event_id=len(before) + 1, timestamp=WHEN, signal="a name: of/any|kind", input_json='{"n":1}'
    )
    equal(timeless(signaled), expected)
    equal(scheduled.timestamp, signaled.timestamp, "the timestamp")
    task = await lab.poll_decision()
    equal(one(task.events, ProcessSignaledEvent), signaled)


@check("2.2")
async def a_signal_needs_neither_input_nor_run_id(lab: Lab) -> None:
    """Without a run id a signal goes to the open run; input is optional."""
    first = await lab.start()
    await lab.backend.terminate_process(first)
    second = await lab.start()
    await lab.backend.signal_process(ProcessRef(second.process_id), "s")
    signaled = one(await lab.history(second), ProcessSignaledEvent)
    equal(timeless(signaled), ProcessSignaledEvent(event_id=3, timestamp=WHEN, signal="s"))
    equal(len(every(await lab.history(first), ProcessSignaledEvent)), 0, "the number of signals of the closed run")


@check("7.5")
async def signals_keep_their_order(lab: Lab) -> None:
    """Signals that arrive before the decider looks are all kept, in order, and one decision task covers them."""
    process = await lab.begin()
    for number in range(5):
        await lab.backend.signal_process(process, "s", str(number))
    task = await lab.poll_decision()
    equal([event.input_json for event in every(task.events, ProcessSignaledEvent)], list("01234"), "the signals")
    await lab.expect_scheduled(process, 2)


@check("2.2")
async def requests_to_a_process_that_is_not_open_are_refused(lab: Lab) -> None:
    """Signal, cancel and terminate raise UnknownProcessError for a process that is unknown or closed, and for a run
    that is not the open one.
    """
    closed = await lab.start()
    await lab.backend.terminate_process(closed)
    before = await lab.history(closed)
    open_run = await lab.start("other")
    for process in (
        closed,
        ProcessRef(closed.process_id),
        ProcessRef(lab.name("nobody")),
        ProcessRef(lab.name("nobody"), "no-such-run"),
        ProcessRef(open_run.process_id, "no-such-run"),
        ProcessRef(open_run.process_id, closed.run_id),
        ProcessRef(closed.process_id, open_run.run_id),
    ):
        with refused(UnknownProcessError):
            await lab.backend.signal_process(process, "s")
        with refused(UnknownProcessError):
            await lab.backend.cancel_process(process)
        with refused(UnknownProcessError):
            await lab.backend.terminate_process(process)
    await lab.expect_unchanged(closed, before)
    await lab.expect_history(open_run, "ProcessStarted", "DecisionScheduled")


@check("1.2")
async def bad_requests_change_nothing(lab: Lab) -> None:
    """Signals without a name or with a long one, long reasons and long payloads are refused."""
    process = await lab.start()
    before = await lab.history(process)
    for signal in ("", "x" * 257, None, 7):
        with refused(InvalidRequestError):
            await lab.backend.signal_process(process, signal)  # type: ignore[arg-type]
    with refused(InvalidRequestError):
        await lab.backend.signal_process(process, "s", 7)  # type: ignore[arg-type]
    with refused(InvalidRequestError):
        await lab.backend.terminate_process(process, reason="x" * 257)
    with refused(InvalidRequestError):
        await lab.backend.terminate_process(process, child_policy="TERMINATE")  # type: ignore[arg-type]
    await lab.expect_unchanged(process, before)


@check("8.1", Feature.SMALL_LIMITS)
async def long_payloads_of_requests_are_refused(lab: Lab) -> None:
    """The input of a signal, and the details of a termination, have a limit."""
    process = await lab.start()
    before = await lab.history(process)
    long = "1" * (lab.limits.payload + 1)
    with refused(InvalidRequestError):
        await lab.backend.signal_process(process, "s", long)
    with refused(InvalidRequestError):
        await lab.backend.terminate_process(process, details_json=long)
    await lab.expect_unchanged(process, before)
    await lab.backend.signal_process(process, "s", long[:-1])


@check("7.2")
async def a_request_to_cancel_is_told_to_the_decider(lab: Lab) -> None:
    """It is an event with a decision task; the process stays open, and may end in any way."""
    process = await lab.begin()
    before = await lab.history(process)
    await lab.backend.cancel_process(process)
    requested, _ = await lab.expect_added(process, before, "ProcessCancelRequested", "DecisionScheduled")
    equal(timeless(requested), ProcessCancelRequestedEvent(event_id=len(before) + 1, timestamp=WHEN))
    info = await lab.info(process)
    equal((info.status, info.cancel_requested), (ProcessStatus.OPEN, True), "status, cancel_requested")
    await lab.decide(CompleteProcessDecision())
    equal((await lab.info(process)).status, ProcessStatus.COMPLETED)


@check("7.2", Feature.CANCEL_DETAILS)
async def a_request_to_cancel_may_have_details(lab: Lab) -> None:
    """Details of a request to cancel are kept, up to a limit."""
    process = await lab.start()
    await lab.backend.cancel_process(process, '"why"')
    with refused(InvalidRequestError):
        await lab.backend.cancel_process(process, "1" * (lab.limits.payload + 1))
    equal(one(await lab.history(process), ProcessCancelRequestedEvent).details_json, '"why"', "the details")


@check("7.2", Feature.CHOICES)
async def each_request_to_cancel_is_an_event(lab: Lab) -> None:
    """Asking twice writes two events (12.10)."""
    process = await lab.begin()
    before = await lab.history(process)
    for _ in range(2):
        await lab.backend.cancel_process(ProcessRef(process.process_id))
    await lab.expect_added(process, before, "ProcessCancelRequested", "DecisionScheduled", "ProcessCancelRequested")


@check("7.2")
async def a_request_to_cancel_cancels_nothing_by_itself(lab: Lab) -> None:
    """Open activities and timers go on until the decider does something about them."""
    process = await lab.begin(lab.schedule(), StartTimerDecision(100 * lab.tick, id="t"))
    task = await lab.poll_activity()
    await lab.backend.cancel_process(process)
    equal(await lab.backend.heartbeat_activity_task(task.token), False, "whether the activity is to be canceled")
    counts = (await lab.info(process)).open_counts
    true(counts is not None and (counts.activities, counts.timers) == (1, 1), "activity and timer are open")


@check("7.3")
async def terminating_closes_at_once(lab: Lab) -> None:
    """The run is closed without its decider; everything that was out is dead."""
    process, activity = await lab.begin_activity()
    await lab.backend.signal_process(process, "s")
    decision = await lab.poll_decision()
    before = await lab.history(process)
    await lab.backend.terminate_process(process, reason="enough", details_json="[1]")
    (terminated,) = await lab.expect_added(process, before, "ProcessTerminated")
    expected = ProcessTerminatedEvent(
        event_id=len(before) + 1,
        timestamp=WHEN,
        reason="enough",
        details_json="[1]",
        child_policy=ChildPolicy.TERMINATE,
        cause=Cause.OPERATOR_INITIATED,
    )
    equal(timeless(terminated), expected)
    info = await lab.info(process)
    equal((info.status, info.closed_at), (ProcessStatus.TERMINATED, terminated.timestamp), "status and time")
    with refused(UnknownTaskError):
        await lab.answer(decision)
    with refused(UnknownTaskError):
        await lab.backend.heartbeat_activity_task(activity.token)
    with refused(UnknownTaskError):
        await lab.backend.complete_activity_task(activity.token, ActivityCompleted())
    equal(await lab.closed(process), terminated)


@check("7.3")
async def a_termination_may_override_the_child_policy(lab: Lab) -> None:
    """The event tells the policy of this termination."""
    process = await lab.start()
    await lab.backend.terminate_process(ProcessRef(process.process_id), child_policy=ChildPolicy.ABANDON)
    terminated = one(await lab.history(process), ProcessTerminatedEvent)
    equal(terminated.child_policy, ChildPolicy.ABANDON, "the policy")


@check("7.3")
async def nobody_gets_the_tasks_of_a_terminated_process(lab: Lab) -> None:
    """Tasks that waited when the process was terminated are handed to nobody."""
    doomed = await lab.begin(lab.schedule(), word="doomed")
    await lab.backend.signal_process(doomed, "s")
    await lab.backend.terminate_process(doomed)
    other = await lab.begin(lab.schedule(), word="other")
    equal((await lab.work()).process, other, "the process of the activity task")
    equal((await lab.poll_decision()).process, other, "the process of the decision task")
    await lab.expect_no_activity()
    await lab.expect_no_decision()
