"""A lost reply to a start does not start a process twice."""

from __future__ import annotations

from typing import Any

import pytest

from aioworkflow.backend import StartRequest
from aioworkflow.backends.swf.starting import Starter
from aioworkflow.errors import BackendUnavailableError, ProcessAlreadyRunningError, UnknownTypeError
from aioworkflow.types import ProcessRef, TypeRef
from tests.backends.swf.scripted_swf import NOW, ManualTime, ScriptedTransport, calls_on, fault, lost, started_event

START, OPEN, CLOSED, HISTORY = (
    "StartWorkflowExecution",
    "ListOpenWorkflowExecutions",
    "ListClosedWorkflowExecutions",
    "GetWorkflowExecutionHistory",
)
REQUEST = StartRequest(process_id="order-17", workflow=TypeRef("Order"), input_json='{"n":1}', tags=("vip",))
ALREADY = "WorkflowExecutionAlreadyStartedFault"


@pytest.fixture
def transport() -> ScriptedTransport:
    return ScriptedTransport()


@pytest.fixture
def time() -> ManualTime:
    return ManualTime()


@pytest.fixture
def starter(transport: ScriptedTransport, time: ManualTime) -> Starter:
    return Starter(calls_on(transport, time=time), "shop", lambda_role=None)


def listed(
    run_id: str = "ours",
    *,
    started: float = 0.0,
    closed: bool = False,
    tags: tuple[str, ...] = ("vip",),
    version: str = "1",
    process_id: str = "order-17",
) -> dict[str, Any]:
    """One process, as the lists show it; times are seconds after the start was sent."""
    info: dict[str, Any] = {
        "execution": {"workflowId": process_id, "runId": run_id},
        "workflowType": {"name": "Order", "version": version},
        "startTimestamp": NOW.timestamp() + started,
        "executionStatus": "CLOSED" if closed else "OPEN",
        "cancelRequested": False,
        "tagList": list(tags),
    }
    if closed:
        info |= {"closeStatus": "COMPLETED", "closeTimestamp": NOW.timestamp() + started + 1}
    return {"executionInfos": [info]}


def history(input: str = '{"n":1}', **more: Any) -> dict[str, Any]:
    return {"events": [started_event(input=input, **more)]}


async def test_a_start_is_one_call(transport: ScriptedTransport, starter: Starter) -> None:
    transport.script(START, {"runId": "ours"})
    assert await starter.start(REQUEST) == ProcessRef("order-17", "ours")
    assert transport.calls() == [START]


@pytest.mark.parametrize("reply", [lost(), b'{"runI'], ids=["lost", "damaged"])
@pytest.mark.parametrize("where", [OPEN, CLOSED])
async def test_after_a_lost_reply_the_process_is_found(
    transport: ScriptedTransport, starter: Starter, where: str, reply: Any
) -> None:
    transport.script(START, reply)
    transport.script(where, listed(closed=where == CLOSED))
    transport.script(HISTORY, history())
    assert await starter.start(REQUEST) == ProcessRef("order-17", "ours")
    assert transport.calls(START) == transport.calls(START)[:1]


async def test_it_may_be_on_a_later_page(transport: ScriptedTransport, starter: Starter) -> None:
    transport.script(START, lost())
    transport.script(CLOSED, {"executionInfos": [], "nextPageToken": "t"}, listed(closed=True))
    transport.script(HISTORY, history())
    assert await starter.start(REQUEST) == ProcessRef("order-17", "ours")
    assert transport.calls() == [START, OPEN, CLOSED, CLOSED, HISTORY]


async def test_if_it_was_not_carried_out_it_is_sent_again(
    transport: ScriptedTransport, starter: Starter, time: ManualTime
) -> None:
    transport.script(START, lost(), {"runId": "second"})
    assert await starter.start(REQUEST) == ProcessRef("order-17", "second")
    assert transport.calls() == [START, OPEN, CLOSED, START]
    assert time.naps == [0.5]


async def test_what_is_refused_may_be_ours_and_not_in_the_lists_yet(
    transport: ScriptedTransport, starter: Starter
) -> None:
    transport.script(START, lost(), fault(ALREADY), lost())
    transport.script(OPEN, {}, {}, listed())
    transport.script(HISTORY, history())
    assert await starter.start(REQUEST) == ProcessRef("order-17", "ours")


@pytest.mark.parametrize(
    ("seen", "first_event"),
    [
        (listed(started=-60.0), history()),  # it was open before
        (listed(tags=()), history()),
        (listed(version="2"), history()),
        (listed(process_id="order-18"), history()),
        (listed(), history('{"n":2}')),
        (listed(), history(continuedExecutionRunId="earlier")),
    ],
    ids=["older", "tags", "version", "id", "input", "continued"],
)
async def test_the_process_of_others_is_not_taken_for_ours(
    transport: ScriptedTransport, starter: Starter, seen: dict[str, Any], first_event: Any
) -> None:
    transport.script(START, lost(), fault(ALREADY))
    transport.script(OPEN, seen, listed(tags=()))
    transport.script(HISTORY, first_event)
    with pytest.raises(ProcessAlreadyRunningError):
        await starter.start(REQUEST)


@pytest.mark.parametrize("unseen", [fault("UnknownResourceFault"), {"events": [], "nextPageToken": "t"}])
async def test_a_run_whose_history_lags_behind_may_be_ours(
    transport: ScriptedTransport, starter: Starter, unseen: Any
) -> None:
    transport.script(START, lost())
    transport.script(OPEN, listed(), listed())
    transport.script(HISTORY, unseen, history())
    assert (await starter.start(REQUEST)).run_id == "ours"
    assert transport.calls() == [START, OPEN, CLOSED, HISTORY, OPEN, CLOSED, HISTORY]


async def test_the_servers_clock_counts(transport: ScriptedTransport, starter: Starter) -> None:
    transport.server_ahead = -100.0
    transport.script(START, lost())
    transport.script(CLOSED, listed(closed=True, started=-100.5))
    transport.script(HISTORY, history())
    assert (await starter.start(REQUEST)).run_id == "ours"


async def test_nothing_is_claimed_that_nobody_knows(transport: ScriptedTransport, starter: Starter) -> None:
    transport.script(START, *[lost() for _ in range(9)])
    with pytest.raises(BackendUnavailableError, match="may have been started, or not"):
        await starter.start(REQUEST)
    assert len(transport.calls(START)) == 6


async def test_nor_if_the_lists_cannot_be_read(transport: ScriptedTransport, starter: Starter) -> None:
    transport.script(START, lost())
    transport.script(OPEN, *[lost() for _ in range(99)])
    with pytest.raises(BackendUnavailableError, match=r"may have been started, or not: .*ListOpenWorkflowExecutions"):
        await starter.start(REQUEST)


async def test_other_faults_come_out(transport: ScriptedTransport, starter: Starter) -> None:
    transport.script(START, fault("UnknownResourceFault"), fault(ALREADY), lost(), fault("UnknownResourceFault"))
    with pytest.raises(UnknownTypeError, match=r"Order \(version 1\), process 'order-17'"):
        await starter.start(REQUEST)
    with pytest.raises(ProcessAlreadyRunningError):
        await starter.start(REQUEST)
    with pytest.raises(UnknownTypeError):
        await starter.start(REQUEST)


async def test_the_lambda_role_goes_with_it(transport: ScriptedTransport) -> None:
    transport.script(START, {"runId": "ours"})
    await Starter(calls_on(transport), "shop", lambda_role="arn:role").start(REQUEST)
    assert transport.calls(START)[0]["lambdaRole"] == "arn:role"
