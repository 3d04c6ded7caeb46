"""The state of a run: its indexes and deadlines."""

from __future__ import annotations

import copy
import math
from typing import Any

import msgspec
import pytest

from aioworkflow.machine.state import (
    Head,
    OpenActivity,
    OpenChild,
    OpenItem,
    OpenRequest,
    OpenTimer,
    ProcessState,
    QueuedDecision,
    StartedDecision,
    Sticky,
    deadline,
)
from aioworkflow.types import ChildPolicy, ProcessRef, ProcessStatus, TimeoutType
from tests.machine.world import ORDER, WORK, slow_deadline


def head(**fields: Any) -> Head:
    return Head(
        process_id="p",
        run_id="r",
        workflow=ORDER,
        task_list="l",
        child_policy=ChildPolicy.TERMINATE,
        started_at=100.0,
        **fields,
    )


def activity(event_id: int = 5, **fields: Any) -> OpenActivity:
    return OpenActivity(
        event_id=event_id,
        activity_id=f"a{event_id}",
        activity=WORK,
        task_list="l",
        scheduled_at=100.0,
        **fields,
    )


def timer(event_id: int, fires_at: float) -> OpenTimer:
    return OpenTimer(event_id=event_id, timer_id=f"t{event_id}", fires_at=fires_at)


CHILD = OpenChild(event_id=7, process_id="c", workflow=ORDER, decision_completed_event_id=4)
REQUEST = OpenRequest(event_id=8, process=ProcessRef("o"), decision_completed_event_id=4)


def state_of(*items: OpenItem, **fields: Any) -> ProcessState:
    return ProcessState(head(**fields), {item.event_id: item for item in items})


def test_a_loaded_state_knows_its_indexes_and_deadlines() -> None:
    state = state_of(activity(5), timer(6, 130.0), CHILD, REQUEST)
    assert state.activities == {"a5": 5}
    assert state.timers == {"t6": 6}
    assert state.children == {7}
    assert state.next_due() == (130.0, 6)
    assert state.ref == ProcessRef("p", "r")


def test_items_come_and_go() -> None:
    state = ProcessState(head())
    for item in (activity(5), timer(6, 130.0), CHILD, REQUEST):
        state.open(item)
    assert (state.activities, state.timers, state.children) == ({"a5": 5}, {"t6": 6}, {7})
    for event_id in (5, 6, 7, 8):
        state.close(event_id)
    assert (state.items, state.activities, state.timers, state.children) == ({}, {}, {}, set())
    assert state.next_deadline() is None
    with pytest.raises(KeyError):
        state.close(5)


def test_all_items_go_at_once() -> None:
    state = state_of(activity(5), timer(6, 130.0), CHILD, REQUEST)
    state.close_all()
    assert state == ProcessState(head())
    assert (state.activities, state.timers, state.children) == ({}, {}, set())
    assert state.next_deadline() is None


def test_equality_is_that_of_head_and_items() -> None:
    state = state_of(timer(6, 130.0))
    assert state == copy.deepcopy(state)
    assert state != state_of(timer(6, 131.0))
    assert state != state_of(timer(6, 130.0), last_event_id=9)
    assert state != "state"
    with pytest.raises(TypeError):
        hash(state)
    assert "process_id='p'" in repr(state)
    assert "t6" in repr(state)


@pytest.mark.parametrize(
    ("queued", "started", "ready"),
    [(False, False, False), (True, False, True), (True, True, False), (False, True, False)],
)
def test_a_decision_is_ready_if_it_waits_and_none_is_out(queued: bool, started: bool, ready: bool) -> None:
    state = state_of()
    if queued:
        state.head.queued = QueuedDecision(scheduled_event_id=2, task_list="l", scheduled_at=1.0)
    if started:
        state.head.started = StartedDecision(scheduled_event_id=2, started_event_id=3, started_at=1.0)
    assert state.decision_ready is ready


# --- deadlines of items ----------------------------------------------------------------------------------

ALL: dict[str, Any] = {
    "schedule_to_start_timeout": 10.0,
    "schedule_to_close_timeout": 40.0,
    "start_to_close_timeout": 20.0,
    "heartbeat_timeout": 5.0,
}
TAKEN: dict[str, Any] = {"started_event_id": 9, "started_at": 105.0, "heartbeat_at": 107.0}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (timer(6, 130.0), (130.0, None)),
        (CHILD, None),
        (REQUEST, None),
        (activity(), None),
        (activity(**TAKEN), None),
        (activity(**ALL), (110.0, TimeoutType.SCHEDULE_TO_START)),
        (activity(**ALL | {"schedule_to_start_timeout": 41.0}), (140.0, TimeoutType.SCHEDULE_TO_CLOSE)),
        (activity(**ALL | {"schedule_to_start_timeout": None}), (140.0, TimeoutType.SCHEDULE_TO_CLOSE)),
        (activity(**ALL | {"schedule_to_start_timeout": 40.0}), (140.0, TimeoutType.SCHEDULE_TO_START)),
        (activity(**ALL, **TAKEN), (112.0, TimeoutType.HEARTBEAT)),
        (activity(**ALL | {"heartbeat_timeout": 30.0}, **TAKEN), (125.0, TimeoutType.START_TO_CLOSE)),
        (activity(**ALL | {"start_to_close_timeout": 7.0}, **TAKEN), (112.0, TimeoutType.START_TO_CLOSE)),
        (activity(**ALL | {"schedule_to_close_timeout": 12.0}, **TAKEN), (112.0, TimeoutType.SCHEDULE_TO_CLOSE)),
        (activity(heartbeat_timeout=1.0, **TAKEN), (108.0, TimeoutType.HEARTBEAT)),
    ],
)
def test_the_deadline_of_an_item(item: OpenItem, expected: tuple[float, TimeoutType | None] | None) -> None:
    assert deadline(item) == expected


