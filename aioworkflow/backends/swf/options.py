"""Settings of the Amazon SWF backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...checks import check_duration, check_text, show
from ...errors import InvalidRequestError
from ...types import UNSET, UnsetType
from .limits import ROLE_LIMIT
from .throttle import QUOTAS, Quota

__all__ = ["SWFOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SWFOptions:
    """Settings of an :class:`.SWFBackend`. Durations are seconds.

    Attributes:
        register_domain: Whether to register the domain on entry, if it is not there.
        retention_days: How long a domain that is registered so keeps closed processes: 0 to 90 days, None for not at
            all. It cannot be changed later.
        quota_share: Which part of the account's API quotas this backend object may use, 0 to 1; None is no limit. With
            n OS processes on one account, 0.8 / n is a good value. UNSET is 0.8, and None for a local server.
        quotas: Quotas that Amazon has raised (or lowered), by API call as ``"StartWorkflowExecution"``.
        retry_seconds: How long a call is tried again after passing faults, but never beyond the timeout of the task
            that it answers. Workers go on from there.
        read_timeout: How long the service may be silent before a call, other than a poll, counts as lost. It should be
            less than ``retry_seconds``, or such a call is not tried again.
        close_seconds: How long closing waits for polls under way, whose tasks would be lost otherwise. A poll lasts 60
            seconds at most.
        sticky_seconds: What workers are told to do about sticky task lists, see
            :attr:`aioworkflow.backend.Backend.sticky_seconds`; None for no such lists.
        wait_seconds: The longest pause between looks at a process that somebody waits for.
        lambda_role: The IAM role with which processes started here, and their children, may call AWS Lambda.
    """

    register_domain: bool = False
    retention_days: int | None = 7
    quota_share: float | UnsetType | None = UNSET
    quotas: Mapping[str, Quota] = field(default_factory=dict)
    retry_seconds: float = 10.0
    read_timeout: float = 6.0
    close_seconds: float = 65.0
    sticky_seconds: float | None = 5.0
    wait_seconds: float = 30.0
    lambda_role: str | None = None

    def __post_init__(self) -> None:
        _check_bool(self.register_domain, "register_domain")
        _check_days(self.retention_days)
        _check_share(self.quota_share)
        for call, quota in self.quotas.items():
            _check_quota(call, quota)
        for name in ("retry_seconds", "read_timeout", "close_seconds", "wait_seconds"):
            seconds = check_duration(getattr(self, name), name, optional=False)
            if not seconds and name in ("read_timeout", "wait_seconds"):
                raise InvalidRequestError(f"{name} must be more than 0 seconds")
        if check_duration(self.sticky_seconds, "sticky_seconds") == 0:
            raise InvalidRequestError("sticky_seconds must be more than 0 seconds, or None")
        if self.lambda_role is not None:
            check_text(self.lambda_role, "lambda_role", ROLE_LIMIT, least=1)


def _check_bool(value: object, field: str) -> None:
    if not isinstance(value, bool):
        raise InvalidRequestError(f"{field} must be a bool, not {show(value)}")


def _check_days(value: object) -> None:
    if value is not None and (type(value) is not int or not 0 <= value <= 90):
        raise InvalidRequestError(f"retention_days must be 0 to 90 or None, not {show(value)}")


def _check_share(value: object) -> None:
    if value is UNSET or value is None:
        return
    if type(value) not in (int, float) or not 0 < value <= 1:  # type: ignore[operator]
        raise InvalidRequestError(f"quota_share must be more than 0 and at most 1, or None, not {show(value)}")


def _check_quota(call: object, quota: object) -> None:
    if call not in QUOTAS:
        raise InvalidRequestError(f"quotas: Amazon SWF has no call {show(call)}")
    if not isinstance(quota, Quota) or not (quota.burst >= 1 and quota.rate > 0):
        raise InvalidRequestError(f"quotas[{call!r}] must be a Quota of at least 1 and more than 0, not {show(quota)}")
