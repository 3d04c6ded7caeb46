"""PostgreSQL's errors as ours: the one place where they are translated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from asyncpg import InterfaceError, InternalClientError, PostgresError
from asyncpg.exceptions import DataError as ClientDataError

from ...errors import AioworkflowError, BackendUnavailableError, InvalidRequestError, StoreError

__all__ = ["is_conflict", "is_of_pooler", "translated"]

_LOST_STATEMENTS = ("26000", "42P05")

_PASSING = ("08", "40", "53", "55", "57", "58", "25006", *_LOST_STATEMENTS, "XX000")
"""Classes of SQLSTATE, or whole ones, that may be over when it is tried again: the connection, conflicts, resources,
locks, interventions of the operator, the system; a server that is a standby; and statements that a pooler has lost."""

_REMEDIES = {
    "28": "it does not let us in; check the user and the password in the URL",
    "3D000": "there is no such database; create it, or correct the URL",
    "42501": "this user may not do that; let it create and use the schema (GRANT CREATE ON DATABASE), or give another",
    "42P01": "a table is gone; restore the schema from a backup, or drop what is left of it",
    "42883": "a function is gone; restore the schema from a backup, or drop what is left of it",
    "3F000": "the schema is gone; restore it from a backup, or start with an empty one",
    "0A": "it lacks a feature; PostgreSQL 14 or newer is needed",
}

_CONFLICTS = {"40001", "23505"}


def is_conflict(error: BaseException | None) -> bool:
    """Tell whether a group was refused because of what another session has saved."""
    return isinstance(error, PostgresError) and error.sqlstate in _CONFLICTS


def is_of_pooler(error: BaseException | None) -> bool:
    """Tell whether a prepared statement is not where it was made: another connection answers."""
    return isinstance(error, PostgresError) and error.sqlstate in _LOST_STATEMENTS


@contextmanager
def translated(server: str) -> Iterator[None]:
    """Raise ours for what asyncpg raises inside."""
    try:
        yield
    except (AioworkflowError, StopAsyncIteration):
        raise
    except Exception as error:
        raise _translate(error, server) from error


def _translate(error: Exception, server: str) -> Exception:
    where = f"the database {server}"
    what = ": ".join([type(error).__name__, *str(error).splitlines()[:1]])
    if isinstance(error, PostgresError):
        sqlstate = error.sqlstate or ""
        if sqlstate.startswith("22"):
            return InvalidRequestError(f"{where} cannot hold such a value ({what})")
        if sqlstate.startswith(_PASSING):
            return BackendUnavailableError(f"{where} could not do it now ({what})")
        remedy = _REMEDIES.get(sqlstate) or _REMEDIES.get(sqlstate[:2]) or "the server refuses the operation"
        return StoreError(f"{where}: {remedy} ({what})")
    if isinstance(error, (ClientDataError, UnicodeEncodeError, OverflowError)):
        return InvalidRequestError(f"{where} cannot hold such a value ({what})")
    if isinstance(error, (OSError, EOFError, InterfaceError, InternalClientError)):
        return BackendUnavailableError(f"{where} cannot be reached ({what})")
    return error
