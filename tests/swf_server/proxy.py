"""A proxy that harms what passes through it: for clients that must come to the right end all the same.

It stands between a client and any server that speaks Amazon SWF's protocol, on this machine. Which call is harmed, and
how, follows from a seed, the action and how many calls of that action came before, so a run can be repeated.
"""

from __future__ import annotations

import asyncio
import enum
import random
from collections import Counter
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web

from .faults import Fault, internal, throttled

__all__ = ["FaultProxy", "Harm"]


class Harm(enum.Enum):
    """What happens to a call."""

    DELAY = "it is passed on, a little later"
    RESET = "its connection is reset, and the server never hears of it"
    THROTTLE = "it is answered by 400, Rate exceeded"
    ERROR = "it is answered by 500, and the server never hears of it"
    LOST_REPLY = "the server carries it out, and the connection is reset before the reply"
    LATE_ERROR = "the server carries it out, and the answer is 500"


class FaultProxy:
    """Listens on a free port of this machine while it is entered.

    Args:
        target: The URL of the server.
        rate: Which part of the calls is harmed, 0 to 1.
        seed: Whence chance comes.
        delay: Seconds that a call waits which is delayed.
        harms: What may happen.
        spared: Actions that are not harmed once the server has carried them out. A task whose poll is harmed so reaches
            nobody and times out, which is more than some workflows put up with.

    Attributes:
        url: Where it listens.
        harmed: What happened, by action and harm.
    """

    def __init__(
        self,
        target: str,
        *,
        rate: float,
        seed: int,
        delay: float = 0.05,
        harms: tuple[Harm, ...] = tuple(Harm),
        spared: tuple[str, ...] = (),
    ) -> None:
        self.url = ""
        self.harmed: Counter[tuple[str, Harm]] = Counter()
        self._target = target
        self._rate = rate
        self._seed = seed
        self._delay = delay
        self._harms = harms
        self._spared = spared
        self._calls: Counter[str] = Counter()
        self._life = AsyncExitStack()
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0)
        self._session = await self._life.enter_async_context(aiohttp.ClientSession(connector=connector))
        runner = web.ServerRunner(web.Server(self._serve, handler_cancellation=True), shutdown_timeout=0.0)
        await runner.setup()
        self._life.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._life.aclose()

    def _choose(self, action: str) -> Harm | None:
        self._calls[action] += 1
        chance = random.Random(f"{self._seed}/{action}/{self._calls[action]}")
        harm = chance.choice(self._harms) if chance.random() < self._rate else None
        return None if harm in (Harm.LOST_REPLY, Harm.LATE_ERROR) and action in self._spared else harm

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        action = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
        body = await request.read()
        harm = self._choose(action)
        if harm is not None:
            self.harmed[action, harm] += 1
        match harm:
            case Harm.RESET:
                return _cut(request)
            case Harm.THROTTLE:
                return _answer(throttled())
            case Harm.ERROR:
                return _answer(internal())
            case Harm.DELAY:
                await asyncio.sleep(self._delay)
        reply = await self._pass_on(request, body)
        match harm:
            case Harm.LOST_REPLY:
                return _cut(request)
            case Harm.LATE_ERROR:
                return _answer(internal())
        return reply

    async def _pass_on(self, request: web.BaseRequest, body: bytes) -> web.Response:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in ("host", "expect")}
        async with self._session.request(request.method, self._target, data=body, headers=headers) as reply:
            content = await reply.read()
            kept = {name: reply.headers[name] for name in ("Content-Type", "x-amzn-RequestId") if name in reply.headers}
            return web.Response(body=content, status=reply.status, headers=kept)


def _cut(request: web.BaseRequest) -> web.Response:
    """Reset the connection; what is returned reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _answer(fault: Fault) -> web.Response:
    return web.Response(body=fault.body, status=fault.status, content_type="application/x-amz-json-1.0")
