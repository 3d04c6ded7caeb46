"""The client: starts processes, and asks and tells them things from outside.

::

    client = Client(backend)
    handle = await client.start(OrderWorkflow, input={"item": 7}, id="order-17", tags=["vip"])
    await handle.signal("paid", {"cents": 500})
    print(await handle.result())
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, Literal, TypedDict, TypeVar, Unpack, cast, overload

from .backend import Backend, ProcessFilter, ProcessInfo, StartRequest, check_backend
from .checks import check_label, check_name, check_process, check_reason, check_setting, check_tags, show
from .errors import (
    BackendError,
    InvalidRequestError,
    ProcessAlreadyRunningError,
    ProcessCanceledError,
    ProcessFailedError,
    ProcessNotCompletedError,
    ProcessTerminatedError,
    ProcessTimedOutError,
    UnknownProcessError,
)
from .event import (
    AnyEvent,
    ProcessCanceledEvent,
    ProcessCompletedEvent,
    ProcessContinuedAsNewEvent,
    ProcessFailedEvent,
    ProcessTerminatedEvent,
    ProcessTimedOutEvent,
)
from .payload import check_type, decode, encode_optional
from .process import Process
from .types import UNSET, ChildPolicy, Duration, ProcessRef, ProcessStatus, TypeRef, UnsetType
from .workflow import WorkflowLike, workflow_settings

__all__ = ["Client", "ProcessHandle", "ProcessQuery"]

T = TypeVar("T")


class ProcessQuery(TypedDict, total=False):
    """Which processes are meant; all that is given must hold.

    Attributes:
        id: Their process id.
        workflow: A workflow or the name of one, in any version; a :class:`TypeRef` also says which version.
        tag: One of their tags.
        status: Where they stand.
        closed: Whether they are closed, however.
        started_after: Aware; inclusive.
        started_before: Aware; exclusive.
        closed_after: As ``started_after``.
        closed_before: As ``started_before``.
    """

    id: str
    workflow: WorkflowLike
    tag: str
    status: ProcessStatus
    closed: bool
    started_after: datetime
    started_before: datetime
    closed_after: datetime
    closed_before: datetime


class Client:
    """Starts and finds processes.

    Args:
        backend: Where they are; must be open.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = check_backend(backend)

    async def start(
        self,
        workflow: WorkflowLike,
        input: object = None,
        *,
        id: str | None = None,
        tags: Iterable[str] = (),
        version: str | None = None,
        execution_timeout: Duration | UnsetType = UNSET,
        decision_timeout: Duration | UnsetType = UNSET,
        task_list: str | UnsetType = UNSET,
        task_priority: int | UnsetType = UNSET,
        child_policy: ChildPolicy | UnsetType = UNSET,
        if_open: Literal["raise", "attach"] = "raise",
    ) -> ProcessHandle:
        """Start a process; it is durable when this returns.

        Args:
            workflow: A class, an instance, or the name of one that some worker has registered.
            input: What its decider reads as ``process.input``.
            id: Unique among open processes; a random one if it is not given.
            tags: To find it by.
            version: Goes with a name.
            execution_timeout: Seconds or timedelta; like the following, it overrides the setting of the workflow.
            decision_timeout: The same.
            task_list: Where its decision tasks wait.
            task_priority: Higher is decided on earlier.
            child_policy: What becomes of its children if it is terminated or times out.
            if_open: ``"attach"`` returns the handle of the process with this id if it is open, whatever its input;
                ``"raise"`` is an error then. So a start can be repeated until one got through.

        Raises:
            InvalidRequestError: An argument breaks a rule.
            ProcessAlreadyRunningError: A process with this id is open; with ``"attach"``, one of another workflow.
            UnknownTypeError: The workflow is not registered.
            TypeDeprecatedError: It takes no new processes.
            DefaultUndefinedError: A setting is neither given nor has a default.
        """
        if if_open not in ("raise", "attach"):
            raise InvalidRequestError(f"if_open must be 'raise' or 'attach', not {show(if_open)}")
        own = workflow_settings(workflow, version)
        request = StartRequest(
            process_id=uuid.uuid4().hex if id is None else check_name(id, "id"),
            workflow=own.ref,
            input_json=encode_optional(input),
            tags=check_tags(tags),
            task_list=_setting(task_list, own.task_list, "task_list"),
            task_priority=_setting(task_priority, own.task_priority, "task_priority"),
            execution_timeout=_setting(execution_timeout, own.execution_timeout, "execution_timeout"),
            decision_timeout=_setting(decision_timeout, own.decision_timeout, "decision_timeout"),
            child_policy=_setting(child_policy, own.child_policy, "child_policy"),
        )
        try:
            ref = await self.backend.start_process(request)
        except ProcessAlreadyRunningError as error:
            if if_open == "raise":
                raise
            ref = await self._open_run(request, error)
        return ProcessHandle(self.backend, ref)

    async def _open_run(self, request: StartRequest, error: ProcessAlreadyRunningError) -> ProcessRef:
        """Return the run that was in the way of a start."""
        info = await self.backend.process_info(ProcessRef(request.process_id))
        if info.workflow.name != request.workflow.name:
            raise ProcessAlreadyRunningError(
                f"process {info.process} is of workflow {info.workflow}, not {request.workflow}"
            ) from error
        return info.process

    def handle(self, id: str, run_id: str | None = None) -> ProcessHandle:
        """Return the handle of a process; without a run id, of whichever run is open, else the latest.

        Nothing is asked yet.
        """
        return ProcessHandle(self.backend, check_process(ProcessRef(id, "" if run_id is None else run_id)))

    def processes(self, **query: Unpack[ProcessQuery]) -> AsyncIterator[ProcessInfo]:
        """Iterate over the processes that match, latest start first; see :class:`ProcessQuery`."""
        return self._pages(_filter(query))

    async def _pages(self, filter: ProcessFilter) -> AsyncIterator[ProcessInfo]:
        token = None
        while True:
            page = await self.backend.list_processes(filter, page_token=token)
            for info in page.processes:
                yield info
            token = page.next_token
            if token is None:
                return

    async def count(self, **query: Unpack[ProcessQuery]) -> int:
        """Return how many processes match; see :class:`ProcessQuery`."""
        return await self.backend.count_processes(_filter(query))


