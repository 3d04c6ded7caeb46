"""Ending the code of a run that is not needed in memory any more, wherever it waits.

Nothing can be done about it: to free a coroutine, Python raises GeneratorExit where it waits, and its ``finally``
blocks run. So this is done at a time of our choosing, inside the loop of the run, which refuses every verb and begins
nothing, and without the complaints that forgotten tasks and coroutines cause.
"""

from __future__ import annotations

import asyncio
import types
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["close_tasks"]

_PATIENCE = 100
"""How often a coroutine is closed that goes on waiting in its ``finally`` blocks."""


def close_tasks(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Close the coroutines of tasks; whatever they raise is dropped."""
    with warnings.catch_warnings():
        # A finally block may make coroutines that it cannot begin any more.
        warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
        for task in tasks:
            coroutine: Any = task.get_coro()
            if coroutine is None:  # an eager task that never waited
                continue
            for forgotten in list(_never_awaited(coroutine)):
                forgotten.close()
            _close(coroutine)


def _close(coroutine: types.CoroutineType[Any, Any, Any]) -> None:
    """Close a coroutine and those that it awaits, innermost first.

    In the other order an inner one that goes on waiting would be lost by the one that awaits it before it is closed.
    """
    for _ in range(_PATIENCE):
        try:
            for awaited in reversed(list(_awaited(coroutine))):
                awaited.close()
        except BaseException:
            continue
        return


def _awaited(coroutine: Any) -> Iterator[types.CoroutineType[Any, Any, Any]]:
    while isinstance(coroutine, types.CoroutineType):
        yield coroutine
        coroutine = coroutine.cr_await


def _never_awaited(coroutine: Any) -> Iterator[types.CoroutineType[Any, Any, Any]]:
    """Yield coroutines that local variables hold and nobody has begun; Python would warn of them."""
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "ag_frame", None)
        if frame is not None:
            for value in frame.f_locals.values():
                for item in value if isinstance(value, list | tuple | set) else (value,):
                    if isinstance(item, types.CoroutineType) and item.cr_frame is not None and _is_new(item):
                        yield item
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "ag_await", None)


def _is_new(coroutine: types.CoroutineType[Any, Any, Any]) -> bool:
    return not coroutine.cr_running and not coroutine.cr_suspended and coroutine.cr_frame is not None
