"""Garbage to every public entry: it is refused with an error of this package that says something, or it is good enough;
nothing is lost, and everything goes on working.
"""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import itertools
import logging
import math
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aioworkflow.activity import Activity
from aioworkflow.backend import Backend, ProcessFilter, StartRequest
from aioworkflow.backends.local import LocalBackend, LocalOptions
from aioworkflow.checks import show
from aioworkflow.client import Client
from aioworkflow.connect import connect
from aioworkflow.decision import (
    CancelActivityDecision,
    CancelProcessDecision,
    CancelTimerDecision,
    CompleteProcessDecision,
    ContinueAsNewDecision,
    Decision,
    FailProcessDecision,
    RecordMarkerDecision,
    RequestCancelProcessDecision,
    ScheduleActivityDecision,
    SignalProcessDecision,
    StartChildProcessDecision,
    StartTimerDecision,
)
from aioworkflow.errors import AioworkflowError
from aioworkflow.event import ProcessCompletedEvent
from aioworkflow.machine.limits import Limits
from aioworkflow.result import ActivityAborted, ActivityCompleted, ActivityFailed
from aioworkflow.stores.base import Store
from aioworkflow.stores.memory import MemoryDatabase, MemoryStore
from aioworkflow.stores.sqlite import SQLiteStore
from aioworkflow.types import ActivityType, ChildPolicy, ProcessRef, ProcessStatus, TypeRef, WorkflowType
from aioworkflow.worker import Worker
from aioworkflow.workflow import Workflow
from tests.hunts.audit import audit

T = TypeVar("T")

OPTIONS = LocalOptions(poll_seconds=0.001, limits=Limits(payload=2_000))
WORKFLOW, ACTIVITY = TypeRef("Order"), TypeRef("Charge")
ORDER = WorkflowType(
    ref=WORKFLOW,
    execution_timeout=None,
    decision_timeout=None,
    task_list="default",
    child_policy=ChildPolicy.TERMINATE,
)
CHARGE = ActivityType(
    ref=ACTIVITY,
    schedule_to_start_timeout=None,
    start_to_close_timeout=None,
    schedule_to_close_timeout=None,
    heartbeat_timeout=None,
    task_list="default",
)


# --- garbage ---------------------------------------------------------------------------------------------------------


class Rude:
    """Does not even tell what it is."""

    def __repr__(self) -> str:
        raise RuntimeError("none of your business")

    __hash__ = None  # type: ignore[assignment]


class Word(enum.StrEnum):
    """A str that is none."""

    ONE = "one"


class Text(str):
    __slots__ = ()


def endless() -> list[Any]:
    """Return a list that is in itself."""
    found: list[Any] = []
    found.append(found)
    return found


GARBAGE: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    7,
    2**31,
    2**63,
    10**400,
    0.5,
    -0.1,
    1e300,
    math.nan,
    math.inf,
    -math.inf,
    1j,
    Decimal("NaN"),
    "",
    " ",
    "a",
    " a ",
    "arn",
    "a:b",
    "a/b",
    "\x00",
    "\n",
    "\ud800",
    "{",
    '"\\ud800"',
    "é" * 300,
    "x" * 5_000,
    Text("subclass"),
    Word.ONE,
    b"bytes",
    bytearray(b"bytes"),
    (),
    [],
    {},
    set(),
    ("a", "b"),
    ["a", None],
    [[]],
    {"a": 1},
    {1: object()},
    endless(),
    object(),
    Rude(),
    Exception,
    len,
    Workflow,
    Activity,
    timedelta(days=-1),
    timedelta.max,
    datetime(2024, 1, 1),  # noqa: DTZ001 - naive on purpose
    datetime.min.replace(tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
    ProcessStatus.OPEN,
    ChildPolicy.ABANDON,
    msgspec.UNSET,
    ProcessRef("a", "b"),
    ProcessRef(Rude(), 7),  # type: ignore[arg-type]
    TypeRef("a", ""),
    TypeRef([], {}),  # type: ignore[arg-type]
    ProcessFilter(tag=3),  # type: ignore[arg-type]
    StartRequest(process_id="a", workflow=TypeRef("b")),
    ActivityCompleted(1),
    CompleteProcessDecision(1),
    [CompleteProcessDecision(1), RecordMarkerDecision("m")],
    [RecordMarkerDecision("m"), None],
)

