"""Runs: what is known of them, their histories, and waiting for their end.

Amazon's lists and histories lag behind (swf-reference 2): a run that was just started may be unknown. So one that this
backend has started is asked for again for some seconds before it is said not to exist.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TypeVar

from ...backend import ProcessFilter, ProcessInfo
from ...errors import ThrottledError, UnknownProcessError
from ...event import CLOSING_EVENTS, AnyEvent
from ...types import ProcessRef
from . import decode, encode
from .calls import Calls
from .limits import PAGE_LIMIT, check_process
from .visibility import listed

__all__ = ["Runs"]

_logger = logging.getLogger("aioworkflow.swf")

T = TypeVar("T")

_FRESH_SECONDS = 10.0
"""How long lists and histories may lag behind."""

_LOOK_AGAIN = 0.25
_GAP_PAGE = 100
"""Events on a page where a few of the latest are wanted, more likely than many."""

_FIRST_WAIT = 0.2
_LONGER = 1.5


class Runs:
    """Asks for the runs of one domain."""

    def __init__(self, calls: Calls, domain: str, *, wait_seconds: float) -> None:
        self._calls = calls
        self._time = calls.time
        self._domain = domain
        self._wait_seconds = wait_seconds
        self._fresh: dict[str, tuple[ProcessRef, float]] = {}

    def started(self, process: ProcessRef) -> None:
        """Note that a run was just started."""
        now = self._time.now()
        while self._fresh and next(iter(self._fresh.values()))[1] <= now:
            del self._fresh[next(iter(self._fresh))]
        self._fresh.pop(process.process_id, None)
        self._fresh[process.process_id] = process, now + _FRESH_SECONDS

    def refused(self, process_id: str) -> None:
        """Note that a start was refused, so some run with this id is open, though no list may show it yet."""
        if process_id not in self._fresh:
            self.started(ProcessRef(process_id))

    async def info(self, process: ProcessRef) -> ProcessInfo:
        """Describe a run; see :meth:`aioworkflow.backend.Backend.process_info`."""
        run = await self.find(process)
        parameters = encode.describe_process(self._domain, run)
        body = await self._patiently(
            run, lambda: self._calls("DescribeWorkflowExecution", parameters, f"process {process}")
        )
        return decode.process_info(body)

    async def history(self, process: ProcessRef, after: int) -> AsyncIterator[Sequence[AnyEvent]]:
        """Yield pages of events; see :meth:`aioworkflow.backend.Backend.history`.

        Few events are expected behind a given one, so those are read from the end, as far as needed.
        """
        run = await self.find(process)
        if after:
            if events := await self._latest_events(run, after):
                yield events
            return
        token: str | None = None
        while True:
            page = await self._page(run, page_token=token)
            if page.events:
                yield page.events
            token = page.next_token
            if token is None:
                return

    async def wait(self, process: ProcessRef) -> AnyEvent:
        """Wait until a run is closed; see :meth:`aioworkflow.backend.Backend.wait_process`.

        It is looked at in pauses that grow with the time it takes, up to ``wait_seconds``: Amazon allows an account 60
        looks at a history in a second. Where many wait, so that there is no turn for all, the pauses grow faster.
        """
        run = await self.find(process)
        pause = _FIRST_WAIT
        while True:
            try:
                last = await self._last_event(run)
            except ThrottledError as error:
                _logger.debug("waiting for process %s: %s", run, error)
                pause *= 2.0
            else:
                if isinstance(last, CLOSING_EVENTS):
                    return last
            pause = min(pause, self._wait_seconds)
            await self._time.sleep(pause / 2 + self._time.jitter(pause / 2))
            pause *= _LONGER

    async def find(self, process: ProcessRef) -> ProcessRef:
        """Return which run is meant: without a run id the open one, else the latest.

        Raises:
            UnknownProcessError: There is none.
        """
        process = check_process(process)
        if process.run_id:
            return process
        filter = ProcessFilter(process_id=process.process_id)
        run = await self._open_run(process, encode.open_processes(self._domain, filter))
        if run is None:
            parameters = encode.closed_processes(self._domain, filter)
            run = await self._latest("ListClosedWorkflowExecutions", parameters, process)
        if run is None:
            raise UnknownProcessError(f"there is no process {process}, or it is no longer kept")
        return run

    async def _open_run(self, process: ProcessRef, parameters: encode.Parameters) -> ProcessRef | None:
        while True:
            run = await self._latest("ListOpenWorkflowExecutions", parameters, process)
            known, until = self._fresh.get(process.process_id, (None, 0.0))
            if run is not None or known is None or self._time.now() >= until:
                return run
            if known.run_id:
                return known
            await self._time.sleep(_LOOK_AGAIN)

    async def _latest(self, call: str, parameters: encode.Parameters, process: ProcessRef) -> ProcessRef | None:
        async with aclosing(listed(self._calls, call, parameters, f"process {process}", page_size=1)) as found:
            async for info in found:
                if info.process.process_id == process.process_id:
                    return info.process
        return None

    async def _latest_events(self, run: ProcessRef, after: int) -> list[AnyEvent]:
        found: list[AnyEvent] = []
        token: str | None = None
        while True:
            page = await self._page(run, reverse=True, page_size=_GAP_PAGE, page_token=token)
            new = [event for event in page.events if event.event_id > after]
            found += new
            token = page.next_token
            if token is None or len(new) < len(page.events):
                return found[::-1]

    async def _last_event(self, run: ProcessRef) -> AnyEvent:
        token: str | None = None
        while True:
            page = await self._page(run, reverse=True, page_size=1, page_token=token)
            if page.events:
                return max(page.events, key=lambda event: event.event_id)
            token = page.next_token
            if token is None:
                raise UnknownProcessError(f"process {run} has no history")

    async def _page(
        self, run: ProcessRef, *, reverse: bool = False, page_size: int = PAGE_LIMIT, page_token: str | None
    ) -> decode.HistoryPage:
        parameters = encode.history(self._domain, run, reverse=reverse, page_size=page_size, page_token=page_token)
        body = await self._patiently(
            run, lambda: self._calls("GetWorkflowExecutionHistory", parameters, f"process {run}")
        )
        return decode.history_page(body)

    async def _patiently(self, run: ProcessRef, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask again for some time if a run is unknown that was just started."""
        while True:
            try:
                return await ask()
            except UnknownProcessError:
                fresh, until = self._fresh.get(run.process_id, (None, 0.0))
                if fresh != run or self._time.now() >= until:
                    raise
            await self._time.sleep(_LOOK_AGAIN)
