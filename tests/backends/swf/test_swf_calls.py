"""Calls are made again where that helps and does no harm."""

from __future__ import annotations

import pytest
from botocore.exceptions import ReadTimeoutError

from aioworkflow.backends.swf import SWFOptions
from aioworkflow.backends.swf.calls import Calls, DoubtfulError, Repeat
from aioworkflow.backends.swf.throttle import Quota, Throttle
from aioworkflow.errors import (
    BackendClosedError,
    BackendUnavailableError,
    InvalidRequestError,
    ThrottledError,
    UnknownProcessError,
    UnknownTaskError,
)
from tests.backends.swf.scripted_swf import ManualTime, ScriptedTransport, calls_on, fault, lost, read_timeout, refused

HISTORY, ANSWER, START = "GetWorkflowExecutionHistory", "RespondActivityTaskCompleted", "StartWorkflowExecution"
HEARTBEAT = "RecordActivityTaskHeartbeat"


@pytest.fixture
def transport() -> ScriptedTransport:
    return ScriptedTransport()


@pytest.fixture
def time() -> ManualTime:
    return ManualTime()


async def test_a_call_returns_the_body_of_its_reply(transport: ScriptedTransport) -> None:
    transport.script(HISTORY, b'{"events":[]}')
    assert await calls_on(transport)(HISTORY, {"domain": "d"}, "x") == b'{"events":[]}'
    assert transport.sent == [(HISTORY, {"domain": "d"})]


async def test_passing_faults_are_tried_again_with_pauses_that_double(
    transport: ScriptedTransport, time: ManualTime
) -> None:
    transport.script(HISTORY, lost(), refused(), fault("InternalFailure", status=500), b"{}")
    assert await calls_on(transport, time=time)(HISTORY, {}, "x") == b"{}"
    assert time.naps == [0.1, 0.2, 0.4]


async def test_a_call_without_a_reply_is_tried_again_too(transport: ScriptedTransport, time: ManualTime) -> None:
    options = SWFOptions()

    def silence(_: object) -> ReadTimeoutError:
        time.elapsed += options.read_timeout
        return read_timeout()

    transport.script(HISTORY, silence, b"{}")
    assert await calls_on(transport, time=time, retry_seconds=options.retry_seconds)(HISTORY, {}, "x") == b"{}"


async def test_pauses_are_longer_after_throttling(transport: ScriptedTransport, time: ManualTime) -> None:
    transport.script(HISTORY, *[fault("ThrottlingException", "Rate exceeded") for _ in range(5)], b"{}")
    await calls_on(transport, time=time, retry_seconds=100.0)(HISTORY, {}, "x")
    assert time.naps == [0.5, 1.0, 2.0, 4.0, 5.0]


async def test_after_the_deadline_the_fault_comes_out(transport: ScriptedTransport, time: ManualTime) -> None:
    transport.script(HISTORY, *[lost() for _ in range(99)])
    with pytest.raises(BackendUnavailableError, match=r"GetWorkflowExecutionHistory \(process 7\)") as caught:
        await calls_on(transport, time=time, retry_seconds=2.0)(HISTORY, {}, "process 7")
    assert time.elapsed <= 2.0
    assert len(transport.sent) == 5
    assert type(caught.value.__cause__) is type(lost())


async def test_the_end_of_the_task_is_a_deadline_too(transport: ScriptedTransport, time: ManualTime) -> None:
    transport.script(ANSWER, *[lost() for _ in range(99)])
    with pytest.raises(BackendUnavailableError):
        await calls_on(transport, time=time)(ANSWER, {}, "x", until=time.now() + 0.15)
    assert time.naps == [0.1]


async def test_other_faults_come_out_at_once(transport: ScriptedTransport, time: ManualTime) -> None:
    transport.script(HISTORY, fault("ValidationException"))
    with pytest.raises(InvalidRequestError):
        await calls_on(transport, time=time)(HISTORY, {}, "x")
    assert time.naps == []


async def test_polls_are_not_repeated(transport: ScriptedTransport) -> None:
    transport.script("PollForActivityTask", lost())
    with pytest.raises(BackendUnavailableError):
        await calls_on(transport)("PollForActivityTask", {}, "x", repeat=Repeat.NEVER)
    assert len(transport.sent) == 1


@pytest.mark.parametrize("call", [ANSWER, "RespondActivityTaskFailed", "TerminateWorkflowExecution"])
async def test_an_answer_whose_reply_was_lost_and_that_is_then_late_was_the_answer(
    transport: ScriptedTransport, call: str
) -> None:
    transport.script(call, lost(), fault("UnknownResourceFault"))
    assert await calls_on(transport)(call, {}, "x") == b""


