"""Foreign errors become ours, once."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
)
from botocore.parsers import ResponseParserError

from aioworkflow.backends.swf.faults import AlreadyRegisteredError, is_doubtful, translate
from aioworkflow.errors import (
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
from tests.backends.swf.scripted_swf import URL, connect_timeout, fault, lost, read_timeout, refused

START, POLL, ANSWER, DECIDED = (
    "StartWorkflowExecution",
    "PollForActivityTask",
    "RespondActivityTaskCompleted",
    "RespondDecisionTaskCompleted",
)


@pytest.mark.parametrize(
    ("code", "call", "kind", "words"),
    [
        ("UnknownResourceFault", START, UnknownTypeError, "is not registered"),
        ("UnknownResourceFault", "DescribeActivityType", UnknownTypeError, "is not registered"),
        ("UnknownResourceFault", ANSWER, UnknownTaskError, "the task is closed"),
        ("UnknownResourceFault", DECIDED, UnknownTaskError, "the task is closed"),
        ("UnknownResourceFault", "SignalWorkflowExecution", UnknownProcessError, "no such open process"),
        ("UnknownResourceFault", "GetWorkflowExecutionHistory", UnknownProcessError, "no longer kept"),
        ("UnknownResourceFault", POLL, UnknownResourceError, "domain is not registered"),
        ("WorkflowExecutionAlreadyStartedFault", START, ProcessAlreadyRunningError, ""),
        ("TypeDeprecatedFault", START, TypeDeprecatedError, ""),
        ("DefaultUndefinedFault", START, DefaultUndefinedError, ""),
        ("TypeAlreadyExistsFault", "RegisterActivityType", AlreadyRegisteredError, ""),
        ("DomainAlreadyExistsFault", "RegisterDomain", AlreadyRegisteredError, ""),
        ("LimitExceededFault", START, LimitExceededError, ""),
        ("LimitExceededFault", POLL, ThrottledError, "1,000 polls"),
        ("ThrottlingException", START, ThrottledError, "fewer calls"),
        ("ValidationException", START, InvalidRequestError, ""),
        ("SerializationException", START, InvalidRequestError, ""),
        ("ValidationException", ANSWER, UnknownTaskError, "no task has this token"),
        ("ValidationException", DECIDED, InvalidDecisionError, ""),
        ("OperationNotPermittedFault", START, BackendError, "IAM policy"),
        ("AccessDeniedException", START, BackendError, "IAM policy"),
        ("DomainDeprecatedFault", START, BackendError, "undeprecate"),
        ("UnrecognizedClientException", START, BackendError, "wrong or expired"),
        ("RequestTimeTooSkewed", START, BackendError, "this machine's clock"),
        ("ExpiredTokenException", START, BackendError, "wrong or expired"),
        ("InvalidSignatureException", START, BackendError, "wrong or expired"),
        ("SomethingNew", START, BackendError, ""),
    ],
)
def test_every_fault_of_the_service_has_its_error(
    code: str, call: str, kind: type[AioworkflowError], words: str
) -> None:
    error = translate(fault(code, "the reason"), call, "order-17")
    assert type(error) is kind
    assert str(error).startswith(f"{call} (order-17): {code}: the reason")
    assert words in str(error)


def test_a_wrong_token_of_a_decision_is_told_by_the_message() -> None:
    assert type(translate(fault("ValidationException", "Invalid token"), DECIDED, "x")) is UnknownTaskError


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("InternalFailure", 500, BackendUnavailableError),
        ("ServiceUnavailable", 400, BackendUnavailableError),
        ("", 503, BackendUnavailableError),
        ("NotImplemented", 501, BackendError),
        ("429", 429, ThrottledError),
    ],
)
def test_the_services_own_faults_pass_but_for_what_it_cannot_do(
    code: str, status: int, kind: type[AioworkflowError]
) -> None:
    assert type(translate(fault(code, "<html>\n sorry </html>" * 99, status), START, "x")) is kind


def test_long_messages_are_shortened_and_empty_ones_left_out() -> None:
    long = str(translate(fault("InternalFailure", "very\nlong " * 1000, 500), START, "x"))
    assert len(long) < 400
    assert "\n" not in long
    assert str(translate(fault("SomethingNew"), START, "x")) == f"{START} (x): SomethingNew"


@pytest.mark.parametrize(
    ("error", "doubtful"),
    [
        (lost(), True),
        (read_timeout(), True),
        (HTTPClientError(error="?"), True),
        (EndpointConnectionError(endpoint_url=URL, error=OSError("reset")), True),
        (ResponseParserError("half a reply"), True),
        (OSError("broken pipe"), True),
        (refused(), False),
        (connect_timeout(), False),
        (CredentialRetrievalError(provider="role", error_msg="later"), False),
    ],
    ids=repr,
)
def test_trouble_on_the_way_passes_and_says_whether_the_call_may_have_arrived(error: Exception, doubtful: bool) -> None:
    ours = translate(error, START, "order-17")
    assert type(ours) is BackendUnavailableError
    assert "no reply from Amazon SWF" in str(ours)
    assert is_doubtful(error) is doubtful


@pytest.mark.parametrize(("status", "doubtful"), [(400, False), (500, True)])
def test_a_reply_leaves_no_doubt_unless_the_service_failed(status: int, doubtful: bool) -> None:
    assert is_doubtful(fault("Any", status=status)) is doubtful


def test_what_is_missing_to_make_calls_is_no_passing_fault() -> None:
    error = translate(NoCredentialsError(), START, "x")
    assert type(error) is BackendError
    assert "AWS_PROFILE" in str(error)


def test_what_botocore_refuses_is_a_wrong_request() -> None:
    assert type(translate(ParamValidationError(report="no name"), START, "x")) is InvalidRequestError
