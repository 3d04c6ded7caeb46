"""What a commit saves, and what it refuses."""

from __future__ import annotations

import asyncio
from typing import Any

from ....machine.state import Head, OpenChild, OpenItem, OpenRequest, OpenTimer, Sticky
from ....stores.base import Store
from ....types import ChildPolicy, ProcessRef, ProcessStatus, TypeRef
from .tools import (
    NOW,
    NewStore,
    StoreCheck,
    activity,
    closed_head,
    commit,
    events,
    expect,
    group,
    head,
    ids,
    load,
    message,
    queued,
    start,
    started,
    store_on,
    write,
)

__all__ = ["CHECKS"]


def _full_head() -> Head:
    """Return a head in which nothing has its default."""
    return Head(
        process_id="Prozeß \u0000 'quoted' \"twice\" 🙂",
        run_id="run-1",
        workflow=TypeRef("Bar", "2.0"),
        task_list="deciders",
        child_policy=ChildPolicy.ABANDON,
        started_at=NOW + 0.123456,
        tags=("vip", "ü", "vip 2"),
        task_priority=-7,
        execution_timeout=3600.5,
        decision_timeout=10.0,
        parent=ProcessRef("parent", "parent-run"),
        parent_initiated_event_id=9,
        continued_run_id="run-0",
        last_event_id=12,
        previous_started_event_id=3,
        decision_attempt=2,
        cancel_requested=True,
        execution_context="notes",
        queued=queued(11),
        started=started("session-1", 8),
        sticky=Sticky(task_list="sticky", schedule_to_start_timeout=5.0),
    )


def _every_item() -> list[OpenItem]:
    """Return one item of each kind."""
    return [
        activity(
            4,
            task_priority=3,
            schedule_to_start_timeout=1.0,
            schedule_to_close_timeout=2.5,
            start_to_close_timeout=2.0,
            heartbeat_timeout=0.5,
            cancel_requested_event_id=10,
            started_event_id=5,
            started_at=NOW,
            session="session-1",
            heartbeat_at=NOW + 1,
            details_json='"half"',
        ),
        OpenTimer(event_id=6, timer_id="timer", fires_at=NOW + 30),
        OpenChild(
            event_id=7,
            process_id="child",
            workflow=TypeRef("Child"),
            decision_completed_event_id=3,
            control_json="{}",
            run_id="child-run",
            started_event_id=9,
        ),
        OpenRequest(
            event_id=8,
            process=ProcessRef("other"),
            decision_completed_event_id=3,
            signal="wake",
            control_json="[]",
        ),
    ]


