"""A worker as an OS process, for the chaos test: it works until SIGTERM, or until somebody does worse.

It opens its database as often as that takes; its log goes to its standard error.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys

from aioworkflow.connect import connect
from aioworkflow.errors import BackendUnavailableError
from aioworkflow.worker import WorkerOptions, run_worker
from tests.chaos.plans import WORKFLOWS, Add, Watch

_logger = logging.getLogger("tests.chaos")

OPTIONS = WorkerOptions(block_seconds=None, grace_seconds=1.0)


async def main(url: str, diary: int) -> None:
    while True:
        try:
            async with connect(url) as backend:
                await run_worker(backend, workflows=WORKFLOWS, activities=[Add(diary), Watch], options=OPTIONS)
                return
        except BackendUnavailableError as error:
            _logger.warning("the database is away: %s", error)
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(main(sys.argv[1], os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)))
