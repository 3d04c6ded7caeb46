"""What the docstrings of :class:`aioworkflow.backend.Backend` promise besides the rules of SWF."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import anyio

from ....backend import ProcessFilter
from ....decision import CompleteProcessDecision, RecordMarkerDecision, StartTimerDecision
from ....errors import BackendClosedError, ProcessAlreadyRunningError
from ....event import (
    ActivityCompletedEvent,
    ActivityScheduledEvent,
    ActivityStartedEvent,
    ActivityTimedOutEvent,
    DecisionStartedEvent,
    ProcessSignaledEvent,
    ProcessTerminatedEvent,
    TimerFiredEvent,
)
from ....result import ActivityCompleted
from ....types import ActivityType, ProcessRef, ProcessStatus, WorkflowType
from .check import check
from .expect import equal, every, kinds, one, refused, true
from .harness import Feature
from .lab import Lab

T = TypeVar("T")


@check("promise", Feature.REOPENING)
async def what_was_acknowledged_is_there_after_reopening(lab: Lab) -> None:
    """Starts, signals, answers, heartbeats and types survive the backend object; time goes on meanwhile."""
    process, activity = await lab.begin_activity(heartbeat_timeout=50 * lab.tick, start_to_close_timeout=100 * lab.tick)
    await lab.backend.hand_off_activity_task(activity.token)
    await lab.backend.signal_process(process, "s", "1")
    waiting = await lab.start("waiting")
    await lab.advance(40)
    await lab.backend.heartbeat_activity_task(activity.token, '"late"')
    histories = [await lab.history(process), await lab.history(waiting)]
    await lab.harness.reopen()
    equal([await lab.history(process), await lab.history(waiting)], histories, "the histories")
    await lab.advance(40)
    equal(await lab.backend.heartbeat_activity_task(activity.token), False, "what a heartbeat tells")
    equal(kinds(await lab.history(process)), kinds(histories[0]), "the history")
    seen = {(await lab.decide(lab.schedule("b"), CompleteProcessDecision())).process for _ in range(2)}
    equal(seen, {process, waiting}, "the processes of the decision tasks")


@check("promise", Feature.REOPENING)
async def timers_and_timeouts_survive(lab: Lab) -> None:
    """What becomes due while no backend is open, or after that, happens."""
    process = await lab.begin(
        StartTimerDecision(5 * lab.tick, id="during"),
        StartTimerDecision(20 * lab.tick, id="after"),
        lab.schedule("a", schedule_to_start_timeout=6 * lab.tick),
    )
    doomed = await lab.begin(word="doomed", execution_timeout=8 * lab.tick)
    await lab.harness.reopen()
    await lab.advance(10)
    equal(kinds([await lab.closed(doomed)]), ["ProcessTimedOut"], "how the process ended")
    task = await lab.decide_until(ActivityTimedOutEvent)
    equal([event.timer_id for event in every(task.events, TimerFiredEvent)], ["during"], "the timers that fired")
    await lab.harness.reopen()
    await lab.advance(15)
    fired = every((await lab.decide()).events, TimerFiredEvent)
    equal([event.timer_id for event in fired], ["during", "after"], "the timers that fired")
    equal((await lab.info(process)).status, ProcessStatus.OPEN)


@check("promise", Feature.REOPENING)
async def waiting_tasks_survive(lab: Lab) -> None:
    """Tasks that nobody had taken are handed out afterwards, with their inputs."""
    process = await lab.begin(lab.schedule("a", input={"big": "x" * 1000}), lab.schedule("b"))
    await lab.backend.signal_process(process, "s")
    await lab.harness.reopen()
    tasks = [await lab.poll_activity() for _ in "ab"]
    inputs = {task.activity_id: task.input for task in tasks}
    equal(inputs, {"a": {"big": "x" * 1000}, "b": None}, "the inputs")
    equal(list((await lab.poll_decision()).events), await lab.history(process), "the events of the task")


@check("promise")
async def of_many_starts_at_once_one_counts(lab: Lab) -> None:
    """Starts of one process id that race give one run; the losers get ProcessAlreadyRunningError."""
    started: list[ProcessRef] = []
    lost: list[ProcessAlreadyRunningError] = []

    async def start() -> None:
        try:
            started.append(await lab.start())
        except ProcessAlreadyRunningError as error:
            lost.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(start)
    equal((len(started), len(lost)), (1, 9), "the numbers of winners and losers")
    equal((await lab.info(ProcessRef(lab.name("process")))).process, started[0], "the open run")
    await lab.eventually(
        lambda: lab.backend.count_processes(ProcessFilter(workflow=lab.workflow.name)), 1, "the number of runs"
    )


@check("promise")
async def requests_at_once_are_all_kept(lab: Lab) -> None:
    """Signals, answers of activities and starts that come at the same time are all in the histories."""
    process = await lab.begin(*(lab.schedule(str(number)) for number in range(15)))
    tasks = [await lab.poll_activity() for _ in range(15)]
    others: list[ProcessRef] = []

    async def start(number: int) -> None:
        others.append(await lab.start(f"other {number}"))

    async with anyio.create_task_group() as group:
        for number, task in enumerate(tasks):
            group.start_soon(lab.backend.signal_process, process, "s", str(number))
            group.start_soon(lab.backend.complete_activity_task, task.token, ActivityCompleted(number))
            group.start_soon(start, number)
    events = await lab.history(process)
    equal([event.event_id for event in events], list(range(1, len(events) + 1)), "the event ids")
    signals = sorted(event.input for event in every(events, ProcessSignaledEvent))
    equal(signals, list(range(15)), "the signals")
    results = {event.started_event_id: event.result for event in every(events, ActivityCompletedEvent)}
    expected = {task.started_event_id: number for number, task in enumerate(tasks)}
    equal(results, expected, "the results")
    await lab.expect_scheduled(process, 2)
    for other in others:
        await lab.expect_history(other, "ProcessStarted", "DecisionScheduled")
    equal(len(others), 15, "the number of starts")


@check("promise")
async def a_batch_is_seen_whole_or_not_at_all(lab: Lab) -> None:
    """Whoever reads while an answer is being applied sees all of its events or none."""
    process = await lab.start()
    task = await lab.poll_decision()
    markers = [RecordMarkerDecision("m") for _ in range(40)]
    seen: set[int] = set()
    done = anyio.Event()

    async def read() -> None:
        while not done.is_set():
            seen.add(len(await lab.history(process)))
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(read)
        await lab.answer(task, *markers)
        done.set()
    true(seen <= {3, 44}, f"the lengths {sorted(seen)} are 3 or 44")
    equal(len(await lab.history(process)), 44, "the length of the history")


@check("promise", Feature.CANCELLABLE_POLLS)
async def polls_that_are_cancelled_lose_nothing(lab: Lab) -> None:
    """Every task is handed out once in the end, whenever polls are cancelled."""
    equal(lab.backend.polls_can_be_cancelled, True, "polls_can_be_cancelled")
    tasks = await _cancel_polls(
        lambda: lab.backend.poll_decision_task(lab.decisions), lambda number: lab.start(f"process {number}")
    )
    while len(tasks) < 30:
        tasks.append(await lab.poll_decision())
    equal(len({task.process for task in tasks}), 30, "the number of processes")
    await lab.expect_no_decision()

    async def schedule(number: int) -> None:
        await lab.answer(tasks[number], lab.schedule(str(number), input=number))

    activities = await _cancel_polls(lambda: lab.backend.poll_activity_task(lab.activities), schedule)
    while len(activities) < 30:
        activities.append(await lab.poll_activity())
    equal(sorted(task.input for task in activities), list(range(30)), "the inputs")
    await lab.expect_no_activity()
    for task in activities:
        events = await lab.history(task.process)
        one(events, ActivityStartedEvent)
        one(events, DecisionStartedEvent)
        await lab.backend.complete_activity_task(task.token, ActivityCompleted())


async def _cancel_polls(
    poll: Callable[[], Awaitable[T | None]], cause: Callable[[int], Coroutine[Any, Any, object]]
) -> list[T]:
    """Cause 30 tasks while polls wait that are cancelled in the midst of it; return what they brought all the same.

    Some are cancelled before the task is on its way, some while it is, some after.
    """
    brought: list[T] = []

    async def keep() -> None:
        if (task := await poll()) is not None:
            brought.append(task)

    for number in range(30):
        async with anyio.create_task_group() as causes:
            async with anyio.create_task_group() as polls:
                if number % 3:
                    polls.start_soon(keep)
                causes.start_soon(cause, number)
                for _ in range(number):
                    await anyio.lowlevel.checkpoint()
                polls.cancel_scope.cancel()
            if number % 3 == 2:
                await _cancelled(keep)
    return brought


async def _cancelled(work: Callable[[], Awaitable[object]]) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await work()


@check("promise", Feature.SECOND_BACKEND)
async def backends_see_what_others_do(lab: Lab) -> None:
    """What one backend object did counts for all: types, tasks, answers, and the ends that others wait for."""
    async with lab.harness.connect() as other:
        workflow = await lab.add_workflow("later")
        process = await other.start_process(lab.request(workflow=workflow))
        activity_type = await lab.add_activity("later")
        decision = await lab.poll_decision()
        await other.complete_decision_task(decision.token, [lab.schedule(activity=activity_type, input=5)])
        task = await lab.poll_activity()
        equal(task.input, 5, "the input")
        await other.complete_activity_task(task.token, ActivityCompleted(6))
        decision = await lab.poll_decision()
        equal(one(decision.events, ActivityCompletedEvent).result, 6, "the result")
        async with lab.meanwhile(lambda: lab.closed(process)) as closed:
            await other.terminate_process(process)
        equal(kinds([closed.value]), ["ProcessTerminated"], "the end")
        equal(await lab.history(process), [e async for page in other.history(process) for e in page], "the histories")


@check("promise", Feature.SECOND_BACKEND)
async def a_poll_is_woken_by_another_backend(lab: Lab) -> None:
    """A poll that waits gets tasks that another backend object causes."""
    async with lab.harness.connect() as other:
        async with lab.meanwhile(lab.poll_decision) as decision:
            process = await other.start_process(lab.request())
        equal(decision.value.process, process, "the process of the decision task")
        async with lab.meanwhile(lab.poll_activity) as activity:
            await other.complete_decision_task(decision.value.token, [lab.schedule()])
        equal(activity.value.process, process, "the process of the activity task")
        one(await lab.history(process), ActivityScheduledEvent)


@check("promise", Feature.SECOND_BACKEND)
async def a_closed_backend_says_so(lab: Lab) -> None:
    """Outside ``async with`` every method raises BackendClosedError, and nothing is changed."""
    process, activity = await lab.begin_activity()
    await lab.backend.signal_process(process, "s")
    decision = await lab.poll_decision()
    before = await lab.history(process)
    other = lab.harness.connect()
    async with other as closed:
        pass

    calls: tuple[Callable[[], Awaitable[object]], ...] = (
        lambda: closed.register_workflow(WorkflowType(ref=lab.workflow)),
        lambda: closed.register_activity(ActivityType(ref=lab.activity)),
        lambda: closed.start_process(lab.request("other")),
        lambda: closed.signal_process(process, "s"),
        lambda: closed.cancel_process(process),
        lambda: closed.terminate_process(process),
        lambda: closed.poll_decision_task(lab.decisions),
        lambda: closed.poll_activity_task(lab.activities),
        lambda: closed.complete_decision_task(decision.token),
        lambda: closed.heartbeat_activity_task(activity.token),
        lambda: closed.complete_activity_task(activity.token, ActivityCompleted()),
        lambda: closed.hand_off_activity_task(activity.token),
        lambda: closed.process_info(process),
        lambda: closed.wait_process(process),
        lambda: closed.list_processes(ProcessFilter()),
        lambda: closed.count_processes(ProcessFilter()),
        lambda: anext(closed.history(process)),
    )
    for call in calls:
        with refused(BackendClosedError):
            await call()
    await lab.expect_unchanged(process, before)
    await lab.backend.complete_activity_task(activity.token, ActivityCompleted())


@check("8.1", Feature.SMALL_LIMITS)
async def a_history_that_is_full_ends_the_process(lab: Lab) -> None:
    """The run is terminated, with no last word for its decider, and its history keeps within the limit."""
    process = await lab.start()
    markers = [RecordMarkerDecision("m") for _ in range(40)]
    while (await lab.info(process)).status is ProcessStatus.OPEN:
        await lab.decide(*markers)
        if (await lab.info(process)).status is ProcessStatus.OPEN:
            await lab.backend.signal_process(process, "s")
    events = await lab.history(process)
    true(len(events) <= lab.limits.events, f"{len(events)} events are within the limit")
    terminated = one(events, ProcessTerminatedEvent)
    equal((terminated, getattr(terminated.cause, "value", None)), (events[-1], "EVENT_LIMIT_EXCEEDED"), "the end")
    await lab.expect_no_decision()
