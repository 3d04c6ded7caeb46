"""The public face is pinned: a name more or less here is a decision, not an accident."""

from __future__ import annotations

import importlib
import pkgutil
import types

import pytest

import aioworkflow
from aioworkflow import errors, event

AUTHORING = """
Activity ActivityAborted ActivityCompleted ActivityContext ActivityFailed ActivityOutcome ActivityRecord ActivityResult
ActivityTask ActivityTimedOut ChildRecord Process RetryPolicy RuleWorkflow TimerRecord Workflow activity
current_activity heartbeat heartbeat_from_thread on_activity_completed on_activity_interrupted on_cancel_requested
on_child_closed on_close_refused on_event on_signal on_started on_timer
"""
DECISIONS = """
CancelActivityDecision CancelProcessDecision CancelTimerDecision CompleteProcessDecision ContinueAsNewDecision Decision
FailProcessDecision RecordMarkerDecision RequestCancelProcessDecision ScheduleActivityDecision SignalProcessDecision
StartChildProcessDecision StartTimerDecision
"""
COROUTINES = """
ActivityHandle ChildHandle FunctionWorkflow continue_as_new execute execute_child patched request_cancel set_status
side_effect signal_process signals start_activity start_child wait_signal workflow
"""
RUNNING = "Backend Client ProcessHandle ProcessInfo Worker WorkerOptions connect run_worker"
VALUES = "ChildPolicy Json ProcessRef ProcessStatus TimeoutType TypeRef"


def test_the_exports_of_the_package() -> None:
    expected = {*f"{AUTHORING} {DECISIONS} {COROUTINES} {RUNNING} {VALUES}".split(), *errors.__all__, *event.__all__}
    assert set(aioworkflow.__all__) == expected
    assert len(aioworkflow.__all__) == len(expected)


@pytest.mark.parametrize("name", aioworkflow.__all__)
def test_each_export_is_there_and_no_module(name: str) -> None:
    assert not isinstance(getattr(aioworkflow, name), types.ModuleType)


MODULES = sorted(module.name for module in pkgutil.iter_modules(aioworkflow.__path__) if not module.ispkg)


@pytest.mark.parametrize("module", MODULES)
def test_each_module_says_what_it_exports(module: str) -> None:
    loaded = importlib.import_module(f"aioworkflow.{module}")
    assert loaded.__doc__
    for name in loaded.__all__:
        assert hasattr(loaded, name)
