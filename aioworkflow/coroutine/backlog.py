"""The backlog: orders that were refused for a reason that passes, and are given again.

A process may have too much open, or the service takes no more orders for the moment (swf-reference 3.1, 3.12 and 8).
To give the same orders again at once would be refused at once, and fill the history (11.3). So they wait: those beyond
what may be open for something of their kind to end, which lets the first of them go; the others for a pause that grows
with every refusal. One that was let go and comes to nothing lets the next go, or the rest would wait for ever. No
attempt is counted for that. All follows from history, so the numbers here must not change.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sized
from typing import Any, Protocol

from ..event import Cause
from .loop import ReplayLoop

__all__ = ["Backlog", "Delayed"]

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_AT_A_TIME = 100
"""Orders that are given again after one pause; Amazon SWF takes 200 activities a second in the long run."""

_FOR_AN_END = {Cause.OPEN_ACTIVITIES_LIMIT_EXCEEDED, Cause.OPEN_CHILDREN_LIMIT_EXCEEDED}
_FOR_A_WHILE = {
    Cause.ACTIVITY_CREATION_RATE_EXCEEDED,
    Cause.CHILD_CREATION_RATE_EXCEEDED,
    Cause.OPEN_WORKFLOWS_LIMIT_EXCEEDED,
}


class Delayed(Protocol):
    """What was ordered: the handle of an activity or a child.

    Attributes:
        refusals: How often in a row that was refused for a reason that passes.
    """

    refusals: int

    def done(self) -> bool:
        """Whether nobody waits for it any more."""

    def order_again(self) -> None:
        """Give the order again."""

    def give_up(self, error: BaseException) -> None:
        """Raise where it is waited for: it cannot be ordered again."""


class Backlog:
    """That of one run."""

    __slots__ = ("_for_a_while", "_for_an_end", "_loop", "_pauses")

    def __init__(self, loop: ReplayLoop) -> None:
        self._loop = loop
        self._for_an_end: dict[type[Delayed], deque[Delayed]] = {}
        self._for_a_while: deque[Delayed] = deque()
        self._pauses = 0

    def take(self, item: Delayed, cause: Cause, others: Sized) -> bool:
        """Let an order wait that was refused; return whether that can help.

        Args:
            item: What was ordered.
            cause: Why it was refused.
            others: What is open of its kind.
        """
        if cause in _FOR_AN_END and others:
            self._for_an_end.setdefault(type(item), deque()).append(item)
        elif cause in _FOR_AN_END or cause in _FOR_A_WHILE:
            item.refusals += 1
            if not self._for_a_while:
                self._pause(item)
            self._for_a_while.append(item)
        else:
            return False
        return True

    def ended(self, kind: type[Delayed]) -> None:
        """Give one order again, since something of its kind has ended, or was ordered and will not be open."""
        waiting = self._for_an_end.get(kind)
        while waiting:
            item = waiting.popleft()
            if not item.done():
                item.order_again()
                return

    def clear(self) -> None:
        """Forget everything."""
        self._for_an_end.clear()
        self._for_a_while.clear()

    def _pause(self, item: Delayed) -> None:
        self._pauses += 1
        delay = min(_FIRST_PAUSE * 2.0 ** min(item.refusals - 1, 10), _LONGEST_PAUSE)
        refused = self._loop.create_future()
        refused.add_done_callback(self._give_up)
        self._loop.start_timer(delay, self._go_on, refused, id=f"aioworkflow.backlog-{self._pauses}")

    def _give_up(self, refused: asyncio.Future[Any]) -> None:
        """End what waits for a pause that could not begin: there may be too many timers, or they begin too fast."""
        error = refused.exception()
        assert error is not None
        waiting, self._for_a_while = self._for_a_while, deque()
        for item in waiting:
            if not item.done():
                item.give_up(error)
            self.ended(type(item))

    def _go_on(self, refused: asyncio.Future[Any]) -> None:
        waiting = self._for_a_while
        given = 0
        while waiting and given < _AT_A_TIME:
            item = waiting.popleft()
            if item.done():
                self.ended(type(item))
            else:
                item.order_again()
                given += 1
        if waiting:
            self._pause(waiting[0])
