"""The same jobs on aioworkflow and on others, side by side in one run, each on the same kind of database.

    pip install -e '.[bench]'
    python benchmarks/peers.py [--quick] [--json FILE] [--only TEXT]

On SQLite beside DBOS Transact: ours runs with ``synchronous=FULL`` (in WAL mode), DBOS as it sets itself up (rollback
journal, ``synchronous=FULL`` too) and, unless ``--quick`` is given, also on a database in WAL mode.

On one PostgreSQL server (see postgres.py) beside DBOS Transact, absurd with one and with ten workers, and
procrastinate, a plain queue, with one job for each activity. (Restate is not here: its server is a program of its own,
which does not come from the package index.)

Each side is one OS process. Sides take turns, job by job. A ratio of 12 is twelve times as many.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.metadata import version

from harness import POSTGRES_MODULES, Goal, Job, Record, Results, arguments, measure, need, report, select

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
QUICK_CELLS = [("chain-10", 1), ("chain-10", 100)]

SCRIPTS = {"dbos": "dbos_side.py", "absurd": "absurd_side.py", "procrastinate": "procrastinate_side.py"}

GOALS = {
    ("sqlite-full/chain-10/c100", "dbos-sqlite"): Goal(least=12),
    ("sqlite-full/chain-10/c1", "dbos-sqlite"): Goal(least=3),
    ("sqlite-full/chain-1/c100", "dbos-sqlite"): Goal(least=10),
    ("postgres/chain-10/c100", "dbos-postgres"): Goal(least=12),
    ("postgres/chain-10/c1", "dbos-postgres"): Goal(least=2.5),
    ("postgres/chain-10/c100", "absurd-postgres-1"): Goal(least=2.5),
    ("postgres/chain-10/c100", "absurd-postgres-10"): Goal(least=2.5),
}

COSTS = (
    "cpu_seconds_per_activity",
    "server_cpu_seconds_per_activity",
    "transactions_per_activity",
    "wal_bytes_per_activity",
)


def main() -> None:
    options = arguments("aioworkflow beside others on SQLite and PostgreSQL.")
    need(*POSTGRES_MODULES, "dbos", "absurd_sdk", "procrastinate")
    cells = [*QUICK_CELLS] if options.quick else CELLS
    ours = [
        Job(script="ours.py", store=store, shape=shape, concurrency=at_once, seconds=options.seconds)
        for store in ("sqlite-full", "postgres")
        for shape, at_once in (*cells, *([("chain-1", 100)] if options.quick and store == "postgres" else []))
    ]
    ours = select(ours, options)
    sides = {job: peers(job, quick=options.quick) for job in ours}
    results = measure([side for job in ours for side in (job, *(beside(job, peer) for peer in sides[job]))], options)
    report([line for job in ours for line in lines(results, job, sides[job])], options)


def peers(job: Job, *, quick: bool) -> Mapping[str, str]:
    """Return who does that job too, by the name of its database: its name and version."""
    dbos = f"dbos {version('dbos')}"
    if job.store == "sqlite-full":
        return {"dbos-sqlite": dbos} if quick else {"dbos-sqlite": dbos, "dbos-sqlite-wal": f"{dbos} in WAL mode"}
    found = {"dbos-postgres": dbos}
    if job.shape == "chain-1":
        queue = {"procrastinate-postgres": f"procrastinate {version('procrastinate')} (a queue)"}
        found = queue if quick else found | queue
    if job.shape.startswith("chain-10"):
        absurd = f"absurd {version('absurd-sdk')}"
        found |= {"absurd-postgres-1": absurd, "absurd-postgres-10": f"{absurd}, ten workers"}
    return found


def lines(results: Results, job: Job, others: Mapping[str, str]) -> Iterator[tuple[Record, Goal | None]]:
    """Throughput beside each, and what that cost beside the first."""
    for store, name in others.items():
        record = results.compare(job, "activities_per_second", beside(job, store), name=name)
        yield record, GOALS.get((job.case, store))
    store, name = next(iter(others.items()))
    for metric in COSTS:
        if metric in results.metrics(job):
            yield results.compare(job, metric, beside(job, store), name=name), None


def beside(job: Job, store: str) -> Job:
    """The same job on a peer."""
    return replace(job, script=SCRIPTS[store.partition("-")[0]], store=store)


if __name__ == "__main__":
    main()
