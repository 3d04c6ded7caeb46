"""The local backend: the service machine on a store, in this OS process (DESIGN 6).

One asyncio task, started on entry and awaited on exit, owns all background work. It is a task of its own, not a task
group of the caller's, so that a backend may be entered and left from different tasks (as fixtures and application
servers do).
"""

from __future__ import annotations

import asyncio
import logging
import math
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import anyio
from anyio.abc import TaskGroup

from ...activity import ActivityResult
from ...backend import OnInterrupt, OpenCounts, ProcessFilter, ProcessInfo, ProcessPage, StartRequest
from ...checks import IDENTITY_LIMIT, check_task_list, check_text, show
from ...decision import Decision
from ...errors import BackendClosedError, InvalidRequestError, UnknownProcessError, UnknownTypeError
from ...event import AnyEvent
from ...machine.handle import resolve_start
from ...machine.requests import (
    CancelProcess,
    CompleteActivityTask,
    CompleteDecisionTask,
    HandOffActivityTask,
    HeartbeatActivityTask,
    Request,
    SignalProcess,
    TerminateProcess,
)
from ...machine.state import OpenActivity, OpenChild, OpenTimer
from ...stores.base import Store, StoredProcess, TaskKind
from ...task import ActivityTask, DecisionTask
from ...types import ActivityType, ChildPolicy, ProcessRef, ProcessStatus, WorkflowType
from .arguments import check_after, check_batch, check_filter, check_page, check_ref, check_start
from .batch import new_id
from .clock import Clock, StoreClock
from .committer import Committer
from .deliveries import Deliveries
from .lists import TaskList, TaskLists, Waiter
from .options import LocalOptions
from .registry import Registry
from .runs import RunCache
from .tokens import read_token
from .upkeep import Upkeep

__all__ = ["LocalBackend"]

_logger = logging.getLogger("aioworkflow.local")

_LAST_WORD_SECONDS = 5.0
"""A poll that is cancelled waits no longer for a task that is on its way; another poll will get it."""

Task = TypeVar("Task", ActivityTask, DecisionTask)


