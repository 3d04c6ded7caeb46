"""The life of a worker: what it registers, where it polls, how it ends and what comes out of it."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from aioworkflow.activity import Activity, ActivityAborted, ActivityCompleted, activity
from aioworkflow.decision import CompleteProcessDecision
from aioworkflow.errors import (
    BackendClosedError,
    BackendUnavailableError,
    InvalidRequestError,
    LimitExceededError,
    StoreError,
)
from aioworkflow.testing import ManualClock
from aioworkflow.types import TypeRef
from aioworkflow.worker import Worker, WorkerOptions
from aioworkflow.workflow import Workflow
from tests.worker.scripted import ScriptedBackend, activity_task, decision_task, settle, working


class Flow(Workflow):
    made = 0

    def __init__(self) -> None:
        type(self).made += 1

    def decide(self, process: object) -> CompleteProcessDecision:
        return CompleteProcessDecision()


class Act(Activity):
    async def execute(self, task: object, worker: object) -> None: ...


class Waiting(Activity):
    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def execute(self, task: object, worker: object) -> str:
        self.began.set()
        await self.goes_on.wait()
        return "done"


@activity(task_list="elsewhere")
async def function() -> None: ...


@pytest.fixture
def backend() -> ScriptedBackend:
    return ScriptedBackend()


def registered(backend: ScriptedBackend) -> set[TypeRef]:
    return {call.argument for call in backend.calls if call.verb.startswith("register")}


# --- what it has -----------------------------------------------------------------------------------------------------


async def test_it_registers_its_types_on_entry_and_makes_one_instance_of_a_class(backend: ScriptedBackend) -> None:
    Flow.made = 0
    backend.give(decision_task(run_id="1"), decision_task(run_id="2"))
    async with Worker(backend, workflows=[Flow], activities=[Act, Waiting(), function]):
        assert registered(backend) == {TypeRef("Flow"), TypeRef("Act"), TypeRef("Waiting"), TypeRef("function")}
        await backend.until(lambda: len(backend.told("complete_decision_task")) == 2)
    assert Flow.made == 1


class Needy(Activity):
    def __init__(self, client: object) -> None: ...

    async def execute(self, task: object, worker: object) -> None: ...


class Lazy(Activity):
    pass


class Undecided(Workflow):
    pass


class Twin(Act):
    name = "Act"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "a worker needs a workflow or an activity"),
        ({"activities": [Act, Twin]}, r"Twin.* and .*Act.* have the same name and version, Act \(version 1\)"),
        ({"activities": [Needy]}, "Needy.* cannot be made without arguments; pass the worker an instance"),
        ({"activities": [Lazy]}, "Lazy.* has no method 'execute'"),
        ({"workflows": [Undecided]}, "Undecided.* has no method 'decide'"),
        ({"workflows": [Act]}, "a workflow must be"),
        ({"activities": ["Act"]}, "a worker needs the thing itself, not the name 'Act'"),
        ({"activities": [Flow]}, "an activity must be"),
        ({"activities": Act}, "workflows and activities must be lists of classes or instances, not <class"),
        ({"activities": "Act"}, "workflows and activities must be lists of classes or instances, not 'Act'"),
        ({"activities": [Act], "task_lists": 7}, "task_lists must be a list of names, not 7"),
        ({"activities": [Act], "options": {"max_polls": 7}}, "options must be WorkerOptions, not {"),
        ({"activities": [Act], "task_lists": "default"}, "task_lists must be a list of names, not 'default'"),
        ({"activities": [Act], "task_lists": []}, "task_lists must be a list of names"),
        ({"activities": [Act], "task_lists": ["a:b"]}, "task_lists must not contain ':'"),
        ({"activities": [Act], "identity": ""}, "identity must be 1 to 256 characters"),
        ({"activities": [Act], "identity": "x" * 257}, "identity must be 1 to 256 characters"),
        (
            {"activities": [Act, function], "options": WorkerOptions(max_concurrent_activities=1)},
            "max_concurrent_activities is 1, which is too few for 2 task lists",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(backend: ScriptedBackend, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        Worker(backend, **arguments)


def test_it_has_an_identity_of_its_own_and_shows_what_it_does(backend: ScriptedBackend) -> None:
    first, second = Worker(backend, activities=[Act]), Worker(backend, activities=[Act], identity="me")
    assert str(os.getpid()) in first.identity
    assert first.identity != Worker(backend, activities=[Act]).identity
    assert repr(second) == "<Worker me for Act (version 1)>"


async def test_it_polls_the_task_lists_of_its_types(backend: ScriptedBackend) -> None:
    async with working(backend, workflows=[Flow], activities=[Act, Waiting, function]):
        await settle()
    assert dict(backend.polls) == {"d:default": 1, "a:default": 1, "a:elsewhere": 1}


async def test_it_polls_the_task_lists_that_are_given(backend: ScriptedBackend) -> None:
    async with Worker(backend, workflows=[Flow], activities=[Act], task_lists=["x", "y", "x"]):
        await settle()
    assert dict(backend.polls) == {"d:x": 1, "d:y": 1, "a:x": 1, "a:y": 1}


async def test_it_can_be_entered_once(backend: ScriptedBackend) -> None:
    worker = Worker(backend, activities=[Act])
    async with worker:
        with pytest.raises(InvalidRequestError, match="can be entered once"):
            await worker.__aenter__()


async def test_passing_faults_of_the_registration_are_put_up_with_for_a_while(backend: ScriptedBackend) -> None:
    clock = ManualClock()
    backend.script["register_activity"] += [BackendUnavailableError("busy")] * 2
    entering = asyncio.create_task(Worker(backend, activities=[Act], clock=clock).run())
    await backend.until(lambda: len(backend.calls) == 1)
    for calls in (2, 3):
        await settle()
        clock.advance(10.0)
        await backend.until(lambda calls=calls: len(backend.calls) == calls)  # type: ignore[misc]
    await backend.until(lambda: backend.polls)
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering


@pytest.mark.parametrize("error", [BackendUnavailableError("away"), LimitExceededError("too many types")])
async def test_an_error_of_the_registration_comes_out(backend: ScriptedBackend, error: Exception) -> None:
    clock = ManualClock()
    backend.script["register_workflow"] += [error] * 1000
    entering = asyncio.create_task(Worker(backend, workflows=[Flow], activities=[Act], clock=clock).run())
    while not entering.done():
        await settle()
        clock.advance(1.0)
    with pytest.raises(type(error)):
        await entering
    assert not backend.polls


async def test_stopping_gives_up_a_registration_that_does_not_get_through(backend: ScriptedBackend) -> None:
    backend.script["register_activity"] += [BackendUnavailableError("away")] * 1000
    worker = Worker(backend, activities=[Act], clock=ManualClock())
    running = asyncio.create_task(worker.run())
    await backend.until(lambda: backend.calls)
    worker.stop()
    await running
    assert not backend.polls


@pytest.mark.parametrize("stopped", [False, True])
async def test_a_cancellation_during_the_registration_goes_on(backend: ScriptedBackend, stopped: bool) -> None:
    backend.script["register_activity"] += [BackendUnavailableError("away")] * 1000
    worker = Worker(backend, activities=[Act], clock=ManualClock())
    running = asyncio.create_task(worker.run())
    await backend.until(lambda: backend.calls)
    if stopped:
        worker.stop()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


# --- how it ends -----------------------------------------------------------------------------------------------------


async def test_leaving_the_block_lets_work_end(backend: ScriptedBackend) -> None:
    act, task = Waiting(), activity_task("Waiting")
    backend.give(task)
    async with working(backend, activities=[act]):
        await act.began.wait()
        asyncio.get_running_loop().call_soon(act.goes_on.set)
    assert backend.told("complete_activity_task") == [ActivityCompleted("done")]


async def test_an_error_in_the_block_comes_out_as_it_is_after_the_work_has_ended(backend: ScriptedBackend) -> None:
    error, act = ValueError("in the block"), Waiting()
    backend.give(activity_task("Waiting"))

    async def work() -> None:
        async with Worker(backend, activities=[act]):
            await act.began.wait()
            asyncio.get_running_loop().call_soon(act.goes_on.set)
            raise error

    with pytest.raises(ValueError, match="in the block") as caught:
        await work()
    assert caught.value is error
    assert backend.told("complete_activity_task") == [ActivityCompleted("done")]


async def test_run_ends_when_it_is_stopped(backend: ScriptedBackend) -> None:
    act = Waiting()
    worker = Worker(backend, activities=[act])
    backend.give(activity_task("Waiting"))
    running = asyncio.create_task(worker.run())
    await act.began.wait()
    worker.stop()
    worker.stop()
    await settle()
    assert not running.done()
    assert backend.waiting() == 0
    act.goes_on.set()
    await running
    assert backend.told("complete_activity_task") == [ActivityCompleted("done")]


async def test_without_a_grace_period_work_may_take_as_long_as_it_likes(backend: ScriptedBackend) -> None:
    act, clock = Waiting(), ManualClock()
    backend.give(activity_task("Waiting"))
    async with working(backend, activities=[act], clock=clock, grace_seconds=None) as worker:
        await act.began.wait()
        worker.stop()
        await settle()
        assert clock.next_alarm is None
        act.goes_on.set()
    assert backend.told("complete_activity_task") == [ActivityCompleted("done")]


async def test_in_the_end_reports_are_given_up_that_do_not_get_through(backend: ScriptedBackend) -> None:
    act, clock = Waiting(), ManualClock()
    backend.give(activity_task("Waiting"))
    backend.script["complete_activity_task"].append(asyncio.Event())
    async with working(backend, activities=[act], clock=clock, grace_seconds=30, report_seconds=5) as worker:
        await act.began.wait()
        worker.stop()
        for seconds in (30.0, 5.0, 5.0):
            await settle()
            clock.advance(seconds)
    assert backend.told("complete_activity_task") == [ActivityAborted("worker shutdown")]
    assert clock.next_alarm is None


@pytest.mark.parametrize("now", [False, True])
async def test_it_may_be_stopped_before_it_runs(backend: ScriptedBackend, now: bool) -> None:
    worker = Worker(backend, activities=[Act])
    worker.stop(now=now)
    await worker.run()
    assert not backend.polls


async def test_polls_that_cannot_be_cancelled_are_waited_for_and_what_they_bring_is_done(
    backend: ScriptedBackend,
) -> None:
    backend.polls_can_be_cancelled = False
    worker = Worker(backend, workflows=[Flow], activities=[Act])
    running = asyncio.create_task(worker.run())
    await backend.until(lambda: len(backend.polls) == 2)
    worker.stop()
    await settle()
    assert not running.done()
    task = activity_task()
    backend.give(task, decision_task())
    await running
    assert [call.verb for call in backend.calls[2:]] == ["complete_activity_task", "complete_decision_task"]


async def test_a_cancellation_while_it_ends_takes_the_grace_away(backend: ScriptedBackend) -> None:
    act = Waiting()
    backend.give(activity_task("Waiting"))
    running = asyncio.create_task(Worker(backend, activities=[act]).run())
    await act.began.wait()
    running.cancel("first")
    running.cancel("second")
    with pytest.raises(asyncio.CancelledError):
        await running
    assert backend.told("complete_activity_task") == [ActivityAborted("worker shutdown")]


async def test_a_cancellation_after_stop_takes_the_grace_away(backend: ScriptedBackend) -> None:
    act = Waiting()
    worker = Worker(backend, activities=[act])
    backend.give(activity_task("Waiting"))
    running = asyncio.create_task(worker.run())
    await act.began.wait()
    worker.stop()
    await settle()
    running.cancel("now")
    with pytest.raises(asyncio.CancelledError, match="now"):
        await running
    assert backend.told("complete_activity_task") == [ActivityAborted("worker shutdown")]


async def test_a_timeout_around_it_works_as_for_any_block(backend: ScriptedBackend) -> None:
    act = Waiting()
    backend.give(activity_task("Waiting"))
    with anyio.move_on_after(3600) as scope:
        async with working(backend, activities=[act]):
            await act.began.wait()
            scope.cancel()
            await asyncio.Event().wait()
    assert scope.cancelled_caught
    assert backend.told("complete_activity_task") == [ActivityAborted("worker shutdown")]
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


# --- what breaks it --------------------------------------------------------------------------------------------------


async def broken(backend: ScriptedBackend, *errors: BaseException, body: BaseException | None = None) -> None:
    async with Worker(backend, workflows=[Flow], activities=[Act]):
        await backend.until(lambda: len(backend.polls) == 2)
        backend.give(*errors)
        if body is not None:
            raise body
        await asyncio.Event().wait()


async def test_a_fault_that_does_not_pass_cancels_the_block_and_comes_out(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    cause, error = OSError(28, "no space left"), StoreError("the disk is full")
    error.__cause__ = cause
    with pytest.raises(StoreError, match="the disk is full") as caught:
        await broken(backend, error)
    assert caught.value is error
    assert caught.value.__cause__ is cause
    (record,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert "ends because of a fault that does not pass" in record.message
    assert record.exc_info is not None
    assert record.exc_info[1] is error
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def broken_at_once(backend: ScriptedBackend, one: Exception, other: Exception) -> None:
    async with Worker(backend, activities=[Act, function]):
        await backend.until(lambda: len(backend.polls) == 2)
        backend.give(one)
        backend.give(other, to="elsewhere")
        await asyncio.Event().wait()


async def test_faults_of_several_types_come_out_as_a_group(backend: ScriptedBackend) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await broken_at_once(backend, StoreError("one"), BackendClosedError("two"))
    assert sorted(map(str, caught.value.exceptions)) == ["one", "two"]


async def test_a_fault_that_every_poll_meets_comes_out_once(backend: ScriptedBackend) -> None:
    with pytest.raises(StoreError, match=r"one|two"):
        await broken_at_once(backend, StoreError("one"), StoreError("two"))


async def test_a_fault_after_an_error_of_the_block_has_it_as_context(backend: ScriptedBackend) -> None:
    body = ValueError("in the block")
    backend.polls_can_be_cancelled = False  # else they would be gone
    with pytest.raises(StoreError, match="the disk is full") as caught:
        await broken(backend, StoreError("the disk is full"), body=body)
    contexts = []
    context = caught.value.__context__
    while context is not None:
        contexts.append(context)
        context = context.__context__
    assert body in contexts


async def test_a_fault_of_a_heartbeat_breaks_it_too(backend: ScriptedBackend) -> None:
    act, clock = Waiting(), ManualClock()
    backend.script["heartbeat_activity_task"].append(StoreError("the disk is full"))
    backend.give(activity_task("Waiting", heartbeat_timeout=3.0))

    async def work() -> None:
        async with working(backend, activities=[act], clock=clock):
            await act.began.wait()
            clock.advance(1.0)
            await asyncio.Event().wait()

    with pytest.raises(StoreError, match="the disk is full"):
        await work()
    assert backend.told("complete_activity_task") == [ActivityAborted("worker shutdown")]


# --- the monitor -----------------------------------------------------------------------------------------------------


class Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.warned = threading.Event()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        if "blocks the event loop" in record.getMessage():
            self.warned.set()

    def blocked(self) -> str:
        return next(line for line in self.lines if "blocks the event loop" in line)


@pytest.fixture
def listener() -> Iterator[Listener]:
    logger, listener = logging.getLogger("aioworkflow.worker"), Listener()
    logger.addHandler(listener)
    yield listener
    logger.removeHandler(listener)


async def test_the_monitor_names_the_activity_that_blocks_the_loop(
    backend: ScriptedBackend, listener: Listener
) -> None:
    class Blocking(Activity):
        async def execute(self, task: object, worker: object) -> bool:
            return listener.warned.wait(20.0)

    task = activity_task("Blocking")
    backend.give(task)
    async with Worker(backend, activities=[Blocking], options=WorkerOptions(block_seconds=0.05)):
        assert await backend.result(task.token) == ActivityCompleted(True)
    assert listener.blocked().startswith("activity Blocking 'Blocking-1' of process 'order' (run run) blocks")


async def test_the_monitor_names_the_decider_that_blocks_the_loop(backend: ScriptedBackend, listener: Listener) -> None:
    class Blocking(Workflow):
        def decide(self, process: object) -> None:
            assert listener.warned.wait(20.0)

    backend.give(decision_task(workflow="Blocking"))
    async with Worker(backend, workflows=[Blocking], options=WorkerOptions(block_seconds=0.05)):
        await backend.until(lambda: backend.told("complete_decision_task"))
    assert listener.blocked().startswith("decider of process 'order' (run run) (Blocking (version 1)) blocks")


async def test_the_monitor_knows_what_is_not_of_the_worker(backend: ScriptedBackend, listener: Listener) -> None:
    act = Waiting()
    backend.give(activity_task("Waiting"))
    async with Worker(backend, activities=[act], options=WorkerOptions(block_seconds=0.05)):
        await act.began.wait()
        assert listener.warned.wait(20.0)
        act.goes_on.set()
    assert listener.blocked().startswith("task ")
