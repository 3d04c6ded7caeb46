"""When the tasks in hand time out: later, there is no point in answering them."""

from __future__ import annotations

from ...event import DecisionScheduledEvent, DecisionStartedEvent
from ...task import DecisionTask
from .time import Time

__all__ = ["Deadlines"]

_LEAST_KEPT = 1_000


class Deadlines:
    """Remembers the deadlines of decision tasks by token; those that are never answered are forgotten."""

    def __init__(self, time: Time) -> None:
        self._time = time
        self._deadlines: dict[str, float] = {}
        self._sweep_at = _LEAST_KEPT

    def __len__(self) -> int:
        return len(self._deadlines)

    def add(self, task: DecisionTask, began: float) -> None:
        """Remember a task that was handed out no later than ``began``."""
        timeout = _timeout(task)
        if timeout is None:
            return
        self._deadlines[task.token] = began + timeout
        if len(self._deadlines) >= self._sweep_at:
            now = self._time.now()
            self._deadlines = {token: when for token, when in self._deadlines.items() if when > now}
            self._sweep_at = max(2 * len(self._deadlines), _LEAST_KEPT)

    def get(self, token: str) -> float | None:
        """Return when a task times out; None if that is not known."""
        return self._deadlines.get(token)

    def discard(self, token: str) -> None:
        """Forget a task that was answered."""
        self._deadlines.pop(token, None)


def _timeout(task: DecisionTask) -> float | None:
    """Return how long a decider may take, which the event says that scheduled the task."""
    started = task.events[-1]
    if isinstance(started, DecisionStartedEvent):
        for event in reversed(task.events):
            if event.event_id == started.scheduled_event_id and isinstance(event, DecisionScheduledEvent):
                return event.start_to_close_timeout
    return None
