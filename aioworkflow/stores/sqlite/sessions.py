"""Sessions: which backends use the database, and which of them are dead.

Every session has a lease. Where the system has ``flock``, it also holds a lock on a file of its own in the directory
``<database>-sessions``: the system lets go of it when the OS process ends, in whatever way, so its death is known at
once.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import quote

from .database import transaction
from .sql import QUERIES

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ImportError:  # Windows: the lease alone must do
    _CAN_LOCK = False
else:
    _CAN_LOCK = True

__all__ = ["Sessions"]

_ATTEMPTS = 100


class Sessions:
    """The sessions in one database, and the lock files of those that this store keeps alive."""

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection = connection
        self._directory = f"{path}-sessions"
        self._held: dict[str, int] = {}

    def renew(self, session: str, now: float, expires_at: float) -> Sequence[str]:
        """Keep a session alive, and return the ids of the dead ones; a lease that is as asked is not written again."""
        if self._connection.execute(QUERIES["lease"], (session,)).fetchone() != (expires_at,):
            with transaction(self._connection, QUERIES["begin"]):
                if not self._connection.execute(QUERIES["renew_session"], (expires_at, session)).rowcount:
                    locked = self._lock(session)
                    self._connection.execute(QUERIES["insert_session"], (session, expires_at, locked))
        others = self._connection.execute(QUERIES["other_sessions"], (session,)).fetchall()
        return [other for other, expiry, locked in others if expiry <= now or (locked and self._is_unlocked(other))]

    def end(self, session: str) -> None:
        """Forget a session, alive or dead."""
        self._connection.execute(QUERIES["end_session"], (session,))
        self._remove_file(session)
        self._unlock(session)

    def close(self) -> None:
        """Let go of all locks: sessions that were not ended are dead from now on."""
        for session in list(self._held):
            self._unlock(session)
        try:
            os.rmdir(self._directory)
        except OSError:
            pass  # others are in it, or it was never made

    def _lock(self, session: str) -> bool:
        """Take the lock; return False where that is not possible."""
        self._unlock(session)
        if not _CAN_LOCK:
            return False
        try:
            file = self._make_file(session)
        except OSError:
            return False
        try:
            flock(file, LOCK_EX | LOCK_NB)
        except OSError:
            os.close(file)
            return False
        self._held[session] = file
        return True

    def _make_file(self, session: str) -> int:
        """Open the file of a session; where another store that closes has just removed the directory, make it again."""
        for _ in range(_ATTEMPTS):
            with suppress(FileNotFoundError, FileExistsError):  # the latter where it was there only a moment ago
                os.makedirs(self._directory, exist_ok=True)
                return os.open(self._file(session), os.O_RDWR | os.O_CREAT, 0o666)
        raise FileNotFoundError(self._directory)

    def _unlock(self, session: str) -> None:
        file = self._held.pop(session, None)
        if file is not None:
            os.close(file)

    def _is_unlocked(self, session: str) -> bool:
        """Tell whether nobody holds the lock; False where that cannot be told."""
        if not _CAN_LOCK:
            return False
        try:
            file = os.open(self._file(session), os.O_RDWR)
        except OSError:
            return False
        try:
            flock(file, LOCK_EX | LOCK_NB)
        except OSError:
            return False
        finally:
            os.close(file)
        return True

    def _remove_file(self, session: str) -> None:
        try:
            os.unlink(self._file(session))
        except OSError:
            pass  # it never had one, or another store was faster

    def _file(self, session: str) -> str:
        return os.path.join(self._directory, f"{quote(session, safe='')}.lock")
