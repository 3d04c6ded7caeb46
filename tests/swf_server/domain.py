"""One domain: its types, and the machine that runs its executions, a local backend on memory."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import anyio
import msgspec

from aioworkflow.backend import ProcessFilter, ProcessInfo, StartRequest
from aioworkflow.backends.local import Clock, LocalBackend, LocalOptions
from aioworkflow.decision import Decision
from aioworkflow.errors import UnknownProcessError, UnknownTaskError
from aioworkflow.event import CLOSING_EVENTS, AnyEvent, DecisionCompletedEvent, DecisionTimedOutEvent
from aioworkflow.result import ActivityAborted, ActivityCompleted, ActivityFailed, ActivityResult
from aioworkflow.stores.memory import MemoryStore
from aioworkflow.types import ChildPolicy, ProcessRef, ProcessStatus, TypeRef, WorkflowType

from . import requests as wire
from .decisions import read_decisions, seconds, settings
from .events import epoch, execution, run_id, timeout, type_ref, wire_event, wire_run_id
from .faults import fault, unknown_resource, validation
from .paging import page, read_token, token
from .types import Registered, TypeBook, activity_of, configuration, workflow_of

__all__ = ["Answer", "Domain", "TaskToken"]

T = TypeVar("T")

Answer = dict[str, object] | None
"""What an action returns; None is the empty body of actions that say nothing."""


class TaskToken(msgspec.Struct, frozen=True, array_like=True):
    """What a task token stands for: the task of the machine, and where it belongs."""

    domain: str
    local: str
    process_id: str
    padding: str = "x" * 100


class DecisionPageToken(msgspec.Struct, frozen=True, array_like=True):
    """Where a decision task's next page begins."""

    task_token: str
    begin: int
    first: int
    last: int
    previous: int
    workflow: TypeRef


