"""Reads schemas: each becomes a union of clauses.

A place is read when it is needed, and once. Every keyword contributes a union; where the schema must hold
they are intersected, where it must not hold they are joined. A choice among alternatives is written out, so
the work grows with the product of choices: it is measured, and a schema that takes too much is refused.
Enters: a document. Leaves: unions. Read next: `combining.py` (keywords that hold subschemas), `outline.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

from caesura.engine.schemas.clauses import (
    EVERYTHING,
    ArrayClause,
    Atom,
    Clause,
    Kind,
    Node,
    ObjectClause,
    Union,
)
from caesura.engine.schemas.intersections import any_of, both, inverted_layers, size
from caesura.engine.schemas.keywords import KEYWORDS
from caesura.engine.schemas.places import Document, Place
from caesura.engine.schemas.refusal import Effort, Pointer, SchemaRefusedError

MAX_ALTERNATIVES = 3000
MAX_DEPTH = 64
# Clauses of other kinds have no layers.
_LAYERED: tuple[Kind, ...] = ("array", "object")


class Rule(NamedTuple):
    """Keywords that are read together: their union where they hold, and where they must not."""

    keywords: tuple[str, ...]
    holds: Callable[[SchemaReader, Place], Union]
    fails: Callable[[SchemaReader, Place], Union]


class LateRule(NamedTuple):
    """A keyword that speaks of what the rest of its schema leaves open: the union that it makes of theirs."""

    keyword: str
    holds: Callable[[Place, Union], Union]


class SchemaReader:
    """What the schemas of one document admit."""

    def __init__(
        self, document: Document, rules: Sequence[Rule], late_rules: Sequence[LateRule], effort: Effort
    ) -> None:
        self.document = document
        self.effort = effort
        self._rules = rules
        self._late_rules = late_rules
        late = (rule.keyword for rule in late_rules)
        self.keywords = frozenset([*KEYWORDS, *late, *(each for rule in rules for each in rule.keywords)])
        self._known: dict[Atom, Union] = {}
        self._open: list[Atom] = []

    def read(self, node: Node) -> Union:
        """What all the places of a node admit together. Raises SchemaRefusedError."""
        union: Union = dict(EVERYTHING)
        for atom in node:
            union = self.meet(union, self.atom(atom), atom.place.pointer)
        return union

    def place(self, place: Place) -> Union:
        """What a place admits."""
        return self.atom(Atom(place))

    def opposite(self, place: Place) -> Union:
        """What a place does not admit."""
        return self.atom(Atom(place, is_inverted=True))

    def atom(self, atom: Atom) -> Union:
        """What one place admits, or does not."""
        known = self._known.get(atom)
        if known is None:
            with self._reading(atom):
                union = self._fails(atom.place) if atom.is_inverted else self._holds(atom.place)
            known = self._known[atom] = inverted_layers(union) if atom.is_inverted else union
            self.effort.spend(atom.place.pointer, 1 + size(known))
        return known

    def meet(self, left: Union, right: Union, pointer: Pointer) -> Union:
        """What both admit; the work is measured before it is done."""
        num_pairs = sum(len(clauses) * len(right.get(kind, ())) for kind, clauses in left.items())
        if num_pairs > MAX_ALTERNATIVES:
            why = f"its choices multiply to over {MAX_ALTERNATIVES} alternatives"
            raise SchemaRefusedError(pointer, why)
        pairs = [(left.get(kind, ()), right.get(kind, ())) for kind in _LAYERED]
        layers = sum(len(there) * _weight(here) + len(here) * _weight(there) for here, there in pairs)
        self.effort.spend(pointer, num_pairs + layers)
        return both(left, right)

    @contextmanager
    def _reading(self, atom: Atom) -> Generator[None]:
        if atom in self._open:
            raise SchemaRefusedError((*self._open[-1].place.pointer, "$ref"), "it leads back to itself")
        if len(self._open) >= MAX_DEPTH:
            raise SchemaRefusedError(atom.place.pointer, f"the schema is nested over {MAX_DEPTH} deep")
        self._open.append(atom)
        try:
            yield
        finally:
            self._open.pop()

    def _holds(self, place: Place) -> Union:
        schema = self._schema(place)
        union: Union = dict(EVERYTHING) if schema is not None else {}
        for keyword, value in (schema or {}).items():
            simple = KEYWORDS.get(keyword)
            if simple is not None:
                pointer = (*place.pointer, keyword)
                union = self.meet(union, among(simple.kind, simple.holds(value, pointer)), pointer)
        for rule in self._rules:
            keyword = next((keyword for keyword in rule.keywords if keyword in (schema or {})), None)
            if keyword is not None:
                union = self.meet(union, rule.holds(self, place), (*place.pointer, keyword))
        for late in self._late_rules:
            if late.keyword in (schema or {}):
                union = late.holds(place, union)
        return {kind: clauses for kind, clauses in union.items() if clauses}

    def _fails(self, place: Place) -> Union:
        schema = self._schema(place)
        if schema is None:
            return dict(EVERYTHING)
        failures: list[Union] = []
        for keyword, value in schema.items():
            simple = KEYWORDS.get(keyword)
            if simple is not None:
                failures.append({simple.kind: tuple(simple.fails(value, (*place.pointer, keyword)))})
        for late in self._late_rules:
            if late.keyword in schema:
                pointer = (*place.pointer, late.keyword)
                raise SchemaRefusedError(pointer, "cannot be enforced where it must not hold")
        spoken = (rule for rule in self._rules if any(keyword in schema for keyword in rule.keywords))
        failures += [rule.fails(self, place) for rule in spoken]
        return {kind: clauses for kind, clauses in any_of(failures).items() if clauses}

    def _schema(self, place: Place) -> Mapping[str, Any] | None:
        """A schema's keywords; None for the schema that admits nothing."""
        schema: object = place.schema
        if isinstance(schema, bool):
            return {} if schema else None
        if not isinstance(schema, Mapping):
            raise SchemaRefusedError(place.pointer, "a schema is an object, true or false")
        keywords = cast(Mapping[str, Any], schema)
        if "$ref" in keywords and self.document.has_lone_references:
            return {"$ref": keywords["$ref"]}
        return keywords


def among(kind: Kind, clauses: Sequence[Clause]) -> Union:
    """What a condition on one type admits: these, and everything of the other types."""
    return {**EVERYTHING, kind: tuple(clauses)}


def _weight(clauses: Sequence[Clause]) -> int:
    """How many layers there are to carry along."""
    return sum(len(each.layers) for each in clauses if isinstance(each, ArrayClause | ObjectClause))
