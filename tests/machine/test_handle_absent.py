"""What is asked of closed runs and of none: swf-reference 2.2, 2.3, 3.10, 7.4."""

from __future__ import annotations

from typing import Any

import pytest

from aioworkflow.decision import (
    CompleteProcessDecision,
    ContinueAsNewDecision,
    ScheduleActivityDecision,
    StartChildProcessDecision,
)
from aioworkflow.errors import UnknownProcessError, UnknownTaskError
from aioworkflow.event import Cause
from aioworkflow.machine.requests import (
    CancelDelivered,
    CancelProcess,
    ChildClosed,
    ChildStarted,
    CompleteActivityTask,
    CompleteDecisionTask,
    DeliveryFailed,
    FireDeadlines,
    HandOffActivityTask,
    HeartbeatActivityTask,
    ReleaseTasks,
    Request,
    SignalDelivered,
    SignalProcess,
    StartActivityTask,
    StartDecisionTask,
    TerminateProcess,
)
from aioworkflow.result import ActivityCompleted
from aioworkflow.types import ChildPolicy, ProcessRef, ProcessStatus
from tests.machine.world import NOW, Run, World, refused

SENDER = ProcessRef("sender", "run")
CHILD = ProcessRef("c", "run")
POLICY = Cause.CHILD_POLICY_APPLIED


def nobody() -> Run:
    return Run(World(), ProcessRef("nobody"))


def completed() -> Run:
    run = World().start()
    run.decide(ScheduleActivityDecision("Work", id="a"))
    run.take_activity("a")
    run.ask(SignalProcess(signal="s"))
    run.decide(CompleteProcessDecision())
    return run


places = pytest.mark.parametrize("place", [nobody, completed])


@places
@pytest.mark.parametrize("request_", [SignalProcess(signal="s"), CancelProcess(), TerminateProcess()])
def test_a_client_is_refused(place: Any, request_: Request) -> None:
    run = place()
    text = refused(UnknownProcessError, run, request_)
    assert "does not exist" in text or ("'p'" in text and "is closed (COMPLETED)" in text)


@places
@pytest.mark.parametrize(
    "request_",
    [
        StartDecisionTask(scheduled_event_id=5),
        CompleteDecisionTask(scheduled_event_id=5, started_event_id=6),
        StartActivityTask(scheduled_event_id=5),
        HeartbeatActivityTask(scheduled_event_id=5, started_event_id=6),
        HandOffActivityTask(scheduled_event_id=5, started_event_id=6),
        CompleteActivityTask(scheduled_event_id=5, started_event_id=6, result=ActivityCompleted()),
    ],
)
def test_a_worker_is_refused_and_told_to_stop(place: Any, request_: Request) -> None:
    """7.1: after its run closed, a heartbeat is refused; it does not answer "cancel requested"."""
    text = refused(UnknownTaskError, place(), request_)
    assert "task 5" in text
    assert "stop working on it" in text


@places
@pytest.mark.parametrize(
    "request_",
    [
        SignalProcess(signal="s", sender=SENDER, sender_initiated_event_id=7),
        CancelProcess(sender=SENDER, sender_initiated_event_id=7),
    ],
)
def test_another_process_gets_an_answer(place: Any, request_: Request) -> None:
    run = place()
    outcome = run.ask(request_)
    assert outcome.events == []
    (message,) = outcome.messages
    assert (message.to, message.sent_at) == (SENDER, NOW)
    assert message.body == DeliveryFailed(initiated_event_id=7, cause=Cause.UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION)
    assert outcome.state is run.world.state(run.ref)


@places
@pytest.mark.parametrize(
    "request_",
    [
        CancelProcess(sender=SENDER, sender_initiated_event_id=7, cause=POLICY),
        TerminateProcess(sender=SENDER, sender_initiated_event_id=7, cause=POLICY),
        ChildStarted(initiated_event_id=5, child=CHILD),
        ChildClosed(initiated_event_id=5, child=CHILD, status=ProcessStatus.COMPLETED),
        SignalDelivered(initiated_event_id=5, process=CHILD),
        CancelDelivered(initiated_event_id=5, process=CHILD),
        DeliveryFailed(initiated_event_id=5, cause=Cause.WORKFLOW_ALREADY_RUNNING),
        FireDeadlines(),
        ReleaseTasks(session="s"),
    ],
)
def test_what_nobody_waits_for_leaves_no_trace(place: Any, request_: Request) -> None:
    run = place()
    outcome = run.ask(request_)
    assert (outcome.events, outcome.messages, outcome.touched) == ([], [], set())
    assert outcome.state is run.world.state(run.ref)


@pytest.mark.parametrize(
    ("policy", "body"),
    [
        (ChildPolicy.TERMINATE, TerminateProcess),
        (ChildPolicy.REQUEST_CANCEL, CancelProcess),
        (ChildPolicy.ABANDON, None),
    ],
)
@pytest.mark.parametrize("override", [True, False])
@pytest.mark.parametrize("end", ["terminated", "timed out"])
def test_a_child_that_tells_its_start_too_late_gets_the_policy(
    policy: ChildPolicy, body: Any, override: bool, end: str
) -> None:
    """7.4: a parent that was closed by force leaves no child behind that was just being started."""
    own = ChildPolicy.ABANDON if policy is not ChildPolicy.ABANDON else ChildPolicy.TERMINATE
    override = override and end == "terminated"
    run = World().start(child_policy=own if override else policy, execution_timeout=10.0)
    run.decide(StartChildProcessDecision("Order", id="c"))
    if end == "terminated":
        run.ask(TerminateProcess(child_policy=policy if override else None))
    else:
        run.pass_time(10)
    outcome = run.ask(ChildStarted(initiated_event_id=5, child=CHILD))
    assert outcome.events == []
    if body is None:
        assert outcome.messages == []
        return
    (message,) = outcome.messages
    assert message.to == ProcessRef("c"), "whichever run it is in by now"
    assert message.body == body(cause=POLICY, sender=run.ref, sender_initiated_event_id=5)


@pytest.mark.parametrize("policy", [ChildPolicy.TERMINATE, ChildPolicy.REQUEST_CANCEL])
def test_the_policy_finds_a_child_that_has_continued_as_new_before_its_start_was_told(policy: ChildPolicy) -> None:
    world = World()
    parent = world.start(child_policy=policy)
    parent.decide(StartChildProcessDecision("Order", id="c"))
    world.deliver()
    parent.ask(TerminateProcess())
    first = world.run("c")
    first.decide(ContinueAsNewDecision())
    world.deliver_all()
    child = world.run("c")
    assert child.ref != first.ref
    assert child.head.cancel_requested == (policy is ChildPolicy.REQUEST_CANCEL)
    assert (child.head.status is ProcessStatus.TERMINATED) == (policy is ChildPolicy.TERMINATE)


def test_the_policy_spares_a_stranger_that_has_come_to_the_process_id_of_the_child() -> None:
    world = World()
    parent = world.start()
    parent.decide(StartChildProcessDecision("Order", id="c"))
    world.deliver()
    parent.ask(TerminateProcess())
    world.run("c").decide(CompleteProcessDecision())
    stranger = world.start("c")
    world.deliver_all()
    assert stranger.head.status is ProcessStatus.OPEN
