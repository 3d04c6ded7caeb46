"""Everything that aioworkflow raises.

::

    AioworkflowError
    ├── InvalidRequestError (also ValueError)   the request itself is wrong; nothing was changed
    │   ├── InvalidDecisionError                what a decider returned cannot be carried out
    │   ├── PayloadError                        a value that JSON cannot carry, or cannot become the asked type
    │   └── PayloadTooLargeError                an input, result, signal or detail over the limit
    ├── UnknownResourceError (also LookupError) what the request names is not there
    │   ├── UnknownProcessError                 no such process, or it is closed
    │   ├── ResultNotAvailableError             a Process was asked for something that did not happen (yet)
    │   ├── UnknownTaskError                    the task is closed, timed out or was never handed out
    │   └── UnknownTypeError                    no such workflow or activity is registered
    ├── ProcessAlreadyRunningError              a process with this id is open
    ├── TypeDeprecatedError                     the type takes no new work
    ├── DefaultUndefinedError                   a setting was neither given nor has the type a default
    ├── LimitExceededError                      the backend's limit for this kind of thing is reached
    ├── NotInActivityError (also RuntimeError)  heartbeat() or current_activity() outside an activity
    ├── NotInWorkflowError (also RuntimeError)  execute(), now(), … outside the `run` of a workflow
    ├── ForbiddenCallError (also RuntimeError)  `run` did what cannot be repeated, as opening a socket
    ├── NondeterminismError                     a history does not fit the code of `run`
    ├── ActivityError                           raised in `run`: an activity ended without a result
    ├── ChildError                              raised in `run`: a child process ended without a result
    ├── BackendError                            the backend could not do it; the request itself may be fine
    │   ├── BackendUnavailableError             passing: trying again later may help
    │   │   └── ThrottledError                  too many requests; slow down
    │   ├── BackendClosedError                  this backend object is not open
    │   └── StoreError                          the database is not usable as it is
    │       └── SchemaVersionError              it was written by a newer aioworkflow
    └── ProcessNotCompletedError                handle.result(): the process ended otherwise
        ├── ProcessFailedError
        ├── ProcessCanceledError
        ├── ProcessTerminatedError
        └── ProcessTimedOutError

Foreign errors (sqlite3, botocore, …) are mapped to this tree once, at the edge where they arise, and are chained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .types import ProcessRef, TimeoutType, TypeRef

__all__ = [
    "ActivityError",
    "AioworkflowError",
    "BackendClosedError",
    "BackendError",
    "BackendUnavailableError",
    "ChildError",
    "DefaultUndefinedError",
    "ForbiddenCallError",
    "InvalidDecisionError",
    "InvalidRequestError",
    "LimitExceededError",
    "NondeterminismError",
    "NotInActivityError",
    "NotInWorkflowError",
    "PayloadError",
    "PayloadTooLargeError",
    "ProcessAlreadyRunningError",
    "ProcessCanceledError",
    "ProcessFailedError",
    "ProcessNotCompletedError",
    "ProcessTerminatedError",
    "ProcessTimedOutError",
    "ResultNotAvailableError",
    "SchemaVersionError",
    "StoreError",
    "ThrottledError",
    "TypeDeprecatedError",
    "UnknownProcessError",
    "UnknownResourceError",
    "UnknownTaskError",
    "UnknownTypeError",
]


class AioworkflowError(Exception):
    """The base of all errors of this package."""


class InvalidRequestError(AioworkflowError, ValueError):
    """A request breaks a rule that can be seen without looking at any process (SWF: ValidationException)."""


class InvalidDecisionError(InvalidRequestError):
    """A decider returned something that is no decision, or a decision that cannot be carried out."""


class PayloadError(InvalidRequestError):
    """A value cannot be written as JSON, or JSON cannot be read as the asked type."""


class PayloadTooLargeError(InvalidRequestError):
    """A payload is longer than the backend's limit."""


class UnknownResourceError(AioworkflowError, LookupError):
    """What the request names does not exist, or no longer (SWF: UnknownResourceFault)."""


class UnknownProcessError(UnknownResourceError):
    """There is no such process, or the request needs an open one and it is closed."""


class UnknownTaskError(UnknownResourceError):
    """The task was answered before, has timed out, its process is closed, or the token was never given out."""


class ResultNotAvailableError(UnknownResourceError):
    """A :class:`Process` was asked for a result or an event that is not, or not yet, in its history."""


class UnknownTypeError(UnknownResourceError):
    """No workflow or activity of this name and version is registered."""


class ProcessAlreadyRunningError(AioworkflowError):
    """A process with this id is open; ids are unique among open processes."""


class TypeDeprecatedError(AioworkflowError):
    """The workflow or activity is deprecated and takes no new work."""


