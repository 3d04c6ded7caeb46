"""An event loop without I/O and without a clock.

It is fed by the history of a process: an event makes a future done, the loop runs until nothing is ready, and what the
code has ordered on the way are the decisions. Timers are durable: ``call_later`` starts one in the process, and its
event makes the callback ready. ``time()`` is the time of the turn, as history has it.

Whatever reaches out of the process is refused by an error that names what to use instead.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextvars import Context, copy_context
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from ..errors import ForbiddenCallError, NotInWorkflowError
from ..event import StartTimerFailedEvent, TimerStartedEvent
from .commands import Command
from .nesting import run_nested
from .ordering import (
    FirstSteps,
    check_futures_of_wait,
    given_to_as_completed,
    is_called_by_anyio,
    is_delivery_by_anyio,
    is_thread_of_anyio,
    refused_as_completed,
)
from .tasks import DurableFuture, DurableTask

if TYPE_CHECKING:
    from .run import Run

__all__ = ["DurableTimer", "ReplayLoop"]

T = TypeVar("T")

logger = logging.getLogger("aioworkflow.workflow")

_MOST_DELIVERIES = 100
"""A scope of anyio cancels its tasks again and again until they end. One that waits for something to end in its turn
(a ``TaskGroup`` of asyncio for an activity) would keep it at that for ever, since nothing happens meanwhile: after so
many times it goes on at the next event. To change this number is to change what replays do."""


class DurableTimer(asyncio.TimerHandle):
    """A timer of the process that looks like one of a loop.

    Attributes:
        run: Whose timer it is.
        id: Its id in the process; None if it needs no timer there, being due at once.
        command: Orders it, while history has not confirmed that.
        event_id: Its TimerStartedEvent, once that is known.
    """

    __slots__ = ("command", "event_id", "id", "run")

    def __init__(
        self, when: float, callback: Callable[..., object], args: Any, loop: ReplayLoop, context: Context | None
    ) -> None:
        super().__init__(when, callback, args, loop, context)
        self.run = loop.run
        self.id: str | None = None
        self.event_id = 0
        self.command: Command | None = None

    def future(self) -> asyncio.Future[Any] | None:
        """Return the future that waits for this timer, if its callback is about one (as that of ``sleep``)."""
        args = self._args or ()
        return next((arg for arg in args if isinstance(arg, asyncio.Future)), None)

    def accepted(self, event: TimerStartedEvent) -> None:
        """Note that it runs."""
        self.run.timer_started(self, event)

    def refused(self, event: StartTimerFailedEvent) -> None:
        """Raise where it is waited for."""
        self.run.timer_refused(self, event)


class _Ready(asyncio.Handle):
    """A callback that is ready; made without what asyncio does for its debug mode, in half the time."""

    __slots__ = ()

    def __init__(self, callback: Callable[..., object], args: Any, loop: ReplayLoop, context: Context | None) -> None:
        self._callback: Any = callback
        self._args = args
        self._loop = loop
        self._context = copy_context() if context is None else context
        self._cancelled = False
        self._repr = None
        self._source_traceback = None


class ReplayLoop(asyncio.AbstractEventLoop):
    """See the module.

    Args:
        run: Whose loop it is.
        seed: Begins the hashes of tasks and futures, see :mod:`aioworkflow.coroutine.tasks`.
    """

    def __init__(self, run: Run, seed: int) -> None:
        self.run: Run = run
        self.disposed = False
        self.tasks: list[asyncio.Task[Any]] = []
        self._ready: deque[asyncio.Handle | FirstSteps] = deque()
        self._cancellations: list[tuple[int, asyncio.Task[Any], Any]] = []
        self._deliveries = 0
        self._put_off: list[asyncio.Handle | FirstSteps] = []
        self._compact_at = 8
        self._next_hash = seed
        self._first_steps: FirstSteps | None = None
        self._beginning: Any = None
        self._task_factory: Any = None
        self._make_by_factory: Any = None
        self._exception_handler: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None = None

    def __repr__(self) -> str:
        return f"<ReplayLoop of {self.run}>"

    # --- what drives it ---

    def enter(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function with this as the running loop, and return what it returns."""
        return run_nested(self, self._abandoned, function, *args)

    def run_ready(self) -> None:
        """Run until nothing is ready; to be called in :meth:`enter`."""
        ready = self._ready
        self._deliveries = 0
        if self._put_off:
            ready.extend(self._put_off)
            self._put_off.clear()
        while ready:
            handle = ready.popleft()
            if not handle._cancelled:  # noqa: SLF001 - loops run handles so
                handle._run()  # noqa: SLF001
                if self._cancellations:
                    self._deliver_cancellations()

    def cancel_after_callback(self, task: asyncio.Task[Any], message: Any) -> None:
        """Cancel a task when the callback that is running has returned; the oldest first, if there are several."""
        self._cancellations.append((hash(task), task, message))

    def _deliver_cancellations(self) -> None:
        self._deliveries += 1
        if self._deliveries > _MOST_DELIVERIES and self._ready and is_delivery_by_anyio(self._ready[-1]):
            self._put_off.append(self._ready.pop())
        cancellations, self._cancellations = self._cancellations, []
        for _, task, message in sorted(cancellations, key=itemgetter(0)):
            task.cancel(message)

    def ring(self, timer: DurableTimer) -> None:
        """Make a timer's callback ready."""
        self._ready.append(timer)

    def open_tasks(self) -> list[asyncio.Task[Any]]:
        """Return the tasks that have not ended, oldest first."""
        self.tasks = [task for task in self.tasks if not task.done()]
        return self.tasks

    def report_unseen(self) -> None:
        """Report the exceptions of tasks that nobody has asked for, as asyncio does when it finds such garbage."""
        for task in self.tasks:
            if task.done() and task._log_traceback:  # noqa: SLF001 - asyncio's own mark
                message = f"exception of task {task.get_name()} was never retrieved"
                self.call_exception_handler({"message": message, "exception": task.exception(), "task": task})

    def take_hashes(self, count: int) -> int:
        """Return the first of ``count`` hashes for tasks and futures."""
        first = self._next_hash
        self._next_hash = first + count
        return first

    # --- callbacks and timers ---

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Call back in the next round."""
        handle = _Ready(callback, args, self, context)
        if self._beginning is not None and self._first_steps is not None:
            self._first_steps.add(self._beginning, handle)
        elif not self.disposed:
            self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> DurableTimer:
        """Call back after ``delay`` seconds, by a timer of the process."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> DurableTimer:
        """Call back at ``when`` by the clock of :meth:`time`, by a timer of the process."""
        timer = DurableTimer(when, callback, args, self, context)
        delay = round(when - self.time(), 6)  # without what floats lose beside the seconds since 1970
        if self.disposed:
            return timer
        if 0 < delay < math.inf:  # as in other loops, what is due in all eternity never comes
            self.run.start_timer(timer, delay)
        elif not delay > 0:
            self._ready.append(timer)
        return timer

    def start_timer(self, delay: float, callback: Callable[..., object], *args: Any, id: str) -> DurableTimer:
        """Call back after ``delay`` seconds, by a timer of this id; a future in ``args`` is told if it is refused."""
        timer = DurableTimer(self.time() + delay, callback, args, self, None)
        timer.id = id
        self.run.start_timer(timer, delay)
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        if isinstance(handle, DurableTimer) and handle.id is not None and not self.disposed:
            self.run.cancel_timer(handle)

    def time(self) -> float:
        """Return the time of this turn in epoch seconds; it stands still until the next."""
        if is_thread_of_anyio():
            raise ForbiddenCallError(
                f"no thread can be started in a workflow, whose steps must be repeatable: {_ACTIVITY}"
            )
        return self.run.now.timestamp()

    # --- tasks and futures ---

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future whose hash is the same in each replay."""
        check_futures_of_wait()
        return DurableFuture(loop=self)

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: Context | None = None, **options: Any
    ) -> asyncio.Task[Any]:
        """Run a coroutine as a task of the workflow."""
        if self.disposed:
            coro.close()
            raise NotInWorkflowError("this run of the workflow is being disposed of, and begins nothing new")
        if self._task_factory is not None and not self._begins_in_order(coro):
            given = {key: value for key, value in (("name", name), ("context", context)) if value is not None}
            task: asyncio.Task[Any] = self._make_by_factory(self, coro, **given, **options)
            if self._make_by_factory is not self._task_factory:
                return task
        else:
            task = self._make_task(coro, name=name, context=context, **options)
        self._enlist(task)
        return task

    def _begins_in_order(self, coro: Coroutine[Any, Any, Any]) -> bool:
        """Whether the task must be the loop's own in spite of the factory: only these wait for their turn.

        Raises:
            ForbiddenCallError: ``as_completed`` begins coroutines, and the factory is another than asyncio's eager one.
        """
        given = given_to_as_completed(coro)
        if given is None:
            return False
        if self._make_by_factory is self._task_factory:
            raise refused_as_completed(
                given,
                "as_completed() begins coroutines in an order that chance decides on, and tasks of this task factory "
                "do not wait for their turn; give it tasks",
            )
        return True

    def _enlist(self, task: asyncio.Task[Any]) -> None:
        """Add a task to those that are open, in the order of their hashes: ``as_completed`` makes them in any order."""
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001 - as `gather` does
        tasks = self.tasks
        place = len(tasks)
        if self._first_steps is not None and type(task) is DurableTask:
            while place and type(tasks[place - 1]) is DurableTask and hash(tasks[place - 1]) > hash(task):
                place -= 1
        tasks.insert(place, task)
        if len(tasks) >= self._compact_at:
            self._compact_at = 2 * len(self.open_tasks()) + 8

    def _make_task(self, coro: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
        given = given_to_as_completed(coro)
        if given is None:
            return DurableTask(coro, self.take_hashes(1), loop=self, **options)
        steps = self._first_steps
        if steps is None or steps.given is not given:
            steps = self._first_steps = FirstSteps(given, self, self._ready)
            self._ready.append(steps)
        self._beginning = coro
        try:
            return DurableTask(coro, steps.hash_for(coro), loop=self, **options)
        finally:
            self._beginning = None

    def set_task_factory(self, factory: Any) -> None:
        """Have tasks made by ``factory(loop, coro, …)``; its tasks must follow from history like all else."""
        if factory is not None and not callable(factory):
            raise TypeError("task factory must be a callable or None")
        self._task_factory = self._make_by_factory = factory
        if factory is not None and factory is getattr(asyncio, "eager_task_factory", None):
            self._make_by_factory = asyncio.create_eager_task_factory(self._eager_task)  # type: ignore[attr-defined]

    def _eager_task(self, coro: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = DurableTask(coro, self.take_hashes(1), **options)
        self._enlist(task)
        return task

    def get_task_factory(self) -> Any:
        """Return the task factory; None is the loop's own.

        Task groups of anyio take the constructor of tasks out of an eager one, as they can do with none that begin at
        once. They are given that for tasks of this loop.
        """
        return self._make_by_factory if is_called_by_anyio() else self._task_factory

    def _abandoned(self, generator: AsyncGenerator[Any, Any]) -> None:
        """Close an abandoned asynchronous generator in a task, as asyncio does."""
        if not self.disposed and self.run.in_turn:
            self.create_task(generator.aclose())

    # --- state ---

    def is_running(self) -> bool:
        """Whether code of the workflow is running."""
        return self.run.in_turn

    def is_closed(self) -> bool:
        """Whether the run was disposed of."""
        return self.disposed

    def get_debug(self) -> bool:
        """Return False; asyncio's debug mode measures real time."""
        return False

    def set_debug(self, enabled: bool) -> None:
        """Do nothing; see :meth:`get_debug`."""

    # --- faults that nobody waits for ---

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Log what went wrong, the first time; replays stay silent."""
        if self._exception_handler is not None and not self.disposed:
            self._exception_handler(self, context)
        else:
            self.default_exception_handler(context)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Log what went wrong, the first time."""
        if not self.disposed and not self.run.replaying:
            logger.error("%s: %s", self.run, context.get("message"), exc_info=context.get("exception"))

    def set_exception_handler(self, handler: Any) -> None:
        """Have faults told to ``handler(loop, context)``."""
        self._exception_handler = handler

    def get_exception_handler(self) -> Any:
        """Return the handler of faults; None is the loop's own."""
        return self._exception_handler


