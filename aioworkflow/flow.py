"""Coroutine workflows: ordinary asyncio, replayed from history.

::

    from aioworkflow import flow, workflow

    @workflow
    async def order(order: Order) -> Receipt:
        async with asyncio.timeout(3600):
            charge, stock = await asyncio.gather(
                flow.execute(charge_card, order.card), flow.execute(reserve, order.items)
            )
        ...

The code is run again from the beginning whenever a worker does not have it in memory, with the results of history, so
it must order the same in each replay: what it does may follow from its input, from results, signals and so on, and from
nothing else. Time, chance and the outside world are to be had by the verbs here.
"""

from .coroutine.activities import ActivityHandle, CancelMode
from .coroutine.calls import ActivityCall, ChildCall, execute, execute_child, start_activity, start_child
from .coroutine.decider import replay
from .coroutine.definition import FunctionWorkflow, WorkflowOptions, workflow
from .coroutine.processes import ChildHandle
from .coroutine.signals import Signals
from .coroutine.verbs import (
    Info,
    continue_as_new,
    info,
    now,
    patched,
    random,
    request_cancel,
    set_status,
    side_effect,
    signal_process,
    signals,
    uuid4,
    wait_signal,
)

__all__ = [  # noqa: RUF022 - grouped by what they are for
    # activities
    "ActivityCall",
    "ActivityHandle",
    "CancelMode",
    "execute",
    "start_activity",
    # children
    "ChildCall",
    "ChildHandle",
    "execute_child",
    "start_child",
    # signals and other processes
    "Signals",
    "request_cancel",
    "signal_process",
    "signals",
    "wait_signal",
    # time and chance
    "now",
    "random",
    "side_effect",
    "uuid4",
    # the process itself
    "Info",
    "continue_as_new",
    "info",
    "patched",
    "set_status",
    # the workflow
    "FunctionWorkflow",
    "WorkflowOptions",
    "replay",
    "workflow",
]
