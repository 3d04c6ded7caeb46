"""A store on PostgreSQL, for any number of OS processes on any number of machines."""

from .store import PostgresStore

__all__ = ["PostgresStore"]
