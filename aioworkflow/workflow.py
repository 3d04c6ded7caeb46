"""Workflows: deciders that say what happens next.

::

    class OrderWorkflow(Workflow):
        execution_timeout = timedelta(days=7)

        async def decide(self, process):
            return ChargeCard if process.history ... else CompleteProcessDecision()

``decide`` may be a coroutine function or plain, a method of the class or of its instances; it runs in the event loop,
so it must not block, and all it may look at is ``process``. It returns one decision, an activity (short for
scheduling it with the input of the process), an iterable of these, or nothing.

A subclass with ``async def run(self, input)`` and without ``decide`` is a coroutine workflow, see
:mod:`aioworkflow.coroutine`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

from .checks import (
    DESCRIPTION_LIMIT,
    check_name,
    check_setting,
    check_text,
    check_version,
    cut,
    show,
)
from .errors import InvalidRequestError
from .types import DEFAULT_TASK_LIST, UNSET, ChildPolicy, Duration, TypeRef, UnsetType, WorkflowType

__all__ = [
    "DEFAULT_DECISION_TIMEOUT",
    "Workflow",
    "WorkflowLike",
    "runs_as_coroutine",
    "workflow_settings",
    "workflow_type",
]

DEFAULT_DECISION_TIMEOUT = 60.0
"""Seconds. Only when they have passed is a dead decider missed, so "no limit" would be no default."""


class Workflow:
    """The base of all workflows. Its class attributes are the settings of its processes.

    UNSET settings are left to the registered workflow, and registered as the default in brackets. A subclass inherits
    settings, but not the name: that is its own class name without ``Workflow``, unless it sets ``name``.

    Attributes:
        name: 1 to 256 characters, see :func:`aioworkflow.checks.check_name`.
        version: Processes keep the version that they were started with.
        execution_timeout: Seconds or timedelta from start to close of a process [None, no limit].
        decision_timeout: The same for one call of ``decide`` [60 s].
        task_list: Where decision tasks wait for a worker ["default"].
        task_priority: Higher is handed out earlier [0].
        child_policy: What becomes of open children when a process is terminated or times out [TERMINATE].
        description: For people; up to 1,024 characters [first line of the docstring].
        always_replay: Whether a workflow with ``run`` is replayed from history in each turn, to see that it can be.
    """

    name: str
    version: str = "1"
    execution_timeout: Duration | UnsetType = UNSET
    decision_timeout: Duration | UnsetType = UNSET
    task_list: str | UnsetType = UNSET
    task_priority: int | UnsetType = UNSET
    child_policy: ChildPolicy | UnsetType = UNSET
    description: str | None = None

    always_replay: bool = False

    decide: Callable[..., Any]
    """``decide(process)``: to be defined by the subclass, or made of its coroutine ``run(input)``."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = cls.__name__.removesuffix("Workflow") or cls.__name__
        if hasattr(cls, "run") and not hasattr(cls, "decide"):
            if not inspect.iscoroutinefunction(cls.run):
                raise InvalidRequestError(f"{cls.__qualname__}.run must be an `async def` that returns")
            cls.decide = _decide_by_running


def runs_as_coroutine(workflow: Workflow) -> bool:
    """Whether it is a coroutine workflow: one that has no ``decide`` but that which is made of its ``run``."""
    return getattr(type(workflow), "decide", None) is _decide_by_running


async def _decide_by_running(self: Workflow, process: Any) -> Any:
    """Let ``run`` go on where history stands."""
    from .coroutine.decider import decide  # which needs this module

    return await decide(self, process)


WorkflowLike: TypeAlias = type[Workflow] | Workflow | TypeRef | str
"""What names a workflow: a class, an instance, or name and version."""


def workflow_type(workflow: type[Workflow] | Workflow) -> WorkflowType:
    """Return what a worker registers for a workflow: every setting has a value.

    Raises:
        InvalidRequestError: It is no workflow, or one of its settings breaks a rule.
    """
    given = workflow_settings(workflow)
    return WorkflowType(
        ref=given.ref,
        execution_timeout=None if given.execution_timeout is UNSET else given.execution_timeout,
        decision_timeout=DEFAULT_DECISION_TIMEOUT if given.decision_timeout is UNSET else given.decision_timeout,
        task_list=DEFAULT_TASK_LIST if given.task_list is UNSET else given.task_list,
        task_priority=0 if given.task_priority is UNSET else given.task_priority,
        child_policy=ChildPolicy.TERMINATE if given.child_policy is UNSET else given.child_policy,
        description=given.description,
    )


def workflow_settings(workflow: WorkflowLike, version: str | None = None) -> WorkflowType:
    """Return the name of a workflow and the settings that its class sets itself; the others are UNSET.

    Args:
        workflow: A class, an instance, or a name, which has no settings.
        version: Goes with a name.

    Raises:
        InvalidRequestError: It is no workflow, or one of its settings breaks a rule.
    """
    if isinstance(workflow, str):
        return _named(workflow, "1" if version is None else version)
    if version is not None:
        raise InvalidRequestError(f"version goes with the name of a workflow, not with {show(workflow)}")
    if isinstance(workflow, TypeRef):
        return _named(*workflow)
    owner: object = workflow if isinstance(workflow, type) else type(workflow)
    if not (isinstance(owner, type) and issubclass(owner, Workflow)):
        raise InvalidRequestError(f"a workflow must be a class, an instance or a name, not {show(workflow)}")
    if owner is Workflow:
        raise InvalidRequestError("Workflow itself is no workflow; subclass it")
    description = workflow.description
    if description is None and workflow.__doc__:
        description = cut(workflow.__doc__.strip().partition("\n")[0], DESCRIPTION_LIMIT)
    try:
        return _settings(
            workflow.name,
            workflow.version,
            workflow.execution_timeout,
            workflow.decision_timeout,
            workflow.task_list,
            workflow.task_priority,
            workflow.child_policy,
            description,
        )
    except InvalidRequestError as error:
        raise InvalidRequestError(f"workflow {show(workflow)}: {error}") from None
    except TypeError as error:  # an unhashable setting
        raise InvalidRequestError(f"workflow {show(workflow)}: a setting has the wrong type: {error}") from None


def _named(name: str, version: str) -> WorkflowType:
    try:
        return _only_named(name, version)
    except TypeError:  # unhashable
        raise InvalidRequestError(f"name and version must be str, not {show((name, version))}") from None


@functools.lru_cache(maxsize=1024, typed=True)
def _only_named(name: str, version: str) -> WorkflowType:
    return WorkflowType(ref=TypeRef(check_name(name, "workflow"), check_version(version)))


# Settings are read anew each time, so that changing a class attribute counts, and checked once for each set of values.
@functools.lru_cache(maxsize=1024, typed=True)
def _settings(
    name: str,
    version: str,
    execution_timeout: Any,
    decision_timeout: Any,
    task_list: Any,
    task_priority: Any,
    child_policy: Any,
    description: str | None,
) -> WorkflowType:
    return WorkflowType(
        ref=TypeRef(check_name(name, "name"), check_version(version)),
        execution_timeout=check_setting(execution_timeout, "execution_timeout"),
        decision_timeout=check_setting(decision_timeout, "decision_timeout"),
        task_list=check_setting(task_list, "task_list"),
        task_priority=check_setting(task_priority, "task_priority"),
        child_policy=check_setting(child_policy, "child_policy"),
        description=None if description is None else check_text(description, "description", DESCRIPTION_LIMIT),
    )
