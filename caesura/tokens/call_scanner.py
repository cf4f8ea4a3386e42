"""Reads a call while it is being written: `{"name": "...", "arguments": {...}}`, the name first.

The text may arrive in any pieces; each character is looked at once. Of the arguments only quotes and brackets
are followed, to find their end: whether they are good JSON is for whoever reads them whole. White space is
allowed wherever JSON allows it. Text that cannot be a call is given back, so that nothing is lost.
Enters: pieces of text. Leaves: the name, the text of the arguments, and what was no call. Read next:
`parser.py`, which makes events of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

_Stage = Literal["head", "name", "middle", "input", "tail", "broken"]

_HEAD = ("{", '"name"', ":", '"')
_MIDDLE = (",", '"arguments"', ":", "{")
_TAIL = ("}",)
_BLANK = " \t\n\r"

_IN_STRING = re.compile(r'["\\]')
_OUTSIDE = re.compile(r'["{}\[\]]')


class Scanned(NamedTuple):
    """What a piece of text has brought.

    name: the tool's, with the piece that completes it.
    input: more of the arguments' text.
    rest: text that belongs to no call.
    """

    name: str | None = None
    input: str = ""
    rest: str = ""


class CallScanner:
    """Follows what stands between the markers of one call. `feed` it, then `finish`."""

    def __init__(self) -> None:
        self._stage: _Stage = "head"
        self._words = _Words(_HEAD)
        # What was read and has not been told yet, should it turn out to be no call.
        self._held: list[str] = []
        self._name: list[str] = []
        self._depth = 0
        self._is_quoted = self._is_escaped = False

    def feed(self, text: str) -> Scanned:
        """What comes to light with more text."""
        name, parts, at = None, list[str](), 0
        while at < len(text) and self._stage != "broken":
            match self._stage:
                case "head":
                    at = self._read_words(text, at, "name")
                case "name":
                    at, name = self._read_name(text, at)
                case "middle":
                    at = self._read_words(text, at, "input")
                    parts += ["{"] * self._words.is_over
                case "input":
                    end = self._read_input(text, at)
                    parts.append(text[at:end])
                    at = end
                case _:
                    at = self._read_words(text, at, "tail")
        if self._stage != "broken":
            return Scanned(name, "".join(parts))
        held, self._held = "".join(self._held), []
        return Scanned(name, "".join(parts), held + text[at:])

    def finish(self) -> Scanned:
        """What is left when the call is over: nothing if it was one, what had been read of it if not."""
        held = "" if self._stage in ("input", "tail") else "".join(self._held)
        self._stage, self._held = "broken", []
        return Scanned(rest=held)

    def _read_words(self, text: str, at: int, following: _Stage) -> int:
        """Go on with the fixed words of a stage; behind the last of them the next stage begins."""
        end = self._words.read(text, at)
        if end is None:
            self._stage = "broken"
            return at
        self._held.append(text[at:end])
        if self._words.is_over:
            self._stage = following
            self._is_quoted, self._depth = following == "name", int(following == "input")
        return end

    def _read_name(self, text: str, at: int) -> tuple[int, str | None]:
        end = self._end_of_string(text, at)
        self._name.append(text[at:end])
        self._held.append(text[at:end])
        if self._is_quoted:
            return end, None
        name = _unquoted("".join(self._name))
        if name is None:
            self._stage = "broken"
            return end, None
        self._held.clear()
        self._stage, self._words = "middle", _Words(_MIDDLE)
        return end, name

    def _read_input(self, text: str, at: int) -> int:
        """Where the arguments end, or the text does."""
        while at < len(text) and self._depth:
            if self._is_quoted:
                at = self._end_of_string(text, at)
                continue
            found = _OUTSIDE.search(text, at)
            if found is None:
                return len(text)
            at = found.end()
            self._is_quoted = found[0] == '"'
            self._depth += (found[0] in "{[") - (found[0] in "}]")
        if not self._depth:
            self._held.clear()
            self._stage, self._words = "tail", _Words(_TAIL)
        return at

    def _end_of_string(self, text: str, at: int) -> int:
        """Where the string that is open ends, or the text does."""
        while at < len(text):
            if self._is_escaped:
                self._is_escaped = False
                at += 1
                continue
            found = _IN_STRING.search(text, at)
            if found is None:
                return len(text)
            at = found.end()
            if found[0] == '"':
                self._is_quoted = False
                return at
            self._is_escaped = True
        return at


class _Words:
    """Fixed words, with any white space before each and after the last."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self._number = self._num_read = 0

    @property
    def is_over(self) -> bool:
        return self._number == len(self._words)

    def read(self, text: str, at: int) -> int | None:
        """How far the words go in a text, from a place on; None where something else stands."""
        while at < len(text):
            if self._num_read == 0 and text[at] in _BLANK:
                at += 1
            elif self.is_over or text[at] != self._words[self._number][self._num_read]:
                return None
            else:
                at += 1
                if self._step():
                    return at
        return at

    def _step(self) -> bool:
        """One character further; whether that was the last."""
        self._num_read += 1
        if self._num_read == len(self._words[self._number]):
            self._number, self._num_read = self._number + 1, 0
        return self.is_over


def _unquoted(text: str) -> str | None:
    """The string that a JSON text spells after its opening quote; None if it is none."""
    try:
        return json.loads(f'"{text}')
    except ValueError:
        return None
