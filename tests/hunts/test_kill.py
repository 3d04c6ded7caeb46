"""kill -9: OS processes that work on an SQLite file are killed while they do; nothing is lost, nothing comes twice."""

from __future__ import annotations

import asyncio
import os
import random
import shlex
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from aioworkflow.event import (
    ActivityScheduledEvent,
    ActivityStartedEvent,
    ActivityTimedOutEvent,
    AnyEvent,
    ProcessCompletedEvent,
    TimerFiredEvent,
)
from aioworkflow.stores.sqlite import SQLiteStore
from tests.hunts.audit import Histories, assert_all_over, audit, completions
from tests.hunts.killed import ACTIVITIES, child_id, process_id, result_of

ROOT = Path(__file__).parents[2]
PROCESSES = 200
KILLS = 30
EXECUTIONS = sum(ACTIVITIES + (child_id(number) is not None) for number in range(PROCESSES))

E = TypeVar("E")


class Record:
    """What was said by those who lived.

    Attributes:
        started: Run ids of acknowledged starts, by process id.
        did: How often an activity was executed, by process id and activity id.
    """

    def __init__(self) -> None:
        self.started: dict[str, str] = {}
        self.did: Counter[tuple[str, str]] = Counter()

    def take(self, line: str) -> None:
        match line.split():
            case ["started", id, run_id]:
                assert id not in self.started
                self.started[id] = run_id
            case ["did", id, activity_id]:
                self.did[id, activity_id] += 1


class Life:
    """An OS process that works, and what can be heard of it."""

    def __init__(self, nest: asyncio.subprocess.Process, record: Record) -> None:
        self._nest = nest
        self._record = record
        self._pid = 0
        self._code: int | None = None
        self.said: list[str] = []

    def order(self, *words: object) -> None:
        assert self._nest.stdin is not None
        self._nest.stdin.write((shlex.join(map(str, words)) + "\n").encode())

    async def hear(self, word: str = "died", times: int = 1) -> None:
        """Listen until there were so many lines with this first word, by default until its death, which comes first."""
        assert self._nest.stdout is not None
        while self._code is None and self.said.count(word) < times:
            line = (await self._nest.stdout.readline()).decode()
            self._record.take(line)
            word_said, *others = line.split()
            self.said.append(word_said)
            if word_said == "born":
                self._pid = int(others[0])
            elif word_said == "gone":
                self.order("reap")
            elif word_said == "died":
                self._code = int(others[0])

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has died."""
        if self._pid and self._code is None:
            os.kill(self._pid, number)

    async def kill(self) -> None:
        """Kill it, and listen to what it had said before."""
        self.signal(signal.SIGKILL)
        await self.hear()
        assert self._code == -signal.SIGKILL

    async def end(self) -> None:
        """Let it come to its end."""
        await self.hear("open")
        self.signal(signal.SIGTERM)
        await self.hear()
        assert self._code == 0
        assert self.said[-3:] == ["end", "gone", "died"]


@asynccontextmanager
async def nest() -> AsyncIterator[asyncio.subprocess.Process]:
    """Give a program that lets one life after another begin."""
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.hunts.killed"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield program
    finally:
        assert program.stdin is not None
        program.stdin.close()
        await program.communicate()


@asynccontextmanager
async def live(
    nest: asyncio.subprocess.Process, record: Record, *arguments: object, last: tuple[str, int] = ("", 0)
) -> AsyncIterator[Life]:
    life = Life(nest, record)
    life.order(*arguments, *last)
    await life.hear("born")
    try:
        yield life
    finally:
        life.signal(signal.SIGKILL)
        await life.hear()


async def check(path: Path, record: Record) -> None:
    """Check what the file holds when all is over."""
    store = SQLiteStore(path)
    await store.open()
    histories = await audit(store)
    await assert_all_over(store, histories, session="auditor")
    await store.close()
    runs = {ref.process_id: ref.run_id for ref in histories}
    assert len(runs) == len(histories), "each process has one run"
    children = [child for number in range(PROCESSES) if (child := child_id(number))]
    assert runs.keys() == {*map(process_id, range(PROCESSES)), *children}
    assert record.started.items() <= runs.items(), "acknowledged starts are durable"
    by_id = {ref.process_id: events for ref, events in histories.items()}
    for number in range(PROCESSES):
        events = by_id[process_id(number)]
        assert isinstance(events[-1], ProcessCompletedEvent)
        assert events[-1].result == result_of(number)
        assert completions(events) == ["fan-0", "fan-1", "fan-2", "step-0", "step-1", "step-2"]
        assert len(every(events, TimerFiredEvent)) == 1
    for child in children:
        assert completions(by_id[child]) == ["only"]
    assert_done_again_only_if_asked(histories, record)


def assert_done_again_only_if_asked(histories: Histories, record: Record) -> None:
    """An activity is scheduled once more for each time that it was lost, and executed at most once for each start."""
    starts: Counter[tuple[str, str]] = Counter()
    for ref, events in histories.items():
        names = {event.event_id: event.activity_id for event in every(events, ActivityScheduledEvent)}
        lost = Counter(names[event.scheduled_event_id] for event in every(events, ActivityTimedOutEvent))
        assert Counter(names.values()) == Counter(completions(events)) + lost
        starts.update(
            (ref.process_id, names[event.scheduled_event_id]) for event in every(events, ActivityStartedEvent)
        )
    assert record.did <= starts
    assert record.did.keys() == starts.keys()


def every(events: list[AnyEvent], kind: type[E]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


async def test_thirty_deaths(tmp_path: Path) -> None:
    chance = random.Random(30)
    record = Record()
    work = tmp_path / "test.db", 0, PROCESSES, 1, 10
    async with nest() as crows:
        for left in range(KILLS, 0, -1):
            # What was not heard of must still be done: after so many lines there is work left for the others.
            most = (EXECUTIONS - len(record.did)) // (left + 1)
            moment = chance.choice([("begin", 1), ("open", 1), *[("did", chance.randint(1, most))] * 8])
            async with live(crows, record, *work, last=("did", most)) as victim:
                await victim.hear(*moment)
                await victim.kill()
        assert len(record.did) < EXECUTIONS
        async with live(crows, record, *work) as survivor:
            await survivor.end()
    await check(tmp_path / "test.db", record)


async def test_one_of_two_is_killed(tmp_path: Path) -> None:
    """One OS process works on while others beside it, which start processes one by one, are killed."""
    chance = random.Random(2)
    record = Record()
    path = tmp_path / "test.db"
    work = path, 1, PROCESSES, 2, 1
    async with nest() as crows, nest() as doves, live(doves, record, path, 0, PROCESSES, 2, 10) as other:
        await other.hear("open")
        begun = 0
        for left in range(8, 0, -1):
            # A start may be committed and its acknowledgement never heard of: one in each life.
            most = (PROCESSES // 2 - begun) // (left + 1)
            async with live(crows, record, *work, last=("started", most)) as victim:
                await victim.hear("started", chance.randint(1, most))
                await victim.kill()
            begun += victim.said.count("started") + 1
        async with live(crows, record, *work) as survivor:
            await survivor.end()
        await other.end()
    await check(path, record)
