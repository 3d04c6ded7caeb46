from __future__ import annotations

import asyncio

import pytest

from aioworkflow.backends.local import lists as lists_module
from aioworkflow.backends.local.lists import TaskList, TaskLists, Waiter
from aioworkflow.stores.base import TaskKind, WaitingTask


def waiter(task_list: str = "l", kind: TaskKind = TaskKind.ACTIVITY) -> Waiter:
    return Waiter(kind, task_list, identity=None)


@pytest.fixture
def task_list() -> TaskList:
    return TaskList(TaskKind.ACTIVITY, "l")


def waiting(run_id: str, priority: int = 0, at: float = 0.0) -> WaitingTask:
    return WaitingTask(
        kind=TaskKind.ACTIVITY,
        task_list="l",
        run_id=run_id,
        scheduled_event_id=5,
        task_priority=priority,
        scheduled_at=at,
    )


def hints(task_list: TaskList) -> list[str]:
    found = []
    while (hint := task_list.take_hint()) is not None:
        found.append(hint[0])
    return found


# --- polls ---------------------------------------------------------------------------------------------------------


async def test_the_poll_that_waits_longest_is_claimed_first(task_list: TaskList) -> None:
    first, gone, second = waiter(), waiter(), waiter()
    for each in (first, gone, second):
        task_list.add_waiter(each)
    gone.future.cancel()
    assert task_list.waiting_polls == 3
    assert [task_list.claim_waiter() for _ in range(3)] == [first, second, None]
    assert first.claimed


async def test_a_poll_that_is_put_back_is_the_next(task_list: TaskList) -> None:
    first, second = waiter(), waiter()
    task_list.add_waiter(first)
    task_list.add_waiter(second)
    assert task_list.claim_waiter() is first
    task_list.put_back(first)
    assert not first.claimed
    assert task_list.claim_waiter() is first


async def test_a_poll_that_went_away_is_not_put_back(task_list: TaskList) -> None:
    only = waiter()
    task_list.add_waiter(only)
    assert task_list.claim_waiter() is only
    only.future.cancel()
    task_list.put_back(only)
    assert task_list.claim_waiter() is None


async def test_the_time_of_a_claimed_poll_ends_when_it_is_put_back(task_list: TaskList) -> None:
    only = waiter()
    only.claimed = True
    only.expire()
    assert not only.future.done()
    task_list.put_back(only)
    assert only.future.result() is None
    assert task_list.waiting_polls == 0


async def test_a_claimed_poll_may_be_abandoned() -> None:
    only = waiter()
    only.claimed = True
    only.abandon()
    assert only.future.result() is None
    only.abandon()


async def test_polls_that_went_away_want_nothing(task_list: TaskList) -> None:
    gone, other = waiter(), waiter()
    wants = [task_list.wants_tasks]
    task_list.add_waiter(gone)
    wants.append(task_list.wants_tasks)
    gone.future.cancel()
    wants.append(task_list.wants_tasks)
    task_list.add_waiter(other)
    wants.append(task_list.wants_tasks)
    task_list.complete = True
    wants.append(task_list.wants_tasks)
    task_list.add_hint("r", 5, 0, 0.0)
    wants.append(task_list.wants_tasks)
    assert wants == [False, True, False, True, False, True]
    assert task_list.has_hints


async def test_old_polls_expire(task_list: TaskList) -> None:
    polls = [waiter() for _ in range(4)]
    for number, each in enumerate(polls):
        each.since = float(number)
        task_list.add_waiter(each)
    polls[0].future.cancel()
    assert task_list.expire_polls(1.0) == 2.0
    assert [each.future.done() for each in polls] == [True, True, False, False]
    assert task_list.expire_polls(9.0) is None
    assert polls[3].future.result() is None


async def test_all_polls_end(task_list: TaskList) -> None:
    polls = [waiter(), waiter()]
    for each in polls:
        task_list.add_waiter(each)
    task_list.end_polls()
    assert [each.future.result() for each in polls] == [None, None]
    assert task_list.waiting_polls == 0


# --- hints ---------------------------------------------------------------------------------------------------------


def test_hints_come_by_priority_then_age(task_list: TaskList) -> None:
    for run_id, priority, at in (("d", 0, 2.0), ("e", -1, 0.0), ("a", 9, 3.0), ("c", 0, 1.0), ("b", 9, 4.0)):
        task_list.add_hint(run_id, 5, priority, at)
        task_list.add_hint(run_id, 5, priority, at)
    assert hints(task_list) == ["a", "b", "c", "d", "e"]
    task_list.add_hint("a", 5, 9, 3.0)
    assert hints(task_list) == ["a"]


