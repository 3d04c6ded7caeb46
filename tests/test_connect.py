"""From a URL to a backend."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aioworkflow.backends.local import SWF_LIMITS, Limits, LocalBackend, LocalOptions
from aioworkflow.backends.swf import SWFBackend, SWFOptions
from aioworkflow.backends.swf.clients import Access
from aioworkflow.connect import connect
from aioworkflow.errors import InvalidRequestError, StoreError
from aioworkflow.stores.memory import MemoryStore
from aioworkflow.stores.postgres import PostgresStore
from aioworkflow.stores.sqlite import SQLiteStore
from aioworkflow.testing import ManualClock


def local(url: str, **arguments: Any) -> LocalBackend:
    backend = connect(url, **arguments)
    assert isinstance(backend, LocalBackend)
    return backend


def store_of(backend: LocalBackend) -> Any:
    return backend._store


async def test_memory_makes_a_new_backend_each_time() -> None:
    first, second = local("memory://"), local("memory://")
    assert isinstance(store_of(first), MemoryStore)
    assert store_of(first) is not store_of(second)
    async with first, second:
        assert first.polls_can_be_cancelled


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///orders.db", "orders.db"),
        ("SQLITE:///orders.db", "orders.db"),
        ("sqlite:///below/orders.db", "below/orders.db"),
        ("sqlite:////var/orders.db", "/var/orders.db"),
        ("sqlite:///with%20space%3F.db", "with space?.db"),
    ],
)
def test_sqlite_takes_relative_and_absolute_paths(url: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    store = store_of(local(url))
    assert isinstance(store, SQLiteStore)
    assert store.path == str(Path("/") / path)


async def test_sqlite_is_a_file(tmp_path: Path) -> None:
    async with connect(f"sqlite:///{tmp_path}/orders.db"):
        assert (tmp_path / "orders.db").exists()


def test_options_reach_store_and_backend() -> None:
    backend = local("sqlite:///x.db?synchronous=normal&busy_timeout=2.5&poll_seconds=0.5&cached_runs=7")
    store = store_of(backend)
    assert (store._synchronous, store._busy_timeout) == ("NORMAL", 2.5)
    assert (backend._options.poll_seconds, backend._options.cached_runs) == (0.5, 7)
    assert local("memory://?lease_seconds=3")._options.lease_seconds == 3.0


@pytest.mark.parametrize(
    ("query", "limits"),
    [
        ("", Limits()),
        ("limits=swf", SWF_LIMITS),
        ("limit_tags=9&limit_events=10&limit_execution_timeout=1.5", Limits(tags=9, events=10, execution_timeout=1.5)),
        ("limit_tags=7&limits=SWF&limit_execution_timeout=none", replace(SWF_LIMITS, tags=7, execution_timeout=None)),
    ],
)
def test_limits_reach_the_backend(query: str, limits: Limits) -> None:
    assert local(f"memory://?poll_seconds=3&{query}")._options == LocalOptions(poll_seconds=3, limits=limits)


def test_a_clock_reaches_the_backend() -> None:
    clock = ManualClock()
    assert local("memory://", clock=clock)._clock is clock


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (None, "must be a str"),
        (b"memory://", "must be a str"),
        ("", "names no kind of backend"),
        ("orders.db", "names no kind of backend"),
        ("memory:", "names no kind of backend"),
        ("sqlite:orders.db", "names no kind of backend"),
        ("mysql://localhost/x", "names no kind of backend"),
        ("http://[", "Invalid IPv6 URL"),
        ("sqlite://orders.db", "between the second and the third slash"),
        ("memory://shared", "memory:// takes no path"),
        ("sqlite:///x.db#part", "after a '#'"),
        ("memory:///x", "memory:// takes no path"),
        ("sqlite://", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///a%00b", "cannot hold U"),
        ("sqlite:///x.db?sync=FULL", "there is no option 'sync'"),
        ("sqlite:///x.db?limit=1&=2", "there is no option 'limit', ''"),
        ("sqlite:///x.db?limits=none", "limits must be SWF, not 'none'"),
        ("memory://?limit_tags=few", "limit_tags must be a whole number above 0, not 'few'"),
        ("memory://?limit_tags=none", "limit_tags must be a whole number above 0, not 'none'"),
        ("memory://?limit_names=3", "there is no option 'limit_names'"),
        ("swf://domain?limits=swf", "there is no option 'limits'"),
        ("memory://?synchronous=FULL", "there is no option 'synchronous'"),
        ("sqlite:///x.db?synchronous=OFF", "synchronous must be FULL or NORMAL, not 'OFF'"),
        ("sqlite:///x.db?synchronous=", "synchronous must be FULL or NORMAL, not ''"),
        ("sqlite:///x.db?busy_timeout=soon", "busy_timeout must be a number above 0, not 'soon'"),
        ("sqlite:///x.db?busy_timeout=-1", "busy_timeout must be a number above 0"),
        ("memory://?poll_seconds=nan", "poll_seconds must be a number above 0, not 'nan'"),
        ("memory://?poll_seconds=inf", "poll_seconds must be a number above 0, not 'inf'"),
        ("memory://?cached_runs=1.5", "cached_runs must be a whole number above 0, not '1.5'"),
        ("memory://?poll_seconds=1&poll_seconds=2", "an option is given twice"),
        ("swf:domain", "names no kind of backend"),
        ("swf://", "followed by the name of a domain"),
        ("swf://domain/more", "followed by the name of a domain"),
        ("swf://domain#part", "followed by the name of a domain"),
        ("swf://domain?region=", "region is empty"),
        ("swf://domain?quotas=x", "there is no option 'quotas'"),
        ("swf://domain?retry_seconds=soon", "retry_seconds must be a number of at least 0, not 'soon'"),
        ("swf://domain?retention_days=1.5", "retention_days must be a whole number of at least 0, not '1.5'"),
        ("swf://domain?register_domain=perhaps", "register_domain must be TRUE or FALSE, not 'perhaps'"),
    ],
)
def test_a_url_that_makes_no_sense_is_refused_and_the_right_forms_are_shown(url: Any, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message) as caught:
        connect(url)
    assert "sqlite:///relative.db" in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:s3cret@host/db#part",
        "postgresql://ada:s3cret@host:5432/db?poll_seconds=soon",
        "postgresql://ada:s3:cr@s3cret@host/db#part",
        "postgresql://host/db?user=ada&password=s3cret&poll_seconds=soon",
    ],
)
def test_a_password_is_not_shown(url: str) -> None:
    with pytest.raises(InvalidRequestError, match="ada") as caught:
        connect(url)
    assert "s3cret" not in str(caught.value)


def test_swf_takes_a_domain_and_settings_of_any_kind() -> None:
    backend = connect(
        "swf://My%20Orders?region=eu-west-1&profile=work&endpoint_url=http://127.0.0.1:5000&register_domain=true"
        "&retention_days=none&quota_share=0.25&sticky_seconds=None&lambda_role=arn:role&wait_seconds=20"
    )
    assert isinstance(backend, SWFBackend)
    assert repr(backend) == "<SWFBackend on domain 'My Orders', eu-west-1, http://127.0.0.1:5000, closed>"
    assert backend._access == Access(region="eu-west-1", profile="work", endpoint_url="http://127.0.0.1:5000")
    assert backend._options == SWFOptions(
        register_domain=True,
        retention_days=None,
        quota_share=0.25,
        sticky_seconds=None,
        lambda_role="arn:role",
        wait_seconds=20.0,
    )


def test_swf_takes_none_of_a_thing_where_that_makes_sense() -> None:
    backend = connect("swf://orders?retention_days=0&retry_seconds=0&close_seconds=0")
    assert isinstance(backend, SWFBackend)
    assert backend._options == SWFOptions(retention_days=0, retry_seconds=0.0, close_seconds=0.0)


def test_swf_takes_no_clock() -> None:
    with pytest.raises(InvalidRequestError, match="a clock of its own"):
        connect("swf://orders", clock=ManualClock())


def test_swf_without_its_libraries_says_how_to_install_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aioworkflow.backends.swf", None)
    with pytest.raises(InvalidRequestError, match=r"pip install 'aioworkflow\[swf\]'"):
        connect("swf://orders")


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "PostgreSQL"])
def test_postgres_takes_options_and_leaves_the_rest_to_asyncpg(scheme: str) -> None:
    backend = local(
        f"{scheme}://me:secret@db:5433/work?schema=orders&connections=7&timeout=2.5&pooler=transaction"
        "&sslmode=disable&poll_seconds=0.5"
    )
    store = store_of(backend)
    assert isinstance(store, PostgresStore)
    assert repr(store) == "<PostgresStore db:5433/work, schema orders>"
    assert (store._connections, store._timeout, store._pooler) == (7, 2.5, True)
    assert store._url == f"{scheme.lower()}://me:secret@db:5433/work?sslmode=disable"
    assert backend._options.poll_seconds == 0.5
    assert not store_of(local("postgresql://db/work?pooler=session"))._pooler


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("postgresql://db/work?schema=", InvalidRequestError),
        ("postgresql://db/work?schema=a-b", StoreError),
        ("postgresql://db/work?connections=2", InvalidRequestError),
        ("postgresql://db/work?pooler=statement", InvalidRequestError),
        ("postgresql://db/work#part", InvalidRequestError),
    ],
)
def test_postgres_refuses_what_makes_no_sense(url: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        connect(url)


def test_postgres_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aioworkflow.stores.postgres", None)
    with pytest.raises(InvalidRequestError, match=r"pip install 'aioworkflow\[postgres\]'"):
        connect("postgresql://db/work")
