"""Types and listed values as unions: what `type`, `enum` and `const` admit, and what they leave.

A listed array or object becomes a clause whose parts are listed values in turn. Numbers are compared as
JSON compares them: 1 and 1.0 are the same, 1 and true are not.
Enters: types and values. Leaves: unions. Read next: `combining.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import reduce
from typing import Any, NamedTuple, cast

from caesura.engine.schemas.clauses import (
    EVERYTHING,
    NOWHERE,
    ArrayClause,
    Atom,
    BooleanClause,
    Clause,
    ItemLayer,
    Kind,
    Node,
    NullClause,
    NumberClause,
    ObjectClause,
    PropertyLayer,
    StringClause,
    Union,
)
from caesura.engine.schemas.keywords import absent, number
from caesura.engine.schemas.places import Place
from caesura.engine.schemas.refusal import SchemaRefusedError


class Type(NamedTuple):
    """What a type admits, and what it leaves."""

    union: Union
    others: Union


def _type(kind: Kind) -> Type:
    others: Union = {other: clauses for other, clauses in EVERYTHING.items() if other != kind}
    return Type({kind: EVERYTHING[kind]}, others)


_INTEGERS: Union = {"number": (NumberClause(kind="integer"),)}
_ALL_BUT_INTEGERS: Union = {**EVERYTHING, "number": (NumberClause(kind="fraction"),)}

TYPES: Mapping[str, Type] = {
    **{kind: _type(kind) for kind in EVERYTHING},
    "integer": Type(_INTEGERS, _ALL_BUT_INTEGERS),
}


class _Sorted(NamedTuple):
    """Values by type."""

    has_null: bool
    booleans: tuple[bool, ...]
    numbers: tuple[Decimal, ...]
    strings: tuple[str, ...]
    arrays: tuple[Place, ...]
    objects: tuple[Place, ...]


def all_values(values: Sequence[Place]) -> Union:
    """Exactly these values; each place holds one."""
    held = _sorted(values)
    union: dict[Kind, tuple[Clause, ...]] = {
        "null": (NullClause(),) if held.has_null else (),
        "boolean": (BooleanClause(values=held.booleans),) if held.booleans else (),
        "number": (NumberClause(values=held.numbers),) if held.numbers else (),
        "string": (StringClause(values=held.strings),) if held.strings else (),
        "array": tuple(map(_array, held.arrays)),
        "object": tuple(map(_object, held.objects)),
    }
    return {kind: clauses for kind, clauses in union.items() if clauses}


def other_values(values: Sequence[Place], meet: Callable[[Union, Union], Union]) -> Union:
    """All values but these. meet: intersects unions."""
    held = _sorted(values)
    booleans = tuple(value for value in (True, False) if value not in held.booleans)
    others: Union = {
        **EVERYTHING,
        "null": () if held.has_null else EVERYTHING["null"],
        "boolean": (BooleanClause(values=booleans),) if booleans else (),
        "number": (NumberClause(without=frozenset(held.numbers)),),
        "string": (StringClause(without=frozenset(held.strings)),),
    }
    different: list[Union] = [
        *({**EVERYTHING, "array": _other_arrays(place)} for place in held.arrays),
        *({**EVERYTHING, "object": _other_objects(place)} for place in held.objects),
    ]
    return reduce(meet, different, others)


def _sorted(values: Sequence[Place]) -> _Sorted:
    raw: list[object] = [place.schema for place in values]
    for place, value in zip(values, raw, strict=True):
        if not (value is None or isinstance(value, bool | int | float | Decimal | str | list | Mapping)):
            raise SchemaRefusedError(place.pointer, f"{value!r} is no JSON value")
    numbers = [
        number(value, place.pointer)
        for place, value in zip(values, raw, strict=True)
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    ]
    return _Sorted(
        has_null=None in raw,
        booleans=tuple(dict.fromkeys(value for value in raw if isinstance(value, bool))),
        numbers=tuple(dict.fromkeys(numbers)),
        strings=tuple(dict.fromkeys(value for value in raw if isinstance(value, str))),
        arrays=tuple(place for place in values if isinstance(place.schema, list)),
        objects=tuple(place for place in values if isinstance(place.schema, Mapping)),
    )


def _constant(place: Place, step: str | int, *, is_inverted: bool = False) -> Node:
    """A part of a listed value, as a schema that admits nothing else, or everything else."""
    return (Atom(place.of({"const": place.schema[step]}, step), is_inverted),)


def _array(place: Place) -> ArrayClause:
    size = len(cast(list[Any], place.schema))
    prefix = tuple(_constant(place, at) for at in range(size))
    return ArrayClause(layers=(ItemLayer(prefix=prefix),), least=size, most=size)


def _object(place: Place) -> ObjectClause:
    names = tuple(cast(Mapping[str, Any], place.schema))
    named = {name: _constant(place, name) for name in names}
    return ObjectClause(layers=(PropertyLayer(named=named, rest=NOWHERE),), required=names, most=len(names))


def _other_arrays(place: Place) -> tuple[Clause, ...]:
    """Shorter, longer, or different in some place."""
    size = len(cast(list[Any], place.schema))
    others: list[Clause] = [ArrayClause(least=size + 1)]
    others += [ArrayClause(most=size - 1)] if size else []
    for at in range(size):
        prefix = (*(() for _ in range(at)), _constant(place, at, is_inverted=True))
        others.append(ArrayClause(layers=(ItemLayer(prefix=prefix),), least=size, most=size))
    return tuple(others)


def _other_objects(place: Place) -> tuple[Clause, ...]:
    """Lacking a name, with another value for one, or with more names."""
    names = tuple(cast(Mapping[str, Any], place.schema))
    others: list[Clause] = [ObjectClause(least=len(names) + 1, count_at=place.pointer)]
    for name in names:
        different = PropertyLayer(named={name: _constant(place, name, is_inverted=True)})
        others += [absent(name), ObjectClause(layers=(different,), required=(name,))]
    return tuple(others)
