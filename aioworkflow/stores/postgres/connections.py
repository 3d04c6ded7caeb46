"""Connections to the server: how they are made, shared, and made anew when they were lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import anyio
import asyncpg

from ...errors import BackendClosedError, BackendUnavailableError
from .errors import is_of_pooler, translated

__all__ = ["Connection", "Pool", "Rows"]

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Rows: TypeAlias = "list[asyncpg.Record]"

_FIRST_DELAY = 0.05
_LONGEST_DELAY = 0.5
"""Seconds between two attempts to reach a server that is away: it is noticed soon when it is back."""


class Pool:
    """At most so many connections, made when they are needed; the one that was used last is used next.

    Args:
        connect: Makes a connection.
        size: How many at most.
        timeout: Seconds that a statement may take, and that a server is waited for which is away.
        server: How errors name it.
        on_pooler: Called when it is found that prepared statements do not last.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        *,
        size: int,
        timeout: float,
        server: str,
        on_pooler: Callable[[], None],
    ) -> None:
        self._connect = connect
        self._timeout = timeout
        self._server = server
        self._on_pooler = on_pooler
        self._size = size
        self._free = asyncio.Semaphore(size)
        self._idle: list[Connection] = []
        self._closed = False

    async def fetch(self, query: str, *args: Any) -> Rows:
        """Run a statement that does no harm if it is run twice; it is, if the connection is lost."""
        deadline = _now() + self._timeout
        delay = _FIRST_DELAY
        while True:
            try:
                return await self.fetch_once(query, *args, deadline=deadline)
            except BackendUnavailableError:
                if _now() + delay > deadline:
                    raise
            await anyio.sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY)

    async def fetch_once(self, query: str, *args: Any, deadline: float | None = None) -> Rows:
        """Run a statement; if the connection is lost meanwhile, whether it was done is not known.

        Args:
            query: The statement.
            args: Its parameters.
            deadline: Until when (in the time of the event loop) a server that is away is waited for.
        """
        async with self._free:
            connection = await self._take(_now() + self._timeout if deadline is None else deadline)
            try:
                with translated(self._server):
                    rows = await connection.fetch(query, *args, timeout=self._timeout)
            except BackendUnavailableError as error:
                # One that only took too long is told to stop: else it would go on in the server, and hold its locks.
                if isinstance(error.__cause__, TimeoutError):
                    await disconnect(connection)
                connection.terminate()
                if is_of_pooler(error.__cause__):
                    self._on_pooler()
                raise
            finally:
                if not connection.is_closed():
                    self._idle.append(connection)
            return rows

    def adopt(self, connection: Connection) -> None:
        """Add an idle connection that was made elsewhere."""
        self._idle.append(connection)

    async def close(self) -> None:
        """Wait for what is under way, then disconnect."""
        self._closed = True
        for _ in range(self._size):
            await self._free.acquire()
        while self._idle:
            await disconnect(self._idle.pop())
        for _ in range(self._size):
            self._free.release()

    async def _take(self, deadline: float) -> Connection:
        """Return an idle connection or a new one."""
        delay = _FIRST_DELAY
        while True:
            if self._closed:
                raise BackendClosedError(f"the store on {self._server} was closed")
            while self._idle:
                connection = self._idle.pop()
                if not connection.is_closed():
                    return connection
            if _now() > deadline:  # while others tried in vain; nobody else is to wait for as long once more
                raise BackendUnavailableError(f"the database {self._server} was waited for in vain")
            try:
                with translated(self._server):
                    return await self._connect()
            except BackendUnavailableError:
                if _now() + delay > deadline:
                    raise
            await anyio.sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY)


async def disconnect(connection: Connection) -> None:
    """Close a connection, politely if that goes fast."""
    try:
        await connection.close(timeout=1.0)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()


def _now() -> float:
    return asyncio.get_running_loop().time()
