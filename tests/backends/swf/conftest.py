"""Every test here runs with made-up credentials, and finds nothing of the machine's own AWS configuration."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import botocore.loaders
import pytest

from tests.swf_server.environment import isolated


@pytest.fixture(autouse=True)
def aws_environment() -> Iterator[None]:
    with isolated():
        yield


@pytest.fixture(scope="session", autouse=True)
def one_service_model() -> Iterator[None]:
    """Let all sessions share what botocore reads from its files: some 0.1 s for each, which otherwise adds up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.loaders, "create_loader", functools.cache(botocore.loaders.create_loader))
        yield
