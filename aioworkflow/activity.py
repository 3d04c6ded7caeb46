"""Activities: what does the work.

::

    class Resize(Activity):
        heartbeat_timeout = 30

        async def execute(self, task, worker):
            await worker.heartbeat()
            return await resize(task.input)

    @activity(start_to_close_timeout=timedelta(minutes=5))
    async def charge_card(order_id: str, cents: int) -> Receipt: ...

``execute`` may be a coroutine function or plain (a plain one runs in a thread), a method of the class or of its
instances. What it returns becomes :class:`ActivityCompleted`, what it raises :class:`ActivityFailed`;
:class:`ActivityAborted` may be returned or raised, also in a task group of the activity. For functions made by
``@activity`` the input of the task becomes the arguments, see :class:`FunctionActivity`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeAlias, TypedDict, TypeVar, Unpack, overload

from .arguments import Arguments
from .checks import DESCRIPTION_LIMIT, check_name, check_setting, check_text, check_version, cut, show
from .errors import InvalidRequestError, NotInActivityError
from .result import (
    ActivityAborted,
    ActivityCompleted,
    ActivityFailed,
    ActivityOutcome,
    ActivityResult,
    ActivityTimedOut,
)
from .retry import RetryPolicy
from .types import DEFAULT_TASK_LIST, UNSET, ActivityType, Duration, TypeRef, UnsetType

if TYPE_CHECKING:
    from .task import ActivityTask

__all__ = [
    "Activity",
    "ActivityAborted",
    "ActivityCompleted",
    "ActivityContext",
    "ActivityFailed",
    "ActivityLike",
    "ActivityOptions",
    "ActivityOutcome",
    "ActivityResult",
    "ActivityTimedOut",
    "FunctionActivity",
    "activity",
    "activity_context",
    "activity_settings",
    "activity_type",
    "current_activity",
    "heartbeat",
    "heartbeat_from_thread",
]

P = ParamSpec("P")
R = TypeVar("R")


class Activity:
    """The base of all activities. Its class attributes are the settings of its tasks.

    UNSET settings are left to the registered activity, and registered as the default in brackets. A subclass inherits
    settings, but not the name: that is its own class name without ``Activity``, unless it sets ``name``.

    Attributes:
        name: 1 to 256 characters, see :func:`aioworkflow.checks.check_name`.
        version: Other versions are other activities. A worker fails a task whose version it does not know, so give the
            new one a ``task_list`` of its own while workers that know only the old one still run.
        schedule_to_start_timeout: Seconds or timedelta that a task may wait for a worker [None, no limit].
        start_to_close_timeout: The same for the work itself [None].
        schedule_to_close_timeout: The same for both together [None].
        heartbeat_timeout: The same between two heartbeats; the worker heartbeats by itself [None].
        task_list: Where tasks wait for a worker ["default"].
        task_priority: Higher is handed out earlier [0].
        description: For people; up to 1,024 characters [first line of the docstring].
        auto_complete: False if somebody else will answer the task (``backend.complete_activity_task(task.token, …)``):
            the value returned by ``execute`` is dropped then.
        retry: How rule workflows try it again by themselves; None is not at all.
    """

    name: str
    version: str = "1"
    schedule_to_start_timeout: Duration | UnsetType = UNSET
    start_to_close_timeout: Duration | UnsetType = UNSET
    schedule_to_close_timeout: Duration | UnsetType = UNSET
    heartbeat_timeout: Duration | UnsetType = UNSET
    task_list: str | UnsetType = UNSET
    task_priority: int | UnsetType = UNSET
    description: str | None = None
    auto_complete: bool = True
    retry: RetryPolicy | None = None

    execute: Callable[..., Any]
    """``execute(task, worker)``: to be defined by the subclass."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = cls.__name__.removesuffix("Activity") or cls.__name__


ActivityLike: TypeAlias = type[Activity] | Activity | TypeRef | str
"""What names an activity: a class, an instance, a function made by ``@activity``, or name and version."""


# --- types and settings ----------------------------------------------------------------------------------


def activity_type(activity: type[Activity] | Activity) -> ActivityType:
    """Return what a worker registers for an activity: every setting has a value.

    Raises:
        InvalidRequestError: It is no activity, or one of its settings breaks a rule.
    """
    given = activity_settings(activity)
    _check_conduct(activity)
    return ActivityType(
        ref=given.ref,
        schedule_to_start_timeout=_limit(given.schedule_to_start_timeout),
        start_to_close_timeout=_limit(given.start_to_close_timeout),
        schedule_to_close_timeout=_limit(given.schedule_to_close_timeout),
        heartbeat_timeout=_limit(given.heartbeat_timeout),
        task_list=DEFAULT_TASK_LIST if given.task_list is UNSET else given.task_list,
        task_priority=0 if given.task_priority is UNSET else given.task_priority,
        description=given.description,
    )


