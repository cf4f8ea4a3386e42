"""Reads the calls of a reply while they are being written, in the form of its model.

Of the ids that models write into their calls nothing is kept: they come too late, and need not differ from
those of former calls. Enters: pieces of text, and the marks between them. Leaves: names, the text of the
arguments, and what was no call. Read next: `call_scanner.py`, and `parser.py`, which makes events of them.
"""

from __future__ import annotations

from typing import Literal, Protocol

from caesura.tokens.call_scanner import BLANK, CallScanner, JsonSpan, Scanned
from caesura.tokens.call_writing import CallWriting


class CallReader(Protocol):
    """Follows what stands between what opens and what closes calls: one of them, or a list."""

    def feed(self, text: str) -> list[Scanned]:
        """What comes to light with more text; a name opens the next call."""
        ...

    def mark(self, token: int) -> list[Scanned]:
        """The same for one of the writing's marks."""
        ...

    def finish(self) -> list[Scanned]:
        """What is left when the calls are over: nothing if they were some."""
        ...


def call_reader(writing: CallWriting) -> CallReader:
    """A reader at the beginning."""
    if writing.marks:
        return MarkedReader(writing.marks)
    return ListReader(writing) if writing.is_list else ObjectReader(writing)


class ObjectReader:
    """A call that is a JSON object."""

    def __init__(self, writing: CallWriting) -> None:
        self._scanner = _scanner(writing)

    def feed(self, text: str) -> list[Scanned]:
        return [self._scanner.feed(text)]

    def mark(self, token: int) -> list[Scanned]:
        """No marks are known here."""
        return []

    def finish(self) -> list[Scanned]:
        return [self._scanner.finish()]


class ListReader:
    """Calls that are the items of a JSON list."""

    def __init__(self, writing: CallWriting) -> None:
        self._writing = writing
        self._stage: Literal["open", "item", "next", "over", "broken"] = "open"
        self._scanner = _scanner(writing)

    def feed(self, text: str) -> list[Scanned]:
        found: list[Scanned] = []
        at = 0
        while at < len(text):
            if self._stage == "item":
                scanned, at = self._scanner.read(text, at)
                found.append(scanned)
                if self._scanner.is_broken:
                    self._stage = "broken"
                elif self._scanner.is_over:
                    self._stage = "next"
            elif self._go_on(text[at]):
                at += 1
            else:
                self._stage = "broken"
                return [*found, Scanned(rest=text[at:])]
        return found

    def mark(self, token: int) -> list[Scanned]:
        """No marks are known here."""
        return []

    def finish(self) -> list[Scanned]:
        return [self._scanner.finish()] if self._stage == "item" else []

    def _go_on(self, sign: str) -> bool:
        """Past a list's punctuation, and white space around it; False for anything else."""
        match self._stage, sign:
            case (_, " " | "\t" | "\n" | "\r"):
                return self._stage != "broken"
            case ("open", "[") | ("next", ","):
                self._stage, self._scanner = "item", _scanner(self._writing)
            case ("next", "]"):
                self._stage = "over"
            case _:
                return False
        return True


class MarkedReader:
    """A call that is a name and a JSON object, with marks between them."""

    def __init__(self, marks: tuple[int, ...]) -> None:
        self._marks = marks
        self._num_met = 0
        self._name: list[str] = []
        self._span: JsonSpan | None = None
        self._is_broken = False

    def feed(self, text: str) -> list[Scanned]:
        if not self._num_met:
            self._name.append(text)
            return []
        if self._num_met < len(self._marks):
            return []
        return [self._read_input(text)]

    def mark(self, token: int) -> list[Scanned]:
        if self._marks[self._num_met : self._num_met + 1] != (token,):
            return []
        self._num_met += 1
        name = "".join(self._name).strip()
        return [Scanned(name)] if name and self._num_met == 1 else []

    def finish(self) -> list[Scanned]:
        return [] if self._num_met else [Scanned(rest="".join(self._name))]

    def _read_input(self, text: str) -> Scanned:
        if self._is_broken:
            return Scanned(rest=text)
        at = 0
        if self._span is None:
            text = text.lstrip(BLANK)
            if text and not text.startswith("{"):
                self._is_broken = True
                return Scanned(rest=text)
            if not text:
                return Scanned()
            self._span, at = JsonSpan("{"), 1
        end = self._span.read(text, at)
        rest = text[end:]
        self._is_broken = bool(rest.strip(BLANK))
        return Scanned(None, text[:end], rest if self._is_broken else "")


def _scanner(writing: CallWriting) -> CallScanner:
    return CallScanner(writing.arguments_key, has_id=writing.has_ids)
