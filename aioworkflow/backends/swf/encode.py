"""Requests to Amazon SWF: from our values to the parameters that the client of aiobotocore takes.

Everything is checked here, before it is sent: the functions raise :class:`InvalidRequestError` with the name of the
field, the limit and the value. Each is named after what it asks for and says which call it is for. What SWF cannot do
at all is refused by :mod:`aioworkflow.backends.swf.visibility` and the backend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from ...backend import ProcessFilter, StartRequest
from ...checks import (
    DESCRIPTION_LIMIT,
    IDENTITY_LIMIT,
    NAME_LIMIT,
    VERSION_LIMIT,
    check_child_policy,
    check_priority,
    show,
)
from ...decision import Decision
from ...errors import InvalidRequestError
from ...result import ActivityAborted, ActivityCompleted, ActivityFailed, ActivityResult
from ...types import UNSET, ActivityType, ChildPolicy, ProcessRef, ProcessStatus, TypeRef, WorkflowType
from . import limits
from .encode_decisions import encode_decisions
from .wire import aborted_details, cut_details, execution_seconds, seconds

__all__ = [
    "Parameters",
    "cancel_process",
    "closed_processes",
    "complete_activity_task",
    "complete_decision_task",
    "describe_process",
    "describe_type",
    "heartbeat_activity_task",
    "history",
    "open_processes",
    "page",
    "poll_activity_task",
    "poll_decision_task",
    "register_activity",
    "register_domain",
    "register_workflow",
    "signal_process",
    "start_process",
    "terminate_process",
]

Parameters: TypeAlias = dict[str, object]
"""The keyword arguments of one call."""


# --- the domain and its types ----------------------------------------------------------------------------


def register_domain(
    domain: str, *, retention_days: int | None, description: str | None = None, tags: Mapping[str, str] | None = None
) -> Parameters:
    """RegisterDomain. Closed runs are kept for ``retention_days``, 0 to 90; None keeps none."""


def register_workflow(domain: str, workflow: WorkflowType, *, lambda_role: str | None = None) -> Parameters:
    """RegisterWorkflowType, with all the defaults that the type has."""


def register_activity(domain: str, activity: ActivityType) -> Parameters:
    """RegisterActivityType, with all the defaults that the type has."""


def describe_workflow(domain: str, workflow: TypeRef) -> Parameters:
    """DescribeWorkflowType; also for Deprecate-, Undeprecate- and DeleteWorkflowType."""


def describe_activity(domain: str, activity: TypeRef) -> Parameters:
    """DescribeActivityType; also for Deprecate-, Undeprecate- and DeleteActivityType."""


# --- processes -------------------------------------------------------------------------------------------


def start_process(domain: str, request: StartRequest, *, lambda_role: str | None = None) -> Parameters:
    """StartWorkflowExecution."""


def signal_process(domain: str, process: ProcessRef, signal: str, input_json: str | None = None) -> Parameters:
    """SignalWorkflowExecution; without a run id to the open run."""


def cancel_process(domain: str, process: ProcessRef) -> Parameters:
    """RequestCancelWorkflowExecution, which takes no details; without a run id of the open run."""


def terminate_process(
    domain: str,
    process: ProcessRef,
    *,
    reason: str | None = None,
    details_json: str | None = None,
    child_policy: ChildPolicy | None = None,
) -> Parameters:
    """TerminateWorkflowExecution; without a run id of the open run."""


def describe_process(domain: str, process: ProcessRef) -> Parameters:
    """DescribeWorkflowExecution, which needs a run id."""


def history(
    domain: str, process: ProcessRef, *, reverse: bool = False, page_size: int | None = None, page_token: str | None = None
) -> Parameters:
    """GetWorkflowExecutionHistory, which needs a run id."""


def open_processes(domain: str, filter: ProcessFilter) -> Parameters:
    """ListOpenWorkflowExecutions and CountOpenWorkflowExecutions, the former together with :func:`page`.

    Raises:
        InvalidRequestError: SWF cannot ask for this combination; the message says what it can.
    """


def closed_processes(domain: str, filter: ProcessFilter) -> Parameters:
    """ListClosedWorkflowExecutions and CountClosedWorkflowExecutions; as :func:`open_processes`."""


def page(page_size: int | None = None, page_token: str | None = None, *, reverse: bool = False) -> Parameters:
    """Which page of a list or history is wanted: to be added to other parameters."""


# --- tasks -----------------------------------------------------------------------------------------------


def poll_decision_task(
    domain: str,
    task_list: str,
    *,
    identity: str | None = None,
    new_events_only: bool = False,
    reverse: bool = False,
    page_size: int | None = None,
    page_token: str | None = None,
) -> Parameters:
    """PollForDecisionTask; the same with the token of the next page for the further pages of a task."""


def poll_activity_task(domain: str, task_list: str, *, identity: str | None = None) -> Parameters:
    """PollForActivityTask."""


def complete_decision_task(
    token: str,
    decisions: Sequence[Decision] = (),
    *,
    execution_context: str | None = None,
    task_list: str | None = None,
    task_list_schedule_to_start_timeout: float | None = None,
) -> Parameters:
    """RespondDecisionTaskCompleted.

    Raises:
        InvalidDecisionError: A decision breaks a rule, or they are too many or too big together.
    """


def heartbeat_activity_task(token: str, details_json: str | None = None) -> Parameters:
    """RecordActivityTaskHeartbeat; long details are cut to 2,048 characters, visibly."""


def complete_activity_task(token: str, result: ActivityResult) -> tuple[str, Parameters]:
    """Return which call tells this result, and its parameters.

    The name of the call is that of the method of the client: ``respond_activity_task_completed``, ``…_failed`` or
    ``…_canceled`` (for an aborted activity, whether that was asked for or not).
    """
