"""Lists and counts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from aioworkflow.backend import ProcessFilter
from aioworkflow.backends.swf.visibility import Visibility
from aioworkflow.errors import BackendError, InvalidRequestError
from aioworkflow.types import ProcessStatus
from tests.backends.swf.scripted_swf import NOW, ScriptedTransport, calls_on, fault

LIST_OPEN, LIST_CLOSED = "ListOpenWorkflowExecutions", "ListClosedWorkflowExecutions"
COUNT_OPEN, COUNT_CLOSED = "CountOpenWorkflowExecutions", "CountClosedWorkflowExecutions"
EVERYTHING = ProcessFilter()


@pytest.fixture
def transport() -> ScriptedTransport:
    return ScriptedTransport()


@pytest.fixture
def visibility(transport: ScriptedTransport) -> Visibility:
    return Visibility(calls_on(transport), "shop")


def page(*ids: str, token: str | None = None) -> dict[str, Any]:
    infos = [
        {
            "execution": {"workflowId": id, "runId": "r"},
            "workflowType": {"name": "Order", "version": "1"},
            "startTimestamp": NOW.timestamp(),
            "executionStatus": "OPEN",
            "cancelRequested": False,
        }
        for id in ids
    ]
    return {"executionInfos": infos} if token is None else {"executionInfos": infos, "nextPageToken": token}


async def all_pages(visibility: Visibility, filter: ProcessFilter = EVERYTHING) -> list[list[str]]:
    pages, token = [], None
    while True:
        page = await visibility.page(filter, 2, token)
        pages.append([info.process.process_id for info in page.processes])
        token = page.next_token
        if token is None:
            return pages


async def test_open_processes_come_first_and_then_closed_ones(
    transport: ScriptedTransport, visibility: Visibility
) -> None:
    transport.script(LIST_OPEN, page("a", "b", token="t1"), page("c"))
    transport.script(LIST_CLOSED, page("d", token="t2"), page())
    assert await all_pages(visibility) == [["a", "b"], ["c"], ["d"], []]
    assert [parameters.get("nextPageToken") for _, parameters in transport.sent] == [None, "t1", None, "t2"]
    assert {parameters["maximumPageSize"] for _, parameters in transport.sent} == {2}


@pytest.mark.parametrize(
    ("filter", "asked"),
    [
        (EVERYTHING, [LIST_OPEN, LIST_CLOSED]),
        (ProcessFilter(closed=False), [LIST_OPEN]),
        (ProcessFilter(status=ProcessStatus.OPEN), [LIST_OPEN]),
        (ProcessFilter(closed=True), [LIST_CLOSED]),
        (ProcessFilter(status=ProcessStatus.FAILED), [LIST_CLOSED]),
        (ProcessFilter(closed_after=NOW), [LIST_CLOSED]),
        (ProcessFilter(closed_before=NOW + timedelta(hours=1)), [LIST_CLOSED]),
        (ProcessFilter(status=ProcessStatus.OPEN, closed=True), []),
        (ProcessFilter(status=ProcessStatus.FAILED, closed=False), []),
        (ProcessFilter(closed=False, closed_after=NOW), []),
    ],
)
async def test_only_the_lists_that_can_have_it_are_asked(
    transport: ScriptedTransport, visibility: Visibility, filter: ProcessFilter, asked: list[str]
) -> None:
    await all_pages(visibility, filter)
    assert transport.calls() == asked
    transport.sent.clear()
    assert await visibility.count(filter) == 0
    assert transport.calls() == [call.replace("List", "Count") for call in asked]


async def test_counts_are_added(
    transport: ScriptedTransport, visibility: Visibility, caplog: pytest.LogCaptureFixture
) -> None:
    transport.script(COUNT_OPEN, {"count": 3, "truncated": False}, {"count": 3, "truncated": True})
    transport.script(COUNT_CLOSED, {"count": 40}, {"count": 40})
    assert await visibility.count(EVERYTHING) == 43
    assert caplog.text == ""
    assert await visibility.count(EVERYTHING) == 43
    assert "there are more than 3 of" in caplog.text


@pytest.mark.parametrize(
    ("filter", "words"),
    [
        (EVERYTHING, "CountOpenWorkflowExecutions (all processes)"),
        (ProcessFilter(tag="vip", closed=False), "(processes with tag='vip', closed=False)"),
    ],
)
async def test_errors_say_what_was_looked_for(
    transport: ScriptedTransport, visibility: Visibility, filter: ProcessFilter, words: str
) -> None:
    transport.script(COUNT_OPEN, fault("OperationNotPermittedFault"))
    with pytest.raises(BackendError) as raised:
        await visibility.count(filter)
    assert words in str(raised.value)


async def test_what_amazon_cannot_combine_is_said(visibility: Visibility) -> None:
    with pytest.raises(InvalidRequestError, match="workflow"):
        await visibility.page(ProcessFilter(workflow="Order", tag="vip"), 10, None)


@pytest.mark.parametrize("token", ["x", "", "cX", 7])
async def test_tokens_of_others_are_refused(visibility: Visibility, token: Any) -> None:
    with pytest.raises(InvalidRequestError, match="page_token"):
        await visibility.page(ProcessFilter(closed=False), 10, token)
