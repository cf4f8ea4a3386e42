"""Rows by age, a page of them at a time.

Enters: a query on a table whose rows have `created_ms` and `id`, and a place: such a pair. Leaves: rows, the
newest first. Read next: `file_store.py`, `batch_store.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Select, Table, tuple_

Found = TypeVar("Found")
Place = tuple[int, str]


def newest(
    query: Select[Any],
    table: Table,
    read: Callable[[Select[Any]], list[Found]],
    *,
    limit: int,
    after: Place | None = None,
    before: Place | None = None,
) -> list[Found]:
    """The newest first: those behind a place, or those directly before one. read: carries a query out."""
    columns = (table.c.created_ms, table.c.id)
    place, query = tuple_(*columns), query.limit(limit)
    if before is not None:
        return read(query.where(place > before).order_by(*columns))[::-1]
    if after is not None:
        query = query.where(place < after)
    return read(query.order_by(*(column.desc() for column in columns)))
