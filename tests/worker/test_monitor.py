"""The monitor: it names what blocks the event loop. The blocking is real, and ends as soon as the warning is there."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from aioworkflow.worker.monitor import Monitor


class Listener(logging.Handler):
    """Knows, in any thread, when a message has come. On a busy machine there may be others."""

    def __init__(self) -> None:
        super().__init__()
        self.warned = threading.Event()
        self.over = threading.Event()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        self.lines.append(line)
        if "blocks the event loop" in line:
            self.warned.set()
        elif "goes on" in line:
            self.over.set()

    def blocked(self) -> str:
        """The message about who blocked."""
        return next(line for line in self.lines if "blocks the event loop" in line)


@pytest.fixture
def listener() -> Iterator[Listener]:
    logger, listener = logging.getLogger("aioworkflow.worker"), Listener()
    logger.addHandler(listener)
    yield listener
    logger.removeHandler(listener)


def block(listener: Listener) -> None:
    """Do what an activity should not do."""
    listener.over.clear()
    assert listener.warned.wait(20.0)


async def wait_until_over(listener: Listener) -> None:
    await asyncio.get_running_loop().run_in_executor(None, listener.over.wait, 20.0)


async def test_it_names_the_task_and_shows_where_it_is(listener: Listener) -> None:
    monitor = Monitor(0.02, lambda task: "activity Foo" if task is host else None)
    host = asyncio.current_task()
    monitor.start()
    block(listener)
    await wait_until_over(listener)
    monitor.stop()
    assert listener.blocked().startswith("activity Foo blocks the event loop, which has not got round in 0.02 s")
    assert ", in block\n" in listener.blocked()
    assert any(line.startswith("the event loop goes on, after ") for line in listener.lines)


async def test_it_names_tasks_that_the_worker_does_not_know(listener: Listener) -> None:
    monitor = Monitor(0.02, lambda task: None)
    host = asyncio.current_task()
    assert host is not None
    host.set_name("of the program")
    monitor.start()
    block(listener)
    monitor.stop()
    assert listener.blocked().startswith("task of the program blocks")


class Signs(threading.Event):
    """Signs of life that come or do not come as the test says; what comes after that is on time."""

    def __init__(self, *answers: bool) -> None:
        super().__init__()
        self.answers = list(answers)
        self.loop = asyncio.get_running_loop()
        self.enough = asyncio.Event()

    def wait(self, timeout: float | None = None) -> bool:
        if self.answers:
            return self.answers.pop(0)
        self.loop.call_soon_threadsafe(self.enough.set)
        return True


class Scripted(Monitor):
    """Sees in the loop what the test says."""

    def __init__(self, seen: Sequence[str | None], signs: Signs) -> None:
        super().__init__(0.002, lambda task: f"activity {task}")
        self.seen = list(seen)
        self._alive = signs

    def _current(self) -> Any:
        return self.seen.pop(0)


async def watch(listener: Listener, seen: Sequence[str | None], *answers: bool) -> list[str]:
    """Let a monitor go through these signs of life, and return the beginnings of what it says."""
    signs = Signs(*answers)
    monitor = Scripted(seen, signs)
    monitor.start()
    await signs.enough.wait()
    monitor.stop()
    return [line.partition(",")[0] for line in listener.lines]


async def test_signs_of_life_in_time_are_no_reason_to_warn(listener: Listener) -> None:
    assert await watch(listener, "", True, True) == []


async def test_a_late_sign_of_life_is_good_enough(listener: Listener) -> None:
    assert await watch(listener, "A", False, True) == []


async def test_it_blames_who_is_there_each_time_and_once(listener: Listener) -> None:
    assert await watch(listener, "AAAA", False, False, False, False, True) == [
        "activity A blocks the event loop",
        "the event loop goes on",
    ]


async def test_it_tells_of_callbacks(listener: Listener) -> None:
    assert await watch(listener, [None, None], False, False, True) == [
        "a callback blocks the event loop",
        "the event loop goes on",
    ]


async def test_it_blames_nobody_where_many_tasks_keep_the_loop_busy(listener: Listener) -> None:
    assert await watch(listener, "ABC", False, False, False, True) == [
        "the event loop is overloaded: it has not got round in 0.002 s",
        "the event loop goes on",
    ]


async def test_after_that_it_still_finds_who_blocks(listener: Listener) -> None:
    assert await watch(listener, "ABB", False, False, False, True) == [
        "the event loop is overloaded: it has not got round in 0.002 s",
        "activity B blocks the event loop",
        "the event loop goes on",
    ]


async def test_it_is_silent_while_the_loop_runs_and_ends_at_once(listener: Listener) -> None:
    monitor = Monitor(60.0, lambda task: None)
    monitor.start()
    monitor.stop()
    assert not monitor._thread.is_alive()
    assert listener.lines == []


async def test_it_ends_though_it_was_just_about_to_ask() -> None:
    class Signs(threading.Event):
        def clear(self) -> None:
            about_to_ask.set()
            assert monitor._stopped.wait(20.0)
            assert self.wait(20.0)
            super().clear()

    about_to_ask = threading.Event()
    monitor = Monitor(0.002, lambda task: None)
    monitor._alive = Signs()
    monitor.start()
    assert about_to_ask.wait(20.0)
    monitor.stop()
    assert not monitor._thread.is_alive()


def test_it_ends_with_its_loop() -> None:
    async def leave_it_running() -> Monitor:
        monitor = Monitor(0.002, lambda task: None)
        monitor._stopped = Waiting()
        return monitor

    class Waiting(threading.Event):
        """Lets the thread go on as soon as the loop is closed."""

        def wait(self, timeout: float | None = None) -> bool:
            super().wait(20.0)
            return False

    loop = asyncio.new_event_loop()
    monitor = loop.run_until_complete(leave_it_running())
    loop.close()
    monitor.start()
    monitor._stopped.set()
    monitor._thread.join(20.0)
    assert not monitor._thread.is_alive()
