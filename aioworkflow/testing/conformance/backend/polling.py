"""Handing out tasks (swf-reference 2.3, 5.8)."""

from __future__ import annotations

import anyio

from ....decision import StartTimerDecision
from ....errors import InvalidRequestError
from ....event import ActivityStartedEvent, DecisionStartedEvent, ProcessSignaledEvent
from ....task import ActivityTask, DecisionTask
from ....types import ProcessRef
from .check import check
from .expect import WHEN, equal, kinds, one, refused, timeless, true
from .harness import Feature
from .lab import Lab
from .starting import BAD_NAMES


@check("2.3")
async def a_decision_task_brings_the_history(lab: Lab) -> None:
    """The first task has all events, the last being its DecisionStartedEvent with the identity of the poll."""
    process = await lab.start()
    task = await lab.poll_decision(identity="decider 1")
    events = await lab.history(process)
    equal(kinds(events), ["ProcessStarted", "DecisionScheduled", "DecisionStarted"], "the history")
    equal(list(task.events), events, "the events of the task")
    expected = DecisionStartedEvent(event_id=3, timestamp=WHEN, scheduled_event_id=2, identity="decider 1")
    equal(timeless(events[-1]), expected)
    true(task.token, "the task has a token")
    equal(
        task,
        DecisionTask(
            token=task.token, process=process, workflow=lab.workflow, events=tuple(events), started_event_id=3
        ),
        "the task",
    )


@check("2.3")
async def a_later_decision_task_tells_what_is_new(lab: Lab) -> None:
    """Later tasks have all events too, and name the DecisionStartedEvent of the task before."""
    process = await lab.begin()
    await lab.backend.signal_process(process, "s")
    task = await lab.poll_decision()
    equal(
        kinds(task.events),
        [
            "ProcessStarted",
            "DecisionScheduled",
            "DecisionStarted",
            "DecisionCompleted",
            "ProcessSignaled",
            "DecisionScheduled",
            "DecisionStarted",
        ],
        "the events",
    )
    equal((task.previous_started_event_id, task.started_event_id), (3, 7), "the previous and this start")
    equal(timeless(task.events[-1]), DecisionStartedEvent(event_id=7, timestamp=WHEN, scheduled_event_id=6))


@check("2.3")
async def a_decider_may_ask_for_new_events_only(lab: Lab) -> None:
    """Then the events begin with the DecisionStartedEvent of the task before; the first task has all."""
    process = await lab.start()
    first = await lab.poll_decision(new_events_only=True)
    equal([event.event_id for event in first.events], [1, 2, 3], "the event ids of the first task")
    await lab.answer(first)
    await lab.backend.signal_process(process, "s")
    second = await lab.poll_decision(new_events_only=True)
    equal([event.event_id for event in second.events], [3, 4, 5, 6, 7], "the event ids of the second task")
    await lab.answer(second, StartTimerDecision(0, id="t"))
    await lab.advance(1)
    third = await lab.poll_decision()
    equal([event.event_id for event in third.events], list(range(1, 13)), "the event ids of the third task")
    equal(third.previous_started_event_id, 7, "the previous start")


@check("2.3")
async def events_after_the_start_come_with_the_next_task(lab: Lab) -> None:
    """What happens while a decider has a task is not in that task."""
    process = await lab.start()
    task = await lab.poll_decision()
    await lab.backend.signal_process(process, "s")
    equal(task.events[-1].event_id, task.started_event_id, "the last event of the task")
    await lab.answer(task)
    later = await lab.poll_decision()
    equal(one(later.events, ProcessSignaledEvent).event_id, task.started_event_id + 1, "the id of the signal")


@check("2.3")
async def an_activity_task_tells_what_is_to_do(lab: Lab) -> None:
    """It has the id, type and input of the activity and its timeouts; its start is an event, and no decision task."""
    decision = lab.schedule(
        id="an id", input={"n": [1, None]}, heartbeat_timeout=30 * lab.tick, start_to_close_timeout=60 * lab.tick
    )
    process = await lab.begin(decision)
    before = await lab.history(process)
    task = await lab.poll_activity(identity="worker 7")
    true(task.token, "the task has a token")
    equal(
        task,
        ActivityTask(
            token=task.token,
            process=process,
            activity_id="an id",
            activity=lab.activity,
            input_json='{"n":[1,null]}',
            heartbeat_timeout=30 * lab.tick,
            start_to_close_timeout=60 * lab.tick,
            scheduled_event_id=5,
            started_event_id=6,
        ),
        "the task",
    )
    (started,) = await lab.expect_added(process, before, "ActivityStarted")
    expected = ActivityStartedEvent(event_id=6, timestamp=WHEN, scheduled_event_id=5, identity="worker 7")
    equal(timeless(started), expected)


