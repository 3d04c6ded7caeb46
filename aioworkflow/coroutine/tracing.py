"""Where code stands: the lines of a workflow, without those of asyncio and of this package."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = ["locate", "origins", "waiting_places"]

_FOREIGN = (str(Path(asyncio.__file__).parent), str(Path(__file__).parent))
_DEEPEST = 4


def locate() -> str:
    """Return the lines of the workflow that are running, innermost first."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - inspect's way takes milliseconds
    lines: list[str] = []
    while frame is not None and len(lines) < _DEEPEST:
        if frame.f_code.co_name == "run_ready" and frame.f_code.co_filename.startswith(_FOREIGN):
            break
        if not frame.f_code.co_filename.startswith(_FOREIGN):
            lines.append(_line(frame))
        frame = frame.f_back
    if not lines and (task := asyncio.current_task()) is not None:
        lines = _origin(task)
    return " < ".join(lines)


def waiting_places(tasks: Iterable[asyncio.Task[Any]]) -> list[str]:
    """Return for each task the lines at which it waits, innermost first."""
    places = []
    for task in tasks:
        lines = []
        coroutine: Any = task.get_coro()
        while coroutine is not None:
            frame = getattr(coroutine, "cr_frame", None)
            if frame is not None and not frame.f_code.co_filename.startswith(_FOREIGN):
                lines.append(_line(frame))
            coroutine = getattr(coroutine, "cr_await", None)
        if lines:
            places.append(" < ".join(reversed(lines[-_DEEPEST:])))
    return places


@contextmanager
def origins() -> Iterator[None]:
    """Have coroutines know where they are made: of ``gather(execute(…))`` no line runs when the activity is ordered."""
    depth = sys.get_coroutine_origin_tracking_depth()
    sys.set_coroutine_origin_tracking_depth(_DEEPEST)
    try:
        yield
    finally:
        sys.set_coroutine_origin_tracking_depth(depth)


def _origin(task: asyncio.Task[Any]) -> list[str]:
    """Return the lines of the workflow that made the coroutine of a task, innermost first, where it knows them."""
    made = getattr(task.get_coro(), "cr_origin", None) or ()
    return [f"{file}:{line} in {name}" for file, line, name in made if not file.startswith(_FOREIGN)]


def _line(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
