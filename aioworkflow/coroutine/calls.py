"""Calling activities and children, typed by what is called.

The overloads differ in what is called: a function made by ``@activity`` or ``@workflow`` tells type checkers what input
it takes and what it returns (several parameters take a tuple), a class or a name does not tell, and the result is what
``into`` says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from functools import partial
from typing import Any, Protocol, TypedDict, TypeVar, Unpack, overload

from ..activity import Activity, activity_settings
from ..checks import check_name
from ..decision import ScheduleActivityDecision, StartChildProcessDecision
from ..payload import as_json, encode_optional
from ..retry import RetryPolicy
from ..types import UNSET, ChildPolicy, Duration, TypeRef, UnsetType
from ..workflow import Workflow
from .activities import ActivityHandle, CancelMode, check_cancel_mode, result_type_of, retry_of
from .definition import FunctionWorkflow, workflow_result_type
from .processes import ChildHandle
from .run import Run

__all__ = ["ActivityCall", "ChildCall", "execute", "execute_child", "start_activity", "start_child"]

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
A_contra = TypeVar("A_contra", contravariant=True)
B_contra = TypeVar("B_contra", contravariant=True)
C_contra = TypeVar("C_contra", contravariant=True)
D_contra = TypeVar("D_contra", contravariant=True)


class ActivityCall(TypedDict, total=False):
    """How to call an activity. What is not given is as the activity says.

    Attributes:
        id: Unique among the open activities of the process; made of name and number if it is not given.
        task_list: Where the task waits for a worker.
        task_priority: Higher is handed out earlier.
        schedule_to_start_timeout: Seconds or timedelta that it may wait for a worker; None is no limit.
        start_to_close_timeout: The same for the work itself.
        schedule_to_close_timeout: The same for both together.
        heartbeat_timeout: The same between two heartbeats.
        retry: How it is tried again; None is not at all.
        cancel: What cancelling means. "wait" asks the activity to end, and waits until it has ended ["wait"]; "request"
            asks and does not wait; "abandon" lets it go on.
        control: A note that is kept in history.
        version: With a name: the version of the activity ["1"].
    """

    id: str
    task_list: str
    task_priority: int
    schedule_to_start_timeout: Duration
    start_to_close_timeout: Duration
    schedule_to_close_timeout: Duration
    heartbeat_timeout: Duration
    retry: RetryPolicy | None
    cancel: CancelMode
    control: object
    version: str


class ChildCall(TypedDict, total=False):
    """How to start a child. What is not given is as the workflow says.

    Attributes:
        id: Its process id, unique among all open processes; made of the ids of this one if it is not given.
        tags: To find it by.
        task_list: Where its decision tasks wait.
        task_priority: Higher is decided on earlier.
        execution_timeout: Seconds or timedelta from its start to its close; None is no limit.
        decision_timeout: The same for one decision.
        child_policy: What becomes of *its* children if it is terminated or times out.
        cancel: What cancelling means. "wait" asks the child to end, and waits until it has ended ["wait"]; "request"
            asks and does not wait; "abandon" lets it go on.
        control: A note that is kept in history.
        version: With a name: the version of the workflow ["1"].
    """

    id: str
    tags: Iterable[str]
    task_list: str
    task_priority: int
    execution_timeout: Duration
    decision_timeout: Duration
    child_policy: ChildPolicy
    cancel: CancelMode
    control: object
    version: str


# What @activity makes of functions with so many parameters; `arguments` tells them from other callables.


class _Activity0(Protocol[R_co]):
    @property
    def arguments(self) -> object: ...
    def __call__(self) -> R_co: ...


class _Activity1(Protocol[A_contra, R_co]):
    @property
    def arguments(self) -> object: ...
    def __call__(self, a: A_contra, /) -> R_co: ...


class _Activity2(Protocol[A_contra, B_contra, R_co]):
    @property
    def arguments(self) -> object: ...
    def __call__(self, a: A_contra, b: B_contra, /) -> R_co: ...


class _Activity3(Protocol[A_contra, B_contra, C_contra, R_co]):
    @property
    def arguments(self) -> object: ...
    def __call__(self, a: A_contra, b: B_contra, c: C_contra, /) -> R_co: ...


class _Activity4(Protocol[A_contra, B_contra, C_contra, D_contra, R_co]):
    @property
    def arguments(self) -> object: ...
    def __call__(self, a: A_contra, b: B_contra, c: C_contra, d: D_contra, /) -> R_co: ...


# --- activities ------------------------------------------------------------------------------------------


@overload
def start_activity(
    activity: type[Activity] | TypeRef | str, input: object = None, *, into: type[R], **options: Unpack[ActivityCall]
) -> ActivityHandle[R]: ...
@overload
def start_activity(
    activity: type[Activity] | TypeRef | str, input: object = None, *, into: Any = ..., **options: Unpack[ActivityCall]
) -> ActivityHandle[Any]: ...
@overload
def start_activity(activity: _Activity0[Awaitable[R]], **options: Unpack[ActivityCall]) -> ActivityHandle[R]: ...
@overload
def start_activity(
    activity: _Activity1[A, Awaitable[R]], input: A, **options: Unpack[ActivityCall]
) -> ActivityHandle[R]: ...
@overload
def start_activity(
    activity: _Activity2[A, B, Awaitable[R]], input: tuple[A, B], **options: Unpack[ActivityCall]
) -> ActivityHandle[R]: ...
@overload
def start_activity(
    activity: _Activity3[A, B, C, Awaitable[R]], input: tuple[A, B, C], **options: Unpack[ActivityCall]
) -> ActivityHandle[R]: ...
@overload
def start_activity(
    activity: _Activity4[A, B, C, D, Awaitable[R]], input: tuple[A, B, C, D], **options: Unpack[ActivityCall]
) -> ActivityHandle[R]: ...
@overload
def start_activity(activity: _Activity0[R], **options: Unpack[ActivityCall]) -> ActivityHandle[R]: ...
@overload
def start_activity(activity: _Activity1[A, R], input: A, **options: Unpack[ActivityCall]) -> ActivityHandle[R]: ...
@overload
def start_activity(
    activity: _Activity2[A, B, R], input: tuple[A, B], **options: Unpack[ActivityCall]
) -> ActivityHandle[R]: ...
@overload
def start_activity(
    activity: _Activity3[A, B, C, R], input: tuple[A, B, C], **options: Unpack[ActivityCall]
) -> ActivityHandle[R]: ...
@overload
def start_activity(
    activity: _Activity4[A, B, C, D, R], input: tuple[A, B, C, D], **options: Unpack[ActivityCall]
) -> ActivityHandle[R]: ...
def start_activity(
    activity: Any,
    input: object = None,
    *,
    into: Any = UNSET,
    retry: RetryPolicy | UnsetType | None = UNSET,
    cancel: CancelMode = "wait",
    **options: Any,
) -> ActivityHandle[Any]:
    """Schedule an activity, and return a future of its result.

    Args:
        activity: A class, a function made by ``@activity``, or the name of one.
        input: What it gets; a tuple where it takes several.
        into: The type that its result is decoded as; what the activity says it returns if it is not given.
        retry: See :class:`ActivityCall`, as for the rest.
        cancel: The same.
        options: The same.

    Raises:
        InvalidRequestError: An argument breaks a rule.
    """
    run = Run.current()
    id: str | None = options.pop("id", None)
    if options:
        decision = ScheduleActivityDecision(activity, input, id=id, **options)
        ref = decision.activity
    else:
        ref = activity_settings(activity).ref
    if id is None:
        name = ref.name[:200]
        id = f"{name}-{run.count(name)}"
    else:
        check_name(id, "id")
    if options:
        make = partial(decision.with_id, id)
    else:  # what replays do not need is not made
        make = partial(ScheduleActivityDecision, activity, as_json(encode_optional(input)), id=id)
    if into is UNSET:
        into = result_type_of(activity)
    return ActivityHandle(
        run, id, ref, make, into=into, mode=check_cancel_mode(cancel), retry=retry_of(activity, retry)
    )


@overload
async def execute(
    activity: type[Activity] | TypeRef | str, input: object = None, *, into: type[R], **options: Unpack[ActivityCall]
) -> R: ...
@overload
async def execute(
    activity: type[Activity] | TypeRef | str, input: object = None, *, into: Any = ..., **options: Unpack[ActivityCall]
) -> Any: ...
@overload
async def execute(activity: _Activity0[Awaitable[R]], **options: Unpack[ActivityCall]) -> R: ...
@overload
async def execute(activity: _Activity1[A, Awaitable[R]], input: A, **options: Unpack[ActivityCall]) -> R: ...
@overload
async def execute(
    activity: _Activity2[A, B, Awaitable[R]], input: tuple[A, B], **options: Unpack[ActivityCall]
) -> R: ...
@overload
async def execute(
    activity: _Activity3[A, B, C, Awaitable[R]], input: tuple[A, B, C], **options: Unpack[ActivityCall]
) -> R: ...
@overload
async def execute(
    activity: _Activity4[A, B, C, D, Awaitable[R]], input: tuple[A, B, C, D], **options: Unpack[ActivityCall]
) -> R: ...
@overload
async def execute(activity: _Activity0[R], **options: Unpack[ActivityCall]) -> R: ...
@overload
async def execute(activity: _Activity1[A, R], input: A, **options: Unpack[ActivityCall]) -> R: ...
@overload
async def execute(activity: _Activity2[A, B, R], input: tuple[A, B], **options: Unpack[ActivityCall]) -> R: ...
@overload
async def execute(activity: _Activity3[A, B, C, R], input: tuple[A, B, C], **options: Unpack[ActivityCall]) -> R: ...
@overload
async def execute(
    activity: _Activity4[A, B, C, D, R], input: tuple[A, B, C, D], **options: Unpack[ActivityCall]
) -> R: ...
async def execute(activity: Any, input: object = None, *, into: Any = UNSET, **options: Any) -> Any:
    """Have an activity done, and return its result.

    Args:
        activity: A class, a function made by ``@activity``, or the name of one.
        input: What it gets; a tuple where it takes several.
        into: The type that its result is decoded as; what the activity says it returns if it is not given.
        options: See :class:`ActivityCall`.

    Raises:
        ActivityError: It ended without a result, and is not tried again.
        PayloadError: Its result does not fit its type.
        InvalidRequestError: An argument breaks a rule.
    """
    return await start_activity(activity, input, into=into, **options)


# --- children --------------------------------------------------------------------------------------------


class _Workflow0(Protocol[R_co]):
    async def run(self) -> R_co: ...


class _Workflow1(Protocol[A_contra, R_co]):
    async def run(self, a: A_contra, /) -> R_co: ...


class _Workflow2(Protocol[A_contra, B_contra, R_co]):
    async def run(self, a: A_contra, b: B_contra, /) -> R_co: ...


class _Workflow3(Protocol[A_contra, B_contra, C_contra, R_co]):
    async def run(self, a: A_contra, b: B_contra, c: C_contra, /) -> R_co: ...


class _Workflow4(Protocol[A_contra, B_contra, C_contra, D_contra, R_co]):
    async def run(self, a: A_contra, b: B_contra, c: C_contra, d: D_contra, /) -> R_co: ...


@overload
def start_child(
    workflow: type[_Workflow0[R]] | FunctionWorkflow[[], R], **options: Unpack[ChildCall]
) -> ChildHandle[R]: ...
@overload
def start_child(
    workflow: type[_Workflow1[A, R]] | FunctionWorkflow[[A], R], input: A, **options: Unpack[ChildCall]
) -> ChildHandle[R]: ...
@overload
def start_child(
    workflow: type[_Workflow2[A, B, R]] | FunctionWorkflow[[A, B], R],
    input: tuple[A, B],
    **options: Unpack[ChildCall],
) -> ChildHandle[R]: ...
@overload
def start_child(
    workflow: type[_Workflow3[A, B, C, R]] | FunctionWorkflow[[A, B, C], R],
    input: tuple[A, B, C],
    **options: Unpack[ChildCall],
) -> ChildHandle[R]: ...
@overload
def start_child(
    workflow: type[_Workflow4[A, B, C, D, R]] | FunctionWorkflow[[A, B, C, D], R],
    input: tuple[A, B, C, D],
    **options: Unpack[ChildCall],
) -> ChildHandle[R]: ...
@overload
def start_child(
    workflow: type[Workflow] | TypeRef | str, input: object = None, *, into: type[R], **options: Unpack[ChildCall]
) -> ChildHandle[R]: ...
@overload
def start_child(
    workflow: type[Workflow] | TypeRef | str, input: object = None, *, into: Any = ..., **options: Unpack[ChildCall]
) -> ChildHandle[Any]: ...
def start_child(
    workflow: Any, input: object = None, *, into: Any = UNSET, cancel: CancelMode = "wait", **options: Any
) -> ChildHandle[Any]:
    """Start a child process, and return a future of its result; ``await handle.started`` waits for its start.

    Args:
        workflow: A class, a function made by ``@workflow``, or the name of one.
        input: What it gets; a tuple where it takes several.
        into: The type that its result is decoded as; what ``run`` says it returns if it is not given.
        cancel: See :class:`ChildCall`, as for the rest.
        options: The same.

    Raises:
        InvalidRequestError: An argument breaks a rule.
    """
    run = Run.current()
    decision = StartChildProcessDecision(workflow, input, **options)
    if decision.id is None:
        decision = decision.with_id(run.child_id(decision.workflow.name))
    if into is UNSET:
        into = workflow_result_type(workflow)
    return ChildHandle(run, decision, into=into, mode=check_cancel_mode(cancel))


@overload
async def execute_child(workflow: type[_Workflow0[R]] | FunctionWorkflow[[], R], **options: Unpack[ChildCall]) -> R: ...
@overload
async def execute_child(
    workflow: type[_Workflow1[A, R]] | FunctionWorkflow[[A], R], input: A, **options: Unpack[ChildCall]
) -> R: ...
@overload
async def execute_child(
    workflow: type[_Workflow2[A, B, R]] | FunctionWorkflow[[A, B], R],
    input: tuple[A, B],
    **options: Unpack[ChildCall],
) -> R: ...
@overload
async def execute_child(
    workflow: type[_Workflow3[A, B, C, R]] | FunctionWorkflow[[A, B, C], R],
    input: tuple[A, B, C],
    **options: Unpack[ChildCall],
) -> R: ...
@overload
async def execute_child(
    workflow: type[_Workflow4[A, B, C, D, R]] | FunctionWorkflow[[A, B, C, D], R],
    input: tuple[A, B, C, D],
    **options: Unpack[ChildCall],
) -> R: ...
@overload
async def execute_child(
    workflow: type[Workflow] | TypeRef | str, input: object = None, *, into: type[R], **options: Unpack[ChildCall]
) -> R: ...
@overload
async def execute_child(
    workflow: type[Workflow] | TypeRef | str, input: object = None, *, into: Any = ..., **options: Unpack[ChildCall]
) -> Any: ...
async def execute_child(workflow: Any, input: object = None, *, into: Any = UNSET, **options: Any) -> Any:
    """Start a child process, wait until it is closed, and return its result.

    Args:
        workflow: A class, a function made by ``@workflow``, or the name of one.
        input: What it gets; a tuple where it takes several.
        into: The type that its result is decoded as; what ``run`` says it returns if it is not given.
        options: See :class:`ChildCall`.

    Raises:
        ChildError: It ended without a result, or could not be started.
        PayloadError: Its result does not fit its type.
        InvalidRequestError: An argument breaks a rule.
    """
    return await start_child(workflow, input, into=into, **options)