class ProcessHandle:
    """One process, from outside.

    A handle with a run id means that run, and where it was continued as new, signals, cancellations and ``result``
    follow.

    Attributes:
        ref: Which it is.
    """

    def __init__(self, backend: Backend, ref: ProcessRef) -> None:
        self.ref = ref
        self._backend = backend

    def __repr__(self) -> str:
        return f"<ProcessHandle {self.ref}>"

    @property
    def id(self) -> str:
        """The process id."""
        return self.ref.process_id

    @property
    def run_id(self) -> str:
        """The run id; empty if the handle means whichever run is open."""
        return self.ref.run_id

    @overload
    async def result(self, into: type[T]) -> T: ...
    @overload
    async def result(self, into: Any = Any) -> Any: ...
    async def result(self, into: Any = Any) -> Any:
        """Wait until the process is closed and return its result, as type ``into``.

        Raises:
            ProcessFailedError: It failed; likewise :class:`ProcessCanceledError`, :class:`ProcessTerminatedError` and
                :class:`ProcessTimedOutError`, all of them :class:`ProcessNotCompletedError`.
            UnknownProcessError: There is no such process.
            PayloadError: The result does not fit ``into``, or ``into`` is no type (which is found before waiting).
        """
        check_type(into)
        run = self.ref
        while True:
            event = await self._backend.wait_process(run)
            if isinstance(event, ProcessCompletedEvent):
                return decode("null" if event.result_json is None and into is not Any else event.result_json, into)
            if not isinstance(event, ProcessContinuedAsNewEvent):
                raise _not_completed(run, event)
            run = ProcessRef(run.process_id, event.new_run_id)

    async def info(self) -> ProcessInfo:
        """Return what is known of it without its history.

        Raises:
            UnknownProcessError: There is no such process.
        """
        return await self._backend.process_info(self.ref)

    @overload
    async def status(self, into: type[T]) -> T | None: ...
    @overload
    async def status(self, into: Any = Any) -> Any: ...
    async def status(self, into: Any = Any) -> Any:
        """Return what its workflow last said with ``set_status``, as type ``into``; None if it said nothing.

        Any decider may say it, see :attr:`Process.execution_context`. Raises as :meth:`info`; also

        Raises:
            PayloadError: It does not fit ``into``.
        """
        return decode((await self.info()).execution_context, into)

    async def process(self) -> Process:
        """Read its history, and return it as its decider would see it now. Raises as :meth:`info`."""
        run = self.ref if self.ref.run_id else (await self.info()).process
        return Process(run, [event async for event in ProcessHandle(self._backend, run).history()])

    async def history(self, *, after: int = 0) -> AsyncIterator[AnyEvent]:
        """Iterate over its events with ids above ``after``. Raises as :meth:`info`."""
        async for page in self._backend.history(self.ref, after=after):
            for event in page:
                yield event

    async def signal(self, name: str, data: object = None) -> None:
        """Add a signal to its history, which its decider reads.

        Raises:
            UnknownProcessError: There is no such open process.
            PayloadError: The data have no JSON form.
        """
        name = check_label(name, "name")
        data_json = encode_optional(data)
        await self._tell(lambda run: self._backend.signal_process(run, name, data_json))

    async def cancel(self, details: object = None) -> None:
        """Ask its decider to end it. Raises as :meth:`signal`."""
        details_json = encode_optional(details)
        await self._tell(lambda run: self._backend.cancel_process(run, details_json))

    async def terminate(
        self, reason: str | None = None, details: object = None, *, child_policy: ChildPolicy | None = None
    ) -> None:
        """Close it at once, without its decider. Raises as :meth:`signal`.

        Args:
            reason: Why, in one line (visibly cut to 256 characters).
            details: Anything that JSON can carry.
            child_policy: What becomes of its children; the setting of the process if it is not given.
        """
        reason, details_json = check_reason(reason), encode_optional(details)
        if child_policy is not None:
            check_setting(child_policy, "child_policy")
        await self._tell(
            lambda run: self._backend.terminate_process(
                run, reason=reason, details_json=details_json, child_policy=child_policy
            )
        )

    async def _tell(self, tell: Callable[[ProcessRef], Awaitable[None]]) -> None:
        """Tell the run, or the one that continues it."""
        run = self.ref
        while True:
            try:
                return await tell(run)
            except UnknownProcessError:
                if not run.run_id or (await self._backend.process_info(run)).status is not _CONTINUED:
                    raise
            ending = await self._backend.wait_process(run)
            assert isinstance(ending, ProcessContinuedAsNewEvent)
            run = ProcessRef(run.process_id, ending.new_run_id)


