"""How checks say what they expect: plain functions that raise AssertionError with both sides in the message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from ....event import AnyEvent

__all__ = ["WHEN", "equal", "every", "kinds", "one", "refused", "show_history", "timeless", "true"]

E = TypeVar("E")

WHEN = datetime(2000, 1, 1, tzinfo=UTC)
"""The timestamp that :func:`timeless` gives to an event."""


def equal(actual: object, expected: object, what: str = "the value") -> None:
    """Expect two values to be equal."""
    if actual != expected:
        raise AssertionError(f"{what} should be\n    {expected!r}\nand is\n    {actual!r}")


def true(holds: object, what: str) -> None:
    """Expect something to be true; ``what`` says what."""
    if not holds:
        raise AssertionError(f"{what}: this should be true and is not")


@contextmanager
def refused(*errors: type[Exception]) -> Iterator[None]:
    """Expect the body to raise one of ``errors``."""
    try:
        yield
    except errors:
        return
    raise AssertionError(f"this should raise {' or '.join(error.__name__ for error in errors)} and raises nothing")


def kinds(events: Iterable[AnyEvent]) -> list[str]:
    """Return the class names of events, without the suffix."""
    return [type(event).__name__.removesuffix("Event") for event in events]


def every(events: Iterable[AnyEvent], kind: type[E]) -> list[E]:
    """Return the events of one class."""
    return [event for event in events if isinstance(event, kind)]


def one(events: Sequence[AnyEvent], kind: type[E]) -> E:
    """Return the only event of a class."""
    found = every(events, kind)
    if len(found) != 1:
        raise AssertionError(
            f"there should be one {kind.__name__} and there are {len(found)} in\n{show_history(events)}"
        )
    return found[0]


def timeless(event: E) -> E:
    """Return an event with :data:`WHEN` as its timestamp, to compare all the rest of it."""
    return msgspec.structs.replace(event, timestamp=WHEN)  # type: ignore[type-var]


def show_history(events: Iterable[AnyEvent]) -> str:
    """Return events for a message, one a line."""
    return "\n".join(f"    {event!r}" for event in events)
