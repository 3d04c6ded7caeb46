"""Rule workflows: which handlers are called, how their decisions are joined, and what is done for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from aioworkflow.activity import Activity, activity
from aioworkflow.deciding import decide
from aioworkflow.decision import (
    CancelProcessDecision,
    CompleteProcessDecision,
    ContinueAsNewDecision,
    Decision,
    FailProcessDecision,
    RecordMarkerDecision,
    ScheduleActivityDecision,
    StartTimerDecision,
)
from aioworkflow.errors import InvalidDecisionError, InvalidRequestError
from aioworkflow.event import (
    ActivityAbortedEvent,
    ActivityCancelRequestedEvent,
    ActivityCompletedEvent,
    ActivityFailedEvent,
    ActivityTimedOutEvent,
    AnyEvent,
    CancelProcessFailedEvent,
    Cause,
    ChildProcessCanceledEvent,
    ChildProcessCompletedEvent,
    ChildProcessFailedEvent,
    ChildProcessTerminatedEvent,
    ChildProcessTimedOutEvent,
    CompleteProcessFailedEvent,
    ContinueAsNewFailedEvent,
    Event,
    FailProcessFailedEvent,
    MarkerRecordedEvent,
    ProcessCancelRequestedEvent,
    ProcessSignaledEvent,
    ProcessStartedEvent,
    ScheduleActivityFailedEvent,
    StartChildProcessFailedEvent,
    StartTimerFailedEvent,
    TimerFiredEvent,
)
from aioworkflow.process import Process
from aioworkflow.retry import RetryPolicy
from aioworkflow.rules import (
    RuleWorkflow,
    on_activity_completed,
    on_activity_interrupted,
    on_cancel_requested,
    on_child_closed,
    on_close_refused,
    on_event,
    on_signal,
    on_started,
    on_timer,
)
from aioworkflow.types import TimeoutType, TypeRef
from aioworkflow.workflow import Workflow
from tests.written_history import REF, History


class FooActivity(Activity):
    pass


class BarActivity(Activity):
    pass


class ChildWorkflow(Workflow):
    pass


class OtherWorkflow(Workflow):
    pass


def marked(name: str) -> RecordMarkerDecision:
    return RecordMarkerDecision(name)


async def decided(workflow: type[RuleWorkflow] | RuleWorkflow, process: Process) -> list[Decision]:
    return await decide(workflow if isinstance(workflow, RuleWorkflow) else workflow(), process)


# --- which handlers are called ---------------------------------------------------------------------------


class AllEventsWorkflow(RuleWorkflow):
    """Marks each call of each handler."""

    @on_started
    def started(self, process: Process, event: ProcessStartedEvent) -> Decision:
        return marked(f"started {event.event_id}")

    @on_activity_completed(FooActivity)
    async def foo_completed(self, process: Process, event: ActivityCompletedEvent) -> Decision:
        return marked(f"foo completed {event.result}")

    @on_activity_completed()
    def any_completed(self, process: Process, event: ActivityCompletedEvent) -> Decision:
        return marked(f"any completed {event.result}")

    @on_activity_interrupted(FooActivity, "Baz")
    def foo_interrupted(self, process: Process, event: AnyEvent) -> Decision:
        return marked(f"foo {type(event).__name__}")

    @on_signal("go", "run")
    async def signaled(self, process: Process, event: ProcessSignaledEvent) -> AsyncIterator[object]:
        yield marked(f"{event.signal} {event.input}")

    @on_signal()
    def any_signal(self, process: Process, event: ProcessSignaledEvent) -> Decision:
        return marked(f"signal {event.signal}")

    @on_timer("t")
    @on_timer("u", "v")
    def fired(self, process: Process, event: TimerFiredEvent) -> list[Decision]:
        return [marked(f"fired {event.timer_id}")]

    @on_child_closed(ChildWorkflow)
    def child_closed(self, process: Process, event: AnyEvent) -> Decision:
        return marked(f"child {type(event).__name__}")

    @on_cancel_requested
    def cancel_requested(self, process: Process, event: ProcessCancelRequestedEvent) -> Decision:
        return marked(f"cancel {event.details}")

    @classmethod
    @on_event(MarkerRecordedEvent)
    def recorded(cls, process: Process, event: MarkerRecordedEvent) -> Decision:
        return marked(f"{cls.__name__} recorded {event.marker}")


Write = Callable[[History], object]


def schedule_failed(history: History, name: str = "Foo") -> int:
    return history.result(
        ScheduleActivityFailedEvent,
        activity_id="a",
        activity=TypeRef(name),
        cause=Cause.ACTIVITY_TYPE_DOES_NOT_EXIST,
    )


def interrupted(kind: Callable[..., AnyEvent], name: str = "Foo", **fields: Any) -> Write:
    return lambda history: history.close(kind, history.schedule("a", name), **fields)


def closed_child(kind: Callable[..., AnyEvent], name: str = "Child") -> Write:
    return lambda history: history.close_child(kind, "c", history.initiate_child("c", name), name=name)


def child_refused(history: History) -> int:
    return history.result(
        StartChildProcessFailedEvent,
        process_id="c",
        workflow=TypeRef("Child"),
        cause=Cause.OPEN_CHILDREN_LIMIT_EXCEEDED,
    )


CALLS: list[tuple[Write, list[str]]] = [
    (lambda history: history.complete(history.schedule("a"), 5), ["foo completed 5", "any completed 5"]),
    (lambda history: history.complete(history.schedule("a", "Bar"), 5), ["any completed 5"]),
    (interrupted(ActivityFailedEvent), ["foo ActivityFailedEvent"]),
    (interrupted(ActivityAbortedEvent), ["foo ActivityAbortedEvent"]),
    (interrupted(ActivityTimedOutEvent, timeout_type=TimeoutType.HEARTBEAT), ["foo ActivityTimedOutEvent"]),
    (interrupted(ActivityFailedEvent, "Baz"), ["foo ActivityFailedEvent"]),
    (schedule_failed, ["foo ScheduleActivityFailedEvent"]),
    (lambda history: history.signal("go", 1), ["go 1", "signal go"]),
    (lambda history: history.signal("run", 2), ["run 2", "signal run"]),
    (lambda history: history.signal("other"), ["signal other"]),
    (lambda history: history.fire("t", history.start_timer("t")), ["fired t"]),
    (lambda history: history.fire("v", history.start_timer("v")), ["fired v"]),
    (lambda history: history.fire("w", history.start_timer("w")), []),
    (closed_child(ChildProcessCompletedEvent), ["child ChildProcessCompletedEvent"]),
    (closed_child(ChildProcessFailedEvent), ["child ChildProcessFailedEvent"]),
    (closed_child(ChildProcessTimedOutEvent), ["child ChildProcessTimedOutEvent"]),
    (closed_child(ChildProcessCanceledEvent), ["child ChildProcessCanceledEvent"]),
    (closed_child(ChildProcessTerminatedEvent), ["child ChildProcessTerminatedEvent"]),
    (child_refused, ["child StartChildProcessFailedEvent"]),
    (closed_child(ChildProcessCompletedEvent, "Other"), []),
    (lambda history: history.add(ProcessCancelRequestedEvent, details_json="7"), ["cancel 7"]),
    (lambda history: history.result(MarkerRecordedEvent, marker="m"), ["AllEventsWorkflow recorded m"]),
    (lambda history: history.schedule("a"), []),
]


@pytest.mark.parametrize(("write", "expected"), CALLS)
async def test_an_event_calls_the_handlers_that_its_rules_name(write: Write, expected: list[str]) -> None:
    history = History()
    history.decide()
    write(history)
    decisions = await decided(AllEventsWorkflow, history.turn())
    assert decisions == [marked(text) for text in expected]


async def test_the_start_calls_its_handler_and_only_new_events_count() -> None:
    history = History()
    assert await decided(AllEventsWorkflow, history.turn()) == [marked("started 1")]
    history.complete_decision()
    assert await decided(AllEventsWorkflow, history.turn()) == []


async def test_handlers_are_called_in_the_order_of_events() -> None:
    history = History()
    history.decide()
    history.signal("b")
    history.complete(history.schedule("a", "Bar"), 1)
    history.signal("a")
    decisions = await decided(AllEventsWorkflow, history.turn())
    assert decisions == [marked("signal b"), marked("any completed 1"), marked("signal a")]


# --- inheritance -----------------------------------------------------------------------------------------


class BaseWorkflow(RuleWorkflow):
    @on_started
    def start(self, process: Process, event: Event) -> object:
        return marked("base start")

    @on_signal("go")
    def go(self, process: Process, event: Event) -> object:
        return marked("base go")

    @on_signal("stop")
    def stop(self, process: Process, event: Event) -> object:
        return marked("base stop")


class DerivedWorkflow(BaseWorkflow):
    def go(self, process: Process, event: Event) -> object:
        return marked("derived go")

    @on_signal("halt")
    def stop(self, process: Process, event: Event) -> object:
        return marked("derived stop")

    start = None  # type: ignore[assignment]

    @on_signal("go")
    def also(self, process: Process, event: Event) -> object:
        return marked("also")


async def test_handlers_are_inherited_overridden_and_removed() -> None:
    history = History()
    for signal in ("go", "stop", "halt"):
        history.signal(signal)
    assert await decided(BaseWorkflow, history.turn()) == [
        marked("base start"),
        marked("base go"),
        marked("base stop"),
    ]
    assert await decided(DerivedWorkflow, history.turn()) == [
        marked("derived go"),
        marked("also"),
        marked("derived stop"),
    ]


# --- joining ---------------------------------------------------------------------------------------------


class JoiningWorkflow(RuleWorkflow):
    @on_activity_completed(FooActivity)
    def completed(self, process: Process, event: ActivityCompletedEvent) -> object:
        return None if process.open_activities else BarActivity

    @on_signal("close")
    def close(self, process: Process, event: ProcessSignaledEvent) -> object:
        return [CompleteProcessDecision(event.input), RecordMarkerDecision("closing")]

    @on_signal("note")
    def note(self, process: Process, event: ProcessSignaledEvent) -> object:
        return StartTimerDecision(1)


async def test_equal_decisions_of_several_handlers_count_once() -> None:
    history = History(5)
    history.decide()
    first, second = history.schedule("1"), history.schedule("2")
    history.complete(first)
    history.complete(second)
    decisions = await decided(JoiningWorkflow, history.turn())
    assert decisions == [ScheduleActivityDecision(BarActivity, 5, id=f"Bar-{len(history.events)}-0")]


async def test_a_closing_decision_goes_to_the_end_and_the_first_counts() -> None:
    history = History()
    history.signal("close", 1)
    history.signal("note")
    history.signal("close", 2)
    decisions = await decided(JoiningWorkflow, history.turn())
    assert decisions == [
        RecordMarkerDecision("closing"),
        StartTimerDecision(1, id="timer-6-1"),
        CompleteProcessDecision(1),
    ]


async def test_rubbish_names_the_handler() -> None:
    class RubbishWorkflow(RuleWorkflow):
        @on_started
        def start(self, process: Process, event: Event) -> object:
            return 7

    with pytest.raises(InvalidDecisionError, match=r"workflow Rubbish\.start decided on .* with 7"):
        await decided(RubbishWorkflow, History().turn())


# --- a refused close -------------------------------------------------------------------------------------


class ClosingWorkflow(RuleWorkflow):
    @on_started
    def start(self, process: Process, event: Event) -> object:
        return FooActivity

    @on_activity_completed(FooActivity)
    def completed(self, process: Process, event: ActivityCompletedEvent) -> object:
        return [RecordMarkerDecision("done"), CompleteProcessDecision([event.result, len(process.signals("late"))])]

    @on_signal("late")
    def late(self, process: Process, event: ProcessSignaledEvent) -> object:
        return RecordMarkerDecision(f"late {event.input}")


REFUSALS = [CompleteProcessFailedEvent, FailProcessFailedEvent, CancelProcessFailedEvent, ContinueAsNewFailedEvent]


def refuse(history: History, kind: Callable[..., AnyEvent] = CompleteProcessFailedEvent, **fields: Any) -> int:
    """A decision to close that was refused since a signal came while it was made."""
    history.signal("late", history.decision)
    history.complete_decision()
    return history.result(kind, cause=Cause.UNHANDLED_DECISION, **fields)


def until_completed() -> History:
    history = History()
    history.decide()
    history.complete(history.schedule("a"), "foo")
    history.start_decision()
    return history


async def test_a_refused_close_is_repeated_as_it_was_decided() -> None:
    history = until_completed()
    closing = CompleteProcessDecision(["foo", 0])
    assert await decided(ClosingWorkflow, history.process()) == [RecordMarkerDecision("done"), closing]
    refuse(history)
    assert await decided(ClosingWorkflow, history.turn()) == [RecordMarkerDecision("late 4"), closing]


async def test_a_close_that_is_refused_again_and_again_is_still_the_first() -> None:
    history = until_completed()
    for _ in range(3):
        refuse(history)
        last = await decided(ClosingWorkflow, history.turn())
        assert last[-1] == CompleteProcessDecision(["foo", 0])
        assert len(last) == 2


async def test_a_close_in_the_very_first_decision_is_repeated() -> None:
    class HastyWorkflow(RuleWorkflow):
        @on_started
        def start(self, process: Process, event: Event) -> object:
            return ContinueAsNewDecision(process.last_event_id)

    history = History()
    history.start_decision()
    refuse(history, ContinueAsNewFailedEvent)
    assert await decided(HastyWorkflow, history.turn()) == [ContinueAsNewDecision(3)]


@pytest.mark.parametrize("kind", REFUSALS)
async def test_a_handler_may_think_again(kind: type[AnyEvent]) -> None:
    class ThinkingWorkflow(ClosingWorkflow):
        @on_close_refused
        def refused(self, process: Process, event: AnyEvent) -> object:
            return marked(type(event).__name__)

    history = until_completed()
    refuse(history, kind)
    decisions = await decided(ThinkingWorkflow, history.turn())
    assert decisions == [marked(kind.__name__), RecordMarkerDecision("late 4")]


async def test_a_decider_that_forgot_its_close_is_an_error() -> None:
    class ForgetfulWorkflow(RuleWorkflow):
        @on_started
        def start(self, process: Process, event: Event) -> object:
            return marked("nothing to close")

    history = until_completed()
    refuse(history)
    with pytest.raises(
        InvalidDecisionError, match=r"workflow Forgetful decided to close process .* must follow from hist"
    ):
        await decided(ForgetfulWorkflow, history.turn())


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            ContinueAsNewFailedEvent,
            [FailProcessDecision("continuing as new was refused: OPERATION_NOT_PERMITTED")],
        ),
        (CompleteProcessFailedEvent, []),
        (FailProcessFailedEvent, []),
        (CancelProcessFailedEvent, []),
    ],
)
async def test_a_close_that_is_not_allowed_is_not_repeated(kind: type[AnyEvent], expected: list[Decision]) -> None:
    history = History()
    history.decide()
    history.result(kind, cause=Cause.OPERATION_NOT_PERMITTED)
    assert await decided(ClosingWorkflow, history.turn()) == expected


# --- what is waited for in vain --------------------------------------------------------------------------


class WaitingWorkflow(RuleWorkflow):
    @on_activity_completed(FooActivity)
    @on_timer("t")
    def waited_for(self, process: Process, event: Event) -> object:
        return CompleteProcessDecision()


def timer_refused(timer_id: str) -> Write:
    return lambda history: history.result(
        StartTimerFailedEvent, timer_id=timer_id, cause=Cause.OPEN_TIMERS_LIMIT_EXCEEDED
    )


def canceled_by_the_decider(history: History) -> int:
    foo = history.schedule("a")
    history.decide()
    requested = history.result(ActivityCancelRequestedEvent, activity_id="a")
    return history.close(ActivityAbortedEvent, foo, cancel_requested_event_id=requested)


IN_VAIN: list[tuple[Write, list[Decision]]] = [
    (
        interrupted(ActivityFailedEvent, reason="ValueError: no", details_json='{"type":"ValueError"}'),
        [FailProcessDecision("activity 'a' (Foo) failed: ValueError: no", {"type": "ValueError"})],
    ),
    (
        interrupted(ActivityTimedOutEvent, timeout_type=TimeoutType.HEARTBEAT, details_json="3"),
        [FailProcessDecision("activity 'a' (Foo) timed out: HEARTBEAT", 3)],
    ),
    (
        interrupted(ActivityAbortedEvent, reason="enough"),
        [FailProcessDecision("activity 'a' (Foo) was aborted: enough")],
    ),
    (schedule_failed, [FailProcessDecision("activity 'a' (Foo) was refused: ACTIVITY_TYPE_DOES_NOT_EXIST")]),
    (timer_refused("t"), [FailProcessDecision("timer 't' was refused: OPEN_TIMERS_LIMIT_EXCEEDED")]),
    (canceled_by_the_decider, []),
    # Nobody waits for these:
    (interrupted(ActivityFailedEvent, "Bar"), []),
    (lambda history: schedule_failed(history, "Bar"), []),
    (timer_refused("u"), []),
]


@pytest.mark.parametrize(("write", "expected"), IN_VAIN)
async def test_what_is_waited_for_in_vain_fails_the_process(write: Write, expected: list[Decision]) -> None:
    history = History()
    history.decide()
    write(history)
    assert await decided(WaitingWorkflow, history.turn()) == expected


async def test_cancellation_is_obeyed() -> None:
    history = History()
    history.add(ProcessCancelRequestedEvent, details_json='"late"')
    assert await decided(WaitingWorkflow, history.turn()) == [CancelProcessDecision("late")]


# --- trying again ----------------------------------------------------------------------------------------


@activity(retry=RetryPolicy(maximum_attempts=3, initial=10, backoff=3, non_retryable=(KeyError,)))
async def charge(order: object) -> None: ...


@activity(retry=RetryPolicy(maximum_attempts=2, initial=0))
async def ship(order: object) -> None: ...


@activity(retry=RetryPolicy(maximum_attempts=None, jitter=1))
async def ask(order: object) -> None: ...


class RetryingWorkflow(RuleWorkflow):
    activities = (ask, "NoPolicy", FooActivity)

    @on_activity_completed(charge, ship)
    def completed(self, process: Process, event: ActivityCompletedEvent) -> object:
        return CompleteProcessDecision(event.result)

    @on_activity_interrupted(charge)
    def interrupted(self, process: Process, event: AnyEvent) -> object:
        return marked(f"given up after {type(event).__name__}")

    @on_cancel_requested
    def cancel(self, process: Process, event: ProcessCancelRequestedEvent) -> object:
        return marked("winding up")

    @on_timer()
    def fired(self, process: Process, event: TimerFiredEvent) -> object:
        return marked(f"fired {event.timer_id}")


def attempt(
    history: History, name: str = "charge", kind: Callable[..., AnyEvent] = ActivityFailedEvent, **f: Any
) -> int:
    scheduled = history.schedule(
        "c", name, {"sku": "a"}, control_json="[1]", task_priority=3, start_to_close_timeout=60.0, task_list="cards"
    )
    history.close(kind, scheduled, **f)
    return scheduled


def retry_timer(delay: float, scheduled: int) -> StartTimerDecision:
    return StartTimerDecision(delay, id=f"aioworkflow.retry-{scheduled}")


def wait(history: History, scheduled: int) -> None:
    """Let the timer before the next attempt run out."""
    history.complete_decision()
    timer = retry_timer(1, scheduled).id
    assert timer
    history.fire(timer, history.start_timer(timer))


AGAIN = ScheduleActivityDecision(
    "charge",
    {"sku": "a"},
    id="c",
    control=[1],
    schedule_to_start_timeout=None,
    start_to_close_timeout=60,
    schedule_to_close_timeout=None,
    heartbeat_timeout=None,
    task_list="cards",
    task_priority=3,
)


async def test_a_failed_activity_is_tried_again_after_growing_delays_until_its_policy_ends() -> None:
    history = History()
    history.decide()
    for delay in (10, 30):
        scheduled = attempt(history)
        assert await decided(RetryingWorkflow, history.turn()) == [retry_timer(delay, scheduled)]
        wait(history, scheduled)
        assert await decided(RetryingWorkflow, history.turn()) == [AGAIN]
        history.complete_decision()
    attempt(history)
    assert await decided(RetryingWorkflow, history.turn()) == [marked("given up after ActivityFailedEvent")]


async def test_without_delay_the_next_attempt_follows_at_once() -> None:
    history = History()
    history.decide()
    attempt(history, "ship")
    (again,) = await decided(RetryingWorkflow, history.turn())
    assert isinstance(again, ScheduleActivityDecision)
    assert (again.activity, again.id, again.input) == (TypeRef("ship"), "c", {"sku": "a"})


async def test_after_a_success_attempts_are_counted_anew() -> None:
    history = History()
    history.decide()
    attempt(history)
    attempt(history)
    attempt(history, kind=ActivityCompletedEvent)
    history.decide()
    scheduled = attempt(history)
    assert await decided(RetryingWorkflow, history.turn()) == [retry_timer(10, scheduled)]


@pytest.mark.parametrize(
    ("kind", "fields", "again"),
    [
        (ActivityFailedEvent, {}, True),
        (ActivityFailedEvent, {"reason": "ValueError: x"}, True),
        (ActivityFailedEvent, {"reason": "KeyError: x"}, False),
        (ActivityFailedEvent, {"reason": "x", "details_json": '{"type":"KeyError"}'}, False),
        (ActivityFailedEvent, {"reason": "KeyError: x", "details_json": '{"type":"ValueError"}'}, True),
        (ActivityFailedEvent, {"details_json": '{"type":7}'}, True),
        (ActivityTimedOutEvent, {"timeout_type": TimeoutType.START_TO_CLOSE}, True),
        (ActivityAbortedEvent, {"reason": "worker shutdown"}, True),
        (ActivityAbortedEvent, {"reason": "enough"}, False),
    ],
)
async def test_what_is_worth_another_attempt(kind: type[AnyEvent], fields: dict[str, Any], again: bool) -> None:
    history = History()
    history.decide()
    scheduled = attempt(history, kind=kind, **fields)
    expected = retry_timer(10, scheduled) if again else marked(f"given up after {kind.__name__}")
    assert await decided(RetryingWorkflow, history.turn()) == [expected]


async def test_jitter_follows_from_history() -> None:
    history = History()
    history.decide()
    attempt(history, "ask")
    process = history.turn()
    (timer,) = await decided(RetryingWorkflow, process)
    assert isinstance(timer, StartTimerDecision)
    assert 0 < timer.delay < 1
    assert await decided(RetryingWorkflow, Process(REF, history.events)) == [timer]


async def test_an_activity_without_policy_is_not_tried_again() -> None:
    history = History()
    history.decide()
    attempt(history, "NoPolicy")
    assert await decided(RetryingWorkflow, history.turn()) == []


async def test_after_a_request_to_cancel_nothing_is_tried_again() -> None:
    history = History()
    history.add(ProcessCancelRequestedEvent)
    history.decide()
    attempt(history)
    assert await decided(RetryingWorkflow, history.turn()) == [marked("given up after ActivityFailedEvent")]


async def test_a_request_to_cancel_between_attempts_ends_them() -> None:
    history = History()
    history.decide()
    scheduled = attempt(history)
    history.start_decision()
    history.add(ProcessCancelRequestedEvent)
    wait(history, scheduled)
    decisions = await decided(RetryingWorkflow, history.turn())
    assert decisions == [marked("winding up"), marked("given up after ActivityFailedEvent")]


async def test_a_timer_that_is_refused_ends_the_attempts() -> None:
    history = History()
    history.decide()
    scheduled = attempt(history)
    history.decide()
    timer = retry_timer(1, scheduled).id
    history.result(StartTimerFailedEvent, timer_id=timer, cause=Cause.OPEN_TIMERS_LIMIT_EXCEEDED)
    assert await decided(RetryingWorkflow, history.turn()) == [marked("given up after ActivityFailedEvent")]


async def test_an_id_that_is_in_use_again_is_left_alone() -> None:
    history = History()
    history.decide()
    scheduled = attempt(history)
    history.start_decision()
    wait(history, scheduled)
    history.schedule("c", "charge")
    assert await decided(RetryingWorkflow, history.turn()) == []


@pytest.mark.parametrize("timer_id", ["t", "aioworkflow.retry-", "aioworkflow.retry-x", "aioworkflow.retry-1"])
async def test_a_timer_of_somebody_else_is_for_the_handlers(timer_id: str) -> None:
    history = History()
    history.decide()
    history.fire(timer_id, history.start_timer(timer_id))
    assert await decided(RetryingWorkflow, history.turn()) == [marked(f"fired {timer_id}")]


# --- nonsense --------------------------------------------------------------------------------------------


def handler(self: object, process: object, event: object) -> None: ...
def wrong_handler(self: object, process: object) -> None: ...


@pytest.mark.parametrize(
    ("decorate", "message"),
    [
        (lambda: on_activity_completed(handler), "an activity must be a class"),  # type: ignore[arg-type]
        (lambda: on_activity_completed(7), "an activity must be a class"),  # type: ignore[arg-type]
        (lambda: on_activity_interrupted(""), "activity must be 1 to 256"),
        (lambda: on_signal(handler), "signal must be a str"),  # type: ignore[arg-type]
        (lambda: on_signal(""), "signal must be 1 to 256"),
        (lambda: on_timer(7), "id of the timer must be a str"),  # type: ignore[arg-type]
        (lambda: on_timer("a:b"), "id of the timer must not contain"),
        (lambda: on_child_closed(FooActivity), "a workflow must be a class"),  # type: ignore[arg-type]
        (lambda: on_event(), "needs at least one type of event"),
        (lambda: on_event(Event), "needs types of events, not"),  # type: ignore[arg-type]
        (lambda: on_event(int), "needs types of events, not"),  # type: ignore[arg-type]
        (lambda: on_event("ProcessStartedEvent"), "needs types of events, not"),  # type: ignore[arg-type]
        (lambda: on_started(7), "a handler must be a method, not 7"),  # type: ignore[type-var]
        (lambda: on_started(classmethod(handler)), "a handler must be a method"),  # type: ignore[type-var]
        (lambda: on_cancel_requested(wrong_handler), r"wrong_handler must take \(self, process, event\)"),
        (lambda: on_close_refused(wrong_handler), r"wrong_handler must take \(self, process, event\)"),
        (lambda: on_signal("go")(wrong_handler), r"wrong_handler must take \(self, process, event\)"),
        (RuleWorkflow, "rule workflow RuleWorkflow has no handler"),
        (type("EmptyWorkflow", (RuleWorkflow,), {}), "rule workflow EmptyWorkflow has no handler"),
        (lambda: type("W", (RuleWorkflow,), {"activities": [7]}), "an activity must be a class"),
        (
            lambda: type("W", (RuleWorkflow,), {"activities": [type("X", (Activity,), {"retry": 3})]}),
            "retry of activity 'X' must be a RetryPolicy, not 3",
        ),
    ],
)
def test_nonsense_is_refused_when_the_class_is_made(decorate: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        decorate()


def test_a_workflow_with_its_own_constructor_is_used_as_it_is() -> None:
    class PreparedWorkflow(BaseWorkflow):
        def __init__(self, clock: object) -> None:
            super().__init__()
            self.clock = clock

    assert PreparedWorkflow(3).clock == 3
