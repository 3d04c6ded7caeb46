"""The arrows between the modules, read from their imports (the picture is in CONTRIBUTING.md).

A module may import what its layer allows and nothing else, also under ``if TYPE_CHECKING`` and inside functions. A new
module must be given a layer here before the test passes.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "aioworkflow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Some modules of the package and what they may import.

    Attributes:
        modules: Their names below the package; a name covers what is below it.
        imports: The layers whose modules they may import, besides their own.
        libraries: The other distributions' packages that they may import; None: any.
        siblings: Whether its modules may import each other's trees.
        standard_library: The standard modules that they may import; None: any.
        pure: Whether I/O, waiting and the clock are out of bounds.
    """

    modules: frozenset[str]
    imports: frozenset[str] = frozenset()
    libraries: frozenset[str] | None = frozenset()
    siblings: bool = True
    standard_library: frozenset[str] | None = None
    pure: bool = False


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


PURE_STANDARD_LIBRARY = names(
    "__future__ abc bisect collections copy dataclasses datetime enum functools heapq itertools math operator types "
    "typing"
)
IMPURE_CALLS = names("open print input datetime.now datetime.today datetime.utcnow date.today")
IMPURE_NODES = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)

LAYERS: Mapping[str, Layer] = {
    "vocabulary": Layer(
        modules=names(
            "activity arguments carried checks coroutine deciding decision errors event facts flow handlers payload "
            "process records result retry retrying rules task types workflow"
        ),
        libraries=names("msgspec"),
    ),
    "protocol": Layer(modules=names("backend"), imports=names("vocabulary"), libraries=names("msgspec")),
    "machine": Layer(
        modules=names("machine"),
        imports=names("vocabulary"),
        libraries=names("msgspec"),
        standard_library=PURE_STANDARD_LIBRARY,
        pure=True,
    ),
    "stores": Layer(
        modules=names("stores"), imports=names("vocabulary protocol machine"), libraries=names("anyio msgspec asyncpg")
    ),
    "local backend": Layer(
        modules=names("backends.local"),
        imports=names("vocabulary protocol machine stores"),
        libraries=names("anyio msgspec"),
    ),
    "swf backend": Layer(
        modules=names("backends.swf"),
        imports=names("vocabulary protocol"),
        libraries=names("anyio msgspec aiobotocore aiohttp botocore"),
    ),
    "workers and client": Layer(
        modules=names("worker client"),
        imports=names("vocabulary protocol"),
        libraries=names("anyio msgspec"),
        siblings=False,
    ),
    "wiring": Layer(
        modules=names("connect"), imports=names("vocabulary protocol stores") | {"local backend", "swf backend"}
    ),
    "face": Layer(modules=names("__init__"), imports=names("vocabulary protocol wiring") | {"workers and client"}),
    "rooms": Layer(
        modules=names("cli dashboard server telemetry testing __main__"),
        imports=names("vocabulary protocol machine stores wiring face")
        | {"local backend", "swf backend", "workers and client"},
        libraries=None,
        siblings=False,
    ),
}

