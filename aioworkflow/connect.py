"""From a URL to a backend.

============================  =========================================================================
``memory://``                 gone when it is closed; each call makes a new one
``sqlite:///orders.db``       a file, relative to the working directory
``sqlite:////var/orders.db``  the same, absolute
``swf://orders``              a domain of Amazon SWF
============================  =========================================================================

Options follow a question mark: ``sqlite:///orders.db?synchronous=NORMAL&poll_seconds=20``. SQLite takes ``synchronous``
(FULL or NORMAL) and ``busy_timeout`` (seconds), see :class:`aioworkflow.stores.sqlite.SQLiteStore`; both take the
numbers of :class:`aioworkflow.backends.local.LocalOptions`. ``swf`` takes ``region``, ``profile`` and
``endpoint_url``, which are found as by all tools of AWS if they are not given, and the settings of
:class:`aioworkflow.backends.swf.SWFOptions` that are numbers, texts or ``true`` and ``false``; ``none`` is None.
"""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from .backend import Backend
from .backends.local import Clock, LocalBackend, LocalOptions
from .checks import show
from .errors import InvalidRequestError
from .stores.base import Store

__all__ = ["connect"]

_FORMS = "memory://, sqlite:///relative.db or sqlite:////absolute.db, with options as ?synchronous=NORMAL, or swf://domain?region=eu-west-1"

_TO_COME = {
    "postgresql": "PostgreSQL (pip install 'aioworkflow[postgres]')",
    "postgres": "PostgreSQL (pip install 'aioworkflow[postgres]')",
}


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
    if parts.scheme in _TO_COME:
        raise InvalidRequestError(f"{_TO_COME[parts.scheme]} is not supported by this version; use {_FORMS}")
    if parts.scheme == "swf" and url.lower().startswith("swf://"):
        return _swf(url, parts, clock)
    if parts.scheme not in ("memory", "sqlite") or not url.lower().startswith(f"{parts.scheme}://"):
        raise _nonsense(url, "it names no kind of backend")
    if parts.netloc or parts.fragment:
        raise _nonsense(url, "there is something between the second and the third slash, or after a '#'")
    options = _Options(url, parts.query)
    store = _memory(url, parts.path) if parts.scheme == "memory" else _sqlite(url, parts.path, options)
    numbers: dict[str, Any] = {
        field.name: options.number(field.name, whole=field.type == "int")
        for field in fields(LocalOptions)
        if field.type in ("int", "float") and field.name in options
    }
    options.finish()
    return LocalBackend(store, LocalOptions(**numbers), clock=clock)


def _memory(url: str, path: str) -> Store:
    from .stores.memory import MemoryStore

    if path:
        raise _nonsense(url, "memory:// takes no path")
    return MemoryStore()


def _sqlite(url: str, path: str, options: _Options) -> Store:
    from .stores.sqlite import SQLiteStore

    name = unquote(path.removeprefix("/"))
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
        field.name: options.setting(field.name, str(field.type))
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

    def number(self, name: str, *, whole: bool = False) -> float | int:
        text = self._values.pop(name)
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            value = math.nan
        if not 0 < value < math.inf:
            raise _nonsense(self._url, f"{name} must be a {'whole ' if whole else ''}number above 0, not {show(text)}")
        return value

    def text(self, name: str) -> str:
        value = self._values.pop(name)
        if not value:
            raise _nonsense(self._url, f"{name} is empty")
        return value

    def setting(self, name: str, kind: str) -> str | float | int | bool | None:
        """Return a setting whose field is annotated with ``kind``."""
        given = self._values[name].lower()
        if given == "none" and "None" in kind:
            del self._values[name]
            return None
        if kind == "bool":
            return self.choice(name, "TRUE", "FALSE") == "TRUE"
        if "str" in kind:
            return self.text(name)
        return self.number(name, whole="int" in kind)

    def finish(self) -> None:
        if self._values:
            raise _nonsense(self._url, f"there is no option {', '.join(map(show, self._values))}")


def _nonsense(url: str, why: str) -> InvalidRequestError:
    return InvalidRequestError(f"{show(url)} is no backend URL: {why}. It must be like {_FORMS}")
