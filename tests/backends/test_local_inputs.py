"""Inputs of activities: read some at a time, by one reader for all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from aioworkflow.backends.local import inputs as inputs_module
from aioworkflow.backends.local.inputs import Inputs
from aioworkflow.errors import StoreError
from aioworkflow.event import ActivityScheduledEvent, AnyEvent, MarkerRecordedEvent
from aioworkflow.types import TypeRef
from tests.written_history import NOON


class Histories:
    """Runs in which every event but each seventh schedules an activity; reads wait for ``gate``."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.reads: list[tuple[str, int, int]] = []
        self.error: Exception | None = None
        self.inputs = Inputs(self.read)

    async def read(self, run_id: str, first: int, last: int) -> Sequence[AnyEvent]:
        self.reads.append((run_id, first, last))
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return [event(number) for number in range(first, last + 1)]

    async def of(self, event_id: int, run_id: str = "run-1") -> str | None:
        return await self.inputs.of(run_id, event_id, last_event_id=200)


def event(number: int) -> AnyEvent:
    if number % 7 == 0:
        return MarkerRecordedEvent(event_id=number, timestamp=NOON, marker="m", decision_completed_event_id=1)
    return ActivityScheduledEvent(
        event_id=number,
        timestamp=NOON,
        activity_id=str(number),
        activity=TypeRef("Foo"),
        input_json=None if number % 5 == 0 else str(number),
        task_list="default",
        decision_completed_event_id=1,
    )


async def test_what_comes_next_is_at_hand() -> None:
    histories = Histories()
    assert [await histories.of(number) for number in (10, 11, 12, 15, 59, 60)] == [None, "11", "12", None, "59", None]
    assert histories.reads == [("run-1", 10, 59), ("run-1", 60, 109)]


async def test_who_asks_meanwhile_waits_for_the_same_read() -> None:
    histories = Histories()
    histories.gate.clear()
    asking = [asyncio.ensure_future(histories.of(number)) for number in (10, 13, 12, 8, 195)]
    others = asyncio.ensure_future(histories.of(12, "run-2"))
    await asyncio.sleep(0)
    histories.gate.set()
    assert await asyncio.gather(*asking) == [None, "13", "12", "8", None]
    assert await others == "12"
    assert sorted(histories.reads) == [("run-1", 8, 57), ("run-1", 10, 59), ("run-1", 195, 200), ("run-2", 12, 61)]


async def test_an_input_is_forgotten_when_it_was_told() -> None:
    histories = Histories()
    assert [await histories.of(number) for number in (10, 11, 11)] == [None, "11", "11"]
    assert histories.reads == [("run-1", 10, 59), ("run-1", 11, 60)]


async def test_who_waits_for_a_read_that_fails_reads_himself() -> None:
    histories = Histories()
    histories.gate.clear()
    histories.error = StoreError("damaged")
    first = asyncio.ensure_future(histories.of(10))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(histories.of(11))
    await asyncio.sleep(0)
    histories.gate.set()
    with pytest.raises(StoreError, match="damaged"):
        await first
    with pytest.raises(StoreError, match="damaged"):
        await second
    assert len(histories.reads) == 2
    histories.error = None
    assert await histories.of(11) == "11"


async def test_an_event_that_schedules_nothing_is_an_error() -> None:
    with pytest.raises(StoreError, match="event 14 of run run-1 schedules no activity"):
        await Histories().of(14)


async def test_not_too_much_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs_module, "_MOST_RUNS", 2)
    histories = Histories()
    for run_id in ("run-1", "run-2", "run-3"):
        await histories.of(10, run_id)
    assert await histories.of(11, "run-2") == "11"
    assert len(histories.reads) == 3
    assert await histories.of(11, "run-1") == "11"
    assert len(histories.reads) == 4
    monkeypatch.setattr(inputs_module, "_MOST_LEFT", 40)
    assert [await histories.of(number, "run-3") for number in (100, 12)] == [None, "12"]
    assert len(histories.reads) == 6, "what was left of an earlier read is forgotten with the next"
    histories.reads.clear()
    monkeypatch.setattr(inputs_module, "_MOST_CHARACTERS", 10)
    assert [await histories.of(number, "run-4") for number in (10, 11)] == [None, "11"]
    assert len(histories.reads) == 2
