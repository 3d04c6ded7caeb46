"""Labs on local backends whose stores and clocks tests have in hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio

from aioworkflow.backends.local import Clock, LocalBackend, LocalOptions, SystemClock
from aioworkflow.stores.base import Group, Store
from aioworkflow.testing import ManualClock
from aioworkflow.testing.conformance.backend import LocalHarness
from aioworkflow.testing.conformance.backend.lab import Lab

OPTIONS = LocalOptions(poll_seconds=30.0, session_check_seconds=0.01, watch_seconds=0.01)
"""Polls wait for what must come; whatever the backend does by itself, it does soon."""


class LeasedHarness(LocalHarness):
    """A harness whose backends go by a lease clock in hand."""

    def __init__(self, store: Store, options: LocalOptions, lease_clock: Clock) -> None:
        super().__init__(lambda: store, options)
        self._store = store
        self._lease_clock = lease_clock

    def connect(self) -> LocalBackend:
        return LocalBackend(self._store, self._options, clock=self.clock, lease_clock=self._lease_clock)


@asynccontextmanager
async def open_lab(
    store: Store, *, like: Lab | None = None, lease_clock: Clock | None = None, **options: Any
) -> AsyncIterator[Lab]:
    """Give a lab on a local backend of its own.

    Args:
        store: Where it keeps things.
        like: Another lab, whose types, task lists and clock it shares.
        lease_clock: What leases go by.
        options: Other than :data:`OPTIONS`.
    """
    harness = LeasedHarness(store, replace(OPTIONS, **options), lease_clock or SystemClock())
    lab = Lab(harness)
    if like is not None:
        assert isinstance(like.harness, LocalHarness)
        harness.clock = like.harness.clock
        for name in ("_mark", "workflow", "activity", "decisions", "activities"):
            setattr(lab, name, getattr(like, name))
    async with harness:
        if like is None:
            await lab.prepare()
        yield lab


def clock_of(lab: Lab) -> ManualClock:
    """Return the clock of a lab."""
    assert isinstance(lab.harness, LocalHarness)
    return lab.harness.clock


def local(lab: Lab) -> LocalBackend:
    """Return the backend of a lab as what it is."""
    assert isinstance(lab.backend, LocalBackend)
    return lab.backend


def event_names(group: Group) -> list[list[str]]:
    """Return the kinds of events that a group saves, for each of its writes."""
    return [[type(event).__name__.removesuffix("Event") for event in write.events] for write in group.writes]


class Poll:
    """A poll in a cancel scope of its own."""

    def __init__(self, poll: Callable[[], Awaitable[object]]) -> None:
        self._scope = anyio.CancelScope()
        self.task = asyncio.create_task(self._run(poll))

    async def _run(self, poll: Callable[[], Awaitable[object]]) -> object:
        with self._scope:
            return await poll()
        return None

    def cancel(self) -> None:
        """Cancel it, as those do who can do nothing with what it may bring."""
        self._scope.cancel()