class LocalBackend:
    """Keeps processes in a store and runs the rules in this OS process.

    Implements :class:`aioworkflow.backend.Backend`.

    Args:
        store: Where everything is kept; opened and closed by the backend.
        options: Limits, poll time, leases.
        clock: What tells the time of events, timers and timeouts; as it is, the store.
        lease_clock: What tells the time of leases, which other OS processes compare with; as it is, the store.
    """

    def __init__(
        self,
        store: Store,
        options: LocalOptions | None = None,
        *,
        clock: Clock | None = None,
        lease_clock: Clock | None = None,
    ) -> None:
        self._store = store
        self._options = options or LocalOptions()
        self._clock = clock or StoreClock(store)
        self._session = uuid.uuid4().hex
        self._registry = Registry(store, self._options.limits)
        self._lists = TaskLists(self._options.poll_seconds)
        self._runs = RunCache(self._options.cached_runs)
        self._deliveries = Deliveries(
            store,
            session=self._session,
            runs=self._runs,
            lists=self._lists,
            enqueue=lambda operation: self._committer.enqueue(operation),
            feed=lambda task_list: self._committer.feed(task_list),
            on_deadline=lambda when: self._upkeep.on_deadline(when),
            spawn=self._spawn,
        )
        self._committer = Committer(
            store,
            session=self._session,
            clock=self._clock,
            registry=self._registry,
            runs=self._runs,
            lists=self._lists,
            on_settled=self._deliveries.settled,
            on_recovered=self._deliveries.recovered,
        )
        self._upkeep = Upkeep(
            store,
            session=self._session,
            clock=self._clock,
            lease_clock=lease_clock or StoreClock(store),
            options=self._options,
            committer=self._committer,
            deliveries=self._deliveries,
            lists=self._lists,
            runs=self._runs,
            registry=self._registry,
        )
        self._tasks: TaskGroup | None = None
        self._host: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._open = False
        self._failure: Exception | None = None
        self._checked_identity = ""

    def __repr__(self) -> str:
        return f"<LocalBackend on {self._store!r}, {'open' if self._open else 'closed'}>"

    # --- life --------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._host is not None:
            raise BackendClosedError("a backend object can be entered once; make another with connect()")
        await self._store.open()
        try:
            await self._registry.refresh()
            started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._host = asyncio.create_task(self._live(started), name="aioworkflow backend")
            await asyncio.wait([self._host, started], return_when=asyncio.FIRST_COMPLETED)
            if self._host.done():
                self._host.result()
            self._open = True
        except BaseException:
            await self._shut()
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open = False
        self._lists.end_polls()
        await self._shut()

    async def _shut(self) -> None:
        """Save what is waiting, give back what this session holds, stop, disconnect.

        It takes no longer than ``close_seconds``, so a cancellation can wait for that.
        """
        self._stop.set()
        cancelled: asyncio.CancelledError | None = None
        with anyio.CancelScope(shield=True):
            while self._host is not None and not self._host.done():
                try:
                    await asyncio.wait([self._host])
                except asyncio.CancelledError as error:
                    cancelled = error
            await self._store.close()
        if cancelled is not None:
            raise cancelled
        if self._host is not None:
            self._host.result()

    async def _live(self, started: asyncio.Future[None]) -> None:
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                tasks.start_soon(self._committer.run)
                await self._upkeep.renew_session()
                await self._upkeep.deliver_messages(older_than=math.inf)  # also if the clock was set back since
                for work in self._upkeep.duties:
                    tasks.start_soon(work)
                started.set_result(None)
                await self._stop.wait()
                with anyio.move_on_after(self._options.close_seconds) as scope:
                    await self._upkeep.end_session()
                if scope.cancelled_caught:
                    _logger.error("closing took over %s s; held tasks time out later", self._options.close_seconds)
                tasks.cancel_scope.cancel()
        except Exception as error:
            self._failure = cause = _only_cause(error)
            if started.done():
                _logger.critical("the backend has stopped", exc_info=cause)
            raise cause from None
        finally:
            self._open = False
            self._lists.end_polls()
            self._deliveries.end(BackendClosedError("the backend was closed"))

    def _spawn(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        assert self._tasks is not None
        self._tasks.start_soon(work)

    def _check_open(self) -> None:
        if not self._open:
            if self._failure is not None:
                raise BackendClosedError("the backend has stopped because of an error") from self._failure
            raise BackendClosedError("the backend is not open; use it inside its `async with` block")

    async def _ask(self, process: ProcessRef, request: Request) -> Any:
        self._check_open()
        return await self._committer.submit(request, process)

    async def _ask_process(self, process: ProcessRef, request: Request) -> None:
        check_ref(process)
        await self._ask(process, request)

    @property
    def polls_can_be_cancelled(self) -> bool:
        """True: a task that was started for a poll that is cancelled is returned by it, or goes to another poll."""
        return True

    @property
    def sticky_seconds(self) -> float | None:
        """None: whoever gets a task finds its history in the database."""
        return None

    @property
    def quiet(self) -> tuple[int, int]:
        """Tell how many requests were made so far, and how many activities are out; what a manual clock goes by."""
        return self._committer.submitted + self._committer.busy, self._deliveries.outstanding

    @property
    def is_busy(self) -> bool:
        """Whether requests are being carried out, however long the database takes for it."""
        return self._committer.busy

    # --- types and processes -----------------------------------------------------------------------------------------

    async def register_workflow(self, workflow: WorkflowType) -> None:
        """Make a workflow known; other defaults for a known name and version replace the old ones."""
        self._check_open()
        await self._registry.register(workflow)

    async def register_activity(self, activity: ActivityType) -> None:
        """Make an activity known; as :meth:`register_workflow`."""
        self._check_open()
        await self._registry.register(activity)

    async def start_process(self, request: StartRequest) -> ProcessRef:
        """Start a process; see :meth:`aioworkflow.backend.Backend.start_process`."""
        self._check_open()
        check_start(request)
        run_id = new_id()
        try:
            start = resolve_start(request, run_id, self._registry.environment)
        except UnknownTypeError:
            await self._registry.refresh()
            start = resolve_start(request, run_id, self._registry.environment)
        await self._ask(ProcessRef(request.process_id), start)
        return ProcessRef(request.process_id, run_id)

    async def signal_process(self, process: ProcessRef, signal: str, input_json: str | None = None) -> None:
        """Add a signal to the history of an open process."""
        await self._ask_process(process, SignalProcess(signal=signal, input_json=input_json))

    async def cancel_process(self, process: ProcessRef, details_json: str | None = None) -> None:
        """Ask the decider of an open process to end it."""
        await self._ask_process(process, CancelProcess(details_json=details_json))

    async def terminate_process(
        self,
        process: ProcessRef,
        *,
        reason: str | None = None,
        details_json: str | None = None,
        child_policy: ChildPolicy | None = None,
    ) -> None:
        """Close an open process at once."""
        await self._ask_process(
            process, TerminateProcess(reason=reason, details_json=details_json, child_policy=child_policy)
        )

    # --- tasks -------------------------------------------------------------------------------------------------------

    async def poll_decision_task(
        self, task_list: str, *, identity: str | None = None, new_events_only: bool = False
    ) -> DecisionTask | None:
        """Wait for a decision task; cancelling it loses none."""
        self._check_poll(TaskKind.DECISION, task_list, identity)
        waiter = Waiter(TaskKind.DECISION, task_list, identity=identity, new_events_only=new_events_only)
        return await self._poll(waiter, DecisionTask)

    async def poll_activity_task(
        self, task_list: str, *, identity: str | None = None, on_interrupt: OnInterrupt | None = None
    ) -> ActivityTask | None:
        """Wait for an activity task; cancelling it loses none."""
        self._check_poll(TaskKind.ACTIVITY, task_list, identity)
        if on_interrupt is not None and not callable(on_interrupt):
            raise InvalidRequestError(f"on_interrupt must be a function, not {show(on_interrupt)}")
        waiter = Waiter(TaskKind.ACTIVITY, task_list, identity=identity, on_interrupt=on_interrupt)
        return await self._poll(waiter, ActivityTask)

    def _check_poll(self, kind: TaskKind, task_list: object, identity: str | None) -> None:
        """Check the arguments of a poll, which are nearly always those of the poll before."""
        self._check_open()
        if not isinstance(task_list, str) or not self._lists.has(kind, task_list):
            check_task_list(task_list)
        if identity is not None and identity != self._checked_identity:
            self._checked_identity = check_text(identity, "identity", IDENTITY_LIMIT)

    async def _poll(self, waiter: Waiter, expected: type[Task]) -> Task | None:
        task_list = self._lists.get(waiter.kind, waiter.task_list)
        if task_list.unclaimed:
            self._deliveries.give_unclaimed(waiter, task_list)
        else:
            self._lists.add_waiter(task_list, waiter)
            if task_list.has_hints or not task_list.complete:
                self._committer.feed(task_list)
        try:
            return cast("Task | None", await waiter.future)
        except asyncio.CancelledError:
            task = await self._brought_all_the_same(waiter, task_list)
            if task is None:
                raise
            return cast("Task", task)

    async def _brought_all_the_same(self, waiter: Waiter, task_list: TaskList) -> ActivityTask | DecisionTask | None:
        """A poll is cancelled: return the task that it has in hand, or that is on its way in a transaction.

        The cancellation is raised where its caller next waits, so a caller that can do something with the task (as a
        worker that stops polling) has the time to say so by ``uncancel()``. In a cancelled scope of anyio nobody can,
        so there the task goes to another poll, and None is returned.
        """
        caller = asyncio.current_task()
        assert caller is not None
        if anyio.current_effective_deadline() == -math.inf:
            self._pass_on(waiter)
            return None
        if waiter.future.cancelled():
            if not self._deliveries.await_again(waiter, task_list):
                return None
            timer = asyncio.get_running_loop().call_later(_LAST_WORD_SECONDS, waiter.abandon)
            try:
                await waiter.future
            except asyncio.CancelledError:
                self._pass_on(waiter)
                raise
            finally:
                timer.cancel()
        task = waiter.future.result()
        if task is not None:
            asyncio.get_running_loop().call_soon(_cancel_again, caller)
        return task

    def _pass_on(self, waiter: Waiter) -> None:
        """Give to another poll what this one has in hand, if anything."""
        future = waiter.future
        if future.done() and not future.cancelled() and (task := future.result()) is not None:
            self._deliveries.offer(waiter.kind, waiter.task_list, task)

    async def complete_decision_task(
        self,
        token: str,
        decisions: Sequence[Decision] = (),
        *,
        execution_context: str | None = None,
        task_list: str | None = None,
        task_list_schedule_to_start_timeout: float | None = None,
    ) -> None:
        """Answer a decision task; see :meth:`aioworkflow.backend.Backend.complete_decision_task`."""
        _, run_id, scheduled_event_id, started_event_id = read_token(token, "d")
        await self._ask(
            ProcessRef("", run_id),
            CompleteDecisionTask(
                scheduled_event_id=scheduled_event_id,
                started_event_id=started_event_id,
                decisions=check_batch(decisions),
                execution_context=execution_context,
                task_list=task_list,
                task_list_schedule_to_start_timeout=task_list_schedule_to_start_timeout,
            ),
        )

    async def heartbeat_activity_task(self, token: str, details_json: str | None = None) -> bool:
        """Tell that the work goes on; return whether its cancellation is asked for."""
        _, run_id, scheduled_event_id, started_event_id = read_token(token, "a")
        request = HeartbeatActivityTask(
            scheduled_event_id=scheduled_event_id, started_event_id=started_event_id, details_json=details_json
        )
        return bool(await self._ask(ProcessRef("", run_id), request))

    async def complete_activity_task(self, token: str, result: ActivityResult) -> None:
        """Tell how the work ended, from any OS process."""
        _, run_id, scheduled_event_id, started_event_id = read_token(token, "a")
        request = CompleteActivityTask(
            scheduled_event_id=scheduled_event_id, started_event_id=started_event_id, result=result
        )
        await self._ask(ProcessRef("", run_id), request)

    async def hand_off_activity_task(self, token: str) -> None:
        """Tell that the work goes on elsewhere: the task no longer ends with this backend object."""
        _, run_id, scheduled_event_id, started_event_id = read_token(token, "a")
        request = HandOffActivityTask(scheduled_event_id=scheduled_event_id, started_event_id=started_event_id)
        await self._ask(ProcessRef("", run_id), request)

    # --- reading -----------------------------------------------------------------------------------------------------

    async def process_info(self, process: ProcessRef) -> ProcessInfo:
        """Describe a run; without a run id the open one, else the latest."""
        return _info(await self._stored(process))

    async def history(self, process: ProcessRef, *, after: int = 0) -> AsyncIterator[Sequence[AnyEvent]]:
        """Iterate over the events of a run with ids above ``after``, in ascending order, in pages."""
        check_after(after)
        run_id = (await self._stored(process)).head.run_id
        while events := await self._store.history(run_id, after=after):
            yield events
            after = events[-1].event_id

    async def wait_process(self, process: ProcessRef) -> AnyEvent:
        """Wait until the run is closed and return its last event."""
        self._check_open()
        check_ref(process)
        head = None if self._runs.is_open(process) else (await self._stored(process)).head
        run_id = process.run_id if head is None else head.run_id
        future = self._deliveries.closing(run_id)
        try:
            if head is not None and not self._runs.is_open(ProcessRef(head.process_id, run_id)):
                head = (await self._stored(ProcessRef(head.process_id, run_id))).head
                if head.status is not ProcessStatus.OPEN:
                    return (await self._store.history(run_id, after=head.last_event_id - 1, limit=1))[0]
            return await future
        finally:
            self._deliveries.stop_closing(run_id, future)

    async def list_processes(
        self, filter: ProcessFilter, *, page_size: int = 100, page_token: str | None = None
    ) -> ProcessPage:
        """Return one page of the processes that match, latest start first."""
        self._check_open()
        check_filter(filter)
        check_page(page_size, page_token)
        found, next_token = await self._store.find(filter, limit=page_size, page_token=page_token)
        return ProcessPage(processes=found, next_token=next_token)

    async def count_processes(self, filter: ProcessFilter) -> int:
        """Return how many processes match."""
        self._check_open()
        check_filter(filter)
        return await self._store.count(filter)

    async def _stored(self, process: ProcessRef) -> StoredProcess:
        self._check_open()
        check_ref(process)
        run_id = process.run_id
        if not run_id:
            run_id = (await self._store.resolve([process.process_id])).get(process.process_id, "")
        stored = (await self._store.load([run_id])).get(run_id) if run_id else None
        if stored is None or process.process_id not in ("", stored.head.process_id):
            raise UnknownProcessError(f"there is no process {process}")
        return stored


def _cancel_again(caller: asyncio.Task[Any]) -> None:
    """Let a task that is still counted as cancelled hear of it."""
    if caller.cancelling():
        caller.uncancel()
        caller.cancel()


def _only_cause(error: Exception) -> Exception:
    """Return the one error in a group of one."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _info(stored: StoredProcess) -> ProcessInfo:
    head = stored.head
    kinds = [type(item) for item in stored.items]
    return ProcessInfo(
        process=ProcessRef(head.process_id, head.run_id),
        workflow=head.workflow,
        status=head.status,
        started_at=datetime.fromtimestamp(head.started_at, UTC),
        closed_at=None if head.closed_at is None else datetime.fromtimestamp(head.closed_at, UTC),
        tags=head.tags,
        parent=head.parent,
        cancel_requested=head.cancel_requested,
        task_list=head.task_list,
        task_priority=head.task_priority,
        execution_timeout=head.execution_timeout,
        decision_timeout=head.decision_timeout,
        child_policy=head.child_policy,
        open_counts=OpenCounts(
            activities=kinds.count(OpenActivity),
            decisions=(head.queued is not None) + (head.started is not None),
            timers=kinds.count(OpenTimer),
            children=kinds.count(OpenChild),
        ),
        execution_context=head.execution_context,
    )
