"""The backend suite on Amazon SWF's protocol: every rule, over real HTTP, in pages of seven.

One stand-in serves all checks, since each keeps to names of its own; a new backend for each would take long.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import nullcontext

import pytest
import pytest_asyncio

from aioworkflow.testing.conformance.backend import BACKEND_CHECKS, Check, run_check
from tests.backends.swf.swf_harness import LACKS, StandInHarness
from tests.swf_server.environment import isolated


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def harness() -> AsyncIterator[StandInHarness]:
    with isolated():
        async with StandInHarness() as harness:
            yield harness


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("check", BACKEND_CHECKS, ids=lambda check: check.name)
async def test_swf_backend_on_the_stand_in(check: Check, harness: StandInHarness) -> None:
    verdict = await run_check(check, lambda: nullcontext(harness))
    reasons = [reason for lacked, reason in LACKS.items() if lacked in check.needs or lacked == check.name]
    assert bool(verdict.excuse) == bool(reasons)
    assert all(reason in (verdict.excuse or "") for reason in reasons)


def test_what_is_excused_exists() -> None:
    names = {check.name for check in BACKEND_CHECKS}
    needs = {need for check in BACKEND_CHECKS for need in check.needs}
    assert LACKS.keys() <= names | needs
