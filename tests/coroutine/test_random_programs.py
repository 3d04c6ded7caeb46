"""Programs that Hypothesis writes end durably as they end on ordinary asyncio, also when the worker is killed after
each of its decisions.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from aioworkflow import flow
from aioworkflow.activity import activity
from aioworkflow.coroutine.activities import CancelMode
from aioworkflow.deciding import decide
from aioworkflow.decision import Decision
from aioworkflow.event import ActivityScheduledEvent, ProcessCompletedEvent
from aioworkflow.process import Process
from aioworkflow.result import ActivityCompleted, ActivityFailed
from aioworkflow.retry import RetryPolicy
from aioworkflow.testing import replay
from aioworkflow.workflow import Workflow
from tests.coroutine.programs import FailureError, Notes, Program, Work, moments, play, programs, told
from tests.coroutine.simulation import Behaviour, Simulation
from tests.coroutine.virtual import run_virtually

MODES: tuple[CancelMode, ...] = ("wait", "request", "abandon")


@activity
async def step(number: int) -> str:
    raise NotImplementedError("the simulation answers for it")


def policy_of(work: Work) -> RetryPolicy:
    return RetryPolicy(maximum_attempts=work.attempts, initial=work.seconds, maximum_interval=work.seconds)


async def outcome_of(program: Program, work: Any, notes: Notes) -> Any:
    """Run a program to its end, whatever that is."""
    try:
        return [await play(program, work, notes), notes.so_far()]
    except asyncio.CancelledError:
        return ["cancelled", notes.so_far()]
    except Exception as error:
        return ["raised", told(error), notes.so_far()]


class Attempts:
    """What each attempt at a piece of work does, on either side."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def succeeds(self, work: Work) -> bool:
        self._counts[work.number] += 1
        return self._counts[work.number] > work.failures


def on_ordinary_asyncio(program: Program, cancel_after: float | None, mode: CancelMode) -> Any:
    attempts = Attempts()

    async def work(node: Work) -> str:
        for attempt in range(1, node.attempts + 1):
            succeeds = attempts.succeeds(node)
            await _once(node, mode)
            if succeeds:
                return f"worked {node.number}"
            if attempt < node.attempts:
                await asyncio.sleep(policy_of(node).delay(attempt))
        raise FailureError(str(node.number))

    async def main() -> Any:
        task = asyncio.current_task()
        assert task is not None
        if cancel_after is not None:
            asyncio.get_running_loop().call_later(cancel_after, task.cancel)
        return await outcome_of(program, work, Notes())

    return run_virtually(main())


async def _once(node: Work, mode: str) -> None:
    try:
        await asyncio.sleep(node.seconds)
    except asyncio.CancelledError:
        if mode == "wait":
            await asyncio.sleep(node.seconds_to_stop)
        raise


async def durably(program: Program, cancel_after: float | None, mode: CancelMode, *, killed: bool) -> Any:
    nodes: dict[int, Work] = {}

    class ProgramWorkflow(Workflow):
        async def run(self) -> Any:
            async def work(node: Work) -> str:
                nodes[node.number] = node
                return await flow.execute(step, node.number, retry=policy_of(node), cancel=mode)

            return await outcome_of(program, work, Notes())

    attempts = Attempts()

    def behave(scheduled: ActivityScheduledEvent) -> Behaviour:
        node = nodes[scheduled.input]
        succeeds = attempts.succeeds(node)
        answer = (
            ActivityCompleted(f"worked {node.number}") if succeeds else ActivityFailed(FailureError(str(node.number)))
        )
        return Behaviour(node.seconds, answer, node.seconds_to_stop)

    workflow = ProgramWorkflow()
    cached: list[Process] = []

    async def decide_anew(process: Process) -> Sequence[Decision]:
        decisions = await decide(ProgramWorkflow(), process)
        process.release()
        return decisions

    async def decide_on(process: Process) -> Sequence[Decision]:
        if cached:
            cached[0].extend(process.history)
        else:
            cached.append(process)
        return await decide(workflow, cached[0])

    simulation = Simulation(workflow, [step], behave, decide_anew if killed else decide_on)
    if cancel_after is not None:
        simulation.cancel_at(cancel_after)
    process = await simulation.play()
    for kept in cached:
        kept.release()
    await replay(process, workflow)
    assert isinstance(process.ending, ProcessCompletedEvent), process.ending
    return process.ending.result


@settings(max_examples=150, deadline=None)
@given(programs(), st.none() | moments(), st.sampled_from(MODES), st.booleans())
async def test_a_program_ends_as_on_ordinary_asyncio(
    program: Program, cancel_after: float | None, mode: CancelMode, killed: bool
) -> None:
    expected = on_ordinary_asyncio(program, cancel_after, mode)
    assert await durably(program, cancel_after, mode, killed=killed) == expected
