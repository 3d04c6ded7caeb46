"""The lease of a session: renewed in time, lost, and what that means for others."""

from __future__ import annotations

import asyncio

import pytest

from aioworkflow.backend import Interruption
from aioworkflow.backends.local.lease import Lease
from aioworkflow.stores.memory import MemoryDatabase, MemoryStore
from aioworkflow.testing import ManualClock
from tests.backends.labs import local, open_lab
from tests.backends.scripted_store import ScriptedStore


async def test_it_is_held_so_long_that_a_death_is_found_within_the_lifetime() -> None:
    clock = ManualClock(start=1000.0)
    assert Lease(clock, lifetime=15.0, period=2.5).ask() == (1000.0, 1012.5)
    assert Lease(clock, lifetime=15.0, period=60.0).ask() == (1000.0, 1007.5)


async def test_others_get_time_to_come_back_after_one_was_held_up_oneself(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    lease = Lease(ManualClock(), lifetime=15.0, period=1.0)
    counts = []
    with monkeypatch.context() as patch:
        patch.setattr(asyncio.get_running_loop(), "time", lambda: now[0])
        for now[0] in (100.0, 106.0, 113.0, 117.9, 118.0, 119.0):
            lease.looked()
            counts.append(lease.counts_others)
    assert counts == [True, True, False, False, True, True]


async def test_a_lease_that_ran_out_is_doubtful_for_its_lifetime() -> None:
    clock = ManualClock(start=1000.0)
    lease = Lease(clock, lifetime=15.0, period=1.0)
    lease.ask()
    clock.advance(13.9)
    lease.ask()
    doubtful = [lease.is_doubtful]
    clock.advance(14.0)
    assert lease.ask() == (1027.9, 1041.9)
    doubtful.append(lease.is_doubtful)
    clock.advance(15.0)
    assert [*doubtful, lease.is_doubtful] == [False, True, False]


async def test_who_lost_the_lease_is_told_what_was_lost() -> None:
    database = MemoryDatabase()
    lease_clock = ManualClock()
    async with open_lab(
        MemoryStore(database), lease_clock=lease_clock, session_check_seconds=3600.0, watch_seconds=3600.0
    ) as lab:
        told: list[tuple[str, Interruption]] = []
        process, lost = await lab.begin_activity(on_interrupt=lambda token, what: told.append((token, what)))
        await lab.begin(lab.schedule(), word="kept")
        await lab.poll_activity(on_interrupt=lambda token, what: told.append((token, what)))
        async with open_lab(MemoryStore(database), like=lab, lease_clock=lease_clock) as other:
            await other.backend.terminate_process(process)
        await local(lab)._upkeep.renew_session()
        assert told == []
        lease_clock.advance(16.0)
        await local(lab)._upkeep.renew_session()
        await local(lab)._upkeep.renew_session()
        assert told == [(lost.token, Interruption.CLOSED)]
        assert local(lab)._deliveries.outstanding == 1


async def test_what_is_answered_while_the_lost_is_looked_for_is_not_told() -> None:
    store = ScriptedStore(MemoryStore())
    async with open_lab(store, session_check_seconds=3600.0, watch_seconds=3600.0) as lab:
        told: list[Interruption] = []
        process, task = await lab.begin_activity(on_interrupt=lambda _, what: told.append(what))
        await lab.backend.terminate_process(process)
        held = local(lab)._deliveries._holders
        assert told == [Interruption.CLOSED]
        assert held == {}
        holder = (task.token, lambda _, what: told.append(what))
        held[process.run_id] = {task.scheduled_event_id: holder}
        looking = store.hold("load")
        letting_go = asyncio.create_task(local(lab)._deliveries.let_go_of_lost())
        await looking.reached.wait()
        held.clear()
        looking.release()
        await letting_go
        assert told == [Interruption.CLOSED]
