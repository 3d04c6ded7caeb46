"""The ``decide`` of coroutine workflows: it replays, or goes on where the code stands."""

from __future__ import annotations

import asyncio

from ..decision import Decision
from ..errors import NondeterminismError
from ..event import DecisionStartedEvent
from ..process import Process
from ..workflow import Workflow
from .definition import main_of
from .run import Run, StaleRunError
from .tracing import origins

__all__ = ["decide", "replay"]

_SLICE = 0.02
"""Seconds that replaying may keep the worker's loop from everything else."""


async def decide(self: Workflow, process: Process) -> list[Decision]:
    """Let the code of ``run`` take in the new events, and return what it orders.

    Raises:
        NondeterminismError: The history does not fit the code.
    """
    run = process.attached
    try:
        if isinstance(run, Run):
            try:
                await _advance(run)
            except StaleRunError:
                process.release()
                run = None
        if not isinstance(run, Run):
            run = Run(process, main_of(self))
            process.attach(run)
            await _advance(run)
    except NondeterminismError as error:
        process.release()
        raise _explained(self, process, error) from None
    except BaseException:
        process.release()
        raise
    process.execution_context = run.status_json
    return run.decisions


async def _advance(run: Run) -> None:
    """Advance a run, and let others in now and then."""
    while not run.advance(_SLICE):  # noqa: ASYNC110 - it is no event that is waited for
        await asyncio.sleep(0)


def replay(workflow: Workflow, process: Process) -> None:
    """Check that the code of a workflow fits the history of a process, open or closed; leaves nothing behind.

    Raises:
        NondeterminismError: It does not fit.
    """
    run = Run(_answered(process), main_of(workflow))
    try:
        run.advance()
    except NondeterminismError as error:
        raise _explained(workflow, process, error) from None
    finally:
        run.dispose()


def _answered(process: Process) -> Process:
    """Return it without a turn that nobody has answered: that would be taken, side effects and all."""
    events = process.history
    return Process(process.ref, events[:-1]) if isinstance(events[-1], DecisionStartedEvent) else process


def _explained(workflow: Workflow, process: Process, error: NondeterminismError) -> NondeterminismError:
    """Return the error as it comes out when each command notes the line of code that gave it."""
    run = Run(_answered(process), main_of(workflow), tracing=True)
    try:
        with origins():
            run.advance()
    except NondeterminismError as traced:
        return traced
    finally:
        run.dispose()
    return error  # it goes otherwise each time
