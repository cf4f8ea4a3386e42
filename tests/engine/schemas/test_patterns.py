from __future__ import annotations

import itertools
import json
import re
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.engine.schemas.pattern_edges import PatternError
from caesura.engine.schemas.pattern_reader import MAX_SIZE, whole_pattern
from caesura.engine.schemas.patterns import NEVER, complement, matches, ranges_of
from tests.engine.schemas.texts import accepts, grammar

_ATOMS = st.sampled_from(["a", "b", "-", r"\.", r"\d", r"\w", r"\s", "[ab]", "[^a]", "[0-9_]", "x{2}"])


def _patterns() -> st.SearchStrategy[str]:
    """Patterns that Python and ECMA-262 read alike on ASCII."""
    inner = st.recursive(
        _ATOMS,
        lambda part: (
            st.lists(part, min_size=1, max_size=3).map("".join)
            | st.tuples(part, part).map(lambda pair: f"(?:{pair[0]}|{pair[1]})")
            | st.tuples(part, st.sampled_from(["*", "+", "?", "{1,2}", "{2,}", "*?"])).map(
                lambda pair: f"(?:{pair[0]}){pair[1]}"
            )
        ),
        max_leaves=6,
    )
    edges = st.sampled_from(["{}", "^{}", "{}$", "^{}$", "^{}|b$", "(^a|{})c", "^(?:{})$"])
    return st.tuples(edges, inner).map(lambda pair: pair[0].format(pair[1]))


@settings(max_examples=200, deadline=None)
@given(pattern=_patterns(), text=st.text("ab-.0_ x1c", max_size=8))
def test_a_pattern_describes_the_texts_in_which_python_finds_it(pattern: str, text: str) -> None:
    assert matches(whole_pattern(pattern), text) == bool(re.search(pattern, text))


@settings(max_examples=40, deadline=None)
@given(pattern=_patterns(), text=st.text("ab-.0_ x1c", max_size=6))
def test_the_grammar_of_a_pattern_agrees_with_its_tree(pattern: str, text: str) -> None:
    found = grammar("json_schema", {"type": "string", "pattern": pattern})
    assert accepts(found, json.dumps(text)) == matches(whole_pattern(pattern), text)


@pytest.mark.parametrize("escape", ["d", "D", "w", "W", "s", "S"])
def test_classes_hold_what_both_dialects_hold_and_read_widely_what_either_does(escape: str) -> None:
    strict, wide = (whole_pattern(rf"^\{escape}$", is_wide=each) for each in (False, True))
    ecma_spaces = {*"\t\n\v\f\r\ufeff\u2028\u2029", *(c for c in map(chr, range(0x3001)) if _is_separator(c))}
    ecma = {
        "d": lambda c: c in "0123456789",
        "w": lambda c: c.isascii() and (c.isalnum() or c == "_"),
        "s": lambda c: c in ecma_spaces,
    }
    python = re.compile(rf"\{escape}")
    for code in [*range(0x3100), 0xFEFF, 0x1D7CE, 0x1F600, 0x10FFFF]:
        character = chr(code)
        in_python = python.fullmatch(character) is not None
        in_ecma = ecma[escape.lower()](character) == escape.islower()
        if matches(strict, character):
            assert in_python
            assert in_ecma
        if in_python or in_ecma:
            assert matches(wide, character)


def _is_separator(character: str) -> bool:
    return unicodedata.category(character) == "Zs"


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"(?=a)a", "look-around"),
        (r"(?<!a)b", "look-around"),
        (r"(a)\1", "back references"),
        (r"\bword\b", "word boundaries"),
        (r"a^b", "an anchor in the middle"),
        (r"(a$)+", "an anchor"),
        (r"\p{Letter}", r"\\p is read differently"),
        (r"\Z", r"\\Z is read differently"),
        ("[]a]", "an empty class"),
        ("[b-a]", "in order"),
        (r"[\w-z]", "two characters in order"),
        ("(a", "not closed"),
        ("a)", "closes nothing"),
        ("*a", "repeats nothing"),
        ("a**", "repeats nothing"),
        ("a{3,2}", "out of order"),
        ("a{,3}", "read differently"),
        ("(?i)a", "not known everywhere"),
        ("a\\", "too soon"),
        (r"\u00g0", "hexadecimal"),
        ("((a{100}){100}){100}", f"over {MAX_SIZE}"),
        ("a{99999999999999999999}", f"over {MAX_SIZE}"),
        ("(" * 100 + "a" + ")" * 100, "nested"),
    ],
)
def test_what_cannot_be_enforced_or_is_read_differently_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(PatternError, match=why):
        whole_pattern(pattern)


def test_matching_does_not_backtrack() -> None:
    assert not matches(whole_pattern("^(a|aa)+$"), "a" * 2000 + "b")
    assert not matches(whole_pattern("^(a*)*(a*)*$"), "a" * 500 + "b")


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert matches(whole_pattern(r"^\uD83D\uDE00$"), "😀")
    assert whole_pattern(r"^\uD83D$") == NEVER


@given(pairs=st.lists(st.tuples(st.integers(0, sys.maxunicode), st.integers(0, sys.maxunicode)), max_size=5))
def test_ranges_are_their_complements_complement(pairs: list[tuple[int, int]]) -> None:
    ranges = ranges_of(pairs)
    assert complement(complement(ranges)) == ranges
    assert all(before[1] + 1 < after[0] for before, after in itertools.pairwise(ranges))
