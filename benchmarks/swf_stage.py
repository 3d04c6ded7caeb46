"""What the jobs on Amazon SWF share: a stand-in for the service in an OS process of its own, and what it counted."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from harness import Metrics, finish

DOMAIN = "benchmark"
REGION = "us-east-1"
ROOT = Path(__file__).parent.parent

os.environ.update(AWS_ACCESS_KEY_ID="benchmark", AWS_SECRET_ACCESS_KEY="benchmark", AWS_EC2_METADATA_DISABLED="true")


class Counts(NamedTuple):
    """What went over the wire since the last look, by action; polls that brought nothing are "… (empty)"."""

    calls: Counter[str]
    bytes_in: Counter[str]
    bytes_out: Counter[str]
    events_out: Counter[str]


class Stage:
    """The stand-in at ``url``."""

    def __init__(self, url: str, process: subprocess.Popen[str]) -> None:
        self.url = url
        self._process = process

    def counts(self) -> Counts:
        """Tell what was counted, and begin anew."""
        with urllib.request.urlopen(f"{self.url}/counts") as reply:
            counted: dict[str, Any] = json.load(reply)
        return Counts(**{name: Counter(values) for name, values in counted.items()})

    def finish(self, metrics: Metrics) -> NoReturn:
        """End the stand-in, and this OS process with the result."""
        self._process.kill()
        self._process.wait()
        finish(metrics)


@contextmanager
def stage() -> Iterator[Stage]:
    """Start the stand-in; it ends with this OS process at the latest."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a connection for each poll
    command = [sys.executable, "-m", "tests.swf_server"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Stage(process.stdout.readline().strip(), process)
        finally:
            process.kill()
