"""Payloads: the JSON texts in which inputs, results, details and signals travel and are kept.

A payload is encoded once, where a value enters (a call of the client, the constructor of a decision or a result), and
decoded where it is read, so what a receiver does to its value never reaches history. Fields that hold the text end in
``_json``; the property without the suffix decodes it. None as a field means that there is no payload.

:class:`Converter` is the one object that does both. It writes everything that JSON has, dataclasses, msgspec structs,
attrs classes, datetimes, UUIDs, Decimals, enums, bytes (base64), paths, sets and tuples (arrays), and pydantic models
where pydantic is installed, and reads them back when it is told the type. Keys of objects may also be numbers, dates,
enums and the like, and become strings. It refuses what JSON cannot say, as NaN and infinity, instead of writing
something else.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import sys
from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import Any, Generic, TypeVar, get_origin, overload

import msgspec

from .checks import show
from .errors import PayloadError

__all__ = ["Converter", "Decoded", "Json", "as_json", "check_type", "converter", "decode", "encode", "encode_optional"]

T = TypeVar("T")

_MOST_DECODERS = 1024
_LONGEST_PATH = 10_000


class Json(str):
    """A payload, or a part of one, that is JSON already: :func:`encode` takes it as it is."""

    __slots__ = ()


class Converter:
    """Turns values into JSON text and back."""

    def __init__(self) -> None:
        self._encode: Callable[[object], bytes] = msgspec.json.Encoder(enc_hook=_to_builtin).encode
        self._decoders: dict[Any, Callable[[str], Any]] = {}
        self._decode_any: Callable[[str], Any] = msgspec.json.Decoder().decode

    def encode(self, value: object) -> str:
        """Return ``value`` as JSON text.

        Raises:
            PayloadError: JSON has no form for the value or for something in it; the message says where.
        """
        if type(value) is Json:
            return str(value)
        try:
            text = self._encode(value)
        except RecursionError:
            raise PayloadError(f"{_kind(value)} cannot be written as JSON: it is nested too deeply") from None
        except Exception as error:  # also whatever the code of a model raises
            reason = self._first_flaw(value) or str(error)
            raise PayloadError(f"{_kind(value)} cannot be written as JSON: {reason}") from error
        # The encoder writes null for NaN and infinity; a text with a null in it is looked at again.
        if b"null" in text and value is not None and not _says_all(text, value) and (flaw := self._first_flaw(value)):
            raise PayloadError(f"{_kind(value)} cannot be written as JSON: {flaw}")
        return text.decode()

    def decode(self, text: str | None, into: Any = Any) -> Any:
        """Return the value of JSON ``text``, as type ``into`` where one is given; None for no text.

        A text that is not JSON (other programs write to SWF too) is returned as it is when no type is asked.

        Raises:
            PayloadError: The text does not fit ``into``, or ``into`` is no type that JSON can be read as.
        """
        if text is None:
            return None
        if into is Any:
            try:
                return self._decode_any(text)
            except (msgspec.DecodeError, RecursionError):
                return text
        try:
            return self._decoder(into)(text)
        except Exception as error:  # also whatever the code of a model raises
            reason = str(error) or type(error).__qualname__
            raise PayloadError(f"the payload cannot be read as {_type_name(into)}: {reason}") from error

    def check_type(self, into: Any) -> None:
        """Refuse what is surely no type that JSON can be read as, before there is a text to read.

        Raises:
            PayloadError: ``into`` is none.
        """
        try:
            self._decoder(into)
        except Exception as error:  # also whatever its own code raises
            raise PayloadError(f"{_type_name(into)} is no type that JSON can be read as: {error}") from error

    def _decoder(self, into: Any) -> Callable[[str], Any]:
        try:
            known = self._decoders.get(into)
        except TypeError:  # an unhashable type, as Annotated[int, []]
            return msgspec.json.Decoder(into, dec_hook=_from_builtin).decode
        if known is None:
            if len(self._decoders) >= _MOST_DECODERS:  # somebody makes types at run time
                self._decoders.clear()
            known = self._decoders[into] = msgspec.json.Decoder(into, dec_hook=_from_builtin).decode
        return known

    def _first_flaw(self, value: object) -> str | None:
        """Return what in ``value`` has no JSON form, and where; None if nothing is found. Slow, and only for errors."""
        waiting = [("", value)]
        while waiting:
            path, part = waiting.pop()
            try:
                parts = [(path + step, item) for step, item in self._parts(part)]
            except Exception as error:
                return f"at {path.removeprefix('.')}: {error}" if path else str(error)
            if len(path) < _LONGEST_PATH:
                waiting += reversed(parts)
        return None

    def _parts(self, value: Any) -> Iterable[tuple[str, object]]:
        """Return what ``value`` is made of, each with the step that leads there; raise if it is itself the flaw."""
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{value} is no JSON number")
        if isinstance(value, dict):
            for key in value:
                self._check_key(key)
            return [(f"[{key!r}]", item) for key, item in value.items()]
        if isinstance(value, list | tuple | set | frozenset):
            return [(f"[{index}]", item) for index, item in enumerate(value)]
        if _is_pydantic_model(type(value)):
            return [("", _dump(value))]
        if names := _field_names(type(value)):
            fields = [(f".{name}", getattr(value, name)) for name in names]
            return [(step, item) for step, item in fields if item is not msgspec.UNSET]
        self._encode(value)
        return ()

    def _check_key(self, key: object) -> None:
        try:
            self._encode({key: 0})
        except Exception as error:
            raise TypeError(f"{key!r} cannot be a key of a JSON object") from error


def _field_names(kind: type) -> list[str]:
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    if issubclass(kind, msgspec.Struct):
        return list(kind.__struct_fields__)
    return [field.name for field in getattr(kind, "__attrs_attrs__", ())]


def _says_all(text: bytes, value: object) -> bool:
    """Whether JSON ``text`` surely has no null in the place of NaN or infinity. Fast also for big values."""
    try:
        plain = msgspec.to_builtins(value, enc_hook=_to_builtin, str_keys=True)
        # MessagePack knows NaN, and makes a list of a tuple as JSON does.
        return bool(msgspec.json.decode(text) == msgspec.msgpack.decode(msgspec.msgpack.encode(plain)))
    except Exception:  # something that only the encoder knows
        return False


def _to_builtin(value: Any) -> Any:
    if _is_pydantic_model(type(value)):
        return _dump(value)
    if isinstance(value, Json):
        return msgspec.Raw(value.encode())
    if isinstance(value, str):  # subclasses, as numpy has them
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"{_kind(value)} has no JSON form")


def _from_builtin(into: Any, value: Any) -> Any:
    if _is_pydantic_model(into):
        return into.model_validate_json(msgspec.json.encode(value), **_reading_options())
    if isinstance(into, type) and issubclass(into, PurePath):
        return into(value)
    if into is object:
        return value
    raise TypeError(f"{_type_name(into)} is no type that JSON can be read as")


def _is_pydantic_model(candidate: Any) -> bool:
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(candidate, type) and issubclass(candidate, pydantic.BaseModel)


def _dump(model: Any) -> Any:
    """Return what the model can be made of again: fields by their names, none that are computed."""
    return model.model_dump(mode="json", round_trip=True)


@functools.cache
def _reading_options() -> dict[str, bool]:
    """Let pydantic read fields by their names (as :func:`_dump` writes them) and by aliases, where it can (2.11)."""
    parameters = inspect.signature(sys.modules["pydantic"].BaseModel.model_validate_json).parameters
    return {"by_alias": True, "by_name": True} if "by_name" in parameters else {}


def _kind(value: object) -> str:
    return f"a value of type {type(value).__qualname__}"


def _type_name(into: Any) -> str:
    return into.__qualname__ if isinstance(into, type) and get_origin(into) is None else show(into)


converter = Converter()
encode = converter.encode
decode = converter.decode
check_type = converter.check_type


def encode_optional(value: object) -> str | None:
    """Return ``value`` as JSON text, and None, which means "no payload", as None."""
    return None if value is None else encode(value)


def as_json(text: str | None) -> Json | None:
    """Return a payload that was read from somewhere in the form that :func:`encode` does not encode again."""
    return None if text is None else Json(text)


class Decoded(Generic[T]):
    """A read-only attribute that decodes the payload field ``<name>_json`` of its owner."""

    __slots__ = ("field",)

    def __set_name__(self, owner: type, name: str) -> None:
        self.field = f"{name}_json"

    @overload
    def __get__(self, instance: None, owner: type) -> Decoded[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Any:
        if instance is None:
            return self
        return decode(getattr(instance, self.field))
