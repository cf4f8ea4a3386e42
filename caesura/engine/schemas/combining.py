"""The keywords that combine schemas, or are read together with others; and the table of all of them.

Enters: a reader and a place. Leaves: the union that the keywords admit, and the one that they do not. Read
next: `reader.py`, which calls this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import reduce
from typing import Any, cast

from caesura.engine.schemas.clauses import EVERYTHING, NumberClause, Union
from caesura.engine.schemas.contents import CONTENT_RULE
from caesura.engine.schemas.decimals import Bound
from caesura.engine.schemas.emptiness import is_empty
from caesura.engine.schemas.intersections import any_of, inverted_layers
from caesura.engine.schemas.item_keywords import ITEM_RULES, LATE_ITEM_RULES
from caesura.engine.schemas.keywords import number
from caesura.engine.schemas.places import Place
from caesura.engine.schemas.property_keywords import LATE_PROPERTY_RULES, PROPERTY_RULES
from caesura.engine.schemas.reader import Rule, SchemaReader, among
from caesura.engine.schemas.refusal import Pointer, SchemaRefusedError
from caesura.engine.schemas.values import TYPES, all_values, other_values


def _list(place: Place, keyword: str) -> list[Place]:
    value: object = place.schema[keyword]
    if not isinstance(value, list) or not value:
        raise SchemaRefusedError((*place.pointer, keyword), "a list of schemas is wanted here")
    return [place.at(keyword, at) for at in range(len(cast(list[Any], value)))]


# Types and values.


def _types(place: Place) -> list[Union]:
    value: object = place.schema["type"]
    found = [
        TYPES.get(str(each)) for each in (cast(list[Any], value) if isinstance(value, list) else [value])
    ]
    if not found or None in found:
        raise SchemaRefusedError((*place.pointer, "type"), f"{value!r} is not a type, or a list of types")
    return [each.union for each in found if each is not None]


def _type_holds(reader: SchemaReader, place: Place) -> Union:
    return any_of(_types(place))


def _type_fails(reader: SchemaReader, place: Place) -> Union:
    _types(place)
    value: object = place.schema["type"]
    listed = cast(list[str], value) if isinstance(value, list) else [cast(str, value)]
    others = (TYPES[each].others for each in listed)
    return reduce(lambda left, right: reader.meet(left, right, place.pointer), others)


def _listed(place: Place) -> list[Place]:
    value: object = place.schema["enum"]
    if not isinstance(value, list) or not value:
        raise SchemaRefusedError((*place.pointer, "enum"), "a list of values is wanted here")
    listed = cast(list[Any], value)
    return [place.of(each, "enum", at) for at, each in enumerate(listed)]


def _constant(place: Place) -> list[Place]:
    return [place.of(place.schema["const"], "const")]


def _values_hold(values: Callable[[Place], list[Place]]) -> Callable[[SchemaReader, Place], Union]:
    def read(reader: SchemaReader, place: Place) -> Union:
        listed = values(place)
        reader.effort.spend(listed[0].pointer[: len(place.pointer) + 1], len(listed))
        return all_values(listed)

    return read


def _values_fail(values: Callable[[Place], list[Place]]) -> Callable[[SchemaReader, Place], Union]:
    def read(reader: SchemaReader, place: Place) -> Union:
        return other_values(values(place), lambda left, right: reader.meet(left, right, place.pointer))

    return read


# Bounds: draft 4 has `exclusiveMinimum` as a switch beside `minimum`.


def _bounds(place: Place) -> Iterator[NumberClause]:
    for inclusive, exclusive, is_low in (
        ("minimum", "exclusiveMinimum", True),
        ("maximum", "exclusiveMaximum", False),
    ):
        switch = place.schema.get(exclusive)
        for keyword, is_open in ((inclusive, switch is True), (exclusive, True)):
            if keyword in place.schema and not isinstance(place.schema[keyword], bool):
                value = Fraction(number(place.schema[keyword], (*place.pointer, keyword)))
                bound = Bound(value, is_open)
                yield NumberClause(low=bound) if is_low else NumberClause(high=bound)


def _bounds_hold(reader: SchemaReader, place: Place) -> Union:
    unions = (among("number", [clause]) for clause in _bounds(place))
    return reduce(lambda left, right: reader.meet(left, right, place.pointer), unions, dict(EVERYTHING))


def _bounds_fail(reader: SchemaReader, place: Place) -> Union:
    beyond = [
        NumberClause(
            low=Bound(each.high.value, not each.high.is_open) if each.high else None,
            high=Bound(each.low.value, not each.low.is_open) if each.low else None,
        )
        for each in _bounds(place)
    ]
    return {"number": tuple(beyond)}


# References and combinations.


def _reference_holds(reader: SchemaReader, place: Place) -> Union:
    keywords = (keyword for keyword in ("$ref", "$dynamicRef") if keyword in place.schema)
    unions = [reader.place(reader.document.follow(place, keyword)) for keyword in keywords]
    return reduce(lambda left, right: reader.meet(left, right, place.pointer), unions)


def _reference_fails(reader: SchemaReader, place: Place) -> Union:
    keywords = (keyword for keyword in ("$ref", "$dynamicRef") if keyword in place.schema)
    return any_of(reader.opposite(reader.document.follow(place, keyword)) for keyword in keywords)


def _recursive_reference(reader: SchemaReader, place: Place) -> Union:
    raise SchemaRefusedError((*place.pointer, "$recursiveRef"), "is not supported; use $ref")


def _all_hold(reader: SchemaReader, place: Place) -> Union:
    unions = (reader.place(each) for each in _list(place, "allOf"))
    return reduce(lambda left, right: reader.meet(left, right, (*place.pointer, "allOf")), unions)


def _one_of_all_fails(reader: SchemaReader, place: Place) -> Union:
    return any_of(reader.opposite(each) for each in _list(place, "allOf"))


def _any_holds(reader: SchemaReader, place: Place) -> Union:
    return any_of(reader.place(each) for each in _list(place, "anyOf"))


def _none_of_any_holds(reader: SchemaReader, place: Place) -> Union:
    unions = (reader.opposite(each) for each in _list(place, "anyOf"))
    return reduce(lambda left, right: reader.meet(left, right, (*place.pointer, "anyOf")), unions)


def _one_holds(reader: SchemaReader, place: Place) -> Union:
    """Each alternative without what the others admit; where two have nothing in common, as it stands."""
    options, pointer = _list(place, "oneOf"), (*place.pointer, "oneOf")
    unions = [reader.place(option) for option in options]
    alone: list[Union] = []
    for at, union in enumerate(unions):
        for other, beside in enumerate(unions):
            if at != other and not is_empty(reader, reader.meet(union, beside, pointer)):
                union = reader.meet(union, _outside(reader, options[other], pointer), pointer)
        alone.append(union)
    return any_of(alone)


def _outside(reader: SchemaReader, place: Place, pointer: Pointer) -> Union:
    try:
        return reader.opposite(place)
    except SchemaRefusedError as refused:
        why = f"its alternatives overlap, and {'.'.join(refused.pointer)} {refused.reason}"
        raise SchemaRefusedError(pointer, why) from refused


def _not_one_holds(reader: SchemaReader, place: Place) -> Union:
    """None of them, or two at once."""
    options, pointer = _list(place, "oneOf"), (*place.pointer, "oneOf")
    none = reduce(
        lambda left, right: reader.meet(left, right, pointer), (reader.opposite(each) for each in options)
    )
    unions = [reader.place(option) for option in options]
    pairs = (
        reader.meet(left, right, pointer) for at, left in enumerate(unions) for right in unions[at + 1 :]
    )
    return any_of([none, *pairs])


def _not_holds(reader: SchemaReader, place: Place) -> Union:
    return inverted_layers(reader.opposite(place.at("not")))


def _not_fails(reader: SchemaReader, place: Place) -> Union:
    return reader.place(place.at("not"))


def _condition_holds(reader: SchemaReader, place: Place) -> Union:
    return _condition(reader, place, is_kept=True)


def _condition_fails(reader: SchemaReader, place: Place) -> Union:
    return _condition(reader, place, is_kept=False)


def _condition(reader: SchemaReader, place: Place, *, is_kept: bool) -> Union:
    """The condition and what follows from it, or neither the condition nor what follows otherwise."""
    if "if" not in place.schema:
        return dict(EVERYTHING) if is_kept else {}
    condition = place.at("if")
    read = reader.place if is_kept else reader.opposite
    branches: list[Union] = []
    for keyword, case in (("then", reader.place), ("else", reader.opposite)):
        if keyword in place.schema:
            consequence = read(place.at(keyword))
            branches.append(reader.meet(case(condition), consequence, (*place.pointer, keyword)))
        elif is_kept:
            branches.append(case(condition))
    return any_of(branches)


RULES = (
    Rule(("type",), _type_holds, _type_fails),
    Rule(("enum",), _values_hold(_listed), _values_fail(_listed)),
    Rule(("const",), _values_hold(_constant), _values_fail(_constant)),
    Rule(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _bounds_hold, _bounds_fail),
    CONTENT_RULE,
    *PROPERTY_RULES,
    *ITEM_RULES,
    Rule(("$ref", "$dynamicRef"), _reference_holds, _reference_fails),
    Rule(("$recursiveRef",), _recursive_reference, _recursive_reference),
    Rule(("allOf",), _all_hold, _one_of_all_fails),
    Rule(("anyOf",), _any_holds, _none_of_any_holds),
    Rule(("oneOf",), _one_holds, _not_one_holds),
    Rule(("not",), _not_holds, _not_fails),
    Rule(("if", "then", "else"), _condition_holds, _condition_fails),
)

LATE_RULES = (*LATE_PROPERTY_RULES, *LATE_ITEM_RULES)
