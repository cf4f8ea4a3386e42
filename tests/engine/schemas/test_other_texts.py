"""XML and YAML: read back by others, they are values that satisfy the schema."""

from __future__ import annotations

import json
import re
from typing import Any, cast
from xml.etree import ElementTree

import pytest
import yaml

from bench.schema_walks import judge
from caesura.engine.schemas.yaml_text import MAX_LEVELS
from caesura.messages.errors import InvalidRequestError
from tests.engine.schemas.texts import accepts, grammar, written

ODD = 'a\x7f\x85\u2028\ufeff"\\\n: #é😀'
ORDER: dict[str, Any] = {
    "title": "order",
    "type": "object",
    "properties": {
        "id": {"type": "integer", "minimum": 1},
        "name": {"type": "string", "maxLength": 8},
        "price": {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.5},
        "paid": {"type": "boolean"},
        "note": {"type": ["string", "null"]},
        "kinds": {"type": "array", "items": {"enum": ["a", "b & c", None]}, "uniqueItems": True},
        "lines": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {"sku": {"pattern": "^[A-Z]{2}<?$", "type": "string"}},
                "required": ["sku"],
            },
        },
    },
    "required": ["id", "name", "lines"],
}
TREE = {
    "type": "object",
    "properties": {"value": {"type": "integer"}, "more": {"type": "array", "items": {"$ref": "#"}}},
}
YAML_SCHEMAS: list[Any] = [
    ORDER,
    TREE,
    True,
    {"type": "array", "items": {"type": "array", "items": {"type": "array"}}},
    {
        "type": "object",
        "additionalProperties": {"type": "object", "additionalProperties": {"type": "number"}},
    },
    {"type": "string"},
    {"const": {"yes": "no", "null": None, "a b": "2020-01-01", "1": 1.0, ODD: [ODD, "", "~", {}, []]}},
    {"type": "array", "items": {"type": "integer"}, "contains": {"const": 7}, "minItems": 2},
    {"type": "array", "items": {"enum": [1, "x", None]}, "uniqueItems": True, "minItems": 2},
]


def _value(element: ElementTree.Element, schema: Any) -> Any:
    """An element read back by its schema."""
    if element.get("nil") == "true":
        return None
    types = schema.get("type", "string")
    match types if isinstance(types, str) else types[0]:
        case "object":
            return {each.tag: _value(each, schema["properties"][each.tag]) for each in element}
        case "array":
            items = schema["items"]
            return [_value(each, TREE if items == {"$ref": "#"} else items) for each in element]
        case "integer" | "number" | "boolean":
            return json.loads(cast(str, element.text))
        case _:
            return element.text or ""


@pytest.mark.parametrize("schema", [ORDER, TREE], ids=["order", "tree"])
def test_xml_reads_back_as_what_satisfies_the_schema(schema: Any) -> None:
    complaint = judge(schema)
    for text in written(grammar("xml", schema), 12):
        root = ElementTree.fromstring(text)
        assert root.tag == schema.get("title", "answer")
        value = _value(root, schema)
        assert complaint(value) is None, f"{text} is {value}"


def test_xml_escapes_and_has_one_form_for_each_value() -> None:
    found = grammar(
        "xml", {"type": "object", "properties": {"a": {"const": "<&>\"'"}, "b": {"type": "null"}}}
    )
    assert accepts(found, '<answer>\n  <a>&lt;&amp;&gt;"\'</a>\n  <b nil="true"/>\n</answer>')
    assert accepts(found, "<answer></answer>")
    assert not accepts(found, "<answer><a><&>\"'</a></answer>")


@pytest.mark.parametrize(
    ("schema", "place", "why"),
    [
        ({"type": ["string", "integer"]}, "type", "apart"),
        (True, "type", "apart"),
        ({"type": "object", "properties": {"a b": True}}, "properties.a b", "no name of an XML element"),
        ({"type": "object", "properties": {"xmlns": True}}, "properties.xmlns", "no name of an XML element"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "type", "made-up names"),
        ({"const": "\0"}, "type", "cannot write"),
    ],
)
def test_what_xml_cannot_say_is_refused(schema: Any, place: str, why: str) -> None:
    with pytest.raises(InvalidRequestError, match=rf"^schema\.{re.escape(place)}: .*{why}"):
        grammar("xml", schema)


@pytest.mark.parametrize("schema", YAML_SCHEMAS, ids=range(len(YAML_SCHEMAS)))
def test_yaml_reads_back_as_what_satisfies_the_schema(schema: Any) -> None:
    complaint = judge(schema)
    for text in written(grammar("yaml", schema), 8):
        value = yaml.safe_load(text)
        assert complaint(value) is None, f"{text} is {value!r}"


def test_yaml_is_written_in_blocks() -> None:
    found = grammar("yaml", ORDER)
    assert accepts(found, 'id: 1\nname: "x"\nlines:\n  - sku: "AB"\n  - sku: "CD<"\n')
    assert accepts(found, 'id: 1\nname: "x"\nkinds:\n  - "a"\n  - null\nlines:\n  - sku: "AB"\n')
    assert not accepts(found, 'id: 1\nname: x\nlines:\n  - sku: "AB"\n')
    assert not accepts(found, '{id: 1, name: "x", lines: [{sku: "AB"}]}\n')


def test_yaml_leaves_out_what_nests_too_deep_and_refuses_what_must() -> None:
    deepest = max(text.count("more:") for text in written(grammar("yaml", TREE), 30))
    assert deepest <= MAX_LEVELS
    schema: Any = {"const": 1}
    for _ in range(MAX_LEVELS + 1):
        schema = {"type": "array", "items": schema, "minItems": 1}
    with pytest.raises(InvalidRequestError, match=f"over {MAX_LEVELS} levels deep"):
        grammar("yaml", schema)
