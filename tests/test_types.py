"""The small values, and the tasks."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from aioworkflow.event import DecisionStartedEvent
from aioworkflow.task import ActivityTask, DecisionTask
from aioworkflow.types import UNSET, ActivityType, ChildPolicy, ProcessRef, TypeRef, WorkflowType


def test_references_can_be_read() -> None:
    assert str(TypeRef("Order")) == "Order (version 1)"
    assert str(TypeRef("Order", "2")) == "Order (version 2)"
    assert str(ProcessRef("order-17")) == "'order-17'"
    assert str(ProcessRef("order-17", "r")) == "'order-17' (run r)"


@pytest.mark.parametrize(
    "value",
    [
        WorkflowType(ref=TypeRef("W")),
        WorkflowType(
            ref=TypeRef("W", "2"),
            execution_timeout=None,
            decision_timeout=1.5,
            task_list="d",
            task_priority=3,
            child_policy=ChildPolicy.ABANDON,
            description="x",
            deprecated=True,
        ),
        ActivityType(ref=TypeRef("A")),
        ActivityType(ref=TypeRef("A", "2"), heartbeat_timeout=None, start_to_close_timeout=3.0, task_list="d"),
    ],
)
def test_types_are_their_own_stored_form(value: WorkflowType | ActivityType) -> None:
    assert msgspec.json.decode(msgspec.json.encode(value), type=type(value)) == value


def test_not_said_and_no_limit_differ() -> None:
    assert ActivityType(ref=TypeRef("A")).heartbeat_timeout is UNSET
    assert msgspec.json.encode(ActivityType(ref=TypeRef("A"), heartbeat_timeout=None)) != msgspec.json.encode(
        ActivityType(ref=TypeRef("A"))
    )


def test_tasks_are_values() -> None:
    task = ActivityTask(
        token="t", process=ProcessRef("p", "r"), activity_id="a", activity=TypeRef("A"), input_json='{"x":1}'
    )
    assert task.input == {"x": 1}
    started = DecisionStartedEvent(event_id=3, timestamp=datetime(2024, 2, 29, tzinfo=UTC), scheduled_event_id=2)
    decision = DecisionTask(
        token="t", process=ProcessRef("p", "r"), workflow=TypeRef("W"), events=(started,), started_event_id=3
    )
    assert (decision.attempt, decision.previous_started_event_id) == (1, 0)
    with pytest.raises(AttributeError):
        decision.token = "u"  # type: ignore[misc]
