"""A saga: what was done is undone when a later step fails, or when somebody cancels.

`python examples/07_saga.py` prints what was booked (+) and undone (-) for three trips, and how they ended; the hotel of
Rome never answers:

    Paris: +flight +hotel +car: have a nice trip
    Atlantis: +flight +hotel +car -car -hotel -flight: ActivityError: activity 'car' (book) failed: LookupError: gone
    Rome: +flight +hotel -hotel -flight: canceled
"""

import asyncio
from collections import defaultdict

import aioworkflow as aw

told: dict[str, str] = defaultdict(str)
hotel_is_silent = asyncio.Event()


@aw.activity(start_to_close_timeout=3600)
async def book(thing: str, place: str) -> None:
    told[place] += f" +{thing}"
    if (thing, place) == ("car", "Atlantis"):
        raise LookupError("gone")
    if (thing, place) == ("hotel", "Rome"):
        hotel_is_silent.set()
        await asyncio.Event().wait()


@aw.activity(start_to_close_timeout=10, retry=aw.RetryPolicy(maximum_attempts=None))
async def undo(thing: str, place: str) -> None:  # harmless if the booking did not get through
    told[place] += f" -{thing}"


@aw.workflow
async def trip(place: str) -> str:
    begun: list[str] = []
    try:
        for thing in ("flight", "hotel", "car"):
            begun.append(thing)
            await aw.execute(book, (thing, place), id=thing)
    except (aw.ActivityError, asyncio.CancelledError):
        for thing in reversed(begun):
            await aw.execute(undo, (thing, place))
        raise
    return "have a nice trip"


async def main() -> None:
    async with aw.connect("memory://") as backend, aw.Worker(backend, workflows=[trip], activities=[book, undo]):
        for place in ("Paris", "Atlantis", "Rome"):
            handle = await aw.Client(backend).start(trip, place)
            if place == "Rome":
                await hotel_is_silent.wait()
                await handle.cancel()
            try:
                end = await handle.result()
            except aw.ProcessNotCompletedError as error:
                end = error.reason or "canceled"
            print(f"{place}:{told[place]}: {end}")


asyncio.run(main())
