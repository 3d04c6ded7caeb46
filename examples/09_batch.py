"""A batch of many items, at most 100 at a time, in five runs of the process, so that no history grows long.

`python examples/09_batch.py [ITEMS]` does 10,000 by default, and prints:

    10,000 items in 5 runs: 333,283,335,000
"""

import asyncio
import sys

import aioworkflow as aw


@aw.activity
async def square(item: int) -> int:
    return item * item


@aw.workflow
async def batch(first: int, last: int, per_run: int, total: int) -> int:
    slots = asyncio.Semaphore(100)

    async def one(item: int) -> int:
        async with slots:
            return await aw.execute(square, item)

    end = min(first + per_run, last)
    total += sum(await asyncio.gather(*(one(item) for item in range(first, end))))
    return total if end == last else aw.continue_as_new((end, last, per_run, total))


async def main(items: int) -> None:
    options = aw.WorkerOptions(max_concurrent_activities=200)
    async with (
        aw.connect("memory://") as backend,
        aw.Worker(backend, workflows=[batch], activities=[square], options=options),
    ):
        client = aw.Client(backend)
        handle = await client.start(batch, (0, items, -(-items // 5), 0), id="squares")
        total = await handle.result()
        print(f"{items:,} items in {await client.count(workflow=batch)} runs: {total:,}")


asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else 10_000))
