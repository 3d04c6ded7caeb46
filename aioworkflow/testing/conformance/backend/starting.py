"""Types, and starting a process (swf-reference 1.2, 1.6, 1.7, 2.2)."""

from __future__ import annotations

from typing import Any

from ....backend import OpenCounts, ProcessFilter, ProcessInfo, StartRequest
from ....errors import (
    DefaultUndefinedError,
    InvalidRequestError,
    ProcessAlreadyRunningError,
    TypeDeprecatedError,
    UnknownProcessError,
    UnknownTypeError,
)
from ....event import DecisionScheduledEvent, ProcessStartedEvent
from ....types import UNSET, ActivityType, ChildPolicy, ProcessRef, ProcessStatus, TypeRef, WorkflowType
from .check import check
from .expect import WHEN, equal, refused, timeless, true
from .harness import Feature
from .lab import Lab

BAD_NAMES: tuple[Any, ...] = (
    "",
    "x" * 257,
    "a:b",
    "a/b",
    "a|b",
    "a\x00b",
    "a\x1fb",
    "a\x7fb",
    "a\x9fb",
    "arn",
    None,
    7,
)


@check("2.2")
async def start_takes_what_the_request_says(lab: Lab) -> None:
    """Settings of the request go before those of the type, and all of them are told by the first event; events 1 and
    2 have one timestamp.
    """
    elsewhere = lab.name("elsewhere")
    process = await lab.start(
        input_json='{"a":[1,"ü"]}',
        tags=("red", lab.name("tag")),
        task_list=elsewhere,
        task_priority=-3,
        execution_timeout=50 * lab.tick,
        decision_timeout=5 * lab.tick,
        child_policy=ChildPolicy.ABANDON,
    )
    true(process.run_id, "the run has an id")
    equal(process.process_id, lab.name("process"))
    started, scheduled = await lab.expect_history(process, "ProcessStarted", "DecisionScheduled")
    equal(
        timeless(started),
        ProcessStartedEvent(
            event_id=1,
            timestamp=WHEN,
            workflow=lab.workflow,
            input_json='{"a":[1,"ü"]}',
            task_list=elsewhere,
            task_priority=-3,
            execution_timeout=50 * lab.tick,
            decision_timeout=5 * lab.tick,
            child_policy=ChildPolicy.ABANDON,
            tags=("red", lab.name("tag")),
        ),
    )
    equal(
        timeless(scheduled),
        DecisionScheduledEvent(
            event_id=2,
            timestamp=WHEN,
            task_list=elsewhere,
            task_priority=-3,
            start_to_close_timeout=5 * lab.tick,
        ),
    )
    equal(scheduled.timestamp, started.timestamp, "the timestamp")


@check("2.2")
async def start_takes_the_defaults_of_the_type(lab: Lab) -> None:
    """What the request does not say is taken from the workflow; the priority is 0 if nobody says it."""
    prioritized = await lab.add_workflow("prioritized", task_priority=12, child_policy=ChildPolicy.REQUEST_CANCEL)
    for word, workflow, priority, policy in (
        ("one", lab.workflow, 0, ChildPolicy.TERMINATE),
        ("two", prioritized, 12, ChildPolicy.REQUEST_CANCEL),
    ):
        process = await lab.start(word, workflow=workflow)
        started, _ = await lab.expect_history(process, "ProcessStarted", "DecisionScheduled")
        expected = ProcessStartedEvent(
            event_id=1,
            timestamp=WHEN,
            workflow=workflow,
            task_list=lab.decisions,
            task_priority=priority,
            execution_timeout=10_000 * lab.tick,
            decision_timeout=1_000 * lab.tick,
            child_policy=policy,
        )
        equal(timeless(started), expected)


@check("2.2", Feature.MISSING_DEFAULTS)
async def start_without_a_default_is_refused(lab: Lab) -> None:
    """A setting that neither the request gives nor the workflow is a DefaultUndefinedError, and nothing is started."""
    for setting in ("execution_timeout", "decision_timeout", "task_list", "child_policy"):
        workflow = await lab.add_workflow(f"without {setting}", **{setting: UNSET})
        with refused(DefaultUndefinedError):
            await lab.start(setting, workflow=workflow)
        with refused(UnknownProcessError):
            await lab.info(ProcessRef(lab.name(setting)))


