"""How a local backend keeps its lease: looked at often, renewed when a third of it is used up."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from aioworkflow.backends.local import LocalBackend, LocalOptions
from aioworkflow.stores.memory import MemoryStore
from aioworkflow.testing import ManualClock


class LeaseStore(MemoryStore):
    """Notes what it is asked to renew."""

    def __init__(self) -> None:
        super().__init__()
        self.leases: list[float] = []

    async def renew_session(self, session: str, *, now: float, expires_at: float) -> Sequence[str]:
        self.leases.append(expires_at)
        return await super().renew_session(session, now=now, expires_at=expires_at)


@pytest.mark.parametrize(("passes", "renewed"), [(0.0, False), (9.0, False), (11.0, True), (100.0, True), (-1.0, True)])
async def test_the_lease_is_renewed_when_a_third_is_used_up(passes: float, renewed: bool) -> None:
    clock = ManualClock(start=1000.0)
    store = LeaseStore()
    async with LocalBackend(store, LocalOptions(lease_seconds=30.0), lease_clock=clock) as backend:
        assert store.leases == [1029.0]
        clock._now += passes  # also back, as the clock of a machine may be set
        await backend._upkeep.renew_session()
        assert store.leases[-1] == (1029.0 + passes if renewed else 1029.0)


async def test_a_session_that_was_ended_does_not_come_back() -> None:
    store = LeaseStore()
    async with LocalBackend(store) as backend:
        await backend._upkeep.end_session()
        await backend._upkeep.renew_session()
        assert store.database.sessions == {}
