"""Making the schema, and bringing it up to date."""

from __future__ import annotations

import zlib

from ...errors import SchemaVersionError, StoreError
from .connections import Connection
from .sql import SCHEMA_VERSION, Sql

__all__ = ["migrate"]

OLDEST_SERVER = 14


async def migrate(connection: Connection, sql: Sql, server: str) -> None:
    """Bring the schema to this version, in one transaction; harmless if many do so at once, or while others work.

    Raises:
        SchemaVersionError: The schema is newer than this package.
        StoreError: The server is too old.
    """
    version = connection.get_server_version()
    if version.major < OLDEST_SERVER:
        raise StoreError(f"the database {server} runs PostgreSQL {version.major}; {OLDEST_SERVER} or newer is needed")
    if await _schema_version(connection, sql, server) == SCHEMA_VERSION:
        return
    async with connection.transaction():
        await connection.execute(sql["lock_schema"], zlib.crc32(f"aioworkflow {sql.schema}".encode()))
        present = await _schema_version(connection, sql, server)
        if present == 0:
            await connection.execute(sql["create_schema"])
            await connection.execute(sql["create_version"])
        for number, script in enumerate(sql.migrations[present:], start=present + 1):
            await connection.execute(script)
            await connection.execute(sql["add_version"], number)


async def _schema_version(connection: Connection, sql: Sql, server: str) -> int:
    """Return the version of the schema, 0 if there is none yet."""
    if not await connection.fetchval(sql["schema_exists"], sql.schema):
        return 0
    version: int = await connection.fetchval(sql["read_version"])
    if version > SCHEMA_VERSION:
        raise SchemaVersionError(
            f"schema {sql.schema!r} of the database {server} has version {version}, and this aioworkflow knows "
            f"versions up to {SCHEMA_VERSION}; upgrade aioworkflow, or give another schema"
        )
    return version
