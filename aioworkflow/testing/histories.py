"""Histories in files: what really happened to a process, kept for tests.

::

    write_history(await handle.process(), "order-17.json")
    replay("order-17.json", OrderWorkflow)

The file is JSON, one event a line, so that two of them can be compared by eye and by ``diff``::

    {
      "format": "aioworkflow history",
      "version": 1,
      "process": {"id": "order-17", "run_id": "5f3c…"},
      "events": [
        {"type": "ProcessStarted", "event_id": 1, …, "input": {"customer": "ada"}},
        …
      ]
    }

Events look as in a database, except that payloads, there JSON text in ``input_json``, stand as they are in ``input``
(a text that is no JSON, as other programs write to Amazon SWF, stays text in ``input_json``). Nothing is lost or
rounded: reading gives the same events again. A later version of this package reads the files of all before it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from ..errors import InvalidRequestError
from ..event import AnyEvent
from ..process import Process
from ..types import ProcessRef

__all__ = ["read_history", "write_history"]

_FORMAT = "aioworkflow history"
_VERSION = 1
_PAYLOAD = "_json"

_encode = msgspec.json.Encoder().encode
_decode_event = msgspec.json.Decoder(AnyEvent).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class _Process(msgspec.Struct):
    id: str
    run_id: str


class _Kind(msgspec.Struct):
    format: str
    version: int


class _File(msgspec.Struct):
    process: _Process
    events: list[dict[str, msgspec.Raw]]


_decode_kind = msgspec.json.Decoder(_Kind).decode
_decode_file = msgspec.json.Decoder(_File).decode


def write_history(process: Process, path: str | os.PathLike[str]) -> None:
    """Write the history of a process, open or closed, to a JSON file; one that is there is replaced.

    Raises:
        OSError: The file cannot be written.
    """
    head = f'{{\n  "format": "{_FORMAT}",\n  "version": {_VERSION},\n  "process": '
    about = _spaced({"id": _encode(process.id), "run_id": _encode(process.run_id)})
    events = b",\n".join(b"    " + _spaced(_readable(event)) for event in process.history)
    Path(path).write_bytes(head.encode() + about + b',\n  "events": [\n' + events + b"\n  ]\n}\n")


def read_history(path: str | os.PathLike[str]) -> Process:
    """Return the process whose history :func:`write_history` wrote.

    Raises:
        OSError: The file cannot be read.
        InvalidRequestError: It is no history, or of a newer version.
    """
    content = Path(path).read_bytes()
    try:
        kind = _decode_kind(content)
        if kind.format != _FORMAT:
            raise InvalidRequestError(f"its format is {kind.format!r}, not {_FORMAT!r}")
        if kind.version > _VERSION:
            raise InvalidRequestError(
                f"it has version {kind.version} of the format, this aioworkflow knows {_VERSION}; install a newer one"
            )
        file = _decode_file(content)
        events = [_decode_event(_stored(fields)) for fields in file.events]
        return Process(ProcessRef(file.process.id, file.process.run_id), events)
    except (msgspec.DecodeError, UnicodeDecodeError, InvalidRequestError) as error:
        raise InvalidRequestError(f"{os.fspath(path)} is no history that can be read: {error}") from None


def _readable(event: AnyEvent) -> dict[str, bytes]:
    """Return the fields of an event as JSON, payloads as what they are."""
    fields: dict[str, bytes] = {}
    for name, raw in _decode_fields(_encode(event)).items():
        text: Any = msgspec.json.decode(raw) if name.endswith(_PAYLOAD) else None
        if text is not None and _is_plain_json(text):
            fields[name.removesuffix(_PAYLOAD)] = text.encode()
        else:
            fields[name] = bytes(raw)
    return fields


def _is_plain_json(text: str) -> bool:
    """Whether ``text`` can stand in a line of a JSON file and be read back to the letter."""
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return False
    return text.strip() == text and text.splitlines() == [text]


def _stored(fields: dict[str, msgspec.Raw]) -> bytes:
    """Undo :func:`_readable`."""
    payloads = _PAYLOADS.get(bytes(fields.get("type", b"")), frozenset())
    return _spaced(
        {
            f"{name}{_PAYLOAD}" if name in payloads else name: _encode(bytes(raw).decode()) if name in payloads else raw
            for name, raw in fields.items()
        }
    )


def _spaced(fields: dict[str, Any]) -> bytes:
    return b"{" + b", ".join(b"%b: %b" % (_encode(name), bytes(value)) for name, value in fields.items()) + b"}"


_PAYLOADS: dict[bytes, frozenset[str]] = {
    _encode(kind.__struct_config__.tag): frozenset(
        field.removesuffix(_PAYLOAD) for field in kind.__struct_fields__ if field.endswith(_PAYLOAD)
    )
    for kind in AnyEvent.__args__
}
"""The names of an event's payloads, by its type as it is written."""
