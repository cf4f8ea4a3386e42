"""The rule of stop sequences in the plainest words: what the matcher is held against."""

from __future__ import annotations


def first_match(text: str, sequences: list[str]) -> tuple[str, str | None]:
    """What is shown and what matches, by looking at every end in turn, the longest sequence first."""
    for end in range(1, len(text) + 1):
        for sequence in sorted(sequences, key=len, reverse=True):
            if text[:end].endswith(sequence):
                return text[: end - len(sequence)], sequence
    return text, None
