"""Bare calls to a server, as any client makes them: for tests of the server itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

__all__ = ["bare_client", "register"]


@asynccontextmanager
async def bare_client(url: str) -> AsyncIterator[Any]:
    """Give a client of aiobotocore that tries nothing again."""
    config = AioConfig(retries={"mode": "standard", "total_max_attempts": 1}, max_pool_connections=0)
    async with AioSession().create_client("swf", region_name="us-east-1", endpoint_url=url, config=config) as client:
        yield client


async def register(client: Any) -> None:
    """Register domain "d" with workflow "w" and activity "a", whose tasks wait in lists of these names."""
    await client.register_domain(name="d", workflowExecutionRetentionPeriodInDays="1")
    await client.register_workflow_type(
        domain="d",
        name="w",
        version="1",
        defaultTaskStartToCloseTimeout="100",
        defaultExecutionStartToCloseTimeout="10000",
        defaultTaskList={"name": "w"},
        defaultChildPolicy="TERMINATE",
    )
    none = dict.fromkeys(
        ("StartToClose", "Heartbeat", "ScheduleToStart", "ScheduleToClose"),
        "NONE",
    )
    await client.register_activity_type(
        domain="d",
        name="a",
        version="1",
        defaultTaskList={"name": "a"},
        **{f"defaultTask{name}Timeout": value for name, value in none.items()},
    )
