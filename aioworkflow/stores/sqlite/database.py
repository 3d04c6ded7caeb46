"""Opening a database file: what may be there, how it is told, and the schema."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from ...errors import SchemaVersionError, StoreError
from .errors import NO_DATABASE
from .sql import MIGRATIONS, QUERIES, statements

__all__ = ["APPLICATION_ID", "SCHEMA_VERSION", "Synchronous", "connect", "migrate", "transaction"]

Synchronous = Literal["FULL", "NORMAL"]

APPLICATION_ID = 0x61776631
"""Marks the file as ours ("awf1"); ``file`` and SQLite's tools show it."""

SCHEMA_VERSION = len(MIGRATIONS)

_SETTINGS = """
PRAGMA synchronous = {synchronous};
PRAGMA secure_delete = OFF;
PRAGMA temp_store = MEMORY;
PRAGMA cache_size = -32768;
PRAGMA wal_autocheckpoint = 4096;
"""


@contextmanager
def transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    """Begin with the statement ``begin``; commit at the end, roll back on any error."""
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def connect(path: str) -> sqlite3.Connection:
    """Open the file, or make it; nothing is written yet.

    Raises:
        StoreError: The path cannot be that of a database.
    """
    directory = os.path.dirname(path)
    if not os.path.isdir(directory):
        raise StoreError(f"the database {path}: its directory does not exist; make {directory} first")
    if os.path.isdir(path):
        raise StoreError(f"the database {path}: it is a directory; give the path of a file in it")
    if os.path.isfile(path) and os.path.getsize(path) == 1:  # which SQLite takes for none
        raise StoreError(f"the database {path}: {NO_DATABASE}")
    # No busy timeout: SQLite would wait in steps that grow to a tenth of a second. The store itself tries again.
    return sqlite3.connect(path, timeout=0, isolation_level=None, cached_statements=256)


def migrate(connection: sqlite3.Connection, path: str, synchronous: Synchronous) -> None:
    """Bring the schema to this version, in one transaction. Harmless if repeated, or done by several at once.

    Raises:
        SchemaVersionError: The schema is newer than this package.
        StoreError: The database belongs to another application.
    """
    # Before anything is changed: it may be somebody else's.
    with transaction(connection, QUERIES["begin_read"]):
        _schema_version(connection, path)
    if connection.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
        raise StoreError(f"the database {path}: its file system does not allow a write-ahead log; use a local disk")
    for pragma in statements(_SETTINGS.format(synchronous=synchronous)):
        connection.execute(pragma)
    with transaction(connection, QUERIES["begin"]):
        for script in MIGRATIONS[_schema_version(connection, path) :]:
            for statement in statements(script):
                connection.execute(statement)
        # Also where there was nothing to do: it tells at once whether the file can be written.
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _schema_version(connection: sqlite3.Connection, path: str) -> int:
    """Return the version of the schema, 0 if there is none yet."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and (application or version or tables):
        raise StoreError(
            f"the database {path}: it belongs to another application; it was left as it is, give another path"
        )
    if version > SCHEMA_VERSION:
        raise SchemaVersionError(
            f"the database {path} has schema version {version}, and this aioworkflow knows versions up to "
            f"{SCHEMA_VERSION}; upgrade aioworkflow, or give another path"
        )
    return int(version)
