"""The backend suite on moto, for what moto implements: somebody else's reading of Amazon SWF."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import nullcontext

import pytest
import pytest_asyncio

from aioworkflow.testing.conformance.backend import BACKEND_CHECKS, Check, run_check
from tests.backends.swf.moto_gaps import MOTO_LACKS
from tests.backends.swf.moto_harness import MotoHarness, moto_server
from tests.swf_server.environment import isolated

DONE = [check for check in BACKEND_CHECKS if check.name not in MOTO_LACKS and not check.needs & MOTO_LACKS.keys()]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def harness() -> AsyncIterator[MotoHarness]:
    with isolated(), moto_server() as url:
        async with MotoHarness(url) as harness:
            yield harness


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("check", DONE, ids=lambda check: check.name)
async def test_swf_backend_on_moto(check: Check, harness: MotoHarness) -> None:
    verdict = await run_check(check, lambda: nullcontext(harness))
    assert verdict.excuse is None


def test_every_gap_of_moto_is_of_a_check() -> None:
    assert MOTO_LACKS.keys() <= {check.name for check in BACKEND_CHECKS} | {
        need for check in BACKEND_CHECKS for need in check.needs
    }
    assert len(DONE) >= 38
