"""One thread that does one thing after another for an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

import anyio

__all__ = ["JobThread"]

P = ParamSpec("P")
T = TypeVar("T")

_Job = tuple[Callable[[], Any], asyncio.AbstractEventLoop, asyncio.Future[Any]]


class JobThread:
    """A thread that runs jobs in the order in which they come.

    A job that was handed over is done, even if whoever awaits it is cancelled.
    """

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        # A daemon, so that a store that nobody closed cannot keep the interpreter from ending.
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def call(self, job: Callable[[], T]) -> T:
        """Run ``job`` in the thread and return what it returns, or raise what it raises."""
        return await self._submit(job)

    async def stop(self, last_job: Callable[[], object]) -> None:
        """Run one more job, then end the thread; if cancelled meanwhile, do so all the same before going on to be."""
        future = self._submit(last_job)
        self._jobs.put(None)
        cancelled: asyncio.CancelledError | None = None
        with anyio.CancelScope(shield=True):
            while not future.done():
                try:
                    await asyncio.wait([future])
                except asyncio.CancelledError as cancellation:
                    cancelled = cancellation
        self._thread.join()
        error = future.exception()
        if cancelled is not None:
            raise cancelled
        if error is not None:
            raise error

    def _submit(self, job: Callable[[], T]) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put((job, loop, future))
        return future

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, loop, future = item
            result: Any = None
            failure: Exception | None = None
            try:
                result = job()
            except Exception as error:
                failure = error
            try:
                loop.call_soon_threadsafe(_settle, future, result, failure)
            except RuntimeError:
                pass  # the loop is closed: nobody is left who could want the result
            del item, job, loop, future, result, failure


def _settle(future: asyncio.Future[Any], result: Any, failure: Exception | None) -> None:
    if future.done():
        return
    if failure is not None:
        future.set_exception(failure)
    else:
        future.set_result(result)
