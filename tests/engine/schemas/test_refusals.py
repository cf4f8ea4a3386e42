"""What cannot be enforced is refused before any token, with its place and its reason."""

from __future__ import annotations

import re
from typing import Any

import pytest

from caesura.messages.errors import InvalidRequestError
from tests.engine.schemas.texts import grammar

STRINGS = {"type": "array", "items": {"type": "string"}}
# A schema, the place that is named, and a part of the reason.
REFUSED: list[tuple[Any, str, str]] = [
    ({"type": "text"}, "type", "'text' is not a type"),
    ({"type": []}, "type", "is not a type"),
    ({"enum": []}, "enum", "a list of values"),
    ({"properties": {"a": 5}}, "properties.a", "a schema is an object"),
    ({"properties": []}, "properties", "an object is wanted"),
    ({"items": {"anyOf": []}, "minItems": 1, "type": "array"}, "items.anyOf", "a list of schemas"),
    ({"required": "a"}, "required", "a list of names"),
    ({"minLength": -1}, "minLength", "not a whole number from 0"),
    ({"minLength": "2"}, "minLength", "a number is wanted"),
    ({"minItems": 10**9, "type": "array"}, "minItems", "over 100000"),
    ({"multipleOf": 0}, "multipleOf", "not above 0"),
    ({"multipleOf": 0.05}, "multipleOf", "multiples of 0.05 are not counted"),
    ({"type": "integer", "multipleOf": 1e-5}, "multipleOf", "multiples of 1e-05 are not counted"),
    ({"multipleOf": 0.01, "allOf": [{"multipleOf": 0.3}]}, "allOf.0.multipleOf", "multiples of 0.3 are not"),
    ({"multipleOf": 123457}, "multipleOf", "remainders of over 1000"),
    ({"not": {"multipleOf": 2}}, "not.multipleOf", "where it must not hold"),
    ({"pattern": "(?=a)"}, "pattern", "look-around"),
    ({"pattern": 5}, "pattern", "a text is wanted"),
    ({"patternProperties": {"\\b": True}}, "patternProperties.\\b", "word boundaries"),
    ({"not": {"format": "date"}}, "not.format", "where it must not hold"),
    ({**STRINGS, "uniqueItems": True}, "uniqueItems", "listed values"),
    ({"type": "array", "items": {"enum": list(range(64))}, "uniqueItems": True}, "uniqueItems", "at most 63"),
    ({"not": {"uniqueItems": True}}, "not.uniqueItems", "where it must not hold"),
    (
        {"type": "array", "allOf": [{"contains": {"const": 1}}, {"contains": {"const": 2}}]},
        "allOf.0.contains",
        "only once",
    ),
    (
        {"type": "array", "contains": {"const": 1}, "minContains": 400, "maxItems": 1000},
        "contains",
        "too many",
    ),
    ({"not": {"propertyNames": {"maxLength": 3}}}, "not.propertyNames", "where it must not hold"),
    ({"not": {"additionalProperties": {"type": "string"}}}, "not.additionalProperties", "must not hold"),
    ({"not": {"unevaluatedItems": False}}, "not.unevaluatedItems", "where it must not hold"),
    ({"contentEncoding": "base64", "contentMediaType": "application/json"}, "contentMediaType", "base64"),
    ({"$ref": "#/$defs/none"}, "$ref", "leads nowhere"),
    ({"$ref": "other.json"}, "$ref", "is not fetched"),
    ({"$ref": "#"}, "$ref", "leads back to itself"),
    ({"$ref": 5}, "$ref", "a reference is a text"),
    ({"$recursiveRef": "#"}, "$recursiveRef", "not supported"),
    ({"allOf": [{"type": "string"}, {"type": "null"}]}, "allOf", "contradicts what stands beside it"),
    ({"type": "string", "enum": [1]}, "enum", "contradicts what stands beside it"),
    ({"type": "string", "pattern": "^a$", "minLength": 2}, "minLength", "contradicts"),
    ({"type": "integer", "minimum": 3, "maximum": 2}, "maximum", "contradicts"),
    (
        {"type": "number", "exclusiveMinimum": 0.1, "exclusiveMaximum": 0.10000000000000002},
        "exclusiveMaximum",
        "nothing that could be written",
    ),
    ({"type": "object", "properties": {"a": False}, "required": ["a"]}, "properties.a.false", "contradicts"),
    ({"type": "object", "minProperties": 3}, "minProperties", "made-up names"),
    ({"type": "object", "properties": {f"p{n}": True for n in range(1001)}}, "properties", "over 1000"),
]


@pytest.mark.parametrize(
    ("schema", "place", "why"), REFUSED, ids=[f"{place}: {why}" for _, place, why in REFUSED]
)
def test_a_refusal_names_place_and_reason(schema: Any, place: str, why: str) -> None:
    with pytest.raises(InvalidRequestError, match=rf"^schema\.{re.escape(place)}: .*{re.escape(why)}"):
        grammar("json_schema", schema)


@pytest.mark.parametrize(
    "schema", [5, "string", None, [], {"allOf": {}}, {"enum": {}}, {"const": 1, "type": {}}]
)
def test_what_is_no_schema_is_refused(schema: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^schema"):
        grammar("json_schema", schema)


def test_the_schema_that_admits_nothing_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"^schema\.false: contradicts"):
        grammar("json_schema", False)
