"""The README: its code runs, its commands start what is there, and its links lead somewhere."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
import types
from pathlib import Path
from typing import Any

import pytest

import aioworkflow as aw
from aioworkflow.backends.local import LocalBackend
from aioworkflow.event import Event
from aioworkflow.stores.memory import MemoryStore
from aioworkflow.testing import ManualClock, idle_time_passes

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
COMMANDS = [line.removeprefix("$ ") for language, text in BLOCKS if language == "console" for line in text.splitlines()]


def program(text: str) -> str:
    """Return the one Python block that contains ``text``."""
    (found,) = [block for language, block in BLOCKS if language == "python" and text in block]
    return str(found)


def names_of(text: str) -> dict[str, Any]:
    """Execute the one Python block that contains ``text`` and return what it defines."""
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(program(text), "README.md", "exec", dont_inherit=True), names)
    return names


@pytest.fixture(autouse=True)
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_each_program_is_tested_below() -> None:
    assert [language for language, _ in BLOCKS].count("python") == 8


def test_the_first_program_prints_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "first.py").write_text(program("async def greeting("))
    done = subprocess.run([sys.executable, "first.py"], capture_output=True, text=True, check=True, timeout=60)
    assert [("text", done.stdout)] == [block for block in BLOCKS if block[0] == "text"]
    assert (done.stderr, (tmp_path / "greetings.db").exists()) == ("", True)


class OneActivityWorkflow(aw.RuleWorkflow):
    """Schedules the activity that its input names."""

    @aw.on_started
    def begin(self, process: aw.Process, event: Event) -> aw.Decision:
        name, given = process.input
        return aw.ScheduleActivityDecision(name, given)

    @aw.on_event(aw.event.ActivityCompletedEvent)
    def completed(self, process: aw.Process, event: aw.event.ActivityCompletedEvent) -> aw.Decision:
        return aw.CompleteProcessDecision(event.result)

    @aw.on_event(aw.event.ActivityAbortedEvent, aw.event.ActivityFailedEvent)
    def interrupted(self, process: aw.Process, event: aw.event.ActivityAbortedEvent) -> aw.Decision:
        return aw.FailProcessDecision(event.reason)


class MailClient:
    async def send(self, address: str) -> str:
        return f"sent to {address}"


async def test_activities(tmp_path: Path) -> None:
    names = names_of("class SendMailActivity")
    activities = [names["charge_card"], names["copy"], names["checksum"], names["SendMailActivity"](MailClient())]
    (tmp_path / "file").write_bytes(b"\1\2\3")
    async with (
        aw.connect("memory://") as backend,
        aw.Worker(backend, workflows=[OneActivityWorkflow], activities=activities),
    ):
        client = aw.Client(backend)

        async def result(name: str, given: object) -> object:
            return await (await client.start(OneActivityWorkflow, [name, given])).result()

        assert await result("charge_card", {"customer": "ada", "cents": 500}) == "receipt for ada"
        assert await result("charge_card", ["ada", 500]) == "receipt for ada"
        assert await result("copy", ["a", "b"]) is None
        assert await result("checksum", "file") == 6
        assert await result("SendMail", "ada@example.com") == "sent to ada@example.com"
        with pytest.raises(aw.ProcessFailedError, match="no address"):
            await result("SendMail", "ada")


async def test_a_coroutine_workflow_and_its_replay(tmp_path: Path) -> None:
    names = names_of("async def order(")
    order = names["order"]
    clock = ManualClock()
    async with (
        LocalBackend(MemoryStore(), clock=clock) as backend,
        idle_time_passes(clock, backend),
        aw.Worker(backend, workflows=[order], activities=[names["charge"], names["refund"], names["tell"]]),
    ):
        client = aw.Client(backend)
        packed = await client.start(order, ("ada", 500))
        await packed.signal("packed", "parcel 17")
        assert await packed.result() == "parcel 17 shipped"
        assert await packed.status() == "paid"
        forgotten = await client.start(order, ("ben", 500))
        assert await forgotten.result() == "refunded"
        replaying = names_of("async def keep") | {"order": order}
        await replaying["keep"](forgotten)
    test: Any = replaying["test_that_the_code_still_fits"]
    await types.FunctionType(test.__code__, replaying)()


async def test_a_decider(tmp_path: Path) -> None:
    workflow, checksum = names_of("class ChecksumsWorkflow")["ChecksumsWorkflow"], names_of("def checksum")["checksum"]
    (tmp_path / "one").write_bytes(b"\1")
    (tmp_path / "five").write_bytes(b"\2\3")
    async with (
        aw.connect("memory://") as backend,
        aw.Worker(backend, workflows=[workflow], activities=[checksum]),
    ):
        client = aw.Client(backend)
        assert await (await client.start(workflow, ["one", "five"])).result() == [1, 5]
        with pytest.raises(aw.ProcessFailedError, match="a file cannot be read"):
            await (await client.start(workflow, ["one", "none"])).result()


class OrderWorkflow(aw.RuleWorkflow):
    """Waits, even if it is asked to end."""

    @aw.on_cancel_requested
    def refuse(self, process: aw.Process, event: Event) -> None:
        pass


async def test_talking_to_processes(capsys: pytest.CaptureFixture[str]) -> None:
    async with aw.connect("memory://") as backend, aw.Worker(backend, workflows=[OrderWorkflow]):
        await names_of("async def talk")["talk"](aw.Client(backend))
    first, *history = capsys.readouterr().out.splitlines()
    assert first == "order-17 Order TERMINATED"
    assert [line.split()[1] for line in history if "Process" in line] == [
        "ProcessStartedEvent",
        "ProcessSignaledEvent",
        "ProcessCancelRequestedEvent",
        "ProcessTerminatedEvent",
    ]


async def test_embedding(tmp_path: Path) -> None:
    async with names_of("def lifespan")["lifespan"](None) as state:
        assert isinstance(state["client"], aw.Client)
    assert (tmp_path / "orders.db").exists()


async def test_testing() -> None:
    await names_of("ManualClock")["test_a_month_later"]()


# --- commands and links ------------------------------------------------------------------------------------------


def test_the_set_up_commands() -> None:
    assert COMMANDS[:4] == [
        "python3 -m venv .venv && . .venv/bin/activate",
        "pip install -e . && python examples/01_quickstart.py",
        "pip install -e '.[test]' && pytest",
        "pip install -e '.[examples]' && python examples/03_file_report.py",
    ]


def test_commands_name_what_is_there() -> None:
    words = [word for command in COMMANDS for word in shlex.split(command)]
    scripts = [word for word in words if word.endswith(".py")]
    assert scripts
    assert all((ROOT / script).is_file() for script in scripts)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {extra for word in words for extra in re.findall(r"\[(\w+)\]", word)} <= extras.keys()


def test_links_and_files_exist() -> None:
    named = re.findall(r"\]\((?!http|#)([^)]+)\)|`((?:examples|benchmarks)/[^`]*)`", README)
    assert named
    assert all((ROOT / (link or file)).exists() for link, file in named)


def test_names_in_the_text_are_public() -> None:
    """Words in code style that look like names of this package are names of this package."""
    text = re.sub(r"^```.*?^```$", "", README, flags=re.DOTALL | re.MULTILINE)
    words = re.findall(r"`@?([A-Z][a-z]+(?:[A-Z][a-z]+)+|on_\w+)", text)
    known = {*dir(aw), *dir(aw.event), *dir(aw.task), "CancelledError"}
    assert words
    assert [word for word in words if word not in known] == []
