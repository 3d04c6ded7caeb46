"""Payloads: what can be written as JSON and read back, and what is refused, where it is and why."""

from __future__ import annotations

import dataclasses
import enum
import math
import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path, PurePosixPath
from types import GenericAlias
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypedDict, TypeVar

import msgspec
import pydantic
import pytest

from aioworkflow.errors import PayloadError
from aioworkflow.payload import (
    Converter,
    Decoded,
    Json,
    _reading_options,
    as_json,
    check_type,
    decode,
    encode,
    encode_optional,
)

T = TypeVar("T")


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Item:
    sku: str
    count: int = 1


@dataclasses.dataclass
class Order:
    items: list[Item]
    paid: Decimal | None = None
    anything: object = None


class Point(msgspec.Struct):
    x: float
    label: str | msgspec.UnsetType = msgspec.UNSET


class Pair(NamedTuple):
    left: int
    right: str


class Options(TypedDict):
    verbose: bool
    depth: NotRequired[int]


class Customer(pydantic.BaseModel):
    name: str
    since: datetime
    logo: bytes = b""


class StrictCustomer(pydantic.BaseModel, strict=True):
    since: datetime


@dataclasses.dataclass
class Sale:
    customer: Customer
    customers: list[Customer]


class Box(msgspec.Struct, Generic[T]):
    content: T


class Attribute(NamedTuple):
    name: str


class Reading:
    """A class as attrs makes it, as far as it matters here."""

    __attrs_attrs__ = (Attribute("value"),)

    def __init__(self, value: object) -> None:
        self.value = value


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "not this"


class Number(int):
    pass


class Real(float):
    pass


NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)
ID = uuid.UUID(int=7)
ADA = Customer(name="Ada", since=NOON)
ADA_JSON = '{"name":"Ada","since":"2024-02-29T12:00:00Z","logo":""}'

ROUND_TRIPS: list[tuple[Any, Any, str]] = [
    (None, Any, "null"),
    (True, Any, "true"),
    (17, Any, "17"),
    (2**70, Any, "1180591620717411303424"),
    (0.1, Any, "0.1"),
    ("ünï🙂 \0", Any, '"ünï🙂 \\u0000"'),
    ([1, [2]], Any, "[1,[2]]"),
    ({"a": {"b": None}}, Any, '{"a":{"b":null}}'),
    ("null", Any, '"null"'),
    (None, int | None, "null"),
    (b"\xff", bytes, '"/w=="'),
    (bytearray(b"a"), bytearray, '"YQ=="'),
    (Decimal("1.10"), Decimal, '"1.10"'),
    (ID, uuid.UUID, '"00000000-0000-0000-0000-000000000007"'),
    (NOON, datetime, '"2024-02-29T12:00:00Z"'),
    (date(2024, 2, 29), date, '"2024-02-29"'),
    (timedelta(hours=1), timedelta, '"PT3600S"'),
    (Color.RED, Color, '"red"'),
    (Level.HIGH, Level, "3"),
    ({1, 2}, set[int], "[1,2]"),
    (frozenset("a"), frozenset[str], '["a"]'),
    ((1, "a"), tuple[int, str], '[1,"a"]'),
    (Pair(1, "a"), Pair, '[1,"a"]'),
    (Path("/a/b"), Path, '"/a/b"'),
    (PurePosixPath("a"), PurePosixPath, '"a"'),
    ({1: "a", 2: "b"}, dict[int, str], '{"1":"a","2":"b"}'),
    ({Color.RED: ID}, dict[Color, uuid.UUID], '{"red":"00000000-0000-0000-0000-000000000007"}'),
    (Item("a"), Item, '{"sku":"a","count":1}'),
    (
        Order([Item("a", 2)], Decimal("9.99"), {"x": None}),
        Order,
        '{"items":[{"sku":"a","count":2}],"paid":"9.99","anything":{"x":null}}',
    ),
    (Point(1.5), Point, '{"x":1.5}'),
    ([Point(1, "a")], list[Point], '[{"x":1,"label":"a"}]'),
    (Box(Item("a")), Box[Item], '{"content":{"sku":"a","count":1}}'),
    ({"verbose": True}, Options, '{"verbose":true}'),
    ("a", Literal["a", "b"], '"a"'),
    (5, Annotated[int, msgspec.Meta(gt=3)], "5"),
    (5, Annotated[int, []], "5"),
    (ADA, Customer, ADA_JSON),
    (StrictCustomer(since=NOON), StrictCustomer, '{"since":"2024-02-29T12:00:00Z"}'),
    (
        Sale(ADA, [ADA]),
        Sale,
        f'{{"customer":{ADA_JSON},"customers":[{ADA_JSON}]}}',
    ),
]


