"""The monitor: it names what blocks the event loop. The blocking is real, and ends as soon as the warning is there."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from aioworkflow.worker.monitor import Monitor


class Listener(logging.Handler):
    """Knows, in any thread, when a message has come."""

    def __init__(self) -> None:
        super().__init__()
        self.warned = threading.Event()
        self.over = threading.Event()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        (self.over if "goes on" in record.getMessage() else self.warned).set()


@pytest.fixture
def listener() -> Iterator[Listener]:
    logger, listener = logging.getLogger("aioworkflow.worker"), Listener()
    logger.addHandler(listener)
    yield listener
    logger.removeHandler(listener)


def block(listener: Listener) -> None:
    """Do what an activity should not do."""
    assert listener.warned.wait(20.0)


async def wait_until_over(listener: Listener) -> None:
    await asyncio.get_running_loop().run_in_executor(None, listener.over.wait, 20.0)


async def test_it_names_the_task_and_shows_where_it_is(listener: Listener) -> None:
    monitor = Monitor(0.02, lambda task: "activity Foo" if task is host else None)
    host = asyncio.current_task()
    monitor.start()
    await asyncio.sleep(0)
    block(listener)
    await wait_until_over(listener)
    monitor.stop()
    assert listener.lines[0].startswith("activity Foo has blocked the event loop for over 0.02 s")
    assert ", in block\n" in listener.lines[0]
    assert listener.lines[1].startswith("the event loop goes on, after ")


async def test_it_names_tasks_that_the_worker_does_not_know(listener: Listener) -> None:
    monitor = Monitor(0.02, lambda task: None)
    host = asyncio.current_task()
    assert host is not None
    host.set_name("of the program")
    monitor.start()
    block(listener)
    monitor.stop()
    assert listener.lines[0].startswith("task of the program has blocked")


async def test_it_tells_of_callbacks(listener: Listener) -> None:
    monitor = Monitor(0.02, lambda task: None)
    monitor.start()
    asyncio.get_running_loop().call_soon(block, listener)
    await wait_until_over(listener)
    monitor.stop()
    assert listener.lines[0].startswith("a callback has blocked")


async def test_it_blames_nobody_where_many_tasks_keep_the_loop_busy(listener: Listener) -> None:
    monitor = Monitor(0.02, lambda task: "activity Foo")
    suspect = asyncio.create_task(asyncio.sleep(0))
    monitor._warn(suspect)
    await suspect
    assert listener.lines == ["the event loop is overloaded: it has not got round in 0.02 s, so heartbeats may be late"]


async def test_a_late_sign_of_life_is_good_enough(listener: Listener) -> None:
    loop, enough = asyncio.get_running_loop(), asyncio.Event()

    class Signs(threading.Event):
        answers = [False, True]  # noqa: RUF012 - one object only

        def wait(self, timeout: float | None = None) -> bool:
            if self.answers:
                return self.answers.pop(0)
            loop.call_soon_threadsafe(enough.set)
            return True

    monitor = Monitor(0.002, lambda task: None)
    monitor._alive = Signs()
    monitor.start()
    await enough.wait()
    monitor.stop()
    assert listener.lines == []


async def test_it_is_silent_while_the_loop_runs_and_ends_at_once(listener: Listener) -> None:
    monitor = Monitor(60.0, lambda task: None)
    monitor.start()
    monitor.stop()
    assert not monitor._thread.is_alive()
    assert listener.lines == []


async def test_signs_of_life_come_and_no_warning(listener: Listener) -> None:
    asked: list[Any] = []
    enough = asyncio.Event()
    monitor = Monitor(0.002, lambda task: None)

    class Loop:
        def call_soon_threadsafe(self, callback: Any) -> None:
            callback()
            asked.append(callback)
            if len(asked) == 3:
                loop.call_soon_threadsafe(enough.set)

    loop = asyncio.get_running_loop()
    monitor._loop = Loop()  # type: ignore[assignment]
    monitor.start()
    await enough.wait()
    monitor.stop()
    assert listener.lines == []


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
