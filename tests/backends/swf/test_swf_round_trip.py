"""What is written to Amazon SWF is read from it again: SWF copies the attributes of decisions into its events."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aioworkflow.backend import StartRequest
from aioworkflow.backends.swf.decode_events import decode_event
from aioworkflow.backends.swf.encode import complete_activity_task, signal_process, start_process, terminate_process
from aioworkflow.backends.swf.encode_decisions import encode_decisions
from aioworkflow.decision import (
    CancelProcessDecision,
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
from aioworkflow.payload import Json, encode_optional
from aioworkflow.result import ActivityAborted, ActivityCompleted, ActivityFailed, ActivityResult
from aioworkflow.types import UNSET, ChildPolicy, ProcessRef, TypeRef

EVENT_OF = {
    ScheduleActivityDecision: "ActivityTaskScheduled",
    CompleteProcessDecision: "WorkflowExecutionCompleted",
    FailProcessDecision: "WorkflowExecutionFailed",
    CancelProcessDecision: "WorkflowExecutionCanceled",
    ContinueAsNewDecision: "WorkflowExecutionContinuedAsNew",
    StartTimerDecision: "TimerStarted",
    RecordMarkerDecision: "MarkerRecorded",
    StartChildProcessDecision: "StartChildWorkflowExecutionInitiated",
    SignalProcessDecision: "SignalExternalWorkflowExecutionInitiated",
    RequestCancelProcessDecision: "RequestCancelExternalWorkflowExecutionInitiated",
}
"""The event that takes over the attributes of a decision."""

ID_OF = {
    StartTimerDecision: "timer_id",
    ScheduleActivityDecision: "activity_id",
    StartChildProcessDecision: "process_id",
}

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=64)
payloads = st.none() | st.recursive(
    st.booleans() | st.integers() | texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=5
)
whole = st.integers(0, 31_536_000)
times = st.just(UNSET) | st.none() | whole
names = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zs"], exclude_characters=":/|"), min_size=1, max_size=64)
names = names.map(lambda name: f"_{name}_")
starting: dict[str, st.SearchStrategy[Any]] = {
    "tags": st.lists(texts, max_size=5),
    "task_list": st.just(UNSET) | names,
    "task_priority": st.just(UNSET) | st.integers(-(2**31), 2**31 - 1),
    "execution_timeout": st.just(UNSET) | whole,
    "decision_timeout": times,
    "child_policy": st.just(UNSET) | st.sampled_from(ChildPolicy),
}
decisions: st.SearchStrategy[Decision] = st.one_of(
    st.builds(
        ScheduleActivityDecision,
        names,
        payloads,
        id=names,
        control=payloads,
        version=names,
        schedule_to_start_timeout=times,
        start_to_close_timeout=times,
        schedule_to_close_timeout=times,
        heartbeat_timeout=times,
        task_list=st.just(UNSET) | names,
        task_priority=st.just(UNSET) | st.integers(-(2**31), 2**31 - 1),
    ),
    st.builds(CompleteProcessDecision, payloads),
    st.builds(FailProcessDecision, st.none() | texts, payloads),
    st.builds(CancelProcessDecision, payloads),
    st.builds(ContinueAsNewDecision, payloads, **starting),
    st.builds(StartTimerDecision, whole, id=names, control=payloads),
    st.builds(RecordMarkerDecision, names, payloads),
    st.builds(StartChildProcessDecision, names, payloads, id=names, control=payloads, version=names, **starting),
    st.builds(SignalProcessDecision, st.builds(ProcessRef, names, texts), names, payloads, control=payloads),
    st.builds(RequestCancelProcessDecision, st.builds(ProcessRef, names, texts), control=payloads),
)


def happen(name: str, attributes: Any) -> Any:
    """Return the event that SWF makes of these attributes."""
    member = f"{name[0].lower()}{name[1:]}EventAttributes"
    return decode_event({"eventId": 5, "eventTimestamp": 0, "eventType": name, member: attributes})


@settings(max_examples=100, deadline=None)
@given(decisions)
def test_a_decision_is_found_in_its_event(decision: Decision) -> None:
    ((_, attributes),) = [list(encoded.values()) for encoded in encode_decisions([decision])]
    event = happen(EVENT_OF[type(decision)], attributes)
    for name in decision.__slots__:
        value = getattr(decision, name)
        name = ID_OF[type(decision)] if name == "id" else name
        if value is not UNSET and name != "workflow_version":
            assert getattr(event, name) == value, name


@pytest.mark.parametrize("delay", [0, 0.25, 1.0, 59.999])
def test_a_delay_is_rounded_up(delay: float) -> None:
    ((_, attributes),) = [list(encoded.values()) for encoded in encode_decisions([StartTimerDecision(delay, id="t")])]
    assert happen("TimerStarted", attributes).delay == math.ceil(delay)


@settings(max_examples=60, deadline=None)
@given(
    st.builds(
        StartRequest,
        process_id=names,
        workflow=st.builds(TypeRef, names, names),
        input_json=payloads.map(encode_optional),
        **{**starting, "tags": starting["tags"].map(tuple)},
    )
)
def test_a_start_is_found_in_its_event(request: StartRequest) -> None:
    event = happen("WorkflowExecutionStarted", start_process("d", request))
    for name in request.__struct_fields__:
        value = getattr(request, name)
        if value is not UNSET and name != "process_id":
            assert getattr(event, name) == value, name


ANSWERED = {
    "RespondActivityTaskCompleted": "ActivityTaskCompleted",
    "RespondActivityTaskFailed": "ActivityTaskFailed",
    "RespondActivityTaskCanceled": "ActivityTaskCanceled",
}
results: st.SearchStrategy[ActivityResult] = st.one_of(
    st.builds(ActivityCompleted, payloads),
    st.builds(lambda reason, details: ActivityFailed(reason=reason, details=details), st.none() | texts, payloads),
    st.builds(ActivityAborted, st.none() | texts, payloads),
    st.just(ActivityAborted(details=Json('{"aborted":{"reason":"of another"}}'))),
)


@settings(max_examples=60, deadline=None)
@given(results)
def test_a_result_is_found_in_its_event(result: ActivityResult) -> None:
    call, parameters = complete_activity_task("token", result)
    event = happen(ANSWERED[call], parameters)
    for name in ("result_json", "reason", "details_json"):
        if hasattr(result, name):
            assert getattr(event, name) == getattr(result, name), name


def test_requests_of_clients_are_found_in_their_events() -> None:
    signaled = happen("WorkflowExecutionSignaled", signal_process("d", ProcessRef("p"), "s", '{"a": 1}'))
    assert (signaled.signal, signaled.input_json) == ("s", '{"a": 1}')
    terminating = terminate_process(
        "d", ProcessRef("p"), reason="r", details_json="[]", child_policy=ChildPolicy.ABANDON
    )
    terminated = happen("WorkflowExecutionTerminated", terminating)
    found = [getattr(terminated, name) for name in ("reason", "details_json", "child_policy")]
    assert found == ["r", "[]", ChildPolicy.ABANDON]
