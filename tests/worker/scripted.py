"""A backend whose every answer is written by the test, and what tests of the worker need besides."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from aioworkflow.activity import Activity, ActivityResult
from aioworkflow.backend import Interruption, OnInterrupt, ProcessFilter, ProcessInfo, ProcessPage, StartRequest
from aioworkflow.decision import Decision
from aioworkflow.errors import BackendUnavailableError
from aioworkflow.event import AnyEvent, DecisionScheduledEvent, DecisionStartedEvent, ProcessStartedEvent
from aioworkflow.task import ActivityTask, DecisionTask
from aioworkflow.testing import ManualClock
from aioworkflow.types import ActivityType, ChildPolicy, ProcessRef, TypeRef, WorkflowType
from aioworkflow.worker import Worker, WorkerOptions
from aioworkflow.workflow import Workflow

__all__ = ["NOW", "Call", "ScriptedBackend", "activity_task", "decision_task", "history", "settle", "working"]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
T = TypeVar("T")

Step = BaseException | asyncio.Event | Callable[[], Awaitable[Any]] | None | bool
"""What a call does: raise, wait, do something, or (None, bool) return that."""


class Call(NamedTuple):
    """One call of the backend."""

    verb: str
    argument: Any
    value: Any = None


class _Waiter(NamedTuple):
    future: asyncio.Future[Any]
    on_interrupt: OnInterrupt | None


class ScriptedBackend:
    """Hands out what the test gives and records what it is told.

    Attributes:
        calls: Every call but polls, in order.
        polls: How many polls have begun, by task list.
        script: What the next calls of a verb do; nothing is to succeed.
        interrupts: The callback for each token that was handed out.
        events: The history that is read.
        sticky_seconds: What it suggests.
        new_only: Whether the latest poll for decisions wanted new events only, by task list.
        later_lists: Where the decisions that were sent want later tasks of their process, and for how long.
    """

    def __init__(self, *, polls_can_be_cancelled: bool = True) -> None:
        self.polls_can_be_cancelled = polls_can_be_cancelled
        self.sticky_seconds: float | None = None
        self.later_lists: list[tuple[str | None, float | None]] = []
        self.calls: list[Call] = []
        self.polls: dict[str, int] = defaultdict(int)
        self.new_only: dict[str, bool] = {}
        self.script: dict[str, deque[Step]] = defaultdict(deque)
        self.interrupts: dict[str, OnInterrupt] = {}
        self.events: Sequence[AnyEvent] = ()
        self._given: dict[str, deque[Any]] = defaultdict(deque)
        self._waiters: dict[str, deque[_Waiter]] = defaultdict(deque)
        self._news = asyncio.Event()

    # --- for the test --------------------------------------------------------------------------------------------

    def give(self, *items: ActivityTask | DecisionTask | BaseException | None, to: str = "default") -> None:
        """Let the next polls return or raise these."""
        for item in items:
            kind = "d" if isinstance(item, DecisionTask) else "a"
            self._give(f"{kind}:{to}", item)

    def waiting(self, kind: str = "a", task_list: str = "default") -> int:
        """How many polls wait."""
        return sum(not waiter.future.done() for waiter in self._waiters[f"{kind}:{task_list}"])

    async def until(self, holds: Callable[[], T]) -> T:
        """Wait for calls until ``holds()``, and return what it returned."""
        while not (found := holds()):
            self._news.clear()
            await self._news.wait()
        return found

    def told(self, verb: str) -> list[Any]:
        """The values that calls of this verb brought."""
        return [call.value for call in self.calls if call.verb == verb]

    async def result(self, token: str) -> ActivityResult:
        """Wait for the result of an activity task."""

        def found() -> list[ActivityResult]:
            return [call.value for call in self.calls if call[:2] == ("complete_activity_task", token)]

        return (await self.until(found))[-1]

    def interrupt(self, token: str, interruption: Interruption) -> None:
        """Push a word to the holder of a task."""
        self.interrupts[token](token, interruption)

    # --- for the worker ------------------------------------------------------------------------------------------

    def _give(self, key: str, item: Any) -> None:
        while self._waiters[key]:
            waiter = self._waiters[key].popleft()
            if not waiter.future.done():
                self._hand_out(item, waiter.on_interrupt)
                waiter.future.set_result(item)
                return
        self._given[key].append(item)

    def _hand_out(self, item: Any, on_interrupt: OnInterrupt | None) -> None:
        if isinstance(item, ActivityTask) and on_interrupt is not None:
            self.interrupts[item.token] = on_interrupt

    async def _poll(self, key: str, on_interrupt: OnInterrupt | None = None) -> Any:
        self.polls[key] += 1
        self._news.set()
        if self._given[key]:
            item = self._given[key].popleft()
            self._hand_out(item, on_interrupt)
            await asyncio.sleep(0)
        else:
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            self._waiters[key].append(_Waiter(future, on_interrupt))
            try:
                item = await future
            except asyncio.CancelledError:
                if not future.cancelled():
                    self._give(key, future.result())
                raise
        if isinstance(item, BaseException):
            raise item
        return item

    async def _call(self, verb: str, argument: Any = None, value: Any = None) -> Any:
        self.calls.append(Call(verb, argument, value))
        self._news.set()
        await asyncio.sleep(0)
        step = self.script[verb].popleft() if self.script[verb] else None
        if isinstance(step, BaseException):
            raise step
        if isinstance(step, asyncio.Event):
            await step.wait()
            return None
        if callable(step):
            return await step()
        return step

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    async def register_workflow(self, workflow: WorkflowType) -> None:
        await self._call("register_workflow", workflow.ref, workflow)

    async def register_activity(self, activity: ActivityType) -> None:
        await self._call("register_activity", activity.ref, activity)

    async def start_process(self, request: StartRequest) -> ProcessRef:
        await self._call("start_process", request.process_id, request)
        return ProcessRef(request.process_id, "run-1")

    async def signal_process(self, process: ProcessRef, signal: str, input_json: str | None = None) -> None:
        await self._call("signal_process", process, (signal, input_json))

    async def cancel_process(self, process: ProcessRef, details_json: str | None = None) -> None:
        await self._call("cancel_process", process, details_json)

    async def terminate_process(
        self,
        process: ProcessRef,
        *,
        reason: str | None = None,
        details_json: str | None = None,
        child_policy: ChildPolicy | None = None,
    ) -> None:
        await self._call("terminate_process", process, (reason, details_json, child_policy))

    async def poll_decision_task(
        self, task_list: str, *, identity: str | None = None, new_events_only: bool = False
    ) -> DecisionTask | None:
        self.new_only[task_list] = new_events_only
        found: DecisionTask | None = await self._poll(f"d:{task_list}")
        return found

    async def complete_decision_task(
        self,
        token: str,
        decisions: Sequence[Decision] = (),
        *,
        execution_context: str | None = None,
        task_list: str | None = None,
        task_list_schedule_to_start_timeout: float | None = None,
    ) -> None:
        self.later_lists.append((task_list, task_list_schedule_to_start_timeout))
        await self._call("complete_decision_task", token, decisions)

    async def poll_activity_task(
        self, task_list: str, *, identity: str | None = None, on_interrupt: OnInterrupt | None = None
    ) -> ActivityTask | None:
        found: ActivityTask | None = await self._poll(f"a:{task_list}", on_interrupt)
        return found

    async def heartbeat_activity_task(self, token: str, details_json: str | None = None) -> bool:
        return bool(await self._call("heartbeat_activity_task", token, details_json))

    async def complete_activity_task(self, token: str, result: ActivityResult) -> None:
        await self._call("complete_activity_task", token, result)

    async def hand_off_activity_task(self, token: str) -> None:
        await self._call("hand_off_activity_task", token)

    async def process_info(self, process: ProcessRef) -> ProcessInfo:
        found: ProcessInfo = await self._call("process_info", process)
        return found

    async def history(self, process: ProcessRef, *, after: int = 0) -> AsyncIterator[Sequence[AnyEvent]]:
        await self._call("history", process, after)
        for start in range(after, len(self.events), 2):
            yield self.events[start : start + 2]

    async def wait_process(self, process: ProcessRef) -> AnyEvent:
        found: AnyEvent = await self._call("wait_process", process)
        return found

    async def list_processes(
        self, filter: ProcessFilter, *, page_size: int = 100, page_token: str | None = None
    ) -> ProcessPage:
        found: ProcessPage = await self._call("list_processes", page_token, filter)
        return found

    async def count_processes(self, filter: ProcessFilter) -> int:
        return int(await self._call("count_processes", None, filter))


_numbers = itertools.count(1)


def activity_task(
    name: str = "Act",
    *,
    input_json: str | None = None,
    token: str | None = None,
    heartbeat_timeout: float | None = None,
    start_to_close_timeout: float | None = None,
) -> ActivityTask:
    """A task for an activity, with a token of its own."""
    return ActivityTask(
        token=token or f"a{next(_numbers)}",
        process=ProcessRef("order", "run"),
        activity_id=f"{name}-1",
        activity=TypeRef(name),
        input_json=input_json,
        heartbeat_timeout=heartbeat_timeout,
        start_to_close_timeout=start_to_close_timeout,
    )


def history(*more: AnyEvent, timeout: float | None = None, workflow: str = "Flow") -> tuple[AnyEvent, ...]:
    """The first three events of a process, and more."""
    return (
        ProcessStartedEvent(
            event_id=1,
            timestamp=NOW,
            workflow=TypeRef(workflow),
            task_list="default",
            child_policy=ChildPolicy.TERMINATE,
            input_json='"in"',
        ),
        DecisionScheduledEvent(event_id=2, timestamp=NOW, task_list="default", start_to_close_timeout=timeout),
        DecisionStartedEvent(event_id=3, timestamp=NOW, scheduled_event_id=2),
        *more,
    )


def decision_task(
    events: Sequence[AnyEvent] | None = None,
    *,
    timeout: float | None = None,
    workflow: str = "Flow",
    run_id: str = "run",
    token: str | None = None,
) -> DecisionTask:
    """A decision task with a token of its own; by default the first of its process."""
    events = history(timeout=timeout, workflow=workflow) if events is None else events
    return DecisionTask(
        token=token or f"d{next(_numbers)}",
        process=ProcessRef("order", run_id),
        workflow=TypeRef(workflow),
        events=tuple(events),
        started_event_id=events[-1].event_id,
    )


async def settle() -> None:
    """Let everything run that can run now."""
    for _ in range(30):
        await asyncio.sleep(0)


@asynccontextmanager
async def working(
    backend: ScriptedBackend,
    *,
    activities: Sequence[type[Activity] | Activity] = (),
    workflows: Sequence[type[Workflow] | Workflow] = (),
    clock: ManualClock | None = None,
    **options: Any,
) -> AsyncIterator[Worker]:
    """A worker on a clock that stands still, without a monitor."""
    worker = Worker(
        backend,
        activities=activities,
        workflows=workflows,
        identity="me",
        options=WorkerOptions(**{"block_seconds": None, **options}),
        clock=clock or ManualClock(),
    )
    async with worker:
        try:
            yield worker
        except BaseException:
            worker.stop(now=True)  # a test that fails should not hang
            raise


def unavailable(times: int = 1) -> list[BaseException]:
    """So many passing faults."""
    return [BackendUnavailableError(f"the database is away ({number})") for number in range(times)]
