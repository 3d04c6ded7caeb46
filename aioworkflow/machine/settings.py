"""How the settings of a new run are found: what is asked for, else the default of the workflow, else a refusal
(swf-reference 2.2).

Clients, children and continue-as-new share the rule and differ in how they are refused: clients by an error,
decisions by a cause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from ..errors import AioworkflowError, DefaultUndefinedError, TypeDeprecatedError, UnknownTypeError
from ..event import Cause
from ..types import UNSET, ChildPolicy, ProcessRef, TypeRef, UnsetType
from .requests import StartProcess

if TYPE_CHECKING:
    from .transition import Environment

T = TypeVar("T")

__all__ = ["StartRequest", "StartSettings", "resolve", "resolve_start"]


class StartSettings(Protocol):
    """What may be said about a new run; UNSET leaves it to the workflow."""

    @property
    def input_json(self) -> str | None:
        """Its input."""
        ...

    @property
    def tags(self) -> tuple[str, ...]:
        """Its tags."""
        ...

    @property
    def task_list(self) -> str | UnsetType:
        """Where its decision tasks wait."""
        ...

    @property
    def task_priority(self) -> int | UnsetType:
        """Of its decision tasks."""
        ...

    @property
    def execution_timeout(self) -> float | UnsetType | None:
        """Seconds from start to close."""
        ...

    @property
    def decision_timeout(self) -> float | UnsetType | None:
        """Seconds for one decision task."""
        ...

    @property
    def child_policy(self) -> ChildPolicy | UnsetType:
        """What becomes of its children."""
        ...


class StartRequest(StartSettings, Protocol):
    """What a client says about a new process (:class:`aioworkflow.backend.StartRequest`)."""

    @property
    def process_id(self) -> str:
        """Its id."""
        ...

    @property
    def workflow(self) -> TypeRef:
        """Its workflow."""
        ...


def resolve_start(request: StartRequest, run_id: str, environment: Environment) -> StartProcess:
    """Return the request to start a process with all settings filled in.

    Raises:
        UnknownTypeError: The workflow is not registered.
        TypeDeprecatedError: It takes no new work.
        DefaultUndefinedError: A setting is neither given nor has a default.
    """
    found = resolve(request, ProcessRef(request.process_id, run_id), request.workflow, environment)
    if isinstance(found, Cause):
        raise _error(request.workflow, found)
    return found


def resolve(
    settings: StartSettings,
    process: ProcessRef,
    workflow: TypeRef,
    environment: Environment,
    *,
    parent: ProcessRef | None = None,
    parent_initiated_event_id: int = 0,
) -> StartProcess | Cause:
    """Return the request to start ``process`` with all settings filled in, or why that cannot be."""
    kind = environment.workflows.get(workflow)
    if kind is None:
        return Cause.WORKFLOW_TYPE_DOES_NOT_EXIST
    if kind.deprecated:
        return Cause.WORKFLOW_TYPE_DEPRECATED
    execution_timeout = _first(settings.execution_timeout, kind.execution_timeout)
    if execution_timeout is UNSET:
        return Cause.DEFAULT_EXECUTION_START_TO_CLOSE_TIMEOUT_UNDEFINED
    longest = environment.limits.execution_timeout
    if longest is not None and (execution_timeout is None or execution_timeout > longest):
        execution_timeout = longest
    decision_timeout = _first(settings.decision_timeout, kind.decision_timeout)
    if decision_timeout is UNSET:
        return Cause.DEFAULT_TASK_START_TO_CLOSE_TIMEOUT_UNDEFINED
    task_list = _first(settings.task_list, kind.task_list)
    if task_list is UNSET:
        return Cause.DEFAULT_TASK_LIST_UNDEFINED
    child_policy = _first(settings.child_policy, kind.child_policy)
    if child_policy is UNSET:
        return Cause.DEFAULT_CHILD_POLICY_UNDEFINED
    task_priority = _first(settings.task_priority, kind.task_priority)
    return StartProcess(
        process_id=process.process_id,
        run_id=process.run_id,
        workflow=workflow,
        task_list=task_list,
        child_policy=child_policy,
        input_json=settings.input_json,
        tags=tuple(settings.tags),
        task_priority=0 if task_priority is UNSET else task_priority,
        execution_timeout=execution_timeout,
        decision_timeout=decision_timeout,
        parent=parent,
        parent_initiated_event_id=parent_initiated_event_id,
    )


def _first(asked: T | UnsetType, default: T | UnsetType) -> T | UnsetType:
    return default if asked is UNSET else asked


_WHAT = {
    Cause.DEFAULT_EXECUTION_START_TO_CLOSE_TIMEOUT_UNDEFINED: "execution_timeout",
    Cause.DEFAULT_TASK_START_TO_CLOSE_TIMEOUT_UNDEFINED: "decision_timeout",
    Cause.DEFAULT_TASK_LIST_UNDEFINED: "task_list",
    Cause.DEFAULT_CHILD_POLICY_UNDEFINED: "child_policy",
}


def _error(workflow: TypeRef, cause: Cause) -> AioworkflowError:
    if cause is Cause.WORKFLOW_TYPE_DOES_NOT_EXIST:
        return UnknownTypeError(f"workflow {workflow} is not registered")
    if cause is Cause.WORKFLOW_TYPE_DEPRECATED:
        return TypeDeprecatedError(f"workflow {workflow} is deprecated and starts no new process")
    what = _WHAT[cause]
    return DefaultUndefinedError(f"workflow {workflow} has no default for {what}, and the request gives none")
