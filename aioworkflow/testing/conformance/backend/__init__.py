"""What every backend must do: one named check for each rule that a client can see.

The checks use nothing but the verbs of :class:`aioworkflow.backend.Backend`, and no test framework: give
:func:`run_check` a factory and it raises AssertionError where the backend breaks the rule. With pytest::

    @pytest.mark.parametrize("check", BACKEND_CHECKS, ids=lambda check: check.name)
    async def test_my_backend(check):
        verdict = await run_check(check, my_harness)
        assert verdict.excuse is None

A backend that cannot do something declares it (:attr:`Harness.lacks`) with the reason, which comes back in the verdict;
nothing is left out in silence. Rules that no source confirms are marked with ``Feature.CHOICES``.
"""

from . import (
    activities,
    answers,
    children,
    closing,
    continuing,
    external,
    policies,
    polling,
    promises,
    requests,
    starting,
    timeouts,
    timers,
    turns,
    visibility,
)
from .check import Check, Verdict, checks_in, run_check
from .harness import Feature, Harness, HarnessFactory
from .local import LocalHarness, local_harness

__all__ = [
    "BACKEND_CHECKS",
    "Check",
    "Feature",
    "Harness",
    "HarnessFactory",
    "LocalHarness",
    "Verdict",
    "local_harness",
    "run_check",
]

BACKEND_CHECKS: tuple[Check, ...] = checks_in(
    starting,
    requests,
    polling,
    answers,
    activities,
    timers,
    closing,
    continuing,
    children,
    external,
    turns,
    timeouts,
    policies,
    visibility,
    promises,
)
"""All checks, in the order of swf-reference."""
