"""Signals and requests to cancel from one process to another (swf-reference 3.10, 3.11)."""

from __future__ import annotations

from ....decision import CancelProcessDecision, RequestCancelProcessDecision, SignalProcessDecision
from ....event import (
    CancelExternalProcessFailedEvent,
    CancelExternalProcessInitiatedEvent,
    Cause,
    ChildProcessCanceledEvent,
    ExternalProcessCancelRequestedEvent,
    ExternalProcessSignaledEvent,
    ProcessCancelRequestedEvent,
    ProcessSignaledEvent,
    SignalProcessFailedEvent,
    SignalProcessInitiatedEvent,
    StartChildProcessInitiatedEvent,
)
from ....types import ProcessRef
from .check import check
from .children import child_list, start_child
from .expect import WHEN, equal, every, kinds, one, timeless
from .lab import Lab


async def _unreachable(lab: Lab) -> list[ProcessRef]:
    """Return processes that nothing can be sent to."""
    closed = await lab.start("closed")
    await lab.backend.terminate_process(closed)
    open_process = await lab.begin(word="open")
    return [
        closed,
        ProcessRef(closed.process_id),
        ProcessRef(lab.name("nobody")),
        ProcessRef(open_process.process_id, "no-such-run"),
    ]


@check("3.10")
async def a_process_signals_another(lab: Lab) -> None:
    """The sender has an event of the intention and one of the delivery; the receiver has the signal and who sent it;
    both get decision tasks.
    """
    receiver = await lab.begin(word="receiver")
    before = await lab.history(receiver)
    sender = await lab.begin(
        SignalProcessDecision(ProcessRef(receiver.process_id), "s", [1], control="c"), word="sender"
    )
    delivered = await lab.told(sender, ExternalProcessSignaledEvent)
    initiated = one(await lab.history(sender), SignalProcessInitiatedEvent)
    expected = SignalProcessInitiatedEvent(
        event_id=5,
        timestamp=WHEN,
        process=ProcessRef(receiver.process_id),
        signal="s",
        input_json="[1]",
        control_json='"c"',
        decision_completed_event_id=4,
    )
    equal(timeless(initiated), expected)
    expected_delivery = ExternalProcessSignaledEvent(event_id=6, timestamp=WHEN, process=receiver, initiated_event_id=5)
    equal(timeless(delivered), expected_delivery)
    signaled = (await lab.history(receiver))[len(before)]
    expected_signal = ProcessSignaledEvent(
        event_id=len(before) + 1,
        timestamp=WHEN,
        signal="s",
        input_json="[1]",
        sender=sender,
        sender_initiated_event_id=5,
    )
    equal(timeless(signaled), expected_signal)
    await lab.expect_scheduled(receiver, 2)


@check("3.10")
async def a_signal_may_name_the_run(lab: Lab) -> None:
    """A signal to a run reaches it if that is the open one."""
    receiver = await lab.begin(word="receiver")
    sender = await lab.begin(SignalProcessDecision(receiver, "s"), word="sender")
    await lab.told(sender, ExternalProcessSignaledEvent)
    events = await lab.history(receiver)
    equal(one(events, ProcessSignaledEvent).input_json, None, "the input")
    initiated = one(await lab.history(sender), SignalProcessInitiatedEvent)
    equal((initiated.process, initiated.control_json), (receiver, None), "receiver and control")


@check("3.10")
async def a_signal_to_nobody_fails(lab: Lab) -> None:
    """A process that is unknown or closed, or another run, is a failure with a decision task."""
    for number, target in enumerate(await _unreachable(lab)):
        sender = await lab.begin(SignalProcessDecision(target, "s", control=number), word=f"sender {number}")
        failed = await lab.told(sender, SignalProcessFailedEvent)
        expected = SignalProcessFailedEvent(
            event_id=6,
            timestamp=WHEN,
            process=target,
            cause=Cause.UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION,
            control_json=str(number),
            initiated_event_id=5,
            decision_completed_event_id=4,
        )
        equal(timeless(failed), expected)