class DefaultUndefinedError(AioworkflowError):
    """A needed setting was not given and its type has no default for it."""


class LimitExceededError(AioworkflowError):
    """A limit of the backend is reached, as the number of open processes."""


class NotInActivityError(AioworkflowError, RuntimeError):
    """``heartbeat()`` or ``current_activity()`` was called outside an activity that a worker runs."""


class NotInWorkflowError(AioworkflowError, RuntimeError):
    """A verb of coroutine workflows, as ``execute``, was used outside the ``run`` of one."""


class ForbiddenCallError(AioworkflowError, RuntimeError):
    """A coroutine workflow did what no replay could repeat; the message names what to use instead."""


class NondeterminismError(AioworkflowError):
    """The history of a process does not fit the code of its workflow. The process is left as it is.

    The message shows side by side what history says and what the code did, and where.
    """


class ActivityError(AioworkflowError):
    """An activity of a coroutine workflow ended without a result.

    Attributes:
        activity_id: Its id in the process.
        activity: Its name and version.
        how: "failed", "timed out", "aborted", or "refused" if it could not even be scheduled.
        type: The name of the exception type that it failed with, as ``"ValueError"``.
        message: What that exception said; else the reason that was given.
        traceback: The text of its traceback, where there is one.
        reason: Why, in one line, as history has it.
        details: The decoded details, as history has them.
        timeout_type: Which timeout passed.
    """

    def __init__(
        self,
        text: str,
        *,
        activity_id: str,
        activity: TypeRef,
        how: str,
        reason: str | None = None,
        details: Any = None,
        timeout_type: TimeoutType | None = None,
    ) -> None:
        super().__init__(text)
        self.activity_id = activity_id
        self.activity = activity
        self.how = how
        self.reason = reason
        self.details = details
        self.timeout_type = timeout_type
        self.type, self.message, self.traceback = _told(reason, details)


class ChildError(AioworkflowError):
    """A child of a coroutine workflow ended without a result.

    Attributes:
        process: Its id, and its run id where that is known.
        workflow: Its name and version.
        how: "failed", "timed out", "canceled", "terminated", or "refused" if it could not even be started.
        type: The name of the exception type that it failed with, where history tells.
        message: What that exception said; else the reason that was given.
        traceback: The text of its traceback, where there is one.
        reason: Why, in one line, as history has it.
        details: The decoded details, as history has them.
    """

    def __init__(
        self,
        text: str,
        *,
        process: ProcessRef,
        workflow: TypeRef,
        how: str,
        reason: str | None = None,
        details: Any = None,
    ) -> None:
        super().__init__(text)
        self.process = process
        self.workflow = workflow
        self.how = how
        self.reason = reason
        self.details = details
        self.type, self.message, self.traceback = _told(reason, details)


def _told(reason: str | None, details: Any) -> tuple[str | None, str | None, str | None]:
    """Return type, message and traceback of an exception from the details that ``exception_details`` makes of it."""
    if not isinstance(details, dict):
        return None, reason, None
    kind, message, traceback = (details.get(key) for key in ("type", "message", "traceback"))
    return (
        kind if isinstance(kind, str) else None,
        message if isinstance(message, str) else reason,
        traceback if isinstance(traceback, str) else None,
    )


class BackendError(AioworkflowError):
    """The backend could not carry out a request that may well be right."""


class BackendUnavailableError(BackendError):
    """A passing fault: the database is busy or away, the network is down."""


class ThrottledError(BackendUnavailableError):
    """The backend asks for fewer requests."""


class BackendClosedError(BackendError):
    """The backend object was not entered yet, or is closed."""


class StoreError(BackendError):
    """The database cannot be used: not a database, read-only, full, damaged."""


class SchemaVersionError(StoreError):
    """The database has a schema that this version of aioworkflow does not know."""


class ProcessNotCompletedError(AioworkflowError):
    """The awaited process ended without a result.

    Attributes:
        process_id: Its id.
        run_id: The run that ended.
        reason: Why, in one line, where one was given.
        details: The decoded details, where some were given.
    """

    def __init__(
        self, message: str, *, process_id: str, run_id: str, reason: str | None = None, details: Any = None
    ) -> None:
        super().__init__(message)
        self.process_id = process_id
        self.run_id = run_id
        self.reason = reason
        self.details = details


class ProcessFailedError(ProcessNotCompletedError):
    """The decider failed the process."""


class ProcessCanceledError(ProcessNotCompletedError):
    """The decider canceled the process."""


class ProcessTerminatedError(ProcessNotCompletedError):
    """The process was terminated from outside, by its parent's policy, or at a limit."""


class ProcessTimedOutError(ProcessNotCompletedError):
    """The process was open for longer than its execution timeout."""
