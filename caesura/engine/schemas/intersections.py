"""What two clauses, or two unions, both admit.

Enters: clauses. Leaves: clauses; none where one sees at once that nothing is left. Read next: `clauses.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import TypeVar

from caesura.engine.schemas.clauses import (
    EVERYTHING,
    KINDS,
    ArrayClause,
    BooleanClause,
    Clause,
    NullClause,
    NumberClause,
    ObjectClause,
    StringClause,
    Union,
    joined,
)
from caesura.engine.schemas.decimals import Bound, is_apart

Layer = TypeVar("Layer")

# Comparing each with each is for short lists only, and for clauses without subschemas.
_MAX_COMPARED = 24


def both(left: Union, right: Union) -> Union:
    """What two unions both admit."""
    result: Union = {}
    for kind in KINDS:
        here, there = left.get(kind, ()), right.get(kind, ())
        if here is EVERYTHING[kind] or there is EVERYTHING[kind]:
            found = there if here is EVERYTHING[kind] else here
        else:
            found = _distinct(intersection(a, b) for a in here for b in there)
        if found:
            result[kind] = found
    return result


def any_of(unions: Iterable[Union]) -> Union:
    """What at least one of several unions admits."""
    result: Union = {}
    for union in unions:
        for kind, clauses in union.items():
            if kind in result and result[kind] is not EVERYTHING[kind]:
                is_everything = clauses is EVERYTHING[kind]
                result[kind] = clauses if is_everything else _distinct((*result[kind], *clauses))
            else:
                result.setdefault(kind, clauses)
    return result


def size(union: Union) -> int:
    """How many clauses."""
    return sum(map(len, union.values()))


def inverted_layers(union: Union) -> Union:
    """The same, with layers that exempt nothing: they come from a schema that must not hold."""
    return {kind: tuple(map(_inverted, clauses)) for kind, clauses in union.items()}


def intersection(left: Clause, right: Clause) -> Clause | None:
    """What two clauses both admit; None if that is nothing, or they are of different types."""
    match left, right:
        case NullClause(), NullClause():
            return left
        case BooleanClause(), BooleanClause():
            values = tuple(value for value in left.values if value in right.values)
            return BooleanClause(values=values) if values else None
        case NumberClause(), NumberClause():
            return _numbers(left, right)
        case StringClause(), StringClause():
            return _strings(left, right)
        case ArrayClause(), ArrayClause():
            return _arrays(left, right)
        case ObjectClause(), ObjectClause():
            return _objects(left, right)
        case _:
            return None


def is_multiple(value: Decimal, of: Fraction) -> bool:
    """Whether a number is a whole multiple."""
    return (Fraction(value) / of).denominator == 1


def _distinct(clauses: Iterable[Clause | None]) -> tuple[Clause, ...]:
    kept: list[Clause] = []
    for clause in clauses:
        if clause is not None and not _is_known(clause, kept):
            kept.append(clause)
    return tuple(kept)


def _is_known(clause: Clause, kept: list[Clause]) -> bool:
    if len(kept) > _MAX_COMPARED:
        return False
    if isinstance(clause, ArrayClause | ObjectClause):
        return any(each is clause for each in kept)
    return clause in kept


def _each_once(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """Layers without repetitions; the same schema is read once, so its layer is the same object."""
    return tuple({id(layer): layer for layer in layers}.values())


def _inverted(clause: Clause) -> Clause:
    match clause:
        case ArrayClause(layers=layers):
            return replace(clause, layers=tuple(replace(layer, is_inverted=True) for layer in layers))
        case ObjectClause(layers=layers):
            return replace(clause, layers=tuple(replace(layer, is_inverted=True) for layer in layers))
        case _:
            return clause


def _least(left: int | None, right: int | None) -> int | None:
    """The smaller of two limits; None is no limit."""
    return left if right is None else right if left is None else min(left, right)


def _tighter(left: Bound | None, right: Bound | None, *, is_low: bool) -> Bound | None:
    if left is None or right is None:
        return left or right
    if left.value == right.value:
        return left if left.is_open else right
    return left if (left.value > right.value) == is_low else right


def _numbers(left: NumberClause, right: NumberClause) -> NumberClause | None:
    if "any" not in (left.kind, right.kind) and left.kind != right.kind:
        return None
    values = left.values if right.values is None else right.values
    if left.values is not None and right.values is not None:
        values = tuple(value for value in left.values if value in right.values)
    blamed, other = (right, left) if right.is_inexact and not left.is_inexact else (left, right)
    merged = NumberClause(
        kind=right.kind if left.kind == "any" else left.kind,
        low=_tighter(left.low, right.low, is_low=True),
        high=_tighter(left.high, right.high, is_low=False),
        multiple=_common_multiple(left.multiple, right.multiple),
        multiple_at=blamed.multiple_at or other.multiple_at,
        is_inexact=left.is_inexact or right.is_inexact,
        values=values,
        without=left.without | right.without,
    )
    return _with_values(merged)


def _with_values(clause: NumberClause) -> NumberClause | None:
    """The clause with only the values that satisfy it; None if there is nothing left."""
    if clause.values is None:
        return None if is_apart(clause.kind, clause.low, clause.high) else clause
    values = tuple(value for value in clause.values if _admits(clause, value))
    return replace(clause, values=values) if values else None


def _admits(clause: NumberClause, value: Decimal) -> bool:
    exact, low, high = Fraction(value), clause.low, clause.high
    is_integer = exact.denominator == 1
    return (
        value not in clause.without
        and (clause.kind == "any" or is_integer == (clause.kind == "integer"))
        and (low is None or exact > low.value or (exact == low.value and not low.is_open))
        and (high is None or exact < high.value or (exact == high.value and not high.is_open))
        and (clause.multiple is None or is_multiple(value, clause.multiple))
    )


def _common_multiple(left: Fraction | None, right: Fraction | None) -> Fraction | None:
    if left is None or right is None:
        return left or right
    whole = math.lcm(left.numerator * right.denominator, right.numerator * left.denominator)
    return Fraction(whole, left.denominator * right.denominator)


def _strings(left: StringClause, right: StringClause) -> StringClause | None:
    values = left.values if right.values is None else right.values
    if left.values is not None and right.values is not None:
        values = tuple(value for value in left.values if value in right.values)
    merged = StringClause(
        least=max(left.least, right.least),
        most=_least(left.most, right.most),
        patterns=tuple(dict.fromkeys((*left.patterns, *right.patterns))),
        banned=tuple(dict.fromkeys((*left.banned, *right.banned))),
        values=values,
        without=left.without | right.without,
        at=left.at or right.at,
    )
    if values is not None:
        values = tuple(filter(merged.admits, values))
        return StringClause(values=values) if values else None
    return None if merged.most is not None and merged.least > merged.most else merged


def _arrays(left: ArrayClause, right: ArrayClause) -> ArrayClause | None:
    merged = ArrayClause(
        layers=_each_once((*left.layers, *right.layers)),
        least=max(left.least, right.least),
        most=_least(left.most, right.most),
        contained=(*left.contained, *right.contained),
        unique_at=left.unique_at or right.unique_at,
    )
    return None if merged.most is not None and merged.least > merged.most else merged


def _objects(left: ObjectClause, right: ObjectClause) -> ObjectClause | None:
    merged = ObjectClause(
        layers=_each_once((*left.layers, *right.layers)),
        required=tuple(dict.fromkeys((*left.required, *right.required))),
        least=max(left.least, right.least),
        count_at=left.count_at or right.count_at,
        most=_least(left.most, right.most),
        names=joined(left.names, right.names),
    )
    least = max(merged.least, len(merged.required))
    return None if merged.most is not None and least > merged.most else merged
