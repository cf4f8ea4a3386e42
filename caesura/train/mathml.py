"""Formulas of public textbooks on one line: a/b, x^2, sqrt(x).

Enters: a MathML element. Leaves: its text; the rows of a table stand on lines of their own.
Read next: `exercises.py`, which reads the text around them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from xml.etree.ElementTree import Element

# Signs with a space on both sides, and what they become.
_SIGNS = {sign: sign for sign in "=+-*/<>≈±→"} | {
    "−": "-",
    "×": "*",
    "·": "*",
    "⋅": "*",
    "÷": "/",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
}
_INVISIBLE = re.compile("[\u2061-\u2064]")
_SPACES = re.compile(r"\s+")
_ONE_TERM = re.compile(r"[\w.,]+")
_ONE_FACTOR = re.compile(r"[\d.,]+|\w")
_FUNCTION = re.compile(r"[A-Za-z]{2,}")


def linear(node: Element) -> str:
    """The formula as text."""
    tag = local_name(node)
    if tag in _FORMS and len(node) >= _NUM_PARTS.get(tag, 0):
        return _FORMS[tag]([linear(child) for child in node])
    if tag == "mo":
        return _sign(_own_text(node))
    if tag in ("mi", "mn", "mtext", "ms"):
        return _own_text(node)
    if tag == "mspace":
        return " "
    if tag == "mfenced":
        inner = ", ".join(linear(child) for child in node)
        return f"{node.get('open', '(')}{inner}{node.get('close', ')')}"
    return _row(node)


def local_name(node: Element) -> str:
    """The element's name without its namespace."""
    return node.tag.rpartition("}")[2]


def _own_text(node: Element) -> str:
    return _INVISIBLE.sub("", _SPACES.sub(" ", node.text or ""))


def _sign(text: str) -> str:
    """An operator with the space that it takes."""
    sign = text.strip()
    if sign in _SIGNS:
        return f" {_SIGNS[sign]} "
    return f"{sign} " if sign in (",", ";") else sign


def _row(node: Element) -> str:
    """Children side by side; a mixed number and the name of a function keep a space."""
    text = ""
    for child in node:
        piece = linear(child)
        tag = local_name(child)
        is_mixed_number = tag == "mfrac" and text[-1:].isdigit()
        text += f" {piece}" if is_mixed_number else piece
        head = child[0] if tag in ("msub", "msup") and len(child) else child
        if local_name(head) == "mi" and _FUNCTION.fullmatch(_own_text(head).strip()):
            text += " "
    return text


def _wrapped(text: str, bare: re.Pattern[str] = _ONE_TERM) -> str:
    """The text, in parentheses unless it is one thing already."""
    text = text.strip()
    return text if not text or bare.fullmatch(text) else f"({text})"


def _base(text: str) -> str:
    """What an exponent stands on; a formula may give the closing parenthesis alone."""
    has_own_marks = text[:1] in "([|{" or text[-1:] in ")]|}"
    return text if has_own_marks or not re.search(r"[ /]", text.strip()) else f"({text.strip()})"


def _joined(parts: Sequence[str]) -> str:
    return "".join(parts)


def _fraction(parts: Sequence[str]) -> str:
    return f"{_wrapped(parts[0])}/{_wrapped(parts[1], _ONE_FACTOR)}"


def _power(parts: Sequence[str]) -> str:
    return f"{_base(parts[0])}^{_wrapped(parts[1])}"


def _index(parts: Sequence[str]) -> str:
    return f"{parts[0]}_{_wrapped(parts[1])}"


def _index_and_power(parts: Sequence[str]) -> str:
    return f"{_index(parts[:2])}^{_wrapped(parts[2])}"


def _root(parts: Sequence[str]) -> str:
    return f"root({parts[0].strip()}, {parts[1].strip()})"


def _square_root(parts: Sequence[str]) -> str:
    return f"sqrt({_joined(parts).strip()})"


def _table(rows: Sequence[str]) -> str:
    return "\n".join(rows)


def _table_row(cells: Sequence[str]) -> str:
    return " ".join(cell.strip() for cell in cells if cell.strip())


_FORMS: Mapping[str, Callable[[Sequence[str]], str]] = {
    "mfrac": _fraction,
    "msup": _power,
    "msub": _index,
    "munder": _index,
    "msubsup": _index_and_power,
    "munderover": _index_and_power,
    "mover": _joined,
    "msqrt": _square_root,
    "mroot": _root,
    "mtable": _table,
    "mtr": _table_row,
}
# Where a source has fewer, what there is stands side by side.
_NUM_PARTS = {"mfrac": 2, "msup": 2, "msub": 2, "munder": 2, "msubsup": 3, "munderover": 3, "mroot": 2}