# --- what a workflow must not do -------------------------------------------------------------------------

_ACTIVITY = "do it in an activity, and `await execute(activity, input)`"
_SIGNAL = "send the process a signal (`handle.signal(name)`), and `await wait_signal(name)`"
_TURNS = "the worker drives the loop of a workflow; `await` what you wait for"

_FORBIDDEN = {
    _ACTIVITY: """
        run_in_executor set_default_executor getaddrinfo getnameinfo create_connection create_server sendfile start_tls
        create_unix_connection create_unix_server connect_accepted_socket create_datagram_endpoint connect_read_pipe
        connect_write_pipe subprocess_shell subprocess_exec add_reader remove_reader add_writer remove_writer sock_recv
        sock_recv_into sock_recvfrom sock_recvfrom_into sock_sendall sock_sendto sock_connect sock_accept sock_sendfile
    """,
    _SIGNAL: "add_signal_handler remove_signal_handler call_soon_threadsafe",
    _TURNS: "run_forever run_until_complete stop close shutdown_asyncgens shutdown_default_executor",
}


def _refusal(name: str, advice: str) -> Callable[..., NoReturn]:
    def method(self: ReplayLoop, *args: Any, **kwargs: Any) -> NoReturn:
        for arg in args:
            if asyncio.iscoroutine(arg):
                arg.close()
        raise ForbiddenCallError(f"{name}() is not possible in a workflow, whose steps must be repeatable: {advice}")

    method.__name__ = name
    method.__doc__ = f"Refuse: {advice}."
    return method


for _advice, _names in _FORBIDDEN.items():
    for _name in _names.split():
        setattr(ReplayLoop, _name, _refusal(_name, _advice))
