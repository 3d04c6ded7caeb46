"""How the bodies of replies come to :mod:`aioworkflow.backends.swf.decode` without being parsed by botocore before.

botocore's own parser needs some 5 ms for a decision task of 100 events. :func:`install` puts another one in its place:
replies of the calls in :data:`RAW_OPERATIONS` that succeed come back as ``{"Body": bytes, "ResponseMetadata": …}``,
read by :func:`body`. All else, errors and other services of the same session included, is parsed as ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aiobotocore.parsers import AioJSONParser, AioResponseParserFactory
from aiobotocore.session import AioSession
from botocore.parsers import ResponseParserError, create_parser

from ...checks import show
from ...errors import BackendError

__all__ = ["RAW_OPERATIONS", "body", "install", "parse_error"]

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
"""The calls whose replies :mod:`aioworkflow.backends.swf.decode` reads; no other service has calls of these names."""


_errors = create_parser("json")


class RawParser(AioJSONParser):  # type: ignore[misc]  # aiobotocore has no types
    """Leaves the bodies of some replies as they are."""

    async def parse(self, response: dict[str, Any], shape: object) -> dict[str, Any]:
        """Return the reply to one call.

        Raises:
            ResponseParserError: It cannot be read.
        """
        if response["status_code"] != 200 or response["context"].get("operation_name") not in RAW_OPERATIONS:
            with _readable(response) as given:
                parsed: dict[str, Any] = await super().parse(given, shape)
            return parsed
        headers = {str(name).lower(): value for name, value in response["headers"].items()}
        metadata = {"HTTPStatusCode": 200, "HTTPHeaders": headers}
        if "x-amzn-requestid" in headers:
            metadata["RequestId"] = headers["x-amzn-requestid"]
        return {"Body": response["body"], "ResponseMetadata": metadata}


class RawParserFactory(AioResponseParserFactory):  # type: ignore[misc]  # aiobotocore has no types
    """Makes parsers; botocore asks for one for each reply."""

    def create_parser(self, protocol_name: str) -> object:
        """Return the parser for a protocol: ours for SWF's."""
        return RawParser(**self._defaults) if protocol_name == "json" else super().create_parser(protocol_name)


@contextmanager
def _readable(response: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give a response as botocore can read it; for JSON that is no object, as programs in between may send it, botocore
    raises whatever it stumbles over.
    """
    content = response["body"].decode("utf-8", "replace")  # a message may have been cut within a character
    try:
        yield {**response, "body": content.encode()}
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ResponseParserError(
            f"the reply with status {response['status_code']} cannot be read: {show(content, 300)}"
        ) from error


def parse_error(response: dict[str, Any]) -> dict[str, Any]:
    """Return what an error reply says, as a client does.

    Raises:
        ResponseParserError: It cannot be read.
    """
    with _readable(response) as given:
        parsed: dict[str, Any] = _errors.parse(given, None)
    return parsed


def install(session: AioSession) -> None:
    """Let the clients that ``session`` creates from now on leave the bodies of SWF's replies unparsed."""
    session.register_component("response_parser_factory", RawParserFactory())


def body(reply: Mapping[str, object]) -> bytes:
    """Return the body of a reply, for a function of :mod:`aioworkflow.backends.swf.decode`.

    Raises:
        BackendError: The reply was parsed already: the session is one that :func:`install` has not seen.
    """
    raw = reply.get("Body")
    if not isinstance(raw, bytes):
        raise BackendError("the reply of Amazon SWF is parsed already: pass the session to parsing.install() before")
    return raw
