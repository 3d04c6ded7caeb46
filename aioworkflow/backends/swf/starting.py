"""Starting a process without starting it twice.

Amazon SWF knows no token by which a repeated start is recognized. So if the reply to a start was lost, the process is
looked for, among those with its id, open and closed, that were started since. One with the same workflow, input and
tags is taken for ours. Only if there is none, the start is made again; if that is refused because a process with this
id is open, that may be ours after all, and it is looked for again, as lists lag behind.

What remains: a process that is started, closed and missing from the lists until the second start is started twice.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from ...backend import ProcessFilter, ProcessInfo, StartRequest
from ...errors import BackendUnavailableError, ProcessAlreadyRunningError, UnknownResourceError
from ...event import ProcessStartedEvent
from ...types import ProcessRef, ProcessStatus
from . import decode, encode
from .calls import Calls, DoubtfulError, Repeat
from .visibility import listed

__all__ = ["Starter"]

_logger = logging.getLogger("aioworkflow.swf")

_SKEW = timedelta(minutes=5)
"""By how much this clock and Amazon's may differ; beyond, no signature is valid."""

_UNSURE = timedelta(seconds=2)
"""How well the difference is known, from replies that say the second."""

_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each look at the lists."""


class Starter:
    """Starts processes in one domain."""

    def __init__(self, calls: Calls, domain: str, *, lambda_role: str | None) -> None:
        self._calls = calls
        self._domain = domain
        self._lambda_role = lambda_role

    async def start(self, request: StartRequest) -> ProcessRef:
        """Start a process and return its run; see :meth:`aioworkflow.backend.Backend.start_process`."""
        parameters = encode.start_process(self._domain, request, lambda_role=self._lambda_role)
        began = self._calls.time.wall()
        try:
            return await self._start(request, parameters)
        except DoubtfulError as fault:
            try:
                return await self._find_or_start(request, parameters, began, fault)
            except BackendUnavailableError as error:
                raise BackendUnavailableError(
                    f"process {request.process_id!r} ({request.workflow}) may have been started, or not: no reply "
                    f"came, and no list shows it yet ({error}). A handle on its id tells later"
                ) from error

    async def _start(self, request: StartRequest, parameters: encode.Parameters) -> ProcessRef:
        subject = f"{request.workflow}, process {request.process_id!r}"
        body = await self._calls("StartWorkflowExecution", parameters, subject, repeat=Repeat.UNDOUBTED)
        try:
            return ProcessRef(request.process_id, decode.run_id(body))
        except BackendUnavailableError as error:
            raise DoubtfulError(str(error)) from error

    async def _find_or_start(
        self, request: StartRequest, parameters: encode.Parameters, began: datetime, fault: DoubtfulError
    ) -> ProcessRef:
        _logger.warning("the reply to the start of process %r was lost; looking for it: %s", request.process_id, fault)
        refused: ProcessAlreadyRunningError | None = None
        for pause in _PAUSES:
            await self._calls.time.sleep(pause)
            runs = await self._runs(request, began)
            since = began + timedelta(seconds=self._calls.server_ahead) - _UNSURE
            unsure = False
            for info in runs:
                if info.started_at >= since:
                    is_ours = await self._is_ours(info, request)
                    if is_ours:
                        return info.process
                    unsure = unsure or is_ours is None
            if unsure:
                continue
            if refused is not None and any(info.status is ProcessStatus.OPEN for info in runs):
                raise refused
            try:
                return await self._start(request, parameters)
            except DoubtfulError as again:
                fault = again
            except ProcessAlreadyRunningError as again:
                refused = again
        raise fault

    async def _runs(self, request: StartRequest, began: datetime) -> list[ProcessInfo]:
        """Return the runs with this id that the lists show."""
        filter = ProcessFilter(process_id=request.process_id, started_after=began - _SKEW)
        subject = f"process {request.process_id!r}"
        found: list[ProcessInfo] = []
        for call, parameters in (
            ("ListOpenWorkflowExecutions", encode.open_processes(self._domain, filter)),
            ("ListClosedWorkflowExecutions", encode.closed_processes(self._domain, filter)),
        ):
            found += [info async for info in listed(self._calls, call, parameters, subject)]
        return [info for info in found if info.process.process_id == request.process_id]

    async def _is_ours(self, info: ProcessInfo, request: StartRequest) -> bool | None:
        """Tell whether a run is the one that was asked for; None while its history cannot be seen."""
        if info.workflow != request.workflow or info.tags != tuple(request.tags) or info.parent is not None:
            return False
        parameters = encode.history(self._domain, info.process, page_size=1)
        try:
            body = await self._calls("GetWorkflowExecutionHistory", parameters, f"process {info.process}")
        except UnknownResourceError:
            return None
        events = decode.history_page(body).events
        if not events:
            return None
        first = events[0]
        return (
            isinstance(first, ProcessStartedEvent)
            and first.input_json == request.input_json
            and first.continued_run_id is None
        )
