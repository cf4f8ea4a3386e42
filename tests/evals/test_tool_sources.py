"""Items of public sets: their schemas and calls as JSON has them, and no request that was trained on."""

from __future__ import annotations

import jsonschema
import pytest

from caesura.evals.tool_sources import bfcl_items, is_kept_for_measuring, metatool_items, python_call

FUNCTION = {
    "name": "math.mul",
    "description": "Multiplies.",
    "parameters": {
        "type": "dict",
        "properties": {
            "rows": {"type": "array", "items": {"type": "float"}},
            "pair": {"type": "tuple", "items": {"type": "integer"}, "default": [1, 2]},
        },
        "required": ["rows"],
    },
}
QUERIES = [{"id": f"mt-{number}", "query": f"Can you do {number}?", "tool": "T0"} for number in range(200)]
DESCRIPTIONS = {f"T{number}": f"Does {number}." for number in range(9)}


def test_a_function_and_its_answer_become_a_tool_and_a_call_that_fits_it() -> None:
    rows = [{"id": "a", "question": [[{"role": "user", "content": "2?"}]], "function": [FUNCTION]}]
    answers = [{"id": "a", "ground_truth": ["math.mul(rows=[1, 2.5], pair=(3, -4))"]}]
    (item,) = bfcl_items(rows, answers)
    (tool,) = item.conversation.tools
    (call,) = item.calls
    assert tool.name == call.name == "math_mul"
    assert call.arguments == {"rows": [1, 2.5], "pair": [3, -4]}
    jsonschema.Draft202012Validator.check_schema(tool.input_schema)
    assert jsonschema.Draft202012Validator(tool.input_schema).is_valid(dict(call.arguments))


def test_a_row_without_an_answer_is_left_out() -> None:
    rows = [{"id": "a", "question": [[{"role": "user", "content": "2?"}]], "function": [FUNCTION]}]
    assert bfcl_items(rows, []) == []


def test_a_call_with_arguments_that_have_no_name_is_refused() -> None:
    with pytest.raises(ValueError, match="named arguments"):
        python_call("f(1)")


def test_requests_that_are_asked_are_those_kept_for_measuring() -> None:
    items = metatool_items(QUERIES, DESCRIPTIONS, 9)
    by_id = {row["id"]: row["query"] for row in QUERIES}
    asked = [by_id[item.id.removeprefix("metatool/")] for item in items]
    assert asked
    assert all(map(is_kept_for_measuring, asked))
    assert 0.03 < sum(is_kept_for_measuring(row["query"]) for row in QUERIES) / len(QUERIES) < 0.2


def test_for_every_third_request_the_tool_is_not_there() -> None:
    for at, item in enumerate(metatool_items(QUERIES, DESCRIPTIONS, 9)):
        names = [tool.name for tool in item.conversation.tools]
        assert len(set(names)) == 4
        assert ("T0" in names) is (at % 3 != 2) is bool(item.calls)
