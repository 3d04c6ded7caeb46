"""Task tokens of the local backend: the run and the two events that a task hangs on.

A token is no secret, but the run id in it is random; the machine compares both event ids with what is open, so a token
that is old, repeated or made up answers nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from ...checks import show
from ...errors import UnknownTaskError

__all__ = ["Token", "read_token", "write_token"]


class Token(NamedTuple):
    """What a token stands for; ``kind`` is "a" for an activity task and "d" for a decision task."""

    kind: str
    run_id: str
    scheduled_event_id: int
    started_event_id: int


def write_token(kind: str, run_id: str, scheduled_event_id: int, started_event_id: int) -> str:
    """Return the token as text."""
    return f"{kind}.{run_id}.{scheduled_event_id}.{started_event_id}"


def read_token(text: object, kind: str) -> Token:
    """Return what ``text`` stands for.

    Raises:
        UnknownTaskError: It is no token of this kind of task.
    """
    text = text if isinstance(text, str) else show(text)
    parts = text.split(".") if len(text) < 256 else []
    if len(parts) == 4 and parts[0] == kind and text.isascii() and parts[2].isdecimal() and parts[3].isdecimal():
        return Token(kind, parts[1], int(parts[2]), int(parts[3]))
    name = "an activity" if kind == "a" else "a decision"
    raise UnknownTaskError(
        f"{show(text)} is not the token of {name} task; pass the token of the task as the backend gave it"
    )
