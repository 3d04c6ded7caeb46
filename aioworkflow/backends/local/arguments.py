"""What callers pass, checked before it goes into a queue: past that point an argument that is not what it should be
would be somebody else's trouble.

What the rules check themselves (payloads, names of signals, decisions, …) is left to them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from ...backend import ProcessFilter, StartRequest
from ...checks import (
    NAME_LIMIT,
    RUN_ID_LIMIT,
    check_name,
    check_setting,
    check_tags,
    check_text,
    check_version,
    show,
)
from ...decision import Decision
from ...errors import InvalidDecisionError, InvalidRequestError
from ...types import ProcessRef, ProcessStatus, TypeRef

__all__ = ["check_after", "check_batch", "check_filter", "check_page", "check_ref", "check_start", "check_type_ref"]

_LARGEST_PAGE = 1_000
"""As on SWF (swf-reference 2.4)."""


def check_ref(process: Any) -> None:
    """Check which run is meant. Ids of children may have any characters (swf-reference 1.2)."""
    if type(process) is not ProcessRef:
        raise InvalidRequestError(f"process must be a ProcessRef, not {show(process)}")
    check_text(process.process_id, "process_id", NAME_LIMIT, least=1)
    check_text(process.run_id, "run_id", RUN_ID_LIMIT)


def check_type_ref(ref: Any) -> None:
    """Check the name and version of a type."""
    if type(ref) is not TypeRef:
        raise InvalidRequestError(f"a type must be named by a TypeRef, not {show(ref)}")
    check_name(ref.name, "name")
    check_version(ref.version)


def check_start(request: Any) -> None:
    """Check what a process is to be started with, except what has a limit."""
    if not isinstance(request, StartRequest):
        raise InvalidRequestError(f"request must be a StartRequest, not {show(request)}")
    check_name(request.process_id, "process_id")
    check_type_ref(request.workflow)
    if request.tags != ():
        check_tags(request.tags)
    for field in ("task_list", "task_priority", "execution_timeout", "decision_timeout", "child_policy"):
        check_setting(getattr(request, field), field)


def check_batch(decisions: Any) -> list[Decision]:
    """Return the decisions of a batch; each of them is checked with the rules."""
    if isinstance(decisions, str | bytes) or not isinstance(decisions, Iterable):
        raise InvalidDecisionError(f"decisions must be a list of decisions, not {show(decisions)}")
    return list(decisions)


def check_after(after: Any) -> None:
    """Check the id of the event behind which a history is read."""
    if not isinstance(after, int) or isinstance(after, bool) or not 0 <= after < 2**53:
        raise InvalidRequestError(f"after must be the id of an event or 0, not {show(after)}")


def check_page(page_size: Any, page_token: Any) -> None:
    """Check which page of a listing is asked for; the store knows its tokens."""
    if not isinstance(page_size, int) or isinstance(page_size, bool) or not 1 <= page_size <= _LARGEST_PAGE:
        raise InvalidRequestError(f"page_size must be 1 to {_LARGEST_PAGE}, not {show(page_size)}")
    if page_token is not None:
        check_text(page_token, "page_token", 2_048)


def check_filter(filter: Any) -> None:
    """Check which processes are asked for. A name that cannot exist finds nothing, so any text will do."""
    if not isinstance(filter, ProcessFilter):
        raise InvalidRequestError(f"filter must be a ProcessFilter, not {show(filter)}")
    for field in ("process_id", "workflow", "workflow_version", "tag"):
        if (text := getattr(filter, field)) is not None:
            check_text(text, field, NAME_LIMIT)
    if filter.status is not None and not isinstance(filter.status, ProcessStatus):
        raise InvalidRequestError(f"status must be a ProcessStatus, not {show(filter.status)}")
    if filter.closed is not None and not isinstance(filter.closed, bool):
        raise InvalidRequestError(f"closed must be a bool, not {show(filter.closed)}")
    for field in ("started_after", "started_before", "closed_after", "closed_before"):
        when = getattr(filter, field)
        if when is not None and (not isinstance(when, datetime) or when.utcoffset() is None):
            raise InvalidRequestError(f"{field} must be an aware datetime, not {show(when)}")
