"""What can be asked of a run. Each is a frozen value; :func:`aioworkflow.machine.handle.handle` takes them all.

Requests that travel from one process to another are *messages*: they wait in the outbox of the database and must be
storable.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..activity import ActivityResult
from ..decision import Decision
from ..event import Cause
from ..types import ChildPolicy, ProcessRef, ProcessStatus, TypeRef

__all__ = [
    "CancelDelivered",
    "CancelProcess",
    "ChildClosed",
    "ChildStarted",
    "CompleteActivityTask",
    "CompleteDecisionTask",
    "DeliveryFailed",
    "FireDeadlines",
    "HandOffActivityTask",
    "HeartbeatActivityTask",
    "Message",
    "MessageBody",
    "ReleaseTasks",
    "Request",
    "SignalDelivered",
    "SignalProcess",
    "StartActivityTask",
    "StartDecisionTask",
    "StartProcess",
    "TerminateProcess",
]


class _Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", gc=False):
    pass


class StartProcess(_Message, frozen=True, kw_only=True, omit_defaults=True, tag="start", gc=False):
    """Start a run. All settings are resolved.

    From a parent it is a message, answered by ChildStarted or DeliveryFailed.

    ``run_id`` is drawn by who asks, so that asking twice starts one run.
    """

    process_id: str
    run_id: str
    workflow: TypeRef
    task_list: str
    child_policy: ChildPolicy
    input_json: str | None = None
    tags: tuple[str, ...] = ()
    task_priority: int = 0
    execution_timeout: float | None = None
    decision_timeout: float | None = None
    parent: ProcessRef | None = None
    parent_initiated_event_id: int = 0

    @property
    def ref(self) -> ProcessRef:
        """The run to be started."""
        return ProcessRef(self.process_id, self.run_id)


class SignalProcess(_Message, frozen=True, kw_only=True, omit_defaults=True, tag="signal", gc=False):
    """Add a signal. From another process it is a message, answered by SignalDelivered or DeliveryFailed."""

    signal: str
    input_json: str | None = None
    sender: ProcessRef | None = None
    sender_initiated_event_id: int = 0


class CancelProcess(_Message, frozen=True, kw_only=True, omit_defaults=True, tag="cancel", gc=False):
    """Ask to end. From another process it is a message, answered (unless ``cause`` is set: a parent's policy)."""

    details_json: str | None = None
    sender: ProcessRef | None = None
    sender_initiated_event_id: int = 0
    cause: Cause | None = None


class TerminateProcess(_Message, frozen=True, kw_only=True, omit_defaults=True, tag="terminate", gc=False):
    """Close at once. From a parent whose policy it is, it is a message that only this parent's child obeys."""

    reason: str | None = None
    details_json: str | None = None
    child_policy: ChildPolicy | None = None
    cause: Cause = Cause.OPERATOR_INITIATED
    sender: ProcessRef | None = None
    sender_initiated_event_id: int = 0


class ChildStarted(_Message, frozen=True, kw_only=True, omit_defaults=True, tag="child-started", gc=False):
    """The child of this parent is running."""

    initiated_event_id: int
    child: ProcessRef


class ChildClosed(_Message, frozen=True, kw_only=True, omit_defaults=True, tag="child-closed", gc=False):
    """The child of this parent ended."""

    initiated_event_id: int
    child: ProcessRef
    status: ProcessStatus
    result_json: str | None = None
    reason: str | None = None
    details_json: str | None = None


class SignalDelivered(_Message, frozen=True, kw_only=True, omit_defaults=True, tag="signal-delivered", gc=False):
    """The other process has the signal."""

    initiated_event_id: int
    process: ProcessRef


class CancelDelivered(_Message, frozen=True, kw_only=True, omit_defaults=True, tag="cancel-delivered", gc=False):
    """The other process has the request to cancel."""

    initiated_event_id: int
    process: ProcessRef


class DeliveryFailed(_Message, frozen=True, kw_only=True, omit_defaults=True, tag="delivery-failed", gc=False):
    """What this process sent (start of a child, signal, cancel) could not be delivered."""

    initiated_event_id: int
    cause: Cause


MessageBody = (
    StartProcess
    | SignalProcess
    | CancelProcess
    | TerminateProcess
    | ChildStarted
    | ChildClosed
    | SignalDelivered
    | CancelDelivered
    | DeliveryFailed
)


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A request on its way from one process to another."""

    id: str
    to: ProcessRef
    sent_at: float
    body: MessageBody


class StartDecisionTask(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Hand the queued decision task to a poller."""

    scheduled_event_id: int
    identity: str | None = None
    session: str | None = None


class CompleteDecisionTask(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Answer the started decision task."""

    scheduled_event_id: int
    started_event_id: int
    decisions: Sequence[Decision] = ()
    execution_context: str | None = None
    task_list: str | None = None
    task_list_schedule_to_start_timeout: float | None = None


class StartActivityTask(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Hand an activity task to a poller."""

    scheduled_event_id: int
    identity: str | None = None
    session: str | None = None


class HeartbeatActivityTask(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Reset the heartbeat clock of a started activity."""

    scheduled_event_id: int
    started_event_id: int
    details_json: str | None = None


class CompleteActivityTask(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Answer a started activity task."""

    scheduled_event_id: int
    started_event_id: int
    result: ActivityResult


class HandOffActivityTask(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Let a started activity outlive the session that it was handed to: somebody else will answer it."""

    scheduled_event_id: int
    started_event_id: int


class FireDeadlines(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Let everything happen whose time has come."""


class ReleaseTasks(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Time out the tasks that a dead session held, or one task that nobody in a session looks after.

    Attributes:
        session: It.
        started_event_id: Of the one task; 0 for all.
    """

    session: str
    started_event_id: int = 0


Request = (
    MessageBody
    | StartDecisionTask
    | CompleteDecisionTask
    | StartActivityTask
    | HeartbeatActivityTask
    | CompleteActivityTask
    | HandOffActivityTask
    | FireDeadlines
    | ReleaseTasks
)
