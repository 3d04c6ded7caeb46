from __future__ import annotations

import pytest

from aioworkflow.backends.local.tokens import Token, read_token, write_token
from aioworkflow.errors import UnknownTaskError

RUN = "0123456789abcdef" * 2


@pytest.mark.parametrize("kind", ["a", "d"])
def test_a_token_says_what_it_stands_for(kind: str) -> None:
    assert read_token(write_token(kind, RUN, 7, 12), kind) == Token(kind, RUN, 7, 12)


class Unprintable:
    def __repr__(self) -> str:
        raise ValueError("no")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        f"d.{RUN}.7.12",
        f"a.{RUN}.7",
        f"a.{RUN}.7.12.1",
        f"a.{RUN}.-7.12",
        f"a.{RUN}.7.x",
        f"a.{RUN}.7.٣",
        "a.\ud800.7.12",
        "a.ü.7.12",
        f"a.{RUN}.7.{'9' * 5000}",
        None,
        7,
        b"a.x.1.2",
        [],
        Unprintable(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_token_of_the_kind_is_refused(text: object) -> None:
    with pytest.raises(UnknownTaskError, match="not the token of an activity task"):
        read_token(text, "a")


def test_the_message_names_the_kind() -> None:
    with pytest.raises(UnknownTaskError, match="not the token of a decision task"):
        read_token("x", "d")
