"""Turns: what code sees, in which order, and what becomes of what it orders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from aioworkflow import (
    ActivityError,
    CancelTimerDecision,
    CompleteProcessDecision,
    FailProcessDecision,
    LimitExceededError,
    ScheduleActivityDecision,
    StartTimerDecision,
    Workflow,
    activity,
    execute,
    flow,
    wait_signal,
    workflow,
)
from aioworkflow.event import CompleteProcessFailedEvent
from aioworkflow.machine.limits import Limits
from tests.coroutine.stage import Stage


@activity
async def double(number: int) -> int:
    return number * 2


async def test_results_come_back_in_the_code() -> None:
    class OrderWorkflow(Workflow):
        async def run(self, input: int) -> int:
            return await execute(double, await execute(double, input))

    stage = Stage(OrderWorkflow, double)
    assert await stage.start(5) == [ScheduleActivityDecision(double, 5, id="double-1")]
    stage.complete("double-1", 10)
    assert await stage.turn() == [ScheduleActivityDecision(double, 10, id="double-2")]
    stage.complete("double-2", 20)
    assert await stage.turn() == [CompleteProcessDecision(20)]
    assert stage.result == 20


async def test_code_that_waits_for_nothing_ends_at_once() -> None:
    @workflow
    async def order() -> str:
        return "done"

    assert await Stage(order).start() == [CompleteProcessDecision("done")]


async def test_an_exception_fails_the_process() -> None:
    @workflow
    async def order() -> None:
        raise LookupError("no such order")

    stage = Stage(order)
    (decision,) = await stage.start()
    assert isinstance(decision, FailProcessDecision)
    assert decision.reason == "LookupError: no such order"
    assert decision.details["type"] == "LookupError"
    assert "raise LookupError" in decision.details["traceback"]


async def test_an_exception_without_a_message_is_named() -> None:
    @workflow
    async def order() -> None:
        raise LookupError

    await (stage := Stage(order)).start()
    assert stage.ending.reason == "LookupError"


async def test_an_input_that_does_not_fit_fails_the_process() -> None:
    @workflow
    async def order(number: int) -> None:
        raise AssertionError

    await (stage := Stage(order)).start("seven")
    assert stage.ending.reason.startswith("PayloadError: parameter 'number'")


async def test_a_result_that_json_cannot_carry_fails_the_process() -> None:
    @workflow
    async def order() -> object:
        return object()

    await (stage := Stage(order)).start()
    assert stage.ending.reason.startswith("PayloadError: a value of type object")


async def test_gather_schedules_all_at_once_and_keeps_the_order_of_results() -> None:
    @workflow
    async def order() -> list[int]:
        return await asyncio.gather(*(execute(double, number) for number in range(3)))

    stage = Stage(order, double)
    await stage.start()
    assert stage.open_activities == ["double-1", "double-2", "double-3"]
    for number in (3, 1, 2):
        stage.complete(f"double-{number}", number)
        await stage.settle()
    assert stage.result == [1, 2, 3]


async def test_events_that_come_together_are_seen_one_after_the_other() -> None:
    seen: list[str] = []

    async def wait(name: str) -> None:
        await wait_signal(name)
        seen.append(name)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        seen.append(f"{name} later")

    @workflow
    async def order() -> list[str]:
        seen.clear()
        await asyncio.gather(wait("a"), wait("b"))
        return list(seen)

    stage = Stage(order)
    await stage.start()
    stage.signal("b")
    stage.signal("a")
    await stage.turn()
    assert stage.result == ["b", "b later", "a", "a later"]


async def test_the_first_of_two_events_wins_although_both_have_come() -> None:
    @workflow
    async def order() -> str:
        try:
            async with asyncio.timeout(60):
                return str(await execute(double, 1))
        except TimeoutError:
            return "too late"

    stage = Stage(order, double)
    await stage.start()
    stage.complete("double-1", 2)
    stage.pass_time(61)
    await stage.settle()
    assert stage.result == "2"

    late = Stage(order, double)
    await late.start()
    late.pass_time(61)
    late.complete("double-1", 2)
    await late.settle()
    assert late.result == "too late"


async def test_what_comes_while_a_decider_decides_belongs_to_the_next_turn() -> None:
    @workflow
    async def order() -> list[Any]:
        first = asyncio.create_task(execute(double, 1))
        second = asyncio.create_task(execute(double, 2))
        seen: list[Any] = []
        await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
        seen.append((first.done(), second.done()))
        seen.append(await execute(double, 3))
        return seen

    stage = Stage(order, double)
    await stage.start()
    stage.complete("double-1", 1)
    stage.take()
    stage.complete("double-2", 2)
    decisions = await stage.decide()
    assert decisions == [ScheduleActivityDecision(double, 3, id="double-3")]
    stage.answer(decisions)
    assert await stage.turn() == []
    stage.complete("double-3", 6)
    await stage.turn()
    assert stage.result == [[True, False], 6]


async def test_a_refused_close_is_repeated_after_the_late_events() -> None:
    @workflow
    async def order() -> str:
        await wait_signal("go")
        return "done"

    stage = Stage(order)
    await stage.start()
    stage.signal("go")
    stage.take()
    stage.signal("late")
    decisions = await stage.decide()
    assert decisions == [CompleteProcessDecision("done")]
    stage.answer(decisions)
    assert stage.events(CompleteProcessFailedEvent)
    assert await stage.turn() == [CompleteProcessDecision("done")]
    assert stage.result == "done"


async def test_time_stands_still_in_a_turn_and_is_that_of_the_history() -> None:
    @workflow
    async def order() -> list[Any]:
        loop = asyncio.get_running_loop()
        start, now = loop.time(), flow.now()
        await asyncio.sleep(90)
        return [loop.time() - start, (flow.now() - now).total_seconds(), now.isoformat()]

    stage = Stage(order)
    assert await stage.start() == [StartTimerDecision(90, id="timer-1")]
    stage.pass_time(90)
    await stage.turn()
    assert stage.result == [90, 90, "2023-11-14T22:13:20+00:00"]


async def test_a_timer_that_is_cancelled_in_its_turn_never_existed() -> None:
    @workflow
    async def order() -> None:
        async with asyncio.timeout(60):
            await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.sleep(5)

    assert await Stage(order).start() == [CompleteProcessDecision()]


async def test_a_timer_that_runs_is_cancelled() -> None:
    @workflow
    async def order() -> None:
        async with asyncio.timeout(60):
            await wait_signal("go")
        await wait_signal("end")

    stage = Stage(order)
    assert await stage.start() == [StartTimerDecision(60, id="timer-1")]
    stage.signal("go")
    assert await stage.turn() == [CancelTimerDecision("timer-1")]
    assert stage.open_timers == []


async def test_a_timer_may_fire_while_it_is_being_cancelled() -> None:
    @workflow
    async def order() -> str:
        async with asyncio.timeout(30):
            await wait_signal("go")
        return str(await wait_signal("end"))

    stage = Stage(order)
    await stage.start()
    stage.signal("go")
    stage.take()
    stage.pass_time(30)
    decisions = await stage.decide()
    assert decisions == [CancelTimerDecision("timer-1")]
    stage.answer(decisions)
    assert "CancelTimerFailed" in stage.names
    stage.signal("end", "well")
    await stage.settle()
    assert stage.result == "well"


async def test_a_refused_timer_raises_where_it_is_waited_for() -> None:
    @workflow
    async def order() -> str:
        waiting = asyncio.create_task(asyncio.sleep(10))
        try:
            await asyncio.sleep(0)
            await asyncio.sleep(20)
        except LimitExceededError as error:
            await waiting
            return str(error)
        return "both"

    stage = Stage(order, limits=Limits(open_timers=1))
    await stage.start()
    await stage.turn()
    stage.pass_time(20)
    await stage.settle()
    assert stage.result == "timer 'timer-2' could not be started: OPEN_TIMERS_LIMIT_EXCEEDED"


async def test_a_refused_timer_that_no_code_waits_for_fails_the_process() -> None:
    @workflow
    async def order() -> None:
        asyncio.get_running_loop().call_later(10, print)
        asyncio.get_running_loop().call_later(20, print)
        await wait_signal("never")

    stage = Stage(order, limits=Limits(open_timers=1))
    await stage.start()
    await stage.turn()
    assert stage.ending.reason == (
        "LimitExceededError: timer 'timer-2' could not be started: OPEN_TIMERS_LIMIT_EXCEEDED"
    )


async def test_a_timer_may_be_refused_that_nobody_waits_for_any_more() -> None:
    @workflow
    async def order() -> int:
        first = asyncio.create_task(asyncio.sleep(30))
        try:
            async with asyncio.TaskGroup() as group:
                await asyncio.sleep(0)
                for _ in range(3):
                    group.create_task(asyncio.sleep(10))
        except* LimitExceededError as errors:
            count = len(errors.exceptions)
        await first
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        for _ in range(2):
            asyncio.get_running_loop().call_later(5, print, done)
        await wait_signal("end")
        return count

    stage = Stage(order, limits=Limits(open_timers=1))
    await stage.start()
    await stage.turn()
    stage.pass_time(30)
    await stage.settle()
    stage.signal("end")
    await stage.settle()
    assert stage.result == 1


async def test_a_refused_activity_raises_where_it_is_waited_for() -> None:
    @workflow
    async def order() -> list[Any]:
        try:
            await execute("Unknown", 1)
        except ActivityError as error:
            return [error.activity_id, error.how, error.reason, str(error)]
        return []

    stage = Stage(order)
    await stage.start()
    await stage.turn()
    assert stage.result == [
        "Unknown-1",
        "refused",
        "ACTIVITY_TYPE_DOES_NOT_EXIST",
        "activity 'Unknown-1' (Unknown) was refused: ACTIVITY_TYPE_DOES_NOT_EXIST",
    ]


async def test_more_than_one_answer_can_carry_is_sent_in_several_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioworkflow.coroutine.run._MOST_COMMANDS", 3)

    @workflow
    async def order() -> list[int]:
        return await asyncio.gather(*(execute(double, number) for number in range(5)))

    stage = Stage(order, double)
    decisions = await stage.start()
    assert decisions[:2] == [ScheduleActivityDecision(double, number, id=f"double-{number + 1}") for number in (0, 1)]
    assert isinstance(decisions[2], StartTimerDecision)
    assert stage.open_timers == ["aioworkflow.more-3"]
    stage.pass_time(0)
    await stage.settle()
    stage.pass_time(0)
    await stage.settle()
    assert len(stage.open_activities) == 5
    for number in range(5):
        stage.complete(f"double-{number + 1}", number)
    await stage.settle()
    assert stage.result == [0, 1, 2, 3, 4]


async def test_what_waits_to_be_sent_goes_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioworkflow.coroutine.run._MOST_COMMANDS", 2)

    @workflow
    async def order() -> str:
        for number in range(3):
            flow.start_activity(double, number)
        return "done"

    stage = Stage(order, double)
    await stage.start()
    while stage.is_open:
        stage.pass_time(0)
        await stage.settle()
    assert len([name for name in stage.names if name == "ActivityScheduled"]) == 3
    assert stage.result == "done"


async def test_long_payloads_are_spread_over_several_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioworkflow.coroutine.run._MOST_BYTES", 10)

    @workflow
    async def order() -> list[Any]:
        return await asyncio.gather(*(execute("echo", letter * 8) for letter in "ab"))

    @activity
    def echo(text: str) -> str:
        return text

    stage = Stage(order, echo)
    assert len(await stage.start()) == 2
    stage.pass_time(0)
    await stage.settle()
    stage.pass_time(0)
    await stage.settle()
    assert stage.open_activities == ["echo-1", "echo-2"]


async def test_tasks_that_nobody_awaits_are_cancelled_at_the_end() -> None:
    log: list[str] = []

    async def background() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            log.append("cleaning")
            await execute(double, 1)
            log.append("clean")

    @workflow
    async def order() -> str:
        log.clear()
        task = asyncio.create_task(background())
        await wait_signal("end")
        assert not task.done()
        return "done"

    stage = Stage(order, double)
    await stage.start()
    stage.signal("end")
    assert await stage.turn() == [CancelTimerDecision("timer-1"), ScheduleActivityDecision(double, 1, id="double-1")]
    stage.complete("double-1", 2)
    assert await stage.turn() == [CompleteProcessDecision("done")]
    assert log == ["cleaning", "clean"]


async def test_generators_and_context_managers() -> None:
    @asynccontextmanager
    async def lent() -> AsyncIterator[str]:
        await execute("lend")
        try:
            yield "book"
        finally:
            await execute("return")

    async def pages() -> AsyncGenerator[int, None]:
        try:
            for number in range(100):
                yield await execute(double, number)
        finally:
            await execute("close")

    @workflow
    async def order() -> list[Any]:
        async with lent() as thing, aclosing(pages()) as numbers:
            async for number in numbers:
                if number == 2:
                    return [thing, number]
        return []

    @activity(name="lend")
    def lend() -> None: ...
    @activity(name="return")
    def bring_back() -> None: ...
    @activity(name="close")
    def close() -> None: ...

    stage = Stage(order, double, lend, bring_back, close)
    await stage.start()
    for id, result in (("lend-1", None), ("double-1", 0), ("double-2", 2), ("close-1", None), ("return-1", None)):
        assert stage.open_activities == [id]
        stage.complete(id, result)
        await stage.settle()
    assert stage.result == ["book", 2]


async def test_an_abandoned_generator_is_closed_in_the_run() -> None:
    async def pages() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await execute(double, 1)

    @workflow
    async def order() -> int:
        found = 0
        async for number in pages():
            found = number
            break
        await wait_signal("go")
        return found

    stage = Stage(order, double)
    assert await stage.start() == [ScheduleActivityDecision(double, 1, id="double-1")]
    stage.complete("double-1", 2)
    stage.signal("go")
    await stage.settle()
    assert stage.result == 1


async def test_groups_of_exceptions_are_split() -> None:
    @workflow
    async def order() -> list[str | None]:
        found: list[str | None] = []
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(execute(double, 1))
                group.create_task(execute(double, 2))
        except* ActivityError as errors:
            found += [error.message for error in errors.exceptions if isinstance(error, ActivityError)]
        return found

    stage = Stage(order, double)
    await stage.start()
    stage.fail("double-2", ValueError("two"))
    await stage.settle()
    assert "ActivityCancelRequested" in stage.names
    assert stage.result == ["two"]


async def test_asking_again_for_the_same_turn_gives_the_same_answer() -> None:
    @workflow
    async def order() -> None:
        await execute(double, 1)

    stage = Stage(order, double)
    decisions = await stage.start()
    assert stage.kept is not None
    assert await stage.workflow.decide(stage.kept) == decisions


async def test_a_turn_whose_answer_was_not_taken_is_replayed() -> None:
    @workflow
    async def order() -> list[str]:
        return [await wait_signal("a"), await wait_signal("a")]

    stage = Stage(order)
    await stage.start()
    stage.signal("a", "first")
    stage.take()
    await stage.decide()
    stage.pass_time(60)  # the decision times out
    stage.signal("a", "second")
    await stage.turn()
    assert stage.result == ["first", "second"]
