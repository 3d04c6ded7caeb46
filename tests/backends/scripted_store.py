"""A store for tests: what another store does, held up, failing or crashing where a test says so."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from aioworkflow.backend import ProcessFilter, ProcessInfo
from aioworkflow.event import AnyEvent
from aioworkflow.machine.requests import Message
from aioworkflow.stores.base import Changes, Due, Group, Store, StoredProcess, TaskKind, WaitingTask
from aioworkflow.types import ActivityType, WorkflowType

T = TypeVar("T")


class Hold:
    """Stops a method at its beginning until it is released.

    Attributes:
        reached: Set when a call has been stopped.
    """

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._released = asyncio.Event()

    def release(self) -> None:
        self._released.set()

    async def stop(self) -> None:
        self.reached.set()
        await self._released.wait()


class ScriptedStore:
    """Passes everything on to ``inner``.

    Attributes:
        calls: How often each method was called.
        returns: How often each method was left, also by an error.
        groups: The groups that were handed to :meth:`commit`.
        before: By method, called before the method does anything; raises the error that the method is to raise.
        after: The same after it did everything.
    """

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.calls: Counter[str] = Counter()
        self.returns: Counter[str] = Counter()
        self.groups: list[Group] = []
        self.before: dict[str, Callable[[], None]] = {}
        self.after: dict[str, Callable[[], None]] = {}
        self._holds: dict[str, list[Hold]] = {}
        self._called = asyncio.Condition()

    @property
    def session_look_seconds(self) -> float:
        return self.inner.session_look_seconds

    async def next_call(self, method: str, times: int = 1) -> None:
        """Wait until a method has been called, and has returned, so many times from now on."""
        async with self.calling(method, times):
            pass

    @asynccontextmanager
    async def calling(self, method: str, times: int = 1) -> AsyncIterator[None]:
        """Wait at the end until a method has been called, and has returned, so many times since the beginning."""
        goal = self.returns[method] + times
        yield
        async with self._called:
            await self._called.wait_for(lambda: self.returns[method] >= goal)

    def hold(self, method: str) -> Hold:
        """Stop the next call of a method that no other hold stops."""
        hold = Hold()
        self._holds.setdefault(method, []).append(hold)
        return hold

    def fail(self, method: str, error: Exception, *, times: int = 1, after: bool = False) -> None:
        """Let the next calls of a method raise ``error``, before or after they have done their work."""
        left = times

        def check() -> None:
            nonlocal left
            if left > 0:
                left -= 1
                raise type(error)(*error.args)

        (self.after if after else self.before)[method] = check

    async def _do(self, method: str, work: Callable[[], Awaitable[T]]) -> T:
        self.calls[method] += 1
        try:
            if self._holds.get(method):
                await self._holds[method].pop(0).stop()
            if method in self.before:
                self.before[method]()
            result = await work()
            if method in self.after:
                self.after[method]()
            return result
        finally:
            self.returns[method] += 1
            async with self._called:
                self._called.notify_all()

    async def open(self) -> None:
        await self._do("open", self.inner.open)

    async def close(self) -> None:
        await self._do("close", self.inner.close)

    def now(self) -> float:
        return self.inner.now()

    async def commit(self, group: Group) -> Sequence[int]:
        self.groups.append(group)
        return await self._do("commit", lambda: self.inner.commit(group))

    async def load(self, run_ids: Sequence[str]) -> dict[str, StoredProcess]:
        return await self._do("load", lambda: self.inner.load(run_ids))

    async def resolve(self, process_ids: Sequence[str]) -> dict[str, str]:
        return await self._do("resolve", lambda: self.inner.resolve(process_ids))

    async def history(self, run_id: str, *, after: int = 0, limit: int = 1000) -> Sequence[AnyEvent]:
        return await self._do("history", lambda: self.inner.history(run_id, after=after, limit=limit))

    async def waiting(
        self, kind: TaskKind, task_list: str, *, limit: int, wanted: int | None = None
    ) -> Sequence[WaitingTask]:
        return await self._do("waiting", lambda: self.inner.waiting(kind, task_list, limit=limit, wanted=wanted))

    async def due(self, now: float, *, limit: int = 500) -> Due:
        return await self._do("due", lambda: self.inner.due(now, limit=limit))

    async def find(
        self, filter: ProcessFilter, *, limit: int, page_token: str | None = None
    ) -> tuple[Sequence[ProcessInfo], str | None]:
        return await self._do("find", lambda: self.inner.find(filter, limit=limit, page_token=page_token))

    async def count(self, filter: ProcessFilter) -> int:
        return await self._do("count", lambda: self.inner.count(filter))

    async def remove_closed(self, *, before: float, limit: int) -> int:
        return await self._do("remove_closed", lambda: self.inner.remove_closed(before=before, limit=limit))

    async def save_type(self, type: WorkflowType | ActivityType) -> None:
        await self._do("save_type", lambda: self.inner.save_type(type))

    async def types(self) -> Sequence[WorkflowType | ActivityType]:
        return await self._do("types", self.inner.types)

    async def endings(self, run_ids: Sequence[str]) -> dict[str, AnyEvent]:
        return await self._do("endings", lambda: self.inner.endings(run_ids))

    async def changed(self) -> Changes | None:
        return await self._do("changed", self.inner.changed)

    async def renew_session(self, session: str, *, now: float, expires_at: float) -> Sequence[str]:
        return await self._do(
            "renew_session", lambda: self.inner.renew_session(session, now=now, expires_at=expires_at)
        )

    async def end_session(self, session: str) -> None:
        await self._do("end_session", lambda: self.inner.end_session(session))

    async def held_by(self, session: str, *, limit: int = 500) -> Sequence[str]:
        return await self._do("held_by", lambda: self.inner.held_by(session, limit=limit))

    async def outbox(self, *, older_than: float, limit: int = 500) -> Sequence[Message]:
        return await self._do("outbox", lambda: self.inner.outbox(older_than=older_than, limit=limit))
