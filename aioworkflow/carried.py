"""Signals that nobody took, on their way into the run that continues theirs.

A coroutine that continues as new has ended before its decision is answered. A signal that arrives meanwhile refuses
that decision once (swf-reference 5.5), and then there is no code left that could take it; Amazon SWF moves nothing into
the new run. So such signals travel in its input, on every backend; it and the payloads are JSON texts in there::

    {"aioworkflow.carried":{"input":"7","signals":[["packed","2"],["paid",null]]}}
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .event import ProcessStartedEvent

__all__ = ["Signal", "unwrap", "wrap"]

Signal = tuple[str, str | None]
"""Its name, and its payload as JSON."""

_KEY = "aioworkflow.carried"
_BEGINNING = f'{{"{_KEY}":'


def wrap(input_json: str | None, signals: Sequence[Signal]) -> str | None:
    """Return the input of a run that is to get signals of the run before it, too."""
    if not signals and (input_json is None or not input_json.startswith(_BEGINNING)):
        return input_json
    content = {_KEY: {"input": input_json, "signals": signals}}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def unwrap(started: ProcessStartedEvent) -> tuple[str | None, Sequence[Signal]]:
    """Return the input of a run as its code wants it, and the signals that came with it."""
    text = started.input_json
    if text is None or started.continued_run_id is None or not text.startswith(_BEGINNING):
        return text, ()
    try:
        carried = json.loads(text)[_KEY]
        input_json, signals = carried["input"], [(name, payload) for name, payload in carried["signals"]]
    except (ValueError, TypeError, KeyError, RecursionError):  # somebody else wrote it
        return text, ()
    is_ours = isinstance(input_json, str | None) and all(
        isinstance(name, str) and isinstance(payload, str | None) for name, payload in signals
    )
    return (input_json, signals) if is_ours else (text, ())
