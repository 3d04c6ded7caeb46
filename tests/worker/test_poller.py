"""Polling: places, turns, how many polls wait, faults, and the end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextvars import ContextVar
from typing import Any

import pytest

from aioworkflow.errors import BackendError, BackendUnavailableError, StoreError
from aioworkflow.testing import ManualClock
from aioworkflow.worker.poller import Places, Poller
from tests.worker.scripted import settle


class Bench:
    """Pollers on a queue for each task list; tasks are strings, and are at work until they are let go."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self.group = group
        self.clock = ManualClock()
        self.delays: list[int] = []
        self.ended: list[BaseException | None] = []
        self.given: dict[str, deque[Any]] = {}
        self.handled: list[str] = []
        self.pollers: list[Poller[str]] = []
        self.running: dict[str, asyncio.Event] = {}
        self.turns: list[asyncio.Task[None]] = []
        self.waiting: dict[str, deque[asyncio.Future[Any]]] = {}
        self.shielded = False
        self.leaves: Callable[[str], None] = lambda item: None

    def poller(self, name: str, places: Places, *, max_polls: int = 100, cancel_polls: bool = True) -> Poller[str]:
        self.waiting[name], self.given[name] = deque(), deque()
        poller = Poller(
            name,
            poll=self.poll,
            handle=self.handle,
            spawn=self.spawn,
            ended=self.ended.append,
            places=places,
            clock=self.clock,
            back_off=self.back_off,
            max_polls=max_polls,
            cancel_polls=cancel_polls,
        )
        self.pollers.append(poller)
        return poller

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        self.turns.append(self.group.create_task(work))
        return self.turns[-1]

    def back_off(self, failures: int, error: BackendUnavailableError) -> float:
        self.delays.append(failures)
        return 10.0 * failures

    async def poll(self, name: str) -> str | None:
        if self.given[name]:
            item = self.given[name].popleft()
        else:
            future = asyncio.get_running_loop().create_future()
            self.waiting[name].append(future)
            try:
                item = await future
            except asyncio.CancelledError:
                if not self.shielded:
                    raise
                item = "all the same"
        if isinstance(item, BaseException):
            raise item
        found: str | None = item
        return found

    async def handle(self, item: str) -> None:
        self.handled.append(item)
        done = self.running[item] = asyncio.Event()
        await done.wait()
        if item == "bad":
            raise RuntimeError("bad")
        self.leaves(item)
        del self.running[item]

    def polls(self, name: str = "list") -> int:
        return sum(not future.done() for future in self.waiting[name])

    async def give(self, *items: Any, to: str = "list", took: float = 0.0) -> None:
        """Let one poll after the other return this."""
        self.clock.advance(took)
        for item in items:
            while self.waiting[to] and self.waiting[to][0].done():
                self.waiting[to].popleft()
            if self.waiting[to]:
                self.waiting[to].popleft().set_result(item)
            else:
                self.given[to].append(item)
            await settle()

    async def let_go(self, *items: str) -> None:
        for item in items:
            self.running[item].set()
        await settle()

    async def stop(self) -> None:
        for poller in self.pollers:
            poller.stop()
        for waiting in self.waiting.values():  # where polls cannot be cancelled the backend ends them
            for future in waiting:
                if not future.done():
                    future.set_result(None)
        for done in self.running.values():
            done.set()
        await settle()
        assert not any(poller.turns for poller in self.pollers)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with asyncio.TaskGroup() as group:
        bench = Bench(group)
        yield bench
        await bench.stop()


async def started(bench: Bench, limit: int = 100, **options: Any) -> Poller[str]:
    poller = bench.poller("list", Places(limit, 1), **options)
    poller.fill()
    await settle()
    return poller


async def test_one_poll_waits_at_first(bench: Bench) -> None:
    poller = await started(bench)
    assert bench.polls() == 1
    assert poller.turns == 1


async def test_a_task_is_handled_in_the_turn_that_polled_it_and_another_poll_takes_its_place(bench: Bench) -> None:
    poller = await started(bench)
    await bench.give("a", took=1.0)
    assert bench.handled == ["a"]
    assert bench.polls() == 1
    assert poller.turns == len(bench.turns) == 2
    await bench.let_go("a")
    assert poller.turns == 1
    assert bench.ended == [None]


async def test_polls_increase_while_tasks_come_quickly_and_only_then(bench: Bench) -> None:
    await started(bench, max_polls=4)
    counts = []
    for number in range(5):
        await bench.give(str(number))
        counts.append(bench.polls())
    assert counts == [1, 1, 2, 2, 2]  # half of what there will be when the tasks are done
    await bench.let_go("0", "1", "2")
    assert bench.polls() == 4
    await bench.give("slow", took=0.8)
    await bench.let_go("3", "4", "slow")
    assert bench.polls() == 4


async def test_slow_tasks_do_not_increase_polls(bench: Bench) -> None:
    await started(bench)
    for name in ("a", "b", "c"):
        await bench.give(name, took=0.8)
    await bench.let_go("a", "b", "c")
    assert bench.polls() == 1


