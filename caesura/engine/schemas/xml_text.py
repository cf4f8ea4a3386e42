"""Outlines as XML.

A property is an element of its name, in the schema's order; an item of an array is an element `item`; null
is an element with the attribute `nil="true"`. Text is escaped and kept as it is; between elements there may
be a line break with its indentation. What XML cannot tell apart is refused, such as a value that may be a
text or a number; and so is what it has no form for: made-up names, and names that are none of XML's.
Enters: an outline and a writer. Leaves: the rule for it. Read next: `json_text.py`.
"""

from __future__ import annotations

import re
from typing import NoReturn

from caesura.engine.schemas.clauses import StringClause
from caesura.engine.schemas.lark import LarkWriter, Risk
from caesura.engine.schemas.lists import Items, list_items
from caesura.engine.schemas.pattern_text import Notation
from caesura.engine.schemas.patterns import ranges_of
from caesura.engine.schemas.refusal import Effort, SchemaRefusedError
from caesura.engine.schemas.sequences import Sequence, Slot, sequence
from caesura.engine.schemas.shapes import (
    Flag,
    Listing,
    Nil,
    Numeral,
    Outline,
    Record,
    Shape,
    Text,
    listed_values,
)
from caesura.engine.schemas.terminals import (
    literal,
    multiple_schema,
    number_terminal,
    risk_of,
    texts_terminal,
)

# XML knows no other control characters, and turns a carriage return into a line feed.
XML = Notation(
    spellings={0x26: "&amp;", 0x3C: "&lt;", 0x3E: "&gt;"},
    absent=ranges_of([(0, 8), (0xB, 0x1F), (0x7F, 0x9F), (0xFFFE, 0xFFFF)]),
)
_NAME = re.compile(r"(?![xX][mM][lL])[A-Za-z_][A-Za-z0-9_.-]*")
_BLANKS = r"/(?:\n {0,24}|\n\t{0,12})?/"
_ITEM = "item"


def is_name(name: object) -> bool:
    """Whether an element can be called so."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def _nil(name: str) -> str:
    return f'<{name} nil="true"/>'


class XmlText:
    """One outline on its way into a grammar."""

    def __init__(self, lark: LarkWriter, outline: Outline, effort: Effort) -> None:
        self._lark = lark
        self._outline = outline
        self._effort = effort
        self._blanks = lark.terminal(_BLANKS)
        self._elements: dict[tuple[str, int], str] = {}
        self._waiting: list[tuple[str, int]] = []

    def write(self, root: str) -> str:
        """Write a rule for every element; the name of the root's."""
        start = self._element(root, self._outline.root)
        while self._waiting:
            name, part = self._waiting.pop()
            shapes = self._outline.parts[part]
            self._effort.spend(self._outline.pointers[part], 1 + len(shapes))
            self._tell_apart(part)
            rule = [self._shape(name, part, shape) for shape in shapes]
            self._lark.rule(rule, self._elements[name, part])
        return start

    def _tell_apart(self, part: int) -> None:
        if len({type(shape) for shape in self._outline.parts[part]} - {Nil}) > 1:
            self._refuse(part, "XML does not tell values of these types apart; allow one of them")

    def _element(self, name: str, part: int) -> str:
        """The rule of an element, which is written when its turn comes."""
        if (name, part) not in self._elements:
            self._elements[name, part] = self._lark.name()
            self._waiting.append((name, part))
        return self._elements[name, part]

    def _shape(self, name: str, part: int, shape: Shape) -> str:
        if isinstance(shape, Nil):
            return self._lark.terminal(literal(_nil(name)))
        opened, closed = (self._lark.terminal(literal(f"<{mark}{name}>")) for mark in ("", "/"))
        return f"{opened} {self._content(part, shape)} {closed}"

    def _content(self, part: int, shape: Shape) -> str:
        match shape:
            case Flag(values=values):
                return f"({' | '.join(literal('true' if value else 'false') for value in values)})"
            case Numeral(clause=clause):
                return multiple_schema(clause) or self._lark.terminal(number_terminal(clause))
            case Text(clauses=clauses):
                return self._text(clauses, part)
            case Listing():
                return self._listing(shape)
            case Record():
                return self._record(part, shape)
            case Nil():
                raise AssertionError("null has no content")

    def _text(self, clauses: tuple[StringClause, ...], part: int) -> str:
        expression, risk = texts_terminal(clauses, XML), risk_of(clauses)
        if not expression:
            self._refuse(part, "XML cannot write the characters of these values")
        name = self._lark.terminal(expression)
        if risk is not None:
            self._lark.risks.append(Risk(name, 0, risk))
        return name

    def _listing(self, listing: Listing) -> str:
        written = Items(lambda part: f"{self._element(_ITEM, part)} {self._blanks}", self._listed, "")
        return f"{self._blanks} {list_items(self._lark, listing, written) or ''}"

    def _listed(self, part: int) -> list[str]:
        """The elements of a part that lists its values, one by one."""
        self._tell_apart(part)
        shapes = self._outline.parts[part]
        texts = listed_values((each for each in shapes if not isinstance(each, Nil)), XML.spell)
        elements = [f"<{_ITEM}>{text}</{_ITEM}>" for text in texts]
        elements += [_nil(_ITEM) for each in shapes if isinstance(each, Nil)]
        return [f"{self._lark.terminal(literal(element))} {self._blanks}" for element in elements]

    def _record(self, part: int, record: Record) -> str:
        if record.extras and (not record.fields or record.least > len(record.fields)):
            self._refuse(part, "XML has no form for made-up names; name the properties")
        slots: list[Slot] = []
        for field in record.fields:
            if not is_name(field.name):
                pointer = (*self._outline.pointers[part], "properties", field.name)
                raise SchemaRefusedError(pointer, f"{field.name!r} is no name of an XML element")
            slots.append(Slot(f"{self._element(field.name, field.part)} {self._blanks}", field.is_required))
        wanted = Sequence(slots=tuple(slots), least=record.least, most=record.most)
        return f"{self._blanks} {sequence(self._lark, wanted) or ''}"

    def _refuse(self, part: int, why: str) -> NoReturn:
        raise SchemaRefusedError((*self._outline.pointers[part], "type"), why)
