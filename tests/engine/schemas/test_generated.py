"""Schemas made at random: whatever is written satisfies them, and nothing else is recognised."""

from __future__ import annotations

import json
import os
import random
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.schema_walks import judge
from caesura.messages.errors import InvalidRequestError
from tests.engine.schemas.texts import grammar_or_refusal, walker

NAMES = ["a", "b", "c", "é"]
WORDS = st.text('ab é"\\', max_size=4)
NUMBERS = st.integers(-12, 12) | st.sampled_from([0.5, -1.25, 2.75, 10.5])
SCALARS = st.none() | st.booleans() | NUMBERS | WORDS
VALUES = st.recursive(
    SCALARS,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.sampled_from(NAMES), part, max_size=3),
    max_leaves=6,
)
Schemas = st.SearchStrategy[Any]


def _some_of(**keywords: Schemas) -> Schemas:
    return st.fixed_dictionaries({}, optional=keywords)


COUNTS = st.integers(0, 3)
STRINGS = _some_of(
    minLength=COUNTS,
    maxLength=COUNTS,
    pattern=st.sampled_from(["a", "^a*$", "b$", "^[^b]", r"^\w+$", "^(a|é){1,2}$"]),
    format=st.sampled_from(["date", "ipv4", "uuid", "colour"]),
)
BOUNDS = _some_of(
    minimum=NUMBERS,
    maximum=NUMBERS,
    exclusiveMinimum=NUMBERS,
    exclusiveMaximum=NUMBERS,
    multipleOf=st.sampled_from([1, 2, 3, 5, 10, 0.5, 1.5]),
)


def _larger(part: Schemas) -> Schemas:
    parts = st.lists(part, min_size=1, max_size=3)
    named = st.dictionaries(st.sampled_from(NAMES), part, max_size=3)
    objects = _some_of(
        properties=named,
        patternProperties=st.dictionaries(st.sampled_from(["^a", "b", "é$"]), part, max_size=2),
        additionalProperties=part,
        required=st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
        propertyNames=st.sampled_from([{"maxLength": 1}, {"enum": NAMES[:2]}, {"pattern": "^[ab]+$"}]),
        minProperties=COUNTS,
        maxProperties=COUNTS,
        dependentRequired=st.just({"a": ["b"]}),
        unevaluatedProperties=st.booleans(),
    )
    arrays = _some_of(
        items=part,
        prefixItems=parts,
        minItems=COUNTS,
        maxItems=COUNTS,
        contains=part,
        uniqueItems=st.booleans(),
        unevaluatedItems=st.booleans(),
    )
    combined = (
        st.fixed_dictionaries({"allOf": parts})
        | st.fixed_dictionaries({"anyOf": parts})
        | st.fixed_dictionaries({"oneOf": parts})
        | st.fixed_dictionaries({"not": part})
        | st.fixed_dictionaries({"if": part, "then": part, "else": part})
    )
    typed = st.tuples(st.sampled_from(["object", "array"]), objects, arrays).map(
        lambda drawn: {"type": drawn[0], **(drawn[1] if drawn[0] == "object" else drawn[2])}
    )
    return typed | typed | combined | st.tuples(typed, combined).map(lambda pair: {**pair[0], **pair[1]})


LEAVES = (
    st.booleans()
    | STRINGS.map(lambda each: {"type": "string", **each})
    | BOUNDS.map(lambda each: {"type": "number", **each})
    | BOUNDS.map(lambda each: {"type": "integer", **each})
    | st.lists(VALUES, min_size=1, max_size=4).map(lambda each: {"enum": each})
    | VALUES.map(lambda each: {"const": each})
    | st.sampled_from([{"$ref": "#/$defs/list"}, {"type": ["null", "boolean"]}])
)
LIST = {"type": "object", "properties": {"value": {"type": "integer"}, "next": {"$ref": "#/$defs/list"}}}
SCHEMAS = st.recursive(LEAVES, _larger, max_leaves=8).map(
    lambda each: {**each, "$defs": {"list": LIST}} if isinstance(each, dict) else each
)


def _check_yaml(schema: Any, seed: int) -> None:
    found = grammar_or_refusal("yaml", schema)
    if isinstance(found, InvalidRequestError):
        assert found.message.startswith("schema")
        return
    text = walker.write(found, random.Random(seed), max_tokens=400)
    if text is not None:
        why = judge(schema)(yaml.safe_load(text))
        assert why is None, f"{text}: {why}"


def _check(schema: Any, value: Any, seed: int) -> None:
    found = grammar_or_refusal("json_schema", schema)
    if isinstance(found, InvalidRequestError):
        assert found.message.startswith("schema.")
        return
    complaint, dice = judge(schema), random.Random(seed)
    for _ in range(2):
        text = walker.write(found, dice, max_tokens=400)
        if text is not None:
            why = complaint(json.loads(text))
            assert why is None, f"{text}: {why}"
    if walker.admits(found, value):
        assert complaint(value) is None, f"it admits {value!r}"


# More of them: CAESURA_SCHEMA_EXAMPLES=5000 pytest tests/engine/schemas/test_generated.py
NUM_EXAMPLES = int(os.environ.get("CAESURA_SCHEMA_EXAMPLES", "120"))


@settings(max_examples=NUM_EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schema=SCHEMAS, value=VALUES, seed=st.integers(0, 99))
def test_what_is_written_or_recognised_satisfies_the_schema(schema: Any, value: Any, seed: int) -> None:
    _check(schema, value, seed)


@settings(max_examples=NUM_EXAMPLES // 3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schema=SCHEMAS, seed=st.integers(0, 99))
def test_yaml_reads_back_as_what_satisfies_the_schema(schema: Any, seed: int) -> None:
    _check_yaml(schema, seed)
