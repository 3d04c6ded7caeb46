"""Coroutine workflows as they are written: a class with ``run``, or a function.

::

    class OrderWorkflow(Workflow):
        async def run(self, order: Order) -> Receipt: ...

    @workflow(execution_timeout=timedelta(days=7))
    async def order(order: Order) -> Receipt: ...

The input of the process becomes the arguments, decoded to their annotated types, as with ``@activity``: no parameter
takes nothing, one takes the input, several take an array by position or an object by name.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Generic, ParamSpec, TypedDict, TypeVar, Unpack, overload

from ..arguments import Arguments
from ..errors import InvalidRequestError, PayloadError
from ..types import ChildPolicy, Duration
from ..workflow import Workflow, workflow_type

__all__ = ["FunctionWorkflow", "WorkflowOptions", "arguments_of", "main_of", "workflow", "workflow_result_type"]

P = ParamSpec("P")
R = TypeVar("R")


class WorkflowOptions(TypedDict, total=False):
    """The settings that ``@workflow(…)`` takes; as the attributes of :class:`Workflow`."""

    name: str
    version: str
    execution_timeout: Duration
    decision_timeout: Duration
    task_list: str
    task_priority: int
    child_policy: ChildPolicy
    description: str | None
    always_replay: bool


class FunctionWorkflow(Workflow, Generic[P, R]):
    """A workflow made of a coroutine function by ``@workflow``. Calling it calls the function."""

    def __init__(self, function: Callable[P, Coroutine[Any, Any, R]], options: WorkflowOptions) -> None:
        unknown = options.keys() - WorkflowOptions.__annotations__.keys()
        if unknown:
            raise InvalidRequestError(f"@workflow has no option {', '.join(map(repr, sorted(unknown)))}")
        self.function = function
        self.arguments = Arguments(function, of="a workflow", method_name="run")
        _check_asynchronous(function)
        functools.update_wrapper(self, function)
        self.name = function.__name__
        self.__dict__.update(options)
        workflow_type(self)  # so that a wrong option is an error here

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """Call the function itself."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<workflow {self.function.__module__}.{self.function.__qualname__}>"

    async def run(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself; what a process of this workflow does."""
        return await self.function(*args, **kwargs)


@overload
def workflow(function: Callable[P, Coroutine[Any, Any, R]], /) -> FunctionWorkflow[P, R]: ...
@overload
def workflow(
    **options: Unpack[WorkflowOptions],
) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], FunctionWorkflow[P, R]]: ...
def workflow(function: Callable[..., Any] | None = None, /, **options: Unpack[WorkflowOptions]) -> Any:
    """Turn a coroutine function into a workflow: ``@workflow`` or ``@workflow(name="…", …)``.

    Args:
        function: ``async def``; see :mod:`aioworkflow.coroutine`.
        options: As the attributes of :class:`Workflow`; the name is the function's unless it is given.

    Raises:
        InvalidRequestError: The function is none that can be a workflow, or an option breaks a rule.
    """
    if function is not None:
        return FunctionWorkflow(function, options)
    return lambda function: FunctionWorkflow(function, options)


def main_of(workflow: Workflow) -> Callable[[str | None], Coroutine[Any, Any, Any]]:
    """Return what makes the coroutine of a process from its input."""
    arguments = arguments_of(workflow)
    function = workflow.function if isinstance(workflow, FunctionWorkflow) else workflow.run  # type: ignore[attr-defined]

    async def main(input_json: str | None) -> Any:
        args, kwargs = arguments.decode(input_json)
        return await function(*args, **kwargs)

    return main


def arguments_of(workflow: type[Workflow] | Workflow) -> Arguments:
    """Return the parameters of ``run``.

    Raises:
        InvalidRequestError: It is no coroutine function, or takes ``*args`` or ``**kwargs``.
    """
    if isinstance(workflow, FunctionWorkflow):
        return workflow.arguments
    owner: Any = workflow if isinstance(workflow, type) else type(workflow)
    return _arguments_of_run(owner)


@functools.lru_cache(maxsize=1024)
def _arguments_of_run(owner: Any) -> Arguments:
    run = inspect.getattr_static(owner, "run")
    function = run.__func__ if isinstance(run, classmethod | staticmethod) else run
    _check_asynchronous(function)
    return Arguments(function, of="a workflow", method_name="run", bound=not isinstance(run, staticmethod))


def _check_asynchronous(function: Any) -> None:
    if not inspect.iscoroutinefunction(function):
        name = getattr(function, "__qualname__", repr(function))
        raise InvalidRequestError(f"{name} must be an `async def` that returns; a coroutine workflow is made of it")


def workflow_result_type(workflow: Any) -> Any:
    """Return the type that a workflow says its ``run`` returns; Any if it says nothing or has none."""
    owner = workflow if isinstance(workflow, type) else type(workflow)
    if not issubclass(owner, Workflow) or not hasattr(owner, "run"):
        return Any
    try:
        return arguments_of(workflow).types.get("return", Any)
    except PayloadError:  # names that exist only for type checkers, of the arguments as likely as of the result
        return Any
