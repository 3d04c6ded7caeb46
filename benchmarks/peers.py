"""The same jobs on aioworkflow and on DBOS Transact, side by side in one run, both on SQLite.

    pip install -e '.[bench]'
    python benchmarks/peers.py [--quick] [--json FILE] [--only TEXT]

Ours runs with ``synchronous=FULL`` (in WAL mode), DBOS as it sets itself up (rollback journal, ``synchronous=FULL``
too) and, unless ``--quick`` is given, also on a database in WAL mode. Sides take turns, job by job. A ratio of 12 is
twelve times as many.
"""

from __future__ import annotations

import argparse
from importlib.metadata import version

from harness import Goal, Job, Record, arguments, measure, report

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
    cells = [
        (shape, at_once)
        for shape, at_once in (QUICK_CELLS if options.quick else CELLS)
        if options.only in f"sqlite-full/{shape}/c{at_once}"
    ]
    jobs = [side(options, store, *cell) for cell in cells for store in ("sqlite-full", *peers)]
    options.only = ""
    results = measure(jobs, options)

    table: list[tuple[Record, Goal | None]] = []
    for cell in cells:
        ours = side(options, "sqlite-full", *cell)
        for store, name in peers.items():
            record = results.compare(ours, "activities_per_second", side(options, store, *cell), name=name)
            table.append((record, GOALS.get(ours.case)))
        record = results.compare(
            ours, "cpu_seconds_per_activity", side(options, "dbos-sqlite", *cell), name=peers["dbos-sqlite"]
        )
        table.append((record, None))
    report(table, options)


def side(options: argparse.Namespace, store: str, shape: str, at_once: int) -> Job:
    script = "dbos_side.py" if store.startswith("dbos") else "ours.py"
    return Job(script=script, store=store, shape=shape, concurrency=at_once, seconds=options.seconds)


if __name__ == "__main__":
    main()
