"""Where it happens: a database, and the harm that can be done to it apart from its users."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from aioworkflow.stores.base import Store
from aioworkflow.stores.postgres import PostgresStore
from aioworkflow.stores.sqlite import SQLiteStore
from tests.chaos.proxy import Break, Proxy
from tests.postgres_server import PostgresServer

_BREAKS = {Break.REPLY_LOST: 0.45, Break.REQUEST_TORN: 0.45, Break.SILENCE: 0.1}
"""The share of each; a connection that falls silent keeps its client busy for long."""

_TIMEOUT = 3.0
"""Seconds after which a connection that says nothing is given up."""

_OPPORTUNITY = 5.0
"""Seconds to wait for a connection on which something is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How bad it is; durations are seconds, and means where they vary.

    Attributes:
        lease: After this time a session that gives no sign of life is given up.
        between_blows: From one harm done to a worker until the next.
        between_restarts: From one restart of the server until the next.
        longest_outage: How long the server is down for at most.
        between_breaks: From one connection that is broken until the next.
    """

    lease: float = 2.0
    between_blows: float = 2.5
    between_restarts: float = 6.0
    longest_outage: float = 1.0
    between_breaks: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """Something that can be done to a database.

    Attributes:
        name: What it is, in the plural.
        pause: The mean time between two of them, in seconds.
        do: Does it; returns, when it is over, whether there was an opportunity.
    """

    name: str
    pause: float
    do: Callable[[random.Random], Awaitable[bool]]


class Ground(Protocol):
    """A database that a campaign happens on; entered before it, left after it.

    Attributes:
        url: Of it, as workers and the driver use it, with an option to which others can be added.
    """

    url: str

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def store(self) -> Store:
        """Return a store on it that no storm gets at."""
        ...

    def harms(self, weather: Weather) -> Sequence[Harm]:
        """Return what can be done to it."""
        ...


class SQLiteGround:
    """A file. Nothing can be done to it: its users are all there is."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "chaos.db"
        self.url = f"sqlite:///{self._path}?synchronous=NORMAL"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return

    def store(self) -> Store:
        """Return a store on the file."""
        return SQLiteStore(self._path)

    def harms(self, weather: Weather) -> Sequence[Harm]:
        """Return nothing."""
        return ()


class PostgresGround:
    """A server of its own behind a proxy. Both suffer."""

    def __init__(self, directory: Path) -> None:
        # The machine does not crash, only the server does; so what was written need not have reached the disk.
        self._server = PostgresServer(fsync="off")
        self._proxy = Proxy(self._server.port)
        self._in_one_piece = threading.Lock()
        self._resources = AsyncExitStack()
        self.url = ""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as resources:
            await asyncio.to_thread(self._server.__enter__)
            resources.push_async_callback(asyncio.to_thread, self._end)
            await resources.enter_async_context(self._proxy)
            self._resources = resources.pop_all()
        self.url = f"postgresql://postgres@127.0.0.1:{self._proxy.port}/postgres?timeout={_TIMEOUT}"
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._resources.aclose()

    def store(self) -> Store:
        """Return a store that goes straight to the server."""
        return PostgresStore(self._server.url)

    def harms(self, weather: Weather) -> Sequence[Harm]:
        """Return crashes of the server, and the ways in which connections break."""
        restart = partial(self._restart, weather.longest_outage)
        breaks = [
            Harm(name=how.value, pause=weather.between_breaks / share, do=partial(self._break, how))
            for how, share in _BREAKS.items()
        ]
        return [Harm(name="crashes of the server", pause=weather.between_restarts, do=restart), *breaks]

    async def _restart(self, longest: float, chance: random.Random) -> bool:
        await asyncio.to_thread(self._crash, chance.uniform(0, longest))
        return True

    def _crash(self, seconds: float) -> None:
        with self._in_one_piece:
            self._server.stop("immediate")
            time.sleep(seconds)
            self._server.start()

    def _end(self) -> None:
        with self._in_one_piece:
            self._server.__exit__(None, None, None)

    async def _break(self, how: Break, chance: random.Random) -> bool:
        try:
            await asyncio.wait_for(self._proxy.break_next(how), _OPPORTUNITY)
        except TimeoutError:
            return False
        return True
