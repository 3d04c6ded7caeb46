"""A transport whose every reply is written by the test, and a time that passes only in sleeps."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import ClientConnectorError
from aiohttp.client_reqrep import ConnectionKey
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from aioworkflow.backends.swf import SWFBackend, SWFOptions
from aioworkflow.backends.swf.calls import Calls
from aioworkflow.backends.swf.encode import Parameters
from aioworkflow.backends.swf.throttle import Throttle

__all__ = [
    "NOW",
    "ManualTime",
    "ScriptedTransport",
    "backend_on",
    "calls_on",
    "connect_timeout",
    "fault",
    "lost",
    "read_timeout",
    "refused",
    "started_event",
]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
URL = "https://swf.eu-west-1.amazonaws.com"

Reply = dict[str, Any] | bytes | BaseException | asyncio.Event | Callable[[Parameters], Any] | None
"""What comes of a call: members of the reply, its bytes, an error; an event is waited for, then the next one counts."""


class ManualTime:
    """Sleeping lets its time pass, at once.

    Attributes:
        naps: How long each sleep was.
    """

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.naps: list[float] = []

    def now(self) -> float:
        return 1000.0 + self.elapsed

    def wall(self) -> datetime:
        return NOW + timedelta(seconds=self.elapsed)

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        await asyncio.sleep(0)
        self.elapsed += seconds

    def jitter(self, seconds: float) -> float:
        return seconds


class ScriptedTransport:
    """Replies as told; what is not told is an empty reply.

    Attributes:
        sent: The calls, in order, with their parameters.
        server_ahead: As in :class:`aioworkflow.backends.swf.clients.Transport`.
    """

    def __init__(self) -> None:
        self.sent: list[tuple[str, Parameters]] = []
        self.server_ahead = 0.0
        self._replies: dict[str, deque[Reply]] = defaultdict(deque)

    def script(self, call: str, *replies: Reply) -> None:
        self._replies[call] += replies

    def calls(self, call: str | None = None) -> list[Any]:
        """The names of all calls, or the parameters of those with this name."""
        if call is None:
            return [name for name, _ in self.sent]
        return [parameters for name, parameters in self.sent if name == call]

    async def __call__(self, call: str, parameters: Parameters) -> bytes:
        self.sent.append((call, parameters))
        await asyncio.sleep(0)
        replies = self._replies[call]
        reply: Reply = {}
        while replies:
            reply = replies.popleft()
            if not isinstance(reply, asyncio.Event):
                break
            await reply.wait()
            reply = {}
        if callable(reply):
            reply = reply(parameters)
        if isinstance(reply, BaseException):
            raise reply
        if isinstance(reply, bytes):
            return reply
        return json.dumps(reply or {}).encode()


def calls_on(transport: ScriptedTransport, *, time: ManualTime | None = None, retry_seconds: float = 10.0) -> Calls:
    """Calls that are open, without a throttle."""
    time = time or ManualTime()
    calls = Calls(transport, Throttle(None, {}, time), time, retry_seconds=retry_seconds)
    calls.closed = False
    return calls


def backend_on(transport: ScriptedTransport, *, time: ManualTime | None = None, **options: Any) -> SWFBackend:
    """A backend, to be entered."""
    return SWFBackend(
        "orders", transport=transport, time=time or ManualTime(), options=SWFOptions(quota_share=None, **options)
    )


def fault(code: str, message: str = "", status: int = 400) -> ClientError:
    """An error that the service replies with."""
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Call"
    )


def lost() -> ConnectionClosedError:
    """The connection broke while the reply was awaited."""
    return ConnectionClosedError(endpoint_url=URL)


def read_timeout() -> ReadTimeoutError:
    return ReadTimeoutError(endpoint_url=URL)


def connect_timeout() -> ConnectTimeoutError:
    return ConnectTimeoutError(endpoint_url=URL)


def refused() -> EndpointConnectionError:
    """No connection was made at all."""
    key = ConnectionKey("swf", 443, True, True, None, None, None)
    return EndpointConnectionError(endpoint_url=URL, error=ClientConnectorError(key, OSError(111, "refused")))


def started_event(**more: Any) -> dict[str, Any]:
    """Event 1 of a process, as Amazon sends it."""
    return {
        "eventId": 1,
        "eventTimestamp": NOW.timestamp(),
        "eventType": "WorkflowExecutionStarted",
        "workflowExecutionStartedEventAttributes": {
            "childPolicy": "TERMINATE",
            "executionStartToCloseTimeout": "300",
            "parentInitiatedEventId": 0,
            "taskList": {"name": "default"},
            "taskStartToCloseTimeout": "60",
            "workflowType": {"name": "Order", "version": "1"},
            **more,
        },
    }
