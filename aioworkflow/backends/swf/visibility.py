"""Lists and counts of processes.

Amazon SWF keeps open and closed processes apart, and takes one of process id, workflow, tag and (for closed ones)
status at a time, together with one span of time, of starting or of closing (swf-reference 2.2). Where a filter asks
for both open and closed processes, the open ones come first, each kind latest start first.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from typing import NamedTuple

from ...backend import ProcessFilter, ProcessInfo, ProcessPage
from ...checks import show
from ...errors import InvalidRequestError
from ...types import ProcessStatus
from . import decode, encode
from .calls import Calls
from .limits import PAGE_TOKEN_LIMIT, check_text

__all__ = ["Visibility", "listed"]

_logger = logging.getLogger("aioworkflow.swf")


class _Side(NamedTuple):
    """One of the two lists, and what to ask of it."""

    mark: str
    name: str
    parameters: encode.Parameters


class Visibility:
    """Lists and counts the processes of one domain."""

    def __init__(self, calls: Calls, domain: str) -> None:
        self._calls = calls
        self._domain = domain

    async def page(self, filter: ProcessFilter, page_size: int, page_token: str | None) -> ProcessPage:
        """Return one page; see :meth:`aioworkflow.backend.Backend.list_processes`.

        The token is Amazon's behind a mark that says which of the two lists it belongs to.
        """
        sides = self._sides(filter)
        if page_token is not None:
            sides, token = _from_token(sides, page_token)
        elif not sides:
            return ProcessPage(processes=())
        else:
            token = None
        side, *following = sides
        body = await self._calls(
            f"List{side.name}WorkflowExecutions", {**side.parameters, **encode.page(page_size, token)}, _named(filter)
        )
        page = decode.process_page(body)
        if page.next_token is not None:
            return ProcessPage(processes=page.processes, next_token=side.mark + page.next_token)
        return ProcessPage(processes=page.processes, next_token=following[0].mark if following else None)

    async def count(self, filter: ProcessFilter) -> int:
        """Return how many there are; see :meth:`aioworkflow.backend.Backend.count_processes`."""
        total = 0
        for side in self._sides(filter):
            body = await self._calls(f"Count{side.name}WorkflowExecutions", side.parameters, _named(filter))
            found = decode.count(body)
            total += found.count
            if found.truncated:
                _logger.warning("Amazon SWF stopped counting: there are more than %d of %s", total, _named(filter))
        return total

    def _sides(self, filter: ProcessFilter) -> list[_Side]:
        wants_open = filter.status in (None, ProcessStatus.OPEN) and filter.closed is not True
        wants_closed = filter.status is not ProcessStatus.OPEN and filter.closed is not False
        if filter.closed_after is not None or filter.closed_before is not None:
            wants_open = False
        sides = []
        if wants_open:
            sides.append(_Side(_OPEN, "Open", encode.open_processes(self._domain, filter)))
        if wants_closed:
            sides.append(_Side(_CLOSED, "Closed", encode.closed_processes(self._domain, filter)))
        return sides


async def listed(
    calls: Calls, call: str, parameters: encode.Parameters, subject: str, *, page_size: int | None = None
) -> AsyncGenerator[ProcessInfo, None]:
    """Yield what a list has on all its pages; one without processes is not its end.

    Args:
        calls: Make them.
        call: Amazon's name of the list.
        parameters: Of all pages.
        subject: What it is about, for messages.
        page_size: How many processes a page has at most.
    """
    token: str | None = None
    while True:
        page = decode.process_page(await calls(call, {**parameters, **encode.page(page_size, token)}, subject))
        for info in page.processes:
            yield info
        token = page.next_token
        if token is None:
            return


def _named(filter: ProcessFilter) -> str:
    """Say which processes are meant; a repr would begin with what is not asked for."""
    given = {name: getattr(filter, name) for name in filter.__struct_fields__}
    asked = [f"{name}={show(value)}" for name, value in given.items() if value is not None]
    return "processes with " + ", ".join(asked) if asked else "all processes"


_OPEN, _CLOSED = "o", "c"


def _from_token(sides: list[_Side], page_token: str) -> tuple[list[_Side], str | None]:
    """Return which lists are left, and Amazon's token for the first of them."""
    check_text(page_token, "page_token", PAGE_TOKEN_LIMIT + 1)
    for position, side in enumerate(sides):
        if page_token[:1] == side.mark:
            return sides[position:], page_token[1:] or None
    raise InvalidRequestError(f"page_token must be one that a page of the same list came with, not {show(page_token)}")
