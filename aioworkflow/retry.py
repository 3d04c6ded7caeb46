"""When to try again: a frozen policy that computes delays, for workers' back-off and for deciders.

The delay before attempt n+1 is ``initial * backoff ** (n - 1)``, at most ``maximum_interval``. With ``jitter`` (0 to
1) a random share of it is taken away: 1.0 is "full jitter", anything between nothing and the whole delay, which
spreads a crowd best. Deciders draw that share from what the history says (:mod:`aioworkflow.retrying`), so that
deciding again gives the same delay.
"""

from __future__ import annotations

import math
import random as _random
from collections.abc import Callable
from dataclasses import dataclass

from .checks import check_duration, show
from .errors import InvalidRequestError
from .types import Duration

__all__ = ["RetryPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and when something is tried again.

    Attributes:
        initial: Seconds (or a timedelta) before the second attempt.
        backoff: What each further delay is multiplied by; at least 1.
        maximum_interval: The longest delay in seconds (or a timedelta).
        maximum_attempts: Including the first; None is without end.
        jitter: The share of the delay that chance may take away, 0 to 1.
        non_retryable: Names of exception types (as ``"ValueError"``) that no further attempt would help; the
            types themselves are accepted too. Subclasses have other names.
    """

    initial: Duration = 1.0
    backoff: float = 2.0
    maximum_interval: Duration = 3600.0
    maximum_attempts: int | None = 3
    jitter: float = 0.0
    non_retryable: tuple[str | type[BaseException], ...] = ()

    def __post_init__(self) -> None:
        attempts: object = self.maximum_attempts
        if attempts is not None and (not isinstance(attempts, int) or isinstance(attempts, bool) or attempts < 1):
            raise InvalidRequestError(f"maximum_attempts must be an int of at least 1, or None, not {show(attempts)}")
        _check_factor(self.backoff, "backoff", 1, math.inf)
        _check_factor(self.jitter, "jitter", 0, 1)
        put = object.__setattr__
        put(self, "initial", check_duration(self.initial, "initial", optional=False))
        put(self, "maximum_interval", check_duration(self.maximum_interval, "maximum_interval", optional=False))
        put(self, "non_retryable", _exception_names(self.non_retryable))

    def delay(self, attempt: int, random: Callable[[], float] = _random.random) -> float:
        """Return the seconds to wait after failed attempt number ``attempt`` (from 1).

        Args:
            attempt: How many attempts there have been.
            random: Gives a number from 0 to 1; only asked if there is jitter.
        """
        initial, longest = float(self.initial), float(self.maximum_interval)  # type: ignore[arg-type]
        try:
            delay = min(initial * self.backoff ** (attempt - 1), longest)
        except OverflowError:
            delay = longest if initial else 0.0
        return delay * (1 - self.jitter * random()) if self.jitter else delay

    def allows(self, attempts: int, error: str | None = None) -> bool:
        """Return whether there may be another attempt.

        Args:
            attempts: How many there have been.
            error: The name of the exception type that ended the last one, if it was an exception; of one that is
                defined inside another class or a function (``"Bank.Refused"``) the last part is enough.
        """
        if self.maximum_attempts is not None and attempts >= self.maximum_attempts:
            return False
        return error is None or not {error, error.rpartition(".")[2]} & {*self.non_retryable}


def _check_factor(value: object, field: str, least: float, most: float) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most or value == math.inf:
        bounds = f"{least} to {most}" if most < math.inf else f"{least} or more"
        raise InvalidRequestError(f"{field} must be a number, {bounds}, not {show(value)}")


def _exception_names(given: object) -> tuple[str, ...]:
    if isinstance(given, str | type) or not isinstance(given, tuple | list | set | frozenset):
        raise InvalidRequestError(f"non_retryable must be a tuple of exception types or names, not {show(given)}")
    return tuple(item.__qualname__ if isinstance(item, type) else _checked(item) for item in given)


def _checked(item: object) -> str:
    if not isinstance(item, str):
        raise InvalidRequestError(f"non_retryable must hold exception types or their names, not {show(item)}")
    return item
