"""Where code stands: the lines of a workflow, without those of asyncio and of this package."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = ["locate", "waiting_places"]

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


def _line(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
