from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from aioworkflow.backends.local.registry import Registry
from aioworkflow.decision import RecordMarkerDecision, ScheduleActivityDecision, StartChildProcessDecision
from aioworkflow.errors import BackendUnavailableError, InvalidRequestError
from aioworkflow.machine.limits import Limits
from aioworkflow.stores.memory import MemoryStore
from aioworkflow.types import ActivityType, TypeRef, WorkflowType
from tests.backends.scripted_store import ScriptedStore

W = WorkflowType(ref=TypeRef("W"))
A = ActivityType(ref=TypeRef("A"))


@pytest.fixture
async def store() -> ScriptedStore:
    store = ScriptedStore(MemoryStore())
    await store.open()
    return store


@pytest.fixture
def registry(store: ScriptedStore) -> Registry:
    return Registry(store, Limits())


async def test_types_are_saved_once_and_seen_by_the_rules(registry: Registry, store: ScriptedStore) -> None:
    for _ in range(2):
        await registry.register(W)
        await registry.register(A)
    assert store.calls["save_type"] == 2
    assert registry.environment.workflows == {W.ref: W}
    assert registry.environment.activities == {A.ref: A}
    assert set(await store.types()) == {W, A}


async def test_other_defaults_replace_the_old_ones(registry: Registry, store: ScriptedStore) -> None:
    new = WorkflowType(ref=W.ref, task_priority=3)
    await registry.register(W)
    await registry.register(new)
    assert registry.environment.workflows == {W.ref: new}
    assert list(await store.types()) == [new]


async def test_what_is_not_saved_is_not_known(registry: Registry, store: ScriptedStore) -> None:
    store.fail("save_type", BackendUnavailableError("away"))
    with pytest.raises(BackendUnavailableError):
        await registry.register(W)
    assert registry.environment.workflows == {}
    await registry.register(W)
    assert registry.environment.workflows == {W.ref: W}


async def test_others_may_have_registered_types(registry: Registry, store: ScriptedStore) -> None:
    await store.save_type(W)
    await store.save_type(A)
    decisions = [
        RecordMarkerDecision("m"),
        ScheduleActivityDecision(A.ref, id="a"),
        StartChildProcessDecision(W.ref, id="c"),
    ]
    assert registry.lacks_types(decisions[:2])
    assert registry.lacks_types(decisions[2:])
    await registry.refresh()
    assert not registry.lacks_types(decisions)


async def test_what_is_registered_while_types_are_read_counts(registry: Registry, store: ScriptedStore) -> None:
    await registry.register(W)
    new = WorkflowType(ref=W.ref, task_priority=3)

    class Late(ScriptedStore):
        async def types(self) -> Sequence[WorkflowType | ActivityType]:
            found = await super().types()
            if self.calls["types"] == 1:
                await late.register(new)
            return found

    late = Registry(Late(store), Limits())
    await late.refresh()
    assert late.environment.workflows == {W.ref: new}


async def test_what_cannot_be_hashed_names_nothing(registry: Registry) -> None:
    decision = ScheduleActivityDecision(A.ref, id="a")
    object.__setattr__(decision, "activity", TypeRef([]))  # type: ignore[arg-type]
    assert not registry.lacks_types([decision])


@pytest.mark.parametrize(
    "registered",
    [
        "W",
        TypeRef("W"),
        WorkflowType(ref=("W", "1")),  # type: ignore[arg-type]
        WorkflowType(ref=TypeRef("W:1")),
        WorkflowType(ref=TypeRef("W", "")),
        WorkflowType(ref=W.ref, description="x" * 1025),
        WorkflowType(ref=W.ref, deprecated=1),  # type: ignore[arg-type]
        WorkflowType(ref=W.ref, child_policy="TERMINATE"),  # type: ignore[arg-type]
        ActivityType(ref=A.ref, heartbeat_timeout=-1),
        ActivityType(ref=A.ref, task_list=" "),
    ],
    ids=repr,
)
async def test_wrong_types_are_refused(registry: Registry, store: ScriptedStore, registered: Any) -> None:
    with pytest.raises(InvalidRequestError):
        await registry.register(registered)
    assert list(await store.types()) == []


async def test_a_description_is_kept(registry: Registry) -> None:
    described = ActivityType(ref=A.ref, description="does it")
    await registry.register(described)
    assert registry.environment.activities[A.ref].description == "does it"
