"""Activity: names, settings, @activity, and what works inside a running activity."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from datetime import timedelta
from typing import Any, assert_type

import pytest

from aioworkflow.activity import (
    Activity,
    activity,
    activity_context,
    activity_settings,
    activity_type,
    current_activity,
    heartbeat,
    heartbeat_from_thread,
)
from aioworkflow.errors import InvalidRequestError, NotInActivityError, PayloadError
from aioworkflow.payload import encode_optional
from aioworkflow.retry import RetryPolicy
from aioworkflow.task import ActivityTask
from aioworkflow.types import UNSET, ActivityType, Duration, ProcessRef, TypeRef


def task_with(input: object) -> ActivityTask:
    return ActivityTask(
        token="t",
        process=ProcessRef("p", "r"),
        activity_id="a",
        activity=TypeRef("A"),
        input_json=encode_optional(input),
    )


class BareActivity(Activity):
    pass


class ResizeActivity(Activity):
    """Make it smaller.

    Or larger.
    """

    version = "2"
    schedule_to_start_timeout: Duration = 1
    start_to_close_timeout: Duration = timedelta(minutes=1)
    schedule_to_close_timeout: Duration = 2.5
    heartbeat_timeout: Duration = None
    task_list = "gpu"
    task_priority = 7
    auto_complete = False
    retry = RetryPolicy()


class CropActivity(ResizeActivity):
    name = "crop"
    heartbeat_timeout = 30
    description = "Cut."


# --- types and settings ----------------------------------------------------------------------------------


def test_a_bare_activity_gets_all_defaults_when_it_is_registered() -> None:
    assert activity_type(BareActivity) == ActivityType(
        ref=TypeRef("Bare", "1"),
        schedule_to_start_timeout=None,
        start_to_close_timeout=None,
        schedule_to_close_timeout=None,
        heartbeat_timeout=None,
        task_list="default",
        task_priority=0,
    )


def test_what_a_class_sets_is_registered() -> None:
    assert activity_type(ResizeActivity) == ActivityType(
        ref=TypeRef("Resize", "2"),
        schedule_to_start_timeout=1.0,
        start_to_close_timeout=60.0,
        schedule_to_close_timeout=2.5,
        heartbeat_timeout=None,
        task_list="gpu",
        task_priority=7,
        description="Make it smaller.",
    )


def test_settings_are_inherited_and_the_name_is_not() -> None:
    crop = activity_type(CropActivity)
    assert (crop.ref, crop.heartbeat_timeout, crop.task_list) == (TypeRef("crop", "2"), 30.0, "gpu")
    assert crop.description == "Cut."
    assert activity_type(type("Trim", (CropActivity,), {})).ref == TypeRef("Trim", "2")
    assert activity_type(type("Activity", (Activity,), {})).ref == TypeRef("Activity")


def test_only_what_a_class_sets_itself_goes_into_decisions() -> None:
    assert activity_settings(BareActivity) == ActivityType(ref=TypeRef("Bare"))
    assert activity_settings(ResizeActivity).heartbeat_timeout is None


@pytest.mark.parametrize(
    ("named", "version", "ref"),
    [
        ("Resize", None, TypeRef("Resize", "1")),
        ("Resize", "7", TypeRef("Resize", "7")),
        (TypeRef("Resize", "7"), None, TypeRef("Resize", "7")),
    ],
)
def test_a_name_has_no_settings(named: Any, version: str | None, ref: TypeRef) -> None:
    settings = activity_settings(named, version)
    assert settings == ActivityType(ref=ref)
    assert settings.task_list is UNSET


def test_an_instance_may_have_settings_of_its_own() -> None:
    resize = ResizeActivity()
    resize.task_list = "tests"
    assert activity_type(resize).task_list == "tests"
    assert activity_type(ResizeActivity).task_list == "gpu"


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("name", "arn", "name must not be the word 'arn'"),
        ("name", 7, "name must be a str"),
        ("version", None, "version must be a str, not None"),
        ("schedule_to_start_timeout", -1, "schedule_to_start_timeout must be 0 to"),
        ("start_to_close_timeout", float("inf"), "start_to_close_timeout must be 0 to"),
        ("schedule_to_close_timeout", 1e9, "schedule_to_close_timeout must be 0 to"),
        ("heartbeat_timeout", "1", "heartbeat_timeout must be seconds"),
        ("task_list", "", "task_list must be 1 to 256"),
        ("task_list", {}, "a setting has the wrong type: unhashable type: 'dict'"),
        ("task_priority", 2**40, "task_priority must be"),
        ("description", [], "a setting has the wrong type"),
        ("auto_complete", None, "auto_complete must be a bool, not None"),
        ("retry", 3, "retry must be a RetryPolicy, not 3"),
    ],
)
def test_a_wrong_setting_names_the_activity(attribute: str, value: Any, message: str) -> None:
    kind = type("WrongActivity", (Activity,), {attribute: value})
    with pytest.raises(InvalidRequestError, match=f"^activity <class .*WrongActivity'>: {message}"):
        activity_type(kind)


@pytest.mark.parametrize("garbage", [None, 7, b"x", object, object(), [], {}, ("a", "b"), len, lambda: 0])
def test_what_is_no_activity_is_refused(garbage: Any) -> None:
    with pytest.raises(
        InvalidRequestError, match="an activity must be a class, an instance, an @activity function or a"
    ):
        activity_settings(garbage)


@pytest.mark.parametrize("base", [Activity, Activity()])
def test_the_base_is_no_activity(base: Any) -> None:
    with pytest.raises(InvalidRequestError, match="subclass it"):
        activity_settings(base)


@pytest.mark.parametrize("garbage", ["", "a|b", TypeRef("x", ""), TypeRef("x", 1), TypeRef([], "1")])  # type: ignore[arg-type]
def test_a_wrong_name_is_refused(garbage: Any) -> None:
    with pytest.raises(InvalidRequestError, match="must"):
        activity_settings(garbage)


@pytest.mark.parametrize("named", [ResizeActivity, ResizeActivity(), TypeRef("Resize")])
def test_a_version_goes_with_a_name_only(named: Any) -> None:
    with pytest.raises(InvalidRequestError, match="version goes with the name of an activity"):
        activity_settings(named, "2")


# --- @activity -------------------------------------------------------------------------------------------


@activity
async def double(x: int) -> int:
    """Twice as much."""
    return x * 2


@activity(name="Sum", version="3", start_to_close_timeout=timedelta(minutes=5), retry=RetryPolicy(maximum_attempts=2))
def add(x: int, y: int = 1) -> float:
    return x + y


async def test_calling_the_activity_calls_the_function() -> None:
    assert await double(4) == 8
    assert add(1) == 2
    assert add(x=1, y=2) == 3


async def test_type_checkers_see_the_signature() -> None:
    assert_type(add(1, y=2), float)
    assert_type(await double(4), int)
    call: Callable[[int], Coroutine[Any, Any, int]] = double
    assert await call(1) == 2
    with pytest.raises(TypeError):
        add("1", z=2)  # type: ignore[arg-type, call-arg]
    with pytest.raises(TypeError):
        await double()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        add.input_for(1, 2, 3)  # type: ignore[call-arg]


def test_a_function_activity_is_an_activity() -> None:
    assert activity_type(double) == ActivityType(
        ref=TypeRef("double"),
        schedule_to_start_timeout=None,
        start_to_close_timeout=None,
        schedule_to_close_timeout=None,
        heartbeat_timeout=None,
        task_list="default",
        task_priority=0,
        description="Twice as much.",
    )
    settings = activity_settings(add)
    assert (settings.ref, settings.start_to_close_timeout, settings.task_list) == (TypeRef("Sum", "3"), 300.0, UNSET)
    assert add.retry == RetryPolicy(maximum_attempts=2)
    assert repr(add) == f"<activity {__name__}.add>"
    assert inspect.signature(double) == inspect.signature(double.function)
    assert vars(double)["__name__"] == "double"


async def test_the_input_becomes_the_arguments() -> None:
    assert await double.execute(task_with(4), None) == 8
    assert add.execute(task_with([1, 2]), None) == 3
    assert add.execute(task_with({"x": 5}), None) == 6
    with pytest.raises(PayloadError, match="parameter 'x' of double"):
        await double.execute(task_with("four"), None)
    with pytest.raises(PayloadError, match="add has 2 parameters"):
        add.execute(task_with(5), None)


def test_async_and_plain_can_be_told_apart() -> None:
    assert inspect.iscoroutinefunction(double.execute)
    assert not inspect.iscoroutinefunction(add.execute)


async def test_an_input_can_be_made_from_arguments() -> None:
    assert double.input_for(4) == 4
    assert add.input_for(1, y=2) == {"x": 1, "y": 2}
    assert add.execute(task_with(add.input_for(1, y=2)), None) == 3
    assert await double.execute(task_with(double.input_for(4)), None) == 8


@pytest.mark.parametrize(
    ("decorate", "message"),
    [
        (lambda: activity(7), "must be made of a function, not 7"),  # type: ignore[call-overload]
        (lambda: activity(BareActivity), "must be made of a function"),
        (lambda: activity(name="x")(lambda *args: 0), r"takes \*args"),
        (lambda: activity(name="x")(lambda self: 0), "is a method"),
        (lambda: activity(lambda x: 0), "made of a lambda needs a name"),
        (lambda: activity(nmae="x")(double.function), "@activity has no option 'nmae'"),  # type: ignore[call-overload]
        (lambda: activity(start_to_close_timeout=-1)(double.function), "start_to_close_timeout must be 0 to"),
        (lambda: activity(name="a/b")(double.function), "name must not contain '/'"),
        (lambda: activity(retry=3)(double.function), "retry must be a RetryPolicy"),  # type: ignore[call-overload]
        (lambda: activity(auto_complete=1)(double.function), "auto_complete must be a bool"),  # type: ignore[call-overload]
    ],
)
def test_nonsense_is_refused_at_the_decorator(decorate: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        decorate()


# --- inside a running activity ---------------------------------------------------------------------------


class Context:
    """What a worker sets around ``execute``."""

    def __init__(self) -> None:
        self.task = task_with(5)
        self.heartbeats: list[object] = []

    async def heartbeat(self, details: object = None) -> None:
        self.heartbeats.append(details)

    def heartbeat_from_thread(self, details: object = None) -> None:
        self.heartbeats.append(("thread", details))


async def test_inside_an_activity_its_context_is_known() -> None:
    context = Context()
    token = activity_context.set(context)
    try:
        assert current_activity().task.input == 5
        await heartbeat({"done": 3})
        await heartbeat()
        copy_context().run(heartbeat_from_thread, 4)
    finally:
        activity_context.reset(token)
    assert context.heartbeats == [{"done": 3}, None, ("thread", 4)]


async def test_outside_an_activity_it_is_an_error() -> None:
    with pytest.raises(NotInActivityError, match="only inside an activity"):
        current_activity()
    with pytest.raises(NotInActivityError):
        await heartbeat()
    with pytest.raises(NotInActivityError):
        heartbeat_from_thread()
