"""Opening and closing, several stores on one database, and sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ....backend import ProcessFilter
from ....errors import BackendClosedError
from ....stores.base import Group, Store, TaskKind
from ....types import ActivityType, TypeRef
from .tools import (
    NOW,
    NewStore,
    StoreCheck,
    activity,
    closed_head,
    commit,
    events,
    expect,
    expect_raises,
    group,
    head,
    load,
    message,
    queued,
    start,
    started,
    store_on,
    write,
)

__all__ = ["CHECKS"]


async def keeps_everything_when_closed(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        saved = write(
            head(queued=queued()),
            events=events(1, 5),
            items={4: activity(4)},
            wake_at=NOW + 10,
            send=[message()],
        )
        await commit(store, saved, write(closed_head("run-2", tags=("vip",)), events=events(1, 2)))
        await store.save_type(ActivityType(ref=TypeRef("Foo")))
        await store.renew_session("session-1", now=NOW, expires_at=NOW + 30)
    async with store_on(new_store) as store:
        found = await load(store)
        expect((found.version, found.head, found.items), (1, head(queued=queued()), [activity(4)]), "runs last")
        expect(list(await store.history("run-1")), events(1, 5), "history lasts")
        expect(len(await store.waiting(TaskKind.DECISION, "deciders", limit=9)), 1, "waiting decision tasks last")
        expect(len(await store.waiting(TaskKind.ACTIVITY, "workers", limit=9)), 1, "waiting activity tasks last")
        expect(list((await store.due(NOW + 10)).run_ids), ["run-1"], "deadlines last")
        expect(list(await store.outbox(older_than=NOW + 1)), [message()], "messages last")
        expect(list(await store.types()), [ActivityType(ref=TypeRef("Foo"))], "types last")
        expect((await store.find(ProcessFilter(tag="vip"), limit=9))[0][0].process.run_id, "run-2", "listings last")
        expect(
            list(await store.renew_session("session-2", now=NOW + 31, expires_at=NOW + 60)),
            ["session-1"],
            "sessions last",
        )
        expect(await commit(store, write(head(), 2), write(head("run-3"))), [0], "versions last")


async def opens_again(new_store: NewStore) -> None:
    store = new_store()
    for version in range(3):
        await store.open()
        expect(await commit(store, write(head(), version)), [], "a store can be opened again after it was closed")
        await store.close()
        await store.close()


async def is_closed_outside(new_store: NewStore) -> None:
    store = new_store()
    await store.close()
    await _expect_closed(store)
    await store.open()
    await store.close()
    await _expect_closed(store)


async def _expect_closed(store: Store) -> None:
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: store.commit(group(write(head()))),
        lambda: store.load(["run-1"]),
        lambda: store.resolve(["process"]),
        lambda: store.history("run-1"),
        lambda: store.endings(["run-1"]),
        lambda: store.waiting(TaskKind.ACTIVITY, "workers", limit=1),
        lambda: store.due(NOW),
        lambda: store.find(ProcessFilter(), limit=1),
        lambda: store.count(ProcessFilter()),
        lambda: store.save_type(ActivityType(ref=TypeRef("Foo"))),
        lambda: store.types(),
        lambda: store.changed(),
        lambda: store.remove_closed(before=NOW, limit=1),
        lambda: store.renew_session("session-1", now=NOW, expires_at=NOW),
        lambda: store.end_session("session-1"),
        lambda: store.held_by("session-1"),
        lambda: store.outbox(older_than=NOW),
    ]
    for call in calls:
        await expect_raises(BackendClosedError, call(), "a store that is not open says so")


async def closes_after_what_is_under_way(new_store: NewStore) -> None:
    store = new_store()
    await store.open()
    committing = asyncio.ensure_future(store.commit(group(write(head(), events=events(1, 3)))))
    await asyncio.sleep(0)
    await store.close()
    expect(list(await committing), [], "a commit that has begun is finished before the store closes")
    async with store_on(new_store) as again:
        expect((await load(again)).version, 1, "and what it saved is there")


async def closes_even_if_cancelled(new_store: NewStore) -> None:
    for steps in range(4):
        store = new_store()
        await store.open()
        closing = asyncio.ensure_future(store.close())
        for _ in range(steps):
            await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait([closing])
        await store.close()
        await expect_raises(BackendClosedError, store.load([]), "a cancelled close closes all the same")


async def shares_a_database(new_store: NewStore) -> None:
    async with store_on(new_store) as one, store_on(new_store) as two:
        await start(one, "run-1", items=[activity(4)], queued=queued())
        expect((await load(two)).head, head(queued=queued()), "one store sees what another wrote")
        expect(await commit(two, write(head(started=started("s")), 1, items={4: None})), [], "and can go on with it")
        expect(await commit(one, write(head(last_event_id=9), 1)), [0], "who was slower is refused")
        found = await load(one)
        expect(
            (found.version, found.head, found.items), (2, head(started=started("s")), []), "and sees the winner's state"
        )
        expect(await commit(one, write(head(last_event_id=9), 2, events=events(1, 2))), [], "from there it goes on")
        expect(await commit(two, write(head("run-2", process_id="process of run-1"))), [0], "ids are unique among all")
        expect(list(await two.history("run-1")), events(1, 2), "history is shared")
        new = write(head("run-3")), write(head("run-4"))
        expect((await commit(one, new[0]), await commit(two, *new)), ([], [0]), "new runs are guarded too")
        await commit(one, write(None, send=[message()]))
        expect(await commit(two, write(None, received=["message-1"])), [], "messages are shared")
        expect(await commit(one, write(None, received=["message-1"])), [0], "and received by one")


async def races_for_a_run(new_store: NewStore) -> None:
    async with store_on(new_store) as one, store_on(new_store) as two:
        await start(one, "run-1")
        won = await asyncio.gather(_count_up(one, 15), _count_up(two, 15))
        expect(sum(won), 30, "whoever tries again gets through in the end")
        found = await load(one)
        expect((found.version, found.head.last_event_id), (31, 30), "no write is lost, and none is saved twice")
        expect(len(await two.history("run-1")), 30, "nor are its events")


async def _count_up(store: Store, times: int) -> int:
    """Add an event some times, loading anew whenever another store was faster."""
    won = 0
    while won < times:
        found = await load(store)
        found.head.last_event_id += 1
        last = found.head.last_event_id
        won += not await commit(store, write(found.head, found.version, events=events(last, last)))
    return won


async def notices_other_writers(new_store: NewStore) -> None:
    async with store_on(new_store) as one:
        expect(await one.changed(), None, "nobody wrote")
        async with store_on(new_store) as two:
            await one.changed()
            await two.changed()
            await start(one, "run-1", queued=queued())
            expect(await one.changed(), None, "what a store wrote itself is no change")
            await _expect_told(two, "another store's write is one")
            expect(await two.changed(), None, "it is told once")
            await start(two, "run-2", queued=queued())
            await start(one, "run-3", queued=queued())
            await _expect_told(one, "a change is told also after a write of one's own")
            await two.save_type(ActivityType(ref=TypeRef("Foo")))
            await _expect_told(one, "types count too")


async def _expect_told(store: Store, promise: str) -> None:
    """Ask whether others wrote until the answer is yes: news may take a moment to come."""
    for _ in range(1000):
        if await store.changed() is not None:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{promise}: expected to be told within 10 s")


async def keeps_sessions_by_lease(new_store: NewStore) -> None:
    async with store_on(new_store) as one, store_on(new_store) as two:
        expect(list(await one.renew_session("one", now=NOW, expires_at=NOW + 10)), [], "no session is dead at first")
        expect(list(await two.renew_session("two", now=NOW + 5, expires_at=NOW + 15)), [], "a lease holds for its time")
        expect(list(await two.renew_session("two", now=NOW + 9, expires_at=NOW + 19)), [], "a lease holds for its time")
        dead = await two.renew_session("two", now=NOW + 10, expires_at=NOW + 20)
        expect(list(dead), ["one"], "a session is dead when its lease has run out")
        dead = await two.renew_session("two", now=NOW + 30, expires_at=NOW + 40)
        expect(list(dead), ["one"], "a dead session is told until it is ended; oneself never")
        await two.end_session("one")
        expect(list(await two.renew_session("two", now=NOW + 31, expires_at=NOW + 41)), [], "then it is forgotten")
        await two.end_session("one")
        expect(list(await one.renew_session("one", now=NOW + 32, expires_at=NOW + 42)), [], "a session can come back")
        expect(list(await two.renew_session("two", now=NOW + 33, expires_at=NOW + 43)), [], "and is alive again")
        await one.end_session("one")
        await two.end_session("two")
        expect(
            list(await one.renew_session("three", now=NOW + 99, expires_at=NOW + 199)), [], "ended sessions are gone"
        )


async def puts_who_claims_on_record(new_store: NewStore) -> None:
    async with store_on(new_store) as one, store_on(new_store) as two:

        async def dead() -> list[str]:
            return list(await two.renew_session("two", now=NOW, expires_at=NOW + 10))

        await one.commit(Group(session="one", writes=[write(head("run-1"))]))
        expect(await dead(), [], "who claims nothing is not put on record")
        await one.commit(Group(session="one", claims=True, writes=[write(head("run-2"))]))
        expect(await dead(), ["one"], "who claims is, as dead")
        expect(list(await one.renew_session("one", now=NOW, expires_at=NOW + 10)), [], "until it shows that it lives")
        await one.commit(Group(session="one", claims=True, writes=[write(head("run-3"))]))
        expect(await dead(), [], "then it lives")
        await two.end_session("one")
        expect(await dead(), [], "if it is ended it is forgotten")
        await one.commit(Group(session="one", claims=True, writes=[write(head("run-4"))]))
        expect(await dead(), ["one"], "but not if it goes on")
        await one.end_session("one")
        expect(await dead(), [], "nor if it ends itself")
        await one.commit(Group(session="one", claims=True, writes=[write(head("run-5"))]))
        expect(await dead(), ["one"], "and goes on then")


CHECKS: tuple[StoreCheck, ...] = (
    keeps_everything_when_closed,
    opens_again,
    is_closed_outside,
    closes_after_what_is_under_way,
    closes_even_if_cancelled,
    shares_a_database,
    races_for_a_run,
    notices_other_writers,
    keeps_sessions_by_lease,
    puts_who_claims_on_record,
)
