"""What the chaos test lets happen: kinds of processes, and what each must end with.

No task of theirs has a timeout (but for the heartbeats of one activity), so whatever is lost stays lost: a process that
never ends shows it.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from aioworkflow.activity import Activity, ActivityContext
from aioworkflow.decision import (
    CancelActivityDecision,
    CancelProcessDecision,
    CancelTimerDecision,
    CompleteProcessDecision,
    ContinueAsNewDecision,
    Decision,
    ScheduleActivityDecision,
    SignalProcessDecision,
    StartChildProcessDecision,
    StartTimerDecision,
)
from aioworkflow.event import ChildProcessStartedEvent
from aioworkflow.process import Process
from aioworkflow.task import ActivityTask
from aioworkflow.types import ChildPolicy, ProcessStatus
from aioworkflow.workflow import Workflow
from tests.hunts.steps import is_done, todo


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A process that the driver starts.

    Attributes:
        id: Its process id.
        workflow: What it is.
        input: What it gets.
        signals: Values that it is to be told, without which it does not end.
        ends: How it must end. If that is to be canceled or terminated, the driver sees to it.
        result: What it must return, if it completes.
        child_policy: What becomes of its children, if it is terminated.
    """

    id: str
    workflow: type[Workflow]
    input: Any
    signals: Sequence[int] = ()
    ends: ProcessStatus = ProcessStatus.COMPLETED
    result: Any = None
    child_policy: ChildPolicy | None = None


def plans(seed: int) -> Iterator[Plan]:
    """Return endless plans, the same for the same seed."""
    chance = random.Random(f"plans of {seed}")
    number = 0
    while True:
        kind = chance.choices(list(KINDS), weights=list(KINDS.values()))[0]
        yield kind(f"process-{number}", number, chance)
        number += 1


# --- workflows -------------------------------------------------------------------------------------------------------


class Chain(Workflow):
    """Activities one after another, each on the result of the one before."""

    decision_timeout = None

    def decide(self, process: Process) -> list[Decision]:
        value = process.input["value"]
        for step in range(process.input["steps"]):
            if not is_done(process, f"step-{step}"):
                return todo(process, "Add", f"step-{step}", value)
            value = process.result_of(f"step-{step}")
        return [CompleteProcessDecision(value)]


class Fan(Workflow):
    """Activities at once."""

    decision_timeout = None

    def decide(self, process: Process) -> list[Decision]:
        parts = range(process.input["width"])
        decisions = [decision for part in parts for decision in todo(process, "Add", f"part-{part}", part)]
        if decisions or process.open_activities:
            return decisions
        return [CompleteProcessDecision(sum(process.result_of(f"part-{part}") for part in parts))]


class Family(Workflow):
    """Child processes at once, each a chain."""

    decision_timeout = None

    def decide(self, process: Process) -> list[Decision]:
        children = [child_id(process, name) for name in range(process.input["children"])]
        if all(process.child(child) is None for child in children):
            given = {"value": process.input["value"], "steps": process.input["steps"]}
            return [StartChildProcessDecision(Chain, given, id=child) for child in children]
        if process.open_children:
            return []
        return [CompleteProcessDecision([process.child_result_of(child) for child in children])]


class Nap(Workflow):
    """A timer that fires, one that is canceled, then an activity."""

    decision_timeout = None

    def decide(self, process: Process) -> list[Decision]:
        nap = process.timer("nap")
        if nap is None:
            return [StartTimerDecision(process.input["seconds"], id="nap"), StartTimerDecision(10**7, id="sleep")]
        if not nap.has_fired:
            return []
        if "sleep" in process.open_timers:
            return [CancelTimerDecision("sleep"), *todo(process, "Add", "after", process.input["value"])]
        if is_done(process, "after"):
            return [CompleteProcessDecision(process.result_of("after"))]
        return todo(process, "Add", "after", process.input["value"])


class Mailbox(Workflow):
    """Waits for signals, with an activity for each value that comes, however often it comes."""

    decision_timeout = None

    def decide(self, process: Process) -> list[Decision]:
        came = sorted({signal.input["value"] for signal in process.signals("post")})
        decisions = [decision for value in came for decision in todo(process, "Add", f"post-{value}", value)]
        if decisions or process.open_activities or len(came) < len(process.input["values"]):
            return decisions
        return [CompleteProcessDecision([process.result_of(f"post-{value}") for value in came])]


class Relay(Workflow):
    """Signals a child of its own, a mailbox."""

    decision_timeout = None

    def decide(self, process: Process) -> list[Decision]:
        child = child_id(process, "mailbox")
        if process.child(child) is None:
            return [StartChildProcessDecision(Mailbox, process.input, id=child)]
        if any(isinstance(event, ChildProcessStartedEvent) for event in process.new_events):
            return [SignalProcessDecision(child, "post", {"value": value}) for value in process.input["values"]]
        if process.open_children:
            return []
        return [CompleteProcessDecision(process.child_result_of(child))]