PUBLIC = LAYERS["vocabulary"].modules - {"carried", "checks", "coroutine"} | names(
    "__init__ backend backends.swf client connect worker testing"
)
"""What examples and benchmarks may import of the package."""


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module: its full dotted name, and the line."""

    module: str
    line: int


@dataclass(slots=True)
class Checker:
    """Reads one tree of sources and collects what breaks a rule."""

    root: Path
    modules: frozenset[str] = frozenset()
    violations: list[str] = field(default_factory=list)

    def check(self) -> list[str]:
        package = self.root / PACKAGE
        sources = {self._module_name(path): path for path in sorted(package.rglob("*.py"))}
        self.modules = frozenset(sources)
        for module, path in sources.items():
            self._check_module(module, path)
        for folder in ("examples", "benchmarks"):
            for path in sorted((self.root / folder).rglob("*.py")):
                self._check_user_code(path)
        return self.violations

    def _module_name(self, path: Path) -> str:
        """The name below the package: ``machine.handle``, ``worker`` for its ``__init__``."""
        parts = path.relative_to(self.root / PACKAGE).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)

    def _check_module(self, module: str, path: Path) -> None:
        if not path.read_text().strip() and path.name == "__init__.py":
            return
        layer_name = layer_of(module)
        if layer_name is None:
            self._add(path, 1, f"{module} is in no layer")
            return
        tree = ast.parse(path.read_text())
        layer = LAYERS[layer_name]
        package_parts = (PACKAGE, *path.relative_to(self.root / PACKAGE).parts[:-1])
        for imported in self._imports(tree, package_parts):
            if imported.module.partition(".")[0] == PACKAGE:
                self._check_arrow(path, module, layer_name, imported)
            else:
                self._check_foreign(path, layer_name, layer, imported)
        if layer.pure:
            self._check_purity(path, tree)

    def _check_arrow(self, path: Path, module: str, layer_name: str, imported: Import) -> None:
        target = imported.module.removeprefix(PACKAGE).removeprefix(".") or "__init__"
        target_layer = layer_of(target)
        layer = LAYERS[layer_name]
        if target_layer is None:
            self._add(path, imported.line, f"imports {target}, which is in no layer")
        elif target_layer == layer_name:
            if not layer.siblings and tree_of(target, layer) != tree_of(module, layer):
                self._add(path, imported.line, f"{module} may not import its sibling {target}")
        elif target_layer not in layer.imports:
            self._add(path, imported.line, f"{layer_name} ({module}) may not import {target_layer} ({target})")

    def _check_foreign(self, path: Path, layer_name: str, layer: Layer, imported: Import) -> None:
        top = imported.module.partition(".")[0]
        if top in sys.stdlib_module_names:
            allowed = layer.standard_library is None or top in layer.standard_library
        else:
            allowed = layer.libraries is None or top in layer.libraries
        if not allowed:
            self._add(path, imported.line, f"{layer_name} may not import {imported.module}")

    def _check_purity(self, path: Path, tree: ast.Module) -> None:
        for node in ast.walk(tree):
            if isinstance(node, IMPURE_NODES):
                self._add(path, node.lineno, "pure code may not wait")
            elif isinstance(node, ast.Call) and (name := ast.unparse(node.func)) in IMPURE_CALLS:
                self._add(path, node.lineno, f"pure code may not call {name}()")

    def _check_user_code(self, path: Path) -> None:
        for imported in self._imports(ast.parse(path.read_text()), ()):
            top, _, below = imported.module.partition(".")
            if top == PACKAGE and (below or "__init__") not in PUBLIC and not self._is_export(below):
                self._add(path, imported.line, f"{imported.module} is not public")

    def _is_export(self, below: str) -> bool:
        """Whether a dotted name is something inside a public module, not a module of its own."""
        return below not in self.modules and (below.rpartition(".")[0] or "__init__") in PUBLIC

    def _imports(self, tree: ast.Module, package: tuple[str, ...]) -> Iterator[Import]:
        """Yield what a module imports; ``from . import x`` is the module x, where there is one."""
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(alias.name, node.lineno)
            elif isinstance(node, ast.ImportFrom):
                start = package[: len(package) - node.level + 1] if node.level else ()
                base = ".".join([*start, *((node.module,) if node.module else ())])
                for alias in node.names:
                    yield Import(self._submodule(base, alias.name), node.lineno)

    def _submodule(self, base: str, name: str) -> str:
        candidate = f"{base}.{name}"
        return candidate if candidate.removeprefix(f"{PACKAGE}.") in self.modules else base

    def _add(self, path: Path, line: int, text: str) -> None:
        self.violations.append(f"{path.relative_to(self.root)}:{line}: {text}")


def layer_of(module: str) -> str | None:
    for name, layer in LAYERS.items():
        if tree_of(module, layer):
            return name
    return None


def tree_of(module: str, layer: Layer) -> str | None:
    """Return which of the layer's names covers the module, if one does."""
    return next((name for name in layer.modules if module == name or module.startswith(f"{name}.")), None)


def check(root: Path) -> list[str]:
    return Checker(root).check()


def test_no_import_goes_the_wrong_way() -> None:
    assert check(ROOT) == []


def test_every_layer_that_is_imported_exists() -> None:
    assert {target for layer in LAYERS.values() for target in layer.imports} <= set(LAYERS)


# The checker itself: each of these small trees breaks one rule.

