"""Stop sequences: what matches depends on the text alone, never on how it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.tokens.stop_sequences import StopMatcher
from tests.tokens.first_match import first_match


@given(
    pieces=st.lists(st.text("ab", max_size=5), max_size=12),
    sequences=st.lists(st.text("ab", min_size=1, max_size=5), max_size=6),
)
def test_the_match_that_is_complete_first_wins_however_the_text_is_cut(
    pieces: list[str], sequences: list[str]
) -> None:
    text = "".join(pieces)
    expected = first_match(text, sequences)
    for cut in (pieces, [text], list(text)):
        matcher = StopMatcher(sequences)
        fed = [matcher.feed(piece) for piece in cut]
        last, matched = matcher.feed("", is_last=True)
        assert ("".join(passed for passed, _ in fed) + last, matched) == expected


@given(st.text("ab", max_size=30), st.lists(st.text("ab", min_size=1, max_size=5), min_size=1, max_size=4))
def test_no_more_is_held_back_than_could_still_match(text: str, sequences: list[str]) -> None:
    matcher = StopMatcher(sequences)
    shown, matched = matcher.feed(text)
    if matched is None:
        held = text[len(shown) :]
        assert text == shown + held
        assert not held or any(sequence.startswith(held) for sequence in sequences)


def test_many_sequences_cost_no_more_than_a_few() -> None:
    """Each character moves one node down, or up again by no more nodes than it went down."""
    matcher = StopMatcher(["a" * length + "b" for length in range(1, 2000)])
    shown, matched = matcher.feed("ac" + "a" * 100_000)
    assert (len(shown), matched) == (100_002 - 1999, None)


def test_an_empty_sequence_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        StopMatcher(["a", ""])
