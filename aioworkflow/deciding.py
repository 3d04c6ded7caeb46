"""From what a decider returns to what a backend takes."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from typing import Any

from .activity import Activity
from .checks import name_part, show
from .decision import Decision, ScheduleActivityDecision, StartChildProcessDecision, StartTimerDecision
from .errors import InvalidDecisionError
from .payload import as_json
from .process import Process
from .workflow import Workflow

__all__ = ["as_decisions", "decide", "fill_ids", "settle"]


async def decide(workflow: Workflow, process: Process) -> list[Decision]:
    """Ask a workflow for its decisions; ``decide`` may be plain, a coroutine function or an asynchronous generator.

    Returns:
        What it decided, with ids filled in where it gave none.

    Raises:
        InvalidDecisionError: It returned something else.
        Exception: Whatever it raised.
    """
    returned = await settle(workflow.decide(process))
    return fill_ids(as_decisions(returned, process, workflow), process)


async def settle(returned: Any) -> Any:
    """Await what can be awaited, and collect what an asynchronous generator yields."""
    if inspect.isawaitable(returned):
        returned = await returned
    if isinstance(returned, AsyncIterable):
        returned = [item async for item in returned]
    return returned


def as_decisions(returned: object, process: Process, workflow: object) -> list[Decision]:
    """Return the decisions that a decider means by what it returned.

    That is a decision, an activity (short for scheduling it with the input of the process), an iterable of these, in
    which None is passed over, or None.

    Args:
        returned: By the decider.
        process: On which it decided.
        workflow: Whose decider it is (or its name), for the message.

    Raises:
        InvalidDecisionError: It is anything else; the message names the workflow and what was returned.
    """
    if returned is None:
        return []
    if isinstance(returned, Decision) or _is_activity(returned):
        return [_as_decision(returned, process, workflow)]
    if isinstance(returned, str | bytes | Mapping) or not isinstance(returned, Iterable):
        raise _rubbish(returned, process, workflow)
    return [_as_decision(item, process, workflow) for item in returned if item is not None]


def fill_ids(decisions: Sequence[Decision], process: Process) -> list[Decision]:
    """Return the decisions with ids where they have none.

    An id follows from the run, the decision task and the place in the list, so deciding again gives the same ids. Ids
    of children must be unique among all open processes, so they hold their parent's id and a hash of its run.
    """
    filled = list(decisions)
    for index, decision in enumerate(filled):
        match decision:
            case ScheduleActivityDecision(id=None, activity=activity):
                filled[index] = decision.with_id(f"{activity.name[:200]}-{process.last_event_id}-{index}")
            case StartTimerDecision(id=None):
                filled[index] = decision.with_id(f"timer-{process.last_event_id}-{index}")
            case StartChildProcessDecision(id=None):
                run = hashlib.blake2b(process.run_id.encode(), digest_size=6).hexdigest()
                parent = name_part(process.id, 200)
                filled[index] = decision.with_id(f"{parent}-{run}-{process.last_event_id}-{index}")
    return filled


def _is_activity(returned: object) -> bool:
    return isinstance(returned, Activity) or (isinstance(returned, type) and issubclass(returned, Activity))


def _as_decision(item: Any, process: Process, workflow: object) -> Decision:
    if isinstance(item, Decision):
        return item
    if _is_activity(item):
        return ScheduleActivityDecision(item, as_json(process.input_json))
    raise _rubbish(item, process, workflow)


def _rubbish(returned: object, process: Process, workflow: object) -> InvalidDecisionError:
    if inspect.iscoroutine(returned):
        returned.close()  # it would else warn that it was never awaited
    hint = "; a decision class must be called" if isinstance(returned, type) and issubclass(returned, Decision) else ""
    owner = workflow if isinstance(workflow, type | str) else type(workflow)
    name = owner if isinstance(owner, str) else owner.__qualname__
    return InvalidDecisionError(
        f"workflow {name} decided on process {process.ref} with {show(returned)}, which is no decision, "
        f"no activity, and no iterable of these{hint}"
    )
