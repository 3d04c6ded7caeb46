"""Looking at processes: histories, listings, counts (swf-reference 2.2, 2.4)."""

from __future__ import annotations

from datetime import datetime, timedelta

from ....backend import ProcessFilter, ProcessInfo
from ....decision import CompleteProcessDecision, FailProcessDecision, RecordMarkerDecision
from ....errors import InvalidRequestError, UnknownProcessError
from ....types import ProcessRef, ProcessStatus, TypeRef
from .check import check
from .expect import equal, refused, true
from .harness import Feature
from .lab import Lab


@check("2.2")
async def a_history_is_read_in_order(lab: Lab) -> None:
    """All events, with ids from 1 without gaps, and times that never go back, aware and in UTC; of closed runs too."""
    process = await lab.start()
    markers = [RecordMarkerDecision(f"marker {number}") for number in range(50)]
    for _ in range(3):
        await lab.decide(*markers)
        await lab.backend.signal_process(process, "s")
    for closed in (False, True):
        if closed:
            await lab.decide(CompleteProcessDecision())
        events = await lab.history(process)
        true(len(events) > 150, "the history is long")
        equal([event.event_id for event in events], list(range(1, len(events) + 1)), "the event ids")
        times = [event.timestamp for event in events]
        equal(times, sorted(times), "the timestamps")
        equal({time.utcoffset() for time in times}, {timedelta(0)}, "the time zones")


@check("promise")
async def a_history_may_be_read_from_anywhere(lab: Lab) -> None:
    """``after`` leaves out the events up to it; without a run id the open run is meant, else the latest."""
    process = await lab.begin(RecordMarkerDecision("m"))
    events = await lab.history(process)
    for after in range(len(events) + 2):
        read = [event async for page in lab.backend.history(process, after=after) for event in page]
        equal(read, events[after:], f"the events after {after}")
    equal(await lab.history(ProcessRef(process.process_id)), events, "the history of the open run")
    await lab.backend.terminate_process(process)
    equal((await lab.history(ProcessRef(process.process_id)))[:-1], events, "the history of the latest run")


@check("2.2")
async def an_unknown_process_has_no_history(lab: Lab) -> None:
    """An unknown process, or run of one, is an UnknownProcessError."""
    process = await lab.start()
    for unknown in (ProcessRef(lab.name("nobody")), ProcessRef(process.process_id, "no-such-run")):
        with refused(UnknownProcessError):
            await lab.history(unknown)
        with refused(UnknownProcessError):
            await lab.info(unknown)


async def _listed(lab: Lab, filter: ProcessFilter) -> list[ProcessInfo]:
    """Return all that a filter finds; pages may be short."""
    found: list[ProcessInfo] = []
    page = await lab.backend.list_processes(filter)
    found += page.processes
    while page.next_token is not None:
        page = await lab.backend.list_processes(filter, page_token=page.next_token)
        found += page.processes
    return found


async def _expect_listed(lab: Lab, filter: ProcessFilter, *expected: ProcessRef) -> None:
    """Expect a filter to find exactly these, latest start first, and to count them."""

    async def listed() -> list[ProcessRef]:
        return [info.process for info in await _listed(lab, filter)]

    async def counted() -> int:
        return await lab.backend.count_processes(filter)

    await lab.eventually(listed, list(expected), f"what {filter} finds")
    await lab.eventually(counted, len(expected), f"the count of {filter}")


@check("2.2")
async def processes_are_found_by_what_they_are(lab: Lab) -> None:
    """By process id, workflow, version and tag."""
    second = await lab.add_workflow(TypeRef(lab.workflow.name, "2"))
    red, blue = lab.name("red"), lab.name("blue")
    one = await lab.start("one", tags=(red, blue))
    await lab.advance(1)
    two = await lab.start("two", tags=(blue,), workflow=second)
    await lab.advance(1)
    three = await lab.start("three")
    name = lab.workflow.name
    await _expect_listed(lab, ProcessFilter(workflow=name), three, two, one)
    await _expect_listed(lab, ProcessFilter(workflow=name, workflow_version="1"), three, one)
    await _expect_listed(lab, ProcessFilter(workflow=name, workflow_version="3"))
    await _expect_listed(lab, ProcessFilter(workflow=lab.name("nobody")))
    await _expect_listed(lab, ProcessFilter(tag=blue), two, one)
    await _expect_listed(lab, ProcessFilter(tag=red), one)
    await _expect_listed(lab, ProcessFilter(tag=lab.name("re")))
    await _expect_listed(lab, ProcessFilter(process_id=three.process_id), three)


