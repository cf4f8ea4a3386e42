"""What models and clients spell can be written down again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.messages.json_values import is_carried_by_json, parse_input

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
INPUTS = st.dictionaries(st.text(), VALUES, max_size=4)


@given(INPUTS, st.booleans())
def test_an_input_survives_its_text(value: dict[str, Any], is_escaped: bool) -> None:
    assert parse_input(json.dumps(value, ensure_ascii=is_escaped)) == value


@given(INPUTS, st.data())
def test_a_cut_input_is_read_as_far_as_it_goes(value: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(value)
    cut = text[: data.draw(st.integers(0, len(text)))]
    read = parse_input(cut, is_cut=True)
    assert set(read) <= set(value)
    assert all(read[name] == value[name] for name in list(read)[:-1])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": "\\ud800"}', "\ufffd"),
        ('{"a": "\\uDc00x"}', "\ufffdx"),
        ('{"a": "\\ud83d\\ude00"}', "\U0001f600"),
        ('{"a": "\\ude00\\ud83d"}', "\ufffd\ufffd"),
        ('{"a": "\\\\ud800"}', "\\ud800"),
        ('{"a": "\\\\\\ud800"}', "\\\ufffd"),
        ('{"a": 1e999}', 1.7976931348623157e308),
        ('{"a": [-1e999]}', [-1.7976931348623157e308]),
    ],
)
def test_what_no_text_can_carry_is_replaced(text: str, value: object) -> None:
    read = parse_input(text)
    assert read == {"a": value}
    assert json.loads(json.dumps(read).encode()) == read


@pytest.mark.parametrize(
    "text", ["", " ", "[]", '"a"', "{", '{"a"}', '{"a": 1', "{} {}", '{"a": NaN}', '{"a": ' + "[" * 500]
)
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_input(text)


@pytest.mark.parametrize(("value", "is_carried"), [({"a": [1.5, "x", None]}, True), ([float("inf")], False)])
def test_infinity_is_not_carried(value: object, is_carried: bool) -> None:
    assert is_carried_by_json(value) is is_carried
