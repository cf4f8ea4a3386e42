"""Keyword by keyword: what a grammar admits, and what it does not."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import pytest

from bench.schema_walks import judge
from tests.engine.schemas.texts import accepts, grammar, walker, written

Schema = Any

# A schema, values that it admits (written in the order of its properties), and values that it does not.
CASES: list[tuple[str, Schema, list[Any], list[Any]]] = [
    ("type", {"type": "integer"}, [0, -7, 123456789], [1.5, "1", True, None]),
    ("several types", {"type": ["null", "string"]}, [None, "x"], [1, False, [], {}]),
    ("true", True, [None, 1, "x", [1], {"a": {}}], []),
    (
        "enum",
        {"enum": ["a", 1, None, [1, "b"], {"k": [True]}]},
        ["a", 1, None, [1, "b"], {"k": [True]}],
        ["b", 2, True, [1], [1, "b", 1], {"k": [False]}, {}],
    ),
    ("const", {"const": {"a": [1.5]}}, [{"a": [1.5]}], [{"a": [1]}, {"a": []}, {}, {"a": [1.5], "b": 1}]),
    ("const with odd characters", {"const": 'a"\\\n\x00\x7f\u2028é😀'}, ['a"\\\n\x00\x7f\u2028é😀'], ["a"]),
    ("minimum", {"type": "number", "minimum": -1.25}, [-1.25, -1.2, 0, 99], [-1.26, -2]),
    ("maximum", {"type": "integer", "maximum": 100}, [100, 99, -5], [101, 1000]),
    ("exclusiveMinimum", {"type": "number", "exclusiveMinimum": 0}, [0.001, 5], [0, -0.001]),
    ("exclusiveMaximum", {"type": "integer", "exclusiveMaximum": 10}, [9], [10]),
    ("exclusiveMinimum as a switch", {"type": "integer", "minimum": 3, "exclusiveMinimum": True}, [4], [3]),
    ("both bounds", {"type": "integer", "minimum": 9, "maximum": 11}, [9, 10, 11], [8, 12, 1, 90]),
    ("multipleOf", {"type": "integer", "multipleOf": 7}, [0, 7, -14, 700], [1, 6, 71]),
    ("multipleOf ten", {"type": "integer", "multipleOf": 100}, [0, 100, -2300], [10, 150]),
    ("multipleOf a binary fraction", {"type": "number", "multipleOf": 1.5}, [0, 1.5, 3], [1, 2.5]),
    (
        "multipleOf a power of ten below one",
        {"type": "number", "multipleOf": 0.01},
        [0, 0.07, -0.29, 1.1, 12, 19.99],
        [0.001, 1.125],
    ),
    (
        "multipleOf a power of ten, bounded",
        {"type": "number", "multipleOf": 0.1, "minimum": 0.3, "exclusiveMaximum": 1},
        [0.3, 0.7, 0.9],
        [0.2, 0.35, 1],
    ),
    (
        "multipleOf two powers of ten",
        {"multipleOf": 0.01, "allOf": [{"multipleOf": 0.0001}], "type": "number"},
        [0.07],
        [0.0007],
    ),
    ("multipleOf a decimal, of integers", {"type": "integer", "multipleOf": 0.01}, [0, 5], [0.5]),
    ("minLength", {"type": "string", "minLength": 2}, ["ab", "é😀"], ["", "a", "😀"]),
    ("maxLength", {"type": "string", "maxLength": 2}, ["", "é😀", "\n\n"], ["abc"]),
    ("pattern", {"type": "string", "pattern": "b+"}, ["b", "abba"], ["", "aa"]),
    ("anchored pattern", {"type": "string", "pattern": "^a?$|^c"}, ["", "a", "cd"], ["b", "aa"]),
    ("items", {"type": "array", "items": {"type": "integer"}}, [[], [1], [1, 2]], [["a"], [1, None]]),
    (
        "prefixItems",
        {"type": "array", "prefixItems": [{"const": 1}, {"const": 2}]},
        [[], [1], [1, 2], [1, 2, "x"]],
        [[2], [1, 1]],
    ),
    (
        "items after prefixItems",
        {"type": "array", "prefixItems": [{"const": 1}], "items": False},
        [[], [1]],
        [[1, 2]],
    ),
    (
        "items as a list",
        {"type": "array", "items": [{"const": 1}], "additionalItems": {"const": 2}},
        [[], [1], [1, 2, 2]],
        [[2], [1, 1]],
    ),
    (
        "minItems, maxItems",
        {"type": "array", "items": {"const": 1}, "minItems": 1, "maxItems": 2},
        [[1], [1, 1]],
        [[], [1, 1, 1]],
    ),
    (
        "uniqueItems",
        {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True},
        [[], ["a"], ["b", "a"]],
        [["a", "a"], ["a", "b", "a"]],
    ),
    (
        "uniqueItems with a count",
        {"type": "array", "items": {"enum": [1, 2, 3]}, "uniqueItems": True, "minItems": 2, "maxItems": 2},
        [[1, 3], [3, 2]],
        [[1], [1, 1], [1, 2, 3]],
    ),
    ("contains", {"type": "array", "contains": {"const": 1}}, [[1], ["a", 1]], [[], ["a"]]),
    (
        "minContains, maxContains",
        {
            "type": "array",
            "items": {"type": "integer"},
            "contains": {"const": 1},
            "minContains": 2,
            "maxContains": 2,
            "maxItems": 4,
        },
        [[1, 1], [1, 5, 1]],
        [[1], [1, 1, 1], [5]],
    ),
    (
        "required",
        {"type": "object", "properties": {"a": {"const": 1}, "b": {"const": 2}}, "required": ["b"]},
        [{"b": 2}, {"a": 1, "b": 2}],
        [{}, {"a": 1}],
    ),
    ("required without a schema", {"type": "object", "required": ["x"]}, [{"x": 1}], [{}, {"y": 1}]),
    (
        "additionalProperties",
        {"type": "object", "properties": {"a": {"const": 1}}, "additionalProperties": {"const": 2}},
        [{}, {"a": 1, "z": 2}, {"z": 2}],
        [{"z": 3}, {"a": 2}],
    ),
    (
        "no additionalProperties",
        {"type": "object", "properties": {"a": True}, "additionalProperties": False},
        [{}, {"a": None}],
        [{"b": 1}],
    ),
    (
        "patternProperties",
        {"type": "object", "patternProperties": {"^n": {"type": "integer"}}, "additionalProperties": False},
        [{}, {"n1": 1, "no": 2}],
        [{"n1": "x"}, {"m": 1}],
    ),
    (
        "pattern beside a name",
        {
            "type": "object",
            "properties": {"no": {"minimum": 5}},
            "patternProperties": {"^n": {"type": "integer"}},
        },
        [{"no": 5}],
        [{"no": 4}, {"no": "x"}],
    ),
    (
        "propertyNames",
        {"type": "object", "propertyNames": {"pattern": "^[a-z]$"}},
        [{}, {"a": 1}],
        [{"ab": 1}],
    ),
    (
        "minProperties",
        {
            "type": "object",
            "properties": {"a": {"const": 1}, "b": {"const": 1}},
            "additionalProperties": False,
            "minProperties": 1,
        },
        [{"a": 1}, {"b": 1}, {"a": 1, "b": 1}],
        [{}],
    ),
    ("maxProperties", {"type": "object", "maxProperties": 1}, [{}, {"a": 1}], [{"a": 1, "b": 2}]),
    (
        "dependentRequired",
        {
            "type": "object",
            "properties": {"a": {"const": 1}, "b": {"const": 2}},
            "dependentRequired": {"a": ["b"]},
        },
        [{}, {"b": 2}, {"a": 1, "b": 2}],
        [{"a": 1}],
    ),
    (
        "dependentSchemas",
        {
            "type": "object",
            "properties": {"a": {"const": 1}, "b": {"type": "integer"}},
            "dependentSchemas": {"a": {"properties": {"b": {"minimum": 5}}}},
        },
        [{"b": 1}, {"a": 1, "b": 5}],
        [{"a": 1, "b": 4}],
    ),
    (
        "dependencies",
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": {"a": True, "b": True},
            "dependencies": {"a": ["b"]},
        },
        [{"b": 1}, {"a": 1, "b": 1}],
        [{"a": 1}],
    ),
    (
        "pattern and length",
        {"type": "string", "pattern": "^a*$", "minLength": 2, "maxLength": 3},
        ["aa", "aaa"],
        ["a", "aaaa", "ab"],
    ),
    ("format", {"type": "string", "format": "date"}, ["2024-02-29"], ["2023-02-29", "today"]),
    ("unknown format", {"type": "string", "format": "colour"}, ["anything"], [1]),
    ("allOf", {"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 4}]}, [3, 4], [2, 5, "x"]),
    ("anyOf", {"anyOf": [{"type": "string", "maxLength": 1}, {"const": 5}]}, ["", "a", 5], ["ab", 6]),
    ("oneOf apart", {"oneOf": [{"type": "string"}, {"type": "integer"}]}, ["a", 1], [1.5, None]),
    (
        "oneOf that overlaps",
        {"type": "integer", "oneOf": [{"minimum": 5}, {"maximum": 9}]},
        [4, 10],
        [5, 7, 9],
    ),
    (
        "oneOf with patterns",
        {"type": "string", "oneOf": [{"pattern": "a"}, {"pattern": "b"}]},
        ["a", "xb"],
        ["ab", "", "c"],
    ),
    ("not", {"type": "string", "not": {"enum": ["a", "b"]}}, ["", "c", "ab"], ["a", "b"]),
    ("not a type", {"not": {"type": ["string", "object", "array"]}}, [1, None, True], ["a", [], {}]),
    ("not a pattern", {"type": "string", "not": {"pattern": "a"}}, ["b", ""], ["a", "ba"]),
    (
        "not required",
        {"type": "object", "properties": {"a": True}, "not": {"required": ["a"]}},
        [{}],
        [{"a": 1}],
    ),
    (
        "if, then, else",
        {"type": "integer", "if": {"minimum": 10}, "then": {"maximum": 12}, "else": {"const": 3}},
        [10, 12, 3],
        [13, 9, 4],
    ),
    (
        "unevaluatedProperties",
        {
            "type": "object",
            "properties": {"a": True},
            "allOf": [{"properties": {"b": True}}],
            "unevaluatedProperties": False,
        },
        [{}, {"a": 1, "b": 2}],
        [{"c": 1}],
    ),
    (
        "unevaluatedItems",
        {"type": "array", "prefixItems": [True], "unevaluatedItems": False},
        [[], [1]],
        [[1, 2]],
    ),
    ("$ref", {"$ref": "#/$defs/a", "$defs": {"a": {"const": 5}}}, [5], [6]),
    (
        "$ref beside a keyword",
        {"$ref": "#/$defs/a", "maximum": 4, "$defs": {"a": {"type": "integer"}}},
        [4],
        [5],
    ),
    (
        "$ref in draft 7",
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "$ref": "#/definitions/a",
            "maximum": 4,
            "definitions": {"a": {"type": "integer"}},
        },
        [5],
        [1.5],
    ),
    ("$anchor", {"$ref": "#here", "$defs": {"a": {"$anchor": "here", "const": 5}}}, [5], [6]),
    ("$id", {"$id": "http://x/root", "$ref": "part", "$defs": {"a": {"$id": "part", "const": 5}}}, [5], [6]),
    ("an escaped pointer", {"$ref": "#/$defs/a~1b%25~0", "$defs": {"a/b%~": {"const": 5}}}, [5], [6]),
    (
        "recursion",
        {
            "$ref": "#/$defs/tree",
            "$defs": {
                "tree": {
                    "type": "object",
                    "properties": {"left": {"$ref": "#/$defs/tree"}, "value": {"type": "integer"}},
                    "required": ["value"],
                }
            },
        },
        [{"value": 1}, {"left": {"left": {"value": 3}, "value": 2}, "value": 1}],
        [{}, {"left": {}, "value": 1}],
    ),
]


@pytest.mark.parametrize(
    ("schema", "admitted", "banned"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_a_keyword_admits_what_it_allows_and_nothing_else(
    schema: Schema, admitted: list[Any], banned: list[Any]
) -> None:
    found, complaint = grammar("json_schema", schema), judge(schema)
    for value in admitted:
        assert complaint(value) is None, f"the case itself is wrong: {value!r}"
        assert accepts(found, json.dumps(value, ensure_ascii=False)), value
    for value in banned:
        assert complaint(value) is not None, f"the case itself is wrong: {value!r}"
        assert not accepts(found, json.dumps(value, ensure_ascii=False)), value


@pytest.mark.parametrize("schema", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_whatever_is_written_satisfies_the_schema(schema: Schema) -> None:
    complaint = judge(schema)
    for text in written(grammar("json_schema", schema)):
        assert complaint(json.loads(text)) is None, text


# Since draft 2019-09 nobody need check these, so `jsonschema` is no judge.
@pytest.mark.parametrize(
    ("keyword", "value", "admitted", "banned"),
    [
        ("contentEncoding", "base64", ["", "YWI=", "YWJj"], ["YWI", "%", "YWI=YWI="]),
        ("contentEncoding", "quoted-printable", ["%"], []),
        ("contentMediaType", "application/json", ["{}", '{"a": [1, null]}', "-1.5"], ["{:}", "", "[1,]"]),
        ("contentMediaType", "text/html", ["<p"], []),
    ],
)
def test_a_string_holds_what_it_is_said_to_hold(
    keyword: str, value: str, admitted: list[str], banned: list[str]
) -> None:
    found = grammar("json_schema", {"type": "string", keyword: value})
    assert all(accepts(found, json.dumps(text)) for text in admitted)
    assert not any(accepts(found, json.dumps(text)) for text in banned)
    texts = [json.loads(text) for text in written(found)]
    if value == "base64":
        assert all(base64.b64decode(text, validate=True) is not None for text in texts)
    if value == "application/json":
        assert [json.loads(text) for text in texts]


def test_many_patterns_are_told_apart_without_exhaustion() -> None:
    words = ("customer", "maker", "operator", "admin", "designer")
    schema = {"type": "string", "oneOf": [{"pattern": word} for word in words]}
    assert accepts(grammar("json_schema", schema), '"the maker"')
    assert not accepts(grammar("json_schema", schema), '"customer, maker"')
    for seed in range(3):
        # It raises where the grammar breaks; that such a text ends is not to be expected.
        walker.write(grammar("json_schema", schema), random.Random(seed), max_tokens=40)


def test_properties_come_in_the_order_of_the_schema() -> None:
    found = grammar("json_schema", {"type": "object", "properties": {"b": True, "a": True}})
    assert accepts(found, '{"b": 1, "a": 2}')
    assert not accepts(found, '{"a": 2, "b": 1}')
    assert not accepts(found, '{"b": 1, "b": 2}')


def test_where_properties_are_named_no_others_are_made_up() -> None:
    named = grammar("json_schema", {"type": "object", "properties": {"a": True}})
    assert not accepts(named, '{"other": 1}')
    assert accepts(grammar("json_schema", {"type": "object"}), '{"other": 1}')


def test_optional_parts_that_can_never_be_completed_are_left_out() -> None:
    endless = {
        "type": "object",
        "properties": {"self": {"$ref": "#"}, "a": {"const": 1}},
        "required": ["self"],
    }
    found = grammar(
        "json_schema",
        {
            "type": "object",
            "properties": {"x": {"$ref": "#/$defs/e"}, "y": True},
            "$defs": {"e": {**endless, "properties": {"self": {"$ref": "#/$defs/e"}}}},
        },
    )
    assert accepts(found, '{"y": 1}')
    assert not accepts(found, '{"x": ')


def test_white_space_is_what_formatters_write() -> None:
    found = grammar("json_schema", {"type": "object", "properties": {"a": {"type": "array"}, "b": True}})
    value = {"a": [1, {"c": 2}], "b": None}
    assert accepts(found, json.dumps(value))
    assert accepts(found, json.dumps(value, separators=(",", ":")))
    assert accepts(found, json.dumps(value, indent=2))
    assert not accepts(found, '{\n\n\n"a"')
