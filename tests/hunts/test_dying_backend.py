"""A backend that stops because of an error leaves nobody waiting."""

from __future__ import annotations

import asyncio

import pytest

from aioworkflow.stores.memory import MemoryDatabase, MemoryStore
from aioworkflow.task import DecisionTask
from aioworkflow.testing.conformance.backend.lab import Lab
from tests.backends.labs import open_lab
from tests.backends.scripted_store import ScriptedStore


class UnforeseenError(Exception):
    """Nothing in the package knows what to do about it."""


@pytest.mark.parametrize("method", ["load", "waiting", "commit"])
async def test_a_poll_that_a_task_is_being_claimed_for(method: str) -> None:
    database = MemoryDatabase()
    ended: set[asyncio.Task[DecisionTask | None]] = set()

    def fail() -> None:
        raise UnforeseenError

    async def stop_in_the_midst(before: Lab) -> None:
        store = ScriptedStore(MemoryStore(database))
        async with open_lab(store, like=before) as lab:
            held = store.hold(method)
            poll = asyncio.create_task(lab.backend.poll_decision_task(lab.decisions))
            await held.reached.wait()
            store.before["changed"] = fail
            ended.update((await asyncio.wait([poll], timeout=10))[0])

    async with open_lab(MemoryStore(database)) as before:
        await before.start()
        with pytest.raises(UnforeseenError):
            await stop_in_the_midst(before)
    (poll,) = ended
    assert poll.result() is None
