"""The backend: the port to whatever keeps history and hands out tasks.

Workers and clients are generic over :class:`Backend`. Implementations are the local backend (memory, SQLite,
PostgreSQL) and Amazon SWF; ``aioworkflow.testing.conformance`` holds them to the promises below.

All methods may raise :class:`BackendUnavailableError` for passing faults, :class:`BackendClosedError` outside ``async
with``, and :class:`InvalidRequestError` for arguments that break a rule; then nothing was changed. A call that is
*cancelled* while it waits may or may not have taken effect, as with any call over a network, unless its docstring says
more.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self, cast

import msgspec

from .activity import ActivityResult
from .checks import show
from .decision import Decision
from .errors import InvalidRequestError
from .event import AnyEvent
from .task import ActivityTask, DecisionTask
from .types import UNSET, ActivityType, ChildPolicy, ProcessRef, ProcessStatus, TypeRef, UnsetType, WorkflowType

__all__ = [
    "Backend",
    "Interruption",
    "OnInterrupt",
    "OpenCounts",
    "ProcessFilter",
    "ProcessInfo",
    "ProcessPage",
    "StartRequest",
    "check_backend",
]


class Interruption(enum.Enum):
    """What a backend may tell the holder of an activity task before its next heartbeat."""

    CANCEL_REQUESTED = "cancel requested"
    CLOSED = "closed"
    """The task timed out or its process closed; no answer is wanted any more."""


OnInterrupt = Callable[[str, Interruption], None]
"""Called with the token of the task; must not block and must not raise."""


class StartRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What it takes to start a process. UNSET settings come from the workflow's registered defaults."""

    process_id: str
    workflow: TypeRef
    input_json: str | None = None
    tags: tuple[str, ...] = ()
    task_list: str | UnsetType = UNSET
    task_priority: int | UnsetType = UNSET
    execution_timeout: float | UnsetType | None = UNSET
    decision_timeout: float | UnsetType | None = UNSET
    child_policy: ChildPolicy | UnsetType = UNSET


class OpenCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many things of each kind are open in a process (swf-reference 1.5)."""

    activities: int = 0
    decisions: int = 0
    timers: int = 0
    children: int = 0


class ProcessInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a backend knows of a run without reading its history (swf-reference 1.5).

    ``open_counts`` and ``execution_context`` are only filled by :meth:`Backend.process_info`.
    """

    process: ProcessRef
    workflow: TypeRef
    status: ProcessStatus
    started_at: datetime
    closed_at: datetime | None = None
    tags: tuple[str, ...] = ()
    parent: ProcessRef | None = None
    cancel_requested: bool = False
    task_list: str = ""
    task_priority: int = 0
    execution_timeout: float | None = None
    decision_timeout: float | None = None
    child_policy: ChildPolicy = ChildPolicy.TERMINATE
    open_counts: OpenCounts | None = None
    execution_context: str | None = None


class ProcessFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which processes to list or count; all that are given must hold.

    Times are aware, lower bounds inclusive, upper exclusive.
    """

    process_id: str | None = None
    workflow: str | None = None
    workflow_version: str | None = None
    tag: str | None = None
    status: ProcessStatus | None = None
    closed: bool | None = None
    started_after: datetime | None = None
    started_before: datetime | None = None
    closed_after: datetime | None = None
    closed_before: datetime | None = None


class ProcessPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a listing, latest start first, and the token of the next page, if there is one."""

    processes: Sequence[ProcessInfo]
    next_token: str | None = None


