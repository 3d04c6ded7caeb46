"""A store in one SQLite file, for one machine: any number of OS processes may share it."""

from .store import SQLiteStore

__all__ = ["SQLiteStore"]
