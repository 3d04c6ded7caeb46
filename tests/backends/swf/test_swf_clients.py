"""Three clients of aiobotocore, against a server on loopback."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from aioworkflow.backends.swf.clients import Access, Clients
from aioworkflow.backends.swf.faults import FOREIGN_ERRORS
from aioworkflow.errors import InvalidRequestError


class Server:
    """Replies to every call; polls wait for ``gate``.

    Attributes:
        requests: The calls, with their credentials.
        status: Of the replies.
        date: What they say the time is.
    """

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.requests: list[tuple[str, str]] = []
        self.status = 200
        self.date: str | None = None
        self.url = ""
        self.news = asyncio.Event()

    async def until(self, requests: int) -> None:
        while len(self.requests) < requests:
            self.news.clear()
            await self.news.wait()

    async def reply(self, request: web.BaseRequest) -> web.Response:
        call = request.headers["X-Amz-Target"].rpartition(".")[2]
        self.requests.append((call, request.headers["Authorization"]))
        self.news.set()
        parameters = await request.json()
        if call.startswith("Poll") and "nextPageToken" not in parameters:
            await self.gate.wait()
        if self.status != 200:
            return web.json_response({"__type": "x#InternalFailure", "message": "sorry"}, status=self.status)
        headers = {} if self.date is None else {"Date": self.date}
        if call.startswith(("Respond", "Register", "Signal")):
            return web.Response(headers=headers)
        return web.json_response({"startedEventId": 0}, headers=headers)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    runner = web.ServerRunner(web.Server(server.reply), shutdown_timeout=0.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    server.gate.set()
    await runner.cleanup()


@pytest.fixture
async def clients(server: Server) -> AsyncIterator[Clients]:
    clients = Clients(Access(endpoint_url=server.url), read_timeout=5.0)
    await clients.open()
    yield clients
    await clients.close()


async def test_replies_come_as_bytes_and_void_ones_empty(clients: Clients) -> None:
    assert await clients("GetWorkflowExecutionHistory", {"domain": "d"}) == b'{"startedEventId": 0}'
    assert await clients("RespondActivityTaskCompleted", {"taskToken": "t"}) == b""
    assert await clients("RegisterDomain", {"name": "d", "workflowExecutionRetentionPeriodInDays": "1"}) == b""


async def test_answers_do_not_wait_behind_polls(clients: Clients, server: Server) -> None:
    polls = [
        asyncio.create_task(clients("PollForActivityTask", {"domain": "d", "taskList": {"name": "l"}}))
        for _ in range(30)
    ]
    await server.until(30)
    await clients("RespondActivityTaskCompleted", {"taskToken": "t"})
    await clients("PollForDecisionTask", {"domain": "d", "taskList": {"name": "l"}, "nextPageToken": "t"})
    assert not any(poll.done() for poll in polls)
    server.gate.set()
    assert await asyncio.gather(*polls) == [b'{"startedEventId": 0}'] * 30


async def test_nothing_is_sent_twice(clients: Clients, server: Server) -> None:
    calls = ("StartWorkflowExecution", "PollForActivityTask", "DescribeWorkflowExecution")
    server.gate.set()
    for status in (500, 200, 500):  # the first call of a client goes another way than the others
        server.status = status
        server.requests.clear()
        for call in calls:
            if status == 200:
                await clients(call, {"domain": "d"})
            else:
                with pytest.raises(FOREIGN_ERRORS, match="InternalFailure"):
                    await clients(call, {"domain": "d"})
        assert [call for call, _ in server.requests] == [*calls]


async def test_later_answers_do_not_wait_behind_polls_either(clients: Clients, server: Server) -> None:
    for _ in range(2):
        await test_answers_do_not_wait_behind_polls(clients, server)
        server.gate.clear()
        server.requests.clear()


async def test_a_local_server_needs_no_region(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    clients = Clients(Access(endpoint_url=server.url), read_timeout=5.0)
    await clients.open()
    await clients("RespondActivityTaskCompleted", {"taskToken": "t"})
    await clients.close()
    assert "/us-east-1/swf/" in server.requests[0][1]


async def test_region_and_profile_are_found_as_by_all_tools(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text("[profile work]\nregion = eu-north-1\naws_access_key_id = WORKS\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    clients = Clients(Access(profile="work", endpoint_url=server.url), read_timeout=5.0)
    await clients.open()
    await clients("RespondActivityTaskCompleted", {"taskToken": "t"})
    await clients.close()
    assert "Credential=WORKS/" in server.requests[0][1]
    assert "/eu-north-1/swf/" in server.requests[0][1]


async def test_the_region_may_stand_where_other_tools_than_botocore_find_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-south-1")
    clients = Clients(Access(endpoint_url=server.url), read_timeout=5.0)
    await clients.open()
    await clients("RespondActivityTaskCompleted", {"taskToken": "t"})
    await clients.close()
    assert "/eu-south-1/swf/" in server.requests[0][1]


@pytest.mark.parametrize(
    "access",
    [
        Access(profile="nobody"),
        Access(),
        Access(region="eu west"),
        Access(region="eu-west-1", endpoint_url="nonsense"),
    ],
)
async def test_what_leads_nowhere_is_said(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InvalidRequestError, match=r"there is no client for Access\(.*region=eu-west-1"):
        await Clients(access, read_timeout=5.0).open()


@pytest.mark.parametrize(
    ("date", "ahead"),
    [("Thu, 01 Jan 2026 00:01:40 GMT", 100.0), ("long ago", 0.0)],
)
async def test_the_servers_clock_is_read(
    clients: Clients, server: Server, monkeypatch: pytest.MonkeyPatch, date: str, ahead: float
) -> None:
    server.date = date
    monkeypatch.setattr(time, "time", lambda: 1767225600.0)
    await clients("ListOpenWorkflowExecutions", {"domain": "d", "startTimeFilter": {"oldestDate": 0}})
    assert clients.server_ahead == ahead


async def test_connections_are_kept_alive(clients: Clients, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[socket.socket] = []
    connect = aiohttp.TCPConnector._wrap_create_connection

    async def watched(*args: object, **kwargs: object) -> object:
        transport, protocol = await connect(*args, **kwargs)  # type: ignore[arg-type]
        made.append(transport.get_extra_info("socket"))
        return transport, protocol

    monkeypatch.setattr(aiohttp.TCPConnector, "_wrap_create_connection", watched)
    await clients("RespondActivityTaskCompleted", {"taskToken": "t"})
    (connection,) = made
    assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


@pytest.mark.parametrize(
    ("url", "local"),
    [
        (None, False),
        ("http://localhost:5000", True),
        ("http://127.0.0.1:5000", True),
        ("http://[::1]:5000", True),
        ("http://moto.localhost", True),
        ("https://vpce-1.swf.eu-west-1.vpce.amazonaws.com", False),
    ],
)
def test_servers_on_this_machine_are_known(url: str | None, local: bool) -> None:
    assert Access(endpoint_url=url).is_local is local
