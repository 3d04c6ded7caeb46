"""What a coroutine workflow can do besides what asyncio can."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, NoReturn, TypeVar, overload

from ..checks import check_label
from ..decision import (
    ContinueAsNewDecision,
    RecordMarkerDecision,
    RequestCancelProcessDecision,
    SignalProcessDecision,
)
from ..errors import NondeterminismError
from ..payload import Json, decode, encode
from ..types import UNSET, ChildPolicy, Duration, ProcessRef, TypeRef, UnsetType
from .closing import ContinueAsNew
from .commands import PATCH, SIDE_EFFECT
from .matching import is_on_record
from .nesting import run_outside
from .processes import ChildHandle, Message
from .run import Run
from .signals import Signals

__all__ = [
    "Info",
    "continue_as_new",
    "info",
    "now",
    "patched",
    "random",
    "request_cancel",
    "set_status",
    "side_effect",
    "signal_process",
    "signals",
    "uuid4",
    "wait_signal",
]

T = TypeVar("T")

CONTINUE_AFTER = 10_000
"""Events after which a history is called long; Amazon SWF ends a run at 25,000."""


# --- signals and other processes -------------------------------------------------------------------------


@overload
def signals(name: str, into: type[T]) -> Signals[T]: ...
@overload
def signals(name: str, into: Any = Any) -> Signals[Any]: ...
def signals(name: str, into: Any = Any) -> Signals[Any]:
    """Return the signals of this name as an async iterator; those that came before wait in it.

    Args:
        name: As in ``handle.signal(name, data)``.
        into: The type that their data are decoded as.
    """
    return Signals(name, into)


@overload
async def wait_signal(name: str, into: type[T]) -> T: ...
@overload
async def wait_signal(name: str, into: Any = Any) -> Any: ...
async def wait_signal(name: str, into: Any = Any) -> Any:
    """Wait for the next signal of this name and return its data, as type ``into``.

    Raises:
        PayloadError: The data do not fit ``into``; the signal is taken all the same.
    """
    return await anext(Signals(name, into))


async def signal_process(process: str | ProcessRef | ChildHandle[Any], signal: str, input: object = None) -> None:
    """Send a signal to another process, and wait until it has it.

    Args:
        process: Its id, which means the open run, its ProcessRef, or the handle of a child.
        signal: The name of the signal.
        input: What comes with it.

    Raises:
        UnknownProcessError: There is no such open process.
        LimitExceededError: The backend would not deliver it.
    """
    await Message(Run.current(), SignalProcessDecision(_target(process), signal, input))


async def request_cancel(process: str | ProcessRef | ChildHandle[Any]) -> None:
    """Ask another process to end, and wait until it has the request. Raises as :func:`signal_process`."""
    await Message(Run.current(), RequestCancelProcessDecision(_target(process)))


def _target(process: str | ProcessRef | ChildHandle[Any]) -> str | ProcessRef:
    return process.process if isinstance(process, ChildHandle) else process


# --- time and chance -------------------------------------------------------------------------------------


def now() -> datetime:
    """Return the time of this turn, aware, UTC; it is the same in each replay."""
    return Run.current().now


def random() -> Random:
    """Return a source of chance that gives the same numbers in each replay."""
    return Run.current().random


def uuid4() -> uuid.UUID:
    """Return a random UUID that is the same in each replay."""
    return uuid.UUID(int=random().getrandbits(128), version=4)


@overload
def side_effect(function: Callable[[], T], into: type[T]) -> T: ...
@overload
def side_effect(function: Callable[[], T], into: Any = Any) -> T: ...
def side_effect(function: Callable[[], Any], into: Any = Any) -> Any:
    """Call ``function`` and keep what it returns in history; replays return that and do not call.

    For what is quick and local, as reading a setting; should the decision get lost, it is called once more. Returns the
    value as JSON gives it back, as type ``into``, so that it is the same the first time. If it raises, or its value has
    no JSON form, nothing of this turn counts, whatever catches that: the decider has failed, and is tried again later.

    Args:
        function: Plain; must not wait. It runs as if outside of the workflow: replays do not call it, so it can use
            none of the verbs and begin no task.
        into: The type that its result is decoded as.
    """
    run = Run.current()
    number = run.next_side_effect()
    recorded = run.process.markers(SIDE_EFFECT)
    if number < len(recorded):
        value_json = recorded[number].details_json or "null"
    else:
        try:
            value_json = _new_effect(run, function, len(recorded))
        except BaseException as error:
            run.spoil(error if isinstance(error, Exception) else RuntimeError(f"a side effect raised {error!r}"))
            raise
    run.order(RecordMarkerDecision(SIDE_EFFECT, Json(value_json)), SIDE_EFFECT)
    return decode(value_json, into)


def _new_effect(run: Run, function: Callable[[], Any], known: int) -> str:
    if is_on_record(run):
        raise NondeterminismError(
            f"the history of {run} does not fit the code: it has {known} side effects, and the code wants "
            f"the result of another one"
        )
    return encode(run_outside(function))


# --- this process ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What a workflow knows of its process.

    Attributes:
        process: Its id and run id.
        workflow: Its name and version.
        started_at: When this run was started; aware, UTC.
        tags: Its tags.
        parent: The process that started it, if one did.
        continued_run_id: The run that it continues, if it does.
        history_length: How many events there were at the beginning of this turn.
        should_continue_as_new: Whether the history has grown so long that it is time to ``continue_as_new``.
        cancel_requested: Whether somebody asked the process to end.
    """

    process: ProcessRef
    workflow: TypeRef
    started_at: datetime
    tags: tuple[str, ...]
    parent: ProcessRef | None
    continued_run_id: str | None
    history_length: int
    should_continue_as_new: bool
    cancel_requested: bool


