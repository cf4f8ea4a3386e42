"""Reads a pattern in the syntax of ECMA-262.

A pattern is searched for, so it describes every text in which it occurs: anchors are resolved at the edges,
and what no anchor holds is surrounded by any text. Refused is what no automaton can do (back references,
look-around, word boundaries, anchors in the middle) and what ECMA-262 and Python read differently.
Enters: the text of a pattern. Leaves: a tree for whole strings. Read next: `patterns.py`.
"""

from __future__ import annotations

import string

from caesura.engine.schemas.pattern_edges import PatternError, without_edges
from caesura.engine.schemas.patterns import (
    ANY_CHAR,
    NOTHING,
    Chars,
    Edge,
    Ranges,
    Tree,
    common,
    complement,
    either,
    ranges_of,
    repeat,
    run,
    size,
)

MAX_SIZE = 20_000
_MAX_DEPTH = 40

_CONTROLS = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13}
_DIGITS = ranges_of([(0x30, 0x39)])
_WORDS = ranges_of([(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)])
_SPACES = ranges_of([(9, 13), (0x20, 0x20)])
_LINE_ENDS = ranges_of([(0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029)])
_ASCII = ranges_of([(0, 0x7F)])
# Scripts without decimal digits of their own, so `\D` holds them in every dialect.
_NO_DIGITS = ranges_of([(0, 0x2F), (0x3A, 0x65F), (0x2000, 0x2BFF), (0x3000, 0x9FFF), (0x1F300, 0x1F9FF)])
_ANY_SPACES = ranges_of(
    [(9, 13), (0x1C, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A),
     (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF)]
)  # fmt: skip

# What ECMA-262 and Python both put into a class.
_AGREED: dict[str, Ranges] = {
    "d": _DIGITS,
    "D": _NO_DIGITS,
    "w": _WORDS,
    "W": common(_ASCII, complement(_WORDS)),
    "s": _SPACES,
    "S": complement(_ANY_SPACES),
}


def whole_pattern(text: str, *, is_wide: bool = False) -> Tree:
    """The texts in which a pattern occurs.

    is_wide: read classes as widely as any dialect does; for patterns that must not occur.
    Raises PatternError.
    """
    tree = _Reader(text, is_wide=is_wide).read()
    if size(tree) > MAX_SIZE:
        raise PatternError(f"its repetitions, written out, are over {MAX_SIZE} parts")
    return without_edges(tree, end=either([NOTHING, Chars(((10, 10),))]) if is_wide else NOTHING)


