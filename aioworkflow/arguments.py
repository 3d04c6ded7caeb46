"""How the one JSON input of a task becomes the arguments of a function, and back.

- no parameter: the input is ignored;
- one parameter: it gets the input; if there is no input, its default;
- several: an array gives them by position, an object by name; those left out get their defaults.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any

import msgspec

from .errors import InvalidRequestError, PayloadError
from .payload import Json, decode

__all__ = ["Arguments"]

_raw_items = msgspec.json.Decoder(list[msgspec.Raw] | dict[str, msgspec.Raw]).decode


class Arguments:
    """The parameters of one function.

    Args:
        function: It.
        of: What is made of it, for messages.
        method_name: How the same would be written as a class, for messages.
        bound: Whether its first parameter is the object that it belongs to, and no argument.

    Raises:
        InvalidRequestError: The function takes ``*args`` or ``**kwargs``, for which there is no mapping, or is a
        method.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        of: str = "an activity",
        method_name: str = "execute",
        bound: bool = False,
    ) -> None:
        if not inspect.isfunction(function):
            raise InvalidRequestError(f"{of} must be made of a function, not {function!r}")
        self.function = function
        self.signature = inspect.signature(function)
        self.parameters = list(self.signature.parameters.values())
        self._types: dict[str, Any] | None = None
        for parameter in self.parameters:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise InvalidRequestError(f"{function.__qualname__} takes {parameter}; no input could say what it gets")
        if bound:
            self.parameters = self.parameters[1:]
        elif self.parameters and self.parameters[0].name in ("self", "cls"):
            raise InvalidRequestError(f"{function.__qualname__} is a method; make a class with `{method_name}` instead")

    @property
    def types(self) -> dict[str, Any]:
        """The annotated types by parameter name; resolved at first use, when all names of the module are defined."""
        if self._types is None:
            try:
                self._types = typing.get_type_hints(self.function, include_extras=True)
            except Exception as error:
                raise PayloadError(
                    f"the annotations of {self.function.__qualname__} cannot be resolved: {error}; "
                    f"they must be defined in its module, not only for type checkers"
                ) from error
        return self._types

    def decode(self, input_json: str | None) -> tuple[list[Any], dict[str, Any]]:
        """Return positional and keyword arguments for an input.

        Raises:
            PayloadError: The input does not fit; the message names the parameter.
        """
        parameters = self.parameters
        if not parameters:
            return [], {}
        if len(parameters) == 1:
            return self._collect({} if input_json is None else {parameters[0].name: input_json})
        if input_json is None:
            return self._collect({})
        try:
            items = _raw_items(input_json)
        except msgspec.DecodeError as error:
            raise PayloadError(
                f"{self.function.__qualname__} has {len(parameters)} parameters, "
                f"so its input must be an array or an object: {error}"
            ) from error
        if isinstance(items, list):
            if len(items) > len(parameters):
                raise PayloadError(
                    f"{self.function.__qualname__} has {len(parameters)} parameters, and its input {len(items)} items"
                )
            return self._collect(
                {parameter.name: _text(raw) for parameter, raw in zip(parameters, items, strict=False)}
            )
        return self._collect({name: _text(raw) for name, raw in items.items()})

    def bundle(self, *args: Any, **kwargs: Any) -> object:
        """Return the input that :meth:`decode` turns into these arguments.

        Raises:
            TypeError: As calling the function with them.
        """
        arguments = self.signature.bind(*args, **kwargs).arguments
        if len(self.parameters) > 1:
            return arguments
        for value in arguments.values():
            return Json("null") if value is None else value
        return None

    def _collect(self, given: dict[str, str]) -> tuple[list[Any], dict[str, Any]]:
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for parameter in self.parameters:
            value = self._value(parameter, given.pop(parameter.name, None))
            if parameter.kind is parameter.KEYWORD_ONLY:
                kwargs[parameter.name] = value
            else:
                args.append(value)
        if given:
            raise PayloadError(f"{self.function.__qualname__} has no parameter {', '.join(map(repr, given))}")
        return args, kwargs

    def _value(self, parameter: inspect.Parameter, text: str | None) -> Any:
        if text is None:
            if parameter.default is not parameter.empty:
                return parameter.default
            text = "null"
        try:
            return decode(text, self.types.get(parameter.name, Any))
        except PayloadError as error:
            raise PayloadError(f"parameter {parameter.name!r} of {self.function.__qualname__}: {error}") from error


def _text(raw: msgspec.Raw) -> str:
    return bytes(raw).decode()
