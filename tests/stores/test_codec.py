"""What all stores share: how things are written and read again."""

from __future__ import annotations

import enum

import msgspec
import pytest

from aioworkflow.stores.codec import encode, plain


class Word(enum.StrEnum):
    ONE = "one"


class Number(enum.IntEnum):
    TWO = 2


class Text(str):
    def __str__(self) -> str:
        return "something else"


class Whole(int):
    def __int__(self) -> int:
        return 0


class Seconds(float):
    def __float__(self) -> float:
        return 0.0


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Text("text"), "text"),
        (Whole(7), 7),
        (Seconds(0.5), 0.5),
        ([Text("a"), {"b": Whole(-1)}], ["a", {"b": -1}]),
        ([Word.ONE, Number.TWO], ["one", 2]),
    ],
)
def test_values_of_subclasses_are_written_as_what_they_are(value: object, written: object) -> None:
    assert msgspec.json.decode(encode(value)) == written


def test_what_is_made_plain_is_of_the_base_type() -> None:
    assert [type(plain(value)) for value in (Text("a"), Whole(1), Seconds(1))] == [str, int, float]


def test_what_has_no_stored_form_is_named() -> None:
    with pytest.raises(TypeError, match=r"^there is no stored form of 1j$"):
        encode([1, 1j])