@check("3.10")
async def a_process_may_signal_itself(lab: Lab) -> None:
    """Intention, signal and delivery come in this order."""
    process = await lab.begin(SignalProcessDecision(ProcessRef(lab.name("process")), "s"))
    await lab.told(process, ExternalProcessSignaledEvent)
    wanted = (SignalProcessInitiatedEvent, ProcessSignaledEvent, ExternalProcessSignaledEvent)
    order = [event for event in await lab.history(process) if isinstance(event, wanted)]
    equal(kinds(order), ["SignalProcessInitiated", "ProcessSignaled", "ExternalProcessSignaled"], "the order")


@check("3.11")
async def a_process_asks_another_to_end(lab: Lab) -> None:
    """The sender has an event of the intention and one of the delivery; the receiver has the request and who sent
    it, and stays open.
    """
    receiver = await lab.begin(word="receiver")
    before = await lab.history(receiver)
    sender = await lab.begin(RequestCancelProcessDecision(ProcessRef(receiver.process_id), control="c"), word="sender")
    delivered = await lab.told(sender, ExternalProcessCancelRequestedEvent)
    initiated = one(await lab.history(sender), CancelExternalProcessInitiatedEvent)
    expected = CancelExternalProcessInitiatedEvent(
        event_id=5,
        timestamp=WHEN,
        process=ProcessRef(receiver.process_id),
        control_json='"c"',
        decision_completed_event_id=4,
    )
    equal(timeless(initiated), expected)
    expected_delivery = ExternalProcessCancelRequestedEvent(
        event_id=6, timestamp=WHEN, process=receiver, initiated_event_id=5
    )
    equal(timeless(delivered), expected_delivery)
    requested = (await lab.history(receiver))[len(before)]
    expected_request = ProcessCancelRequestedEvent(
        event_id=len(before) + 1, timestamp=WHEN, sender=sender, sender_initiated_event_id=5
    )
    equal(timeless(requested), expected_request)
    equal((await lab.info(receiver)).cancel_requested, True, "cancel_requested")


@check("3.11")
async def a_request_to_nobody_fails(lab: Lab) -> None:
    """A process that is unknown or closed, or another run, is a failure with a decision task."""
    for number, target in enumerate(await _unreachable(lab)):
        sender = await lab.begin(RequestCancelProcessDecision(target, control=number), word=f"sender {number}")
        failed = await lab.told(sender, CancelExternalProcessFailedEvent)
        expected = CancelExternalProcessFailedEvent(
            event_id=6,
            timestamp=WHEN,
            process=target,
            cause=Cause.UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION,
            control_json=str(number),
            initiated_event_id=5,
            decision_completed_event_id=4,
        )
        equal(timeless(failed), expected)


@check("3.11")
async def a_parent_cancels_its_child(lab: Lab) -> None:
    """The child decides how to end, and the parent is told of that as of any end."""
    parent, child = await start_child(lab)
    initiated = one(await lab.history(parent), StartChildProcessInitiatedEvent)
    await lab.backend.signal_process(parent, "s")
    await lab.decide(RequestCancelProcessDecision(initiated))
    await lab.told(parent, ExternalProcessCancelRequestedEvent)
    task = await lab.poll_decision(child_list(lab))
    equal(one(task.events, ProcessCancelRequestedEvent).sender, parent, "who asks the child to end")
    await lab.answer(task, CancelProcessDecision("bye"))
    closed = await lab.told(parent, ChildProcessCanceledEvent)
    equal((closed.process, closed.details_json), (child, '"bye"'), "the child and its details")


@check("3.10")
async def many_messages_arrive_once_each(lab: Lab) -> None:
    """Signals of one batch arrive in their order, and each is answered."""
    receiver = await lab.begin(word="receiver")
    count = 10
    batch = [SignalProcessDecision(receiver, "s", number) for number in range(count)]
    sender = await lab.begin(*batch, word="sender")
    while len(every(await lab.history(sender), ExternalProcessSignaledEvent)) < count:
        await lab.decide()
    signals = [event.input for event in every(await lab.history(receiver), ProcessSignaledEvent)]
    equal(signals, list(range(count)), "the signals")
