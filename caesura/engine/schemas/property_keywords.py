"""The keywords of objects that hold subschemas.

Enters: a reader and a place. Leaves: the unions that the keywords admit, and those that they do not. Read
next: `combining.py`, `objects.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

from caesura.engine.schemas.clauses import (
    EVERYTHING,
    Atom,
    Clause,
    NamePattern,
    Node,
    ObjectClause,
    PropertyLayer,
    Union,
)
from caesura.engine.schemas.intersections import any_of
from caesura.engine.schemas.keywords import absent, mapping, names, pattern, present, refuse_opposite
from caesura.engine.schemas.places import Place
from caesura.engine.schemas.reader import LateRule, Rule, SchemaReader, among


def _only(place: Place) -> Node:
    return (Atom(place),)


def _property_layer(place: Place) -> PropertyLayer:
    schema = place.schema
    named = mapping(schema.get("properties", {}), (*place.pointer, "properties"))
    matched = mapping(schema.get("patternProperties", {}), (*place.pointer, "patternProperties"))
    patterns: list[NamePattern] = []
    for name in matched:
        pointer = (*place.pointer, "patternProperties", name)
        strict, wide = pattern(name, pointer), pattern(name, pointer, is_wide=True)
        patterns.append(NamePattern(strict, wide, _only(place.at("patternProperties", name)), pointer))
    return PropertyLayer(
        named={name: _only(place.at("properties", name)) for name in named},
        patterns=tuple(patterns),
        rest=_only(place.at("additionalProperties")) if "additionalProperties" in schema else None,
        at=place.pointer,
    )


def _properties_hold(reader: SchemaReader, place: Place) -> Union:
    return among("object", [ObjectClause(layers=(_property_layer(place),))])


def _properties_fail(reader: SchemaReader, place: Place) -> Union:
    for keyword in ("patternProperties", "additionalProperties"):
        if place.schema.get(keyword, True) not in (True, {}):
            refuse_opposite(place.schema[keyword], (*place.pointer, keyword))
    wrong = [
        ObjectClause(
            layers=(PropertyLayer(named={name: (Atom(place.at("properties", name), True),)}),),
            required=(name,),
        )
        for name in mapping(place.schema.get("properties", {}), (*place.pointer, "properties"))
    ]
    return {"object": tuple(wrong)}


def _names_hold(reader: SchemaReader, place: Place) -> Union:
    return among("object", [ObjectClause(names=_only(place.at("propertyNames")))])


def _names_fail(reader: SchemaReader, place: Place) -> Union:
    return refuse_opposite(place.schema["propertyNames"], (*place.pointer, "propertyNames"))


_DEPENDENCIES = ("dependentRequired", "dependentSchemas", "dependencies")


def _dependencies(place: Place) -> Iterator[tuple[str, Place, Any]]:
    for keyword in _DEPENDENCIES:
        held = mapping(place.schema.get(keyword, {}), (*place.pointer, keyword))
        for name in held:
            if keyword != "dependentSchemas" and isinstance(held[name], str):
                # Draft 3 allows a single name.
                yield name, place.of([held[name]], keyword, name), [held[name]]
            else:
                yield name, place.at(keyword, name), held[name]


def _dependencies_hold(reader: SchemaReader, place: Place) -> Union:
    union: Union = dict(EVERYTHING)
    for name, there, wanted in _dependencies(place):
        if isinstance(wanted, list):
            needed = ObjectClause(required=(name, *names(wanted, there.pointer)))
            needs: Union = {"object": (needed,)}
        else:
            needs = reader.meet({"object": (present(name),)}, reader.place(there), there.pointer)
        option = any_of([{**EVERYTHING, "object": (absent(name),)}, needs])
        union = reader.meet(union, option, there.pointer)
    return union


def _dependencies_fail(reader: SchemaReader, place: Place) -> Union:
    failures: list[Union] = []
    for name, there, wanted in _dependencies(place):
        has: Union = {"object": (present(name),)}
        if isinstance(wanted, list):
            lacks: Union = {"object": tuple(absent(each) for each in names(wanted, there.pointer))}
            failures.append(reader.meet(has, lacks, there.pointer))
        else:
            failures.append(reader.meet(has, reader.opposite(there), there.pointer))
    return any_of(failures)


def _unevaluated_properties(place: Place, union: Union) -> Union:
    node = _only(place.at("unevaluatedProperties"))
    closed: list[Clause] = []
    for clause in cast(tuple[ObjectClause, ...], union.get("object", ())):
        layer = PropertyLayer(named={}, rest=node, beside=clause.layers)
        closed.append(replace(clause, layers=(*clause.layers, layer)))
    return {**union, "object": tuple(closed)}


PROPERTY_RULES = (
    Rule(("properties", "patternProperties", "additionalProperties"), _properties_hold, _properties_fail),
    Rule(("propertyNames",), _names_hold, _names_fail),
    Rule(_DEPENDENCIES, _dependencies_hold, _dependencies_fail),
)

LATE_PROPERTY_RULES = (LateRule("unevaluatedProperties", _unevaluated_properties),)
