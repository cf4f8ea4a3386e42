"""Numbers as text: regular expressions for what lies above or below a bound.

What is written stays in reach of everyone who reads it: an integer has at most 19 digits, a number with
bounds at most 15 (so many survive a double, in order), any other is below 1e120. So no number turns into
infinity, and none is rounded over its bound. An exponent is written only where there are no bounds.
Enters: bounds as fractions. Leaves: a terminal of a Lark grammar. Read next: `clauses.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

MAX_DIGITS = 15
_MAX_INTEGER_DIGITS = 19

NumberKind = Literal["any", "integer", "fraction"]

_FREE = {
    "any": r"-?(?:0|[1-9][0-9]{0,18})(?:\.[0-9]{1,17})?(?:[eE][+\-]?[0-9]{1,2})?",
    "integer": r"-?(?:0|[1-9][0-9]{0,18})",
    "fraction": r"-?(?:0|[1-9][0-9]{0,13})\.[0-9]{0,14}[1-9]",
}
# A listed value that is longer than this is written with an exponent.
_MAX_PLAIN = 40
_FEW_DIGITS = rf"-?[0-9](?:\.?[0-9]){{0,{MAX_DIGITS - 1}}}"
_SMALL = r"-?[0-9]{1,6}(?:\.[0-9]+)?"
_SMALL_END = 10**6
_FORMS = {
    "any": r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?",
    "integer": rf"-?(?:0|[1-9][0-9]{{0,{_MAX_INTEGER_DIGITS - 1}}})",
    "fraction": r"-?(?:0|[1-9][0-9]*)\.[0-9]*[1-9]",
}


@dataclass(frozen=True, slots=True)
class Bound:
    """An end of a range.

    value: the number. is_open: whether the number itself lies outside.
    """

    value: Fraction
    is_open: bool = False


def number_text(value: Decimal, *, has_exponents: bool = True) -> str:
    """A number as JSON writes it, with all its digits; an integer without a point."""
    plain = format(value, "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    if not has_exponents or len(plain) <= _MAX_PLAIN:
        return plain
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    kept = "".join(map(str, digits)).lstrip("0").rstrip("0")
    power = value.adjusted()
    mantissa = f"{kept[0]}.{kept[1:]}" if len(kept) > 1 else kept
    return f"{'-' if sign else ''}{mantissa}e{power}"


def number_regexes(kind: NumberKind, low: Bound | None, high: Bound | None, power: int | None) -> list[str]:
    """Regular expressions that a number must all match.

    power: it is a multiple of ten to this power; None: of nothing.
    """
    limits = [_beyond(low, is_above=True)] if low else []
    limits += [_beyond(high, is_above=False)] if high else []
    limits += [_multiples(power)] if power is not None else []
    if not limits:
        return [_FREE[kind]]
    if kind == "integer":
        # A multiple is divided as a double by some, where more digits are lost.
        return [
            rf"-?(?:0|[1-9][0-9]{{0,{MAX_DIGITS - 1}}})" if power and power > 0 else _FORMS[kind],
            *limits,
        ]
    few = [_FEW_DIGITS]
    if power is not None and power < 0 and _reaches_small(low, high):
        # Some divide a multiple as a double, where large ones leave a rest.
        few.append(_SMALL)
    return [_FORMS[kind], *few, *limits]


def _reaches_small(low: Bound | None, high: Bound | None) -> bool:
    """Whether numbers of few digits before the point lie between the bounds."""
    return not (low and low.value >= _SMALL_END) and not (high and high.value <= -_SMALL_END)


def is_apart(kind: NumberKind, low: Bound | None, high: Bound | None) -> bool:
    """Whether no number lies between the bounds."""
    if low is None or high is None:
        return False
    if kind == "integer":
        first = math.floor(low.value) + 1 if low.is_open else math.ceil(low.value)
        last = math.ceil(high.value) - 1 if high.is_open else math.floor(high.value)
        return first > last
    return low.value > high.value or (low.value == high.value and (low.is_open or high.is_open))


def spellings(value: Decimal) -> str:
    """A regular expression for every way in which a number is written without an exponent."""
    digits = format(abs(value), "f")
    whole, _, fraction = digits.partition(".")
    fraction = fraction.rstrip("0")
    zeros = rf"(?:\.{fraction}0*)" if fraction else r"(?:\.0+)?"
    sign = "-?" if not value else "-" if value < 0 else ""
    return f"{sign}{whole}{zeros}"


def power_of_ten(value: Fraction) -> int | None:
    """The power of ten that a number is; None if it is none."""
    power = 0
    while value > 1:
        value, power = value / 10, power + 1
    while value < 1:
        value, power = value * 10, power - 1
    return power if value == 1 else None


def _multiples(power: int) -> str:
    if power <= 0:
        fraction = rf"(?:\.[0-9]{{1,{-power}}}0*)?" if power else r"(?:\.0+)?"
        return rf"-?[0-9]+{fraction}"
    return rf"-?(?:0|[1-9][0-9]*0{{{power}}})(?:\.0+)?"


def _beyond(bound: Bound, *, is_above: bool) -> str:
    """All numbers on one side of a bound, in decimal notation."""
    magnitude, digits = _digits(bound.value)
    is_negative = bound.value < 0
    larger = _compared(magnitude, digits, is_larger=True, has_equal=not bound.is_open)
    smaller = _compared(magnitude, digits, is_larger=False, has_equal=not bound.is_open)
    if is_above:
        signed = _signed(smaller) if is_negative else []
        return _either([_ANY_MAGNITUDE, *signed] if is_negative else [larger])
    if is_negative:
        return _either(_signed(larger))
    return _either([rf"-{_ANY_MAGNITUDE}", smaller])


_ANY_MAGNITUDE = r"[0-9]+(?:\.[0-9]+)?"


def _signed(magnitude: str) -> list[str]:
    return [f"-(?:{magnitude})"]


def _either(options: Iterable[str]) -> str:
    return f"(?:{'|'.join(options)})"


def _digits(value: Fraction) -> tuple[str, str]:
    """Digits before and after the point of a number's magnitude; no zeros at the end."""
    text = format(abs(as_decimal(value)), "f")
    whole, _, fraction = text.partition(".")
    return whole.lstrip("0") or "0", fraction.rstrip("0")


