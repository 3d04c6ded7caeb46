"""The driver: starts processes, tells them what they wait for, and keeps its own record of the answers."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import TypeVar

from aioworkflow.client import Client
from aioworkflow.errors import (
    BackendUnavailableError,
    ProcessAlreadyRunningError,
    ProcessCanceledError,
    ProcessTerminatedError,
    UnknownProcessError,
)
from aioworkflow.types import ProcessStatus
from tests.chaos.plans import Plan
from tests.chaos.record import Answer, Record

T = TypeVar("T")

_PAUSE = 0.1
"""Seconds until something is tried again."""


class Driver:
    """Keeps a number of processes open.

    Args:
        client: Whom to ask; its backend is in the same storm as those of the workers.
        plans: What to start.
        chance: When to tell them what they wait for.
        open_at_once: How many processes are under way.
    """

    def __init__(self, client: Client, plans: Iterator[Plan], chance: random.Random, *, open_at_once: int) -> None:
        self._client = client
        self._plans = plans
        self._chance = chance
        self._open_at_once = open_at_once
        self._attempts = itertools.count()
        self._enough = False
        self.record = Record()

    def finish(self) -> None:
        """Start no more; :meth:`run` returns when all is over."""
        self._enough = True

    async def run(self) -> None:
        """See processes through, one after another in each of the places."""
        async with asyncio.TaskGroup() as places:
            for _ in range(self._open_at_once):
                places.create_task(self._fill_place())
        await self._see_to_the_rest()

    async def _fill_place(self) -> None:
        while not self._enough:
            plan = next(self._plans)
            self.record.plans[plan.id] = plan
            await self._start(plan)
            await self._see_through(plan)

    async def _see_through(self, plan: Plan) -> None:
        """Tell a process what it waits for, until it is closed."""
        async with asyncio.TaskGroup() as tellings:
            for value in plan.signals:
                tellings.create_task(self._tell(plan, partial(self._signal, plan, value)))
            if plan.ends is ProcessStatus.CANCELED:
                tellings.create_task(self._tell(plan, partial(self._cancel, plan)))
            elif plan.ends is ProcessStatus.TERMINATED:
                await self._terminate(plan)
            await self._end(plan)

    async def _see_to_the_rest(self) -> None:
        """See to processes that were started by an attempt that nobody thought had been carried out."""
        while ids := await self._insist(self._open_ids):
            left = [plan for id in ids if (plan := self.record.plans.get(id)) is not None]
            await asyncio.gather(*(self._see_through(plan) for plan in left))
            await asyncio.sleep(_PAUSE)

    async def _open_ids(self) -> list[str]:
        return [info.process.process_id async for info in self._client.processes(closed=False)]

    # --- what may be lost --------------------------------------------------------------------------------------------

    async def _start(self, plan: Plan) -> None:
        """Try until it is known that the process was started."""
        answers = self.record.starts[plan.id]
        while True:
            try:
                handle = await self._client.start(plan.workflow, plan.input, id=plan.id)
            except BackendUnavailableError:
                answers.append(Answer.LOST)
            except ProcessAlreadyRunningError:
                if Answer.LOST not in answers:
                    self.record.lies.append(f"{plan.id} was said to be running before it was started")
                answers.append(Answer.REFUSED)
                return
            else:
                answers.append(Answer.ACKNOWLEDGED)
                self.record.runs.add(handle.ref)
                return
            await asyncio.sleep(_PAUSE)
            if await self._insist(lambda: self._client.count(id=plan.id)):
                return

    async def _tell(self, plan: Plan, tell: Callable[[int], Awaitable[None]]) -> None:
        """Try until it is known that the process was told, or that it is closed."""
        await asyncio.sleep(self._chance.uniform(0, 0.5))
        answer = Answer.LOST
        while answer is Answer.LOST:
            attempt = next(self._attempts)
            try:
                await tell(attempt)
                answer = Answer.ACKNOWLEDGED
            except UnknownProcessError:
                answer = Answer.REFUSED
            except BackendUnavailableError:
                await asyncio.sleep(_PAUSE)
            self.record.tellings[plan.id, attempt] = answer

    async def _signal(self, plan: Plan, value: int, attempt: int) -> None:
        await self._client.handle(plan.id).signal("post", {"value": value, "attempt": attempt})

    async def _cancel(self, plan: Plan, attempt: int) -> None:
        await self._client.handle(plan.id).cancel({"attempt": attempt})

    async def _terminate(self, plan: Plan) -> None:
        await asyncio.sleep(self._chance.uniform(0, 0.5))
        try:
            await self._insist(lambda: self._client.handle(plan.id).terminate(child_policy=plan.child_policy))
        except UnknownProcessError:
            pass  # an attempt before had got there

    async def _end(self, plan: Plan) -> None:
        """Wait until a process is closed, and see what the driver is told of that."""
        ends, result = ProcessStatus.COMPLETED, None
        try:
            result = await self._insist(self._client.handle(plan.id).result)
        except ProcessCanceledError:
            ends = ProcessStatus.CANCELED
        except ProcessTerminatedError:
            ends = ProcessStatus.TERMINATED
        if (ends, result) != (plan.ends, plan.result):
            self.record.lies.append(f"{plan.id} was to end {plan.ends.name} with {plan.result}: {ends.name}, {result}")

    async def _insist(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask what does no harm if it is asked twice, until there is an answer."""
        while True:
            try:
                return await ask()
            except BackendUnavailableError:
                await asyncio.sleep(_PAUSE)
