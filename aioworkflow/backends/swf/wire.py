"""The small forms that Amazon SWF's wire has for our values, both ways (swf-reference 1.2, 1.3).

**Durations** are whole seconds, or "NONE" for no limit. A fraction is rounded *up* to the next second: a timer never
fires early, and a timeout never gives less than was asked for. A process stays open for a year at most, so a longer
execution timeout, or none, means a year.

**Payloads** are texts of any kind to Amazon SWF; ours are JSON. A text from elsewhere that is no JSON is read as a
JSON string of the same characters.

**Aborted activities** have only details there, so a reason is put into the details: ``{"aborted": {"reason": …,
"details": …}}``, without spaces. Details of our own that look alike are wrapped too, hence all come back as they were.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from ...checks import LONGEST_DURATION, show
from ...errors import InvalidRequestError
from .limits import EXECUTION_TIMEOUT_LIMIT, HEARTBEAT_LIMIT, PAYLOAD_LIMIT, check_payload, check_reason, length

__all__ = [
    "aborted_details",
    "cut_details",
    "execution_seconds",
    "json_text",
    "read_aborted_details",
    "read_seconds",
    "seconds",
]

NO_LIMIT = "NONE"
_YEAR = str(EXECUTION_TIMEOUT_LIMIT)


def seconds(value: Any, field: str, *, optional: bool = True) -> str:
    """Return a duration as whole seconds, rounded up; "NONE" for None, where ``optional``.

    Raises:
        InvalidRequestError: It is no duration, or too long.
    """
    if value is None and optional:
        return NO_LIMIT
    if type(value) not in (float, int) or not 0 <= value <= LONGEST_DURATION:
        raise InvalidRequestError(f"{field} must be 0 to {LONGEST_DURATION:,} seconds, not {show(value)}")
    return str(math.ceil(value))


def execution_seconds(value: Any, field: str = "execution_timeout") -> str:
    """Return how long a process may stay open, at most a year, as whole seconds, rounded up."""
    text = seconds(value, field)
    return _YEAR if text == NO_LIMIT or int(text) > EXECUTION_TIMEOUT_LIMIT else text


def read_seconds(text: str | None) -> float | None:
    """Return a duration of the wire; None, which is no limit, for "NONE" and for none at all."""
    return None if text is None or text == NO_LIMIT else float(text)


_is_json = msgspec.json.Decoder(msgspec.Raw).decode


def json_text(text: str) -> str:
    """Return a payload of the wire as JSON text: as it is, or as a JSON string if it is no JSON."""
    try:
        _is_json(text)
    except (msgspec.DecodeError, RecursionError):
        return msgspec.json.encode(text).decode()
    return text


def cut_details(details_json: str) -> str:
    """Return details of a heartbeat, cut to 2,048 characters: a JSON string with their beginning and how long they are.

    Raises:
        InvalidRequestError: They are no text.
    """
    text = check_payload(details_json, "details", limit=2**31)
    if length(text) <= HEARTBEAT_LIMIT:
        return text
    mark = f"… (cut: {len(text):,} characters of JSON)"
    kept = HEARTBEAT_LIMIT
    while length(short := msgspec.json.encode(text[:kept] + mark).decode()) > HEARTBEAT_LIMIT:
        kept -= max(1, (length(short) - HEARTBEAT_LIMIT) // 2)
    return short


class _Aborted(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    reason: str | None = None
    details: msgspec.Raw = msgspec.Raw()


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    aborted: _Aborted


_PREFIX = '{"aborted":{'
_read_envelope = msgspec.json.Decoder(_Envelope).decode


def aborted_details(reason: str | None, details_json: str | None) -> str | None:
    """Return the one text that tells both the reason and the details of an aborted activity.

    Raises:
        InvalidRequestError: One of them breaks a limit, or they do together.
    """
    if details_json is not None:
        check_payload(details_json, "details")
    if reason is None and (details_json is None or not details_json.startswith(_PREFIX)):
        return details_json
    parts = []
    if reason is not None:
        parts.append('"reason":' + msgspec.json.encode(check_reason(reason)).decode())
    if details_json is not None:
        parts.append('"details":' + details_json)
    return check_payload(_PREFIX + ",".join(parts) + "}}", "details (with the reason)", PAYLOAD_LIMIT)


def read_aborted_details(text: str) -> tuple[str | None, str | None]:
    """Return the reason and the details that :func:`aborted_details` was given; foreign texts are all details."""
    if text.startswith(_PREFIX):
        try:
            aborted = _read_envelope(text).aborted
        except (msgspec.DecodeError, RecursionError):
            pass
        else:
            return aborted.reason, bytes(aborted.details).decode() or None
    return None, json_text(text)