@check("2.2")
async def start_of_an_unknown_workflow_is_refused(lab: Lab) -> None:
    """A name, or a version of a known name, that nobody registered is an UnknownTypeError."""
    for workflow in (TypeRef(lab.name("nobody")), TypeRef(lab.workflow.name, "2")):
        with refused(UnknownTypeError):
            await lab.start(workflow=workflow)
    with refused(UnknownProcessError):
        await lab.info(ProcessRef(lab.name("process")))


@check("1.7", Feature.DEPRECATION)
async def start_of_a_deprecated_workflow_is_refused(lab: Lab) -> None:
    """A deprecated workflow starts no process."""
    workflow = await lab.add_workflow("old", deprecated=True)
    with refused(TypeDeprecatedError):
        await lab.start(workflow=workflow)


@check("1.7", Feature.DEPRECATION, Feature.NEW_DEFAULTS)
async def processes_of_a_deprecated_workflow_go_on(lab: Lab) -> None:
    """What was open when the workflow was deprecated gets decision tasks as before."""
    workflow = await lab.add_workflow("aging")
    process = await lab.start(workflow=workflow)
    await lab.add_workflow(workflow, deprecated=True)
    equal((await lab.decide(lab.schedule())).process, process, "the process of the decision task")
    await lab.work()
    equal((await lab.poll_decision()).process, process, "the process of the decision task")


@check("2.2")
async def start_with_the_id_of_an_open_process_is_refused(lab: Lab) -> None:
    """At most one run of a process is open; refusing another changes nothing."""
    process = await lab.start(input_json="1")
    before = await lab.history(process)
    with refused(ProcessAlreadyRunningError):
        await lab.start(input_json="2")
    await lab.expect_unchanged(process, before)
    equal((await lab.info(ProcessRef(process.process_id))).process, process, "the open run")


@check("2.2")
async def the_id_of_a_closed_process_is_free(lab: Lab) -> None:
    """A process id can be used again when its run is closed; the runs have different ids."""
    first = await lab.start()
    await lab.backend.terminate_process(first)
    second = await lab.start()
    true(first.run_id != second.run_id, "the run ids differ")
    equal((await lab.info(first)).status, ProcessStatus.TERMINATED)
    equal((await lab.info(second)).status, ProcessStatus.OPEN)


@check("1.2")
async def bad_names_are_refused(lab: Lab) -> None:
    """Ids, types and task lists have 1 to 256 characters, no ``:`` ``/`` ``|`` or control character, and are not
    "arn"; what breaks that is refused, and nothing is started.
    """
    for name in BAD_NAMES:
        with refused(InvalidRequestError):
            await lab.backend.start_process(StartRequest(process_id=name, workflow=lab.workflow))
        with refused(InvalidRequestError):
            await lab.start(task_list=name)
        with refused(InvalidRequestError):
            await lab.backend.register_workflow(WorkflowType(ref=TypeRef(name)))
        with refused(InvalidRequestError):
            await lab.backend.register_activity(ActivityType(ref=TypeRef(name)))
    with refused(InvalidRequestError):
        await lab.backend.register_workflow(WorkflowType(ref=TypeRef("x", "1" * 65)))
    with refused(InvalidRequestError):
        await lab.backend.register_activity(ActivityType(ref=TypeRef("x"), description="x" * 1025))
    with refused(UnknownProcessError):
        await lab.info(ProcessRef(lab.name("process")))


@check("1.2")
async def good_names_are_taken(lab: Lab) -> None:
    """Names of 256 characters of any alphabet are fine, also those that contain "arn"."""
    for word in ("arn and more", "Ünïcode ✓ 漢字", "dots.and-dashes_and spaces"):
        name = lab.name(word)
        process = await lab.backend.start_process(
            StartRequest(process_id=name.ljust(256, "x"), workflow=lab.workflow, task_list=name)
        )
        task = await lab.decide(lab.schedule(id=name, task_list=name), task_list=name)
        equal(task.process, process, "the process of the decision task")
        equal((await lab.poll_activity(name)).activity_id, name, "the id of the activity")


