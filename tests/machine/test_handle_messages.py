"""Answers of other processes: swf-reference 3.10 to 3.12."""

from __future__ import annotations

from typing import Any

import pytest

from aioworkflow.decision import (
    CancelProcessDecision,
    CompleteProcessDecision,
    ContinueAsNewDecision,
    FailProcessDecision,
    RequestCancelProcessDecision,
    SignalProcessDecision,
    StartChildProcessDecision,
    StartTimerDecision,
)
from aioworkflow.event import (
    AnyEvent,
    CancelExternalProcessFailedEvent,
    Cause,
    ChildProcessCanceledEvent,
    ChildProcessCompletedEvent,
    ChildProcessFailedEvent,
    ChildProcessStartedEvent,
    ChildProcessTerminatedEvent,
    ChildProcessTimedOutEvent,
    ExternalProcessCancelRequestedEvent,
    ExternalProcessSignaledEvent,
    ProcessCancelRequestedEvent,
    ProcessSignaledEvent,
    SignalProcessFailedEvent,
    StartChildProcessFailedEvent,
)
from aioworkflow.machine.requests import (
    CancelDelivered,
    ChildClosed,
    ChildStarted,
    DeliveryFailed,
    MessageBody,
    SignalDelivered,
    TerminateProcess,
)
from aioworkflow.types import ProcessRef, ProcessStatus, TimeoutType
from tests.machine.world import ORDER, Run, World

CHILD = ProcessRef("c", "c-run")
OTHER = ProcessRef("other", "run")
INITIATED = 5


def parent_of(process_id: str = "c", world: World | None = None) -> Run:
    """Return a run that has initiated a child by event 5 and has nothing else to do."""
    run = (world or World()).start()
    run.decide(StartChildProcessDecision("Order", id=process_id, control="note"))
    run.news()
    return run


def started_parent() -> Run:
    """The same, with the child started by event 6."""
    run = parent_of()
    run.ask(ChildStarted(initiated_event_id=INITIATED, child=CHILD))
    run.decide()
    return run


def closed(status: ProcessStatus, **fields: Any) -> ChildClosed:
    return ChildClosed(initiated_event_id=INITIATED, child=CHILD, status=status, **fields)


# --- children --------------------------------------------------------------------------------------------


def test_the_start_of_a_child_causes_a_decision() -> None:
    run = parent_of()
    outcome = run.ask(ChildStarted(initiated_event_id=INITIATED, child=CHILD))
    assert run.news() == ["ChildProcessStarted", "DecisionScheduled"]
    event = run.only(ChildProcessStartedEvent)
    assert event == ChildProcessStartedEvent(
        event_id=6, timestamp=event.timestamp, process=CHILD, workflow=ORDER, initiated_event_id=INITIATED
    )
    assert outcome.touched == {INITIATED}
    item: Any = run.state.items[INITIATED]
    assert (item.run_id, item.started_event_id) == ("c-run", 6)


CLOSES: list[tuple[ChildClosed, type[AnyEvent], dict[str, Any]]] = [
    (closed(ProcessStatus.COMPLETED, result_json="1"), ChildProcessCompletedEvent, {"result_json": "1"}),
    (
        closed(ProcessStatus.FAILED, reason="why", details_json="2"),
        ChildProcessFailedEvent,
        {"reason": "why", "details_json": "2"},
    ),
    (closed(ProcessStatus.CANCELED, details_json="3"), ChildProcessCanceledEvent, {"details_json": "3"}),
    (closed(ProcessStatus.TIMED_OUT), ChildProcessTimedOutEvent, {"timeout_type": TimeoutType.START_TO_CLOSE}),
    (closed(ProcessStatus.TERMINATED), ChildProcessTerminatedEvent, {}),
]


@pytest.mark.parametrize(("message", "kind", "fields"), CLOSES)
def test_the_end_of_a_child_is_told(message: ChildClosed, kind: Any, fields: dict[str, Any]) -> None:
    run = started_parent()
    outcome = run.ask(message)
    assert run.news() == [kind.__name__.removesuffix("Event"), "DecisionScheduled"]
    event = run.only(kind)
    assert event == kind(
        event_id=event.event_id,
        timestamp=event.timestamp,
        process=CHILD,
        workflow=ORDER,
        initiated_event_id=INITIATED,
        started_event_id=6,
        **fields,
    )
    assert outcome.touched == {INITIATED}
    assert run.state.items == {}


