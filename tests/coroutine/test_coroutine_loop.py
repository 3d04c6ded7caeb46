"""The event loop of a workflow: what it runs in which order, and what it refuses."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from aioworkflow import ForbiddenCallError, activity, execute, flow, wait_signal, workflow
from aioworkflow.coroutine.loop import ReplayLoop
from aioworkflow.process import Process
from tests.coroutine.stage import Stage


@activity
async def double(number: int) -> int:
    return number * 2


async def result_of(run: Callable[[], Any]) -> Any:
    """Return what a workflow that takes one turn returns."""
    await (stage := Stage(workflow(name="short")(run))).start()
    return stage.result


# --- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "advice"),
    [
        (lambda loop: loop.run_in_executor(None, print), "run_in_executor() .* in an activity"),
        (lambda loop: asyncio.to_thread(print), "run_in_executor() .* in an activity"),
        (lambda loop: asyncio.open_connection("localhost", 1), "create_connection() .* in an activity"),
        (lambda loop: asyncio.create_subprocess_exec("true"), "subprocess_exec() .* in an activity"),
        (lambda loop: loop.getaddrinfo("localhost", 1), "getaddrinfo() .* in an activity"),
        (lambda loop: loop.sock_recv(None, 1), "sock_recv() .* in an activity"),
        (lambda loop: loop.add_reader(1, print), "add_reader() .* in an activity"),
        (lambda loop: loop.add_signal_handler(1, print), r"add_signal_handler() .* wait_signal"),
        (lambda loop: loop.call_soon_threadsafe(print), r"call_soon_threadsafe() .* wait_signal"),
        (lambda loop: loop.run_until_complete(double.function(1)), "run_until_complete() .* `await` what you wait for"),
        (lambda loop: loop.stop(), "stop() .* `await` what you wait for"),
    ],
)
async def test_what_reaches_out_of_the_process_is_refused(call: Callable[[Any], Any], advice: str) -> None:
    async def run() -> str:
        try:
            returned = call(asyncio.get_running_loop())
            await returned
        except ForbiddenCallError as error:
            return str(error)
        return ""

    told = await result_of(run)
    name, _, rest = advice.partition(" .* ")
    assert told.startswith(f"{name} is not possible in a workflow, whose steps must be repeatable")
    assert rest in told


def test_every_method_of_a_loop_is_there_or_refused() -> None:
    left_out = {
        name
        for name in dir(asyncio.AbstractEventLoop)
        if not name.startswith("_") and getattr(ReplayLoop, name) is getattr(asyncio.AbstractEventLoop, name)
    }
    assert left_out == set()


def test_a_workflow_blocks_no_other_use_of_the_machine() -> None:
    assert subprocess.run([sys.executable, "-c", ""], check=True).returncode == 0


# --- order -----------------------------------------------------------------------------------------------


async def test_as_completed_begins_in_the_order_of_its_argument() -> None:
    begun: list[int] = []

    async def work(number: int) -> int:
        begun.append(number)
        return await execute(double, number)

    @workflow
    async def order() -> list[int]:
        begun.clear()
        keep = [bytearray(random.randrange(5000)) for _ in range(50)]  # so that addresses are in no order
        waiting = [work(number) for number in range(50)]
        del keep
        found = [await next_one for next_one in asyncio.as_completed(waiting)]
        assert begun == list(range(50))
        return found

    stage = Stage(order, double)
    await stage.start()
    assert stage.open_activities == [f"double-{number}" for number in range(1, 51)]
    for number in (7, 3, 50, *(number for number in range(1, 50) if number not in (7, 3))):
        stage.complete(f"double-{number}", number)
    await stage.settle()
    assert stage.result[:3] == [7, 3, 50]


async def test_as_completed_twice_and_with_a_timeout() -> None:
    @workflow
    async def order() -> list[Any]:
        first = asyncio.as_completed([execute(double, 1), execute(double, 2)])
        second = asyncio.as_completed([execute(double, 3)], timeout=10)
        one, other, late = next(first), next(first), next(second)
        found: list[Any] = [await one, await other]
        try:
            await late
        except TimeoutError:
            found.append("late")
        return found

    stage = Stage(order, double)
    await stage.start()
    stage.complete("double-2", 2)
    stage.complete("double-1", 1)
    stage.pass_time(10)
    await stage.settle()
    assert stage.result == [2, 1, "late"]


async def test_as_completed_with_tasks_needs_no_order() -> None:
    async def run() -> list[int]:
        async def number(result: int) -> int:
            return result

        tasks = {asyncio.create_task(number(result)) for result in range(10)}
        return [await one for one in asyncio.as_completed(tasks)]

    assert await result_of(run) == list(range(10))


async def test_as_completed_refuses_coroutines_without_an_order() -> None:
    async def run() -> str:
        try:
            future = asyncio.get_running_loop().create_future()
            for one in asyncio.as_completed({future, *(execute(double, number) for number in range(3))}):
                await one
        except ForbiddenCallError as error:
            return str(error)
        return ""

    assert (await result_of(run)).endswith("in an order that chance decides on; give it a list")


async def test_sets_of_tasks_are_in_the_order_in_which_these_were_made() -> None:
    async def run() -> list[Any]:
        async def nothing() -> None: ...

        tasks = [asyncio.create_task(nothing()) for _ in range(20)]
        futures = [asyncio.get_running_loop().create_future() for _ in range(20)]
        await asyncio.wait(tasks)
        return [list(set(tasks)) == tasks, list(set(futures)) == futures, len({*tasks, *futures}), tasks[0] == tasks[1]]

    assert await result_of(run) == [True, True, 40, False]


async def test_tasks_have_names_that_a_replay_gives_again() -> None:
    async def run() -> list[str]:
        async def nothing() -> None: ...

        tasks = [asyncio.create_task(nothing()), asyncio.create_task(nothing(), name="mine")]
        await asyncio.wait(tasks)
        current = asyncio.current_task()
        assert current is not None
        return [current.get_name(), *(task.get_name() for task in tasks)]

    assert await result_of(run) == ["run", "Task-1", "mine"]


async def test_queues_locks_and_the_like() -> None:
    @workflow
    async def order() -> list[Any]:
        log: list[Any] = []
        queue: asyncio.Queue[int | None] = asyncio.Queue(2)
        lock, limit, condition, event = asyncio.Lock(), asyncio.Semaphore(2), asyncio.Condition(), asyncio.Event()

        async def produce() -> None:
            for number in range(4):
                async with limit:
                    await queue.put(await execute(double, number))
            await queue.put(None)
            event.set()

        async def consume() -> None:
            while (number := await queue.get()) is not None:
                async with lock:
                    log.append(number)
            async with condition:
                log.append("end")
                condition.notify_all()

        async def watch() -> None:
            await event.wait()
            async with condition:
                await condition.wait_for(lambda: "end" in log)
            log.append("seen")

        await asyncio.gather(produce(), consume(), watch())
        return log

    stage = Stage(order, double)
    await stage.start()
    for number in range(4):
        stage.complete(f"double-{number + 1}", number)
        await stage.settle()
    assert stage.result == [0, 1, 2, 3, "end", "seen"]


async def test_callbacks_of_the_loop() -> None:
    @workflow
    async def order() -> list[str]:
        log: list[str] = []
        loop = asyncio.get_running_loop()
        loop.call_soon(log.append, "soon")
        loop.call_soon(log.append, "never").cancel()
        loop.call_later(0, log.append, "now")
        loop.call_at(loop.time() - 5, log.append, "late already")
        later = loop.call_later(5, log.append, "later")
        log.append(f"{later.cancelled()} {later.when() - loop.time():.0f}")
        await asyncio.sleep(5)
        return log

    stage = Stage(order)
    await stage.start()
    stage.pass_time(5)
    await stage.settle()
    assert stage.result == ["False 5", "soon", "now", "late already", "later"]


async def test_the_state_of_the_loop() -> None:
    async def run() -> list[Any]:
        loop = asyncio.get_running_loop()
        loop.set_debug(True)
        return [loop.is_running(), loop.is_closed(), loop.get_debug(), repr(loop)]

    assert await result_of(run) == [
        True,
        False,
        False,
        "<ReplayLoop of process 'p' (run r) (short (version 1))>",
    ]


async def test_a_task_factory() -> None:
    async def run() -> list[Any]:
        made: list[Any] = []

        def factory(loop: Any, coro: Any, **options: Any) -> Any:
            made.append("made")
            return asyncio.Task(coro, loop=loop, **options)

        async def nothing() -> int:
            return 1

        loop = asyncio.get_running_loop()
        loop.set_task_factory(factory)
        assert loop.get_task_factory() is factory
        made.append(await asyncio.create_task(nothing(), name="x"))
        with pytest.raises(TypeError):
            loop.set_task_factory("no")  # type: ignore[arg-type]
        loop.set_task_factory(None)
        made.append(await asyncio.create_task(nothing()))
        return made

    assert await result_of(run) == ["made", 1, 1]


async def test_many_tasks_are_not_kept_when_they_have_ended() -> None:
    async def run() -> int:
        async def nothing() -> None: ...

        for _ in range(1000):
            await asyncio.create_task(nothing())
        return len(asyncio.get_running_loop().tasks)  # type: ignore[attr-defined]

    assert await result_of(run) < 100


# --- faults ----------------------------------------------------------------------------------------------


async def test_faults_that_nobody_waits_for_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    @workflow
    async def order() -> None:
        async def fails() -> None:
            raise ValueError("unseen")

        asyncio.create_task(fails())  # noqa: RUF006 - what this is about
        await wait_signal("go")

    stage = Stage(order)
    stage.replays = False
    await stage.start()
    stage.signal("go")
    await stage.turn()
    assert [record.getMessage() for record in caplog.records] == [
        "process 'p' (run r) (order (version 1)): exception of task Task-1 was never retrieved"
    ]
    caplog.clear()
    flow.replay(order, Process(stage.run.ref, stage.run.history))
    assert caplog.records == []


async def test_an_exception_handler_hears_of_faults(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> list[Any]:
        heard: list[Any] = []

        def handler(loop: Any, context: dict[str, Any]) -> None:
            heard.append(str(context["exception"]))

        def fails() -> None:
            raise ValueError("unseen")

        loop = asyncio.get_running_loop()
        loop.set_exception_handler(handler)
        assert loop.get_exception_handler() is handler
        loop.call_soon(fails)
        await asyncio.sleep(0)
        loop.set_exception_handler(None)
        return heard

    with caplog.at_level(logging.ERROR):
        assert await result_of(run) == ["unseen"]
    assert caplog.records == []


# --- the loop outside ------------------------------------------------------------------------------------


async def test_generators_of_the_workflow_are_not_adopted_by_the_outer_loop() -> None:
    async def numbers() -> AsyncIterator[int]:
        yield 1
        yield 2

    async def run() -> int:
        return await anext(aiter(numbers()))

    hooks = sys.get_asyncgen_hooks()
    assert await result_of(run) == 1
    assert sys.get_asyncgen_hooks() == hooks
    assert gc.isenabled()


def test_a_run_needs_no_outer_loop() -> None:
    @workflow
    async def order() -> str:
        await asyncio.sleep(0)
        return "done"

    stage = asyncio.run(played(Stage(order)))
    process = stage.kept
    assert process is not None
    process.extend(stage.run.history)
    gc.disable()
    try:
        flow.replay(order, process)
        assert not gc.isenabled()
    finally:
        gc.enable()
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


async def played(stage: Stage) -> Stage:
    await stage.start()
    return stage
