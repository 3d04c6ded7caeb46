"""How fast aioworkflow is on its stores.

    python benchmarks/local.py [--quick] [--json FILE] [--only TEXT]

Throughput of processes with 1, 10 and 100 activities one after another, at 1, 100 and 1,000 processes at a time; of one
process with 1,000 activities at once; the cost of a decision as history grows; what 1,000 waiting polls cost while
nothing happens; and what 10,000 waiting activities cost. The figures of SQLite and PostgreSQL stand beside the commits
per second of a bare loop in the same run.

On PostgreSQL (see postgres.py) also: 1, 2 and 4 OS processes that work; transactions, bytes of write-ahead log and
CPU seconds of the server for each activity, start-up included; and how the work goes on when the database was away for
20 s (not with ``--quick``).
"""

from __future__ import annotations

import argparse
import sys

from harness import POSTGRES_MODULES, Goal, Job, Record, Results, arguments, measure, missing, report, select

STORES = ("memory", "sqlite-full", "sqlite-normal")
POSTGRES = "postgres"
TEAM_SECONDS = 2.0
"""Several OS processes take longer until all of them are at full speed."""

GOALS = {
    ("memory/chain-10/c100", "activities_per_second"): Goal(least=8000, of_ratio=False),
    ("sqlite-full/chain-10/c100", "activities_per_second"): Goal(least=3000, of_ratio=False),
    **{(f"{store}/fanout-1000/c1", "seconds_per_activity"): Goal(most=1.5) for store in STORES},
    **{(f"{store}/history-10000/c1", "seconds_per_decision"): Goal(most=1.5) for store in STORES},
    **{
        (f"{store}/waiting-10000/c10", "bytes_per_waiting_activity"): Goal(most=20_000, of_ratio=False)
        for store in STORES
    },
    ("postgres/chain-10/c100", "transactions_per_activity"): Goal(most=1.0, of_ratio=False),
    ("postgres/chain-10/c100/w4", "activities_per_second"): Goal(least=1.0),
    ("postgres/fanout-1000/c1", "seconds_per_activity"): Goal(most=1.5),
    ("postgres/fanout-1000/c1/w4", "activities_per_second"): Goal(least=0.5),
    ("postgres/idle-polls-100/c1", "queries_per_second"): Goal(most=1.0, of_ratio=False),
    ("postgres/outage-20/c100", "seconds_to_resume"): Goal(most=2.0, of_ratio=False),
    ("postgres/outage-20/c100", "processes_lost"): Goal(most=0.0, of_ratio=False),
}


def throughput_jobs(options: argparse.Namespace) -> list[Job]:
    stores = STORES[:2] if options.quick else STORES
    cells = [(f"chain-{length}", at_once) for length in (1, 10, 100) for at_once in (1, 100, 1000)]
    if options.quick:
        cells = [("chain-10", 1), ("chain-1", 100), ("chain-10", 100)]
    cells += [("fanout-10", 1), ("fanout-10", 100), ("fanout-1000", 1)]
    return [ours(options, store, shape, at_once) for store in stores for shape, at_once in cells]


def other_jobs(options: argparse.Namespace) -> list[Job]:
    waiting = ("waiting-2000", 2) if options.quick else ("waiting-10000", 10)
    cells = [("history-10", 1), ("history-10000", 1), ("idle-polls-1000", 1), waiting]
    return [ours(options, store, shape, at_once) for store in ("memory", "sqlite-full") for shape, at_once in cells]


def postgres_is_at_hand() -> bool:
    """Whether what its cases need is installed; what is missing is told."""
    lacking = missing(*POSTGRES_MODULES)
    if lacking:
        print(f"PostgreSQL is left out without {lacking}: pip install -e '.[test]'", file=sys.stderr)
    return not lacking


def postgres_jobs(options: argparse.Namespace) -> list[Job]:
    cells = [("chain-10", 1, 1), ("chain-10", 100, 1), ("chain-10", 100, 4), ("idle-polls-100", 1, 1)]
    if not options.quick:
        cells += [(f"chain-{length}", at_once, 1) for length in (1, 100) for at_once in (1, 100, 1000)]
        cells += [("chain-10", 1000, 1), ("chain-10", 100, 2), ("fanout-10", 1, 1), ("fanout-10", 100, 1)]
        cells += [("fanout-1000", 1, 1), ("fanout-1000", 1, 2), ("fanout-1000", 1, 4)]
        cells += [("history-10", 1, 1), ("history-10000", 1, 1)]
    jobs = [ours(options, POSTGRES, shape, at_once, workers) for shape, at_once, workers in cells]
    return jobs if options.quick else [*jobs, outage(options)]


def outage(options: argparse.Namespace) -> Job:
    return Job(script="outage.py", store=POSTGRES, shape="outage-20", concurrency=100, seconds=options.seconds)


def raw_jobs(options: argparse.Namespace) -> list[Job]:
    stores = (*STORES[1:], POSTGRES)
    return [Job(script="raw.py", store=store, shape="commit", seconds=options.seconds) for store in stores]


def ours(options: argparse.Namespace, store: str, shape: str, at_once: int, workers: int = 1) -> Job:
    script = "team.py" if workers > 1 else "ours.py"
    seconds = options.seconds if workers == 1 else max(options.seconds, TEAM_SECONDS)
    return Job(script=script, store=store, shape=shape, concurrency=at_once, workers=workers, seconds=seconds)


def lines(results: Results, options: argparse.Namespace) -> list[tuple[Record, Goal | None]]:
    """Every figure once, beside what it is to be compared with."""
    return [line(results, options, job, metric) for job in results for metric in results.metrics(job)]


def line(results: Results, options: argparse.Namespace, job: Job, metric: str) -> tuple[Record, Goal | None]:
    if job.workers > 1 and metric in ("activities_per_second", "cpu_seconds_per_activity"):
        alone = ours(options, job.store, job.shape, job.concurrency)
        record = results.compare(job, metric, alone, name="one OS process")
    elif metric == "activities_per_second" and job.store != "memory":
        raw = Job(script="raw.py", store=job.store, shape="commit", seconds=options.seconds)
        record = results.compare(
            job, metric, raw, peer_metric="commits_per_second", name="bare loop, commits_per_second"
        )
    elif job.shape == "fanout-1000" and metric in ("seconds_per_activity", "cpu_seconds_per_activity"):
        record = results.compare(
            job, metric, ours(options, job.store, "fanout-10", 100), name=f"{job.store}/fanout-10/c100"
        )
    elif job.shape == "history-10000":
        record = results.compare(
            job, metric, ours(options, job.store, "history-10", 1), name=f"{job.store}/history-10/c1"
        )
    else:
        record = results.record(job, metric)
    return record, GOALS.get((job.case, metric))


def main() -> None:
    options = arguments("How fast aioworkflow is on its stores.")
    on_postgres = postgres_jobs(options) if postgres_is_at_hand() else []
    jobs = select([*throughput_jobs(options), *other_jobs(options), *on_postgres], options)
    raw = [job for job in raw_jobs(options) if any(job.store == other.store for other in jobs)]
    results = measure([*raw, *jobs], options)
    report(lines(results, options), options)


if __name__ == "__main__":
    main()
