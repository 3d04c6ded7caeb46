"""Pages: one list, cut into pieces, with tokens that say where to go on (swf-reference 2.4)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from .faults import validation

__all__ = ["page", "read_token", "token"]

T = TypeVar("T")


def token(content: Any) -> str:
    """Return an opaque token for what it stands for."""
    return base64.b64encode(msgspec.json.encode(content)).decode()


def read_token(text: str, kind: Any) -> Any:
    """Return what a token stands for.

    Raises:
        Fault: It was never given out.
    """
    try:
        return msgspec.json.decode(base64.b64decode(text, validate=True), type=kind)
    except (ValueError, msgspec.DecodeError):
        raise validation("Invalid token") from None


def page(items: Sequence[T], size: int | None, next_token: str | None, largest: int) -> tuple[Sequence[T], str | None]:
    """Return a page, and the token of the next: none after the last page, even if that is full."""
    begin = read_token(next_token, int) if next_token else 0
    end = begin + min(size or largest, largest)
    return items[begin:end], token(end) if end < len(items) else None
