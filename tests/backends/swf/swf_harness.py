"""The Amazon SWF backend under examination, in front of the stand-in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import UTC, datetime
from typing import Self

from aioworkflow.backend import Backend
from aioworkflow.backends.local import LocalOptions
from aioworkflow.backends.swf import SWFBackend, SWFOptions
from aioworkflow.backends.swf.time import LoopTime
from aioworkflow.machine.limits import Limits
from aioworkflow.testing import ManualClock
from aioworkflow.testing.conformance.backend import Feature
from tests.swf_server.server import SWFServer

__all__ = ["LACKS", "LIMITS", "HastyTime", "StandInHarness"]

LIMITS = Limits(
    payload=16_000,
    heartbeat_details=2_048,
    tags=5,
    decisions=60,
    events=300,
    open_activities=20,
    open_timers=20,
    open_children=20,
    execution_timeout=31_536_000.0,
)
"""Those of Amazon SWF, but for the numbers that a check can only reach if they are smaller."""

LACKS: dict[Feature | str, str] = {
    Feature.CANCEL_DETAILS: "RequestCancelWorkflowExecution takes no details (swf-reference 2.2)",
    Feature.CANCELLABLE_POLLS: "Amazon SWF goes on with a poll whose client is gone (swf-reference 11.2)",
    Feature.DEPRECATION: "types are deprecated by an action of their own, not by registering them (swf-reference 1.7)",
    Feature.JOINED_FILTERS: "lists take one condition at a time, besides times (swf-reference 2.2)",
    Feature.NEW_DEFAULTS: "registered types cannot be changed (swf-reference 1.6)",
    Feature.PUSHED_INTERRUPTIONS: "workers learn of a cancellation from heartbeats only (swf-reference 7.1)",
    "an_activity_task_tells_what_is_to_do": "PollForActivityTask does not tell the scheduled event",
    "long_answers_to_an_activity_change_nothing": "long details of heartbeats are cut, not refused",
}
"""What no backend on Amazon SWF can do."""

_HASTE = 50.0


class HastyTime(LoopTime):
    """The time of a backend in a hurry: what it sleeps is shortened, and the date is the server's."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    def wall(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now(), UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / _HASTE)


class StandInHarness:
    """A backend on a stand-in of its own, whose clock is moved by hand."""

    tick = 10.0
    patience = 20.0
    limits = LIMITS
    lacks: Mapping[Feature | str, str] = LACKS

    def __init__(self, *, largest_page: int = 7) -> None:
        self.clock = ManualClock()
        self.server = SWFServer(
            clock=self.clock, options=LocalOptions(limits=LIMITS, poll_seconds=0.1), largest_page=largest_page
        )
        self._life = AsyncExitStack()
        self._backends = AsyncExitStack()
        self.backend: Backend

    async def __aenter__(self) -> Self:
        await self._life.enter_async_context(self.server)
        self.backend = await self._backends.enter_async_context(self.connect())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._backends.aclose()
        await self._life.aclose()

    async def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await asyncio.sleep(0)

    def connect(self) -> AbstractAsyncContextManager[Backend]:
        return SWFBackend(
            "examined",
            endpoint_url=self.server.url,
            options=SWFOptions(register_domain=True),
            time=HastyTime(self.clock),
        )

    async def reopen(self) -> None:
        await self._backends.aclose()
        self.backend = await self._backends.enter_async_context(self.connect())
