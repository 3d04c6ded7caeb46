"""Other processes as coroutines see them: children, and messages to any process."""

from __future__ import annotations

from typing import Any, TypeVar

from ..decision import RequestCancelProcessDecision, SignalProcessDecision, StartChildProcessDecision
from ..errors import LimitExceededError, PayloadError, UnknownProcessError
from ..event import (
    CancelExternalProcessFailedEvent,
    CancelExternalProcessInitiatedEvent,
    Cause,
    ChildProcessCompletedEvent,
    ChildProcessStartedEvent,
    SignalProcessFailedEvent,
    SignalProcessInitiatedEvent,
    StartChildProcessFailedEvent,
    StartChildProcessInitiatedEvent,
)
from ..records import ChildClosedEvent
from ..types import ProcessRef, TypeRef
from .activities import CancelMode, read_result
from .commands import Command
from .outcomes import child_error
from .run import Run
from .tasks import DurableFuture

__all__ = ["ChildHandle", "Message"]

T = TypeVar("T")


class ChildHandle(DurableFuture[T]):
    """A child process: a future of its result.

    Attributes:
        process: Its id, and its run id once it has started.
        workflow: Its name and version.
        started: A future that is done when it has started; its result is ``process``.
        outcome: The event that ended it, also where that came after a cancellation; None before.
    """

    __slots__ = (
        "_cancel_message",
        "_command",
        "_decision",
        "_delayed",
        "_into",
        "_mode",
        "_run",
        "_stopping",
        "outcome",
        "process",
        "refusals",
        "started",
        "workflow",
    )

    def __init__(self, run: Run, decision: StartChildProcessDecision, *, into: Any, mode: CancelMode) -> None:
        super().__init__(loop=run.loop)
        assert decision.id is not None
        self.process = ProcessRef(decision.id)
        self.workflow: TypeRef = decision.workflow
        self.started: DurableFuture[ProcessRef] = DurableFuture(loop=run.loop)
        self.outcome: ChildClosedEvent | None = None
        self._run = run
        self._into = into
        self._mode = mode
        self._stopping = False
        self._delayed = False
        self.refusals = 0
        self._cancel_message: Any = None
        self._decision: StartChildProcessDecision | None = decision
        self._command: Command | None = None
        self.order_again()

    def __repr__(self) -> str:
        return f"<ChildHandle {self.process} of {self.workflow}, {self._state.lower()}>"

    @property
    def id(self) -> str:
        """Its process id."""
        return self.process.process_id

    def cancel(self, msg: Any = None) -> bool:
        """Cancel it as the ``cancel`` mode says. Who cancels again does not wait any longer."""
        if self.done():
            return False
        if self._command is not None or self._delayed:
            if self._command is not None:
                self._command.withdrawn = True
                self._run.backlog.ended(type(self))
            self.started.cancel()
        elif self._mode != "abandon" and not self._stopping:
            self._stopping = True
            if self.process.run_id:
                self._request_cancel()
            if self._mode == "wait":
                self._cancel_message = msg
                return True
        return super().cancel(msg)

    def _request_cancel(self) -> None:
        self._run.order(RequestCancelProcessDecision(self.id), self.id)

    # --- what the run tells it ---

    def accepted(self, event: StartChildProcessInitiatedEvent) -> None:
        """Note that it is about to start."""
        self._command = self._decision = None
        self._run.children[event.event_id] = self

    def child_started(self, event: ChildProcessStartedEvent) -> None:
        """Note that it has started; a request to cancel it has waited for that, since before it would be in vain."""
        self.process = event.process
        if not self.started.done():
            self.started.set_result(event.process)
        if self._stopping:
            self._request_cancel()

    def refused(self, event: StartChildProcessFailedEvent) -> None:
        """Raise where it is waited for, unless it helps to start it later."""
        self._command = None
        self._delayed = not self.done() and self._run.backlog.take(self, event.cause, self._run.children)
        if not self._delayed:
            self.closed(event)
            self._run.backlog.ended(type(self))

    def order_again(self) -> None:
        """Start it, the first time or as the backlog says."""
        decision = self._decision
        assert decision is not None
        self._delayed = False
        self._command = self._run.order(decision, (decision.id, decision.workflow.name), self)

    def give_up(self, error: BaseException) -> None:
        """Raise where it is waited for: it cannot be started again."""
        self._delayed = False
        if not self.started.done():
            self.started.set_exception(error)
            self.started.exception()  # who waits for the result hears of it, too
        self.set_exception(error)

    def closed(self, event: ChildClosedEvent) -> None:
        """Tell those who wait how it ended."""
        self.outcome = event
        if not self.started.done() and not isinstance(event, ChildProcessCompletedEvent):
            self.started.set_exception(child_error(self.process, self.workflow, event))
            self.started.exception()  # who waits for the result hears of it, too
        if self.done():
            return
        if self._stopping:
            super().cancel(self._cancel_message)
        elif isinstance(event, ChildProcessCompletedEvent):
            self._complete(event)
        else:
            self.set_exception(child_error(self.process, self.workflow, event))

    def _complete(self, event: ChildProcessCompletedEvent) -> None:
        try:
            result = read_result(event.result_json, self._into)
        except PayloadError as error:
            self.set_exception(PayloadError(f"result of child {self.id!r} ({self.workflow.name}): {error}"))
        else:
            self.set_result(result)


class Message(DurableFuture[None]):
    """A signal or a request to cancel on its way to another process: a future that is done when it has arrived."""

    __slots__ = ("_command", "_run", "_what", "process")

    def __init__(self, run: Run, decision: SignalProcessDecision | RequestCancelProcessDecision) -> None:
        super().__init__(loop=run.loop)
        self.process = decision.process
        self._run = run
        if isinstance(decision, SignalProcessDecision):
            self._what = f"signal {decision.signal!r}"
            key: Any = (decision.process.process_id, decision.signal)
        else:
            self._what = "the request to cancel"
            key = decision.process.process_id
        self._command: Command | None = run.order(decision, key, self)

    def cancel(self, msg: Any = None) -> bool:
        """Wait for it no longer; if it is not on its way yet, it is not sent."""
        if self._command is not None:
            self._command.withdrawn = True
        return super().cancel(msg)

    def accepted(self, event: SignalProcessInitiatedEvent | CancelExternalProcessInitiatedEvent) -> None:
        """Note that it is on its way."""
        self._command = None
        self._run.messages[event.event_id] = self

    def delivered(self) -> None:
        """Tell those who wait."""
        if not self.done():
            self.set_result(None)

    def undelivered(self, event: SignalProcessFailedEvent | CancelExternalProcessFailedEvent) -> None:
        """Raise where it is waited for."""
        if self.done():
            return
        text = f"{self._what} could not be delivered to process {event.process}: {event.cause.value}"
        unknown = event.cause is Cause.UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION
        self.set_exception(UnknownProcessError(text) if unknown else LimitExceededError(text))

    refused = undelivered
