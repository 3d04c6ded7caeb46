"""The one funnel of the service machine: a request on a run → what happens.

:func:`handle` reads no clock and draws no ids. It first checks the request against the state and raises, having changed nothing;
then it advances the state (which belongs to the caller) event by event and returns what the caller must save and
send. Equal states, requests, times and ids give equal outcomes, so a caller whose write was refused loads anew and asks again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..event import AnyEvent
from .limits import Limits
from .requests import Message, Request
from .state import ProcessState

__all__ = ["Environment", "Outcome", "handle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What the rules depend on besides the run: ``limits``, and the registered ``workflows`` and ``activities``."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a request did.

    Attributes:
        state: The advanced state (for StartProcess: the new one); None if a message found no process.
        reply: What the caller of the request gets: bool (cancel requested) for a heartbeat, else None.
        events: Appended to history.
        touched: Opening event ids of the items that were opened, changed or closed.
        messages: To other processes (through the outbox).
        successor: The state of the new run, after continue-as-new; its events are in ``successor_events``.
    """

    state: ProcessState | None
    reply: object = None
    events: list[AnyEvent] = field(default_factory=list)
    touched: set[int] = field(default_factory=set)
    messages: list[Message] = field(default_factory=list)
    successor: ProcessState | None = None
    successor_events: Sequence[AnyEvent] = ()


def handle(
    state: ProcessState | None,
    request: Request,
    *,
    now: float,
    new_id: Callable[[], str],
    environment: Environment,
) -> Outcome: ...
