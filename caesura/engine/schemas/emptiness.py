"""Whether a union admits anything, looked at a few levels deep.

It answers "empty" only where that is certain; "not empty" may be wrong.
Enters: a reader and a union. Leaves: yes or no. Read next: `outline.py`, which finds out exactly.
"""

from __future__ import annotations

from caesura.engine.schemas.clauses import (
    ArrayClause,
    Clause,
    Node,
    NumberClause,
    ObjectClause,
    StringClause,
    Union,
)
from caesura.engine.schemas.reader import SchemaReader
from caesura.engine.schemas.terminals import is_impossible

_DEPTH = 3


def is_empty(reader: SchemaReader, union: Union, *, depth: int = _DEPTH) -> bool:
    """Whether no value is admitted, as far as can be seen."""
    return all(_is_empty(reader, clause, depth) for clauses in union.values() for clause in clauses)


def _is_empty(reader: SchemaReader, clause: Clause, depth: int) -> bool:
    match clause:
        case StringClause() | NumberClause():
            return is_impossible(clause)
        case ObjectClause():
            return any(_is_nowhere(reader, clause.of(name), depth) for name in clause.required)
        case ArrayClause():
            places = range(min(clause.least, clause.reach + 1))
            return any(_is_nowhere(reader, clause.item(at), depth) for at in places)
        case _:
            return False


def _is_nowhere(reader: SchemaReader, node: Node, depth: int) -> bool:
    return depth > 0 and bool(node) and is_empty(reader, reader.read(node), depth=depth - 1)
