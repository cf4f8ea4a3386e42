"""Objects: from what several schemas say about properties to fields and made-up names.

A made-up name is told by the patterns that match it: each combination of patterns is a case of its own, with
its own names and its own subschemas. Names spelled out are never made up a second time; two made-up names
may be the same, so they cannot be counted on. Where a schema names properties and says nothing about others,
no others are written: they would be allowed, but nobody asked for them.
Enters: a clause. Leaves: a `Record`. Read next: `outline.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import cast

from caesura.engine.schemas.clauses import (
    NOWHERE,
    NamePattern,
    Node,
    ObjectClause,
    PropertyLayer,
    StringClause,
    joined,
)
from caesura.engine.schemas.intersections import intersection
from caesura.engine.schemas.reader import SchemaReader
from caesura.engine.schemas.refusal import SchemaRefusedError
from caesura.engine.schemas.shapes import Extra, Field, Record
from caesura.engine.schemas.terminals import is_impossible

_MAX_PATTERNS = 10
MAX_OPTIONAL = 1000
# Of an object whose properties are counted: how many there are, times how far they are counted.
_MAX_COUNTED = 10_000


def record(reader: SchemaReader, clause: ObjectClause, number: Callable[[Node], int]) -> Record:
    """An object's fields and extras. number: gives a part its number."""
    names = cast(tuple[StringClause, ...], reader.read(clause.names).get("string", ()))
    fields: list[Field] = []
    for name in clause.known:
        is_admitted = any(each.admits(name) for each in names)
        node = clause.of(name) if is_admitted else NOWHERE
        fields.append(Field(name=name, part=number(node), is_required=name in clause.required))
    num_optional = len(clause.known) - len(clause.required)
    if num_optional > MAX_OPTIONAL:
        pointer = next((layer.at for layer in clause.layers if layer.named), ())
        why = f"{num_optional} optional properties in one object, over {MAX_OPTIONAL}"
        raise SchemaRefusedError((*pointer, "properties"), why)
    limit = clause.least if clause.most is None else max(clause.least, clause.most)
    if limit > len(clause.required) and len(clause.known) * min(limit, len(clause.known)) > _MAX_COUNTED:
        raise SchemaRefusedError(clause.count_at, f"{len(clause.known)} properties are too many to count")
    is_declared = any(not layer.is_inverted and (layer.named or layer.patterns) for layer in clause.layers)
    num_possible = sum(NOWHERE[0] not in clause.of(field.name) for field in fields)
    has_silent = not is_declared or clause.least > num_possible
    extras = _extras(reader, clause, names, number, has_silent=has_silent)
    if clause.least > len(fields) + 1 and extras:
        why = "two made-up names could be the same, so more than one of them cannot be counted on"
        raise SchemaRefusedError(clause.count_at, why)
    return Record(fields=tuple(fields), extras=tuple(extras), least=clause.least, most=clause.most)


def _extras(
    reader: SchemaReader,
    clause: ObjectClause,
    names: Sequence[StringClause],
    number: Callable[[Node], int],
    *,
    has_silent: bool,
) -> list[Extra]:
    """The cases of made-up names. has_silent: whether names that nothing speaks of are among them."""
    patterns = list(dict.fromkeys(each for layer in clause.layers for each in layer.patterns))
    if len(patterns) > _MAX_PATTERNS:
        why = f"{len(patterns)} patterns meet in one object, over {_MAX_PATTERNS}"
        raise SchemaRefusedError(patterns[-1].at, why)
    extras: list[Extra] = []
    for matched in _cases(patterns):
        reader.effort.spend(patterns[0].at if patterns else ())
        node = _rest(clause.layers, matched)
        if NOWHERE[0] in (node or ()) or (node is None and not has_silent):
            continue
        condition = StringClause(
            patterns=tuple(each.strict for each in matched),
            banned=tuple(each.wide for each in patterns if each not in matched),
            without=frozenset(clause.known),
        )
        for each in names:
            made_up = intersection(each, condition)
            if isinstance(made_up, StringClause) and not is_impossible(made_up):
                extras.append(Extra(names=made_up, part=number(node or ())))
    return extras


def _cases(patterns: Sequence[NamePattern]) -> Iterator[tuple[NamePattern, ...]]:
    """Every combination of patterns that a name can match; a larger one only where its parts can be."""
    possible: set[tuple[NamePattern, ...]] = {()}
    yield ()
    for size in range(1, len(patterns) + 1):
        for case in combinations(patterns, size):
            parts = {case[:at] + case[at + 1 :] for at in range(size)}
            clause = StringClause(patterns=tuple(dict.fromkeys(each.strict for each in case)))
            if parts <= possible and not is_impossible(clause):
                possible.add(case)
                yield case
        if not any(len(case) == size for case in possible):
            return


def _rest(layers: Sequence[PropertyLayer], matched: Sequence[NamePattern]) -> Node | None:
    """What a made-up name that matches these patterns must be; None where nothing is said of it."""
    nodes: list[Node] = []
    for layer in layers:
        met = [pattern.node for pattern in layer.patterns if pattern in matched]
        is_beside = any(_covers(each, matched) for each in layer.beside)
        if not met and layer.rest is not None and not is_beside:
            met = [layer.rest]
        nodes += met
    return joined(*nodes) if nodes else None


def _covers(layer: PropertyLayer, matched: Sequence[NamePattern]) -> bool:
    if layer.is_inverted:
        return False
    return layer.rest is not None or any(pattern in matched for pattern in layer.patterns)
