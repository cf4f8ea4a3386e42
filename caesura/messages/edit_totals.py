"""What was cleared while a reply was made in several rounds.

Each round edits the whole conversation anew, so it clears once more what the one before it has cleared, and
maybe further things; only a summary makes an end of that. Enters: what each round cleared. Leaves: what all
of them did, each thing once. Read next: `caesura/server/memory_client.py`, whose replies have rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from caesura.messages.content import Block, CompactionBlock
from caesura.messages.context_management import AppliedEdit, ClearingType

_Applied = tuple[AppliedEdit, ...]


class EditTotals:
    """The edits of one reply, round by round."""

    def __init__(self) -> None:
        self._before_summaries: _Applied = ()
        self._latest: _Applied | None = None

    @property
    def applied(self) -> _Applied | None:
        """What was done till now; None if no round was to do anything."""
        return None if self._latest is None else _joined(self._before_summaries, self._latest)

    def take(self, applied: _Applied | None, content: Sequence[Block]) -> None:
        """The next round's. content: what it wrote. applied: None where it was to edit nothing."""
        if applied is None:
            return
        self._latest = applied
        if any(isinstance(block, CompactionBlock) and block.content is not None for block in content):
            self._before_summaries, self._latest = _joined(self._before_summaries, applied), ()


def _joined(first: _Applied, second: _Applied) -> _Applied:
    """One edit of each type, in the order in which they came."""
    totals: dict[ClearingType, AppliedEdit] = {}
    for edit in (*first, *second):
        known = totals.get(edit.type)
        totals[edit.type] = edit if known is None else _sum(known, edit)
    return tuple(totals.values())


def _sum(one: AppliedEdit, other: AppliedEdit) -> AppliedEdit:
    return replace(
        one,
        num_cleared=one.num_cleared + other.num_cleared,
        num_cleared_tokens=one.num_cleared_tokens + other.num_cleared_tokens,
    )
