"""The long form of the chaos test: ``python -m tests.chaos --store sqlite --minutes 10``."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.chaos.campaign import Campaign, run
from tests.chaos.ground import Ground, PostgresGround, SQLiteGround

GROUNDS: dict[str, Callable[[Path], Ground]] = {"sqlite": SQLiteGround, "postgres": PostgresGround}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Work in a storm, and lose nothing.")
    parser.add_argument("--store", choices=GROUNDS, default="sqlite")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the storm lasts at least (default: 10)")
    parser.add_argument("--processes", type=int, help="how many are started at least (default: 500 for each minute)")
    parser.add_argument("--kills", type=int, help="how many workers are killed at least (default: 10 for each minute)")
    parser.add_argument("--workers", type=int, default=4, help="how many there are at a time (default: 4)")
    parser.add_argument("--seed", type=int, help="to let chance bring what it brought before")
    parser.add_argument("--dir", type=Path, help="where databases and logs go, and stay (default: a temporary one)")
    return parser.parse_args()


async def main(given: argparse.Namespace, directory: Path) -> int:
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    campaign = Campaign(
        seed=seed,
        seconds=60 * given.minutes,
        processes=round(500 * given.minutes) if given.processes is None else given.processes,
        kills=round(10 * given.minutes) if given.kills is None else given.kills,
        workers=given.workers,
    )
    print(f"{given.store}, seed {seed}, logs in {directory}", flush=True)
    async with GROUNDS[given.store](directory) as ground:
        report = await run(campaign, ground, directory)
    print(report)
    return 1 if report.violations else 0


if __name__ == "__main__":
    given = arguments()
    if given.dir:
        given.dir.mkdir(parents=True, exist_ok=True)
        sys.exit(asyncio.run(main(given, given.dir)))
    with tempfile.TemporaryDirectory(prefix="aioworkflow-chaos-") as name:
        sys.exit(asyncio.run(main(given, Path(name))))