def info() -> Info:
    """Return what is known of the running process."""
    run = Run.current()
    started = run.process.started
    return Info(
        process=run.process.ref,
        workflow=started.workflow,
        started_at=started.timestamp,
        tags=started.tags,
        parent=started.parent,
        continued_run_id=started.continued_run_id,
        history_length=run.history_length,
        should_continue_as_new=run.history_length >= CONTINUE_AFTER,
        cancel_requested=run.cancel_requested,
    )


def set_status(value: object) -> None:
    """Let the world know how far the process is: ``await handle.status()`` reads it. It is sent with this turn.

    Raises:
        PayloadError: The value has no JSON form.
    """
    Run.current().status_json = encode(value)


def patched(change: str) -> bool:
    """Tell whether a change of the code counts for this process.

    True where the run reaches this place for the first time with the changed code, and then in each replay; False
    in replays of a past that knew nothing of the change. When no run is open any more that began before the change, the
    call may be removed, together with the old code.

    Args:
        change: Names the change; 1 to 256 characters.
    """
    run = Run.current()
    known = run.patches.get(change)
    if known is None:
        change = check_label(change, "change")
        recorded = any(marker.details == change for marker in run.process.markers(PATCH))
        known = run.patches[change] = recorded or not is_on_record(run)
        if known and not recorded:
            run.order(RecordMarkerDecision(PATCH, change), PATCH)
    return known


def continue_as_new(
    input: object = None,
    *,
    workflow_version: str | None = None,
    tags: Iterable[str] | None = None,
    task_list: str | UnsetType = UNSET,
    task_priority: int | UnsetType = UNSET,
    execution_timeout: Duration | UnsetType = UNSET,
    decision_timeout: Duration | UnsetType = UNSET,
    child_policy: ChildPolicy | UnsetType = UNSET,
) -> NoReturn:
    """End this run, and begin a new one of the same process with an empty history.

    It raises what must not be caught. Of this run nothing goes on in the new one (no activities, no timers, no children
    that would tell it of their end) but signals that were not taken, in the order in which they came: of the names that
    were asked for, and whatever arrives after ``run`` has ended. They travel in the input and count in its size; where
    that comes to more than a backend takes, the decider fails, and goes on with code that takes some of them before.

    Args:
        input: Of the new run.
        workflow_version: Of the new run; this one's if it is not given.
        tags: Of the new run; this one's if they are not given.
        task_list: As the following; the defaults of the workflow if it is not given.
        task_priority: Higher is decided on earlier.
        execution_timeout: Seconds or timedelta.
        decision_timeout: The same.
        child_policy: What becomes of its children if it is terminated or times out.
    """
    run = Run.current()
    raise ContinueAsNew(
        ContinueAsNewDecision(
            input,
            workflow_version=workflow_version,
            tags=run.process.tags if tags is None else tags,
            task_list=task_list,
            task_priority=task_priority,
            execution_timeout=execution_timeout,
            decision_timeout=decision_timeout,
            child_policy=child_policy,
        )
    )
