"""Runs an example of the local backend on Amazon SWF's protocol: only what ``connect`` returns is another."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

import aioworkflow
from aioworkflow.backends.local import LocalBackend, LocalOptions
from aioworkflow.backends.swf import SWFBackend, SWFOptions
from aioworkflow.machine.limits import SWF_LIMITS
from aioworkflow.testing import ManualClock
from tests.backends.swf.swf_harness import HastyTime
from tests.swf_server.server import SWFServer

__all__ = ["Stage", "documented", "on_stage"]

EXAMPLES = Path(__file__).parents[3] / "examples"
_IDLE_SECONDS = 0.2
_FURTHEST_JUMP = 100.0


def documented(name: str) -> str:
    """Return what an example says that it prints."""
    text = ast.get_docstring(ast.parse((EXAMPLES / name).read_text())) or ""
    lines = [line[4:] for line in text.splitlines() if line.startswith("    ") and "python examples/" not in line]
    return "".join(f"{line}\n" for line in lines)


class Stage:
    """A stand-in whose time jumps to the next timer or timeout when nothing else happens."""

    def __init__(self, server: SWFServer, clock: ManualClock, machine: LocalBackend) -> None:
        self.server = server
        self.clock = clock
        self.machine = machine

    def backend(self, url: str) -> SWFBackend:
        """Return a backend on the stand-in, or on what stands before it at ``url``."""
        return SWFBackend("stage", endpoint_url=url, options=SWFOptions(), time=HastyTime(self.clock))

    async def play(self, monkeypatch: pytest.MonkeyPatch, name: str, url: str) -> None:
        """Run the ``main()`` of an example on a backend at ``url``."""
        mains: list[Coroutine[Any, Any, None]] = []
        monkeypatch.setattr(asyncio, "run", mains.append)
        monkeypatch.setattr(aioworkflow, "connect", lambda _: self.backend(url))
        monkeypatch.setattr("aioworkflow.connect.connect", lambda _: self.backend(url), raising=False)
        spec = importlib.util.spec_from_file_location(f"example_{name[:2]}", EXAMPLES / name)
        assert spec is not None
        assert spec.loader is not None
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
        await mains[0]

    async def pass_time(self) -> None:
        while True:
            before = self.machine.quiet
            await anyio.sleep(_IDLE_SECONDS)
            when = self.clock.next_alarm
            if self.machine.quiet == before and when is not None and when < self.clock.now() + _FURTHEST_JUMP:
                self.clock.advance_to(when)


@asynccontextmanager
async def on_stage() -> AsyncIterator[Stage]:
    clock = ManualClock()
    options = LocalOptions(limits=SWF_LIMITS, poll_seconds=0.5)
    async with SWFServer(clock=clock, options=options) as server:
        await server.service.call("RegisterDomain", b'{"name": "stage", "workflowExecutionRetentionPeriodInDays": "1"}')
        stage = Stage(server, clock, server.service.domains["stage"].machine)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stage.pass_time)
            yield stage
            tasks.cancel_scope.cancel()
