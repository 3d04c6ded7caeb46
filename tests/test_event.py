"""Events: one class for each of SWF's, their stored form, and their payloads."""

from __future__ import annotations

import typing
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from aioworkflow import event
from aioworkflow.event import CLOSING_EVENTS, AnyEvent, Cause, Event, ProcessStartedEvent
from aioworkflow.payload import Decoded
from aioworkflow.types import ChildPolicy, ProcessRef, TimeoutType, TypeRef

NOON = datetime(2024, 2, 29, 12, 0, 0, 1, tzinfo=UTC)
KINDS: list[type[Any]] = list(typing.get_args(AnyEvent))

SAMPLES: dict[Any, Any] = {
    int: 7,
    int | None: 7,
    str: "s",
    str | None: "[1]",
    float: 1.5,
    float | None: 2.5,
    datetime: NOON,
    TypeRef: TypeRef("N", "2"),
    ProcessRef: ProcessRef("p", "r"),
    ProcessRef | None: ProcessRef("p", "r"),
    ChildPolicy: ChildPolicy.ABANDON,
    TimeoutType: TimeoutType.HEARTBEAT,
    Cause: Cause.UNHANDLED_DECISION,
    Cause | None: Cause.CHILD_POLICY_APPLIED,
    tuple[str, ...]: ("a", "b"),
}


def samples(kind: type[Any], *, required_only: bool) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    fields = msgspec.structs.fields(kind)
    return {field.name: SAMPLES[hints[field.name]] for field in fields if field.required or not required_only}


def test_there_is_one_class_for_each_event_of_swf_and_one_for_all_others() -> None:
    assert len(KINDS) == 54 + 1
    assert {kind.__name__ for kind in KINDS} == {
        name for name in event.__all__ if name.endswith("Event") and name not in ("Event", "AnyEvent")
    }
    assert all(issubclass(kind, Event) for kind in KINDS)
    assert set(CLOSING_EVENTS) < set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("required_only", [False, True])
def test_an_event_is_its_own_stored_form(kind: type[Any], required_only: bool) -> None:
    original = kind(**samples(kind, required_only=required_only))
    text = msgspec.json.encode(original)
    assert msgspec.json.decode(text, type=AnyEvent) == original
    assert msgspec.json.decode(text)["type"] == kind.__name__.removesuffix("Event")
    assert hash(original) == hash(kind(**samples(kind, required_only=required_only)))


@pytest.mark.parametrize("kind", KINDS)
def test_payload_fields_have_a_property_that_decodes_them(kind: type[Any]) -> None:
    names = [name for name in kind.__struct_fields__ if name.endswith("_json")]
    original = kind(**samples(kind, required_only=False))
    for name in names:
        assert isinstance(getattr(kind, name.removesuffix("_json")), Decoded)
        assert getattr(original, name.removesuffix("_json")) == [1]
    absent = kind(**samples(kind, required_only=True))
    assert [getattr(absent, name.removesuffix("_json")) for name in names] == [None] * len(names)


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_is_frozen_and_says_what_it_is(kind: type[Any]) -> None:
    with pytest.raises(AttributeError):
        kind(**samples(kind, required_only=True)).event_id = 8
    assert kind.__doc__
    assert "\n" not in kind.__doc__.strip()


def test_what_has_a_default_is_not_stored() -> None:
    started = ProcessStartedEvent(
        event_id=1, timestamp=NOON, workflow=TypeRef("W"), task_list="d", child_policy=ChildPolicy.TERMINATE
    )
    assert msgspec.json.decode(msgspec.json.encode(started)) == {
        "type": "ProcessStarted",
        "event_id": 1,
        "timestamp": "2024-02-29T12:00:00.000001Z",
        "workflow": ["W", "1"],
        "task_list": "d",
        "child_policy": "TERMINATE",
    }