_CONTINUED = ProcessStatus.CONTINUED_AS_NEW


def _setting(given: Any, own: Any, field: str) -> Any:
    return own if given is UNSET else check_setting(given, field)


_KINDS: dict[str, type] = {
    "id": str,
    "tag": str,
    "status": ProcessStatus,
    "closed": bool,
    "started_after": datetime,
    "started_before": datetime,
    "closed_after": datetime,
    "closed_before": datetime,
}


def _filter(query: ProcessQuery) -> ProcessFilter:
    wanted: dict[str, Any] = {}
    for name, value in query.items():
        if name == "workflow":
            ref = workflow_settings(cast("WorkflowLike", value)).ref
            wanted["workflow"] = ref.name
            if isinstance(value, TypeRef):
                wanted["workflow_version"] = ref.version
        elif name not in _KINDS:
            raise InvalidRequestError(f"processes cannot be found by {name!r}; there are {', '.join(_QUERIES)}")
        elif value is not None:
            wanted["process_id" if name == "id" else name] = _checked(name, value)
    return ProcessFilter(**wanted)


_QUERIES = ("workflow", *_KINDS)


def _checked(name: str, value: object) -> object:
    kind = _KINDS[name]
    if not isinstance(value, kind):
        raise InvalidRequestError(f"{name} must be a {kind.__name__}, not {show(value)}")
    if isinstance(value, datetime) and value.utcoffset() is None:
        raise InvalidRequestError(f"{name} must have a time zone: {show(value)}")
    return value


def _not_completed(run: ProcessRef, event: AnyEvent) -> ProcessNotCompletedError:
    kind: type[ProcessNotCompletedError]
    reason, details = None, None
    match event:
        case ProcessFailedEvent():
            kind, how, reason, details = ProcessFailedError, "failed", event.reason, event.details
        case ProcessCanceledEvent():
            kind, how, details = ProcessCanceledError, "was canceled", event.details
        case ProcessTerminatedEvent():
            kind, how, reason, details = ProcessTerminatedError, "was terminated", event.reason, event.details
            if reason is None and event.cause is not None:
                reason = event.cause.value
        case ProcessTimedOutEvent():
            kind, how = ProcessTimedOutError, "timed out"
        case _:
            raise BackendError(f"the last event of process {run} is {show(event)}, which closes nothing")
    because = f": {reason}" if reason else ""
    return kind(
        f"process {run} {how}{because}",
        process_id=run.process_id,
        run_id=run.run_id,
        reason=reason,
        details=details,
    )
