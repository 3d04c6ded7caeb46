"""SQLite's errors as ours: the one place where they are translated."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from ...errors import BackendUnavailableError, InvalidRequestError, StoreError

__all__ = ["NO_DATABASE", "is_busy", "translated"]

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}

NO_DATABASE = "it is not an SQLite database; it was left as it is, give another path"

_REMEDIES = {
    sqlite3.SQLITE_NOTADB: NO_DATABASE,
    sqlite3.SQLITE_CORRUPT: "it is damaged; restore it from a backup",
    sqlite3.SQLITE_FULL: "the disk is full; the last transaction was not saved, nothing else is lost: make room",
    sqlite3.SQLITE_READONLY: "it cannot be written; give this user the right to write the file and its directory",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that this user may read and write the file and its directory",
    sqlite3.SQLITE_IOERR: "the disk reports an error",
}


def _code(error: sqlite3.Error) -> int:
    """Return the primary result code, 0 where the error does not come from SQLite itself."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def is_busy(error: sqlite3.Error) -> bool:
    """Tell whether another connection is in the way."""
    return _code(error) in _BUSY


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Raise ours for what SQLite raises inside."""
    try:
        yield
    except (UnicodeEncodeError, OverflowError) as error:
        raise InvalidRequestError(f"the database {path} cannot hold such a value: {error}") from error
    except msgspec.DecodeError as error:
        raise StoreError(
            f"the database {path}: a record in it is damaged, or was written by a newer aioworkflow ({error})"
        ) from error
    except sqlite3.Error as error:
        if is_busy(error):
            raise BackendUnavailableError(
                f"the database {path} is locked by another connection for longer than the busy timeout ({error})"
            ) from error
        remedy = _REMEDIES.get(_code(error), "SQLite refuses the operation")
        raise StoreError(f"the database {path}: {remedy} ({error})") from error
