"""Signals, requests to cancel, termination of an open run: swf-reference 7.2 to 7.5, 3.10, 3.11."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from aioworkflow.decision import (
    ContinueAsNewDecision,
    ScheduleActivityDecision,
    StartChildProcessDecision,
    StartTimerDecision,
)
from aioworkflow.errors import InvalidRequestError, PayloadTooLargeError
from aioworkflow.event import (
    AnyEvent,
    Cause,
    ProcessCancelRequestedEvent,
    ProcessSignaledEvent,
    ProcessTerminatedEvent,
)
from aioworkflow.machine.requests import (
    CancelDelivered,
    CancelProcess,
    ChildClosed,
    SignalDelivered,
    SignalProcess,
    StartActivityTask,
    StartDecisionTask,
    TerminateProcess,
)
from aioworkflow.result import ActivityAborted, ActivityFailed
from aioworkflow.types import ChildPolicy, ProcessRef, ProcessStatus
from tests.machine.world import NOW, Run, World, forced, limited, refused

SENDER = ProcessRef("sender", "run")
POLICY = Cause.CHILD_POLICY_APPLIED


def idle_run(world: World | None = None, **fields: Any) -> Run:
    run = (world or World()).start(**fields)
    run.decide()
    run.world.outbox.clear()
    return run


# --- signals ---------------------------------------------------------------------------------------------


def test_a_signal_is_added_and_causes_a_decision() -> None:
    run = idle_run()
    outcome = run.ask(SignalProcess(signal="s", input_json="1"))
    assert run.news() == ["ProcessSignaled", "DecisionScheduled"]
    event = run.only(ProcessSignaledEvent)
    assert event == ProcessSignaledEvent(event_id=5, timestamp=event.timestamp, signal="s", input_json="1")
    assert outcome.messages == []
    assert outcome.reply is None


def test_signals_keep_their_order_and_are_never_merged() -> None:
    run = idle_run()
    for text in ("1", "1", "2"):
        run.ask(SignalProcess(signal="s", input_json=text))
    assert [event.input_json for event in run.history if isinstance(event, ProcessSignaledEvent)] == ["1", "1", "2"]


def test_a_signal_of_another_process_is_answered() -> None:
    run = idle_run()
    outcome = run.ask(SignalProcess(signal="s", sender=SENDER, sender_initiated_event_id=7))
    event = run.only(ProcessSignaledEvent)
    assert (event.sender, event.sender_initiated_event_id) == (SENDER, 7)
    (message,) = outcome.messages
    assert (message.to, message.sent_at) == (SENDER, NOW)
    assert message.body == SignalDelivered(initiated_event_id=7, process=run.ref)


@pytest.mark.parametrize(
    ("request_", "error", "match"),
    [
        (SignalProcess(signal=""), InvalidRequestError, "signal"),
        (SignalProcess(signal="x" * 257), InvalidRequestError, "signal"),
        (SignalProcess(signal="s", input_json="x" * 11), PayloadTooLargeError, "input has 11"),
        (SignalProcess(signal="s", input_json='"\ud800"'), InvalidRequestError, "Unicode"),
        (CancelProcess(details_json="x" * 11), PayloadTooLargeError, "details has 11"),
        (TerminateProcess(details_json="x" * 11), PayloadTooLargeError, "details has 11"),
        (TerminateProcess(reason="x" * 257), InvalidRequestError, "reason"),
        (TerminateProcess(child_policy="TERMINATE"), InvalidRequestError, "child_policy"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_request_of_a_client_is_refused(request_: Any, error: type[InvalidRequestError], match: str) -> None:
    run = idle_run(World(limited(payload=10)))
    refused(error, run, request_, match=match)


@pytest.mark.parametrize(
    "request_",
    [
        SignalProcess(signal="s", input_json="x" * 11, sender=SENDER),
        CancelProcess(details_json="x" * 11, sender=SENDER),
    ],
)
def test_a_message_was_checked_when_it_was_sent(request_: Any) -> None:
    """Limits may have become smaller since, and a message that is refused for ever would never leave the outbox."""
    run = idle_run(World(limited(payload=10)))
    assert len(run.ask(request_).messages) == 1


# --- requests to cancel ----------------------------------------------------------------------------------


def test_a_request_to_cancel_only_asks() -> None:
    run = World().start()
    run.decide(ScheduleActivityDecision("Work", id="a"), StartTimerDecision(9, id="t"))
    run.news()
    run.ask(CancelProcess(details_json='"please"'))
    assert run.news() == ["ProcessCancelRequested", "DecisionScheduled"]
    event = run.only(ProcessCancelRequestedEvent)
    assert event == ProcessCancelRequestedEvent(
        event_id=event.event_id, timestamp=event.timestamp, details_json='"please"'
    )
    assert run.head.cancel_requested
    assert run.head.status is ProcessStatus.OPEN
    assert len(run.state.items) == 2


def test_a_request_of_another_process_is_answered() -> None:
    run = idle_run()
    outcome = run.ask(CancelProcess(sender=SENDER, sender_initiated_event_id=7))
    event = run.only(ProcessCancelRequestedEvent)
    assert (event.sender, event.sender_initiated_event_id, event.cause) == (SENDER, 7, None)
    (message,) = outcome.messages
    assert message.to == SENDER
    assert message.body == CancelDelivered(initiated_event_id=7, process=run.ref)


def test_the_policy_of_the_parent_asks_and_wants_no_answer() -> None:
    run = idle_run(parent=SENDER, parent_initiated_event_id=7)
    outcome = run.ask(CancelProcess(sender=SENDER, sender_initiated_event_id=7, cause=POLICY))
    event = run.only(ProcessCancelRequestedEvent)
    assert (event.sender, event.sender_initiated_event_id, event.cause) == (None, 0, POLICY)
    assert outcome.messages == []
    assert run.head.cancel_requested


# --- termination -----------------------------------------------------------------------------------------


def test_termination_closes_at_once() -> None:
    run = World().start(parent=SENDER, parent_initiated_event_id=7)
    run.world.outbox.clear()
    run.decide(ScheduleActivityDecision("Work", id="a"))
    run.news()
    outcome = run.ask(TerminateProcess(reason="why", details_json="1"))
    assert run.news() == ["ProcessTerminated"]
    assert run.last == ProcessTerminatedEvent(
        event_id=6,
        timestamp=run.last.timestamp,
        reason="why",
        details_json="1",
        child_policy=ChildPolicy.TERMINATE,
        cause=Cause.OPERATOR_INITIATED,
    )
    assert run.head.status is ProcessStatus.TERMINATED
    assert outcome.touched == {5}
    (message,) = outcome.messages
    assert message.to == SENDER
    assert message.body == ChildClosed(initiated_event_id=7, child=run.ref, status=ProcessStatus.TERMINATED), (
        "the parent learns neither reason nor details (3.12)"
    )


def test_termination_may_bring_its_own_child_policy() -> None:
    run = idle_run()
    run.ask(TerminateProcess(child_policy=ChildPolicy.ABANDON))
    assert run.last.child_policy is ChildPolicy.ABANDON


@pytest.mark.parametrize("policy", ChildPolicy)
def test_the_child_policy_reaches_the_children_that_have_started(policy: ChildPolicy) -> None:
    world = World()
    parent = world.start(child_policy=policy)
    parent.decide(StartChildProcessDecision("Order", id="c"), StartChildProcessDecision("Order", id="late"))
    world.deliver(0)  # the start of c
    world.deliver(1)  # its ChildStarted; the start of "late" stays on its way
    outcome = parent.ask(TerminateProcess())
    bodies = [(message.to, message.body) for message in outcome.messages]
    sender: dict[str, Any] = {"cause": POLICY, "sender": parent.ref, "sender_initiated_event_id": 5}
    assert (
        bodies
        == {
            ChildPolicy.TERMINATE: [(ProcessRef("c"), TerminateProcess(**sender))],
            ChildPolicy.REQUEST_CANCEL: [(ProcessRef("c"), CancelProcess(**sender))],
            ChildPolicy.ABANDON: [],
        }[policy]
    )
    world.deliver_all()
    reached = {
        ChildPolicy.TERMINATE: ProcessTerminatedEvent,
        ChildPolicy.REQUEST_CANCEL: ProcessCancelRequestedEvent,
    }
    for child in ("c", "late"):
        found = [event for event in world.run(child).history if getattr(event, "cause", None) is POLICY]
        assert [type(event) for event in found] == ([reached[policy]] if policy in reached else [])


def test_the_policy_of_the_parent_terminates_by_the_childs_own_policy() -> None:
    run = idle_run(parent=SENDER, parent_initiated_event_id=7, child_policy=ChildPolicy.ABANDON)
    run.ask(TerminateProcess(cause=POLICY, sender=SENDER, sender_initiated_event_id=7))
    assert (run.last.cause, run.last.child_policy) == (POLICY, ChildPolicy.ABANDON)


@pytest.mark.parametrize("kind", [TerminateProcess, CancelProcess])
@pytest.mark.parametrize(
    ("sender", "initiated"), [(ProcessRef("sender", "other"), 7), (SENDER, 8)], ids=["other parent", "other child"]
)
def test_the_policy_spares_who_has_come_to_the_same_id_since(kind: Any, sender: ProcessRef, initiated: int) -> None:
    run = idle_run(parent=SENDER, parent_initiated_event_id=7)
    outcome = run.ask(kind(cause=POLICY, sender=sender, sender_initiated_event_id=initiated))
    assert outcome.events == []
    assert outcome.messages == []


def test_the_policy_follows_a_child_that_continued_as_new() -> None:
    world = World()
    parent = world.start()
    parent.decide(StartChildProcessDecision("Order", id="c"))
    world.deliver_all()
    world.run("c").decide(ContinueAsNewDecision())
    parent.ask(TerminateProcess())
    world.deliver_all()
    assert isinstance(world.run("c").last, ProcessTerminatedEvent)
    assert len(world.run("c").history) == 3, "it is the second run"


# --- what is kept can be stored --------------------------------------------------------------------------


class Text(str):
    __slots__ = ()


def test_texts_are_kept_as_plain_ones() -> None:
    """A store refuses a subclass of str, and one refused value holds up everybody."""
    run = World().start()
    run.ask(SignalProcess(signal=Text("s")))
    run.ask(StartDecisionTask(scheduled_event_id=2, identity=Text("me")))
    run.answer(ScheduleActivityDecision("Work", id="a"), ScheduleActivityDecision("Work", id="b"))
    for activity_id, result in (("a", ActivityAborted()), ("b", ActivityFailed())):
        run.ask(StartActivityTask(scheduled_event_id=run.activity(activity_id).event_id, identity=Text("me")))
        run.finish_activity(activity_id, forced(result, reason=Text("why")))
    run.ask(TerminateProcess(reason=Text("why")))
    assert run.only(ProcessTerminatedEvent).reason == "why"
    assert run.only(ProcessSignaledEvent).signal == "s"
    assert msgspec.json.decode(msgspec.json.encode(run.history), type=list[AnyEvent]) == run.history
