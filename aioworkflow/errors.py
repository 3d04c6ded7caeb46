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
    ├── NondeterminismError                     the code of a workflow does not fit the history of a process
    ├── NotInActivityError (also RuntimeError)  heartbeat() or current_activity() outside an activity
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

from typing import Any

__all__ = [
    "AioworkflowError",
    "BackendClosedError",
    "BackendError",
    "BackendUnavailableError",
    "DefaultUndefinedError",
    "InvalidDecisionError",
    "InvalidRequestError",
    "LimitExceededError",
    "NondeterminismError",
    "NotInActivityError",
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


class NondeterminismError(AioworkflowError):
    """The code of a workflow does otherwise than the history of a process says that it did."""


class NotInActivityError(AioworkflowError, RuntimeError):
    """``heartbeat()`` or ``current_activity()`` was called outside an activity that a worker runs."""


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
