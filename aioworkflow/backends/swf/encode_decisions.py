"""Decisions, as Amazon SWF takes them (swf-reference 3)."""

from __future__ import annotations

from collections.abc import Sequence

from ...decision import Decision

__all__ = ["encode_decisions"]


def encode_decisions(decisions: Sequence[Decision]) -> list[dict[str, object]]:
    """Return the decisions of one answer.

    Raises:
        InvalidDecisionError: With the place and kind of the decision that is wrong.
    """
    raise NotImplementedError
