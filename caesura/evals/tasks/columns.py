"""Written column arithmetic, digit by digit: what several families' reasoning is made of."""

from __future__ import annotations


def add_columns(first: int, second: int) -> list[str]:
    """Addition from the right: digit + digit + carry = column sum; the last line is the sum."""
    lines = [f"{first}+{second}"]
    carry, left, right = 0, first, second
    while left or right:
        total = left % 10 + right % 10 + carry
        lines.append(f"{left % 10}+{right % 10}+{carry}={total}")
        carry, left, right = total // 10, left // 10, right // 10
    return [*lines, f"={first + second}"]


def multiply_columns(first: int, digit: int) -> list[str]:
    """A number times one digit from the right: digit * digit + carry; the last line is the product."""
    lines = [f"{first}*{digit}"]
    carry, left = 0, first
    while left:
        total = left % 10 * digit + carry
        lines.append(f"{left % 10}*{digit}+{carry}={total}")
        carry, left = total // 10, left // 10
    return [*lines, f"={first * digit}"]


def multiply(first: int, second: int) -> list[str]:
    """Long multiplication: one row for each digit of the second number, then the rows' sum."""
    lines: list[str] = []
    total = 0
    for place, digit in enumerate(reversed(str(second))):
        lines += multiply_columns(first, int(digit))
        row = first * int(digit) * 10**place
        if place:
            lines[-1] = f"={row}"
            lines += add_columns(total, row)
        total += row
    return lines
