"""Strings and numbers as terminals of a Lark grammar in llguidance's dialect.

A terminal is an expression over regular expressions and literal texts; `&` and `~` stand for "and" and
"not". Enters: clauses, a notation. Leaves: expressions, and whether one describes nothing at all. Read next:
`pattern_text.py`, `decimals.py`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from functools import cache, lru_cache

from llguidance import LLMatcher, LLTokenizer

from caesura.engine.schemas.clauses import NumberClause, StringClause
from caesura.engine.schemas.decimals import (
    MAX_DIGITS,
    Bound,
    as_decimal,
    is_apart,
    number_regexes,
    number_text,
    power_of_ten,
    spellings,
)
from caesura.engine.schemas.keywords import inexact
from caesura.engine.schemas.pattern_text import PLAIN, Notation, regex
from caesura.engine.schemas.patterns import ANY_CHAR, ANY_TEXT, repeat, size
from caesura.engine.schemas.refusal import Pointer, SchemaRefusedError


def literal(text: str) -> str:
    """A fixed text."""
    # llguidance's reader of literals takes this one for a control character.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def text_terminal(clause: StringClause, notation: Notation, *, quote: str = "") -> str:
    """The texts of a clause as a notation spells them, between quotes."""

    def spelled(text: str) -> str:
        return literal(f"{quote}{notation.spell(text)}{quote}")

    if clause.values is not None:
        return " | ".join(spelled(value) for value in clause.values if notation.can_write(value))
    trees = list(clause.patterns)
    if clause.least or clause.most is not None:
        trees.append(repeat(ANY_CHAR, clause.least, clause.most))
    wanted = [regex(tree, notation, before=quote, after=quote) for tree in trees or [ANY_TEXT]]
    banned = [f"~{regex(tree, notation, before=quote, after=quote)}" for tree in clause.banned]
    listed = [value for value in sorted(clause.without) if notation.can_write(value)]
    banned += [f"~({' | '.join(map(spelled, listed))})"] if listed else []
    return " & ".join([*wanted, *banned])


def texts_terminal(clauses: Sequence[StringClause], notation: Notation, *, quote: str = "") -> str:
    """The texts of any of the clauses; empty if none of them can be written."""
    expressions = [text_terminal(clause, notation, quote=quote) for clause in clauses]
    kept = list(dict.fromkeys(filter(None, expressions)))
    return kept[0] if len(kept) == 1 else " | ".join(f"({expression})" for expression in kept)


def risk_of(clauses: Sequence[StringClause]) -> Pointer | None:
    """The keyword to blame if the states of the texts' automaton multiply; None if they cannot."""
    risky = next((clause for clause in clauses if _is_risky(clause)), None)
    if risky is None and len(clauses) > 1 and sum(map(_size, clauses)) > _MAX_HARMLESS_TOGETHER:
        risky = max(clauses, key=_size)
    return None if risky is None else risky.at


def _size(clause: StringClause) -> int:
    return 0 if clause.values is not None else sum(size(tree) for tree in (*clause.patterns, *clause.banned))


def _is_risky(clause: StringClause) -> bool:
    if clause.values is not None:
        return False
    sizes = [size(tree) for tree in (*clause.patterns, *clause.banned)]
    has_length = bool(clause.least) or clause.most is not None
    num_conditions = len(sizes) + has_length
    return bool(sizes) and sum(sizes) > (_MAX_HARMLESS if num_conditions == 1 else _MAX_HARMLESS_TOGETHER)


# Sizes of patterns, written out: of a single one, and of several or of one whose text is also counted.
_MAX_HARMLESS, _MAX_HARMLESS_TOGETHER = 400, 60


def number_terminal(clause: NumberClause, *, has_exponents: bool = True) -> str:
    """The numbers of a clause; its multiple must be a power of ten, or none."""
    if clause.values is not None:
        return " | ".join(literal(number_text(value, has_exponents=has_exponents)) for value in clause.values)
    power = None if clause.multiple is None else power_of_ten(clause.multiple)
    low, high = clause.low, clause.high
    # Only what has no exponent can be told apart by its digits.
    is_plain = bool(clause.without) or not has_exponents
    if is_plain and low is None and high is None and power is None:
        power = 0 if clause.kind == "integer" else -MAX_PLACES
    wanted = [f"/{each}/" for each in number_regexes(clause.kind, low, high, power)]
    banned = [f"~/{spellings(value)}/" for value in sorted(clause.without)]
    return " & ".join([*wanted, *banned])


