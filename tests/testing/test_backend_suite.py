"""The suite itself: backends that break a rule are found out, and what a backend declares comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from aioworkflow.backend import Backend, OnInterrupt, ProcessFilter, ProcessPage, StartRequest
from aioworkflow.backends.local import LocalBackend, LocalOptions
from aioworkflow.decision import Decision
from aioworkflow.errors import InvalidDecisionError, ProcessAlreadyRunningError, UnknownTaskError
from aioworkflow.event import AnyEvent, MarkerRecordedEvent, ProcessSignaledEvent
from aioworkflow.result import ActivityResult
from aioworkflow.stores.memory import MemoryDatabase, MemoryStore
from aioworkflow.task import ActivityTask
from aioworkflow.testing.conformance.backend import BACKEND_CHECKS, Check, Feature, LocalHarness, Verdict, run_check
from aioworkflow.testing.conformance.backend.expect import (
    equal,
    every,
    kinds,
    one,
    refused,
    show_history,
    timeless,
    true,
)
from aioworkflow.testing.conformance.backend.lab import Lab
from aioworkflow.types import ProcessRef

CHECKS = {check.name: check for check in BACKEND_CHECKS}


class ImpatientHarness(LocalHarness):
    """Local backends of a class that breaks a rule, perhaps, and no patience with them."""

    patience = 0.2

    def __init__(self, broken: type[LocalBackend], lacks: Mapping[Feature | str, str] | None = None) -> None:
        database = MemoryDatabase()
        super().__init__(lambda: MemoryStore(database), LocalOptions(poll_seconds=0.02))
        self._broken = broken
        self.lacks = lacks or {}

    def connect(self) -> AbstractAsyncContextManager[Backend]:
        return self._broken(self._new_store(), self._options, clock=self.clock)


def impatient(
    broken: type[LocalBackend] = LocalBackend, lacks: Mapping[Feature | str, str] | None = None
) -> Callable[[], AbstractAsyncContextManager[ImpatientHarness]]:
    @asynccontextmanager
    async def harness() -> AsyncIterator[ImpatientHarness]:
        async with ImpatientHarness(broken, lacks) as harness:
            yield harness

    return harness


def test_every_check_says_what_it_checks() -> None:
    assert len(CHECKS) == len(BACKEND_CHECKS) > 150
    for check in BACKEND_CHECKS:
        assert check.rule.endswith((".", ")")), check.name
        assert check.source == "promise" or check.source[0].isdecimal(), check.name


# --- what a backend declares ---------------------------------------------------------------------------------------

MARKERS = CHECKS["markers_cause_no_decision"]
PUSHED = CHECKS["holders_are_told_of_cancellation_and_end"]


async def test_a_check_that_passes() -> None:
    assert await run_check(MARKERS, impatient()) == Verdict(check=MARKERS.name)


@pytest.mark.parametrize(
    ("check", "lacks", "excuse"),
    [
        (MARKERS, {MARKERS.name: "it has none"}, "it has none"),
        (PUSHED, {Feature.PUSHED_INTERRUPTIONS: "it polls"}, "PUSHED_INTERRUPTIONS: it polls"),
        (PUSHED, {Feature.PUSHED_INTERRUPTIONS: "a", PUSHED.name: "b"}, "PUSHED_INTERRUPTIONS: a; b"),
        (MARKERS, {Feature.PUSHED_INTERRUPTIONS: "it polls"}, None),
    ],
)
async def test_what_is_declared_comes_back(
    check: Check, lacks: Mapping[Feature | str, str], excuse: str | None
) -> None:
    verdict = await run_check(check, impatient(lacks=lacks))
    assert verdict == Verdict(check=check.name, excuse=excuse)


# --- backends that break a rule ------------------------------------------------------------------------------------


class TakesAnyBatch(LocalBackend):
    async def complete_decision_task(self, token: str, decisions: Sequence[Decision] = (), **how: Any) -> None:
        try:
            await super().complete_decision_task(token, decisions, **how)
        except InvalidDecisionError:
            await super().complete_decision_task(token, **how)


class TakesAnswersTwice(LocalBackend):
    async def complete_decision_task(self, token: str, decisions: Sequence[Decision] = (), **how: Any) -> None:
        try:
            await super().complete_decision_task(token, decisions, **how)
        except UnknownTaskError:
            pass


class NeverTellsOfCancellation(LocalBackend):
    async def heartbeat_activity_task(self, token: str, details_json: str | None = None) -> bool:
        await super().heartbeat_activity_task(token, details_json)
        return False


class LosesTasks(LocalBackend):
    async def poll_activity_task(
        self, task_list: str, *, identity: str | None = None, on_interrupt: OnInterrupt | None = None
    ) -> ActivityTask | None:
        await super().poll_activity_task(task_list, identity=identity)
        return None


class ForgetsInput(LocalBackend):
    async def start_process(self, request: StartRequest) -> ProcessRef:
        return await super().start_process(
            StartRequest(process_id=request.process_id, workflow=request.workflow, tags=request.tags)
        )


class StartsTwice(LocalBackend):
    async def start_process(self, request: StartRequest) -> ProcessRef:
        try:
            return await super().start_process(request)
        except ProcessAlreadyRunningError:
            return ProcessRef(request.process_id, "made up")


class SwallowsResults(LocalBackend):
    async def complete_activity_task(self, token: str, result: ActivityResult) -> None:
        pass


class SkipsEvents(LocalBackend):
    async def history(self, process: ProcessRef, *, after: int = 0) -> AsyncIterator[Sequence[AnyEvent]]:
        async for page in super().history(process, after=after):
            yield page[:1]


class NeverContinues(LocalBackend):
    async def complete_decision_task(self, token: str, decisions: Sequence[Decision] = (), **how: Any) -> None:
        await super().complete_decision_task(token, **how)


class ListsNothing(LocalBackend):
    async def list_processes(
        self, filter: ProcessFilter, *, page_size: int = 100, page_token: str | None = None
    ) -> ProcessPage:
        return ProcessPage(processes=())


class NeverComesToTheLastPage(LocalBackend):
    async def list_processes(
        self, filter: ProcessFilter, *, page_size: int = 100, page_token: str | None = None
    ) -> ProcessPage:
        page = await super().list_processes(filter, page_size=page_size)
        return msgspec.structs.replace(page, next_token="again") if page_token or page.next_token else page


@pytest.mark.parametrize(
    ("broken", "name", "complaint"),
    [
        (TakesAnyBatch, "a_wrong_batch_changes_nothing", "should raise InvalidDecisionError"),
        (TakesAnswersTwice, "an_answer_counts_once", "should raise UnknownTaskError"),
        (NeverTellsOfCancellation, "a_started_activity_is_asked_to_stop", "what a heartbeat tells after"),
        (LosesTasks, "an_activity_completes", "no activity task came within 0.2 seconds"),
        (ForgetsInput, "start_takes_what_the_request_says", "should be"),
        (StartsTwice, "start_with_the_id_of_an_open_process_is_refused", "ProcessAlreadyRunningError"),
        (SwallowsResults, "an_activity_completes", "what was added to the history"),
        (SkipsEvents, "a_recorded_trace_of_amazon_is_followed", "the history of"),
        (SkipsEvents, "markers_cause_no_decision", "decision tasks should have been scheduled"),
        (NeverContinues, "a_run_is_continued_by_another", "should be a ProcessContinuedAsNewEvent"),
        (SkipsEvents, "a_timer_fires", "there should be one TimerStartedEvent"),
        (ListsNothing, "listings_come_in_pages", "finds should be"),
        (NeverComesToTheLastPage, "listings_come_in_pages", "what pages of 1 bring"),
    ],
)
async def test_a_broken_rule_is_found(broken: type[LocalBackend], name: str, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        await run_check(CHECKS[name], impatient(broken))


# --- what checks are made of ---------------------------------------------------------------------------------------

EVENT = MarkerRecordedEvent(event_id=7, timestamp=datetime.now(UTC), marker="m", decision_completed_event_id=6)


def test_expectations_that_hold() -> None:
    equal(1, 1)
    true([1], "it is there")
    with refused(KeyError, ValueError):
        int("x")
    assert one([EVENT], MarkerRecordedEvent) is EVENT
    assert every([EVENT, EVENT], MarkerRecordedEvent) == [EVENT, EVENT]
    assert kinds([EVENT]) == ["MarkerRecorded"]
    assert timeless(EVENT).timestamp.year == 2000
    assert "MarkerRecordedEvent" in show_history([EVENT])


def test_expectations_that_do_not_hold() -> None:
    with pytest.raises(AssertionError, match="the answer should be\n    42\nand is\n    41"):
        equal(41, 42, "the answer")
    with pytest.raises(AssertionError, match="it is there: this should be true"):
        true([], "it is there")
    with pytest.raises(AssertionError, match="should raise KeyError or ValueError"), refused(KeyError, ValueError):
        pass
    with pytest.raises(AssertionError, match="one MarkerRecordedEvent and there are 2"):
        one([EVENT, EVENT], MarkerRecordedEvent)


async def test_events_may_come_one_by_one() -> None:
    async with impatient()() as harness:
        harness.patience = LocalHarness.patience  # nothing is broken, so a busy machine may take its time
        lab = Lab(harness)
        await lab.prepare()
        process = await lab.start()
        await lab.backend.signal_process(process, "first")
        async with lab.meanwhile(lambda: lab.decide_until(ProcessSignaledEvent, 2)) as task:
            assert kinds(await lab.history(process))[-1] == "DecisionCompleted"
            await lab.backend.signal_process(process, "second")
        assert [event.signal for event in every(task.value.events, ProcessSignaledEvent)] == ["first", "second"]
        await lab.expect_scheduled(process, 2)


async def test_what_is_wrong_for_long_is_wrong() -> None:
    async with impatient()() as harness:
        lab = Lab(harness)
        await lab.prepare()

        async def one() -> int:
            return 1

        with pytest.raises(AssertionError, match="the number should be\n    2"):
            await lab.eventually(one, 2, "the number")
        process = await lab.start()
        with pytest.raises(TimeoutError):
            await lab.closed(process)
