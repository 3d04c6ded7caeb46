"""Faults as they stand on the wire (swf-reference 9.3)."""

from __future__ import annotations

import msgspec

from aioworkflow.errors import (
    AioworkflowError,
    DefaultUndefinedError,
    InvalidRequestError,
    LimitExceededError,
    ProcessAlreadyRunningError,
    TypeDeprecatedError,
    UnknownResourceError,
)

__all__ = ["Fault", "fault", "fault_of", "internal", "serialization", "throttled", "unknown_resource", "validation"]

_SWF = "com.amazonaws.swf.base.model"


class Fault(Exception):  # noqa: N818 - the service's word
    """An answer that is no success."""

    def __init__(self, kind: str, message: str = "", *, status: int = 400) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message
        self.status = status

    @property
    def body(self) -> bytes:
        return msgspec.json.encode({"__type": self.kind, "message": self.message})


def fault(name: str, message: str = "") -> Fault:
    """One of the eleven faults of the service model."""
    return Fault(f"{_SWF}#{name}", message)


def unknown_resource(message: str) -> Fault:
    return fault("UnknownResourceFault", message)


def validation(message: str) -> Fault:
    return Fault("com.amazon.coral.validate#ValidationException", message)


def serialization(message: str) -> Fault:
    return Fault("com.amazon.coral.service#SerializationException", message)


def throttled() -> Fault:
    return Fault("com.amazon.coral.availability#ThrottlingException", "Rate exceeded")


def internal(message: str = "") -> Fault:
    return Fault("com.amazon.coral.service#InternalFailure", message, status=500)


_FAULTS: dict[type[AioworkflowError], str] = {
    DefaultUndefinedError: "DefaultUndefinedFault",
    LimitExceededError: "LimitExceededFault",
    ProcessAlreadyRunningError: "WorkflowExecutionAlreadyStartedFault",
    TypeDeprecatedError: "TypeDeprecatedFault",
}


def fault_of(error: Exception) -> Fault:
    """Return what Amazon would say of an error of the machine behind."""
    match error:
        case Fault():
            return error
        case UnknownResourceError():
            return unknown_resource(str(error))
        case InvalidRequestError():
            return validation(str(error))
    name = _FAULTS.get(type(error))  # type: ignore[arg-type]
    return fault(name, str(error)) if name else internal(f"{type(error).__name__}: {error}")
