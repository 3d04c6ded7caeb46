"""Processes by id, listings, and registered types."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ....backend import ProcessFilter, ProcessInfo
from ....errors import InvalidRequestError
from ....stores.base import Store
from ....types import ActivityType, ChildPolicy, ProcessRef, ProcessStatus, TypeRef, WorkflowType
from .tools import (
    NOW,
    NewStore,
    StoreCheck,
    activity,
    at,
    closed_head,
    commit,
    events,
    expect,
    expect_raises,
    head,
    start,
    store_on,
    write,
)

__all__ = ["CHECKS"]

_ALL = ProcessFilter()


async def _run_ids(store: Store, **conditions: Any) -> list[str]:
    """Return the ids of the runs that match, and check that they are counted likewise."""
    filter = ProcessFilter(**conditions)
    found, token = await store.find(filter, limit=100)
    expect(token, None, "there is no page after the last")
    expect(await store.count(filter), len(found), "as many are counted as are found")
    return [info.process.run_id for info in found]


async def resolves_process_ids(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        await commit(
            store,
            write(closed_head("a-2", process_id="a", started_at=NOW + 2)),
            write(closed_head("a-1", process_id="a", started_at=NOW + 1)),
            write(closed_head("b-9", process_id="b", started_at=NOW + 9)),
            write(head("b-1", process_id="b", started_at=NOW + 1)),
            write(closed_head("c-1", process_id="c")),
            write(closed_head("c-2", process_id="c")),
        )
        found = await store.resolve(["a", "b", "c", "d"])
        expect(found, {"a": "a-2", "b": "b-1", "c": "c-2"}, "a process id means the open run, else the latest")
        await commit(store, write(closed_head("b-1", process_id="b", started_at=NOW + 1), 1))
        expect(await store.resolve(["b"]), {"b": "b-9"}, "when it is closed the latest counts")
        expect(await store.resolve([]), {}, "nothing is resolved where nothing is asked for")


async def describes_processes(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        described = closed_head(
            tags=("x", "y"),
            workflow=TypeRef("Bar", "2"),
            started_at=NOW + 0.5,
            closed_at=NOW + 1.25,
            parent=ProcessRef("parent", "parent-run"),
            cancel_requested=True,
            task_priority=4,
            execution_timeout=60.0,
            decision_timeout=5.0,
            child_policy=ChildPolicy.ABANDON,
            status=ProcessStatus.CANCELED,
            execution_context="not shown",
        )
        await commit(store, write(described))
        found, _ = await store.find(_ALL, limit=1)
        info = ProcessInfo(
            process=ProcessRef("process of run-1", "run-1"),
            workflow=TypeRef("Bar", "2"),
            status=ProcessStatus.CANCELED,
            started_at=at(0.5),
            closed_at=at(1.25),
            tags=("x", "y"),
            parent=ProcessRef("parent", "parent-run"),
            cancel_requested=True,
            task_list="deciders",
            task_priority=4,
            execution_timeout=60.0,
            decision_timeout=5.0,
            child_policy=ChildPolicy.ABANDON,
        )
        expect(list(found), [info], "a listing describes the process")


async def filters_processes(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        await start(store, "open-1", tags=("vip", "eu"), started_at=NOW + 1)
        await start(store, "open-2", workflow=TypeRef("Foo", "2"), process_id="order-17", started_at=NOW + 2)
        failed = closed_head(
            "failed", status=ProcessStatus.FAILED, tags=("vip",), started_at=NOW + 3, closed_at=NOW + 5
        )
        done = closed_head("done", workflow=TypeRef("Foo", "1"), started_at=NOW + 4, closed_at=NOW + 9)
        await commit(store, write(failed), write(done))
        expect(await _run_ids(store), ["done", "failed", "open-2", "open-1"], "all processes, latest start first")
        for conditions, expected in (
            ({"process_id": "order-17"}, ["open-2"]),
            ({"process_id": "order-18"}, []),
            ({"workflow": "Foo"}, ["done", "open-2"]),
            ({"workflow": "Foo", "workflow_version": "2"}, ["open-2"]),
            ({"workflow_version": "1"}, ["done", "failed", "open-1"]),
            ({"tag": "vip"}, ["failed", "open-1"]),
            ({"tag": "vip", "closed": False}, ["open-1"]),
            ({"status": ProcessStatus.FAILED}, ["failed"]),
            ({"status": ProcessStatus.OPEN}, ["open-2", "open-1"]),
            ({"status": ProcessStatus.FAILED, "closed": True}, ["failed"]),
            ({"status": ProcessStatus.FAILED, "closed": False}, []),
            ({"status": ProcessStatus.OPEN, "closed": True}, []),
            ({"closed": True}, ["done", "failed"]),
            ({"closed": False}, ["open-2", "open-1"]),
            ({"started_after": at(3)}, ["done", "failed"]),
            ({"started_before": at(3)}, ["open-2", "open-1"]),
            ({"started_after": at(2), "started_before": at(4)}, ["failed", "open-2"]),
            ({"closed_after": at(5)}, ["done", "failed"]),
            ({"closed_before": at(9)}, ["failed"]),
            ({"closed_after": at(6), "workflow": "Bar"}, []),
        ):
            expect(await _run_ids(store, **conditions), expected, f"processes with {conditions}")


async def follows_processes_that_change(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        await start(store, "run-1", tags=("vip",))
        expect(await _run_ids(store, closed=False), ["run-1"], "an open process is listed as open")
        await commit(store, write(head(tags=("vip",), cancel_requested=True), 1))
        found, _ = await store.find(ProcessFilter(tag="vip"), limit=9)
        expect(found[0].cancel_requested, True, "a listing shows the newest state")
        await commit(store, write(closed_head(tags=("vip",), status=ProcessStatus.TIMED_OUT), 2))
        expect(await _run_ids(store, closed=False), [], "a closed process is no longer listed as open")
        expect(await _run_ids(store, status=ProcessStatus.TIMED_OUT), ["run-1"], "but by the way in which it closed")
        expect(await _run_ids(store, closed_after=at(60), closed_before=at(60.001)), ["run-1"], "and by when")


async def removes_what_closed_long_ago(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        for number in range(1, 6):
            opened = write(head(f"run-{number}", tags=("vip",)), items={4: activity(4)}, wake_at=NOW + number)
            await commit(store, opened)
            closed = write(closed_head(f"run-{number}", tags=("vip",), closed_at=NOW + number), 1, events=events(1, 2))
            closed.items, closed.wake_at = {4: None}, None
            await commit(store, closed)
        await start(store, "open", tags=("vip",))
        expect(await store.remove_closed(before=NOW + 4, limit=2), 2, "at most so many are removed")
        expect(await _run_ids(store, tag="vip"), ["open", "run-3", "run-4", "run-5"], "the earliest first")
        expect(await store.remove_closed(before=NOW + 4, limit=2), 1, "what was closed before the time is removed")
        expect(await _run_ids(store), ["open", "run-4", "run-5"], "open ones and later ones stay")
        expect(await store.remove_closed(before=NOW + 4, limit=2), 0, "then nothing is left to remove")
        gone = "run-1"
        expect(await store.load([gone]), {}, "of what was removed there is no state")
        expect(list(await store.history(gone)), [], "no history")
        expect(await store.endings([gone]), {}, "no end")
        expect(await store.resolve([f"process of {gone}"]), {}, "and no process")
        due = await store.due(NOW + 99)
        expect((list(due.run_ids), due.next_wake_at), ([], None), "and no deadline")
        refused = await commit(store, write(head(gone), 2), write(head("run-2"), 0))
        expect(refused, [0], "who still holds it cannot go on with it, and its process id can be used again")
        expect(await store.remove_closed(before=NOW + 99, limit=9), 2, "all closed runs may be removed")
        expect(await _run_ids(store), ["open", "run-2"], "and only they")


async def compares_times_as_they_are_shown(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        starts = [NOW + fraction for fraction in (0.1, 0.1234564, 0.1234567, 0.9999999, 1 / 3)]
        await commit(store, *(write(head(f"run-{number}", started_at=when)) for number, when in enumerate(starts)))
        for info in (await store.find(_ALL, limit=9))[0]:
            shown = {"process_id": info.process.process_id}
            expect(len(await _run_ids(store, started_after=info.started_at, **shown)), 1, "lower bounds are inclusive")
            expect(await _run_ids(store, started_before=info.started_at, **shown), [], "upper bounds are exclusive")
            later = info.started_at + timedelta(microseconds=1)
            expect(await _run_ids(store, started_after=later, **shown), [], "times are told apart to the microsecond")


async def pages_listings(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        starts = {f"run-{number}": NOW + number // 4 for number in range(30)}
        await commit(store, *(write(head(run_id, started_at=when)) for run_id, when in starts.items()))
        expected = sorted(starts, key=lambda run_id: (-starts[run_id], run_id))
        found, token = await store.find(_ALL, limit=7)
        seen = [info.process.run_id for info in found]
        await start(store, "newer", started_at=NOW + 99)
        while token is not None:
            found, token = await store.find(_ALL, limit=7, page_token=token)
            seen += [info.process.run_id for info in found]
        expect(
            seen, expected, "pages follow one another: latest start first, then by run id, whatever starts meanwhile"
        )
        page, token = await store.find(ProcessFilter(started_before=at(98)), limit=30)
        expect((len(page), token), (30, None), "a full page that is the last has no token")


async def refuses_wrong_page_tokens(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        await start(store, "run-1", "run-2")
        _, token = await store.find(_ALL, limit=1)
        expect(isinstance(token, str), True, "there is a second page")
        for wrong in ("", "garbage", "ü", "00", "7b7d", "[1]", f"{token}00", str(token)[2:], "5b312c325d"):
            call = store.find(_ALL, limit=1, page_token=wrong)
            await expect_raises(InvalidRequestError, call, f"the page token {wrong!r} is refused")


async def registers_types(new_store: NewStore) -> None:
    async with store_on(new_store) as store:
        expect(list(await store.types()), [], "no types at first")
        bar = WorkflowType(ref=TypeRef("Bar"), execution_timeout=None, child_policy=ChildPolicy.ABANDON)
        full = ActivityType(
            ref=TypeRef("Bar"),
            schedule_to_start_timeout=1.0,
            start_to_close_timeout=None,
            task_list="workers",
            task_priority=3,
            description='"ü"',
            deprecated=True,
        )
        known: list[WorkflowType | ActivityType] = [bar, full, ActivityType(ref=TypeRef("Bar", "2"))]
        for registered in known:
            await store.save_type(registered)
        found = await store.types()
        expect(len(found), 3, "types are told apart by kind, name and version")
        expect(all(registered in found for registered in known), True, "types are stored whole")
        await store.save_type(WorkflowType(ref=TypeRef("Bar"), task_list="elsewhere"))
        found = await store.types()
        expect((len(found), bar in found), (3, False), "a type of the same name and version is replaced")


CHECKS: tuple[StoreCheck, ...] = (
    resolves_process_ids,
    describes_processes,
    filters_processes,
    follows_processes_that_change,
    removes_what_closed_long_ago,
    compares_times_as_they_are_shown,
    pages_listings,
    refuses_wrong_page_tokens,
    registers_types,
)
