"""Tokenizers that others made: no text is a marker, and ordinary text gets the ids that it always got."""

from __future__ import annotations

import json
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.tokens.foreign_tokenizer import ForeignTokenizer, Piece
from caesura.tokens.tokenizer import TokenizerError
from tests.tokens.conversations import plain_text
from tests.tokens.foreign_folders import FAMILIES, foreign_tokenizer, tokenizer_json

_NAMES = sorted({name for each in FAMILIES.values() for name in (*each.special, *each.added)})
_FRAGMENTS = ["<", "</", "s>", "<|im_", "start|>", "think>", "[", "INST]", "\n", " ", "\0", "▁", "<0x0A>"]
hostile_text = st.lists(
    st.sampled_from(_NAMES) | st.sampled_from(_FRAGMENTS) | plain_text, min_size=1, max_size=6
).map("".join)


@cache
def _plain(name: str) -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_str(tokenizer_json(name))


@pytest.mark.parametrize("name", FAMILIES)
@given(text=hostile_text)
def test_text_never_becomes_a_marker(name: str, text: str) -> None:
    tokenizer = foreign_tokenizer(name)
    ids = tokenizer.encode([Piece(text, is_template=False)]).ids
    assert not set(ids) & set(tokenizer.markers.values())
    shown = tokenizer.decode(ids)
    if FAMILIES[name].kind == "byte_level":
        assert shown == unicodedata.normalize("NFC", text)
    else:  # a space is put before the text, and `▁` cannot be told from one
        assert shown.lstrip(" ") == text.replace("▁", " ").lstrip(" ")


@pytest.mark.parametrize("name", FAMILIES)
@given(texts=st.lists(plain_text | st.sampled_from(_NAMES), min_size=1, max_size=5))
def test_what_a_template_wrote_is_encoded_as_plain_text_is(name: str, texts: list[str]) -> None:
    written = "".join(texts)
    ids = foreign_tokenizer(name).encode([Piece(written, is_template=True)]).ids
    assert ids == _plain(name).encode(written, add_special_tokens=False).ids


@pytest.mark.parametrize("name", FAMILIES)
@given(before=plain_text, text=plain_text, after=plain_text)
def test_the_border_between_template_and_text_leaves_no_trace(
    name: str, before: str, text: str, after: str
) -> None:
    if any(each in before + text + after for each in _NAMES):
        return
    marker = FAMILIES[name].special[-1]
    pieces = [Piece(marker + before, True), Piece(text, False), Piece(after + marker, True)]
    plain = _plain(name).encode(f"{marker}{before}{text}{after}{marker}", add_special_tokens=False)
    assert foreign_tokenizer(name).encode(pieces).ids == plain.ids


def test_a_marker_cannot_be_put_together_from_template_and_text() -> None:
    tokenizer = foreign_tokenizer("qwen3")
    pieces = [Piece("<|im_", True), Piece("start|>", False)]
    assert tokenizer.markers["<|im_start|>"] not in tokenizer.encode(pieces).ids


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=30)
@given(texts=st.lists(st.tuples(hostile_text, st.booleans()), min_size=1, max_size=5), data=st.data())
def test_a_position_counts_the_ids_that_end_before_it(
    name: str, texts: list[tuple[str, bool]], data: st.DataObject
) -> None:
    tokenizer = foreign_tokenizer(name)
    pieces = [Piece(text, is_template) for text, is_template in texts]
    number = data.draw(st.integers(0, len(pieces) - 1))
    ids, positions = tokenizer.encode(pieces, ends=[number])
    assert ids == tokenizer.encode(pieces).ids
    assert 0 <= positions[number] <= len(ids)
    if number == len(pieces) - 1:
        assert positions[number] == len(ids)
    closed = [*pieces[: number + 1], Piece(FAMILIES[name].special[-1], is_template=True)]
    whole, ends = tokenizer.encode(closed, ends=[number])
    assert ends[number] == len(whole) - 1


