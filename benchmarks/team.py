"""The jobs on aioworkflow in several OS processes on one database: each works, and starts its share of the processes.

One of them measures. The others are its helpers: they are given their place on the command line, and end when it does.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from harness import Counter, Job, child, finish, throughput
from ours import counter, run_process, running, url


async def measurement(job: Job, directory: Path) -> NoReturn:
    counts = directory / "counts"
    if len(sys.argv) > 4:
        await help_out(job, directory, counts, place=int(sys.argv[4]))
    counts.write_bytes(bytes(Counter.file_size(job.workers)))
    counter.share(counts, 0)
    helpers = [await start_helper(place) for place in range(1, job.workers)]
    async with running(job, url(job, directory), activities=1000) as (_, client):
        for helper in helpers:
            assert helper.stdout is not None
            if await helper.stdout.readline() != b"ready\n":
                raise AssertionError(f"{job.case}: a helper ended")
        mine = replace(job, concurrency=share(job, 0))
        finish(await throughput(mine, lambda: run_process(job, client), counter))


def share(job: Job, place: int) -> int:
    """How many processes are open at a time that were started from that place."""
    return len(range(place, job.concurrency, job.workers))


async def start_helper(place: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, *sys.argv[1:4], str(place)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )


async def help_out(job: Job, directory: Path, counts: Path, *, place: int) -> NoReturn:
    threading.Thread(target=end_with_parent, daemon=True).start()
    counter.share(counts, place)
    async with running(job, url(job, directory), activities=1000) as (_, client):
        print("ready", flush=True)

        async def start_processes() -> None:
            while True:
                await run_process(job, client)

        await asyncio.gather(*(start_processes() for _ in range(share(job, place))))
        await asyncio.Event().wait()
    raise AssertionError("nobody told the helper to end")


def end_with_parent() -> NoReturn:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    child(measurement)
