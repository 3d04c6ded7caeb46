"""Child processes (swf-reference 3.12)."""

from __future__ import annotations

from typing import Any

from ....decision import (
    CancelProcessDecision,
    CompleteProcessDecision,
    Decision,
    FailProcessDecision,
    StartChildProcessDecision,
)
from ....event import (
    AnyEvent,
    Cause,
    ChildProcessCanceledEvent,
    ChildProcessCompletedEvent,
    ChildProcessFailedEvent,
    ChildProcessStartedEvent,
    ChildProcessTerminatedEvent,
    ChildProcessTimedOutEvent,
    ProcessStartedEvent,
    StartChildProcessFailedEvent,
    StartChildProcessInitiatedEvent,
)
from ....types import UNSET, ChildPolicy, ProcessRef, TypeRef
from .check import check
from .expect import WHEN, equal, every, kinds, one, timeless
from .harness import Feature
from .lab import Lab

__all__ = ["child_list", "start_child"]


def child_list(lab: Lab) -> str:
    """Return the task list of the decisions of children."""
    return lab.name("child decisions")


async def start_child(lab: Lab, *, word: str = "parent", parent: Any = None, **settings: Any) -> tuple[Any, Any]:
    """Start a process that starts a child and is told so; return both.

    Args:
        lab: The lab.
        word: Names the parent.
        parent: Settings of the parent.
        settings: Of the decision.
    """
    workflow = settings.pop("workflow", lab.workflow)
    settings = {"task_list": child_list(lab), "id": lab.name(f"child of {word}")} | settings
    process = await lab.begin(StartChildProcessDecision(workflow, **settings), word=word, **(parent or {}))
    started = await lab.told(process, ChildProcessStartedEvent)
    return process, started.process


@check("3.12")
async def a_child_is_started_with_all_its_settings(lab: Lab) -> None:
    """The parent has an event of the intention, with what the decision says, else the child's workflow; the child
    knows its parent; then the parent is told of the start, with a decision task.
    """
    workflow = await lab.add_workflow("child", task_priority=5, child_policy=ChildPolicy.REQUEST_CANCEL)
    settings: dict[str, Any] = {
        "task_list": child_list(lab),
        "execution_timeout": 80 * lab.tick,
        "decision_timeout": 8 * lab.tick,
        "tags": ("a", "b"),
    }
    child_id = lab.name("child")
    parent = await lab.begin(StartChildProcessDecision(workflow, {"n": 1}, id=child_id, control=[2], **settings))
    resolved = settings | {
        "workflow": workflow,
        "input_json": '{"n":1}',
        "task_priority": 5,
        "child_policy": ChildPolicy.REQUEST_CANCEL,
    }
    task = await lab.poll_decision()
    initiated, started, scheduled = task.events[4:7]
    expected = StartChildProcessInitiatedEvent(
        event_id=5,
        timestamp=WHEN,
        process_id=child_id,
        control_json="[2]",
        decision_completed_event_id=4,
        **resolved,
    )
    equal(timeless(initiated), expected)
    child = (await lab.info(ProcessRef(child_id))).process
    expected_start = ChildProcessStartedEvent(
        event_id=6, timestamp=WHEN, process=child, workflow=workflow, initiated_event_id=5
    )
    equal(timeless(started), expected_start)
    equal(kinds([scheduled]), ["DecisionScheduled"], "what follows")
    own = one(await lab.history(child), ProcessStartedEvent)
    expected_own = ProcessStartedEvent(
        event_id=1, timestamp=WHEN, parent=parent, parent_initiated_event_id=5, **resolved
    )
    equal(timeless(own), expected_own)
    equal((await lab.info(child)).parent, parent, "the parent")
    equal((await lab.poll_decision(child_list(lab))).process, child, "the process of the child's decision task")


