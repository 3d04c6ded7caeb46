"""Activities in a worker: how they run, what is told of them, and the cancellation table of DESIGN 7, row by row."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import anyio
import pytest

from aioworkflow.activity import (
    Activity,
    ActivityAborted,
    ActivityCompleted,
    ActivityContext,
    ActivityFailed,
    activity,
    current_activity,
    heartbeat,
    heartbeat_from_thread,
)
from aioworkflow.backend import Interruption
from aioworkflow.errors import BackendUnavailableError, PayloadTooLargeError, StoreError, UnknownTaskError
from aioworkflow.task import ActivityTask
from aioworkflow.testing import ManualClock
from tests.worker.scripted import ScriptedBackend, activity_task, settle, unavailable, working


class Act(Activity):
    """Does what the test says."""

    def __init__(self, does: Callable[[ActivityTask, ActivityContext], Any]) -> None:
        self.does = does
        self.began = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def execute(self, task: ActivityTask, worker: ActivityContext) -> Any:
        self.began.set()
        result = self.does(task, worker)
        return await result if asyncio.iscoroutine(result) else result

    async def wait(self, *_: object) -> str:
        await self.goes_on.wait()
        return "went on"


def waiting() -> Act:
    act = Act(lambda task, worker: act.wait())
    return act


class Stubborn(Act):
    """Swallows cancellations and ends only when it is told to."""

    name = "Act"

    def __init__(self) -> None:
        super().__init__(self.stay)
        self.cancellations = 0

    async def stay(self, *_: object) -> str:
        while not self.goes_on.is_set():
            try:
                await self.goes_on.wait()
            except asyncio.CancelledError:
                self.cancellations += 1
        return "stayed"


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.fixture
def backend() -> ScriptedBackend:
    return ScriptedBackend()


# --- what comes out --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (10, ActivityCompleted(10)),
        (None, ActivityCompleted()),
        (ActivityCompleted([1]), ActivityCompleted([1])),
        (ActivityAborted("no", {"a": 1}), ActivityAborted("no", {"a": 1})),
        (ActivityFailed(reason="bad"), ActivityFailed(reason="bad")),
    ],
)
async def test_what_is_returned_is_told(backend: ScriptedBackend, returned: Any, told: Any) -> None:
    task = activity_task()
    backend.give(task)
    async with working(backend, activities=[Act(lambda task, worker: returned)]):
        assert await backend.result(task.token) == told


async def test_an_exception_is_told_as_failure_with_type_message_and_traceback(backend: ScriptedBackend) -> None:
    async def fail(task: ActivityTask, worker: ActivityContext) -> None:
        raise ValueError("no input")

    task = activity_task()
    backend.give(task)
    async with working(backend, activities=[Act(fail)]):
        result = await backend.result(task.token)
    assert isinstance(result, ActivityFailed)
    assert result.reason == "ValueError: no input"
    assert (result.details["type"], result.details["message"]) == ("ValueError", "no input")
    assert "in fail" in result.details["traceback"]


async def test_raising_aborted_is_returning_it(backend: ScriptedBackend) -> None:
    async def abort(task: ActivityTask, worker: ActivityContext) -> None:
        raise ActivityAborted("out of bounds", [1])

    task = activity_task()
    backend.give(task)
    async with working(backend, activities=[Act(abort)]):
        assert await backend.result(task.token) == ActivityAborted("out of bounds", [1])


async def test_so_is_raising_it_in_task_groups(backend: ScriptedBackend) -> None:
    async def abort() -> None:
        raise ActivityAborted("out of bounds", [1])

    async def work(task: ActivityTask, worker: ActivityContext) -> None:
        async with asyncio.TaskGroup() as outer, anyio.create_task_group() as inner:
            outer.create_task(asyncio.Event().wait())
            inner.start_soon(abort)
            inner.start_soon(abort)

    task = activity_task()
    backend.give(task)
    async with working(backend, activities=[Act(work)]):
        assert await backend.result(task.token) == ActivityAborted("out of bounds", [1])


NO = ActivityAborted("no")
OTHERS = ExceptionGroup("others", [NO, ExceptionGroup("nested", [ValueError("x"), NO])])


@pytest.mark.parametrize(
    ("group", "told"),
    [
        (ExceptionGroup("", [NO]), "ActivityAborted no"),
        (ExceptionGroup("", [ExceptionGroup("", [NO, ActivityAborted("first")]), NO]), "ActivityAborted no"),
        (BaseExceptionGroup("", [ExceptionGroup("", [ActivityAborted("first"), NO]), NO]), "ActivityAborted first"),
        (OTHERS, "ActivityFailed ExceptionGroup: others (2 sub-exceptions)"),
        (BaseExceptionGroup("both", [NO, SystemExit()]), "ActivityFailed BaseExceptionGroup: both (2 sub-exceptions)"),
    ],
)
async def test_a_group_with_nothing_else_in_it_counts_as_its_first(
    backend: ScriptedBackend, group: BaseException, told: str
) -> None:
    async def work(task: ActivityTask, worker: ActivityContext) -> None:
        raise group

    task = activity_task()
    backend.give(task)
    async with working(backend, activities=[Act(work)]):
        result = await backend.result(task.token)
    assert not isinstance(result, ActivityCompleted)
    assert f"{type(result).__name__} {result.reason}" == told


async def test_a_result_without_a_json_form_is_told_as_failure(backend: ScriptedBackend) -> None:
    task = activity_task()
    backend.give(task)
    async with working(backend, activities=[Act(lambda task, worker: object())]):
        result = await backend.result(task.token)
    assert isinstance(result, ActivityFailed)
    assert result.reason is not None
    assert "cannot be written as JSON" in result.reason


async def test_a_result_that_the_backend_finds_too_large_is_told_as_failure(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    task = activity_task()
    backend.give(task)
    backend.script["complete_activity_task"].append(PayloadTooLargeError("result has 40,000 characters"))
    async with working(backend, activities=[Act(lambda task, worker: "x")]):
        await backend.until(lambda: len(backend.told("complete_activity_task")) == 2)
    result = backend.told("complete_activity_task")[1]
    assert result == ActivityFailed(reason="how it ended cannot be told: result has 40,000 characters")


async def test_an_answer_that_the_backend_refuses_in_any_form_is_given_up(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = activity_task(), activity_task()
    backend.give(first, second)
    backend.script["complete_activity_task"] += [PayloadTooLargeError("too large"), PayloadTooLargeError("still")]
    async with working(backend, activities=[Act(lambda task, worker: "x")]):
        await backend.until(lambda: len(backend.told("complete_activity_task")) == 3)
    assert any("refuses to be told: still" in message for message in messages(caplog))


async def test_a_task_for_an_unknown_activity_fails_and_says_what_there_is(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    task = activity_task("Strange")
    backend.give(task)
    async with working(backend, activities=[waiting()]):
        result = await backend.result(task.token)
    assert isinstance(result, ActivityFailed)
    assert result.reason == "worker me has no activity Strange (version 1)"
    assert result.details == {"registered": ["Act (version 1)"]}


async def test_an_activity_that_completes_elsewhere_is_handed_off(backend: ScriptedBackend) -> None:
    class Elsewhere(Activity):
        auto_complete = False

        async def execute(self, task: ActivityTask, worker: ActivityContext) -> Any:
            if task.input == "fail":
                raise ValueError("not even begun")
            return ActivityAborted("no") if task.input == "abort" else "dropped"

    tasks = {text: activity_task("Elsewhere", input_json=f'"{text}"') for text in ("go", "fail", "abort")}
    backend.give(*tasks.values())
    async with working(backend, activities=[Elsewhere]):
        await backend.until(lambda: len(backend.calls) == 4)
    assert [call.argument for call in backend.calls if call.verb == "hand_off_activity_task"] == [tasks["go"].token]
    failed, aborted = backend.told("complete_activity_task")
    assert failed.reason == "ValueError: not even begun"
    assert aborted == ActivityAborted("no")


async def test_handing_off_is_tried_again_too(backend: ScriptedBackend) -> None:
    class Elsewhere(Activity):
        auto_complete = False

        async def execute(self, task: ActivityTask, worker: ActivityContext) -> None:
            pass

    clock = ManualClock()
    backend.give(activity_task("Elsewhere"))
    backend.script["hand_off_activity_task"] += unavailable()
    async with working(backend, activities=[Elsewhere], clock=clock):
        await backend.until(lambda: len(backend.calls) == 2)
        await settle()
        clock.advance(0.1)
        await backend.until(lambda: len(backend.calls) == 3)
    assert [call.verb for call in backend.calls[1:]] == ["hand_off_activity_task"] * 2


# --- where it runs ---------------------------------------------------------------------------------------------------

colour: ContextVar[str] = ContextVar("colour", default="none")


async def test_context_variables_do_not_leak_from_one_activity_to_the_next(backend: ScriptedBackend) -> None:
    def mix(task: ActivityTask, worker: ActivityContext) -> str:
        before = colour.get()
        colour.set(task.input)
        return before

    colour.set("of the worker")
    tasks = [activity_task(input_json='"red"'), activity_task(input_json='"blue"')]
    async with working(backend, activities=[Act(mix)]):
        colour.set("of the block")
        for task in tasks:
            backend.give(task)
            assert await backend.result(task.token) == ActivityCompleted("of the worker")


async def test_functions_are_activities_and_know_their_task(backend: ScriptedBackend) -> None:
    @activity
    async def double(number: int) -> list[Any]:
        await heartbeat()
        return [number * 2, current_activity().task.activity_id]

    task = activity_task("double", input_json="21")
    backend.give(task)
    async with working(backend, activities=[double]):
        assert await backend.result(task.token) == ActivityCompleted([42, "double-1"])


async def test_a_plain_function_runs_in_a_thread_with_its_context(backend: ScriptedBackend) -> None:
    @activity
    def plain(number: int) -> list[Any]:
        heartbeat_from_thread({"at": number})
        return [threading.get_ident() == main, colour.get(), current_activity().task.activity_id]

    main = threading.get_ident()
    colour.set("of the worker")
    task = activity_task("plain", input_json="1", heartbeat_timeout=3.0)
    backend.give(task)
    async with working(backend, activities=[plain]):
        assert await backend.result(task.token) == ActivityCompleted([False, "of the worker", "plain-1"])


class Decorated(Activity):
    """Plain from outside, and yet a coroutine is what does the work."""

    def __init__(self) -> None:
        self.called, self.gate = threading.Event(), threading.Event()
        self.waits = asyncio.Event()

    def execute(self, task: ActivityTask, worker: ActivityContext) -> Any:
        self.called.set()
        self.gate.wait()
        return self.work(worker)

    async def work(self, worker: ActivityContext) -> bool:
        await worker.heartbeat("half")
        self.waits.set()
        if current_activity().task.input:
            await asyncio.Event().wait()
        return threading.current_thread() is threading.main_thread()


async def test_a_coroutine_that_a_plain_function_returns_is_awaited_in_the_loop(backend: ScriptedBackend) -> None:
    decorated = Decorated()
    decorated.gate.set()
    task = activity_task("Decorated", input_json="false")
    backend.give(task)
    async with working(backend, activities=[decorated]):
        assert await backend.result(task.token) == ActivityCompleted(True)


@pytest.mark.parametrize("early", [False, True])
async def test_a_coroutine_that_a_plain_function_returns_can_be_cancelled(
    backend: ScriptedBackend, early: bool
) -> None:
    decorated = Decorated()
    task = activity_task("Decorated", input_json="true")
    backend.give(task)
    async with working(backend, activities=[decorated]):
        await anyio.to_thread.run_sync(decorated.called.wait)
        if early:
            backend.interrupt(task.token, Interruption.CANCEL_REQUESTED)
        decorated.gate.set()
        if not early:
            await decorated.waits.wait()
            backend.interrupt(task.token, Interruption.CANCEL_REQUESTED)
        assert await backend.result(task.token) == ActivityAborted("cancel requested", "half")


async def test_an_error_in_a_task_group_of_the_activity_ends_neither_turns_nor_worker(backend: ScriptedBackend) -> None:
    async def fail(task: ActivityTask, worker: ActivityContext) -> None:
        async with asyncio.TaskGroup() as group:  # before Python 3.13 it leaves its task counted as cancelled
            group.create_task(raising())

    async def raising() -> None:
        raise ValueError("no input")

    async with working(backend, activities=[Act(fail)]):
        for number in range(20):
            task = activity_task(token=str(number))
            backend.give(task)
            result = await backend.result(task.token)
            assert isinstance(result, ActivityFailed)
            assert "ValueError: no input" in result.details["traceback"]


async def test_a_base_exception_group_is_a_failure_too(backend: ScriptedBackend) -> None:
    async def fail(task: ActivityTask, worker: ActivityContext) -> None:
        raise BaseExceptionGroup("several", [asyncio.CancelledError("inner")])

    task = activity_task()
    backend.give(task)
    async with working(backend, activities=[Act(fail)]):
        result = await backend.result(task.token)
    assert isinstance(result, ActivityFailed)
    assert result.reason == "BaseExceptionGroup: several (1 sub-exception)"


async def test_a_plain_function_that_raises_fails(backend: ScriptedBackend) -> None:
    @activity
    def plain() -> None:
        raise KeyError("k")

    task = activity_task("plain")
    backend.give(task)
    async with working(backend, activities=[plain]):
        result = await backend.result(task.token)
    assert isinstance(result, ActivityFailed)
    assert result.reason == "KeyError: 'k'"


@pytest.mark.parametrize("error", [SystemExit(2), KeyboardInterrupt()])
async def test_a_plain_function_that_would_end_the_program_fails(
    backend: ScriptedBackend, error: BaseException
) -> None:
    @activity
    def plain() -> None:
        raise error

    task = activity_task("plain")
    backend.give(task)
    async with working(backend, activities=[plain]):
        result = await backend.result(task.token)
    assert isinstance(result, ActivityFailed)
    assert result.details["type"] == type(error).__qualname__


async def test_no_more_threads_than_allowed(backend: ScriptedBackend) -> None:
    running: list[int] = []
    most = 0
    pair = threading.Barrier(2)  # broken unless two run at the same time

    @activity
    def plain() -> None:
        nonlocal most
        running.append(1)
        most = max(most, len(running))
        pair.wait(30)
        running.pop()

    tasks = [activity_task("plain") for _ in range(6)]
    backend.give(*tasks)
    async with working(backend, activities=[plain], max_threads=2):
        for task in tasks:
            assert isinstance(await backend.result(task.token), ActivityCompleted)
    assert most == 2


# --- heartbeats from inside (what is sent and when: test_heartbeat.py) ------------------------------------------------


async def test_heartbeat_keeps_the_last_details_and_yields_now_and_then(backend: ScriptedBackend) -> None:
    clock = ManualClock()
    yielded: list[int] = []
    seen: list[int] = []

    async def beat(task: ActivityTask, worker: ActivityContext) -> None:
        for number in range(6):
            asyncio.get_running_loop().call_soon(yielded.append, number)
            await worker.heartbeat({"at": number})
            await worker.heartbeat()
            seen.append(len(yielded))
            if number == 3:
                clock.advance(0.02)
        await act.goes_on.wait()

    act = Act(beat)
    task = activity_task(heartbeat_timeout=3.0)
    backend.give(task)
    async with working(backend, activities=[act], clock=clock):
        await act.began.wait()
        await settle()
        assert seen == [1, 1, 1, 1, 5, 5]  # the first one yields, those that follow at once do not
        clock.advance(1.0)
        assert (await backend.until(lambda: backend.told("heartbeat_activity_task"))) == ['{"at":5}']
        act.goes_on.set()


async def test_details_without_a_json_form_are_an_error_at_the_call(backend: ScriptedBackend) -> None:
    async def beat(task: ActivityTask, worker: ActivityContext) -> None:
        await worker.heartbeat(object())

    task = activity_task()
    backend.give(task)
    async with working(backend, activities=[Act(beat)]):
        result = await backend.result(task.token)
    assert isinstance(result, ActivityFailed)
    assert result.details["type"] == "PayloadError"


async def test_a_heartbeat_without_a_timeout_starts_a_slow_pulse(backend: ScriptedBackend) -> None:
    clock, contexts = ManualClock(), list[ActivityContext]()

    async def beat(task: ActivityTask, worker: ActivityContext) -> None:
        contexts.append(worker)
        await worker.heartbeat(1)
        await act.goes_on.wait()

    act = Act(beat)
    task = activity_task()
    backend.give(task)
    async with working(backend, activities=[act], clock=clock):
        await act.began.wait()
        await settle()
        clock.advance(10.0)
        assert (await backend.until(lambda: backend.told("heartbeat_activity_task"))) == ["1"]
        act.goes_on.set()
        await backend.result(task.token)
        await settle()
        await contexts[0].heartbeat(2)  # too late: nobody hears it
        assert clock.next_alarm is None


async def test_a_heartbeat_from_a_thread_starts_a_slow_pulse_too(backend: ScriptedBackend) -> None:
    clock, said, gate = ManualClock(), threading.Event(), threading.Event()

    @activity
    def plain() -> None:
        heartbeat_from_thread("from the thread")
        heartbeat_from_thread("again")
        said.set()
        gate.wait()

    task = activity_task("plain")
    backend.give(task)
    async with working(backend, activities=[plain], clock=clock):
        await anyio.to_thread.run_sync(said.wait)
        await settle()
        clock.advance(10.0)
        assert (await backend.until(lambda: backend.told("heartbeat_activity_task"))) == ['"again"']
        gate.set()


async def test_the_awaitable_of_a_heartbeat_is_a_coroutine_like_any_other(backend: ScriptedBackend) -> None:
    async def beat(task: ActivityTask, worker: ActivityContext) -> str:
        await worker.heartbeat()
        nothing = worker.heartbeat()
        with pytest.raises(StopIteration):
            nothing.send(None)
        with pytest.raises(RuntimeError, match="boo"):
            nothing.throw(RuntimeError("boo"))
        nothing.close()
        return "ok"

    task = activity_task()
    backend.give(task)
    async with working(backend, activities=[Act(beat)]):
        assert await backend.result(task.token) == ActivityCompleted("ok")


# --- the cancellation table ------------------------------------------------------------------------------------------


Interrupt = Callable[[ActivityTask, ManualClock, Interruption], None]


@pytest.fixture(params=["pushed", "by heartbeat"])
def interrupt(request: pytest.FixtureRequest, backend: ScriptedBackend) -> Interrupt:
    """The two ways in which an activity learns of a cancellation, or that its task is closed."""

    def tell(task: ActivityTask, clock: ManualClock, interruption: Interruption) -> None:
        if request.param == "pushed":
            backend.interrupt(task.token, interruption)
            backend.interrupt(task.token, interruption)  # once is enough, twice no harm
        else:
            closed = interruption is Interruption.CLOSED
            backend.script["heartbeat_activity_task"].append(UnknownTaskError("closed") if closed else True)
            clock.advance(1.0)

    return tell


async def test_row_1_the_decider_cancels(backend: ScriptedBackend, interrupt: Interrupt) -> None:
    async def work(task: ActivityTask, worker: ActivityContext) -> None:
        await worker.heartbeat({"done": 7})
        act.began.set()
        await act.goes_on.wait()

    act = Act(work)
    clock, task = ManualClock(), activity_task(heartbeat_timeout=3.0)
    backend.give(task)
    async with working(backend, activities=[act], clock=clock):
        await act.began.wait()
        await settle()
        interrupt(task, clock, Interruption.CANCEL_REQUESTED)
        assert await backend.result(task.token) == ActivityAborted("cancel requested", {"done": 7})


async def test_row_1_a_value_returned_all_the_same_is_told(backend: ScriptedBackend, interrupt: Interrupt) -> None:
    async def work(task: ActivityTask, worker: ActivityContext) -> str:
        try:
            return await act.wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            return "cleaned up"

    act = Act(work)
    clock, task = ManualClock(), activity_task(heartbeat_timeout=3.0)
    backend.give(task)
    async with working(backend, activities=[act], clock=clock):
        await act.began.wait()
        interrupt(task, clock, Interruption.CANCEL_REQUESTED)
        assert await backend.result(task.token) == ActivityCompleted("cleaned up")


async def test_row_1_a_failure_while_cleaning_up_is_a_failure(backend: ScriptedBackend) -> None:
    async def work(task: ActivityTask, worker: ActivityContext) -> None:
        try:
            await act.wait()
        finally:
            raise OSError("cannot clean up")

    act = Act(work)
    task = activity_task()
    backend.give(task)
    async with working(backend, activities=[act]):
        await act.began.wait()
        backend.interrupt(task.token, Interruption.CANCEL_REQUESTED)
        result = await backend.result(task.token)
    assert isinstance(result, ActivityFailed)
    assert result.reason == "OSError: cannot clean up"


async def test_row_1_a_tight_loop_of_heartbeats_is_cancelled(backend: ScriptedBackend) -> None:
    async def work(task: ActivityTask, worker: ActivityContext) -> None:
        for number in range(100):
            if number == 5:
                backend.interrupt(task.token, Interruption.CANCEL_REQUESTED)
            await worker.heartbeat(number)

    task = activity_task()
    backend.give(task)
    async with working(backend, activities=[Act(work)]):
        assert await backend.result(task.token) == ActivityAborted("cancel requested", 5)


async def test_row_1_a_cancellation_that_comes_with_the_end_does_not_spoil_the_report(backend: ScriptedBackend) -> None:
    def work(task: ActivityTask, worker: ActivityContext) -> str:
        backend.interrupt(task.token, Interruption.CANCEL_REQUESTED)  # is delivered at the next await: there is none
        return "done"

    task = activity_task()
    backend.give(task)
    async with working(backend, activities=[Act(work)]):
        assert await backend.result(task.token) == ActivityCompleted("done")


async def test_row_1_what_has_ended_is_not_cancelled(backend: ScriptedBackend) -> None:
    task, gate = activity_task(), asyncio.Event()
    backend.give(task)
    backend.script["complete_activity_task"].append(gate)
    async with working(backend, activities=[Act(lambda task, worker: "done")]):
        await backend.result(task.token)
        backend.interrupt(task.token, Interruption.CANCEL_REQUESTED)
        gate.set()
    assert backend.told("complete_activity_task") == [ActivityCompleted("done")]


async def test_row_1_a_cancellation_before_the_beginning_prevents_it(backend: ScriptedBackend) -> None:
    act, task = waiting(), activity_task()
    async with working(backend, activities=[act]):
        await settle()
        backend.give(task)
        backend.interrupt(task.token, Interruption.CANCEL_REQUESTED)  # the poll has not yet come back
        assert await backend.result(task.token) == ActivityAborted("cancel requested")
    assert not act.began.is_set()


async def test_row_1_a_thread_learns_it_at_its_next_heartbeat(backend: ScriptedBackend) -> None:
    began, gate = threading.Event(), threading.Event()

    @activity
    def plain() -> None:
        heartbeat_from_thread("half")
        began.set()
        gate.wait()
        heartbeat_from_thread()

    task = activity_task("plain")
    backend.give(task)
    async with working(backend, activities=[plain]):
        await anyio.to_thread.run_sync(began.wait)
        backend.interrupt(task.token, Interruption.CANCEL_REQUESTED)
        gate.set()
        assert await backend.result(task.token) == ActivityAborted("cancel requested", "half")


async def test_row_1_what_waits_for_a_thread_does_not_begin(backend: ScriptedBackend) -> None:
    began, gate, executed = threading.Event(), threading.Event(), list[str]()

    @activity
    def plain() -> None:
        executed.append(current_activity().task.token)
        began.set()
        gate.wait()

    first, second = activity_task("plain"), activity_task("plain")
    backend.give(first)
    async with working(backend, activities=[plain], max_threads=1):
        await anyio.to_thread.run_sync(began.wait)
        backend.give(second)
        await settle()
        backend.interrupt(second.token, Interruption.CANCEL_REQUESTED)
        gate.set()
        assert await backend.result(second.token) == ActivityAborted("cancel requested")
    assert executed == [first.token]


async def test_row_1_a_thread_that_goes_on_is_not_asked_twice(backend: ScriptedBackend) -> None:
    began, gate = threading.Event(), threading.Event()

    @activity
    def plain() -> str:
        began.set()
        gate.wait()
        with pytest.raises(asyncio.CancelledError, match="cancel requested"):
            heartbeat_from_thread()
        heartbeat_from_thread("cleaning up")
        return "cleaned up"

    task = activity_task("plain")
    backend.give(task)
    async with working(backend, activities=[plain]):
        await anyio.to_thread.run_sync(began.wait)
        backend.interrupt(task.token, Interruption.CANCEL_REQUESTED)
        gate.set()
        assert await backend.result(task.token) == ActivityCompleted("cleaned up")


async def test_row_3_the_worker_shuts_down_and_the_grace_period_passes(backend: ScriptedBackend) -> None:
    clock, quick, slow = ManualClock(), waiting(), waiting()
    slow.name = "Slow"
    tasks = [activity_task(), activity_task("Slow")]
    backend.give(*tasks)
    async with working(backend, activities=[quick, slow], clock=clock, grace_seconds=30.0) as worker:
        await quick.began.wait()
        await slow.began.wait()
        worker.stop()
        await settle()
        clock.advance(29.0)
        quick.goes_on.set()
        assert await backend.result(tasks[0].token) == ActivityCompleted("went on")
        clock.advance(1.0)
        assert await backend.result(tasks[1].token) == ActivityAborted("worker shutdown")


async def test_row_3_without_a_limit_the_worker_waits(backend: ScriptedBackend) -> None:
    clock, act, task = ManualClock(), waiting(), activity_task()
    backend.give(task)
    async with working(backend, activities=[act], clock=clock, grace_seconds=None) as worker:
        await act.began.wait()
        worker.stop()
        await settle()
        assert clock.next_alarm is None
        act.goes_on.set()
    assert backend.told("complete_activity_task") == [ActivityCompleted("went on")]


async def test_row_3_a_task_that_comes_after_the_grace_period_is_handed_back(backend: ScriptedBackend) -> None:
    backend.polls_can_be_cancelled = False
    act, task = waiting(), activity_task()
    async with working(backend, activities=[act]) as worker:
        await settle()
        worker.stop(now=True)
        backend.give(task)
    assert backend.told("complete_activity_task") == [ActivityAborted("worker shutdown")]
    assert not act.began.is_set()


async def test_row_3_a_report_that_hangs_is_given_up(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    clock, act, task = ManualClock(), waiting(), activity_task()
    backend.give(task)
    backend.script["complete_activity_task"].append(asyncio.Event())
    async with working(backend, activities=[act], clock=clock, report_seconds=5.0) as worker:
        await act.began.wait()
        worker.stop(now=True)
        await backend.result(task.token)
        clock.advance(5.0)
        clock.advance(5.0)
    assert messages(caplog)[-1].endswith("ended could not be told in time")


async def test_row_3_what_a_late_poll_brings_has_its_own_time_to_be_told(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    clock, reply, late = ManualClock(), asyncio.Event(), activity_task()
    backend.polls_can_be_cancelled = False
    backend.script["complete_activity_task"].append(reply)
    async with working(backend, activities=[waiting()], clock=clock, report_seconds=5.0) as worker:
        await backend.until(backend.waiting)
        worker.stop(now=True)
        clock.advance(4.9)
        backend.give(late)
        await backend.result(late.token)
        clock.advance(0.1)
        await settle()
        reply.set()
    assert backend.told("complete_activity_task") == [ActivityAborted("worker shutdown")]
    assert messages(caplog) == []


async def test_row_4_the_task_is_closed(
    backend: ScriptedBackend, interrupt: Interrupt, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "aioworkflow.worker")
    clock, act, task = ManualClock(), waiting(), activity_task(heartbeat_timeout=3.0)
    backend.give(task)
    async with working(backend, activities=[act], clock=clock):
        await act.began.wait()
        await settle()
        interrupt(task, clock, Interruption.CLOSED)
        await settle()
        assert backend.told("complete_activity_task") == []
        assert "activity Act 'Act-1' of process 'order' (run run) was stopped: its task is closed" in messages(caplog)


async def test_row_4_the_start_to_close_timeout_has_passed(backend: ScriptedBackend) -> None:
    clock, act = ManualClock(), waiting()
    tasks = [activity_task(start_to_close_timeout=60.0) for _ in range(2)]
    backend.give(tasks[0])
    async with working(backend, activities=[act], clock=clock):
        await act.began.wait()
        act.goes_on.set()
        await backend.result(tasks[0].token)
        act.began.clear()
        act.goes_on.clear()
        backend.give(tasks[1])
        await act.began.wait()
        clock.advance(60.0)
        await settle()
        assert len(backend.told("complete_activity_task")) == 1


async def test_row_4_a_closed_task_cuts_short_what_goes_on_after_a_cancellation(backend: ScriptedBackend) -> None:
    act, task = Stubborn(), activity_task()
    backend.give(task)
    async with working(backend, activities=[act]):
        await act.began.wait()
        backend.interrupt(task.token, Interruption.CANCEL_REQUESTED)
        await settle()
        assert act.cancellations == 1
        backend.interrupt(task.token, Interruption.CLOSED)
        await settle()
        assert act.cancellations == 2
        act.goes_on.set()
    assert backend.told("complete_activity_task") == []


async def test_row_5_the_embedding_program_cancels(backend: ScriptedBackend) -> None:
    act, task, went_on = waiting(), activity_task(), asyncio.Event()
    backend.give(task)

    async def embed() -> None:
        try:
            async with working(backend, activities=[act]):
                await asyncio.Event().wait()
        finally:
            went_on.set()

    program = asyncio.create_task(embed())
    await act.began.wait()
    program.cancel("embedding")
    with pytest.raises(asyncio.CancelledError, match="embedding"):
        await program
    assert went_on.is_set()
    assert backend.told("complete_activity_task") == [ActivityAborted("worker shutdown")]


async def test_row_5_further_cancellations_do_not_cut_the_report_short(backend: ScriptedBackend) -> None:
    act, task, gate = waiting(), activity_task(), asyncio.Event()
    backend.give(task)
    backend.script["complete_activity_task"].append(gate)

    async def embed() -> None:
        with anyio.CancelScope() as scope:
            scopes.append(scope)
            async with working(backend, activities=[act]):
                await asyncio.Event().wait()
        scopes.append(scope)

    scopes: list[anyio.CancelScope] = []
    program = asyncio.create_task(embed())
    await act.began.wait()
    scopes[0].cancel()
    await backend.result(task.token)
    assert not program.done()
    gate.set()
    await program
    assert scopes[1].cancelled_caught


async def test_row_5_when_another_activity_breaks_the_worker_the_rest_is_told(backend: ScriptedBackend) -> None:
    """A fault that does not pass cancels the group of the worker itself."""
    act, breaking = waiting(), Act(lambda task, worker: "x")
    breaking.name = "Breaking"
    task = activity_task()
    backend.give(task)

    async def work() -> None:
        async with working(backend, activities=[act, breaking]):
            await act.began.wait()
            backend.script["complete_activity_task"].append(StoreError("disk full"))
            backend.give(activity_task("Breaking"))
            await asyncio.Event().wait()

    with pytest.raises(StoreError, match="disk full"):
        await work()
    assert ActivityAborted("worker shutdown") in backend.told("complete_activity_task")


class Breaker:
    """A worker with one activity whose turn is cancelled by others, as often as the test likes."""

    def __init__(self, backend: ScriptedBackend, act: Act, task: ActivityTask) -> None:
        self.backend = backend
        self.act = act
        self.task = task
        self.clock = ManualClock()
        self.hosts: list[asyncio.Task[Any]] = []
        does, act.does = act.does, self.note
        self.does = does
        backend.give(task)

    def note(self, task: ActivityTask, worker: ActivityContext) -> Any:
        host = asyncio.current_task()
        assert host is not None
        self.hosts.append(host)
        return self.does(task, worker)

    def cancel(self) -> None:
        self.hosts[0].cancel()


async def test_row_5_a_turn_cancelled_by_others_tells_and_goes_on_being_cancelled(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    breaker = Breaker(backend, waiting(), activity_task())
    gate = asyncio.Event()
    backend.script["complete_activity_task"].append(gate)
    async with working(backend, activities=[breaker.act], clock=breaker.clock):
        await breaker.act.began.wait()
        breaker.cancel()
        await backend.result(breaker.task.token)
        breaker.cancel()  # while it is being told
        await settle()
        assert not breaker.hosts[0].done()
        gate.set()
        await settle()
        assert breaker.hosts[0].cancelled()
        await backend.until(backend.waiting)  # the worker goes on
    assert backend.told("complete_activity_task") == [ActivityAborted("worker shutdown")]
    assert any("was cancelled together with the asyncio task" in message for message in messages(caplog))


async def test_row_5_the_telling_is_bounded(backend: ScriptedBackend, caplog: pytest.LogCaptureFixture) -> None:
    breaker = Breaker(backend, waiting(), activity_task())
    backend.script["complete_activity_task"].append(asyncio.Event())
    async with working(backend, activities=[breaker.act], clock=breaker.clock, report_seconds=5.0):
        await breaker.act.began.wait()
        breaker.cancel()
        await backend.result(breaker.task.token)
        breaker.clock.advance(5.0)
        await settle()
        assert breaker.hosts[0].cancelled()
    assert any(message.endswith("could not be told in time") for message in messages(caplog))


async def test_row_5_a_report_under_way_is_finished_all_the_same(backend: ScriptedBackend) -> None:
    breaker = Breaker(backend, Act(lambda task, worker: "done"), activity_task())
    backend.script["complete_activity_task"].append(asyncio.Event())
    async with working(backend, activities=[breaker.act], clock=breaker.clock):
        await backend.result(breaker.task.token)
        await settle()
        breaker.cancel()
        await settle()
        assert breaker.hosts[0].cancelled()
    assert backend.told("complete_activity_task") == [ActivityCompleted("done")] * 2


async def test_row_5_a_value_returned_all_the_same_is_told(backend: ScriptedBackend) -> None:
    act = Stubborn()
    breaker = Breaker(backend, act, activity_task())
    async with working(backend, activities=[act], clock=breaker.clock):
        await act.began.wait()
        breaker.cancel()
        await settle()
        act.goes_on.set()
        assert await backend.result(breaker.task.token) == ActivityCompleted("stayed")
        await settle()
        assert breaker.hosts[0].cancelled()


async def test_row_5_a_decider_s_cancellation_in_the_same_moment_is_told(backend: ScriptedBackend) -> None:
    breaker = Breaker(backend, waiting(), activity_task())
    async with working(backend, activities=[breaker.act], clock=breaker.clock):
        await breaker.act.began.wait()
        backend.interrupt(breaker.task.token, Interruption.CANCEL_REQUESTED)
        breaker.cancel()
        assert await backend.result(breaker.task.token) == ActivityAborted("cancel requested")
        await settle()
        assert breaker.hosts[0].cancelled()


async def test_row_5_a_closed_task_is_not_told_then_either(backend: ScriptedBackend) -> None:
    breaker = Breaker(backend, waiting(), activity_task())
    async with working(backend, activities=[breaker.act], clock=breaker.clock):
        await breaker.act.began.wait()
        backend.interrupt(breaker.task.token, Interruption.CLOSED)
        breaker.cancel()
        await settle()
        assert breaker.hosts[0].cancelled()
    assert backend.told("complete_activity_task") == []


async def test_row_5_a_thread_is_waited_for_and_learns_it_at_its_next_heartbeat(backend: ScriptedBackend) -> None:
    began, gate = threading.Event(), threading.Event()

    @activity
    def plain() -> None:
        began.set()
        gate.wait()
        heartbeat_from_thread()

    task = activity_task("plain")
    backend.give(task)
    program = asyncio.create_task(run_until_cancelled(backend, plain))
    await anyio.to_thread.run_sync(began.wait)
    program.cancel()
    await settle()
    assert not program.done()
    program.cancel()
    await settle()
    assert not program.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await program
    assert backend.told("complete_activity_task") == [ActivityAborted("worker shutdown")]


async def run_until_cancelled(backend: ScriptedBackend, *activities: Activity) -> None:
    async with working(backend, activities=activities):
        await asyncio.Event().wait()


async def test_a_thread_in_a_turn_cancelled_by_others_is_waited_for(backend: ScriptedBackend) -> None:
    began, gate = threading.Event(), threading.Event()

    @activity
    def plain() -> None:
        began.set()
        gate.wait()
        heartbeat_from_thread()

    task = activity_task("plain")
    backend.give(task)
    async with working(backend, activities=[plain]) as worker:
        await anyio.to_thread.run_sync(began.wait)
        (attempt,) = worker._acting.attempts
        attempt.host.cancel()
        await settle()
        assert not attempt.host.done()
        gate.set()
        assert await backend.result(task.token) == ActivityAborted("worker shutdown")


async def test_an_activity_that_cancels_itself_has_failed(backend: ScriptedBackend) -> None:
    async def work(task: ActivityTask, worker: ActivityContext) -> None:
        inner = asyncio.create_task(act.wait())
        inner.cancel()
        await inner

    act = Act(work)
    task = activity_task()
    backend.give(task)
    async with working(backend, activities=[act]):
        result = await backend.result(task.token)
    assert isinstance(result, ActivityFailed)
    assert result.reason == "it raised CancelledError, and nobody had cancelled it"


async def test_one_that_swallows_cancellation_is_complained_about_again_and_again(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    clock, act, task = ManualClock(), Stubborn(), activity_task()
    backend.give(task)
    async with working(backend, activities=[act], clock=clock) as worker:
        await act.began.wait()
        worker.stop(now=True)
        for _ in range(3):
            await settle()
            clock.advance(10.0)
        assert act.cancellations == 1
        act.goes_on.set()
    complaint = "activity Act 'Act-1' of process 'order' (run run) was told to stop (worker shutdown) and goes on"
    assert messages(caplog) == [complaint] * 3
    assert backend.told("complete_activity_task") == [ActivityCompleted("stayed")]


# --- reports and faults ----------------------------------------------------------------------------------------------


async def test_a_report_is_repeated_after_passing_faults(backend: ScriptedBackend) -> None:
    clock, task = ManualClock(), activity_task()
    backend.give(task)
    backend.script["complete_activity_task"] += unavailable(3)
    async with working(backend, activities=[Act(lambda task, worker: 1)], clock=clock):
        for calls in range(1, 5):
            await backend.until(lambda calls=calls: len(backend.told("complete_activity_task")) == calls)  # type: ignore[misc]
            await settle()
            clock.advance(10.0)
    assert backend.told("complete_activity_task") == [ActivityCompleted(1)] * 4


async def test_a_report_is_not_repeated_once_the_task_has_timed_out(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    clock, task = ManualClock(), activity_task(start_to_close_timeout=5.0)
    backend.give(task)
    backend.script["complete_activity_task"] += unavailable(100)
    async with working(backend, activities=[Act(lambda task, worker: 1)], clock=clock):
        for _ in range(10):
            await settle()
            clock.advance(1.0)
    assert "could not be told before its task timed out" in messages(caplog)[-1]


async def test_a_late_report_is_no_error(backend: ScriptedBackend, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "aioworkflow.worker")
    task = activity_task()
    backend.give(task)
    backend.script["complete_activity_task"].append(UnknownTaskError("answered"))
    async with working(backend, activities=[Act(lambda task, worker: 1)]):
        await backend.result(task.token)
        await settle()
    assert any(message.endswith("has ended, but its task was closed before") for message in messages(caplog))


async def test_heartbeats_go_on_while_a_report_is_repeated(backend: ScriptedBackend) -> None:
    clock, task = ManualClock(), activity_task(heartbeat_timeout=3.0)
    backend.give(task)
    gate = asyncio.Event()
    backend.script["complete_activity_task"].append(gate)
    async with working(backend, activities=[Act(lambda task, worker: 1)], clock=clock):
        await backend.result(task.token)
        clock.advance(1.0)
        await backend.until(lambda: backend.told("heartbeat_activity_task"))
        gate.set()


async def test_a_fault_while_telling_after_all_comes_out(backend: ScriptedBackend) -> None:
    breaker = Breaker(backend, waiting(), activity_task())
    backend.script["complete_activity_task"].append(StoreError("disk full"))

    async def work() -> None:
        async with working(backend, activities=[breaker.act]):
            await breaker.act.began.wait()
            breaker.cancel()
            await asyncio.Event().wait()

    with pytest.raises(StoreError, match="disk full"):
        await work()


async def test_an_empty_poll_is_followed_by_another(backend: ScriptedBackend) -> None:
    clock, task = ManualClock(), activity_task()
    backend.give(None)
    async with working(backend, activities=[Act(lambda task, worker: 1)], clock=clock):
        await settle()
        backend.give(task)
        clock.advance(1.0)
        assert await backend.result(task.token) == ActivityCompleted(1)


async def test_a_passing_fault_has_a_name(backend: ScriptedBackend, caplog: pytest.LogCaptureFixture) -> None:
    clock, task = ManualClock(), activity_task()
    backend.give(task)
    backend.script["complete_activity_task"].append(BackendUnavailableError("busy"))
    async with working(backend, activities=[Act(lambda task, worker: 1)], clock=clock):
        await backend.result(task.token)
        await settle()
        clock.advance(10.0)
        await settle()
    assert messages(caplog) == [
        "activity Act 'Act-1' of process 'order' (run run): trying again after a passing fault: busy"
    ]
