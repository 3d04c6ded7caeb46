"""Each thing that asyncio offers, with activities finishing in every order, alone and many in one turn, and cancelled
at every point: it goes as on ordinary asyncio.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aioworkflow import flow
from aioworkflow.activity import activity
from aioworkflow.event import (
    ActivityCompletedEvent,
    ActivityFailedEvent,
    AnyEvent,
    ProcessCancelRequestedEvent,
    ProcessCompletedEvent,
)
from aioworkflow.workflow import Workflow
from tests.coroutine.constructs import CONSTRUCTS, FakeError, Piece, told
from tests.coroutine.stage import Stage
from tests.coroutine.virtual import run_virtually

CANCEL = "cancel"


@activity
async def step(number: int) -> int:
    raise NotImplementedError("the test answers for it")


async def ended(piece: Piece, work: Any) -> Any:
    """Run a piece to its end, whatever that is."""
    try:
        return ["returned", await piece(work)]
    except asyncio.CancelledError:
        return ["cancelled"]
    except Exception as error:
        return ["raised", told(error)]


def workflow_of(piece: Piece) -> type[Workflow]:
    class PieceWorkflow(Workflow):
        async def run(self) -> Any:
            async def work(number: int) -> int:
                return await flow.execute(step, number, id=str(number), cancel="request")

            return await ended(piece, work)

    return PieceWorkflow


# --- ordinary asyncio, told what happens -----------------------------------------------------------------


async def on_ordinary_asyncio(piece: Piece, happenings: Sequence[str]) -> Any:
    """Run a piece with activities that end (``"3"``, ``"-3"`` if it fails) and a cancellation, in this order."""
    futures: dict[str, asyncio.Future[int]] = {}

    async def work(number: int) -> int:
        futures[str(number)] = asyncio.get_running_loop().create_future()
        return await futures[str(number)]

    main = asyncio.create_task(ended(piece, work))
    for happening in happenings:
        await asyncio.sleep(1)  # nothing is ready any more
        future = futures.get(happening.removeprefix("-"))
        if happening == CANCEL:
            main.cancel()
        elif future is None or future.done():
            continue
        elif happening.startswith("-"):
            future.set_exception(FakeError(happening[1:]))
        else:
            future.set_result(int(happening))
    return await main


def happenings_of(history: Sequence[AnyEvent]) -> list[str]:
    """Return what the code was told, in the order of history."""
    told_of: list[str] = []
    for event in history:
        if isinstance(event, ActivityCompletedEvent | ActivityFailedEvent):
            scheduled: Any = history[event.scheduled_event_id - 1]
            told_of.append(("-" if isinstance(event, ActivityFailedEvent) else "") + scheduled.activity_id)
        elif isinstance(event, ProcessCancelRequestedEvent):
            told_of.append(CANCEL)
    return told_of


# --- durably ---------------------------------------------------------------------------------------------


@dataclass
class Order:
    """How things happen.

    Attributes:
        picks: Which of the open activities ends next.
        failing: The activities that fail.
        batches: How many things happen before the decider is asked, turn by turn; then one.
        late: In which turns the last of these happens only while the decider decides.
        cancel_at: After how many activities the process is asked to end.
    """

    picks: Sequence[int] = ()
    failing: frozenset[int] = frozenset()
    batches: Sequence[int] = ()
    late: Sequence[bool] = ()
    cancel_at: int | None = None
    ended: int = 0
    turns: int = field(default=0)

    def let_happen(self, stage: Stage) -> bool:
        """Have one thing happen; return whether there was any."""
        if self.ended == self.cancel_at:
            self.cancel_at = None
            stage.cancel()
            return True
        open_ones = stage.open_activities
        if not open_ones:
            return False
        pick = self.picks[self.ended] if self.ended < len(self.picks) else 0
        self.ended += 1
        number = open_ones[pick % len(open_ones)]
        if int(number) in self.failing:
            stage.fail(number, FakeError(number))
        else:
            stage.complete(number, int(number))
        return True

    async def play(self, stage: Stage) -> Any:
        """Run the process to its end."""
        await stage.start()
        while stage.is_open:
            turn, self.turns = self.turns, self.turns + 1
            size = self.batches[turn] if turn < len(self.batches) else 1
            late = turn < len(self.late) and self.late[turn]
            happened = sum(self.let_happen(stage) for _ in range(size - late))
            if not stage.run.state.decision_ready:
                assert happened or self.let_happen(stage), "the process waits for nothing"
                continue
            stage.take()
            decisions = await stage.decide()
            if late:
                self.let_happen(stage)
            stage.answer(decisions)
        assert isinstance(stage.ending, ProcessCompletedEvent), stage.ending
        return stage.result


orders = st.builds(
    Order,
    picks=st.lists(st.integers(0, 4), max_size=8),
    failing=st.frozensets(st.integers(1, 8), max_size=3),
    batches=st.lists(st.integers(1, 4), max_size=8),
    late=st.lists(st.booleans(), max_size=8),
    cancel_at=st.none() | st.integers(0, 6),
)


async def check(piece: Piece, order: Order) -> int:
    """Compare both sides; return how many activities ended."""
    stage = Stage(workflow_of(piece), step)
    durable = await order.play(stage)
    assert durable == run_virtually(on_ordinary_asyncio(piece, happenings_of(stage.run.history)))
    return order.ended


@pytest.mark.parametrize("name", CONSTRUCTS)
@settings(max_examples=40, deadline=None)
@given(order=orders)
async def test_it_goes_as_on_ordinary_asyncio_in_every_order(name: str, order: Order) -> None:
    await check(CONSTRUCTS[name], order)


@pytest.mark.parametrize("name", CONSTRUCTS)
async def test_it_goes_as_on_ordinary_asyncio_cancelled_at_every_point(name: str) -> None:
    ended = await check(CONSTRUCTS[name], Order())
    assert ended
    for moment in range(ended + 1):
        for late in ((), (True,) * (moment + 1)):
            await check(CONSTRUCTS[name], Order(cancel_at=moment, late=late))