def _check_conduct(activity: type[Activity] | Activity) -> None:
    auto_complete: object = activity.auto_complete
    if not isinstance(auto_complete, bool):
        raise InvalidRequestError(f"activity {show(activity)}: auto_complete must be a bool, not {show(auto_complete)}")
    retry: object = activity.retry
    if retry is not None and not isinstance(retry, RetryPolicy):
        raise InvalidRequestError(f"activity {show(activity)}: retry must be a RetryPolicy, not {show(retry)}")


def _limit(timeout: float | UnsetType | None) -> float | None:
    return None if timeout is UNSET else timeout


def activity_settings(activity: ActivityLike, version: str | None = None) -> ActivityType:
    """Return the name of an activity and the settings that its class sets itself; the others are UNSET.

    Args:
        activity: A class, an instance, a function made by ``@activity``, or a name, which has no settings.
        version: Goes with a name.

    Raises:
        InvalidRequestError: It is no activity, or one of its settings breaks a rule.
    """
    if isinstance(activity, str):
        return _named(activity, "1" if version is None else version)
    if version is not None:
        raise InvalidRequestError(f"version goes with the name of an activity, not with {show(activity)}")
    if isinstance(activity, TypeRef):
        return _named(*activity)
    owner: object = activity if isinstance(activity, type) else type(activity)
    if not (isinstance(owner, type) and issubclass(owner, Activity)):
        raise InvalidRequestError(
            f"an activity must be a class, an instance, an @activity function or a name, not {show(activity)}"
        )
    if owner is Activity:
        raise InvalidRequestError("Activity itself is no activity; subclass it")
    description = activity.description
    if description is None and activity.__doc__:
        description = cut(activity.__doc__.strip().partition("\n")[0], DESCRIPTION_LIMIT)
    try:
        return _settings(
            activity.name,
            activity.version,
            activity.schedule_to_start_timeout,
            activity.start_to_close_timeout,
            activity.schedule_to_close_timeout,
            activity.heartbeat_timeout,
            activity.task_list,
            activity.task_priority,
            description,
        )
    except InvalidRequestError as error:
        raise InvalidRequestError(f"activity {show(activity)}: {error}") from None
    except TypeError as error:  # an unhashable setting
        raise InvalidRequestError(f"activity {show(activity)}: a setting has the wrong type: {error}") from None


def _named(name: str, version: str) -> ActivityType:
    try:
        return _only_named(name, version)
    except TypeError:  # unhashable
        raise InvalidRequestError(f"name and version must be str, not {show((name, version))}") from None


@functools.lru_cache(maxsize=1024, typed=True)
def _only_named(name: str, version: str) -> ActivityType:
    return ActivityType(ref=TypeRef(check_name(name, "activity"), check_version(version)))


# Settings are read anew each time, so that changing a class attribute counts, and checked once for each set of values.
@functools.lru_cache(maxsize=1024, typed=True)
def _settings(
    name: str,
    version: str,
    schedule_to_start_timeout: Any,
    start_to_close_timeout: Any,
    schedule_to_close_timeout: Any,
    heartbeat_timeout: Any,
    task_list: Any,
    task_priority: Any,
    description: str | None,
) -> ActivityType:
    return ActivityType(
        ref=TypeRef(check_name(name, "name"), check_version(version)),
        schedule_to_start_timeout=check_setting(schedule_to_start_timeout, "schedule_to_start_timeout"),
        start_to_close_timeout=check_setting(start_to_close_timeout, "start_to_close_timeout"),
        schedule_to_close_timeout=check_setting(schedule_to_close_timeout, "schedule_to_close_timeout"),
        heartbeat_timeout=check_setting(heartbeat_timeout, "heartbeat_timeout"),
        task_list=check_setting(task_list, "task_list"),
        task_priority=check_setting(task_priority, "task_priority"),
        description=None if description is None else check_text(description, "description", DESCRIPTION_LIMIT),
    )


# --- functions as activities -----------------------------------------------------------------------------


class ActivityOptions(TypedDict, total=False):
    """The settings that ``@activity(…)`` takes; as the attributes of :class:`Activity`."""

    name: str
    version: str
    schedule_to_start_timeout: Duration
    start_to_close_timeout: Duration
    schedule_to_close_timeout: Duration
    heartbeat_timeout: Duration
    task_list: str
    task_priority: int
    description: str | None
    auto_complete: bool
    retry: RetryPolicy | None


