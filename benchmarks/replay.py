"""How fast histories of coroutine workflows are replayed, here and by temporalio's Replayer.

    pip install -e '.[bench]'
    python benchmarks/replay.py [--quick] [--json FILE] [--only TEXT]

The workflow is a chain of activities, one awaited after the other, so of each six events one is a result that the code
goes on with. Both sides replay a history of as many events (temporalio without its sandbox), which lies decoded in
memory, again and again; they take turns. Besides, without a peer: what a decision costs whose coroutine is in the
worker's cache, and the memory that an idle coroutine takes there, with its process and history. A ratio of 12 is twelve
times as many.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from importlib.metadata import version

from harness import Goal, Job, Record, Results, arguments, measure, need, report, select

SIZES = (100, 1_000, 10_000)
GOALS = {
    **{(f"coroutine/replay-{size}/c1", "events_per_second"): Goal(least=10) for size in SIZES},
    **{(f"coroutine/replay-{size}/c1", "cpu_seconds_per_event"): Goal(most=0.1) for size in SIZES},
    ("coroutine/cached-10000/c1", "seconds_per_decision"): Goal(most=1.5),
    **{
        (f"coroutine/idle-{count}/c1", "bytes_per_coroutine"): Goal(most=20_000, of_ratio=False)
        for count in (1_000, 10_000)
    },
}


def jobs_of(options: argparse.Namespace) -> list[Job]:
    sizes, idle = (SIZES[:2], 1_000) if options.quick else (SIZES, 10_000)
    shapes = [*(f"replay-{size}" for size in sizes), "cached-10", "cached-10000", f"idle-{idle}"]
    return [Job(script="replay_ours.py", store="coroutine", shape=shape, seconds=options.seconds) for shape in shapes]


def peer_of(job: Job) -> Job | None:
    """The same job on temporalio, if there is one."""
    return replace(job, script="temporal_side.py", store="temporalio") if job.shape.startswith("replay-") else None


def lines(results: Results, job: Job) -> list[tuple[Record, Goal | None]]:
    shown = [line(results, job, metric) for metric in results.metrics(job)]
    if job.shape == f"replay-{SIZES[-1]}":
        shortest = f"replay-{SIZES[0]}"
        record = results.compare(job, "cpu_seconds_per_event", replace(job, shape=shortest), name=shortest)
        shown.append((record, Goal(most=1.2)))
    return shown


def line(results: Results, job: Job, metric: str) -> tuple[Record, Goal | None]:
    peer = peer_of(job)
    if peer is not None:
        record = results.compare(job, metric, peer, name=f"temporalio {version('temporalio')}")
    elif job.shape == "cached-10000":
        record = results.compare(job, metric, replace(job, shape="cached-10"), name="cached-10")
    else:
        record = results.record(job, metric)
    return record, GOALS.get((job.case, metric))


def main() -> None:
    options = arguments("Replaying histories of coroutine workflows, beside temporalio.")
    ours = select(jobs_of(options), options)
    sides = [side for job in ours for side in (job, peer_of(job)) if side is not None]
    if len(sides) > len(ours):
        need("temporalio")
    results = measure(sides, options)
    report([line for job in ours for line in lines(results, job)], options)


if __name__ == "__main__":
    main()
