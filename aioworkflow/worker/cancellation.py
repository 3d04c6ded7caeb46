"""Where a cancellation of the worker's own ends: at the boundary between user code and worker."""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["take_back"]


async def take_back(host: asyncio.Task[Any], count: int) -> bool:
    """Take back ``count`` calls of ``host.cancel()``, delivered or not; return whether others have cancelled it too.

    Args:
        host: The running task itself.
        count: At least 1.
    """
    for _ in range(count):
        host.uncancel()
    try:
        await asyncio.sleep(0)  # one that was never delivered comes out here
    except asyncio.CancelledError:
        pass
    return host.cancelling() > 0
