"""How the bodies of replies reach :mod:`aioworkflow.backends.swf.decode` without botocore reading them first.

botocore's own parser needs 5 ms for a decision task of 100 events. :func:`install` puts another in its place: replies
of the calls in :data:`RAW_OPERATIONS` that succeed come back as ``{"Body": bytes, "ResponseMetadata": …}``; everything
else, all errors and all other services of the session included, is parsed as ever.
"""

from __future__ import annotations

from aiobotocore.session import AioSession

__all__ = ["RAW_OPERATIONS", "body", "install"]

RAW_OPERATIONS = frozenset(
    {
        "CountClosedWorkflowExecutions",
        "CountOpenWorkflowExecutions",
        "CountPendingActivityTasks",
        "CountPendingDecisionTasks",
        "DescribeActivityType",
        "DescribeWorkflowExecution",
        "DescribeWorkflowType",
        "GetWorkflowExecutionHistory",
        "ListClosedWorkflowExecutions",
        "ListOpenWorkflowExecutions",
        "PollForActivityTask",
        "PollForDecisionTask",
        "RecordActivityTaskHeartbeat",
        "StartWorkflowExecution",
    }
)
"""The calls whose replies are read by :mod:`aioworkflow.backends.swf.decode`."""


def install(session: AioSession) -> None:
    """Let the clients that ``session`` creates from now on leave the replies of SWF unread."""
    raise NotImplementedError


def body(reply: dict[str, object]) -> bytes:
    """Return the body of a reply, for one of the functions of :mod:`aioworkflow.backends.swf.decode`."""
    raise NotImplementedError
