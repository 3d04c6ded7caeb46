"""Faults of Amazon SWF, of the network and of botocore, mapped once to :mod:`aioworkflow.errors`.

============================================  ======================================================================
``UnknownResourceFault``                      on an answer to a task: it is closed; else what the call is about is
                                              not there: see :data:`_MISSING`
``LimitExceededFault``                        on a poll there are too many pollers, which passes; else a limit
``ThrottlingException`` and its likes         passing
5xx, connection lost or refused, no reply     passing; the call may have been carried out, see :func:`is_doubtful`
``ValidationException`` and its likes         the request is wrong; on an answer with no other content: the token is
not allowed, no credentials, no region        the message says what to set
============================================  ======================================================================

Messages are passed on and, with one exception, never read: Amazon does not promise them (swf-reference 9.5).
"""

from __future__ import annotations

from aiohttp import ClientConnectorError
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    MetadataRetrievalError,
    ParamValidationError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError

from ...checks import cut
from ...errors import (
    AioworkflowError,
    BackendError,
    BackendUnavailableError,
    DefaultUndefinedError,
    InvalidDecisionError,
    InvalidRequestError,
    LimitExceededError,
    ProcessAlreadyRunningError,
    ThrottledError,
    TypeDeprecatedError,
    UnknownProcessError,
    UnknownResourceError,
    UnknownTaskError,
    UnknownTypeError,
)

__all__ = ["FOREIGN_ERRORS", "AlreadyRegisteredError", "is_doubtful", "translate"]

FOREIGN_ERRORS = (BotoCoreError, ClientError, ResponseParserError, OSError)
"""Everything that a call of a client raises for reasons outside this program."""


class AlreadyRegisteredError(BackendError):
    """A domain or type of this name is registered; seen only by who registers."""


