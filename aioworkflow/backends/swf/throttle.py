"""How many calls go out: fewer than Amazon allows, so that the account's quotas are left to those who need them.

Amazon keeps a token bucket for each API call, account and region (swf-reference 8.2), and so does a
:class:`Throttle`, with smaller buckets. Who finds a bucket empty waits for a turn of its own, in order of arrival. When
Amazon says that an account asks too much, other programs use the same quota: the bucket is emptied, so that everybody
here slows down.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ...errors import ThrottledError
from .time import Time

__all__ = ["QUOTAS", "Quota", "Throttle"]


class Quota(NamedTuple):
    """What one API call is allowed: ``burst`` calls at once, and then ``rate`` per second."""

    burst: float
    rate: float


def _table(text: str) -> dict[str, Quota]:
    rows = (line.split() for line in text.strip().splitlines())
    return {call: Quota(float(burst), float(rate)) for burst, rate, *calls in rows for call in calls}


QUOTAS: Mapping[str, Quota] = _table(
    """
    2000 6   CountClosedWorkflowExecutions CountOpenWorkflowExecutions
    200  6   CountPendingActivityTasks CountPendingDecisionTasks
    2000 6   DescribeActivityType DescribeWorkflowType DescribeWorkflowExecution
    2000 60  GetWorkflowExecutionHistory TerminateWorkflowExecution
    200  6   ListClosedWorkflowExecutions
    200  48  ListOpenWorkflowExecutions
    2000 200 PollForActivityTask PollForDecisionTask StartWorkflowExecution
    2000 160 RecordActivityTaskHeartbeat
    200  60  RegisterActivityType RegisterWorkflowType
    100  6   RegisterDomain
    2000 30  RequestCancelWorkflowExecution SignalWorkflowExecution
    2000 200 RespondActivityTaskCanceled RespondActivityTaskCompleted RespondActivityTaskFailed
    2000 200 RespondDecisionTaskCompleted
    """
)
"""Amazon's defaults for the calls that are made here (swf-reference 8.2)."""


class _Bucket:
    """Calls that may be made now, and how fast they become more; below 0 are those promised to who waits."""

    __slots__ = ("_filled_at", "_quota", "_tokens")

    def __init__(self, quota: Quota, now: float) -> None:
        self._quota = quota
        self._tokens = quota.burst
        self._filled_at = now

    def take(self, now: float) -> float:
        """Take one and return how long to wait for it."""
        self._fill(now)
        self._tokens -= 1
        return -self._tokens / self._quota.rate if self._tokens < 0 else 0.0

    def give_back(self) -> None:
        self._tokens = min(self._tokens + 1, self._quota.burst)

    def drain(self, now: float) -> None:
        self._fill(now)
        self._tokens = min(self._tokens, 0.0)

    def _fill(self, now: float) -> None:
        self._tokens = min(self._tokens + (now - self._filled_at) * self._quota.rate, self._quota.burst)
        self._filled_at = now


class Throttle:
    """The buckets of one backend object.

    Args:
        share: Which part of the quotas it may use; None is no limit.
        quotas: Where they differ from :data:`QUOTAS`.
        time: Its time.
    """

    def __init__(self, share: float | None, quotas: Mapping[str, Quota], time: Time) -> None:
        self._time = time
        self._buckets: dict[str, _Bucket] = {}
        if share is not None:
            for call, (burst, rate) in {**QUOTAS, **quotas}.items():
                self._buckets[call] = _Bucket(Quota(max(burst * share, 1.0), rate * share), time.now())

    async def wait(self, call: str, until: float | None = None) -> None:
        """Wait until the call may be made.

        Raises:
            ThrottledError: That would be later than ``until``.
        """
        bucket = self._buckets.get(call)
        if bucket is None:
            return
        now = self._time.now()
        delay = bucket.take(now)
        if not delay:
            return
        if until is not None and now + delay > until:
            bucket.give_back()
            raise ThrottledError(
                f"{call} has to wait {delay:.1f} s, for too long: this backend makes as many such calls as quota_share "
                "allows it. Make fewer, or have Amazon raise the quota and say so in SWFOptions(quotas=…)"
            )
        try:
            await self._time.sleep(delay)
        except BaseException:
            bucket.give_back()
            raise

    def borrow(self, call: str) -> None:
        """Take note of a call that is made without waiting for its turn; those that wait do so a little longer."""
        if (bucket := self._buckets.get(call)) is not None:
            bucket.take(self._time.now())

    def slow_down(self, call: str) -> None:
        """Take note that Amazon throttled this call."""
        if (bucket := self._buckets.get(call)) is not None:
            bucket.drain(self._time.now())