garbage = st.one_of(
    st.sampled_from(GARBAGE),
    st.text(),
    st.text("arn:/|\x00\n\ud800 a.", max_size=300),
    st.integers(),
    st.floats(),
    st.binary(),
    st.timedeltas(),
    st.datetimes(),
    st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner) | st.tuples(inner)),
    st.dictionaries(st.text(max_size=3) | st.integers(), st.none() | st.text(max_size=3)),
)


# --- where it goes ---------------------------------------------------------------------------------------------------


class Victim:
    """A process with a decision task and an activity task in somebody's hands, in an open backend."""

    def __init__(self, backend: LocalBackend, look: Store, name: str) -> None:
        self.backend = backend
        self.client = Client(backend)
        self.process: ProcessRef
        self.closed: ProcessRef
        self.decision: str
        self.activity: str
        self._look = look
        self._name = name
        self._numbers = itertools.count()

    async def prepare(self) -> None:
        """Make another process the victim."""
        request = StartRequest(
            process_id=f"{self._name} {next(self._numbers)}", workflow=WORKFLOW, task_list=self._name
        )
        self.process = await self.backend.start_process(request)
        schedule = ScheduleActivityDecision(ACTIVITY, id="a", task_list=request.process_id)
        await self.backend.complete_decision_task(await self.decision_token(), [schedule])
        self.activity = (await patiently(lambda: self.backend.poll_activity_task(request.process_id))).token
        await self.backend.signal_process(self.process, "wake up")
        self.decision = await self.decision_token()

    def another(self) -> dict[str, Any]:
        """Return what it takes to start another process."""
        return {"process_id": f"good {next(self._numbers)}", "workflow": WORKFLOW}

    async def decision_token(self) -> str:
        """Wait for the next decision task of this process; there may be others, of those that were victims before."""
        while True:
            task = await patiently(lambda: self.backend.poll_decision_task(self._name))
            if task.process == self.process:
                return task.token

    async def version(self) -> tuple[int, int]:
        """Return what changes with every change."""
        stored = (await self._look.load([self.process.run_id]))[self.process.run_id]
        return stored.version, stored.head.last_event_id


async def patiently(poll: Callable[[], Awaitable[T | None]]) -> T:
    """Poll until something comes."""
    async with asyncio.timeout(20):
        while True:
            if (found := await poll()) is not None:
                return found


Hole = Callable[[Victim, Any], Awaitable[object]]


async def consume(pages: AsyncIterator[object]) -> None:
    async for _ in pages:
        pass


def forged(value: T, field: str, junk: object) -> T:
    """Return a copy with another field, past whatever its constructor checks."""
    copy = type(value).__new__(type(value))
    names = [*getattr(type(value), "__slots__", ()), *getattr(value, "__dict__", ())]
    for name in names:
        object.__setattr__(copy, name, junk if name == field else getattr(value, name))
    return copy


DECISIONS: tuple[Decision, ...] = (
    ScheduleActivityDecision(ACTIVITY, id="b"),
    CancelActivityDecision("a"),
    CompleteProcessDecision(1),
    FailProcessDecision("r", 1),
    CancelProcessDecision(1),
    ContinueAsNewDecision(1),
    StartTimerDecision(1, id="t"),
    CancelTimerDecision("t"),
    RecordMarkerDecision("m"),
    StartChildProcessDecision(WORKFLOW, id="c"),
    SignalProcessDecision("p", "s"),
    RequestCancelProcessDecision("p"),
)
RESULTS = ActivityCompleted(1), ActivityAborted("r", 1), ActivityFailed(reason="r", details=1)


def hole(call: Callable[..., Awaitable[object]], *fixed: object) -> Hole:
    """Return where garbage is put in: ``call`` gets the victim, the garbage, and what is fixed."""
    return lambda victim, junk: call(victim, junk, *fixed)


def on_backend(victim: Victim, junk: object, verb: str, field: str, *good: object) -> Awaitable[object]:
    """Call a verb with garbage for one argument by name."""
    return getattr(victim.backend, verb)(*good, **{field: junk})  # type: ignore[no-any-return]


def on_victim(victim: Victim, junk: object, verb: str, field: str) -> Awaitable[object]:
    return on_backend(victim, junk, verb, field, victim.process)


def on_handle(victim: Victim, junk: object, verb: str, field: str) -> Awaitable[object]:
    return getattr(victim.client.handle(*victim.process), verb)(**{field: junk})  # type: ignore[no-any-return]


