"""From a URL to a backend.

============================  =========================================================================
``memory://``                 gone when it is closed; each call makes a new one
``sqlite:///orders.db``       a file, relative to the working directory
``sqlite:////var/orders.db``  the same, absolute
``postgresql://user@host/db`` a database that any number of machines share
``swf://orders``              a domain of Amazon SWF
============================  =========================================================================

Options follow a question mark: ``sqlite:///orders.db?synchronous=NORMAL&poll_seconds=20``. SQLite takes ``synchronous``
(FULL or NORMAL) and ``busy_timeout`` (seconds), see :class:`aioworkflow.stores.sqlite.SQLiteStore`. PostgreSQL takes
``schema``, ``connections``, ``timeout`` (seconds) and ``pooler`` (SESSION or TRANSACTION), see
:class:`aioworkflow.stores.postgres.PostgresStore`, and what asyncpg takes, like ``sslmode``. Those three take the
numbers of :class:`aioworkflow.backends.local.LocalOptions`, ``limits=swf`` for Amazon's limits, and single ones, as
``limit_payload=100000`` (see :class:`aioworkflow.backends.local.Limits`). ``swf`` takes ``region``, ``profile`` and
``endpoint_url``, which are found as by all tools of AWS if they are not given, and the settings of
:class:`aioworkflow.backends.swf.SWFOptions` that are numbers, texts or ``true`` and ``false``; ``none`` is None.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from .backend import Backend
from .backends.local import SWF_LIMITS, Clock, Limits, LocalBackend, LocalOptions
from .checks import show
from .errors import InvalidRequestError
from .stores.base import Store

__all__ = ["connect"]

_FORMS = (
    "memory://, sqlite:///relative.db, sqlite:////absolute.db, postgresql://user:password@host/database or "
    "swf://domain?region=eu-west-1, with options as ?poll_seconds=20"
)


def connect(url: str, *, clock: Clock | None = None) -> Backend:
    """Return the backend at ``url``; ``async with`` opens it.

    Args:
        url: See the module.
        clock: The time of its processes, for tests: a :class:`aioworkflow.testing.ManualClock`.

    Raises:
        InvalidRequestError: The URL makes no sense; the message shows the forms that do. Or what it takes is not
            installed; the message says how to.
    """
    if not isinstance(url, str):
        raise InvalidRequestError(f"a backend URL must be a str like {_FORMS}, not {show(url)}")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise _nonsense(url, str(error)) from None
    if parts.scheme == "swf" and url.lower().startswith("swf://"):
        return _swf(url, parts, clock)
    if parts.scheme not in _STORES or not url.lower().startswith(f"{parts.scheme}://"):
        raise _nonsense(url, "it names no kind of backend")
    if parts.fragment:
        raise _nonsense(url, "there is something after a '#'")
    options = _Options(url, parts.query)
    settings = _local_options(options)
    store = _STORES[parts.scheme](url, parts, options)
    options.finish()
    return LocalBackend(store, settings, clock=clock)


def _local_options(options: _Options) -> LocalOptions:
    numbers: dict[str, Any] = {
        field.name: options.number(field.name, whole=field.type == "int")
        for field in fields(LocalOptions)
        if field.type in ("int", "float", "float | None") and field.name in options
    }
    limits: dict[str, Any] = {
        field.name: options.setting(f"limit_{field.name}", str(field.type))
        for field in fields(Limits)
        if f"limit_{field.name}" in options
    }
    usual = SWF_LIMITS if "limits" in options and options.choice("limits", "SWF") else Limits()
    return LocalOptions(limits=replace(usual, **limits), **numbers)


def _memory(url: str, parts: SplitResult, options: _Options) -> Store:
    from .stores.memory import MemoryStore

    if parts.netloc or parts.path:
        raise _nonsense(url, "memory:// takes no path")
    return MemoryStore()


def _sqlite(url: str, parts: SplitResult, options: _Options) -> Store:
    from .stores.sqlite import SQLiteStore

    if parts.netloc:
        raise _nonsense(url, "there is something between the second and the third slash")
    name = unquote(parts.path.removeprefix("/"))
    if not name or name == ":memory:":
        raise _nonsense(url, "it names no file; data that need not last can be in memory://")
    if "\0" in name:
        raise _nonsense(url, "a file name cannot hold U+0000")
    arguments: dict[str, Any] = {}
    if "synchronous" in options:
        arguments["synchronous"] = options.choice("synchronous", "FULL", "NORMAL")
    if "busy_timeout" in options:
        arguments["busy_timeout"] = options.number("busy_timeout")
    return SQLiteStore(name, **arguments)


def _postgres(url: str, parts: SplitResult, options: _Options) -> Store:
    try:
        from .stores.postgres import PostgresStore
    except ImportError as error:
        raise InvalidRequestError(
            f"PostgreSQL needs more than is installed ({error}): pip install 'aioworkflow[postgres]'"
        ) from error
    arguments: dict[str, Any] = {}
    if "schema" in options:
        arguments["schema"] = options.text("schema")
    if "connections" in options:
        arguments["connections"] = options.number("connections", whole=True)
    if "timeout" in options:
        arguments["timeout"] = options.number("timeout")
    if "pooler" in options:
        arguments["pooler"] = options.choice("pooler", "SESSION", "TRANSACTION") == "TRANSACTION"
    return PostgresStore(parts._replace(query=options.rest()).geturl(), **arguments)


_STORES: dict[str, Callable[[str, SplitResult, _Options], Store]] = {
    "memory": _memory,
    "sqlite": _sqlite,
    "postgresql": _postgres,
    "postgres": _postgres,
}


def _swf(url: str, parts: SplitResult, clock: Clock | None) -> Backend:
    try:
        from .backends.swf import SWFBackend, SWFOptions
    except ImportError as error:
        raise InvalidRequestError(
            f"Amazon SWF needs more than is installed ({error}): pip install 'aioworkflow[swf]'"
        ) from error
    if clock is not None:
        raise InvalidRequestError("Amazon SWF has a clock of its own; connect() takes none for it")
    domain = unquote(parts.netloc)
    if not domain or parts.path not in ("", "/") or parts.fragment:
        raise _nonsense(url, "swf:// is followed by the name of a domain, and that by nothing but options")
    options = _Options(url, parts.query)
    access: dict[str, Any] = {
        name: options.text(name) for name in ("region", "profile", "endpoint_url") if name in options
    }
    settings: dict[str, Any] = {
        field.name: options.setting(field.name, str(field.type), zero=True)
        for field in fields(SWFOptions)
        if field.name != "quotas" and field.name in options
    }
    options.finish()
    return SWFBackend(domain, **access, options=SWFOptions(**settings))


class _Options:
    """What follows the question mark; each is asked for once."""

    def __init__(self, url: str, query: str) -> None:
        self._url = url
        pairs = parse_qsl(query, keep_blank_values=True)
        self._values = dict(pairs)
        if len(self._values) < len(pairs):
            raise _nonsense(url, "an option is given twice")

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def choice(self, name: str, *choices: str) -> str:
        value = self._values.pop(name)
        if value.upper() not in choices:
            raise _nonsense(self._url, f"{name} must be {' or '.join(choices)}, not {show(value)}")
        return value.upper()

    def number(self, name: str, *, whole: bool = False, zero: bool = False) -> float | int:
        text = self._values.pop(name)
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            value = math.nan
        if not (0 < value < math.inf or (zero and value == 0)):
            kind, least = "whole number" if whole else "number", "of at least 0" if zero else "above 0"
            raise _nonsense(self._url, f"{name} must be a {kind} {least}, not {show(text)}")
        return value

    def text(self, name: str) -> str:
        value = self._values.pop(name)
        if not value:
            raise _nonsense(self._url, f"{name} is empty")
        return value

    def setting(self, name: str, kind: str, *, zero: bool = False) -> str | float | int | bool | None:
        """Return a setting whose field is annotated with ``kind``."""
        given = self._values[name].lower()
        if given == "none" and "None" in kind:
            del self._values[name]
            return None
        if kind == "bool":
            return self.choice(name, "TRUE", "FALSE") == "TRUE"
        if "str" in kind:
            return self.text(name)
        return self.number(name, whole="int" in kind, zero=zero)

    def rest(self) -> str:
        """Take everything that was not asked for, as it may stand behind a question mark."""
        values, self._values = self._values, {}
        return urlencode(values)

    def finish(self) -> None:
        if self._values:
            raise _nonsense(self._url, f"there is no option {', '.join(map(show, self._values))}")


def _nonsense(url: str, why: str) -> InvalidRequestError:
    return InvalidRequestError(f"{show(_without_password(url))} is no backend URL: {why}. It must be like {_FORMS}")


def _without_password(url: str) -> str:
    url = re.sub(r"(//[^/:@]*:)[^/]*@", r"\1…@", url)
    return re.sub(r"([?&]password=)[^&]*", r"\1…", url)
