"""Hash the Python files below a directory and count their lines and tokens. Kill it, run it again: it goes on.

`python examples/03_file_report.py [DIRECTORY]` reads the standard library by default, and ends with a line like this:

    1,790 files, 858,237 lines, 7,066,972 tokens, 0 unreadable: see file-report.csv
"""

import argparse
import asyncio
import csv
import hashlib
from pathlib import Path
from urllib.parse import quote

from rich import console, progress  # pip install -e '.[examples]'

import aioworkflow as aw
from aioworkflow.event import ActivityAbortedEvent, ActivityCompletedEvent, ActivityFailedEvent, ActivityTimedOutEvent

KINDS = bytes(ord("w" if b > 127 or chr(b).isalnum() or b == 95 else " " if b < 33 else ".") for b in range(256))


@aw.activity(heartbeat_timeout=60)
def examine(path: Path) -> dict[str, list[Path]] | list[Path | int | str]:  # a plain function runs in a thread
    if path.is_dir():
        entries = [entry for entry in path.iterdir() if not entry.is_symlink() and entry.name != "site-packages"]
        return {"paths": sorted(entry for entry in entries if entry.is_dir() or entry.suffix == ".py")}
    content = path.read_bytes()
    kinds = b" " + content.translate(KINDS)
    tokens = kinds.count(b".") + kinds.count(b" w") + kinds.count(b".w")  # signs, and where words begin
    return [path, content.count(b"\n"), tokens, hashlib.sha256(content).hexdigest()]


class FileReportWorkflow(aw.Workflow):
    def decide(self, process: aw.Process) -> list[aw.Decision]:
        todo = [] if process.previous_started_event_id else [process.input]
        for event in process.new_events:
            match event:
                case ActivityCompletedEvent(result={"paths": found}):
                    todo += found
                case ActivityTimedOutEvent() | ActivityAbortedEvent():  # its worker was killed, or stopped
                    todo.append(process.opening_of(event).input)
        done = not todo and not process.open_activities
        return [aw.CompleteProcessDecision()] if done else [aw.ScheduleActivityDecision(examine, path) for path in todo]


async def main(directory: Path, database: str) -> list[aw.ActivityRecord]:
    url = f"sqlite:///{quote(database)}?limit_events=10000000"  # each file takes three
    id = f"report-{hashlib.sha256(bytes(directory)).hexdigest()}"
    async with aw.connect(url) as backend, aw.Worker(backend, workflows=[FileReportWorkflow], activities=[examine]):
        handle = await aw.Client(backend).start(FileReportWorkflow, directory, id=id, if_open="attach")
        process = await handle.process()
        with progress.Progress(console=console.Console(stderr=True)) as bars:
            bar = bars.add_task("files and directories")
            while process.status is aw.ProcessStatus.OPEN:
                await asyncio.sleep(0.1)
                process.extend([event async for event in handle.history(after=process.last_event_id)])
                count = len(process.activities(examine))
                bars.update(bar, total=count, completed=count - len(process.open_activities))
        await handle.result()  # raises an error if it did not complete
        return process.activities(examine)


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("directory", nargs="?", type=Path, default=Path(csv.__file__).parent, help="what to read")
parser.add_argument("--report", metavar="FILE", default="file-report.csv", help="the table to write; state in FILE.db")
given = parser.parse_args()
try:
    records = asyncio.run(main(given.directory.resolve(strict=True), f"{given.report}.db"))
    rows = [row for r in records if r.is_completed and isinstance(row := r.result(), list)]
    errors = [(r.scheduled.input, r.closed.reason) for r in records if isinstance(r.closed, ActivityFailedEvent)]
    with open(given.report, "w", newline="") as file:
        csv.writer(file).writerows([("file", "lines", "tokens", "sha256"), *sorted(rows), *errors])
    lines, tokens = (sum(row[column] for row in rows) for column in (1, 2))
    print(f"{len(rows):,} files, {lines:,} lines, {tokens:,} tokens, {len(errors)} unreadable: see {file.name}")
except (aw.AioworkflowError, OSError, KeyboardInterrupt) as error:
    parser.exit(1, f"error: {str(error) or 'interrupted; run it again to go on'}\n")
