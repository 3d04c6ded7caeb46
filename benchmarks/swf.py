"""What aioworkflow costs on Amazon SWF's protocol, beside threads with boto3.

    python benchmarks/swf.py [--quick] [--json FILE] [--only TEXT]

Calls and bytes of processes with 1, 10 and 100 activities one after another; activities and decisions per second, of
such processes and of orders (a payment, a signal, a child with an activity), beside the same with one thread per poll;
the CPU of a call beside that of a bare client of aiobotocore; what a decision on a process with 5,000 events receives;
and the memory of 1,000 and 10,000 open polls.

The service is a stand-in on this machine, in an OS process of its own whose CPU is not counted, though it takes its
part of the machine: rates are for comparison only, and no account of AWS is as fast.
"""

from __future__ import annotations

import argparse

from harness import Goal, Job, Record, Results, arguments, measure, need, report, select

CALLS_GOAL = Goal(most=4.0, of_ratio=False)
GOALS = {
    **{(f"swf/calls-{length}/c1", "calls_per_activity"): CALLS_GOAL for length in (1, 10, 100)},
    **{(f"swf/polls-{number}/c1", "bytes_per_poll"): Goal(most=40_000, of_ratio=False) for number in (1000, 10000)},
    **{(f"swf/history-{events}/c1", "events_per_decision"): Goal(most=20, of_ratio=False) for events in (600, 5000)},
    ("swf/order-2/c20", "activities_per_second"): Goal(least=3.0),
    ("swf/cpu-100/c1", "cpu_seconds_per_heartbeat"): Goal(most=1.1),
    ("swf/cpu-100/c1", "cpu_seconds_per_history"): Goal(most=1.1),
}


def jobs_of(options: argparse.Namespace) -> list[Job]:
    ours = [("calls-1", 1), ("calls-10", 1), ("calls-100", 1), ("cpu-100", 1)]
    ours += [("history-600" if options.quick else "history-5000", 1)]
    ours += [("polls-1000", 1)] if options.quick else [("polls-1000", 1), ("polls-10000", 1)]
    both = [("chain-10", 20), ("order-2", 20)]
    jobs = [job(options, "swf_ours.py", "swf", shape, at_once) for shape, at_once in (*ours, *both)]
    both += [] if options.quick else [("polls-1000", 1)]
    return jobs + [job(options, "swf_threads.py", "threads", shape, at_once) for shape, at_once in both]


def job(options: argparse.Namespace, script: str, store: str, shape: str, at_once: int) -> Job:
    return Job(script=script, store=store, shape=shape, concurrency=at_once, seconds=options.seconds)


def line(results: Results, options: argparse.Namespace, job_: Job, metric: str) -> tuple[Record, Goal | None]:
    if job_.shape.startswith("cpu"):
        record = results.compare(job_, metric, job_, peer_metric=f"bare_{metric}", name="bare aiobotocore")
    else:
        peer = job(options, "swf_threads.py", "threads", job_.shape, job_.concurrency)
        record = results.compare(job_, metric, peer, name="threads with boto3")
    return record, GOALS.get((job_.case, metric))


def main() -> None:
    options = arguments("What aioworkflow costs on Amazon SWF's protocol, beside threads with boto3.")
    need("aiobotocore", "boto3")
    results = measure(select(jobs_of(options), options), options)
    shown = [job for job in results if job.store == "swf"]
    report(
        [
            line(results, options, job, metric)
            for job in shown
            for metric in results.metrics(job)
            if not metric.startswith("bare_")
        ],
        options,
    )


if __name__ == "__main__":
    main()
