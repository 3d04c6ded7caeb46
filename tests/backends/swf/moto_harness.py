"""The Amazon SWF backend under examination, in front of moto."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, NoReturn, Self

import moto.swf.models
import pytest
from moto.server import ThreadedMotoServer

from aioworkflow.backend import Backend
from aioworkflow.backends.swf import SWFBackend, SWFOptions
from aioworkflow.machine.limits import SWF_LIMITS
from aioworkflow.testing import ManualClock
from aioworkflow.testing.conformance.backend import Feature
from tests.backends.swf.moto_gaps import MOTO_LACKS
from tests.backends.swf.swf_harness import HastyTime

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["MotoHarness", "moto_server"]


class _OneAtATime:
    def __init__(self, app: WSGIApplication) -> None:
        self._app = app
        self._lock = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with self._lock:
            return self._app(environ, start_response)


@contextmanager
def moto_server() -> Iterator[str]:
    """Serve on a free port; its empty polls, which are a second of sleep, take no time.

    Requests are served one at a time: moto's own threads fall over each other, and show histories in the midst of a
    change.
    """
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    log = logging.getLogger("werkzeug")
    level = log.level
    log.setLevel(logging.CRITICAL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moto.swf.models, "sleep", lambda seconds: None)
        server.start()
        wsgi = server._server
        assert wsgi is not None
        wsgi.app = _OneAtATime(wsgi.app)
        try:
            host, port = server.get_host_and_port()
            yield f"http://{host}:{port}"
        finally:
            server.stop()
            log.setLevel(level)


class MotoHarness:
    """A backend on moto, whose time is real and cannot be moved."""

    tick = 1000.0
    patience = 10.0
    limits = SWF_LIMITS
    lacks: Mapping[Feature | str, str] = MOTO_LACKS

    def __init__(self, url: str) -> None:
        self._url = url
        self._life = AsyncExitStack()
        self.backend: Backend

    async def __aenter__(self) -> Self:
        self.backend = await self._life.enter_async_context(self.connect())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._life.aclose()

    async def advance(self, seconds: float) -> NoReturn:
        raise AssertionError("the time of moto cannot be moved; the check belongs into moto_gaps.py")

    def connect(self) -> AbstractAsyncContextManager[Backend]:
        options = SWFOptions(register_domain=True, retry_seconds=1.0)
        return SWFBackend("examined", endpoint_url=self._url, options=options, time=HastyTime(ManualClock()))

    async def reopen(self) -> None:
        await self._life.aclose()
        self.backend = await self._life.enter_async_context(self.connect())
