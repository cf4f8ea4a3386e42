"""What each simple keyword admits, and what it admits where it must not hold.

A keyword speaks of one JSON type and leaves the others alone. So where it must not hold, only values of
that type are left, with the opposite condition; for a few keywords no clause says that, and they are
refused there. Enters: a place and a keyword's value. Leaves: clauses. Read next: `reader.py`, which puts
them together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple, NoReturn, cast

from caesura.engine.schemas.clauses import (
    NOWHERE,
    ArrayClause,
    Clause,
    Kind,
    NumberClause,
    ObjectClause,
    PropertyLayer,
    StringClause,
)
from caesura.engine.schemas.decimals import power_of_ten
from caesura.engine.schemas.formats import format_pattern
from caesura.engine.schemas.pattern_edges import PatternError
from caesura.engine.schemas.pattern_reader import whole_pattern
from caesura.engine.schemas.patterns import Tree
from caesura.engine.schemas.refusal import Pointer, SchemaRefusedError

Clauses = list[Clause]
Read = Callable[[Any, Pointer], Clauses]

# No reply gets so far. A larger upper limit is kept by keeping this one; a larger lower one is refused.
MAX_COUNT = 100_000


class Keyword(NamedTuple):
    """A keyword of one type: its clauses where it holds, and where it must not."""

    kind: Kind
    holds: Read
    fails: Read


def refuse_opposite(value: Any, pointer: Pointer) -> NoReturn:
    """For keywords whose opposite no clause can say."""
    raise SchemaRefusedError(pointer, "cannot be enforced where it must not hold")


def number(value: Any, pointer: Pointer) -> Decimal:
    """A number exactly as it was written."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise SchemaRefusedError(pointer, "a number is wanted here")
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not exact.is_finite() or abs(exact.adjusted()) > 400:
        raise SchemaRefusedError(pointer, "the number is too large or too small")
    return exact


def at_least(value: Any, pointer: Pointer) -> int:
    """A lower limit, a whole number from 0; `2.0` is one."""
    wanted = _whole(value, pointer)
    if wanted > MAX_COUNT:
        raise SchemaRefusedError(pointer, f"{value} is over {MAX_COUNT}, which no reply reaches")
    return wanted


def at_most(value: Any, pointer: Pointer) -> int:
    """An upper limit."""
    return min(_whole(value, pointer), MAX_COUNT)


def _whole(value: Any, pointer: Pointer) -> int:
    exact = number(value, pointer)
    if exact < 0 or exact != exact.to_integral_value():
        raise SchemaRefusedError(pointer, f"{value} is not a whole number from 0")
    return int(exact)


def names(value: Any, pointer: Pointer) -> tuple[str, ...]:
    """A list of property names."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in cast(list[Any], value)):
        raise SchemaRefusedError(pointer, "a list of names is wanted here")
    return tuple(dict.fromkeys(cast(list[str], value)))


def mapping(value: Any, pointer: Pointer) -> Mapping[str, Any]:
    """An object."""
    if not isinstance(value, Mapping):
        raise SchemaRefusedError(pointer, "an object is wanted here")
    return cast(Mapping[str, Any], value)


def pattern(value: Any, pointer: Pointer, *, is_wide: bool = False) -> Tree:
    """A pattern's tree."""
    if not isinstance(value, str):
        raise SchemaRefusedError(pointer, "a text is wanted here")
    try:
        return whole_pattern(value, is_wide=is_wide)
    except PatternError as error:
        raise SchemaRefusedError(pointer, f"{value!r} cannot be enforced: {error}") from error


def present(name: str) -> ObjectClause:
    """Objects with a property."""
    return ObjectClause(required=(name,))


def absent(name: str) -> ObjectClause:
    """Objects without a property."""
    return ObjectClause(layers=(PropertyLayer(named={name: NOWHERE}, is_inverted=True),))


