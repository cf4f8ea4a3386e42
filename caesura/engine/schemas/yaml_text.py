"""Outlines as YAML, in a block style that leaves nothing to guess.

One property or item a line, two spaces a level; texts in double quotes, written as JSON writes them; numbers
without exponents; true, false, null; `{}` and `[]` for what is empty. No anchors, tags, comments or other
styles. Indentation is counted by the grammar's rules, one for each level, so there is a deepest level.
Enters: an outline and a writer. Leaves: the rule for it. Read next: `json_text.py`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import takewhile

from caesura.engine.schemas.clauses import StringClause
from caesura.engine.schemas.json_text import JSON
from caesura.engine.schemas.lark import LarkWriter, Risk
from caesura.engine.schemas.lists import Items, list_items
from caesura.engine.schemas.pattern_text import Notation
from caesura.engine.schemas.refusal import Effort, SchemaRefusedError
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

# What YAML reads as a line break, or not at all.
_ODD = (*range(0x7F, 0xA0), 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF)
YAML = Notation(spellings={**JSON.spellings, **{code: f"\\u{code:04x}" for code in _ODD}})
MAX_LEVELS = 12
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_RESERVED = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


class YamlText:
    """One outline on its way into a grammar."""

    def __init__(self, lark: LarkWriter, outline: Outline, effort: Effort) -> None:
        self._lark = lark
        self._outline = outline
        self._effort = effort
        self._line_end = lark.terminal(literal("\n"))
        self._values: dict[tuple[int, int, bool], str | None] = {}

    def write(self) -> str:
        """Write the rules; the name of the root's. Raises SchemaRefusedError for what nests too deep."""
        root = self._value(self._outline.root, -1, is_item=False)
        if root is None:
            raise SchemaRefusedError((), f"its values nest over {MAX_LEVELS} levels deep, too deep for YAML")
        return root

    def _value(self, part: int, level: int, *, is_item: bool) -> str | None:
        """What follows `key:` or `-` in a line of a level, line end included; None if it nests too deep."""
        key = (part, level, is_item)
        if key not in self._values:
            shapes = self._outline.parts[part]
            self._effort.spend(self._outline.pointers[part], 1 + len(shapes))
            options = [option for shape in shapes for option in self._options(shape, level, is_item=is_item)]
            self._values[key] = self._lark.rule(options) if options else None
        return self._values[key]

    def _options(self, shape: Shape, level: int, *, is_item: bool) -> list[str]:
        match shape:
            case Record():
                return self._record(shape, level, is_item=is_item)
            case Listing():
                return self._listing(shape, level, is_item=is_item)
            case Nil():
                return [self._in_line(literal("null"), level)]
            case Flag(values=values):
                listed = " | ".join(literal("true" if value else "false") for value in values)
                return [self._in_line(f"({listed})", level)]
            case Numeral(clause=clause):
                inline = multiple_schema(clause)
                number = inline or self._lark.terminal(number_terminal(clause, has_exponents=False))
                return [self._in_line(number, level)]
            case Text(clauses=clauses):
                return [self._in_line(self._text(clauses), level)]

    def _in_line(self, symbols: str, level: int) -> str:
        """Something on the line of its key; at the very top there is no key."""
        return f"{symbols} {self._line_end}" if level < 0 else f'" " {symbols} {self._line_end}'

    def _block(self, symbols: str, level: int, *, is_item: bool) -> str:
        """Lines one level deeper; behind a dash the first of them goes on where the dash stands."""
        if is_item:
            return f'" " {symbols}'
        before = "" if level < 0 else f"{self._line_end} "
        return f"{before}{self._indent(level + 1)} {symbols}"

    def _indent(self, level: int) -> str:
        return self._lark.terminal(literal("  " * level)) if level else ""

    def _text(self, clauses: tuple[StringClause, ...]) -> str:
        name, risk = self._lark.terminal(texts_terminal(clauses, YAML, quote='"')), risk_of(clauses)
        if risk is not None:
            self._lark.risks.append(Risk(name, 0, risk))
        return name

    def _record(self, record: Record, level: int, *, is_item: bool) -> list[str]:
        slots: list[Slot] = []
        for field in record.fields:
            value = self._below(field.part, level)
            if value is not None:
                key = self._lark.terminal(literal(f"{_key(field.name)}:"))
                slots.append(Slot(f"{key} {value}", field.is_required))
            elif field.is_required:
                return []
        extras = [extra for extra in (self._extra(each, level) for each in record.extras) if extra]
        wanted = Sequence(
            slots=tuple(slots),
            extra=self._lark.rule(extras) if extras else None,
            separator=self._indent(level + 1),
            least=max(1, record.least),
            most=record.most,
        )
        body = sequence(self._lark, wanted) if record.most != 0 else None
        can_be_empty = not record.least and not any(slot.is_required for slot in slots)
        options = [self._block(body, level, is_item=is_item)] if body else []
        return [*options, *([self._in_line(literal("{}"), level)] if can_be_empty else [])]

    def _extra(self, extra: Extra, level: int) -> str | None:
        value = self._below(extra.part, level)
        return None if value is None else f'{self._text((extra.names,))} ":" {value}'

    def _below(self, part: int, level: int, *, is_item: bool = False) -> str | None:
        """A value in a line one level deeper."""
        return self._value(part, level + 1, is_item=is_item) if level + 1 < MAX_LEVELS else None

    def _listing(self, listing: Listing, level: int, *, is_item: bool) -> list[str]:
        shown = self._shown(listing, level)
        written = Items(
            lambda part: f'"-" {self._below(part, level, is_item=True)}',
            self._listed,
            self._indent(level + 1),
        )
        body = None
        if shown is not None and shown.most != 0:
            body = list_items(self._lark, shown, written, least=max(1, listing.least))
        options = [self._block(body, level, is_item=is_item)] if body else []
        return [*options, *([self._in_line(literal("[]"), level)] if not listing.least else [])]

    def _shown(self, listing: Listing, level: int) -> Listing | None:
        """The list without the items that nest too deep; None if it needs them."""

        def fits(part: int | None) -> bool:
            return part is not None and self._below(part, level, is_item=True) is not None

        wanted = listing.occurring
        if wanted is not None:
            other = wanted.other if fits(wanted.other) else None
            return replace(listing, occurring=replace(wanted, other=other)) if fits(wanted.part) else None
        if listing.is_unique:
            return listing
        prefix = tuple(takewhile(fits, listing.prefix))
        has_rest = fits(listing.rest) and prefix == listing.prefix
        return replace(listing, prefix=prefix, rest=listing.rest if has_rest else None)

    def _listed(self, part: int) -> list[str]:
        texts = listed_values(self._outline.parts[part], _quoted)
        return [self._lark.terminal(literal(f"- {text}\n")) for text in texts]


def _key(name: str) -> str:
    is_plain = _PLAIN_NAME.fullmatch(name) and name.lower() not in _RESERVED
    return name if is_plain else _quoted(name)


def _quoted(text: str) -> str:
    return f'"{YAML.spell(text)}"'
