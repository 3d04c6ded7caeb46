"""The three clients of aiobotocore: one for polls, one for what tells and asks of tasks and processes, one for types
and lists.

Each has a pool of connections of its own, so an answer never waits behind a poll. None of them tries a call again by
itself: botocore would repeat starts and signals whose reply was lost, and polls, each of which may lose a task
(swf-reference 11.1). What may be repeated is for :mod:`.calls` to say.
"""

from __future__ import annotations

import functools
import os
import platform
import re
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any, NamedTuple, Protocol, cast
from urllib.parse import urlsplit

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError

from ...errors import InvalidRequestError
from . import parsing
from .encode import Parameters
from .line import Line

__all__ = ["Access", "Clients", "Transport"]

_POLLS = ("PollForActivityTask", "PollForDecisionTask")
_DATA = (
    "GetWorkflowExecutionHistory",
    "RecordActivityTaskHeartbeat",
    "RequestCancelWorkflowExecution",
    "RespondActivityTaskCanceled",
    "RespondActivityTaskCompleted",
    "RespondActivityTaskFailed",
    "RespondDecisionTaskCompleted",
    "SignalWorkflowExecution",
    "StartWorkflowExecution",
    "TerminateWorkflowExecution",
)
_CONTROL = (
    "CountClosedWorkflowExecutions",
    "CountOpenWorkflowExecutions",
    "DescribeActivityType",
    "DescribeWorkflowExecution",
    "DescribeWorkflowType",
    "ListClosedWorkflowExecutions",
    "ListOpenWorkflowExecutions",
    "RegisterActivityType",
    "RegisterDomain",
    "RegisterWorkflowType",
)

_POLL_TIMEOUT = 75.0
"""Seconds. Amazon holds a poll for 60, and wants clients to wait for at least 70."""

_CONNECT_TIMEOUT = 10.0
_KEEP_ALIVE = 20
"""Seconds between signs of life on a silent connection: some routers forget it within a minute."""

_Method = Callable[..., Awaitable[dict[str, Any]]]


class Transport(Protocol):
    """Makes calls."""

    @property
    def server_ahead(self) -> float:
        """By how many seconds the service's clock is ahead of this one, as the last list that was asked for says."""
        ...

    async def __call__(self, call: str, parameters: Parameters) -> bytes:
        """Make one call, once, and return the body of its reply, empty where that says nothing.

        Args:
            call: Amazon's name of it, as ``"PollForDecisionTask"``.
            parameters: Its members.

        Raises:
            One of :data:`aioworkflow.backends.swf.faults.FOREIGN_ERRORS`.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where the service is and who asks. What is None is found as by all tools of AWS."""

    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether the service is a stand-in on this machine."""
        host = urlsplit(self.endpoint_url or "").hostname or ""
        return host in ("localhost", "::1") or host.endswith(".localhost") or host.startswith("127.")


class _Pool(NamedTuple):
    """The settings of one client; 0 connections are as many as it takes."""

    calls: tuple[str, ...]
    read_timeout: float
    connections: int


class Clients:
    """Opens the clients, makes calls with them, and closes them; implements :class:`Transport`.

    Args:
        access: Where the service is.
        read_timeout: Seconds of silence after which a call other than a poll counts as lost.

    Attributes:
        server_ahead: See :class:`Transport`.
    """

    def __init__(self, access: Access, *, read_timeout: float) -> None:
        self._access = access
        self._pools = (
            _Pool(_POLLS, _POLL_TIMEOUT, 0),
            _Pool(_DATA, read_timeout, 256),
            _Pool(_CONTROL, read_timeout, 16),
        )
        self._ways: dict[str, tuple[_Method, Line]] = {}
        self._next_page: tuple[_Method, Line]
        self.server_ahead = 0.0
        self._life = AsyncExitStack()

    async def open(self) -> None:
        """Open them.

        Raises:
            InvalidRequestError: The region, profile or endpoint makes no sense, or there is none.
        """
        try:
            async with AsyncExitStack() as life:
                await self._open(life)
                self._life = life.pop_all()
        except (BotoCoreError, ValueError) as error:
            raise InvalidRequestError(
                f"there is no client for {self._access}: {error} The region comes from the URL, as "
                "swf://domain?region=eu-west-1, from AWS_DEFAULT_REGION, ~/.aws/config or AWS_REGION"
            ) from error

    async def _open(self, life: AsyncExitStack) -> None:
        access = self._access
        session = AioSession(profile=access.profile)
        parsing.install(session)
        region = access.region or session.get_config_variable("region") or os.environ.get("AWS_REGION") or None
        if region is None and access.is_local:
            region = "us-east-1"  # calls are signed for some region, though nobody looks
        for pool in self._pools:
            line = Line(session)
            config = _config(pool, line)
            client = await life.enter_async_context(
                session.create_client("swf", region_name=region, endpoint_url=access.endpoint_url, config=config)
            )
            if pool.calls is not _CONTROL:  # of whose replies more than the body is read
                client.meta.events.register("before-send.swf", line.learn)
            for call in pool.calls:
                self._ways[call] = cast("_Method", getattr(client, _snake(call))), line
            if pool.calls is _DATA:
                self._next_page = client.poll_for_decision_task, line

    async def __call__(self, call: str, parameters: Parameters) -> bytes:
        """Make one call. The further pages of a decision task never wait, so they do not go with the polls."""
        method, line = self._ways[call]
        if call == "PollForDecisionTask" and "nextPageToken" in parameters:
            method, line = self._next_page
        if line.is_known:
            return await line(call, parameters)
        reply = await method(**parameters)
        if call in _CONTROL:
            self.server_ahead = _ahead(reply)
        return parsing.body(reply) if "Body" in reply else b""

    async def close(self) -> None:
        """Close them, and all their connections."""
        await self._life.aclose()


def _config(pool: _Pool, line: Line) -> AioConfig:
    return AioConfig(
        http_session_cls=line.make_connections,
        connect_timeout=_CONNECT_TIMEOUT,
        read_timeout=pool.read_timeout,
        max_pool_connections=pool.connections,
        retries={"mode": "standard", "total_max_attempts": 1},  # "max_attempts": 1 would be two
        parameter_validation=False,  # encode has checked more than botocore can
        user_agent=_user_agent(),  # botocore would put one together anew for each call, at a sixth of the call's cost
        connector_args={"socket_factory": _socket},
    )


@functools.cache
def _user_agent() -> str:
    names = ("aioworkflow", "aiobotocore")
    return " ".join([*(f"{name}/{version(name)}" for name in names), f"Python/{platform.python_version()}"])


def _socket(address: tuple[Any, ...]) -> socket.socket:
    """Make a socket whose connection stays alive while a poll is silent; aiobotocore has no setting for that."""
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option in ("TCP_KEEPIDLE", "TCP_KEEPALIVE", "TCP_KEEPINTVL"):  # not every system has all of them
        if (number := getattr(socket, option, None)) is not None:
            made.setsockopt(socket.IPPROTO_TCP, number, _KEEP_ALIVE)
    return made


def _ahead(reply: dict[str, Any]) -> float:
    try:
        date = parsedate_to_datetime(reply["ResponseMetadata"]["HTTPHeaders"]["date"])
    except (KeyError, ValueError):
        return 0.0
    return date.timestamp() - time.time()


def _snake(call: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", call).lower()
