from __future__ import annotations

import json
import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.engine.schemas.decimals import (
    Bound,
    as_decimal,
    is_apart,
    number_text,
    power_of_ten,
    spellings,
)
from caesura.messages.errors import InvalidRequestError
from tests.engine.schemas.texts import accepts, grammar

_DECIMALS = st.decimals(-2000, 2000, places=2) | st.integers(-30, 30).map(Decimal)
_NEAR = st.sampled_from(
    [Decimal(0), Decimal(1), Decimal("0.1"), Decimal("0.01"), Decimal("0.001"), Decimal(10)]
)


@settings(max_examples=80, deadline=None)
@given(
    bound=_DECIMALS,
    keyword=st.sampled_from(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]),
    kind=st.sampled_from(["number", "integer"]),
    step=_NEAR,
    is_up=st.booleans(),
)
def test_a_bound_divides_numbers_where_it_stands(
    bound: Decimal, keyword: str, kind: str, step: Decimal, is_up: bool
) -> None:
    found = grammar("json_schema", {"type": kind, keyword: float(bound)})
    value = bound + step if is_up else bound - step
    holds = {
        "minimum": value >= bound,
        "maximum": value <= bound,
        "exclusiveMinimum": value > bound,
        "exclusiveMaximum": value < bound,
    }[keyword]
    is_whole = value == value.to_integral_value()
    assert accepts(found, number_text(value)) == (holds and (kind == "number" or is_whole))


@given(value=_DECIMALS, zeros=st.integers(0, 3))
def test_a_number_is_met_in_all_its_spellings(value: Decimal, zeros: int) -> None:
    found = grammar("json_schema", {"type": "number", "not": {"const": float(value)}})
    text = format(value, "f")
    padded = text + "0" * zeros if "." in text else text
    assert not accepts(found, padded)
    assert accepts(found, format(value + 1, "f"))
    assert spellings(value)


def test_no_number_becomes_infinite_and_none_is_rounded_over_its_bound() -> None:
    free = grammar("json_schema", {"type": "number"})
    assert accepts(free, "6.02e23")
    assert not accepts(free, "1e400")
    assert not accepts(free, "9" * 40)
    below = grammar("json_schema", {"type": "number", "exclusiveMaximum": 1})
    assert accepts(below, "0.99999999999999")
    assert not accepts(below, "0." + "9" * 17)
    assert float("0." + "9" * 14) < 1


@settings(deadline=None)
@given(
    low=st.integers(-20, 20),
    high=st.integers(-20, 20),
    is_open=st.booleans(),
)
def test_bounds_are_apart_where_no_integer_lies_between(low: int, high: int, is_open: bool) -> None:
    first, last = (low + 1, high - 1) if is_open else (low, high)
    lower, upper = Bound(Fraction(low), is_open), Bound(Fraction(high), is_open)
    assert is_apart("integer", lower, upper) == (first > last)


@given(value=st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
def test_a_decimal_survives_as_a_fraction_and_as_text(value: Decimal) -> None:
    assert as_decimal(Fraction(value)) == value
    assert Decimal(json.loads(number_text(value), parse_float=str, parse_int=str)) == value
    assert Decimal(number_text(value, has_exponents=False)) == value


def test_powers_of_ten_are_recognised() -> None:
    assert [power_of_ten(Fraction(each)) for each in ("1", "1000", "0.01", "5", "0.02")] == [
        0,
        3,
        -2,
        None,
        None,
    ]
    assert math.isclose(float(as_decimal(Fraction(1, 8))), 0.125)


@settings(max_examples=60, deadline=None)
@given(
    low=st.integers(-30, 30) | st.sampled_from([-(10**15), 10**15 - 1, 10**15 + 7]),
    width=st.integers(-2, 3),
    is_low_open=st.booleans(),
    is_high_open=st.booleans(),
)
def test_a_range_of_integers_is_refused_exactly_where_it_holds_none(
    low: int, width: int, is_low_open: bool, is_high_open: bool
) -> None:
    schema = {
        "type": "integer",
        "exclusiveMinimum" if is_low_open else "minimum": low,
        "exclusiveMaximum" if is_high_open else "maximum": low + width,
    }
    first, last = low + is_low_open, low + width - is_high_open
    if first > last:
        with pytest.raises(InvalidRequestError, match="contradicts"):
            grammar("json_schema", schema)
        return
    found = grammar("json_schema", schema)
    told = [value for value in range(first - 2, last + 3) if accepts(found, str(value))]
    assert told == list(range(first, last + 1))


@pytest.mark.parametrize(
    ("bounds", "text", "is_allowed"),
    [
        ({}, "999999.99", True),
        # Some validators divide by 0.01 as a double, and find a rest.
        ({}, "9390771.37", False),
        ({"minimum": 5_000_000}, "9390771.37", True),
        ({"maximum": -5_000_000}, "-9390771.37", True),
        ({}, "0.001", False),
    ],
)
def test_amounts_are_small_enough_to_be_divided(bounds: dict[str, int], text: str, is_allowed: bool) -> None:
    assert (
        accepts(grammar("json_schema", {"type": "number", "multipleOf": 0.01, **bounds}), text) is is_allowed
    )
