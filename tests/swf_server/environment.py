"""What the tools of AWS find in the environment of a program that must not find anything else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["ENVIRONMENT", "isolated", "without_aws"]

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def without_aws() -> dict[str, str]:
    """Return the environment without the machine's own AWS configuration, and with made-up credentials."""
    rest = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "BOTO_"))}
    return rest | ENVIRONMENT


@contextmanager
def isolated() -> Iterator[None]:
    """Run the body in that environment."""
    before = dict(os.environ)
    _replace(without_aws())
    try:
        yield
    finally:
        _replace(before)


def _replace(environment: dict[str, str]) -> None:
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)
