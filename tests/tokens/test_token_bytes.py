"""The bytes of single tokens: together they are what the tokenizer decodes."""

from __future__ import annotations

from typing import Any

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from caesura.tokens.token_bytes import begins_alike, byte_level, decoded, may_be_blank
from tests.tokens.conversations import plain_text
from tests.tokens.foreign_folders import FAMILIES, foreign_tokenizer, tokenizer_json


@pytest.mark.parametrize("name", FAMILIES)
@given(text=plain_text)
def test_the_bytes_of_tokens_are_what_the_tokenizer_decodes(name: str, text: str) -> None:
    backend = tokenizers.Tokenizer.from_str(tokenizer_json(name))
    ids = backend.encode(text, add_special_tokens=False).ids
    theirs = backend.decode(ids, skip_special_tokens=True)
    ours = foreign_tokenizer(name).decode(ids)
    # Only their decoder knows that a text begins here, and that a space was put before it.
    lead = "" if FAMILIES[name].kind == "byte_level" else " "
    assert ours.removeprefix(lead) == theirs


@pytest.mark.parametrize("name", FAMILIES)
@given(data=st.data())
def test_any_ids_decode_as_the_tokenizer_decodes_them(name: str, data: st.DataObject) -> None:
    tokenizer = foreign_tokenizer(name)
    words = [token for token in range(tokenizer.vocab_size) if token not in tokenizer.special]
    ids = data.draw(st.lists(st.sampled_from(words), min_size=1, max_size=8))
    theirs = tokenizers.Tokenizer.from_str(tokenizer_json(name)).decode(ids, skip_special_tokens=True)
    ours = tokenizer.decode(ids)
    if FAMILIES[name].kind != "byte_level":
        ours = ours.removeprefix(" ")
        if "\N{REPLACEMENT CHARACTER}" in theirs:
            return  # a broken byte: their decoder gives up a run of bytes, ours only those that are broken
    assert ours == theirs


def test_byte_level_names_are_bytes_and_others_their_own_text() -> None:
    assert byte_level(["Ġthe", "Ċ", "Ã©", "日"]) == [b" the", b"\n", "é".encode(), "日".encode()]


def _sentence_piece(*, start: int = 1, stop: int = 0, is_fused: bool = True) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Strip", "content": " ", "start": start, "stop": stop},
    ]
    return {"type": "Sequence", "decoders": [*steps[:2], *[{"type": "Fuse"}] * is_fused, steps[2]]}


@pytest.mark.parametrize(
    ("decoder", "words"),
    [
        (None, "none"),
        ({"type": "WordPiece", "prefix": "##", "cleanup": True}, "WordPiece"),
        ({"type": "Replace", "pattern": {"Regex": "x+"}, "content": ""}, "pattern"),
        ({"type": "Fuse"}, "neither"),
        (_sentence_piece(start=2), "strips more than one character"),
        (_sentence_piece(stop=1), "strips more than one character"),
        (_sentence_piece(is_fused=False), "strips more than one character"),
    ],
)
def test_a_decoder_that_is_not_known_is_refused(decoder: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        decoded(["a"], decoder)


def test_a_metaspace_decoder_writes_spaces() -> None:
    assert decoded(["▁the", "<0x0A>"], {"type": "Metaspace", "replacement": "▁"}) == [b" the", b"<0x0A>"]


def test_the_first_token_of_a_text_is_without_the_space_that_was_put_there() -> None:
    names = ["▁the", "▁▁", "the▁", "<0x20>", "<0x0A>"]
    pieces = [b" the", b"  ", b"the ", b" ", b"\n"]
    for start, first in ((1, [b"the", b" ", b"the ", b"", b"\n"]), (0, pieces)):
        decoder = _sentence_piece(start=start)
        assert decoded(names, decoder) == pieces
        assert decoded(names, decoder, is_first=True) == first
        assert begins_alike(decoder) == (first == pieces)
    metaspace = {"type": "Metaspace", "replacement": "▁"}
    assert decoded(names[:3], metaspace, is_first=True) == [b"the", b"", b"the"]
    assert decoded(names[:3], metaspace | {"prepend_scheme": "never"}, is_first=True) == pieces[:3]


def test_broken_characters_that_could_be_whitespace_may_be_blank() -> None:
    assert may_be_blank("\u3000".encode()[:2])
    assert not may_be_blank("é".encode()[:1] + b"x")
