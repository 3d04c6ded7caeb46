"""Tasks and futures whose order in sets is the same in each replay.

asyncio keeps tasks in sets: a ``TaskGroup`` that cancels its tasks goes through one, and ``wait`` returns two. The
order of a set follows from the hashes of its members, which are addresses in memory unless somebody says otherwise.
Here they are counted, from a number that follows from the run's id, so that all replays of a run have the same and the
tasks of two runs differ (asyncio keeps all tasks of an OS process in one set, too).

``as_completed`` puts even *coroutines* into a set, whose hashes nobody can choose, and so begins them in an order that
chance decides on. :class:`FirstSteps` puts their first steps back into the order in which they were given.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections import deque
from collections.abc import Collection, Coroutine, Sequence
from types import CodeType
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import ForbiddenCallError

if TYPE_CHECKING:
    from .loop import ReplayLoop

__all__ = ["DurableFuture", "DurableTask", "FirstSteps", "given_to_as_completed", "hash_seed"]

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


# --- as_completed ----------------------------------------------------------------------------------------

_iterator: Any = getattr(asyncio.tasks, "_AsCompletedIterator", None)
_CODE: CodeType = asyncio.as_completed.__code__ if _iterator is None else _iterator.__init__.__code__
"""Where ``as_completed`` makes tasks of its argument: in a class since Python 3.13, in a function before."""

_ARGUMENT = _CODE.co_varnames[0 if _iterator is None else 1]

_DEPTH = 4
"""So many frames lie at most between that and the making of a task: two of ensure_future, the set comprehension."""


def given_to_as_completed() -> Collection[Any] | None:
    """Return the argument of the ``as_completed`` that has called for a task to be made; None if none did.

    Raises:
        ForbiddenCallError: It is an iterator or a set, whose order nobody can tell any more.
    """
    frame = sys._getframe(3)  # noqa: SLF001 - inspect's way takes milliseconds
    for _ in range(_DEPTH):
        if frame.f_code is _CODE:
            given = frame.f_locals[_ARGUMENT]
            if isinstance(given, Sequence | dict):
                return given
            for item in given if isinstance(given, Collection) else ():
                if asyncio.iscoroutine(item):
                    item.close()
            raise ForbiddenCallError(
                "as_completed() begins the coroutines of an iterator or a set in an order that chance decides on; "
                "give it a list"
            )
        if frame.f_back is None:
            break
        frame = frame.f_back
    return None


class FirstSteps:
    """Takes the place of the first steps of the coroutines of one ``as_completed`` in the queue of what is ready.

    Attributes:
        given: The argument of ``as_completed``.
    """

    __slots__ = ("_first_hash", "_places", "_ready", "_steps", "given")

    _cancelled = False

    def __init__(self, given: Collection[Any], loop: ReplayLoop, ready: deque[Any]) -> None:
        self.given: Collection[Any] | None = given
        self._places = {id(item): place for place, item in enumerate(given)}
        self._first_hash = loop.take_hashes(len(given))
        self._ready = ready
        self._steps: list[tuple[int, asyncio.Handle]] = []

    def hash_for(self, coro: object) -> int:
        """Return the hash of the task that is made of a coroutine."""
        return self._first_hash + self._places[id(coro)]

    def add(self, coro: object, step: asyncio.Handle) -> None:
        """Take in the first step of a coroutine."""
        self._steps.append((self._places[id(coro)], step))

    def _run(self) -> None:
        self.given = None  # a later call with the same argument is another call
        self._steps.sort(key=lambda item: item[0])
        self._ready.extendleft(step for _, step in reversed(self._steps))
