"""Continuing as a new run (swf-reference 3.6)."""

from __future__ import annotations

from typing import Any

from ....decision import (
    CompleteProcessDecision,
    ContinueAsNewDecision,
    StartChildProcessDecision,
    StartTimerDecision,
)
from ....errors import ProcessAlreadyRunningError, UnknownProcessError
from ....event import (
    Cause,
    ChildProcessCompletedEvent,
    ContinueAsNewFailedEvent,
    ProcessContinuedAsNewEvent,
    ProcessStartedEvent,
    TimerFiredEvent,
)
from ....types import UNSET, ChildPolicy, ProcessRef, ProcessStatus, TypeRef
from .check import check
from .expect import WHEN, equal, one, refused, timeless, true
from .harness import Feature
from .lab import Lab


async def _successor(lab: Lab, process: ProcessRef) -> tuple[ProcessRef, ProcessContinuedAsNewEvent]:
    ended = (await lab.history(process))[-1]
    if not isinstance(ended, ProcessContinuedAsNewEvent):
        raise AssertionError(f"the last event should be a ProcessContinuedAsNewEvent and is {ended!r}")
    return ProcessRef(process.process_id, ended.new_run_id), ended


@check("3.6")
async def a_run_is_continued_by_another(lab: Lab) -> None:
    """The old run ends naming the new one, which begins with the settings of the decision, the same process id, and a
    decision task of its own.
    """
    elsewhere = lab.name("elsewhere")
    process = await lab.begin(
        ContinueAsNewDecision(
            {"round": 2},
            tags=["second"],
            task_list=elsewhere,
            task_priority=3,
            execution_timeout=70 * lab.tick,
            decision_timeout=7 * lab.tick,
            child_policy=ChildPolicy.REQUEST_CANCEL,
        ),
        tags=("first",),
    )
    new, ended = await _successor(lab, process)
    true(new.run_id and new.run_id != process.run_id, "the runs have different ids")
    settings: dict[str, Any] = {
        "workflow": lab.workflow,
        "input_json": '{"round":2}',
        "task_list": elsewhere,
        "task_priority": 3,
        "execution_timeout": 70 * lab.tick,
        "decision_timeout": 7 * lab.tick,
        "child_policy": ChildPolicy.REQUEST_CANCEL,
        "tags": ("second",),
    }
    expected = ProcessContinuedAsNewEvent(
        event_id=5, timestamp=WHEN, new_run_id=new.run_id, decision_completed_event_id=4, **settings
    )
    equal(timeless(ended), expected)
    equal((await lab.info(process)).status, ProcessStatus.CONTINUED_AS_NEW)
    equal(await lab.closed(process), ended, "what waiting for the old run returns")
    started, _ = await lab.expect_history(new, "ProcessStarted", "DecisionScheduled")
    expected_start = ProcessStartedEvent(event_id=1, timestamp=WHEN, continued_run_id=process.run_id, **settings)
    equal(timeless(started), expected_start)
    equal((await lab.info(ProcessRef(process.process_id))).process, new, "the open run")
    equal((await lab.poll_decision(elsewhere)).process, new, "the process of the decision task")


@check("3.6")
async def a_new_run_inherits_nothing(lab: Lab) -> None:
    """Settings that the decision leaves out come from the workflow, not from the old run, and input and tags are
    empty; nothing that is open moves on.
    """
    await lab.start(
        input_json="1",
        tags=("t",),
        task_priority=9,
        execution_timeout=50 * lab.tick,
        decision_timeout=5 * lab.tick,
        child_policy=ChildPolicy.ABANDON,
    )
    await lab.decide(lab.schedule("a"), StartTimerDecision(2 * lab.tick, id="t"))
    await lab.advance(3)
    task = await lab.poll_decision()
    one(task.events, TimerFiredEvent)
    await lab.answer(task, StartTimerDecision(2 * lab.tick, id="t"), ContinueAsNewDecision())
    new, _ = await _successor(lab, task.process)
    started, _ = await lab.expect_history(new, "ProcessStarted", "DecisionScheduled")
    expected = ProcessStartedEvent(
        event_id=1,
        timestamp=WHEN,
        workflow=lab.workflow,
        task_list=lab.decisions,
        execution_timeout=10_000 * lab.tick,
        decision_timeout=1_000 * lab.tick,
        child_policy=ChildPolicy.TERMINATE,
        continued_run_id=task.process.run_id,
    )
    equal(timeless(started), expected)
    await lab.expect_no_activity()
    counts = (await lab.info(new)).open_counts
    true(counts is not None and (counts.activities, counts.timers) == (0, 0), "nothing is open in the new run")
    await lab.decide()
    await lab.advance(5)
    await lab.expect_scheduled(new, 1)


