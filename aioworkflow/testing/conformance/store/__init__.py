"""What every store must do: the promises of :class:`aioworkflow.stores.base.Store`, as checks that anybody can run.

A check is an async function that takes a function making store objects, not yet open, that all use one database, which
is empty at first. It raises AssertionError where a promise is broken. With pytest::

    @pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: check.__name__)
    async def test_conformance(check, tmp_path):
        await check(lambda: SQLiteStore(tmp_path / "test.db"))

or without it::

    await check_store(database)     # an async context manager that gives the function, each time for another database
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from . import lifecycle, listings, queues, writes
from .tools import NewStore, StoreCheck

__all__ = ["STORE_CHECKS", "NewStore", "StoreCheck", "check_store"]

STORE_CHECKS: tuple[StoreCheck, ...] = (*writes.CHECKS, *queues.CHECKS, *listings.CHECKS, *lifecycle.CHECKS)
"""All checks, each for an empty database of its own."""


async def check_store(database: Callable[[], AbstractAsyncContextManager[NewStore]]) -> None:
    """Run all checks.

    Args:
        database: Makes an empty database and gives a function that makes store objects for it.

    Raises:
        AssertionError: A promise is broken; the name of the check is in a note.
    """
    for check in STORE_CHECKS:
        async with database() as new_store:
            try:
                await check(new_store)
            except BaseException as error:
                error.add_note(f"while checking {check.__name__}")
                raise