BAD_TREES: Mapping[str, tuple[Mapping[str, str], str]] = {
    "machine imports a store": (
        {"machine/handle.py": "from ..stores.base import Store", "stores/base.py": "x = 1"},
        "aioworkflow/machine/handle.py:1: machine (machine.handle) may not import stores (stores.base)",
    ),
    "machine reads a clock": (
        {"machine/handle.py": "import time"},
        "aioworkflow/machine/handle.py:1: machine may not import time",
    ),
    "machine is asynchronous": (
        {"machine/handle.py": "async def handle(): ..."},
        "aioworkflow/machine/handle.py:1: pure code may not wait",
    ),
    "machine asks for the date": (
        {"machine/handle.py": "from datetime import datetime, UTC\nx = datetime.now(UTC)"},
        "aioworkflow/machine/handle.py:2: pure code may not call datetime.now()",
    ),
    "vocabulary imports the machine by its full name": (
        {"event.py": "import aioworkflow.machine.state", "machine/state.py": "x = 1"},
        "aioworkflow/event.py:1: vocabulary (event) may not import machine (machine.state)",
    ),
    "vocabulary imports the worker for its types": (
        {
            "activity.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import worker",
            "worker/__init__.py": "x = 1",
        },
        "aioworkflow/activity.py:3: vocabulary (activity) may not import workers and client (worker)",
    ),
    "vocabulary needs a library": (
        {"payload.py": "import pydantic"},
        "aioworkflow/payload.py:1: vocabulary may not import pydantic",
    ),
    "a worker knows a backend": (
        {
            "worker/run.py": "def f():\n    from ..backends.local import LocalBackend",
            "backends/local/__init__.py": "x = 1",
        },
        "aioworkflow/worker/run.py:2: workers and client (worker.run) may not import local backend (backends.local)",
    ),
    "a worker imports the client": (
        {"worker/run.py": "from ..client import Client", "client.py": "x = 1"},
        "aioworkflow/worker/run.py:1: worker.run may not import its sibling client",
    ),
    "a store imports a backend": (
        {"stores/memory.py": "from ..backends.local.clock import Clock", "backends/local/clock.py": "x = 1"},
        "aioworkflow/stores/memory.py:1: stores (stores.memory) may not import local backend (backends.local.clock)",
    ),
    "somebody imports a room": (
        {"client.py": "from .testing import clock", "testing/clock.py": "x = 1"},
        "aioworkflow/client.py:1: workers and client (client) may not import rooms (testing.clock)",
    ),
    "a room imports another": (
        {"cli/main.py": "from ..dashboard import app", "dashboard/app.py": "x = 1"},
        "aioworkflow/cli/main.py:1: cli.main may not import its sibling dashboard.app",
    ),
    "a module without a layer": (
        {"utils.py": "x = 1"},
        "aioworkflow/utils.py:1: utils is in no layer",
    ),
    "an import of a module without a layer": (
        {"event.py": "from .utils import x", "utils.py": ""},
        "aioworkflow/event.py:1: imports utils, which is in no layer",
    ),
    "an example looks inside": (
        {"../examples/01.py": "from aioworkflow.stores.memory import MemoryStore", "stores/memory.py": "x = 1"},
        "examples/01.py:1: aioworkflow.stores.memory is not public",
    ),
    "a benchmark looks inside": (
        {"../benchmarks/local.py": "from aioworkflow import machine", "machine/__init__.py": "x = 1"},
        "benchmarks/local.py:1: aioworkflow.machine is not public",
    ),
}


@pytest.mark.parametrize("case", BAD_TREES)
def test_a_wrong_arrow_is_found(tmp_path: Path, case: str) -> None:
    sources, expected = BAD_TREES[case]
    plant(tmp_path, sources)
    assert expected in check(tmp_path)


def test_a_good_tree_passes(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "__init__.py": "from .client import Client\nfrom .connect import connect",
            "event.py": "import msgspec\nfrom .errors import PayloadError",
            "errors.py": "import os",
            "backend.py": "from .event import AnyEvent",
            "machine/__init__.py": "",
            "machine/handle.py": "from datetime import datetime\nfrom ..event import AnyEvent\nfrom . import state",
            "machine/state.py": "from collections.abc import Sequence",
            "stores/memory.py": "import asyncio\nfrom ..machine.state import State",
            "backends/local/backend.py": "from ...stores.memory import MemoryStore\nfrom ...machine import handle",
            "client.py": "import anyio\nfrom .backend import Backend",
            "connect.py": "from .backends.local.backend import LocalBackend\nfrom .stores.memory import MemoryStore",
            "testing/clock.py": "import rich\nfrom ..backends.local.backend import LocalBackend",
            "../examples/01.py": "from aioworkflow import connect\nfrom aioworkflow.event import AnyEvent",
        },
    )
    assert check(tmp_path) == []


def plant(root: Path, sources: Mapping[str, str]) -> None:
    for name, text in sources.items():
        path = root / PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.resolve().write_text(text)


NOT_NEEDED_TO_IMPORT = names(
    "aiobotocore asyncpg botocore hypothesis opentelemetry pydantic pytest rich sqlite3 starlette uvicorn"
)


def test_importing_the_package_loads_no_database_and_no_extra() -> None:
    script = f"import sys, {PACKAGE}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert PACKAGE in loaded.split()
    assert NOT_NEEDED_TO_IMPORT.isdisjoint(loaded.split())