@pytest.mark.parametrize(("message", "kind", "fields"), CLOSES)
def test_an_end_that_overtakes_the_start_brings_it_along(
    message: ChildClosed, kind: type[AnyEvent], fields: dict[str, Any]
) -> None:
    run = parent_of()
    run.ask(message)
    assert run.news() == ["ChildProcessStarted", "DecisionScheduled", kind.__name__.removesuffix("Event")]
    assert run.last.started_event_id == run.only(ChildProcessStartedEvent).event_id
    assert run.ask(ChildStarted(initiated_event_id=INITIATED, child=CHILD)).events == []


def test_a_child_of_an_id_that_runs_is_refused_after_being_initiated() -> None:
    world = World()
    world.start("c")
    run = parent_of(world=world)
    world.deliver_all()
    assert run.news() == ["StartChildProcessFailed", "DecisionScheduled"]
    event = run.only(StartChildProcessFailedEvent)
    assert event == StartChildProcessFailedEvent(
        event_id=6,
        timestamp=event.timestamp,
        process_id="c",
        workflow=ORDER,
        cause=Cause.WORKFLOW_ALREADY_RUNNING,
        control_json='"note"',
        initiated_event_id=INITIATED,
        decision_completed_event_id=4,
    )
    assert run.state.items == {}


def test_two_children_of_one_id_and_one_is_refused() -> None:
    world = World()
    run = world.start()
    run.decide(StartChildProcessDecision("Order", id="c"), StartChildProcessDecision("Order", id="c"))
    assert run.state.children == {5, 6}
    world.deliver_all()
    assert run.state.children == {5}
    assert run.only(StartChildProcessFailedEvent).initiated_event_id == 6


@pytest.mark.parametrize(
    ("decision", "kind"),
    [
        (CompleteProcessDecision(1), ChildProcessCompletedEvent),
        (FailProcessDecision("r", 2), ChildProcessFailedEvent),
        (CancelProcessDecision(3), ChildProcessCanceledEvent),
    ],
)
def test_a_whole_childhood(decision: Any, kind: type[AnyEvent]) -> None:
    world = World()
    parent = parent_of(world=world)
    world.deliver_all()
    child = world.run("c")
    assert child.history[0].parent == parent.ref
    assert child.history[0].parent_initiated_event_id == INITIATED
    child.decide(decision)
    world.deliver_all()
    assert parent.only(kind).process == child.ref
    assert parent.state.items == {}


def test_the_end_names_the_last_run_of_a_child_that_continued_as_new() -> None:
    world = World()
    parent = parent_of(world=world)
    world.deliver_all()
    first = world.run("c")
    first.decide(ContinueAsNewDecision())
    world.deliver_all()
    assert parent.state.children == {INITIATED}
    last = world.run("c")
    last.decide(CompleteProcessDecision())
    world.deliver_all()
    assert parent.only(ChildProcessStartedEvent).process == first.ref
    assert parent.only(ChildProcessCompletedEvent).process == last.ref != first.ref


# --- signals and requests to cancel ----------------------------------------------------------------------


def sender(decision: Any, world: World | None = None) -> Run:
    """Return a run that has sent something by event 5."""
    run = (world or World()).start("sender")
    run.decide(decision)
    run.news()
    return run


SENT = [
    (
        SignalProcessDecision("other", "s", control=1),
        SignalDelivered(initiated_event_id=INITIATED, process=OTHER),
        ExternalProcessSignaledEvent,
        SignalProcessFailedEvent,
    ),
    (
        RequestCancelProcessDecision("other", control=1),
        CancelDelivered(initiated_event_id=INITIATED, process=OTHER),
        ExternalProcessCancelRequestedEvent,
        CancelExternalProcessFailedEvent,
    ),
]


@pytest.mark.parametrize(("decision", "delivered", "kind", "failed"), SENT)
def test_a_delivery_is_told(decision: Any, delivered: MessageBody, kind: Any, failed: Any) -> None:
    run = sender(decision)
    outcome = run.ask(delivered)
    assert run.news() == [kind.__name__.removesuffix("Event"), "DecisionScheduled"]
    event = run.only(kind)
    assert event == kind(event_id=6, timestamp=event.timestamp, process=OTHER, initiated_event_id=INITIATED)
    assert outcome.touched == {INITIATED}
    assert run.state.items == {}