@check("2.3")
async def an_activity_needs_no_input(lab: Lab) -> None:
    """Where none was given there is none, nor an identity where the poll has none."""
    process, task = await lab.begin_activity()
    equal((task.input_json, task.input), (None, None), "the input")
    equal((task.heartbeat_timeout, task.start_to_close_timeout), (None, None), "the timeouts")
    equal(one(await lab.history(process), ActivityStartedEvent).identity, None, "the identity")


@check("2.3")
async def a_poll_ends_when_nothing_comes(lab: Lab) -> None:
    """A poll that brings no task within the poll time returns None."""
    await lab.expect_no_decision()
    await lab.expect_no_activity()


@check("2.3")
async def a_waiting_poll_gets_what_comes(lab: Lab) -> None:
    """Polls that wait already are answered when a task is scheduled."""
    async with lab.meanwhile(lab.poll_decision) as decision:
        process = await lab.start()
    equal(decision.value.process, process, "the process of the decision task")
    async with lab.meanwhile(lab.poll_activity) as activity:
        await lab.answer(decision.value, lab.schedule(input="x"))
    equal((activity.value.process, activity.value.input), (process, "x"), "the process and input of the task")


@check("1.1")
async def task_lists_are_apart(lab: Lab) -> None:
    """A task goes to its own list only, and lists of decisions and activities of one name are unrelated."""
    both = lab.name("both")
    process = await lab.start(task_list=both)
    await lab.expect_no_activity(both)
    await lab.expect_no_decision()
    await lab.decide(lab.schedule(task_list=both), task_list=both)
    await lab.expect_no_decision(both)
    await lab.expect_no_activity()
    equal((await lab.poll_activity(both)).process, process, "the process of the activity task")


@check("5.8")
async def a_task_goes_to_one_poll(lab: Lab) -> None:
    """Many polls share many tasks: each task is handed out once."""

    async def poll_both() -> None:
        decided.append(await lab.decide(lab.schedule()))
        worked.append(await lab.poll_activity())

    decided: list[DecisionTask] = []
    worked: list[ActivityTask] = []
    processes: set[ProcessRef] = set()
    async with anyio.create_task_group() as tasks:
        for number in range(16):
            tasks.start_soon(poll_both)
            if number % 2:
                processes.add(await lab.start(f"process {number}"))
        for number in range(0, 16, 2):
            processes.add(await lab.start(f"process {number}"))
    equal({task.process for task in decided}, processes, "the processes decided on")
    equal({task.process for task in worked}, processes, "the processes worked for")
    equal((len(decided), len(worked)), (16, 16), "the numbers of tasks")
    for process in processes:
        one(await lab.history(process), ActivityStartedEvent)


@check("2.3")
async def polls_with_bad_arguments_are_refused(lab: Lab) -> None:
    """Task lists obey the rules for names, and identities have up to 256 characters."""
    for name in (*BAD_NAMES, " x", "x "):
        with refused(InvalidRequestError):
            await lab.backend.poll_activity_task(name)
        if name not in (" x", "x "):  # only activity task lists are documented to be trimmed
            with refused(InvalidRequestError):
                await lab.backend.poll_decision_task(name)
    for identity in ("x" * 257, 7):
        with refused(InvalidRequestError):
            await lab.backend.poll_activity_task(lab.activities, identity=identity)  # type: ignore[arg-type]
        with refused(InvalidRequestError):
            await lab.backend.poll_decision_task(lab.decisions, identity=identity)  # type: ignore[arg-type]
    process = await lab.start()
    await lab.poll_decision(identity="x" * 256)
    equal(one(await lab.history(process), DecisionStartedEvent).identity, "x" * 256, "the identity")


@check("5.8", Feature.PRIORITIES)
async def urgent_activities_come_first(lab: Lab) -> None:
    """Activity tasks come by priority, and by age within one; the process's own priority does not matter."""
    low = await lab.add_activity("low", task_priority=-1)
    await lab.begin(
        lab.schedule("low", activity=low),
        lab.schedule("first"),
        lab.schedule("second"),
        lab.schedule("high", task_priority=9),
        task_priority=-5,
    )
    await lab.advance(1)
    await lab.begin(lab.schedule("third"), lab.schedule("higher", task_priority=10), word="other", task_priority=50)
    taken = [(await lab.poll_activity()).activity_id for _ in range(6)]
    equal(taken, ["higher", "high", "first", "second", "third", "low"], "the order")


@check("5.8", Feature.PRIORITIES)
async def urgent_processes_come_first(lab: Lab) -> None:
    """Decision tasks come by the priority of their processes, and by age within one."""
    names = []
    for word, priority in (("a", 0), ("b", 7), ("c", -7), ("d", 7), ("e", 0)):
        names.append((await lab.start(word, task_priority=priority)).process_id)
        await lab.advance(1)
    taken = [(await lab.poll_decision()).process.process_id for _ in names]
    equal(taken, [names[index] for index in (1, 3, 0, 4, 2)], "the order")