async def leaves_out_what_is_unknown(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        expect(await store.load(["run-1"]), {}, "an unknown run is left out")
        expect(await store.load([]), {}, "nothing is loaded where nothing is asked for")
        expect(await store.resolve(["process"]), {}, "an unknown process is left out")
        await start(store, "run-ü")
        expect(list(await store.load(["\ud800", "run-ü"])), ["run-ü"], "an id that cannot be stored is unknown")
        found = await store.resolve(["\ud800", "process of run-ü"])
        expect(found, {"process of run-ü": "run-ü"}, "an id that cannot be stored is unknown")
        expect(list(await store.history("run-1")), [], "an unknown run has no history")


async def saves_all_of_a_run(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        items = _every_item()
        saved = write(_full_head(), events=events(1, 12), items={item.event_id: item for item in reversed(items)})
        expect(await commit(store, saved), [], "a new run is saved")
        found = await load(store)
        expect(found.version, 1, "the first write makes version 1")
        expect(found.head, _full_head(), "the head is stored whole")
        expect(found.items, items, "items are stored whole, and come by event id")
        expect(list(await store.history("run-1")), events(1, 12), "events are stored whole, and in order")


async def saves_what_changes(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        await start(store, "run-1", items=[activity(4), activity(5), activity(6)])
        changed = write(
            head(last_event_id=9),
            1,
            items={5: activity(5, started_event_id=8, started_at=NOW), 6: None, 9: activity(9)},
        )
        expect(await commit(store, changed), [], "a write from the stored version is saved")
        found = await load(store)
        expect(found.version, 2, "each write counts the version up")
        expect(found.head, head(last_event_id=9), "the head is replaced")
        expected = [activity(4), activity(5, started_event_id=8, started_at=NOW), activity(9)]
        expect(found.items, expected, "items are inserted, replaced, deleted or left")
        expect(
            await commit(store, write(head(), 2, items={4: None, 77: None})), [], "deleting what is gone is harmless"
        )
        expect(len((await load(store)).items), 2, "only what was named is deleted")


async def appends_history(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        await commit(store, write(head("run-1"), events=events(1, 2)), write(head("run-2"), events=events(1, 4)))
        await commit(store, write(head("run-2"), 1, events=events(5, 5)), write(head("run-1"), 1))
        await commit(store, write(head("run-1"), 2, events=events(3, 9)))
        expect(list(await store.history("run-1")), events(1, 9), "writes append to the history")
        expect(list(await store.history("run-2")), events(1, 5), "each run has a history of its own")


async def pages_history(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        await commit(store, write(head(), events=events(1, 3)))
        await commit(store, write(head(), 1, events=events(4, 4)))
        await commit(store, write(head(), 2, events=events(5, 2500)))
        for after, limit, first, last in (
            (0, 1, 1, 1),
            (0, 4, 1, 4),
            (1, 2, 2, 3),
            (3, 1, 4, 4),
            (2490, 100, 2491, 2500),
        ):
            found = await store.history("run-1", after=after, limit=limit)
            expect(ids(found), list(range(first, last + 1)), f"history after {after}, at most {limit}")
        expect(len(await store.history("run-1")), 1000, "a page has 1,000 events unless said otherwise")
        expect(list(await store.history("run-1", after=2500)), [], "there is nothing after the last event")
        paged: list[int] = []
        while found := await store.history("run-1", after=len(paged), limit=333):
            paged += ids(found)
        expect(paged, list(range(1, 2501)), "the pages are the whole")


async def tells_endings(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        await commit(
            store,
            write(head("run-1"), events=events(1, 4)),
            write(closed_head("run-2"), events=events(1, 7)),
            write(head("run-3"), events=events(1, 2)),
        )
        await commit(store, write(closed_head("run-3"), 1, events=events(3, 5)))
        found = await store.endings(["run-1", "run-2", "run-3", "run-4"])
        expected = {"run-2": events(7, 7)[0], "run-3": events(5, 5)[0]}
        expect(found, expected, "the last events of closed runs are told, open and unknown ones are left out")
        expect(await store.endings([]), {}, "nothing is told where nothing is asked for")


async def refuses_other_versions_alone(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        await start(store, "run-1", "run-2", "run-3")
        refused = await commit(
            store,
            write(head("run-1", last_event_id=5), 1, events=events(1, 5)),
            write(head("run-2", last_event_id=5), 2, events=events(1, 5), items={4: activity(4)}, send=[message()]),
            write(head("run-3", last_event_id=5), 0, events=events(1, 5)),
            write(head("run-4", last_event_id=5), 1, events=events(1, 5)),
            write(head("run-5", last_event_id=5), 0, events=events(1, 5)),
        )
        expect(refused, [1, 2, 3], "writes from any other version are refused, and named in ascending order")
        found = await store.load([f"run-{number}" for number in range(1, 7)])
        versions = {run_id: run.version for run_id, run in found.items()}
        expect(versions, {"run-1": 2, "run-2": 1, "run-3": 1, "run-5": 1}, "the others are saved all the same")
        expect((found["run-2"].head, found["run-2"].items), (head("run-2"), []), "of a refused write nothing is stored")
        expect(list(await store.history("run-2")), [], "a refused write leaves no events")
        expect(list(await store.outbox(older_than=NOW + 1)), [], "a refused write sends nothing")


async def writes_a_run_once_in_a_group(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        refused = await commit(store, write(head()), write(head(last_event_id=3), 1), write(head(last_event_id=4), 0))
        expect(refused, [1, 2], "a group writes a run once")
        expect((await load(store)).head, head(), "the first write stands")


async def checks_versions_without_writing(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        await start(store, "run-1")
        newest = write(head(last_event_id=7), 1, changed=False)
        stale = write(head(last_event_id=7), 2, changed=False)
        unknown = write(head("run-2"), 1, changed=False)
        expect(await commit(store, newest, stale, unknown), [1, 2], "a mere check is refused if the version is another")
        expect(await commit(store, newest, newest), [], "a mere check changes no version")
        expect(await load(store), await load(store), "a run stays as it is")
        expect(((await load(store)).version, (await load(store)).head), (1, head()), "a mere check saves nothing")


async def keeps_process_ids_unique_while_open(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        taken: dict[str, Any] = {"process_id": "order-17"}
        first = write(head("run-1", **taken)), write(head("run-2", **taken)), write(head("run-3"))
        expect(await commit(store, *first), [1], "of two new runs of a process in one group the first stands")
        expect(await commit(store, write(head("run-2", **taken))), [0], "a process id with an open run is taken")
        closing = write(closed_head("run-1", **taken), 1)
        expect(await commit(store, closing), [], "a run can be closed")
        expect(await commit(store, write(head("run-2", **taken))), [], "then the process id is free again")
        both = write(closed_head("run-2", **taken), 1), write(head("run-4", **taken))
        expect(await commit(store, *both), [], "closing a run makes room for a new one in the same group")
        late = write(head("run-5", **taken)), write(closed_head("run-4", **taken), 1)
        expect(await commit(store, *late), [0], "but only for writes behind it")
        short = write(closed_head("run-6", **taken)), write(head("run-7", **taken)), write(head("run-1", **taken), 2)
        expect(await commit(store, *short), [], "a run that is new and closed takes no process id")
        expect((await load(store, "run-6")).head.status, ProcessStatus.COMPLETED, "such a run is saved too")


async def links_writes(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        await start(store, "run-1", "run-2")

        def continued(run_id: str, new_run_id: str, version: int) -> list[Any]:
            process_id = f"process of {run_id}"
            return [
                write(closed_head(run_id, status=ProcessStatus.CONTINUED_AS_NEW), version, events=events(1, 3)),
                write(head(new_run_id, process_id=process_id, continued_run_id=run_id), events=events(1, 2)),
            ]

        good = continued("run-1", "run-1b", 1)
        bad = continued("run-2", "run-2b", 5)
        refused = await commit(store, bad[1], good[0], bad[0], good[1], linked=[(1, 3), (2, 0)])
        expect(refused, [0, 2], "linked writes stand or fall together")
        expect(sorted(await store.load(["run-1b", "run-2b"])), ["run-1b"], "of refused writes nothing is stored")
        expect((await load(store, "run-2")).version, 1, "nor of those that they are linked with")
        expect((await load(store, "run-1b")).head.continued_run_id, "run-1", "linked writes are saved")
        fellow = [write(head("run-6")), write(head("run-7")), write(head("run-2"), 9)]
        refused = await commit(store, *fellow, write(head("run-8")), linked=[(0, 1), (1, 2)])
        expect(refused, [0, 1, 2], "links go on from one pair to the next")
        taken = continued("run-2", "run-2b", 5)
        refused = await commit(store, *taken, write(head("run-9", process_id="process of run-2")), linked=[(0, 1)])
        expect(refused, [0, 1, 2], "what a refused write would have closed is still open")
        freed = continued("run-2", "run-2b", 1)
        refused = await commit(store, *freed, write(head("run-9", process_id="process of run-2")), linked=[(0, 1)])
        expect(refused, [2], "what a linked write opened is open for the writes behind it")


async def delivers_messages_once(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        sent = [message("b", sent_at=NOW), message("a", sent_at=NOW + 1), message("c", sent_at=NOW - 1)]
        await commit(store, write(head("run-1"), send=sent), write(None, send=[message("d", sent_at=NOW + 2)]))
        await start(store, "run-2")
        waiting = await store.outbox(older_than=NOW + 2)
        expect(list(waiting), [sent[2], sent[0], sent[1]], "the outbox has what was sent before a time, oldest first")
        expect(
            list(await store.outbox(older_than=NOW + 9, limit=2)), [sent[2], sent[0]], "at most as many as asked for"
        )
        twice = [
            write(head("run-1"), 1, received=["c"], events=events(1, 1)),
            write(head("run-2"), 1, received=["a", "c"], events=events(1, 1)),
        ]
        expect(await commit(store, *twice), [1], "a message is received once, also within a group")
        expect(list(await store.history("run-2")), [], "a write whose message is gone saves nothing")
        again = write(head("run-2"), 1, received=["c"]), write(None, received=["c"]), write(None, received=["a", "b"])
        expect(await commit(store, *again), [0, 1], "nor can it be received later")
        expect([left.id for left in await store.outbox(older_than=NOW + 9)], ["d"], "what was received is gone")
        early = write(head("run-3"), send=[message("e")]), write(None, received=["e"])
        expect(await commit(store, *early), [1], "a message is in the outbox when the group that sent it is saved")


async def encodes_before_it_waits(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        state, item, happened = head(queued=queued()), activity(4), events(1, 3)
        links: list[tuple[int, ...]] = [(0, 1)]
        items: dict[int, OpenItem | None] = {4: item}
        saved = write(state, events=happened, items=items, send=[message()], wake_at=NOW)
        committing = asyncio.ensure_future(
            store.commit(group(saved, write(head("run-2")), write(head("run-3"), 7), linked=links))
        )
        await asyncio.sleep(0)
        state.last_event_id, state.status, state.process_id, state.run_id = 99, ProcessStatus.FAILED, "x", "y"
        state.queued = None
        item.task_list = "elsewhere"
        happened.clear()
        items.clear()
        links[0] = (0, 2)
        saved.head, saved.version, saved.events = None, 5, ()
        expect(list(await committing), [2], "the guard looks at what was given")
        found = await load(store)
        expect((found.head, found.items), (head(queued=queued()), [activity(4)]), "what was given is saved")
        expect(list(await store.history("run-1")), events(1, 3), "events are those that were given")


async def gives_away_what_it_loads(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        await start(store, "run-1", items=[activity(4)])
        found = await load(store)
        found.head.status = ProcessStatus.FAILED
        found.items[0].event_id = 77
        found.items.clear()
        again = await load(store)
        expect((again.head, again.items), (head(), [activity(4)]), "what was loaded belongs to the caller")


async def saves_large_groups(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        payload = "x" * 300_000
        many = [write(head(f"run-{n}"), events=events(1, 2), items={2: activity(2)}) for n in range(500)]
        many[7].items = {2: activity(2, details_json=f'"{payload}"')}
        many[8].version = 3
        expect(await commit(store, *many), [8], "a group may be large")
        found = await store.load([f"run-{n}" for n in range(500)])
        expect(len(found), 499, "all runs of a large group are saved")
        expect(found["run-7"].items, [activity(2, details_json=f'"{payload}"')], "payloads may be large")
        again = [write(head(f"run-{n}"), 1, events=events(3, 3), items={2: None}) for n in range(500) if n != 8]
        expect(await commit(store, *again), [], "runs that were saved together can be changed together")
        expect(ids(await store.history("run-499")), [1, 2, 3], "each with its own events")
        expect((await load(store, "run-7")).items, [], "and its own items")


async def survives_a_cancelled_commit(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        for number in range(20):
            run_id = f"run-{number}"
            committing = asyncio.ensure_future(store.commit(group(write(head(run_id), events=events(1, 3)))))
            for _ in range(number % 4):
                await asyncio.sleep(0)
            committing.cancel()
            await asyncio.wait([committing])
            found = await store.load([run_id])
            whole = 3 if found else 0
            expect(len(await store.history(run_id)), whole, "a cancelled commit is saved whole or not at all")
        await start(store, "run-20")
        expect((await load(store, "run-20")).version, 1, "the store can be used after a cancelled commit")


async def reads_beside_writes(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        await start(store, "run-1")

        async def write_on() -> None:
            for version in range(1, 30):
                last = version * 2
                saved = write(
                    head(last_event_id=last), version, events=events(last - 1, last), items={last: activity(last)}
                )
                expect(await commit(store, saved), [], "writes of one backend follow one another")

        writing = asyncio.ensure_future(write_on())
        while not writing.done():
            await _check_consistency(store)
            await asyncio.sleep(0)
        await writing
        await _check_consistency(store)


async def _check_consistency(store: Store) -> None:
    found = await load(store)
    expect(found.head.last_event_id, (found.version - 1) * 2, "a run is loaded as of one moment")
    expect(len(found.items), found.version - 1, "a run and its items are loaded as of one moment")
    seen = ids(await store.history("run-1", limit=500))
    expect(seen, list(range(1, len(seen) + 1)), "history is read without gaps")
    expect(len(seen) >= found.head.last_event_id, True, "what was read once is there later")


CHECKS: tuple[StoreCheck, ...] = (
    leaves_out_what_is_unknown,
    saves_all_of_a_run,
    saves_what_changes,
    appends_history,
    pages_history,
    tells_endings,
    refuses_other_versions_alone,
    writes_a_run_once_in_a_group,
    checks_versions_without_writing,
    keeps_process_ids_unique_while_open,
    links_writes,
    delivers_messages_once,
    encodes_before_it_waits,
    gives_away_what_it_loads,
    saves_large_groups,
    survives_a_cancelled_commit,
    reads_beside_writes,
)
