"""What the memory store does beyond the promises of all stores (``test_store_conformance.py``)."""

from __future__ import annotations

from aioworkflow.stores.memory import MemoryStore
from aioworkflow.testing.conformance.store.tools import NOW, commit, head, load, start, write


async def test_keeps_its_data_when_it_is_closed() -> None:
    store = MemoryStore()
    await store.open()
    await start(store, "run-1")
    await store.close()
    await store.open()
    assert (await load(store)).version == 1


async def test_backends_may_share_the_object() -> None:
    store = MemoryStore()
    await store.open()
    await store.open()
    await store.renew_session("one", now=NOW, expires_at=NOW + 10)
    assert not await store.changed()
    await store.renew_session("two", now=NOW, expires_at=NOW + 10)
    await start(store, "run-1")
    assert await store.changed(), "the store cannot know which of the two asks"
    assert await store.changed()
    await store.end_session("two")
    await store.close()
    assert not await store.changed()
    assert (await load(store)).version == 1


async def test_alarms_do_not_pile_up() -> None:
    store = MemoryStore()
    await store.open()
    for version in range(1000):
        await commit(store, write(head(), version, wake_at=NOW + version))
    assert len(store.database.alarms) < 100
    assert (await store.due(NOW + 2000)).run_ids == ["run-1"]


async def test_the_same_alarm_rings_once() -> None:
    store = MemoryStore()
    await store.open()
    for version, wake_at in enumerate((NOW, None, NOW, NOW + 5, NOW)):
        await commit(store, write(head(), version, wake_at=wake_at))
    due = await store.due(NOW + 9)
    assert (due.run_ids, due.next_wake_at) == (["run-1"], None)
