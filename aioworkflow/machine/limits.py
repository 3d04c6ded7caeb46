"""How much of everything is allowed: one frozen value, so that a backend can be as strict as Amazon SWF or roomier."""

from __future__ import annotations

from dataclasses import dataclass

from ..checks import check_duration, show
from ..errors import InvalidRequestError

__all__ = ["SWF_LIMITS", "Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run may hold.

    Lengths are in characters of the text as it is kept (JSON text for payloads), durations in seconds. The lengths of
    names, reasons and the like are the same everywhere; :mod:`aioworkflow.checks` has them. Limits on a whole domain
    (open processes, registered types, requests per second) are no business of a single run.

    Attributes:
        payload: Length of an input, result, details, control or execution context.
        heartbeat_details: Length of the details of a heartbeat.
        tags: How many tags a process has.
        decisions: How many decisions answer one decision task.
        events: Length of a history, at least 10. A run whose history is about to get longer is terminated.
        open_activities: Activities of one run that are scheduled or started.
        open_timers: Timers of one run that run.
        open_children: Children of one run that are initiated or started.
        execution_timeout: Of a run; more, or no limit at all, means this. None: a run may stay open for ever.
    """

    payload: int = 1_048_576
    heartbeat_details: int = 1_048_576
    tags: int = 50
    decisions: int = 10_000
    events: int = 100_000
    open_activities: int = 100_000
    open_timers: int = 100_000
    open_children: int = 100_000
    execution_timeout: float | None = None

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise InvalidRequestError(f"the limit {name} must be an int of at least {least}, not {show(value)}")
        if check_duration(self.execution_timeout, "the limit execution_timeout") == 0:
            raise InvalidRequestError("the limit execution_timeout must be more than 0 seconds, or None")


_LEAST = {
    "payload": 0,
    "heartbeat_details": 0,
    "tags": 0,
    "decisions": 1,
    "events": 10,
    "open_activities": 0,
    "open_timers": 0,
    "open_children": 0,
}

SWF_LIMITS = Limits(
    payload=32_768,
    heartbeat_details=2_048,
    tags=5,
    decisions=1_000,
    events=25_000,
    open_activities=1_000,
    open_timers=1_000,
    open_children=1_000,
    execution_timeout=31_536_000.0,
)
"""The numbers of Amazon SWF (swf-reference 8.1)."""
