"""A harness for local backends on any store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Self

import anyio

from ....backend import Backend
from ....backends.local import LocalBackend, LocalOptions
from ....machine.limits import Limits
from ....stores.base import Store
from ...clock import ManualClock
from .harness import Feature

__all__ = ["LocalHarness", "local_harness"]

_LIMITS = Limits(
    payload=32_768,
    heartbeat_details=2_048,
    tags=5,
    decisions=60,
    events=300,
    open_activities=20,
    open_timers=20,
    open_children=20,
)


class LocalHarness:
    """Local backends on one database, with a manual clock; they lack nothing.

    Args:
        new_store: Makes a store; all that it makes are on the same data.
        options: Of the backends; as they are, the limits are small, and polls end soon.

    Attributes:
        clock: What :meth:`advance` moves.
    """

    tick = 10.0
    patience = 20.0
    lacks: Mapping[Feature | str, str] = {}

    def __init__(self, new_store: Callable[[], Store], options: LocalOptions | None = None) -> None:
        self.clock = ManualClock()
        self._new_store = new_store
        self._options = options or LocalOptions(limits=_LIMITS, poll_seconds=0.1)
        self.limits = self._options.limits
        self._life = AsyncExitStack()
        self.backend: Backend

    async def __aenter__(self) -> Self:
        self.backend = await self._life.enter_async_context(self.connect())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._life.aclose()

    async def advance(self, seconds: float) -> None:
        """Move the clock."""
        self.clock.advance(seconds)
        await anyio.lowlevel.checkpoint()

    def connect(self) -> AbstractAsyncContextManager[Backend]:
        """Return another backend on the same data."""
        return LocalBackend(self._new_store(), self._options, clock=self.clock)

    async def reopen(self) -> None:
        """Replace the backend by another on the same data."""
        await self._life.aclose()
        self.backend = await self._life.enter_async_context(self.connect())


@asynccontextmanager
async def local_harness(new_store: Callable[[], Store]) -> AsyncIterator[LocalHarness]:
    """Give a harness of a local backend.

    Args:
        new_store: Makes a store; all that it makes are on the same data.
    """
    async with LocalHarness(new_store) as harness:
        yield harness
