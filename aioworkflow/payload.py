"""Payloads: the JSON texts in which inputs, results, details and signals travel and are kept.

A payload is encoded once, where a value enters (a call of the client, the constructor of a decision or a result), and
decoded where it is read, so what a receiver does to its value never reaches history. Fields that hold the text end in
``_json``; the property without the suffix decodes it.

:class:`Converter` is the one object that does both. It writes everything that JSON has, dataclasses, msgspec structs,
attrs classes, datetimes, UUIDs, Decimals, enums, bytes (base64), sets and tuples (arrays), and pydantic models where
pydantic is installed, and reads them back when it is told the type.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import msgspec

from .errors import PayloadError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Converter", "Decoded", "Json", "converter", "decode", "encode", "encode_optional"]

T = TypeVar("T")


class Json(str):
    """A payload that is JSON already: :func:`encode` takes it as it is."""

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
            PayloadError: JSON has no form for the value or for something in it.
        """
        if type(value) is Json:
            return str(value)
        try:
            return self._encode(value).decode()
        except (TypeError, ValueError, RecursionError, OverflowError) as error:
            raise PayloadError(
                f"a value of type {type(value).__qualname__} cannot be written as JSON: {error}"
            ) from error

    def decode(self, text: str | None, into: Any = Any) -> Any:
        """Return the value of JSON ``text``, as type ``into`` where one is given; None for no text.

        A text that is not JSON (other programs write to SWF too) is returned as it is when no type is asked.

        Raises:
            PayloadError: The text does not fit ``into``.
        """
        if text is None:
            return None
        if into is Any:
            try:
                return self._decode_any(text)
            except msgspec.DecodeError:
                return text
        try:
            decoder = self._decoders.get(into)
            if decoder is None:
                decoder = self._decoders[into] = msgspec.json.Decoder(into, dec_hook=_from_builtin).decode
            return decoder(text)
        except (msgspec.DecodeError, TypeError, ValueError) as error:
            raise PayloadError(f"the payload cannot be read as {_type_name(into)}: {error}") from error


def _to_builtin(value: Any) -> Any:
    if _is_pydantic_model(type(value)):
        return value.model_dump(mode="json")
    raise TypeError(f"no JSON form for {type(value).__qualname__}")


def _from_builtin(into: Any, value: Any) -> Any:
    if _is_pydantic_model(into):
        return into.model_validate(value)
    raise TypeError(f"no way to read {_type_name(into)} from JSON")


def _is_pydantic_model(candidate: Any) -> bool:
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(candidate, type) and issubclass(candidate, pydantic.BaseModel)


def _type_name(into: Any) -> str:
    return getattr(into, "__qualname__", None) or str(into)


converter = Converter()
encode = converter.encode
decode = converter.decode


def encode_optional(value: object) -> str | None:
    """Return ``value`` as JSON text, and None, which means "no payload", as None."""
    return None if value is None else encode(value)


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
