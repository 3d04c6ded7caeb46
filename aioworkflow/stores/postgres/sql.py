"""The SQL of this store, read from the ``.sql`` files beside it, with the name of a schema put in."""

from __future__ import annotations

import re
from functools import cache

from ...errors import StoreError
from ..sqlfiles import read_migrations, read_queries

__all__ = ["SCHEMA_VERSION", "Sql", "key_text"]

_QUERIES = read_queries(__package__)
_MIGRATIONS = read_migrations(__package__)

SCHEMA_VERSION = len(_MIGRATIONS)

_NAME = re.compile(r"[^\W\d]\w{0,50}", re.ASCII)


class Sql:
    """The queries and migrations for one schema.

    Attributes:
        schema: Its name.
        channel: What its sessions listen to.
        migrations: Scripts; the first makes version 1 of the schema, and so on.
    """

    def __init__(self, schema: str) -> None:
        if not _NAME.fullmatch(schema):
            raise StoreError(f"{schema!r} cannot be the name of a schema: at most 51 letters, digits and underscores")
        self.schema = schema
        self.channel = f"{schema}_changes"
        self.migrations = [self.complete(script) for script in _MIGRATIONS]
        self._queries = {name: self.complete(query) for name, query in _QUERIES.items()}

    def __getitem__(self, name: str) -> str:
        return self._queries[name]

    def complete(self, text: str) -> str:
        """Put in the name of the schema."""
        return text.replace("{schema}", f'"{self.schema}"')


@cache
def _translation() -> dict[int, str]:
    return {0x00: "\x1a0", 0x1A: "\x1a\x1a"}


def key_text(text: str) -> str:
    """Return the form in which an id or a name is kept in a column: PostgreSQL's texts cannot hold U+0000."""
    if "\0" in text or "\x1a" in text:
        return text.translate(_translation())
    return text
