"""How coroutine workflows are written, and small parts of their machinery."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aioworkflow import (
    ActivityError,
    CompleteProcessDecision,
    FunctionWorkflow,
    InvalidRequestError,
    LimitExceededError,
    NondeterminismError,
    RuleWorkflow,
    SignalProcessDecision,
    UnknownProcessError,
    Workflow,
    activity,
    execute,
    execute_child,
    flow,
    on_started,
    set_status,
    signal_process,
    start_activity,
    start_child,
    wait_signal,
    workflow,
)
from aioworkflow.coroutine.definition import workflow_result_type
from aioworkflow.coroutine.inbox import Inbox
from aioworkflow.coroutine.processes import Message
from aioworkflow.coroutine.run import Run
from aioworkflow.event import CancelExternalProcessFailedEvent, Cause, SignalProcessFailedEvent
from aioworkflow.process import Process
from aioworkflow.types import ProcessRef
from aioworkflow.workflow import workflow_type
from tests.coroutine.stage import Stage


@activity
async def work(name: str = "") -> str:
    return name


# --- classes ---------------------------------------------------------------------------------------------


async def test_run_may_be_a_method_of_any_kind_with_any_parameters() -> None:
    class InstanceWorkflow(Workflow):
        def __init__(self, by: int = 2) -> None:
            self.by = by

        async def run(self, number: int) -> int:
            return number * self.by

    class ClassWorkflow(Workflow):
        @classmethod
        async def run(cls, a: int, b: int = 5, *, c: int) -> list[Any]:
            return [cls.__name__, a, b, c]

    class StaticWorkflow(Workflow):
        @staticmethod
        async def run(number: int = 7) -> int:
            return number

    class EmptyWorkflow(Workflow):
        async def run(self) -> str:
            return "nothing"

    for given, input, result in (
        (InstanceWorkflow, 4, 8),
        (InstanceWorkflow(3), 4, 12),
        (ClassWorkflow, {"a": 1, "c": 3}, ["ClassWorkflow", 1, 5, 3]),
        (StaticWorkflow, None, 7),
        (EmptyWorkflow, "ignored", "nothing"),
    ):
        assert await Stage(given).start(input) == [CompleteProcessDecision(result)]


async def test_run_may_be_inherited_and_extended() -> None:
    class BaseWorkflow(Workflow):
        async def run(self) -> str:
            return await self.name_it()

        async def name_it(self) -> str:
            return "base"

    class OtherWorkflow(BaseWorkflow):
        async def name_it(self) -> str:
            return f"other than {await super().name_it()}"

    assert await Stage(OtherWorkflow).start() == [CompleteProcessDecision("other than base")]


def test_what_has_a_decide_of_its_own_keeps_it() -> None:
    class RulesWorkflow(RuleWorkflow):
        @on_started
        def start(self, process: Process, event: object) -> None: ...

        def run(self) -> None:
            """Mean something else."""

    assert RulesWorkflow.decide is RuleWorkflow.decide


def test_run_must_be_a_coroutine_function() -> None:
    with pytest.raises(InvalidRequestError, match=r"PlainWorkflow\.run must be an `async def` that returns"):

        class PlainWorkflow(Workflow):
            def run(self) -> None: ...


async def test_run_must_have_parameters_that_an_input_can_give() -> None:
    class WideWorkflow(Workflow):
        async def run(self, *args: int) -> None: ...

    with pytest.raises(InvalidRequestError, match=r"takes \*args"):
        await Stage(WideWorkflow).start()


# --- functions -------------------------------------------------------------------------------------------


async def test_a_function_as_workflow() -> None:
    @workflow(name="Order", version="2", execution_timeout=60, task_list="orders")
    async def order(number: int) -> int:
        """Do it."""
        return number

    kind = workflow_type(order)
    assert (kind.ref, kind.execution_timeout, kind.task_list, kind.description) == (
        ("Order", "2"),
        60,
        "orders",
        "Do it.",
    )
    assert isinstance(order, FunctionWorkflow)
    assert await order(3) == 3
    assert await order.run(4) == 4
    assert repr(order).endswith("test_a_function_as_workflow.<locals>.order>")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: workflow(int), "a workflow must be made of a function"),  # type: ignore[arg-type]
        (lambda: workflow(lambda: None), "must be an `async def` that returns"),  # type: ignore[arg-type, return-value]
        (lambda: workflow(speed=3)(nothing), "@workflow has no option 'speed'"),  # type: ignore[call-overload]
        (lambda: workflow(execution_timeout=-1)(nothing), "execution_timeout must be"),
        (lambda: workflow(Owner.method), "Owner.method is a method; make a class with `run` instead"),
    ],
)
def test_what_cannot_be_a_workflow(make: Any, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        make()


async def nothing() -> None: ...


class Owner:
    async def method(self) -> None: ...


def test_the_type_of_a_result() -> None:
    @workflow
    async def order() -> list[int]:
        return []

    class OldWorkflow(Workflow):
        def decide(self, process: Process) -> None: ...

    class OddWorkflow(Workflow):
        async def run(self) -> Unknown: ...  # type: ignore[name-defined]  # noqa: F821

    class MuteWorkflow(Workflow):
        async def run(self):  # type: ignore[no-untyped-def]
            return 1

    assert workflow_result_type(order) == list[int]
    for given in (OldWorkflow, OldWorkflow(), OddWorkflow, MuteWorkflow, "name"):
        assert workflow_result_type(given) is Any


# --- small parts -----------------------------------------------------------------------------------------


async def test_who_is_cancelled_when_a_signal_has_just_come_leaves_it_to_the_next() -> None:
    inbox = Inbox()
    first, second, third = (asyncio.create_task(inbox.take()) for _ in range(3))
    await asyncio.sleep(0)
    third.cancel()
    await asyncio.sleep(0)
    inbox.put("1")
    first.cancel()
    assert await second == "1"
    assert first.cancelled()
    assert inbox.waiting == []


async def test_takers_that_have_gone_are_passed_over() -> None:
    inbox = Inbox()
    first, second = (asyncio.create_task(inbox.take()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    inbox.put("1")
    assert await second == "1"
    inbox.put("2")
    assert await inbox.take() == "2"


async def test_a_message_that_is_refused() -> None:
    @workflow
    async def order() -> list[str]:
        run = Run.current()
        told = []
        for kind in (SignalProcessFailedEvent, CancelExternalProcessFailedEvent):
            for cause in (Cause.OPERATION_NOT_PERMITTED, Cause.UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION):
                message = Message(run, SignalProcessDecision("other", "hello"))
                event = kind(
                    event_id=9,
                    timestamp=flow.now(),
                    process=ProcessRef("other"),
                    cause=cause,
                    initiated_event_id=0,
                    decision_completed_event_id=1,
                )
                message.refused(event)
                message.refused(event)
                try:
                    await message
                except (LimitExceededError, UnknownProcessError) as error:
                    told.append(type(error).__name__)
        return told

    stage = Stage(order)
    stage.replays = False
    decisions = await stage.start()
    assert decisions[-1] == CompleteProcessDecision(["LimitExceededError", "UnknownProcessError"] * 2)


async def test_refusals_are_heard_one_after_the_other() -> None:
    @workflow
    async def order() -> int:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(2):
                    group.create_task(execute("Unknown"))
                    group.create_task(execute_child("Unknown"))
                    group.create_task(asyncio.sleep(5))
        except* ActivityError as errors:
            count = len(errors.exceptions)
        return count

    stage = Stage(order)
    await stage.start()
    await stage.settle()
    assert stage.result == 1


async def test_what_was_abandoned_may_end_in_any_way() -> None:
    @workflow
    async def order() -> str:
        first = start_activity(work, cancel="abandon")
        second = start_activity("Unknown", cancel="abandon")
        child = start_child("Child", id="child", cancel="abandon")
        message = asyncio.create_task(signal_process("nobody", "hello"))
        await wait_signal("go")
        for one in (first, second, child, message):
            one.cancel()
        await wait_signal("end")
        return "done"

    class ChildWorkflow(Workflow):
        async def run(self) -> int:
            return 1

    stage = Stage(order, work, others=[ChildWorkflow])
    await stage.start()
    stage.signal("go")
    await stage.turn()
    stage.complete("work-1", "x")
    stage.world.deliver_all()
    stage.run_of("child").decide(CompleteProcessDecision(1))
    await stage.settle()
    stage.signal("end")
    await stage.settle()
    assert stage.result == "done"


async def test_an_answer_that_somebody_else_gave_is_replayed() -> None:
    @workflow
    async def order() -> list[str]:
        return [await wait_signal("a"), await wait_signal("a")]

    stage = Stage(order)
    await stage.start()
    stage.signal("a", "first")
    stage.take()
    await stage.decide()
    stage.pass_time(60)  # the decision times out, and another worker has the next
    stage.take()
    stage.run.answer()
    stage.signal("a", "second")
    await stage.turn()
    assert stage.result == ["first", "second"]


async def test_exit_goes_through() -> None:
    @workflow
    async def order() -> None:
        set_status("leaving")
        raise SystemExit(3)

    stage = Stage(order)
    request = stage.request()
    stage.world.ask(request.ref, request)
    stage.run = stage.run_of("p")
    stage.take()
    with pytest.raises(SystemExit):
        await stage.decide()
    assert stage.kept is not None
    assert stage.kept.attached is None


async def test_a_misfit_that_comes_and_goes_is_told_as_it_was() -> None:
    turns = 0

    @workflow
    async def order() -> None:
        nonlocal turns
        turns += 1
        if turns != 2:
            await execute(work)
        await wait_signal("end")

    stage = Stage(order, work)
    stage.replays = False
    await stage.start()
    stage.forget()
    stage.signal("x")
    stage.take()
    with pytest.raises(NondeterminismError, match=r"code: +nothing more"):
        await stage.decide()
