"""From clauses to an outline: follows every subschema, and leaves out what can never be completed.

A part can be completed if one of its shapes can, and a shape if its required parts can; so the completable
parts are found from the leaves upwards, and recursion without an end is recognised.
Enters: a reader and a node. Leaves: an `Outline`. Read next: `shapes.py`, `objects.py`, `arrays.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from caesura.engine.schemas.arrays import listings
from caesura.engine.schemas.clauses import (
    ArrayClause,
    Atom,
    BooleanClause,
    Clause,
    Node,
    NullClause,
    NumberClause,
    ObjectClause,
    StringClause,
)
from caesura.engine.schemas.objects import record
from caesura.engine.schemas.reader import SchemaReader
from caesura.engine.schemas.refusal import Pointer, SchemaRefusedError
from caesura.engine.schemas.shapes import Flag, Listing, Nil, Numeral, Occurring, Outline, Record, Shape, Text
from caesura.engine.schemas.terminals import is_impossible


def outline(reader: SchemaReader, root: Node) -> Outline:
    """All parts that a node leads to. Raises SchemaRefusedError, also where nothing is admitted."""
    draft = _Draft(reader)
    number = draft.part(root)
    draft.explore()
    parts = draft.completable()
    if not parts[number]:
        pointer = draft.blame(number)
        raise SchemaRefusedError(
            pointer, "contradicts what stands beside it: nothing that could be written satisfies both"
        )
    return Outline(root=number, parts=tuple(parts), pointers=tuple(map(_pointer, draft.nodes)))


# Each is followed at the same time while nothing tells them apart.
MAX_SHAPES = 1000


class _Draft:
    """Parts as they are found.

    nodes: by number. shapes: by number, those that can never be completed included.
    """

    def __init__(self, reader: SchemaReader) -> None:
        self._reader = reader
        self._numbers: dict[frozenset[Atom], int] = {}
        self.nodes: list[Node] = []
        self.shapes: list[list[Shape]] = []

    def part(self, node: Node) -> int:
        """A node's number."""
        key = frozenset(node)
        if key not in self._numbers:
            self._numbers[key] = len(self.nodes)
            self.nodes.append(node)
        return self._numbers[key]

    def explore(self) -> None:
        """Read every node, those that turn up on the way included."""
        while len(self.shapes) < len(self.nodes):
            node = self.nodes[len(self.shapes)]
            union = self._reader.read(node)
            clauses = [clause for found in union.values() for clause in found]
            self._reader.effort.spend(_pointer(node), len(clauses))
            if len(clauses) > MAX_SHAPES:
                why = f"a value has over {MAX_SHAPES} alternatives: {len(clauses)}"
                raise SchemaRefusedError(self.blame_node(node), why)
            self.shapes.append(list(self._shapes(clauses)))

    def completable(self) -> list[tuple[Shape, ...]]:
        """For each part, the shapes that can be completed, without optional parts that cannot."""
        alive = [False] * len(self.shapes)
        waiting = set(range(len(self.shapes)))
        is_growing = True
        while is_growing:
            found = {
                number
                for number in waiting
                if any(self._lives(shape, alive) for shape in self.shapes[number])
            }
            for number in found:
                alive[number] = True
            waiting -= found
            is_growing = bool(found)
        return [
            tuple(_pruned(shape, alive) for shape in shapes if self._lives(shape, alive))
            for shapes in self.shapes
        ]

    def blame(self, number: int) -> Pointer:
        """The keyword to name for a part that can never be completed."""
        seen: set[int] = set()
        while number not in seen:
            seen.add(number)
            deeper = next(iter(_required(self.shapes[number])), None) if self.shapes[number] else None
            if deeper is None:
                break
            number = deeper
        return self.blame_node(self.nodes[number])

    def blame_node(self, node: Node) -> Pointer:
        """The keyword to name for a node."""
        for atom in reversed(node):
            schema = atom.place.schema
            keywords = list(schema) if isinstance(schema, dict) else ["false"]
            telling = [each for each in keywords if each in self._reader.keywords] or keywords
            return (*atom.place.pointer, str(telling[-1]))
        return ()

    def _shapes(self, clauses: list[Clause]) -> Iterator[Shape]:
        texts = [each for each in clauses if isinstance(each, StringClause) and not is_impossible(each)]
        if texts:
            yield Text(clauses=tuple(texts))
        for clause in clauses:
            match clause:
                case NullClause():
                    yield Nil()
                case BooleanClause(values=values):
                    yield Flag(values=values)
                case NumberClause():
                    if not is_impossible(clause):
                        yield Numeral(clause=clause)
                case ArrayClause():
                    yield from listings(self._reader, clause, self.part)
                case ObjectClause():
                    yield record(self._reader, clause, self.part)
                case StringClause():
                    pass

    def _lives(self, shape: Shape, alive: list[bool]) -> bool:
        match shape:
            case Record():
                has_required = all(alive[field.part] for field in shape.fields if field.is_required)
                known = sum(alive[field.part] for field in shape.fields)
                has_extra = any(alive[extra.part] for extra in shape.extras)
                return has_required and shape.least <= known + has_extra
            case Listing(occurring=None):
                needed = [*shape.prefix[: shape.least]]
                needed += (
                    [-1 if shape.rest is None else shape.rest] if shape.least > len(shape.prefix) else []
                )
                return all(part >= 0 and alive[part] for part in needed)
            case Listing(occurring=wanted) if wanted:
                return _can_occur(shape, wanted, alive)
            case _:
                return True


def _can_occur(shape: Listing, wanted: Occurring, alive: list[bool]) -> bool:
    if (wanted.least and not alive[wanted.part]) or (shape.most is not None and shape.most < wanted.least):
        return False
    if shape.least <= wanted.least:
        return True
    has_other = wanted.other is not None and alive[wanted.other]
    return has_other or (alive[wanted.part] and (wanted.most is None or wanted.most >= shape.least))


def _required(shapes: list[Shape]) -> Iterator[int]:
    for shape in shapes:
        if isinstance(shape, Record):
            yield from (field.part for field in shape.fields if field.is_required)
        if isinstance(shape, Listing):
            yield from shape.prefix[: shape.least]


def _pruned(shape: Shape, alive: list[bool]) -> Shape:
    match shape:
        case Record():
            return replace(
                shape,
                fields=tuple(field for field in shape.fields if alive[field.part]),
                extras=tuple(extra for extra in shape.extras if alive[extra.part]),
            )
        case Listing(occurring=None):
            dead = (at for at, part in enumerate(shape.prefix) if not alive[part])
            prefix = shape.prefix[: next(dead, len(shape.prefix))]
            has_rest = shape.rest is not None and alive[shape.rest] and prefix == shape.prefix
            return replace(shape, prefix=prefix, rest=shape.rest if has_rest else None)
        case Listing(occurring=wanted) if wanted:
            has_other = wanted.other is not None and alive[wanted.other]
            return replace(shape, occurring=replace(wanted, other=wanted.other if has_other else None))
        case _:
            return shape


def _pointer(node: Node) -> Pointer:
    return node[0].place.pointer if node else ()