@pytest.mark.parametrize(("value", "into", "text"), ROUND_TRIPS)
def test_a_value_is_written_and_read_back(value: Any, into: Any, text: str) -> None:
    assert encode(value) == text
    assert decode(text, into) == value
    assert type(decode(text, into)) is type(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Text("a"), '"a"'),
        (Number(4), "4"),
        (Real(0.5), "0.5"),
        (Json('{"a":  1}'), '{"a":  1}'),
        ({"part": Json("[1,  2]")}, '{"part":[1,  2]}'),
        ([Json("null")], "[null]"),
        ([Point(1), None], '[{"x":1},null]'),
    ],
)
def test_what_else_can_be_written(value: Any, text: str) -> None:
    assert encode(value) == text


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def holding_itself() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


class Unwilling(pydantic.BaseModel):
    @pydantic.model_serializer
    def refuse(self) -> dict[str, Any]:
        raise RuntimeError("not today")


REFUSED: list[tuple[Any, str]] = [
    (math.nan, "float cannot be written as JSON: nan is no JSON number"),
    (-math.inf, "-inf is no JSON number"),
    (Real(math.nan), "nan is no JSON number"),
    ({"a": [1, {"b": math.inf}]}, r"dict .* at \['a'\]\[1\]\['b'\]: inf is no JSON number"),
    ((None, math.nan), r"tuple .* at \[1\]: nan"),
    ({math.nan}, r"set .* at \[0\]: nan"),
    (Order([Item("a"), Item(math.nan)]), r"Order .* at items\[1\].sku: nan"),  # type: ignore[arg-type]
    ([Point(math.nan)], r"list .* at \[0\].x: nan"),
    (object(), "object cannot be written as JSON: a value of type object has no JSON form"),
    (Order([], anything=[object()]), r"Order .* at anything\[0\]: a value of type object has no JSON form"),
    (Point(1, object()), "Point .* at label: a value of type object"),  # type: ignore[arg-type]
    (Reading(math.nan), "Reading cannot be written as JSON: at value: nan"),
    (lambda: 0, "function has no JSON form"),
    (1j, "complex has no JSON form"),
    (Item, "type has no JSON form"),
    (ValueError("x"), "ValueError has no JSON form"),
    ((item for item in [1]), "generator has no JSON form"),
    ({"a": {(1, 2): 3}}, r"at \['a'\]: \(1, 2\) cannot be a key"),
    ({None: 1}, "None cannot be a key"),
    ("\ud800", "surrogates not allowed"),
    ({"a": ["\udfff"]}, r"at \['a'\]\[0\]: .* surrogates not allowed"),
    ({"\ud800": 1}, r"'\\ud800' cannot be a key"),
    (nested(100_000), "list cannot be written as JSON: it is nested too deeply"),
    (holding_itself(), "it is nested too deeply"),
    (Unwilling(), "Unwilling cannot be written as JSON: .*not today"),
    ([Unwilling()], r"list .* at \[0\]: .*not today"),
]


@pytest.mark.parametrize(("value", "message"), REFUSED)
def test_what_json_cannot_say_is_refused_with_its_place(value: Any, message: str) -> None:
    with pytest.raises(PayloadError, match=message):
        encode(value)


def test_not_a_number_in_a_model_is_found() -> None:
    class Measured(pydantic.BaseModel):
        value: float

    with pytest.raises(PayloadError, match=r"Measured .* at \['value'\]: nan"):
        encode(Measured(value=math.nan))


def test_big_values_with_null_are_written_without_looking_at_each_part(monkeypatch: pytest.MonkeyPatch) -> None:
    def search(own: Converter, value: object) -> None:
        raise AssertionError("the slow search")

    monkeypatch.setattr(Converter, "_first_flaw", search)
    value = [{"nothing": None, "null": (1.5, {2}), 3: Customer(name="Ada", since=datetime(2026, 1, 2, tzinfo=UTC))}] * 3
    assert encode(value).count("null") == 6


def test_a_null_beside_what_only_the_encoder_knows_is_no_flaw() -> None:
    assert encode([None, Json('{"a":null}'), 2**70]) == f'[null,{{"a":null}},{2**70}]'


class Aliased(pydantic.BaseModel):
    both: int = pydantic.Field(alias="bothAlias")
    read: int = pydantic.Field(validation_alias="readAlias")
    written: int = pydantic.Field(serialization_alias="writtenAlias")


ALIASED = Aliased.model_validate({"bothAlias": 1, "readAlias": 2, "written": 3})


class Computing(pydantic.BaseModel, extra="forbid"):
    width: int
    notes: pydantic.Json[list[int]]

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def area(self) -> int:
        return self.width**2


