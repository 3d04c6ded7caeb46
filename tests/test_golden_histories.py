"""What examples of this and all earlier versions once decided is still what they decide."""

from __future__ import annotations

import asyncio
import json
import runpy
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from aioworkflow.testing import read_history, replay, write_history
from aioworkflow.types import TypeRef
from aioworkflow.workflow import Workflow, workflow_settings

HISTORIES = Path(__file__).parent / "histories"
EXAMPLES = Path(__file__).parent.parent / "examples"
ARGUMENTS = {"05_amazon_swf.py": ["swf://greetings"]}  # else it would start moto
FILES = sorted(HISTORIES.glob("*/*.json"))


def code_of(history: Path) -> Path:
    """Return the example that wrote a history: as it was then, if it has changed since."""
    name = history.name.partition("-")[0] + ".py"
    return old if (old := history.parent / name).exists() else EXAMPLES / name


def workflows_of(example: Path, monkeypatch: pytest.MonkeyPatch) -> dict[TypeRef, type[Workflow] | Workflow]:
    """Return the workflows of an example, without running its ``main``."""

    def close(main: Coroutine[Any, Any, Any]) -> list[Any]:
        main.close()
        return []

    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "run", close)
        patch.setattr(sys, "argv", [example.name, *ARGUMENTS.get(example.name, [])])
        names = runpy.run_path(str(example))
    found: dict[TypeRef, type[Workflow] | Workflow] = {}
    for value in names.values():
        is_class = isinstance(value, type) and issubclass(value, Workflow)
        if (is_class and value.__module__ == "<run_path>") or isinstance(value, Workflow):
            found[workflow_settings(value).ref] = value
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
async def test_a_history_is_replayed(file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    process = read_history(file)
    workflows = workflows_of(code_of(file), monkeypatch)
    await replay(file, workflows[process.workflow])
    write_history(process, tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text()) == json.loads(file.read_text())


def test_every_example_has_its_histories() -> None:
    recorded = {file.name.partition("-")[0] for file in FILES}
    assert recorded == {example.stem for example in EXAMPLES.glob("*.py")}
