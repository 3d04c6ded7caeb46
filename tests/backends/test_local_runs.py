from __future__ import annotations

from datetime import UTC, datetime

from aioworkflow.backends.local.runs import CachedRun, RunCache
from aioworkflow.event import AnyEvent, MarkerRecordedEvent
from aioworkflow.machine.state import Head, ProcessState
from aioworkflow.types import ChildPolicy, ProcessRef, ProcessStatus, TypeRef


def run(run_id: str, process_id: str = "p") -> CachedRun:
    head = Head(
        process_id=process_id,
        run_id=run_id,
        workflow=TypeRef("W"),
        task_list="l",
        child_policy=ChildPolicy.TERMINATE,
        started_at=0.0,
    )
    return CachedRun(ProcessState(head))


def events(first: int, last: int) -> list[AnyEvent]:
    now = datetime.now(UTC)
    return [
        MarkerRecordedEvent(event_id=event_id, timestamp=now, marker="m", decision_completed_event_id=1)
        for event_id in range(first, last + 1)
    ]


def ids(found: tuple[AnyEvent, ...] | None) -> list[int] | None:
    return None if found is None else [event.event_id for event in found]


def test_the_tail_begins_with_the_last_completed_decision() -> None:
    cached = run("r")
    assert cached.events_since(1, 1) is None
    cached.remember(events(1, 4))
    assert ids(cached.events_since(1, 3)) == [1, 2, 3]
    cached.state.head.previous_started_event_id = 3
    cached.remember(events(5, 6))
    assert ids(cached.events_since(3, 6)) == [3, 4, 5, 6]
    assert ids(cached.events_since(4, 5)) == [4, 5]
    assert cached.events_since(1, 6) is None
    cached.remember([])
    assert ids(cached.events_since(3, 6)) == [3, 4, 5, 6]


def test_nothing_to_remember() -> None:
    cached = run("r")
    cached.remember([])
    assert cached.events_since(1, 1) is None


def test_runs_are_found_by_run_and_by_process() -> None:
    cache = RunCache(10)
    one, two = run("one"), run("two", "q")
    cache.put(one)
    cache.put(two)
    assert len(cache) == 2
    assert cache.get("one") is one
    assert cache.get("three") is None
    assert "one" in cache
    assert "three" not in cache
    assert (cache.open_run_id("p"), cache.open_run_id("q"), cache.open_run_id("x")) == ("one", "two", None)


def test_a_closed_run_is_not_the_open_one() -> None:
    cache = RunCache(10)
    old, new = run("old"), run("new")
    cache.put(old)
    cache.closed(old)
    assert cache.get("old") is old
    assert cache.open_run_id("p") is None
    cache.put(new)
    cache.closed(old)
    assert cache.open_run_id("p") == "new"
    old.state.head.status = ProcessStatus.COMPLETED
    cache.put(old)
    assert cache.open_run_id("p") == "new"


def test_dropped_runs_are_forgotten() -> None:
    cache = RunCache(10)
    cached = run("one")
    cache.put(cached)
    cache.put(run("two", "q"))
    for _ in range(2):
        cache.drop(cached)
        assert cache.get("one") is None
        assert cache.open_run_id("p") is None
    assert cache.open_run_id("q") == "two"


def test_the_least_recently_used_runs_are_forgotten_first() -> None:
    cache = RunCache(2)
    for number in range(4):
        cache.put(run(f"run {number}", f"process {number}"))
    cache.get("run 1")
    cache.shrink()
    assert [number for number in range(4) if f"run {number}" in cache] == [1, 3]
    assert [number for number in range(4) if cache.open_run_id(f"process {number}")] == [1, 3]
    cache.shrink()
    assert len(cache) == 2


def test_what_is_known_to_be_open() -> None:
    cache = RunCache(2)
    cached = run("r")
    ref = ProcessRef("p", "r")
    assert not cache.is_open(ref)
    cache.put(cached)
    assert not cache.is_open(ref)
    cached.epoch = cache.epoch
    assert cache.is_open(ref)
    assert not cache.is_open(ProcessRef("q", "r"))
    cache.epoch += 1
    assert not cache.is_open(ref)
    cached.epoch = cache.epoch
    cached.state.head.status = ProcessStatus.FAILED
    assert not cache.is_open(ref)