async def test_polls_decrease_to_one_when_they_come_back_empty(bench: Bench) -> None:
    await started(bench, max_polls=4)
    await bench.give("a", "b", "c")
    await bench.let_go("a", "b", "c")
    counts = []
    for _ in range(6):
        await bench.give(None, took=60.0)
        counts.append(bench.polls())
    assert counts == [3, 2, 1, 1, 1, 1]


async def test_a_turn_goes_on_polling_in_the_same_task(bench: Bench) -> None:
    await started(bench)
    for name in ("a", "b", "c"):
        await bench.give(name, took=1.0)
        await bench.let_go(name)
    assert len(bench.turns) == 4  # c is handled in the turn that polled when a was at work
    assert bench.polls() == 1


async def test_a_turn_goes_on_polling_when_only_its_own_list_wants_places(bench: Bench) -> None:
    await started(bench, limit=2)
    await bench.give("a", "b")  # both places are at work, and the list wants more
    await bench.let_go("a", "b")
    assert len(bench.turns) == 2
    assert bench.polls() == 2


@pytest.mark.parametrize("left", ["new variable", "changed variable", "cancellation"])
async def test_a_turn_ends_where_something_was_left_behind(bench: Bench, left: str) -> None:
    def leave(item: str) -> None:
        task = asyncio.current_task()
        assert task is not None
        match left:
            case "new variable":
                new.set(item)
            case "changed variable":
                old.set(item)
            case _:
                task.cancel()

    new, old = ContextVar[str]("new"), ContextVar[str]("old")
    old.set("before")
    bench.leaves = leave
    await started(bench)
    await bench.give("a")
    await bench.let_go("a")
    assert bench.turns[0].done()
    bench.leaves = lambda item: None
    await bench.give("b")
    await bench.let_go("b")
    assert not bench.turns[1].done()
    assert bench.polls() == 2


async def test_empty_polls_that_end_at_once_are_slowed_down(bench: Bench) -> None:
    await started(bench)
    await bench.give(None)
    assert bench.polls() == 0
    bench.clock.advance(0.05)
    await settle()
    assert bench.polls() == 1


async def test_no_poll_without_a_place(bench: Bench) -> None:
    poller = await started(bench, limit=3)
    await bench.give("a", "b", "c")
    assert (bench.handled, bench.polls(), poller.turns) == (["a", "b", "c"], 0, 3)
    await bench.let_go("b")
    assert (bench.polls(), poller.turns) == (1, 3)


async def test_a_busy_list_does_not_silence_a_quiet_one_and_takes_all_other_places(bench: Bench) -> None:
    places = Places(4, 2)
    busy, quiet = bench.poller("busy", places), bench.poller("quiet", places)
    busy.fill()
    quiet.fill()
    await settle()
    await bench.give("b1", "b2", "b3", to="busy")
    assert (busy.turns, quiet.turns) == (3, 1)
    await bench.give("q1", to="quiet")
    assert bench.handled == ["b1", "b2", "b3", "q1"]
    assert (bench.polls("busy"), bench.polls("quiet")) == (0, 0)


async def test_a_place_goes_to_the_list_that_waited_longest(bench: Bench) -> None:
    places = Places(3, 2)
    first, second = bench.poller("first", places), bench.poller("second", places)
    first.fill()
    second.fill()
    await settle()
    await bench.give("f1", to="first")
    await bench.give("f2", to="first")  # both places that it can have are at work, and it wants another
    await bench.give("s1", to="second")
    assert (bench.polls("first"), bench.polls("second")) == (0, 0)
    await bench.let_go("f1")
    assert (bench.polls("first"), bench.polls("second")) == (1, 0)
    await bench.let_go("f2")
    assert (bench.polls("first"), bench.polls("second")) == (1, 1)


async def test_a_place_passes_over_lists_that_want_it_no_more(bench: Bench) -> None:
    places = Places(3, 2)
    first, second = bench.poller("first", places), bench.poller("second", places)
    first.fill()
    second.fill()
    await settle()
    await bench.give("f1", "f2", to="first")
    await bench.give("s1", to="second")
    first.stop()
    await bench.let_go("f2")
    assert (bench.polls("first"), bench.polls("second")) == (0, 1)


async def test_after_a_fault_a_single_poll_is_repeated_with_growing_delay(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "aioworkflow.worker")
    await started(bench)
    await bench.give("a", "b")
    await bench.let_go("a", "b")
    assert bench.polls() == 3
    for _ in range(3):
        await bench.give(BackendUnavailableError("away"))
    assert bench.polls() == 0
    assert bench.delays == [1]
    bench.clock.advance(9.9)
    await settle()
    assert bench.polls() == 0
    bench.clock.advance(0.1)
    await settle()
    assert bench.polls() == 1
    await bench.give(BackendUnavailableError("away"))
    assert bench.delays == [1, 2]
    bench.clock.advance(20.0)
    await settle()
    assert [record.getMessage() for record in caplog.records] == ["cannot poll task list 'list', trying again: away"]
    await bench.give("c", "d")
    await bench.let_go("c", "d")
    assert bench.polls() == 3
    assert [record.getMessage() for record in caplog.records[1:]] == ["polling task list 'list' works again"]


