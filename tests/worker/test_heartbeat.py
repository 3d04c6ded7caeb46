"""Heartbeats: when they are sent, and what is learnt from the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from aioworkflow.backend import Interruption
from aioworkflow.errors import (
    BackendUnavailableError,
    InvalidRequestError,
    PayloadTooLargeError,
    StoreError,
    UnknownTaskError,
)
from aioworkflow.testing import ManualClock
from aioworkflow.worker.heartbeat import Heartbeats
from tests.worker.scripted import ScriptedBackend, settle


class Living:
    """An activity, as heartbeats see it."""

    def __init__(self, token: str = "t", details_json: str | None = None) -> None:
        self.details_json = details_json
        self.interruptions: list[Interruption] = []
        self.token = token

    def __str__(self) -> str:
        return f"activity {self.token}"

    def interrupt(self, interruption: Interruption) -> None:
        self.interruptions.append(interruption)


class Bench:
    """Heartbeats at a third of the timeout, on a clock that stands still."""

    def __init__(self) -> None:
        self.backend = ScriptedBackend()
        self.clock = ManualClock()
        self.tasks: list[asyncio.Task[None]] = []
        self.heartbeats = Heartbeats(
            self.backend, clock=self.clock, back_off=self.back_off, fraction=1 / 3, spawn=self.spawn
        )

    def back_off(self, failures: int, error: BackendUnavailableError) -> float:
        return float(failures)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self.tasks.append(task)
        return task

    @property
    def sent(self) -> list[str | None]:
        return self.backend.told("heartbeat_activity_task")

    async def advance(self, *seconds: float) -> None:
        for step in seconds:
            self.clock.advance(step)
            await settle()


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_heartbeats_are_sent_at_a_fraction_of_the_timeout_with_the_last_details(bench: Bench) -> None:
    living = Living()
    pulse = bench.heartbeats.start(living, 30.0)
    await bench.advance(9.9)
    assert bench.sent == []
    await bench.advance(0.1)
    assert bench.sent == [None]
    living.details_json = "1"
    living.details_json = "2"
    await bench.advance(10.0, 10.0)
    assert bench.sent == [None, "2", "2"]
    pulse.stop()
    assert bench.clock.next_alarm is None
    await bench.advance(100.0)
    assert len(bench.sent) == 3


async def test_a_long_timeout_does_not_mean_seldom(bench: Bench) -> None:
    bench.heartbeats.start(Living(), 86_400.0)
    await bench.advance(60.0)
    assert bench.sent == [None]


async def test_a_timeout_of_nothing_does_not_mean_all_the_time(bench: Bench) -> None:
    bench.heartbeats.start(Living(), 0.0)
    await bench.advance(0.004, 0.002, 0.002)
    assert bench.sent == [None]


async def test_without_a_timeout_there_is_a_slow_pulse(bench: Bench) -> None:
    bench.heartbeats.start(Living(), None)
    await bench.advance(9.9, 0.1, 10.0)
    assert bench.sent == [None, None]


async def test_a_cancellation_is_learnt_and_the_pulse_goes_on(bench: Bench) -> None:
    living = Living()
    bench.heartbeats.start(living, 30.0)
    bench.backend.script["heartbeat_activity_task"] += [False, True, True]
    await bench.advance(10.0)
    assert living.interruptions == []
    await bench.advance(10.0, 10.0)
    assert living.interruptions == [Interruption.CANCEL_REQUESTED] * 2


async def test_a_closed_task_is_learnt_and_the_pulse_ends(bench: Bench) -> None:
    living = Living()
    bench.heartbeats.start(living, 30.0)
    bench.backend.script["heartbeat_activity_task"].append(UnknownTaskError("closed"))
    await bench.advance(10.0)
    assert living.interruptions == [Interruption.CLOSED]
    assert bench.clock.next_alarm is None


async def test_passing_faults_are_tried_again_until_the_timeout_would_have_passed(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    living = Living()
    bench.heartbeats.start(living, 6.0)
    bench.backend.script["heartbeat_activity_task"] += [BackendUnavailableError("away")] * 9
    await bench.advance(2.0)
    assert len(bench.sent) == 1
    await bench.advance(1.0)  # back-off 1
    assert len(bench.sent) == 2
    await bench.advance(2.0)  # back-off 2
    assert len(bench.sent) == 3
    assert living.interruptions == []
    await bench.advance(1.0)  # back-off 3, but the timeout passes before
    assert len(bench.sent) == 4
    assert living.interruptions == [Interruption.CLOSED]
    assert bench.clock.next_alarm is None
    assert [record.getMessage() for record in caplog.records] == [
        "could not heartbeat for activity t, trying again: away",
        "no heartbeat of activity t got through within its timeout; it is given up: away",
    ]


async def test_after_a_fault_that_passed_everything_begins_anew(bench: Bench) -> None:
    living = Living()
    bench.heartbeats.start(living, 6.0)
    faults: list[Any] = [BackendUnavailableError("away")]
    bench.backend.script["heartbeat_activity_task"] += [*faults, False, *faults, False]
    await bench.advance(2.0, 1.0)
    assert len(bench.sent) == 2
    await bench.advance(2.0, 1.0)
    assert len(bench.sent) == 4
    await bench.advance(2.0)
    assert len(bench.sent) == 5
    assert living.interruptions == []


async def test_a_heartbeat_without_an_answer_does_not_hold_up_the_next(bench: Bench) -> None:
    living = Living()
    bench.heartbeats.start(living, 6.0)
    lost = asyncio.Event()
    bench.backend.script["heartbeat_activity_task"] += [lost, False, False]
    await bench.advance(2.0, 2.0, 2.0)
    assert len(bench.sent) == 3
    bench.backend.script["heartbeat_activity_task"].append(BackendUnavailableError("away"))
    await bench.advance(2.0)  # the timeout passed for the first, but not for those behind it
    lost.set()
    await settle()
    assert living.interruptions == []
    await bench.advance(1.0)  # back-off 1
    assert len(bench.sent) == 5


async def test_only_some_heartbeats_of_an_activity_are_without_an_answer(bench: Bench) -> None:
    living = Living()
    bench.heartbeats.start(living, 6.0)
    gate = asyncio.Event()
    bench.backend.script["heartbeat_activity_task"] += [gate] * 10
    await bench.advance(*[2.0] * 8)
    assert len(bench.sent) == 3
    gate.set()
    await settle()
    await bench.advance(2.0, 2.0)
    assert len(bench.sent) == 5
    assert living.interruptions == []


async def test_details_that_are_too_large_are_left_out_and_the_heartbeat_is_sent_at_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    living = Living(details_json="too much")
    bench.heartbeats.start(living, 30.0)
    bench.backend.script["heartbeat_activity_task"].append(PayloadTooLargeError("8 characters"))
    await bench.advance(10.0, 0.0)
    assert bench.sent == ["too much", None]
    assert "left out: 8 characters" in caplog.text


async def test_newer_details_are_not_left_out_with_those_that_were_too_large(bench: Bench) -> None:
    living = Living(details_json="too much")
    bench.heartbeats.start(living, 30.0)

    async def refuse() -> None:
        living.details_json = "less"
        raise PayloadTooLargeError("8 characters")

    bench.backend.script["heartbeat_activity_task"].append(refuse)
    await bench.advance(10.0, 0.0)
    assert bench.sent == ["too much", "less"]


async def test_errors_that_do_not_pass_come_out(bench: Bench) -> None:
    bench.heartbeats.start(Living(), 30.0)
    bench.heartbeats.start(Living(), 30.0)
    bench.backend.script["heartbeat_activity_task"] += [StoreError("full"), InvalidRequestError("no such token")]
    await bench.advance(10.0)
    for task, error in zip(bench.tasks, (StoreError, InvalidRequestError), strict=True):
        with pytest.raises(error):
            await task


async def test_a_heartbeat_under_way_when_the_activity_ends_is_followed_by_none(bench: Bench) -> None:
    gate = asyncio.Event()
    pulse = bench.heartbeats.start(Living(), 30.0)
    bench.backend.script["heartbeat_activity_task"].append(gate)
    await bench.advance(10.0)
    pulse.stop()
    gate.set()
    await settle()
    assert len(bench.sent) == 1
    assert bench.clock.next_alarm is None


async def test_so_many_at_once_oldest_first_and_none_of_what_has_ended(bench: Bench) -> None:
    gate = asyncio.Event()
    bench.backend.script["heartbeat_activity_task"] += [gate] * 256
    pulses = [bench.heartbeats.start(Living(str(number)), 30.0) for number in range(300)]
    await bench.advance(10.0)
    assert len(bench.sent) == 256
    pulses[299].stop()
    gate.set()
    await settle()
    tokens = [call.argument for call in bench.backend.calls]
    assert tokens == [str(number) for number in range(299)]
    await bench.advance(10.0)
    assert len(bench.sent) == 2 * 299


async def test_closing_gives_up_what_is_under_way_and_sends_no_more(bench: Bench) -> None:
    bench.backend.script["heartbeat_activity_task"].append(asyncio.Event())
    bench.heartbeats.start(Living(), 30.0)
    bench.heartbeats.start(Living(), 60.0)
    await bench.advance(10.0)
    bench.heartbeats.close()
    await bench.advance(10.0)
    assert len(bench.sent) == 1
    assert [task.cancelled() for task in bench.tasks] == [True]
