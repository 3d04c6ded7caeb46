"""Tasks and futures whose order in sets is the same in each replay.

asyncio keeps tasks in sets: a ``TaskGroup`` that cancels its tasks goes through one, and ``wait`` returns two. The
order of a set follows from the hashes of its members, which are addresses in memory unless somebody says otherwise.
Here they are counted, from a number that follows from the run's id, so that all replays of a run have the same and the
tasks of two runs differ (asyncio keeps all tasks of an OS process in one set, too).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from .ordering import is_delivery_of_anyio

if TYPE_CHECKING:
    from .loop import ReplayLoop

__all__ = ["DurableFuture", "DurableTask", "hash_seed"]

T = TypeVar("T")


def hash_seed(run_id: str) -> int:
    """Return where the hashes of a run's tasks begin: sets of few tasks are in the order in which they were made."""
    return int.from_bytes(hashlib.blake2b(run_id.encode(), digest_size=5).digest()) << 16


class DurableFuture(asyncio.Future[T]):
    """A future with a counted hash."""

    __slots__ = ("_hash",)

    def __init__(self, *, loop: ReplayLoop) -> None:
        self._hash = loop.take_hashes(1)
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self._hash

    __eq__ = object.__eq__


class DurableTask(asyncio.Task[T]):
    """A task with a counted hash, and a name that is counted likewise."""

    __slots__ = ("_hash",)

    def __init__(self, coro: Coroutine[Any, Any, T], hash: int, *, name: str | None = None, **options: Any) -> None:
        self._hash = hash
        super().__init__(coro, name=f"Task-{hash & 0xFFFF}" if name is None else name, **options)

    def __hash__(self) -> int:
        return self._hash

    __eq__ = object.__eq__

    def cancel(self, msg: Any = None) -> bool:
        """Cancel it; what anyio cancels in an order that chance decides on waits until its callback has returned."""
        loop: Any = self.get_loop()
        if is_delivery_of_anyio() and not self.done():
            loop.cancel_after_callback(self, msg)
            return True
        return super().cancel(msg)
