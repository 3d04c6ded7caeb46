from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from aioworkflow.backend import ProcessFilter, StartRequest
from aioworkflow.backends.local.arguments import (
    check_after,
    check_batch,
    check_filter,
    check_page,
    check_ref,
    check_start,
    check_type_ref,
)
from aioworkflow.decision import CompleteProcessDecision, RecordMarkerDecision
from aioworkflow.errors import InvalidDecisionError, InvalidRequestError
from aioworkflow.types import ChildPolicy, ProcessRef, ProcessStatus, TypeRef


@pytest.mark.parametrize("ref", [ProcessRef("p"), ProcessRef("parent/run=:1", "r"), ProcessRef("x" * 256, "r" * 64)])
def test_references_to_processes(ref: ProcessRef) -> None:
    check_ref(ref)


@pytest.mark.parametrize(
    "ref",
    [
        "p",
        ("p", "r"),
        None,
        ProcessRef(""),
        ProcessRef("x" * 257),
        ProcessRef("p", "r" * 65),
        ProcessRef("\ud800"),
        ProcessRef("p", "\x00"),
        ProcessRef(None),  # type: ignore[arg-type]
        ProcessRef("p", None),  # type: ignore[arg-type]
    ],
)
def test_wrong_references_to_processes(ref: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"process|run_id"):
        check_ref(ref)


@pytest.mark.parametrize("ref", ["W", ("W", "1"), None, TypeRef(""), TypeRef("W", ""), TypeRef("W", "v" * 65)])
def test_wrong_references_to_types(ref: Any) -> None:
    check_type_ref(TypeRef("W", "1"))
    with pytest.raises(InvalidRequestError, match=r"TypeRef|characters"):
        check_type_ref(ref)


def start(**fields: Any) -> StartRequest:
    return StartRequest(**({"process_id": "p", "workflow": TypeRef("W")} | fields))


def test_a_good_start() -> None:
    check_start(start())
    check_start(
        start(
            tags=("a", "b"),
            task_list="l",
            task_priority=-1,
            execution_timeout=None,
            decision_timeout=0,
            child_policy=ChildPolicy.ABANDON,
        )
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"process_id": "a:b"},
        {"process_id": None},
        {"workflow": "W"},
        {"workflow": [1]},
        {"tags": "red"},
        {"tags": (1,)},
        {"tags": 7},
        {"task_list": " l"},
        {"task_priority": "high"},
        {"execution_timeout": float("nan")},
        {"decision_timeout": -1},
        {"child_policy": "ABANDON"},
    ],
    ids=str,
)
def test_a_wrong_start(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError):
        check_start(start(**fields))


def test_what_is_no_start() -> None:
    with pytest.raises(InvalidRequestError, match="StartRequest"):
        check_start({"process_id": "p"})


def test_batches() -> None:
    decisions = [RecordMarkerDecision("m"), CompleteProcessDecision()]
    assert check_batch(iter(decisions)) == decisions
    assert check_batch(()) == []
    for wrong in (None, 7, "complete", b"x", CompleteProcessDecision()):
        with pytest.raises(InvalidDecisionError, match="list of decisions"):
            check_batch(wrong)


def test_places_in_a_history() -> None:
    for after in (0, 5, 2**40):
        check_after(after)
    for wrong in (-1, 2**53, 1.5, "1", None, True):
        with pytest.raises(InvalidRequestError, match="after"):
            check_after(wrong)


def test_pages() -> None:
    check_page(1, None)
    check_page(1000, "token")
    for size in (0, -1, 1001, 1.0, "1", None, True):
        with pytest.raises(InvalidRequestError, match="page_size"):
            check_page(size, None)
    for token in (7, "x" * 3000, "\ud800"):
        with pytest.raises(InvalidRequestError, match="page_token"):
            check_page(1, token)


def test_filters() -> None:
    now = datetime.now(UTC)
    check_filter(ProcessFilter())
    check_filter(
        ProcessFilter(
            process_id="p",
            workflow="",
            workflow_version="1",
            tag="a/b",
            status=ProcessStatus.OPEN,
            closed=False,
            started_after=now,
            started_before=now,
            closed_after=now,
            closed_before=now,
        )
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"process_id": 7},
        {"workflow": "x" * 257},
        {"workflow_version": "\x00"},
        {"tag": b"a"},
        {"status": "OPEN"},
        {"closed": 1},
        {"started_after": 0},
        {"started_before": datetime(2026, 1, 1)},  # noqa: DTZ001 - that is what is wrong with it
        {"closed_after": "now"},
        {"closed_before": float("nan")},
    ],
    ids=str,
)
def test_wrong_filters(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match=next(iter(fields))):
        check_filter(ProcessFilter(**fields))


def test_what_is_no_filter() -> None:
    with pytest.raises(InvalidRequestError, match="ProcessFilter"):
        check_filter({"tag": "x"})
