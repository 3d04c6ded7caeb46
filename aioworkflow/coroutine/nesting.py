"""The one place where the event loop of a coroutine workflow is entered, inside the loop of the worker.

asyncio allows one running loop in a thread, and one task that runs in it, for good reasons: who asks for the running
loop or the current task must get one answer. A replay loop does not wait for anything, though. It runs what is ready
and returns, all within one step of the worker's task, as if that had called a function. So for the time of that call
the bookkeeping of the thread is exchanged for that of the replay loop, and then put back:

- *the running loop*, by ``asyncio._set_running_loop``, which is meant for implementations of event loops;
- *the current task*. Up to Python 3.13 asyncio keeps it in a dictionary with loops as keys, so that the tasks of two
  loops do not meet. Since 3.14 each thread has one slot, entering a task while the slot is taken is an error, and the
  slot belongs to the running loop. So the worker's task is taken out of it before the loops are exchanged, and put
  back after they have been exchanged again, by ``_swap_current_task`` (eager tasks need it for the same purpose);
- *the hooks for asynchronous generators*. The worker's loop would adopt the generators of the workflow, and close them
  in tasks of its own, where what they do in the end would neither be replayed nor be recorded.

What a side effect calls happens once and in no replay, so it must not touch the workflow: for that time there is no
running loop at all (:func:`run_outside`).

Garbage is not collected meanwhile: it may finalize objects of the workflow at a time that chance decides on. What is
freed because nobody refers to it any more is freed at the same place in each replay.
"""

# ruff: noqa: SLF001 - these functions of asyncio are documented to be for those who write event loops
from __future__ import annotations

import asyncio
import gc
import sys
from asyncio import events, tasks
from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

__all__ = ["run_nested", "run_outside"]

T = TypeVar("T")

_swap_current_task: Callable[[Any, Any], Any] = (
    getattr(tasks, "_swap_current_task")  # noqa: B009 - unknown to type checkers
    if sys.version_info >= (3, 14)
    else lambda loop, task: None  # so that the worker's monitor sees which task it is that computes for so long
)


def run_nested(
    loop: asyncio.AbstractEventLoop,
    finalizer: Callable[[AsyncGenerator[Any, Any]], None],
    function: Callable[..., T],
    *args: Any,
) -> T:
    """Call ``function(*args)`` as a callback of ``loop``; inside another loop that is running, or outside of any.

    Args:
        loop: Becomes the running loop.
        finalizer: Is told of asynchronous generators that are abandoned before their end.
        function: Must return without waiting for anything.
        args: Its arguments.

    Returns:
        What the function returned.
    """
    outer = events._get_running_loop()
    task = None if outer is None else _swap_current_task(outer, None)
    hooks = sys.get_asyncgen_hooks()
    collecting = gc.isenabled()
    gc.disable()
    sys.set_asyncgen_hooks(firstiter=None, finalizer=finalizer)
    events._set_running_loop(loop)
    try:
        return function(*args)
    finally:
        events._set_running_loop(outer)
        sys.set_asyncgen_hooks(*hooks)
        if outer is not None:
            _swap_current_task(outer, task)
        if collecting:
            gc.enable()


def run_outside(function: Callable[[], T]) -> T:
    """Call a function, from inside of a running loop, as if none ran."""
    loop = events.get_running_loop()
    task = _swap_current_task(loop, None)
    events._set_running_loop(None)
    try:
        return function()
    finally:
        events._set_running_loop(loop)
        _swap_current_task(loop, task)