async def test_stopping_cancels_polls_that_wait_or_pause_and_lets_tasks_end(bench: Bench) -> None:
    poller = await started(bench)
    await bench.give("a", "b")
    assert (bench.polls(), poller.turns) == (1, 3)
    poller.stop()
    poller.stop()
    await settle()
    assert (bench.polls(), poller.turns) == (0, 2)
    await bench.let_go("a", "b")
    assert poller.turns == 0
    assert bench.ended == [None] * 3


async def test_stopping_ends_a_pause(bench: Bench) -> None:
    poller = await started(bench)
    await bench.give(BackendUnavailableError("away"))
    poller.stop()
    await settle()
    assert poller.turns == 0
    assert bench.clock.next_alarm is None


async def test_stopping_lets_polls_end_that_cannot_be_cancelled_and_handles_what_they_bring(bench: Bench) -> None:
    poller = await started(bench, cancel_polls=False)
    await bench.give("a")
    await bench.let_go("a")
    poller.stop()
    await settle()
    assert bench.polls() == 2
    await bench.give("late", None)
    assert bench.handled == ["a", "late"]
    assert (bench.polls(), poller.turns) == (0, 1)


async def test_a_task_that_a_cancelled_poll_brings_all_the_same_is_handled(bench: Bench) -> None:
    poller = await started(bench)
    bench.shielded = True
    poller.stop()
    await settle()
    assert bench.handled == ["all the same"]
    await bench.let_go("all the same")
    assert (poller.turns, bench.ended) == (0, [None])


async def test_a_poll_that_has_not_begun_when_it_is_stopped_does_not_begin(bench: Bench) -> None:
    poller = bench.poller("list", Places(3, 1))
    poller.fill()
    poller.stop()
    await settle()
    assert (bench.polls(), poller.turns, bench.ended) == (0, 0, [None])


async def test_halting_leaves_polls_alone_and_starts_no_more(bench: Bench) -> None:
    poller = await started(bench)
    poller.halt()
    await settle()
    assert bench.polls() == 1
    await bench.give("a")
    assert (bench.handled, bench.polls()) == (["a"], 0)


async def broken_by(*steps: Callable[[Bench], Awaitable[None]]) -> tuple[Bench, list[BaseException]]:
    """Let a worker's group break, and return what comes out of it."""
    benches: list[Bench] = []

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            benches.append(Bench(group))
            await started(benches[0])
            for step in steps:
                await step(benches[0])

    with pytest.raises(ExceptionGroup) as caught:
        await work()
    assert all(poller.turns == 0 for poller in benches[0].pollers)
    return benches[0], list(caught.value.exceptions)


async def test_an_error_that_does_not_pass_comes_out() -> None:
    error = StoreError("the disk is full")
    bench, errors = await broken_by(lambda bench: bench.give(error))
    assert errors == [error]
    assert bench.ended[0] is error


async def test_a_handler_that_fails_comes_out() -> None:
    async def halt(bench: Bench) -> None:
        bench.pollers[0].halt()

    _, errors = await broken_by(lambda bench: bench.give("bad"), halt, lambda bench: bench.let_go("bad"))
    assert [str(error) for error in errors] == ["bad"]


async def test_a_poll_that_the_backend_itself_cancels_is_an_error_and_not_a_quiet_end() -> None:
    async def cancel(bench: Bench) -> None:
        bench.waiting["list"][0].cancel()
        await settle()

    _, (error,) = await broken_by(cancel)
    assert isinstance(error, BackendError)
    assert "cancelled its caller" in str(error)


@pytest.mark.parametrize("stopping", [False, True])
async def test_a_poll_that_somebody_else_cancels_is_replaced(bench: Bench, stopping: bool) -> None:
    poller = await started(bench)
    if stopping:
        poller.stop()  # which cancels the poll, too
    bench.turns[0].cancel()
    await settle()
    assert bench.turns[0].cancelled()
    assert bench.ended == [None]
    assert poller.turns == bench.polls() == (0 if stopping else 1)


async def test_a_turn_that_is_cancelled_before_it_begins_gives_back_its_place(bench: Bench) -> None:
    poller = bench.poller("list", Places(1, 1))
    poller.fill()
    bench.turns[0].cancel()
    await settle()
    assert (poller.turns, bench.polls()) == (1, 1)
    poller.stop()
    await settle()
    assert (poller.turns, bench.ended) == (0, [None, None])


async def test_a_handler_that_ends_cancelled_leaves_as_many_polls(bench: Bench) -> None:
    poller = await started(bench)
    await bench.give("a", took=1)
    assert bench.polls() == 1
    bench.turns[0].cancel()
    await settle()
    assert (bench.turns[0].cancelled(), bench.ended) == (True, [None])
    assert (poller.turns, bench.polls()) == (1, 1)
    await bench.give("b", took=1)
    assert (bench.handled, bench.polls()) == (["a", "b"], 1)
