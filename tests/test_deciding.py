"""From what a decider returns to decisions with ids."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from aioworkflow.activity import Activity, activity
from aioworkflow.carried import wrap
from aioworkflow.deciding import as_decisions, decide, fill_ids
from aioworkflow.decision import (
    CompleteProcessDecision,
    Decision,
    RecordMarkerDecision,
    ScheduleActivityDecision,
    StartChildProcessDecision,
    StartTimerDecision,
)
from aioworkflow.errors import InvalidDecisionError
from aioworkflow.payload import Json
from aioworkflow.process import Process
from aioworkflow.types import ProcessRef, TypeRef
from aioworkflow.workflow import Workflow
from tests.written_history import History

INPUT = {"sku": "a"}


class FooActivity(Activity):
    task_list = "foo"


class OrderWorkflow(Workflow):
    pass


@activity
async def charge(order: object) -> None: ...


def generate() -> Iterator[object]:
    yield FooActivity
    yield CompleteProcessDecision()


COMPLETE = CompleteProcessDecision(5)
FOO = ScheduleActivityDecision(FooActivity, INPUT)

MEANT: list[tuple[Callable[[], object], list[Decision]]] = [
    (lambda: None, []),
    (lambda: COMPLETE, [COMPLETE]),
    (lambda: FooActivity, [FOO]),
    (FooActivity, [FOO]),
    (lambda: charge, [ScheduleActivityDecision(charge, INPUT)]),
    (list, []),
    (lambda: [COMPLETE], [COMPLETE]),
    (lambda: (FooActivity, None, COMPLETE), [FOO, COMPLETE]),
    (lambda: {FooActivity}, [FOO]),
    (generate, [FOO, CompleteProcessDecision()]),
    (lambda: dict.fromkeys([FooActivity]).keys(), [FOO]),
]


@pytest.mark.parametrize(("returned", "meant"), MEANT)
def test_what_a_decider_means(returned: Callable[[], object], meant: list[Decision]) -> None:
    assert as_decisions(returned(), History(INPUT).turn(), OrderWorkflow) == meant


def test_the_input_is_handed_on_as_it_is() -> None:
    (decision,) = as_decisions(FooActivity, History(Json('{"a":  1.0}')).turn(), OrderWorkflow)
    assert isinstance(decision, ScheduleActivityDecision)
    assert decision.input_json == '{"a":  1.0}'
    (decision,) = as_decisions(FooActivity, History().turn(), OrderWorkflow)
    assert isinstance(decision, ScheduleActivityDecision)
    assert decision.input_json is None


def test_the_input_is_handed_on_without_signals_of_the_run_before() -> None:
    carried = Json(wrap('{"a":  1.0}', [("paid", "2")]))
    (decision,) = as_decisions(FooActivity, History(carried, continued_run_id="run-0").turn(), OrderWorkflow)
    assert isinstance(decision, ScheduleActivityDecision)
    assert decision.input_json == '{"a":  1.0}'


async def coroutine() -> None: ...


RUBBISH: list[tuple[Callable[[], object], str]] = [
    (lambda: 7, "with 7, which is no decision"),
    (lambda: True, "with True"),
    (lambda: "Foo", "with 'Foo'"),
    (lambda: b"Foo", "with b'Foo'"),
    (lambda: {"a": COMPLETE}, r"with \{'a'"),
    (lambda: TypeRef("Foo"), "with 'Foo'"),
    (lambda: CompleteProcessDecision, "CompleteProcessDecision'>, .*; a decision class must be called"),
    (lambda: [COMPLETE, CompleteProcessDecision], "a decision class must be called"),
    (lambda: OrderWorkflow, "OrderWorkflow'>"),
    (lambda: [COMPLETE, 7], "with 7"),
    (lambda: [[COMPLETE]], r"with \[CompleteProcessDecision"),
    (coroutine, "with <coroutine object coroutine"),
    (lambda: [coroutine()], "with <coroutine object coroutine"),
    (lambda: ValueError("x"), r"with ValueError\('x'\)"),
    (object, "with <object object"),
    (lambda: "x" * 1_000, "with 'xxx.*…"),
]


@pytest.mark.parametrize(("returned", "message"), RUBBISH)
def test_rubbish_is_named_with_the_workflow_and_the_process(returned: Callable[[], object], message: str) -> None:
    process = History().turn()
    with pytest.raises(InvalidDecisionError, match=message) as caught:
        as_decisions(returned(), process, OrderWorkflow)
    assert "OrderWorkflow" in str(caught.value)
    assert "process 'order-17' (run run-1)" in str(caught.value)
    assert len(str(caught.value)) < 400
    gc.collect()  # a coroutine that was never awaited would warn here, and warnings are errors


def test_what_an_iterable_raises_comes_out() -> None:
    def broken() -> Iterator[object]:
        yield FooActivity
        raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        as_decisions(broken(), History().turn(), OrderWorkflow)


# --- ids -------------------------------------------------------------------------------------------------


def test_ids_are_filled_in_where_there_are_none() -> None:
    decisions: list[Decision] = [
        ScheduleActivityDecision(FooActivity),
        RecordMarkerDecision("m"),
        StartTimerDecision(1),
        ScheduleActivityDecision(FooActivity),
        StartChildProcessDecision("Bar"),
        ScheduleActivityDecision(FooActivity, id="mine"),
        StartTimerDecision(1, id="t"),
        StartChildProcessDecision("Bar", id="b"),
    ]
    filled = fill_ids(decisions, History().turn())
    assert [getattr(decision, "id", None) for decision in filled] == [
        "Foo-3-0",
        None,
        "timer-3-2",
        "Foo-3-3",
        "order-17-e823d16b60f4-3-4",
        "mine",
        "t",
        "b",
    ]
    assert [getattr(decision, "id", None) for decision in decisions[:5]] == [None] * 5
    assert fill_ids(decisions, History().turn()) == filled


def test_ids_of_different_runs_and_turns_differ() -> None:
    decisions = [StartChildProcessDecision("Bar"), StartTimerDecision(1)]
    history = History()
    first = fill_ids(decisions, history.turn())
    other_run = fill_ids(decisions, Process(ProcessRef("order-17", "run-2"), history.events))
    history.complete_decision()
    later = fill_ids(decisions, history.turn())
    children = {getattr(turn[0], "id", None) for turn in (first, other_run, later)}
    assert len(children) == 3
    assert getattr(first[1], "id", None) != getattr(later[1], "id", None)


def test_long_names_leave_room_for_the_rest() -> None:
    history = History()
    process = Process(ProcessRef("p" * 256, "r" * 64), history.events)
    filled = fill_ids([ScheduleActivityDecision("x" * 256), StartChildProcessDecision("Bar")], process)
    assert [len(getattr(decision, "id", "")) for decision in filled] == [204, 217]


def test_the_id_of_a_child_is_good_also_where_that_of_its_parent_is_not() -> None:
    process = Process(ProcessRef("22X56/run=:1", "r"), History().events)  # as AWS Flow makes them
    (child,) = fill_ids([StartChildProcessDecision("Bar")], process)
    assert getattr(child, "id", "").startswith("22X56_run=_1-")


# --- deciders of all kinds -------------------------------------------------------------------------------


class PlainWorkflow(Workflow):
    def decide(self, process: Process) -> object:
        return [FooActivity, None]


class AsyncWorkflow(Workflow):
    async def decide(self, process: Process) -> object:
        return FooActivity


class ClassWorkflow(Workflow):
    @classmethod
    async def decide(cls, process: Process) -> object:
        return (FooActivity,)


class StaticWorkflow(Workflow):
    @staticmethod
    def decide(process: Process) -> object:
        return FooActivity()


class GeneratorWorkflow(Workflow):
    def decide(self, process: Process) -> Iterator[object]:
        yield FooActivity


class AsyncGeneratorWorkflow(Workflow):
    async def decide(self, process: Process) -> AsyncIterator[object]:
        yield FooActivity


class DelegatingWorkflow(Workflow):
    async def decide(self, process: Process) -> object:
        return AsyncGeneratorWorkflow().decide(process)


@pytest.mark.parametrize(
    "workflow",
    [
        PlainWorkflow(),
        AsyncWorkflow(),
        ClassWorkflow(),
        StaticWorkflow(),
        GeneratorWorkflow(),
        AsyncGeneratorWorkflow(),
        DelegatingWorkflow(),
    ],
)
async def test_a_decider_may_be_written_in_many_ways(workflow: Workflow) -> None:
    assert await decide(workflow, History(INPUT).turn()) == [FOO.with_id("Foo-3-0")]


async def test_an_error_comes_out_and_rubbish_is_named() -> None:
    class RaisingWorkflow(Workflow):
        def decide(self, process: Process) -> object:
            raise KeyError("x")

    class RubbishWorkflow(Workflow):
        async def decide(self, process: Process) -> Any:
            return 7

    with pytest.raises(KeyError):
        await decide(RaisingWorkflow(), History().turn())
    with pytest.raises(InvalidDecisionError, match=r"RubbishWorkflow decided on process .* with 7"):
        await decide(RubbishWorkflow(), History().turn())
