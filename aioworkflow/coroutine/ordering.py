"""Order for what asyncio and anyio do in an order that chance decides on.

Both go through sets of objects whose hashes nobody can choose, as those of tasks can be (:mod:`.tasks`):

- ``asyncio.as_completed`` puts *coroutines* into a set before it makes tasks of them. :class:`FirstSteps` puts the
  first steps of these back into the order in which the coroutines were given.
- ``asyncio.wait`` returns sets. A future whose hash is not counted, as those of ``gather``, is refused there unless
  it is alone.
- A cancel scope of anyio keeps its child scopes in a set, and each task of a task group has one. The tasks are
  cancelled when anyio has found them all, oldest first.

Who calls is told by the code objects of their frames.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Collection, Sequence
from types import CodeType
from typing import TYPE_CHECKING, Any

from ..errors import ForbiddenCallError

if TYPE_CHECKING:
    from .loop import ReplayLoop

__all__ = ["FirstSteps", "given_to_as_completed", "is_delivery_of_anyio"]

_iterator: Any = getattr(asyncio.tasks, "_AsCompletedIterator", None)
_CODE: CodeType = asyncio.as_completed.__code__ if _iterator is None else _iterator.__init__.__code__
"""Where ``as_completed`` makes tasks of its argument: in a class since Python 3.13, in a function before."""

_ARGUMENT = _CODE.co_varnames[0 if _iterator is None else 1]

_BY_ADDRESS: Any = object.__hash__

_WAIT: CodeType = getattr(asyncio.tasks, "_wait").__code__  # noqa: B009 - unknown to type checkers

_DEPTH = 4
"""So many frames lie at most between that and the making of a task: two of ensure_future, the set comprehension."""


def is_delivery_of_anyio() -> bool:
    """Whether the caller's caller is a cancel scope of anyio that cancels its tasks."""
    anyio = sys.modules.get("anyio._backends._asyncio")
    caller = sys._getframe(2).f_code  # noqa: SLF001 - inspect's way takes milliseconds
    return anyio is not None and caller is anyio.CancelScope._deliver_cancellation.__code__  # noqa: SLF001


def is_delivery_by_anyio(handle: Any) -> bool:
    """Whether a handle is that of a cancel scope of anyio that will cancel its tasks (again)."""
    anyio = sys.modules.get("anyio._backends._asyncio")
    function = getattr(getattr(handle, "_callback", None), "__func__", None)
    return anyio is not None and function is anyio.CancelScope._deliver_cancellation  # noqa: SLF001


def is_called_by_anyio() -> bool:
    """Whether the caller's caller is anyio."""
    anyio = sys.modules.get("anyio._backends._asyncio")
    return anyio is not None and sys._getframe(2).f_globals is anyio.__dict__  # noqa: SLF001 - as above


def is_thread_of_anyio() -> bool:
    """Whether the caller's caller is a thread of anyio that is being made."""
    anyio = sys.modules.get("anyio._backends._asyncio")
    if anyio is None:
        return False
    frame = sys._getframe(2).f_back  # noqa: SLF001 - inspect's way takes milliseconds
    return frame is not None and frame.f_code is anyio.WorkerThread.__init__.__code__


def check_futures_of_wait() -> None:
    """Refuse the ``asyncio.wait`` that has called for a future if chance decides on the order of what it returns.

    Raises:
        ForbiddenCallError: It waits for several futures, and the hash of one of them is an address.
    """
    frame = sys._getframe(2)  # noqa: SLF001 - inspect's way takes milliseconds
    if frame.f_code is not _WAIT or len(futures := frame.f_locals["fs"]) < 2:
        return
    if any(type(item).__hash__ is _BY_ADDRESS for item in futures):
        raise ForbiddenCallError(
            "wait() returns sets of futures, and chance decides on the place of one that gather() or asyncio.Future() "
            "made; give it tasks: `asyncio.create_task(…)` of a coroutine that awaits the gather(), or futures of "
            "`asyncio.get_running_loop().create_future()`"
        )


def given_to_as_completed(coro: Any) -> Collection[Any] | None:
    """Return the argument of the ``as_completed`` that has called for a task to be made of ``coro``; None if none did.

    Raises:
        ForbiddenCallError: It is an iterator or a set, whose order nobody can tell any more.
    """
    frame = sys._getframe(3)  # noqa: SLF001 - inspect's way takes milliseconds
    for _ in range(_DEPTH):
        if frame.f_code is _CODE:
            given = frame.f_locals[_ARGUMENT]
            if isinstance(given, Sequence | dict):
                return given
            raise refused_as_completed(
                [coro, *(given if isinstance(given, Collection) else ())],
                "as_completed() begins the coroutines of an iterator or a set in an order that chance decides on; "
                "give it a list",
            )
        assert frame.f_back is not None
        frame = frame.f_back
    return None


def refused_as_completed(given: Collection[Any], message: str) -> ForbiddenCallError:
    """Return the error for an ``as_completed`` without an order; its coroutines are closed, as nobody awaits them."""
    for item in given:
        if asyncio.iscoroutine(item):
            item.close()
    return ForbiddenCallError(message)


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
