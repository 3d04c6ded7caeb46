"""The rules that names, ids, texts and durations obey, in one place (swf-reference 1.2, 1.3).

Constructors of decisions, the client and the backends check with these functions, so that a wrong value is refused
where it is written. Each returns the value in its normal form or raises :class:`InvalidRequestError`, naming the
field, the rule and the value. Lengths count characters.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from .errors import InvalidRequestError
from .types import UNSET, ChildPolicy, ProcessRef

__all__ = [
    "DESCRIPTION_LIMIT",
    "IDENTITY_LIMIT",
    "LONGEST_DURATION",
    "NAME_LIMIT",
    "REASON_LIMIT",
    "RUN_ID_LIMIT",
    "VERSION_LIMIT",
    "check_child_policy",
    "check_duration",
    "check_label",
    "check_name",
    "check_priority",
    "check_process",
    "check_reason",
    "check_setting",
    "check_tags",
    "check_task_list",
    "check_text",
    "check_version",
    "cut",
    "name_part",
    "show",
]

NAME_LIMIT = 256
"""Names and ids of everything, task lists, signals, markers and tags."""
VERSION_LIMIT = 64
RUN_ID_LIMIT = 64
REASON_LIMIT = 256
IDENTITY_LIMIT = 256
DESCRIPTION_LIMIT = 1024
LONGEST_DURATION = 99_999_999
"""Seconds, a little over three years: what eight digits hold (swf-reference 1.3)."""

# Rule A: no `:` `/` `|` and no control characters. Lone surrogates have no UTF-8 form, so no store could keep them.
_NOT_IN_NAMES = re.compile(r"[:/|\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_not_in_names = _NOT_IN_NAMES.search
_not_in_texts = re.compile(r"[\x00\ud800-\udfff]").search


def show(value: object, limit: int = 80) -> str:
    """Return the repr of ``value`` for a message, shortened; a repr that raises is replaced."""
    try:
        return cut(repr(value), limit)
    except Exception as error:
        return f"<{type(value).__qualname__} whose repr raises {type(error).__qualname__}>"


def cut(text: str, limit: int) -> str:
    """Return ``text``, or its beginning and a "…" if it is longer than ``limit`` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def check_text(value: Any, field: str, limit: int, *, least: int = 0) -> str:
    """Check any text: a str of ``least`` to ``limit`` characters that UTF-8 can carry, without U+0000."""
    if not isinstance(value, str):
        raise InvalidRequestError(f"{field} must be a str, not {show(value)}")
    if not least <= len(value) <= limit:
        raise InvalidRequestError(
            f"{field} must be {least} to {limit} characters long, and this has {len(value)}: {show(value)}"
        )
    if found := _not_in_texts(value):
        raise InvalidRequestError(f"{field} must not contain {found[0]!a}: {show(value)}")
    return _plain(value)


def check_name(value: Any, field: str, limit: int = NAME_LIMIT) -> str:
    """Check a name or an id: 1 to 256 characters, no ``:``, ``/``, ``|`` or control character, and not "arn"."""
    if not isinstance(value, str) or not 0 < len(value) <= limit:
        check_text(value, field, limit, least=1)
    if found := _not_in_names(value):
        raise InvalidRequestError(f"{field} must not contain {found[0]!a}: {show(value)}")
    if value == "arn":
        raise InvalidRequestError(f"{field} must not be the word 'arn'")
    return _plain(value)


def name_part(text: str, limit: int) -> str:
    """Return the beginning of an id from elsewhere, fit for a name that is made of it: what names must not contain, as
    the ids that AWS Flow gives to children do (swf-reference 1.2), becomes "_".
    """
    return _NOT_IN_NAMES.sub("_", text[:limit])


def _plain(value: str) -> str:
    """Return the text of a str as an exact str, which every store takes; ``str()`` would name an enum's member."""
    return value if type(value) is str else str.__str__(value)


def check_version(value: Any, field: str = "version") -> str:
    """Check the version of a type: as a name, up to 64 characters."""
    return check_name(value, field, VERSION_LIMIT)


def check_task_list(value: Any, field: str = "task_list") -> str:
    """Check the name of a task list: as a name, and no white space around it."""
    name = check_name(value, field)
    if name != name.strip():
        raise InvalidRequestError(f"{field} must not begin or end with white space: {show(value)}")
    return name


def check_label(value: Any, field: str) -> str:
    """Check the name of a signal or marker: 1 to 256 characters of nearly any kind."""
    return check_text(value, field, NAME_LIMIT, least=1)


def check_reason(value: Any, field: str = "reason") -> str | None:
    """Return a reason, visibly cut to 256 characters: it is for people, and not worth failing for."""
    return None if value is None else cut(check_text(value, field, sys.maxsize), REASON_LIMIT)


def check_duration(value: Any, field: str, *, optional: bool = True) -> float | None:
    """Return a duration as float seconds; None, "no limit", passes if ``optional``."""
    if value is None and optional:
        return None
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value
    else:
        raise InvalidRequestError(
            f"{field} must be seconds, a timedelta{' or None' if optional else ''}, not {show(value)}"
        )
    if not 0 <= seconds <= LONGEST_DURATION:
        raise InvalidRequestError(f"{field} must be 0 to {LONGEST_DURATION} seconds, not {show(value)}")
    return float(seconds)


def check_priority(value: Any, field: str = "task_priority") -> int:
    """Check a task priority: an int of 32 bits."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidRequestError(f"{field} must be an int, not {show(value)}")
    if not -(2**31) <= value < 2**31:
        raise InvalidRequestError(f"{field} must be -2**31 to 2**31 - 1, not {show(value)}")
    return int(value)


def check_child_policy(value: Any, field: str = "child_policy") -> ChildPolicy:
    """Check a child policy."""
    if not isinstance(value, ChildPolicy):
        choices = ", ".join(map(str, ChildPolicy))
        raise InvalidRequestError(f"{field} must be one of {choices}, not {show(value)}")
    return value


def check_tags(value: Any, field: str = "tags") -> tuple[str, ...]:
    """Return tags as a tuple; each has up to 256 characters. How many there may be is the backend's limit."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise InvalidRequestError(f"{field} must be a list of str, not {show(value)}")
    return tuple([check_text(tag, f"{field}[{index}]", NAME_LIMIT) for index, tag in enumerate(value)])


def check_process(value: Any, field: str = "process") -> ProcessRef:
    """Return a reference to a process that there may be; a str is a process id, meaning the open run.

    Unlike the id of a new process, its id may have any characters: there are programs that give such ids to children
    (swf-reference 1.2).
    """
    if isinstance(value, str):
        return ProcessRef(check_text(value, field, NAME_LIMIT, least=1))
    if not isinstance(value, ProcessRef):
        raise InvalidRequestError(f"{field} must be a process id or a ProcessRef, not {show(value)}")
    return ProcessRef(
        check_text(value.process_id, f"{field}.process_id", NAME_LIMIT, least=1),
        check_text(value.run_id, f"{field}.run_id", RUN_ID_LIMIT),
    )


_setting_checks = {
    "task_list": check_task_list,
    "task_priority": check_priority,
    "child_policy": check_child_policy,
}


def check_setting(value: Any, field: str) -> Any:
    """Check the setting called ``field``: UNSET, or what its name says (all other settings are durations)."""
    if value is UNSET:
        return value
    check = _setting_checks.get(field, check_duration)
    return check(value, field)
