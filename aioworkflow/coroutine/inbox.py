"""Where the signals of one name wait until the code takes them.

An ``asyncio.Queue`` without what signals do not need, which takes 3 kB less; a process that waits for a signal is
what workers keep most of.
"""

from __future__ import annotations

import asyncio

__all__ = ["Inbox"]


class Inbox:
    """See the module.

    Attributes:
        waiting: Signals that nobody has taken.
        wanted: Whether the code has asked for signals of the name, or had no time to.
    """

    __slots__ = ("_takers", "waiting", "wanted")

    def __init__(self) -> None:
        self.wanted = False
        self.waiting: list[str | None] = []
        self._takers: list[asyncio.Future[None]] = []

    def put(self, input_json: str | None) -> None:
        """Add a signal, and wake who has waited longest."""
        self.waiting.append(input_json)
        self._wake_next()

    async def take(self) -> str | None:
        """Wait for a signal and take it. Who is cancelled takes none."""
        while not self.waiting:
            taker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._takers.append(taker)
            try:
                await taker
            except BaseException:
                if taker in self._takers:
                    self._takers.remove(taker)
                if self.waiting and not taker.cancelled():  # it was woken, so another may take the signal
                    self._wake_next()
                raise
        return self.waiting.pop(0)

    def _wake_next(self) -> None:
        while self._takers:
            taker = self._takers.pop(0)
            if not taker.done():
                taker.set_result(None)
                return
