"""A proxy that stands between PostgreSQL and its clients, and breaks connections where it hurts."""

from __future__ import annotations

import asyncio
import enum
from types import TracebackType
from typing import Self

_WRITING = 600
"""A request of so many bytes carries something to be saved."""

_CHUNK = 65536


class Break(enum.Enum):
    """How a connection breaks."""

    REPLY_LOST = "replies lost after the request was carried out"
    REQUEST_TORN = "requests torn in the middle"
    SILENCE = "connections that fell silent"


class Proxy:
    """Passes everything on, but for what it is told to break. Listens on a free port of the loopback interface.

    Args:
        port: Of the server.
    """

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._wanted: list[tuple[Break, asyncio.Future[None]]] = []
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._server: asyncio.Server
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for client in self._clients.values():
            client.transport.abort()
        await asyncio.gather(*self._clients)

    async def break_next(self, how: Break) -> None:
        """Break the connection that next writes something, and wait until that has happened."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        wanted = (how, done)
        self._wanted.append(wanted)
        try:
            await done
        finally:
            if wanted in self._wanted:
                self._wanted.remove(wanted)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients[task] = writer
        try:
            await self._pass_on(reader, writer)
        except OSError:
            pass  # one of the two has gone
        finally:
            del self._clients[task]
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._upstream)
        doom: list[Break] = []
        requests = asyncio.create_task(self._requests(reader, to_server, doom))
        replies = asyncio.create_task(self._replies(from_server, writer, doom))
        try:
            await asyncio.wait([requests, replies], return_when=asyncio.FIRST_COMPLETED)
            if doom == [Break.SILENCE]:
                await asyncio.wait([requests])  # until the client has had enough of it
        finally:
            requests.cancel()
            replies.cancel()
            await asyncio.gather(requests, replies, return_exceptions=True)
            to_server.transport.abort()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doom: list[Break]) -> None:
        """Pass on what the client says, until either side goes away or a break is due."""
        while chunk := await reader.read(_CHUNK):
            if doom == [Break.SILENCE]:
                continue
            if self._wanted and not doom and len(chunk) >= _WRITING:
                how, done = self._wanted.pop(0)
                doom.append(how)
                if not done.done():
                    done.set_result(None)
                if how is Break.REQUEST_TORN:
                    writer.write(chunk[: len(chunk) // 2])
                    await writer.drain()
                    return
            writer.write(chunk)
            await writer.drain()

    async def _replies(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doom: list[Break]) -> None:
        """Pass on what the server says; of a connection that is doomed nothing any more."""
        while chunk := await reader.read(_CHUNK):
            if doom == [Break.REPLY_LOST]:
                return
            if not doom:
                writer.write(chunk)
                await writer.drain()