@check("1.3")
async def bad_settings_of_a_process_are_refused(lab: Lab) -> None:
    """Timeouts are 0 to 99,999,999 seconds, priorities 32 bits, tags have up to 256 characters; nothing is started
    otherwise.
    """
    nan, huge = float("nan"), 1e8
    wrong: tuple[dict[str, Any], ...] = (
        *({"execution_timeout": value} for value in (-1.0, nan, huge, "5")),
        *({"decision_timeout": value} for value in (-1.0, nan, huge, "5")),
        *({"task_priority": value} for value in (2**31, -(2**31) - 1, "high")),
        {"child_policy": "TERMINATE"},
        {"tags": ("x" * 257,)},
        {"tags": (7,)},
        {"input_json": 7},
    )
    for settings in wrong:
        with refused(InvalidRequestError):
            await lab.start(**settings)
    with refused(UnknownProcessError):
        await lab.info(ProcessRef(lab.name("process")))


@check("1.6")
async def registering_again_is_harmless(lab: Lab) -> None:
    """A type that is known already may be registered as before."""
    await lab.prepare()
    process = await lab.begin(lab.schedule())
    await lab.prepare()
    equal((await lab.work()).process, process, "the process of the activity task")


@check("1.6", Feature.NEW_DEFAULTS)
async def other_defaults_replace_the_old_ones(lab: Lab) -> None:
    """Defaults that are registered anew hold for what is started or scheduled later."""
    await lab.add_workflow(lab.workflow, task_priority=5)
    await lab.add_activity(lab.activity, heartbeat_timeout=9 * lab.tick)
    process = await lab.begin(lab.schedule())
    equal((await lab.info(process)).task_priority, 5, "the priority")
    equal((await lab.poll_activity()).heartbeat_timeout, 9 * lab.tick, "the heartbeat timeout")


@check("1.1")
async def versions_are_different_types(lab: Lab) -> None:
    """Two versions of one name have their own defaults, and workflows and activities of one name are unrelated."""
    second = TypeRef(lab.workflow.name, "2")
    await lab.add_workflow(second, task_priority=2)
    await lab.add_activity(TypeRef(lab.workflow.name))
    one = await lab.start("one")
    two = await lab.start("two", workflow=second)
    equal((await lab.info(one)).workflow, lab.workflow, "the workflow")
    equal((await lab.info(two)).workflow, second, "the workflow")
    equal([(await lab.info(process)).task_priority for process in (one, two)], [0, 2], "the priorities")


@check("1.5")
async def info_tells_what_was_started(lab: Lab) -> None:
    """A run is described without reading its history."""
    process = await lab.start(tags=("a", "b"), task_priority=4)
    info = await lab.info(process)
    events = await lab.history(process)
    equal(
        info,
        ProcessInfo(
            process=process,
            workflow=lab.workflow,
            status=ProcessStatus.OPEN,
            started_at=events[0].timestamp,
            tags=("a", "b"),
            task_list=lab.decisions,
            task_priority=4,
            execution_timeout=10_000 * lab.tick,
            decision_timeout=1_000 * lab.tick,
            open_counts=OpenCounts(decisions=1),
        ),
        "the info",
    )


@check("1.5")
async def info_without_a_run_id_is_of_the_open_or_the_latest_run(lab: Lab) -> None:
    """Where no run is named the open one is meant, else the one that started last."""
    process_id = lab.name("process")
    with refused(UnknownProcessError):
        await lab.info(ProcessRef(process_id))
    first = await lab.start()
    await lab.backend.terminate_process(first)
    equal((await lab.info(ProcessRef(process_id))).process, first, "the latest run")
    await lab.advance(1)
    second = await lab.start()
    equal((await lab.info(ProcessRef(process_id))).process, second, "the open run")
    await lab.backend.terminate_process(second)
    equal((await lab.info(ProcessRef(process_id))).process, second, "the latest run")
    with refused(UnknownProcessError):
        await lab.info(ProcessRef(process_id, "no-such-run"))


@check("8.1", Feature.SMALL_LIMITS)
async def limits_of_a_start_are_kept(lab: Lab) -> None:
    """An input or a number of tags at the limit is taken; one more is refused, and nothing is started."""
    payload = '"' + "x" * (lab.limits.payload - 2) + '"'
    tags = tuple(f"tag {number}" for number in range(lab.limits.tags + 1))
    for settings in ({"input_json": payload + " "}, {"tags": tags}):
        with refused(InvalidRequestError):
            await lab.start(**settings)
    equal(await lab.backend.count_processes(ProcessFilter(process_id=lab.name("process"))), 0, "the count")
    process = await lab.start(input_json=payload, tags=tags[:-1])
    started, _ = await lab.history(process)
    equal(started.input_json, payload, "the input")  # type: ignore[union-attr]
    equal((await lab.info(process)).tags, tags[:-1], "the tags")
