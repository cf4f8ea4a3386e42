"""The regular expressions of JSON Schema, as trees.

ECMA-262 and Python disagree about what `\\w`, `\\d`, `\\s` and their opposites mean beyond ASCII, and about a
few escapes. What the model writes must be right for both, so a pattern is read strictly: a class holds the
characters that both put into it, and what they read differently is refused. A pattern that must not match
is read widely, so that what is left is right for both too.
Enters: the text of a pattern. Leaves: a tree without anchors that describes whole strings. Read next:
`pattern_reader.py`, `pattern_text.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

MAX_CODE = 0x10FFFF
Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Chars:
    """One character out of these code points: inclusive ranges, sorted, apart from one another."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Run:
    """Parts one after another; nothing at all if there are none."""

    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of several; none of them is empty."""

    options: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A part so many times; None: without limit."""

    part: Tree
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class Edge:
    """The beginning or the end of the string."""

    is_start: bool


Tree = Chars | Run | Either | Repeat | Edge

NOTHING = Run(())
NEVER = Chars(())


def _characters(pairs: Iterable[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    """The pairs cut so that no surrogate is inside; empty ones dropped."""
    for low, high in pairs:
        yield from ((a, b) for a, b in ((low, min(high, 0xD7FF)), (max(low, 0xE000), high)) if a <= b)


def ranges_of(pairs: Iterable[tuple[int, int]]) -> Ranges:
    """Sorted and merged; surrogates, which are no characters, left out."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(_characters(pairs)):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def complement(ranges: Ranges) -> Ranges:
    """All other characters."""
    gaps: list[tuple[int, int]] = []
    after = 0
    for low, high in ranges:
        gaps.append((after, low - 1))
        after = high + 1
    return ranges_of([*gaps, (after, MAX_CODE)])


def common(left: Ranges, right: Ranges) -> Ranges:
    """The characters in both."""
    return complement(ranges_of([*complement(left), *complement(right)]))


ANY_CHAR = Chars(ranges_of([(0, MAX_CODE)]))
ANY_TEXT = Repeat(ANY_CHAR, 0, None)


def run(parts: Iterable[Tree]) -> Tree:
    """A run, flat; `NEVER` where a part can never be."""
    flat: list[Tree] = []
    for part in parts:
        flat += part.parts if isinstance(part, Run) else (part,)
    if NEVER in flat:
        return NEVER
    return flat[0] if len(flat) == 1 else Run(tuple(flat))


def either(options: Iterable[Tree]) -> Tree:
    """A choice, without those that can never be."""
    distinct = tuple(dict.fromkeys(option for option in options if option != NEVER))
    if not distinct:
        return NEVER
    return distinct[0] if len(distinct) == 1 else Either(distinct)


def repeat(part: Tree, least: int, most: int | None) -> Tree:
    """A repetition; nothing where the part is nothing or may not be there at all."""
    if part == NOTHING or most == 0:
        return NOTHING
    if part == NEVER:
        return NEVER if least else NOTHING
    return part if (least, most) == (1, 1) else Repeat(part, least, most)


def literal(text: str) -> Tree:
    """Exactly this text."""
    return run(Chars(((ord(character), ord(character)),)) for character in text)


def size(tree: Tree) -> int:
    """How large the tree is with its repetitions written out, which is what an automaton costs."""
    match tree:
        case Chars() | Edge():
            return 1
        case Run(parts=parts) | Either(options=parts):
            return 1 + sum(map(size, parts))
        case Repeat(part=part, least=least, most=most):
            return size(part) * max(1, least, most or 0)


def matches(tree: Tree, text: str) -> bool:
    """Whether a whole text is described by a tree without anchors. No backtracking: linear in each part."""
    return len(text) in _ends(tree, text, frozenset([0]))


def _ends(tree: Tree, text: str, starts: frozenset[int]) -> frozenset[int]:
    """Where a match can end that begins at one of these places."""
    if not starts:
        return starts
    match tree:
        case Chars(ranges=ranges):
            held = (at for at in starts if at < len(text) and _holds(ranges, ord(text[at])))
            return frozenset(at + 1 for at in held)
        case Run(parts=parts):
            return reduce(lambda at, part: _ends(part, text, at), parts, starts)
        case Either(options=options):
            return frozenset().union(*(_ends(option, text, starts) for option in options))
        case Repeat():
            return _repeated_ends(tree, text, starts)
        case Edge():
            raise AssertionError("anchors are resolved before a pattern is used")


def _repeated_ends(tree: Repeat, text: str, starts: frozenset[int]) -> frozenset[int]:
    for _ in range(tree.least):
        starts = _ends(tree.part, text, starts)
        if not starts:
            return starts
    ends = fresh = starts
    for _ in range(len(text) if tree.most is None else tree.most - tree.least):
        fresh = _ends(tree.part, text, fresh) - ends
        if not fresh:
            break
        ends |= fresh
    return ends


def _holds(ranges: Sequence[tuple[int, int]], code: int) -> bool:
    return any(low <= code <= high for low, high in ranges)
