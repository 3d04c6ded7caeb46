"""Domain and types are registered; what cannot be changed is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aioworkflow.backends.swf.registration import Registration
from aioworkflow.errors import LimitExceededError
from aioworkflow.types import ActivityType, ChildPolicy, TypeRef, WorkflowType
from tests.backends.swf.scripted_swf import NOW, ScriptedTransport, calls_on, fault

ORDER = WorkflowType(
    ref=TypeRef("Order", "2"),
    execution_timeout=3600.0,
    decision_timeout=29.5,
    task_list="orders",
    task_priority=0,
    child_policy=ChildPolicy.ABANDON,
    description="Sells.",
)
CHARGE = ActivityType(
    ref=TypeRef("Charge"),
    schedule_to_start_timeout=None,
    start_to_close_timeout=60.0,
    schedule_to_close_timeout=None,
    heartbeat_timeout=20.0,
    task_list="orders",
    task_priority=3,
)
ORDER_DEFAULTS = {
    "defaultExecutionStartToCloseTimeout": "3600",
    "defaultTaskStartToCloseTimeout": "30",
    "defaultTaskList": {"name": "orders"},
    "defaultChildPolicy": "ABANDON",
}
CHARGE_DEFAULTS = {
    "defaultTaskStartToCloseTimeout": "60",
    "defaultTaskHeartbeatTimeout": "20",
    "defaultTaskScheduleToStartTimeout": "NONE",
    "defaultTaskScheduleToCloseTimeout": "NONE",
    "defaultTaskList": {"name": "orders"},
    "defaultTaskPriority": "3",
}


@pytest.fixture
def transport() -> ScriptedTransport:
    return ScriptedTransport()


@pytest.fixture
def registration(transport: ScriptedTransport) -> Registration:
    return Registration(calls_on(transport), "shop")


def described(kind: str, ref: TypeRef, defaults: dict[str, Any], status: str = "REGISTERED") -> dict[str, Any]:
    return {
        "configuration": defaults,
        "typeInfo": {
            f"{kind}Type": {"name": ref.name, "version": ref.version},
            "status": status,
            "creationDate": NOW.timestamp(),
        },
    }


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


async def test_the_domain_is_registered_once(transport: ScriptedTransport, registration: Registration) -> None:
    transport.script("RegisterDomain", {}, fault("DomainAlreadyExistsFault", "shop"))
    await registration.register_domain(7)
    await registration.register_domain(None)
    assert transport.calls("RegisterDomain") == [
        {"name": "shop", "workflowExecutionRetentionPeriodInDays": "7"},
        {"name": "shop", "workflowExecutionRetentionPeriodInDays": "NONE"},
    ]


async def test_types_are_registered_with_all_defaults(transport: ScriptedTransport, registration: Registration) -> None:
    await registration.register_workflow(ORDER)
    await registration.register_activity(CHARGE)
    workflow, activity = (parameters for _, parameters in transport.sent)
    assert workflow.items() >= {"domain": "shop", "name": "Order", "version": "2", **ORDER_DEFAULTS}.items()
    assert activity.items() >= {"domain": "shop", "name": "Charge", "version": "1", **CHARGE_DEFAULTS}.items()


async def test_what_is_registered_so_already_is_fine(
    transport: ScriptedTransport, registration: Registration, caplog: pytest.LogCaptureFixture
) -> None:
    for kind, type, defaults in (("workflow", ORDER, ORDER_DEFAULTS), ("activity", CHARGE, CHARGE_DEFAULTS)):
        name = kind.title() + "Type"
        transport.script(f"Register{name}", fault("TypeAlreadyExistsFault"))
        transport.script(f"Describe{name}", described(kind, type.ref, defaults))
    await registration.register_workflow(ORDER)
    await registration.register_activity(CHARGE)
    assert messages(caplog) == []


async def test_other_defaults_are_a_warning_that_names_them_and_the_remedy(
    transport: ScriptedTransport, registration: Registration, caplog: pytest.LogCaptureFixture
) -> None:
    other = {"defaultTaskStartToCloseTimeout": "NONE", "defaultChildPolicy": "TERMINATE", "defaultTaskPriority": "5"}
    transport.script("RegisterWorkflowType", fault("TypeAlreadyExistsFault"))
    transport.script("DescribeWorkflowType", described("workflow", ORDER.ref, {**ORDER_DEFAULTS, **other}))
    transport.script("RegisterActivityType", fault("TypeAlreadyExistsFault"))
    transport.script("DescribeActivityType", described("activity", CHARGE.ref, {}))
    await registration.register_workflow(ORDER)
    await registration.register_activity(CHARGE)
    workflow, activity = messages(caplog)
    assert workflow == (
        "workflow Order (version 2) is registered in domain 'shop' with other defaults, which stay as they are: "
        "decision_timeout is None there and 29.5 here; task_priority is 5 there and 0 here; child_policy is TERMINATE "
        "there and ABANDON here. For other defaults give it a new version"
    )
    assert "start_to_close_timeout is not set there and 60.0 here; " in activity


async def test_a_worker_begins_though_nobody_tells_how_its_types_are_registered(
    transport: ScriptedTransport, registration: Registration, caplog: pytest.LogCaptureFixture
) -> None:
    rate_exceeded = [fault("ThrottlingException", "Rate exceeded") for _ in range(99)]
    for kind in ("Workflow", "Activity"):
        transport.script(f"Register{kind}Type", fault("TypeAlreadyExistsFault"))
        transport.script(f"Describe{kind}Type", *rate_exceeded)
    await registration.register_workflow(ORDER)
    await registration.register_activity(CHARGE)
    workflow, activity = messages(caplog)
    assert workflow.startswith("workflow Order (version 2) is registered, but whether with these defaults could not be")
    assert activity.startswith("activity Charge (version 1) is registered, but whether")
    assert registration.activities == {CHARGE.ref: CHARGE}


async def test_deprecated_types_are_a_warning(
    transport: ScriptedTransport, registration: Registration, caplog: pytest.LogCaptureFixture
) -> None:
    transport.script("RegisterWorkflowType", fault("TypeAlreadyExistsFault"))
    transport.script("DescribeWorkflowType", described("workflow", ORDER.ref, ORDER_DEFAULTS, "DEPRECATED"))
    await registration.register_workflow(ORDER)
    (message,) = messages(caplog)
    assert message == (
        "workflow Order (version 2) is deprecated in domain 'shop' and takes no new work: register a new version, or "
        "undeprecate it"
    )


async def test_what_counts_is_how_they_are_registered(transport: ScriptedTransport, registration: Registration) -> None:
    await registration.register_activity(CHARGE)
    assert registration.activities == {CHARGE.ref: CHARGE}
    transport.script("RegisterActivityType", fault("TypeAlreadyExistsFault"))
    other = described("activity", CHARGE.ref, {"defaultTaskHeartbeatTimeout": "10"})
    transport.script("DescribeActivityType", other)
    await registration.register_activity(CHARGE)
    assert registration.activities == {CHARGE.ref: ActivityType(ref=CHARGE.ref, heartbeat_timeout=10.0)}


async def test_faults_come_out(transport: ScriptedTransport, registration: Registration) -> None:
    transport.script("RegisterWorkflowType", fault("LimitExceededFault"))
    with pytest.raises(LimitExceededError, match="workflow Order"):
        await registration.register_workflow(ORDER)


async def test_not_too_many_are_registered_at_once(transport: ScriptedTransport, registration: Registration) -> None:
    gate = asyncio.Event()
    transport.script("RegisterActivityType", *[gate] * 16)
    types = [ActivityType(ref=TypeRef(f"A{number}")) for number in range(20)]
    registering = [asyncio.create_task(registration.register_activity(type)) for type in types]
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(transport.sent) == 16
    gate.set()
    await asyncio.gather(*registering)
    assert len(registration.activities) == 20
