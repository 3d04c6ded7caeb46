"""Replies come to the translation unparsed, and nothing else changes, over HTTP on loopback."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiobotocore.session import AioSession
from aiohttp import web
from aiohttp.test_utils import TestServer
from botocore.exceptions import ClientError

from aioworkflow.backends.swf import SWFBackend, SWFOptions, decode, parsing
from aioworkflow.errors import BackendError, BackendUnavailableError, ThrottledError, UnknownProcessError
from aioworkflow.types import ProcessRef
from tests.backends.swf.service_model import MODEL
from tests.swf_server.environment import isolated

TASK = (
    b'{"activityId":"a","activityType":{"name":"A","version":"1"},"startedEventId":6,"taskToken":"t",'
    b'"workflowExecution":{"runId":"r","workflowId":"p"}}'
)


async def answer(request: web.Request) -> web.Response:
    """Answer as Amazon does: some calls with a reply, one with a fault, STS with XML, all others with nothing."""
    target = request.headers.get("X-Amz-Target", "").partition(".")[2]
    headers = {"x-amzn-RequestId": "request-1"}
    if target == "PollForActivityTask":
        return web.Response(body=TASK, headers=headers, content_type="application/x-amz-json-1.0")
    if target == "CountOpenWorkflowExecutions":
        return web.Response(body=b'{"count":3}')
    if target == "PollForDecisionTask":
        fault = b'{"__type":"com.amazonaws.swf.base.model#UnknownResourceFault","message":"Unknown domain: d"}'
        return web.Response(status=400, body=fault)
    if target == "DescribeDomain":
        reply = b'{"domainInfo":{"name":"d","status":"REGISTERED"},"configuration":{}}'
        return web.Response(body=reply, headers=headers)
    if target:
        return web.Response(headers=headers)
    identity = "<GetCallerIdentityResult><Account>123456789012</Account></GetCallerIdentityResult>"
    return web.Response(body=f"<GetCallerIdentityResponse>{identity}</GetCallerIdentityResponse>".encode())


@pytest.fixture
async def url() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


async def client(life: AsyncExitStack, session: AioSession, service: str, url: str) -> Any:
    opening = session.create_client(
        service, region_name="us-east-1", endpoint_url=url, aws_access_key_id="a", aws_secret_access_key="s"
    )
    return await life.enter_async_context(opening)


@pytest.fixture
async def swf(url: str) -> AsyncIterator[Any]:
    session = AioSession()
    parsing.install(session)
    async with AsyncExitStack() as life:
        yield await client(life, session, "swf", url)


async def test_a_reply_comes_unparsed(swf: Any) -> None:
    reply = await swf.poll_for_activity_task(domain="d", taskList={"name": "l"})
    assert parsing.body(reply) == TASK
    metadata = reply["ResponseMetadata"]
    assert (metadata["HTTPStatusCode"], metadata["RequestId"], metadata["RetryAttempts"]) == (200, "request-1", 0)
    assert metadata["HTTPHeaders"]["content-type"] == "application/x-amz-json-1.0"
    task = decode.activity_task(parsing.body(reply), {})
    assert task is not None
    assert task.activity_id == "a"


async def test_a_reply_without_request_id_will_do(swf: Any) -> None:
    reply = await swf.count_open_workflow_executions(domain="d", startTimeFilter={"oldestDate": 0})
    assert decode.count(parsing.body(reply)) == decode.Count(count=3)
    assert "RequestId" not in reply["ResponseMetadata"]


async def test_errors_are_raised_as_ever(swf: Any) -> None:
    with pytest.raises(ClientError) as raised:
        await swf.poll_for_decision_task(domain="d", taskList={"name": "l"})
    assert isinstance(raised.value, swf.exceptions.UnknownResourceFault)
    assert raised.value.response["Error"] == {"Code": "UnknownResourceFault", "Message": "Unknown domain: d"}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b"[1]", BackendUnavailableError),
        (403, b"null", BackendUnavailableError),
        (500, b'"away"', BackendUnavailableError),
        (400, b'{"__type":5,"message":7}', BackendUnavailableError),
        (400, b'{"__type":"a#ThrottlingException","message":null}', ThrottledError),
        (400, b'{"__type":"a#UnknownResourceFault","message":"Unknown domain: \xc3"}', UnknownProcessError),
        (400, b'{"__type":null,"message":null}', BackendError),
    ],
)
@pytest.mark.parametrize("good", [0, 1], ids=["of the client", "of the shortest way"])
async def test_what_comes_as_an_error_is_one_of_ours(
    status: int, body: bytes, kind: type[Exception], good: int
) -> None:
    calls = itertools.count()

    async def refuse(request: web.Request) -> web.Response:
        return web.Response() if next(calls) < good else web.Response(status=status, body=body)

    app = web.Application()
    app.router.add_post("/", refuse)
    options = SWFOptions(retry_seconds=0.0)
    with isolated():
        async with (
            TestServer(app) as server,
            SWFBackend("d", endpoint_url=str(server.make_url("/")), options=options) as swf,
        ):
            for _ in range(good):
                await swf.signal_process(ProcessRef("p"), "s")
            with pytest.raises(kind):
                await swf.signal_process(ProcessRef("p"), "s")


async def test_other_calls_are_parsed_as_ever(swf: Any) -> None:
    assert (await swf.describe_domain(name="d"))["domainInfo"] == {"name": "d", "status": "REGISTERED"}
    nothing = await swf.signal_workflow_execution(domain="d", workflowId="p", signalName="s")
    assert set(nothing) == {"ResponseMetadata"}


async def test_other_services_are_parsed_as_ever(url: str) -> None:
    session = AioSession()
    parsing.install(session)
    async with AsyncExitStack() as life:
        sts = await client(life, session, "sts", url)
        assert (await sts.get_caller_identity())["Account"] == "123456789012"


async def test_a_reply_that_was_parsed_already_is_an_error(url: str) -> None:
    async with AsyncExitStack() as life:
        swf = await client(life, AioSession(), "swf", url)
        reply = await swf.poll_for_activity_task(domain="d", taskList={"name": "l"})
    with pytest.raises(BackendError, match=r"pass the session to parsing\.install\(\) before"):
        parsing.body(reply)


def test_the_calls_that_are_left_unparsed_have_replies() -> None:
    for name in parsing.RAW_OPERATIONS:
        assert MODEL.operation_model(name).output_shape is not None
