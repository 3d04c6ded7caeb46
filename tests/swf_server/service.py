"""The service: its domains, and which action goes where."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import msgspec

from aioworkflow.backends.local import Clock, LocalOptions

from . import requests as wire
from .domain import Answer, Domain, TaskToken
from .faults import Fault, fault, fault_of, unknown_resource
from .paging import page, read_token
from .requests import REQUESTS, read

__all__ = ["Service"]

_encode = msgspec.json.Encoder(order="sorted").encode


class Service:
    """Everything behind the wire: takes the bodies of requests and returns those of answers.

    Args:
        clock: Its time.
        options: Of the machines, one for each domain.
        largest_page: How many items a page holds at most.
    """

    def __init__(self, clock: Clock, options: LocalOptions, largest_page: int = 1000) -> None:
        self._clock = clock
        self._options = options
        self._largest_page = largest_page
        self._life = AsyncExitStack()
        self.domains: dict[str, Domain] = {}

    async def close(self) -> None:
        await self._life.aclose()

    async def call(self, action: str, body: bytes) -> bytes:
        """Carry out an action and return the body of its answer, empty where it says nothing.

        Raises:
            Fault: What it says instead.
        """
        if action not in REQUESTS:
            raise Fault("com.amazon.coral.service#UnknownOperationException")
        request = read(action, body)
        try:
            answer = await self._handle(action, request)
        except Exception as error:
            raise fault_of(error) from error
        return b"" if answer is None else _encode(_without_none(answer))

    async def _handle(self, action: str, request: Any) -> Answer:
        if action in _ON_SERVICE:
            return await getattr(self, _ON_SERVICE[action])(request)  # type: ignore[no-any-return]
        if hasattr(request, "task_token"):
            task: TaskToken = read_token(request.task_token, TaskToken)
            answer: Callable[..., Awaitable[Answer]] = getattr(self._domain(task.domain), _METHODS[action])
            return await answer(request, task)
        method: Callable[..., Awaitable[Answer]] = getattr(self._domain(request.domain), _METHODS[action])
        return await method(request)

    def _domain(self, name: str) -> Domain:
        if name not in self.domains:
            raise unknown_resource(f"Unknown domain: {name}")
        return self.domains[name]

    # --- domains ---

    async def register_domain(self, request: wire.RegisterDomain) -> Answer:
        name = request.name
        if name in self.domains:
            raise fault("DomainAlreadyExistsFault", name)
        days = request.workflow_execution_retention_period_in_days
        domain = Domain(name, days, request.description, self._clock, self._options, self._largest_page)
        self.domains[name] = domain
        await self._life.enter_async_context(domain.machine)
        return None

    async def describe_domain(self, request: wire.DescribeDomain) -> Answer:
        domain = self._domain(request.name)
        return {
            "domainInfo": domain.info(),
            "configuration": {"workflowExecutionRetentionPeriodInDays": domain.retention},
        }

    async def list_domains(self, request: wire.ListDomains) -> Answer:
        names = sorted(self.domains, reverse=bool(request.reverse_order))
        infos = [
            info
            for info in (self.domains[name].info() for name in names)
            if info["status"] == request.registration_status
        ]
        found, following = page(infos, request.maximum_page_size, request.next_page_token, self._largest_page)
        return {"domainInfos": found, "nextPageToken": following}

    async def deprecate_domain(self, request: wire.DescribeDomain) -> Answer:
        domain = self._domain(request.name)
        if domain.deprecated:
            raise fault("DomainDeprecatedFault", request.name)
        domain.deprecated = True
        return None

    async def undeprecate_domain(self, request: wire.DescribeDomain) -> Answer:
        domain = self._domain(request.name)
        if not domain.deprecated:
            raise fault("DomainAlreadyExistsFault", request.name)
        domain.deprecated = False
        return None


def _method(action: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", action).lower()


_METHODS = {action: _method(action) for action in REQUESTS}
_ON_SERVICE = {action: method for action, method in _METHODS.items() if hasattr(Service, method)}


def _without_none(value: Any) -> Any:
    """Leave out what is None, as Amazon does."""
    if isinstance(value, dict):
        return {key: _without_none(member) for key, member in value.items() if member is not None}
    return value
