"""Reads a call while it is being written: `{"name": "...", "arguments": {...}}`, the name first.

Some models' arguments have another key, and some write an id behind them. The text may arrive in any pieces;
each character is looked at once. Of the arguments only quotes and brackets are followed, to find their end:
whether they are good JSON is for whoever reads them whole. White space is allowed wherever JSON allows it.
Text that cannot be a call is given back, so that nothing is lost.
Enters: pieces of text. Leaves: the name, the text of the arguments, and what was no call. Read next:
`call_reader.py`, for all forms.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

_Stage = Literal["head", "name", "middle", "input", "tail", "id", "id_text", "broken"]

_HEAD = ("{", '"name"', ":", '"')
_ID = (",", '"id"', ":", '"')
_TAIL = ("}",)
BLANK = " \t\n\r"

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


class JsonSpan:
    """Follows a JSON value, an object or a string, from behind its first character to its end."""

    def __init__(self, opener: Literal["{", '"']) -> None:
        self._is_quoted, self._depth = opener == '"', int(opener == "{")
        self._is_escaped = False

    @property
    def is_over(self) -> bool:
        return not self._is_quoted and not self._depth

    def read(self, text: str, at: int) -> int:
        """Where the value ends, or the text does."""
        while at < len(text) and not self.is_over:
            if self._is_escaped:
                self._is_escaped = False
                at += 1
                continue
            found = (_IN_STRING if self._is_quoted else _OUTSIDE).search(text, at)
            if found is None:
                return len(text)
            at = found.end()
            self._follow(found[0])
        return at

    def _follow(self, sign: str) -> None:
        if sign == "\\":
            self._is_escaped = True
        elif sign == '"':
            self._is_quoted = not self._is_quoted
        else:
            self._depth += 1 if sign in "{[" else -1


class CallScanner:
    """Follows one call. `feed` it what stands between its markers, then `finish`; or `read` it out of a text
    that goes on behind it.
    """

    def __init__(self, key: str = "arguments", *, has_id: bool = False) -> None:
        """key: of the arguments. has_id: whether an id may follow them, which is read and dropped."""
        self._middle = (",", json.dumps(key), ":", "{")
        self._has_id = has_id
        self._stage: _Stage = "head"
        self._words = _Words(_HEAD)
        self._span = JsonSpan('"')
        # What was read and has not been told yet, should it turn out to be no call.
        self._held: list[str] = []
        self._name: list[str] = []

    @property
    def is_over(self) -> bool:
        """Whether the call is whole."""
        return self._stage == "tail" and self._words.is_over

    @property
    def is_broken(self) -> bool:
        """Whether it is no call."""
        return self._stage == "broken"

    def feed(self, text: str) -> Scanned:
        """What comes to light with more text."""
        scanned, at = self.read(text, 0)
        if not self.is_over or at == len(text):
            return scanned
        self._held.append(text[at:])
        return scanned if not text[at:].strip(BLANK) else scanned._replace(rest=self._give_back())

    def read(self, text: str, at: int) -> tuple[Scanned, int]:
        """The same for a text from a place on; and where the call ends, or the text does."""
        name, parts = None, list[str]()
        while at < len(text) and not self.is_over and not self.is_broken:
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
                case "id":
                    at = self._read_words(text, at, "id_text")
                case "id_text":
                    at = self._read_id(text, at)
                case _:
                    at = self._read_tail(text, at)
        if not self.is_broken:
            return Scanned(name, "".join(parts)), at
        self._held.append(text[at:])
        return Scanned(name, "".join(parts), self._give_back()), len(text)

    def finish(self) -> Scanned:
        """What is left when the call is over: nothing if it was one, what had been read of it if not."""
        has_input = self._stage in ("input", "tail", "id", "id_text")
        held = "" if has_input else "".join(self._held)
        self._stage, self._held = "broken", []
        return Scanned(rest=held)

    def _give_back(self) -> str:
        held, self._held = "".join(self._held), []
        self._stage = "broken"
        return held

    def _read_words(self, text: str, at: int, following: _Stage) -> int:
        """Go on with the fixed words of a stage; behind the last of them the next stage begins."""
        end = self._words.read(text, at)
        if end is None:
            self._stage = "broken"
            return at
        self._held.append(text[at:end])
        if self._words.is_over:
            self._stage = following
            self._span = JsonSpan("{" if following == "input" else '"')
        return end

    def _read_name(self, text: str, at: int) -> tuple[int, str | None]:
        end = self._span.read(text, at)
        self._name.append(text[at:end])
        self._held.append(text[at:end])
        if not self._span.is_over:
            return end, None
        name = _unquoted("".join(self._name))
        if name is None:
            self._stage = "broken"
            return end, None
        self._held.clear()
        self._stage, self._words = "middle", _Words(self._middle)
        return end, name

    def _read_input(self, text: str, at: int) -> int:
        """Where the arguments end, or the text does."""
        end = self._span.read(text, at)
        if self._span.is_over:
            self._held.clear()
            self._stage, self._words = "tail", _Words(_TAIL)
        return end

    def _read_tail(self, text: str, at: int) -> int:
        if self._has_id and text[at:].lstrip(BLANK).startswith(","):
            self._has_id = False
            self._stage, self._words = "id", _Words(_ID)
            return at
        return self._read_words(text, at, "tail")

    def _read_id(self, text: str, at: int) -> int:
        end = self._span.read(text, at)
        self._held.append(text[at:end])
        if self._span.is_over:
            self._stage, self._words = "tail", _Words(_TAIL)
        return end


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
            if self._num_read == 0 and text[at] in BLANK:
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
