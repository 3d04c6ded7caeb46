"""Lines: what they send and make of replies, beside what the client of aiobotocore does with the same."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from aiohttp import web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError, EndpointConnectionError

from aioworkflow.backends.swf.line import Line

CALL = "RecordActivityTaskHeartbeat"
PARAMETERS: dict[str, object] = {"taskToken": "t/+=", "details": "ü \N{SNOWMAN} \ud800 \n"}

OF_BOTOCORE = {"amz-sdk-invocation-id", "amz-sdk-request", "Content-Length", "Accept", "Connection"}
"""Headers that only one of the two sends, or that say how long the body is."""


class Server:
    """Keeps what comes, and gives the same reply to everything."""

    def __init__(self) -> None:
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.reply: dict[str, Any] = {"body": b'{"cancelRequested":true}'}
        self.url = ""

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        self.came.append((dict(request.headers), await request.read()))
        return web.Response(**self.reply)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    runner = web.ServerRunner(web.Server(server), shutdown_timeout=0.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


@asynccontextmanager
async def client_and_line(server: Server) -> AsyncIterator[tuple[Any, Line]]:
    session = AioSession()
    line = Line(session)
    async with session.create_client(
        "swf",
        region_name="eu-north-1",
        endpoint_url=server.url,
        config=AioConfig(
            http_session_cls=line.make_connections,
            retries={"mode": "standard", "total_max_attempts": 1},
            parameter_validation=False,
        ),
    ) as client:
        client.meta.events.register("before-send.swf", line.learn)
        yield client, line


def signature(headers: Mapping[str, str], body: bytes, url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what botocore signs a request with that was sent."""
    signed = re.search("SignedHeaders=([^,]+)", headers["Authorization"])
    assert signed is not None
    kept = {name: value for name, value in headers.items() if name.lower() in signed[1].split(";")}
    request = AWSRequest("POST", f"{url}/", headers=kept, data=body)
    token = headers.get("X-Amz-Security-Token")
    signer = SigV4Auth(ReadOnlyCredentials("testing", "testing", token), "swf", "eu-north-1")
    monkeypatch.setattr(signer, "_set_necessary_date_headers", lambda request: None)
    request.context["timestamp"] = headers["X-Amz-Date"]
    canonical = signer.canonical_request(request)
    return str(signer.signature(signer.string_to_sign(request, canonical), request))


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


@pytest.mark.parametrize("token", [None, "a session's token"])
async def test_it_sends_what_the_client_sends(
    server: Server, monkeypatch: pytest.MonkeyPatch, token: str | None
) -> None:
    if token is not None:
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    async with client_and_line(server) as (client, line):
        known = [line.is_known]
        await client.record_activity_task_heartbeat(**PARAMETERS)
        known.append(line.is_known)
        assert known == [False, True]
        assert await line(CALL, PARAMETERS) == b'{"cancelRequested":true}'
    (theirs, their_body), (ours, our_body) = server.came
    assert our_body == their_body
    differing = {"Authorization", "X-Amz-Date", *OF_BOTOCORE}
    assert {name: value for name, value in ours.items() if name not in differing} == {
        name: value for name, value in theirs.items() if name not in differing
    }
    for headers, body in server.came:
        assert headers["Authorization"].endswith(f"Signature={signature(headers, body, server.url, monkeypatch)}")
    assert ("x-amz-security-token" in ours["Authorization"]) is (token is not None)


async def test_credentials_may_change(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    frozen = ["one", "two", "three"]

    class Changing:
        async def get_frozen_credentials(self) -> ReadOnlyCredentials:
            return ReadOnlyCredentials(frozen.pop(0), "secret", None)

    async def changing(session: AioSession) -> Changing:
        return Changing()

    async with client_and_line(server) as (client, line):
        await client.record_activity_task_heartbeat(**PARAMETERS)
        monkeypatch.setattr(AioSession, "get_credentials", changing)
        for _ in range(3):
            await line(CALL, PARAMETERS)
    keys = [re.search("Credential=([^/]+)/", headers["Authorization"]) for headers, _ in server.came]
    assert [key[1] for key in keys if key is not None] == ["testing", "one", "two", "three"]


@pytest.mark.parametrize(
    "reply",
    [
        {"status": 400, "body": b'{"__type":"com.amazonaws.swf.base.model#UnknownResourceFault","message":"gone"}'},
        {"status": 400, "body": b'{"__type":"com.amazon.coral.availability#ThrottlingException"}'},
        {"status": 400, "body": b'{"__type":"x#ValidationException","Message":"\xc3\xbc"}'},
        {"status": 500, "body": b""},
        {"status": 503, "body": b"<html>no</html>", "content_type": "text/html"},
        {"status": 413, "body": b"not JSON"},
        {"status": 400, "body": b"{}", "headers": {"x-amzn-query-error": "OtherFault;Sender", "x-amzn-RequestId": "7"}},
    ],
)
async def test_it_reads_errors_as_the_client_does(server: Server, reply: dict[str, Any]) -> None:
    async with client_and_line(server) as (client, line):
        await client.record_activity_task_heartbeat(**PARAMETERS)
        server.reply = reply
        with pytest.raises(ClientError) as theirs:
            await client.record_activity_task_heartbeat(**PARAMETERS)
        with pytest.raises(ClientError) as ours:
            await line(CALL, PARAMETERS)
    assert ours.value.response["Error"] == theirs.value.response["Error"]
    metadata = (error.value.response["ResponseMetadata"] for error in (ours, theirs))
    assert len({(told["HTTPStatusCode"], told.get("RequestId")) for told in metadata}) == 1
    assert ours.value.operation_name == theirs.value.operation_name


async def test_a_service_that_is_gone_is_the_clients_error(server: Server) -> None:
    async with client_and_line(server) as (client, line):
        await client.record_activity_task_heartbeat(**PARAMETERS)
        line.learn(AWSPreparedRequest("POST", "http://127.0.0.1:1/", server.came[0][0], b"", stream_output=False))
        with pytest.raises(EndpointConnectionError):
            await line(CALL, PARAMETERS)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}, {"Authorization": "AWS4-ECDSA-P256 x"}])
def test_what_is_signed_in_another_way_teaches_nothing(headers: dict[str, str]) -> None:
    line = Line(AioSession())
    line.learn(AWSPreparedRequest("POST", "http://127.0.0.1/", headers, b"", stream_output=False))
    assert not line.is_known
