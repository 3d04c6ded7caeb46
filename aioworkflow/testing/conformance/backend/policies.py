"""What becomes of children when their parent is closed by force (swf-reference 7.4)."""

from __future__ import annotations

from ....decision import CompleteProcessDecision, FailProcessDecision, StartChildProcessDecision
from ....event import Cause, ChildProcessStartedEvent, ProcessCancelRequestedEvent, ProcessTerminatedEvent
from ....types import ChildPolicy, ProcessRef, ProcessStatus
from .check import check
from .children import child_list, start_child
from .expect import WHEN, equal, one, timeless
from .harness import Feature
from .lab import Lab


async def _close(lab: Lab, how: str, parent: ProcessRef) -> None:
    """Close a process whose execution timeout is 50 ticks, in one of two ways."""
    if how == "terminated":
        await lab.backend.terminate_process(parent)
    else:
        await lab.advance(51)
        await lab.closed(parent)


async def _alive(lab: Lab, child: ProcessRef) -> None:
    """Expect a process to be open, and its decider not to have been told anything."""
    task = await lab.poll_decision(child_list(lab))
    equal((task.process, len(task.events)), (child, 3), "the child, and the number of its events")
    await lab.answer(task, CompleteProcessDecision())
    equal((await lab.info(child)).status, ProcessStatus.COMPLETED)


@check("7.4")
async def children_are_terminated(lab: Lab) -> None:
    """Policy TERMINATE closes them, naming the cause and their own policy."""
    for how in ("terminated", "timed out"):
        settings = {"child_policy": ChildPolicy.TERMINATE, "execution_timeout": 50 * lab.tick}
        parent, child = await start_child(lab, word=how, parent=settings, child_policy=ChildPolicy.ABANDON)
        await _close(lab, how, parent)
        expected = ProcessTerminatedEvent(
            event_id=3, timestamp=WHEN, child_policy=ChildPolicy.ABANDON, cause=Cause.CHILD_POLICY_APPLIED
        )
        equal(timeless(await lab.closed(child)), expected)


@check("7.4")
async def children_are_asked_to_end(lab: Lab) -> None:
    """Policy REQUEST_CANCEL asks them, naming the cause, with a decision task."""
    for how in ("terminated", "timed out"):
        settings = {"child_policy": ChildPolicy.REQUEST_CANCEL, "execution_timeout": 50 * lab.tick}
        parent, child = await start_child(lab, word=how, parent=settings)
        await lab.decide(task_list=child_list(lab))
        await _close(lab, how, parent)
        task = await lab.poll_decision(child_list(lab))
        equal(task.process, child, "the process of the decision task")
        requested = one(task.events, ProcessCancelRequestedEvent)
        expected = ProcessCancelRequestedEvent(event_id=5, timestamp=WHEN, cause=Cause.CHILD_POLICY_APPLIED)
        equal(timeless(requested), expected)
        await lab.answer(task)
        equal((await lab.info(child)).status, ProcessStatus.OPEN)


@check("7.4")
async def children_are_abandoned(lab: Lab) -> None:
    """Policy ABANDON leaves them alone, and their end is told to nobody."""
    for how in ("terminated", "timed out"):
        settings = {"child_policy": ChildPolicy.ABANDON, "execution_timeout": 50 * lab.tick}
        parent, child = await start_child(lab, word=how, parent=settings)
        await _close(lab, how, parent)
        before = await lab.history(parent)
        await _alive(lab, child)
        await lab.expect_unchanged(parent, before)


@check("7.3")
async def a_termination_applies_the_policy_it_names(lab: Lab) -> None:
    """The policy of the request goes before the one the process was started with."""
    parent, child = await start_child(lab, word="one", parent={"child_policy": ChildPolicy.TERMINATE})
    await lab.backend.terminate_process(parent, child_policy=ChildPolicy.ABANDON)
    await _alive(lab, child)
    parent, child = await start_child(lab, word="two", parent={"child_policy": ChildPolicy.ABANDON})
    await lab.backend.terminate_process(parent, child_policy=ChildPolicy.TERMINATE)
    await lab.closed(child)
    equal((await lab.info(child)).status, ProcessStatus.TERMINATED)


@check("7.4", Feature.CHOICES)
async def policies_go_on_to_grandchildren(lab: Lab) -> None:
    """A child that is terminated applies its own policy (12.20)."""
    middle_list = lab.name("middle decisions")
    middle = StartChildProcessDecision(lab.workflow, id=lab.name("middle"), task_list=middle_list)
    bottom = StartChildProcessDecision(lab.workflow, id=lab.name("bottom"), task_list=child_list(lab))
    top = await lab.begin(middle)
    await lab.told(top, ChildProcessStartedEvent)
    await lab.decide(bottom, task_list=middle_list)
    one((await lab.poll_decision(middle_list)).events, ChildProcessStartedEvent)
    await lab.backend.terminate_process(top)
    for decision in (middle, bottom):
        closed = await lab.closed(ProcessRef(decision.id or ""))
        expected = (ProcessTerminatedEvent, Cause.CHILD_POLICY_APPLIED)
        equal((type(closed), getattr(closed, "cause", None)), expected, "how the process ended, and why")


@check("7.4", Feature.CHOICES)
async def a_parent_that_closes_itself_leaves_its_children(lab: Lab) -> None:
    """No policy is applied when the decider closes the process (12.4)."""
    for number, decision in enumerate((CompleteProcessDecision(), FailProcessDecision())):
        parent, child = await start_child(lab, word=f"parent {number}", parent={"child_policy": ChildPolicy.TERMINATE})
        await lab.backend.signal_process(parent, "s")
        await lab.decide(decision)
        await _alive(lab, child)