def test_a_vocabulary_that_a_word_goes_into_whole_gives_no_marker() -> None:
    spec = json.loads(tokenizer_json("qwen3"))
    spec["model"]["ignore_merges"] = True
    spec["model"]["vocab"]["think"] = 1000
    spec["added_tokens"].append(dict(spec["added_tokens"][0], id=1000, content="think"))
    tokenizer = ForeignTokenizer(spec)
    assert tokenizer.markers["think"] not in tokenizer.encode([Piece("think", False)]).ids
    assert tokenizer.encode([Piece("think", True)]).ids == [tokenizer.markers["think"]]


def test_added_tokens_that_are_plain_text_stay_text() -> None:
    spec = json.loads(tokenizer_json("qwen3"))
    spec["added_tokens"].append(dict(spec["added_tokens"][0], id=394, content="    ", special=False))
    text = "def f():\n        return <think>"
    plain = tokenizers.Tokenizer.from_str(json.dumps(spec)).encode("        ").ids
    tokenizer = ForeignTokenizer(spec)
    assert plain == [394, 394]
    ids = tokenizer.encode([Piece(text, is_template=False)]).ids
    assert ids.count(394) == 2
    assert tokenizer.decode(ids) == text
    assert "    " not in tokenizer.markers


def test_a_merge_written_as_one_string_is_read() -> None:
    spec = json.loads(tokenizer_json("qwen3"))
    spec["model"]["merges"] = [" ".join(pair) for pair in spec["model"]["merges"]]
    pieces = [Piece("The answer is 42.", False)]
    assert ForeignTokenizer(spec).encode(pieces) == foreign_tokenizer("qwen3").encode(pieces)


def test_special_markers_say_nothing_and_added_ones_their_name() -> None:
    tokenizer = foreign_tokenizer("qwen3")
    markers = [tokenizer.markers[name] for name in ("<|im_end|>", "<tool_call>")]
    assert tokenizer.decode(markers) == "<tool_call>"


def test_a_tokenizer_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"no tokenizer\.json; transformers writes one"):
        ForeignTokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(TokenizerError, match=r"tokenizer\.json cannot be read"):
        ForeignTokenizer.load(tmp_path)
    spec = json.loads(tokenizer_json("qwen3"))
    spec["model"] = {"type": "Unigram", "unk_id": 0, "vocab": [["a", 0.0]]}
    (tmp_path / "tokenizer.json").write_text(json.dumps(spec))
    with pytest.raises(TokenizerError, match="Unigram; only BPE is known"):
        ForeignTokenizer.load(tmp_path)


def _template(begin: int, *single: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [begin], "tokens": ["<s>"]}},
    }


_MARK = {"SpecialToken": {"id": "<s>", "type_id": 0}}
_TEXT = {"Sequence": {"id": "A", "type_id": 0}}


@pytest.mark.parametrize("place", ["before", "nested", "behind", "nowhere"])
def test_the_prefix_is_what_transformers_puts_before_a_text(place: str) -> None:
    name = next(name for name, family in FAMILIES.items() if "<s>" in family.special)
    spec = json.loads(tokenizer_json(name))
    begin = next(token["id"] for token in spec["added_tokens"] if token["content"] == "<s>")
    before = _template(begin, _MARK, _TEXT)
    spec["post_processor"] = {
        "before": before,
        "nested": {"type": "Sequence", "processors": [before]},
        "behind": _template(begin, _TEXT, _MARK),
        "nowhere": None,
    }[place]
    prefix = ForeignTokenizer(spec).prefix
    assert prefix == ((begin,) if place in ("before", "nested") else ())
    plain = tokenizers.Tokenizer.from_str(json.dumps(spec))
    bare = plain.encode("word", add_special_tokens=False).ids
    assert plain.encode("word").ids[: len(prefix) + len(bare)] == [*prefix, *bare]
