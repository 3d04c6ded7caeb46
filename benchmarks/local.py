"""How fast aioworkflow is on its embedded stores.

    python benchmarks/local.py [--quick] [--json FILE] [--only TEXT]

Throughput of processes with 1, 10 and 100 activities one after another, at 1, 100 and 1,000 processes at a time; of one
process with 1,000 activities at once; the cost of a decision as history grows; what 1,000 waiting polls cost while
nothing happens; and what 10,000 waiting activities cost. The SQLite figures stand beside the commits per second of a
bare loop in the same run.
"""

from __future__ import annotations

import argparse

from harness import Goal, Job, Record, Results, arguments, measure, report, select

STORES = ("memory", "sqlite-full", "sqlite-normal")
GOALS = {
    ("memory/chain-10/c100", "activities_per_second"): Goal(least=8000, of_ratio=False),
    ("sqlite-full/chain-10/c100", "activities_per_second"): Goal(least=3000, of_ratio=False),
    **{(f"{store}/fanout-1000/c1", "seconds_per_activity"): Goal(most=1.5) for store in STORES},
    **{(f"{store}/history-10000/c1", "seconds_per_decision"): Goal(most=1.5) for store in STORES},
    **{
        (f"{store}/waiting-10000/c10", "bytes_per_waiting_activity"): Goal(most=20_000, of_ratio=False)
        for store in STORES
    },
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


def raw_jobs(options: argparse.Namespace) -> list[Job]:
    return [Job(script="raw.py", store=store, shape="commit", seconds=options.seconds) for store in STORES[1:]]


def ours(options: argparse.Namespace, store: str, shape: str, at_once: int) -> Job:
    return Job(script="ours.py", store=store, shape=shape, concurrency=at_once, seconds=options.seconds)


def lines(results: Results, options: argparse.Namespace) -> list[tuple[Record, Goal | None]]:
    """Every figure once, beside what it is to be compared with."""
    return [line(results, options, job, metric) for job in results for metric in results.metrics(job)]


def line(results: Results, options: argparse.Namespace, job: Job, metric: str) -> tuple[Record, Goal | None]:
    if metric == "activities_per_second" and job.store != "memory":
        raw = Job(script="raw.py", store=job.store, shape="commit", seconds=options.seconds)
        record = results.compare(
            job, metric, raw, peer_metric="commits_per_second", name="bare loop, commits_per_second"
        )
    elif job.shape == "fanout-1000" and "seconds_per_activity" in metric:
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
    options = arguments("How fast aioworkflow is on its embedded stores.")
    jobs = select([*throughput_jobs(options), *other_jobs(options)], options)
    raw = [job for job in raw_jobs(options) if any(job.store == other.store for other in jobs)]
    results = measure([*raw, *jobs], options)
    report(lines(results, options), options)


if __name__ == "__main__":
    main()
