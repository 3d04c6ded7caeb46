"""Requests to Amazon SWF: each in full and bare, against the service model, and what is refused before it is sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aioworkflow.backend import ProcessFilter, StartRequest
from aioworkflow.backends.swf import encode
from aioworkflow.decision import CompleteProcessDecision, RecordMarkerDecision
from aioworkflow.errors import InvalidDecisionError, InvalidRequestError, PayloadTooLargeError, UnknownTaskError
from aioworkflow.payload import Json
from aioworkflow.result import ActivityAborted, ActivityCompleted, ActivityFailed
from aioworkflow.types import ActivityType, ChildPolicy, ProcessRef, ProcessStatus, TypeRef, WorkflowType
from tests.backends.swf.service_model import MODEL, accepts

ROLE = "arn:aws:iam::123456789012:role/swf-lambda"
RUN = ProcessRef("order-17", "22X56OQhwfy+AtGx1iSo3HX51AK2DdtKzfUnU+RQElbms=")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONG = Json('"' + "x" * 32_767 + '"')

WORKFLOW = WorkflowType(
    ref=TypeRef("Order", "2"),
    execution_timeout=None,
    decision_timeout=9.5,
    task_list="orders",
    task_priority=3,
    child_policy=ChildPolicy.REQUEST_CANCEL,
    description="takes orders",
)
ACTIVITY = ActivityType(
    ref=TypeRef("Charge", "1"),
    schedule_to_start_timeout=None,
    start_to_close_timeout=60.0,
    schedule_to_close_timeout=0.5,
    heartbeat_timeout=10.0,
    task_list="cards",
    task_priority=-1,
    description="",
)

REQUESTS: dict[str, tuple[str, encode.Parameters, encode.Parameters]] = {
    "a domain": (
        "RegisterDomain",
        encode.register_domain("shop", retention_days=30, description="all orders", tags={"team": "a", "b": ""}),
        {
            "name": "shop",
            "workflowExecutionRetentionPeriodInDays": "30",
            "description": "all orders",
            "tags": [{"key": "team", "value": "a"}, {"key": "b", "value": ""}],
        },
    ),
    "a bare domain": (
        "RegisterDomain",
        encode.register_domain("shop", retention_days=None),
        {"name": "shop", "workflowExecutionRetentionPeriodInDays": "NONE"},
    ),
    "a workflow": (
        "RegisterWorkflowType",
        encode.register_workflow("shop", WORKFLOW, lambda_role=ROLE),
        {
            "domain": "shop",
            "name": "Order",
            "version": "2",
            "defaultExecutionStartToCloseTimeout": "31536000",
            "defaultTaskStartToCloseTimeout": "10",
            "defaultTaskList": {"name": "orders"},
            "defaultTaskPriority": "3",
            "defaultChildPolicy": "REQUEST_CANCEL",
            "defaultLambdaRole": ROLE,
            "description": "takes orders",
        },
    ),
    "a bare workflow": (
        "RegisterWorkflowType",
        encode.register_workflow("shop", WorkflowType(ref=TypeRef("Order"))),
        {"domain": "shop", "name": "Order", "version": "1"},
    ),
    "an activity": (
        "RegisterActivityType",
        encode.register_activity("shop", ACTIVITY),
        {
            "domain": "shop",
            "name": "Charge",
            "version": "1",
            "defaultTaskScheduleToStartTimeout": "NONE",
            "defaultTaskStartToCloseTimeout": "60",
            "defaultTaskScheduleToCloseTimeout": "1",
            "defaultTaskHeartbeatTimeout": "10",
            "defaultTaskList": {"name": "cards"},
            "defaultTaskPriority": "-1",
            "description": "",
        },
    ),
    "a bare activity": (
        "RegisterActivityType",
        encode.register_activity("shop", ActivityType(ref=TypeRef("Charge"))),
        {"domain": "shop", "name": "Charge", "version": "1"},
    ),
    "what a workflow is like": (
        "DescribeWorkflowType",
        encode.describe_workflow("shop", TypeRef("Order", "2")),
        {"domain": "shop", "workflowType": {"name": "Order", "version": "2"}},
    ),
    "what an activity is like": (
        "DescribeActivityType",
        encode.describe_activity("shop", TypeRef("Charge", "1")),
        {"domain": "shop", "activityType": {"name": "Charge", "version": "1"}},
    ),
    "a start": (
        "StartWorkflowExecution",
        encode.start_process(
            "shop",
            StartRequest(
                process_id="order-17",
                workflow=TypeRef("Order", "2"),
                input_json="5",
                tags=("vip", "eu"),
                task_list="orders",
                task_priority=7,
                execution_timeout=40_000_000.0,
                decision_timeout=30.0,
                child_policy=ChildPolicy.ABANDON,
            ),
            lambda_role=ROLE,
        ),
        {
            "domain": "shop",
            "workflowId": "order-17",
            "workflowType": {"name": "Order", "version": "2"},
            "input": "5",
            "tagList": ["vip", "eu"],
            "taskList": {"name": "orders"},
            "taskPriority": "7",
            "executionStartToCloseTimeout": "31536000",
            "taskStartToCloseTimeout": "30",
            "childPolicy": "ABANDON",
            "lambdaRole": ROLE,
        },
    ),
    "a bare start": (
        "StartWorkflowExecution",
        encode.start_process("shop", StartRequest(process_id="p", workflow=TypeRef("W"))),
        {"domain": "shop", "workflowId": "p", "workflowType": {"name": "W", "version": "1"}},
    ),
    "a signal": (
        "SignalWorkflowExecution",
        encode.signal_process("shop", RUN, "pay: now/later", '{"by":"card"}'),
        {
            "domain": "shop",
            "workflowId": RUN.process_id,
            "runId": RUN.run_id,
            "signalName": "pay: now/later",
            "input": '{"by":"card"}',
        },
    ),
    "a bare signal": (
        "SignalWorkflowExecution",
        encode.signal_process("shop", ProcessRef("p"), "s"),
        {"domain": "shop", "workflowId": "p", "signalName": "s"},
    ),
    "a request to cancel": (
        "RequestCancelWorkflowExecution",
        encode.cancel_process("shop", RUN),
        {"domain": "shop", "workflowId": RUN.process_id, "runId": RUN.run_id},
    ),
    "a termination": (
        "TerminateWorkflowExecution",
        encode.terminate_process(
            "shop", RUN, reason="enough", details_json="[1]", child_policy=ChildPolicy.REQUEST_CANCEL
        ),
        {
            "domain": "shop",
            "workflowId": RUN.process_id,
            "runId": RUN.run_id,
            "reason": "enough",
            "details": "[1]",
            "childPolicy": "REQUEST_CANCEL",
        },
    ),
    "a bare termination": (
        "TerminateWorkflowExecution",
        encode.terminate_process("shop", ProcessRef("p")),
        {"domain": "shop", "workflowId": "p"},
    ),
    "what a process is like": (
        "DescribeWorkflowExecution",
        encode.describe_process("shop", RUN),
        {"domain": "shop", "execution": {"workflowId": RUN.process_id, "runId": RUN.run_id}},
    ),
    "a history": (
        "GetWorkflowExecutionHistory",
        encode.history("shop", RUN, reverse=True, page_size=1_000, page_token="next"),
        {
            "domain": "shop",
            "execution": {"workflowId": RUN.process_id, "runId": RUN.run_id},
            "reverseOrder": True,
            "maximumPageSize": 1_000,
            "nextPageToken": "next",
        },
    ),
    "a decision poll": (
        "PollForDecisionTask",
        encode.poll_decision_task(
            "shop", "orders", identity="me", new_events_only=True, reverse=True, page_size=1, page_token="next"
        ),
        {
            "domain": "shop",
            "taskList": {"name": "orders"},
            "identity": "me",
            "startAtPreviousStartedEvent": True,
            "reverseOrder": True,
            "maximumPageSize": 1,
            "nextPageToken": "next",
        },
    ),
    "a bare decision poll": (
        "PollForDecisionTask",
        encode.poll_decision_task("shop", "orders"),
        {"domain": "shop", "taskList": {"name": "orders"}},
    ),
    "an activity poll": (
        "PollForActivityTask",
        encode.poll_activity_task("shop", "cards", identity="me"),
        {"domain": "shop", "taskList": {"name": "cards"}, "identity": "me"},
    ),
    "a decision": (
        "RespondDecisionTaskCompleted",
        encode.complete_decision_task(
            "token",
            [CompleteProcessDecision(1)],
            execution_context="3 of 7",
            task_list="mine",
            task_list_schedule_to_start_timeout=4.2,
        ),
        {
            "taskToken": "token",
            "decisions": [
                {
                    "decisionType": "CompleteWorkflowExecution",
                    "completeWorkflowExecutionDecisionAttributes": {"result": "1"},
                }
            ],
            "executionContext": "3 of 7",
            "taskList": {"name": "mine"},
            "taskListScheduleToStartTimeout": "5",
        },
    ),
    "no decision": (
        "RespondDecisionTaskCompleted",
        encode.complete_decision_task("token", execution_context=""),
        {"taskToken": "token", "decisions": [], "executionContext": ""},
    ),
    "a sticky list without limit": (
        "RespondDecisionTaskCompleted",
        encode.complete_decision_task("token", task_list="mine"),
        {"taskToken": "token", "decisions": [], "taskList": {"name": "mine"}, "taskListScheduleToStartTimeout": "NONE"},
    ),
    "a heartbeat": (
        "RecordActivityTaskHeartbeat",
        encode.heartbeat_activity_task("token", '"half"'),
        {"taskToken": "token", "details": '"half"'},
    ),
    "a bare heartbeat": (
        "RecordActivityTaskHeartbeat",
        encode.heartbeat_activity_task("token"),
        {"taskToken": "token"},
    ),
    "a result": (
        *encode.complete_activity_task("token", ActivityCompleted({"a": 1})),
        {"taskToken": "token", "result": '{"a":1}'},
    ),
    "no result": (*encode.complete_activity_task("token", ActivityCompleted()), {"taskToken": "token"}),
    "a failure": (
        *encode.complete_activity_task("token", ActivityFailed(reason="why", details=[1])),
        {"taskToken": "token", "reason": "why", "details": "[1]"},
    ),
    "a bare failure": (*encode.complete_activity_task("token", ActivityFailed()), {"taskToken": "token"}),
    "an abortion": (
        *encode.complete_activity_task("token", ActivityAborted("why", [1])),
        {"taskToken": "token", "details": '{"aborted":{"reason":"why","details":[1]}}'},
    ),
    "an abortion without reason": (
        *encode.complete_activity_task("token", ActivityAborted(details=[1])),
        {"taskToken": "token", "details": "[1]"},
    ),
    "a bare abortion": (*encode.complete_activity_task("token", ActivityAborted()), {"taskToken": "token"}),
    "open processes": (
        "ListOpenWorkflowExecutions",
        encode.open_processes("shop", ProcessFilter()) | encode.page(100),
        {"domain": "shop", "startTimeFilter": {"oldestDate": EPOCH}, "maximumPageSize": 100},
    ),
    "open processes of a workflow": (
        "CountOpenWorkflowExecutions",
        encode.open_processes(
            "shop",
            ProcessFilter(workflow="Order", status=ProcessStatus.OPEN, started_after=NOON),
        ),
        {"domain": "shop", "startTimeFilter": {"oldestDate": NOON}, "typeFilter": {"name": "Order"}},
    ),
    "closed processes of a version, by their start": (
        "ListClosedWorkflowExecutions",
        encode.closed_processes(
            "shop",
            ProcessFilter(workflow="Order", workflow_version="2", started_after=NOON, started_before=NOON),
        ),
        {
            "domain": "shop",
            "startTimeFilter": {"oldestDate": NOON, "latestDate": NOON - timedelta(milliseconds=1)},
            "typeFilter": {"name": "Order", "version": "2"},
        },
    ),
    "closed processes, by their end": (
        "CountClosedWorkflowExecutions",
        encode.closed_processes("shop", ProcessFilter(status=ProcessStatus.TIMED_OUT, closed_before=NOON)),
        {
            "domain": "shop",
            "closeTimeFilter": {"oldestDate": EPOCH, "latestDate": NOON - timedelta(milliseconds=1)},
            "closeStatusFilter": {"status": "TIMED_OUT"},
        },
    ),
    "closed processes with a tag": (
        "ListClosedWorkflowExecutions",
        encode.closed_processes("shop", ProcessFilter(tag="vip")),
        {"domain": "shop", "startTimeFilter": {"oldestDate": EPOCH}, "tagFilter": {"tag": "vip"}},
    ),
    "closed runs of a process": (
        "ListClosedWorkflowExecutions",
        encode.closed_processes("shop", ProcessFilter(process_id="order:17")),
        {
            "domain": "shop",
            "startTimeFilter": {"oldestDate": EPOCH},
            "executionFilter": {"workflowId": "order:17"},
        },
    ),
}


@pytest.mark.parametrize("case", REQUESTS)
def test_a_request_is_written(case: str) -> None:
    operation, parameters, expected = REQUESTS[case]
    assert parameters == expected
    if case != "closed runs of a process":  # there are ids that break the rules
        assert accepts(operation, parameters)


@pytest.mark.parametrize(
    "operation", ["RegisterDomain", "RegisterWorkflowType", "RegisterActivityType", "StartWorkflowExecution"]
)
def test_everything_that_a_request_can_hold_is_used(operation: str) -> None:
    full = next(parameters for name, parameters, _ in REQUESTS.values() if name == operation)
    assert set(full) == set(MODEL.operation_model(operation).input_shape.members)


AT = datetime(2026, 3, 1, 12, 0, 0, 319_000, tzinfo=UTC)
TINY = timedelta(microseconds=1)
TICK = timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("after", "before", "oldest", "latest"),
    [
        (AT, AT, AT, AT - TICK),
        (AT + TINY, AT + TINY, AT + TICK, AT),
        (AT - TINY, AT - TINY, AT, AT - TICK),
        (AT.astimezone(timezone(timedelta(hours=9))), None, AT, None),
        (datetime.min.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC), EPOCH, EPOCH),
        (datetime.max.replace(tzinfo=UTC), None, datetime.max.replace(microsecond=0, tzinfo=UTC), None),
    ],
)
def test_times_are_whole_milliseconds(
    after: datetime, before: datetime | None, oldest: datetime, latest: datetime | None
) -> None:
    span = encode.open_processes("shop", ProcessFilter(started_after=after, started_before=before))["startTimeFilter"]
    assert span == {"oldestDate": oldest} | ({} if latest is None else {"latestDate": latest})


# --- what is refused -------------------------------------------------------------------------------------


def start(**fields: Any) -> Callable[[], object]:
    return lambda: encode.start_process("d", StartRequest(**{"process_id": "p", "workflow": TypeRef("W"), **fields}))


def listing(**fields: Any) -> Callable[[], object]:
    return lambda: encode.closed_processes("d", ProcessFilter(**fields))


def workflow(**fields: Any) -> Callable[[], object]:
    return lambda: encode.register_workflow("d", WorkflowType(**{"ref": TypeRef("W"), **fields}))


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "no process id": (start(process_id=""), "process_id must be 1 to 256 characters long"),
    "a colon": (start(process_id="a:b"), "process_id must not contain ':'"),
    "arn": (start(process_id="arn"), "process_id must not be the word 'arn'"),
    "a long id": (start(process_id="x" * 257), "process_id must be 1 to 256 .* has 257"),
    "no type": (start(workflow="W"), "workflow must be a TypeRef, not 'W'"),
    "a long version": (start(workflow=TypeRef("W", "v" * 65)), "workflow version must be 1 to 64"),
    "six tags": (start(tags=tuple("abcdef")), "tags are 6, and a process has at most 5"),
    "a long tag": (start(tags=("x" * 257,)), r"tags\[0\] must be 0 to 256 characters long"),
    "an input that is no text": (start(input_json=7), "input must be JSON text, not 7"),
    "an input that is no Unicode": (start(input_json='"\ud800"'), "input is not proper Unicode"),
    "white space": (start(task_list=" l"), "task_list must not begin or end with white space: ' l'"),
    "a big priority": (start(task_priority=2**31), r"task_priority must be -2\*\*31 to 2\*\*31 - 1"),
    "no policy": (start(child_policy="ABANDON"), "child_policy must be one of"),
    "a long timeout": (start(decision_timeout=1e8), "decision_timeout must be 0 to 99,999,999 seconds"),
    "a negative timeout": (start(execution_timeout=-1), "execution_timeout must be 0 to 99,999,999 seconds"),
    "not a number": (start(decision_timeout=float("nan")), "decision_timeout must be .*, not nan"),
    "a long description": (workflow(description="x" * 1_025), "description must be 0 to 1024"),
    "a role": (
        lambda: encode.register_workflow("d", WorkflowType(ref=TypeRef("W")), lambda_role=""),
        "lambda_role must be 1 to 1600",
    ),
    "a domain": (lambda: encode.register_domain("a/b", retention_days=1), "domain must not contain '/'"),
    "long retention": (lambda: encode.register_domain("d", retention_days=91), "retention_days must be 0 to 90"),
    "odd retention": (
        lambda: encode.register_domain("d", retention_days=1.5),  # type: ignore[arg-type]
        "retention_days must be 0 to 90 days, or None, not 1.5",
    ),
    "a domain's tag": (lambda: encode.register_domain("d", retention_days=1, tags={"": "x"}), "tag must be 1 to 128"),
    "no signal": (lambda: encode.signal_process("d", RUN, ""), "signal must be 1 to 256"),
    "no process": (lambda: encode.signal_process("d", "p", "s"), "process must be a ProcessRef"),  # type: ignore[arg-type]
    "a long run id": (lambda: encode.cancel_process("d", ProcessRef("p", "r" * 65)), "process run id must be 0 to 64"),
    "a long reason": (lambda: encode.terminate_process("d", RUN, reason="x" * 257), "reason must be 0 to 256"),
    "a policy": (
        lambda: encode.terminate_process("d", RUN, child_policy="ABANDON"),  # type: ignore[arg-type]
        "child_policy must be one of",
    ),
    "no run id": (lambda: encode.describe_process("d", ProcessRef("p")), "process 'p' must have a run id"),
    "no page": (lambda: encode.page(0), "page_size must be 1 to 1,000, not 0"),
    "a big page": (lambda: encode.page(1_001), "page_size must be 1 to 1,000, not 1001"),
    "a page token": (lambda: encode.page(None, ""), "page_token must be 1 to 2048"),
    "a long identity": (lambda: encode.poll_activity_task("d", "l", identity="x" * 257), "identity must be 0 to 256"),
    "a poll": (lambda: encode.poll_decision_task("d", "a|b"), r"task_list must not contain '\|'"),
    "a context": (
        lambda: encode.complete_decision_task("t", execution_context="x" * 32_769),
        "execution_context must be 0 to 32768",
    ),
    "a heartbeat": (lambda: encode.heartbeat_activity_task("t", 7), "details must be JSON text"),  # type: ignore[arg-type]
    "no result": (
        lambda: encode.complete_activity_task("t", 7),  # type: ignore[arg-type]
        "the result must be ActivityCompleted, ActivityAborted or ActivityFailed, not 7",
    ),
    "a version alone": (listing(workflow_version="2"), "workflow_version without the name of its workflow"),
    "two filters": (
        listing(workflow="W", tag="t"),
        "looks for closed processes by one of .*, not by workflow and tag together",
    ),
    "two times": (listing(started_after=NOON, closed_before=NOON), "by the time of their start or by that of their"),
    "naive time": (listing(started_after=NOON.replace(tzinfo=None)), "times must be aware datetimes"),
    "no time": (listing(closed_after="noon"), "times must be aware datetimes, not 'noon'"),
    "the end of what is open": (
        lambda: encode.open_processes("d", ProcessFilter(closed_after=NOON)),
        "open processes have no closing time",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_the_service_would_refuse_is_refused_before(case: str) -> None:
    ask, message = WRONG[case]
    with pytest.raises(InvalidRequestError, match=message):
        ask()


@pytest.mark.parametrize(
    "ask",
    [
        lambda: encode.start_process("d", StartRequest(process_id="p", workflow=TypeRef("W"), input_json=LONG)),
        lambda: encode.signal_process("d", RUN, "s", LONG),
        lambda: encode.terminate_process("d", RUN, details_json=LONG),
        lambda: encode.complete_activity_task("t", ActivityCompleted(LONG)),
        lambda: encode.complete_activity_task("t", ActivityFailed(details=LONG)),
        lambda: encode.complete_activity_task("t", ActivityAborted(details=LONG)),
        lambda: encode.complete_activity_task("t", ActivityAborted("why", LONG[:-2] + '"')),
    ],
)
def test_a_long_payload_is_an_error_of_its_own(ask: Callable[[], object]) -> None:
    with pytest.raises(PayloadTooLargeError, match="Amazon SWF takes 32,768"):
        ask()


@pytest.mark.parametrize("token", ["", "x" * 1_025, None, 7])
def test_what_cannot_be_a_token_belongs_to_no_task(token: Any) -> None:
    for ask in (encode.complete_decision_task, encode.heartbeat_activity_task):
        with pytest.raises(UnknownTaskError, match="is the token of no task"):
            ask(token)
    with pytest.raises(UnknownTaskError, match="is the token of no task"):
        encode.complete_activity_task(token, ActivityCompleted())


def test_a_wrong_decision_is_told_from_a_wrong_request() -> None:
    with pytest.raises(InvalidDecisionError):
        encode.complete_decision_task("t", ["complete"])  # type: ignore[list-item]


def test_decisions_may_be_too_big_together() -> None:
    marker = RecordMarkerDecision("m", "é" * 20_000)  # é is six bytes where botocore writes it
    encode.complete_decision_task("token", [marker] * 8)
    with pytest.raises(InvalidDecisionError, match=r"the 9 decisions take 1,08\d,\d{3} bytes"):
        encode.complete_decision_task("token", [marker] * 9)


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("RegisterDomain", encode.register_domain("d", retention_days=0)),
        ("RegisterDomain", encode.register_domain("d" * 256, retention_days=90, tags={"k" * 128: "v" * 256})),
        ("RegisterWorkflowType", encode.register_workflow("d", WORKFLOW, lambda_role="r" * 1_600)),
        ("RecordActivityTaskHeartbeat", encode.heartbeat_activity_task("t" * 1_024, '"' + "x" * 2_046 + '"')),
        encode.complete_activity_task("t", ActivityCompleted(Json(LONG[:-2] + '"'))),
        ("PollForActivityTask", encode.poll_activity_task("d", "l" * 256, identity="i" * 256)),
        ("ListOpenWorkflowExecutions", encode.open_processes("d", ProcessFilter()) | encode.page(1_000, "p" * 2_048)),
    ],
)
def test_what_is_just_within_the_limits_is_taken(operation: str, parameters: encode.Parameters) -> None:
    assert accepts(operation, parameters)


# --- any start -------------------------------------------------------------------------------------------

names = st.text(min_size=1, max_size=300)


@settings(max_examples=60, deadline=None)
@given(process_id=names, name=names, version=names, tags=st.lists(names, max_size=6), task_list=names)
def test_a_start_is_refused_or_taken(process_id: str, name: str, version: str, tags: list[str], task_list: str) -> None:
    request = StartRequest(
        process_id=process_id, workflow=TypeRef(name, version), tags=tuple(tags), task_list=task_list
    )
    parameters = start_or_refuse(request)
    assert parameters is None or accepts("StartWorkflowExecution", parameters)


def start_or_refuse(request: StartRequest) -> encode.Parameters | None:
    try:
        return encode.start_process("shop", request)
    except InvalidRequestError:
        return None
