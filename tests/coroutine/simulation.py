"""One process on the pure machine, in virtual time: what workers, stores and clocks do, without any of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from aioworkflow.activity import activity_type
from aioworkflow.decision import Decision
from aioworkflow.event import ActivityCancelRequestedEvent, ActivityScheduledEvent
from aioworkflow.machine.handle import Environment
from aioworkflow.machine.requests import (
    CancelProcess,
    CompleteActivityTask,
    FireDeadlines,
    SignalProcess,
    StartActivityTask,
)
from aioworkflow.machine.state import OpenActivity
from aioworkflow.payload import encode_optional
from aioworkflow.process import Process
from aioworkflow.result import ActivityAborted, ActivityResult
from aioworkflow.types import ProcessStatus
from aioworkflow.workflow import workflow_type
from tests.machine.world import Run, World, start_request

__all__ = ["Behave", "Behaviour", "Decide", "Simulation"]

START = 1_700_000_000


class Behaviour(NamedTuple):
    """What an attempt of an activity does.

    Attributes:
        seconds: How long it takes.
        answer: What it answers then.
        seconds_to_stop: How long it takes after it was asked to stop.
    """

    seconds: float
    answer: ActivityResult
    seconds_to_stop: float = 0.0


Behave: TypeAlias = Callable[[ActivityScheduledEvent], Behaviour]
Decide: TypeAlias = Callable[[Process], Awaitable[Sequence[Decision]]]


class Simulation:
    """See the module.

    Decisions and the start of activities take no time.

    Args:
        workflow: Of the process.
        activities: What it may schedule.
        behave: Tells of each attempt what it does.
        decide: Answers decision tasks. It is given the whole process each time.
    """

    def __init__(self, workflow: Any, activities: Sequence[Any], behave: Behave, decide: Decide) -> None:
        kinds = [activity_type(activity) for activity in activities]
        self._kind = workflow_type(workflow)
        environment = Environment(workflows={self._kind.ref: self._kind}, activities={kind.ref: kind for kind in kinds})
        self._world = World(environment, now=START, checked=False)
        self._behave = behave
        self._decide = decide
        self._ends: dict[int, tuple[float, ActivityResult]] = {}
        self._behaviours: dict[int, Behaviour] = {}
        self._seen = 0
        self._outside: list[tuple[float, Any]] = []
        self.run: Run
        self.decisions = 0

    @property
    def process(self) -> Process:
        """The process with its whole history."""
        return Process(self.run.ref, self.run.history)

    def signal_at(self, seconds: float, name: str, input: object = None) -> None:
        """Have a signal arrive so long after the start."""
        self._outside.append((START + seconds, SignalProcess(signal=name, input_json=encode_optional(input))))

    def cancel_at(self, seconds: float) -> None:
        """Have the process asked to end so long after the start."""
        self._outside.append((START + seconds, CancelProcess()))

    async def play(self, input: object = None) -> Process:
        """Run the process until it is closed."""
        request = start_request(workflow=self._kind.ref, input_json=encode_optional(input))
        self._world.ask(request.ref, request)
        self.run = Run(self._world, request.ref)
        self._outside.sort(key=lambda item: item[0])
        while self.run.head.status is ProcessStatus.OPEN:
            await self._step()
        return self.process

    async def _step(self) -> None:
        if self.run.state.decision_ready:
            self.run.take_decision()
            self.decisions += 1
            self.run.answer(*await self._decide(self.process))
        elif not self._start_activities():
            self._stop_activities()
            self._let_time_pass()

    def _start_activities(self) -> bool:
        state = self.run.state
        waiting = [event_id for event_id in state.activities.values() if event_id not in self._ends]
        for event_id in waiting:
            self.run.ask(StartActivityTask(scheduled_event_id=event_id))
            behaviour = self._behaviours[event_id] = self._behave(self.run.history[event_id - 1])
            self._ends[event_id] = (self._world.now + behaviour.seconds, behaviour.answer)
        return bool(waiting)

    def _stop_activities(self) -> None:
        history, seen, self._seen = self.run.history, self._seen, len(self.run.history)
        for event in history[seen:]:
            if isinstance(event, ActivityCancelRequestedEvent):
                event_id = self.run.state.activities.get(event.activity_id)
                if event_id is not None:
                    end = self._world.now + self._behaviours[event_id].seconds_to_stop
                    self._ends[event_id] = (end, ActivityAborted("canceled"))

    def _let_time_pass(self) -> None:
        ends = [(self._ends[event_id][0], event_id) for event_id in self.run.state.activities.values()]
        deadline = self.run.state.next_deadline()
        times = [time for time, _ in (*ends, *self._outside[:1])] + ([] if deadline is None else [deadline])
        assert times, "the process waits for nothing"
        self._world.now = min(times)
        if self._outside and self._outside[0][0] <= self._world.now:
            self.run.ask(self._outside.pop(0)[1])
        elif deadline is not None and deadline <= self._world.now:
            self.run.ask(FireDeadlines())
        else:
            _, event_id = min(ends)
            self._finish(event_id, self._ends[event_id][1])

    def _finish(self, event_id: int, answer: ActivityResult) -> None:
        item = self.run.state.items[event_id]
        assert isinstance(item, OpenActivity)
        self.run.ask(
            CompleteActivityTask(scheduled_event_id=event_id, started_event_id=item.started_event_id, result=answer)
        )
