"""Time as the worker sees it: back-off, persistence, deadlines."""

from __future__ import annotations

import asyncio

import pytest

from aioworkflow.errors import BackendUnavailableError, ThrottledError, UnknownTaskError
from aioworkflow.testing import ManualClock
from aioworkflow.worker.timing import Deadlines, LoopClock, back_off, persist, sleep
from tests.worker.scripted import settle


async def test_the_loop_clock_is_that_of_the_loop() -> None:
    clock, loop = LoopClock(), asyncio.get_running_loop()
    rung = asyncio.Event()
    before = loop.time()
    assert clock.now() >= before
    clock.call_at(clock.now() - 1.0, rung.set)
    await rung.wait()
    rung.clear()
    clock.call_at(clock.now(), rung.set).cancel()
    await settle()
    assert not rung.is_set()


async def test_sleep_ends_by_the_clock() -> None:
    clock = ManualClock()
    sleeper = asyncio.create_task(sleep(clock, 5.0))
    await settle()
    clock.advance(4.9)
    await settle()
    assert not sleeper.done()
    clock.advance(0.1)
    await sleeper
    assert clock.next_alarm is None


async def test_sleep_ends_when_it_is_woken_and_leaves_no_alarm() -> None:
    clock, woken = ManualClock(), asyncio.Event()
    sleeper = asyncio.create_task(sleep(clock, 5.0, woken))
    await settle()
    woken.set()
    await sleeper
    assert clock.next_alarm is None


async def test_a_cancelled_sleep_leaves_no_alarm() -> None:
    clock = ManualClock()
    sleeper = asyncio.create_task(sleep(clock, 5.0))
    await settle()
    sleeper.cancel()
    await settle()
    assert sleeper.cancelled()
    assert clock.next_alarm is None


@pytest.mark.parametrize(
    ("failures", "error", "longest"),
    [
        (1, BackendUnavailableError("x"), 0.1),
        (2, BackendUnavailableError("x"), 0.2),
        (50, BackendUnavailableError("x"), 10.0),
        (1, ThrottledError("x"), 1.0),
        (5000, ThrottledError("x"), 60.0),
    ],
)
def test_back_off_has_full_jitter_and_throttling_backs_off_further(
    failures: int, error: BackendUnavailableError, longest: float
) -> None:
    delays = [back_off(failures, error) for _ in range(300)]
    assert all(0 <= delay <= longest for delay in delays)
    assert min(delays) < longest / 4
    assert max(delays) > longest * 3 / 4


class Flaky:
    """Fails so many times."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def doubling(failures: int, error: BackendUnavailableError) -> float:
    return 2.0**failures


async def test_persist_tries_again_after_passing_faults_and_logs_once(caplog: pytest.LogCaptureFixture) -> None:
    clock, flaky = ManualClock(), Flaky(*(BackendUnavailableError("away") for _ in range(3)))
    trying = asyncio.create_task(persist(flaky, what="the report", clock=clock, back_off=doubling))
    for calls, delay in enumerate((2.0, 4.0, 8.0), start=1):
        await settle()
        assert flaky.calls == calls
        clock.advance(delay)
    assert await trying == "done"
    assert [record.getMessage() for record in caplog.records] == [
        "the report: trying again after a passing fault: away"
    ]


async def test_persist_tries_for_a_last_time_when_its_time_is_over() -> None:
    clock = ManualClock()
    flaky = Flaky(*(BackendUnavailableError(f"away {number}") for number in range(9)))
    trying = asyncio.create_task(
        persist(flaky, what="it", clock=clock, back_off=doubling, until=clock.now() + 5.0),
    )
    await settle()
    clock.advance(2.0)
    await settle()
    assert flaky.calls == 2
    clock.advance(3.0)  # not 4: the last attempt is due when the time is over
    with pytest.raises(BackendUnavailableError, match="away 2"):
        await trying
    assert flaky.calls == 3


async def test_persist_lets_other_errors_out() -> None:
    flaky = Flaky(UnknownTaskError("closed"))
    with pytest.raises(UnknownTaskError):
        await persist(flaky, what="it", clock=ManualClock(), back_off=doubling)
    assert flaky.calls == 1


class Item:
    def __init__(self, name: str, late: list[str]) -> None:
        self.name = name
        self.late = late

    def overdue(self) -> None:
        self.late.append(self.name)


def test_deadlines_tell_what_is_late_with_one_alarm() -> None:
    clock, late = ManualClock(), list[str]()
    deadlines = Deadlines(clock)
    items = {name: Item(name, late) for name in "abcd"}
    start = clock.now()
    deadlines.add(items["b"], start + 20.0)
    deadlines.add(items["a"], start + 10.0)
    deadlines.add(items["c"], start + 20.1)
    deadlines.add(items["d"], start + 30.0)
    deadlines.discard(items["d"])
    deadlines.discard(items["d"])
    assert clock.next_alarm == start + 10.0
    clock.advance(10.0)
    assert late == ["a"]
    assert clock.next_alarm == start + 20.0
    clock.advance(10.0)
    assert late == ["a", "b"]
    assert clock.next_alarm == start + 20.25  # never more often than four times a second
    clock.advance(0.25)
    assert late == ["a", "b", "c"]
    assert clock.next_alarm is None


def test_an_alarm_that_rings_for_nothing_is_harmless() -> None:
    clock, late = ManualClock(), list[str]()
    deadlines = Deadlines(clock)
    item = Item("a", late)
    deadlines.add(item, clock.now() + 1.0)
    deadlines.discard(item)
    clock.advance(1.0)
    assert late == []
    assert clock.next_alarm is None


def test_closed_deadlines_forget_everything() -> None:
    clock, late = ManualClock(), list[str]()
    deadlines = Deadlines(clock)
    deadlines.close()
    deadlines.add(Item("a", late), clock.now() + 1.0)
    deadlines.close()
    clock.advance(2.0)
    assert late == []
