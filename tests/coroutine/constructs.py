"""What asyncio offers, each in a small piece of code over a few activities.

``work(n)`` awaits activity n; pieces return what JSON can carry. They are run twice, in a workflow and on ordinary
asyncio, and must not care which.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, TypeAlias

from aioworkflow.errors import ActivityError

__all__ = ["CONSTRUCTS", "FakeError", "Piece", "told", "valued"]

DoWork: TypeAlias = Callable[[int], Coroutine[Any, Any, int]]
Piece: TypeAlias = Callable[[DoWork], Awaitable[Any]]


class FakeError(Exception):
    """What a failing activity raises on ordinary asyncio."""


def told(error: BaseException) -> Any:
    """Return what both sides say alike of an exception."""
    if isinstance(error, BaseExceptionGroup):
        return [told(inner) for inner in error.exceptions]
    if isinstance(error, FakeError | ActivityError):
        return f"failed {getattr(error, 'message', None) or error}"
    return type(error).__name__


def valued(outcome: Any) -> Any:
    """Return an outcome, or what is told of an exception."""
    return told(outcome) if isinstance(outcome, BaseException) else outcome


def outcome_of(task: asyncio.Future[Any]) -> Any:
    """Return how far a task is."""
    if not task.done():
        return "open"
    return "cancelled" if task.cancelled() else valued(task.exception() or task.result())


async def gather(work: DoWork) -> Any:
    return list(await asyncio.gather(work(1), work(2), work(3)))


async def gather_exceptions(work: DoWork) -> Any:
    return [valued(outcome) for outcome in await asyncio.gather(work(1), work(2), work(3), return_exceptions=True)]


async def _wait(work: DoWork, when: str) -> Any:
    tasks = [asyncio.create_task(work(number)) for number in (1, 2, 3)]
    done, pending = await asyncio.wait(tasks, return_when=when)
    first = [task in done for task in tasks]
    for task in pending:
        task.cancel()
    if pending:
        await asyncio.wait(pending)
    return [first, [outcome_of(task) for task in tasks]]


async def wait_all(work: DoWork) -> Any:
    return await _wait(work, asyncio.ALL_COMPLETED)


async def wait_first(work: DoWork) -> Any:
    return await _wait(work, asyncio.FIRST_COMPLETED)


async def wait_first_exception(work: DoWork) -> Any:
    return await _wait(work, asyncio.FIRST_EXCEPTION)


async def as_completed(work: DoWork) -> Any:
    found = []
    for outcome in asyncio.as_completed([work(1), work(2), work(3), work(4)]):
        try:
            found.append(await outcome)
        except (ActivityError, FakeError) as error:
            found.append(told(error))
    return found


async def sets_of_tasks(work: DoWork) -> Any:
    """Go through a set of tasks: its order must be that of each replay."""
    todo = {asyncio.create_task(work(number)) for number in range(1, 5)}
    order = []
    while todo:
        done, todo = await asyncio.wait(todo, return_when=asyncio.FIRST_COMPLETED)
        order.append(sorted(str(outcome_of(task)) for task in done))
    return order


async def task_group(work: DoWork) -> Any:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work(number)) for number in (1, 2, 3)]
    return [task.result() for task in tasks]


async def except_star(work: DoWork) -> Any:
    caught: list[Any] = []
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(work(1))
            group.create_task(work(2))
            group.create_task(work(3))
    except* (ActivityError, FakeError) as failures:
        caught += map(told, failures.exceptions)
    return caught


async def nested_groups(work: DoWork) -> Any:
    log = []

    async def branch(*numbers: int) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for number in numbers:
                    group.create_task(work(number))
        finally:
            log.append(numbers[0])

    async with asyncio.TaskGroup() as group:
        group.create_task(branch(1, 2))
        group.create_task(branch(3, 4))
    return log


async def timeout_that_does_not_pass(work: DoWork) -> Any:
    async with asyncio.timeout(3600):
        first = await work(1)
    return [first, await asyncio.wait_for(work(2), 3600)]


async def shield(work: DoWork) -> Any:
    task = asyncio.create_task(work(1))
    try:
        return [await asyncio.shield(task), await work(2)]
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def event(work: DoWork) -> Any:
    ready = asyncio.Event()
    log: list[Any] = []

    async def waiter(number: int) -> None:
        await ready.wait()
        log.append(await work(number))

    async def setter() -> None:
        log.append(await work(1))
        ready.set()

    await asyncio.gather(waiter(2), waiter(3), setter())
    return log


async def queue(work: DoWork) -> Any:
    todo: asyncio.Queue[int] = asyncio.Queue()
    log: list[Any] = []

    async def consume(name: str) -> None:
        while True:
            log.append([name, await work(await todo.get())])
            todo.task_done()

    consumers = [asyncio.create_task(consume(name)) for name in "ab"]
    for number in range(1, 5):
        await todo.put(number)
    joined = asyncio.create_task(todo.join())
    await asyncio.wait([joined, *consumers], return_when=asyncio.FIRST_COMPLETED)
    for task in (joined, *consumers):
        task.cancel()
    return [log, [valued(outcome) for outcome in await asyncio.gather(*consumers, return_exceptions=True)]]


async def bounded_queue(work: DoWork) -> Any:
    pipe: asyncio.Queue[int | None] = asyncio.Queue(maxsize=1)

    async def produce() -> None:
        for number in (1, 2, 3):
            await pipe.put(await work(number))
        await pipe.put(None)

    found = []
    async with asyncio.TaskGroup() as group:
        group.create_task(produce())
        while (number := await pipe.get()) is not None:
            found.append(await work(number + 3))
    return found


async def lock(work: DoWork) -> Any:
    lock = asyncio.Lock()
    log: list[Any] = []

    async def alone(number: int) -> None:
        async with lock:
            log.append(await work(number))

    return [valued(item) for item in await asyncio.gather(*map(alone, (1, 2, 3)), return_exceptions=True)] + log


async def semaphore(work: DoWork) -> Any:
    two = asyncio.Semaphore(2)
    log: list[Any] = []

    async def some(number: int) -> None:
        async with two:
            log.append(await work(number))

    return [valued(item) for item in await asyncio.gather(*map(some, range(1, 6)), return_exceptions=True)] + log


async def condition(work: DoWork) -> Any:
    changed = asyncio.Condition()
    finished: list[int] = []

    async def step(number: int) -> None:
        result = await work(number)
        async with changed:
            finished.append(result)
            changed.notify_all()

    async with asyncio.TaskGroup() as group:
        for number in (1, 2, 3):
            group.create_task(step(number))
        async with changed:
            await changed.wait_for(lambda: len(finished) >= 2)
            two = [*finished]
    return [two, finished]


async def future(work: DoWork) -> Any:
    handed: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def give(number: int) -> None:
        result = await work(number)
        if not handed.done():
            handed.set_result(result)

    givers = [asyncio.create_task(give(number)) for number in (1, 2)]
    try:
        anything: list[asyncio.Future[Any]] = [handed, *givers]
        await asyncio.wait(anything, return_when=asyncio.FIRST_COMPLETED)
        return outcome_of(handed)
    finally:
        for giver in givers:
            giver.cancel()
        await asyncio.gather(*givers, return_exceptions=True)


async def async_generator(work: DoWork) -> Any:
    log: list[Any] = []

    async def results() -> AsyncIterator[int]:
        try:
            for number in (1, 2, 3):
                yield await work(number)
        finally:
            log.append(await work(4))

    async with contextlib.aclosing(results()) as found:  # type: ignore[type-var]
        async for number in found:
            log.append(number)
            if number == 2:
                break
    return log


async def context_managers(work: DoWork) -> Any:
    log: list[Any] = []

    @contextlib.asynccontextmanager
    async def held(number: int) -> AsyncIterator[int]:
        log.append(await work(number))
        try:
            yield number
        finally:
            log.append(await work(number + 1))

    async with contextlib.AsyncExitStack() as stack:
        for number in (1, 3):
            await stack.enter_async_context(held(number))
        await work(5)
    return log


async def clean_up(work: DoWork) -> Any:
    """Clean-up code that awaits, after a failure and after a cancellation."""
    try:
        return [await work(1), await work(2)]
    except asyncio.CancelledError:
        return ["cancelled", await work(3)]
    except (ActivityError, FakeError) as error:
        return [told(error), await work(4)]


async def uncancel(work: DoWork) -> Any:
    """Swallow a cancellation as asyncio wants it done, and go on."""
    task = asyncio.current_task()
    assert task is not None
    log: list[Any] = []
    for number in (1, 2, 3):
        try:
            log.append(await work(number))
        except asyncio.CancelledError:
            log.append(["cancelled", task.cancelling(), task.uncancel()])
            async with asyncio.timeout(60):
                log.append(await work(number + 3))
    return log


async def callbacks(work: DoWork) -> Any:
    log: list[Any] = []
    tasks = [asyncio.create_task(work(number), name=f"work {number}") for number in (1, 2, 3)]
    for task in tasks:
        task.add_done_callback(lambda done: log.append([done.get_name(), outcome_of(done)]))
    await asyncio.gather(*tasks, return_exceptions=True)
    return log


CONSTRUCTS: dict[str, Piece] = {
    piece.__name__: piece
    for piece in (
        gather,
        gather_exceptions,
        wait_all,
        wait_first,
        wait_first_exception,
        as_completed,
        sets_of_tasks,
        task_group,
        except_star,
        nested_groups,
        timeout_that_does_not_pass,
        shield,
        event,
        queue,
        bounded_queue,
        lock,
        semaphore,
        condition,
        future,
        async_generator,
        context_managers,
        clean_up,
        uncancel,
        callbacks,
    )
}
