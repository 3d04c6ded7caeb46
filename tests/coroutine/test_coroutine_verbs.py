"""What coroutine workflows can do besides what asyncio can."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import timedelta
from typing import Annotated, Any, assert_type

import pytest

from aioworkflow import (
    Activity,
    ActivityError,
    ChildError,
    CompleteProcessDecision,
    ContinueAsNewDecision,
    FailProcessDecision,
    Json,
    NotInWorkflowError,
    PayloadError,
    RecordMarkerDecision,
    RetryPolicy,
    ScheduleActivityDecision,
    SignalProcessDecision,
    StartChildProcessDecision,
    UnknownProcessError,
    Workflow,
    activity,
    continue_as_new,
    execute,
    execute_child,
    flow,
    patched,
    request_cancel,
    set_status,
    side_effect,
    signal_process,
    signals,
    start_activity,
    start_child,
    wait_signal,
    workflow,
)
from aioworkflow.decision import CancelProcessDecision
from aioworkflow.event import ActivityScheduledEvent, TimerStartedEvent
from aioworkflow.flow import ChildHandle
from aioworkflow.result import ActivityAborted
from aioworkflow.types import ProcessStatus
from tests.coroutine.stage import Stage


@activity
async def work(name: str = "") -> str:
    return name


@activity(retry=RetryPolicy(initial=5, maximum_attempts=2))
async def persistent(name: str = "") -> str:
    return name


class ChildWorkflow(Workflow):
    async def run(self, input: int) -> int:
        return input


# --- activities ------------------------------------------------------------------------------------------


class ShipActivity(Activity):
    async def execute(self, task: Any, worker: Any) -> int | ActivityAborted:
        return 1


class StopActivity(Activity):
    async def execute(self, task: Any, worker: Any) -> ActivityAborted:
        return ActivityAborted()


class OddActivity(Activity):
    async def execute(self, task: Unknown, worker: Any) -> int:  # type: ignore[name-defined]  # noqa: F821
        return 1


async def test_results_are_read_as_what_the_activity_returns() -> None:
    @activity(name="pair")
    def pair(first: int, second: timedelta) -> tuple[int, timedelta]:
        return first, second

    @activity
    async def check(pin: int) -> int | ActivityAborted:
        return pin

    @activity
    async def measure(value: int) -> Annotated[int, []]:  # which is not hashable
        return value

    @workflow
    async def order() -> list[str]:
        return [
            repr(await execute(pair, (1, timedelta(1)))),
            repr(await execute("pair", [1, 2])),
            repr(await execute("pair", id="none")),
            repr(await execute("pair", into=tuple[int, int])),
            repr(await execute(ShipActivity, 1)),
            repr(await execute(StopActivity, 1)),
            repr(await execute(StopActivity, 2)),
            repr(await execute(OddActivity(), 1)),  # type: ignore[call-overload]
            repr(await execute(check, 1)),
            repr(await execute(measure, 1)),
        ]

    stage = Stage(order, pair, ShipActivity, StopActivity, OddActivity, check, measure)
    await stage.start()
    for id, result in (
        ("pair-1", [1, timedelta(1)]),
        ("pair-2", [1, 2]),
        ("none", None),
        ("pair-3", [1, 2]),
        ("Ship-1", 1),
        ("Stop-1", "x"),
        ("Stop-2", None),
        ("Odd-1", "x"),
        ("check-1", 7),
        ("measure-1", 8),
    ):
        stage.complete(id, result)
        await stage.settle()
    pairs = ["(1, datetime.timedelta(days=1))", "[1, 2]", "None", "(1, 2)"]
    assert stage.result == [*pairs, "1", "'x'", "None", "'x'", "7", "8"]


async def test_a_result_that_does_not_fit_raises() -> None:
    @workflow
    async def order() -> str:
        return await execute(work)

    stage = Stage(order, work)
    await stage.start()
    stage.complete("work-1", 7)
    await stage.turn()
    assert stage.ending.reason.startswith(
        "PayloadError: result of activity 'work-1' (work): the payload cannot be read"
    )


@dataclasses.dataclass
class Positive:
    value: int

    def __post_init__(self) -> None:
        if self.value <= 0:
            raise LookupError("must be positive")  # neither TypeError nor ValueError


async def test_a_result_that_its_own_type_refuses_raises() -> None:
    @activity
    def measure() -> Positive:
        return Positive(1)

    @workflow
    async def order() -> str:
        try:
            return str(await execute(measure))
        except PayloadError as error:
            return str(error)

    stage = Stage(order, measure)
    await stage.start()
    stage.complete("measure-1", {"value": -1})
    await stage.settle()
    assert stage.result.endswith("cannot be read as Positive: must be positive")


async def test_settings_of_a_call() -> None:
    @workflow
    async def order() -> None:
        await execute(
            work,
            "x",
            id="mine",
            task_list="other",
            task_priority=3,
            schedule_to_start_timeout=1,
            start_to_close_timeout=timedelta(seconds=2),
            schedule_to_close_timeout=3,
            heartbeat_timeout=4,
            control={"a": 1},
        )

    stage = Stage(order, work)
    await stage.start()
    (event,) = stage.events(ActivityScheduledEvent)
    assert isinstance(event, ActivityScheduledEvent)
    assert (event.activity_id, event.task_list, event.task_priority, event.control) == ("mine", "other", 3, {"a": 1})
    assert (event.schedule_to_start_timeout, event.start_to_close_timeout) == (1, 2)
    assert (event.schedule_to_close_timeout, event.heartbeat_timeout) == (3, 4)


async def test_a_failure_tells_type_message_and_traceback() -> None:
    @workflow
    async def order() -> list[Any]:
        try:
            await execute(work)
        except ActivityError as error:
            return [
                error.how,
                error.type,
                error.message,
                str(error),
                "ValueError: no card" in str(error.traceback),
                error.activity,
            ]
        return []

    stage = Stage(order, work)
    await stage.start()
    stage.fail("work-1", ValueError("no card"))
    await stage.turn()
    assert stage.result == [
        "failed",
        "ValueError",
        "no card",
        "activity 'work-1' (work) failed: ValueError: no card",
        True,
        ["work", "1"],
    ]


async def test_an_uncaught_failure_shows_what_caused_it() -> None:
    @workflow
    async def order() -> None:
        await execute(work)

    stage = Stage(order, work)
    await stage.start()
    stage.fail("work-1", ValueError("no card"))
    await stage.turn()
    assert "It was caused elsewhere by:\n\nValueError: no card" in stage.ending.details["traceback"]


async def test_a_timeout_and_an_abort_raise() -> None:
    @workflow
    async def order() -> list[Any]:
        told: list[Any] = []
        for handle in (start_activity(work, start_to_close_timeout=5), start_activity(work)):
            try:
                await handle
            except ActivityError as error:
                told += [error.how, error.reason, error.type, repr(error.timeout_type), error.details]
        return told

    stage = Stage(order, work)
    await stage.start()
    stage.run.take_activity("work-1")
    stage.pass_time(5)
    stage.finish("work-2", ActivityAborted("no stock", [1]))
    await stage.settle()
    assert stage.result == [
        *("timed out", "START_TO_CLOSE", None, "<TimeoutType.START_TO_CLOSE: 'START_TO_CLOSE'>", None),
        *("aborted", "no stock", None, "None", [1]),
    ]


async def test_a_handle_is_a_future() -> None:
    @workflow
    async def order() -> list[Any]:
        handle = start_activity(work, "x")
        first = (handle.done(), repr(handle), handle.id, handle.attempts)
        done, pending = await asyncio.wait([handle], timeout=60)
        return [*first, handle in done, len(pending), handle.result(), handle.cancel()]

    stage = Stage(order, work)
    await stage.start()
    stage.complete("work-1", "x")
    await stage.settle()
    text = "<ActivityHandle 'work-1' of work (version 1), pending>"
    assert stage.result == [False, text, "work-1", 1, True, 0, "x", False]


async def test_retries_are_timers_and_activities_in_history() -> None:
    @workflow
    async def order() -> list[Any]:
        handle = start_activity(persistent, "x")
        try:
            return [await handle]
        except ActivityError as error:
            return [handle.attempts, str(error)]

    stage = Stage(order, persistent)
    await stage.start()
    stage.fail("persistent-1", ValueError("first"))
    await stage.turn()
    (timer,) = stage.events(TimerStartedEvent)
    assert isinstance(timer, TimerStartedEvent)
    assert (timer.timer_id, timer.delay) == ("aioworkflow.retry-5", 5)
    stage.pass_time(5)
    assert await stage.turn() == [ScheduleActivityDecision(persistent, "x", id="persistent-1")]
    stage.fail("persistent-1", ValueError("second"))
    await stage.settle()
    assert stage.result == [2, "activity 'persistent-1' (persistent) failed after 2 attempts: ValueError: second"]


async def test_a_retry_can_be_given_be_at_once_and_be_cancelled() -> None:
    @workflow
    async def order() -> list[Any]:
        handle = start_activity(work, "x", retry=RetryPolicy(initial=0))
        await wait_signal("failed")
        attempts = handle.attempts
        other = start_activity(persistent)
        await wait_signal("failed")
        return [attempts, other.cancel(), other.cancelled(), handle.cancelled()]

    stage = Stage(order, work, persistent)
    await stage.start()
    stage.fail("work-1", ValueError("first"))
    stage.signal("failed")
    await stage.settle()
    stage.fail("persistent-1", ValueError("first"))
    stage.signal("failed")
    await stage.settle()
    assert "TimerStarted" not in stage.names
    assert stage.result == [2, True, True, False]


async def test_no_retry_and_no_policy() -> None:
    @workflow
    async def order() -> str:
        try:
            await execute(work, retry="often")  # type: ignore[call-overload]
        except ValueError as error:
            first = str(error)
        await execute(persistent, retry=None)
        return first

    stage = Stage(order, persistent)
    await stage.start()
    stage.fail("persistent-1", ValueError("first"))
    await stage.turn()
    assert stage.ending.reason == "ActivityError: activity 'persistent-1' (persistent) failed: ValueError: first"


# --- children --------------------------------------------------------------------------------------------


async def test_a_child_returns_its_result() -> None:
    @workflow
    async def order() -> list[Any]:
        handle = start_child(ChildWorkflow, 3)
        ref = await handle.started
        return [
            repr(handle),
            ref.process_id == handle.id,
            await handle,
            await execute_child("Child", 4, into=str, id="second"),
        ]

    stage = Stage(order, others=[ChildWorkflow])
    (decision,) = await stage.start()
    assert isinstance(decision, StartChildProcessDecision)
    assert decision.id is not None
    assert decision.id.startswith("p-Child-")
    await stage.settle()
    stage.run_of(decision.id).decide(CompleteProcessDecision(3))
    await stage.settle()
    stage.run_of("second").decide(CompleteProcessDecision("4"))
    await stage.settle()
    assert stage.result[0].startswith(f"<ChildHandle '{decision.id}' (run ")
    assert stage.result[1:] == [True, 3, "4"]


@workflow
async def join(text: str, times: int) -> list[str]:
    return [text] * times


class JoinWorkflow(Workflow):
    async def run(self, text: str, times: int) -> list[str]:
        return [text] * times


async def test_a_child_with_several_parameters_takes_a_tuple() -> None:
    @workflow
    async def order() -> list[list[str]]:
        first = await execute_child(join, ("a", 2), id="a")
        assert_type(first, list[str])
        second = start_child(JoinWorkflow, ("b", 1), id="b")
        assert_type(second, ChildHandle[list[str]])
        return [first, await second]

    stage = Stage(order, others=[join, JoinWorkflow])
    await stage.start()
    for child, result in (("a", ["a", "a"]), ("b", ["b"])):
        await stage.settle()
        run = stage.run_of(child)
        assert run.history[0].input == [child, len(result)]
        run.take_decision()
        run.answer(CompleteProcessDecision(result))
        await stage.settle()
    assert stage.result == [["a", "a"], ["b"]]


async def test_a_child_that_ends_otherwise_raises() -> None:
    @workflow
    async def order() -> list[Any]:
        told: list[Any] = []
        for id in ("a", "b", "c", "d"):
            handle = start_child(ChildWorkflow, 1, id=id, execution_timeout=30)
            try:
                await handle
            except ChildError as error:
                told += [error.how, error.reason, error.type, error.process.process_id, error.workflow.name]
        return told

    stage = Stage(order, others=[ChildWorkflow])
    await stage.start()
    await stage.settle()
    stage.run_of("a").decide(FailProcessDecision("broken", {"type": "ValueError", "message": "m", "traceback": "t"}))
    await stage.settle()
    stage.run_of("b").decide(CancelProcessDecision())
    await stage.settle()
    stage.run_of("c").ask(stage.termination())
    await stage.settle()
    stage.world.now += 30
    stage.run_of("d").ask(stage.deadlines())
    await stage.settle()
    assert stage.result == [
        *("failed", "broken", "ValueError", "a", "Child"),
        *("canceled", None, None, "b", "Child"),
        *("terminated", None, None, "c", "Child"),
        *("timed out", None, None, "d", "Child"),
    ]


async def test_a_child_that_cannot_start_raises() -> None:
    @workflow
    async def order() -> list[Any]:
        told: list[Any] = []
        for name, id in (("Unknown", "a"), ("Child", "p")):
            handle = start_child(name, 1, id=id)
            try:
                await handle
            except ChildError as error:
                told += [error.how, error.reason]
            with pytest.raises(ChildError):
                await handle.started
        return told

    stage = Stage(order, others=[ChildWorkflow])
    await stage.start()
    await stage.settle()
    assert stage.result == ["refused", "WORKFLOW_TYPE_DOES_NOT_EXIST", "refused", "WORKFLOW_ALREADY_RUNNING"]


async def test_the_result_of_a_child_must_fit() -> None:
    @workflow
    async def order() -> int:
        return await execute_child(ChildWorkflow, 1, id="a")

    stage = Stage(order, others=[ChildWorkflow])
    await stage.start()
    await stage.settle()
    stage.run_of("a").decide(CompleteProcessDecision("many"))
    await stage.settle()
    assert stage.ending.reason.startswith(
        "PayloadError: result of child 'a' (Child): the payload cannot be read as int"
    )


# --- signals and other processes -------------------------------------------------------------------------


async def test_signals_wait_until_they_are_taken_each_once() -> None:
    @workflow
    async def order() -> list[Any]:
        await wait_signal("go")
        stream = signals("item", int)
        waiting = len(stream)
        taken = [await anext(stream), await wait_signal("item", int)]
        async for number in stream:
            if number == 0:
                break
            taken.append(number)
        return [
            waiting,
            taken,
            repr(stream),
            bool(stream),
            await wait_signal("none"),
            await wait_signal("null", int | None),
        ]

    stage = Stage(order)
    await stage.start()
    for number in (1, 2, 3):
        stage.signal("item", number)
    stage.signal("go")
    stage.signal("none")
    stage.signal("null")
    await stage.settle()
    stage.signal("item", 4)
    stage.signal("item", 0)
    await stage.settle()
    assert stage.result == [3, [1, 2, 3, 4], "<Signals 'item', 0 waiting>", True, None, None]


async def test_a_signal_that_does_not_fit_raises_where_it_is_taken() -> None:
    @workflow
    async def order() -> int:
        return await wait_signal("number", int)

    stage = Stage(order)
    await stage.start()
    stage.signal("number", "many")
    await stage.turn()
    assert stage.ending.reason.startswith("PayloadError: the payload cannot be read as int")


async def test_signalling_other_processes() -> None:
    @workflow
    async def order() -> str:
        child = start_child(ChildWorkflow, 1, id="child")
        await child.started
        await signal_process(child, "hello", {"a": 1})
        await request_cancel("child")
        try:
            await signal_process("nobody", "hello")
        except UnknownProcessError as error:
            first = str(error)
        try:
            await request_cancel("nobody")
        except UnknownProcessError as error:
            return f"{first}; {error}"
        return ""

    stage = Stage(order, others=[ChildWorkflow])
    await stage.start()
    decided = await stage.settle()
    assert isinstance(decided[0], SignalProcessDecision)
    assert decided[0].process == stage.run_of("child").ref
    names = [type(event).__name__ for event in stage.run_of("child").history]
    assert "ProcessSignaledEvent" in names
    assert "ProcessCancelRequestedEvent" in names
    assert stage.result == (
        "signal 'hello' could not be delivered to process 'nobody': UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION; "
        "the request to cancel could not be delivered to process 'nobody': UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION"
    )


async def test_nobody_need_wait_until_a_message_has_arrived() -> None:
    @workflow
    async def order() -> str:
        tasks = [asyncio.create_task(signal_process(process, "hello")) for process in ("p", "nobody")]
        await wait_signal("hello")
        for task in tasks:
            task.cancel()
        await wait_signal("end")
        return "done"

    stage = Stage(order)
    await stage.start()
    stage.world.deliver()
    await stage.turn()
    stage.world.deliver_all()
    stage.signal("end")
    await stage.settle()
    assert stage.result == "done"


# --- time and chance -------------------------------------------------------------------------------------


async def test_chance_is_the_same_in_each_replay() -> None:
    @workflow
    async def order() -> list[Any]:
        return [flow.random().random(), str(flow.uuid4()), str(flow.uuid4())]

    stage = Stage(order)
    await stage.start()  # which compares a turn with its replay
    number, first, second = stage.result
    assert 0 <= number < 1
    assert first != second
    assert first[14] == "4"


async def test_a_side_effect_happens_once() -> None:
    calls: list[int] = []

    def effect() -> set[int]:
        calls.append(1)
        return {len(calls)}

    @workflow
    async def order() -> list[Any]:
        first = side_effect(effect, set[int])
        nothing = side_effect(lambda: None)
        await wait_signal("go")
        return [isinstance(first, set), nothing]

    stage = Stage(order)
    stage.replays = False
    assert await stage.start() == [
        RecordMarkerDecision("aioworkflow.side_effect", [1]),
        RecordMarkerDecision("aioworkflow.side_effect", Json("null")),
    ]
    stage.replays = True
    stage.signal("go")
    await stage.settle()
    assert stage.result == [True, None]
    assert calls == [1]


# --- the process itself ----------------------------------------------------------------------------------


async def test_status() -> None:
    @workflow
    async def order() -> None:
        set_status({"step": 0})
        set_status({"step": 1})
        await wait_signal("go")
        await wait_signal("go")
        set_status("done")
        await wait_signal("go")

    stage = Stage(order)
    for expected in ('{"step":1}', '{"step":1}', '"done"'):
        if not hasattr(stage, "run"):
            await stage.start()
        else:
            stage.signal("go")
            await stage.turn()
        assert stage.run.head.execution_context == expected


async def test_info() -> None:
    @workflow
    async def order() -> list[Any]:
        info = flow.info()
        await wait_signal("go")
        later = flow.info()
        return [
            info.process.process_id,
            info.workflow.name,
            info.tags,
            info.parent,
            info.continued_run_id,
            info.started_at == flow.info().started_at,
            info.history_length,
            later.history_length,
            later.should_continue_as_new,
            later.cancel_requested,
        ]

    stage = Stage(order)
    await stage.start(tags=("vip",))
    stage.signal("go")
    await stage.turn()
    assert stage.result == ["p", "order", ["vip"], None, None, True, 3, 7, False, False]


async def test_a_long_history_is_hinted_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioworkflow.coroutine.verbs.CONTINUE_AFTER", 3)

    @workflow
    async def order(number: int) -> int:
        if flow.info().should_continue_as_new and number < 3:
            continue_as_new(number + 1)
        return number

    stage = Stage(order)
    assert await stage.start(1, tags=("a",)) == [ContinueAsNewDecision(2, tags=("a",))]
    assert stage.run.head.status is ProcessStatus.CONTINUED_AS_NEW


def continuing(*, after: int) -> Any:
    @workflow
    async def order(taken: list[int]) -> list[int]:
        packed = flow.signals("packed", int)
        async for number in packed:
            taken.append(number)
            if number == after:
                continue_as_new(taken)
            if number == 9:
                return taken
        raise AssertionError

    return order


def successor_of(stage: Stage, order: Any) -> Stage:
    """Return a stage for the run that continues the process."""
    next_stage = Stage(order)
    next_stage.world, next_stage.run = stage.world, stage.run_of("p")
    return next_stage


async def test_a_signal_that_comes_while_the_run_is_continued_goes_on_to_the_new_one() -> None:
    order = continuing(after=2)
    stage = Stage(order)
    await stage.start([])
    stage.signal("packed", 1)
    await stage.turn()
    stage.signal("packed", 2)
    stage.take()
    decisions = await stage.decide()
    stage.signal("packed", 3)
    stage.signal("never asked for", {"by": "the old run"})
    stage.answer(decisions)
    statuses = [stage.run.head.status]
    (again,) = await stage.turn()
    statuses.append(stage.run.head.status)
    assert statuses == [ProcessStatus.OPEN, ProcessStatus.CONTINUED_AS_NEW]
    assert isinstance(again, ContinueAsNewDecision)
    stage = successor_of(stage, order)
    await stage.turn()
    stage.signal("packed", 9)
    await stage.turn()
    assert stage.result == [1, 2, 3, 9]


async def test_signals_that_were_not_taken_go_on_in_order() -> None:
    order = continuing(after=1)
    stage = Stage(order)
    await stage.start([])
    for number in (1, 4, 5, 9):
        stage.signal("packed", number)
    await stage.turn()
    stage = successor_of(stage, order)
    await stage.turn()
    assert stage.result == [1, 4, 5, 9]


async def test_many_signals_that_go_on_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    @workflow
    async def order(number: int) -> None:
        flow.signals("packed")
        await wait_signal("go")
        continue_as_new(number + 1)

    stage = Stage(order)
    await stage.start(1)
    for _ in range(3):
        stage.signal("packed", "x" * 9_000)
    stage.signal("go")
    await stage.turn()
    assert (
        "continues as new with 3 signals that it has not taken, which makes an input of 27103 characters" in caplog.text
    )


async def test_signals_that_nobody_asked_for_are_left_behind() -> None:
    @workflow
    async def order(number: int) -> None:
        await wait_signal("go")
        continue_as_new(number + 1)

    stage = Stage(order)
    await stage.start(1)
    stage.signal("noise", 5)
    await stage.turn()
    stage.signal("go")
    assert await stage.turn() == [ContinueAsNewDecision(2)]


async def test_continuing_as_new_from_inside_a_group() -> None:
    async def inner() -> None:
        continue_as_new(2, tags=["b"])

    @workflow
    async def order(number: int) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(inner())
                group.create_task(asyncio.sleep(5))
        except Exception:
            raise AssertionError from None

    assert await Stage(order).start(1) == [ContinueAsNewDecision(2, tags=("b",))]


async def test_a_group_with_other_errors_fails() -> None:
    async def inner() -> None:
        continue_as_new(2)

    async def fails() -> None:
        raise ValueError

    @workflow
    async def order(number: int) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
            group.create_task(inner())

    (decision,) = await Stage(order).start(1)
    assert isinstance(decision, FailProcessDecision)


async def test_continuing_as_new_may_be_refused_for_good() -> None:
    @workflow
    async def order() -> None:
        continue_as_new(workflow_version="7")

    stage = Stage(order)
    await stage.start()
    await stage.turn()
    assert stage.ending.reason == "continuing as new was refused: WORKFLOW_TYPE_DOES_NOT_EXIST"


async def test_patched_is_false_for_the_past_and_true_from_now_on() -> None:
    changed = False

    @workflow
    async def order() -> list[bool]:
        found = []
        for _ in range(2):
            await wait_signal("go")
            if changed:
                found.append(patched("change"))
        return found

    old = Stage(order)
    await old.start()
    old.signal("go")
    await old.turn()
    changed = True
    old.forget()
    old.signal("go")
    await old.turn()
    assert old.result == [False, False]

    new = Stage(order)
    await new.start()
    new.signal("go")
    new.replays = False
    assert await new.turn() == [RecordMarkerDecision("aioworkflow.patch", "change")]
    new.replays = True
    new.signal("go")
    assert await new.turn() == [CompleteProcessDecision([True, True])]


async def test_a_patch_may_be_removed_when_all_know_it() -> None:
    changed = True

    @workflow
    async def order() -> str:
        if changed:
            patched("change")
        await execute(work, "new")
        return "done"

    stage = Stage(order, work)
    stage.replays = False
    await stage.start()
    stage.forget()
    changed = False
    stage.replays = True
    stage.complete("work-1", "new")
    await stage.turn()
    assert stage.result == "done"


@pytest.mark.parametrize("verb", [flow.now, flow.uuid4, flow.info, lambda: set_status(1), lambda: signals("x")])
async def test_verbs_work_only_in_a_workflow(verb: Any) -> None:
    with pytest.raises(NotInWorkflowError, match="only inside the `run`"):
        verb()


async def test_the_outer_loop_is_as_it_was() -> None:
    @workflow
    async def order() -> bool:
        return asyncio.get_running_loop() is not outer and asyncio.current_task() is not task

    outer, task = asyncio.get_running_loop(), asyncio.current_task()
    await (stage := Stage(order)).start()
    assert asyncio.get_running_loop() is outer
    assert asyncio.current_task() is task
    assert stage.result is True
