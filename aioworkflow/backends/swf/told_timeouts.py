"""How a decider tells a worker the timeouts of an activity task: in white space.

A worker must know how often to heartbeat, and should know how long its task lasts. Amazon SWF tells it neither
(swf-reference 2.3). What the registered type says can be asked for once; what a decision says instead can only be found
in the history, which would cost a call for each task. So what a decision sets is written behind the input of the
activity, as 32 characters of white space: to whoever reads the input as JSON, they are nothing.

They are a mark and two numbers of 14 digits, to the base of 4: seconds of the heartbeat and start-to-close timeouts. An
input that has no room for them goes without, and its worker keeps to the type.
"""

from __future__ import annotations

from typing import NamedTuple

from ...types import UNSET, UnsetType

__all__ = ["TOLD_LENGTH", "ToldTimeouts", "tell", "told"]

_DIGITS = " \t\n\r"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_MARK = "\t \r\t"
_WIDTH = 14
_NO_LIMIT = 4**_WIDTH - 1
_UNSET = 4**_WIDTH - 2

TOLD_LENGTH = len(_MARK) + 2 * _WIDTH

Timeout = float | UnsetType | None
"""Whole seconds; None is no limit, UNSET that of the type."""


class ToldTimeouts(NamedTuple):
    """What a decision says of the timeouts of an activity."""

    heartbeat: Timeout = UNSET
    start_to_close: Timeout = UNSET


_NOTHING = ToldTimeouts()


def tell(timeouts: ToldTimeouts) -> str:
    """Return what is to be written behind the input; nothing if there is nothing to tell."""
    return "" if timeouts == _NOTHING else _MARK + "".join(map(_write, timeouts))


def told(text: str) -> tuple[str, ToldTimeouts]:
    """Return an input without what was written behind it, and that."""
    start = len(text) - TOLD_LENGTH
    if start < 0 or text[-1] not in _VALUES or not text.startswith(_MARK, start):
        return text, _NOTHING
    digits = text[-2 * _WIDTH :]
    if not _VALUES.keys() >= set(digits):
        return text, _NOTHING
    return text[:start], ToldTimeouts(_read(digits[:_WIDTH]), _read(digits[_WIDTH:]))


def _write(timeout: Timeout) -> str:
    number = _UNSET if timeout is UNSET else _NO_LIMIT if timeout is None else int(timeout)
    return "".join(_DIGITS[number >> 2 * place & 3] for place in reversed(range(_WIDTH)))


def _read(digits: str) -> Timeout:
    number = 0
    for digit in digits:
        number = number << 2 | _VALUES[digit]
    if number == _UNSET:
        return UNSET
    return None if number == _NO_LIMIT else float(number)
