"""The keywords of arrays that hold subschemas.

Enters: a reader and a place. Leaves: the unions that the keywords admit, and those that they do not. Read
next: `combining.py`, `arrays.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from caesura.engine.schemas.clauses import (
    ANYTHING,
    ArrayClause,
    Atom,
    Clause,
    Contained,
    ItemLayer,
    Node,
    Union,
)
from caesura.engine.schemas.keywords import at_least, at_most, refuse_opposite
from caesura.engine.schemas.places import Place
from caesura.engine.schemas.reader import LateRule, Rule, SchemaReader, among
from caesura.engine.schemas.refusal import SchemaRefusedError


def _only(place: Place) -> Node:
    return (Atom(place),)


def _item_layer(place: Place) -> ItemLayer:
    """Until draft 2019-09 a list under `items` was what `prefixItems` is now."""
    schema = place.schema
    keyword, rest = ("prefixItems", "items")
    if isinstance(schema.get("items"), list):
        keyword, rest = ("items", "additionalItems")
    listed: object = schema.get(keyword, [])
    if not isinstance(listed, list):
        raise SchemaRefusedError((*place.pointer, keyword), "a list of schemas is wanted here")
    prefix = (_only(place.at(keyword, at)) for at in range(len(cast(list[Any], listed))))
    has_rest = rest in schema and not isinstance(schema[rest], list)
    return ItemLayer(prefix=tuple(prefix), rest=_only(place.at(rest)) if has_rest else None)


def _items_hold(reader: SchemaReader, place: Place) -> Union:
    return among("array", [ArrayClause(layers=(_item_layer(place),))])


def _items_fail(reader: SchemaReader, place: Place) -> Union:
    layer = _item_layer(place)
    wrong: list[Clause] = []
    for at, node in enumerate(layer.prefix):
        opposite = tuple(Atom(atom.place, True) for atom in node)
        prefix = (*(ANYTHING for _ in range(at)), opposite)
        wrong.append(ArrayClause(layers=(ItemLayer(prefix=prefix),), least=at + 1))
    if layer.rest is not None:
        [atom] = layer.rest
        pointer = atom.place.pointer
        if atom.place.schema is False:
            wrong.append(ArrayClause(least=len(layer.prefix) + 1))
        elif layer.prefix:
            refuse_opposite(atom.place.schema, pointer)
        else:
            opposite = (Atom(atom.place, True),)
            wrong.append(ArrayClause(contained=(Contained(opposite, 1, None, pointer),)))
    return {"array": tuple(wrong)}


def _contained(reader: SchemaReader, place: Place) -> Contained:
    schema, least, most = place.schema, 1, None
    if not reader.document.has_lone_references:
        if "minContains" in schema:
            least = at_least(schema["minContains"], (*place.pointer, "minContains"))
        if "maxContains" in schema:
            most = at_most(schema["maxContains"], (*place.pointer, "maxContains"))
    return Contained(_only(place.at("contains")), least, most, (*place.pointer, "contains"))


def _contains_holds(reader: SchemaReader, place: Place) -> Union:
    return among("array", [ArrayClause(contained=(_contained(reader, place),))])


def _contains_fails(reader: SchemaReader, place: Place) -> Union:
    node, least, most, pointer = _contained(reader, place)
    opposite = (Atom(node[0].place, True),)
    wrong: list[Clause] = []
    if least == 1:
        wrong.append(ArrayClause(layers=(ItemLayer(rest=opposite),)))
    elif least:
        wrong.append(ArrayClause(contained=(Contained(node, 0, least - 1, pointer),)))
    if most is not None:
        wrong.append(ArrayClause(contained=(Contained(node, most + 1, None, pointer),)))
    return {"array": tuple(wrong)}


def _unevaluated_items(place: Place, union: Union) -> Union:
    node = _only(place.at("unevaluatedItems"))
    closed: list[Clause] = []
    for clause in cast(tuple[ArrayClause, ...], union.get("array", ())):
        layer = ItemLayer(rest=node, beside=clause.layers)
        closed.append(replace(clause, layers=(*clause.layers, layer)))
    return {**union, "array": tuple(closed)}


ITEM_RULES = (
    Rule(("items", "prefixItems"), _items_hold, _items_fail),
    Rule(("contains",), _contains_holds, _contains_fails),
)

LATE_ITEM_RULES = (LateRule("unevaluatedItems", _unevaluated_items),)
