"""The tokenizer: cut text gives the ids of whole text, and blank ids are those that show nothing."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from caesura.tokens.tokenizer import blocks
from tests.tokens.conversations import any_text, chat_format

TOKENIZER = chat_format().tokenizer
_KINDS = st.sampled_from(
    [" ", "  ", "\n", "\r\n", "\t", "\u3000", "\u2009", "a", "the", "7", "'s", "'", "é", "🙂", "<|end|>"]
)


@given(st.lists(_KINDS | any_text, max_size=30).map("".join), st.integers(1, 20))
def test_the_ids_of_blocks_are_those_of_the_whole(text: str, size: int) -> None:
    cut = list(blocks(text, size))
    assert "".join(cut) == text
    assert [token for block in cut for token in TOKENIZER.encode(block)] == TOKENIZER.encode(text)


def test_a_long_text_is_cut_into_blocks_and_comes_back() -> None:
    text = "The answer is 42, and so on. \n" * 10_000
    assert len(list(blocks(text, 1 << 16))) == 5
    assert TOKENIZER.encode(text) == TOKENIZER.encode_many([text])[0]
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@given(st.text(st.sampled_from([*filter(str.isspace, map(chr, range(sys.maxunicode + 1)))]), min_size=1))
def test_all_ids_of_whitespace_are_blank(text: str) -> None:
    assert set(TOKENIZER.encode(text)) <= TOKENIZER.blank_ids


@given(any_text)
def test_text_with_an_id_that_is_not_blank_shows_something(text: str) -> None:
    if not TOKENIZER.blank_ids.issuperset(TOKENIZER.encode(text)):
        assert text.strip()


def test_words_and_digits_are_not_blank() -> None:
    for text in ("a", "The answer", "7", ".", "é", "🙂"):
        assert not TOKENIZER.blank_ids.issuperset(TOKENIZER.encode(text))
