"""Comparing what the code ordered in a turn with what history says it ordered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import NondeterminismError
from ..event import (
    AnyEvent,
    DecisionCompletedEvent,
    DecisionStartedEvent,
    MarkerRecordedEvent,
    ProcessTerminatedEvent,
    StartChildProcessFailedEvent,
    StartTimerFailedEvent,
    TimerStartedEvent,
)
from .commands import MORE, PATCH, RESULTS, Command, Owner
from .tracing import waiting_places

if TYPE_CHECKING:
    from .run import Run

__all__ = ["is_on_record", "settle"]

_SHOWN = 5
"""Lines of the diff before and after the first that differs."""


def settle(run: Run, events: Sequence[AnyEvent], start: int) -> tuple[list[Command], list[tuple[Owner, AnyEvent]]]:
    """Match the commands of a run with the events of the transaction that begins before ``events[start]``.

    Returns:
        The commands that did not fit into the answer and go with the next, and who has to hear of which refusal.

    Raises:
        NondeterminismError: They do not match.
    """
    commands = run.commands
    count = len(commands)
    refusals: list[tuple[Owner, AnyEvent]] = []
    place = 0
    incomplete = False
    for index in range(start, len(events)):
        event = events[index]
        kind = type(event)
        if kind is DecisionStartedEvent:
            break
        result = RESULTS.get(kind)
        if result is None:
            incomplete = incomplete or kind is ProcessTerminatedEvent
            continue
        key = result.key(event)
        if place < count:
            command = commands[place]
            if command.key == key and command.kind is result.decision:
                place += 1
                if command.owner is not None:
                    if result.accepted:
                        command.owner.accepted(event)
                    else:
                        refusals.append((command.owner, event))
                continue
        if is_cut(event):
            incomplete = True
        elif not _is_aside(event):
            raise _mismatch(run, events, start, place)
    if place < count and not incomplete:
        raise _mismatch(run, events, start, place)
    return commands[place:], refusals


def is_cut(event: AnyEvent) -> bool:
    """Whether an event says that the rest of what was ordered comes with the next answer."""
    return isinstance(event, TimerStartedEvent | StartTimerFailedEvent) and event.timer_id.startswith(MORE)


def is_on_record(run: Run) -> bool:
    """Whether history tells what the code orders next: this is no new turn, and not beyond what its answer could carry.

    What did not fit is sent with the next answers, so these are looked through as long as they go on with it.
    """
    if not run.replaying:
        return False
    on_record = 0
    goes_on = True
    for event in run.process.history[run.history_length :]:
        if type(event) is DecisionCompletedEvent:
            if not goes_on:
                return True
            goes_on = False
        elif is_cut(event):
            goes_on = True
        elif type(event) in RESULTS:
            on_record += 1
    return not goes_on or sum(not command.withdrawn for command in run.commands) < on_record


def _is_aside(event: AnyEvent) -> bool:
    """Whether an event in the place of a result is none, or does not matter: code may have lost its ``patched``."""
    if isinstance(event, MarkerRecordedEvent):
        return event.marker == PATCH
    return isinstance(event, StartChildProcessFailedEvent) and event.initiated_event_id > 0


# --- telling what differs --------------------------------------------------------------------------------


def _mismatch(run: Run, events: Sequence[AnyEvent], start: int, place: int) -> NondeterminismError:
    results = list(_results(events, start))
    completed = events[start - 1]
    lines = [_headline(run, completed)]
    first = max(place - _SHOWN, 0)
    for index in range(first, max(len(results), len(run.commands))):
        if index > place + _SHOWN:
            lines.append("  …")
            break
        history = _event_line(results[index]) if index < len(results) else "nothing more"
        code = _command_line(run.commands[index]) if index < len(run.commands) else "nothing more"
        if index < place:
            lines.append(f"    both:    {history}")
        else:
            lines += [f"  - history: {history}", f"  + code:    {code}"]
    if place >= len(run.commands):
        lines += [f"  the code waits at {where}" for where in waiting_places(run.loop.open_tasks())]
    return NondeterminismError("\n".join(lines))


def _headline(run: Run, completed: AnyEvent) -> str:
    return (
        f"the history of {run} does not fit the code, in the turn that decision {completed.event_id} answered; "
        f"the process is left as it is until code comes that fits (see aioworkflow.flow.patched)"
    )


def _results(events: Sequence[AnyEvent], start: int) -> Iterator[AnyEvent]:
    for index in range(start, len(events)):
        event = events[index]
        if type(event) is DecisionStartedEvent:
            return
        if type(event) in RESULTS and not _is_aside(event):
            yield event


def _event_line(event: AnyEvent) -> str:
    key = RESULTS[type(event)].key(event)
    return f"event {event.event_id}, {type(event).__name__}{_shown(key)}"


def _command_line(command: Command) -> str:
    where = f" at {command.where}" if command.where else ""
    told: Any = getattr(command.decision, "reason", None)
    because = f" ({told})" if told else ""
    return f"{command.kind.__name__}{_shown(command.key)}{because}{where}"


def _shown(key: Any) -> str:
    if key is None:
        return ""
    return " " + (" of ".join(map(repr, key)) if isinstance(key, tuple) else repr(key))
