"""Replies of Amazon SWF, as bytes in its wire form: in full, empty, from emulators, and damaged."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aioworkflow.backend import OpenCounts, ProcessInfo
from aioworkflow.backends.swf import decode
from aioworkflow.errors import BackendError, BackendUnavailableError
from aioworkflow.event import (
    AnyEvent,
    DecisionCompletedEvent,
    DecisionScheduledEvent,
    DecisionStartedEvent,
    DecisionTimedOutEvent,
    ProcessSignaledEvent,
    ProcessStartedEvent,
)
from aioworkflow.task import ActivityTask, DecisionTask
from aioworkflow.types import (
    UNSET,
    ActivityType,
    ChildPolicy,
    ProcessRef,
    ProcessStatus,
    TimeoutType,
    TypeRef,
    WorkflowType,
)

RUN_ID = "22X56OQhwfy+AtGx1iSo3HX51AK2DdtKzfUnU+RQElbms="
RUN = ProcessRef("order-17", RUN_ID)
WHEN = datetime(2017, 6, 10, 10, 45, 2, 319_000, tzinfo=UTC)
EXECUTION = '{"runId":"22X56OQhwfy+AtGx1iSo3HX51AK2DdtKzfUnU+RQElbms=","workflowId":"order-17"}'

# In the way of the real service: keys in alphabetical order, no space, times in exponential notation.
EVENTS = (
    '[{"eventId":1,"eventTimestamp":1.497091502319E9,"eventType":"WorkflowExecutionStarted",'
    '"workflowExecutionStartedEventAttributes":{"childPolicy":"TERMINATE","executionStartToCloseTimeout":"3600",'
    '"input":"5","parentInitiatedEventId":0,"taskList":{"name":"orders"},"taskStartToCloseTimeout":"10",'
    '"workflowType":{"name":"Order","version":"1"}}},'
    '{"decisionTaskScheduledEventAttributes":{"startToCloseTimeout":"10","taskList":{"name":"orders"}},'
    '"eventId":2,"eventTimestamp":1.497091502319E9,"eventType":"DecisionTaskScheduled"},'
    '{"decisionTaskStartedEventAttributes":{"scheduledEventId":2},"eventId":3,"eventTimestamp":1497091502.319,'
    '"eventType":"DecisionTaskStarted"}]'
)
EXPECTED_EVENTS: tuple[AnyEvent, ...] = (
    ProcessStartedEvent(
        event_id=1,
        timestamp=WHEN,
        workflow=TypeRef("Order", "1"),
        input_json="5",
        task_list="orders",
        execution_timeout=3600.0,
        decision_timeout=10.0,
        child_policy=ChildPolicy.TERMINATE,
    ),
    DecisionScheduledEvent(event_id=2, timestamp=WHEN, task_list="orders", start_to_close_timeout=10.0),
    DecisionStartedEvent(event_id=3, timestamp=WHEN, scheduled_event_id=2),
)


def body(**members: object) -> bytes:
    return json.dumps(members).encode()


# --- decision tasks --------------------------------------------------------------------------------------


def test_a_decision_task() -> None:
    page = decode.decision_page(
        f'{{"events":{EVENTS},"nextPageToken":"AAAAKgAAAAEAAAAAAAAAAg==","previousStartedEventId":0,"startedEventId":3,'
        f'"taskToken":"AAAAKgAAAAIAAAAAAAAAA","workflowExecution":{EXECUTION},'
        f'"workflowType":{{"name":"Order","version":"1"}}}}'.encode()
    )
    assert page == decode.DecisionPage(
        token="AAAAKgAAAAIAAAAAAAAAA",
        process=RUN,
        workflow=TypeRef("Order", "1"),
        events=EXPECTED_EVENTS,
        started_event_id=3,
        next_token="AAAAKgAAAAEAAAAAAAAAAg==",
    )
    assert page.task(EXPECTED_EVENTS) == DecisionTask(
        token="AAAAKgAAAAIAAAAAAAAAA",
        process=RUN,
        workflow=TypeRef("Order", "1"),
        events=EXPECTED_EVENTS,
        started_event_id=3,
    )


def test_a_decision_task_of_an_emulator_lacks_what_is_zero() -> None:
    page = decode.decision_page(
        body(
            taskToken="t",
            workflowExecution={"workflowId": "p", "runId": "r"},
            workflowType={"name": "W", "version": "1"},
            startedEventId=3,
            nextPageToken="",
        )
    )
    assert page is not None
    assert (page.previous_started_event_id, page.next_token, page.events) == (0, None, ())


@pytest.mark.parametrize(
    "empty",
    [
        b'{"previousStartedEventId":0,"startedEventId":0}',
        b'{"taskToken":"","startedEventId":0}',
        b'{"taskToken":null,"workflowExecution":null,"events":null,"startedEventId":null}',
        b"{}",
    ],
)
def test_a_poll_that_brings_nothing(empty: bytes) -> None:
    assert decode.decision_page(empty) is None
    assert decode.activity_task(empty, {}) is None


def test_attempts_are_counted_from_the_last_decision_that_was_completed() -> None:
    timed_out = DecisionTimedOutEvent(
        event_id=4, timestamp=WHEN, timeout_type=TimeoutType.START_TO_CLOSE, scheduled_event_id=2, started_event_id=3
    )
    completed = DecisionCompletedEvent(event_id=5, timestamp=WHEN, scheduled_event_id=2, started_event_id=3)
    page = decode.DecisionPage(token="t", process=RUN, workflow=TypeRef("W"), events=(), started_event_id=9)
    assert page.task([timed_out, timed_out]).attempt == 3
    assert page.task([timed_out, completed, timed_out, *EXPECTED_EVENTS]).attempt == 2
    assert page.task([timed_out, completed]).attempt == 1


# --- activity tasks --------------------------------------------------------------------------------------

ACTIVITY_TASK = {
    "activityId": "charge-1",
    "activityType": {"name": "Charge", "version": "2"},
    "startedEventId": 6,
    "taskToken": "token",
    "workflowExecution": {"runId": RUN_ID, "workflowId": "order-17"},
}


def test_an_activity_task() -> None:
    kind = ActivityType(ref=TypeRef("Charge", "2"), heartbeat_timeout=10.0, start_to_close_timeout=60.0)
    assert decode.activity_task(body(**ACTIVITY_TASK, input='{"n":17}'), {kind.ref: kind}) == ActivityTask(
        token="token",
        process=RUN,
        activity_id="charge-1",
        activity=TypeRef("Charge", "2"),
        input_json='{"n":17}',
        heartbeat_timeout=10.0,
        start_to_close_timeout=60.0,
        started_event_id=6,
    )


@pytest.mark.parametrize("kinds", [{}, {TypeRef("Charge", "2"): ActivityType(ref=TypeRef("Charge", "2"))}])
def test_an_activity_task_without_input_or_known_timeouts(kinds: Mapping[TypeRef, ActivityType]) -> None:
    task = decode.activity_task(body(**ACTIVITY_TASK), kinds)
    assert task is not None
    assert (task.input_json, task.heartbeat_timeout, task.start_to_close_timeout) == (None, None, None)


def test_an_activity_task_with_text_of_others() -> None:
    task = decode.activity_task(body(**ACTIVITY_TASK, input="do it"), {})
    assert task is not None
    assert task.input == "do it"


@pytest.mark.parametrize(
    ("reply", "asked"), [(b'{"cancelRequested":true}', True), (b'{"cancelRequested":false}', False), (b"{}", False)]
)
def test_a_heartbeat(reply: bytes, asked: bool) -> None:
    assert decode.cancel_requested(reply) is asked


# --- processes -------------------------------------------------------------------------------------------


def test_a_start() -> None:
    assert decode.run_id(b'{"runId":"22X56OQhwfy+AtGx1iSo3HX51AK2DdtKzfUnU+RQElbms="}') == RUN_ID


def test_a_history() -> None:
    assert decode.history_page(f'{{"events":{EVENTS},"nextPageToken":"more"}}'.encode()) == decode.HistoryPage(
        events=EXPECTED_EVENTS, next_token="more"
    )
    assert decode.history_page(b'{"events":[]}') == decode.HistoryPage(events=())
    assert decode.history_page(b"{}") == decode.HistoryPage(events=())


OPEN_INFO = {
    "execution": {"workflowId": "order-17", "runId": RUN_ID},
    "workflowType": {"name": "Order", "version": "1"},
    "startTimestamp": 1497091502.319,
    "executionStatus": "OPEN",
    "cancelRequested": True,
}
CLOSED_INFO = {
    "execution": {"workflowId": "ship-1", "runId": "r"},
    "workflowType": {"name": "Ship", "version": "2"},
    "startTimestamp": 1497091502.319,
    "closeTimestamp": 1497091503,
    "executionStatus": "CLOSED",
    "closeStatus": "CONTINUED_AS_NEW",
    "parent": {"workflowId": "order-17", "runId": RUN_ID},
    "tagList": ["eu", "vip"],
    "cancelRequested": False,
    "reopenGenerationId": 0,
    "reopenable": False,
}
EXPECTED_OPEN = ProcessInfo(
    process=RUN, workflow=TypeRef("Order", "1"), status=ProcessStatus.OPEN, started_at=WHEN, cancel_requested=True
)
EXPECTED_CLOSED = ProcessInfo(
    process=ProcessRef("ship-1", "r"),
    workflow=TypeRef("Ship", "2"),
    status=ProcessStatus.CONTINUED_AS_NEW,
    started_at=WHEN,
    closed_at=datetime(2017, 6, 10, 10, 45, 3, tzinfo=UTC),
    tags=("eu", "vip"),
    parent=RUN,
)


def test_a_list_of_processes() -> None:
    page = decode.process_page(body(executionInfos=[OPEN_INFO, CLOSED_INFO], nextPageToken="more"))
    assert (list(page.processes), page.next_token) == ([EXPECTED_OPEN, EXPECTED_CLOSED], "more")
    empty = decode.process_page(b'{"executionInfos":[]}')
    assert (list(empty.processes), empty.next_token) == ([], None)


def test_a_description() -> None:
    info = decode.process_info(
        body(
            executionInfo=CLOSED_INFO,
            executionConfiguration={
                "childPolicy": "ABANDON",
                "executionStartToCloseTimeout": "31536000",
                "taskList": {"name": "ships"},
                "taskPriority": "-2",
                "taskStartToCloseTimeout": "NONE",
                "lambdaRole": "arn:aws:iam::123456789012:role/swf-lambda",
            },
            openCounts={
                "openActivityTasks": 3,
                "openDecisionTasks": 1,
                "openTimers": 2,
                "openChildWorkflowExecutions": 4,
                "openLambdaFunctions": 0,
            },
            latestActivityTaskTimestamp=1497091502.5,
            latestExecutionContext="3 of 7",
        )
    )
    assert info == ProcessInfo(
        process=EXPECTED_CLOSED.process,
        workflow=EXPECTED_CLOSED.workflow,
        status=EXPECTED_CLOSED.status,
        started_at=EXPECTED_CLOSED.started_at,
        closed_at=EXPECTED_CLOSED.closed_at,
        tags=EXPECTED_CLOSED.tags,
        parent=RUN,
        task_list="ships",
        task_priority=-2,
        execution_timeout=31_536_000.0,
        decision_timeout=None,
        child_policy=ChildPolicy.ABANDON,
        open_counts=OpenCounts(activities=3, decisions=1, timers=2, children=4),
        execution_context="3 of 7",
    )


def test_a_description_with_nothing_open() -> None:
    info = decode.process_info(body(executionInfo=OPEN_INFO, executionConfiguration={}, openCounts={}))
    assert (info.open_counts, info.execution_context, info.task_list) == (OpenCounts(), None, "")


def test_counts() -> None:
    assert decode.count(b'{"count":17}') == decode.Count(count=17)
    assert decode.count(b'{"count":17,"truncated":true}') == decode.Count(count=17, truncated=True)
    assert decode.count(b"{}") == decode.Count()


# --- types -----------------------------------------------------------------------------------------------


def test_a_workflow() -> None:
    described = decode.workflow_type(
        body(
            typeInfo={
                "workflowType": {"name": "Order", "version": "2"},
                "status": "DEPRECATED",
                "description": "takes orders",
                "creationDate": 1497091502.319,
                "deprecationDate": 1497091502.319,
            },
            configuration={
                "defaultTaskStartToCloseTimeout": "10",
                "defaultExecutionStartToCloseTimeout": "3600",
                "defaultTaskList": {"name": "orders"},
                "defaultTaskPriority": "3",
                "defaultChildPolicy": "REQUEST_CANCEL",
                "defaultLambdaRole": "arn:aws:iam::123456789012:role/swf-lambda",
            },
        )
    )
    assert described == WorkflowType(
        ref=TypeRef("Order", "2"),
        execution_timeout=3600.0,
        decision_timeout=10.0,
        task_list="orders",
        task_priority=3,
        child_policy=ChildPolicy.REQUEST_CANCEL,
        description="takes orders",
        deprecated=True,
    )


def test_an_activity() -> None:
    info = {"activityType": {"name": "Charge", "version": "1"}, "status": "REGISTERED", "creationDate": 1497091502.319}
    configuration = {"defaultTaskHeartbeatTimeout": "NONE", "defaultTaskStartToCloseTimeout": "60"}
    described = decode.activity_type(body(typeInfo=info, configuration=configuration))
    assert described == ActivityType(ref=TypeRef("Charge", "1"), heartbeat_timeout=None, start_to_close_timeout=60.0)
    assert decode.activity_type(body(typeInfo=info)).heartbeat_timeout is UNSET


# --- what cannot be read ---------------------------------------------------------------------------------

READERS: list[Callable[[bytes], object]] = [
    decode.decision_page,
    lambda reply: decode.activity_task(reply, {}),
    decode.cancel_requested,
    decode.run_id,
    decode.history_page,
    decode.process_info,
    decode.process_page,
    decode.count,
    decode.workflow_type,
    decode.activity_type,
]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("damaged", [b"", b'{"events":[{"eve', b"<html><body>502 Bad Gateway</body></html>", b"{]"])
def test_what_is_no_json_came_damaged(read: Callable[[bytes], object], damaged: bytes) -> None:
    with pytest.raises(BackendUnavailableError, match="a reply came damaged from Amazon SWF"):
        read(damaged)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("odd", [b"[]", b"null", b'"text"'])
def test_what_is_no_object_is_no_reply(read: Callable[[bytes], object], odd: bytes) -> None:
    with pytest.raises(BackendError, match=r"Amazon SWF sent no proper [A-Z]") as raised:
        read(odd)
    assert not isinstance(raised.value, BackendUnavailableError)


@pytest.mark.parametrize(
    ("read", "reply", "message"),
    [
        (decode.run_id, {}, "no proper Started: .*runId"),
        (decode.decision_page, {"taskToken": "t"}, "a decision task without a process or its type"),
        (decode.decision_page, {"taskToken": 7}, "no proper DecisionTask"),
        (decode.decision_page, {"taskToken": "t", "workflowExecution": {}}, "no proper DecisionTask: .*workflowId"),
        (decode.history_page, {"events": [7]}, "no proper History"),
        (decode.history_page, {"events": [{"eventId": 1}]}, "an event that cannot be read"),
        (READERS[1], {"taskToken": "t"}, "an activity task without a process or its type"),
        (
            decode.process_info,
            {"executionInfo": OPEN_INFO, "executionConfiguration": {"taskPriority": "high"}, "openCounts": {}},
            "settings that cannot be read: .*'high'",
        ),
        (decode.process_page, {"executionInfos": [{**OPEN_INFO, "closeStatus": "LOST"}]}, "no proper Infos: .*LOST"),
        (
            decode.workflow_type,
            {"typeInfo": {"workflowType": {"name": "W", "version": "1"}}, "configuration": {"defaultTaskList": 7}},
            "defaults that cannot be read",
        ),
        (decode.workflow_type, {"typeInfo": {}}, "another kind of type"),
        (decode.activity_type, {"typeInfo": {"workflowType": {"name": "W", "version": "1"}}}, "another kind of type"),
    ],
)
def test_what_lacks_something_is_an_error_that_shows_it(
    read: Callable[[bytes], object], reply: dict[str, Any], message: str
) -> None:
    with pytest.raises(BackendError, match=message):
        read(body(**reply))


@pytest.mark.parametrize(
    ("text", "read"),
    [(b'"half a \\ud83c balloon"', "half a ? balloon"), (b'"not \xff UTF-8"', "not \N{REPLACEMENT CHARACTER} UTF-8")],
)
def test_a_task_is_not_lost_for_half_a_character(text: bytes, read: str) -> None:
    attributes = b'"workflowExecutionSignaledEventAttributes":{"signalName":"s","input":%b}' % text
    signal = b'{"eventId":1,"eventTimestamp":0,"eventType":"WorkflowExecutionSignaled",%b}' % attributes
    (event,) = decode.history_page(b'{"events":[%b]}' % signal).events
    assert isinstance(event, ProcessSignaledEvent)
    assert event.input == read


def test_half_a_character_is_not_the_only_flaw() -> None:
    with pytest.raises(BackendError, match="no proper History: Expected `object`, got `int`"):
        decode.history_page(b'{"events":[{"name":"\\ud83c"},7]}')


# --- anything at all -------------------------------------------------------------------------------------

MEMBERS = [
    "activityId", "activityType", "closeStatus", "configuration", "count", "eventId", "eventTimestamp", "eventType",
    "events", "execution", "executionConfiguration", "executionInfo", "executionInfos", "input", "name", "openCounts",
    "parent", "runId", "startTimestamp", "tagList", "taskToken", "typeInfo", "version", "workflowExecution",
    "workflowExecutionStartedEventAttributes", "workflowId", "workflowType",
]  # fmt: skip
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["OPEN", "WorkflowExecutionStarted", "t"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=6),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(READERS), values.map(json.dumps).map(str.encode) | st.binary(max_size=40))
@example(READERS[0], b"[" * 100_000)
@example(READERS[4], b'{"events":[' + b"[" * 200_000 + b"]" * 200_000 + b"]}")
@example(READERS[4], b'{"events":[{"a":"\xff"}, ' + b"[" * 200_000 + b"]" * 200_000 + b"]}")
def test_whatever_comes_is_read_or_is_an_error_of_the_backend(read: Callable[[bytes], object], reply: bytes) -> None:
    try:
        read(reply)
    except BackendError as error:
        reason = str(error)
    else:
        reason = "Amazon SWF sent something proper"
    assert "Amazon SWF" in reason
