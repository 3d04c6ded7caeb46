"""An OS process beside a test, on the same SQLite file: does one thing, and says in a line of JSON what came of it."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from aioworkflow.backend import StartRequest
from aioworkflow.backends.local import LocalBackend, LocalOptions
from aioworkflow.decision import ScheduleActivityDecision
from aioworkflow.result import ActivityCompleted
from aioworkflow.stores.sqlite import SQLiteStore
from aioworkflow.types import UNSET, ActivityType, ChildPolicy, ProcessRef, TypeRef, WorkflowType

WORKFLOW = WorkflowType(
    ref=TypeRef("W"),
    execution_timeout=None,
    decision_timeout=None,
    task_list="decisions",
    child_policy=ChildPolicy.TERMINATE,
)
ACTIVITY = ActivityType(
    ref=TypeRef("A"),
    schedule_to_start_timeout=None,
    schedule_to_close_timeout=None,
    start_to_close_timeout=None,
    heartbeat_timeout=None,
    task_list="activities",
    task_priority=UNSET,
)

OPTIONS = LocalOptions(poll_seconds=60.0, lease_seconds=3600.0, session_check_seconds=0.05)
"""Long polls and leases: what happens before they are over does not happen because of that."""


def open_backend(path: str) -> LocalBackend:
    """Return a backend on the file."""
    return LocalBackend(SQLiteStore(path), OPTIONS)


def say(value: object) -> None:
    """Tell the test."""
    print(json.dumps(value), flush=True)


async def start(backend: LocalBackend, process_id: str) -> None:
    """Start a process."""
    say(await backend.start_process(StartRequest(process_id=process_id, workflow=WORKFLOW.ref)))


async def signal(backend: LocalBackend, process_id: str, first: str, count: str) -> None:
    """Send numbers to a process, all at once."""
    process = ProcessRef(process_id)
    numbers = range(int(first), int(first) + int(count))
    await asyncio.gather(*(backend.signal_process(process, "s", str(number)) for number in numbers))
    say("sent")


async def hold(backend: LocalBackend) -> None:
    """Take a decision task and an activity task, and keep them for ever."""
    activity = await backend.poll_activity_task("activities")
    decision = await backend.poll_decision_task("decisions")
    assert activity is not None
    assert decision is not None
    say([activity.token, decision.token])
    await asyncio.Event().wait()


async def terminate(backend: LocalBackend, process_id: str) -> None:
    """Terminate a process."""
    await backend.terminate_process(ProcessRef(process_id))
    say("terminated")


async def work(backend: LocalBackend, decisions: str) -> None:
    """Decide as often as said: to schedule an activity, and do that."""
    for _ in range(int(decisions)):
        decision = await backend.poll_decision_task("decisions")
        assert decision is not None
        await backend.complete_decision_task(decision.token, [ScheduleActivityDecision(ACTIVITY.ref, id="a")])
        activity = await backend.poll_activity_task("activities")
        assert activity is not None
        await backend.complete_activity_task(activity.token, ActivityCompleted())
        say([decision.process, activity.process])


async def main(path: str, command: str, *arguments: str) -> None:
    """Do what the command line says."""
    commands: dict[str, Any] = {
        "start": start,
        "signal": signal,
        "hold": hold,
        "terminate": terminate,
        "work": work,
    }
    async with open_backend(path) as backend:
        await commands[command](backend, *arguments)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
