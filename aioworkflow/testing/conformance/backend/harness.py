"""What the suite must be told of a backend: how to get one, how to move its time, what it cannot do."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from ....backend import Backend
from ....machine.limits import Limits

__all__ = ["Feature", "Harness", "HarnessFactory"]


class Feature(enum.Enum):
    """What a backend may be unable to do; the value says what that is."""

    DEPRECATION = "refuses new work for types that are registered as deprecated"
    NEW_DEFAULTS = "takes other defaults for a type that is registered already"
    MISSING_DEFAULTS = "takes types that lack a default"
    SECOND_BACKEND = "can be used through several backend objects at once"
    REOPENING = "keeps everything while no backend object is open"
    SMALL_LIMITS = "has limits that a check can reach"
    CANCEL_DETAILS = "keeps the details of a request to cancel a process"
    ABORT_REASON = "keeps the reason of an aborted activity apart from its details"
    CANCELLABLE_POLLS = "loses no task when a poll is cancelled (polls_can_be_cancelled)"
    PUSHED_INTERRUPTIONS = "tells holders of activity tasks at once that they are canceled or closed"
    PRIORITIES = "hands out tasks strictly by priority, then by age"
    JOINED_FILTERS = "looks for processes by several conditions at once"
    CHOICES = "decides as machine/handle.py says where no source tells what Amazon SWF does"


class Harness(Protocol):
    """A backend to be examined, on data that no other check disturbs.

    (Names are unique per check, so backends of several checks may share a database.)
    """

    @property
    def backend(self) -> Backend:
        """The backend, entered. Read anew for each call, since :meth:`reopen` replaces it."""
        ...

    @property
    def tick(self) -> float:
        """The unit of all timeouts and delays in the checks, in seconds; whole seconds where the backend needs that."""
        ...

    @property
    def patience(self) -> float:
        """How many real seconds to wait for what must happen before saying that it does not."""
        ...

    @property
    def limits(self) -> Limits:
        """What the backend enforces."""
        ...

    @property
    def lacks(self) -> Mapping[Feature | str, str]:
        """Features, and single checks by name, that the backend does not pass, each with the reason."""
        ...

    async def advance(self, seconds: float) -> None:
        """Let this much of the backend's time pass. What becomes due by that may happen a little later."""

    def connect(self) -> AbstractAsyncContextManager[Backend]:
        """Return another backend object on the same data, to be entered."""
        ...

    async def reopen(self) -> None:
        """Leave the backend and enter another one on the same data."""


HarnessFactory = Callable[[], AbstractAsyncContextManager[Harness]]
