"""The SQL of this store, read from the ``.sql`` files beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import cache

from ..sqlfiles import read_migrations, read_queries

__all__ = ["MIGRATIONS", "QUERIES", "for_rows", "statements"]


QUERIES = read_queries(__package__)
MIGRATIONS = read_migrations(__package__)


@cache
def for_rows(name: str, count: int) -> str:
    """Return an INSERT or REPLACE for ``count`` rows at once. Few counts should be used: each is kept, compiled."""
    statement, values = QUERIES[name].rsplit("VALUES ", 1)
    return f"{statement}VALUES {', '.join([values] * count)}"


def statements(script: str) -> Iterator[str]:
    """Split a script (``executescript`` would commit what is under way)."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