# --- deadlines of a run ----------------------------------------------------------------------------------

QUEUED = QueuedDecision(scheduled_event_id=4, task_list="l", scheduled_at=101.0, schedule_to_start_timeout=5.0)
STARTED = StartedDecision(scheduled_event_id=2, started_event_id=3, started_at=102.0, start_to_close_timeout=2.0)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"execution_timeout": 9.0}, (109.0, 1)),
        ({"queued": QUEUED}, (106.0, 4)),
        ({"queued": msgspec.structs.replace(QUEUED, schedule_to_start_timeout=None)}, None),
        ({"started": STARTED}, (104.0, 3)),
        ({"started": msgspec.structs.replace(STARTED, start_to_close_timeout=None)}, None),
        ({"started": STARTED, "queued": QUEUED, "execution_timeout": 3.0}, (103.0, 1)),
        ({"started": STARTED, "queued": QUEUED, "execution_timeout": 4.0}, (104.0, 1)),
        ({"execution_timeout": 9.0, "queued": QUEUED, "status": ProcessStatus.COMPLETED}, None),
    ],
)
def test_the_deadline_of_the_head(fields: dict[str, Any], expected: tuple[float, int] | None) -> None:
    state = state_of(**fields)
    assert state.next_due() == expected
    assert state.next_deadline() == (None if expected is None else expected[0])


def test_the_earlier_of_head_and_items_wins() -> None:
    assert state_of(timer(6, 108.0), execution_timeout=9.0).next_due() == (108.0, 6)
    assert state_of(timer(6, 109.0), execution_timeout=9.0).next_due() == (109.0, 1)
    assert state_of(timer(7, 108.0), timer(6, 108.0)).next_due() == (108.0, 6)


def test_a_deadline_that_moved_away_is_found_where_it_is_now() -> None:
    item = activity(heartbeat_timeout=5.0, **TAKEN)
    state = state_of(item, timer(6, 120.0))
    assert state.next_due() == (112.0, 5)
    item.heartbeat_at = 117.0
    assert state.next_due() == (120.0, 6)
    state.close(6)
    assert state.next_due() == (122.0, 5)


def test_a_deadline_that_came_nearer_is_armed_anew() -> None:
    item = activity(schedule_to_close_timeout=40.0, start_to_close_timeout=1.0)
    state = state_of(item)
    item.started_event_id, item.started_at = 6, 101.0
    state.arm(item)
    assert state.next_due() == (102.0, 5)
    state.close(5)
    assert state.next_due() is None


def test_a_deadline_that_is_gone_is_forgotten() -> None:
    item = activity(schedule_to_start_timeout=1.0)
    state = state_of(item)
    item.started_event_id = 6
    state.arm(item)
    assert state.next_due() is None


def test_closed_items_with_late_deadlines_do_not_pile_up() -> None:
    state = state_of(timer(2, 50.0))
    for event_id in range(10, 10_010):
        state.open(timer(event_id, 1_000_000.0 + event_id))
        state.close(event_id)
        assert len(state._deadlines) <= 4 * 2 + 65
    assert state.next_due() == (50.0, 2)


def test_many_open_deadlines_are_all_kept() -> None:
    state = ProcessState(head())
    for event_id in range(2, 502):
        state.open(timer(event_id, math.fmod(event_id * 37.0, 101.0)))
    found = []
    while (due := state.next_due()) is not None:
        assert due[0] == slow_deadline(state)
        found.append(due)
        state.close(due[1])
    assert len(found) == 500
    assert found == sorted(found)


@pytest.mark.parametrize(
    "item", [activity(**ALL, **TAKEN, session="s", details_json="1"), timer(6, 130.0), CHILD, REQUEST]
)
def test_an_item_survives_being_stored(item: OpenItem) -> None:
    assert msgspec.json.decode(msgspec.json.encode(item), type=OpenItem) == item


def test_a_head_survives_being_stored() -> None:
    full = head(queued=QUEUED, started=STARTED, sticky=Sticky(task_list="m"), parent=ProcessRef("x", "y"), tags=("t",))
    assert msgspec.json.decode(msgspec.json.encode(full), type=Head) == full
