"""What waits: tasks in lists, deadlines, and tasks in the hands of sessions."""

from __future__ import annotations

from ....stores.base import Due, Store, TaskKind, WaitingTask
from .tools import (
    NOW,
    NewStore,
    StoreCheck,
    activity,
    closed_head,
    commit,
    expect,
    head,
    queued,
    start,
    started,
    store_on,
    write,
)

__all__ = ["CHECKS"]


async def _decisions(store: Store, task_list: str = "deciders", limit: int = 100) -> list[str]:
    return [task.run_id for task in await store.waiting(TaskKind.DECISION, task_list, limit=limit)]


async def _activities(store: Store, task_list: str = "workers", limit: int = 100) -> list[tuple[str, int]]:
    found = await store.waiting(TaskKind.ACTIVITY, task_list, limit=limit)
    return [(task.run_id, task.scheduled_event_id) for task in found]


async def tells_what_a_waiting_task_is(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        expect(list(await store.waiting(TaskKind.DECISION, "deciders", limit=5)), [], "a list is empty at first")
        await start(store, "run-1", items=[activity(4, task_priority=2)], queued=queued(6), task_priority=-3)
        decision = WaitingTask(
            kind=TaskKind.DECISION,
            task_list="deciders",
            run_id="run-1",
            scheduled_event_id=6,
            task_priority=-3,
            scheduled_at=NOW,
        )
        expect(list(await store.waiting(TaskKind.DECISION, "deciders", limit=5)), [decision], "a decision task waits")
        work = WaitingTask(
            kind=TaskKind.ACTIVITY,
            task_list="workers",
            run_id="run-1",
            scheduled_event_id=4,
            task_priority=2,
            scheduled_at=NOW,
        )
        expect(list(await store.waiting(TaskKind.ACTIVITY, "workers", limit=5)), [work], "an activity task waits")
        expect(await _activities(store, "deciders"), [], "lists of equal names and different kinds are unrelated")
        expect(await _decisions(store, "workers"), [], "lists of equal names and different kinds are unrelated")


async def orders_waiting_decisions(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        for run_id, priority, age in (("a", 0, 1), ("b", 5, 2), ("c", 0, 3), ("d", -1, 9), ("e", 5, 4)):
            await start(store, run_id, task_priority=priority, queued=queued(scheduled_at=NOW - age))
        expect(await _decisions(store), ["e", "b", "c", "a", "d"], "higher priority first, then older first")
        expect(await _decisions(store, limit=2), ["e", "b"], "at most as many as asked for, the first ones")
        expect(await _decisions(store), ["e", "b", "c", "a", "d"], "looking takes nothing out")


async def orders_waiting_activities(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        await start(
            store, "a", items=[activity(5, scheduled_at=NOW - 1), activity(4, scheduled_at=NOW - 1), activity(6)]
        )
        await start(store, "b", items=[activity(4, scheduled_at=NOW - 2), activity(5, task_priority=1)])
        expected = [("b", 5), ("b", 4), ("a", 4), ("a", 5), ("a", 6)]
        expect(await _activities(store), expected, "higher priority, then older, then in the order they were scheduled")
        expect(await _activities(store, limit=3), expected[:3], "at most as many as asked for, the first ones")


async def forgets_decisions_that_wait_no_more(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        await start(store, "run-1", "run-2", "run-3", "run-4", queued=queued())
        await commit(
            store,
            write(head("run-1", queued=queued(), started=started("session-1")), 1),
            write(head("run-2"), 1),
            write(closed_head("run-3", queued=queued()), 1),
            write(head("run-4", queued=queued(9, "sticky", NOW + 1)), 1),
        )
        expect(await _decisions(store), [], "a task that is started, gone or of a closed run does not wait")
        expect(await _decisions(store, "sticky"), ["run-4"], "a task waits in the list that it was moved to")
        await commit(store, write(head("run-1", queued=queued(7)), 2), write(head("run-4"), 2))
        expect(await _decisions(store), ["run-1"], "the next task waits when the one before it is answered")
        expect(await _decisions(store, "sticky"), [], "an answered task waits nowhere")


async def forgets_activities_that_wait_no_more(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        await start(store, "run-1", items=[activity(event_id) for event_id in range(4, 9)])
        running = activity(4, started_event_id=9, started_at=NOW, session="session-1")
        asked = activity(6, cancel_requested_event_id=9)
        await commit(store, write(head(), 1, items={4: running, 5: None, 6: asked}))
        expected = [("run-1", 6), ("run-1", 7), ("run-1", 8)]
        expect(await _activities(store), expected, "a task that is started or closed does not wait")
        await commit(store, write(head(), 2, items={6: None, 7: None, 8: None}))
        expect(await _activities(store), [], "the list is empty in the end")


async def keeps_long_lists(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        await start(
            store, "run-1", items=[activity(event_id, task_priority=event_id % 7) for event_id in range(1, 401)]
        )
        order = sorted(range(1, 401), key=lambda event_id: (-(event_id % 7), event_id))
        expect([event_id for _, event_id in await _activities(store, limit=400)], order, "a list may be long")
        await commit(store, write(head(), 1, items=dict.fromkeys(range(21, 401))))
        left = [event_id for event_id in order if event_id <= 20]
        expect([event_id for _, event_id in await _activities(store)], left, "a list shrinks again")


async def wakes_in_time(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        expect(await _due(store, NOW), ([], None), "nothing is due at first")
        await commit(
            store,
            write(head("run-1"), wake_at=NOW + 20),
            write(head("run-2"), wake_at=NOW + 10.5),
            write(head("run-3"), wake_at=NOW + 30),
            write(head("run-4"), wake_at=None),
            write(head("run-5")),
        )
        expect(await _due(store, NOW), ([], NOW + 10.5), "the earliest deadline is told")
        expect(await _due(store, NOW + 20), (["run-2", "run-1"], NOW + 30), "due are those at or before a time")
        expect(await _due(store, NOW + 20), (["run-2", "run-1"], NOW + 30), "looking takes nothing out")
        expect(await _due(store, NOW + 99, 2), (["run-2", "run-1"], NOW + 30), "the earliest of the others is told")
        expect(await _due(store, NOW + 99, 1), (["run-2"], NOW + 20), "also if it is due already")
        expect(await _due(store, NOW + 99), (["run-2", "run-1", "run-3"], None), "all may be due")


async def moves_deadlines(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        await commit(store, *(write(head(f"run-{number}"), wake_at=NOW + number) for number in range(1, 5)))
        await commit(
            store,
            write(head("run-1"), 1, wake_at=NOW + 9),
            write(head("run-2"), 1),
            write(closed_head("run-3"), 1, wake_at=None),
            write(head("run-4"), 1, wake_at=NOW + 1),
        )
        expect(await _due(store, NOW + 99), (["run-4", "run-2", "run-1"], None), "deadlines move, stay or go")
        for version in range(2, 200):
            await commit(store, write(head("run-1"), version, wake_at=NOW + version % 7))
        expect(await _due(store, NOW + 99), (["run-4", "run-2", "run-1"], None), "deadlines may move often")


async def _due(store: Store, now: float, limit: int | None = None) -> tuple[list[str], float | None]:
    found: Due = await (store.due(now) if limit is None else store.due(now, limit=limit))
    return list(found.run_ids), found.next_wake_at


async def knows_what_a_session_holds(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        mine = {"started_event_id": 5, "started_at": NOW, "session": "mine"}
        await start(store, "run-1", started=started("mine"))
        await start(store, "run-2", items=[activity(4, **mine), activity(6, **mine)])
        await start(store, "run-3", items=[activity(4, **(mine | {"session": "other"}))], started=started("other"))
        await start(store, "run-4", items=[activity(4)], started=started(None))
        await start(store, "run-5", items=[activity(4, **mine)], started=started("mine"))
        expect(sorted(await store.held_by("mine")), ["run-1", "run-2", "run-5"], "runs with a task of the session")
        expect(len(await store.held_by("mine", limit=2)), 2, "at most as many as asked for")
        expect(list(await store.held_by("nobody")), [], "an unknown session holds nothing")
        await commit(
            store,
            write(head("run-1"), 1),
            write(head("run-2"), 1, items={4: None}),
            write(closed_head("run-5", started=started("mine")), 1),
        )
        expect(list(await store.held_by("mine")), ["run-2"], "answered tasks and closed runs do not count")
        await commit(store, write(head("run-2"), 2, items={6: None}))
        expect(list(await store.held_by("mine")), [], "in the end nothing is held")


CHECKS: tuple[StoreCheck, ...] = (
    tells_what_a_waiting_task_is,
    orders_waiting_decisions,
    orders_waiting_activities,
    forgets_decisions_that_wait_no_more,
    forgets_activities_that_wait_no_more,
    keeps_long_lists,
    wakes_in_time,
    moves_deadlines,
    knows_what_a_session_holds,
)
