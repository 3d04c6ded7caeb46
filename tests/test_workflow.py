"""Workflow: names, settings, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from aioworkflow.errors import InvalidRequestError
from aioworkflow.types import UNSET, ChildPolicy, Duration, TypeRef, WorkflowType
from aioworkflow.workflow import DEFAULT_DECISION_TIMEOUT, Workflow, workflow_settings, workflow_type


class BareWorkflow(Workflow):
    pass


class OrderWorkflow(Workflow):
    """Sell something.

    And more.
    """

    version = "2"
    execution_timeout: Duration = timedelta(days=7)
    decision_timeout = 10
    task_list = "orders"
    task_priority = -3
    child_policy = ChildPolicy.ABANDON


class ExpressOrderWorkflow(OrderWorkflow):
    name = "express"
    description = "Faster."
    execution_timeout = None


class RushedOrder(ExpressOrderWorkflow):
    pass


def test_a_bare_workflow_gets_all_defaults_when_it_is_registered() -> None:
    assert workflow_type(BareWorkflow) == WorkflowType(
        ref=TypeRef("Bare", "1"),
        execution_timeout=None,
        decision_timeout=DEFAULT_DECISION_TIMEOUT,
        task_list="default",
        task_priority=0,
        child_policy=ChildPolicy.TERMINATE,
    )


def test_what_a_class_sets_is_registered() -> None:
    assert workflow_type(OrderWorkflow) == WorkflowType(
        ref=TypeRef("Order", "2"),
        execution_timeout=604_800.0,
        decision_timeout=10.0,
        task_list="orders",
        task_priority=-3,
        child_policy=ChildPolicy.ABANDON,
        description="Sell something.",
    )


def test_settings_are_inherited_and_the_name_is_not() -> None:
    express = workflow_type(ExpressOrderWorkflow)
    assert (express.ref, express.description) == (TypeRef("express", "2"), "Faster.")
    assert (express.execution_timeout, express.decision_timeout) == (None, 10.0)
    assert workflow_type(RushedOrder).ref == TypeRef("RushedOrder", "2")


def test_only_what_a_class_sets_itself_goes_into_decisions() -> None:
    assert workflow_settings(BareWorkflow) == WorkflowType(ref=TypeRef("Bare"))
    settings = workflow_settings(ExpressOrderWorkflow)
    assert settings.execution_timeout is None
    assert settings.task_list == "orders"


@pytest.mark.parametrize(
    ("workflow", "version", "ref"),
    [
        ("Order", None, TypeRef("Order", "1")),
        ("Order", "7", TypeRef("Order", "7")),
        (TypeRef("Order", "7"), None, TypeRef("Order", "7")),
    ],
)
def test_a_name_has_no_settings(workflow: Any, version: str | None, ref: TypeRef) -> None:
    settings = workflow_settings(workflow, version)
    assert settings == WorkflowType(ref=ref)
    assert settings.task_list is UNSET


def test_an_instance_may_have_settings_of_its_own() -> None:
    workflow = OrderWorkflow()
    workflow.task_list = "tests"
    assert workflow_type(workflow).task_list == "tests"
    assert workflow_type(OrderWorkflow).task_list == "orders"


def test_a_change_of_a_class_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OrderWorkflow, "decision_timeout", 1.5)
    assert workflow_type(OrderWorkflow).decision_timeout == 1.5
    monkeypatch.setattr(OrderWorkflow, "decision_timeout", True)
    with pytest.raises(InvalidRequestError, match="decision_timeout must be seconds"):
        workflow_type(OrderWorkflow)


def test_a_class_called_workflow_keeps_its_name() -> None:
    assert workflow_type(type("Workflow", (Workflow,), {})).ref.name == "Workflow"


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("name", "", "name must be 1 to 256 characters"),
        ("name", "a:b", "name must not contain ':'"),
        ("name", None, "name must be a str"),
        ("version", 2, "version must be a str, not 2"),
        ("version", "", "version must be 1 to 64 characters"),
        ("execution_timeout", -1, "execution_timeout must be 0 to"),
        ("execution_timeout", float("nan"), "execution_timeout must be 0 to"),
        ("decision_timeout", "60", "decision_timeout must be seconds"),
        ("task_list", " x", "task_list must not begin"),
        ("task_list", None, "task_list must be a str"),
        ("task_list", ["x"], "a setting has the wrong type: unhashable type: 'list'"),
        ("task_priority", 1.5, "task_priority must be an int"),
        ("child_policy", "ABANDON", "child_policy must be one of"),
        ("description", "d" * 1025, "description must be 0 to 1024 characters"),
        ("description", 7, "description must be a str"),
    ],
)
def test_a_wrong_setting_names_the_workflow(attribute: str, value: Any, message: str) -> None:
    kind = type("WrongWorkflow", (Workflow,), {attribute: value})
    with pytest.raises(InvalidRequestError, match=f"^workflow <class .*WrongWorkflow'>: {message}"):
        workflow_type(kind)


@pytest.mark.parametrize("garbage", [None, 7, b"x", object, object(), [], {}, ("a", "b"), len])
def test_what_is_no_workflow_is_refused(garbage: Any) -> None:
    with pytest.raises(InvalidRequestError, match="a workflow must be a class, an instance or a name, not"):
        workflow_settings(garbage)


@pytest.mark.parametrize("base", [Workflow, Workflow()])
def test_the_base_is_no_workflow(base: Any) -> None:
    with pytest.raises(InvalidRequestError, match="subclass it"):
        workflow_settings(base)


@pytest.mark.parametrize("garbage", ["", "a/b", "arn", "x" * 257, TypeRef("", "1"), TypeRef("x", ""), TypeRef("x", 1)])  # type: ignore[arg-type]
def test_a_wrong_name_is_refused(garbage: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^(workflow|version) must"):
        workflow_settings(garbage)


@pytest.mark.parametrize("workflow", [OrderWorkflow, OrderWorkflow(), TypeRef("Order")])
def test_a_version_goes_with_a_name_only(workflow: Any) -> None:
    with pytest.raises(InvalidRequestError, match="version goes with the name of a workflow"):
        workflow_settings(workflow, "2")


@pytest.mark.parametrize("ref", [TypeRef([], "1"), TypeRef("x", {})])  # type: ignore[arg-type]
def test_an_unhashable_name_is_refused(ref: TypeRef) -> None:
    with pytest.raises(InvalidRequestError, match="name and version must be str, not "):
        workflow_settings(ref)


def test_a_long_docstring_is_cut() -> None:
    kind = type("LongWorkflow", (Workflow,), {"__doc__": "d" * 2000})
    assert workflow_type(kind).description == "d" * 1023 + "…"
