"""Hearing that other stores wrote, and telling them: NOTIFY, as a hint that may be lost.

The channel carries who wrote and what others should look at. A store tells of its own writes at most so often, with the
first one at once; and it listens on a connection of its own. Where that cannot work, since a pooler gives each
transaction another connection, a test message does not arrive: that is said once, and while it is so somebody else is
taken to have written every second.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar

import anyio

from ...errors import BackendError
from ..base import Changes
from .connections import Connection, Pool, disconnect
from .errors import translated
from .news import News, read_news, write_news, write_test
from .sql import Sql

__all__ = ["Listener"]

T = TypeVar("T")

_logger = logging.getLogger("aioworkflow.postgres")

_NOTIFY_SECONDS = 0.03
"""Between two messages to others."""

_BLIND_SECONDS = 1.0
"""Between two times that somebody is taken to have written, while nothing can be heard."""

_TEST_SECONDS = 5.0
"""Within which a test message must arrive."""

_RECONNECT_SECONDS = 0.5

_DEAF_SECONDS = 60.0
"""After which it is tried again where a test message did not arrive: the database may only have been slow."""

_LOOK_SECONDS = 30.0
"""Between two looks whether the connection is still there: where a network was cut nobody tells of it."""

_ANSWER_SECONDS = 10.0
"""Within which it must answer then."""


class Listener:
    """Hears of the writes of others on one channel.

    Args:
        connect: Makes the connection to listen on.
        pool: What messages are sent over.
        sql: Names the channel.
        server: How errors name it.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]], pool: Pool, sql: Sql, server: str) -> None:
        self.name = uuid.uuid4().hex
        self._connect = connect
        self._pool = pool
        self._sql = sql
        self._server = server
        self._heard: Changes | None = None
        self._news: News | None = None
        self._hears = False
        self._deaf = False
        self._warned = False
        self._looked_at = 0.0
        self._told = asyncio.Event()
        self._tested = asyncio.Event()

    def changed(self) -> Changes | None:
        """Tell what others wrote, as far as is known, since this was last asked."""
        if not self._hears:
            now = asyncio.get_running_loop().time()
            if now < self._looked_at + _BLIND_SECONDS:
                return None
            self._looked_at = now
            return Changes()
        heard, self._heard = self._heard, None
        return heard

    def tell(self, news: News) -> None:
        """Let others know what this store wrote."""
        if self._news is None:
            self._news = news
        else:
            self._news.add(news)
        self._told.set()

    async def run(self, started: asyncio.Event) -> None:
        """Listen and tell until cancelled; ``started`` is set as soon as it listens, or cannot for now."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._tell)
            while True:
                try:
                    with translated(self._server):
                        connection = await self._connect()
                    try:
                        await self._listen(connection, started)
                    finally:
                        self._hears = False
                        connection.terminate()
                except BackendError as error:
                    _logger.info("changes by others are not heard of for now: %s", error)
                started.set()
                await anyio.sleep(_DEAF_SECONDS if self._deaf else _RECONNECT_SECONDS)

    async def _listen(self, connection: Connection, started: asyncio.Event) -> None:
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        with translated(self._server):
            await connection.add_listener(self._sql.channel, self._hear)
        # What was written before this moment is not told.
        self._heard = Changes() if started.is_set() else None
        self._hears = not self._deaf
        started.set()
        self._tested.clear()
        await self._pool.fetch(self._sql["notify"], self._sql.channel, write_test(self.name))
        with anyio.move_on_after(_TEST_SECONDS) as scope:
            await self._tested.wait()
        if scope.cancelled_caught and not lost.is_set():
            self._note_deafness()
            await disconnect(connection)
            return
        if self._tested.is_set():
            self._deaf, self._hears = False, True
        while not lost.is_set():
            with anyio.move_on_after(_LOOK_SECONDS):
                await lost.wait()
            if not lost.is_set():
                with translated(self._server):
                    await connection.execute("SELECT 1", timeout=_ANSWER_SECONDS)

    def _note_deafness(self) -> None:
        if not self._warned:
            _logger.warning(
                "%s lets nobody LISTEN (a pooler in transaction mode?): changes by others are looked for every %s s; "
                "a direct URL is faster",
                self._server,
                _BLIND_SECONDS,
            )
        self._deaf = self._warned = True
        self._hears = False

    def _hear(self, connection: Any, pid: int, channel: str, payload: Any) -> None:
        sender, changes = read_news(str(payload))
        if sender == self.name:
            self._tested.set()
        elif changes is not None:
            self._heard = changes if self._heard is None else _both(self._heard, changes)

    async def _tell(self) -> None:
        while True:
            await self._told.wait()
            self._told.clear()
            news, self._news = self._news or News(), None
            try:
                await self._pool.fetch(self._sql["notify"], self._sql.channel, write_news(self.name, news))
            except BackendError as error:
                _logger.info("others could not be told of a change: %s", error)
            await anyio.sleep(_NOTIFY_SECONDS)


def _both(one: Changes, other: Changes) -> Changes:
    return Changes(task_lists=_union(one.task_lists, other.task_lists), closed=_union(one.closed, other.closed))


def _union(one: Collection[T] | None, other: Collection[T] | None) -> Collection[T] | None:
    return None if one is None or other is None else {*one, *other}
