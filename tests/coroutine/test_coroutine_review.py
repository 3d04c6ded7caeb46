"""Coroutine workflows as those write them who hope that they break."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import random
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import anyio
import anyio.to_thread
import pytest

from aioworkflow import (
    Activity,
    Client,
    Process,
    Worker,
    WorkerOptions,
    activity,
    execute,
    patched,
    set_status,
    side_effect,
    start_activity,
    wait_signal,
    workflow,
)
from aioworkflow.backends.local import LocalBackend
from aioworkflow.backends.swf.encode import complete_decision_task
from aioworkflow.decision import CancelActivityDecision, Decision, RecordMarkerDecision, StartTimerDecision
from aioworkflow.errors import ForbiddenCallError, NondeterminismError, NotInWorkflowError
from aioworkflow.flow import now, uuid4
from aioworkflow.machine.limits import Limits
from aioworkflow.stores.memory import MemoryStore
from aioworkflow.testing import replay
from tests.coroutine.stage import Stage


@activity
async def double(number: int) -> int:
    return number * 2


async def finish_all(stage: Stage) -> None:
    """Take turns and complete what is scheduled, until the process is closed."""
    for _ in range(100):
        stage.pass_time(0)
        await stage.settle()
        if not stage.is_open:
            return
        for activity_id in stage.open_activities:
            stage.complete(activity_id, 1)
    raise AssertionError("it goes on and on")


# --- side effects and patches ----------------------------------------------------------------------------


@pytest.mark.parametrize("effect", [lambda: 1 / 0, lambda: object()], ids=["raises", "no JSON"])
async def test_a_side_effect_that_raises_spoils_the_turn_also_where_that_is_caught(effect: Callable[[], Any]) -> None:
    effects = [effect]

    @workflow
    async def order() -> str:
        await wait_signal("go")
        try:
            value = str(side_effect(effects[0]))
        except Exception:
            value = str(await execute(double, 1))
        await wait_signal("end")
        return value

    stage = Stage(order, double)
    await stage.start()
    stage.signal("go")
    stage.take()
    stage.replays = False
    with pytest.raises((ZeroDivisionError, ValueError)):
        await stage.decide()
    effects[0] = lambda: "well"
    decisions = await stage.decide()
    assert decisions == [RecordMarkerDecision("aioworkflow.side_effect", "well")]
    stage.answer(decisions)
    stage.replays = True
    stage.signal("end")
    await stage.settle()
    assert stage.result == "well"


async def end(number: int) -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("effect", "error"),
    [
        (uuid4, NotInWorkflowError),
        (now, NotInWorkflowError),
        (lambda: start_activity(double, 1).id, NotInWorkflowError),
        (lambda: side_effect(lambda: 1), NotInWorkflowError),
        (lambda: asyncio.get_running_loop().call_later(1, print), RuntimeError),
        (lambda: end(1).send(None), RuntimeError),
    ],
    ids=["chance", "time", "activity", "side effect", "timer", "cancelled"],
)
async def test_a_side_effect_that_touches_the_workflow_spoils_the_turn(
    effect: Callable[[], Any], error: type[Exception]
) -> None:
    """Replays, which do not call it, would go otherwise."""

    @workflow
    async def order() -> None:
        try:
            side_effect(effect)
        except BaseException:
            await execute(double, 1)

    stage = Stage(order, double)
    stage.replays = False
    with pytest.raises(error, match=r"side effect|no running event loop"):
        await stage.start()


async def test_a_side_effect_may_run_a_loop_of_its_own() -> None:
    @workflow
    async def order() -> int:
        task = asyncio.current_task()
        found = side_effect(lambda: asyncio.run(asyncio.sleep(0, 5)), int)
        assert asyncio.current_task() is task
        return found + await execute(double, 1)

    stage = Stage(order, double)
    stage.replays = False
    await stage.start()
    stage.replays = True
    await finish_all(stage)
    assert stage.result == 6


async def test_a_side_effect_that_history_does_not_know_cannot_be_caught() -> None:
    @workflow(name="order")
    async def before() -> None:
        await execute(double, 1)

    @workflow(name="order")
    async def after() -> None:
        try:
            side_effect(lambda: 1)
        except NondeterminismError:
            await execute(double, 1)

    stage = Stage(before, double)
    await stage.start()
    with pytest.raises(NondeterminismError, match="it has 0 side effects"):
        await after.decide(Process(stage.run.ref, stage.run.history))


async def test_a_side_effect_beyond_what_an_answer_carries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioworkflow.coroutine.run._MOST_COMMANDS", 3)

    @workflow
    async def order() -> list[Any]:
        handles = [start_activity(double, number) for number in range(7)]
        value = side_effect(lambda: 7)
        return [value, *await asyncio.gather(*handles)]

    stage = Stage(order, double)
    await stage.start()
    await finish_all(stage)
    assert stage.result == [7, *[1] * 7]


async def test_a_patch_beyond_what_an_answer_carries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioworkflow.coroutine.run._MOST_COMMANDS", 3)

    @workflow
    async def order() -> int:
        handles = [start_activity(double, number) for number in range(7)]
        if patched("one more"):
            handles.append(start_activity(double, 7))
        return sum(await asyncio.gather(*handles))

    stage = Stage(order, double)
    await stage.start()
    await finish_all(stage)
    assert stage.result == 8


@pytest.mark.parametrize("text", ["x" * 30_000, '"' * 14_000, "\U0001f600" * 14_000], ids=["plain", "quotes", "faces"])
@pytest.mark.parametrize("how", ["side effects", "activities", "controls"])
async def test_no_answer_is_more_than_a_request_to_amazon_swf_holds(text: str, how: str) -> None:
    @workflow
    async def order() -> None:
        set_status(text)
        for _ in range(40):
            if how == "side effects":
                side_effect(lambda: text)
            elif how == "activities":
                start_activity("double", text)
            else:
                start_activity("double", control=text)

    stage = Stage(order, double)
    stage.replays = False
    decided = [await stage.start()]
    encode_answer(stage, decided[0])
    while stage.is_open:
        stage.pass_time(0)
        decided.append(await stage.turn())
        encode_answer(stage, decided[-1])
    assert sum(type(decision) is not StartTimerDecision for turn in decided for decision in turn) == 41


def encode_answer(stage: Stage, decisions: Sequence[Decision]) -> None:
    """Write it as for Amazon SWF, which refuses what is too much."""
    assert stage.kept is not None
    complete_decision_task("token", decisions, execution_context=stage.kept.execution_context)


@pytest.mark.parametrize("turns", [1, 2, 3, 4])
async def test_a_patch_in_code_that_was_sent_in_several_answers(monkeypatch: pytest.MonkeyPatch, turns: int) -> None:
    monkeypatch.setattr("aioworkflow.coroutine.run._MOST_COMMANDS", 3)

    @workflow(name="order")
    async def before() -> int:
        return sum(await asyncio.gather(*(execute(double, number) for number in range(7))))

    @workflow(name="order")
    async def after() -> int:
        handles = [start_activity(double, number) for number in range(5)]
        more = 3 if patched("one more") else 2
        return sum(await asyncio.gather(*handles, *(execute(double, number) for number in range(more))))

    stage = Stage(before, double)
    await stage.start()
    for _ in range(turns - 1):
        stage.pass_time(0)
        await stage.settle()
    stage.forget()
    stage.workflow = after
    await finish_all(stage)
    assert stage.result == (8 if turns < 3 else 7)


# --- timers ----------------------------------------------------------------------------------------------


async def test_what_is_due_in_all_eternity_needs_no_timer() -> None:
    @workflow
    async def order() -> str:
        with anyio.move_on_after(5):
            await anyio.sleep_forever()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(float("inf")), 5)
        return "on time"

    stage = Stage(order)
    await stage.start()
    assert stage.open_timers == ["timer-1"]
    stage.pass_time(5)
    await stage.settle()
    stage.pass_time(5)
    await stage.settle()
    assert stage.result == "on time"


async def test_more_timers_than_there_may_be_in_more_answers_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioworkflow.coroutine.run._MOST_COMMANDS", 4)

    @workflow
    async def order() -> list[str]:
        ends = await asyncio.gather(*(asyncio.sleep(5) for _ in range(12)), return_exceptions=True)
        return [type(end).__name__ for end in ends]

    stage = Stage(order, limits=Limits(open_timers=4))
    await stage.start()
    stage.pass_time(0)
    await stage.settle()
    stage.pass_time(5)
    await stage.settle()
    assert stage.result == ["NoneType"] * 4 + ["LimitExceededError"] * 8


# --- order and chance ------------------------------------------------------------------------------------


async def test_what_chance_orders_is_refused_by_wait() -> None:
    @workflow
    async def order() -> int:
        done, _ = await asyncio.wait([asyncio.gather(execute(double, 0))])  # one alone has an order
        with pytest.raises(ForbiddenCallError, match="give it tasks"):
            await asyncio.wait([asyncio.gather(execute(double, number)) for number in range(3)])
        mixed: list[asyncio.Future[Any]] = [asyncio.gather(execute(double, 3)), asyncio.create_task(asyncio.sleep(1))]
        with pytest.raises(ForbiddenCallError, match="give it tasks"):  # one among tasks may be anywhere between them
            await asyncio.wait(mixed)
        return len(done)

    stage = Stage(order, double)
    await stage.start()
    await finish_all(stage)
    assert stage.result == 1


@pytest.mark.parametrize("eager", [False, sys.version_info >= (3, 12)])
async def test_a_group_of_eager_tasks_is_cancelled_in_order(eager: bool) -> None:
    factory = getattr(asyncio, "eager_task_factory", None) if eager else None

    @workflow
    async def order() -> list[str]:
        asyncio.get_running_loop().set_task_factory(factory)
        assert asyncio.get_running_loop().get_task_factory() is factory
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(30):
                    group.create_task(execute(double, number))
        except ExceptionGroup as errors:
            return [str(error) for error in errors.exceptions]
        return []

    stage = Stage(order, double)
    await stage.start()
    stage.fail("double-3", ValueError("three"))
    await stage.settle()  # which compares with a replay, in what order the others are cancelled, too
    await finish_all(stage)
    assert stage.result == ["activity 'double-3' (double) failed: ValueError: three"]


@pytest.mark.parametrize("eager", [False, sys.version_info >= (3, 12)])
async def test_a_group_of_anyio_is_cancelled_in_order_with_eager_tasks(eager: bool) -> None:
    factory = getattr(asyncio, "eager_task_factory", None) if eager else None

    @workflow
    async def order() -> None:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(factory)
        loop.set_task_factory(loop.get_task_factory())
        async with anyio.create_task_group() as group:
            keep = [bytearray(random.randrange(5000)) for _ in range(50)]  # so that addresses are in no order
            for number in range(20):
                group.start_soon(execute, double, number)
            del keep
            await wait_signal("enough")
            group.cancel_scope.cancel()

    stage = Stage(order, double)
    await stage.start()
    stage.signal("enough")
    decisions = await stage.turn()
    assert decisions[:-1] == [CancelActivityDecision(f"double-{number}") for number in range(1, 21)]


@pytest.mark.parametrize("eager", [False, sys.version_info >= (3, 12)])
async def test_as_completed_begins_in_order_with_eager_tasks(eager: bool) -> None:
    factory = getattr(asyncio, "eager_task_factory", None) if eager else None
    begun: list[int] = []

    async def work(number: int) -> int:
        begun.append(number)
        return await execute(double, number)

    @workflow
    async def order() -> list[int]:
        asyncio.get_running_loop().set_task_factory(factory)
        begun.clear()
        keep = [bytearray(random.randrange(5000)) for _ in range(50)]  # so that addresses are in no order
        waiting = [work(number) for number in range(50)]
        del keep
        for next_one in asyncio.as_completed(waiting):
            await next_one
        return begun

    stage = Stage(order, double)
    await stage.start()
    await finish_all(stage)
    assert stage.result == list(range(50))


async def test_as_completed_begins_nothing_with_tasks_of_others() -> None:
    @workflow
    async def order() -> int:
        asyncio.get_running_loop().set_task_factory(lambda loop, coro, **options: asyncio.Task(coro, loop=loop))
        with pytest.raises(ForbiddenCallError, match="give it tasks"):
            await next(iter(asyncio.as_completed([execute(double, 1), execute(double, 2)])))
        return sum([await found for found in asyncio.as_completed([asyncio.create_task(execute(double, 1))])])

    stage = Stage(order, double)
    await stage.start()
    await finish_all(stage)
    assert stage.result == 1


# --- what reaches out of the process ---------------------------------------------------------------------


async def test_threads_of_anyio_are_refused() -> None:
    @workflow
    async def order() -> str:
        with pytest.raises(ForbiddenCallError, match="do it in an activity"):
            await anyio.to_thread.run_sync(lambda: 1)
        return "refused"

    stage = Stage(order)
    await stage.start()
    assert stage.result == "refused"


async def test_checking_a_history_calls_no_side_effect() -> None:
    calls: list[int] = []

    @workflow
    async def order() -> int:
        side_effect(lambda: calls.append(1))
        number = await execute(double, 1)
        side_effect(lambda: calls.append(2))
        return number

    stage = Stage(order, double)
    stage.replays = False
    await stage.start()
    stage.complete("double-1", 1)
    await replay(Process(stage.run.ref, stage.run.history), order)
    stage.take()  # a worker has the task in hand at this moment
    await replay(Process(stage.run.ref, stage.run.history), order)
    assert calls == [1]
    stage.answer(await stage.decide())
    await replay(Process(stage.run.ref, stage.run.history), order)
    assert calls == [1, 2]


async def test_explaining_what_differs_only_now_and_then_calls_no_side_effect() -> None:
    calls: list[int] = []
    ids = ["a", "b", "a"]

    @workflow
    async def order() -> None:
        await execute(double, 1, id=ids.pop(0))
        side_effect(lambda: calls.append(1))

    stage = Stage(order, double)
    stage.replays = False
    await stage.start()
    stage.complete("a", 1)
    stage.forget()
    stage.take()
    with pytest.raises(NondeterminismError):
        await stage.decide()
    assert calls == []


class Warned(logging.Handler):
    """Knows, in any thread, when somebody was said to block the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.message = ""
        self.come = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if "blocks the event loop" in record.getMessage():
            self.message = record.getMessage()
            self.come.set()


async def test_code_that_computes_for_long_is_named_with_its_stack() -> None:
    warned = Warned()

    @workflow
    async def order() -> bool:
        return warned.come.wait(20)

    logging.getLogger("aioworkflow.worker").addHandler(warned)
    options = WorkerOptions(block_seconds=0.05)
    async with LocalBackend(MemoryStore()) as backend, Worker(backend, workflows=[order], options=options):
        assert await (await Client(backend).start(order, id="slow")).result() is True
    logging.getLogger("aioworkflow.worker").removeHandler(warned)
    assert warned.message.startswith("decider of process 'slow'")
    assert "return warned.come.wait(20)" in warned.message


async def test_an_activity_may_be_an_object_without_a_hash() -> None:
    @dataclasses.dataclass
    class Charge(Activity):
        key: str

        async def execute(self, task: Any, worker: Any) -> int:
            return 1

    @workflow
    async def order() -> Any:
        return await execute(Charge("secret"), 1)  # type: ignore[call-overload]

    stage = Stage(order, Charge("secret"))
    await stage.start()
    await finish_all(stage)
    assert stage.result == 1
