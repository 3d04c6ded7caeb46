"""The backend: its verbs, its life, and what it does with polls that nobody waits for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aioworkflow.activity import ActivityAborted, ActivityCompleted, ActivityFailed
from aioworkflow.backend import Backend, ProcessFilter, StartRequest
from aioworkflow.backends.swf import SWFBackend, SWFOptions
from aioworkflow.backends.swf.throttle import Throttle
from aioworkflow.decision import CompleteProcessDecision
from aioworkflow.errors import (
    BackendClosedError,
    BackendUnavailableError,
    InvalidDecisionError,
    InvalidRequestError,
    PayloadTooLargeError,
    ProcessAlreadyRunningError,
    UnknownProcessError,
    UnknownTaskError,
)
from aioworkflow.payload import Json
from aioworkflow.types import ActivityType, ProcessRef, TypeRef, WorkflowType
from tests.backends.swf.scripted_swf import (
    NOW,
    ManualTime,
    ScriptedTransport,
    backend_on,
    fault,
    lost,
    started_event,
)

RUN = ProcessRef("order-17", "run-1")
POLL_DECISION, POLL_ACTIVITY = "PollForDecisionTask", "PollForActivityTask"
DECIDED, COMPLETED, FAILED, CANCELED, HEARTBEAT = (
    "RespondDecisionTaskCompleted",
    "RespondActivityTaskCompleted",
    "RespondActivityTaskFailed",
    "RespondActivityTaskCanceled",
    "RecordActivityTaskHeartbeat",
)
ACTIVITY_TASK = {
    "taskToken": "t1",
    "activityId": "a",
    "activityType": {"name": "Charge", "version": "1"},
    "startedEventId": 6,
    "workflowExecution": {"workflowId": "order-17", "runId": "run-1"},
    "input": "[1]",
}


@pytest.fixture
def transport() -> ScriptedTransport:
    return ScriptedTransport()


@pytest.fixture
def time() -> ManualTime:
    return ManualTime()


@pytest.fixture
def backend(transport: ScriptedTransport, time: ManualTime) -> SWFBackend:
    return backend_on(transport, time=time)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def scheduled(event_id: int, timeout: str = "60") -> dict[str, Any]:
    return {
        "eventId": event_id,
        "eventTimestamp": NOW.timestamp(),
        "eventType": "DecisionTaskScheduled",
        "decisionTaskScheduledEventAttributes": {"startToCloseTimeout": timeout, "taskList": {"name": "default"}},
    }


def started(event_id: int) -> dict[str, Any]:
    return {
        "eventId": event_id,
        "eventTimestamp": NOW.timestamp(),
        "eventType": "DecisionTaskStarted",
        "decisionTaskStartedEventAttributes": {"scheduledEventId": event_id - 1},
    }


def decision_page(*events: dict[str, Any], token: str | None = None) -> dict[str, Any]:
    page = {
        "taskToken": "d1",
        "startedEventId": 3,
        "previousStartedEventId": 0,
        "workflowExecution": {"workflowId": "order-17", "runId": "run-1"},
        "workflowType": {"name": "Order", "version": "1"},
        "events": list(events),
    }
    return page if token is None else {**page, "nextPageToken": token}


# --- life ------------------------------------------------------------------------------------------------------------


async def test_it_is_entered_once_and_says_how_it_is(backend: SWFBackend) -> None:
    assert repr(backend) == "<SWFBackend on domain 'orders', default region, closed>"
    checked: Backend = backend
    async with checked:
        assert repr(backend).endswith("open>")
        assert not backend.polls_can_be_cancelled
        assert backend.sticky_seconds == 5.0
    with pytest.raises(BackendClosedError, match="entered once"):
        await backend.__aenter__()


async def test_outside_its_block_it_does_nothing(backend: SWFBackend, transport: ScriptedTransport) -> None:
    async with backend:
        pass
    request = StartRequest(process_id="p", workflow=TypeRef("W"))
    for call in (
        backend.register_workflow(WorkflowType(ref=TypeRef("W"))),
        backend.register_activity(ActivityType(ref=TypeRef("A"))),
        backend.start_process(request),
        backend.signal_process(RUN, "s"),
        backend.cancel_process(RUN),
        backend.terminate_process(RUN),
        backend.poll_decision_task("l"),
        backend.complete_decision_task("t"),
        backend.poll_activity_task("l"),
        backend.heartbeat_activity_task("t"),
        backend.complete_activity_task("t", ActivityCompleted()),
        backend.hand_off_activity_task("t"),
        backend.process_info(RUN),
        anext(backend.history(RUN)),
        backend.wait_process(RUN),
        backend.list_processes(ProcessFilter()),
        backend.count_processes(ProcessFilter()),
    ):
        with pytest.raises(BackendClosedError, match="async with"):
            await call
    assert transport.sent == []


async def test_the_domain_is_registered_if_asked(transport: ScriptedTransport) -> None:
    async with backend_on(transport, register_domain=True, retention_days=3):
        pass
    assert transport.sent == [("RegisterDomain", {"name": "orders", "workflowExecutionRetentionPeriodInDays": "3"})]


async def test_a_domain_that_cannot_be_registered_ends_the_entry(transport: ScriptedTransport) -> None:
    transport.script("RegisterDomain", fault("LimitExceededFault"))
    backend = backend_on(transport, register_domain=True)
    with pytest.raises(Exception, match="LimitExceededFault"):
        await backend.__aenter__()
    with pytest.raises(BackendClosedError):
        await backend.cancel_process(RUN)


@pytest.mark.parametrize(
    ("url", "options", "limited"),
    [
        (None, SWFOptions(), True),
        ("http://127.0.0.1:5000", SWFOptions(), False),
        ("http://127.0.0.1:5000", SWFOptions(quota_share=0.5), True),
        (None, SWFOptions(quota_share=None), False),
    ],
)
def test_quotas_are_kept_unless_the_server_is_local(
    monkeypatch: pytest.MonkeyPatch, url: str | None, options: SWFOptions, limited: bool
) -> None:
    shares: list[float | None] = []
    make = Throttle.__init__

    def watched(self: Throttle, share: float | None, *more: Any) -> None:
        shares.append(share)
        make(self, share, *more)

    monkeypatch.setattr(Throttle, "__init__", watched)
    SWFBackend("orders", endpoint_url=url, options=options)
    assert (shares[0] is not None) is limited


async def test_without_a_region_it_cannot_be_entered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InvalidRequestError, match="region"):
        await SWFBackend("orders").__aenter__()


def test_a_domain_needs_a_name() -> None:
    with pytest.raises(InvalidRequestError, match="domain"):
        SWFBackend("a/b")


# --- decision tasks --------------------------------------------------------------------------------------------------


async def test_a_decision_task_has_all_its_pages(backend: SWFBackend, transport: ScriptedTransport) -> None:
    transport.script(
        POLL_DECISION,
        decision_page(started_event(), token="t1"),
        lost(),
        decision_page(token="t2"),
        decision_page(scheduled(2), started(3)),
    )
    async with backend:
        task = await backend.poll_decision_task("default", identity="me", new_events_only=True)
    assert task is not None
    assert [event.event_id for event in task.events] == [1, 2, 3]
    first, *pages = transport.calls(POLL_DECISION)
    assert first["startAtPreviousStartedEvent"] is True
    assert pages == [{**first, "nextPageToken": token} for token in ("t1", "t1", "t2")]


@pytest.mark.parametrize("end", [fault("UnknownResourceFault"), {}])
async def test_a_task_that_times_out_while_its_pages_are_read_is_none(
    backend: SWFBackend, transport: ScriptedTransport, caplog: pytest.LogCaptureFixture, end: Any
) -> None:
    transport.script(POLL_DECISION, decision_page(started_event(), token="t1"), end)
    async with backend:
        assert await backend.poll_decision_task("default") is None
    assert "timed out before its history was read" in caplog.text


FUTURE = started_event(childPolicy="ADOPT")


@pytest.mark.parametrize(
    ("call", "reply", "words"),
    [
        (POLL_DECISION, decision_page(FUTURE), "'order-17' (run run-1): Amazon SWF sent an event that cannot be read"),
        (POLL_DECISION, decision_page(), "a decision task of process 'order-17' (run run-1) without events"),
        (POLL_DECISION, {**decision_page(started_event()), "workflowType": None}, "without a process or its type"),
        (POLL_ACTIVITY, {**ACTIVITY_TASK, "activityType": None}, "without a process or its type"),
    ],
)
async def test_a_task_that_cannot_be_read_is_left_to_time_out(
    backend: SWFBackend,
    transport: ScriptedTransport,
    caplog: pytest.LogCaptureFixture,
    call: str,
    reply: dict[str, Any],
    words: str,
) -> None:
    transport.script(call, reply)
    async with backend:
        poll = backend.poll_decision_task if call == POLL_DECISION else backend.poll_activity_task
        assert await poll("default") is None
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert words in record.getMessage()


@pytest.mark.parametrize("empty", [{}, {"startedEventId": 0}, {"taskToken": ""}, {"taskToken": None}])
async def test_an_empty_poll_is_none(backend: SWFBackend, transport: ScriptedTransport, empty: Any) -> None:
    transport.script(POLL_DECISION, empty)
    transport.script(POLL_ACTIVITY, empty)
    async with backend:
        assert await backend.poll_decision_task("default") is None
        assert await backend.poll_activity_task("default") is None


async def test_a_poll_is_made_once_whatever_it_meets(backend: SWFBackend, transport: ScriptedTransport) -> None:
    transport.script(POLL_DECISION, lost())
    async with backend:
        with pytest.raises(BackendUnavailableError, match="task list 'default'"):
            await backend.poll_decision_task("default")
    assert len(transport.sent) == 1


async def test_an_answer_is_tried_until_the_task_times_out(
    backend: SWFBackend, transport: ScriptedTransport, time: ManualTime
) -> None:
    transport.script(POLL_DECISION, decision_page(started_event(), scheduled(2, "1"), started(3)))
    transport.script(DECIDED, *[lost() for _ in range(99)])
    async with backend:
        task = await backend.poll_decision_task("default")
        assert task is not None
        with pytest.raises(BackendUnavailableError):
            await backend.complete_decision_task(task.token, [CompleteProcessDecision()])
    assert time.elapsed <= 1.0


async def test_an_answer_carries_what_it_was_given(backend: SWFBackend, transport: ScriptedTransport) -> None:
    async with backend:
        await backend.complete_decision_task(
            "d1", execution_context="note", task_list="sticky", task_list_schedule_to_start_timeout=5.0
        )
        with pytest.raises(InvalidDecisionError):
            await backend.complete_decision_task("d1", ["nonsense"])  # type: ignore[list-item]
    (sent,) = transport.calls(DECIDED)
    assert sent == {
        "taskToken": "d1",
        "decisions": [],
        "executionContext": "note",
        "taskList": {"name": "sticky"},
        "taskListScheduleToStartTimeout": "5",
    }


# --- activity tasks --------------------------------------------------------------------------------------------------


async def test_an_activity_task_has_the_timeouts_of_its_type(backend: SWFBackend, transport: ScriptedTransport) -> None:
    transport.script(POLL_ACTIVITY, ACTIVITY_TASK)
    async with backend:
        await backend.register_activity(
            ActivityType(ref=TypeRef("Charge"), heartbeat_timeout=20.0, start_to_close_timeout=60.0)
        )
        task = await backend.poll_activity_task("default", on_interrupt=lambda token, interruption: None)
    assert task is not None
    assert (task.activity_id, task.input, task.process) == ("a", [1], RUN)
    assert (task.heartbeat_timeout, task.start_to_close_timeout) == (20.0, 60.0)


async def test_a_heartbeat_is_tried_once(backend: SWFBackend, transport: ScriptedTransport) -> None:
    transport.script(HEARTBEAT, {"cancelRequested": False}, {"cancelRequested": True}, lost())
    async with backend:
        assert await backend.heartbeat_activity_task("t1") is False
        assert await backend.heartbeat_activity_task("t1", '"half"') is True
        with pytest.raises(BackendUnavailableError):
            await backend.heartbeat_activity_task("t1")
    assert transport.calls(HEARTBEAT)[1] == {"taskToken": "t1", "details": '"half"'}
    assert len(transport.sent) == 3


@pytest.mark.parametrize(
    ("result", "call"),
    [(ActivityCompleted(7), COMPLETED), (ActivityFailed(reason="r"), FAILED), (ActivityAborted("r"), CANCELED)],
)
async def test_each_result_has_its_call(
    backend: SWFBackend, transport: ScriptedTransport, result: Any, call: str
) -> None:
    transport.script(call, lost(), fault("UnknownResourceFault"))  # the first one had worked
    async with backend:
        await backend.complete_activity_task("t1", result)
    assert transport.calls() == [call, call]


async def test_a_closed_task_is_unknown(backend: SWFBackend, transport: ScriptedTransport) -> None:
    transport.script(COMPLETED, fault("UnknownResourceFault"))
    async with backend:
        with pytest.raises(UnknownTaskError):
            await backend.complete_activity_task("t1", ActivityCompleted())
        with pytest.raises(PayloadTooLargeError):
            await backend.complete_activity_task("t1", ActivityCompleted("x" * 40_000))


async def test_an_abort_that_is_refused_is_told_as_a_failure(backend: SWFBackend, transport: ScriptedTransport) -> None:
    transport.script(CANCELED, fault("ValidationException"), fault("UnknownResourceFault"))
    transport.script(FAILED, {}, fault("UnknownResourceFault"))
    async with backend:
        await backend.complete_activity_task("t1", ActivityAborted("out of bounds", details=Json("[1]")))
        with pytest.raises(UnknownTaskError):
            await backend.complete_activity_task("t1", ActivityAborted())
    first, second = transport.calls(FAILED)
    assert first == {"taskToken": "t1", "reason": "out of bounds", "details": "[1]"}
    assert second == {"taskToken": "t1", "reason": "aborted"}


async def test_handing_off_is_a_heartbeat_that_is_tried_again(
    backend: SWFBackend, transport: ScriptedTransport
) -> None:
    transport.script(HEARTBEAT, lost(), {"cancelRequested": True}, fault("UnknownResourceFault"))
    async with backend:
        await backend.hand_off_activity_task("t1")
        with pytest.raises(UnknownTaskError):
            await backend.hand_off_activity_task("t1")
    assert transport.calls() == [HEARTBEAT] * 3


# --- polls that nobody waits for -------------------------------------------------------------------------------------


async def left_alone(poll: Any) -> None:
    task = asyncio.create_task(poll)
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("refused", [False, True])
async def test_an_activity_that_nobody_waits_for_is_handed_back(
    backend: SWFBackend, transport: ScriptedTransport, refused: bool
) -> None:
    gate = asyncio.Event()
    transport.script(POLL_ACTIVITY, gate, ACTIVITY_TASK)
    if refused:
        for call in (CANCELED, FAILED):
            transport.script(call, fault("UnknownResourceFault"))
    async with backend:
        await left_alone(backend.poll_activity_task("default"))
        gate.set()
    (told,) = transport.calls(CANCELED)
    assert told == {"taskToken": "t1", "details": '{"aborted":{"reason":"worker shutdown"}}'}


async def test_closing_takes_in_what_polls_bring_and_makes_no_new_ones(
    transport: ScriptedTransport, time: ManualTime
) -> None:
    backend = backend_on(transport, time=time)
    gate = asyncio.Event()
    transport.script(POLL_ACTIVITY, gate, ACTIVITY_TASK)
    await backend.__aenter__()
    waiting = asyncio.create_task(backend.poll_activity_task("default"))
    await settle()
    closing = asyncio.create_task(backend.__aexit__(None, None, None))
    await settle()
    assert await waiting is None
    assert not closing.done()
    gate.set()
    await closing
    assert transport.calls() == [POLL_ACTIVITY, CANCELED]


async def test_the_next_poll_gets_the_decision_task(backend: SWFBackend, transport: ScriptedTransport) -> None:
    gate = asyncio.Event()
    transport.script(POLL_DECISION, gate, decision_page(started_event(), scheduled(2), started(3)))
    async with backend:
        await left_alone(backend.poll_decision_task("default", identity="a worker that failed"))
        gate.set()
        await settle()
        task = await backend.poll_decision_task("default", identity="the next")
    assert task is not None
    assert len(transport.sent) == 1


# --- clients ---------------------------------------------------------------------------------------------------------


async def test_a_start_makes_the_run_known(backend: SWFBackend, transport: ScriptedTransport) -> None:
    transport.script("StartWorkflowExecution", {"runId": "run-1"})
    page = {"events": [started_event()]}
    transport.script("GetWorkflowExecutionHistory", fault("UnknownResourceFault"), page)
    async with backend:
        run = await backend.start_process(StartRequest(process_id="order-17", workflow=TypeRef("Order")))
        assert run == RUN
        assert [len(page) async for page in backend.history(run)] == [1]


async def test_what_is_in_the_way_of_a_start_is_found_though_lists_lag_behind(
    backend: SWFBackend, transport: ScriptedTransport
) -> None:
    transport.script("StartWorkflowExecution", fault("WorkflowExecutionAlreadyStartedFault"))
    transport.script("ListOpenWorkflowExecutions", {})
    async with backend:
        with pytest.raises(ProcessAlreadyRunningError):
            await backend.start_process(StartRequest(process_id="order-17", workflow=TypeRef("Order")))
        with pytest.raises(UnknownProcessError):
            await backend.process_info(ProcessRef("order-17"))
    assert len(transport.calls("ListOpenWorkflowExecutions")) > 2


async def test_a_process_is_told_things(
    backend: SWFBackend, transport: ScriptedTransport, caplog: pytest.LogCaptureFixture
) -> None:
    async with backend:
        await backend.signal_process(RUN, "paid", "[5]")
        await backend.cancel_process(RUN)
        await backend.cancel_process(RUN, '"why"')
        await backend.terminate_process(RUN, reason="r")
    assert transport.calls() == [
        "SignalWorkflowExecution",
        "RequestCancelWorkflowExecution",
        "RequestCancelWorkflowExecution",
        "TerminateWorkflowExecution",
    ]
    assert [record.getMessage() for record in caplog.records] == [
        "process 'order-17' (run run-1) is cancelled without its details, which Amazon SWF cannot carry"
    ]


async def test_a_signal_whose_reply_was_lost_is_sent_again(backend: SWFBackend, transport: ScriptedTransport) -> None:
    transport.script("SignalWorkflowExecution", lost())
    async with backend:
        await backend.signal_process(RUN, "paid")
    assert len(transport.sent) == 2


@pytest.mark.parametrize("after", [-1, True, "1", 1.0])
async def test_a_history_begins_behind_an_event(backend: SWFBackend, after: Any) -> None:
    async with backend:
        with pytest.raises(InvalidRequestError, match="after must be"):
            await anext(backend.history(RUN, after=after))


async def test_types_and_lists_go_where_they_belong(backend: SWFBackend, transport: ScriptedTransport) -> None:
    closed = {
        "eventId": 2,
        "eventTimestamp": NOW.timestamp(),
        "eventType": "WorkflowExecutionTerminated",
        "workflowExecutionTerminatedEventAttributes": {"childPolicy": "TERMINATE"},
    }
    transport.script("GetWorkflowExecutionHistory", {"events": [closed]})
    transport.script("CountOpenWorkflowExecutions", {"count": 2})
    async with backend:
        await backend.register_workflow(WorkflowType(ref=TypeRef("Order")))
        assert (await backend.wait_process(RUN)).event_id == 2
        assert not (await backend.list_processes(ProcessFilter(closed=True))).processes
        assert await backend.count_processes(ProcessFilter()) == 2
        with pytest.raises(Exception, match="no proper Description"):
            await backend.process_info(RUN)  # an empty description is none
