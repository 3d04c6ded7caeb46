"""Signals as coroutines take them: each is taken once, in the order in which they arrived."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Generic, TypeVar

from ..checks import check_label
from ..payload import decode
from .run import Run

__all__ = ["Signals"]

T = TypeVar("T")


class Signals(AsyncIterator[T], Generic[T]):
    """The signals of one name, as an iterator that waits for the next and never ends.

    ``len()`` tells how many wait to be taken. Iterators of the same name share them.
    """

    def __init__(self, name: str, into: Any) -> None:
        self.name = check_label(name, "name")
        self._into = into
        self._inbox = Run.current().inbox(self.name)
        self._inbox.wanted = True

    def __repr__(self) -> str:
        return f"<Signals {self.name!r}, {len(self)} waiting>"

    def __len__(self) -> int:
        return len(self._inbox.waiting)

    def __bool__(self) -> bool:
        return True

    def __aiter__(self) -> Signals[T]:
        return self

    async def __anext__(self) -> T:
        input_json = await self._inbox.take()
        value: T = decode("null" if input_json is None and self._into is not Any else input_json, self._into)
        return value
