"""A stand-in for Amazon SWF over real HTTP, for tests, benchmarks and examples without an account.

Behind it stands the machine of the local backend, on memory; before it the wire protocol of swf-reference 9, written
for itself. Time may be a manual clock, polls may be short, pages small, and answers may be scripted word for word.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import msgspec
from aiohttp import web

from aioworkflow.backends.local import Clock, LocalOptions, SystemClock

from .faults import Fault
from .service import Service

__all__ = ["SWFServer", "Script"]

Script = dict[str, Any] | bytes | Fault | Callable[[], Awaitable["dict[str, Any] | bytes | Fault"]]
"""An answer word for word: the content of a success, its very bytes, a fault, or what returns one of these."""


class SWFServer:
    """Listens on a free port of this machine while it is entered.

    Args:
        clock: The service's time.
        options: Of the machines behind: limits, and how long a poll waits.
        largest_page: How many items a page holds at most.
        port: 0 is any that is free.

    Attributes:
        url: Where it listens.
        calls: How often each action was answered; polls that bring nothing are counted apart, as "… (empty)".
        bytes_in: The lengths of the bodies that came, by the same names.
        bytes_out: The lengths of the bodies that went out.
        events_out: How many events they held.
        requests: The latest requests, with their bodies.
        holding: How many requests are not answered yet.
        service: What is behind.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        options: LocalOptions | None = None,
        largest_page: int = 1000,
        port: int = 0,
    ) -> None:
        self.service = Service(clock or SystemClock(), options or LocalOptions(), largest_page)
        self.calls: Counter[str] = Counter()
        self.bytes_in: Counter[str] = Counter()
        self.bytes_out: Counter[str] = Counter()
        self.events_out: Counter[str] = Counter()
        self.requests: deque[tuple[str, bytes]] = deque(maxlen=1000)
        self.holding = 0
        self.url = ""
        self._numbers = itertools.count(1)
        self._port = port
        self._scripts: defaultdict[str, deque[Script]] = defaultdict(deque)
        self._runner: web.ServerRunner

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._serve, handler_cancellation=True), shutdown_timeout=0.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=16_384)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._runner.cleanup()
        await self.service.close()

    def script(self, action: str, *answers: Script) -> None:
        """Answer the next calls of an action so, one after another, instead of asking the service."""
        self._scripts[action].extend(answers)

    def reset_counts(self) -> None:
        """Count from zero."""
        for counter in (self.calls, self.bytes_in, self.bytes_out, self.events_out):
            counter.clear()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET":
            return self._tell(request.path)
        action = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
        body = await request.read()
        self.requests.append((action, body))
        self.holding += 1
        try:
            content, status = await self._answer(action, body), 200
        except Fault as fault:
            content, status = fault.body, fault.status
        finally:
            self.holding -= 1
        self._count(action, len(body), content)
        family = request.headers.get("Content-Type", "").partition(";")[0] or "application/x-amz-json-1.0"
        headers = {"x-amzn-RequestId": f"stand-in-{next(self._numbers)}", "Content-Type": family}
        return web.Response(body=content, status=status, headers=headers)

    def _count(self, action: str, bytes_in: int, content: bytes) -> None:
        if action.startswith("Poll") and b'"taskToken"' not in content:
            action += " (empty)"
        self.calls[action] += 1
        self.bytes_in[action] += bytes_in
        self.bytes_out[action] += len(content)
        self.events_out[action] += content.count(b'"eventId":')

    async def _answer(self, action: str, body: bytes) -> bytes:
        scripts = self._scripts.get(action)
        if not scripts:
            return await self.service.call(action, body)
        script = scripts.popleft()
        if callable(script):
            script = await script()
        if isinstance(script, Fault):
            raise script
        return script if isinstance(script, bytes) else msgspec.json.encode(script)

    def _tell(self, path: str) -> web.Response:
        """What a benchmark asks: ``GET /counts`` tells and forgets what was counted."""
        if path != "/counts":
            return web.Response(status=404)
        counts = {
            "calls": self.calls,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "events_out": self.events_out,
        }
        answer = web.Response(body=msgspec.json.encode(counts), content_type="application/json")
        self.reset_counts()
        return answer
