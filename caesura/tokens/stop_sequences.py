"""Finds stop sequences in text that arrives in pieces.

Enters: pieces of text. Leaves: the text that may be shown, and the sequence that matched. A tail that
could still grow into a match is held back until it is decided. Read next: `parser.py`.
"""

from __future__ import annotations

from collections.abc import Sequence


class StopMatcher:
    """The earliest match wins; of two that begin together, the one listed first."""

    def __init__(self, sequences: Sequence[str]) -> None:
        self._sequences = tuple(sequences)
        self._held = ""
        self._matched: str | None = None

    def feed(self, text: str, *, is_last: bool = False) -> tuple[str, str | None]:
        """(text that is safe to show, the sequence that has matched or None)."""
        if self._matched is not None or not self._sequences:
            return ("" if self._matched is not None else text, self._matched)
        self._held += text
        position = self._first_match()
        if position is None:
            keep = 0 if is_last else self._pending_length()
            position = len(self._held) - keep
        passed, self._held = self._held[:position], self._held[position:]
        return passed, self._matched

    def _first_match(self) -> int | None:
        best: int | None = None
        for sequence in self._sequences:
            position = self._held.find(sequence)
            if position >= 0 and (best is None or position < best):
                best, self._matched = position, sequence
        return best

    def _pending_length(self) -> int:
        """The longest tail of what is held that begins a stop sequence."""
        longest = max(len(sequence) for sequence in self._sequences) - 1
        for length in range(min(longest, len(self._held)), 0, -1):
            tail = self._held[-length:]
            if any(sequence.startswith(tail) for sequence in self._sequences):
                return length
        return 0
