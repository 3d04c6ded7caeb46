"""A check: one named coroutine function that holds a backend to one rule."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import ModuleType

from .harness import Feature, Harness, HarnessFactory
from .lab import Lab

__all__ = ["Check", "Verdict", "check", "checks_in", "run_check"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One rule and how it is checked.

    Attributes:
        name: Unique within the suite.
        rule: What must hold, in a line.
        source: Where the rule stands: a section of swf-reference, or "promise" for the docstrings of ``Backend``.
        needs: Without these features of the backend the rule is no rule.
        run: Raises AssertionError, or whatever the backend raises, if it does not hold.
    """

    name: str
    rule: str
    source: str
    needs: frozenset[Feature]
    run: Callable[[Lab], Awaitable[None]]

    def excuse(self, harness: Harness) -> str | None:
        """Return why the backend need not pass, if it says so."""
        lacks = harness.lacks
        reasons = [f"{need.name}: {lacks[need]}" for need in Feature if need in self.needs and need in lacks]
        if self.name in lacks:
            reasons.append(lacks[self.name])
        return "; ".join(reasons) or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a check ended that raised nothing: it passed, or the backend has declared an ``excuse``."""

    check: str
    excuse: str | None = None


def check(source: str, *needs: Feature) -> Callable[[Callable[[Lab], Awaitable[None]]], Check]:
    """Make a check of a coroutine function; its docstring is the rule."""

    def make(run: Callable[[Lab], Awaitable[None]]) -> Check:
        rule = " ".join((run.__doc__ or "").split())
        return Check(name=run.__name__, rule=rule, source=source, needs=frozenset(needs), run=run)

    return make


def checks_in(*modules: ModuleType) -> tuple[Check, ...]:
    """Return the checks that modules define, in order."""
    return tuple(value for module in modules for value in vars(module).values() if isinstance(value, Check))


async def run_check(check: Check, factory: HarnessFactory) -> Verdict:
    """Run one check on a fresh backend.

    Raises:
        AssertionError: The backend breaks the rule; the message says how.
    """
    async with factory() as harness:
        excuse = check.excuse(harness)
        if excuse is None:
            lab = Lab(harness)
            await lab.prepare()
            await check.run(lab)
        return Verdict(check=check.name, excuse=excuse)