class _Reader:
    """One pattern, from left to right."""

    def __init__(self, text: str, *, is_wide: bool) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._is_wide = is_wide

    def read(self) -> Tree:
        tree = self._either()
        if self._at < len(self._text):
            raise PatternError(f"')' at {self._at} closes nothing")
        return tree

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, wanted: str) -> bool:
        is_there = self._text.startswith(wanted, self._at)
        self._at += len(wanted) if is_there else 0
        return is_there

    def _next(self) -> str:
        if self._at >= len(self._text):
            raise PatternError("it ends too soon")
        self._at += 1
        return self._text[self._at - 1]

    def _either(self) -> Tree:
        options = [self._run()]
        while self._take("|"):
            options.append(self._run())
        return either(options)

    def _run(self) -> Tree:
        parts: list[Tree] = []
        while self._peek() not in ("", "|", ")"):
            part = self._part()
            counts = self._counts()
            if counts is not None:
                if isinstance(part, Edge):
                    raise PatternError("an anchor cannot be repeated")
                part = repeat(part, *counts)
            parts.append(part)
        return run(parts)

    def _counts(self) -> tuple[int, int | None] | None:
        """A quantifier, if one follows. Greedy and lazy ones describe the same texts."""
        simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        counts = simple[self._next()] if self._peek() in simple else self._braces()
        if counts is not None:
            self._take("?")
            if self._peek() in ("*", "+", "?"):
                raise PatternError(f"'{self._peek()}' at {self._at} repeats nothing")
        return counts

    def _braces(self) -> tuple[int, int | None] | None:
        end = self._text.find("}", self._at)
        if self._peek() != "{" or end < 0:
            return None
        least, comma, most = self._text[self._at + 1 : end].partition(",")
        if not least and most.isdigit():
            raise PatternError("a repetition without its least count is read differently")
        if not least.isascii() or not least.isdigit() or not (most == "" or most.isdigit()):
            return None
        self._at = end + 1
        low, high = _count(least), _count(most) if most else None if comma else _count(least)
        if high is not None and high < low:
            raise PatternError(f"{{{least},{most}}} is out of order")
        return low, high

    def _part(self) -> Tree:
        match character := self._next():
            case "^" | "$":
                return Edge(character == "^")
            case ".":
                return ANY_CHAR if self._is_wide else Chars(complement(_LINE_ENDS))
            case "(":
                return self._group()
            case "[":
                return Chars(self._class())
            case "\\":
                return Chars(self._escape())
            case "*" | "+" | "?":
                raise PatternError(f"'{character}' at {self._at - 1} repeats nothing")
            case _:
                return Chars(_one(character))

    def _group(self) -> Tree:
        if self._take("?"):
            if self._peek() in ("=", "!") or self._text.startswith(("<=", "<!"), self._at):
                raise PatternError("look-around is not supported")
            if self._take("<") or self._take("P<"):
                self._at = self._text.find(">", self._at) + 1 or len(self._text)
            elif not self._take(":"):
                raise PatternError(f"(?{self._peek()} is not known everywhere")
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise PatternError(f"its groups are nested over {_MAX_DEPTH} deep")
        tree = self._either()
        if not self._take(")"):
            raise PatternError("a group is not closed")
        self._depth -= 1
        return tree

    def _class(self) -> Ranges:
        """What follows a bracket. An inverted class is what all dialects leave, piece by piece."""
        is_inverted = self._take("^")
        if self._peek() == "]":
            raise PatternError("an empty class is read differently from dialect to dialect")
        pieces: list[Ranges] = []
        while not self._take("]"):
            pieces.append(self._class_piece(is_inverted=is_inverted))
        held = ranges_of(pair for piece in pieces for pair in piece)
        return complement(held) if is_inverted else held

    def _class_piece(self, *, is_inverted: bool) -> Ranges:
        low = self._class_atom(is_inverted=is_inverted)
        if self._peek() != "-" or self._text[self._at + 1 : self._at + 2] in ("]", ""):
            return low
        self._at += 1
        high = self._class_atom(is_inverted=is_inverted)
        if not (_is_one(low) and _is_one(high)) or high[0][0] < low[0][0]:
            raise PatternError("a range in a class needs two characters in order")
        return ranges_of([(low[0][0], high[0][0])])

    def _class_atom(self, *, is_inverted: bool) -> Ranges:
        if not self._take("\\"):
            return _one(self._next())
        if self._take("b"):
            return ((8, 8),)
        return self._escape(is_wide=self._is_wide != is_inverted)

    def _escape(self, *, is_wide: bool | None = None) -> Ranges:
        """What follows a backslash."""
        is_wide = self._is_wide if is_wide is None else is_wide
        character = self._next()
        if character in _AGREED:
            return complement(_AGREED[character.swapcase()]) if is_wide else _AGREED[character]
        if character in _CONTROLS:
            return _code(_CONTROLS[character])
        if character in ("x", "u"):
            return _code(self._hex(2 if character == "x" else 4))
        if character == "0" and not self._peek().isdigit():
            return _code(0)
        if character.isdigit() or character == "k":
            raise PatternError("back references are not supported")
        if character in ("b", "B"):
            raise PatternError("word boundaries are not supported")
        if character in string.ascii_letters:
            raise PatternError(f"\\{character} is read differently from dialect to dialect")
        return _one(character)

    def _hex(self, num_digits: int) -> int:
        code = self._hex_digits(num_digits)
        if 0xD800 <= code < 0xDC00 and self._take("\\u"):
            low = self._hex_digits(4)
            return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
        return code

    def _hex_digits(self, count: int) -> int:
        digits = self._text[self._at : self._at + count]
        if len(digits) < count or not set(digits) <= set(string.hexdigits):
            raise PatternError(f"{digits!r} is not {count} hexadecimal digits")
        self._at += count
        return int(digits, 16)


def _count(digits: str) -> int:
    count = int(digits[:9])
    if count > MAX_SIZE:
        raise PatternError(f"{digits} repetitions are over {MAX_SIZE}")
    return count


def _one(character: str) -> Ranges:
    return _code(ord(character))


def _code(code: int) -> Ranges:
    return ranges_of([(code, code)])


def _is_one(ranges: Ranges) -> bool:
    return len(ranges) == 1 and ranges[0][0] == ranges[0][1]
