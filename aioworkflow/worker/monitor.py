"""The monitor: warns when something blocks the event loop for long enough to endanger heartbeats.

A thread asks the loop for a sign of life now and then. If none comes in time, and the same task has been running for
half of it, that is what blocks the loop: its name and its stack go into the log. If another one runs by then, there is
just too much to do.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["Monitor"]

logger = logging.getLogger("aioworkflow.worker")


class Monitor:
    """Watches the event loop in which it is started.

    Args:
        seconds: How long the loop may be blocked without a warning.
        name_of: Says what an asyncio task is busy with, or None if it cannot tell. It is called from the monitor's
        thread.
    """

    def __init__(self, seconds: float, name_of: Callable[[asyncio.Task[Any]], str | None]) -> None:
        self._seconds = seconds
        self._name_of = name_of
        self._alive = threading.Event()
        self._stopped = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._thread = threading.Thread(target=self._run, name="aioworkflow monitor", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End it; returns when its thread has ended, at once."""
        self._stopped.set()
        self._alive.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds / 2):
            self._alive.clear()
            if self._stopped.is_set():  # stop() has set both meanwhile, and waits in the loop that would be asked
                return
            asked = time.monotonic()
            try:
                self._loop.call_soon_threadsafe(self._alive.set)
            except RuntimeError:  # the loop was closed with the worker in it
                return
            if self._warns_until_alive():
                logger.warning("the event loop goes on, after %.1f s", time.monotonic() - asked)

    def _warns_until_alive(self) -> bool:
        """Wait for the sign of life; return whether there was reason to warn."""
        if self._alive.wait(self._seconds / 2):
            return False
        suspect = self._current()
        warned: set[bool] = set()
        while not self._alive.wait(self._seconds / 2):
            task = self._current()
            blocks = task is suspect
            if blocks not in warned:
                warned.add(blocks)
                self._warn(task, blocks=blocks)
            suspect = task
        return bool(warned)

    def _current(self) -> asyncio.Task[Any] | None:
        """Return the task that runs in the loop; None if it is a callback."""
        return asyncio.current_task(self._loop)

    def _warn(self, task: asyncio.Task[Any] | None, *, blocks: bool) -> None:
        if not blocks:
            logger.warning(
                "the event loop is overloaded: it has not got round in %s s, so heartbeats may be late", self._seconds
            )
            return
        name = None if task is None else self._name_of(task)
        if name is None:
            name = "a callback" if task is None else f"task {task.get_name()}"
        logger.warning(
            "%s blocks the event loop, which has not got round in %s s, so heartbeats may be late; it should await, or"
            " be a plain def (which runs in a thread). It is at:\n%s",
            name,
            self._seconds,
            _stack(sys._current_frames().get(self._loop_thread)),  # noqa: SLF001 - the public way to see another thread
        )


def _stack(frame: FrameType | None) -> str:
    return "".join(traceback.format_stack(frame, limit=12)).rstrip()
