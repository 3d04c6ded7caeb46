"""Runs: found, described, read and waited for."""

from __future__ import annotations

from typing import Any

import pytest

from aioworkflow.backends.swf.runs import Runs
from aioworkflow.errors import UnknownProcessError
from aioworkflow.event import ProcessCompletedEvent
from aioworkflow.types import ProcessRef, ProcessStatus
from tests.backends.swf.scripted_swf import NOW, ManualTime, ScriptedTransport, calls_on, fault, started_event

OPEN, CLOSED, HISTORY, DESCRIBE = (
    "ListOpenWorkflowExecutions",
    "ListClosedWorkflowExecutions",
    "GetWorkflowExecutionHistory",
    "DescribeWorkflowExecution",
)
RUN = ProcessRef("order-17", "run/1+=")
GONE = "UnknownResourceFault"


@pytest.fixture
def transport() -> ScriptedTransport:
    return ScriptedTransport()


@pytest.fixture
def time() -> ManualTime:
    return ManualTime()


@pytest.fixture
def runs(transport: ScriptedTransport, time: ManualTime) -> Runs:
    return Runs(calls_on(transport, time=time), "shop", wait_seconds=5.0)


def marker(event_id: int) -> dict[str, Any]:
    return {
        "eventId": event_id,
        "eventTimestamp": NOW.timestamp(),
        "eventType": "MarkerRecorded",
        "markerRecordedEventAttributes": {"markerName": "m", "decisionTaskCompletedEventId": 4},
    }


def completed(event_id: int) -> dict[str, Any]:
    return {
        "eventId": event_id,
        "eventTimestamp": NOW.timestamp(),
        "eventType": "WorkflowExecutionCompleted",
        "workflowExecutionCompletedEventAttributes": {"result": "7", "decisionTaskCompletedEventId": 4},
    }


def page(*events: dict[str, Any], token: str | None = None) -> dict[str, Any]:
    return {"events": events} if token is None else {"events": events, "nextPageToken": token}


def info(run: ProcessRef = RUN) -> dict[str, Any]:
    return {
        "execution": {"workflowId": run.process_id, "runId": run.run_id},
        "workflowType": {"name": "Order", "version": "1"},
        "startTimestamp": NOW.timestamp(),
        "executionStatus": "OPEN",
        "cancelRequested": False,
    }


def described(run: ProcessRef = RUN) -> dict[str, Any]:
    return {
        "executionInfo": info(run),
        "executionConfiguration": {
            "childPolicy": "TERMINATE",
            "executionStartToCloseTimeout": "300",
            "taskList": {"name": "default"},
            "taskStartToCloseTimeout": "60",
        },
        "openCounts": {
            "openActivityTasks": 1,
            "openDecisionTasks": 0,
            "openTimers": 0,
            "openChildWorkflowExecutions": 0,
        },
    }


async def ids(runs: Runs, after: int = 0) -> list[list[int]]:
    return [[event.event_id for event in page] async for page in runs.history(RUN, after)]


# --- histories -------------------------------------------------------------------------------------------------------


async def test_a_history_is_read_page_by_page_and_some_are_empty(transport: ScriptedTransport, runs: Runs) -> None:
    transport.script(HISTORY, page(started_event(), token="t1"), page(token="t2"), page(marker(2), marker(3)))
    assert await ids(runs) == [[1], [2, 3]]
    first, second, third = transport.calls(HISTORY)
    execution = {"domain": "shop", "execution": {"workflowId": "order-17", "runId": "run/1+="}}
    assert first == {**execution, "maximumPageSize": 1000}
    assert second == {**first, "nextPageToken": "t1"}
    assert third == {**first, "nextPageToken": "t2"}


async def test_what_comes_after_an_event_is_read_from_the_end(transport: ScriptedTransport, runs: Runs) -> None:
    transport.script(HISTORY, page(marker(9), marker(8), token="t"), page(marker(7), marker(6), token="more"))
    assert await ids(runs, after=6) == [[7, 8, 9]]
    assert [parameters["reverseOrder"] for parameters in transport.calls(HISTORY)] == [True, True]


async def test_nothing_may_come_after_an_event(transport: ScriptedTransport, runs: Runs) -> None:
    transport.script(HISTORY, page(marker(6)), page(marker(7)))
    assert await ids(runs, after=6) == []
    assert await ids(runs, after=5) == [[7]]  # one came meanwhile, and that was the last page


# --- which run -------------------------------------------------------------------------------------------------------


async def test_without_a_run_id_the_open_run_is_meant(transport: ScriptedTransport, runs: Runs) -> None:
    other = info(ProcessRef("order-18", "x"))
    transport.script(OPEN, {"executionInfos": [other, info()]})
    assert await runs.find(ProcessRef("order-17")) == RUN
    assert transport.calls() == [OPEN]
    assert transport.calls(OPEN)[0]["maximumPageSize"] == 1


async def test_else_the_latest(transport: ScriptedTransport, runs: Runs) -> None:
    transport.script(CLOSED, {"executionInfos": [info()]})
    assert await runs.find(ProcessRef("order-17")) == RUN


