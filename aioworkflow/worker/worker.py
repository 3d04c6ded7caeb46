"""The worker: polls a backend for tasks, decides and acts.

::

    async with Worker(backend, workflows=[OrderWorkflow], activities=[charge_card, Ship(client)]):
        ...

All that it starts belongs to one task group and has ended when the ``async with`` block has. The group is asyncio's,
whose tasks cost a sixth of anyio's and can be given a context: activities and deciders see the context variables as
they were when the worker was entered, never those of each other.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import socket
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio

from ..activity import Activity, activity_type
from ..backend import Backend, check_backend
from ..checks import IDENTITY_LIMIT, check_task_list, check_text, cut, show
from ..errors import InvalidRequestError
from ..types import UNSET, ActivityType, TypeRef, WorkflowType
from ..workflow import Workflow, workflow_type
from .activities import Activities
from .decisions import Decisions, Sticky
from .heartbeat import Heartbeats
from .monitor import Monitor
from .options import WorkerOptions
from .poller import Places, Poller
from .timing import Alarm, Clock, Deadlines, LoopClock, back_off, persist

__all__ = ["Worker"]

logger = logging.getLogger("aioworkflow.worker")

_REGISTRATION_SECONDS = 30.0
"""How long passing faults are put up with at the start."""

T = TypeVar("T", ActivityType, WorkflowType)
Item = TypeVar("Item")


class Worker:
    """Runs workflows and activities; an async context manager, to be entered once.

    On entry it registers its types and begins to poll. On exit it polls no more, lets its activities go on for the
    grace period, then cancels them and tells how they ended. If the surrounding task is cancelled there is no grace. A
    fault that does not pass ends it: it cancels the block and raises that fault (as an exception group if faults of
    several types came at once).

    Args:
        backend: Where tasks come from; must be open.
        workflows: Classes, which are instantiated once without arguments, and instances, which are used as they are.
        activities: The same; also functions made by ``@activity``.
        task_lists: Where to poll; those of the types if it is not given. Who polls a list must know all types whose
            tasks wait there: it fails a task of an unknown activity, and one of an unknown workflow has to time out.
        identity: Who it is, for the history; made of host name and process id if it is not given.
        options: Limits and times.
        clock: Its time; that of the event loop if it is not given.

    Raises:
        InvalidRequestError: An argument breaks a rule, or two types have the same name and version.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        workflows: Iterable[type[Workflow] | Workflow] = (),
        activities: Iterable[type[Activity] | Activity] = (),
        task_lists: Sequence[str] | None = None,
        identity: str | None = None,
        options: WorkerOptions | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.identity = _identity() if identity is None else check_text(identity, "identity", IDENTITY_LIMIT, least=1)
        self.options = options = WorkerOptions() if options is None else options
        if not isinstance(options, WorkerOptions):
            raise InvalidRequestError(f"options must be WorkerOptions, not {show(options)}")
        self._backend = check_backend(backend)
        self._workflows, self._workflow_types = _registry(workflows, workflow_type, "decide")
        self._activities, self._activity_types = _registry(activities, activity_type, "execute")
        if not self._workflows and not self._activities:
            raise InvalidRequestError("a worker needs a workflow or an activity")
        self._decision_lists = _task_lists(
            self._workflow_types, task_lists, options.max_concurrent_decisions, "max_concurrent_decisions"
        )
        self._activity_lists = _task_lists(
            self._activity_types, task_lists, options.max_concurrent_activities, "max_concurrent_activities"
        )
        self._given_clock = clock
        self._alarm: Alarm | None = None
        self._cancelled = False
        self._halted = False
        self._entered = False
        self._pollers: list[Poller[Any]] = []
        self._registering: asyncio.Future[list[BaseException | None]] | None = None
        self._stopped = asyncio.Event()
        self._ended = asyncio.Event()

    def __repr__(self) -> str:
        types = ", ".join(map(str, [*self._workflows, *self._activities]))
        return f"<Worker {self.identity} for {types}>"

    # --- life ----------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._entered:
            raise InvalidRequestError("a worker can be entered once; make another")
        self._entered = True
        self._clock = self._given_clock or LoopClock()
        await self._register()
        self._context = contextvars.copy_context()
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        self._build()
        if self._monitor is not None:
            self._monitor.start()
        if self._stopped.is_set():
            self._poll_no_more()
        for poller in self._pollers:
            poller.fill()
        logger.info("%r has begun", self)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        cancelled = await self._drain(exc if isinstance(exc, asyncio.CancelledError) else None)
        self._close()
        try:
            # An error of the block is not the group's: it would come out wrapped.
            await self._group.__aexit__(type(cancelled) if cancelled else None, cancelled, None)
        except BaseExceptionGroup as group:
            first, *others = group.exceptions
            if any(type(other) is not type(first) for other in others):
                raise
            raise first from first.__cause__  # one fault, though every poll has met it
        finally:
            if self._alarm is not None:
                self._alarm.cancel()
            logger.info("%r has ended", self)

    async def run(self) -> None:
        """Work until :meth:`stop` is called or the surrounding task is cancelled."""
        async with self:
            await self._stopped.wait()

    def stop(self, *, now: bool = False) -> None:
        """Begin to end: poll no more, and cancel after the grace period what is left.

        Then :meth:`run` returns. Must be called in the event loop.

        Args:
            now: Without grace. May follow an earlier call.
        """
        if not self._stopped.is_set():
            self._stopped.set()
            if self._registering is not None:
                self._registering.cancel()
            self._poll_no_more()
        if now and not self._cancelled:
            self._cancel_work()

    # --- the way in ----------------------------------------------------------------------------------------------

    async def _register(self) -> None:
        """Register all types side by side, until :meth:`stop` is called; raise the first error."""
        backend = self._backend
        calls = [self._persist(partial(backend.register_workflow, type), type) for type in self._workflow_types]
        calls += [self._persist(partial(backend.register_activity, type), type) for type in self._activity_types]
        self._registering = registering = asyncio.gather(*calls, return_exceptions=True)
        try:
            errors = await registering
        except asyncio.CancelledError:
            host = asyncio.current_task()
            if not self._stopped.is_set() or (host is not None and host.cancelling()):
                raise
            return
        finally:
            self._registering = None
        for error in errors:
            if error is not None:
                raise error

    async def _persist(self, register: Callable[[], Awaitable[None]], type: WorkflowType | ActivityType) -> None:
        until = self._clock.now() + _REGISTRATION_SECONDS
        await persist(register, what=f"registering {type.ref}", clock=self._clock, back_off=back_off, until=until)

    def _build(self) -> None:
        backend, options, clock = self._backend, self.options, self._clock
        self._deadlines = Deadlines(clock)
        self._heartbeats = Heartbeats(
            backend, clock=clock, back_off=back_off, fraction=options.heartbeat_fraction, spawn=self._spawn_aside
        )
        self._acting = Activities(
            backend,
            self._activities,
            identity=self.identity,
            clock=clock,
            back_off=back_off,
            heartbeats=self._heartbeats,
            deadlines=self._deadlines,
            max_threads=options.max_threads or options.max_concurrent_activities,
            report_seconds=options.report_seconds,
        )
        sticky = self._stickiness()
        self._deciding = Decisions(
            backend,
            self._workflows,
            identity=self.identity,
            clock=clock,
            back_off=back_off,
            deadlines=self._deadlines,
            spawn=self._spawn_aside,
            ended=self._ended.set,
            cached_processes=options.cached_processes,
            sticky=sticky,
            always_replay=options.always_replay,
            fail_process=options.on_decider_error == "fail_process",
        )
        self._pollers = [
            *self._make_pollers(
                self._decision_lists if sticky is None else [*self._decision_lists, sticky.task_list],
                self._deciding.poll,
                self._deciding.handle,
                options.max_concurrent_decisions,
            ),
            *self._make_pollers(
                self._activity_lists, self._acting.poll, self._acting.handle, options.max_concurrent_activities
            ),
        ]
        self._monitor = None if options.block_seconds is None else Monitor(options.block_seconds, self._name_of)

    def _stickiness(self) -> Sticky | None:
        """Return where this worker wants its processes to come back to, if that is of use and there is room."""
        options = self.options
        seconds = self._backend.sticky_seconds if options.sticky_seconds is UNSET else options.sticky_seconds
        lists = len(self._decision_lists)
        if seconds is None or not options.cached_processes or not 0 < lists < options.max_concurrent_decisions:
            return None
        return Sticky(f"sticky-{uuid.uuid4().hex}", seconds)

    def _make_pollers(
        self,
        task_lists: Sequence[str],
        poll: Callable[[str], Coroutine[Any, Any, Item | None]],
        handle: Callable[[Item], Coroutine[Any, Any, None]],
        limit: int,
    ) -> list[Poller[Item]]:
        places = Places(limit, len(task_lists))
        return [
            Poller(
                task_list,
                poll=poll,
                handle=handle,
                spawn=self._spawn,
                ended=self._turn_ended,
                places=places,
                clock=self._clock,
                back_off=back_off,
                max_polls=self.options.max_polls,
                cancel_polls=self._backend.polls_can_be_cancelled,
            )
            for task_list in task_lists
        ]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._group.create_task(work, context=self._context.copy())

    def _spawn_aside(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._spawn(self._aside(work))

    async def _aside(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            self._halt(error)
            raise

    # --- the way out ---------------------------------------------------------------------------------------------

    def _turn_ended(self, error: BaseException | None) -> None:
        if error is not None:  # the group is about to cancel everything
            self._halt(error)
        self._ended.set()

    def _halt(self, error: BaseException) -> None:
        if not self._halted:  # an embedding program may look at what comes out of the block only when it ends itself
            self._halted = True
            logger.critical("%r ends because of a fault that does not pass", self, exc_info=error)
        for poller in self._pollers:
            poller.halt()
        self._heartbeats.close()
        self._deciding.close()

    async def _drain(self, cancelled: asyncio.CancelledError | None) -> asyncio.CancelledError | None:
        """Wait until all work has ended, cancelling it when this is cancelled; return the first cancellation."""
        self.stop(now=cancelled is not None)
        with anyio.CancelScope(shield=cancelled is not None) as scope:
            while any(poller.turns for poller in self._pollers) or self._deciding.turns:
                self._ended.clear()
                try:
                    await self._ended.wait()
                except asyncio.CancelledError as error:
                    cancelled = cancelled or error
                    scope.shield = True  # anyio would cancel again and again
                    self.stop(now=True)
        return cancelled

    def _poll_no_more(self) -> None:
        for poller in self._pollers:
            poller.stop()
        if self._pollers:
            self._deciding.close()
            if self.options.grace_seconds is not None:
                self._set_alarm(self.options.grace_seconds, self._cancel_work)

    def _cancel_work(self) -> None:
        """Cancel everything, and give up what cannot be told in time."""
        self._cancelled = True
        if not self._pollers:
            return
        self._acting.shut_down()
        self._deciding.cancel()
        self._set_alarm(self.options.report_seconds, self._give_up)

    def _give_up(self) -> None:
        self._acting.give_up_reports()
        self._deciding.give_up()
        self._set_alarm(self.options.report_seconds, self._give_up)

    def _set_alarm(self, seconds: float, callback: Callable[[], object]) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._clock.call_at(self._clock.now() + seconds, callback)

    def _close(self) -> None:
        self._heartbeats.close()
        self._deadlines.close()
        self._deciding.forget()
        if self._monitor is not None:
            self._monitor.stop()

    def _name_of(self, task: asyncio.Task[Any]) -> str | None:
        """Tell, in the monitor's thread, what a task of this worker is busy with."""
        for attempt in tuple(self._acting.attempts):
            if getattr(attempt, "host", None) is task:  # one that ends meanwhile has none
                return str(attempt)
        turn = self._deciding.turns.get(task)
        return None if turn is None else str(turn)


def _identity() -> str:
    return cut(f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}", IDENTITY_LIMIT)


def _instance(given: Any, method: str) -> Any:
    """Return an instance of a class, or the instance itself."""
    if not isinstance(given, type):
        instance = given
    else:
        try:
            instance = given()
        except TypeError as error:
            raise InvalidRequestError(
                f"{show(given)} cannot be made without arguments; pass the worker an instance: {error}"
            ) from error
    if not callable(getattr(instance, method, None)):
        raise InvalidRequestError(f"{show(given)} has no method {method!r}")
    return instance


def _registry(given: Iterable[Any], type_of: Callable[[Any], T], method: str) -> tuple[dict[TypeRef, Any], list[T]]:
    """Return instances by name and version, and what to register."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise InvalidRequestError(f"workflows and activities must be lists of classes or instances, not {show(given)}")
    instances: dict[TypeRef, Any] = {}
    types: list[T] = []
    for item in given:
        if isinstance(item, str | TypeRef):
            raise InvalidRequestError(f"a worker needs the thing itself, not the name {show(item)}")
        type = type_of(item)
        if type.ref in instances:
            raise InvalidRequestError(
                f"{show(item)} and {show(instances[type.ref])} have the same name and version, {type.ref}"
            )
        instances[type.ref] = _instance(item, method)
        types.append(type)
    return instances, types


def _task_lists(types: Sequence[WorkflowType | ActivityType], given: Any, limit: int, field: str) -> list[str]:
    """Return where to poll for tasks of these types."""
    if not types:
        return []
    if given is None:
        names = dict.fromkeys(str(type.task_list) for type in types)
    elif isinstance(given, str | bytes) or not isinstance(given, Iterable) or not given:
        raise InvalidRequestError(f"task_lists must be a list of names, not {show(given)}")
    else:
        names = dict.fromkeys(check_task_list(name, "task_lists") for name in given)
    if len(names) > limit:
        raise InvalidRequestError(f"{field} is {limit}, which is too few for {len(names)} task lists")
    return list(names)