class Countdown(Workflow):
    """Continues as new, with one activity in each run."""

    decision_timeout = None

    def decide(self, process: Process) -> list[Decision]:
        if not is_done(process, "only"):
            return todo(process, "Add", "only", process.input["value"])
        value, left = process.result_of("only"), process.input["left"]
        if left:
            return [ContinueAsNewDecision({"value": value, "left": left - 1})]
        return [CompleteProcessDecision(value)]


class Vigil(Workflow):
    """An activity and a timer that end only if they are canceled, which happens when the process is."""

    decision_timeout = None

    def decide(self, process: Process) -> list[Decision]:
        if process.cancel_requested:
            opened = [
                *map(CancelActivityDecision, process.open_activities),
                *map(CancelTimerDecision, process.open_timers),
            ]
            return opened if process.open_activities else [*opened, CancelProcessDecision()]
        decisions: list[Decision] = []
        if "watch" not in process.open_activities:  # whoever did it has gone
            decisions.append(ScheduleActivityDecision("Watch", id="watch"))
        if process.timer("month") is None:
            decisions.append(StartTimerDecision(30 * 86400, id="month"))
        return decisions


class Guardian(Workflow):
    """Has children on a vigil, and never ends by itself."""

    decision_timeout = None

    def decide(self, process: Process) -> list[Decision]:
        children = [child_id(process, name) for name in range(process.input["children"])]
        return [StartChildProcessDecision(Vigil, id=child) for child in children if process.child(child) is None]


WORKFLOWS = (Chain, Fan, Family, Nap, Mailbox, Relay, Countdown, Vigil, Guardian)


def child_id(process: Process, name: object) -> str:
    """Name a child so that it is no other run's."""
    return f"{process.id}.{process.run_id}.{name}"


# --- activities ------------------------------------------------------------------------------------------------------


class Add(Activity):
    """Adds one, and puts on record that it did.

    Args:
        diary: A file descriptor; what is written there outlives a kill.
    """

    def __init__(self, diary: int) -> None:
        self._diary = diary

    async def execute(self, task: ActivityTask, worker: ActivityContext) -> int:
        os.write(self._diary, f"{task.process.run_id} {task.started_event_id}\n".encode())
        await asyncio.sleep(0)
        return int(task.input) + 1


class Watch(Activity):
    """Never ends by itself."""

    heartbeat_timeout = 5.0

    async def execute(self, task: ActivityTask, worker: ActivityContext) -> None:
        await asyncio.Event().wait()


# --- plans -----------------------------------------------------------------------------------------------------------


def _chain(id: str, number: int, chance: random.Random) -> Plan:
    steps = chance.randint(1, 6)
    return Plan(id=id, workflow=Chain, input={"value": number, "steps": steps}, result=number + steps)


def _fan(id: str, number: int, chance: random.Random) -> Plan:
    width = chance.randint(2, 20)
    return Plan(id=id, workflow=Fan, input={"width": width}, result=sum(range(1, width + 1)))


def _family(id: str, number: int, chance: random.Random) -> Plan:
    children, steps = chance.randint(1, 3), chance.randint(1, 3)
    given = {"value": number, "children": children, "steps": steps}
    return Plan(id=id, workflow=Family, input=given, result=[number + steps] * children)


def _nap(id: str, number: int, chance: random.Random) -> Plan:
    return Plan(id=id, workflow=Nap, input={"value": number, "seconds": chance.uniform(0.05, 1.0)}, result=number + 1)


def _mailbox(id: str, number: int, chance: random.Random) -> Plan:
    values = [number + position for position in range(chance.randint(1, 4))]
    result = [value + 1 for value in values]
    return Plan(id=id, workflow=Mailbox, input={"values": values}, signals=values, result=result)


def _relay(id: str, number: int, chance: random.Random) -> Plan:
    values = [number + position for position in range(chance.randint(1, 4))]
    return Plan(id=id, workflow=Relay, input={"values": values}, result=[value + 1 for value in values])


def _countdown(id: str, number: int, chance: random.Random) -> Plan:
    left = chance.randint(1, 3)
    return Plan(id=id, workflow=Countdown, input={"value": number, "left": left}, result=number + left + 1)


def _vigil(id: str, number: int, chance: random.Random) -> Plan:
    return Plan(id=id, workflow=Vigil, input=None, ends=ProcessStatus.CANCELED)


def _guardian(id: str, number: int, chance: random.Random) -> Plan:
    policy = chance.choice([ChildPolicy.TERMINATE, ChildPolicy.REQUEST_CANCEL])
    given = {"children": chance.randint(1, 2)}
    return Plan(id=id, workflow=Guardian, input=given, ends=ProcessStatus.TERMINATED, child_policy=policy)


KINDS = {
    _chain: 4,
    _fan: 2,
    _family: 2,
    _nap: 2,
    _mailbox: 3,
    _relay: 2,
    _countdown: 1,
    _vigil: 2,
    _guardian: 1,
}
