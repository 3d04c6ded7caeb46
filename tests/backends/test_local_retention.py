"""Closed processes are removed when they are old enough."""

from __future__ import annotations

import anyio
import pytest

from aioworkflow.backend import ProcessFilter
from aioworkflow.backends.local import LocalOptions
from aioworkflow.backends.local import upkeep as upkeep_module
from aioworkflow.decision import CompleteProcessDecision
from aioworkflow.errors import BackendUnavailableError, InvalidRequestError, UnknownProcessError
from aioworkflow.stores.memory import MemoryStore
from tests.backends.labs import clock_of, open_lab
from tests.backends.scripted_store import ScriptedStore


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep_module, "_RETENTION_PERIOD", 0.01)
    monkeypatch.setattr(upkeep_module, "_REMOVAL_PAUSE", 0.0)
    monkeypatch.setattr(upkeep_module, "_REMOVALS_PER_QUERY", 2)


async def test_closed_processes_are_removed_when_they_are_old_enough() -> None:
    store = ScriptedStore(MemoryStore())
    async with open_lab(store, retention_seconds=60.0) as lab:
        closed = [await lab.begin(CompleteProcessDecision(), word=f"{number}") for number in range(5)]
        clock_of(lab).advance(30.0)
        later = await lab.begin(CompleteProcessDecision(), word="later")
        open_one = await lab.begin(word="open")
        async with store.calling("remove_closed", 2):
            pass
        assert await lab.backend.count_processes(ProcessFilter()) == 7
        async with store.calling("remove_closed", 4):
            clock_of(lab).advance(30.001)
        left = (await lab.backend.list_processes(ProcessFilter())).processes
        assert {info.process for info in left} == {later, open_one}
        with pytest.raises(UnknownProcessError):
            await lab.backend.process_info(closed[0])


async def test_a_database_that_is_away_is_asked_again() -> None:
    store = ScriptedStore(MemoryStore())
    async with open_lab(store, retention_seconds=60.0) as lab:
        await lab.begin(CompleteProcessDecision())
        async with store.calling("remove_closed", 3):
            store.fail("remove_closed", BackendUnavailableError("away"))
            clock_of(lab).advance(61.0)
        assert await lab.backend.count_processes(ProcessFilter()) == 0


async def test_without_a_time_everything_is_kept() -> None:
    store = ScriptedStore(MemoryStore())
    async with open_lab(store) as lab:
        await lab.begin(CompleteProcessDecision())
        clock_of(lab).advance(1e9)
        await anyio.wait_all_tasks_blocked()
        assert store.calls["remove_closed"] == 0


@pytest.mark.parametrize("seconds", [0, 59.9, -1, "60", True])
def test_a_retention_that_is_too_short_is_refused(seconds: object) -> None:
    with pytest.raises(InvalidRequestError, match="retention_seconds"):
        LocalOptions(retention_seconds=seconds)  # type: ignore[arg-type]
    assert LocalOptions(retention_seconds=60).retention_seconds == 60