def as_decimal(value: Fraction) -> Decimal:
    """The same number in decimal notation; every number of a schema has one."""
    numerator, scale = value.numerator, value.denominator
    places = 0
    while scale % 10 == 0:
        scale, places = scale // 10, places + 1
    while scale % 2 == 0:
        scale, numerator, places = scale // 2, numerator * 5, places + 1
    while scale % 5 == 0:
        scale, numerator, places = scale // 5, numerator * 2, places + 1
    if scale != 1:
        raise ValueError(f"{value} is no decimal number")
    sign, digits, _ = Decimal(numerator).as_tuple()
    return Decimal((sign, digits, -places))


def _compared(whole: str, fraction: str, *, is_larger: bool, has_equal: bool) -> str:
    """Magnitudes larger, or smaller, than the one with these digits."""
    any_fraction = r"(?:\.[0-9]+)?"
    options = [f"{head}{any_fraction}" for head in _wholes(whole, is_larger=is_larger)]
    tails = _fractions(fraction, is_larger=is_larger, has_equal=has_equal)
    if tails:
        options.append(f"{whole}{_either(tails)}")
    return _either(options) if options else r"[^\s\S]"


def _wholes(whole: str, *, is_larger: bool) -> list[str]:
    """Digits before the point that are larger, or smaller, than these."""
    size = len(whole)
    options = [rf"[1-9][0-9]{{{size},}}"] if is_larger else []
    if not is_larger and size > 1:
        options.append("0" if size == 2 else rf"(?:0|[1-9][0-9]{{0,{size - 2}}})")
        options += ["[1-9]"] if size == 2 else []
    for at, digit in enumerate(whole):
        low, high = (int(digit) + 1, 9) if is_larger else (0, int(digit) - 1)
        low = max(low, 1) if at == 0 and size > 1 else low
        if low <= high:
            options.append(f"{whole[:at]}[{low}-{high}][0-9]{{{size - at - 1}}}")
    return options


def _fractions(fraction: str, *, is_larger: bool, has_equal: bool) -> list[str]:
    """What follows the point, the point included, where the digits before it are equal."""
    options: list[str] = []
    if has_equal:
        options.append(rf"(?:\.{fraction}0*)" if fraction else r"(?:\.0+)?")
    if is_larger:
        options.append(rf"\.{fraction}[0-9]*[1-9][0-9]*")
    elif fraction:
        options.append(r"(?:\.0+)?")
        options += [rf"\.{fraction[:at]}0*" for at in range(1, len(fraction))]
    for at, digit in enumerate(fraction):
        low, high = (int(digit) + 1, 9) if is_larger else (0, int(digit) - 1)
        if low <= high:
            options.append(rf"\.{fraction[:at]}[{low}-{high}][0-9]*")
    return options
