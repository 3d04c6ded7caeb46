"""What can be told of a backend by looking at it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from aioworkflow.backend import check_backend
from aioworkflow.backends.local import LocalBackend
from aioworkflow.client import Client
from aioworkflow.connect import connect
from aioworkflow.errors import InvalidRequestError
from aioworkflow.stores.memory import MemoryStore
from aioworkflow.worker import Worker
from aioworkflow.workflow import Workflow
from tests.worker.scripted import ScriptedBackend


class Idle(Workflow):
    def decide(self, process: object) -> None: ...


class LacksTwo(ScriptedBackend):
    start_process: Any = property()
    wait_process: Any = property()


JUNK: list[Any] = [None, 7, "sqlite:///orders.db", connect, LocalBackend, MemoryStore(), object(), LacksTwo()]


@pytest.mark.parametrize("backend", [connect("memory://"), ScriptedBackend()])
def test_a_backend_is_what_has_its_methods(backend: Any) -> None:
    assert check_backend(backend) is backend


@pytest.mark.parametrize("junk", JUNK, ids=repr)
def test_anything_else_is_refused_at_once_and_the_message_says_what_to_do(junk: Any) -> None:
    message = "backend must be a backend, as connect(url) returns one, not "
    with pytest.raises(InvalidRequestError, match=re.escape(message)):
        Client(junk)
    with pytest.raises(InvalidRequestError, match=re.escape(message)):
        Worker(junk, workflows=[Idle])


def test_what_is_nearly_a_backend_is_told_what_it_lacks() -> None:
    with pytest.raises(InvalidRequestError, match=r"LacksTwo .*, which lacks start_process, wait_process$"):
        check_backend(LacksTwo())
    with pytest.raises(InvalidRequestError, match=r"not 7$"):
        check_backend(7)
