"""The call scanner: however a call is cut into pieces, its name and its arguments come out, and no more."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.tokens.call_scanner import CallScanner, Scanned
from caesura.tokens.tool_text import call_text
from tests.tokens.conversations import any_text, call_inputs


def _scan(pieces: Sequence[str], *, ends: bool = True) -> Scanned:
    scanner = CallScanner()
    news = [scanner.feed(piece) for piece in pieces] + ([scanner.finish()] if ends else [])
    names = [each.name for each in news if each.name is not None]
    assert len(names) <= 1
    return Scanned(
        names[0] if names else None, "".join(each.input for each in news), "".join(each.rest for each in news)
    )


def _pieces(text: str, cuts: Sequence[int]) -> list[str]:
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    return [text[start:stop] for start, stop in itertools.pairwise(places)]


blank = st.text(" \n\t\r", max_size=2)
cuts = st.lists(st.integers(0, 200), max_size=12)


@given(any_text, call_inputs(any_text), cuts)
def test_name_and_arguments_come_out_however_a_call_is_cut(
    name: str, arguments: dict[str, Any], cuts: list[int]
) -> None:
    expected = Scanned(name, json.dumps(arguments, ensure_ascii=False), "")
    assert _scan(_pieces(call_text(name, arguments), cuts)) == expected
    assert _scan(list(call_text(name, arguments))) == expected


@given(call_inputs(any_text), st.lists(blank, min_size=8, max_size=8))
def test_white_space_may_stand_wherever_json_allows_it(arguments: dict[str, Any], gaps: list[str]) -> None:
    told = json.dumps(arguments, ensure_ascii=True, indent=1)
    words = ["{", '"name"', ":", '"look"', ",", '"arguments"', ":", told]
    text = "".join(f"{gap}{word}" for gap, word in zip(gaps, words, strict=True)) + f"{gaps[0]}}}{gaps[1]}"
    assert _scan([text]) == Scanned("look", told, "")
    assert _scan(list(text)) == Scanned("look", told, "")


@given(any_text, call_inputs(any_text), st.integers(0, 300))
def test_a_call_that_breaks_off_has_told_what_had_come(
    name: str, arguments: dict[str, Any], size: int
) -> None:
    whole, told = call_text(name, arguments), json.dumps(arguments, ensure_ascii=False)
    scanned = _scan([whole[:size]], ends=False)
    at = whole.index('", "arguments": ') if scanned.name is not None else len(whole)
    assert (scanned.name is not None) == (len(whole[:size]) > at)
    come = whole[:size][len(whole) - len(told) - 1 :]
    assert scanned.input == come[: len(told)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello", Scanned(rest="hello")),
        ('{"name": 3}', Scanned(rest='{"name": 3}')),
        ('{"arguments": {}, "name": "x"}', Scanned(rest='{"arguments": {}, "name": "x"}')),
        ('{"name": "a\nb", ', Scanned(rest='{"name": "a\nb", ')),
        ('{"name": "x"}', Scanned("x", rest="}")),
        ('{"name": "x", "argument": {}}', Scanned("x", rest=', "argument": {}}')),
        ('{"name": "x", "arguments": [1]}', Scanned("x", rest=', "arguments": [1]}')),
        ('{"name": "x", "arguments": {}} more', Scanned("x", "{}", "} more")),
        ('{"name": "x", "arguments": {}', Scanned("x", "{}")),
        ('{"na', Scanned(rest='{"na')),
    ],
)
def test_what_is_no_call_is_given_back(text: str, expected: Scanned) -> None:
    assert _scan([text]) == expected
    assert _scan(list(text)) == expected


def test_long_arguments_are_read_once() -> None:
    # A scanner that looks at everything again with each piece would take minutes for this one.
    told = json.dumps({"text": 'x"\\{[' * 40_000})
    scanned = _scan(list(call_text("write", json.loads(told))))
    assert (scanned.name, scanned.rest) == ("write", "")
    assert json.loads(scanned.input) == json.loads(told)
