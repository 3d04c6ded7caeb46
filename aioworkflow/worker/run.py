"""A worker as a program of its own: it ends when the operating system asks it to."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..activity import Activity
from ..backend import Backend
from ..errors import InvalidRequestError
from ..workflow import Workflow
from .options import WorkerOptions
from .worker import Worker

__all__ = ["run_worker"]

logger = logging.getLogger("aioworkflow.worker")


async def run_worker(
    backend: Backend,
    *,
    workflows: Iterable[type[Workflow] | Workflow] = (),
    activities: Iterable[type[Activity] | Activity] = (),
    task_lists: Sequence[str] | None = None,
    identity: str | None = None,
    options: WorkerOptions | None = None,
) -> None:
    """Work until SIGTERM or SIGINT comes. The first lets activities end within the grace period, a second cancels them.

    Must be called in the main thread, as signal handlers are set there. Several may run side by side: a signal is meant
    for all of them. Arguments as for :class:`Worker`.

    Raises:
        InvalidRequestError: As for :class:`Worker`; or this is not the main thread.
    """
    worker = Worker(
        backend,
        workflows=workflows,
        activities=activities,
        task_lists=task_lists,
        identity=identity,
        options=options,
    )
    if threading.current_thread() is not threading.main_thread():
        raise InvalidRequestError(
            "run_worker() must be called in the main thread, which gets the signals; elsewhere use Worker(…).run()"
        )
    with _signals.stopping(worker):
        await worker.run()


class _Signals:
    """What signals stop. They come to the whole program, so workers that are run side by side share the handlers."""

    def __init__(self) -> None:
        self._received: dict[Worker, int] = {}
        self._before: dict[signal.Signals, Any] = {}

    @contextmanager
    def stopping(self, worker: Worker) -> Iterator[None]:
        """Let the first signal stop the worker, and others do so at once."""
        loop = asyncio.get_running_loop()
        if not self._received:
            self._set_handlers(loop)
        self._received[worker] = 0
        try:
            yield
        finally:
            del self._received[worker]
            if not self._received:
                self._reset_handlers(loop)

    def _set_handlers(self, loop: asyncio.AbstractEventLoop) -> None:
        self._before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        for number in self._before:
            loop.add_signal_handler(number, self._handle, number)

    def _reset_handlers(self, loop: asyncio.AbstractEventLoop) -> None:
        for number, handler in self._before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)

    def _handle(self, number: signal.Signals) -> None:
        for worker in self._received:
            self._received[worker] += 1
            again = self._received[worker] > 1
            logger.info("%s: %r %s", number.name, worker, "cancels its work" if again else "stops")
            worker.stop(now=again)


_signals = _Signals()
