"""How the settings of a new run are found: swf-reference 2.2, 3.6, 3.12."""

from __future__ import annotations

from typing import Any

import pytest

from aioworkflow.backend import StartRequest
from aioworkflow.errors import AioworkflowError, DefaultUndefinedError, TypeDeprecatedError, UnknownTypeError
from aioworkflow.event import Cause
from aioworkflow.machine.handle import Environment, resolve_start
from aioworkflow.machine.limits import SWF_LIMITS, Limits
from aioworkflow.machine.requests import StartProcess
from aioworkflow.machine.settings import resolve
from aioworkflow.types import ChildPolicy, ProcessRef, TypeRef, WorkflowType
from tests.machine.world import ENVIRONMENT, ORDER

ALL: dict[str, Any] = {
    "execution_timeout": 5.0,
    "decision_timeout": 6.0,
    "task_list": "l",
    "child_policy": ChildPolicy.ABANDON,
    "task_priority": 7,
}


def request(workflow: str, **fields: Any) -> StartRequest:
    return StartRequest(process_id="p", workflow=TypeRef(workflow), **fields)


def test_what_is_not_said_comes_from_the_workflow() -> None:
    found = resolve_start(request("Order", input_json="1", tags=("t",)), "r", ENVIRONMENT)
    assert found == StartProcess(
        process_id="p",
        run_id="r",
        workflow=ORDER,
        task_list="orders",
        child_policy=ChildPolicy.TERMINATE,
        input_json="1",
        tags=("t",),
        task_priority=0,
        execution_timeout=None,
        decision_timeout=60.0,
    )
    assert found.ref == ProcessRef("p", "r")


@pytest.mark.parametrize("workflow", ["Order", "Plain"])
def test_what_is_said_wins(workflow: str) -> None:
    found = resolve_start(request(workflow, **ALL), "r", ENVIRONMENT)
    assert {name: getattr(found, name) for name in ALL} == ALL


def test_no_limit_is_said_too() -> None:
    found = resolve_start(request("Order", decision_timeout=None), "r", ENVIRONMENT)
    assert found.decision_timeout is None


def test_the_priority_of_the_workflow_comes_second() -> None:
    kind = WorkflowType(ref=TypeRef("Urgent"), **ALL)
    found = resolve_start(request("Urgent"), "r", Environment(workflows={kind.ref: kind}))
    assert found.task_priority == 7


@pytest.mark.parametrize(
    ("refused", "error", "cause", "match"),
    [
        (request("Nobody", **ALL), UnknownTypeError, Cause.WORKFLOW_TYPE_DOES_NOT_EXIST, "Nobody.*not registered"),
        (request("Old", **ALL), TypeDeprecatedError, Cause.WORKFLOW_TYPE_DEPRECATED, "Old.*deprecated"),
        *(
            (
                request("Plain", **{name: value for name, value in ALL.items() if name != left_out}),
                DefaultUndefinedError,
                cause,
                f"Plain.*no default for {left_out}",
            )
            for left_out, cause in (
                ("execution_timeout", Cause.DEFAULT_EXECUTION_START_TO_CLOSE_TIMEOUT_UNDEFINED),
                ("decision_timeout", Cause.DEFAULT_TASK_START_TO_CLOSE_TIMEOUT_UNDEFINED),
                ("task_list", Cause.DEFAULT_TASK_LIST_UNDEFINED),
                ("child_policy", Cause.DEFAULT_CHILD_POLICY_UNDEFINED),
            )
        ),
    ],
)
def test_a_client_gets_an_error_where_a_decision_gets_a_cause(
    refused: StartRequest, error: type[AioworkflowError], cause: Cause, match: str
) -> None:
    with pytest.raises(error, match=match):
        resolve_start(refused, "r", ENVIRONMENT)
    assert resolve(refused, ProcessRef("p", "r"), refused.workflow, ENVIRONMENT) is cause


def test_a_parent_is_passed_on() -> None:
    parent = ProcessRef("parent", "run")
    found = resolve(
        request("Order"), ProcessRef("c", "r"), ORDER, ENVIRONMENT, parent=parent, parent_initiated_event_id=5
    )
    assert isinstance(found, StartProcess)
    assert (found.parent, found.parent_initiated_event_id, found.ref) == (parent, 5, ProcessRef("c", "r"))


@pytest.mark.parametrize(
    ("limits", "asked", "expected"),
    [
        (Limits(), None, None),
        (Limits(), 10**7, 10**7),
        (SWF_LIMITS, None, 31_536_000.0),
        (SWF_LIMITS, 40_000_000.0, 31_536_000.0),
        (SWF_LIMITS, 5.0, 5.0),
    ],
)
def test_the_longest_execution(limits: Limits, asked: float | None, expected: float | None) -> None:
    environment = Environment(limits=limits, workflows=ENVIRONMENT.workflows)
    assert resolve_start(request("Order", execution_timeout=asked), "r", environment).execution_timeout == expected
