"""Signals on their way into the next run."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioworkflow.carried import Signal, unwrap, wrap
from aioworkflow.event import ProcessStartedEvent
from aioworkflow.process import Process
from aioworkflow.types import ChildPolicy, ProcessRef, TypeRef

TEXTS = st.none() | st.text(max_size=20)
WRAPPED = wrap("1", [("a", None)])


def started(input_json: str | None, *, continues: bool = True) -> ProcessStartedEvent:
    return ProcessStartedEvent(
        event_id=1,
        timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        workflow=TypeRef("Order"),
        input_json=input_json,
        task_list="default",
        execution_timeout=None,
        decision_timeout=None,
        child_policy=ChildPolicy.TERMINATE,
        continued_run_id="run-0" if continues else None,
    )


@given(TEXTS, st.lists(st.tuples(st.text(max_size=5), TEXTS), max_size=3))
def test_what_is_wrapped_is_unwrapped(input_json: str | None, signals: list[Signal]) -> None:
    told, carried = unwrap(started(wrap(input_json, signals)))
    assert (told, list(carried)) == (input_json, signals)


def test_without_signals_an_input_stays_as_it_is() -> None:
    assert wrap('{"a":1}', []) == '{"a":1}'
    assert wrap(None, []) is None


def test_an_input_that_looks_wrapped_comes_through() -> None:
    assert unwrap(started(wrap(WRAPPED, []))) == (WRAPPED, [])


def test_a_run_that_continues_none_has_its_input_as_it_is() -> None:
    assert unwrap(started(WRAPPED, continues=False)) == (WRAPPED, ())


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "7}",
        "{}}",
        '{"input":1,"signals":[]}}',
        '{"input":"1","signals":7}}',
        '{"input":"1","signals":[["a"]]}}',
        '{"input":"1","signals":[[1,"2"]]}}',
        '{"input":"1","signals":[["a",2]]}}',
        '{"input":"1","signals":' + "[" * 100_000,
    ],
)
def test_what_somebody_else_wrote_stays_as_it_is(rest: str) -> None:
    text = '{"aioworkflow.carried":' + rest
    assert unwrap(started(text)) == (text, ())


def test_processes_tell_the_input_itself() -> None:
    process = Process(ProcessRef("p", "run-1"), [started(wrap(json.dumps([1, 2]), [("a", "3")]))])
    assert process.input == [1, 2]
    assert process.input_as(tuple[int, ...]) == (1, 2)
    nothing = Process(ProcessRef("p", "run-1"), [started(wrap(None, [("a", "3")]))])
    assert nothing.input is None
    assert nothing.input_as(int | None) is None  # type: ignore[arg-type]