# Of a multiple as a binary fraction, so that dividing an integer by it gives no fraction.
_MAX_ERROR = Fraction(1, 1 << 54)


def inexact(multiple: Fraction) -> str:
    """Why multiples of a decimal fraction are refused."""
    return (
        f"multiples of {float(multiple):g} are not counted; those of whole numbers, of binary fractions (0.5)"
        " and of most powers of ten (0.01) are, so count in a smaller unit"
    )


def _multiple(value: Any, pointer: Pointer) -> Clauses:
    exact = number(value, pointer)
    if exact <= 0:
        raise SchemaRefusedError(pointer, f"{value} is not above 0")
    multiple = Fraction(exact)
    error = 0 if multiple.denominator == 1 else abs(Fraction(float(exact)) / multiple - 1)
    if error > _MAX_ERROR:
        raise SchemaRefusedError(pointer, inexact(multiple))
    if power_of_ten(multiple) is not None:
        # A matter of how many decimals there are.
        return [NumberClause(multiple=multiple, multiple_at=pointer)]
    return [NumberClause(multiple=multiple, multiple_at=pointer, is_inexact=error > 0)]


def _format(value: Any, pointer: Pointer) -> Clauses:
    tree = format_pattern(value) if isinstance(value, str) else None
    return [StringClause(patterns=(tree,), at=pointer) if tree else StringClause()]


def _no_format(value: Any, pointer: Pointer) -> Clauses:
    if isinstance(value, str) and format_pattern(value):
        refuse_opposite(value, pointer)
    return []


def _unique(value: Any, pointer: Pointer) -> Clauses:
    return [ArrayClause(unique_at=pointer) if value is True else ArrayClause()]


def _not_unique(value: Any, pointer: Pointer) -> Clauses:
    return refuse_opposite(value, pointer) if value is True else []


def _below(limit: int, make: Callable[[int], Clause]) -> Clauses:
    """What has fewer than so many."""
    return [make(limit - 1)] if limit else []


KEYWORDS: dict[str, Keyword] = {
    "multipleOf": Keyword("number", _multiple, refuse_opposite),
    "minLength": Keyword(
        "string",
        lambda v, at: [StringClause(least=at_least(v, at), at=at)],
        lambda v, at: _below(at_least(v, at), lambda most: StringClause(most=most, at=at)),
    ),
    "maxLength": Keyword(
        "string",
        lambda v, at: [StringClause(most=at_most(v, at), at=at)],
        lambda v, at: [StringClause(least=at_most(v, at) + 1, at=at)],
    ),
    "pattern": Keyword(
        "string",
        lambda v, at: [StringClause(patterns=(pattern(v, at),), at=at)],
        lambda v, at: [StringClause(banned=(pattern(v, at, is_wide=True),), at=at)],
    ),
    "format": Keyword("string", _format, _no_format),
    "minItems": Keyword(
        "array",
        lambda v, at: [ArrayClause(least=at_least(v, at))],
        lambda v, at: _below(at_least(v, at), lambda most: ArrayClause(most=most)),
    ),
    "maxItems": Keyword(
        "array",
        lambda v, at: [ArrayClause(most=at_most(v, at))],
        lambda v, at: [ArrayClause(least=at_most(v, at) + 1)],
    ),
    "uniqueItems": Keyword("array", _unique, _not_unique),
    "required": Keyword(
        "object",
        lambda v, at: [ObjectClause(required=names(v, at))],
        lambda v, at: [absent(name) for name in names(v, at)],
    ),
    "minProperties": Keyword(
        "object",
        lambda v, at: [ObjectClause(least=at_least(v, at), count_at=at)],
        lambda v, at: _below(at_least(v, at), lambda most: ObjectClause(most=most, count_at=at)),
    ),
    "maxProperties": Keyword(
        "object",
        lambda v, at: [ObjectClause(most=at_most(v, at), count_at=at)],
        lambda v, at: [ObjectClause(least=at_most(v, at) + 1, count_at=at)],
    ),
}