class Backend(Protocol):
    """Keeps history, hands out tasks. An async context manager; most methods need it entered."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None: ...

    @property
    def polls_can_be_cancelled(self) -> bool:
        """Whether a poll that is cancelled loses no task.

        It raises CancelledError, and another poll gets the task, or it returns the task all the same. Workers never
        cancel polls of other backends; they let them end.
        """
        ...

    @property
    def sticky_seconds(self) -> float | None:
        """How long a decision task should be kept for the worker that has its process in memory, in seconds.

        It then waits at a task list of that worker's own, before any other may take it. None where a history is read
        at little cost, so that this is not worth the while.
        """
        ...

    async def register_workflow(self, workflow: WorkflowType) -> None:
        """Make a workflow known.

        Repeating it is harmless; other defaults for the same name and version replace the old ones where the backend
        can (SWF cannot, and warns).
        """

    async def register_activity(self, activity: ActivityType) -> None:
        """Make an activity known; as :meth:`register_workflow`."""

    async def start_process(self, request: StartRequest) -> ProcessRef:
        """Start a process and return its run; durable when it returns.

        Raises:
            ProcessAlreadyRunningError: A process with this id is open.
            UnknownTypeError: The workflow is not registered.
            TypeDeprecatedError: It takes no new work.
            DefaultUndefinedError: A setting is neither given nor has a default.
        """
        ...

    async def signal_process(self, process: ProcessRef, signal: str, input_json: str | None = None) -> None:
        """Add a signal to the history of an open process; accepted signals are never lost and keep their order.

        Raises:
            UnknownProcessError: There is no such open process (or this run of it is closed).
        """

    async def cancel_process(self, process: ProcessRef, details_json: str | None = None) -> None:
        """Ask the decider of an open process to end it. Raises as :meth:`signal_process`."""

    async def terminate_process(
        self,
        process: ProcessRef,
        *,
        reason: str | None = None,
        details_json: str | None = None,
        child_policy: ChildPolicy | None = None,
    ) -> None:
        """Close an open process at once, without its decider. Raises as :meth:`signal_process`."""

    async def poll_decision_task(
        self, task_list: str, *, identity: str | None = None, new_events_only: bool = False
    ) -> DecisionTask | None:
        """Wait for a decision task, up to the backend's poll time (60 s on SWF); None if none came.

        Args:
            task_list: The queue to wait at.
            identity: Who asks, for the history; up to 256 characters.
            new_events_only: Leave out events before the previous DecisionStartedEvent (which is included).

        Cancelling a poll loses no task if :attr:`polls_can_be_cancelled`; otherwise let it end instead.
        """

    async def complete_decision_task(
        self,
        token: str,
        decisions: Sequence[Decision] = (),
        *,
        execution_context: str | None = None,
        task_list: str | None = None,
        task_list_schedule_to_start_timeout: float | None = None,
    ) -> None:
        """Answer a decision task; applied as a whole, in order, or not at all.

        Args:
            token: Of the task.
            decisions: With ids filled in. Each succeeds or fails on its own, told by events.
            execution_context: A note that :meth:`process_info` shows.
            task_list: Where later decision tasks of this run wait (sticky deciders).
            task_list_schedule_to_start_timeout: Seconds after which a task not taken there goes back to the old list.

        Raises:
            UnknownTaskError: The task timed out, was answered, or its process is closed.
            InvalidDecisionError: The batch breaks a rule (swf-reference 3); the task stays open.
        """

    async def poll_activity_task(
        self, task_list: str, *, identity: str | None = None, on_interrupt: OnInterrupt | None = None
    ) -> ActivityTask | None:
        """Wait for an activity task; as :meth:`poll_decision_task`.

        A backend that learns of a cancellation or of the end of the task before the next heartbeat calls
        ``on_interrupt``, from the time when the task is handed out (perhaps before this call returns) until it is
        closed or handed off.
        """

    async def heartbeat_activity_task(self, token: str, details_json: str | None = None) -> bool:
        """Tell that the work goes on; return whether its cancellation is asked for.

        Raises:
            UnknownTaskError: The task is closed; stop working on it.
        """
        ...

    async def complete_activity_task(self, token: str, result: ActivityResult) -> None:
        """Tell how the work ended, from any OS process.

        Raises:
            UnknownTaskError: The task is closed.
        """

    async def hand_off_activity_task(self, token: str) -> None:
        """Tell that the work goes on elsewhere: the task no longer depends on the life of this backend object.

        Whoever has the token goes on with heartbeats, where the task has a heartbeat timeout, and completes it.

        Raises:
            UnknownTaskError: The task is closed.
        """

    async def process_info(self, process: ProcessRef) -> ProcessInfo:
        """Describe a run; without a run id the open one, else the latest.

        Raises:
            UnknownProcessError: There is none.
        """
        ...

    def history(self, process: ProcessRef, *, after: int = 0) -> AsyncIterator[Sequence[AnyEvent]]:
        """Iterate over the events of a run with ids above ``after``, in ascending order, in pages."""
        ...

    async def wait_process(self, process: ProcessRef) -> AnyEvent:
        """Wait until the run is closed and return its last event, one of ``CLOSING_EVENTS``.

        Raises:
            UnknownProcessError: There is none.
        """
        ...

    async def list_processes(
        self, filter: ProcessFilter, *, page_size: int = 100, page_token: str | None = None
    ) -> ProcessPage:
        """Return one page of the processes that match."""
        ...

    async def count_processes(self, filter: ProcessFilter) -> int:
        """Return how many processes match."""
        ...


_VERBS = [name for name, member in vars(Backend).items() if callable(member) and not name.startswith("_")]


def check_backend(value: object) -> Backend:
    """Return ``value`` if it has all the methods of a backend.

    Raises:
        InvalidRequestError: It has not; the message says which are missing, unless that is most of them.
    """
    missing = _VERBS if isinstance(value, type) else [name for name in _VERBS if not hasattr(value, name)]
    if not missing:
        return cast("Backend", value)
    lacks = f", which lacks {', '.join(missing)}" if len(missing) < len(_VERBS) / 2 else ""
    raise InvalidRequestError(f"backend must be a backend, as connect(url) returns one, not {show(value)}{lacks}")
