"""Outlines as JSON.

Properties come in the order of the schema. Characters are spelled in one way each (only quotes, backslashes
and control characters are escaped), so no two texts are the same name. White space stands where formatters
put it: a space, or a line break with its indentation; a model that may write more goes on with it for ever.
Enters: an outline and a writer. Leaves: the rule for it. Read next: `shapes.py`, `lark.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from caesura.engine.schemas.clauses import NumberClause, StringClause
from caesura.engine.schemas.lark import LarkWriter, Risk
from caesura.engine.schemas.lists import Items, list_items
from caesura.engine.schemas.pattern_text import Notation
from caesura.engine.schemas.refusal import Effort
from caesura.engine.schemas.sequences import Sequence, Slot, sequence
from caesura.engine.schemas.shapes import (
    Extra,
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

_NAMED = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 0x22: '\\"', 0x5C: "\\\\"}
JSON = Notation(spellings={code: f"\\u{code:04x}" for code in range(0x20)} | _NAMED)

_BLANK = r"(?: |\n {0,24}|\n\t{0,12})?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """The terminals of JSON's punctuation, with the white space around it."""

    open_object: str
    close_object: str
    open_array: str
    close_array: str
    colon: str
    comma: str

    @classmethod
    def of(cls, lark: LarkWriter) -> Marks:
        """Write the terminals."""
        return cls(
            open_object=lark.terminal(rf"/\{{{_BLANK}/"),
            close_object=lark.terminal(rf"/{_BLANK}\}}/"),
            open_array=lark.terminal(rf"/\[{_BLANK}/"),
            close_array=lark.terminal(rf"/{_BLANK}\]/"),
            colon=lark.terminal("/: ?/"),
            comma=lark.terminal(rf"/,{_BLANK}/"),
        )


class JsonText:
    """One outline on its way into a grammar."""

    def __init__(self, lark: LarkWriter, outline: Outline, effort: Effort, *, document: int = 0) -> None:
        """document: the number of the outline's schema, where there are several."""
        self._lark = lark
        self._document = document
        self._outline = outline
        self._effort = effort
        self._marks = Marks.of(lark)
        self._names = [lark.name() for _ in outline.parts]

    def write(self) -> str:
        """Write a rule for every part; the name of the root's."""
        for number, shapes in enumerate(self._outline.parts):
            self._effort.spend(self._outline.pointers[number], 1 + len(shapes))
            if shapes:
                self._lark.rule([self._shape(shape) for shape in shapes], self._names[number])
        return self._names[self._outline.root]

    def _shape(self, shape: Shape) -> str:
        match shape:
            case Nil():
                return '"null"'
            case Flag(values=values):
                return " | ".join('"true"' if value else '"false"' for value in values)
            case Numeral(clause=clause):
                return self._number(clause)
            case Text(clauses=clauses):
                return self._text(clauses)
            case Listing():
                return self._listing(shape)
            case Record():
                return self._record(shape)

    def _text(self, clauses: tuple[StringClause, ...]) -> str:
        name, risk = self._lark.terminal(texts_terminal(clauses, JSON, quote='"')), risk_of(clauses)
        if risk is not None:
            self._lark.risks.append(Risk(name, self._document, risk))
        return name

    def _number(self, clause: NumberClause) -> str:
        inline = multiple_schema(clause)
        return inline or self._lark.terminal(number_terminal(clause))

    def _record(self, record: Record) -> str:
        marks = self._marks
        slots = tuple(
            Slot(
                f"{self._lark.terminal(literal(quoted(field.name)))} {marks.colon} {self._names[field.part]}",
                field.is_required,
            )
            for field in record.fields
        )
        extras = [self._extra(extra) for extra in record.extras]
        wanted = Sequence(
            slots=slots,
            extra=self._lark.rule(extras) if extras else None,
            separator=marks.comma,
            least=record.least,
            most=record.most,
        )
        return f"{marks.open_object} {self._body(sequence(self._lark, wanted))} {marks.close_object}"

    def _extra(self, extra: Extra) -> str:
        return f"{self._text((extra.names,))} {self._marks.colon} {self._names[extra.part]}"

    def _listing(self, listing: Listing) -> str:
        marks = self._marks
        written = Items(lambda part: self._names[part], self._values, marks.comma)
        return (
            f"{marks.open_array} {self._body(list_items(self._lark, listing, written))} {marks.close_array}"
        )

    def _body(self, symbols: str | None) -> str:
        # An outline holds nothing that cannot be completed.
        assert symbols is not None
        return symbols

    def _values(self, part: int) -> list[str]:
        return [
            self._lark.terminal(literal(text)) for text in listed_values(self._outline.parts[part], quoted)
        ]


def quoted(text: str) -> str:
    """A text as JSON writes it."""
    return f'"{JSON.spell(text)}"'