def holes_of_processes() -> Iterable[tuple[str, Hole]]:
    yield "start_process", hole(lambda v, x: v.backend.start_process(x))
    for field in StartRequest.__struct_fields__:
        yield (
            f"start_process {field}",
            hole(lambda v, x, f: v.backend.start_process(StartRequest(**{**v.another(), f: x})), field),
        )
    for what, ref in REFS.items():
        for verb in ("process_info", "wait_process", "cancel_process", "terminate_process"):
            yield f"{verb} {what}", hole(lambda v, x, verb, ref: getattr(v.backend, verb)(ref(v, x)), verb, ref)
        yield f"signal_process {what}", hole(lambda v, x, ref: v.backend.signal_process(ref(v, x), "s"), ref)
    yield "signal_process signal", hole(on_victim, "signal_process", "signal")
    yield "signal_process input", hole(lambda v, x: v.backend.signal_process(v.process, "s", x))
    yield "cancel_process details", hole(on_victim, "cancel_process", "details_json")
    for field in ("reason", "details_json", "child_policy"):
        yield f"terminate_process {field}", hole(on_victim, "terminate_process", field)


REFS: dict[str, Callable[[Victim, Any], Any]] = {
    "process": lambda v, x: x,
    "process_id": lambda v, x: ProcessRef(x, v.closed.run_id),
    "run_id": lambda v, x: ProcessRef(v.closed.process_id, x),
}


def holes_of_reading() -> Iterable[tuple[str, Hole]]:
    for what, ref in REFS.items():
        yield f"history {what}", hole(lambda v, x, ref: consume(v.backend.history(ref(v, x))), ref)
    yield "history after", hole(lambda v, x: consume(v.backend.history(v.process, after=x)))
    for verb in ("list_processes", "count_processes"):
        yield verb, hole(on_backend, verb, "filter")
        for field in ProcessFilter.__struct_fields__:
            yield (
                f"{verb} {field}",
                hole(lambda v, x, verb, f: getattr(v.backend, verb)(ProcessFilter(**{f: x})), verb, field),
            )
    for field in ("page_size", "page_token"):
        yield f"list_processes {field}", hole(on_backend, "list_processes", field, ProcessFilter())


def holes_of_types() -> Iterable[tuple[str, Hole]]:
    kinds: tuple[tuple[str, Any], ...] = ("register_workflow", WorkflowType), ("register_activity", ActivityType)
    for verb, kind in kinds:
        yield verb, hole(lambda v, x, verb: getattr(v.backend, verb)(x), verb)
        for field in kind.__struct_fields__:
            yield (
                f"{verb} {field}",
                hole(
                    lambda v, x, verb, kind, f: getattr(v.backend, verb)(kind(**{"ref": TypeRef("New"), f: x})),
                    *(verb, kind, field),
                ),
            )


def holes_of_tasks() -> Iterable[tuple[str, Hole]]:
    for verb in ("poll_decision_task", "poll_activity_task"):
        yield f"{verb} task_list", hole(on_backend, verb, "task_list")
        yield f"{verb} identity", hole(on_backend, verb, "identity", "empty")
    yield "complete_decision_task decisions", hole(lambda v, x: v.backend.complete_decision_task(v.decision, x))
    for field in ("execution_context", "task_list", "task_list_schedule_to_start_timeout"):
        yield (
            f"complete_decision_task {field}",
            hole(lambda v, x, f: v.backend.complete_decision_task(v.decision, **{f: x}), field),
        )
    yield "heartbeat details", hole(lambda v, x: v.backend.heartbeat_activity_task(v.activity, x))
    yield "complete_activity_task result", hole(lambda v, x: v.backend.complete_activity_task(v.activity, x))
    for what, token in TOKENS.items():
        yield f"complete_decision_task {what}", hole(lambda v, x, t: v.backend.complete_decision_task(t(v, x)), token)
        yield f"heartbeat {what}", hole(lambda v, x, t: v.backend.heartbeat_activity_task(t(v, x)), token)
        yield f"hand_off {what}", hole(lambda v, x, t: v.backend.hand_off_activity_task(t(v, x)), token)
        yield (
            f"complete_activity_task {what}",
            hole(lambda v, x, t: v.backend.complete_activity_task(t(v, x), ActivityCompleted(1)), token),
        )