@check("promise", Feature.JOINED_FILTERS)
async def of_several_conditions_all_must_hold(lab: Lab) -> None:
    """Process id, workflow, version and tag can be asked for together."""
    second = await lab.add_workflow(TypeRef(lab.workflow.name, "2"))
    blue = lab.name("blue")
    await lab.start("one", tags=(blue,))
    two = await lab.start("two", tags=(blue,), workflow=second)
    three = await lab.start("three")
    name = lab.workflow.name
    await _expect_listed(lab, ProcessFilter(tag=blue, workflow=name, workflow_version="2"), two)
    await _expect_listed(lab, ProcessFilter(process_id=three.process_id, workflow=name), three)
    await _expect_listed(lab, ProcessFilter(process_id=three.process_id, tag=blue))


@check("2.2", Feature.JOINED_FILTERS)
async def processes_are_found_by_how_they_stand(lab: Lab) -> None:
    """By status, and by being open or closed."""
    workflow = lab.workflow.name
    completed = await lab.begin(CompleteProcessDecision(), word="completed")
    await lab.advance(1)
    failed = await lab.begin(FailProcessDecision(), word="failed")
    await lab.advance(1)
    running = await lab.begin(word="running")
    for status, found in (
        (ProcessStatus.COMPLETED, [completed]),
        (ProcessStatus.FAILED, [failed]),
        (ProcessStatus.OPEN, [running]),
        (ProcessStatus.TIMED_OUT, []),
    ):
        await _expect_listed(lab, ProcessFilter(workflow=workflow, status=status), *found)
    await _expect_listed(lab, ProcessFilter(workflow=workflow, closed=True), failed, completed)
    await _expect_listed(lab, ProcessFilter(workflow=workflow, closed=False), running)
    await _expect_listed(lab, ProcessFilter(workflow=workflow, closed=False, status=ProcessStatus.FAILED))


@check("2.2")
async def processes_are_found_by_time(lab: Lab) -> None:
    """By their start and their end; bounds from below belong to the range, bounds from above do not."""
    workflow = lab.workflow.name
    times: list[tuple[datetime, datetime]] = []
    processes: list[ProcessRef] = []
    for number in range(3):
        process = await lab.start(f"process {number}")
        await lab.advance(2)
        await lab.backend.terminate_process(process)
        history = await lab.history(process)
        times.append((history[0].timestamp, history[-1].timestamp))
        processes.append(process)
        await lab.advance(2)
    (_, _), (started, closed), (later, _) = times
    one, two, three = processes
    await _expect_listed(lab, ProcessFilter(workflow=workflow, started_after=started), three, two)
    await _expect_listed(lab, ProcessFilter(workflow=workflow, started_before=started), one)
    await _expect_listed(lab, ProcessFilter(workflow=workflow, started_after=started, started_before=later), two)
    await _expect_listed(lab, ProcessFilter(workflow=workflow, closed_after=closed), three, two)
    await _expect_listed(lab, ProcessFilter(workflow=workflow, closed_before=closed), one)
    await lab.start("still open")
    await _expect_listed(lab, ProcessFilter(workflow=workflow, closed_after=started), three, two)


@check("2.4")
async def listings_come_in_pages(lab: Lab) -> None:
    """Following the tokens gives everything once and in order; the last page has no token."""
    started = []
    for number in range(7):
        started.append(await lab.start(f"process {number}"))
        await lab.advance(1)
    filter = ProcessFilter(workflow=lab.workflow.name)
    await _expect_listed(lab, filter, *reversed(started))
    for size in (1, 3, 7, 100):
        found: list[ProcessRef] = []
        token = None
        for _ in range(20):
            page = await lab.backend.list_processes(filter, page_size=size, page_token=token)
            true(len(page.processes) <= size, f"a page has at most {size} processes")
            found += [info.process for info in page.processes]
            token = page.next_token
            if token is None:
                break
        equal(found, started[::-1], f"what pages of {size} bring")
        equal(token, None, "the last token")


@check("2.4")
async def listings_tell_what_info_tells(lab: Lab) -> None:
    """A listing has what ``process_info`` has, except what only that can tell."""
    await lab.begin(CompleteProcessDecision(), word="closed", tags=("a",))
    await lab.start("open")
    found = await _listed(lab, ProcessFilter(workflow=lab.workflow.name))
    equal(len(found), 2, "the number of processes")
    for listed in found:
        info = await lab.info(listed.process)
        for field in ("process", "workflow", "status", "started_at", "closed_at", "tags", "parent", "cancel_requested"):
            equal(getattr(listed, field), getattr(info, field), field)


@check("2.4")
async def bad_pages_are_refused(lab: Lab) -> None:
    """A page token that was never given out, and sizes that make no sense, are refused."""
    await lab.start()
    for token in ("x", "zz", "ü", "00"):
        with refused(InvalidRequestError):
            await lab.backend.list_processes(ProcessFilter(), page_token=token)
    for size in (0, -1):
        with refused(InvalidRequestError):
            await lab.backend.list_processes(ProcessFilter(), page_size=size)