@pytest.mark.parametrize(("decision", "delivered", "kind", "failed"), SENT)
def test_a_failed_delivery_is_told(decision: Any, delivered: MessageBody, kind: Any, failed: Any) -> None:
    run = sender(decision)
    cause = Cause.UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION
    outcome = run.ask(DeliveryFailed(initiated_event_id=INITIATED, cause=cause))
    assert run.news() == [failed.__name__.removesuffix("Event"), "DecisionScheduled"]
    event = run.only(failed)
    assert event == failed(
        event_id=6,
        timestamp=event.timestamp,
        process=ProcessRef("other"),
        cause=cause,
        control_json="1",
        initiated_event_id=INITIATED,
        decision_completed_event_id=4,
    )
    assert outcome.touched == {INITIATED}
    assert run.state.items == {}


@pytest.mark.parametrize(("decision", "delivered", "kind", "failed"), SENT)
@pytest.mark.parametrize("target", ["absent", "closed", "open"])
def test_a_whole_delivery(decision: Any, delivered: MessageBody, kind: Any, failed: Any, target: str) -> None:
    world = World()
    if target != "absent":
        other = world.start("other")
        if target == "closed":
            other.ask(TerminateProcess())
    run = sender(decision, world)
    world.deliver_all()
    assert isinstance(run.history[5], kind if target == "open" else failed)


def test_a_signal_to_oneself() -> None:
    """3.10: Initiated, ProcessSignaled, ExternalProcessSignaled."""
    world = World()
    run = world.start()
    run.decide(SignalProcessDecision("p", "s", 1))
    world.deliver_all()
    assert run.news() == [
        "SignalProcessInitiated",
        "ProcessSignaled",
        "DecisionScheduled",
        "ExternalProcessSignaled",
    ]
    event = run.only(ProcessSignaledEvent)
    assert (event.sender, event.sender_initiated_event_id, event.input_json) == (run.ref, 5, "1")


def test_a_request_to_cancel_oneself() -> None:
    world = World()
    run = world.start()
    run.decide(RequestCancelProcessDecision("p"))
    world.deliver_all()
    assert run.only(ProcessCancelRequestedEvent).sender == run.ref
    assert run.only(ExternalProcessCancelRequestedEvent).process == run.ref


# --- answers that fit nothing change nothing -------------------------------------------------------------

ANSWERS: list[MessageBody] = [
    ChildStarted(initiated_event_id=INITIATED, child=CHILD),
    closed(ProcessStatus.COMPLETED),
    SignalDelivered(initiated_event_id=INITIATED, process=OTHER),
    CancelDelivered(initiated_event_id=INITIATED, process=OTHER),
    DeliveryFailed(initiated_event_id=INITIATED, cause=Cause.WORKFLOW_ALREADY_RUNNING),
]
CHILD_STARTED, CHILD_CLOSED, SIGNALED, CANCELED, FAILED = ANSWERS


@pytest.mark.parametrize(
    ("decision", "answers"),
    [
        (StartChildProcessDecision("Order", id="c"), [SIGNALED, CANCELED]),
        (SignalProcessDecision("other", "s"), [CHILD_STARTED, CHILD_CLOSED, CANCELED]),
        (RequestCancelProcessDecision("other"), [CHILD_STARTED, CHILD_CLOSED, SIGNALED]),
        (StartTimerDecision(9, id="t"), ANSWERS),
    ],
)
def test_an_answer_that_does_not_fit(decision: Any, answers: list[MessageBody]) -> None:
    run = sender(decision)
    for answer in answers:
        outcome = run.ask(answer)
        assert (outcome.events, outcome.messages, outcome.touched) == ([], [], set())


@pytest.mark.parametrize(
    ("decision", "answer"),
    [
        (StartChildProcessDecision("Order", id="c"), CHILD_CLOSED),
        (StartChildProcessDecision("Order", id="c"), FAILED),
        (SignalProcessDecision("other", "s"), SIGNALED),
        (SignalProcessDecision("other", "s"), FAILED),
        (RequestCancelProcessDecision("other"), CANCELED),
        (RequestCancelProcessDecision("other"), FAILED),
    ],
)
def test_a_second_answer(decision: Any, answer: MessageBody) -> None:
    run = sender(decision)
    run.ask(answer)
    for again in ANSWERS:
        assert run.ask(again).events == []


def test_a_second_start_of_a_child_and_a_refusal_after_it() -> None:
    run = started_parent()
    assert run.ask(CHILD_STARTED).events == []
    assert run.ask(FAILED).events == []
    assert run.state.children == {INITIATED}