def with_part(token: str, part: int, junk: object) -> str:
    parts = token.split(".")
    parts[part] = junk if isinstance(junk, str) else show(junk)
    return ".".join(parts)


TOKENS: dict[str, Callable[[Victim, Any], Any]] = {
    "token": lambda v, x: x,
    "token's kind": lambda v, x: with_part(v.activity, 0, x),
    "token's run": lambda v, x: with_part(v.decision, 1, x),
    "token's first event": lambda v, x: with_part(v.activity, 2, x),
    "token's last event": lambda v, x: with_part(v.decision, 3, x),
}


def holes_of_forgeries() -> Iterable[tuple[str, Hole]]:
    for decision in DECISIONS:
        for field in type(decision).__slots__:
            yield (
                f"{type(decision).__name__} {field}",
                hole(
                    lambda v, x, good, f: v.backend.complete_decision_task(v.decision, [forged(good, f, x)]),
                    *(decision, field),
                ),
            )
    for result in RESULTS:
        names = [item.name for item in dataclasses.fields(result)] if dataclasses.is_dataclass(result) else vars(result)
        for field in names:
            yield (
                f"{type(result).__name__} {field}",
                hole(
                    lambda v, x, good, f: v.backend.complete_activity_task(v.activity, forged(good, f, x)),
                    *(result, field),
                ),
            )


def holes_of_client() -> Iterable[tuple[str, Hole]]:
    yield "Client backend", hole(lambda v, x: Client(x).count())
    yield "Client.start workflow", hole(lambda v, x: v.client.start(x))
    for field in (
        "input",
        "id",
        "tags",
        "version",
        "execution_timeout",
        "decision_timeout",
        "task_list",
        "task_priority",
        "child_policy",
        "if_open",
    ):
        yield f"Client.start {field}", hole(lambda v, x, f: v.client.start("Order", **{f: x}), field)
    yield "Client.handle id", hole(lambda v, x: v.client.handle(x).info())
    yield "Client.handle run_id", hole(lambda v, x: v.client.handle(v.process.process_id, x).info())
    for field in (
        "id",
        "workflow",
        "tag",
        "status",
        "closed",
        "started_after",
        "started_before",
        "closed_after",
        "closed_before",
        "nonsense",
    ):
        yield f"Client.count {field}", hole(lambda v, x, f: v.client.count(**{f: x}), field)
        yield f"Client.processes {field}", hole(lambda v, x, f: consume(v.client.processes(**{f: x})), field)
    for verb, field in (
        ("signal", "name"),
        ("cancel", "details"),
        ("terminate", "reason"),
        ("terminate", "details"),
        ("terminate", "child_policy"),
    ):
        yield f"handle.{verb} {field}", hole(on_handle, verb, field)
    yield "handle.signal data", hole(lambda v, x: v.client.handle(*v.process).signal("s", x))
    yield "handle.result into", hole(lambda v, x: v.client.handle(*v.closed).result(x))
    yield "handle.history after", hole(lambda v, x: consume(v.client.handle(*v.process).history(after=x)))


GROUPS: dict[str, dict[str, Hole]] = {
    "processes": dict(holes_of_processes()),
    "reading": dict(holes_of_reading()),
    "types": dict(holes_of_types()),
    "tasks": dict(holes_of_tasks()),
    "forgeries": dict(holes_of_forgeries()),
    "client": dict(holes_of_client()),
}
HOLES = {name: where for group in GROUPS.values() for name, where in group.items()}


# --- what becomes of it ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def victim_on(store: Store, look: Store) -> AsyncIterator[Victim]:
    """Give a victim; in the end check that everything is as it should be and goes on working, and nothing was logged as
    an error.

    Args:
        store: For the backend.
        look: Another on the same data.
    """
    with no_errors_logged():
        async with LocalBackend(store, OPTIONS) as backend:
            await backend.register_workflow(ORDER)
            await backend.register_activity(CHARGE)
            bystander, victim = Victim(backend, look, "bystander"), Victim(backend, look, "victim")
            await look.open()
            await bystander.prepare()
            await victim.prepare()
            victim.closed = victim.process
            await backend.terminate_process(victim.process)
            await victim.prepare()
            before = await bystander.version()
            yield victim
            assert await bystander.version() == before
            await finish(bystander)
        await audit(look)
        await look.close()