class Domain:
    """A domain.

    Args:
        name: Its name.
        retention: As it was registered.
        clock: Its time.
        options: Of the machine.
        largest_page: How many items a page holds at most.
    """

    def __init__(
        self, name: str, retention: str, description: str | None, clock: Clock, options: LocalOptions, largest_page: int
    ) -> None:
        self.name = name
        self.retention = retention
        self.description = description
        self.deprecated = False
        self.machine = LocalBackend(MemoryStore(), options, clock=clock)
        self._clock = clock
        self._largest_page = largest_page
        self._workflows = TypeBook("WorkflowType")
        self._activities = TypeBook("ActivityType")

    def info(self) -> dict[str, object]:
        return {
            "name": self.name,
            "status": "DEPRECATED" if self.deprecated else "REGISTERED",
            "description": self.description,
            "arn": f"arn:aws:swf:us-east-1:123456789012:/domain/{self.name}",
        }

    def _check_live(self) -> None:
        if self.deprecated:
            raise fault("DomainDeprecatedFault", self.name)

    # --- types ---

    async def register_workflow_type(self, request: wire.RegisterWorkflowType) -> Answer:
        self._check_live()
        value = workflow_of(request)
        self._workflows.add(Registered(value, configuration(request), self._clock.now()))
        await self.machine.register_workflow(value)
        return None

    async def register_activity_type(self, request: wire.RegisterActivityType) -> Answer:
        self._check_live()
        value = activity_of(request)
        self._activities.add(Registered(value, configuration(request), self._clock.now()))
        await self.machine.register_activity(value)
        return None

    async def describe_workflow_type(self, request: wire.DescribeWorkflowType) -> Answer:
        found = self._workflows.find(_ref(request.workflow_type))
        return {"typeInfo": self._workflows.info(found), "configuration": found.configuration}

    async def describe_activity_type(self, request: wire.DescribeActivityType) -> Answer:
        found = self._activities.find(_ref(request.activity_type))
        return {"typeInfo": self._activities.info(found), "configuration": found.configuration}

    async def deprecate_workflow_type(self, request: wire.DescribeWorkflowType) -> Answer:
        await self._tell(self._workflows.deprecate(_ref(request.workflow_type), self._clock.now()))
        return None

    async def deprecate_activity_type(self, request: wire.DescribeActivityType) -> Answer:
        await self._tell(self._activities.deprecate(_ref(request.activity_type), self._clock.now()))
        return None

    async def undeprecate_workflow_type(self, request: wire.DescribeWorkflowType) -> Answer:
        await self._tell(self._workflows.undeprecate(_ref(request.workflow_type)))
        return None

    async def undeprecate_activity_type(self, request: wire.DescribeActivityType) -> Answer:
        await self._tell(self._activities.undeprecate(_ref(request.activity_type)))
        return None

    async def delete_workflow_type(self, request: wire.DescribeWorkflowType) -> Answer:
        self._workflows.delete(_ref(request.workflow_type))
        return None

    async def delete_activity_type(self, request: wire.DescribeActivityType) -> Answer:
        self._activities.delete(_ref(request.activity_type))
        return None

    async def list_workflow_types(self, request: wire.ListTypes) -> Answer:
        return self._page("typeInfos", self._workflows.infos(request), request)

    async def list_activity_types(self, request: wire.ListTypes) -> Answer:
        return self._page("typeInfos", self._activities.infos(request), request)

    async def _tell(self, registered: Registered) -> None:
        """Tell the machine whether a type is deprecated."""
        value = msgspec.structs.replace(registered.value, deprecated=registered.deprecated_at is not None)
        if isinstance(value, WorkflowType):
            await self.machine.register_workflow(value)
        else:
            await self.machine.register_activity(value)

    def _page(self, word: str, items: Sequence[object], request: Any) -> Answer:
        found, following = page(items, request.maximum_page_size, request.next_page_token, self._largest_page)
        return {word: found, "nextPageToken": following}

    # --- executions ---

    async def start_workflow_execution(self, request: wire.StartWorkflowExecution) -> Answer:
        self._workflows.find(_ref(request.workflow_type))
        if request.execution_start_to_close_timeout == "NONE":
            raise validation("1 validation error detected: executionStartToCloseTimeout must not be NONE")
        process = await self.machine.start_process(
            StartRequest(process_id=request.workflow_id, workflow=_ref(request.workflow_type), **settings(request))
        )
        return {"runId": wire_run_id(process.run_id)}

    async def signal_workflow_execution(self, request: wire.SignalWorkflowExecution) -> Answer:
        process = _open(request)
        with _unknown(process):
            await self.machine.signal_process(process, request.signal_name, request.input)
        return None

    async def request_cancel_workflow_execution(self, request: wire.RequestCancelWorkflowExecution) -> Answer:
        process = _open(request)
        with _unknown(process):
            await self.machine.cancel_process(process)
        return None

    async def terminate_workflow_execution(self, request: wire.TerminateWorkflowExecution) -> Answer:
        process, policy = _open(request), request.child_policy
        with _unknown(process):
            await self.machine.terminate_process(
                process,
                reason=request.reason,
                details_json=request.details,
                child_policy=None if policy is None else ChildPolicy(policy),
            )
        return None

    async def describe_workflow_execution(self, request: wire.DescribeWorkflowExecution) -> Answer:
        process = _run(request.execution)
        with _unknown(process):
            info = await self.machine.process_info(process)
        assert info.open_counts is not None
        return {
            "executionInfo": _info(info),
            "executionConfiguration": {
                "childPolicy": info.child_policy.value,
                "executionStartToCloseTimeout": timeout(info.execution_timeout),
                "taskList": {"name": info.task_list},
                "taskPriority": str(info.task_priority),
                "taskStartToCloseTimeout": timeout(info.decision_timeout),
            },
            "openCounts": {
                "openActivityTasks": info.open_counts.activities,
                "openChildWorkflowExecutions": info.open_counts.children,
                "openDecisionTasks": info.open_counts.decisions,
                "openLambdaFunctions": 0,
                "openTimers": info.open_counts.timers,
            },
            "latestExecutionContext": info.execution_context,
        }

    async def get_workflow_execution_history(self, request: wire.GetWorkflowExecutionHistory) -> Answer:
        process = _run(request.execution)
        with _unknown(process):
            last = (await self.machine._stored(process)).head.last_event_id
        ids: Sequence[int] = range(last, 0, -1) if request.reverse_order else range(1, last + 1)
        wanted, following = page(ids, request.maximum_page_size, request.next_page_token, self._largest_page)
        return {"events": await self._events(process, wanted), "nextPageToken": following}

    async def _events(self, process: ProcessRef, ids: Sequence[int]) -> list[object]:
        """Return the events with these consecutive ids, in this order."""
        if not ids:
            return []
        events = await self.machine._store.history(process.run_id, after=min(ids) - 1, limit=len(ids))
        found = [wire_event(event) for event in events]
        return found[::-1] if ids[0] > ids[-1] else list(found)  # type: ignore[return-value]

    # --- listings ---

    async def list_open_workflow_executions(self, request: wire.ListOpenWorkflowExecutions) -> Answer:
        return self._page("executionInfos", await self._found(request, closed=False), request)

    async def list_closed_workflow_executions(self, request: wire.ListClosedWorkflowExecutions) -> Answer:
        return self._page("executionInfos", await self._found(request, closed=True), request)

    async def count_open_workflow_executions(self, request: wire.CountOpenWorkflowExecutions) -> Answer:
        return {"count": len(await self._found(request, closed=False)), "truncated": False}

    async def count_closed_workflow_executions(self, request: wire.CountClosedWorkflowExecutions) -> Answer:
        return {"count": len(await self._found(request, closed=True)), "truncated": False}

    async def _found(self, request: Any, *, closed: bool) -> list[dict[str, object]]:
        """Return what a filter finds, latest first."""
        by_close = closed and request.close_time_filter is not None
        if closed and by_close == (request.start_time_filter is not None):
            raise validation("Cannot specify both a StartTimeFilter and a CloseTimeFilter" if by_close else "no filter")
        words = ("type_filter", "tag_filter", "execution_filter", "close_status_filter")
        given = [word for word in words if getattr(request, word, None) is not None]
        if len(given) > 1:
            raise validation(f"Cannot specify more than one exclusive filters in the same query: {given}")
        infos = await self._all(_filter(request, closed=closed, by_close=by_close))
        infos.sort(key=lambda info: (info.closed_at if by_close else None) or info.started_at, reverse=True)
        if getattr(request, "reverse_order", None):
            infos.reverse()
        return [_info(info) for info in infos]

    async def _all(self, filter: ProcessFilter) -> list[ProcessInfo]:
        found: list[ProcessInfo] = []
        following: str | None = None
        while True:
            part = await self.machine.list_processes(filter, page_size=1000, page_token=following)
            found += part.processes
            following = part.next_token
            if following is None:
                return found

    # --- decision tasks ---

    async def poll_for_decision_task(self, request: wire.PollForDecisionTask) -> Answer:
        if request.next_page_token:
            return await self._more_of_a_decision_task(request, request.next_page_token)
        task = await _waiting(
            lambda: self.machine.poll_decision_task(
                request.task_list.name,
                identity=request.identity,
                new_events_only=bool(request.start_at_previous_started_event),
            )
        )
        if task is None:
            return {"previousStartedEventId": 0, "startedEventId": 0}
        form = DecisionPageToken(
            task_token=token(TaskToken(self.name, task.token, task.process.process_id)),
            begin=0,
            first=task.events[0].event_id,
            last=task.started_event_id,
            previous=task.previous_started_event_id,
            workflow=task.workflow,
        )
        return await self._decision_page(form, task.process, request, task.events)

    async def _more_of_a_decision_task(self, request: wire.PollForDecisionTask, page_token: str) -> Answer:
        form: DecisionPageToken = read_token(page_token, DecisionPageToken)
        task: TaskToken = read_token(form.task_token, TaskToken)
        run = task.local.split(".")[1]
        later = await self.machine._store.history(run, after=form.last)
        for event in later:
            ended = isinstance(event, DecisionCompletedEvent | DecisionTimedOutEvent)
            if isinstance(event, CLOSING_EVENTS) or (ended and event.started_event_id == form.last):  # type: ignore[union-attr]
                raise unknown_resource("Unknown decision task")
        return await self._decision_page(form, ProcessRef(task.process_id, run), request, None)

    async def _decision_page(
        self,
        form: DecisionPageToken,
        process: ProcessRef,
        request: wire.PollForDecisionTask,
        events: Sequence[AnyEvent] | None,
    ) -> Answer:
        reverse = bool(request.reverse_order)
        ids: Sequence[int] = range(form.last, form.first - 1, -1) if reverse else range(form.first, form.last + 1)
        size = min(request.maximum_page_size or self._largest_page, self._largest_page)
        end = form.begin + size
        wanted = ids[form.begin : end]
        if events is not None and len(events) <= size:
            shown: list[Any] = [wire_event(event) for event in (reversed(events) if reverse else events)]
        else:
            shown = await self._events(process, wanted)
        return {
            "taskToken": form.task_token,
            "startedEventId": form.last,
            "previousStartedEventId": form.previous,
            "workflowExecution": execution(process),
            "workflowType": type_ref(form.workflow),
            "events": shown,
            "nextPageToken": token(msgspec.structs.replace(form, begin=end)) if end < len(ids) else None,
        }

    async def respond_decision_task_completed(
        self, request: wire.RespondDecisionTaskCompleted, task: TaskToken
    ) -> Answer:
        decisions: list[Decision] = read_decisions(request.decisions or ())
        given = request.task_list_schedule_to_start_timeout
        with _closed("decision task", task):
            await self.machine.complete_decision_task(
                task.local,
                decisions,
                execution_context=request.execution_context,
                task_list=None if request.task_list is None else request.task_list.name,
                task_list_schedule_to_start_timeout=None if given is None else seconds(given),
            )
        return None

    # --- activity tasks ---

    async def poll_for_activity_task(self, request: wire.PollForActivityTask) -> Answer:
        task = await _waiting(
            lambda: self.machine.poll_activity_task(request.task_list.name, identity=request.identity)
        )
        if task is None:
            return {"startedEventId": 0}
        return {
            "taskToken": token(TaskToken(self.name, task.token, task.process.process_id)),
            "activityId": task.activity_id,
            "startedEventId": task.started_event_id,
            "workflowExecution": execution(task.process),
            "activityType": type_ref(task.activity),
            "input": task.input_json,
        }

    async def record_activity_task_heartbeat(
        self, request: wire.RecordActivityTaskHeartbeat, task: TaskToken
    ) -> Answer:
        with _closed("activity", task):
            return {"cancelRequested": await self.machine.heartbeat_activity_task(task.local, request.details)}

    async def respond_activity_task_completed(
        self, request: wire.RespondActivityTaskCompleted, task: TaskToken
    ) -> Answer:
        result = ActivityCompleted()
        object.__setattr__(result, "result_json", request.result)
        return await self._close_activity(task, result)

    async def respond_activity_task_failed(self, request: wire.RespondActivityTaskFailed, task: TaskToken) -> Answer:
        result = ActivityFailed(reason=request.reason)
        object.__setattr__(result, "details_json", request.details)
        return await self._close_activity(task, result)

    async def respond_activity_task_canceled(
        self, request: wire.RespondActivityTaskCanceled, task: TaskToken
    ) -> Answer:
        result = ActivityAborted()
        result.details_json = request.details
        return await self._close_activity(task, result)

    async def _close_activity(self, task: TaskToken, result: ActivityResult) -> Answer:
        with _closed("activity", task):
            await self.machine.complete_activity_task(task.local, result)
        return None

    # --- what waits ---

    async def count_pending_decision_tasks(self, request: wire.CountPendingTasks) -> Answer:
        heads = [(await self.machine._stored(info.process)).head for info in await self._all(_OPEN)]
        waiting = [head for head in heads if head.queued and head.queued.task_list == request.task_list.name]
        return {"count": len(waiting), "truncated": False}

    async def count_pending_activity_tasks(self, request: wire.CountPendingTasks) -> Answer:
        stored = [await self.machine._stored(info.process) for info in await self._all(_OPEN)]
        items: Any = itertools.chain.from_iterable(process.items for process in stored)
        waiting = [
            item
            for item in items
            if getattr(item, "activity_id", None) is not None
            and not item.started_event_id
            and item.task_list == request.task_list.name
        ]
        return {"count": len(waiting), "truncated": False}