class FunctionActivity(Activity, Generic[P, R]):
    """An activity made of a function by ``@activity``. Calling it calls the function.

    The input of a task becomes the arguments of the function, decoded to their annotated types:

    - no parameter: the input is ignored;
    - one parameter: it gets the input; if there is no input, its default;
    - several: an array gives them by position, an object by name; those left out get their defaults.

    :meth:`input_for` makes such an input from arguments, and type checkers know its signature.
    """

    def __init__(self, function: Callable[P, R], options: ActivityOptions) -> None:
        unknown = options.keys() - ActivityOptions.__annotations__.keys()
        if unknown:
            raise InvalidRequestError(f"@activity has no option {', '.join(map(repr, sorted(unknown)))}")
        if getattr(function, "__name__", "") == "<lambda>" and "name" not in options:
            raise InvalidRequestError("an activity made of a lambda needs a name")
        self.function = function
        self.arguments = Arguments(function)
        functools.update_wrapper(self, function)
        self.name = function.__name__
        self.__dict__.update(options)
        self.execute = self._execute_async if inspect.iscoroutinefunction(function) else self._execute_in_thread
        activity_type(self)  # so that a wrong option is an error here

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<activity {self.function.__module__}.{self.function.__qualname__}>"

    def input_for(self, *args: P.args, **kwargs: P.kwargs) -> object:
        """Return the input with which the activity calls its function with these arguments.

        Raises:
            TypeError: As calling the function itself.
        """
        return self.arguments.bundle(*args, **kwargs)

    async def _execute_async(self, task: ActivityTask, worker: object) -> Any:
        args, kwargs = self.arguments.decode(task.input_json)
        return await self.function(*args, **kwargs)  # type: ignore[misc]

    def _execute_in_thread(self, task: ActivityTask, worker: object) -> Any:
        args, kwargs = self.arguments.decode(task.input_json)
        return self.function(*args, **kwargs)


@overload
def activity(function: Callable[P, R], /) -> FunctionActivity[P, R]: ...
@overload
def activity(
    **options: Unpack[ActivityOptions],
) -> Callable[[Callable[P, R]], FunctionActivity[P, R]]: ...
def activity(function: Callable[..., Any] | None = None, /, **options: Unpack[ActivityOptions]) -> Any:
    """Turn a function into an activity, keeping its signature: ``@activity`` or ``@activity(name="…", …)``.

    Args:
        function: ``async def``, or ``def``, which runs in a thread.
        options: As the attributes of :class:`Activity`; the name is the function's unless it is given.

    Raises:
        InvalidRequestError: The function takes ``*args``, ``**kwargs`` or ``self``, or an option breaks a rule.
    """
    if function is not None:
        return FunctionActivity(function, options)
    return lambda function: FunctionActivity(function, options)


# --- inside a running activity ---------------------------------------------------------------------------


class ActivityContext(Protocol):
    """What ``execute`` gets as ``worker``, and :func:`current_activity` returns."""

    @property
    def task(self) -> ActivityTask:
        """The task at hand."""
        ...

    async def heartbeat(self, details: object = None) -> None:
        """Tell that the work goes on, and replace the details that others see; it need not wait for the network."""

    def heartbeat_from_thread(self, details: object = None) -> None:
        """Do so from the thread of a plain ``def execute``."""


activity_context: ContextVar[ActivityContext] = ContextVar("activity_context")
"""Set by the worker around each ``execute``; threads that :mod:`asyncio` and :mod:`anyio` start inherit it."""


def current_activity() -> ActivityContext:
    """Return the context of the running activity.

    Raises:
        NotInActivityError: There is none.
    """
    try:
        return activity_context.get()
    except LookupError:
        raise NotInActivityError("this works only inside an activity that a worker runs") from None


async def heartbeat(details: object = None) -> None:
    """Tell that the running activity goes on, as :meth:`ActivityContext.heartbeat`.

    Raises:
        NotInActivityError: No activity is running.
        PayloadError: The details have no JSON form.
    """
    await current_activity().heartbeat(details)


def heartbeat_from_thread(details: object = None) -> None:
    """Do as :func:`heartbeat` from the thread in which a worker runs a plain ``def`` activity.

    Raises:
        NotInActivityError: No activity is running.
        PayloadError: The details have no JSON form.
    """
    current_activity().heartbeat_from_thread(details)
