"""What Amazon SWF takes: its lengths, counts and character rules, checked before anything is sent.

botocore checks only types and minimum lengths; the service refuses the rest, and with one wrong decision the whole
batch (swf-reference 8.1, 11.1). Here the error comes first, and names field, limit and value. Amazon does not say in
which unit it counts, so lengths are counted in UTF-16 units, the strictest of those that may be meant.
"""

from __future__ import annotations

from typing import Any

from ...checks import NAME_LIMIT, REASON_LIMIT, RUN_ID_LIMIT, VERSION_LIMIT, show
from ...checks import check_name as check_any_name
from ...checks import check_tags as check_any_tags
from ...checks import check_text as check_any_text
from ...errors import InvalidRequestError, PayloadTooLargeError
from ...types import ProcessRef, TypeRef

__all__ = [
    "DECISIONS_LIMIT",
    "EXECUTION_TIMEOUT_LIMIT",
    "HEARTBEAT_LIMIT",
    "PAGE_LIMIT",
    "PAGE_TOKEN_LIMIT",
    "PAYLOAD_LIMIT",
    "REQUEST_LIMIT",
    "RETENTION_LIMIT",
    "ROLE_LIMIT",
    "TAGS_LIMIT",
    "TASK_TOKEN_LIMIT",
    "check_name",
    "check_page_size",
    "check_payload",
    "check_process",
    "check_reason",
    "check_run",
    "check_tags",
    "check_task_list",
    "check_text",
    "check_type",
    "length",
]

PAYLOAD_LIMIT = 32_768
"""Characters of an input, result, details, control or execution context."""
HEARTBEAT_LIMIT = 2_048
"""Characters of the details of a heartbeat; longer ones are cut, see :func:`aioworkflow.backends.swf.wire.cut_details`.
"""
TAGS_LIMIT = 5
DECISIONS_LIMIT = 1_000
"""Decisions in one answer. Amazon publishes no number; this one is reported by users (swf-reference 3)."""
REQUEST_LIMIT = 1_000_000
"""Bytes of a request, a little under the 1 MB at which the connection is cut."""
EXECUTION_TIMEOUT_LIMIT = 31_536_000
"""Seconds, one year: no process stays open for longer."""
ROLE_LIMIT = 1_600
TASK_TOKEN_LIMIT = 1_024
PAGE_TOKEN_LIMIT = 2_048
RETENTION_LIMIT = 90
"""Days for which closed runs can be kept."""
PAGE_LIMIT = 1_000
"""Items on one page."""


def length(text: str) -> int:
    """Return the number of UTF-16 units of a text."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def check_text(value: Any, field: str, limit: int, *, least: int = 0) -> str:
    """Check a text of ``least`` to ``limit`` UTF-16 units that UTF-8 can carry, without U+0000."""
    text = check_any_text(value, field, limit, least=least)
    return text if text.isascii() else _check_units(text, field, limit)


def check_name(value: Any, field: str, limit: int = NAME_LIMIT) -> str:
    """Check a name or an id: 1 to 256 UTF-16 units under rule A (swf-reference 1.2)."""
    name = check_any_name(value, field, limit)
    return name if name.isascii() else _check_units(name, field, limit)


def check_task_list(value: Any, field: str = "task_list") -> str:
    """Check the name of a task list: as a name, and no white space around it."""
    name = check_name(value, field)
    if name != name.strip():
        raise InvalidRequestError(f"{field} must not begin or end with white space: {show(value)}")
    return name


def check_type(value: Any, field: str) -> TypeRef:
    """Check the name and version of a workflow or activity."""
    if not isinstance(value, TypeRef):
        raise InvalidRequestError(f"{field} must be a TypeRef, not {show(value)}")
    return TypeRef(
        check_name(value.name, f"{field} name"), check_name(value.version, f"{field} version", VERSION_LIMIT)
    )


def check_process(value: Any, field: str = "process") -> ProcessRef:
    """Check a reference to a process. Its id may break rule A: there are programs that start such ones."""
    if not isinstance(value, ProcessRef):
        raise InvalidRequestError(f"{field} must be a ProcessRef, not {show(value)}")
    return ProcessRef(
        check_text(value.process_id, f"{field} id", NAME_LIMIT, least=1),
        check_text(value.run_id, f"{field} run id", RUN_ID_LIMIT),
    )


def check_run(value: Any, field: str = "process") -> ProcessRef:
    """Check a reference to one run, which Amazon SWF wants to be named by its run id."""
    process = check_process(value, field)
    if not process.run_id:
        raise InvalidRequestError(f"{field} {process} must have a run id")
    return process


def check_tags(value: Any, field: str = "tags") -> list[str]:
    """Check the tags of a process: at most 5, of up to 256 UTF-16 units each."""
    tags = check_any_tags(value, field)
    if len(tags) > TAGS_LIMIT:
        raise InvalidRequestError(
            f"{field} are {len(tags)}, and a process has at most {TAGS_LIMIT} on Amazon SWF: {show(tags)}"
        )
    return [check_text(tag, f"{field}[{index}]", NAME_LIMIT) for index, tag in enumerate(tags)]


def check_reason(value: Any, field: str = "reason") -> str:
    """Return a reason. Those of decisions and results are cut to 256 characters when they are made; here one is cut,
    visibly, if Amazon SWF may count more than that: it is for people, and not worth failing for.
    """
    text = check_any_text(value, field, REASON_LIMIT)
    if length(text) <= REASON_LIMIT:
        return text
    units = text.encode("utf-16-le")[: 2 * (REASON_LIMIT - 1)]
    return units.decode("utf-16-le", "ignore") + "…"


def check_page_size(value: Any) -> int:
    """Check how many items one page is to have."""
    if type(value) is not int or not 1 <= value <= PAGE_LIMIT:
        raise InvalidRequestError(f"page_size must be 1 to {PAGE_LIMIT:,}, not {show(value)}")
    return value


def check_payload(value: Any, field: str, limit: int = PAYLOAD_LIMIT) -> str:
    """Check the JSON text of a payload. Its syntax is the affair of who wrote it.

    Raises:
        PayloadTooLargeError: It is longer than SWF takes.
        InvalidRequestError: It is no str, or nothing that UTF-8 can carry.
    """
    if not isinstance(value, str):
        raise InvalidRequestError(f"{field} must be JSON text, not {show(value)}")
    if len(value) * 2 > limit and (units := length(value)) > limit:
        raise PayloadTooLargeError(
            f"{field} has {units:,} characters of JSON and Amazon SWF takes {limit:,}: keep big values elsewhere, and "
            f"pass where they are (this one is {show(value)})"
        )
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise InvalidRequestError(f"{field} is not proper Unicode: {error}") from None
    return value


def _check_units(text: str, field: str, limit: int) -> str:
    if (units := length(text)) > limit:
        raise InvalidRequestError(
            f"{field} must have at most {limit} characters, and this has {units}, since Amazon SWF may count rare "
            f"ones twice: {show(text)}"
        )
    return text