MAX_PLACES = 14


def multiple_schema(clause: NumberClause) -> str | None:
    """Multiples of what is no power of ten: llguidance counts remainders, but only in its own schemas.

    Raises SchemaRefusedError for what it cannot count.
    """
    multiple = clause.multiple
    if clause.values is not None or multiple is None:
        return None
    if clause.is_inexact and clause.kind != "integer":
        raise SchemaRefusedError(clause.multiple_at, inexact(multiple))
    if power_of_ten(multiple) is not None:
        return None
    if clause.without or clause.kind == "fraction":
        raise SchemaRefusedError(clause.multiple_at, "cannot be enforced together with values left out")
    if max(multiple.numerator, multiple.denominator) > _MAX_MULTIPLE:
        raise SchemaRefusedError(clause.multiple_at, f"remainders of over {_MAX_MULTIPLE} are not counted")
    low, high = clause.low or _LOWEST, clause.high or _HIGHEST
    fields = {
        "type": "integer" if clause.kind == "integer" else "number",
        "exclusiveMinimum" if low.is_open else "minimum": _plain(low.value),
        "exclusiveMaximum" if high.is_open else "maximum": _plain(high.value),
        "multipleOf": _plain(multiple),
        "x-guidance": {"whitespace_flexible": False},
    }
    return f"%json {json.dumps(fields)}"


# An automaton of remainders has so many states, each ten ways on.
_MAX_MULTIPLE = 1000
_HIGHEST = Bound(Fraction(10**MAX_DIGITS), is_open=True)
_LOWEST = Bound(-_HIGHEST.value, is_open=True)


def _plain(value: Fraction) -> int | float:
    return value.numerator if value.denominator == 1 else float(as_decimal(value))


def is_impossible(clause: StringClause | NumberClause) -> bool:
    """Whether conditions that may contradict each other leave nothing."""
    if clause.values is not None:
        return not clause.values
    if isinstance(clause, NumberClause):
        if _is_plain_range(clause):
            return is_apart(clause.kind, clause.low, clause.high)
        inline = multiple_schema(clause)
        if inline is not None:
            return _describes_nothing(inline, clause.multiple_at)
        num_conditions = (clause.low is not None) + (clause.high is not None) + (clause.multiple is not None)
        return num_conditions + bool(clause.without) > 1 and _describes_nothing(number_terminal(clause))
    num_conditions = len(clause.patterns) + len(clause.banned) + bool(clause.without)
    has_length = bool(clause.least) or clause.most is not None
    return num_conditions + has_length > 1 and _describes_nothing(text_terminal(clause, PLAIN))


def _is_plain_range(clause: NumberClause) -> bool:
    """Whether nothing but its ends is said of a range of integers, each of which can be written."""
    if clause.kind != "integer" or clause.multiple is not None or clause.without:
        return False
    return all(end is None or abs(end.value) <= _HIGHEST.value for end in (clause.low, clause.high))


@lru_cache(maxsize=4096)
def _describes_nothing(symbols: str, at: Pointer = ()) -> bool:
    """Whether a terminal describes nothing; with `at`, a schema within a rule, which this keyword is from."""
    text = f"start: {symbols}" if at else f"start: T\nT: {symbols}"
    matcher = LLMatcher(_bytes(), LLMatcher.grammar_from_lark(text), log_level=0)
    error = matcher.get_error()
    if at and error and "Unsatisfiable" not in error:
        raise SchemaRefusedError(at, f"cannot be enforced: {error.splitlines()[0]}")
    if error:
        return at != ()
    # Only who asks for the first byte is told that there is none: as a reason, or as an error.
    matcher.compute_bitmask()
    why = f"{matcher.stop_reason()} {matcher.get_error()}"
    return "NoExtension" in why and not matcher.is_accepting()


@cache
def _bytes() -> LLTokenizer:
    """The vocabulary of all bytes."""
    return LLTokenizer("byte")
