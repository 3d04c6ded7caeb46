"""What one store tells the others of its writes: which lists have new tasks, and which runs were closed."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from ..base import Changes, TaskKind
from ..encoded import EncodedWrite

__all__ = ["News", "news_of", "read_news", "write_news", "write_test"]

_LONGEST = 7500
"""A message may have 8,000 bytes."""


class News(msgspec.Struct):
    """What was written: the lists that may have new tasks, and the runs that were closed; false if that is nothing."""

    task_lists: set[tuple[TaskKind, str]] = msgspec.field(default_factory=set)
    closed: set[str] = msgspec.field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.task_lists or self.closed)

    def add(self, other: News) -> None:
        """Add what came later."""
        self.task_lists |= other.task_lists
        self.closed |= other.closed


class _Message(msgspec.Struct, array_like=True):
    sender: str
    task_lists: list[tuple[TaskKind, str]] | None = None
    closed: list[str] | None = None
    is_test: bool = False


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Message).decode


def news_of(writes: Sequence[EncodedWrite], refused: Collection[int]) -> News:
    """Return what a group brings for others."""
    news = News()
    for index, write in enumerate(writes):
        if not write.run_id or not write.changed or index in refused:
            continue
        if not write.open:
            news.closed.add(write.run_id)
        if write.position is not None:
            news.task_lists.add((TaskKind.DECISION, write.position.task_list))
        for _, task_list, *_ in write.saved_items:
            if task_list is not None:
                news.task_lists.add((TaskKind.ACTIVITY, task_list))
    return news


def write_news(sender: str, news: News) -> str:
    """Return a message; where it would be too long it says less exactly what has changed."""
    for message in (
        _Message(sender, sorted(news.task_lists, key=repr), sorted(news.closed)),
        _Message(sender, sorted(news.task_lists, key=repr)),
    ):
        text = _encode(message)
        if len(text) <= _LONGEST:
            return text.decode()
    return _encode(_Message(sender)).decode()


def write_test(sender: str) -> str:
    """Return a message that tells nothing; who sent it learns whether it arrives."""
    return _encode(_Message(sender, is_test=True)).decode()


def read_news(text: str) -> tuple[str, Changes | None]:
    """Return the sender of a message and what it tells; of what cannot be read, that anything may have changed."""
    try:
        message = _decode(text)
    except msgspec.MsgspecError:
        return "", Changes()
    if message.is_test:
        return message.sender, None
    task_lists = None if message.task_lists is None else frozenset(message.task_lists)
    return message.sender, Changes(
        task_lists=task_lists, closed=None if message.closed is None else frozenset(message.closed)
    )