@contextmanager
def no_errors_logged() -> Iterator[None]:
    logged: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: logged.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("aioworkflow")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
    assert logged == []


async def finish(victim: Victim) -> None:
    """Bring a process to its end; its tasks are still in our hands."""
    backend = victim.backend
    await backend.complete_activity_task(victim.activity, ActivityCompleted("paid"))
    await backend.complete_decision_task(victim.decision)
    token = await victim.decision_token()
    await backend.complete_decision_task(token, [CompleteProcessDecision("done")])
    ending = await backend.wait_process(victim.process)
    assert isinstance(ending, ProcessCompletedEvent)
    assert ending.result == "done"


async def throw(victim: Victim, where: Hole, junk: object) -> None:
    """Put garbage in: it is good enough, or refused with an error that says something, and then nothing has changed."""
    before = await victim.version()
    told = ""
    try:
        async with asyncio.timeout(20):
            await where(victim, junk)
    except AioworkflowError as error:
        told = f"{error}"
        assert await victim.version() == before
    if not told:
        await victim.prepare()


def stores(kind: str, directory: Path) -> tuple[Store, Store]:
    if kind == "memory":
        database = MemoryDatabase()
        return MemoryStore(database), MemoryStore(database)
    path = directory / f"{uuid.uuid4()}.db"
    return SQLiteStore(path, synchronous="NORMAL"), SQLiteStore(path)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("group", GROUPS)
async def test_each_kind_of_garbage_in_each_place(group: str, kind: str, tmp_path: Path) -> None:
    async with victim_on(*stores(kind, tmp_path)) as victim:
        for where in GROUPS[group].values():
            for junk in GARBAGE:
                await throw(victim, where, junk)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_any_garbage_in_any_place(kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("garbage")

    async def throw_all(thrown: list[tuple[str, Any]]) -> None:
        async with victim_on(*stores(kind, directory)) as victim:
            for name, junk in thrown:
                await throw(victim, HOLES[name], junk)

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.tuples(st.sampled_from(sorted(HOLES)), garbage), min_size=1, max_size=30))
    def check(thrown: list[tuple[str, Any]]) -> None:
        asyncio.run(throw_all(thrown))

    check()


# --- connect ---------------------------------------------------------------------------------------------------------


def connected(url: Any) -> Backend | None:
    """Return what a URL means, or None if it is refused with an error that says something."""
    try:
        return connect(url)
    except AioworkflowError as error:
        told = str(error)
    assert told
    return None


def test_garbage_for_connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [junk for junk in GARBAGE if connected(junk)] == []
    assert list(tmp_path.iterdir()) == []


urls = st.builds(
    lambda scheme, slashes, path, query: f"{scheme}:{slashes}{path}?{query}",
    st.sampled_from(["memory", "sqlite", "SQLite", "postgresql", "swf", "http", ""]),
    st.sampled_from(["", "/", "//", "///", "////"]),
    st.text(max_size=20),
    st.lists(
        st.builds(
            "{}={}".format,
            st.sampled_from(["synchronous", "busy_timeout", "poll_seconds", "cached_runs", "limits", ""]) | st.text(),
            st.sampled_from(["FULL", "1", "0", "-1", "nan", "inf", "1e9", "0x1", ""]) | st.text(),
        ),
        max_size=3,
    ).map("&".join),
)


@settings(deadline=None)
@given(urls | st.text())
def test_any_url(url: str) -> None:
    scheme = url.partition(":")[0].lower()
    assert connected(url) is None or scheme in ("memory", "sqlite", "postgresql", "postgres", "swf")


# --- workers ---------------------------------------------------------------------------------------------------------


class OrderWorkflow(Workflow):
    def decide(self, process: object) -> None: ...


class ChargeActivity(Activity):
    def execute(self, task: object, worker: object) -> None: ...


@pytest.mark.parametrize("field", ["workflows", "activities", "task_lists", "identity", "options"])
async def test_garbage_for_a_worker(field: str) -> None:
    backend = LocalBackend(MemoryStore(), OPTIONS)
    good: dict[str, Any] = {"workflows": [OrderWorkflow], "activities": [ChargeActivity]}
    for junk in (*GARBAGE, *([junk] for junk in GARBAGE)):
        try:
            worker = Worker(backend, **{**good, field: junk})
        except AioworkflowError as error:
            told = str(error)
        else:
            told = repr(worker)
        assert told
