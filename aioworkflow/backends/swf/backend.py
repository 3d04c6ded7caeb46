"""The Amazon SWF backend: every verb is one call of the service, or a few.

What happens to a process is Amazon's affair. Here is only what a client must see to: translation (:mod:`.encode`,
:mod:`.decode`), connections (:mod:`.clients`), faults and quotas (:mod:`.calls`, :mod:`.throttle`), and polls that lose
nothing (:mod:`.polls`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from ...activity import ActivityAborted, ActivityFailed, ActivityResult
from ...backend import OnInterrupt, ProcessFilter, ProcessInfo, ProcessPage, StartRequest
from ...checks import show
from ...decision import Decision
from ...errors import (
    BackendClosedError,
    InvalidRequestError,
    ProcessAlreadyRunningError,
    UnknownResourceError,
    UnknownTaskError,
)
from ...event import AnyEvent
from ...payload import Json
from ...task import ActivityTask, DecisionTask
from ...types import UNSET, ActivityType, ChildPolicy, ProcessRef, WorkflowType
from . import decode, encode
from .calls import Calls, Repeat
from .clients import Access, Clients, Transport
from .deadlines import Deadlines
from .limits import check_name
from .options import SWFOptions
from .polls import Polls
from .registration import Registration
from .runs import Runs
from .starting import Starter
from .throttle import Throttle
from .time import LoopTime, Time
from .visibility import Visibility

__all__ = ["SWFBackend"]

_logger = logging.getLogger("aioworkflow.swf")

T = TypeVar("T")

_QUOTA_SHARE = 0.8
_ABORTED = ActivityAborted(reason="worker shutdown")


class SWFBackend:
    """Processes in a domain of Amazon SWF; implements :class:`aioworkflow.backend.Backend`.

    Args:
        domain: Its name.
        region: As ``"eu-west-1"``; like the profile, it is found as by all tools of AWS if it is not given.
        profile: Of the AWS configuration.
        endpoint_url: Of a local server, or of a VPC endpoint.
        options: Everything else.
        transport: What makes the calls in place of aiobotocore's clients, in tests.
        time: Its time; real time if it is not given.

    Raises:
        InvalidRequestError: An argument breaks a rule.
    """

    def __init__(
        self,
        domain: str,
        *,
        region: str | None = None,
        profile: str | None = None,
        endpoint_url: str | None = None,
        options: SWFOptions | None = None,
        transport: Transport | None = None,
        time: Time | None = None,
    ) -> None:
        self._domain = check_name(domain, "domain")
        self._access = Access(region=region, profile=profile, endpoint_url=endpoint_url)
        self._options = options = options or SWFOptions()
        self._time = time or LoopTime()
        self._clients = Clients(self._access, read_timeout=options.read_timeout)
        self._opens_clients = transport is None
        share = options.quota_share
        if share is UNSET:
            share = None if self._access.is_local else _QUOTA_SHARE
        self._calls = Calls(
            transport or self._clients,
            Throttle(share, options.quotas, self._time),
            self._time,
            retry_seconds=options.retry_seconds,
        )
        self._registration = Registration(self._calls, self._domain)
        self._starter = Starter(self._calls, self._domain, lambda_role=options.lambda_role)
        self._runs = Runs(self._calls, self._domain, wait_seconds=options.wait_seconds)
        self._visibility = Visibility(self._calls, self._domain)
        self._decision_polls: Polls[DecisionTask] = Polls()
        self._activity_polls = Polls(self._hand_back)
        self._deadlines = Deadlines(self._time)
        self._entered = False
        self._open = False

    def __repr__(self) -> str:
        access = self._access
        where = ", ".join(str(part) for part in (access.region, access.endpoint_url) if part) or "default region"
        return f"<SWFBackend on domain {self._domain!r}, {where}, {'open' if self._open else 'closed'}>"

    # --- life --------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._entered:
            raise BackendClosedError("a backend object can be entered once; make another with connect()")
        self._entered = True
        if self._opens_clients:
            await self._clients.open()
        self._calls.closed = False
        try:
            if self._options.register_domain:
                await self._registration.register_domain(self._options.retention_days)
        except BaseException:
            await self._shut()
            raise
        self._open = True
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Take in what polls bring that are still in flight, and close the connections.

        Polls whose callers were cancelled are waited for, up to ``close_seconds``; a cancellation ends that too.
        """
        self._open = False
        self._calls.draining = True
        seconds = self._options.close_seconds
        try:
            await asyncio.gather(self._decision_polls.close(seconds), self._activity_polls.close(seconds))
        finally:
            await self._shut()

    async def _shut(self) -> None:
        self._calls.closed = True
        await self._clients.close()

    def _check_open(self) -> None:
        if not self._open:
            raise BackendClosedError("the backend is not open; use it inside its `async with` block")

    @property
    def polls_can_be_cancelled(self) -> bool:
        """False: Amazon SWF goes on with a poll that was cancelled, and its task would reach nobody. See
        :mod:`aioworkflow.backends.swf.polls` for what becomes of one all the same.
        """
        return False

    @property
    def sticky_seconds(self) -> float | None:
        """As the options say: reading a long history anew takes many calls."""
        return self._options.sticky_seconds

    # --- types and processes -----------------------------------------------------------------------------------------

    async def register_workflow(self, workflow: WorkflowType) -> None:
        """Register a workflow. One that is registered stays as it is; other defaults are a warning."""
        self._check_open()
        await self._registration.register_workflow(workflow)

    async def register_activity(self, activity: ActivityType) -> None:
        """Register an activity; as :meth:`register_workflow`."""
        self._check_open()
        await self._registration.register_activity(activity)

    async def start_process(self, request: StartRequest) -> ProcessRef:
        """Start a process, once even if replies are lost (see :mod:`aioworkflow.backends.swf.starting`)."""
        self._check_open()
        try:
            process = await self._starter.start(request)
        except ProcessAlreadyRunningError:
            self._runs.refused(request.process_id)
            raise
        self._runs.started(process)
        return process

    async def signal_process(self, process: ProcessRef, signal: str, input_json: str | None = None) -> None:
        """Add a signal to the history of an open process; if the reply is lost, perhaps twice."""
        self._check_open()
        parameters = encode.signal_process(self._domain, process, signal, input_json)
        await self._calls("SignalWorkflowExecution", parameters, f"signal {signal!r} to process {process}")

    async def cancel_process(self, process: ProcessRef, details_json: str | None = None) -> None:
        """Ask the decider of an open process to end it. Amazon SWF has no place for details; they are left out."""
        self._check_open()
        parameters = encode.cancel_process(self._domain, process)
        if details_json is not None:
            _logger.warning("process %s is cancelled without its details, which Amazon SWF cannot carry", process)
        await self._calls("RequestCancelWorkflowExecution", parameters, f"process {process}")

    async def terminate_process(
        self,
        process: ProcessRef,
        *,
        reason: str | None = None,
        details_json: str | None = None,
        child_policy: ChildPolicy | None = None,
    ) -> None:
        """Close an open process at once."""
        self._check_open()
        parameters = encode.terminate_process(
            self._domain, process, reason=reason, details_json=details_json, child_policy=child_policy
        )
        await self._calls("TerminateWorkflowExecution", parameters, f"process {process}")

    # --- tasks -------------------------------------------------------------------------------------------------------

    async def poll_decision_task(
        self, task_list: str, *, identity: str | None = None, new_events_only: bool = False
    ) -> DecisionTask | None:
        """Wait for a decision task and read all its events, whatever number of pages they take."""
        self._check_open()
        parameters = encode.poll_decision_task(
            self._domain, task_list, identity=identity, new_events_only=new_events_only
        )
        return await self._decision_polls.poll(
            (task_list, new_events_only), lambda: _readable(self._poll_decision, parameters, task_list)
        )

    async def _poll_decision(self, parameters: encode.Parameters, task_list: str) -> DecisionTask | None:
        subject = f"task list {task_list!r}"
        page = decode.decision_page(await self._calls("PollForDecisionTask", parameters, subject, repeat=Repeat.NEVER))
        if page is None:
            return None
        began = self._time.now()
        events = list(page.events)
        next_token = page.next_token
        while next_token is not None:
            try:
                body = await self._calls("PollForDecisionTask", {**parameters, "nextPageToken": next_token}, subject)
            except UnknownResourceError:
                following = None
            else:
                following = decode.decision_page(body)
            if following is None:
                _logger.warning("a decision task of process %s timed out before its history was read", page.process)
                return None
            events += following.events
            next_token = following.next_token
        task = page.task(events)
        self._deadlines.add(task, began)
        return task

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
        self._check_open()
        parameters = encode.complete_decision_task(
            token,
            decisions,
            execution_context=execution_context,
            task_list=task_list,
            task_list_schedule_to_start_timeout=task_list_schedule_to_start_timeout,
            lambda_role=self._options.lambda_role,
        )
        until = self._deadlines.get(token)
        await self._calls("RespondDecisionTaskCompleted", parameters, _task(token), until=until)
        self._deadlines.discard(token)

    async def poll_activity_task(
        self, task_list: str, *, identity: str | None = None, on_interrupt: OnInterrupt | None = None
    ) -> ActivityTask | None:
        """Wait for an activity task. Amazon SWF tells its holder nothing but in reply to heartbeats, so
        ``on_interrupt`` is never called.
        """
        self._check_open()
        parameters = encode.poll_activity_task(self._domain, task_list, identity=identity)
        return await self._activity_polls.poll(task_list, lambda: _readable(self._poll_activity, parameters, task_list))

    async def _poll_activity(self, parameters: encode.Parameters, task_list: str) -> ActivityTask | None:
        body = await self._calls("PollForActivityTask", parameters, f"task list {task_list!r}", repeat=Repeat.NEVER)
        return decode.activity_task(body, self._registration.activities)

    async def heartbeat_activity_task(self, token: str, details_json: str | None = None) -> bool:
        """Tell that the work goes on. After a fault this is not tried again here: the caller knows how long it may."""
        self._check_open()
        parameters = encode.heartbeat_activity_task(token, details_json)
        body = await self._calls("RecordActivityTaskHeartbeat", parameters, _task(token), repeat=Repeat.NEVER)
        return decode.cancel_requested(body)

    async def complete_activity_task(self, token: str, result: ActivityResult) -> None:
        """Tell how the work ended."""
        self._check_open()
        await self._tell(token, result)

    async def _tell(self, token: str, result: ActivityResult) -> None:
        call, parameters = encode.complete_activity_task(token, result)
        try:
            await self._calls(call, parameters, _task(token))
        except UnknownTaskError:
            if not isinstance(result, ActivityAborted):
                raise
            # Amazon's documents forbid to tell of an abort that nobody asked for, and do not say what it does then.
            details = None if result.details_json is None else Json(result.details_json)
            await self._tell(token, ActivityFailed(reason=result.reason or "aborted", details=details))

    async def _hand_back(self, task: ActivityTask) -> None:
        _logger.warning("activity %s of process %s came when nobody waited for it", task.activity, task.process)
        try:
            await self._tell(task.token, _ABORTED)
        except UnknownTaskError:
            _logger.info("activity %s of process %s was closed before", task.activity, task.process)

    async def hand_off_activity_task(self, token: str) -> None:
        """Tell that the work goes on elsewhere. No task depends on this object; the heartbeat that is sent gives who
        goes on the whole heartbeat timeout, and finds out whether the task is still open.
        """
        self._check_open()
        await self._calls(
            "RecordActivityTaskHeartbeat", encode.heartbeat_activity_task(token), _task(token), repeat=Repeat.ALWAYS
        )

    # --- what is there -----------------------------------------------------------------------------------------------

    async def process_info(self, process: ProcessRef) -> ProcessInfo:
        """Describe a run; without a run id the open one, else the latest."""
        self._check_open()
        return await self._runs.info(process)

    async def history(self, process: ProcessRef, *, after: int = 0) -> AsyncIterator[Sequence[AnyEvent]]:
        """Iterate over the events of a run, in pages."""
        self._check_open()
        async for page in self._runs.history(process, _check_after(after)):
            yield page

    async def wait_process(self, process: ProcessRef) -> AnyEvent:
        """Wait until the run is closed and return its last event."""
        self._check_open()
        return await self._runs.wait(process)

    async def list_processes(
        self, filter: ProcessFilter, *, page_size: int = 100, page_token: str | None = None
    ) -> ProcessPage:
        """Return one page of the processes that match: open ones, then closed ones.

        Raises:
            InvalidRequestError: Amazon SWF cannot look for such a combination; the message says for which it can.
        """
        self._check_open()
        return await self._visibility.page(filter, page_size, page_token)

    async def count_processes(self, filter: ProcessFilter) -> int:
        """Return how many processes match; raises as :meth:`list_processes`."""
        self._check_open()
        return await self._visibility.count(filter)


def _check_after(after: Any) -> int:
    if type(after) is not int or after < 0:
        raise InvalidRequestError(f"after must be the id of an event or 0, not {show(after)}")
    return after


async def _readable(
    poll: Callable[[encode.Parameters, str], Awaitable[T | None]], parameters: encode.Parameters, task_list: str
) -> T | None:
    """Return what a poll brings; a task that cannot be read is left to time out, and does not end the worker."""
    try:
        return await poll(parameters, task_list)
    except decode.UnreadableTaskError as error:
        _logger.error("a task is left to time out: %s", error)
        return None


def _task(token: object) -> str:
    return f"task {show(token, 24)}"
