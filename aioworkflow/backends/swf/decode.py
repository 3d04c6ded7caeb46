"""Answers of Amazon SWF: from the body of a reply to our values.

Each function takes the bytes of one reply, as :mod:`aioworkflow.backends.swf.parsing` hands them out, and is named
after what they hold. What SWF leaves out and what it sends as null, zero or an empty text is the same (swf-reference
4); members that this version does not know are passed over.

All raise :class:`BackendError` for a reply that cannot be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from ...backend import ProcessInfo, ProcessPage
from ...event import AnyEvent
from ...task import ActivityTask, DecisionTask
from ...types import ActivityType, ProcessRef, TypeRef, WorkflowType

__all__ = [
    "Count",
    "DecisionPage",
    "HistoryPage",
    "activity_task",
    "activity_type",
    "cancel_requested",
    "count",
    "decision_page",
    "history_page",
    "process_info",
    "process_page",
    "run_id",
    "workflow_type",
]


class DecisionPage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One page of a decision task; all pages of a task have the same token.

    Attributes:
        token: Answers the task.
        process: The run to decide on.
        workflow: Its workflow.
        events: In the order that was asked for.
        started_event_id: The id of this task's DecisionStartedEvent.
        previous_started_event_id: The same of the last task that a decider completed; 0 if this is the first.
        next_token: Of the next page, if there is one.
    """

    token: str
    process: ProcessRef
    workflow: TypeRef
    events: tuple[AnyEvent, ...]
    started_event_id: int
    previous_started_event_id: int = 0
    next_token: str | None = None

    def task(self, events: Sequence[AnyEvent]) -> DecisionTask:
        """Return the task with all its events, in ascending order; its attempt is counted from them."""
        raise NotImplementedError


class HistoryPage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One page of a history, in the order that was asked for."""

    events: tuple[AnyEvent, ...]
    next_token: str | None = None


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """How many there are; ``truncated`` if SWF stopped counting (swf-reference 2.2)."""

    count: int
    truncated: bool = False


def decision_page(body: bytes) -> DecisionPage | None:
    """PollForDecisionTask; None if the poll brought no task."""
    raise NotImplementedError


def activity_task(body: bytes, types: Mapping[TypeRef, ActivityType]) -> ActivityTask | None:
    """PollForActivityTask; None if the poll brought no task.

    SWF does not tell a worker the timeouts of its task: those of the registered type are filled in, where known.
    """
    raise NotImplementedError


def history_page(body: bytes) -> HistoryPage:
    """GetWorkflowExecutionHistory."""
    raise NotImplementedError


def run_id(body: bytes) -> str:
    """StartWorkflowExecution."""
    raise NotImplementedError


def cancel_requested(body: bytes) -> bool:
    """RecordActivityTaskHeartbeat."""
    raise NotImplementedError


def process_info(body: bytes) -> ProcessInfo:
    """DescribeWorkflowExecution."""
    raise NotImplementedError


def process_page(body: bytes) -> ProcessPage:
    """ListOpenWorkflowExecutions and ListClosedWorkflowExecutions."""
    raise NotImplementedError


def count(body: bytes) -> Count:
    """CountOpen- and CountClosedWorkflowExecutions, CountPendingDecision- and CountPendingActivityTasks."""
    raise NotImplementedError


def workflow_type(body: bytes) -> WorkflowType:
    """DescribeWorkflowType."""
    raise NotImplementedError


def activity_type(body: bytes) -> ActivityType:
    """DescribeActivityType."""
    raise NotImplementedError
