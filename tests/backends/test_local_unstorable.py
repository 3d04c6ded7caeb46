"""A value that the store has no form for, or a run that it cannot read: the request that brought it, or asked for it,
fails; the others are carried out.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from aioworkflow.backend import StartRequest
from aioworkflow.backends.local import LocalBackend, LocalOptions
from aioworkflow.errors import StoreError
from aioworkflow.stores.base import Group
from aioworkflow.stores.memory import MemoryStore
from aioworkflow.stores.sqlite import SQLiteStore
from aioworkflow.types import ChildPolicy, ProcessRef, TypeRef, WorkflowType

WORKFLOW = WorkflowType(
    ref=TypeRef("W"),
    execution_timeout=None,
    decision_timeout=None,
    task_list="default",
    task_priority=0,
    child_policy=ChildPolicy.TERMINATE,
)


class PickyStore(MemoryStore):
    """Has no form for signals of one name."""

    async def commit(self, group: Group) -> Sequence[int]:
        for write in group.writes:
            if any(getattr(event, "signal", "") == "poison" for event in write.events):
                raise TypeError("no form for poison")
        return await super().commit(group)


async def test_it_harms_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    async with LocalBackend(PickyStore()) as backend:
        await backend.register_workflow(WORKFLOW)
        for name in ("a", "b"):
            await backend.start_process(StartRequest(process_id=name, workflow=TypeRef("W")))
        with caplog.at_level(logging.ERROR, "aioworkflow.local"):
            answers = await asyncio.gather(
                backend.signal_process(ProcessRef("a"), "one"),
                backend.signal_process(ProcessRef("a"), "poison"),
                backend.signal_process(ProcessRef("a"), "two"),
                backend.signal_process(ProcessRef("b"), "three"),
                return_exceptions=True,
            )
        assert [type(answer) for answer in answers] == [type(None), TypeError, type(None), type(None)]
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        for name, signals in (("a", ["one", "two"]), ("b", ["three"])):
            events = [event async for page in backend.history(ProcessRef(name)) for event in page]
            assert [event.signal for event in events if hasattr(event, "signal")] == signals
            assert [event.event_id for event in events] == list(range(1, len(events) + 1))
        await backend.signal_process(ProcessRef("a"), "later")


async def test_alone_in_its_group() -> None:
    async with LocalBackend(PickyStore()) as backend:
        await backend.register_workflow(WORKFLOW)
        await backend.start_process(StartRequest(process_id="a", workflow=TypeRef("W")))
        with pytest.raises(TypeError, match="no form for poison"):
            await backend.signal_process(ProcessRef("a"), "poison")
        await backend.signal_process(ProcessRef("a"), "fine")


# --- what cannot be read ---------------------------------------------------------------------------------------------


async def damaged(path: Path) -> None:
    """Make two processes, and damage the record of the first."""
    async with LocalBackend(SQLiteStore(path)) as backend:
        await backend.register_workflow(WORKFLOW)
        for name in ("bad", "good"):
            await backend.start_process(StartRequest(process_id=name, workflow=TypeRef("W")))
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE state SET head = replace(head, 'TERMINATE', 'EXPLODE') WHERE id = 1")


async def test_a_damaged_run_harms_no_other(tmp_path: Path) -> None:
    await damaged(tmp_path / "test.db")
    async with LocalBackend(SQLiteStore(tmp_path / "test.db")) as backend:
        answers = await asyncio.gather(
            backend.signal_process(ProcessRef("bad"), "one"),
            backend.signal_process(ProcessRef("good"), "two"),
            return_exceptions=True,
        )
        assert [type(answer) for answer in answers] == [StoreError, type(None)]
        assert "a record in it is damaged, or was written by a newer aioworkflow" in str(answers[0])


async def test_a_damaged_run_does_not_keep_tasks_from_polls(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    await damaged(tmp_path / "test.db")
    async with LocalBackend(SQLiteStore(tmp_path / "test.db"), LocalOptions(poll_seconds=30.0)) as backend:
        polls = [asyncio.create_task(backend.poll_decision_task("default")) for _ in range(2)]
        done, waiting = await asyncio.wait(polls, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        task = done.pop().result()
        assert task is not None
        assert task.process.process_id == "good"
        assert len(waiting) == 1
    assert "cannot be handed out: the database" in caplog.text
