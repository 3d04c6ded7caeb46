"""Settings of activities and processes, as requests carry them and as types have them."""

from __future__ import annotations

import pytest

from aioworkflow.backends.swf.settings import (
    ACTIVITY_SETTINGS,
    PROCESS_SETTINGS,
    Setting,
    put_defaults,
    put_settings,
    read_defaults,
    read_settings,
)
from aioworkflow.types import ActivityType, ChildPolicy, TypeRef, WorkflowType
from tests.backends.swf.service_model import MODEL

WORKFLOW = WorkflowType(
    ref=TypeRef("W"),
    execution_timeout=60.0,
    decision_timeout=None,
    task_list="l",
    task_priority=-1,
    child_policy=ChildPolicy.ABANDON,
)
ACTIVITY = ActivityType(
    ref=TypeRef("A"),
    schedule_to_start_timeout=1.0,
    start_to_close_timeout=2.0,
    schedule_to_close_timeout=None,
    heartbeat_timeout=0.0,
    task_list="l",
    task_priority=7,
)


@pytest.mark.parametrize(("kind", "settings"), [(WORKFLOW, PROCESS_SETTINGS), (ACTIVITY, ACTIVITY_SETTINGS)])
def test_settings_come_back(kind: WorkflowType | ActivityType, settings: tuple[Setting, ...]) -> None:
    parameters: dict[str, object] = {}
    put_settings(parameters, settings, kind)
    assert type(kind)(ref=kind.ref, **read_settings(parameters, settings)) == kind
    defaults: dict[str, object] = {}
    put_defaults(defaults, settings, kind)
    assert type(kind)(ref=kind.ref, **read_defaults(defaults, settings)) == kind
    assert set(parameters).isdisjoint(defaults)


@pytest.mark.parametrize("kind", [WorkflowType(ref=TypeRef("W")), ActivityType(ref=TypeRef("A"))])
def test_what_is_not_said_is_not_sent(kind: WorkflowType | ActivityType) -> None:
    settings = PROCESS_SETTINGS if isinstance(kind, WorkflowType) else ACTIVITY_SETTINGS
    parameters: dict[str, object] = {}
    put_settings(parameters, settings, kind)
    put_defaults(parameters, settings, kind)
    assert parameters == {}
    assert read_settings({}, settings) == read_defaults({"defaultTaskList": None}, settings) == {}


def test_every_setting_of_the_service_is_here_but_that_for_lambda() -> None:
    for shape, settings in (
        ("WorkflowTypeConfiguration", PROCESS_SETTINGS),
        ("ActivityTypeConfiguration", ACTIVITY_SETTINGS),
    ):
        assert {setting.default for setting in settings} == set(MODEL.shape_for(shape).members) - {"defaultLambdaRole"}
    configuration = set(MODEL.shape_for("WorkflowExecutionConfiguration").members)
    assert {setting.member for setting in PROCESS_SETTINGS} == configuration - {"lambdaRole"}
