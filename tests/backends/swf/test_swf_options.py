"""The settings of the backend."""

from __future__ import annotations

from typing import Any

import pytest

from aioworkflow.backends.swf import Quota, SWFOptions
from aioworkflow.errors import InvalidRequestError


def test_the_defaults_and_the_extremes_are_valid() -> None:
    assert SWFOptions().retention_days == 7
    SWFOptions(
        register_domain=True,
        retention_days=None,
        quota_share=None,
        quotas={"StartWorkflowExecution": Quota(1, 0.1)},
        retry_seconds=0,
        close_seconds=0,
        sticky_seconds=None,
        lambda_role="arn:aws:iam::1:role/x",
    )
    SWFOptions(retention_days=90, quota_share=1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("register_domain", "yes"),
        ("retention_days", 91),
        ("retention_days", -1),
        ("retention_days", True),
        ("quota_share", 0),
        ("quota_share", 1.5),
        ("quota_share", "half"),
        ("quotas", {"StartAnything": Quota(1, 1)}),
        ("quotas", {"StartWorkflowExecution": (1, 1)}),
        ("quotas", {"StartWorkflowExecution": Quota(0.5, 1)}),
        ("quotas", {"StartWorkflowExecution": Quota(1, 0)}),
        ("retry_seconds", None),
        ("read_timeout", 0),
        ("close_seconds", -1),
        ("sticky_seconds", "long"),
        ("sticky_seconds", 0),
        ("wait_seconds", 0),
        ("lambda_role", ""),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=field):
        SWFOptions(**{field: value})
