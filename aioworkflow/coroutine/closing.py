"""How the code of a workflow ended, as the decision that closes the process."""

from __future__ import annotations

import asyncio
from typing import Any

from ..decision import (
    CancelProcessDecision,
    CompleteProcessDecision,
    ContinueAsNewDecision,
    Decision,
    FailProcessDecision,
)
from ..errors import PayloadError
from ..payload import as_json
from ..result import exception_details

__all__ = ["ContinueAsNew", "closing_decision"]


class ContinueAsNew(BaseException):
    """Leaves ``run``, and begins a new run in its place; raised by ``continue_as_new``.

    It is no :class:`Exception`, so ``except Exception`` does not stop it. From inside a ``TaskGroup`` it comes out
    in a group, which is as good.
    """

    def __init__(self, decision: ContinueAsNewDecision) -> None:
        super().__init__("continue_as_new() must not be caught: it ends this run")
        self.decision = decision


def closing_decision(root: asyncio.Task[Any], cancel_details_json: str | None) -> Decision:
    """Return what closes the process whose ``run`` has ended.

    A cancellation that came out of it cancels the process, with the details of the request; an exception fails it.
    """
    if root.cancelled():
        return CancelProcessDecision(as_json(cancel_details_json))
    error = root.exception()
    if error is not None:
        return _continuation(error) or _failure(error)
    try:
        return CompleteProcessDecision(root.result())
    except PayloadError as unfit:
        return _failure(unfit)


def _continuation(error: BaseException) -> Decision | None:
    if isinstance(error, BaseExceptionGroup) and error.split(ContinueAsNew)[1] is None:
        return _continuation(error.exceptions[0])
    return error.decision if isinstance(error, ContinueAsNew) else None


def _failure(error: BaseException) -> FailProcessDecision:
    told = exception_details(error)
    return FailProcessDecision(f"{told['type']}: {told['message']}" if told["message"] else told["type"], told)
