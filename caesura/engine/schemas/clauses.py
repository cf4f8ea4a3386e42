"""What a schema admits, as a union of clauses: each describes values of one JSON type.

Clauses can be intersected, so a schema, which is a heap of conditions, becomes a list of alternatives
without conditions on each other. Subschemas stay unread: a node is a set of places that must all hold,
some of them inverted, and is read when it is needed. So recursion is no trouble, and ends.
Enters: nothing. Leaves: immutable values. Read next: `keywords.py`, which makes clauses of keywords.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal, NamedTuple

from caesura.engine.schemas.decimals import Bound, NumberKind
from caesura.engine.schemas.patterns import Tree, matches
from caesura.engine.schemas.places import Place
from caesura.engine.schemas.refusal import Pointer

Kind = Literal["null", "boolean", "number", "string", "array", "object"]
KINDS: tuple[Kind, ...] = ("null", "boolean", "number", "string", "array", "object")


class Atom(NamedTuple):
    """A schema that must hold, or must not."""

    place: Place
    is_inverted: bool = False


Node = tuple[Atom, ...]

ANYTHING: Node = ()
NOWHERE: Node = (Atom(Place(("false",), False, "")),)


def joined(*nodes: Node) -> Node:
    """What all of the nodes admit."""
    return tuple(dict.fromkeys(atom for node in nodes for atom in node))


@dataclass(frozen=True, slots=True, kw_only=True)
class NullClause:
    """The value null."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BooleanClause:
    """values: those admitted."""

    values: tuple[bool, ...] = (True, False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberClause:
    """kind: whether integers, or all others, are meant.

    low, high: the bounds. multiple: what it is a multiple of. multiple_at: the keyword that says so.
    is_inexact: whether its multiples are told from other fractions by some validators wrongly.
    values: the only ones; None: any. without: none of these.
    """

    kind: NumberKind = "any"
    low: Bound | None = None
    high: Bound | None = None
    multiple: Fraction | None = None
    multiple_at: Pointer = ()
    is_inexact: bool = False
    values: tuple[Decimal, ...] | None = None
    without: frozenset[Decimal] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class StringClause:
    """least, most: characters. patterns: all of these match. banned: none of these does.

    values: the only ones; None: any. without: none of these. at: a keyword to name in a refusal.
    """

    least: int = 0
    most: int | None = None
    patterns: tuple[Tree, ...] = ()
    banned: tuple[Tree, ...] = ()
    values: tuple[str, ...] | None = None
    without: frozenset[str] = frozenset()
    at: Pointer = ()

    def admits(self, text: str) -> bool:
        """Whether a text satisfies every condition."""
        is_long_enough = self.least <= len(text) and (self.most is None or len(text) <= self.most)
        is_listed = (self.values is None or text in self.values) and text not in self.without
        return (
            is_long_enough
            and is_listed
            and all(matches(tree, text) for tree in self.patterns)
            and not any(matches(tree, text) for tree in self.banned)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemLayer:
    """What one schema says about items: of the first ones by place, and of the others.

    prefix: by place. rest: of the others; None: nothing is said, so others may say it.
    beside: layers that exempt the items they speak of from `rest` (unevaluatedItems).
    is_inverted: it belongs to a schema that must not hold, so it exempts nothing.
    """

    prefix: tuple[Node, ...] = ()
    rest: Node | None = None
    beside: tuple[ItemLayer, ...] = ()
    is_inverted: bool = False

    def at(self, position: int) -> Node:
        """What an item must be."""
        if position < len(self.prefix):
            return self.prefix[position]
        if self.rest is None or any(each.covers(position) for each in self.beside):
            return ANYTHING
        return self.rest

    def covers(self, position: int) -> bool:
        """Whether it speaks of an item."""
        return not self.is_inverted and (position < len(self.prefix) or self.rest is not None)

    @property
    def reach(self) -> int:
        """From here on all items are alike."""
        return max([len(self.prefix), *(len(each.prefix) for each in self.beside)])


class Contained(NamedTuple):
    """Items that must occur: what they are, how many at least and at most, and the keyword."""

    node: Node
    least: int
    most: int | None
    at: Pointer


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayClause:
    """layers: what is said about items. least, most: how many. contained: what must occur.

    unique_at: the keyword that forbids equal items, if one does.
    """

    layers: tuple[ItemLayer, ...] = ()
    least: int = 0
    most: int | None = None
    contained: tuple[Contained, ...] = ()
    unique_at: Pointer | None = None

    def item(self, position: int) -> Node:
        """What an item must be."""
        return joined(*(layer.at(position) for layer in self.layers))

    @property
    def reach(self) -> int:
        """From here on all items are alike."""
        return max((layer.reach for layer in self.layers), default=0)


class NamePattern(NamedTuple):
    """Properties whose names match: the pattern read strictly and widely, and what they must be."""

    strict: Tree
    wide: Tree
    node: Node
    at: Pointer


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyLayer:
    """What one schema says about properties.

    named: by name. patterns: by pattern. rest: of the others; None: nothing is said.
    beside, is_inverted: as with items. at: the schema that says so.
    """

    named: Mapping[str, Node]
    patterns: tuple[NamePattern, ...] = ()
    rest: Node | None = None
    beside: tuple[PropertyLayer, ...] = ()
    is_inverted: bool = False
    at: Pointer = ()

    def of(self, name: str) -> Node:
        """What a property of this name must be. A name that dialects read differently gets both."""
        nodes = [self.named[name]] if name in self.named else []
        nodes += [pattern.node for pattern in self.patterns if matches(pattern.wide, name)]
        if not self.is_of_rest(name):
            return joined(*nodes)
        return joined(*nodes, self.rest or ANYTHING)

    def is_of_rest(self, name: str) -> bool:
        """Whether `rest` holds for this name."""
        spoken = name in self.named or any(matches(each.strict, name) for each in self.patterns)
        return not spoken and not any(each.covers(name) for each in self.beside)

    def covers(self, name: str) -> bool:
        """Whether it speaks of this name."""
        if self.is_inverted:
            return False
        return self.rest is not None or not self.is_of_rest(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectClause:
    """layers: what is said about properties. required: names in order. least, most: how many properties.

    names: conditions on every name. count_at: a keyword that limits how many.
    """

    layers: tuple[PropertyLayer, ...] = ()
    required: tuple[str, ...] = ()
    least: int = 0
    count_at: Pointer = ()
    most: int | None = None
    names: Node = ANYTHING

    def of(self, name: str) -> Node:
        """What a property of this name must be."""
        return joined(*(layer.of(name) for layer in self.layers))

    @property
    def known(self) -> tuple[str, ...]:
        """The names that are spoken of, in order."""
        spoken = (name for layer in self.layers for name in layer.named)
        return tuple(dict.fromkeys([*spoken, *self.required]))


Clause = NullClause | BooleanClause | NumberClause | StringClause | ArrayClause | ObjectClause
Union = dict[Kind, tuple[Clause, ...]]

KIND_OF: dict[type[Clause], Kind] = {
    NullClause: "null",
    BooleanClause: "boolean",
    NumberClause: "number",
    StringClause: "string",
    ArrayClause: "array",
    ObjectClause: "object",
}

EVERYTHING: Mapping[Kind, tuple[Clause, ...]] = {kind: (make(),) for make, kind in KIND_OF.items()}
