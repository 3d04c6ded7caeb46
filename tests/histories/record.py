"""Record the histories of an example's processes, to be replayed for ever.

    python tests/histories/record.py 02_order.py [ARGUMENT …]

runs the example as its docstring says, with `connect` looking over its shoulder, and writes a file for each process
beside this script, under the version of the package. What is recorded there is not recorded anew: later versions have
to understand it. When an example changes so that it decides otherwise, its old version moves to the directory of its
histories, where `tests/test_golden_histories.py` finds it.
"""

from __future__ import annotations

import asyncio
import os
import re
import runpy
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

import msgspec

import aioworkflow
from aioworkflow import AnyEvent, Backend, Client, Process, connect
from aioworkflow.testing import write_history

HISTORIES = Path(__file__).parent / ".".join(version("aioworkflow").split(".")[:2])
EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def record(example: str, *arguments: str) -> None:
    """Run an example in an empty directory and write the histories of all its processes."""
    processes: list[Process] = []

    @asynccontextmanager
    async def watched(url: str) -> AsyncIterator[Backend]:
        async with connect(url) as backend:
            yield backend
            client = Client(backend)
            processes.extend([await client.handle(*info.process).process() async for info in client.processes()])

    aioworkflow.connect = watched  # type: ignore[assignment]
    sys.argv = [example, *arguments]
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        namespace = runpy.run_path(str(EXAMPLES / example))
        if "lifespan" in namespace:
            asyncio.run(expenses(namespace))
        os.chdir("/")
    write(Path(example).stem, processes)


async def expenses(service: dict[str, object]) -> None:
    """Have the web service pay what its docstring has it pay."""
    async with service["lifespan"](None) as state:  # type: ignore[operator]
        workflow, client = service["ExpenseWorkflow"], state["client"]
        for id, amount in (("taxi", 30), ("piano", 3000)):
            handle = await client.start(workflow, amount, id=id)
            await handle.signal("approved")
            await handle.result()


def write(stem: str, processes: list[Process]) -> None:
    """Write the histories, oldest first, without what tells of this machine."""
    HISTORIES.mkdir(exist_ok=True)
    for number, process in enumerate(sorted(processes, key=lambda process: process.started_at), 1):
        path = HISTORIES / f"{stem}-{number}-{process.workflow.name}.json"
        write_history(Process(process.ref, map(anonymous, process.history)), path)
        print(f"{path.name}: {process.last_event_id} events, {path.stat().st_size:,} bytes")


def anonymous(event: AnyEvent) -> AnyEvent:
    """Return the event without the identity of the worker, and without directories in tracebacks."""
    told: dict[str, str] = {}
    if getattr(event, "identity", None):
        told["identity"] = "worker"
    if details := getattr(event, "details_json", None):
        told["details_json"] = re.sub(r'File \\"[^"]*/', r'File \\"', details)
    return msgspec.structs.replace(event, **told)


if __name__ == "__main__":
    record(*sys.argv[1:])
