"""How an input becomes arguments, and back."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import pydantic
import pytest

from aioworkflow.arguments import Arguments
from aioworkflow.errors import InvalidRequestError, PayloadError
from aioworkflow.payload import Json, encode_optional

if TYPE_CHECKING:
    from decimal import Decimal


@dataclass
class Order:
    sku: str
    count: int = 1


class Customer(pydantic.BaseModel):
    name: str


def nothing() -> None: ...
def one(order: Order) -> None: ...
def one_untyped(order) -> None: ...  # type: ignore[no-untyped-def]
def one_optional(order: Order | None) -> None: ...
def one_default(count: int = 3) -> None: ...
def one_keyword(*, count: int) -> None: ...
def two(order: Order, day: date) -> None: ...
def mixed(a: int, /, b: str = "x", *, customer: Customer | None = None, rest: Any = ()) -> None: ...
def annotated(a: Annotated[int, "unit"], b: list[Order]) -> None: ...
def for_checkers_only(price: Decimal) -> None: ...


DECODED: list[tuple[Any, str | None, tuple[list[Any], dict[str, Any]]]] = [
    (nothing, None, ([], {})),
    (nothing, '{"ignored":1}', ([], {})),
    (one, '{"sku":"a","count":2}', ([Order("a", 2)], {})),
    (one_untyped, '{"sku":"a"}', ([{"sku": "a"}], {})),
    (one_untyped, "[1,2]", ([[1, 2]], {})),
    (one_untyped, None, ([None], {})),
    (one_untyped, "no json", (["no json"], {})),
    (one_optional, None, ([None], {})),
    (one_optional, "null", ([None], {})),
    (one_default, None, ([3], {})),
    (one_default, "5", ([5], {})),
    (one_keyword, "5", ([], {"count": 5})),
    (two, '[{"sku":"a"},"2024-02-29"]', ([Order("a"), date(2024, 2, 29)], {})),
    (two, ' { "day" : "2024-02-29", "order" : {"sku":"a"} } ', ([Order("a"), date(2024, 2, 29)], {})),
    (mixed, "[1]", ([1, "x"], {"customer": None, "rest": ()})),
    (mixed, '[1,"y",{"name":"Ada"},null]', ([1, "y"], {"customer": Customer(name="Ada"), "rest": None})),
    (mixed, '{"a":1,"rest":[2]}', ([1, "x"], {"customer": None, "rest": [2]})),
    (annotated, '[1,[{"sku":"ü"}]]', ([1, [Order("ü")]], {})),
]


@pytest.mark.parametrize(("function", "input_json", "expected"), DECODED)
def test_an_input_becomes_arguments(function: Any, input_json: str | None, expected: Any) -> None:
    arguments = Arguments(function)
    assert arguments.decode(input_json) == expected
    assert arguments.decode(input_json) == expected


MISFITS: list[tuple[Any, str | None, str]] = [
    (one, None, "parameter 'order' of one: the payload cannot be read as Order"),
    (one, '{"count":1}', "parameter 'order' of one: .*missing required field `sku`"),
    (two, None, "parameter 'order' of two"),
    (two, '{"order":{"sku":"a"}}', "parameter 'day' of two: the payload cannot be read as date"),
    (two, '{"order":{"sku":"a"},"day":"2024-02-29","night":1,"fog":2}', "two has no parameter 'night', 'fog'"),
    (two, "[1,2,3]", "two has 2 parameters, and its input 3 items"),
    (two, "5", "two has 2 parameters, so its input must be an array or an object"),
    (two, "{", "two has 2 parameters, so its input must be an array or an object"),
    (mixed, '["x"]', "parameter 'a' of mixed: .*Expected `int`, got `str`"),
    (mixed, '{"a":1,"customer":{}}', "parameter 'customer' of mixed: "),
    (for_checkers_only, "1", "annotations of for_checkers_only cannot be resolved: name 'Decimal' is not defined"),
]


@pytest.mark.parametrize(("function", "input_json", "message"), MISFITS)
def test_an_input_that_does_not_fit_names_the_parameter(function: Any, input_json: str | None, message: str) -> None:
    with pytest.raises(PayloadError, match=message):
        Arguments(function).decode(input_json)


BUNDLES: list[tuple[Any, tuple[Any, ...], dict[str, Any], str | None]] = [
    (nothing, (), {}, None),
    (one, (Order("a"),), {}, '{"sku":"a","count":1}'),
    (one, (), {"order": Order("a")}, '{"sku":"a","count":1}'),
    (one_optional, (None,), {}, "null"),
    (one_default, (), {}, None),
    (two, (Order("a"),), {"day": date(2024, 2, 29)}, '{"order":{"sku":"a","count":1},"day":"2024-02-29"}'),
    (mixed, (1,), {"rest": 2}, '{"a":1,"rest":2}'),
]


@pytest.mark.parametrize(("function", "args", "kwargs", "input_json"), BUNDLES)
def test_arguments_become_an_input_and_come_back(function: Any, args: Any, kwargs: Any, input_json: str | None) -> None:
    arguments = Arguments(function)
    assert encode_optional(arguments.bundle(*args, **kwargs)) == input_json
    positional, named = arguments.decode(input_json)
    bound = arguments.signature.bind(*args, **kwargs)
    bound.apply_defaults()
    assert (tuple(positional), named) == (bound.args, bound.kwargs)


def test_bundling_what_the_function_does_not_take_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="missing a required argument: 'day'"):
        Arguments(two).bundle(Order("a"))


def test_json_is_bundled_as_it_is() -> None:
    assert Arguments(one).bundle(Json("[1]")) == "[1]"


def variadic(*values: int) -> None: ...
def variadic_keywords(**values: int) -> None: ...


class Owner:
    def method(self, x: int) -> None: ...

    @classmethod
    def class_method(cls, x: int) -> None: ...

    @staticmethod
    def static_method(x: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (variadic, r"variadic takes \*values: .*int.*; no input could say what it gets"),
        (variadic_keywords, r"variadic_keywords takes \*\*values"),
        (Owner.method, r"Owner.method is a method; make a class with `execute` instead"),
        (Owner().method, "must be made of a function, not <bound method"),
        (Owner.class_method, "must be made of a function"),
        (functools.partial(one), "must be made of a function"),
        (print, "must be made of a function, not <built-in function print>"),
        (Order, "must be made of a function"),
        (7, "must be made of a function, not 7"),
        (None, "must be made of a function, not None"),
    ],
)
def test_what_has_no_mapping_is_refused(function: Any, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        Arguments(function)


def test_a_static_method_is_a_function() -> None:
    assert Arguments(Owner.static_method).decode("3") == ([3], {})


def test_the_first_parameter_of_a_bound_method_is_no_argument() -> None:
    assert Arguments(Owner.method, bound=True).decode("3") == ([3], {})


def test_a_message_says_what_should_have_been_made() -> None:
    with pytest.raises(InvalidRequestError, match="a workflow must be made of a function, not 7"):
        Arguments(7, of="a workflow")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match="make a class with `run` instead"):
        Arguments(Owner.method, method_name="run")
