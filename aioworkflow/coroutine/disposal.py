"""Ending the code of a run that is not needed in memory any more, wherever it waits.

Nothing can be done about it: to free a coroutine, Python raises GeneratorExit where it waits, and its ``finally``
blocks run. So this is done at a time of our choosing, inside the loop of the run, which refuses every verb and begins
nothing, and without the complaints that forgotten tasks and coroutines cause.
"""

from __future__ import annotations

import asyncio
import inspect
import types
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["close_tasks"]

_PATIENCE = 100
"""How often a coroutine is closed that goes on waiting in its ``finally`` blocks."""


def close_tasks(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Close the coroutines of tasks, innermost first; whatever they raise is dropped."""
    with warnings.catch_warnings():
        # A finally block may make coroutines that it then cannot begin.
        warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
        for task in tasks:
            for coroutine in _chain(task.get_coro()):
                for forgotten in list(_never_awaited(coroutine)):
                    forgotten.close()
            _close(task.get_coro())


def _close(coroutine: Any) -> None:
    """End a coroutine and those that it awaits.

    The innermost first: one that was closed while it was awaited, and goes on waiting, has nobody left who could hear
    of it.
    """
    for _ in range(_PATIENCE):
        try:
            for awaited in reversed(list(_chain(coroutine))):
                awaited.close()
        except BaseException:
            continue
        return


def _chain(coroutine: Any) -> Iterator[types.CoroutineType[Any, Any, Any]]:
    """Yield a coroutine, the one that it awaits, and so on."""
    while isinstance(coroutine, types.CoroutineType):
        yield coroutine
        coroutine = coroutine.cr_await


def _never_awaited(coroutine: types.CoroutineType[Any, Any, Any]) -> Iterator[types.CoroutineType[Any, Any, Any]]:
    """Yield coroutines that local variables hold and nobody has begun; Python would warn of them."""
    for value in coroutine.cr_frame.f_locals.values() if coroutine.cr_frame is not None else ():
        for item in value if isinstance(value, list | tuple | set) else (value,):
            if isinstance(item, types.CoroutineType) and inspect.getcoroutinestate(item) == inspect.CORO_CREATED:
                yield item
