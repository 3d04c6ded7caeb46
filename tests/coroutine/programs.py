"""Programs that Hypothesis writes: nests of what asyncio offers, whose end can be foretold by running them on asyncio.

A program is a tree of nodes. :func:`play` runs it on the running loop, be it that of a workflow or an ordinary one;
what its activities do is up to ``work``. It returns the outcome of the tree, and notes for each node what happened to
it, so two runs that differ anywhere are seen to.

Nothing happens at the same time as anything else unless one causes the other, so the order is known. To that end each
node that takes time has a number that no other has, and its time (whole seconds) is a digit that no other has; the
time in which it obeys when it is canceled is a fraction that is a bit of its own.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, assert_never

from hypothesis import strategies as st

from aioworkflow.errors import ActivityError

__all__ = ["FailureError", "Notes", "Program", "Timed", "Work", "moments", "play", "programs", "told"]

DIGIT = 3
"""Bits. A node takes its time up to six times: two attempts and a delay, and all that again."""

MOST_TIMED = 7
UNIT = 4
"""All bits below it are for the time in which canceled nodes obey."""


@dataclass(frozen=True, kw_only=True)
class Timed:
    """A node that takes time.

    Attributes:
        coarse: About how long: what Hypothesis chooses.
        number: Which node it is; set by :func:`programs`.
    """

    coarse: int
    number: int = -1

    @property
    def seconds(self) -> int:
        return UNIT * ((self.coarse << DIGIT * MOST_TIMED) + (1 << DIGIT * self.number))

    @property
    def seconds_to_stop(self) -> float:
        return (1 << self.number) / 32


@dataclass(frozen=True, kw_only=True)
class Work(Timed):
    """Await an activity, which fails so many times before it succeeds; ``attempts`` is its retry policy."""

    failures: int = 0
    attempts: int = 1


@dataclass(frozen=True, kw_only=True)
class Sleep(Timed):
    """Await asyncio.sleep."""


@dataclass(frozen=True, kw_only=True)
class Deadline(Timed):
    """Run the child under asyncio.timeout, or wait_for."""

    child: Program
    wait_for: bool


@dataclass(frozen=True, kw_only=True)
class Stop(Timed):
    """Run the child in a task and cancel that after some time."""

    child: Program


@dataclass(frozen=True, kw_only=True)
class Again:
    """Run the child again once if it fails."""

    child: Program


@dataclass(frozen=True, kw_only=True)
class Guard:
    """Turn an exception of the child into a value."""

    child: Program


@dataclass(frozen=True, kw_only=True)
class Finally:
    """Run the clean-up whatever becomes of the child."""

    child: Program
    cleanup: Program


@dataclass(frozen=True, kw_only=True)
class Shield:
    """Keep cancellation from the child: it is waited for before the cancellation goes on."""

    child: Program


@dataclass(frozen=True, kw_only=True)
class Many:
    """Run the children together, or one after the other."""

    how: str
    children: tuple[Program, ...]


HOWS = ("sequence", "gather", "gather all", "group", "first", "each", "lock", "queue")

Program: TypeAlias = Work | Sleep | Deadline | Stop | Again | Guard | Finally | Shield | Many


# --- what Hypothesis draws -------------------------------------------------------------------------------

_coarse = st.integers(0, 4)
_leaves = st.builds(
    Work, coarse=_coarse, failures=st.sampled_from([0, 0, 0, 1, 2]), attempts=st.sampled_from([1, 1, 2])
) | st.builds(Sleep, coarse=_coarse)


def _nodes(inner: st.SearchStrategy[Program]) -> st.SearchStrategy[Program]:
    return (
        st.builds(Many, how=st.sampled_from(HOWS), children=st.lists(inner, min_size=1, max_size=3).map(tuple))
        | st.builds(Deadline, coarse=_coarse, child=inner, wait_for=st.booleans())
        | st.builds(Stop, coarse=_coarse, child=inner)
        | st.builds(Guard, child=inner)
        | st.builds(Finally, child=inner, cleanup=inner)
        | st.builds(Shield, child=inner)
        | st.builds(Again, child=_leaves)
    )


def moments() -> st.SearchStrategy[float]:
    """Draw seconds after the start at which nothing else happens."""
    digits = st.integers(0, MOST_TIMED - 1)
    return st.builds(
        lambda coarse, digit, bit: Timed(coarse=coarse, number=digit).seconds + ((1 << bit) + 0.5) / 32,
        _coarse,
        digits,
        digits,
    )


def programs() -> st.SearchStrategy[Program]:
    """Draw programs with no more timed nodes than there are digits for."""
    return st.recursive(_leaves, _nodes, max_leaves=MOST_TIMED).filter(_has_few_timed).map(_numbered)


def _has_few_timed(program: Program) -> bool:
    return str(program).count("number=-1") <= MOST_TIMED


def _numbered(program: Program) -> Program:
    numbers = itertools.count()
    numbered: Program = _with_numbers(program, numbers)
    return numbered


def _with_numbers(node: Any, numbers: Iterator[int]) -> Any:
    fields: dict[str, Any] = {}
    for name in ("child", "cleanup"):
        if hasattr(node, name):
            fields[name] = _with_numbers(getattr(node, name), numbers)
    if isinstance(node, Many):
        fields["children"] = tuple([_with_numbers(child, numbers) for child in node.children])
    if isinstance(node, Timed):
        fields["number"] = next(numbers)
    return replace(node, **fields)


# --- how a program runs ----------------------------------------------------------------------------------


class FailureError(Exception):
    """What a failing activity raises on ordinary asyncio; its text is the number of the node."""


@dataclass
class Notes:
    """What happened to each node, by its place in the tree."""

    lines: dict[str, list[str]] = field(default_factory=dict)

    def add(self, place: str, line: str) -> None:
        self.lines.setdefault(place, []).append(line)

    def so_far(self) -> dict[str, list[str]]:
        return {place: [*lines] for place, lines in self.lines.items()}


DoWork: TypeAlias = Callable[[Work], Awaitable[Any]]


async def play(node: Program, work: DoWork, notes: Notes, place: str = "0") -> Any:
    """Run a program and return what came of it, as JSON can carry it."""
    notes.add(place, "begins")
    try:
        outcome = await _play(node, work, notes, place)
    except asyncio.CancelledError:
        notes.add(place, "cancelled")
        raise
    except Exception as error:
        notes.add(place, f"raises {told(error)}")
        raise
    notes.add(place, f"returns {outcome}")
    return outcome


def told(error: BaseException) -> Any:
    """Return what both sides say alike of an exception."""
    if isinstance(error, BaseExceptionGroup):
        return [told(inner) for inner in error.exceptions]
    if isinstance(error, ActivityError):
        return f"FailureError {error.message}"
    return f"{type(error).__name__} {error}".strip()


async def _play(node: Program, work: DoWork, notes: Notes, place: str) -> Any:
    def child(index: int = 0) -> Any:
        inner = node.children[index] if isinstance(node, Many) else node.child  # type: ignore[union-attr]
        return play(inner, work, notes, f"{place}.{index}")

    match node:
        case Work():
            return await work(node)
        case Sleep():
            return await asyncio.sleep(node.seconds, f"slept {node.number}")
        case Deadline(wait_for=True):
            return await asyncio.wait_for(child(), node.seconds)
        case Deadline():
            async with asyncio.timeout(node.seconds):
                return await child()
        case Stop():
            return await _stop(asyncio.create_task(child()), node.seconds)
        case Again():
            try:
                return await child()
            except Exception:
                return await child()
        case Guard():
            try:
                return await child()
            except Exception as error:
                return ["caught", told(error)]
        case Finally():
            try:
                return await child()
            finally:
                await play(node.cleanup, work, notes, f"{place}.finally")
        case Shield():
            return await _shield(asyncio.create_task(child()))
        case Many():
            return await _HOWS[node.how]([child(index) for index in range(len(node.children))])
        case _:
            assert_never(node)


async def _stop(task: asyncio.Task[Any], seconds: float) -> Any:
    try:
        await asyncio.sleep(seconds)
    finally:
        task.cancel()
        await asyncio.wait([task])
    return ["stopped"] if task.cancelled() else value_of(task.exception() or task.result())


async def _shield(task: asyncio.Task[Any]) -> Any:
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def value_of(outcome: Any) -> Any:
    return ["ended by", told(outcome)] if isinstance(outcome, BaseException) else outcome


async def _sequence(children: Sequence[Any]) -> Any:
    try:
        return [await child for child in children]
    finally:
        for child in children:
            child.close()


async def _gather(children: Sequence[Any]) -> Any:
    return list(await asyncio.gather(*children))


async def _gather_all(children: Sequence[Any]) -> Any:
    return [value_of(outcome) for outcome in await asyncio.gather(*children, return_exceptions=True)]


async def _group(children: Sequence[Any]) -> Any:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(child) for child in children]
    return [task.result() for task in tasks]


async def _first(children: Sequence[Any]) -> Any:
    tasks = [asyncio.create_task(child) for child in children]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    return [[task in done for task in tasks], [value_of(outcome) for outcome in outcomes]]


async def _each(children: Sequence[Any]) -> Any:
    tasks = [asyncio.create_task(child) for child in children]
    try:
        return [await outcome for outcome in asyncio.as_completed(tasks)]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _lock(children: Sequence[Any]) -> Any:
    lock = asyncio.Lock()

    async def alone(child: Any) -> Any:
        try:
            async with lock:
                return await child
        finally:
            child.close()

    return list(await asyncio.gather(*map(alone, children)))


async def _queue(children: Sequence[Any]) -> Any:
    """Two consumers take the children from a queue; what they find goes through another."""
    todo: asyncio.Queue[Any] = asyncio.Queue()
    done: asyncio.Queue[Any] = asyncio.Queue()
    for child in children:
        todo.put_nowait(child)

    async def consume() -> None:
        while not todo.empty():
            child = todo.get_nowait()
            await done.put(value_of((await asyncio.gather(child, return_exceptions=True))[0]))

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(consume())
            group.create_task(consume())
        return [done.get_nowait() for _ in children]
    finally:
        while not todo.empty():
            todo.get_nowait().close()


_HOWS: dict[str, Callable[[Sequence[Any]], Awaitable[Any]]] = {
    "sequence": _sequence,
    "gather": _gather,
    "gather all": _gather_all,
    "group": _group,
    "first": _first,
    "each": _each,
    "lock": _lock,
    "queue": _queue,
}
