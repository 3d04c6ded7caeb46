"""The funnel: every request comes to its rule, and what always holds of all of them."""

from __future__ import annotations

import copy
import itertools
from typing import Any, get_args

import pytest

from aioworkflow.decision import (
    CompleteProcessDecision,
    ContinueAsNewDecision,
    Decision,
    ScheduleActivityDecision,
    SignalProcessDecision,
    StartChildProcessDecision,
    StartTimerDecision,
)
from aioworkflow.errors import UnknownProcessError, UnknownTaskError
from aioworkflow.event import Cause, ProcessTerminatedEvent
from aioworkflow.machine import handle as module
from aioworkflow.machine.handle import Outcome, handle
from aioworkflow.machine.requests import (
    CompleteDecisionTask,
    HeartbeatActivityTask,
    ReleaseTasks,
    Request,
    SignalProcess,
    StartActivityTask,
    StartDecisionTask,
    StartProcess,
    TerminateProcess,
)
from aioworkflow.machine.state import ProcessState
from aioworkflow.types import ProcessRef
from tests.machine.world import ENVIRONMENT, NOW, World, limited, start_request


def test_every_request_has_a_rule() -> None:
    assert set(get_args(Request)) == set(module._HANDLERS) | {StartProcess}


def test_a_run_from_start_to_end() -> None:
    world = World()
    run = world.start(input_json="5")
    run.decide(ScheduleActivityDecision("Work", id="a"))
    run.take_activity("a")
    run.finish_activity("a")
    run.decide(CompleteProcessDecision("done"))
    run.seen = 0
    assert run.news() == [
        "ProcessStarted",
        "DecisionScheduled",
        "DecisionStarted",
        "DecisionCompleted",
        "ActivityScheduled",
        "ActivityStarted",
        "ActivityCompleted",
        "DecisionScheduled",
        "DecisionStarted",
        "DecisionCompleted",
        "ProcessCompleted",
    ]


def test_the_events_of_a_request_share_a_time() -> None:
    run = World().start()
    run.world.now += 0.123456
    outcome = run.ask(SignalProcess(signal="s"))
    run.take_decision()
    run.world.now += 1
    again = run.ask(SignalProcess(signal="s"))
    assert len({event.timestamp for event in outcome.events}) == 1
    assert {event.timestamp.timestamp() for event in again.events} == {NOW + 1.123456}
    assert len(again.events) == 2


def test_the_state_is_advanced_in_place() -> None:
    run = World().start()
    state = run.state
    outcome = run.ask(SignalProcess(signal="s"))
    assert outcome.state is state


def test_requests_of_one_transaction_may_share_an_outcome() -> None:
    run = World().start(parent=ProcessRef("parent", "run"))
    requests: list[Request] = [
        StartDecisionTask(scheduled_event_id=2),
        CompleteDecisionTask(scheduled_event_id=2, started_event_id=3, decisions=BATCH[:2]),
        StartActivityTask(scheduled_event_id=5),
        HeartbeatActivityTask(scheduled_event_id=5, started_event_id=7),
        SignalProcess(signal="s"),
        TerminateProcess(),
    ]
    apart, together = copy.deepcopy(run.state), copy.deepcopy(run.state)
    ids = itertools.count()
    outcomes = [
        handle(apart, request, now=NOW, new_id=lambda: f"{next(ids)}", environment=ENVIRONMENT) for request in requests
    ]
    ids = itertools.count()
    shared: Outcome | None = None
    replies = []
    for request in requests:
        again = handle(together, request, now=NOW, new_id=lambda: f"{next(ids)}", environment=ENVIRONMENT, onto=shared)
        assert shared in (None, again)
        shared = again
        replies.append(shared.reply)
        before = copy.deepcopy(shared)
        if request is not requests[-1]:
            with pytest.raises(UnknownTaskError):
                handle(together, requests[0], now=NOW, new_id=lambda: "", environment=ENVIRONMENT, onto=shared)
        assert shared == before, "a refusal adds nothing"
    assert shared is not None
    assert apart == together
    assert shared.events == [event for outcome in outcomes for event in outcome.events]
    assert shared.messages == [message for outcome in outcomes for message in outcome.messages]
    assert shared.touched == {event_id for outcome in outcomes for event_id in outcome.touched}
    assert replies == [outcome.reply for outcome in outcomes] == [None, None, None, False, None, None]


BATCH = (
    ScheduleActivityDecision("Work", id="a"),
    StartTimerDecision(5, id="t"),
    StartChildProcessDecision("Order", id="c"),
    SignalProcessDecision("q", "s"),
    ContinueAsNewDecision(),
)


@pytest.mark.parametrize("size", range(len(BATCH) + 1))
def test_equal_questions_get_equal_answers(size: int) -> None:
    run = World().start()
    run.take_decision()
    request = CompleteDecisionTask(scheduled_event_id=2, started_event_id=3, decisions=BATCH[:size])
    outcomes = []
    for _ in range(2):
        ids = itertools.count()
        state = copy.deepcopy(run.state)
        outcomes.append(
            handle(state, request, now=NOW + 1, new_id=lambda ids=ids: f"{next(ids)}", environment=ENVIRONMENT)  # type: ignore[misc]
        )
    first, second = outcomes
    assert first == second
    assert first.messages == second.messages
    assert first.successor == second.successor


def test_ids_are_drawn_only_where_they_are_needed() -> None:
    def no_id() -> str:
        raise AssertionError

    outcome = handle(None, start_request(), now=NOW, new_id=no_id, environment=ENVIRONMENT)
    state = outcome.state
    requests: list[Request] = [
        StartDecisionTask(scheduled_event_id=2),
        CompleteDecisionTask(scheduled_event_id=2, started_event_id=3, decisions=BATCH[:2]),
        StartActivityTask(scheduled_event_id=5),
        SignalProcess(signal="s"),
    ]
    for request in requests:
        assert handle(state, request, now=NOW, new_id=no_id, environment=ENVIRONMENT).messages == []


@pytest.mark.parametrize("fields", [{}, {"parent_initiated_event_id": 1}])
def test_a_history_ends_before_it_gets_too_long(fields: dict[str, Any]) -> None:
    """8.1: without another decision task."""
    run = World(limited(events=10)).start(**fields)
    for _ in range(5):
        run.ask(SignalProcess(signal="s"))
    run.news()
    with pytest.raises(UnknownProcessError):
        run.ask(SignalProcess(signal="s"))
    assert isinstance(run.last, ProcessTerminatedEvent)
    assert run.last.cause is Cause.EVENT_LIMIT_EXCEEDED
    assert len(run.history) == 8


@pytest.mark.parametrize(
    ("decisions", "request_"),
    [
        ([ScheduleActivityDecision("Work", id=id) for id in "ab"], ReleaseTasks(session="dead")),
        ([StartChildProcessDecision("Order", id=id) for id in "ab"], TerminateProcess()),
    ],
)
def test_the_order_in_which_a_store_returns_the_items_is_of_no_account(
    decisions: list[Decision], request_: Request
) -> None:
    world = World()
    run = world.start()
    run.decide(*decisions)
    world.deliver_all()
    for activity_id in list(run.state.activities):
        run.take_activity(activity_id, session="dead")
    loaded = ProcessState(copy.deepcopy(run.head), dict(reversed(copy.deepcopy(run.state.items).items())))
    assert loaded == run.state
    first, second = (
        handle(state, request_, now=NOW, new_id=lambda: "id", environment=ENVIRONMENT) for state in (run.state, loaded)
    )
    assert first.events == second.events
    assert first.messages == second.messages
    assert max(len(first.events), len(first.messages)) > 1