@pytest.mark.parametrize("model", [ALIASED, Computing.model_validate({"width": 2, "notes": "[1]"})], ids=repr)
def test_models_with_aliases_and_computed_fields_come_back(model: pydantic.BaseModel) -> None:
    assert decode(encode([model]), list[type(model)]) == [model]  # type: ignore[misc]


def test_models_are_read_by_aliases_too() -> None:
    read = decode('{"bothAlias":1,"readAlias":2,"written":3}', Aliased)
    assert read == ALIASED


def test_older_pydantic_reads_as_its_models_say(monkeypatch: pytest.MonkeyPatch) -> None:
    def validate(text: bytes) -> None:
        """As before pydantic 2.11."""

    monkeypatch.setattr(pydantic.BaseModel, "model_validate_json", validate)
    assert _reading_options.__wrapped__() == {}


def test_the_search_for_a_flaw_ends() -> None:
    own = Converter()
    encoders = iter([failing_encoder])
    proper_encoder = own._encode
    own._encode = lambda value: next(encoders, proper_encoder)(value)
    endless: dict[str, Any] = {}
    endless["a"] = endless
    with pytest.raises(PayloadError, match="dict cannot be written as JSON: for no visible reason"):
        own.encode(endless)


def failing_encoder(value: object) -> bytes:
    raise TypeError("for no visible reason")


class Unshowable:
    def __repr__(self) -> str:
        raise ValueError("no words")


UNREADABLE: list[tuple[str, Any, str]] = [
    ('"a"', int, "cannot be read as int: Expected `int`, got `str`"),
    ("[1]", list[str], r"cannot be read as list\[str\]: Expected `str`, got `int` - at `\$\[0\]`"),
    ('{"items":[{"count":1}]}', Order, r"cannot be read as Order: .*`sku` - at `\$.items\[0\]`"),
    ('{"name":"Ada"}', Customer, r"cannot be read as Customer: [^\0]*since"),
    ("{", dict, "cannot be read as dict: "),
    ("not json", str, "cannot be read as str: "),
    ("1", Annotated[int, msgspec.Meta(gt=3)], "Expected `int` >= 4"),
    ("1", Annotated[str, []], "Expected `str`"),
    ("1", 3, "cannot be read as 3: "),
    ("{}", complex, "complex is no type that JSON can be read as"),
    ("[" * 5_000, list, "cannot be read as list: "),
    ("3", Path, "cannot be read as Path"),
    ("null", int, "cannot be read as int"),
]


@pytest.mark.parametrize(("text", "into", "message"), UNREADABLE)
def test_what_does_not_fit_the_type_is_refused(text: str, into: Any, message: str) -> None:
    with pytest.raises(PayloadError, match=message):
        decode(text, into)


@pytest.mark.parametrize(
    "into", [3, "int", (), [int], GenericAlias(list, 7), print, Literal[b"x"], int.__add__, Unshowable()]
)
def test_what_is_no_type_is_found_without_a_text(into: Any) -> None:
    with pytest.raises(PayloadError, match="is no type that JSON can be read as: "):
        check_type(into)


@pytest.mark.parametrize("into", [Any, None, int, Order, Customer, Path, int | None, Annotated[str, []], Literal["x"]])
def test_types_pass(into: Any) -> None:
    check_type(into)
    assert decode(None, into) is None


@pytest.mark.parametrize("text", ["", "hello", "{", "1e400", "[" * 5_000])
def test_a_text_that_is_no_json_is_returned_as_it_is_when_no_type_is_asked(text: str) -> None:
    assert decode(text) == text


def test_no_payload_is_none() -> None:
    assert decode(None) is None
    assert decode(None, int) is None
    assert encode_optional(None) is None
    assert encode_optional(0) == "0"
    assert as_json(None) is None
    assert encode(as_json("[1,  2]")) == "[1,  2]"


def test_decoders_for_types_made_at_run_time_are_not_kept_for_ever() -> None:
    own = Converter()
    for number in range(1030):
        kind = dataclasses.make_dataclass(f"Kind{number}", [("x", int)])
        assert own.decode('{"x":1}', kind) == kind(1)
    assert len(own._decoders) == 6


class Owner:
    def __init__(self, note_json: str | None) -> None:
        self.note_json = note_json

    note = Decoded[Any]()


def test_a_decoded_attribute_reads_its_payload_anew_each_time() -> None:
    owner = Owner('{"a":[]}')
    owner.note["a"].append(1)
    assert owner.note == {"a": []}
    assert Owner(None).note is None
    assert isinstance(Owner.note, Decoded)


def test_a_type_that_cannot_be_hashed_for_a_name_is_shown() -> None:
    with pytest.raises(PayloadError, match=r"cannot be read as typing.Annotated"):
        decode('"a"', Annotated[int, []])
