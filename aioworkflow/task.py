"""Tasks: what a worker polls for. Each has an opaque token with which it is answered."""

from __future__ import annotations

from typing import Any

import msgspec

from .event import AnyEvent
from .payload import Decoded
from .types import ProcessRef, TypeRef

__all__ = ["ActivityTask", "DecisionTask"]


class DecisionTask(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One turn of a decider.

    Attributes:
        token: Answers the task. process: The run to decide on. workflow: Its workflow. events: Consecutive events in
        ascending order, the last being the DecisionStartedEvent of this task. They begin at
            event 1, or later where only the new ones were asked for; ``Backend.history`` has the rest.
        started_event_id: The id of this task's DecisionStartedEvent.
        previous_started_event_id: The same of the last task that a decider completed; 0 if this is the first. Events
            with higher ids are new to the decider.
        attempt: 1, or more where decisions before this one timed out in a row.
    """

    token: str
    process: ProcessRef
    workflow: TypeRef
    events: tuple[AnyEvent, ...]
    started_event_id: int
    previous_started_event_id: int = 0
    attempt: int = 1


class ActivityTask(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One piece of work.

    Attributes:
        token: Answers the task and heartbeats for it; may be handed to another OS process.
        process: The run that the activity belongs to.
        activity_id: Its id within the run.
        activity: Its name and version.
        input_json: Its input; ``input`` decodes it.
        heartbeat_timeout: Seconds between heartbeats after which the task times out; None is no limit.
        start_to_close_timeout: Seconds that the task may take; None is no limit.
        scheduled_event_id: Identifies it in the history of the run.
        started_event_id: Likewise.
    """

    token: str
    process: ProcessRef
    activity_id: str
    activity: TypeRef
    input_json: str | None = None
    heartbeat_timeout: float | None = None
    start_to_close_timeout: float | None = None
    scheduled_event_id: int = 0
    started_event_id: int = 0

    input = Decoded[Any]()
