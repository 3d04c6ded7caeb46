"""A pooler in transaction mode, as PgBouncer is one: each transaction of a client gets whichever connection is free."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Self
from urllib.parse import urlsplit

__all__ = ["TransactionPooler"]

_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_WITHOUT_TRANSACTION = b"I"


class TransactionPooler:
    """Stands between clients and a server that lets in anybody; ``url`` is where clients find it.

    Args:
        url: Of the server.
        connections: How many it has to the server.
        hides: Whether it passes the greeting of the server on as it is; PgBouncer has a key of its own for each client.
    """

    def __init__(self, url: str, *, connections: int = 4, hides: bool = False) -> None:
        self._parts = urlsplit(url)
        self._count = connections
        self._hides = hides
        self._servers: deque[_Streams] = deque()
        self._free = asyncio.Semaphore(0)
        self._greeting = b""
        self._listener: asyncio.Server
        self._clients: set[asyncio.Task[None]] = set()
        self.url = ""

    async def __aenter__(self) -> Self:
        for _ in range(self._count):
            self._servers.append(await self._connect())
            self._free.release()
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._listener.sockets[0].getsockname()[1]
        self.url = f"postgresql://postgres@127.0.0.1:{port}{self._parts.path}?sslmode=disable"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._listener.close()
        for task in self._clients:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        for _, writer in self._servers:
            writer.close()
            await writer.wait_closed()

    async def _connect(self) -> _Streams:
        reader, writer = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        body = f"user\0postgres\0database\0{self._parts.path[1:]}\0\0".encode()
        writer.write((len(body) + 8).to_bytes(4, "big") + b"\x00\x03\x00\x00" + body)
        greeting = b""
        while True:
            message = await _message(reader)
            if message[:1] == b"K" and not self._hides:
                message = message[:5] + b"\x7f" + message[6:]
            greeting += message
            if message[:1] == b"Z":
                self._greeting = self._greeting or greeting
                return reader, writer

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        size = int.from_bytes(await reader.readexactly(4), "big")
        await reader.readexactly(size - 4)
        writer.write(self._greeting)
        client = _Inbox(reader)
        try:
            while True:
                await self._transaction(client, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()
        finally:
            client.next.cancel()
            self._clients.discard(task)

    async def _transaction(self, client: _Inbox, writer: asyncio.StreamWriter) -> None:
        """Pass on one transaction, over the connection that was idle for longest."""
        await client.wait()
        async with self._free:
            reader, server_writer = self._servers.popleft()
            server = _Inbox(reader)
            unanswered = 0
            try:
                while True:
                    await asyncio.wait([client.next, server.next], return_when=asyncio.FIRST_COMPLETED)
                    if client.next.done():
                        message = client.take()
                        if message[:1] == b"X":
                            raise ConnectionError("the client says good-bye")
                        unanswered += message[:1] in b"QS"
                        server_writer.write(message)
                    if server.next.done():
                        message = server.take()
                        if message[:1] != b"A":  # what is notified concerns whoever had the connection before
                            writer.write(message)
                        unanswered -= message[:1] == b"Z"
                        if not unanswered and message[:1] == b"Z" and message[5:6] == _WITHOUT_TRANSACTION:
                            return
            finally:
                server.next.cancel()
                self._servers.append((reader, server_writer))


class _Inbox:
    """The messages from one side; ``next`` gets the next one."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self.next = self._begin()

    async def wait(self) -> None:
        await asyncio.wait([self.next])

    def take(self) -> bytes:
        message = self.next.result()
        self.next = self._begin()
        return message

    def _begin(self) -> asyncio.Future[bytes]:
        reading = asyncio.ensure_future(_message(self._reader))
        reading.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to see it
        return reading


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(5)
    return head + await reader.readexactly(int.from_bytes(head[1:], "big") - 4)
