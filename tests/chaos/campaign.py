"""One run of the chaos test: everybody at work, the storm, the calm after it, and the verdict."""

from __future__ import annotations

import asyncio
import math
import random
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from aioworkflow.activity import activity_type
from aioworkflow.backend import Backend, ProcessFilter
from aioworkflow.client import Client
from aioworkflow.connect import connect
from aioworkflow.stores.base import Store
from aioworkflow.workflow import workflow_type
from tests.chaos.crew import Crew
from tests.chaos.driver import Driver
from tests.chaos.ground import Ground, Weather
from tests.chaos.plans import WORKFLOWS, Add, Watch, plans
from tests.chaos.record import Record, disagreements
from tests.chaos.storm import Storm
from tests.hunts.audit import Histories, audit

_MOST_TOLD = 20
"""So many violations are told in full; a thousand more say nothing new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """What is to be done.

    Attributes:
        seed: Of what chance brings (what the system adds to it cannot be repeated).
        seconds: How long the storm lasts at least.
        processes: How many processes the driver starts at least.
        kills: How many workers are killed at least.
        workers: How many there are at a time.
        open_at_once: How many processes the driver keeps under way.
        weather: How bad the storm is.
        patience: Seconds that the end may take to come after the storm; long, as it is reached when something is
            lost, and only then.
    """

    seed: int
    seconds: float
    processes: int
    kills: int
    workers: int = 4
    open_at_once: int = 40
    weather: Weather = field(default_factory=Weather)
    patience: float = 120.0


@dataclass(slots=True, kw_only=True)
class Report:
    """What came of it.

    Attributes:
        counts: Of everything that was done.
        violations: What was not to be, in words.
    """

    counts: Counter[str]
    violations: list[str]

    def __str__(self) -> str:
        lines = [f"{count:>9,}  {what}" for what, count in self.counts.items()]
        lines.append(f"{len(self.violations):>9,}  violations")
        lines += [f"\n{violation}" for violation in self.violations[:_MOST_TOLD]]
        return "\n".join(lines)


async def run(campaign: Campaign, ground: Ground, directory: Path) -> Report:
    """Let it happen, and judge."""
    begun = time.monotonic()
    options = f"lease_seconds={campaign.weather.lease}&session_check_seconds={campaign.weather.lease / 8}"
    url = f"{ground.url}&{options}"
    crew = Crew(url, directory, campaign.workers)
    storm = Storm(crew, ground, random.Random(f"storm of {campaign.seed}"), campaign.weather)
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(crew.run())
        async with connect(url) as backend:
            driver = await _driver(campaign, backend)
            driving = tasks.create_task(driver.run())
            await _weather(campaign, storm, driver)
            driver.finish()
            _, late = await asyncio.wait([driving], timeout=campaign.patience)
            driving.cancel()
        await crew.close()
        await working
    counts, violations = await _judge(driver.record, crew, ground)
    if late:
        violations.insert(0, f"what was begun was not over {campaign.patience:g} s after the storm")
    counts = Counter({"seconds": round(time.monotonic() - begun), **counts, **storm.harm, "workers": crew.hired})
    return Report(counts=counts, violations=violations)


async def _driver(campaign: Campaign, backend: Backend) -> Driver:
    for workflow in WORKFLOWS:
        await backend.register_workflow(workflow_type(workflow))
    for activity in (Add, Watch):
        await backend.register_activity(activity_type(activity))
    chance = random.Random(f"driver of {campaign.seed}")
    return Driver(Client(backend), plans(campaign.seed), chance, open_at_once=campaign.open_at_once)


async def _weather(campaign: Campaign, storm: Storm, driver: Driver) -> None:
    """Let the storm rage for its time, and until enough has happened."""
    loop = asyncio.get_running_loop()
    raging = asyncio.create_task(storm.run())
    begun = loop.time()
    deadline = begun + campaign.seconds
    while (
        loop.time() < deadline or len(driver.record.plans) < campaign.processes or storm.harm["kills"] < campaign.kills
    ):
        if loop.time() > 2 * deadline - begun + campaign.patience:
            break
        await asyncio.wait([raging], timeout=0.2)
        if raging.done():
            break
    storm.blow_over()
    await raging


async def _judge(record: Record, crew: Crew, ground: Ground) -> tuple[Counter[str], list[str]]:
    """Look at all that is stored, when nobody works any more."""
    store = ground.store()
    await store.open()
    try:
        violations = await _held_by_nobody(store)
        histories: Histories = {}
        try:
            histories = await audit(store)
        except AssertionError:
            violations.append(traceback.format_exc())
        violations += [f"never delivered: {message}" for message in await store.outbox(older_than=math.inf)]
    finally:
        await store.close()
    diary = crew.diary()
    violations += [*disagreements(record, histories, diary), *crew.faults()]
    counts = Counter(
        {
            "processes started by the driver": len(record.plans),
            "runs": len(histories),
            "events": sum(len(events) for events in histories.values()),
            "activities executed": diary.total(),
            "signals and requests to cancel": len(record.tellings),
            "answers that were lost": record.lost,
        }
    )
    return counts, violations


async def _held_by_nobody(store: Store) -> list[str]:
    """Describe the runs that are open, and who is said to be at work on them."""
    found: list[str] = []
    token: str | None = None
    while True:
        page, token = await store.find(ProcessFilter(closed=False), limit=500, page_token=token)
        for run in (await store.load([info.process.run_id for info in page])).values():
            queued, started = run.head.queued, run.head.started
            found.append(f"{run.head.process_id} ({run.head.run_id}) is open: {queued=}, {started=}, {run.items=}")
        if token is None:
            return found
