"""One run of a coroutine workflow: its code, kept at the point that history has reached.

A *turn* is what the code does with the events of one decision task. It begins with what came of the commands of the
turn before, then takes the other events in order, and lets the code run after each until it waits again, so code sees
one thing happen after the other, whatever came together. What the code orders on the way is collected as commands.

History is replayed turn by turn. The events that a decider saw are those up to its DecisionStartedEvent; what arrived
before its answer belongs to the next turn (swf-reference 5.2). The commands of a replayed turn must be what the
transaction of its answer says; the commands of the last turn, which nobody has answered yet, become decisions.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import json
import logging
import math
import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from ..carried import wrap
from ..checks import name_part
from ..decision import CancelTimerDecision, ContinueAsNewDecision, Decision, FailProcessDecision, StartTimerDecision
from ..errors import LimitExceededError, NotInWorkflowError
from ..event import (
    AnyEvent,
    Cause,
    ContinueAsNewFailedEvent,
    DecisionCompletedEvent,
    DecisionStartedEvent,
    StartTimerFailedEvent,
    TimerStartedEvent,
)
from ..process import Process
from .backlog import Backlog
from .closing import closing_decision
from .commands import MORE, Command, Owner
from .disposal import close_tasks
from .inbox import Inbox
from .loop import DurableTimer, ReplayLoop
from .matching import settle
from .reactions import REACTIONS
from .tasks import hash_seed
from .tracing import locate

__all__ = ["Run", "StaleRunError"]

_MOST_COMMANDS = 1_000
"""Decisions in one answer; what Amazon SWF takes at most."""

_MOST_BYTES = 900_000
"""In one answer, as JSON of ASCII characters; Amazon SWF takes requests of up to 1 MB."""

_LARGE_INPUT = 20_000
"""Characters; Amazon SWF takes 32,768."""

_FRAME = 500
"""Bytes, about: the names of a decision's fields in such a request."""


logger = logging.getLogger("aioworkflow.workflow")


class StaleRunError(Exception):
    """History went on otherwise than from the last turn of this run: it must be replayed from the beginning."""