def test_what_the_database_knows_is_learnt(task_list: TaskList) -> None:
    task_list.add_hint("a", 5, 0, 0.0)
    task_list.learn([waiting("a"), waiting("b", priority=1)], complete=True)
    assert task_list.complete
    assert hints(task_list) == ["b", "a"]
    task_list.learn([], complete=False)
    assert not task_list.complete


def test_there_are_not_too_many_hints(task_list: TaskList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists_module, "_MOST_HINTS", 3)
    task_list.learn([waiting(run_id) for run_id in "abc"], complete=True)
    looks = [task_list.must_look]
    task_list.add_hint("d", 5, 0, 0.0)
    looks.append(task_list.must_look)
    task_list.learn([waiting(run_id) for run_id in "abcd"], complete=False)
    looks.append(task_list.must_look)
    assert looks == [False, True, False], "the first of all are asked for"
    assert hints(task_list) == ["a", "b", "c", "d"]


def test_the_database_is_asked_again_while_it_may_know_more(
    task_list: TaskList, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists_module, "_HINTS_PER_LOOK", 2)

    def taken_before_a_look() -> int:
        taken = 0
        while not task_list.must_look:
            task_list.take_hint()
            taken += 1
        return taken

    for run_id in "abcdefghijklmno":
        task_list.add_hint(run_id, 5, 0, 0.0)
    assert taken_before_a_look() == 0, "nobody has asked yet"
    task_list.learn([waiting("a")], complete=False)
    assert taken_before_a_look() == 2
    task_list.learn([waiting(run_id) for run_id in "cde"], complete=False)
    assert taken_before_a_look() == 3
    task_list.learn([], complete=True)
    taken = [(task_list.must_look, task_list.take_hint()) for _ in "fghi"]
    assert taken == [(False, (run_id, 5)) for run_id in "fghi"], "every task has a hint"
    task_list.doubt()
    task_list.doubt()
    assert taken_before_a_look() == 2
    task_list.doubt()
    assert taken_before_a_look() == 0, "a doubt does not put the look off"


# --- all lists -----------------------------------------------------------------------------------------------------


async def test_lists_are_found_by_kind_and_name() -> None:
    lists = TaskLists(60.0)
    decisions, activities = lists.get(TaskKind.DECISION, "l"), lists.get(TaskKind.ACTIVITY, "l")
    assert decisions is not activities
    assert lists.get(TaskKind.DECISION, "l") is decisions
    assert set(lists) == {decisions, activities}
    assert lists.has(TaskKind.DECISION, "l")
    assert not lists.has(TaskKind.DECISION, "m")
    assert not lists.has(TaskKind.ACTIVITY, ["l"])
    decisions.complete = activities.complete = True
    lists.forget_completeness()
    assert not decisions.complete
    assert not activities.complete


async def test_polls_end_in_time() -> None:
    lists = TaskLists(0.001)
    polls = [waiter("one"), waiter("two"), waiter("two", TaskKind.DECISION)]
    for each in polls:
        lists.add_waiter(lists.get(each.kind, each.task_list), each)
    async with asyncio.timeout(20):
        assert [await each.future for each in polls] == [None, None, None]
    later = waiter("one")
    lists.add_waiter(lists.get(later.kind, "one"), later)
    async with asyncio.timeout(20):
        assert await later.future is None


async def test_a_poll_that_is_put_back_ends_in_time_too() -> None:
    lists = TaskLists(0.001)
    only = waiter()
    only.claimed = True
    task_list = lists.put_back(only)
    assert task_list is lists.get(TaskKind.ACTIVITY, "l")
    async with asyncio.timeout(20):
        assert await only.future is None


async def test_a_poll_that_is_put_back_late_does_not_wait_for_the_others() -> None:
    lists = TaskLists(1000.0)
    old, young = waiter(), waiter("other")
    old.since -= 999.999
    old.claimed = True
    lists.add_waiter(lists.get(young.kind, "other"), young)
    lists.put_back(old)
    async with asyncio.timeout(20):
        assert await old.future is None
    assert not young.future.done()
    assert lists._timer is not None
    assert lists._timer.when() == young.since + 1000.0
    lists.end_polls()


async def test_younger_polls_wait_longer() -> None:
    lists = TaskLists(0.001)
    old, young = waiter(), waiter()
    young.since = old.since + 1000.0
    for each in (old, young):
        lists.add_waiter(lists.get(each.kind, each.task_list), each)
    async with asyncio.timeout(20):
        await old.future
    assert not young.future.done()
    assert lists._timer is not None
    assert lists._timer.when() == young.since + 0.001
    lists.end_polls()


async def test_all_polls_of_all_lists_end() -> None:
    lists = TaskLists(60.0)
    lists.end_polls()
    polls = [waiter("one"), waiter("two", TaskKind.DECISION)]
    for each in polls:
        lists.add_waiter(lists.get(each.kind, each.task_list), each)
    lists.end_polls()
    assert [each.future.result() for each in polls] == [None, None]
