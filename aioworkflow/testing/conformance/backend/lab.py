"""The lab: a backend under examination, with what checks do again and again.

Only raw verbs are used. Tasks are taken by polling until one comes, so a backend may take its time; nothing here rests
on how fast it is.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

import anyio

from ....backend import Backend, OnInterrupt, ProcessInfo, StartRequest
from ....decision import Decision, ScheduleActivityDecision
from ....event import AnyEvent, DecisionScheduledEvent
from ....machine.limits import Limits
from ....result import ActivityCompleted, ActivityResult
from ....task import ActivityTask, DecisionTask
from ....types import ActivityType, ChildPolicy, ProcessRef, TypeRef, WorkflowType
from .expect import equal, every, kinds, show_history
from .harness import Harness

__all__ = ["Lab", "Later"]

E = TypeVar("E")
T = TypeVar("T")


class Later(Generic[T]):
    """What work on the side returned, once that is over."""

    value: T


class Lab:
    """A backend and a world of its own in it: a workflow, an activity, and a task list for each.

    Attributes:
        workflow: Registered, with defaults for everything; its decision tasks wait in ``decisions``.
        activity: Registered, with no timeouts; its tasks wait in ``activities``.
    """

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.tick = harness.tick
        self._mark = uuid.uuid4().hex[:12]
        self.workflow = TypeRef(self.name("workflow"))
        self.activity = TypeRef(self.name("activity"))
        self.decisions = self.name("decisions")
        self.activities = self.name("activities")

    @property
    def backend(self) -> Backend:
        """The backend."""
        return self.harness.backend

    @property
    def limits(self) -> Limits:
        """Its limits."""
        return self.harness.limits

    def name(self, word: str) -> str:
        """Return a name that no other check uses."""
        return f"{word} {self._mark}"

    async def prepare(self) -> None:
        """Register the types."""
        await self.add_workflow(self.workflow)
        await self.add_activity(self.activity)

    async def add_workflow(self, ref: TypeRef | str, **settings: Any) -> TypeRef:
        """Register a workflow; what is not said has a default."""
        if isinstance(ref, str):
            ref = TypeRef(self.name(ref))
        usual: dict[str, Any] = {
            "execution_timeout": 10_000 * self.tick,
            "decision_timeout": 1_000 * self.tick,
            "task_list": self.decisions,
            "child_policy": ChildPolicy.TERMINATE,
        }
        await self.backend.register_workflow(WorkflowType(ref=ref, **(usual | settings)))
        return ref

    async def add_activity(self, ref: TypeRef | str, **settings: Any) -> TypeRef:
        """Register an activity; what is not said has a default."""
        if isinstance(ref, str):
            ref = TypeRef(self.name(ref))
        usual: dict[str, Any] = {
            "schedule_to_start_timeout": None,
            "schedule_to_close_timeout": None,
            "start_to_close_timeout": None,
            "heartbeat_timeout": None,
            "task_list": self.activities,
        }
        await self.backend.register_activity(ActivityType(ref=ref, **(usual | settings)))
        return ref

    # --- processes and decisions -----------------------------------------------------------------------------------

    def request(self, word: str = "process", **settings: Any) -> StartRequest:
        """Return the request to start a process."""
        settings.setdefault("workflow", self.workflow)
        return StartRequest(process_id=self.name(word), **settings)

    async def start(self, word: str = "process", **settings: Any) -> ProcessRef:
        """Start a process."""
        return await self.backend.start_process(self.request(word, **settings))

    async def poll_decision(self, task_list: str | None = None, **how: Any) -> DecisionTask:
        """Wait for a decision task."""
        where = self.decisions if task_list is None else task_list
        return await self._patient(lambda: self.backend.poll_decision_task(where, **how), "decision task")

    async def answer(self, task: DecisionTask, *decisions: Decision, **how: Any) -> None:
        """Answer a decision task."""
        await self.backend.complete_decision_task(task.token, decisions, **how)

    async def decide(self, *decisions: Decision, task_list: str | None = None, **how: Any) -> DecisionTask:
        """Wait for a decision task and answer it."""
        task = await self.poll_decision(task_list)
        await self.answer(task, *decisions, **how)
        return task

    async def begin(self, *decisions: Decision, word: str = "process", **settings: Any) -> ProcessRef:
        """Start a process and answer its first decision task."""
        process = await self.start(word, **settings)
        task = await self.decide(*decisions, task_list=settings.get("task_list"))
        equal(task.process, process, "the process of the decision task")
        return process

    async def told(self, process: ProcessRef, kind: type[E]) -> E:
        """Answer decision tasks with nothing until one of ``process`` shows an event of this kind; return the last."""
        while True:
            task = await self.decide()
            if task.process == process and (found := every(task.events, kind)):
                return found[-1]

    async def decide_until(self, kind: type[AnyEvent], count: int = 1) -> DecisionTask:
        """Answer decision tasks with nothing until one shows ``count`` events of this kind; return that."""
        while True:
            task = await self.decide()
            if len(every(task.events, kind)) >= count:
                return task

    # --- activities ------------------------------------------------------------------------------------------------

    def schedule(self, id: str = "a", **settings: Any) -> ScheduleActivityDecision:
        """Return the decision to schedule the activity."""
        return ScheduleActivityDecision(settings.pop("activity", self.activity), id=id, **settings)

    async def poll_activity(self, task_list: str | None = None, **how: Any) -> ActivityTask:
        """Wait for an activity task."""
        where = self.activities if task_list is None else task_list
        return await self._patient(lambda: self.backend.poll_activity_task(where, **how), "activity task")

    async def work(self, result: ActivityResult | None = None, *, task_list: str | None = None) -> ActivityTask:
        """Wait for an activity task and answer it."""
        task = await self.poll_activity(task_list)
        await self.backend.complete_activity_task(task.token, ActivityCompleted() if result is None else result)
        return task

    async def begin_activity(
        self, *, on_interrupt: OnInterrupt | None = None, **settings: Any
    ) -> tuple[ProcessRef, ActivityTask]:
        """Start a process, schedule the activity, and take its task."""
        process = await self.begin(self.schedule(**settings))
        return process, await self.poll_activity(on_interrupt=on_interrupt)

    # --- looking ---------------------------------------------------------------------------------------------------

    async def history(self, process: ProcessRef) -> list[AnyEvent]:
        """Return the whole history of a run."""
        return [event async for page in self.backend.history(process) for event in page]

    async def info(self, process: ProcessRef) -> ProcessInfo:
        """Describe a run."""
        return await self.backend.process_info(process)

    async def closed(self, process: ProcessRef) -> AnyEvent:
        """Wait for the end of a run and return its last event."""
        with anyio.fail_after(self.harness.patience):
            return await self.backend.wait_process(process)

    async def expect_history(self, process: ProcessRef, *expected: str) -> list[AnyEvent]:
        """Expect a history to be exactly these kinds of event; return it."""
        events = await self.history(process)
        equal(kinds(events), list(expected), f"the history of {process}")
        return events

    async def expect_added(self, process: ProcessRef, before: Sequence[AnyEvent], *expected: str) -> list[AnyEvent]:
        """Expect a history to have grown by exactly these kinds of event; return those."""
        events = (await self.history(process))[len(before) :]
        equal(kinds(events), list(expected), f"what was added to the history of {process}")
        return events

    async def expect_unchanged(self, process: ProcessRef, before: Sequence[AnyEvent]) -> None:
        """Expect a history not to have grown."""
        await self.expect_added(process, before)

    async def expect_scheduled(self, process: ProcessRef, times: int) -> None:
        """Expect that so many decision tasks were scheduled in all."""
        events = await self.history(process)
        scheduled = [event for event in events if isinstance(event, DecisionScheduledEvent)]
        if len(scheduled) != times:
            raise AssertionError(
                f"{times} decision tasks should have been scheduled, not {len(scheduled)}:\n{show_history(events)}"
            )

    async def expect_no_decision(self, task_list: str | None = None) -> None:
        """Expect that a poll brings no decision task."""
        equal(await self.backend.poll_decision_task(task_list or self.decisions), None, "what a poll brings")

    async def expect_no_activity(self, task_list: str | None = None) -> None:
        """Expect that a poll brings no activity task."""
        equal(await self.backend.poll_activity_task(task_list or self.activities), None, "what a poll brings")

    async def eventually(self, look: Callable[[], Awaitable[T]], expected: T, what: str) -> None:
        """Expect that looking again and again shows ``expected`` within the patience (listings may lag behind)."""
        with anyio.move_on_after(self.harness.patience):
            while await look() != expected:  # noqa: ASYNC110 - there is no event to wait for
                await anyio.sleep(self.harness.patience / 100)
        equal(await look(), expected, what)

    # --- time ------------------------------------------------------------------------------------------------------

    async def advance(self, ticks: float) -> None:
        """Let time pass."""
        await self.harness.advance(ticks * self.tick)

    @asynccontextmanager
    async def meanwhile(self, work: Callable[[], Awaitable[T]]) -> AsyncIterator[Later[T]]:
        """Begin ``work``, do the body when it waits for something, and wait for its end."""
        later: Later[T] = Later()

        async def run() -> None:
            later.value = await work()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await anyio.wait_all_tasks_blocked()
            yield later

    async def _patient(self, poll: Callable[[], Awaitable[T | None]], what: str) -> T:
        deadline = anyio.current_time() + self.harness.patience
        while anyio.current_time() < deadline:
            task = await poll()
            if task is not None:
                return task
        raise AssertionError(f"no {what} came within {self.harness.patience} seconds")
