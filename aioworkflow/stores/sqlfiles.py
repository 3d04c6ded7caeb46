"""The SQL of a store, read from the ``.sql`` files in its package."""

from __future__ import annotations

import re
from importlib.resources import files

__all__ = ["read_migrations", "read_queries"]


def read_queries(package: str) -> dict[str, str]:
    """Return the queries in ``queries.sql`` by name; each begins with a line ``-- name --``."""
    text = files(package).joinpath("queries.sql").read_text(encoding="utf-8")
    _, *parts = re.split(r"^-- (\w+) --\n", text, flags=re.MULTILINE)
    return {name: sql.strip() for name, sql in zip(parts[::2], parts[1::2], strict=True)}


def read_migrations(package: str) -> list[str]:
    """Return the scripts in ``migrations``; the first makes version 1 of the schema, and so on."""
    scripts = sorted(files(package).joinpath("migrations").iterdir(), key=lambda script: script.name)
    return [script.read_text(encoding="utf-8") for script in scripts if script.name.endswith(".sql")]
