"""A long history is read once; after that a decision reads what is new, also where several workers decide."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from aioworkflow.backends.local import LocalOptions
from aioworkflow.backends.swf import SWFBackend, SWFOptions, decode
from aioworkflow.client import Client
from aioworkflow.decision import CompleteProcessDecision, Decision, RecordMarkerDecision
from aioworkflow.event import ProcessSignaledEvent
from aioworkflow.machine.limits import SWF_LIMITS
from aioworkflow.process import Process
from aioworkflow.worker import Worker, WorkerOptions
from aioworkflow.workflow import Workflow
from tests.swf_server.server import SWFServer

GROWTH = 98
"""Markers of one decision: together with signal and decision task some hundred events."""


class Growing(Workflow):
    """Keeps signals in mind, and tells the test of each decision.

    Attributes:
        seen: How long the history was at each decision.
    """

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.news = asyncio.Event()

    async def decide(self, process: Process) -> list[Decision]:
        self.seen.append(process.last_event_id)
        self.news.set()
        decisions: list[Decision] = []
        for event in process.new_events:
            match event:
                case ProcessSignaledEvent(signal="grow"):
                    decisions += [RecordMarkerDecision("m") for _ in range(GROWTH)]
                case ProcessSignaledEvent(signal="end"):
                    decisions.append(CompleteProcessDecision([len(process.signals("grow")), len(process.markers("m"))]))
        return decisions

    async def decided(self, times: int) -> None:
        while len(self.seen) < times:
            self.news.clear()
            await self.news.wait()


@pytest.fixture
async def backend() -> AsyncIterator[SWFBackend]:
    options = SWFOptions(register_domain=True, wait_seconds=0.1)
    async with (
        SWFServer(options=LocalOptions(limits=SWF_LIMITS, poll_seconds=0.2)) as server,
        SWFBackend("long", endpoint_url=server.url, options=options) as backend,
    ):
        yield backend


@pytest.fixture
def transferred(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many events each reply brought."""
    counts: list[int] = []
    read_decision_page, read_history_page = decode.decision_page, decode.history_page

    def decision_page(body: bytes) -> decode.DecisionPage | None:
        page = read_decision_page(body)
        if page is not None:
            counts.append(len(page.events))
        return page

    def history_page(body: bytes) -> decode.HistoryPage:
        page = read_history_page(body)
        counts.append(len(page.events))
        return page

    monkeypatch.setattr(decode, "decision_page", decision_page)
    monkeypatch.setattr(decode, "history_page", history_page)
    return counts


@pytest.mark.parametrize("workers", [1, 3])
async def test_a_decision_on_5000_events_transfers_fewer_than_20(
    backend: SWFBackend, transferred: list[int], workers: int
) -> None:
    flow = Growing()
    async with AsyncExitStack() as stack:
        for _ in range(workers):
            await stack.enter_async_context(Worker(backend, workflows=[flow]))
        handle = await Client(backend).start(Growing, id="long")
        for turn in range(1, 51):
            await flow.decided(turn)
            await handle.signal("grow")
        for turn in range(51, 61):
            await flow.decided(turn)
            transferred.clear()
            await handle.signal("beat")
            await flow.decided(turn + 1)
            if turn > 51:  # the first of them brings the markers of the decision before
                assert sum(transferred) < 20
        assert flow.seen[-1] > 5_000
        await handle.signal("end")
        assert await handle.result() == [50, 50 * GROWTH]


async def test_without_a_cache_all_is_right_too(backend: SWFBackend, transferred: list[int]) -> None:
    flow = Growing()
    async with Worker(backend, workflows=[flow], options=WorkerOptions(cached_processes=0)):
        handle = await Client(backend).start(Growing, id="forgotten")
        for turn in range(1, 12):
            await flow.decided(turn)
            await handle.signal("grow")
        await flow.decided(12)
        await handle.signal("end")
        assert await handle.result() == [11, 11 * GROWTH]
    assert max(transferred) == 1_000
