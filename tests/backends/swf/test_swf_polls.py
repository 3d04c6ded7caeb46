"""Polls that are left alone are not lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from aioworkflow.backends.swf.polls import Polls
from aioworkflow.errors import BackendClosedError, BackendUnavailableError


class Service:
    """Polls end when the test says so."""

    def __init__(self) -> None:
        self.polls: list[asyncio.Future[str | None]] = []
        self.handed_back: list[str] = []
        self.refuses = False

    def start(self) -> Coroutine[None, None, str | None]:
        future: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self.polls.append(future)

        async def poll() -> str | None:
            return await future

        return poll()

    async def hand_back(self, task: str) -> None:
        await asyncio.sleep(0)
        if self.refuses:
            raise BackendUnavailableError("no")
        self.handed_back.append(task)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def decisions() -> Polls[str]:
    """Polls for what cannot be handed back."""
    return Polls()


@pytest.fixture
def activities(service: Service) -> Polls[str]:
    return Polls(service.hand_back)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def polling(polls: Polls[str], service: Service, key: str = "list") -> asyncio.Task[str | None]:
    task = asyncio.create_task(polls.poll(key, service.start))
    await settle()
    return task


async def abandoned(polls: Polls[str], service: Service, key: str = "list") -> None:
    """Poll, and cancel the caller."""
    task = await polling(polls, service, key)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_poll_returns_what_it_brings(decisions: Polls[str], service: Service) -> None:
    poll = await polling(decisions, service)
    assert decisions.in_flight == 1
    service.polls[0].set_result("task")
    assert await poll == "task"
    assert decisions.in_flight == 0


async def test_a_poll_raises_what_it_meets(decisions: Polls[str], service: Service) -> None:
    poll = await polling(decisions, service)
    service.polls[0].set_exception(BackendUnavailableError("away"))
    with pytest.raises(BackendUnavailableError, match="away"):
        await poll


async def test_the_next_poll_takes_over_one_that_was_left_alone(decisions: Polls[str], service: Service) -> None:
    await abandoned(decisions, service)
    await abandoned(decisions, service, "other")
    following = await polling(decisions, service)
    assert len(service.polls) == 2
    service.polls[0].set_result("task")
    assert await following == "task"
    fresh = await polling(decisions, service)
    assert len(service.polls) == 3
    service.polls[1].set_result(None)
    service.polls[2].set_result(None)
    assert await fresh is None


async def test_what_cannot_be_handed_back_waits_for_the_next_poll(decisions: Polls[str], service: Service) -> None:
    polls = [await polling(decisions, service) for _ in range(2)]
    for poll in polls:
        poll.cancel()
    await asyncio.gather(*polls, return_exceptions=True)
    for number, answer in enumerate(service.polls):
        answer.set_result(f"task {number}")
    await settle()
    brought = [await decisions.poll("list", service.start) for _ in range(2)]
    assert sorted(map(str, brought)) == ["task 0", "task 1"]
    assert len(service.polls) == 2


@pytest.mark.parametrize("kind", ["decisions", "activities"])
async def test_what_is_left_alone_brings_goes_to_who_waits_for_the_same(
    request: pytest.FixtureRequest, service: Service, kind: str
) -> None:
    polls: Polls[str] = request.getfixturevalue(kind)
    left = [await polling(polls, service) for _ in range(2)]
    for poll in left:
        poll.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    other = await polling(polls, service, "other")
    following = await polling(polls, service)
    taken_over = 1
    service.polls[1 - taken_over].set_result("task")
    assert await following == "task"
    assert not other.done()
    last = await polling(polls, service)
    service.polls[taken_over].set_result("last task")
    assert await last == "last task"
    assert (service.handed_back, len(service.polls)) == ([], 3)
    service.polls[2].set_result(None)
    assert await other is None


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize("cancel_first", [True, False])
async def test_whenever_who_gets_it_then_is_cancelled_the_task_goes_somewhere(
    activities: Polls[str], service: Service, turns: int, cancel_first: bool
) -> None:
    left = [await polling(activities, service) for _ in range(2)]
    for poll in left:
        poll.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    poll = await polling(activities, service)
    acts: list[Callable[[], object]] = [poll.cancel, lambda: service.polls[0].set_result("task")]
    for act in acts if cancel_first else acts[::-1]:
        act()
        for _ in range(turns):
            await asyncio.sleep(0)
    (outcome,) = await asyncio.gather(poll, return_exceptions=True)
    await settle()
    assert (outcome == "task") != (service.handed_back == ["task"])
    assert activities.in_flight == 1
    service.polls[1].set_result("other task")
    await settle()
    assert service.handed_back[-1] == "other task"


async def test_what_can_be_handed_back_is_at_once(activities: Polls[str], service: Service) -> None:
    await abandoned(activities, service)
    service.polls[0].set_result("task")
    await settle()
    assert service.handed_back == ["task"]


async def test_a_task_that_comes_together_with_the_cancellation_is_seen_to(
    activities: Polls[str], service: Service
) -> None:
    poll = await polling(activities, service)
    service.polls[0].set_result("task")
    await asyncio.sleep(0)
    poll.cancel()
    with pytest.raises(asyncio.CancelledError):
        await poll
    await settle()
    assert service.handed_back == ["task"]


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize("cancel_first", [True, False])
async def test_whenever_the_cancellation_comes_the_task_goes_somewhere(
    activities: Polls[str], service: Service, turns: int, cancel_first: bool
) -> None:
    poll = await polling(activities, service)
    acts: list[Callable[[], object]] = [poll.cancel, lambda: service.polls[0].set_result("task")]
    for act in acts if cancel_first else acts[::-1]:
        act()
        for _ in range(turns):
            await asyncio.sleep(0)
    (outcome,) = await asyncio.gather(poll, return_exceptions=True)
    await settle()
    assert (outcome == "task") != (service.handed_back == ["task"])


async def test_a_fault_together_with_the_cancellation_is_only_logged(
    activities: Polls[str], service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    poll = await polling(activities, service)
    service.polls[0].set_exception(BackendUnavailableError("away"))
    for _ in range(2):
        await asyncio.sleep(0)
    poll.cancel()
    with pytest.raises((asyncio.CancelledError, BackendUnavailableError)):
        await poll
    await settle()
    assert activities.in_flight == 0
    assert all("away" in record.getMessage() for record in caplog.records)


async def test_faults_of_polls_that_nobody_waits_for_are_logged(
    activities: Polls[str], service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    for error in (BackendUnavailableError("away"), BackendClosedError("closed")):
        await abandoned(activities, service)
        service.polls[-1].set_exception(error)
        await settle()
    assert [record.getMessage() for record in caplog.records] == ["a poll that nobody waited for has failed: away"]


async def test_an_empty_poll_that_nobody_waits_for_is_nothing(activities: Polls[str], service: Service) -> None:
    await abandoned(activities, service)
    service.polls[0].set_result(None)
    await settle()
    assert service.handed_back == []
    await activities.close(1.0)


async def test_a_task_that_cannot_be_handed_back_is_an_error_in_the_log(
    activities: Polls[str], service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.refuses = True
    await abandoned(activities, service)
    service.polls[0].set_result("task")
    await settle()
    assert "a task that nobody waits for could not be handed back: no" in caplog.text


async def test_closing_ends_the_waiting_and_takes_in_what_comes(activities: Polls[str], service: Service) -> None:
    waiting = await polling(activities, service)
    await abandoned(activities, service, "other")
    closing = asyncio.create_task(activities.close(60.0))
    await settle()
    assert await waiting is None
    assert not closing.done()
    for poll, task in zip(service.polls, ("a", "b"), strict=True):
        poll.set_result(task)
    await closing
    assert sorted(service.handed_back) == ["a", "b"]


async def test_closing_says_what_is_left_to_time_out(
    decisions: Polls[str], service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    await abandoned(decisions, service)
    closing = asyncio.create_task(decisions.close(60.0))
    await settle()
    service.polls[0].set_result("task")
    await closing
    assert "it is left to time out: task" in caplog.text


async def test_closing_gives_up_after_some_time(
    activities: Polls[str], service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    await abandoned(activities, service)
    await activities.close(0.0)
    assert service.polls[0].cancelled()
    assert "1 polls were given up" in caplog.text


async def test_closing_is_given_up_when_it_is_cancelled(activities: Polls[str], service: Service) -> None:
    waiting = await polling(activities, service)
    closing = asyncio.create_task(activities.close(60.0))
    await settle()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert service.polls[0].cancelled()
    assert await waiting is None


async def test_a_poll_that_is_cancelled_from_within_ends_empty(decisions: Polls[str], service: Service) -> None:
    poll = await polling(decisions, service)
    service.polls[0].cancel()
    assert await poll is None


async def test_a_caller_that_is_cancelled_while_closing_is_no_harm(activities: Polls[str], service: Service) -> None:
    waiting = await polling(activities, service)
    closing = asyncio.create_task(activities.close(60.0))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    service.polls[0].set_result("task")
    await closing
    assert service.handed_back == ["task"]
