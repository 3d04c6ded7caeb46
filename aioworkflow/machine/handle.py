"""The one funnel of the service machine: a request on a run → what happens.

:func:`handle` reads no clock and draws no ids. It first checks the request against the state and raises, having
changed nothing; then it advances the state (which belongs to the caller) event by event and returns what the caller
must save and send. Equal states, requests, times and ids give equal outcomes, so a caller whose write was refused
loads anew and asks again.

The rules are those of swf-reference 3 to 8.1, cited where they stand. What no source confirms was decided as follows;
each point has a test in ``tests/machine/test_choices.py``:

1.  All …FailedEvents of decisions, and both answers to a signal or a request to cancel, trigger a decision task
    (12.1), except for UNHANDLED_DECISION, where one waits already.
2.  A DecisionScheduledEvent stands right behind the event that triggers it, also within a batch; so a decision that
    fails blocks a closing decision behind it (12.2).
3.  Open activities, timers, children and requests block no closing decision, and get no events of their own when
    their run closes (12.3).
4.  The child policy is applied when a run is terminated, for whatever cause, and when it times out, never else
    (12.4); by each child's own policy it goes on to grandchildren (12.20).
5.  ``previous_started_event_id`` is that of the last task that was completed (12.6).
6.  A worker may abort an activity that nobody asked to cancel (12.9).
7.  Each request to cancel a process is an event (12.10), and so is each to cancel an activity.
8.  A timeout of 0 expires at the next look at the clock; where limits have a longest execution timeout, none or a
    longer one means that (12.11).
9.  At most ``Limits.decisions`` decisions answer a task (12.12).
10. Of several causes the first in this order is told (12.13): for activities type, deprecation, id in use, number of
    open ones, task list, schedule-to-start, schedule-to-close, start-to-close, heartbeat; for children and
    continue-as-new unhandled decision, type, deprecation, execution timeout, decision timeout, task list, child
    policy, number of open children.
11. A decision task that waits already stays where it is when a decider asks for another list (12.17).
12. Ids of children, and of processes that decisions are aimed at, may have any characters (12.19); lengths count code
    points.
13. Of an activity's timeouts that expire at the same time the one named first in :class:`TimeoutType` is told; of
    different things the one with the lower event id comes first (6).
14. The clock of a task in a sticky list runs from its scheduling, also while another decision task is out (6).
15. A decider's override of the task list stays until it gives another; one with a timeout is dropped when either
    clock of a decision task expires (5.7).
16. A timer that is canceled in a batch may be started anew in the same batch (3).
17. The history of a run never gets longer than ``Limits.events``: when the next step might exceed it, the run is
    terminated (8.1).
18. A child whose start is told to a parent that was closed by force in the meantime is dealt with by that parent's
    policy (7.4).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..types import ProcessStatus
from .handle_absent import handle_absent
from .handle_activity import (
    complete_activity_task,
    hand_off_activity_task,
    heartbeat_activity_task,
    start_activity_task,
)
from .handle_deadlines import fire_deadlines, release_tasks
from .handle_decision import complete_decision_task, start_decision_task
from .handle_messages import cancel_delivered, child_closed, child_started, delivery_failed, signal_delivered
from .handle_outside import cancel_process, signal_process, terminate_process
from .handle_start import start_process
from .requests import (
    CancelDelivered,
    CancelProcess,
    ChildClosed,
    ChildStarted,
    CompleteActivityTask,
    CompleteDecisionTask,
    DeliveryFailed,
    FireDeadlines,
    HandOffActivityTask,
    HeartbeatActivityTask,
    ReleaseTasks,
    Request,
    SignalDelivered,
    SignalProcess,
    StartActivityTask,
    StartDecisionTask,
    StartProcess,
    TerminateProcess,
)
from .settings import resolve_start
from .state import ProcessState
from .transition import Environment, Outcome, Transition

__all__ = ["Environment", "Outcome", "handle", "resolve_start"]


def handle(
    state: ProcessState | None,
    request: Request,
    *,
    now: float,
    new_id: Callable[[], str],
    environment: Environment,
    onto: Outcome | None = None,
) -> Outcome:
    """Do what ``request`` asks of the run that ``state`` is of.

    Args:
        state: Advanced in place. None if there is no such run; for StartProcess: no open run of that process id.
        request: What is asked.
        now: Epoch seconds.
        new_id: Draws ids for messages and runs.
        environment: Limits and registered types.
        onto: What came of requests on this run just before, at the same ``now``, to be saved in the same transaction.
            While the run is open this outcome is added to it and it is returned, with the reply to this request.

    Raises:
        InvalidRequestError: The request itself is wrong (InvalidDecisionError: a decision in it). After this and all
            other errors nothing was changed, ``onto`` included.
        UnknownProcessError: A client asks for a run that is closed, or for none.
        UnknownTaskError: The task does not wait, or is not open.
        ProcessAlreadyRunningError: A client starts a process whose id is open.
    """
    if type(request) is StartProcess:
        return start_process(state, request, now, new_id, environment)
    if state is None or state.head.status is not ProcessStatus.OPEN:
        return handle_absent(state, request, now, new_id)
    transition = onto if type(onto) is Transition else Transition(state, now, new_id, environment)
    transition.reply = _HANDLERS[type(request)](transition, request)
    transition.enforce_event_limit()
    return transition


_HANDLERS: dict[type[Request], Callable[[Transition, Any], object]] = {
    SignalProcess: signal_process,
    CancelProcess: cancel_process,
    TerminateProcess: terminate_process,
    StartDecisionTask: start_decision_task,
    CompleteDecisionTask: complete_decision_task,
    StartActivityTask: start_activity_task,
    HeartbeatActivityTask: heartbeat_activity_task,
    HandOffActivityTask: hand_off_activity_task,
    CompleteActivityTask: complete_activity_task,
    ChildStarted: child_started,
    ChildClosed: child_closed,
    SignalDelivered: signal_delivered,
    CancelDelivered: cancel_delivered,
    DeliveryFailed: delivery_failed,
    FireDeadlines: fire_deadlines,
    ReleaseTasks: release_tasks,
}