@check("3.12")
async def a_child_takes_the_defaults_of_its_workflow(lab: Lab) -> None:
    """Not those of its parent; without tags, input and control there are none."""
    other = await lab.add_workflow("child", task_list=child_list(lab))
    parent = await lab.begin(
        StartChildProcessDecision(other, id=lab.name("child")),
        tags=("t",),
        task_priority=7,
        child_policy=ChildPolicy.ABANDON,
        input_json="1",
    )
    started = await lab.told(parent, ChildProcessStartedEvent)
    own = one(await lab.history(started.process), ProcessStartedEvent)
    expected = ProcessStartedEvent(
        event_id=1,
        timestamp=WHEN,
        workflow=other,
        task_list=child_list(lab),
        execution_timeout=10_000 * lab.tick,
        decision_timeout=1_000 * lab.tick,
        child_policy=ChildPolicy.TERMINATE,
        parent=parent,
        parent_initiated_event_id=5,
    )
    equal(timeless(own), expected)


@check("3.12")
async def a_parent_is_told_how_its_child_ends(lab: Lab) -> None:
    """Completed, failed or canceled: with what the child's own decision said."""
    cases: tuple[tuple[str, Decision, type[AnyEvent], dict[str, Any]], ...] = (
        ("completes", CompleteProcessDecision([1]), ChildProcessCompletedEvent, {"result_json": "[1]"}),
        ("fails", FailProcessDecision("r", "d"), ChildProcessFailedEvent, {"reason": "r", "details_json": '"d"'}),
        ("cancels", CancelProcessDecision({}), ChildProcessCanceledEvent, {"details_json": "{}"}),
        ("says nothing", CompleteProcessDecision(), ChildProcessCompletedEvent, {}),
    )
    for word, decision, kind, told in cases:
        parent, child = await start_child(lab, word=word)
        await lab.decide(decision, task_list=child_list(lab))
        closed = await lab.told(parent, kind)
        started = one(await lab.history(parent), ChildProcessStartedEvent)
        expected = kind(  # type: ignore[call-arg]
            event_id=closed.event_id,
            timestamp=WHEN,
            process=child,
            workflow=lab.workflow,
            initiated_event_id=5,
            started_event_id=started.event_id,
            **told,
        )
        equal(timeless(closed), expected)


@check("3.12")
async def a_parent_is_told_of_a_child_that_was_closed(lab: Lab) -> None:
    """Terminated or timed out: without reason and details."""
    parent, child = await start_child(lab, word="one")
    await lab.backend.terminate_process(child, reason="r", details_json="1")
    closed = await lab.told(parent, ChildProcessTerminatedEvent)
    expected = ChildProcessTerminatedEvent(
        event_id=closed.event_id,
        timestamp=WHEN,
        process=child,
        workflow=lab.workflow,
        initiated_event_id=5,
        started_event_id=6,
    )
    equal(timeless(closed), expected)
    parent, child = await start_child(lab, word="two", execution_timeout=5 * lab.tick)
    await lab.advance(6)
    timed_out = await lab.told(parent, ChildProcessTimedOutEvent)
    expected_end = ChildProcessTimedOutEvent(
        event_id=timed_out.event_id,
        timestamp=WHEN,
        process=child,
        workflow=lab.workflow,
        initiated_event_id=5,
        started_event_id=6,
    )
    equal(timeless(timed_out), expected_end)


@check("3.12")
async def open_children_are_counted(lab: Lab) -> None:
    """A child is open until its parent is told of its end."""
    parent, _ = await start_child(lab)
    counts = (await lab.info(parent)).open_counts
    equal(None if counts is None else counts.children, 1, "open children")
    await lab.decide(CompleteProcessDecision(), task_list=child_list(lab))
    await lab.told(parent, ChildProcessCompletedEvent)
    counts = (await lab.info(parent)).open_counts
    equal(None if counts is None else counts.children, 0, "open children")


@check("3.12")
async def a_child_with_the_id_of_an_open_process_fails(lab: Lab) -> None:
    """It is initiated and then fails, naming the intention; the process that has the id is left alone."""
    open_process = await lab.begin(word="taken")
    before = await lab.history(open_process)
    parent = await lab.begin(StartChildProcessDecision(lab.workflow, id=open_process.process_id, control="c"))
    failed = await lab.told(parent, StartChildProcessFailedEvent)
    expected = StartChildProcessFailedEvent(
        event_id=6,
        timestamp=WHEN,
        process_id=open_process.process_id,
        workflow=lab.workflow,
        cause=Cause.WORKFLOW_ALREADY_RUNNING,
        control_json='"c"',
        initiated_event_id=5,
        decision_completed_event_id=4,
    )
    equal(timeless(failed), expected)
    one(await lab.history(parent), StartChildProcessInitiatedEvent)
    await lab.expect_unchanged(open_process, before)
    counts = (await lab.info(parent)).open_counts
    equal(None if counts is None else counts.children, 0, "open children")


