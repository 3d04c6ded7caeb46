"""Replies of Amazon SWF: from their bodies to our values.

Each function takes the bytes of one reply, which :mod:`aioworkflow.backends.swf.parsing` leaves as they came, and says
which call it is for. What SWF leaves out, and what it sends as null, zero or an empty text, is taken for the same
(swf-reference 2.3, 4); members that this version does not know are passed over.

All raise :class:`BackendUnavailableError` for what is no JSON, as a reply cut short or the page of a proxy, and
:class:`BackendError` for what lacks something that SWF always sends; for a task that was handed out it is an
:class:`UnreadableTaskError`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from ...backend import OpenCounts, ProcessInfo, ProcessPage
from ...checks import show
from ...errors import BackendError, BackendUnavailableError
from ...event import AnyEvent, DecisionCompletedEvent, DecisionTimedOutEvent
from ...task import ActivityTask, DecisionTask
from ...types import UNSET, ActivityType, ProcessRef, ProcessStatus, TypeRef, UnsetType, WorkflowType
from .decode_events import MALFORMED, decode_event, read_input, read_time
from .settings import ACTIVITY_SETTINGS, PROCESS_SETTINGS, Setting, read_defaults, read_settings
from .told_timeouts import ToldTimeouts, told

__all__ = [
    "Count",
    "DecisionPage",
    "HistoryPage",
    "UnreadableTaskError",
    "activity_task",
    "activity_type",
    "cancel_requested",
    "count",
    "decision_page",
    "history_page",
    "process_info",
    "process_page",
    "run_id",
    "workflow_type",
]

T = TypeVar("T")


class UnreadableTaskError(BackendError):
    """A task was handed out that cannot be read: the fault of one process, and no reason to stop polling."""


# --- what comes of it ------------------------------------------------------------------------------------


class DecisionPage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One page of a decision task; all pages of a task have the same token.

    Attributes:
        token: Answers the task.
        process: The run to decide on.
        workflow: Its workflow.
        events: In the order that was asked for.
        started_event_id: The id of this task's DecisionStartedEvent.
        previous_started_event_id: The same of the last task that a decider completed; 0 if this is the first.
        next_token: Of the next page, if there is one.
    """

    token: str
    process: ProcessRef
    workflow: TypeRef
    events: tuple[AnyEvent, ...]
    started_event_id: int
    previous_started_event_id: int = 0
    next_token: str | None = None

    def task(self, events: Sequence[AnyEvent]) -> DecisionTask:
        """Return the task with ``events``, those of all pages in ascending order; its attempt is counted from them."""
        if not events:
            raise UnreadableTaskError(f"Amazon SWF sent a decision task of process {self.process} without events")
        return DecisionTask(
            token=self.token,
            process=self.process,
            workflow=self.workflow,
            events=tuple(events),
            started_event_id=self.started_event_id,
            previous_started_event_id=self.previous_started_event_id,
            attempt=_attempt(events),
        )


