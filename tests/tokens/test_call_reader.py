"""Readers of calls: however a text is cut, names and arguments come out, and no more."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.tokens.call_reader import call_reader
from caesura.tokens.call_scanner import Scanned
from caesura.tokens.call_writing import CallWriting
from tests.tokens.conversations import any_text, call_inputs

LIST = CallWriting(is_list=True, has_ids=True)
MARKED = CallWriting(marks=(7,))
NUMBERED = CallWriting(marks=(7, 8))
LLAMA3 = CallWriting(arguments_key="parameters")


def _read(writing: CallWriting, pieces: Sequence[str | int]) -> list[Scanned]:
    """The calls, each as a whole; what was none comes with the last."""
    reader = call_reader(writing)
    told = [reader.mark(piece) if isinstance(piece, int) else reader.feed(piece) for piece in pieces]
    news = [each for some in told for each in some]
    found = [Scanned()]
    for each in [*news, *reader.finish()]:
        if each.name is not None:
            found.append(Scanned(each.name))
        found[-1] = found[-1]._replace(input=found[-1].input + each.input, rest=found[-1].rest + each.rest)
    return found[1:] if found[0] == Scanned() else found


def _pieces(text: str, cuts: Sequence[int]) -> list[str]:
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    return [text[start:stop] for start, stop in itertools.pairwise(places)]


cuts = st.lists(st.integers(0, 300), max_size=12)
calls = st.lists(st.tuples(any_text, call_inputs(any_text), st.booleans()), min_size=1, max_size=4)


@given(calls, cuts, st.sampled_from(["", " ", "\n"]))
def test_the_items_of_a_list_come_out_one_by_one(
    calls: list[tuple[str, dict[str, Any], bool]], cuts: list[int], blank: str
) -> None:
    items = [
        json.dumps({"name": name, "arguments": given} | ({"id": "abc123DEF"} if has_id else {}))
        for name, given, has_id in calls
    ]
    text = f"{blank}[{blank}{f'{blank},{blank}'.join(items)}{blank}]{blank}"
    expected = [Scanned(name, json.dumps(given)) for name, given, _ in calls]
    assert _read(LIST, _pieces(text, cuts)) == expected
    assert _read(LIST, list(text)) == expected


@given(call_inputs(any_text), cuts)
def test_marks_part_a_name_from_its_arguments(arguments: dict[str, Any], cuts: list[int]) -> None:
    told = json.dumps(arguments, ensure_ascii=False)
    pieces = _pieces(f" {told} ", cuts)
    assert _read(MARKED, ["lo", "ok", 7, *pieces]) == [Scanned("look", told)]
    assert _read(NUMBERED, [" look", 7, "abc", "123DEF", 8, *pieces]) == [Scanned("look", told)]


@given(call_inputs(any_text), cuts)
def test_arguments_may_have_another_key(arguments: dict[str, Any], cuts: list[int]) -> None:
    told = json.dumps(arguments)
    text = f'{{"name": "look", "parameters": {told}}}'
    assert _read(LLAMA3, _pieces(text, cuts)) == [Scanned("look", told)]
    assert _read(CallWriting(), [text])[0].rest.startswith(', "parameters"')


@pytest.mark.parametrize(
    ("writing", "pieces", "expected"),
    [
        (LIST, ["hello"], [Scanned(rest="hello")]),
        (LIST, ['{"name": "x"'], [Scanned(rest='{"name": "x"')]),
        (LIST, ['[{"name": "x", "arguments": {}}; '], [Scanned("x", "{}", "; ")]),
        (LIST, ['[{"name": "x", "arguments": {}}] so', " it"], [Scanned("x", "{}", "so it")]),
        (LIST, ['[{"name": "x", "argu'], [Scanned("x", rest=', "argu')]),
        (LIST, ['[{"name": "x", "arguments": {}, "id": "a'], [Scanned("x", "{}")]),
        (LIST, ['[{"name": "x", "arguments": {}, "no": 1}]'], [Scanned("x", "{}", ', "no": 1}]')]),
        (MARKED, ["look"], [Scanned(rest="look")]),
        (MARKED, ["look", 7, "so", " it"], [Scanned("look", rest="so it")]),
        (MARKED, ["look", 7, "{}", " so"], [Scanned("look", "{}", " so")]),
        (MARKED, ["look", 8, 7, "{}", 7], [Scanned("look", "{}")]),
    ],
)
def test_what_is_no_call_is_given_back(
    writing: CallWriting, pieces: list[str | int], expected: list[Scanned]
) -> None:
    assert _read(writing, pieces) == expected