async def test_a_page_without_processes_is_not_the_end_of_a_list(transport: ScriptedTransport, runs: Runs) -> None:
    transport.script(OPEN, {"executionInfos": [], "nextPageToken": "t1"})
    transport.script(CLOSED, {"nextPageToken": "t2"}, {"executionInfos": [info()], "nextPageToken": "more"})
    assert await runs.find(ProcessRef("order-17")) == RUN
    assert [parameters.get("nextPageToken") for parameters in transport.calls(OPEN)] == [None, "t1"]
    assert [parameters.get("nextPageToken") for parameters in transport.calls(CLOSED)] == [None, "t2"]


async def test_else_there_is_none(runs: Runs) -> None:
    with pytest.raises(UnknownProcessError, match="there is no process 'order-17'"):
        await runs.find(ProcessRef("order-17"))


async def test_one_that_was_just_started_need_not_be_in_the_lists(
    transport: ScriptedTransport, runs: Runs, time: ManualTime
) -> None:
    runs.started(RUN)
    assert await runs.find(ProcessRef("order-17")) == RUN
    time.elapsed += 11.0
    with pytest.raises(UnknownProcessError):
        await runs.find(ProcessRef("order-17"))


async def test_one_that_was_in_the_way_of_a_start_is_open_whatever_the_lists_say(
    transport: ScriptedTransport, runs: Runs, time: ManualTime
) -> None:
    """Else who wants to attach to it would get the run before."""
    transport.script(CLOSED, *[{"executionInfos": [info(ProcessRef("order-17", "before"))]}] * 2)
    transport.script(OPEN, {}, {}, {"executionInfos": [info()]})
    runs.refused("order-17")
    assert await runs.find(ProcessRef("order-17")) == RUN
    assert time.naps == [0.25, 0.25]
    assert (await runs.find(ProcessRef("order-17"))).run_id == "before"  # no list has shown it for ten seconds
    assert 9.0 < time.elapsed < 11.0


async def test_one_that_was_just_started_is_known_though_another_start_was_refused(runs: Runs) -> None:
    runs.started(RUN)
    runs.refused("order-17")
    assert await runs.find(ProcessRef("order-17")) == RUN


async def test_starts_are_forgotten(runs: Runs, time: ManualTime) -> None:
    for number in range(100):
        runs.started(ProcessRef(str(number), "r"))
        time.elapsed += 1.0
    assert len(runs._fresh) <= 11


# --- descriptions ----------------------------------------------------------------------------------------------------


async def test_a_run_is_described(transport: ScriptedTransport, runs: Runs) -> None:
    transport.script(DESCRIBE, described())
    found = await runs.info(RUN)
    assert (found.process, found.status) == (RUN, ProcessStatus.OPEN)
    assert found.open_counts is not None
    assert found.open_counts.activities == 1


async def test_a_run_that_was_just_started_is_asked_for_again(
    transport: ScriptedTransport, runs: Runs, time: ManualTime
) -> None:
    runs.started(RUN)
    transport.script(DESCRIBE, fault(GONE), fault(GONE), described())
    assert (await runs.info(RUN)).process == RUN
    assert time.naps == [0.25, 0.25]


async def test_but_not_for_ever_and_no_other_run(transport: ScriptedTransport, runs: Runs, time: ManualTime) -> None:
    transport.script(DESCRIBE, *[fault(GONE) for _ in range(999)])
    runs.started(RUN)
    with pytest.raises(UnknownProcessError):
        await runs.info(RUN)
    assert 9.0 < time.elapsed < 11.0
    runs.started(RUN)
    before = time.elapsed
    with pytest.raises(UnknownProcessError):
        await runs.info(ProcessRef("order-17", "another"))
    assert time.elapsed == before


# --- waiting ---------------------------------------------------------------------------------------------------------


async def test_waiting_looks_at_the_last_event_only_in_longer_and_longer_pauses(
    transport: ScriptedTransport, runs: Runs, time: ManualTime
) -> None:
    transport.script(HISTORY, *[page(marker(number), token="t") for number in range(5, 17)], page(completed(17)))
    last = await runs.wait(RUN)
    assert isinstance(last, ProcessCompletedEvent)
    assert last.event_id == 17
    assert {(p["reverseOrder"], p["maximumPageSize"]) for p in transport.calls(HISTORY)} == {(True, 1)}
    assert time.naps[:3] == [0.2, pytest.approx(0.3), pytest.approx(0.45)]
    assert time.naps[-2:] == [5.0, 5.0]


async def test_who_waits_and_is_told_to_ask_less_waits_longer(transport: ScriptedTransport, time: ManualTime) -> None:
    runs = Runs(calls_on(transport, time=time, retry_seconds=0.0), "shop", wait_seconds=5.0)
    rate_exceeded = fault("ThrottlingException", "Rate exceeded")
    transport.script(HISTORY, page(marker(5)), *[rate_exceeded] * 4, page(marker(6)), page(completed(7)))
    assert (await runs.wait(RUN)).event_id == 7
    assert time.naps == [0.2, pytest.approx(0.6), pytest.approx(1.8), 5.0, 5.0, 5.0]


async def test_an_empty_page_is_not_the_end(transport: ScriptedTransport, runs: Runs) -> None:
    transport.script(HISTORY, page(token="t"), page(completed(9)))
    assert (await runs.wait(RUN)).event_id == 9


async def test_a_run_without_events_is_none(transport: ScriptedTransport, runs: Runs) -> None:
    transport.script(HISTORY, page())
    with pytest.raises(UnknownProcessError, match="has no history"):
        await runs.wait(RUN)