_THROTTLING = frozenset(
    {
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttled",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_TOO_MANY = 429

_PASSING = frozenset(
    {"InternalError", "InternalFailure", "InternalServerError", "RequestTimeout", "ServiceUnavailable"}
    | {"ServiceUnavailableException", "RequestTimeoutException"}
)
_INVALID = frozenset(
    {"ValidationException", "ValidationError", "SerializationException", "InvalidParameterValue", "MissingParameter"}
)
_SIMPLE: dict[str, type[AioworkflowError]] = {
    "DefaultUndefinedFault": DefaultUndefinedError,
    "DomainAlreadyExistsFault": AlreadyRegisteredError,
    "LimitExceededFault": LimitExceededError,
    "TypeAlreadyExistsFault": AlreadyRegisteredError,
    "TypeDeprecatedFault": TypeDeprecatedError,
    "WorkflowExecutionAlreadyStartedFault": ProcessAlreadyRunningError,
}

_ANSWERS = frozenset(
    {
        "RecordActivityTaskHeartbeat",
        "RespondActivityTaskCanceled",
        "RespondActivityTaskCompleted",
        "RespondActivityTaskFailed",
        "RespondDecisionTaskCompleted",
    }
)
_MISSING: dict[str, tuple[type[UnknownResourceError], str]] = {
    **dict.fromkeys(_ANSWERS, (UnknownTaskError, "the task is closed: it was answered, has timed out, or its process")),
    **dict.fromkeys(
        ("DescribeActivityType", "DescribeWorkflowType", "StartWorkflowExecution"),
        (UnknownTypeError, "it, or the domain, is not registered"),
    ),
    **dict.fromkeys(
        ("DescribeWorkflowExecution", "GetWorkflowExecutionHistory"),
        (UnknownProcessError, "there is none such, or it is no longer kept"),
    ),
    **dict.fromkeys(
        ("RequestCancelWorkflowExecution", "SignalWorkflowExecution", "TerminateWorkflowExecution"),
        (UnknownProcessError, "there is no such open process"),
    ),
}
"""What is not there, for each call; for the others it is the domain."""

_NO_DOMAIN = (
    UnknownResourceError,
    "the domain is not registered in this region and account: register it, or connect with ?register_domain=true",
)


def translate(error: BaseException, call: str, subject: str) -> AioworkflowError:
    """Return our error for one of :data:`FOREIGN_ERRORS`.

    Args:
        error: As the client raised it.
        call: Amazon's name of what was called.
        subject: What the call was about, for the message.
    """
    if isinstance(error, ClientError):
        return _translate_reply(error, call, subject)
    about = f"{call} ({subject})"
    if isinstance(error, ParamValidationError):
        return InvalidRequestError(f"{about}: {error}")
    if isinstance(error, BotoCoreError) and not isinstance(error, _NETWORK):
        return BackendError(
            f"{about}: {error}. Credentials, region and profile are found as by all tools of AWS: in the environment "
            "(AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_REGION, …), in ~/.aws, or from the machine's role; region and "
            "profile also in the URL, as swf://domain?region=eu-west-1&profile=work"
        )
    return BackendUnavailableError(f"{about}: no reply from Amazon SWF: {error}")


_NETWORK = (BotoConnectionError, HTTPClientError, CredentialRetrievalError, MetadataRetrievalError)


def is_doubtful(error: BaseException) -> bool:
    """Whether a call that failed so may have been carried out all the same: its reply may have been lost."""
    if isinstance(error, ClientError):
        return _status(error) >= 500
    if isinstance(error, EndpointConnectionError):
        return not isinstance(error.kwargs.get("error"), ClientConnectorError)
    return not isinstance(error, ConnectTimeoutError | CredentialRetrievalError | MetadataRetrievalError)


def _translate_reply(error: ClientError, call: str, subject: str) -> AioworkflowError:
    said = error.response.get("Error", {})
    code = str(said.get("Code") or "")
    message = cut(" ".join(str(said.get("Message") or "").split()), 300)
    about = f"{call} ({subject}): {code}" + (f": {message}" if message else "")
    if code in _THROTTLING or _status(error) == _TOO_MANY:
        return ThrottledError(f"{about}. Amazon SWF asks for fewer calls")
    if code in _PASSING or (_status(error) >= 500 and _status(error) != 501):
        return BackendUnavailableError(about)
    if code == "UnknownResourceFault":
        kind, why = _MISSING.get(call, _NO_DOMAIN)
        return kind(f"{about} ({why})")
    if code in _INVALID:
        return _invalid(about, call, message)
    if code == "LimitExceededFault" and call.startswith("Poll"):
        return ThrottledError(f"{about}. A task list takes 1,000 polls at a time: use fewer workers, or more lists")
    if code in _SIMPLE:
        return _SIMPLE[code](about)
    return BackendError(about + _advice(code))


def _invalid(about: str, call: str, message: str) -> AioworkflowError:
    """Tell a wrong token from a wrong answer.

    What is sent was checked before, so only the token is left, but for decisions, whose rules nobody knows entirely:
    there the message must say it.
    """
    if call in _ANSWERS and (call != "RespondDecisionTaskCompleted" or "invalid token" in message.lower()):
        return UnknownTaskError(f"{about} (no task has this token)")
    if call == "RespondDecisionTaskCompleted":
        return InvalidDecisionError(about)
    return InvalidRequestError(about)


_NOT_KNOWN_TO_AWS = ("InvalidAccessKeyId", "OptInRequired", "RequestTimeTooSkewed", "UnrecognizedClientException")


def _advice(code: str) -> str:
    if code in ("OperationNotPermittedFault", "AccessDeniedException", "AccessDenied"):
        return ". The credentials' IAM policy does not allow it; the README shows one that suffices"
    if code == "DomainDeprecatedFault":
        return ". The domain is deprecated and takes no new types and processes: undeprecate it, or use another"
    if "Token" in code or "Signature" in code or "Expired" in code or code in _NOT_KNOWN_TO_AWS:
        return ". The credentials are wrong or expired, or this machine's clock is"
    return ""


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
