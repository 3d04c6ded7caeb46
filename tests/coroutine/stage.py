"""One process of a coroutine workflow on the pure machine, driven step by step by a test.

Each turn is decided twice: by the code that is kept from turn to turn, and by a replay of the whole history. Both must
say the same (unless ``replays`` is False, for the turns in which chance is recorded).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aioworkflow.activity import activity_type
from aioworkflow.decision import Decision
from aioworkflow.event import AnyEvent
from aioworkflow.machine.handle import Environment
from aioworkflow.machine.limits import Limits
from aioworkflow.machine.requests import CancelProcess, FireDeadlines, SignalProcess, StartProcess, TerminateProcess
from aioworkflow.payload import encode_optional
from aioworkflow.process import Process
from aioworkflow.result import ActivityCompleted, ActivityFailed, ActivityResult
from aioworkflow.types import ProcessStatus
from aioworkflow.workflow import Workflow, workflow_type
from tests.machine.world import Run, World, names, start_request

__all__ = ["Stage"]


class Stage:
    """See the module.

    Args:
        workflow: Of the process.
        activities: What it may schedule.
        others: Other workflows that are registered.
        limits: Of the machine.
    """

    def __init__(
        self,
        workflow: Any,
        *activities: Any,
        others: Sequence[Any] = (),
        limits: Limits | None = None,
    ) -> None:
        self.workflow: Workflow = workflow() if isinstance(workflow, type) else workflow
        kinds = [workflow_type(kind) for kind in (workflow, *others)]
        works = [activity_type(activity) for activity in activities]
        self._kind = kinds[0]
        environment = Environment(
            limits=limits or Limits(),
            workflows={kind.ref: kind for kind in kinds},
            activities={work.ref: work for work in works},
        )
        self.world = World(environment, checked=False)
        self.kept: Process | None = None
        self.replays = True
        self.run: Run

    async def start(self, input: object = None, **fields: Any) -> list[Decision]:
        """Start the process, and take its first turn."""
        request = self.request(input, **fields)
        self.world.ask(request.ref, request)
        self.run = Run(self.world, request.ref)
        return await self.turn()

    def request(self, input: object = None, **fields: Any) -> StartProcess:
        """Return what starts the process."""
        return start_request(workflow=self._kind.ref, input_json=encode_optional(input), **fields)

    def run_of(self, process_id: str) -> Run:
        """Return the run of another process."""
        return self.world.run(process_id)

    # --- turns ---

    def take(self) -> None:
        """Take the decision task; what happens from now on is for the next turn."""
        self.run.take_decision()

    async def decide(self) -> list[Decision]:
        """Return what the workflow decides on the task that was taken, without answering."""
        started = self.run.head.started
        assert started is not None
        known = self.run.history[: started.started_event_id]
        if self.kept is None:
            self.kept = Process(self.run.ref, known)
        else:
            self.kept.extend(known)
        decisions: list[Decision] = await self.workflow.decide(self.kept)
        if not self.replays:
            return decisions
        anew = Process(self.run.ref, known)
        assert await self.workflow.decide(anew) == decisions
        assert anew.execution_context == self.kept.execution_context
        anew.release()
        return decisions

    async def turn(self) -> list[Decision]:
        """Take a turn, answer, and return the decisions."""
        self.take()
        decisions = await self.decide()
        self.answer(decisions)
        return decisions

    def answer(self, decisions: Sequence[Decision]) -> None:
        """Answer the task that was taken."""
        assert self.kept is not None
        self.run.answer(*decisions, execution_context=self.kept.execution_context)
        if not self.is_open:
            self.kept.release()

    async def settle(self) -> list[Decision]:
        """Deliver messages and take turns until nothing waits; return what was decided in all."""
        decided: list[Decision] = []
        self.world.deliver_all()
        while self.is_open and self.run.state.decision_ready:
            decided += await self.turn()
            self.world.deliver_all()
        return decided

    def forget(self) -> None:
        """Dispose of the code that is kept."""
        if self.kept is not None:
            self.kept.release()
            self.kept = None

    # --- what happens outside ---

    def complete(self, activity_id: str, result: object = None) -> None:
        """Have an activity completed."""
        self.finish(activity_id, ActivityCompleted(result))

    def fail(self, activity_id: str, error: Exception) -> None:
        """Have an activity fail."""
        self.finish(activity_id, ActivityFailed(error))

    def finish(self, activity_id: str, result: ActivityResult) -> None:
        """Have an activity answer."""
        if not self.run.activity(activity_id).started_event_id:
            self.run.take_activity(activity_id)
        self.run.finish_activity(activity_id, result)

    def signal(self, name: str, data: object = None) -> None:
        """Send a signal."""
        self.run.ask(SignalProcess(signal=name, input_json=encode_optional(data)))

    def cancel(self, details: object = None) -> None:
        """Ask the process to end."""
        self.run.ask(CancelProcess(details_json=encode_optional(details)))

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and ring what is due."""
        until = self.world.now + seconds
        while (due := self.run.state.next_deadline()) is not None and due <= until:
            self.world.now = due
            self.run.ask(FireDeadlines())
        self.world.now = until

    @staticmethod
    def termination() -> TerminateProcess:
        """Return what terminates a process."""
        return TerminateProcess()

    @staticmethod
    def deadlines() -> FireDeadlines:
        """Return what rings what is due."""
        return FireDeadlines()

    # --- what can be seen ---

    @property
    def is_open(self) -> bool:
        """Whether the process goes on."""
        return self.run.head.status is ProcessStatus.OPEN

    @property
    def ending(self) -> Any:
        """The event that closed it."""
        assert not self.is_open
        return self.run.last

    @property
    def result(self) -> Any:
        """The result of the completed process."""
        assert self.run.head.status is ProcessStatus.COMPLETED, self.run.last
        return self.run.last.result

    @property
    def open_activities(self) -> list[str]:
        """The ids of what is scheduled."""
        return list(self.run.state.activities)

    @property
    def open_timers(self) -> list[str]:
        """The ids of the timers that run."""
        return list(self.run.state.timers)

    def events(self, *kinds: type[AnyEvent]) -> list[AnyEvent]:
        """Return the events of these kinds."""
        return [event for event in self.run.history if isinstance(event, kinds)]

    @property
    def names(self) -> list[str]:
        """The names of all events."""
        return names(self.run.history)
