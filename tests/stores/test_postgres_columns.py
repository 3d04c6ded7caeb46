"""Groups as columns, and which of them are about one run alone."""

from __future__ import annotations

from typing import Any

import pytest

from aioworkflow.machine.state import Head
from aioworkflow.stores.base import ProcessWrite
from aioworkflow.stores.encoded import EncodedWrite
from aioworkflow.stores.postgres.columns import Columns, Known
from aioworkflow.testing.conformance.store.tools import activity, closed_head, events, head, message, queued, write

RUNNING = activity(4, started_event_id=6, session="one")


def columns(*writes: ProcessWrite, **known: Any) -> Columns:
    known_runs = {run_id: Known(7, 1, **known) for run_id in ("run-1", "run-2")}
    return Columns([EncodedWrite(item) for item in writes], known_runs)


def changed(run_id: str = "run-1", state: Head | None = None, **fields: Any) -> ProcessWrite:
    return write(head(run_id) if state is None else state, 1, **fields)


def test_a_group_about_one_run_takes_the_short_way() -> None:
    values = columns(changed(items={4: RUNNING, 5: None}, events=events(7, 9), wake_at=3.5)).of_one_run()
    assert values is not None
    id, version, text, wakes, wake_at, gone, item_id, item, first, history = values
    assert (id, version, wakes, wake_at, gone, item_id, first) == (7, 1, True, 3.5, 5, 4, 7)
    assert '"run_id":"run-1"' in text
    assert '"session":"one"' in item
    assert history.startswith("[")


def test_it_need_not_bring_anything_else() -> None:
    values = columns(changed()).of_one_run()
    assert values is not None
    assert values[3:] == (False, None, None, None, None, None, None)


@pytest.mark.parametrize(
    "writes",
    [
        [],
        [changed(), changed("run-2")],
        [write(head("run-3"))],
        [changed(changed=False)],
        [changed(), write(head("run-2"), 1, changed=False)],
        [changed(), write(None, send=[message("m")])],
        [changed(received=["m"])],
        [changed(send=[message("m")])],
        [changed(state=closed_head("run-1"))],
        [changed(state=head("run-1", queued=queued()))],
        [changed(items={4: activity(4)})],
        [changed(items={4: RUNNING, 5: activity(5, started_event_id=6)})],
        [changed(items={4: None, 5: None})],
        [changed(events=events(1, 60))],
    ],
)
def test_all_others_take_the_long_one(writes: list[ProcessWrite]) -> None:
    assert columns(*writes).of_one_run() is None


def test_a_task_that_waits_no_more_takes_the_long_one() -> None:
    assert columns(changed(), decision=3).of_one_run() is None
    assert columns(changed(items={4: RUNNING}), activities=frozenset([4])).of_one_run() is None
