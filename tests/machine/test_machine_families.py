"""Parents and children: whatever they do and in whatever order their messages come, in the end they agree."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from aioworkflow.decision import (
    CompleteProcessDecision,
    ContinueAsNewDecision,
    Decision,
    RequestCancelProcessDecision,
    SignalProcessDecision,
    StartChildProcessDecision,
)
from aioworkflow.machine.requests import SignalProcess, TerminateProcess
from aioworkflow.machine.state import ProcessState
from aioworkflow.types import ChildPolicy, ProcessRef, ProcessStatus
from tests.machine.world import World, assert_families_agree, start_request

process_ids = st.sampled_from(["p", "q"])
policies = st.sampled_from(ChildPolicy)

children = st.builds(StartChildProcessDecision, st.just("Order"), id=process_ids, child_policy=policies)
decisions = st.one_of(
    children,
    children,
    st.builds(SignalProcessDecision, process_ids, st.just("s")),
    st.builds(RequestCancelProcessDecision, process_ids),
    st.builds(ContinueAsNewDecision, child_policy=policies),
    st.builds(CompleteProcessDecision),
)


class Families(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @initialize(policy=policies)
    def start_one(self, policy: ChildPolicy) -> None:
        self.world.start("p", child_policy=policy)

    @rule(process_id=process_ids, policy=policies)
    def start(self, process_id: str, policy: ChildPolicy) -> None:
        state = self.world.state(ProcessRef(process_id))
        if state is None or state.head.status is not ProcessStatus.OPEN:
            self.world.start(process_id, child_policy=policy)

    @precondition(lambda self: self.open_states())
    @rule(which=st.integers(0, 5), decision=decisions)
    def decide(self, which: int, decision: Decision) -> None:
        states = self.open_states()
        run = self.world.run(states[which % len(states)].head.process_id)
        if run.head.queued is None:
            run.ask(SignalProcess(signal="wake up"))
        run.decide(decision)

    @precondition(lambda self: self.open_states())
    @rule(which=st.integers(0, 5))
    def terminate(self, which: int) -> None:
        states = self.open_states()
        self.world.ask(states[which % len(states)].ref, TerminateProcess())

    @precondition(lambda self: self.world.outbox)
    @rule(which=st.integers(0, 9))
    def deliver(self, which: int) -> None:
        self.world.deliver(which % len(self.world.outbox))

    def open_states(self) -> list[ProcessState]:
        return [state for state in self.world.states.values() if state.head.status is ProcessStatus.OPEN]

    def teardown(self) -> None:
        self.world.deliver_all()
        assert_families_agree(self.world)


Families.TestCase.settings = settings(max_examples=200, stateful_step_count=15, deadline=None)
TestFamilies = Families.TestCase


def test_a_start_message_needs_no_types() -> None:
    """What was resolved where the child was ordered holds where it starts, whatever is registered there by now."""
    world = World()
    world.environment = type(world.environment)()
    world.ask(ProcessRef("c"), start_request("c", "r", parent=ProcessRef("p", "x"), parent_initiated_event_id=5))
    assert world.run("c").news() == ["ProcessStarted", "DecisionScheduled"]