_OPEN = ProcessFilter(closed=False)


async def _waiting(poll: Callable[[], Awaitable[T]]) -> T | None:
    """Wait for a task while the client does: if it goes away, the handler is cancelled, and no task is taken."""
    scope = anyio.CancelScope()

    async def run() -> T | None:
        with scope:
            return await poll()
        return None

    waiting = asyncio.ensure_future(run())
    try:
        return await asyncio.shield(waiting)
    except asyncio.CancelledError:
        scope.cancel()
        await waiting
        raise


@contextmanager
def _unknown(process: ProcessRef) -> Iterator[None]:
    """Say of an execution that is not there, or not open, what Amazon says."""
    try:
        yield
    except UnknownProcessError:
        if not process.run_id:
            raise unknown_resource(f"Unknown execution, workflowId = {process.process_id}") from None
        names = f"workflowId={process.process_id}, runId={wire_run_id(process.run_id)}"
        raise unknown_resource(f"Unknown execution: WorkflowExecution=[{names}]") from None


@contextmanager
def _closed(what: str, task: TaskToken) -> Iterator[None]:
    """Say of a task that is closed what Amazon says."""
    try:
        yield
    except UnknownTaskError:
        raise unknown_resource(f"Unknown {what}, scheduledEventId = {task.local.split('.')[2]}") from None


