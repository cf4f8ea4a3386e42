"""Arrays: from what several schemas say about items to lists.

Equal items can only be ruled out where the items are listed values. Enters: a clause. Leaves: `Listing`s.
Read next: `outline.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

from caesura.engine.schemas.clauses import (
    ArrayClause,
    Atom,
    BooleanClause,
    Clause,
    Contained,
    Node,
    NullClause,
    NumberClause,
    StringClause,
    Union,
    joined,
)
from caesura.engine.schemas.reader import SchemaReader
from caesura.engine.schemas.refusal import SchemaRefusedError
from caesura.engine.schemas.shapes import Listing, Occurring

# There are so many bits to note which have occurred.
MAX_UNIQUE = 63
# Of a list in which items are counted: how many there may be, times how many of those that are counted.
_MAX_COUNTED = 3000


def listings(reader: SchemaReader, clause: ArrayClause, number: Callable[[Node], int]) -> Iterator[Listing]:
    """The lists of a clause; none where there can be none. number: gives a part its number."""
    wanted = [each for each in clause.contained if each.least or each.most is not None]
    is_unique = clause.unique_at is not None and (clause.most is None or clause.most > 1)
    if is_unique:
        yield from _unique(reader, clause, number, has_wanted=bool(wanted))
    elif wanted:
        yield _occurring(clause, wanted, number)
    else:
        reach = clause.reach if clause.most is None else min(clause.reach, clause.most)
        yield Listing(
            prefix=tuple(number(clause.item(at)) for at in range(reach)),
            rest=None if clause.most is not None and clause.most <= reach else number(clause.item(reach)),
            least=clause.least,
            most=clause.most,
        )


def _unique(
    reader: SchemaReader, clause: ArrayClause, number: Callable[[Node], int], *, has_wanted: bool
) -> Iterator[Listing]:
    node = clause.item(0)
    count = None if clause.reach or has_wanted else _num_values(reader.read(node))
    if count is None or count > MAX_UNIQUE:
        why = f"can be enforced only where the items are listed values, at most {MAX_UNIQUE}"
        raise SchemaRefusedError(clause.unique_at or (), why)
    if clause.least <= count:
        most = count if clause.most is None else min(count, clause.most)
        yield Listing(rest=number(node), least=clause.least, most=most, is_unique=True)


def _num_values(union: Union) -> int | None:
    """How many values a union admits; None if they are not listed."""
    counts = [_count(clause) for clauses in union.values() for clause in clauses]
    return None if None in counts else sum(cast(list[int], counts))


def _count(clause: Clause) -> int | None:
    match clause:
        case NullClause():
            return 1
        case BooleanClause(values=values):
            return len(values)
        case NumberClause(values=values) | StringClause(values=values):
            return None if values is None else len(values)
        case _:
            return None


def _occurring(clause: ArrayClause, wanted: list[Contained], number: Callable[[Node], int]) -> Listing:
    first = wanted[0]
    if len(wanted) > 1 or clause.reach:
        why = "can be enforced only once in an array, and where all items are alike"
        raise SchemaRefusedError(first.at, why)
    num_wanted = first.least if first.most is None else first.most
    num_items = max(clause.least, num_wanted) if clause.most is None else clause.most
    if (num_items + 1) * (num_wanted + 1) > _MAX_COUNTED:
        why = f"{num_wanted} of {num_items} items are too many to count"
        raise SchemaRefusedError(first.at, why)
    item = clause.item(0)
    other = item
    if first.most is not None:
        # Where they are counted, the others must be told from them.
        if len(first.node) != 1:
            raise SchemaRefusedError(first.at, "cannot be counted here")
        other = joined(item, (Atom(first.node[0].place, not first.node[0].is_inverted),))
    occurring = Occurring(
        part=number(joined(item, first.node)), other=number(other), least=first.least, most=first.most
    )
    return Listing(least=clause.least, most=clause.most, occurring=occurring)
