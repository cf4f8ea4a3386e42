"""An outline: what a schema admits, with nothing left to decide but the notation.

Every shape can be completed, so a grammar made of them has no dead end. Parts are numbered; a part is a
choice of shapes. Enters: nothing. Leaves: immutable values. Read next: `outline.py` (makes them),
`json_text.py`, `xml_text.py`, `yaml_text.py` (write them).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from caesura.engine.schemas.clauses import NumberClause, StringClause
from caesura.engine.schemas.decimals import number_text
from caesura.engine.schemas.refusal import Pointer


@dataclass(frozen=True, slots=True, kw_only=True)
class Nil:
    """The value null."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """values: which of true and false."""

    values: tuple[bool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Numeral:
    """clause: which numbers."""

    clause: NumberClause


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """clauses: which strings; all those of a part, since one automaton tells them apart."""

    clauses: tuple[StringClause, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurring:
    """Items of a list that must occur.

    part: what they are. other: what the items are that are not counted. least, most: how many.
    """

    part: int
    other: int | None
    least: int
    most: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """An array.

    prefix: the first items. rest: the others; None: there are none. least, most: how many in all.
    occurring: what must occur; then there is no prefix. is_unique: no two items are equal; then all are
    listed values.
    """

    prefix: tuple[int, ...] = ()
    rest: int | None = None
    least: int = 0
    most: int | None = None
    occurring: Occurring | None = None
    is_unique: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A property with a known name. part: what it is."""

    name: str
    part: int
    is_required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """Properties whose names are made up. names: which names. part: what they are."""

    names: StringClause
    part: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An object. Its known properties come in this order, then those that are made up.

    least, most: how many in all.
    """

    fields: tuple[Field, ...] = ()
    extras: tuple[Extra, ...] = ()
    least: int = 0
    most: int | None = None


Shape = Nil | Flag | Numeral | Text | Listing | Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """parts: by number, each with its shapes. root: the number of the whole. pointers: where each part is
    described, to name it in a refusal.
    """

    root: int
    parts: tuple[tuple[Shape, ...], ...]
    pointers: tuple[Pointer, ...]


def listed_values(shapes: Iterable[Shape], quoted: Callable[[str], str]) -> list[str]:
    """The values of shapes that list them, each once, as texts. quoted: how a string is written."""
    return list(dict.fromkeys(text for shape in shapes for text in _values(shape, quoted)))


def _values(shape: Shape, quoted: Callable[[str], str]) -> list[str]:
    match shape:
        case Nil():
            return ["null"]
        case Flag(values=values):
            return ["true" if value else "false" for value in values]
        case Numeral(clause=clause):
            return [number_text(value) for value in clause.values or ()]
        case Text(clauses=clauses):
            return [quoted(value) for clause in clauses for value in clause.values or ()]
        case _:
            raise AssertionError("only listed values are told apart")
