"""The tree of errors, as its docstring draws it."""

from __future__ import annotations

import re

from aioworkflow import errors


def test_the_drawing_is_the_tree() -> None:
    assert errors.__doc__
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in errors.__doc__.splitlines():
        if found := re.match(r"^    ((?:│   |    )*)(?:├── |└── )?(\w+Error)\b", line):
            depth = len(found[1]) // 4 + (0 if found[2] == "AioworkflowError" else 1)
            above[depth:] = [found[2]]
            drawn[found[2]] = above[depth - 1] if depth else "Exception"
    kinds = {name: getattr(errors, name) for name in errors.__all__}
    assert drawn == {name: kind.__base__.__name__ for name, kind in kinds.items()}


def test_errors_can_be_caught_as_python_s_own() -> None:
    assert issubclass(errors.InvalidRequestError, ValueError)
    assert issubclass(errors.UnknownResourceError, LookupError)


def test_a_process_that_did_not_complete_tells_how() -> None:
    error = errors.ProcessFailedError("it failed", process_id="p", run_id="r", reason="why", details=[1])
    assert (str(error), error.process_id, error.run_id, error.reason, error.details) == (
        "it failed",
        "p",
        "r",
        "why",
        [1],
    )
    bare = errors.ProcessCanceledError("gone", process_id="p", run_id="r")
    assert (bare.reason, bare.details) == (None, None)
