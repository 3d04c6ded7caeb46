"""The same jobs on aioworkflow and on DBOS Transact, side by side in one run, both on SQLite.

    pip install -e '.[bench]'
    python benchmarks/peers.py [--quick] [--json FILE] [--only TEXT]

Ours runs with ``synchronous=FULL`` (in WAL mode), DBOS as it sets itself up (rollback journal, ``synchronous=FULL``
too) and, unless ``--quick`` is given, also on a database in WAL mode. Sides take turns, job by job. A ratio of 12 is
twelve times as many.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version

from harness import Goal, Job, Record, arguments, measure, report, select

CELLS = [
    ("chain-1", 1),
    ("chain-1", 100),
    ("chain-10", 1),
    ("chain-10", 100),
    ("chain-10", 1000),
    ("chain-100", 1),
    ("chain-100", 100),
    ("fanout-10", 1),
    ("fanout-1000", 1),
]
QUICK_CELLS = [("chain-1", 100), ("chain-10", 1), ("chain-10", 100)]
GOALS = {
    "sqlite-full/chain-10/c100": Goal(least=12),
    "sqlite-full/chain-10/c1": Goal(least=3),
    "sqlite-full/chain-1/c100": Goal(least=10),
}


def main() -> None:
    options = arguments("aioworkflow beside DBOS Transact on SQLite.")
    peers = {"dbos-sqlite": f"dbos {version('dbos')}"}
    if not options.quick:
        peers["dbos-sqlite-wal"] = f"dbos {version('dbos')} in WAL mode"
    cells = QUICK_CELLS if options.quick else CELLS
    ours = [
        Job(script="ours.py", store="sqlite-full", shape=shape, concurrency=at_once, seconds=options.seconds)
        for shape, at_once in cells
    ]
    ours = select(ours, options)
    results = measure([side for job in ours for side in (job, *(beside(job, store) for store in peers))], options)

    table: list[tuple[Record, Goal | None]] = []
    for job in ours:
        for store, name in peers.items():
            record = results.compare(job, "activities_per_second", beside(job, store), name=name)
            table.append((record, GOALS.get(job.case)))
        peer = beside(job, "dbos-sqlite")
        table.append((results.compare(job, "cpu_seconds_per_activity", peer, name=peers["dbos-sqlite"]), None))
    report(table, options)


def beside(job: Job, store: str) -> Job:
    """The same job on DBOS."""
    return replace(job, script="dbos_side.py", store=store)


if __name__ == "__main__":
    main()