async def _expect_no_child(lab: Lab, word: str, cause: Cause, workflow: TypeRef) -> None:
    child_id = lab.name(f"child of {word}")
    parent = await lab.begin(StartChildProcessDecision(workflow, id=child_id, control="c"), word=word)
    failed = await lab.told(parent, StartChildProcessFailedEvent)
    expected = StartChildProcessFailedEvent(
        event_id=5,
        timestamp=WHEN,
        process_id=child_id,
        workflow=workflow,
        cause=cause,
        control_json='"c"',
        decision_completed_event_id=4,
    )
    equal(timeless(failed), expected)
    equal(every(await lab.history(parent), StartChildProcessInitiatedEvent), [], "intentions")


@check("3.12")
async def a_child_of_an_unknown_workflow_fails(lab: Lab) -> None:
    """There is no intention, only the failure with a decision task."""
    await _expect_no_child(lab, "one", Cause.WORKFLOW_TYPE_DOES_NOT_EXIST, TypeRef(lab.name("nobody")))
    await _expect_no_child(lab, "two", Cause.WORKFLOW_TYPE_DOES_NOT_EXIST, TypeRef(lab.workflow.name, "2"))


@check("3.12", Feature.DEPRECATION)
async def a_child_of_a_deprecated_workflow_fails(lab: Lab) -> None:
    """A deprecated workflow starts no process."""
    workflow = await lab.add_workflow("old", deprecated=True)
    await _expect_no_child(lab, "one", Cause.WORKFLOW_TYPE_DEPRECATED, workflow)


@check("3.12", Feature.MISSING_DEFAULTS)
async def a_child_without_a_default_fails(lab: Lab) -> None:
    """A setting that neither decision nor workflow gives is a failure that names it."""
    for setting, cause in (
        ("execution_timeout", Cause.DEFAULT_EXECUTION_START_TO_CLOSE_TIMEOUT_UNDEFINED),
        ("decision_timeout", Cause.DEFAULT_TASK_START_TO_CLOSE_TIMEOUT_UNDEFINED),
        ("task_list", Cause.DEFAULT_TASK_LIST_UNDEFINED),
        ("child_policy", Cause.DEFAULT_CHILD_POLICY_UNDEFINED),
    ):
        workflow = await lab.add_workflow(f"without {setting}", **{setting: UNSET})
        await _expect_no_child(lab, setting, cause, workflow)


@check("8.1", Feature.SMALL_LIMITS)
async def open_children_have_a_limit(lab: Lab) -> None:
    """One more than the limit is a failure."""
    most = lab.limits.open_children
    parent = await lab.begin(
        *(
            StartChildProcessDecision(lab.workflow, id=lab.name(f"child {number}"), task_list=child_list(lab))
            for number in range(most + 1)
        )
    )
    failed = await lab.told(parent, StartChildProcessFailedEvent)
    equal(failed.cause, Cause.OPEN_CHILDREN_LIMIT_EXCEEDED, "the cause")
    equal(failed.process_id, lab.name(f"child {most}"), "the child")


@check("3.12")
async def the_end_of_a_child_after_its_parent_changes_nothing(lab: Lab) -> None:
    """A parent that is closed is told nothing."""
    parent, child = await start_child(lab)
    await lab.backend.signal_process(parent, "s")
    await lab.decide(CompleteProcessDecision())
    before = await lab.history(parent)
    await lab.decide(CompleteProcessDecision(), task_list=child_list(lab))
    await lab.closed(child)
    witness, _ = await start_child(lab, word="witness")
    equal((await lab.info(witness)).process, witness, "a process that is started later")
    await lab.expect_unchanged(parent, before)
