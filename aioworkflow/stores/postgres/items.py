"""The open items of large runs, kept as text, so that loading such a run anew fetches only what has changed.

Where several sessions work on one run with a thousand open activities, each write of one makes the others load it anew.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from ...machine.state import OpenItem
from ..codec import decode_item
from ..encoded import EncodedWrite

__all__ = ["LargeRuns"]

_LARGE = 50
"""Runs with fewer items are not worth it."""

_MOST_RUNS = 64


class KnownItems(NamedTuple):
    """The items of a run by event id, as of a version; never changed."""

    version: int
    texts: dict[int, str]


_NOTHING = KnownItems(-1, {})


class LargeRuns:
    """The items of the large runs that were loaded or written last."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, KnownItems] = OrderedDict()

    def get(self, run_id: str) -> KnownItems:
        """Return what is known of a run; as of the version -1 if that is nothing."""
        return self._runs.get(run_id, _NOTHING)

    def loaded(
        self, run_id: str, version: int, changed: Sequence[str], *, since: KnownItems, event_ids: Sequence[int] | None
    ) -> list[OpenItem]:
        """Return the items of a run that was loaded, and keep them.

        Args:
            run_id: Of the run.
            version: As of which it was loaded.
            changed: The items that were written since.
            since: What was known when they were asked for.
            event_ids: Of all items, ascending; None where ``changed`` are all.
        """
        items = [decode_item(text) for text in changed]
        texts = {item.event_id: text for item, text in zip(items, changed, strict=True)}
        if event_ids is not None:
            fresh = {item.event_id: item for item in items}
            known = since.texts | texts
            texts = {event_id: known[event_id] for event_id in event_ids}
            items = [fresh.get(event_id) or decode_item(text) for event_id, text in texts.items()]
        self._keep(run_id, KnownItems(version, texts))
        return items

    def saved(self, write: EncodedWrite) -> None:
        """Note what this store has written itself."""
        known = self._runs.get(write.run_id)
        if known is None or known.version != write.version or not write.changed:
            return
        texts = known.texts | {event_id: text for event_id, _, _, _, text in write.saved_items}
        for event_id in write.deleted_items:
            texts.pop(event_id, None)
        self._keep(write.run_id, KnownItems(write.version + 1, texts))

    def _keep(self, run_id: str, known: KnownItems) -> None:
        if len(known.texts) < _LARGE:
            self._runs.pop(run_id, None)
        elif known.version >= self.get(run_id).version:
            self._runs[run_id] = known
            self._runs.move_to_end(run_id)
            if len(self._runs) > _MOST_RUNS:
                self._runs.popitem(last=False)
