"""Another attempt, decided by what history tells: from `decide`, and in what all deciders see."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from aioworkflow.activity import Activity, activity
from aioworkflow.deciding import decide
from aioworkflow.decision import CompleteProcessDecision, Decision, ScheduleActivityDecision, StartTimerDecision
from aioworkflow.errors import InvalidRequestError
from aioworkflow.event import (
    ActivityAbortedEvent,
    ActivityCompletedEvent,
    ActivityFailedEvent,
    ActivityTimedOutEvent,
    AnyEvent,
    Event,
    ProcessCancelRequestedEvent,
)
from aioworkflow.process import Process
from aioworkflow.retry import RetryPolicy
from aioworkflow.retrying import exception_type, policies_of, retry_delay
from aioworkflow.rules import RuleWorkflow, on_activity_completed, on_started
from aioworkflow.types import TimeoutType
from aioworkflow.workflow import Workflow
from tests.written_history import History, kinds


@activity(retry=RetryPolicy(maximum_attempts=2, initial=10))
async def charge(order: object) -> None: ...


@activity
async def ship(order: object) -> None: ...


class ChargingWorkflow(Workflow):
    def decide(self, process: Process) -> object:
        again = process.retry(charge)
        if process.pending_activities:
            return again
        return CompleteProcessDecision([record.is_completed for record in process.activities(charge)])


def begun(*names: str) -> tuple[History, list[int]]:
    """Return a history in which activities of these names were scheduled in the first turn; their ids are their places.

    Returns:
        With the history, their scheduling events.
    """
    history = History()
    history.decide()
    return history, [history.schedule(str(place), name) for place, name in enumerate(names)]


def wait(history: History, timer: StartTimerDecision) -> None:
    history.complete_decision()
    assert timer.id
    started = history.start_timer(timer.id, timer.delay)
    assert history.process().pending_activities
    history.fire(timer.id, started)


# --- decide ----------------------------------------------------------------------------------------------


async def test_a_decider_tries_again_until_the_policy_ends() -> None:
    history, (first,) = begun("charge")
    history.close(ActivityFailedEvent, first)
    (timer,) = await decide(ChargingWorkflow(), history.turn())
    assert timer == StartTimerDecision(10, id=f"aioworkflow.retry-{first}")
    assert isinstance(timer, StartTimerDecision)
    wait(history, timer)
    (again,) = await decide(ChargingWorkflow(), history.turn())
    assert isinstance(again, ScheduleActivityDecision)
    assert again.id == "0"
    history.complete_decision()
    history.close(ActivityFailedEvent, history.schedule("0", "charge"))
    assert await decide(ChargingWorkflow(), history.turn()) == [CompleteProcessDecision([False, False])]


async def test_nothing_is_tried_again_once_the_process_shall_end() -> None:
    history, (first,) = begun("charge")
    history.close(ActivityFailedEvent, first)
    history.add(ProcessCancelRequestedEvent)
    assert kinds(await decide(ChargingWorkflow(), history.turn())) == ["CompleteProcess"]


def test_a_policy_for_activities_without_one() -> None:
    history, (first, second) = begun("ship", "charge")
    history.close(ActivityFailedEvent, first)
    history.close(ActivityFailedEvent, second)
    process = history.turn()
    decisions = process.retry(ship, policy=RetryPolicy(initial=0))
    assert kinds(decisions) == ["ScheduleActivity"]
    assert [*process.pending_activities] == ["0"]
    assert kinds(process.retry(charge)) == ["StartTimer"]
    assert sorted(process.pending_activities) == ["0", "1"]


def test_a_timer_of_an_activity_that_is_not_named_is_left_alone() -> None:
    history, (first,) = begun("charge")
    history.close(ActivityFailedEvent, first)
    (timer,) = history.turn().retry(charge)
    assert isinstance(timer, StartTimerDecision)
    wait(history, timer)
    process = history.turn()
    assert process.retry(ship, policy=RetryPolicy()) == []
    assert not process.pending_activities


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda process: process.retry(ship), "activity 'ship' has no retry policy; pass policy=RetryPolicy"),
        (lambda process: process.retry("charge"), "activity 'charge' has no retry policy"),
        (lambda process: process.retry(7), "an activity must be a class"),
        (lambda process: process.retry("ship", policy=3), "policy must be a RetryPolicy, not 3"),
    ],
)
def test_what_cannot_be_tried_again_is_refused(ask: Callable[[Process], object], message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        ask(History().process())


def test_an_id_that_is_in_use_again_is_left_alone() -> None:
    history, (first,) = begun("charge")
    history.close(ActivityFailedEvent, first)
    (timer,) = history.turn().retry(charge)
    assert isinstance(timer, StartTimerDecision)
    wait(history, timer)
    history.schedule("0", "charge")
    assert history.turn().retry(charge) == []


@pytest.mark.parametrize("timer_id", ["t", "aioworkflow.retry-", "aioworkflow.retry-1", "aioworkflow.retry-99"])
def test_a_timer_of_somebody_else_is_left_alone(timer_id: str) -> None:
    history, _ = begun()
    started = history.start_timer(timer_id)
    assert not history.process().pending_activities
    history.fire(timer_id, started)
    assert history.turn().retry(charge) == []


# --- what is pending -------------------------------------------------------------------------------------


def test_an_open_activity_is_pending() -> None:
    history, (first, second) = begun("charge", "ship")
    process = history.process()
    assert process.pending_activities == process.open_activities
    assert not process.is_idle
    history.complete(first)
    history.complete(second)
    process.extend(history.events)
    assert not process.pending_activities
    assert process.is_idle


def test_a_process_with_a_timer_or_a_child_is_not_idle() -> None:
    history = History()
    history.decide()
    timer = history.start_timer("t")
    assert not history.process().is_idle
    history.fire("t", timer)
    assert history.process().is_idle
    history.initiate_child("child")
    assert not history.process().is_idle


class TwoChargesWorkflow(RuleWorkflow):
    """It used to close when the first charge had completed in the turn in which the second had failed."""

    @on_started
    def start(self, process: Process, event: Event) -> list[Decision]:
        return [ScheduleActivityDecision(charge, number) for number in (1, 2)]

    @on_activity_completed(charge)
    def charged(self, process: Process, event: Event) -> Decision | None:
        return CompleteProcessDecision() if process.is_idle else None


async def test_a_rule_workflow_waits_for_the_next_attempt() -> None:
    history, (first, second) = begun("charge", "charge")
    history.close(ActivityFailedEvent, second)
    history.complete(first)
    (timer,) = await decide(TwoChargesWorkflow(), history.turn())
    assert isinstance(timer, StartTimerDecision)
    wait(history, timer)
    assert kinds(await decide(TwoChargesWorkflow(), history.turn())) == ["ScheduleActivity"]
    history.complete_decision()
    history.complete(history.schedule("1", "charge"))
    assert await decide(TwoChargesWorkflow(), history.turn()) == [CompleteProcessDecision()]


async def test_a_completion_while_the_timer_runs_closes_nothing() -> None:
    history, (first, second) = begun("charge", "charge")
    history.close(ActivityFailedEvent, second)
    (timer,) = await decide(TwoChargesWorkflow(), history.turn())
    history.complete_decision()
    assert isinstance(timer, StartTimerDecision)
    assert timer.id
    history.start_timer(timer.id)
    history.complete(first)
    assert await decide(TwoChargesWorkflow(), history.turn()) == []


# --- delays ----------------------------------------------------------------------------------------------


def event(kind: Callable[..., AnyEvent], **fields: Any) -> Any:
    history, (first,) = begun("charge")
    return history.events[history.close(kind, first, **fields) - 1]


@pytest.mark.parametrize(
    ("interruption", "delay"),
    [
        (event(ActivityFailedEvent, reason="ValueError: x"), 8),
        (event(ActivityFailedEvent, reason="KeyError: x"), None),
        (event(ActivityFailedEvent, reason="x", details_json='{"type":"outer.<locals>.KeyError"}'), None),
        (event(ActivityTimedOutEvent, timeout_type=TimeoutType.HEARTBEAT), 8),
        (event(ActivityAbortedEvent, reason="worker shutdown"), 8),
        (event(ActivityAbortedEvent, reason="enough"), None),
    ],
)
def test_the_delay_before_the_next_attempt(interruption: Any, delay: float | None) -> None:
    policy = RetryPolicy(initial=2, maximum_attempts=4, non_retryable=(KeyError,))
    assert retry_delay(policy, 3, interruption, "run-1") == delay
    assert retry_delay(policy, 4, interruption, "run-1") is None


def test_jitter_differs_between_runs_and_events_and_fills_its_range() -> None:
    policy = RetryPolicy(initial=1, jitter=1)
    failures = [ActivityFailedEvent(**fields(event_id)) for event_id in range(2, 52)]
    delays = [retry_delay(policy, 1, failure, run) for failure, run in itertools.product(failures, ("run-1", "run-2"))]
    known = [delay for delay in delays if delay is not None]
    assert len(set(known)) == 100
    assert 0 <= min(known) < 0.1 < 0.9 < max(known) <= 1
    assert delays == [retry_delay(policy, 1, f, run) for f, run in itertools.product(failures, ("run-1", "run-2"))]


def fields(event_id: int) -> dict[str, Any]:
    started = History().events[0]
    return {"event_id": event_id, "timestamp": started.timestamp, "scheduled_event_id": 1, "started_event_id": 1}


def test_the_exception_type_of_what_did_not_fail() -> None:
    assert exception_type(event(ActivityAbortedEvent, reason="KeyError: no")) is None
    assert exception_type(event(ActivityFailedEvent)) is None


def test_policies_by_name() -> None:
    assert policies_of([charge, ship, "charge"]) == {"charge": charge.retry}


def test_an_activity_that_completed_is_not_tried_again() -> None:
    history, (first,) = begun("charge")
    history.close(ActivityCompletedEvent, first)
    assert history.turn().retry(charge) == []


def test_a_retry_that_is_no_policy_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="retry of activity 'X' must be a RetryPolicy, not 3"):
        policies_of([type("X", (Activity,), {"retry": 3})])
