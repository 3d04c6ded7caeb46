"""What may be asked: one struct for each action, in the members and limits of the wire (swf-reference 1.2, 1.3, 2).

Written from the reference, not from what the library sends. Members that an action does not have are refused, although
Amazon passes over them: here they are mistakes.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from .faults import Fault, serialization, validation

__all__ = ["REQUESTS", "Request", "Wire", "WireTypeRef", "read"]

_RULE_A = r"^(?!arn$)[^:/|\x00-\x1f\x7f-\x9f]*$"

Name = Annotated[str, Meta(min_length=1, max_length=256, pattern=_RULE_A)]
Version = Annotated[str, Meta(min_length=1, max_length=64, pattern=_RULE_A)]
Label = Annotated[str, Meta(min_length=1, max_length=256)]
RunId = Annotated[str, Meta(min_length=1, max_length=64)]
OptionalRunId = Annotated[str, Meta(max_length=64)]
Data = Annotated[str, Meta(max_length=32_768)]
LimitedData = Annotated[str, Meta(max_length=2_048)]
Short = Annotated[str, Meta(max_length=256)]
Description = Annotated[str, Meta(max_length=1_024)]
Token = Annotated[str, Meta(min_length=1, max_length=1_024)]
PageToken = Annotated[str, Meta(max_length=2_048)]
PageSize = Annotated[int, Meta(ge=0, le=1_000)]
Seconds = Annotated[str, Meta(min_length=1, max_length=8, pattern=r"^([0-9]+|NONE)$")]
Number = Annotated[str, Meta(pattern=r"^-?[0-9]{1,10}$")]
Policy = Annotated[str, Meta(pattern="^(TERMINATE|REQUEST_CANCEL|ABANDON)$")]
Role = Annotated[str, Meta(min_length=1, max_length=1_600)]
Tags = Annotated[list[Short], Meta(max_length=5)]
Epoch = float


class Wire(msgspec.Struct, kw_only=True, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class WireTaskList(Wire, frozen=True):
    name: Name


class WireTypeRef(Wire, frozen=True):
    name: Name
    version: Version


class WireExecution(Wire, frozen=True):
    workflow_id: Label
    run_id: RunId


class WireTag(Wire, frozen=True):
    key: str
    value: str | None = None


class Request(Wire, frozen=True):
    pass


# --- domains and types ---


class RegisterDomain(Request, frozen=True):
    name: Name
    workflow_execution_retention_period_in_days: Seconds
    description: Description | None = None
    tags: list[WireTag] | None = None


class DescribeDomain(Request, frozen=True):
    name: Name


class ListDomains(Request, frozen=True):
    registration_status: str
    next_page_token: PageToken | None = None
    maximum_page_size: PageSize | None = None
    reverse_order: bool | None = None


class RegisterWorkflowType(Request, frozen=True):
    domain: Name
    name: Name
    version: Version
    description: Description | None = None
    default_task_start_to_close_timeout: Seconds | None = None
    default_execution_start_to_close_timeout: Seconds | None = None
    default_task_list: WireTaskList | None = None
    default_task_priority: Number | None = None
    default_child_policy: Policy | None = None
    default_lambda_role: Role | None = None


class RegisterActivityType(Request, frozen=True):
    domain: Name
    name: Name
    version: Version
    description: Description | None = None
    default_task_start_to_close_timeout: Seconds | None = None
    default_task_heartbeat_timeout: Seconds | None = None
    default_task_list: WireTaskList | None = None
    default_task_priority: Number | None = None
    default_task_schedule_to_start_timeout: Seconds | None = None
    default_task_schedule_to_close_timeout: Seconds | None = None


class DescribeWorkflowType(Request, frozen=True):
    domain: Name
    workflow_type: WireTypeRef


class DescribeActivityType(Request, frozen=True):
    domain: Name
    activity_type: WireTypeRef


class ListTypes(Request, frozen=True):
    domain: Name
    registration_status: str
    name: Name | None = None
    next_page_token: PageToken | None = None
    maximum_page_size: PageSize | None = None
    reverse_order: bool | None = None


# --- executions ---


class StartWorkflowExecution(Request, frozen=True):
    domain: Name
    workflow_id: Name
    workflow_type: WireTypeRef
    task_list: WireTaskList | None = None
    task_priority: Number | None = None
    input: Data | None = None
    execution_start_to_close_timeout: Seconds | None = None
    tag_list: Tags | None = None
    task_start_to_close_timeout: Seconds | None = None
    child_policy: Policy | None = None
    lambda_role: Role | None = None


class SignalWorkflowExecution(Request, frozen=True):
    domain: Name
    workflow_id: Label
    signal_name: Label
    run_id: OptionalRunId | None = None
    input: Data | None = None


class RequestCancelWorkflowExecution(Request, frozen=True):
    domain: Name
    workflow_id: Label
    run_id: OptionalRunId | None = None


class TerminateWorkflowExecution(Request, frozen=True):
    domain: Name
    workflow_id: Label
    run_id: OptionalRunId | None = None
    reason: Short | None = None
    details: Data | None = None
    child_policy: Policy | None = None


class DescribeWorkflowExecution(Request, frozen=True):
    domain: Name
    execution: WireExecution


class GetWorkflowExecutionHistory(Request, frozen=True):
    domain: Name
    execution: WireExecution
    next_page_token: PageToken | None = None
    maximum_page_size: PageSize | None = None
    reverse_order: bool | None = None


class TimeFilter(Wire, frozen=True):
    oldest_date: Epoch
    latest_date: Epoch | None = None


class TypeFilter(Wire, frozen=True):
    name: Name
    version: Version | None = None


class TagFilter(Wire, frozen=True):
    tag: Short


class ExecutionFilter(Wire, frozen=True):
    workflow_id: Label


class CloseStatusFilter(Wire, frozen=True):
    status: str


class CountOpenWorkflowExecutions(Request, frozen=True):
    domain: Name
    start_time_filter: TimeFilter
    type_filter: TypeFilter | None = None
    tag_filter: TagFilter | None = None
    execution_filter: ExecutionFilter | None = None


class ListOpenWorkflowExecutions(CountOpenWorkflowExecutions, frozen=True):
    next_page_token: PageToken | None = None
    maximum_page_size: PageSize | None = None
    reverse_order: bool | None = None


class CountClosedWorkflowExecutions(Request, frozen=True):
    domain: Name
    start_time_filter: TimeFilter | None = None
    close_time_filter: TimeFilter | None = None
    type_filter: TypeFilter | None = None
    tag_filter: TagFilter | None = None
    execution_filter: ExecutionFilter | None = None
    close_status_filter: CloseStatusFilter | None = None


class ListClosedWorkflowExecutions(CountClosedWorkflowExecutions, frozen=True):
    next_page_token: PageToken | None = None
    maximum_page_size: PageSize | None = None
    reverse_order: bool | None = None


# --- tasks ---


class PollForDecisionTask(Request, frozen=True):
    domain: Name
    task_list: WireTaskList
    identity: Short | None = None
    next_page_token: PageToken | None = None
    maximum_page_size: PageSize | None = None
    reverse_order: bool | None = None
    start_at_previous_started_event: bool | None = None


class PollForActivityTask(Request, frozen=True):
    domain: Name
    task_list: WireTaskList
    identity: Short | None = None


class RespondDecisionTaskCompleted(Request, frozen=True):
    task_token: Token
    decisions: list[dict[str, Any]] | None = None
    execution_context: Data | None = None
    task_list: WireTaskList | None = None
    task_list_schedule_to_start_timeout: Seconds | None = None


class RecordActivityTaskHeartbeat(Request, frozen=True):
    task_token: Token
    details: LimitedData | None = None


class RespondActivityTaskCompleted(Request, frozen=True):
    task_token: Token
    result: Data | None = None


class RespondActivityTaskFailed(Request, frozen=True):
    task_token: Token
    reason: Short | None = None
    details: Data | None = None


class RespondActivityTaskCanceled(Request, frozen=True):
    task_token: Token
    details: Data | None = None


class CountPendingTasks(Request, frozen=True):
    domain: Name
    task_list: WireTaskList


REQUESTS: dict[str, type[Request]] = {
    struct.__name__: struct
    for struct in (
        RegisterDomain,
        DescribeDomain,
        ListDomains,
        RegisterWorkflowType,
        RegisterActivityType,
        DescribeWorkflowType,
        DescribeActivityType,
        StartWorkflowExecution,
        SignalWorkflowExecution,
        RequestCancelWorkflowExecution,
        TerminateWorkflowExecution,
        DescribeWorkflowExecution,
        GetWorkflowExecutionHistory,
        CountOpenWorkflowExecutions,
        ListOpenWorkflowExecutions,
        CountClosedWorkflowExecutions,
        ListClosedWorkflowExecutions,
        PollForDecisionTask,
        PollForActivityTask,
        RespondDecisionTaskCompleted,
        RecordActivityTaskHeartbeat,
        RespondActivityTaskCompleted,
        RespondActivityTaskFailed,
        RespondActivityTaskCanceled,
    )
} | {
    "CountPendingActivityTasks": CountPendingTasks,
    "CountPendingDecisionTasks": CountPendingTasks,
    "DeleteActivityType": DescribeActivityType,
    "DeleteWorkflowType": DescribeWorkflowType,
    "DeprecateActivityType": DescribeActivityType,
    "DeprecateDomain": DescribeDomain,
    "DeprecateWorkflowType": DescribeWorkflowType,
    "ListActivityTypes": ListTypes,
    "ListWorkflowTypes": ListTypes,
    "UndeprecateActivityType": DescribeActivityType,
    "UndeprecateDomain": DescribeDomain,
    "UndeprecateWorkflowType": DescribeWorkflowType,
}
"""Actions by name; all but those for the resource tags of domains."""

_decoders = {action: msgspec.json.Decoder(struct) for action, struct in REQUESTS.items()}


def read(action: str, body: bytes) -> Request:
    """Return the request in a body.

    Raises:
        Fault: ValidationException or SerializationException; members that are null count as absent.
    """
    try:
        return _decoders[action].decode(body)
    except msgspec.ValidationError as error:
        raise _refused(action, body, error) from None
    except msgspec.DecodeError as error:
        raise serialization(str(error)) from None


def _refused(action: str, body: bytes, error: msgspec.ValidationError) -> Fault:
    text = str(error)
    if "unknown field" in text or ("Expected `" in text and ", got" in text):
        return serialization(text)
    return validation(f"1 validation error detected: {text}")
