"""The stand-in itself: its wire forms against botocore's service model, and what the suite does not ask for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, get_args

import botocore.session
import msgspec
import pytest
from botocore.exceptions import ClientError

from aioworkflow import event as events
from aioworkflow.backends.local import LocalOptions
from aioworkflow.machine.limits import SWF_LIMITS
from aioworkflow.testing import ManualClock
from aioworkflow.types import ChildPolicy, ProcessRef, TimeoutType, TypeRef
from tests.swf_server.calls import bare_client, register
from tests.swf_server.events import EVENT_NAMES, run_id, wire_event, wire_run_id
from tests.swf_server.faults import Fault, internal, throttled
from tests.swf_server.requests import REQUESTS
from tests.swf_server.server import SWFServer

WHEN = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
RUN = "0123456789abcdef" * 2
VALUES: dict[object, object] = {
    TypeRef: TypeRef("name", "1"),
    ProcessRef: ProcessRef("process", RUN),
    ChildPolicy: ChildPolicy.ABANDON,
    TimeoutType: TimeoutType.HEARTBEAT,
    events.Cause: events.Cause.OPERATION_NOT_PERMITTED,
    datetime: WHEN,
    int: 7,
    float: 60.0,
    str: "text",
}
MODEL = botocore.session.Session().get_service_model("swf")


@pytest.fixture
async def server() -> AsyncIterator[SWFServer]:
    options = LocalOptions(limits=SWF_LIMITS, poll_seconds=0.05)
    async with SWFServer(clock=ManualClock(), options=options, largest_page=3) as server:
        yield server


@pytest.fixture
async def client(server: SWFServer) -> AsyncIterator[Any]:
    async with bare_client(server.url) as client:
        await register(client)
        yield client


def example(kind: type[events.Event]) -> Any:
    """Return an event in which every field is set."""
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        types = [field.type, *get_args(field.type)]
        values[field.name] = next((VALUES[one] for one in types if one in VALUES), ("tag",))
    return kind(**values)


# --- wire forms -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", EVENT_NAMES)
def test_events_have_the_members_of_the_service_model(kind: type[events.Event]) -> None:
    wire = wire_event(example(kind))
    member = next(name for name in wire if name.endswith("Attributes"))
    shape = MODEL.shape_for("HistoryEvent")
    assert wire["eventType"] in shape.members["eventType"].enum
    attributes = wire[member]
    assert isinstance(attributes, dict)
    assert set(shape.members[member].required_members) <= attributes.keys() <= shape.members[member].members.keys()
    assert wire["eventTimestamp"] == WHEN.timestamp()


def test_there_is_a_form_for_each_type_of_event() -> None:
    assert {*EVENT_NAMES.values()} == {*MODEL.shape_for("EventType").enum}


@pytest.mark.parametrize("action", REQUESTS)
def test_requests_have_the_members_of_the_service_model(action: str) -> None:
    shape = MODEL.operation_model(action).input_shape
    fields = msgspec.structs.fields(REQUESTS[action])
    assert {field.encode_name for field in fields} == shape.members.keys()
    assert {field.encode_name for field in fields if field.required} == set(shape.required_members)


def test_all_actions_but_those_for_tags_of_domains_are_here() -> None:
    assert {*MODEL.operation_names} - REQUESTS.keys() == {"ListTagsForResource", "TagResource", "UntagResource"}


def test_run_ids_look_as_they_do_live() -> None:
    wire = wire_run_id(RUN)
    assert (len(wire), run_id(wire)) == (46, RUN)
    assert {"+", "/", "="} <= {*wire}
    assert wire_run_id("never given out") == run_id("never given out") == "never given out"


# --- answers --------------------------------------------------------------------------------------------------------


async def refused(call: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        await call
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


async def test_empty_polls_have_no_token(server: SWFServer, client: Any) -> None:
    for poll in (client.poll_for_decision_task, client.poll_for_activity_task):
        answer = await poll(domain="d", taskList={"name": "empty"})
        assert "taskToken" not in answer
        assert answer["startedEventId"] == 0
    assert server.calls["PollForDecisionTask (empty)"] == server.calls["PollForActivityTask (empty)"] == 1


async def test_scripted_answers_come_first_and_in_order(server: SWFServer, client: Any) -> None:
    async def late() -> Fault:
        return internal("much later")

    server.script("CountPendingDecisionTasks", {"count": 7}, b'{"count": 8}', throttled(), late)
    call = client.count_pending_decision_tasks
    assert [(await call(domain="d", taskList={"name": "w"}))["count"] for _ in range(2)] == [7, 8]
    assert await refused(call(domain="d", taskList={"name": "w"})) == (400, "ThrottlingException")
    assert await refused(call(domain="d", taskList={"name": "w"})) == (500, "InternalFailure")
    assert (await call(domain="d", taskList={"name": "w"}))["count"] == 0
    assert json.loads(server.requests[-1][1]) == {"domain": "d", "taskList": {"name": "w"}}


async def test_a_poll_whose_client_is_gone_takes_no_task() -> None:
    async with SWFServer(options=LocalOptions(poll_seconds=30.0)) as server, bare_client(server.url) as client:
        await register(client)
        gone = asyncio.ensure_future(client.poll_for_decision_task(domain="d", taskList={"name": "w"}))
        await until(lambda: server.holding == 1)
        gone.cancel()
        await asyncio.wait([gone])
        await until(lambda: server.holding == 0)
        await client.start_workflow_execution(domain="d", workflowId="x", workflowType={"name": "w", "version": "1"})
        task = await client.poll_for_decision_task(domain="d", taskList={"name": "w"})
        assert task["workflowExecution"]["workflowId"] == "x"


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - the server has no event for each test to wait for
        await asyncio.sleep(0)


async def test_pages_of_a_decision_task(client: Any) -> None:
    await client.start_workflow_execution(domain="d", workflowId="x", workflowType={"name": "w", "version": "1"})
    for number in range(5):
        await client.signal_workflow_execution(domain="d", workflowId="x", signalName=str(number))
    for reverse in (False, True):
        ask = {"domain": "d", "taskList": {"name": "w"}, "reverseOrder": reverse}
        page = task = await client.poll_for_decision_task(**ask)
        ids = [event["eventId"] for event in page["events"]]
        while "nextPageToken" in page:
            following = page["nextPageToken"]
            page = await client.poll_for_decision_task(**ask, nextPageToken=following)
            assert page["taskToken"] == task["taskToken"]
            ids += [event["eventId"] for event in page["events"]]
        assert sorted(ids, reverse=reverse) == ids == list(ids)
        assert len(ids) == task["startedEventId"]
        await client.signal_workflow_execution(domain="d", workflowId="x", signalName="again")
        await client.respond_decision_task_completed(taskToken=task["taskToken"])
        call = client.poll_for_decision_task(**ask, nextPageToken=following)
        assert await refused(call) == (400, "UnknownResourceFault")


async def test_wrong_requests_are_told_apart(client: Any) -> None:
    w = {"name": "w", "version": "1"}
    cases: list[tuple[Any, str]] = [
        (client.start_workflow_execution(domain="d", workflowId="a:b", workflowType=w), "ValidationException"),
        (client.start_workflow_execution(domain="d", workflowId="x" * 257, workflowType=w), "ValidationException"),
        (
            client.start_workflow_execution(
                domain="d", workflowId="x", workflowType=w, executionStartToCloseTimeout="NONE"
            ),
            "ValidationException",
        ),
        (
            client.start_workflow_execution(domain="d", workflowId="x", workflowType={"name": "v", "version": "1"}),
            "UnknownResourceFault",
        ),
        (client.describe_domain(name="nowhere"), "UnknownResourceFault"),
        (client.register_domain(name="d", workflowExecutionRetentionPeriodInDays="1"), "DomainAlreadyExistsFault"),
        (client.register_workflow_type(domain="d", name="w", version="1"), "TypeAlreadyExistsFault"),
        (client.delete_workflow_type(domain="d", workflowType=w), "TypeNotDeprecatedFault"),
        (client.undeprecate_domain(name="d"), "DomainAlreadyExistsFault"),
        (client.record_activity_task_heartbeat(taskToken="garbage"), "ValidationException"),
        (client.respond_decision_task_completed(taskToken="garbage"), "ValidationException"),
        (client.list_closed_workflow_executions(domain="d"), "ValidationException"),
        (client.list_tags_for_resource(resourceArn="x"), "UnknownOperationException"),
    ]
    for call, code in cases:
        assert await refused(call) == (400, code)


async def test_wrong_decisions_are_refused_together(client: Any) -> None:
    await client.start_workflow_execution(domain="d", workflowId="x", workflowType={"name": "w", "version": "1"})
    token = (await client.poll_for_decision_task(domain="d", taskList={"name": "w"}))["taskToken"]
    wrong: list[dict[str, Any]] = [
        {"decisionType": "Dance"},
        {"decisionType": "StartTimer"},
        {
            "decisionType": "StartTimer",
            "startTimerDecisionAttributes": {"timerId": "t", "startToFireTimeout": "NONE"},
        },
    ]
    marker = {"decisionType": "RecordMarker", "recordMarkerDecisionAttributes": {"markerName": "m"}}
    for decision in wrong:
        call = client.respond_decision_task_completed(taskToken=token, decisions=[marker, decision])
        assert await refused(call) == (400, "ValidationException")
    await client.respond_decision_task_completed(taskToken=token, decisions=[marker])
    call = client.respond_decision_task_completed(taskToken=token)
    assert await refused(call) == (400, "UnknownResourceFault")


async def test_types_are_deprecated_and_deleted(client: Any) -> None:
    w, a = {"name": "w", "version": "1"}, {"name": "a", "version": "1"}
    for word, type_ in (("workflow", w), ("activity", a)):
        named: dict[str, Any] = {"domain": "d", f"{word}Type": type_}

        def call(verb: str, word: str = word, named: dict[str, Any] = named) -> Any:
            return getattr(client, f"{verb}_{word}_type")(**named)

        await call("deprecate")
        assert await refused(call("deprecate")) == (400, "TypeDeprecatedFault")
        assert (await call("describe"))["typeInfo"]["status"] == "DEPRECATED"
        listed = await getattr(client, f"list_{word}_types")(domain="d", registrationStatus="DEPRECATED")
        assert [info[f"{word}Type"] for info in listed["typeInfos"]] == [type_]
        await call("undeprecate")
        assert await refused(call("undeprecate")) == (400, "TypeAlreadyExistsFault")
        await call("deprecate")
        if word == "workflow":
            start = client.start_workflow_execution(domain="d", workflowId="x", workflowType=w)
            assert await refused(start) == (400, "TypeDeprecatedFault")
        await call("delete")
        assert await refused(call("describe")) == (400, "UnknownResourceFault")


async def test_domains_are_listed_and_deprecated(client: Any) -> None:
    await client.register_domain(name="c", description="the other", workflowExecutionRetentionPeriodInDays="NONE")
    listed = await client.list_domains(registrationStatus="REGISTERED")
    assert [info["name"] for info in listed["domainInfos"]] == ["c", "d"]
    await client.deprecate_domain(name="d")
    assert await refused(client.deprecate_domain(name="d")) == (400, "DomainDeprecatedFault")
    register_type = client.register_workflow_type(domain="d", name="new", version="1")
    assert await refused(register_type) == (400, "DomainDeprecatedFault")
    assert (await client.describe_domain(name="d"))["domainInfo"]["status"] == "DEPRECATED"
    await client.undeprecate_domain(name="d")


async def test_pending_tasks_are_counted(client: Any) -> None:
    await client.start_workflow_execution(domain="d", workflowId="x", workflowType={"name": "w", "version": "1"})
    lists = {"domain": "d", "taskList": {"name": "w"}}
    assert (await client.count_pending_decision_tasks(**lists))["count"] == 1
    task = await client.poll_for_decision_task(**lists)
    assert (await client.count_pending_decision_tasks(**lists))["count"] == 0
    activity = {"activityType": {"name": "a", "version": "1"}, "activityId": "1"}
    await client.respond_decision_task_completed(
        taskToken=task["taskToken"],
        decisions=[{"decisionType": "ScheduleActivityTask", "scheduleActivityTaskDecisionAttributes": activity}],
    )
    lists["taskList"] = {"name": "a"}
    assert (await client.count_pending_activity_tasks(**lists))["count"] == 1
    await client.poll_for_activity_task(**lists)
    assert (await client.count_pending_activity_tasks(**lists))["count"] == 0
