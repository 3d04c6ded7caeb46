"""Decisions: how a worker lets workflows decide.

A process is kept after it was decided on, so that the next task need only bring the new events; if something is
missing, the history is read. So that the next task comes to who keeps the process, decisions can be *sticky*: then it
waits for some seconds at a task list of the worker's own, before others may take it.

A decider that raises loses nothing: the task is tried again after a delay that grows with each failure of that process,
for as long as it is valid, and does not take a place meanwhile; then it times out, and the backend hands out another.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict, cast

from ..backend import Backend
from ..deciding import decide
from ..decision import CLOSING_DECISIONS, Decision, FailProcessDecision
from ..errors import BackendUnavailableError, InvalidRequestError, NondeterminismError, UnknownResourceError
from ..event import AnyEvent, DecisionScheduledEvent, DecisionStartedEvent
from ..process import Process
from ..result import exception_details
from ..retry import RetryPolicy
from ..task import DecisionTask
from ..types import TypeRef
from ..workflow import Workflow
from .cancellation import take_back
from .timing import Alarm, BackOff, Clock, Deadlines, persist

__all__ = ["Decisions", "Sticky", "Turn"]

logger = logging.getLogger("aioworkflow.worker")

_PATIENCE = 10.0
"""Seconds after which a decider that was told to stop and goes on is complained about, again and again."""

_MOST_RETRIES = 1000
"""More tasks than this do not wait to be tried again; they time out."""

_retry = RetryPolicy(maximum_attempts=None, initial=1.0, maximum_interval=300.0)


class Sticky(NamedTuple):
    """Where decision tasks wait for the worker that has their process in memory, and for how many seconds."""

    task_list: str
    seconds: float


class _Settings(TypedDict, total=False):
    """What may go with decisions."""

    execution_context: str | None
    task_list: str
    task_list_schedule_to_start_timeout: float


class Turn:
    """One decision task in hand.

    Attributes:
        task: It.
        host: The asyncio task that decides.
        closes_at: When the task has timed out for sure, by the worker's clock.
        cancels: How often it was cancelled from here.
        deciding: Whether the workflow itself is at work, before anything is sent.
    """

    __slots__ = ("_decisions", "cancels", "closes_at", "deciding", "host", "late", "task")

    def __init__(self, decisions: Decisions, task: DecisionTask, closes_at: float | None) -> None:
        self._decisions = decisions
        self.task = task
        self.host = cast("asyncio.Task[Any]", asyncio.current_task())
        self.cancels = 0
        self.deciding = False
        self.late = False
        self.closes_at = closes_at

    def __str__(self) -> str:
        return f"decider of process {self.task.process} ({self.task.workflow})"

    def cancel(self) -> None:
        """Stop it, once."""
        if not self.cancels:
            self.cancels = 1
            self.host.cancel()

    def overdue(self) -> None:
        """Note that its task has timed out."""
        if self.cancels:
            logger.warning("%s was cancelled and goes on", self)
        else:
            self.late = True
            self.cancel()
        self._decisions.be_patient(self)


class Decisions:
    """Decides for one worker.

    Attributes:
        turns: What is being decided, by the asyncio task that does it.
    """

    def __init__(
        self,
        backend: Backend,
        workflows: Mapping[TypeRef, Workflow],
        *,
        identity: str,
        clock: Clock,
        back_off: BackOff,
        deadlines: Deadlines,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        ended: Callable[[], None],
        cached_processes: int,
        sticky: Sticky | None,
        always_replay: bool,
        fail_process: bool,
    ) -> None:
        self.deadlines = deadlines
        self.turns: dict[asyncio.Task[Any], Turn] = {}
        self._backend = backend
        self._workflows = workflows
        self._identity = identity
        self._clock = clock
        self._back_off = back_off
        self._spawn = spawn
        self._ended = ended
        self._cached_processes = cached_processes
        self._sticky = sticky
        self._always_replay = always_replay
        self._fail_process = fail_process
        self._cache: OrderedDict[str, Process] = OrderedDict()
        self._failures: OrderedDict[str, int] = OrderedDict()
        self._retries: dict[str, Alarm] = {}
        self._closed = False
        self._had_their_time: set[Turn] = set()

    async def poll(self, task_list: str) -> DecisionTask | None:
        """Poll for one task.

        Where processes come back to a list of the worker's own, what comes from others is most likely not in memory,
        and better comes with its whole history than takes further calls.
        """
        is_kept = self._cached_processes > 0 if self._sticky is None else task_list == self._sticky.task_list
        return await self._backend.poll_decision_task(task_list, identity=self._identity, new_events_only=is_kept)

    async def handle(self, task: DecisionTask) -> None:
        """Decide, and send the decisions."""
        timeout = _timeout(task)
        await self._take_turn(task, None if timeout is None else self._clock.now() + timeout)

    def be_patient(self, turn: Turn) -> None:
        """Ask after a turn that was cancelled."""
        self.deadlines.add(turn, self._clock.now() + _PATIENCE)

    def close(self) -> None:
        """Try nothing again."""
        self._closed = True
        for alarm in self._retries.values():
            alarm.cancel()
        self._retries.clear()

    def cancel(self) -> None:
        """Stop workflows that are at work; their tasks are left to time out. What was decided may still be sent."""
        self.close()
        self._had_their_time = set(self.turns.values())
        for turn in self._had_their_time:
            if turn.deciding:
                turn.cancel()

    def give_up(self) -> None:
        """Stop what could not be sent since the last time, or since the cancellation.

        What a late poll has brought meanwhile has its own time.
        """
        turns = set(self.turns.values())
        for turn in turns & self._had_their_time:
            turn.cancel()
        self._had_their_time = turns

    def forget(self) -> None:
        """Forget all processes."""
        while self._cache:
            self._cache.popitem()[1].release()

    async def _take_turn(self, task: DecisionTask, closes_at: float | None) -> None:
        workflow = self._workflows.get(task.workflow)
        if workflow is None:
            logger.error(
                "a task came for workflow %s (process %s), which this worker has not registered; it is left to others",
                task.workflow,
                task.process,
            )
            return
        turn = Turn(self, task, closes_at)
        self.turns[turn.host] = turn
        if closes_at is not None:
            self.deadlines.add(turn, closes_at)
        try:
            await self._decide(turn, workflow)
        except asyncio.CancelledError:
            if not turn.cancels or await take_back(turn.host, turn.cancels):
                logger.warning("%s was cancelled together with the asyncio task that ran it", turn)
                raise
            if turn.late:
                logger.error("%s did not answer within its decision timeout and was cancelled", turn)
            else:
                logger.warning("%s was cancelled because the worker stops; its task is left to others", turn)
        finally:
            del self.turns[turn.host]
            self.deadlines.discard(turn)
            self._ended()

    async def _decide(self, turn: Turn, workflow: Workflow) -> None:
        task = turn.task
        try:
            process = await self._process(turn)
        except (UnknownResourceError, InvalidRequestError) as error:
            logger.error("%s cannot have its history; its task is left to time out: %s", turn, error)
            return
        try:
            done = await self._decide_on(turn, workflow, process)
        finally:
            if process.run_id not in self._cache or self._always_replay or workflow.always_replay:
                process.release()
        if done:
            self._failures.pop(task.process.run_id, None)

    async def _decide_on(self, turn: Turn, workflow: Workflow, process: Process) -> bool:
        """Decide, and send the decisions; return whether they were taken. A process that goes on is kept."""
        try:
            turn.deciding = True
            try:
                decisions = await decide(workflow, process)
            finally:
                turn.deciding = False
        except asyncio.CancelledError as error:
            if turn.host.cancelling():
                raise
            await self._failed(turn, error)
            return False
        except Exception as error:
            await self._failed(turn, error)
            return False
        try:
            done = await self._complete(turn, decisions, process)
        except InvalidRequestError as error:
            await self._failed(turn, error)
            return False
        if done and (not decisions or type(decisions[-1]) not in CLOSING_DECISIONS):
            self._keep(process)
        return done

    async def _process(self, turn: Turn) -> Process:
        """Return the process up to this task, from memory and the new events if that is enough."""
        task = turn.task
        process = self._cache.pop(task.process.run_id, None)
        first = task.events[0].event_id
        known = 0 if process is None else process.last_event_id
        events: Sequence[AnyEvent] = task.events
        if first > known + 1:
            if process is not None:
                process.release()
            events = await persist(
                lambda: self._read(task, known), what=turn, clock=self._clock, back_off=self._back_off
            )
        if process is None:
            return Process(task.process, events)
        process.extend(events)
        return process

    async def _read(self, task: DecisionTask, known: int) -> Sequence[AnyEvent]:
        """Read what is missing between the known events and those of the task; return it together with the latter."""
        missing = task.events[0].event_id - known - 1
        events: list[AnyEvent] = []
        async for page in self._backend.history(task.process, after=known):
            events += page
            if len(events) >= missing:
                break
        if len(events) < missing:
            raise BackendUnavailableError(
                f"the history of process {task.process} lags behind: of {missing} events after {known} only "
                f"{len(events)} are there"
            )
        return [*events[:missing], *task.events]

    def _keep(self, process: Process) -> None:
        if self._cached_processes:
            self._cache[process.run_id] = process
            if len(self._cache) > self._cached_processes:
                self._cache.popitem(last=False)[1].release()

    async def _complete(self, turn: Turn, decisions: Sequence[Decision], process: Process | None = None) -> bool:
        """Send the decisions, trying again after passing faults until the task times out; return whether that worked.

        Raises:
            InvalidRequestError: The backend refuses them; the task is open.
        """
        task = turn.task
        settings = _Settings() if process is None else self._settings(process)
        try:
            await persist(
                lambda: self._backend.complete_decision_task(task.token, decisions, **settings),
                what=turn,
                clock=self._clock,
                back_off=self._back_off,
            )
        except UnknownResourceError:
            logger.info("%s has decided, but its task was closed before", turn)
        else:
            return True
        return False

    def _settings(self, process: Process) -> _Settings:
        """Return what goes with the decisions. A worker that stops lets go of its processes."""
        settings = _Settings(execution_context=process.execution_context)
        if self._sticky is not None and self._closed:
            settings["task_list"] = process.started.task_list
        elif self._sticky is not None:
            settings["task_list"], settings["task_list_schedule_to_start_timeout"] = self._sticky
        return settings

    async def _failed(self, turn: Turn, error: BaseException) -> None:
        """Log that the decider failed, and see to what comes of it."""
        failures = self._count_failure(turn.task.process.run_id)
        logger.error("%s failed, %d times in a row", turn, failures, exc_info=error)
        if self._fail_process and not isinstance(error, NondeterminismError):
            told = exception_details(error)
            failing = FailProcessDecision(f"decider failed: {told['type']}: {told['message']}", told)
            try:
                await self._complete(turn, [failing])
            except InvalidRequestError as refused:
                logger.error("%s failed, and the backend refuses to fail the process: %s", turn, refused)
            else:
                return
        self._try_later(turn, _retry.delay(failures))

    def _count_failure(self, run_id: str) -> int:
        failures = self._failures.pop(run_id, 0) + 1
        self._failures[run_id] = failures
        if len(self._failures) > _MOST_RETRIES:
            self._failures.popitem(last=False)
        return failures

    def _try_later(self, turn: Turn, delay: float) -> None:
        when = self._clock.now() + delay
        in_time = turn.closes_at is None or when < turn.closes_at
        if in_time and not self._closed and len(self._retries) < _MOST_RETRIES:
            token = turn.task.token
            self._retries[token] = self._clock.call_at(when, lambda: self._try_again(turn.task, turn.closes_at))

    def _try_again(self, task: DecisionTask, closes_at: float | None) -> None:
        del self._retries[task.token]
        self._spawn(self._take_turn(task, closes_at))


def _timeout(task: DecisionTask) -> float | None:
    """Return how long a decider may take, which the event says that scheduled the task."""
    started = task.events[-1]
    if isinstance(started, DecisionStartedEvent):
        index = started.scheduled_event_id - started.event_id - 1
        if -len(task.events) <= index < 0 and isinstance(scheduled := task.events[index], DecisionScheduledEvent):
            return scheduled.start_to_close_timeout
    return None
