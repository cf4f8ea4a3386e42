from __future__ import annotations

import random

import numpy as np
import pytest

from caesura.engine.constraint import BitRow, GrammarError
from caesura.engine.token_grammar import TokenMatcher, Vocabulary

BYTES = [bytes([byte]) for byte in range(256)]
# Two that spell text, one without bytes, and one whose bytes look like text.
PIECES = [*BYTES, b"ab", b"abc", b"", b"<end>"]
AB, ABC, EMPTY, MARKER = range(256, 260)
SETTINGS = '\n%llguidance {"no_forcing": true}\n'


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary(PIECES, {MARKER})


def allowed(row: BitRow) -> set[int]:
    return set(np.flatnonzero(np.unpackbits(row.bits.view(np.uint8), bitorder="little")).tolist())


def test_every_way_to_cut_a_text_is_allowed(vocabulary: Vocabulary) -> None:
    matcher, row = (
        vocabulary.grammar(f'start: "abc"{SETTINGS}', max_lexer_states=100).matcher(),
        vocabulary.row(),
    )
    assert matcher.allow(row) == (False, False)
    assert allowed(row) == {ord("a"), AB, ABC}
    matcher.advance(AB)
    matcher.allow(row)
    assert allowed(row) == {ord("c")}
    matcher.advance(ord("c"))
    assert matcher.allow(row) == (True, True)
    assert not allowed(row)


def test_markers_and_what_has_no_bytes_are_never_text(vocabulary: Vocabulary) -> None:
    row = vocabulary.row()
    for text in ("start: /(?s:.*)/", 'start: "<end>"', "start: /[^x]+/"):
        vocabulary.grammar(text + SETTINGS, max_lexer_states=1000).matcher().allow(row)
        assert not allowed(row) & {EMPTY, MARKER, len(PIECES)}


def test_a_matcher_does_not_disturb_another(vocabulary: Vocabulary) -> None:
    grammar, row = vocabulary.grammar(f'start: "a" "b"{SETTINGS}', max_lexer_states=100), vocabulary.row()
    first, second = grammar.matcher(), grammar.matcher()
    first.advance(ord("a"))
    second.allow(row)
    assert allowed(row) == {ord("a"), AB}


def test_what_is_not_allowed_is_an_error_and_not_text(vocabulary: Vocabulary) -> None:
    matcher = vocabulary.grammar(f'start: "a"{SETTINGS}', max_lexer_states=100).matcher()
    with pytest.raises(GrammarError):
        matcher.advance(ord("b"))


def test_what_may_end_need_not(vocabulary: Vocabulary) -> None:
    matcher, row = (
        vocabulary.grammar(f"start: /a+/{SETTINGS}", max_lexer_states=100).matcher(),
        vocabulary.row(),
    )
    matcher.advance(ord("a"))
    assert matcher.allow(row) == (True, False)


@pytest.mark.parametrize(
    "text", ["start: b", "start: /(/", "nothing: /a/", "start: start", 'start: /a/ & "b"']
)
def test_a_grammar_that_does_not_even_begin_is_refused(vocabulary: Vocabulary, text: str) -> None:
    with pytest.raises(GrammarError, match=r"^[^\n]+$"):
        vocabulary.grammar(text + SETTINGS, max_lexer_states=100)


def test_states_are_limited(vocabulary: Vocabulary) -> None:
    text = f"start: /(a|b)*a(a|b){{12}}/{SETTINGS}"
    random_letters = random.Random(0).choices(b"ab", k=400)
    few, many = (vocabulary.grammar(text, max_lexer_states=most).matcher() for most in (50, 50_000))
    for letter in random_letters:
        many.advance(letter)
    with pytest.raises(GrammarError, match="states"):
        _advance_all(few, random_letters)


def _advance_all(matcher: TokenMatcher, tokens: list[int]) -> None:
    for token in tokens:
        matcher.advance(token)
