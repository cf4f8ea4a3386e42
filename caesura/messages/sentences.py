"""Cutting a text into sentences, by rules that a chat template can follow too.

A sentence ends with its mark (and a closing quote or bracket) where white space follows, unless what comes
next begins small or the mark belongs to an abbreviation or an initial; with the marks of Chinese and
Japanese; and with a blank line. The white space around a sentence is no part of it.
`caesura/tokens/template.py` follows the same rules from the same tables. Enters: a text. Leaves: where its
sentences are. Read next: `chunks.py`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MARKS = (".", "!", "?", "…")
CLOSERS = ("", '"', "'", ")", "]", "”", "’", "»")
BLANKS = (" ", "\n", "\r", "\t")
# They need no white space behind them.
WIDE_MARKS = ("。", "！", "？")
BLANK_LINES = ("\n\n", "\n\r\n")
ABBREVIATIONS = (
    *(
        "Mr.",
        "Mrs.",
        "Ms.",
        "Dr.",
        "Prof.",
        "St.",
        "Sr.",
        "Jr.",
        "Fig.",
        "Figs.",
        "Eq.",
        "Sec.",
        "No.",
        "Nos.",
    ),
    *(
        "Vol.",
        "Ch.",
        "Art.",
        "cf.",
        "e.g.",
        "i.e.",
        "etc.",
        "vs.",
        "ca.",
        "pp.",
        "p.",
        "al.",
        "approx.",
        "Inc.",
    ),
)
# What is cited can be a sentence, so none is longer.
MAX_CHARACTERS = 2_000

# Longer than any abbreviation and the white space behind it.
_END_CHARACTERS = 64

_MARKED = re.compile(
    "[{}][{}]?[{}]|[{}]".format(*(re.escape("".join(each)) for each in (MARKS, CLOSERS, BLANKS, WIDE_MARKS)))
)
_BLANK_LINE = re.compile("|".join(BLANK_LINES))


class Span(NamedTuple):
    """A part of a text: characters from `start` up to and without `end`."""

    start: int
    end: int


def sentences(text: str) -> list[Span]:
    """The sentences of a text, in order; together they hold all of it but white space."""
    found: list[Span] = []
    start = before = 0
    has_words = False
    for at, following in _candidates(text):
        has_words = has_words or bool(text[before:at].strip())
        before = at
        if not has_words:
            start = at
        elif _ends(text, start, at, following):
            found += _cut(text, start, at)
            start, has_words = at, False
    return found + _cut(text, start, len(text))


def _candidates(text: str) -> list[tuple[int, int]]:
    """Places where a sentence may end, each with the next one."""
    places = {match.end() for pattern in (_MARKED, _BLANK_LINE) for match in pattern.finditer(text)}
    ordered = sorted(places | {len(text)})
    return list(zip(ordered, [*ordered[1:], len(text)], strict=True))


def _ends(text: str, start: int, at: int, following: int) -> bool:
    """Whether the words that began at `start` end at a candidate. following: the next candidate."""
    # Only the end is looked at, or a text of one sentence would be read over and over.
    said = text[max(start, at - _END_CHARACTERS) : at]
    if said.endswith(BLANK_LINES):
        return True
    begun = text[at:following].strip()
    words = said.split()
    last = words[-1] if words else ""
    is_initial = len(last) == 2 and last[0].isupper() and last[1] == "."
    return bool(begun) and not begun[0].islower() and not is_initial and last not in ABBREVIATIONS


def _cut(text: str, start: int, end: int) -> list[Span]:
    """A sentence without the white space around it; one that is too long in parts."""
    said = text[start:end]
    first = start + len(said) - len(said.lstrip())
    last = start + len(said.rstrip())
    return [Span(at, min(at + MAX_CHARACTERS, last)) for at in range(first, last, MAX_CHARACTERS)]
