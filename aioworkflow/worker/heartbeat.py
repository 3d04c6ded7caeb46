"""Heartbeats: how a worker tells that its activities go on, and learns that they should not.

Each activity with a heartbeat timeout has a :class:`Pulse`: an alarm, at a fraction of the timeout after the last
heartbeat that was sent. So thousands of waiting activities cost an alarm each and no asyncio task. Heartbeats that are
due go out side by side, up to a limit, oldest first. After a passing fault one is tried again until the timeout would
have passed; then the service has given up the task, or will. One whose answer is long in coming, perhaps because its
connection is dead, does not hold up the next.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from ..backend import Backend, Interruption
from ..errors import BackendUnavailableError, InvalidRequestError, UnknownTaskError
from .timing import BackOff, Clock

__all__ = ["Heartbeats", "Living", "Pulse"]

logger = logging.getLogger("aioworkflow.worker")

_AT_ONCE = 256
"""Heartbeats that are under way at the same time."""

_MOST_UNANSWERED = 3
"""Heartbeats of one activity that are under way at the same time."""

_LONGEST = 60.0
"""Seconds between heartbeats where the timeout would allow more; some backends tell of a cancellation only in reply."""

_SHORTEST = 0.005
"""Seconds between heartbeats where the timeout asks for more than any backend could take."""

_WITHOUT_TIMEOUT = 10.0
"""Seconds between heartbeats of an activity that asks for them but has no heartbeat timeout."""


class Living(Protocol):
    """What heartbeats are sent for."""

    details_json: str | None

    @property
    def token(self) -> str:
        """Of its task."""
        ...

    def interrupt(self, interruption: Interruption) -> None:
        """Stop it."""


class Pulse:
    """The heartbeats of one activity."""

    __slots__ = (
        "_alarm",
        "_alive_until",
        "_failures",
        "_heartbeats",
        "_interval",
        "_stopped",
        "_timeout",
        "_unanswered",
        "living",
    )

    def __init__(self, living: Living, heartbeats: Heartbeats, timeout: float | None, fraction: float) -> None:
        self.living = living
        self._heartbeats = heartbeats
        self._timeout = math.inf if timeout is None else timeout
        self._interval = _WITHOUT_TIMEOUT if timeout is None else min(max(timeout * fraction, _SHORTEST), _LONGEST)
        self._failures = 0
        self._stopped = False
        self._unanswered = 0
        now = heartbeats.clock.now()
        self._alive_until = now + self._timeout
        self._alarm = heartbeats.clock.call_at(now + self._interval, self._due)

    def stop(self) -> None:
        """Send no more."""
        self._stopped = True
        self._alarm.cancel()

    def _due(self) -> None:
        self._heartbeats.send(self)

    async def beat(self) -> None:
        """Send one heartbeat and set the alarm for the next."""
        if self._stopped:
            return
        began = self._heartbeats.clock.now()
        self._set_alarm(began + self._interval)
        if self._unanswered < _MOST_UNANSWERED:
            self._unanswered += 1
            try:
                await self._ask(began)
            finally:
                self._unanswered -= 1

    async def _ask(self, began: float) -> None:
        living = self.living
        details_json = living.details_json
        try:
            cancel_requested = await self._heartbeats.backend.heartbeat_activity_task(living.token, details_json)
        except UnknownTaskError:
            self.stop()
            living.interrupt(Interruption.CLOSED)
        except BackendUnavailableError as error:
            self._try_again(error)
        except InvalidRequestError as error:
            if details_json is None:
                raise
            logger.warning("heartbeat details of %s are left out: %s", living, error)
            if living.details_json == details_json:
                living.details_json = None
            self._set_alarm(began)
        else:
            self._failures = 0
            self._alive_until = max(self._alive_until, began + self._timeout)
            if cancel_requested:
                living.interrupt(Interruption.CANCEL_REQUESTED)

    def _try_again(self, error: BackendUnavailableError) -> None:
        now = self._heartbeats.clock.now()
        if now >= self._alive_until:
            logger.error("no heartbeat of %s got through within its timeout; it is given up: %s", self.living, error)
            self.stop()
            self.living.interrupt(Interruption.CLOSED)
            return
        if not self._failures:
            logger.warning("could not heartbeat for %s, trying again: %s", self.living, error)
        self._failures += 1
        self._set_alarm(min(now + self._heartbeats.back_off(self._failures, error), self._alive_until))

    def _set_alarm(self, when: float) -> None:
        if not self._stopped:
            self._alarm.cancel()
            self._alarm = self._heartbeats.clock.call_at(when, self._due)


class Heartbeats:
    """Sends the heartbeats of one worker."""

    def __init__(
        self,
        backend: Backend,
        *,
        clock: Clock,
        back_off: BackOff,
        fraction: float,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self.backend = backend
        self.clock = clock
        self.back_off = back_off
        self._fraction = fraction
        self._spawn = spawn
        self._closed = False
        self._queue: deque[Pulse] = deque()
        self._senders: set[asyncio.Task[None]] = set()

    def start(self, living: Living, timeout: float | None) -> Pulse:
        """Send heartbeats from now on; return what stops them."""
        return Pulse(living, self, timeout, self._fraction)

    def send(self, pulse: Pulse) -> None:
        """Send one heartbeat as soon as there is room."""
        if self._closed:
            return
        self._queue.append(pulse)
        if len(self._senders) < _AT_ONCE:
            sender = self._spawn(self._send())
            self._senders.add(sender)
            sender.add_done_callback(self._senders.discard)

    def close(self) -> None:
        """Give up what is under way, and send no more."""
        self._closed = True
        self._queue.clear()
        for sender in self._senders:
            sender.cancel()

    async def _send(self) -> None:
        while self._queue:
            await self._queue.popleft().beat()