class Run:
    """See the module.

    Args:
        process: Whose code it is.
        main: Makes the coroutine of ``run`` from the input.
        tracing: Whether each command notes the line of code that gave it; slow.

    Attributes:
        commands: What was ordered and is not confirmed by history.
        in_turn: Whether code of the workflow runs at this moment.
        replaying: Whether the present turn is one that was answered before.
        now: The time of the present turn.
        history_length: How many events there were at its beginning.
        status_json: What the present turn wants to be known of the process.
        backlog: What was refused for a while.
        activities: Open ones by their ActivityScheduledEvent; likewise timers, children, messages to other processes.
    """

    __slots__ = (
        "__weakref__",
        "_close_command",
        "_closing",
        "_counts",
        "_disposed",
        "_fault",
        "_inboxes",
        "_last_completed",
        "_last_started",
        "_main",
        "_position",
        "_random",
        "_refusals",
        "_root",
        "_side_effects",
        "_spoilt",
        "_unsettled",
        "activities",
        "backlog",
        "cancel_details_json",
        "cancel_requested",
        "children",
        "commands",
        "history_length",
        "in_turn",
        "loop",
        "messages",
        "now",
        "patches",
        "process",
        "replaying",
        "status_json",
        "timers",
        "tracing",
    )

    def __init__(self, process: Process, main: Callable[[str | None], Any], *, tracing: bool = False) -> None:
        self.process = process
        self.tracing = tracing
        self.loop = ReplayLoop(self, hash_seed(process.run_id))  # type: ignore[abstract]  # see its last lines
        self.backlog = Backlog(self.loop)
        self.commands: list[Command] = []
        self.in_turn = False
        self.replaying = False
        self.now: datetime = process.started_at
        self.history_length = 0
        self.status_json: str | None = None
        self.cancel_requested = False
        self.cancel_details_json: str | None = None
        self.activities: dict[int, Any] = {}
        self.timers: dict[int, DurableTimer] = {}
        self.children: dict[int, Any] = {}
        self.messages: dict[int, Any] = {}
        self.patches: dict[str, bool] = {}
        self._main = main
        self._root: asyncio.Task[Any] | None = None
        self._closing: Decision | None = None
        self._fault: Decision | None = None
        self._close_command: Command | None = None
        self._counts: dict[str, int] = {}
        self._inboxes: dict[str, Inbox] = {}
        self._side_effects = 0
        self._random: random.Random | None = None
        self._refusals: list[tuple[Owner, AnyEvent]] = []
        self._position = 0
        self._last_started = 0
        self._last_completed = 0
        self._unsettled = False
        self._spoilt: Exception | None = None
        self._disposed = False

    def __str__(self) -> str:
        return f"process {self.process.ref} ({self.process.workflow})"

    # --- history in, decisions out ---

    def advance(self, seconds: float = math.inf) -> bool:
        """Take in what is new in the process, turn by turn, for about so many seconds of real time.

        Returns:
            Whether all was taken in.

        Raises:
            NondeterminismError: The code orders otherwise than history says.
            StaleRunError: Replaying anew is needed.
        """
        events = self.process.history[self._position :]
        return self.loop.enter(self._advance, events, time.monotonic() + seconds)

    def _advance(self, events: Sequence[AnyEvent], until: float) -> bool:
        offset = self._position + 1
        place = 0
        for index, event in enumerate(events):
            if type(event) is not DecisionCompletedEvent or event.event_id <= self._last_completed:
                continue
            if not self._unsettled:
                end = event.started_event_id - offset + 1
                self._turn(events[place:end], replaying=True)
                place = end
                self._position = offset - 1 + place
            elif event.started_event_id != self._last_started:
                raise StaleRunError
            self._settle(events, index + 1)
            self._last_completed = event.event_id
            if time.monotonic() > until:
                return False
        if place < len(events) and type(events[-1]) is DecisionStartedEvent:
            if self._unsettled:
                raise StaleRunError
            self._turn(events[place:], replaying=False)
            self._position = offset - 1 + len(events)
        return True

    @property
    def decisions(self) -> list[Decision]:
        """What the last turn decided; if that is too much for one answer, it ends with a timer for another turn."""
        if len(self.commands) == 1:
            return [self.commands[0].decision]
        decisions: list[Decision] = []
        size = len(json.dumps(self.status_json))
        last = len(self.commands) - 1
        for index, command in enumerate(self.commands):
            decision = command.decision
            size += _size_of(decision)
            full = size > _MOST_BYTES or (len(decisions) == _MOST_COMMANDS - 1 and index < last)
            if decisions and full:
                decisions.append(StartTimerDecision(0, id=f"{MORE}-{self._last_started}"))
                break
            decisions.append(decision)
        return decisions

    def _turn(self, events: Sequence[AnyEvent], *, replaying: bool) -> None:
        started = events[-1]
        self.replaying = replaying
        self.now = max(self.now, started.timestamp)
        self.history_length = self._last_started = started.event_id
        self.status_json = None
        self._unsettled = self.in_turn = True
        try:
            self._take(events)
        finally:
            self.in_turn = False
        if self._spoilt is not None:
            raise self._spoilt

    def _take(self, events: Sequence[AnyEvent]) -> None:
        run_ready = self.loop.run_ready
        refusals, self._refusals = self._refusals, []
        for owner, event in refusals:
            owner.refused(event)
            run_ready()
        handler_of = REACTIONS.get
        for event in events:
            handler = handler_of(type(event))
            if handler is not None:
                handler(self, event)
                run_ready()
        self._close_if_done()
        self.commands = [command for command in self.commands if not command.withdrawn]

    def _settle(self, events: Sequence[AnyEvent], start: int) -> None:
        self.commands, self._refusals = settle(self, events, start)
        self._unsettled = False

    # --- the end ---

    def _close_if_done(self) -> None:
        root = self._root
        if root is None or not root.done():
            return
        loop = self.loop
        if self._closing is None:
            self._closing = self._fault or closing_decision(root, self.cancel_details_json)
            loop.report_unseen()
            for task in tuple(loop.open_tasks()):
                task.cancel()
            loop.run_ready()
        if loop.open_tasks():
            return
        self.backlog.clear()
        if self._close_command is not None:
            self._close_command.withdrawn = True
        self._close_command = self.order_later(type(self._closing), self._last_word, None, self)

    def _last_word(self) -> Decision:
        """Return the closing decision; signals that nobody took go on to the new run, if there is one."""
        closing = self._closing
        assert closing is not None
        if not isinstance(closing, ContinueAsNewDecision):
            return closing
        left = [(name, text) for name, inbox in self._inboxes.items() if inbox.wanted for text in inbox.waiting]
        input_json = wrap(closing.input_json, left)
        if left and input_json is not None and len(input_json) > _LARGE_INPUT:
            logger.warning(
                "%s continues as new with %d signals that it has not taken, which makes an input of %d characters; take"
                " them before, or it may be more than the backend takes",
                self,
                len(left),
                len(input_json),
            )
        return closing.with_input_json(input_json)

    def begin(self, input_json: str | None) -> None:
        """Start the code."""
        main = self._main(input_json)
        self._root = self.loop.create_task(main, name="run", context=contextvars.copy_context())

    def request_cancel(self, details_json: str | None) -> None:
        """Cancel the code, as somebody asks for it."""
        self.cancel_requested = True
        self.cancel_details_json = details_json
        assert self._root is not None
        self._root.cancel()

    def fail(self, error: Exception) -> None:
        """Fail the process for what no code waits for."""
        assert self._root is not None
        self._fault = FailProcessDecision(f"{type(error).__name__}: {error}")
        self._root.cancel()

    def accepted(self, event: AnyEvent) -> None:
        """Do nothing: the process is closed."""

    def refused(self, event: AnyEvent) -> None:
        """Close again once what came meanwhile is seen (swf-reference 5.5); continuing as new may fail for good."""
        self._close_command = None
        if isinstance(event, ContinueAsNewFailedEvent) and event.cause is not Cause.UNHANDLED_DECISION:
            self._closing = FailProcessDecision(f"continuing as new was refused: {event.cause.value}")

    def dispose(self) -> None:
        """End the code where it waits, without letting it do anything more."""
        if self._disposed:
            return
        self._disposed = self.loop.disposed = True
        self.loop.enter(close_tasks, self.loop.open_tasks())
        self.loop.tasks = []
        for table in (self.activities, self.timers, self.children, self.messages, self._inboxes):
            table.clear()
        self.backlog.clear()
        self.commands = []
        self._refusals = []
        self._root = None

    # --- what the verbs use ---

    @classmethod
    def current(cls) -> Run:
        """Return the run whose code is running.

        Raises:
            NotInWorkflowError: None is, or it is being disposed of.
        """
        loop = asyncio._get_running_loop()  # noqa: SLF001 - the public one raises where there is none
        if type(loop) is not ReplayLoop:
            raise NotInWorkflowError(
                "this works only inside the `run` of a coroutine workflow, and there not in a side effect, which "
                "replays do without"
            )
        if loop.disposed:
            raise NotInWorkflowError("this run of the workflow is being disposed of, and begins nothing new")
        return loop.run

    def order(self, decision: Decision, key: Any, owner: Owner | None = None) -> Command:
        """Add a command to this turn."""
        return self.order_later(type(decision), lambda: decision, key, owner)

    def order_later(
        self, kind: type[Decision], make: Callable[[], Decision], key: Any, owner: Owner | None = None
    ) -> Command:
        """Add a command whose decision is made when it is sent: replays do without."""
        command = Command(kind, make, key, owner)
        if self.tracing:
            command.where = locate()
        self.commands.append(command)
        return command

    def count(self, kind: str) -> int:
        """Return the next number of its kind, from 1."""
        number = self._counts.get(kind, 0) + 1
        self._counts[kind] = number
        return number

    def child_id(self, workflow: str) -> str:
        """Return a process id for a child, which no child of another run has."""
        run = hashlib.blake2b(self.process.run_id.encode(), digest_size=4).hexdigest()
        return f"{name_part(self.process.id, 150)}-{workflow[:60]}-{run}-{self.count('child')}"

    def inbox(self, name: str) -> Inbox:
        """Return where the signals of a name wait."""
        inbox = self._inboxes.get(name)
        if inbox is None:
            inbox = self._inboxes[name] = Inbox()
        return inbox

    def deliver(self, signal: str, input_json: str | None) -> None:
        """Add a signal to those that wait."""
        inbox = self.inbox(signal)
        inbox.put(input_json)
        if self._root is not None and self._root.done():
            inbox.wanted = True

    def next_side_effect(self) -> int:
        """Return how many side effects there were before the next."""
        self._side_effects += 1
        return self._side_effects - 1

    def spoil(self, error: Exception) -> None:
        """Have the turn end with an error, also if the code catches it."""
        self._spoilt = self._spoilt or error

    @property
    def random(self) -> random.Random:
        """Chance that is the same in each replay."""
        if self._random is None:
            self._random = random.Random(self.process.run_id)
        return self._random

    # --- timers ---

    def start_timer(self, timer: DurableTimer, delay: float) -> None:
        """Start a timer of the process."""
        if timer.id is None:
            timer.id = f"timer-{self.count('timer')}"
        timer.command = self.order(StartTimerDecision(delay, id=timer.id), timer.id, timer)

    def cancel_timer(self, timer: DurableTimer) -> None:
        """Cancel it, or withdraw it if it is not started yet."""
        if timer.command is not None:
            timer.command.withdrawn = True
        elif self.timers.pop(timer.event_id, None) is not None:
            assert timer.id is not None
            self.order(CancelTimerDecision(timer.id), timer.id)

    def timer_started(self, timer: DurableTimer, event: TimerStartedEvent) -> None:
        """Note that a timer runs."""
        timer.command = None
        timer.event_id = event.event_id
        self.timers[event.event_id] = timer

    def timer_refused(self, timer: DurableTimer, event: StartTimerFailedEvent) -> None:
        """Raise in the code that waits for a timer that could not be started."""
        timer.command = None
        if timer.cancelled():
            return
        error = LimitExceededError(f"timer {event.timer_id!r} could not be started: {event.cause.value}")
        future = timer.future()
        if future is None:
            self.fail(error)
        elif not future.done():
            future.set_exception(error)


def _size_of(decision: Decision) -> int:
    """Return how many bytes of a request a decision takes, about."""
    values = [getattr(decision, name) for name in type(decision).__slots__]
    return _FRAME + len(json.dumps(values, default=str))