class HistoryPage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One page of a history, in the order that was asked for."""

    events: tuple[AnyEvent, ...]
    next_token: str | None = None


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """How many there are; ``truncated`` if SWF stopped counting there."""

    count: int = 0
    truncated: bool = False


def _attempt(events: Sequence[AnyEvent]) -> int:
    """Return 1 and one for each decision that timed out since the last that was completed."""
    attempt = 1
    for event in reversed(events):
        if type(event) is DecisionTimedOutEvent:
            attempt += 1
        elif type(event) is DecisionCompletedEvent:
            break
    return attempt


# --- the wire --------------------------------------------------------------------------------------------


class _Wire(msgspec.Struct, frozen=True, rename="camel"):
    pass


class _Run(_Wire, frozen=True):
    workflow_id: str
    run_id: str = ""

    @property
    def ref(self) -> ProcessRef:
        return ProcessRef(self.workflow_id, self.run_id)


class _Type(_Wire, frozen=True):
    name: str
    version: str

    @property
    def ref(self) -> TypeRef:
        return TypeRef(self.name, self.version)


class _History(_Wire, frozen=True):
    events: list[dict[str, Any]] | None = None
    next_page_token: str | None = None


class _DecisionTask(_History, frozen=True):
    task_token: str | None = None
    workflow_execution: _Run | None = None
    workflow_type: _Type | None = None
    started_event_id: int | None = None
    previous_started_event_id: int | None = None


class _ActivityTask(_Wire, frozen=True):
    task_token: str | None = None
    workflow_execution: _Run | None = None
    activity_id: str = ""
    activity_type: _Type | None = None
    started_event_id: int | None = None
    input: str | None = None


class _Started(_Wire, frozen=True):
    run_id: str


class _Heartbeat(_Wire, frozen=True):
    cancel_requested: bool | None = None


class _Info(_Wire, frozen=True):
    execution: _Run
    workflow_type: _Type
    start_timestamp: float
    close_timestamp: float | None = None
    close_status: ProcessStatus | None = None
    parent: _Run | None = None
    tag_list: tuple[str, ...] | None = None
    cancel_requested: bool | None = None


class _Infos(_Wire, frozen=True):
    execution_infos: tuple[_Info, ...] | None = None
    next_page_token: str | None = None


class _OpenCounts(_Wire, frozen=True):
    open_activity_tasks: int | None = None
    open_decision_tasks: int | None = None
    open_timers: int | None = None
    open_child_workflow_executions: int | None = None


class _Description(_Wire, frozen=True):
    execution_info: _Info
    execution_configuration: dict[str, Any]
    open_counts: _OpenCounts
    latest_execution_context: str | None = None


class _TypeInfo(_Wire, frozen=True):
    workflow_type: _Type | None = None
    activity_type: _Type | None = None
    status: str | None = None
    description: str | None = None


class _TypeDescription(_Wire, frozen=True):
    type_info: _TypeInfo
    configuration: dict[str, Any] | None = None


class _Count(_Wire, frozen=True):
    count: int | None = None
    truncated: bool | None = None


class _Reader(Generic[T]):
    """Reads the bodies of one shape."""

    def __init__(self, shape: type[T]) -> None:
        self._decode = msgspec.json.Decoder(shape).decode
        self._name = shape.__name__.lstrip("_")

    def __call__(self, body: bytes) -> T:
        try:
            return self._decode(body)
        except (msgspec.ValidationError, RecursionError) as error:
            raise self._improper(body, error) from error
        except (msgspec.DecodeError, UnicodeDecodeError):
            mended = _mend(body)
        try:
            return self._decode(mended)
        except (msgspec.DecodeError, RecursionError) as error:
            raise self._improper(body, error) from error

    def _improper(self, body: bytes, error: Exception) -> BackendError:
        return BackendError(f"Amazon SWF sent no proper {self._name}: {error}: {show(body, 1_000)}")


def _mend(body: bytes) -> bytes:
    """Return a body that can be read: what is no proper Unicode, as half a surrogate pair, becomes a question mark.

    Raises:
        BackendUnavailableError: It is no JSON.
    """
    try:
        text = json.dumps(json.loads(body.decode("utf-8", "replace")), ensure_ascii=False)
    except (ValueError, RecursionError) as error:
        raise BackendUnavailableError(
            f"a reply came damaged from Amazon SWF, or from something in between: {error}: {show(body, 1_000)}"
        ) from error
    return text.encode("utf-8", "replace")


_read_decision_task = _Reader(_DecisionTask)
_read_activity_task = _Reader(_ActivityTask)
_read_history = _Reader(_History)
_read_started = _Reader(_Started)
_read_heartbeat = _Reader(_Heartbeat)
_read_infos = _Reader(_Infos)
_read_description = _Reader(_Description)
_read_type = _Reader(_TypeDescription)
_read_count = _Reader(_Count)


# --- tasks -----------------------------------------------------------------------------------------------


def decision_page(body: bytes) -> DecisionPage | None:
    """PollForDecisionTask; None if the poll brought no task."""
    task = _read_decision_task(body)
    if not task.task_token:
        return None
    if task.workflow_execution is None or task.workflow_type is None:
        raise UnreadableTaskError(f"Amazon SWF sent a decision task without a process or its type: {show(body, 1_000)}")
    process = task.workflow_execution.ref
    try:
        events = _events(task)
    except BackendError as error:
        raise UnreadableTaskError(f"process {process}: {error}") from error
    return DecisionPage(
        token=task.task_token,
        process=process,
        workflow=task.workflow_type.ref,
        events=events,
        started_event_id=task.started_event_id or 0,
        previous_started_event_id=task.previous_started_event_id or 0,
        next_token=task.next_page_token or None,
    )


_NOTHING_TOLD = ToldTimeouts()


def activity_task(body: bytes, types: Mapping[TypeRef, ActivityType]) -> ActivityTask | None:
    """PollForActivityTask; None if the poll brought no task.

    SWF does not tell a worker the timeouts of its task: they are those that the decider has told, else those of the
    type, where ``types`` has it.
    """
    task = _read_activity_task(body)
    if not task.task_token:
        return None
    if task.workflow_execution is None or task.activity_type is None:
        raise UnreadableTaskError(
            f"Amazon SWF sent an activity task without a process or its type: {show(body, 1_000)}"
        )
    kind = types.get(task.activity_type.ref)
    heartbeat, start_to_close = _NOTHING_TOLD if task.input is None else told(task.input)[1]
    if kind is not None:
        heartbeat = kind.heartbeat_timeout if heartbeat is UNSET else heartbeat
        start_to_close = kind.start_to_close_timeout if start_to_close is UNSET else start_to_close
    return ActivityTask(
        token=task.task_token,
        process=task.workflow_execution.ref,
        activity_id=task.activity_id,
        activity=task.activity_type.ref,
        input_json=None if task.input is None else read_input(task.input),
        heartbeat_timeout=_seconds(heartbeat),
        start_to_close_timeout=_seconds(start_to_close),
        started_event_id=task.started_event_id or 0,
    )


def cancel_requested(body: bytes) -> bool:
    """RecordActivityTaskHeartbeat: whether the activity is to be canceled."""
    return _read_heartbeat(body).cancel_requested or False


# --- processes -------------------------------------------------------------------------------------------


def run_id(body: bytes) -> str:
    """StartWorkflowExecution: the new run."""
    return _read_started(body).run_id


def history_page(body: bytes) -> HistoryPage:
    """GetWorkflowExecutionHistory."""
    history = _read_history(body)
    return HistoryPage(events=_events(history), next_token=history.next_page_token or None)


def process_info(body: bytes) -> ProcessInfo:
    """DescribeWorkflowExecution."""
    description = _read_description(body)
    counts = description.open_counts
    try:
        settings = read_settings(description.execution_configuration, PROCESS_SETTINGS)
    except MALFORMED as error:
        raise BackendError(f"Amazon SWF sent settings that cannot be read: {error}: {show(body, 1_000)}") from error
    open_counts = OpenCounts(
        activities=counts.open_activity_tasks or 0,
        decisions=counts.open_decision_tasks or 0,
        timers=counts.open_timers or 0,
        children=counts.open_child_workflow_executions or 0,
    )
    return _info(
        description.execution_info,
        **settings,
        open_counts=open_counts,
        execution_context=description.latest_execution_context,
    )


def process_page(body: bytes) -> ProcessPage:
    """ListOpenWorkflowExecutions and ListClosedWorkflowExecutions; the settings of the processes are not told."""
    infos = _read_infos(body)
    return ProcessPage(
        processes=[_info(info) for info in infos.execution_infos or ()], next_token=infos.next_page_token or None
    )


def count(body: bytes) -> Count:
    """CountOpen- and CountClosedWorkflowExecutions, CountPendingDecision- and CountPendingActivityTasks."""
    found = _read_count(body)
    return Count(count=found.count or 0, truncated=found.truncated or False)


def _info(info: _Info, **more: Any) -> ProcessInfo:
    return ProcessInfo(
        process=info.execution.ref,
        workflow=info.workflow_type.ref,
        status=info.close_status or ProcessStatus.OPEN,
        started_at=read_time(info.start_timestamp),
        closed_at=None if info.close_timestamp is None else read_time(info.close_timestamp),
        tags=info.tag_list or (),
        parent=None if info.parent is None else info.parent.ref,
        cancel_requested=info.cancel_requested or False,
        **more,
    )


def _events(history: _History) -> tuple[AnyEvent, ...]:
    return tuple(map(decode_event, history.events or ()))


# --- types -----------------------------------------------------------------------------------------------


def workflow_type(body: bytes) -> WorkflowType:
    """DescribeWorkflowType."""
    found = _read_type(body)
    return WorkflowType(
        ref=_type_ref(found.type_info.workflow_type, body),
        description=found.type_info.description,
        deprecated=found.type_info.status == "DEPRECATED",
        **_defaults(found, PROCESS_SETTINGS, body),
    )


def activity_type(body: bytes) -> ActivityType:
    """DescribeActivityType."""
    found = _read_type(body)
    return ActivityType(
        ref=_type_ref(found.type_info.activity_type, body),
        description=found.type_info.description,
        deprecated=found.type_info.status == "DEPRECATED",
        **_defaults(found, ACTIVITY_SETTINGS, body),
    )


def _type_ref(found: _Type | None, body: bytes) -> TypeRef:
    if found is None:
        raise BackendError(f"Amazon SWF described another kind of type than was asked for: {show(body, 1_000)}")
    return found.ref


def _defaults(found: _TypeDescription, settings: tuple[Setting, ...], body: bytes) -> dict[str, Any]:
    try:
        return read_defaults(found.configuration or {}, settings)
    except MALFORMED as error:
        raise BackendError(f"Amazon SWF sent defaults that cannot be read: {error}: {show(body, 1_000)}") from error


def _seconds(timeout: float | UnsetType | None) -> float | None:
    return None if isinstance(timeout, UnsetType) else timeout
