"""The examples, run as a reader would: each in an OS process of its own, in an empty directory."""

from __future__ import annotations

import argparse
import ast
import csv
import hashlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from aioworkflow import Client, connect

EXAMPLES = Path(__file__).parent.parent / "examples"
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.py"))
FILE_REPORT = EXAMPLES / "03_file_report.py"


def environment(**more: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    return {**own, "PYTHONWARNINGS": "error", "PYTHONUNBUFFERED": "1", "COLUMNS": "100", **more}


def run(directory: Path, *arguments: str | Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(
        command, cwd=directory, env=environment(), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == status, done.stderr
    return done


def documented(name: str) -> list[str]:
    """Return the indented lines of an example's docstring, without the commands."""
    text = ast.get_docstring(ast.parse((EXAMPLES / name).read_text()))
    assert text is not None
    return [line[4:] for line in text.splitlines() if line.startswith("    ") and "python examples/" not in line]


def test_all_examples_are_here() -> None:
    assert {
        "01_quickstart.py",
        "02_order.py",
        "03_file_report.py",
        "04_web_service.py",
        "05_amazon_swf.py",
        "06_coroutine_order.py",
        "07_saga.py",
        "08_approval.py",
        "09_batch.py",
    } <= {*SCRIPTS}


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_example_is_short(name: str) -> None:
    assert len((EXAMPLES / name).read_text().splitlines()) < 80


PRINTING = [
    "01_quickstart.py",
    "02_order.py",
    "05_amazon_swf.py",
    "06_coroutine_order.py",
    "07_saga.py",
    "08_approval.py",
    "09_batch.py",
]


@pytest.mark.parametrize("name", PRINTING)
def test_an_example_prints_what_it_says(name: str, tmp_path: Path) -> None:
    done = run(tmp_path, EXAMPLES / name)
    assert done.stdout.splitlines() == documented(name)
    assert done.stderr == ""


def test_an_example_runs_again_with_what_it_left_behind(tmp_path: Path) -> None:
    for _ in range(2):
        assert run(tmp_path, EXAMPLES / "01_quickstart.py").stdout.splitlines() == documented("01_quickstart.py")


# --- 03: the report ----------------------------------------------------------------------------------------------


Row = tuple[str, int, int, str]


def expected_rows(directory: Path) -> list[Row]:
    """Count in the plainest way."""
    found = []
    for folder, folders, files in os.walk(directory):
        folders[:] = [name for name in folders if name != "site-packages" and not Path(folder, name).is_symlink()]
        found += [Path(folder, name) for name in files if name.endswith(".py")]
    return sorted(expected_row(path) for path in found if path.is_file() and not path.is_symlink())


def expected_row(path: Path) -> Row:
    content = path.read_bytes()
    tokens = re.findall(rb"[\w\x80-\xff]+|[^\w\x00-\x20\x80-\xff]", content)
    return str(path), len(content.split(b"\n")) - 1, len(tokens), hashlib.sha256(content).hexdigest()


def reported_rows(report: Path) -> list[Row]:
    with report.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["file", "lines", "tokens", "sha256"]
    return [(path, int(lines), int(tokens), digest) for path, lines, tokens, digest in rows]


def without_numbers(line: str) -> str:
    return re.sub(r"\d[\d,]*", "N", line)


def plant(root: Path, packages: int) -> Path:
    """Make 50 files in each of some directories, one file beside them, and things that do not count."""
    for package in range(packages):
        place = root / f"package{package}" / "inner"
        place.mkdir(parents=True)
        for module in range(50):
            (place / f"module{module}.py").write_text("def f(x):\n    return x + 1\n" * (package + 1))
    (root / "ünïcode.py").write_text("größe = 'ß'  # no newline at the end")
    (root / "readme.txt").write_text("not Python")
    (root / "link.py").symlink_to(root / "ünïcode.py")
    (root / "loop").symlink_to(root)
    (root / "site-packages").mkdir()
    (root / "site-packages" / "theirs.py").write_text("pass\n")
    return root


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A directory whose report cannot end before :func:`let_it_end`: who reads its ``slow.py`` waits for a writer."""
    root = plant((tmp_path / "tree").resolve(), packages=30)
    os.mkfifo(root / "slow.py")
    return root


def let_it_end(tree: Path) -> None:
    """Let those who read ``slow.py`` now go on, and all others find a plain file."""
    with (tree / "slow.py").open("w") as slow:
        (tree / "slow.py").unlink()
        (tree / "slow.py").write_text("pass\n")
        slow.write("pass\n")


def test_file_report_of_the_standard_library(tmp_path: Path) -> None:
    done = run(tmp_path, FILE_REPORT)
    assert [without_numbers(done.stdout.strip())] == list(map(without_numbers, documented(FILE_REPORT.name)))
    assert "100%" in done.stderr
    assert reported_rows(tmp_path / "file-report.csv") == expected_rows(Path(sysconfig.get_path("stdlib")))


def test_file_report_again_and_under_another_name(tmp_path: Path) -> None:
    tree = plant((tmp_path / "tree").resolve(), packages=2)
    for report in ("file-report.csv", "file-report.csv", "odd name?#%.csv"):
        done = run(tmp_path, FILE_REPORT, "tree", "--report", report)
        assert done.stdout == f"101 files, 300 lines, 1,511 tokens, 0 unreadable: see {report}\n"
        assert reported_rows(tmp_path / report) == expected_rows(tree)


@contextmanager
def started(directory: Path, command: Sequence[str | Path], **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program, and make sure that it ends, and with it what it has started."""
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=directory,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as job:
        try:
            yield job
        finally:
            with suppress(ProcessLookupError):
                os.killpg(job.pid, signal.SIGKILL)


def errors_until(job: subprocess.Popen[bytes], enough: Callable[[bytes], object]) -> bytes:
    """Return what the program has written to stderr when that is enough."""
    assert job.stderr is not None
    log = b""
    while not enough(log):
        piece = os.read(job.stderr.fileno(), 65_536)
        assert piece, log.decode()
        log += piece
    return log


@contextmanager
def report_under_way(directory: Path, tree: Path, percent: int) -> Iterator[subprocess.Popen[bytes]]:
    """Start the report, and come back when the progress bar has reached ``percent``."""
    with started(directory, [FILE_REPORT, tree], FORCE_COLOR="1", TTY_INTERACTIVE="1") as job:
        errors_until(job, lambda log: any(int(shown) >= percent for shown in re.findall(rb"(\d+)%", log)))
        yield job


async def runs(directory: Path) -> int:
    async with connect(f"sqlite:///{directory}/file-report.csv.db") as backend:
        return await Client(backend).count(workflow="FileReport")


async def test_file_report_survives_being_killed(tmp_path: Path, tree: Path) -> None:
    for percent in (1, 50, 90):
        with report_under_way(tmp_path, tree, percent) as job:
            job.kill()
        assert job.returncode == -signal.SIGKILL
    with report_under_way(tmp_path, tree, 95) as job:
        let_it_end(tree)
        job.communicate()
    assert reported_rows(tmp_path / "file-report.csv") == expected_rows(tree)
    assert await runs(tmp_path) == 1


async def test_file_report_goes_on_after_an_interrupt(tmp_path: Path, tree: Path) -> None:
    with report_under_way(tmp_path, tree, 50) as job:
        job.send_signal(signal.SIGINT)
        let_it_end(tree)
        output, errors = job.communicate()
    assert job.returncode == 1
    assert output == b""
    assert errors.decode().endswith("error: interrupted; run it again to go on\n")
    run(tmp_path, FILE_REPORT, tree)
    assert reported_rows(tmp_path / "file-report.csv") == expected_rows(tree)
    assert await runs(tmp_path) == 1


async def test_two_file_reports_share_the_work(tmp_path: Path, tree: Path) -> None:
    with report_under_way(tmp_path, tree, 1) as first, report_under_way(tmp_path, tree, 50) as second:
        let_it_end(tree)
        outputs = {job.communicate()[0] for job in (first, second)}
    assert outputs == {b"1,502 files, 46,501 lines, 232,512 tokens, 0 unreadable: see file-report.csv\n"}
    assert reported_rows(tmp_path / "file-report.csv") == expected_rows(tree)
    assert await runs(tmp_path) == 1


def test_file_report_names_what_it_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("pass\n")
    with socket.socket(socket.AF_UNIX) as unreadable:
        unreadable.bind(str(tmp_path / "b.py"))
        done = run(tmp_path, FILE_REPORT, ".")
    assert done.stdout == "1 files, 1 lines, 1 tokens, 1 unreadable: see file-report.csv\n"
    last = (tmp_path / "file-report.csv").read_text().splitlines()[-1]
    assert last.startswith(f"{tmp_path.resolve()}/b.py,OSError: ")


def test_file_report_tells_what_is_wrong(tmp_path: Path) -> None:
    assert "--report FILE" in run(tmp_path, FILE_REPORT, "--help").stdout
    wrong = run(tmp_path, FILE_REPORT, "nowhere", status=1)
    assert re.fullmatch(r"error: .* No such file or directory: '.*nowhere'\n", wrong.stderr)
    (tmp_path / "mine.db").write_text("this is no database, and must not become one; " * 100)
    wrong = run(tmp_path, FILE_REPORT, tmp_path, "--report", "mine", status=1)
    assert wrong.stderr.startswith("error: ")
    assert "Traceback" not in wrong.stderr


# --- 04: the web service -----------------------------------------------------------------------------------------


@contextmanager
def web_service(directory: Path, workers: int = 1) -> Iterator[httpx.Client]:
    """Serve on a free port; at the end ask the server to stop."""
    options = ["--app-dir", str(EXAMPLES), "--port", "0", "--workers", str(workers), "--no-access-log"]
    with started(directory, ["-m", "uvicorn", *options, "04_web_service:app"]) as server:
        log = errors_until(
            server, lambda log: b"running on" in log and log.count(b"startup complete") == workers and log[-1:] == b"\n"
        )
        url = re.findall(rb"running on (\S+)", log)[0].decode()
        with httpx.Client(base_url=url, timeout=30) as client:
            yield client
        server.terminate()
        log += server.communicate(timeout=60)[1]
    assert server.returncode in (0, -signal.SIGTERM), log.decode()
    assert b"Traceback" not in log, log.decode()


def closed(client: httpx.Client, id: str) -> httpx.Response:
    """Ask for a process until it is closed."""
    while (answer := client.get(f"/expenses/{id}")).json()["status"] == "OPEN":
        assert answer.status_code == 200
    return answer


def test_the_web_service_answers_as_it_says(tmp_path: Path) -> None:
    with web_service(tmp_path) as client:
        for command, expected in documented_requests():
            method, path, content = parsed(command)
            answer = client.request(method, path, content=content)
            if '"COMPLETED"' in expected:
                answer = closed(client, path.rpartition("/")[2])
            assert (answer.text, answer.is_success) == (expected, True)


def documented_requests() -> list[tuple[str, str]]:
    """Return each curl command with the line that it prints, if it prints one."""
    lines = [*documented("04_web_service.py"), "$"]
    return [
        (line, "" if after.startswith("$") else after) for line, after in pairwise(lines) if line.startswith("$ curl ")
    ]


def parsed(command: str) -> tuple[str, str, str]:
    """Return the method, path and content of a curl command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-X", default="GET")
    parser.add_argument("-d", default="")
    parser.add_argument("url")
    given = parser.parse_args(shlex.split(command)[2:])
    host, _, path = given.url.partition("/")
    assert host == "localhost:8000"
    return given.X, f"/{path}", given.d


def test_the_web_service_says_what_is_wrong(tmp_path: Path) -> None:
    with web_service(tmp_path) as client:
        assert client.put("/expenses/boat", content="5000").status_code == 202
        refused: list[tuple[str, str, str | bytes, int, str]] = [
            ("PUT", "boat", "5000", 409, "is open"),
            ("PUT", "bike", "much", 400, "invalid literal"),
            ("PUT", "a:b", "1", 400, "must not contain ':'"),
            ("POST", "boat", "", 400, "name must be"),
            ("POST", "boat", b"\xff", 400, "utf-8"),
            ("GET", "bike", "", 404, "there is no process 'bike'"),
            ("POST", "bike", "approved", 404, "there is no process 'bike'"),
            ("DELETE", "bike", "", 404, "there is no process 'bike'"),
        ]
        for method, path, content, status, text in refused:
            answer = client.request(method, f"/expenses/{path}", content=content)
            assert (answer.status_code, text in answer.json()["error"]) == (status, True), answer.text
        assert client.patch("/expenses/boat").status_code == 405
        assert client.delete("/expenses/boat").status_code == 202
        assert closed(client, "boat").json() == {"status": "CANCELED", "result": None}
        assert client.post("/expenses/boat", content="approved").status_code == 404


def test_the_web_service_goes_on_after_a_restart(tmp_path: Path) -> None:
    with web_service(tmp_path) as client:
        client.put("/expenses/boat", content="5000")
    with web_service(tmp_path) as client:
        assert client.get("/expenses/boat").json() == {"status": "OPEN", "result": None}
        client.post("/expenses/boat", content="approved")
        assert closed(client, "boat").json() == {"status": "COMPLETED", "result": "5000 paid"}


def test_the_web_service_in_two_os_processes(tmp_path: Path) -> None:
    with web_service(tmp_path, workers=2) as client:
        for number in range(20):
            assert client.put(f"/expenses/{number}", content=str(number)).status_code == 202
        for number in range(20):
            assert closed(client, str(number)).json() == {"status": "COMPLETED", "result": f"{number} paid"}
