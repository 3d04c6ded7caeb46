"""The SQL of this store, read from the ``.sql`` files beside it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

__all__ = ["MIGRATIONS", "QUERIES", "for_rows", "statements"]


def _read_queries(text: str) -> dict[str, str]:
    """Return the queries by name; each begins with a line ``-- name --``."""
    _, *parts = re.split(r"^-- (\w+) --\n", text, flags=re.MULTILINE)
    return {name: sql.strip() for name, sql in zip(parts[::2], parts[1::2], strict=True)}


def _read_migrations() -> list[str]:
    """Return the migration scripts; the first makes version 1 of the schema, and so on."""
    scripts = sorted(files(__package__).joinpath("migrations").iterdir(), key=lambda script: script.name)
    return [script.read_text(encoding="utf-8") for script in scripts if script.name.endswith(".sql")]


QUERIES = _read_queries(files(__package__).joinpath("queries.sql").read_text(encoding="utf-8"))
MIGRATIONS = _read_migrations()


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
