"""Messages survive the outbox."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from aioworkflow.event import Cause
from aioworkflow.machine.requests import (
    CancelDelivered,
    CancelProcess,
    ChildClosed,
    ChildStarted,
    DeliveryFailed,
    Message,
    MessageBody,
    Request,
    SignalDelivered,
    SignalProcess,
    StartProcess,
    TerminateProcess,
)
from aioworkflow.types import ChildPolicy, ProcessRef, ProcessStatus
from tests.machine.world import start_request

P, Q = ProcessRef("p", "r"), ProcessRef("q")

BODIES: list[MessageBody] = [
    start_request(tags=("t",), parent=Q, parent_initiated_event_id=5),
    SignalProcess(signal="s", input_json='"ä"', sender=P, sender_initiated_event_id=5),
    CancelProcess(details_json="1", cause=Cause.CHILD_POLICY_APPLIED, sender=P, sender_initiated_event_id=5),
    TerminateProcess(reason="r", child_policy=ChildPolicy.ABANDON, sender=P, sender_initiated_event_id=5),
    ChildStarted(initiated_event_id=5, child=P),
    ChildClosed(initiated_event_id=5, child=P, status=ProcessStatus.FAILED, reason="r", details_json="1"),
    SignalDelivered(initiated_event_id=5, process=P),
    CancelDelivered(initiated_event_id=5, process=P),
    DeliveryFailed(initiated_event_id=5, cause=Cause.WORKFLOW_ALREADY_RUNNING),
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_a_message_survives_being_stored(body: MessageBody) -> None:
    message = Message(id="m", to=Q, sent_at=1.5, body=body)
    assert msgspec.json.decode(msgspec.json.encode(message), type=Message) == message


def test_every_kind_of_message_is_among_them_and_is_a_request() -> None:
    assert {type(body) for body in BODIES} == set(get_args(MessageBody)) <= set(get_args(Request))


def test_a_start_names_its_run() -> None:
    assert start_request("p", "r").ref == P
    assert isinstance(BODIES[0], StartProcess)
