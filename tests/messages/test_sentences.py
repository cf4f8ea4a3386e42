"""Sentences: all of a text but white space, in order, cut where a reader would cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.messages.sentences import MAX_CHARACTERS, sentences


def cut(text: str) -> list[str]:
    return [text[span.start : span.end] for span in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n ", []),
        ("One", ["One"]),
        ("One. Two! Three?  Four…\nFive", ["One.", "Two!", "Three?", "Four…", "Five"]),
        ("Dr. Smith met J. Doe. He left.", ["Dr. Smith met J. Doe.", "He left."]),
        ("It is 3.5 m. wide, e.g. here. See Fig. 2.", ["It is 3.5 m. wide, e.g. here.", "See Fig. 2."]),
        ('"Stop!" she said. (Really.) Yes.', ['"Stop!" she said.', "(Really.)", "Yes."]),
        ("a title\n\nand a text\nover lines", ["a title", "and a text\nover lines"]),
        ("one.\r\n\r\ntwo", ["one.", "two"]),
        ("草は緑。空は青い！水は？", ["草は緑。", "空は青い！", "水は？"]),
    ],
)
def test_text_is_cut_into_sentences(text: str, expected: list[str]) -> None:
    assert cut(text) == expected


def test_no_sentence_is_longer_than_the_limit() -> None:
    assert [len(each) for each in cut("x" * (2 * MAX_CHARACTERS + 1))] == [MAX_CHARACTERS, MAX_CHARACTERS, 1]


@given(st.text() | st.text(alphabet=".!?… \n\r\"'aAzé。", max_size=200))
def test_sentences_hold_everything_but_white_space(text: str) -> None:
    spans = sentences(text)
    assert all(one.end <= other.start for one, other in pairwise(spans))
    assert all(span.start < span.end for span in spans)
    rest = [0, *(place for span in spans for place in span), len(text)]
    assert all(not text[start:end].strip() for start, end in zip(rest[::2], rest[1::2], strict=True))


@pytest.mark.parametrize("piece", ["a. b! ", "\n", "Dr. "])
def test_long_texts_are_cut_without_reading_them_over_and_over(piece: str) -> None:
    # Each takes well under a second, and would take minutes if every candidate looked at the whole.
    text = piece * (1_000_000 // len(piece))
    assert all(span.end - span.start <= MAX_CHARACTERS for span in sentences(text))
