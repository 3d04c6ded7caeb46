"""A worker as a program of its own: it ends when the operating system asks it to."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from ..activity import Activity
from ..backend import Backend
from ..workflow import Workflow
from .options import WorkerOptions
from .worker import Worker

__all__ = ["run_worker"]

logger = logging.getLogger("aioworkflow.worker")

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


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

    Must be called in the main thread, as signal handlers are set there. Arguments as for :class:`Worker`.
    """
    worker = Worker(
        backend,
        workflows=workflows,
        activities=activities,
        task_lists=task_lists,
        identity=identity,
        options=options,
    )
    with _signals_stop(worker):
        await worker.run()


@contextmanager
def _signals_stop(worker: Worker) -> Iterator[None]:
    """Let the first signal stop the worker, and others do so at once."""
    loop = asyncio.get_running_loop()
    received: list[signal.Signals] = []

    def handle(received_now: signal.Signals) -> None:
        received.append(received_now)
        logger.info("%s: %r %s", received_now.name, worker, "cancels its work" if len(received) > 1 else "stops")
        worker.stop(now=len(received) > 1)

    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        loop.add_signal_handler(number, handle, number)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
