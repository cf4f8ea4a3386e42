"""What a reply shows is what transformers decodes: where it begins, and where it continues a prefill."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.messages.events import TextDelta, ThinkingDelta
from caesura.tokens import BlockParser, Opening
from caesura.tokens.foreign_format import ForeignFormat
from caesura.tokens.foreign_tokenizer import ForeignTokenizer, Piece
from caesura.tokens.phase_tokens import PhaseTokens
from tests.tokens.foreign_folders import FAMILIES, tokenizer_json, write_tokenizer

SENTENCE_PIECE = [name for name, family in FAMILIES.items() if family.kind != "byte_level"]
BROKEN = "\N{REPLACEMENT CHARACTER}"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("families")
    for name in FAMILIES:
        write_tokenizer(name, folder / name)
        # Read now, or the first example would wait for it.
        _read(folder / name)
    return folder


@cache
def _read(folder: Path) -> tuple[ForeignFormat, Any]:
    """A folder, as we and as transformers read it."""
    return ForeignFormat.load(folder), transformers.AutoTokenizer.from_pretrained(folder)


def _words(format_: ForeignFormat) -> list[int]:
    """The ids that an answer can hold: no structure."""
    tokens = format_.phase_tokens
    markers = {tokens.think, tokens.end_think, tokens.tool_call, tokens.end_tool_call}
    structure = {*markers, *tokens.end, *tokens.never}
    return [token for token in range(format_.tokenizer.vocab_size) if token not in structure]


def _shown(parser: BlockParser, ids: list[int]) -> str:
    events = [event for token in ids for event in parser.feed(token)] + parser.finish()
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=150)
@given(data=st.data())
def test_a_reply_is_shown_as_transformers_decodes_it(folders: Path, name: str, data: st.DataObject) -> None:
    format_, theirs = _read(folders / name)
    ids = data.draw(st.lists(st.sampled_from(_words(format_)), min_size=1, max_size=8))
    told = theirs.decode(ids, skip_special_tokens=True)
    if BROKEN not in told:  # their decoder gives up a run of bytes, ours only those that are broken
        assert _shown(format_.parser("answer"), ids) == told


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=150)
@given(data=st.data())
def test_a_continuation_is_shown_as_transformers_decodes_it_behind_the_prefill(
    folders: Path, name: str, data: st.DataObject
) -> None:
    format_, theirs = _read(folders / name)
    prefill = format_.tokenizer.encode([Piece("The answer", is_template=False)]).ids
    ids = data.draw(st.lists(st.sampled_from(_words(format_)), min_size=1, max_size=8))
    told = theirs.decode([*prefill, *ids], skip_special_tokens=True)
    if BROKEN not in told:
        shown = _shown(format_.parser("answer", is_continued=True), ids)
        assert theirs.decode(prefill, skip_special_tokens=True) + shown == told


@pytest.mark.parametrize("name", SENTENCE_PIECE)
def test_only_the_first_word_loses_its_space_and_only_one(folders: Path, name: str) -> None:
    format_, _ = _read(folders / name)
    ids = format_.tokenizer.encode([Piece("The answer", is_template=False)]).ids
    space = format_.tokenizer.encode([Piece(" ", is_template=False)]).ids[:1]
    assert _shown(format_.parser("answer"), ids) == "The answer"
    assert _shown(format_.parser("answer", is_continued=True), ids) == " The answer"
    assert _shown(format_.parser("answer"), [*space, *ids]) == " The answer"
    # What says nothing does not count as the first word.
    assert _shown(format_.parser("answer"), [format_.phase_tokens.never[1], *ids]) == "The answer"


@pytest.mark.parametrize("name", SENTENCE_PIECE)
def test_a_stop_sequence_is_looked_for_in_what_is_shown(folders: Path, name: str) -> None:
    format_, _ = _read(folders / name)
    ids = format_.tokenizer.encode([Piece("The answer", is_template=False)]).ids
    parser = format_.parser("answer", stop_sequences=[" The"])
    assert _shown(parser, ids) == "The answer"
    assert parser.stop_sequence is None


def test_a_thought_that_opens_the_reply_begins_it() -> None:
    """Ids 0 and 1 are the markers; the words are 3, 4, with and without a space before them."""
    pieces, first = [b"<t>", b"</t>", b"", b" so", b"so"], [b"<t>", b"</t>", b"", b"so", b"so"]
    tokens = PhaseTokens(think=0, end_think=1, end=(2,), closing=(), never=(2,), blank=frozenset())
    replies: list[tuple[Opening, list[int]]] = [
        ("think", [3, 3, 1, 3]),
        ("choose", [0, 3, 1, 3]),
        ("choose", [3, 3]),
    ]
    texts: list[tuple[str, str]] = []
    for opening, ids in replies:
        parser = BlockParser(pieces, tokens, opening, first_bytes=first)
        events = [event for token in ids for event in parser.feed(token)] + parser.finish()
        thought = "".join(event.thinking for event in events if isinstance(event, ThinkingDelta))
        texts.append((thought, "".join(event.text for event in events if isinstance(event, TextDelta))))
    assert texts == [("so so", " so"), (" so", " so"), ("", "so so")]


@pytest.mark.parametrize("scheme", ["always", "first", "never"])
@settings(max_examples=150)
@given(data=st.data())
def test_a_metaspace_decoder_is_followed_too(scheme: str, data: st.DataObject) -> None:
    backend, ours = _metaspace(scheme)
    words = [token for token in range(ours.vocab_size) if token not in ours.special]
    ids = data.draw(st.lists(st.sampled_from(words), min_size=1, max_size=8))
    first, *rest = ids
    shown = ours.first_bytes[first] + b"".join(ours.token_bytes[token] for token in rest)
    assert shown.decode() == backend.decode(ids, skip_special_tokens=True)


@cache
def _metaspace(scheme: str) -> tuple[tokenizers.Tokenizer, ForeignTokenizer]:
    decoder = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": False}
    spec = json.loads(tokenizer_json("mistral")) | {"decoder": decoder}
    return tokenizers.Tokenizer.from_str(json.dumps(spec)), ForeignTokenizer(spec)
