"""Results: how an activity ended.

Three of them are what a worker answers a task with (:data:`ActivityResult`); with :class:`ActivityTimedOut` they are
all that a decider can read of a closed activity (:data:`ActivityOutcome`). Payload arguments are encoded by the
constructor.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Any, TypeAlias

from .checks import check_reason, cut, show
from .errors import InvalidRequestError
from .payload import Decoded, Json, encode_optional
from .types import TimeoutType

__all__ = [
    "WORKER_SHUTDOWN",
    "ActivityAborted",
    "ActivityCompleted",
    "ActivityFailed",
    "ActivityOutcome",
    "ActivityResult",
    "ActivityTimedOut",
    "exception_details",
]

WORKER_SHUTDOWN = "worker shutdown"
"""The reason of an activity that was aborted because its worker went away; another attempt may well succeed."""

MESSAGE_LIMIT = 2_000
TRACEBACK_LIMIT = 12_000
"""Characters; together they stay well under the 32,768 that Amazon SWF takes for details."""


@dataclass(frozen=True, slots=True, init=False)
class ActivityCompleted:
    """The activity returned ``result``."""

    result_json: str | None

    result = Decoded[Any]()

    def __init__(self, result: object = None) -> None:
        object.__setattr__(self, "result_json", encode_optional(result))


class ActivityAborted(Exception):  # noqa: N818 - the same word whether it is returned or raised
    """The activity stopped on purpose or was canceled; ``execute`` returns it or raises it.

    Attributes:
        reason: Why, in one line (visibly cut to 256 characters).
        details: Anything that JSON can carry, decoded.
        details_json: The same as JSON text.
    """

    details = Decoded[Any]()

    def __init__(self, reason: str | None = None, details: object = None) -> None:
        reason = check_reason(reason)
        super().__init__(*(() if reason is None else (reason,)))
        self.reason = reason
        self.details_json = encode_optional(details)

    def __repr__(self) -> str:
        return f"ActivityAborted(reason={self.reason!r}, details_json={self.details_json!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ActivityAborted):
            return NotImplemented
        return self.reason == other.reason and self.details_json == other.details_json

    def __hash__(self) -> int:
        return hash((self.reason, self.details_json))

    def __reduce__(self) -> tuple[type[ActivityAborted], tuple[str | None, Json | None]]:
        return ActivityAborted, (self.reason, None if self.details_json is None else Json(self.details_json))


@dataclass(frozen=True, slots=True, init=False)
class ActivityFailed:
    """The activity raised, or says that it failed.

    Args:
        exception: Gives the reason ``"ValueError: no input"`` and the details ``{"type", "message", "traceback"}``.
        reason: Instead of an exception, or to replace its reason; visibly cut to 256 characters.
        details: Likewise.
    """

    reason: str | None
    details_json: str | None

    details = Decoded[Any]()

    def __init__(
        self, exception: BaseException | None = None, *, reason: str | None = None, details: object = None
    ) -> None:
        if exception is not None and not isinstance(exception, BaseException):
            raise InvalidRequestError(f"exception must be an exception, not {show(exception)}")
        if exception is not None:
            told = exception_details(exception)
            if reason is None:
                reason = f"{told['type']}: {told['message']}" if told["message"] else told["type"]
            if details is None:
                details = told
        object.__setattr__(self, "reason", check_reason(reason))
        object.__setattr__(self, "details_json", encode_optional(details))


@dataclass(frozen=True, slots=True, init=False)
class ActivityTimedOut:
    """One of the activity's timeouts passed; details are those of its last heartbeat. Only deciders see it."""

    timeout_type: TimeoutType
    details_json: str | None

    details = Decoded[Any]()

    def __init__(self, timeout_type: TimeoutType, details: object = None) -> None:
        if not isinstance(timeout_type, TimeoutType):
            raise InvalidRequestError(f"timeout_type must be a TimeoutType, not {show(timeout_type)}")
        object.__setattr__(self, "timeout_type", timeout_type)
        object.__setattr__(self, "details_json", encode_optional(details))


ActivityResult: TypeAlias = ActivityCompleted | ActivityAborted | ActivityFailed
"""What answers an activity task."""

ActivityOutcome: TypeAlias = ActivityCompleted | ActivityAborted | ActivityFailed | ActivityTimedOut
"""All the ways in which an activity can end."""


def exception_details(exception: BaseException) -> dict[str, str]:
    """Return type, message and traceback of an exception, cut to bounded lengths; never raises for an odd exception.

    Of a long traceback the middle is left out: the beginning tells where it started and the end what went wrong.
    """
    try:
        message = str(exception)
    except Exception as error:
        message = f"<its __str__ raises {type(error).__qualname__}>"
    try:
        lines = "".join(traceback.format_exception(exception))
    except Exception as error:
        lines = f"<formatting it raises {type(error).__qualname__}>"
    if len(lines) > TRACEBACK_LIMIT:
        half = TRACEBACK_LIMIT // 2
        lines = f"{lines[:half]}\n… {len(lines) - 2 * half} characters left out …\n{lines[-half:]}"
    return {
        "type": type(exception).__qualname__,
        "message": _printable(cut(message, MESSAGE_LIMIT)),
        "traceback": _printable(lines),
    }


def _printable(text: str) -> str:
    """Replace what UTF-8 cannot carry (lone surrogates, as in undecodable file names) and U+0000."""
    return text.replace("\0", "�").encode("utf-8", "replace").decode()
