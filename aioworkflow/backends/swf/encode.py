"""Requests to Amazon SWF: from our values to the parameters that a client of aiobotocore takes.

Everything is checked here, before it is sent: the functions raise :class:`InvalidRequestError` with the name of the
field, the limit and the value. Each says which call it is for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from ...backend import ProcessFilter, StartRequest
from ...checks import DESCRIPTION_LIMIT, IDENTITY_LIMIT, NAME_LIMIT, VERSION_LIMIT, check_child_policy, show
from ...decision import Decision
from ...errors import InvalidDecisionError, InvalidRequestError, UnknownTaskError
from ...result import ActivityAborted, ActivityCompleted, ActivityFailed, ActivityResult
from ...types import ActivityType, ChildPolicy, ProcessRef, ProcessStatus, TypeRef, WorkflowType
from .encode_decisions import encode_decisions, put_payload, put_process, put_role, type_parameters
from .limits import (
    PAGE_TOKEN_LIMIT,
    PAYLOAD_LIMIT,
    REQUEST_LIMIT,
    RETENTION_LIMIT,
    TASK_TOKEN_LIMIT,
    check_name,
    check_page_size,
    check_reason,
    check_run,
    check_tags,
    check_task_list,
    check_text,
)
from .settings import ACTIVITY_SETTINGS, PROCESS_SETTINGS, put_defaults, put_settings
from .wire import aborted_details, cut_details, seconds

__all__ = [
    "Parameters",
    "cancel_process",
    "closed_processes",
    "complete_activity_task",
    "complete_decision_task",
    "describe_activity",
    "describe_process",
    "describe_workflow",
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
    if retention_days is not None and (type(retention_days) is not int or not 0 <= retention_days <= RETENTION_LIMIT):
        raise InvalidRequestError(
            f"retention_days must be 0 to {RETENTION_LIMIT} days, or None, not {show(retention_days)}"
        )
    parameters: Parameters = {
        "name": check_task_list(domain, "domain"),  # no white space around it either (swf-reference 1.2)
        "workflowExecutionRetentionPeriodInDays": "NONE" if retention_days is None else str(retention_days),
    }
    _put_description(parameters, description)
    if tags:
        parameters["tags"] = [
            {"key": check_text(key, "tag", 128, least=1), "value": check_text(value, f"tag {key!r}", NAME_LIMIT)}
            for key, value in tags.items()
        ]
    return parameters


def register_workflow(domain: str, workflow: WorkflowType, *, lambda_role: str | None = None) -> Parameters:
    """RegisterWorkflowType, with all the defaults that the type has."""
    parameters: Parameters = {"domain": domain, **type_parameters(workflow.ref, "workflow")}
    put_defaults(parameters, PROCESS_SETTINGS, workflow)
    _put_description(parameters, workflow.description)
    put_role(parameters, "defaultLambdaRole", lambda_role)
    return parameters


def register_activity(domain: str, activity: ActivityType) -> Parameters:
    """RegisterActivityType, with all the defaults that the type has."""
    parameters: Parameters = {"domain": domain, **type_parameters(activity.ref, "activity")}
    put_defaults(parameters, ACTIVITY_SETTINGS, activity)
    _put_description(parameters, activity.description)
    return parameters


def describe_workflow(domain: str, workflow: TypeRef) -> Parameters:
    """DescribeWorkflowType; also DeprecateWorkflowType, UndeprecateWorkflowType and DeleteWorkflowType."""
    return {"domain": domain, "workflowType": type_parameters(workflow, "workflow")}


def describe_activity(domain: str, activity: TypeRef) -> Parameters:
    """DescribeActivityType; also DeprecateActivityType, UndeprecateActivityType and DeleteActivityType."""
    return {"domain": domain, "activityType": type_parameters(activity, "activity")}


# --- processes -------------------------------------------------------------------------------------------


def start_process(domain: str, request: StartRequest, *, lambda_role: str | None = None) -> Parameters:
    """StartWorkflowExecution."""
    parameters: Parameters = {
        "domain": domain,
        "workflowId": check_name(request.process_id, "process_id"),
        "workflowType": type_parameters(request.workflow, "workflow"),
    }
    put_payload(parameters, "input", request.input_json)
    if request.tags != ():
        parameters["tagList"] = check_tags(request.tags)
    put_settings(parameters, PROCESS_SETTINGS, request)
    put_role(parameters, "lambdaRole", lambda_role)
    return parameters


def signal_process(domain: str, process: ProcessRef, signal: str, input_json: str | None = None) -> Parameters:
    """SignalWorkflowExecution; to the open run if there is no run id."""
    parameters: Parameters = {"domain": domain, "signalName": check_text(signal, "signal", NAME_LIMIT, least=1)}
    put_process(parameters, process)
    put_payload(parameters, "input", input_json)
    return parameters


def cancel_process(domain: str, process: ProcessRef) -> Parameters:
    """RequestCancelWorkflowExecution, which takes no details; of the open run if there is no run id."""
    parameters: Parameters = {"domain": domain}
    put_process(parameters, process)
    return parameters


def terminate_process(
    domain: str,
    process: ProcessRef,
    *,
    reason: str | None = None,
    details_json: str | None = None,
    child_policy: ChildPolicy | None = None,
) -> Parameters:
    """TerminateWorkflowExecution; of the open run if there is no run id."""
    parameters: Parameters = {"domain": domain}
    put_process(parameters, process)
    if reason is not None:
        parameters["reason"] = check_reason(reason)
    put_payload(parameters, "details", details_json)
    if child_policy is not None:
        parameters["childPolicy"] = check_child_policy(child_policy).value
    return parameters


def describe_process(domain: str, process: ProcessRef) -> Parameters:
    """DescribeWorkflowExecution, which needs the run id."""
    process = check_run(process)
    return {"domain": domain, "execution": {"workflowId": process.process_id, "runId": process.run_id}}


def history(
    domain: str,
    process: ProcessRef,
    *,
    reverse: bool = False,
    page_size: int | None = None,
    page_token: str | None = None,
) -> Parameters:
    """GetWorkflowExecutionHistory, which needs the run id."""
    return describe_process(domain, process) | page(page_size, page_token, reverse=reverse)


def page(page_size: int | None = None, page_token: str | None = None, *, reverse: bool = False) -> Parameters:
    """Return which page of a listing or a history is wanted: more parameters for such a call."""
    parameters: Parameters = {}
    if page_size is not None:
        parameters["maximumPageSize"] = check_page_size(page_size)
    if page_token is not None:
        parameters["nextPageToken"] = check_text(page_token, "page_token", PAGE_TOKEN_LIMIT, least=1)
    if reverse:
        parameters["reverseOrder"] = True
    return parameters


# --- which processes -------------------------------------------------------------------------------------

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime.max.replace(microsecond=0, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def open_processes(domain: str, filter: ProcessFilter) -> Parameters:
    """ListOpenWorkflowExecutions (together with :func:`page`) and CountOpenWorkflowExecutions.

    Raises:
        InvalidRequestError: SWF cannot ask for this; the message says what it can.
    """
    asked = _exclusive_filter(filter, "open")
    if filter.closed_after is not None or filter.closed_before is not None:
        raise InvalidRequestError("open processes have no closing time; ask without closed_after and closed_before")
    started = _time_filter(filter.started_after, filter.started_before)
    return {"domain": domain, "startTimeFilter": started or {"oldestDate": _EPOCH}, **asked}


def closed_processes(domain: str, filter: ProcessFilter) -> Parameters:
    """ListClosedWorkflowExecutions and CountClosedWorkflowExecutions; as :func:`open_processes`."""
    asked = _exclusive_filter(filter, "closed")
    started = _time_filter(filter.started_after, filter.started_before)
    closed = _time_filter(filter.closed_after, filter.closed_before)
    if started and closed:
        raise InvalidRequestError(
            "Amazon SWF lists processes by the time of their start or by that of their end, not by both: leave out "
            "started_after and started_before, or closed_after and closed_before"
        )
    if closed:
        return {"domain": domain, "closeTimeFilter": closed, **asked}
    return {"domain": domain, "startTimeFilter": started or {"oldestDate": _EPOCH}, **asked}


def _exclusive_filter(filter: ProcessFilter, which: str) -> Parameters:
    """Return the one filter besides the times; SWF takes no two of them."""
    filters: dict[str, Parameters] = {}
    if filter.process_id is not None:
        process_id = check_text(filter.process_id, "process_id", NAME_LIMIT, least=1)
        filters["process_id"] = {"executionFilter": {"workflowId": process_id}}
    if filter.workflow is not None:
        asked = {"name": check_name(filter.workflow, "workflow")}
        if filter.workflow_version is not None:
            asked["version"] = check_name(filter.workflow_version, "workflow_version", VERSION_LIMIT)
        filters["workflow"] = {"typeFilter": asked}
    elif filter.workflow_version is not None:
        raise InvalidRequestError("Amazon SWF cannot look for a workflow_version without the name of its workflow")
    if filter.tag is not None:
        filters["tag"] = {"tagFilter": {"tag": check_text(filter.tag, "tag", NAME_LIMIT)}}
    if filter.status is not None and filter.status is not ProcessStatus.OPEN:
        filters["status"] = {"closeStatusFilter": {"status": filter.status.value}}
    if len(filters) > 1:
        raise InvalidRequestError(
            f"Amazon SWF looks for {which} processes by one of process_id, workflow, tag and status, not by "
            f"{' and '.join(filters)} together; ask by one and choose among what comes"
        )
    return next(iter(filters.values()), {})


def _time_filter(after: datetime | None, before: datetime | None) -> Parameters:
    """Return the bounds, the lower inclusive and the upper exclusive; SWF includes both, and counts milliseconds."""
    if after is None and before is None:
        return {}
    bounds: Parameters = {"oldestDate": _EPOCH if after is None else _round_up(after)}
    if before is not None:
        bounds["latestDate"] = max(_EPOCH, _round_up(before) - _MILLISECOND)
    return bounds


def _round_up(when: Any) -> datetime:
    """Return the first whole millisecond that is not before ``when``, nor before 1970."""
    if not isinstance(when, datetime) or when.tzinfo is None:
        raise InvalidRequestError(f"times must be aware datetimes, not {show(when)}")
    if when >= _LAST:
        return _LAST
    return _EPOCH + max(0, -((_EPOCH - when) // _MILLISECOND)) * _MILLISECOND


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
    """PollForDecisionTask; for further pages of a task the same, with the token that came with the page before."""
    parameters = poll_activity_task(domain, task_list, identity=identity)
    if new_events_only:
        parameters["startAtPreviousStartedEvent"] = True
    return parameters | page(page_size, page_token, reverse=reverse)


def poll_activity_task(domain: str, task_list: str, *, identity: str | None = None) -> Parameters:
    """PollForActivityTask."""
    parameters: Parameters = {"domain": domain, "taskList": {"name": check_task_list(task_list)}}
    if identity is not None:
        parameters["identity"] = check_text(identity, "identity", IDENTITY_LIMIT)
    return parameters


def complete_decision_task(
    token: str,
    decisions: Sequence[Decision] = (),
    *,
    execution_context: str | None = None,
    task_list: str | None = None,
    task_list_schedule_to_start_timeout: float | None = None,
    lambda_role: str | None = None,
) -> Parameters:
    """RespondDecisionTaskCompleted; ``lambda_role`` is for the children and new runs that the decisions start.

    Raises:
        InvalidDecisionError: A decision breaks a rule, or they are too many or too big together.
        UnknownTaskError: The token cannot be one of SWF's.
    """
    parameters: Parameters = {
        "taskToken": _token(token),
        "decisions": encode_decisions(decisions, lambda_role=lambda_role),
    }
    if execution_context is not None:
        parameters["executionContext"] = check_text(execution_context, "execution_context", PAYLOAD_LIMIT)
    if task_list is not None:
        parameters["taskList"] = {"name": check_task_list(task_list)}
        parameters["taskListScheduleToStartTimeout"] = seconds(
            task_list_schedule_to_start_timeout, "task_list_schedule_to_start_timeout"
        )
    if len(decisions) > 1:  # one alone never is too big
        _check_size(parameters, len(decisions))
    return parameters


def _check_size(parameters: Parameters, count: int) -> None:
    """Refuse what a request does not hold; the connection would just break (swf-reference 11.3)."""
    size = len(json.dumps(parameters))  # as botocore writes it, with \u escapes
    if size > REQUEST_LIMIT:
        raise InvalidDecisionError(
            f"the {count:,} decisions take {size:,} bytes, and a request to Amazon SWF {REQUEST_LIMIT:,}; decide the "
            "rest in another turn, which StartTimerDecision(0) brings"
        )


def heartbeat_activity_task(token: str, details_json: str | None = None) -> Parameters:
    """RecordActivityTaskHeartbeat; long details are visibly cut to 2,048 characters."""
    parameters: Parameters = {"taskToken": _token(token)}
    if details_json is not None:
        parameters["details"] = cut_details(details_json)
    return parameters


def complete_activity_task(token: str, result: ActivityResult) -> tuple[str, Parameters]:
    """Return which call tells this result, and its parameters.

    The call is RespondActivityTaskCompleted, RespondActivityTaskFailed or RespondActivityTaskCanceled; the last is for
    all that is aborted, whether that was asked for or not.
    """
    parameters: Parameters = {"taskToken": _token(token)}
    given: object = result
    match given:
        case ActivityCompleted():
            put_payload(parameters, "result", given.result_json)
            return "RespondActivityTaskCompleted", parameters
        case ActivityFailed():
            if given.reason is not None:
                parameters["reason"] = check_reason(given.reason)
            put_payload(parameters, "details", given.details_json)
            return "RespondActivityTaskFailed", parameters
        case ActivityAborted():
            details = aborted_details(given.reason, given.details_json)
            if details is not None:
                parameters["details"] = details
            return "RespondActivityTaskCanceled", parameters
    raise InvalidRequestError(
        f"the result must be ActivityCompleted, ActivityAborted or ActivityFailed, not {show(result)}"
    )


def _token(token: Any) -> str:
    if not isinstance(token, str) or not 0 < len(token) <= TASK_TOKEN_LIMIT:
        raise UnknownTaskError(f"{show(token)} is the token of no task")
    return token


def _put_description(parameters: Parameters, description: str | None) -> None:
    if description is not None:
        parameters["description"] = check_text(description, "description", DESCRIPTION_LIMIT)
