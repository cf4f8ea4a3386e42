"""Patterns as llguidance writes them, with the characters as some notation spells them.

Each notation spells a character in exactly one way, so two different texts never look the same, and what
holds of a text holds of its spelling. Enters: a tree without anchors, a notation. Leaves: a regular
expression in Rust's syntax, between slashes. Read next: `patterns.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from caesura.engine.schemas.patterns import (
    NEVER,
    Chars,
    Edge,
    Either,
    Ranges,
    Repeat,
    Run,
    Tree,
    common,
    complement,
    ranges_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notation:
    """How text is spelled.

    spellings: what stands for the characters that do not stand for themselves.
    absent: characters that cannot be written at all.
    """

    spellings: Mapping[int, str]
    absent: Ranges = ()
    _memory: dict[Ranges, str] = field(default_factory=dict[Ranges, str], compare=False, repr=False)

    def spell(self, text: str) -> str:
        """A text as it is written. Characters that cannot be written must not be in it."""
        return "".join(self.spellings.get(ord(character), character) for character in text)

    def can_write(self, text: str) -> bool:
        """Whether each character of a text can be written."""
        return not any(low <= ord(each) <= high for each in text for low, high in self.absent)

    def regex(self, ranges: Ranges) -> str:
        """A regular expression for the spellings of these characters."""
        known = self._memory.get(ranges)
        if known is None:
            known = self._memory[ranges] = self._regex(ranges)
        return known

    def _regex(self, ranges: Ranges) -> str:
        spelled = ranges_of((code, code) for code in self.spellings)
        plain = common(ranges, complement(ranges_of([*spelled, *self.absent])))
        special = [
            spelling
            for code, spelling in self.spellings.items()
            if any(low <= code <= high for low, high in ranges)
        ]
        options = ([_class(plain)] if plain else []) + ([_texts(special)] if special else [])
        if not options:
            return _NEVER
        return options[0] if len(options) == 1 else f"(?:{'|'.join(options)})"


_NEVER = r"[^\s\S]"

PLAIN = Notation(spellings={})


def regex_text(tree: Tree, notation: Notation = PLAIN) -> str:
    """The expression without its slashes."""
    match tree:
        case Chars(ranges=ranges):
            return notation.regex(ranges)
        case Run(parts=parts):
            return "".join(regex_text(part, notation) for part in parts)
        case Either(options=options):
            return f"(?:{'|'.join(regex_text(option, notation) for option in options)})"
        case Repeat(part=part, least=least, most=most):
            return f"(?:{regex_text(part, notation)}){_counts(least, most)}"
        case Edge():
            raise AssertionError("anchors are resolved before a pattern is written")


def regex(tree: Tree, notation: Notation = PLAIN, *, before: str = "", after: str = "") -> str:
    """A terminal of a Lark grammar: the tree's texts between two fixed ones."""
    body = _NEVER if tree == NEVER else regex_text(tree, notation)
    fixed = ["".join(map(_escaped, text)) for text in (before, after)]
    return f"/{fixed[0]}{body}{fixed[1]}/"


def _texts(texts: Sequence[str]) -> str:
    """One of several different texts, none of which begins another."""
    if len(texts) == 1:
        return "".join(map(_escaped, texts[0]))
    tails: dict[str, list[str]] = {}
    for text in texts:
        tails.setdefault(text[0], []).append(text[1:])
    last = [head for head, rest in tails.items() if rest == [""]]
    options = [_class(ranges_of((ord(head), ord(head)) for head in last))] if last else []
    options += [f"{_escaped(head)}{_texts(rest)}" for head, rest in tails.items() if head not in last]
    return options[0] if len(options) == 1 else f"(?:{'|'.join(options)})"


def _counts(least: int, most: int | None) -> str:
    simple: dict[tuple[int, int | None], str] = {(0, None): "*", (1, None): "+", (0, 1): "?"}
    return simple.get((least, most)) or f"{{{least},{'' if most is None else most}}}"


def _class(ranges: Ranges) -> str:
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return _escaped(chr(ranges[0][0]))
    pairs = (_code(low) if low == high else f"{_code(low)}-{_code(high)}" for low, high in ranges)
    return f"[{''.join(pairs)}]"


def _code(code: int) -> str:
    character = chr(code)
    return character if character.isascii() and character.isalnum() else f"\\x{{{code:X}}}"


def _escaped(character: str) -> str:
    return _code(ord(character))
