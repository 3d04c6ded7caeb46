"""Registration of the domain and of workflow and activity types.

A type that is registered cannot be changed (swf-reference 1.6): if its defaults are not those that are asked for, that
is a warning which says what differs, and that a new version is the remedy.
"""

from __future__ import annotations

import enum
import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

import anyio
import msgspec

from ...errors import BackendUnavailableError
from ...types import UNSET, ActivityType, TypeRef, WorkflowType
from . import decode, encode
from .calls import Calls
from .faults import AlreadyRegisteredError

__all__ = ["Registration"]

_logger = logging.getLogger("aioworkflow.swf")

T = TypeVar("T", ActivityType, WorkflowType)

_AT_ONCE = 16
"""Registrations that are under way side by side."""


class Registration:
    """Registers in one domain."""

    def __init__(self, calls: Calls, domain: str) -> None:
        self._calls = calls
        self._domain = domain
        self._places = anyio.Semaphore(_AT_ONCE)
        self._activities: dict[TypeRef, ActivityType] = {}

    @property
    def activities(self) -> Mapping[TypeRef, ActivityType]:
        """The activities that were registered here, with the defaults that they have in Amazon's books."""
        return MappingProxyType(self._activities)

    async def register_domain(self, retention_days: int | None) -> None:
        """Register the domain, if it is not there."""
        parameters = encode.register_domain(self._domain, retention_days=retention_days)
        try:
            await self._calls("RegisterDomain", parameters, f"domain {self._domain!r}")
        except AlreadyRegisteredError:
            return
        _logger.info("domain %r was registered; it keeps closed processes for %s days", self._domain, retention_days)

    async def register_workflow(self, workflow: WorkflowType) -> None:
        """Register a workflow, with all its defaults."""
        parameters = encode.register_workflow(self._domain, workflow)
        async with self._places:
            try:
                await self._calls("RegisterWorkflowType", parameters, f"workflow {workflow.ref}")
            except AlreadyRegisteredError:
                described = encode.describe_workflow(self._domain, workflow.ref)
                body = await self._describe("DescribeWorkflowType", described, f"workflow {workflow.ref}")
                if body is not None:
                    self._compare("workflow", workflow, decode.workflow_type(body))

    async def register_activity(self, activity: ActivityType) -> None:
        """Register an activity, with all its defaults."""
        parameters = encode.register_activity(self._domain, activity)
        known = activity
        async with self._places:
            try:
                await self._calls("RegisterActivityType", parameters, f"activity {activity.ref}")
            except AlreadyRegisteredError:
                described = encode.describe_activity(self._domain, activity.ref)
                body = await self._describe("DescribeActivityType", described, f"activity {activity.ref}")
                if body is not None:
                    known = decode.activity_type(body)
                    self._compare("activity", activity, known)
        self._activities[activity.ref] = known

    async def _describe(self, call: str, parameters: encode.Parameters, subject: str) -> bytes | None:
        """Ask for a type; None if no answer comes.

        Amazon allows an account 6 such calls per second, so after a restart of many workers there may be none to be had
        for a long time, and no worker must fail to begin for that.
        """
        try:
            return await self._calls(call, parameters, subject)
        except BackendUnavailableError as error:
            _logger.warning(
                "%s is registered, but whether with these defaults could not be found out: %s", subject, error
            )
            return None

    def _compare(self, kind: str, ours: T, theirs: T) -> None:
        if theirs.deprecated:
            _logger.warning(
                "%s %s is deprecated in domain %r and takes no new work: register a new version, or undeprecate it",
                kind,
                ours.ref,
                self._domain,
            )
        if differences := _differences(ours, theirs):
            _logger.warning(
                "%s %s is registered in domain %r with other defaults, which stay as they are: %s. For other defaults "
                "give it a new version",
                kind,
                ours.ref,
                self._domain,
                "; ".join(differences),
            )


def _differences(ours: T, theirs: T) -> list[str]:
    """Name the defaults that are not the same in Amazon's form."""
    found = []
    for field in msgspec.structs.fields(ours):
        name = field.name
        if name in ("ref", "description", "deprecated"):
            continue
        here, there = getattr(ours, name), getattr(theirs, name)
        if _in_wire_form(ours, name, here) != _in_wire_form(ours, name, there):
            found.append(f"{name} is {_show(there)} there and {_show(here)} here")
    return found


def _in_wire_form(like: T, name: str, value: object) -> encode.Parameters:
    """Return what is sent of a type with this one default."""
    if name == "task_priority" and value is UNSET:
        value = 0
    alone = msgspec.structs.replace(type(like)(ref=like.ref), **{name: value})
    if isinstance(alone, WorkflowType):
        return encode.register_workflow("domain", alone)
    return encode.register_activity("domain", alone)


def _show(value: object) -> str:
    if isinstance(value, enum.Enum):
        return value.name
    return "not set" if value is UNSET else repr(value)
