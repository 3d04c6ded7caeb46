"""Sticky decisions: the next task of a process comes to the worker that has it in memory."""

from __future__ import annotations

from typing import Any

import pytest

from aioworkflow.activity import Activity, ActivityContext
from aioworkflow.process import Process
from aioworkflow.task import ActivityTask
from aioworkflow.workflow import Workflow
from tests.worker.scripted import ScriptedBackend, decision_task, settle, working


class Flow(Workflow):
    async def decide(self, process: Process) -> None:
        return None


class Act(Activity):
    async def execute(self, task: ActivityTask, worker: ActivityContext) -> None:
        raise AssertionError("no task was given")


@pytest.fixture
def backend() -> ScriptedBackend:
    return ScriptedBackend()


def own_lists(backend: ScriptedBackend) -> list[str]:
    """The task lists of its own at which the worker polls."""
    return [key.removeprefix("d:") for key in backend.polls if key.startswith("d:sticky-")]


@pytest.mark.parametrize(("suggested", "options"), [(7.0, {}), (None, {"sticky_seconds": 7})])
async def test_later_tasks_wait_for_some_time_at_a_list_of_the_workers_own(
    backend: ScriptedBackend, suggested: float | None, options: dict[str, Any]
) -> None:
    backend.sticky_seconds = suggested
    async with working(backend, workflows=[Flow], **options):
        (own,) = await backend.until(lambda: own_lists(backend))
        backend.give(decision_task())
        await backend.until(lambda: len(backend.later_lists) == 1)
        backend.give(decision_task(run_id="other"), to=own)
        await backend.until(lambda: len(backend.later_lists) == 2)
    assert backend.later_lists == [(own, 7.0)] * 2


@pytest.mark.parametrize(
    ("suggested", "options"),
    [
        (None, {}),
        (7.0, {"sticky_seconds": None}),
        (7.0, {"cached_processes": 0}),
        (7.0, {"max_concurrent_decisions": 1}),  # the one place is for the list of the workflow
    ],
)
async def test_later_tasks_wait_where_the_first_did(
    backend: ScriptedBackend, suggested: float | None, options: dict[str, Any]
) -> None:
    backend.sticky_seconds = suggested
    backend.give(decision_task())
    async with working(backend, workflows=[Flow], **options):
        await backend.until(lambda: backend.later_lists)
    assert backend.later_lists == [(None, None)]
    assert own_lists(backend) == []


async def test_only_tasks_of_processes_in_memory_leave_out_what_is_known(backend: ScriptedBackend) -> None:
    backend.sticky_seconds = 7.0
    async with working(backend, workflows=[Flow]):
        (own,) = await backend.until(lambda: own_lists(backend))
    assert backend.new_only == {"default": False, own: True}


@pytest.mark.parametrize("cached", [0, 1])
async def test_without_a_list_of_its_own_that_depends_on_whether_there_is_a_memory(
    backend: ScriptedBackend, cached: int
) -> None:
    async with working(backend, workflows=[Flow], cached_processes=cached):
        await backend.until(lambda: backend.polls)
    assert backend.new_only == {"default": cached > 0}


async def test_a_worker_that_stops_lets_go_of_its_processes(backend: ScriptedBackend) -> None:
    backend.polls_can_be_cancelled = False
    backend.sticky_seconds = 7.0
    async with working(backend, workflows=[Flow]) as worker:
        (own,) = await backend.until(lambda: own_lists(backend))
        worker.stop()
        await settle()
        backend.give(decision_task())
        backend.give(decision_task(run_id="other"), to=own)
    assert backend.later_lists == [("default", None)] * 2


async def test_who_runs_no_workflows_has_no_list_of_its_own(backend: ScriptedBackend) -> None:
    backend.sticky_seconds = 7.0
    async with working(backend, activities=[Act]):
        await settle()
    assert own_lists(backend) == []
