"""What the driver knows by its own experience, and whether the histories agree with it."""

from __future__ import annotations

import enum
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from aioworkflow.event import (
    ActivityCompletedEvent,
    ActivityScheduledEvent,
    ActivityStartedEvent,
    AnyEvent,
    ProcessCanceledEvent,
    ProcessCancelRequestedEvent,
    ProcessCompletedEvent,
    ProcessContinuedAsNewEvent,
    ProcessSignaledEvent,
    ProcessStartedEvent,
    ProcessTerminatedEvent,
    SignalProcessInitiatedEvent,
)
from aioworkflow.types import ProcessRef, ProcessStatus
from tests.chaos.plans import Plan
from tests.hunts.audit import Histories

Diary = Counter[tuple[str, int]]
"""How often an activity was executed, by run id and started event id."""

_ENDINGS: Mapping[ProcessStatus, type] = {
    ProcessStatus.COMPLETED: ProcessCompletedEvent,
    ProcessStatus.CANCELED: ProcessCanceledEvent,
    ProcessStatus.TERMINATED: ProcessTerminatedEvent,
}


class Answer(enum.Enum):
    """What came back when something was asked: how often it must have happened follows from that."""

    ACKNOWLEDGED = (1, 1)
    REFUSED = (0, 0)
    LOST = (0, 1)
    """No answer, or the answer that the database is away: it may have been done."""

    @property
    def least(self) -> int:
        """Return how often it happened at least."""
        return self.value[0]

    @property
    def most(self) -> int:
        """Return how often it happened at most."""
        return self.value[1]


@dataclass(slots=True)
class Record:
    """All that was asked, and what the answers were.

    Attributes:
        plans: Of the processes, by id.
        starts: The answers to each attempt to start a process, by its id.
        runs: Run ids of acknowledged starts.
        tellings: The answer to each signal and each request to cancel, by process id and the number of the attempt,
            which goes with it.
        lies: Answers that were wrong, in words.
    """

    plans: dict[str, Plan] = field(default_factory=dict)
    starts: defaultdict[str, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    runs: set[ProcessRef] = field(default_factory=set)
    tellings: dict[tuple[str, int], Answer] = field(default_factory=dict)
    lies: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """How many answers were lost."""
        answers = [*self.tellings.values(), *(answer for answers in self.starts.values() for answer in answers)]
        return answers.count(Answer.LOST)


def disagreements(record: Record, histories: Histories, diary: Diary) -> Iterator[str]:
    """Say, one by one, what the histories have that was not to be, or have not that was."""
    yield from record.lies
    for run in record.runs - histories.keys():
        yield f"the start of {run} was acknowledged, but it is not there"
    first_runs: defaultdict[str, list[ProcessRef]] = defaultdict(list)
    told: Counter[tuple[str, int]] = Counter()
    for ref, events in histories.items():
        begun = events[0]
        assert isinstance(begun, ProcessStartedEvent)
        if begun.parent is None and begun.continued_run_id is None:
            first_runs[ref.process_id].append(ref)
        told.update((ref.process_id, attempt) for attempt in _attempts(events))
    for id, plan in record.plans.items():
        yield from _starts_disagree(plan, record.starts[id], len(first_runs[id]))
        for ref in first_runs[id]:
            yield from _end_disagrees(plan, ref, histories)
    for id in first_runs.keys() - record.plans.keys():
        yield f"process {id} is there, but nobody started it"
    for (id, attempt), answer in record.tellings.items():
        if not answer.least <= (times := told.pop((id, attempt), 0)) <= answer.most:
            yield f"attempt {attempt} to tell {id} something was {answer.name}, but came {times} times"
    for (id, attempt), times in told.items():
        yield f"attempt {attempt} to tell {id} something was never made, but came {times} times"
    yield from _signals_disagree(histories)
    yield from _diary_disagrees(diary, histories)


def _attempts(events: Iterable[AnyEvent]) -> Iterator[int]:
    """Return the numbers of the attempts to tell a process something that came there from the driver."""
    for event in events:
        if isinstance(event, ProcessSignaledEvent) and event.sender is None:
            yield event.input["attempt"]
        elif isinstance(event, ProcessCancelRequestedEvent) and event.details_json is not None:
            yield event.details["attempt"]


def _starts_disagree(plan: Plan, answers: list[Answer], runs: int) -> Iterator[str]:
    least, most = sum(answer.least for answer in answers), sum(answer.most for answer in answers)
    if not least <= runs <= most:
        yield f"process {plan.id} was started {[answer.name for answer in answers]}, but there are {runs} runs"
    elif not runs and answers:
        yield f"process {plan.id} was never started"


def _end_disagrees(plan: Plan, ref: ProcessRef, histories: Histories) -> Iterator[str]:
    ending = histories[ref][-1]
    while isinstance(ending, ProcessContinuedAsNewEvent):
        ref = ProcessRef(ref.process_id, ending.new_run_id)
        ending = histories[ref][-1]
    if type(ending) is not _ENDINGS[plan.ends]:
        yield f"process {ref} was to be {plan.ends.name}, but its last event is {ending}"
    elif getattr(ending, "result", None) != plan.result:
        yield f"process {ref} was to end with {plan.result}, but ended with {ending}"


def _signals_disagree(histories: Histories) -> Iterator[str]:
    """Signals between processes come once each (those of the relay, which get there before the mailbox is full)."""
    sent: Counter[tuple[ProcessRef, int]] = Counter()
    came: Counter[tuple[ProcessRef, int]] = Counter()
    for ref, events in histories.items():
        for event in events:
            if isinstance(event, SignalProcessInitiatedEvent):
                sent[ref, event.event_id] += 1
            elif isinstance(event, ProcessSignaledEvent) and event.sender is not None:
                came[event.sender, event.sender_initiated_event_id] += 1
    for (sender, event_id), times in ((sent - came) + (came - sent)).items():
        yield f"a signal that {sender} sent with event {event_id} came {times} times too often or too rarely"


def _diary_disagrees(diary: Diary, histories: Histories) -> Iterator[str]:
    """Nothing is executed that was not started, nor more than once, and what completed was executed."""
    by_run = {ref.run_id: events for ref, events in histories.items()}
    for (run_id, event_id), times in diary.items():
        if times > 1:
            yield f"the activity that event {event_id} of run {run_id} started was executed {times} times"
        events = by_run.get(run_id, ())
        if event_id > len(events) or not isinstance(events[event_id - 1], ActivityStartedEvent):
            yield f"run {run_id} had an activity executed, but event {event_id} started none"
    for run_id, events in by_run.items():
        for event in events:
            if isinstance(event, ActivityCompletedEvent) and (run_id, event.started_event_id) not in diary:
                scheduled = events[event.scheduled_event_id - 1]
                assert isinstance(scheduled, ActivityScheduledEvent)
                yield f"run {run_id} says that activity {scheduled.activity_id} completed, but it was never executed"
