"""When tasks in hand time out."""

from __future__ import annotations

import pytest

from aioworkflow.backends.swf.deadlines import Deadlines
from aioworkflow.event import AnyEvent, DecisionScheduledEvent, DecisionStartedEvent
from aioworkflow.task import DecisionTask
from aioworkflow.types import ProcessRef, TypeRef
from tests.backends.swf.scripted_swf import NOW, ManualTime


def task(token: str, timeout: float | None, *, started: bool = True, scheduled_id: int = 2) -> DecisionTask:
    events: list[AnyEvent] = [
        DecisionScheduledEvent(event_id=2, timestamp=NOW, task_list="l", start_to_close_timeout=timeout)
    ]
    if started:
        events.append(DecisionStartedEvent(event_id=3, timestamp=NOW, scheduled_event_id=scheduled_id))
    return DecisionTask(
        token=token,
        process=ProcessRef("p", "r"),
        workflow=TypeRef("W"),
        events=tuple(events),
        started_event_id=3,
    )


@pytest.fixture
def time() -> ManualTime:
    return ManualTime()


def test_a_task_is_known_until_it_is_answered(time: ManualTime) -> None:
    deadlines = Deadlines(time)
    deadlines.add(task("t", 60.0), time.now())
    assert deadlines.get("t") == time.now() + 60.0
    deadlines.discard("t")
    deadlines.discard("t")
    assert deadlines.get("t") is None


@pytest.mark.parametrize(
    "unknown",
    [task("t", None), task("t", 60.0, started=False), task("t", 60.0, scheduled_id=1)],
    ids=["no limit", "not started", "scheduled before"],
)
def test_some_deadlines_are_not_known(time: ManualTime, unknown: DecisionTask) -> None:
    deadlines = Deadlines(time)
    deadlines.add(unknown, time.now())
    assert deadlines.get("t") is None


def test_tasks_that_nobody_answers_are_forgotten(time: ManualTime) -> None:
    deadlines = Deadlines(time)
    for number in range(5_000):
        time.elapsed += 1.0
        deadlines.add(task(str(number), 60.0), time.now())
    assert 60 <= len(deadlines) <= 1_060
    assert deadlines.get("4999") == time.now() + 60.0
