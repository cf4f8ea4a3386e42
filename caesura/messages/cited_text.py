"""How an answer says where things come from, while it is still text.

`<cite 0:3>words</cite>` says that the words come from chunk 3 of source 0; `<cite 0:3+2,1:0>` also names
the two chunks behind it, and chunk 0 of source 1. Text that merely looks so gets a backslash behind its
`<`, one more if there are some: `<\\cite`, `<\\/cite`. White space around cited words stands outside. A
grammar lets a model write nothing else (`caesura/engine/citation_grammar.py`); what is no such form all the
same is read as plain text. Enters: a text in any pieces. Leaves: its pieces, each with the chunks that it
comes from. Read next: `cited_events.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from caesura.messages.chunks import ChunkRange, Source

CLOSE = "</cite>"
MAX_RANGES = 3
# How many chunks may follow the first of a range: what is cited is copied, and costs a model nothing.
MAX_MORE = 9
# Longer than any opening that a source's numbers make.
_MAX_OPENING = 200

_RANGE = r"[0-9]+:[0-9]+(?:\+[0-9]+)?"
_OPEN = re.compile(f"<cite ({_RANGE}(?:,{_RANGE})*)>")
_ESCAPED = re.compile(r"<\\+/?cite")
_ESCAPABLE = re.compile(r"<(\\*/?cite)")
_BEGUN = re.compile(r"<(?:\\*/?(?:c(?:i(?:te?)?)?)?|cite [0-9:,+]*)\Z")
_BEGUN_MARKER = ("<cite", "</cite")


def escaped(text: str) -> str:
    """A text so that nothing in it opens or closes a citation."""
    return _ESCAPABLE.sub(r"<\\\1", text)


def marked(text: str, ranges: Sequence[ChunkRange]) -> str:
    """A text as it stands in a prompt, with the chunks that it comes from; without any it is just escaped."""
    core = text.strip()
    if not ranges or not core:
        return escaped(text)
    at = text.index(core)
    named = ",".join(map(_range_text, ranges))
    return f"{text[:at]}<cite {named}>{escaped(core)}{CLOSE}{text[at + len(core) :]}"


def _range_text(each: ChunkRange) -> str:
    more = "" if each.first == each.last else f"+{each.last - each.first}"
    return f"{each.source}:{each.first}{more}"


class Piece(NamedTuple):
    """A part of an answer.

    text: as it is shown. ranges: where it comes from, if it says so. span: tells apart cited parts that
    follow one another; 0 for what is not cited.
    """

    text: str
    ranges: tuple[ChunkRange, ...] = ()
    span: int = 0


class CitedTextReader:
    """Follows one text. `feed` it, then `finish`."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._held = ""
        self._ranges: tuple[ChunkRange, ...] = ()
        self._num_spans = 0

    def feed(self, text: str) -> list[Piece]:
        """The pieces that come to light with more text."""
        return self._read(text, is_last=False)

    def finish(self) -> list[Piece]:
        """What was held back, but for the beginning of a marker: that is nothing."""
        return self._read("", is_last=True)

    def _read(self, text: str, *, is_last: bool) -> list[Piece]:
        text = self._held + text
        self._held = ""
        pieces: list[Piece] = []
        at = 0
        while (mark := text.find("<", at)) >= 0:
            pieces.append(self._piece(text[at:mark]))
            if _is_begun(text, mark):
                rest = text[mark:]
                if not is_last:
                    self._held = rest
                elif not rest.startswith(_BEGUN_MARKER):
                    pieces.append(self._piece(rest))
                return [piece for piece in pieces if piece.text]
            shown, at = self._at_mark(text, mark)
            pieces.append(self._piece(shown))
        pieces.append(self._piece(text[at:]))
        return [piece for piece in pieces if piece.text]

    def _piece(self, text: str) -> Piece:
        return Piece(text, self._ranges, self._num_spans) if self._ranges else Piece(text)

    def _at_mark(self, text: str, mark: int) -> tuple[str, int]:
        """What a `<` shows, and where the text goes on behind it."""
        if found := _ESCAPED.match(text, mark):
            return "<" + text[mark + 2 : found.end()], found.end()
        if self._ranges and text.startswith(CLOSE, mark):
            self._ranges = ()
            return "", mark + len(CLOSE)
        if not self._ranges and (found := _OPEN.match(text, mark)):
            ranges = _parsed(found[1], self._sources)
            if ranges:
                self._ranges, self._num_spans = ranges, self._num_spans + 1
                return "", found.end()
        return "<", mark + 1


def _is_begun(text: str, mark: int) -> bool:
    """Whether what stands from a `<` on could still become more than plain text."""
    return (
        len(text) - mark <= _MAX_OPENING
        and _BEGUN.match(text, mark) is not None
        and (_ESCAPED.match(text, mark) is None)
    )


def _parsed(named: str, sources: Sequence[Source]) -> tuple[ChunkRange, ...]:
    """The ranges of a marker; none where one of them does not exist."""
    if len(named) > _MAX_OPENING:
        return ()
    ranges: list[ChunkRange] = []
    for each in named.split(","):
        source, _, chunks = each.partition(":")
        first, _, more = chunks.partition("+")
        ranges.append(ChunkRange(int(source), int(first), int(first) + int(more or 0)))
    is_known = all(
        each.source < len(sources) and each.last < len(sources[each.source].chunks) for each in ranges
    )
    return tuple(dict.fromkeys(ranges)) if is_known else ()