def _ref(ref: wire.WireTypeRef) -> TypeRef:
    return TypeRef(ref.name, ref.version)


def _open(request: Any) -> ProcessRef:
    return ProcessRef(request.workflow_id, run_id(request.run_id))


def _run(wanted: wire.WireExecution) -> ProcessRef:
    return ProcessRef(wanted.workflow_id, run_id(wanted.run_id))


def _info(info: ProcessInfo) -> dict[str, object]:
    is_open = info.status is ProcessStatus.OPEN
    return {
        "execution": execution(info.process),
        "workflowType": type_ref(info.workflow),
        "startTimestamp": epoch(info.started_at),
        "closeTimestamp": None if info.closed_at is None else epoch(info.closed_at),
        "executionStatus": "OPEN" if is_open else "CLOSED",
        "closeStatus": None if is_open else info.status.value,
        "parent": None if info.parent is None else execution(info.parent),
        "tagList": list(info.tags) or None,
        "cancelRequested": info.cancel_requested and is_open,  # seen false in the records of closed runs
        "reopenGenerationId": 0,
        "reopenable": False,
    }


def _filter(request: Any, *, closed: bool, by_close: bool) -> ProcessFilter:
    times = request.close_time_filter if by_close else request.start_time_filter
    status = getattr(request, "close_status_filter", None)
    after = datetime.fromtimestamp(times.oldest_date, UTC)
    before = None  # the bounds of the wire both belong to the range, and count milliseconds
    if times.latest_date is not None:
        before = datetime.fromtimestamp(times.latest_date, UTC) + timedelta(milliseconds=1)
    return ProcessFilter(
        closed=closed,
        process_id=None if request.execution_filter is None else request.execution_filter.workflow_id,
        workflow=None if request.type_filter is None else request.type_filter.name,
        workflow_version=None if request.type_filter is None else request.type_filter.version,
        tag=None if request.tag_filter is None else request.tag_filter.tag,
        status=None if status is None else ProcessStatus(status.status),
        started_after=None if by_close else after,
        started_before=None if by_close else before,
        closed_after=after if by_close else None,
        closed_before=before if by_close else None,
    )