@check("3.6")
async def a_new_run_may_have_another_version(lab: Lab) -> None:
    """``workflow_version`` takes the new run, and its defaults, to another version of the workflow."""
    second = await lab.add_workflow(TypeRef(lab.workflow.name, "2"), task_priority=8)
    process = await lab.begin(ContinueAsNewDecision(workflow_version="2"))
    new, ended = await _successor(lab, process)
    info = await lab.info(new)
    equal((ended.workflow, info.workflow, info.task_priority), (second, second, 8), "workflow and priority")
    await lab.decide(ContinueAsNewDecision())
    newest, _ = await _successor(lab, new)
    equal((await lab.info(newest)).workflow, second, "the workflow of the run after it")


async def _expect_not_continued(lab: Lab, process: ProcessRef, cause: Cause) -> None:
    failed = (await lab.history(process))[4]
    expected = ContinueAsNewFailedEvent(event_id=5, timestamp=WHEN, cause=cause, decision_completed_event_id=4)
    equal(timeless(failed), expected)
    equal((await lab.info(ProcessRef(process.process_id))).process, process, "the open run")
    equal((await lab.decide()).process, process, "the process of the decision task")


@check("3.6")
async def a_run_is_not_continued_by_an_unknown_version(lab: Lab) -> None:
    """It is a failure with a decision task, and the run stays open."""
    process = await lab.begin(ContinueAsNewDecision(workflow_version="nobody's"))
    await _expect_not_continued(lab, process, Cause.WORKFLOW_TYPE_DOES_NOT_EXIST)


@check("3.6", Feature.DEPRECATION)
async def a_run_is_not_continued_by_a_deprecated_version(lab: Lab) -> None:
    """It is a failure with a decision task, and the run stays open."""
    await lab.add_workflow(TypeRef(lab.workflow.name, "old"), deprecated=True)
    process = await lab.begin(ContinueAsNewDecision(workflow_version="old"))
    await _expect_not_continued(lab, process, Cause.WORKFLOW_TYPE_DEPRECATED)


@check("3.6", Feature.MISSING_DEFAULTS)
async def a_run_is_not_continued_without_a_default(lab: Lab) -> None:
    """A setting that neither decision nor workflow gives is a failure that names it."""
    for setting, cause in (
        ("execution_timeout", Cause.DEFAULT_EXECUTION_START_TO_CLOSE_TIMEOUT_UNDEFINED),
        ("decision_timeout", Cause.DEFAULT_TASK_START_TO_CLOSE_TIMEOUT_UNDEFINED),
        ("task_list", Cause.DEFAULT_TASK_LIST_UNDEFINED),
        ("child_policy", Cause.DEFAULT_CHILD_POLICY_UNDEFINED),
    ):
        value = {
            "execution_timeout": 50 * lab.tick,
            "decision_timeout": 50 * lab.tick,
            "task_list": lab.decisions,
            "child_policy": ChildPolicy.ABANDON,
        }[setting]
        workflow = await lab.add_workflow(f"without {setting}", **{setting: UNSET})
        process = await lab.start(setting, workflow=workflow, **{setting: value})
        await lab.decide(ContinueAsNewDecision())
        await _expect_not_continued(lab, process, cause)


@check("3.6")
async def the_old_run_is_closed_and_the_id_taken(lab: Lab) -> None:
    """Requests without a run id go to the new run, those to the old run are refused, and so is another start."""
    process = await lab.begin(ContinueAsNewDecision())
    new, _ = await _successor(lab, process)
    with refused(ProcessAlreadyRunningError):
        await lab.start()
    with refused(UnknownProcessError):
        await lab.backend.signal_process(process, "s")
    await lab.backend.signal_process(ProcessRef(process.process_id), "s")
    await lab.expect_history(new, "ProcessStarted", "DecisionScheduled", "ProcessSignaled")


@check("3.6")
async def the_parent_of_a_continued_child_waits_for_the_last_run(lab: Lab) -> None:
    """A new run has the parent of the old one, which is told only of the end of the last run."""
    child_list = lab.name("child decisions")
    child_workflow = await lab.add_workflow("child", task_list=child_list)
    parent = await lab.begin(StartChildProcessDecision(child_workflow, id=lab.name("child")))
    first = (await lab.decide(ContinueAsNewDecision(), task_list=child_list)).process
    new, _ = await _successor(lab, first)
    started = one(await lab.history(new), ProcessStartedEvent)
    equal((started.parent, started.parent_initiated_event_id), (parent, 5), "the parent of the new run")
    await lab.decide(CompleteProcessDecision("done"), task_list=child_list)
    completed = await lab.told(parent, ChildProcessCompletedEvent)
    equal((completed.process, completed.result_json), (new, '"done"'), "the run that completed, and its result")
