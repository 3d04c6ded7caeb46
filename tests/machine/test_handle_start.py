"""Starting runs: swf-reference 2.2, 3.12."""

from __future__ import annotations

from typing import Any

import pytest

from aioworkflow.errors import InvalidRequestError, PayloadTooLargeError, ProcessAlreadyRunningError
from aioworkflow.event import Cause, ProcessStartedEvent
from aioworkflow.machine.handle import handle
from aioworkflow.machine.requests import ChildStarted, DeliveryFailed, TerminateProcess
from aioworkflow.types import ChildPolicy, ProcessRef, ProcessStatus
from tests.machine.world import NOW, ORDER, World, limited, start_request

PARENT = ProcessRef("parent", "run")
P = ProcessRef("p")


def test_a_start_writes_two_events_of_one_time() -> None:
    world = World()
    outcome = world.ask(
        P,
        start_request(
            input_json="1",
            tags=("a", "b"),
            task_list="l",
            task_priority=-1,
            execution_timeout=9.0,
            decision_timeout=None,
            child_policy=ChildPolicy.REQUEST_CANCEL,
        ),
    )
    started, scheduled = outcome.events
    assert started == ProcessStartedEvent(
        event_id=1,
        timestamp=started.timestamp,
        workflow=ORDER,
        input_json="1",
        tags=("a", "b"),
        task_list="l",
        task_priority=-1,
        execution_timeout=9.0,
        decision_timeout=None,
        child_policy=ChildPolicy.REQUEST_CANCEL,
    )
    assert scheduled.event_id == 2
    assert scheduled.timestamp == started.timestamp
    assert started.timestamp.timestamp() == NOW
    assert started.timestamp.tzinfo is not None
    assert outcome.messages == []
    assert outcome.touched == set()
    assert outcome.reply is None
    assert outcome.state is not None
    assert outcome.state.ref == ProcessRef("p", "r")
    assert outcome.state.next_deadline() == NOW + 9


def test_an_open_process_is_not_started_again() -> None:
    run = World().start()
    with pytest.raises(ProcessAlreadyRunningError, match="'p'"):
        run.ask(start_request(run_id="other"))


def test_asking_twice_for_one_run_starts_it_once() -> None:
    run = World().start()
    outcome = run.ask(start_request(run_id=run.ref.run_id))
    assert (outcome.state, outcome.events, outcome.messages) == (run.state, [], [])


def test_a_closed_process_may_be_started_again() -> None:
    run = World().start()
    run.ask(TerminateProcess())
    outcome = run.ask(start_request(run_id="second"))
    assert outcome.state is not run.state
    assert run.head.status is ProcessStatus.TERMINATED
    assert run.world.run("p").ref.run_id == "second"


def test_the_parent_of_a_child_is_told_that_it_runs() -> None:
    world = World()
    outcome = world.ask(P, start_request(parent=PARENT, parent_initiated_event_id=5))
    (message,) = outcome.messages
    assert (message.to, message.sent_at) == (PARENT, NOW)
    assert message.body == ChildStarted(initiated_event_id=5, child=ProcessRef("p", "r"))
    again = world.ask(P, start_request(parent=PARENT, parent_initiated_event_id=5))
    assert again.events == []
    assert [message.body for message in again.messages] == [message.body]


def test_the_parent_of_a_child_is_told_that_its_id_is_taken() -> None:
    run = World().start()
    outcome = run.ask(start_request(run_id="other", parent=PARENT, parent_initiated_event_id=5))
    assert outcome.events == []
    assert outcome.state is run.state
    (message,) = outcome.messages
    assert message.to == PARENT
    assert message.body == DeliveryFailed(initiated_event_id=5, cause=Cause.WORKFLOW_ALREADY_RUNNING)


@pytest.mark.parametrize(
    ("fields", "error", "match"),
    [
        ({"process_id": "a:b"}, InvalidRequestError, "process_id"),
        ({"process_id": ""}, InvalidRequestError, "process_id"),
        ({"process_id": 5}, InvalidRequestError, "process_id"),
        ({"input_json": "x" * 11}, PayloadTooLargeError, "input has 11"),
        ({"tags": ("a", "b", "c")}, InvalidRequestError, "at most 2 tags"),
        ({"execution_timeout": -1.0}, InvalidRequestError, "execution_timeout"),
    ],
)
def test_a_wrong_start_is_refused(fields: dict[str, Any], error: type[InvalidRequestError], match: str) -> None:
    world = World(limited(payload=10, tags=2))
    with pytest.raises(error, match=match):
        world.ask(P, start_request(**fields))
    assert world.states == {}


def test_a_child_was_checked_when_it_was_initiated() -> None:
    """Its id need not follow rule A (swf-reference 1.2), and limits may have become smaller since."""
    world = World(limited(payload=10))
    outcome = world.ask(
        ProcessRef("run+/=:1"),
        start_request("run+/=:1", input_json="x" * 11, parent=PARENT, parent_initiated_event_id=5),
    )
    assert outcome.state is not None


def test_the_time_of_a_start_is_kept_in_microseconds() -> None:
    world = World(now=1_700_000_000.123456789)
    outcome = handle(None, start_request(), now=world.now, new_id=world.new_id, environment=world.environment)
    assert outcome.state is not None
    assert outcome.state.head.started_at == 1_700_000_000.123457
    assert outcome.events[0].timestamp.timestamp() == outcome.state.head.started_at
