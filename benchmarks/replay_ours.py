"""Coroutine workflows replayed, gone on with, and kept."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from aioworkflow import AnyEvent, Client, Process, Worker, activity, connect, flow, workflow
from aioworkflow.deciding import decide
from aioworkflow.event import DecisionStartedEvent
from harness import Job, child, finish
from ours import resident_bytes

TURNS = 5
"""How many decisions are timed on one history; they lengthen it by 30 events."""


@activity
async def step(number: int) -> int:
    return number + 1


@workflow
async def chain(length: int) -> int:
    number = 0
    while number < length:
        number = await flow.execute(step, number)
    return number


@workflow
async def patient(number: int) -> int:
    number = await flow.execute(step, number)
    await flow.wait_signal("go")
    return number


async def recorded(workflow: Any, input: int, *, events: int = 0) -> Process:
    """Return a process that has really run, to its end or until it has so many events."""
    async with connect("memory://") as backend, Worker(backend, workflows=[workflow], activities=[step]):
        handle = await Client(backend).start(workflow, input)
        if not events:
            await handle.result()
        while len((process := await handle.process()).history) < events:  # noqa: ASYNC110 - it says nothing
            await asyncio.sleep(0.01)
        return process


async def replay(job: Job, directory: Path) -> NoReturn:
    """Replay a history of ``job.size`` events or a little more, from the first to the last."""
    process = await recorded(chain, -(-(job.size - 5) // 6))
    events = list(process.history)
    rounds = 0
    flow.replay(chain, Process(process.ref, events))
    wall, cpu = time.perf_counter(), time.process_time()
    while not rounds or time.perf_counter() - wall < job.seconds:
        flow.replay(chain, Process(process.ref, events))
        rounds += 1
    count = rounds * len(events)
    finish(
        {
            "events_per_second": count / (time.perf_counter() - wall),
            "cpu_seconds_per_event": (time.process_time() - cpu) / count,
        }
    )


async def go_on(job: Job, directory: Path) -> NoReturn:
    """Decide with the coroutine at hand, on a history of ``job.size`` events: take in the new ones, and run it."""
    process = await recorded(chain, job.size // 6 + TURNS + 2)
    events = list(process.history)
    starts = [event.event_id for event in events if isinstance(event, DecisionStartedEvent)]
    first = next(place for place, event_id in enumerate(starts) if event_id >= job.size)
    seconds: list[float] = []
    begun = time.perf_counter()
    while not seconds or time.perf_counter() - begun < job.seconds:
        cached = Process(process.ref, events[: starts[first]])
        await decide(chain, cached)
        for before, after in zip(starts[first : first + TURNS], starts[first + 1 : first + TURNS + 1], strict=False):
            new = events[before:after]
            start = time.perf_counter()
            cached.extend(new)
            await decide(chain, cached)
            seconds.append(time.perf_counter() - start)
        cached.release()
    finish({"seconds_per_decision": statistics.median(seconds)})


async def stay(job: Job, directory: Path) -> NoReturn:
    """Keep ``job.size`` coroutines that have done something and wait, each with a history of its own."""
    process = await recorded(patient, 1, events=10)
    stored = msgspec.json.encode(list(process.history))
    decode = msgspec.json.Decoder(list[AnyEvent]).decode
    kept = [await waiting(process, decode(stored)) for _ in range(100)]
    gc.collect()
    before = resident_bytes()
    kept += [await waiting(process, decode(stored)) for _ in range(job.size)]
    finish({"bytes_per_coroutine": (resident_bytes() - before) / job.size})


async def waiting(process: Process, events: list[AnyEvent]) -> Process:
    starts = [event.event_id for event in events if isinstance(event, DecisionStartedEvent)]
    cached = Process(process.ref, events[: starts[-1]])
    await decide(patient, cached)
    return cached


MEASUREMENTS = {"replay": replay, "cached": go_on, "idle": stay}


async def measurement(job: Job, directory: Path) -> NoReturn:
    await MEASUREMENTS[job.shape.rpartition("-")[0]](job, directory)


if __name__ == "__main__":
    child(measurement)