async def test_an_answer_that_is_late_for_sure_is_an_error(transport: ScriptedTransport) -> None:
    transport.script(ANSWER, refused(), fault("UnknownResourceFault"))
    with pytest.raises(UnknownTaskError):
        await calls_on(transport)(ANSWER, {}, "x")


async def test_nobody_takes_decisions_for_made_that_may_have_come_too_late(transport: ScriptedTransport) -> None:
    transport.script("RespondDecisionTaskCompleted", lost(), fault("UnknownResourceFault"))
    with pytest.raises(UnknownTaskError):  # else the worker would keep a process that waits for what was never decided
        await calls_on(transport)("RespondDecisionTaskCompleted", {}, "x")


async def test_a_signal_that_may_have_come_too_late_is_an_error(transport: ScriptedTransport) -> None:
    transport.script("SignalWorkflowExecution", lost(), fault("UnknownResourceFault"))
    with pytest.raises(UnknownProcessError):
        await calls_on(transport)("SignalWorkflowExecution", {}, "x")


async def test_a_start_is_repeated_only_if_it_was_not_carried_out_for_sure(transport: ScriptedTransport) -> None:
    transport.script(START, refused(), fault("ThrottlingException"), lost())
    with pytest.raises(DoubtfulError):
        await calls_on(transport)(START, {}, "x", repeat=Repeat.UNDOUBTED)
    assert len(transport.sent) == 3


async def test_throttling_slows_all_calls_of_its_kind_down(transport: ScriptedTransport, time: ManualTime) -> None:
    calls = Calls(transport, Throttle(1.0, {START: Quota(100, 1)}, time), time, retry_seconds=10.0)
    calls.closed = False
    transport.script(START, fault("ThrottlingException"))
    await calls(START, {}, "x")
    assert time.naps == [0.5, 0.5]  # the pause, and what the empty bucket still needs


async def test_a_call_that_has_no_turn_before_its_deadline_is_not_made(
    transport: ScriptedTransport, time: ManualTime
) -> None:
    calls = Calls(transport, Throttle(1.0, {HEARTBEAT: Quota(1, 0.05)}, time), time, retry_seconds=10.0)
    calls.closed = False
    await calls(HEARTBEAT, {}, "x", repeat=Repeat.NEVER)
    with pytest.raises(ThrottledError):
        await calls(HEARTBEAT, {}, "x", repeat=Repeat.NEVER)
    assert len(transport.sent) == 1


async def test_a_poll_waits_for_its_turn_however_long(transport: ScriptedTransport, time: ManualTime) -> None:
    poll = "PollForActivityTask"
    calls = Calls(transport, Throttle(1.0, {poll: Quota(1, 0.05)}, time), time, retry_seconds=10.0)
    calls.closed = False
    for _ in range(2):
        await calls(poll, {}, "x", repeat=Repeat.NEVER)
    assert time.naps == [20.0]


async def test_the_pages_of_a_task_do_not_wait_behind_polls(transport: ScriptedTransport, time: ManualTime) -> None:
    poll = "PollForDecisionTask"
    calls = Calls(transport, Throttle(1.0, {poll: Quota(1, 0.05)}, time), time, retry_seconds=10.0)
    calls.closed = False
    await calls(poll, {}, "x", repeat=Repeat.NEVER)
    await calls(poll, {"nextPageToken": "t"}, "x")
    assert time.naps == []
    await calls(poll, {}, "x", repeat=Repeat.NEVER)
    assert time.naps == [40.0]  # for itself and for the page


async def test_closed_calls_are_not_made_and_draining_ones_are_unless_they_poll(transport: ScriptedTransport) -> None:
    calls = calls_on(transport)
    calls.draining = True
    await calls(ANSWER, {}, "x")
    await calls("PollForDecisionTask", {"nextPageToken": "t"}, "x")
    with pytest.raises(BackendClosedError, match="async with"):
        await calls("PollForDecisionTask", {}, "x", repeat=Repeat.NEVER)
    calls.closed = True
    with pytest.raises(BackendClosedError):
        await calls(ANSWER, {}, "x")
    assert len(transport.sent) == 2


def test_the_servers_clock_is_the_transports(transport: ScriptedTransport) -> None:
    transport.server_ahead = 2.5
    assert calls_on(transport).server_ahead == 2.5
