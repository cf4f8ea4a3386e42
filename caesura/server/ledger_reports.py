"""What the ledger says: sums by key, workspace, model or day, storage, and the audit of tool decisions.

Enters: a database, and since when. Leaves: immutable lines. Read next: `ledger.py` for the tables,
`caesura/cli/usage.py`, which prints them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import BigInteger, ColumnElement, Engine, cast, func, select

from caesura.server.keys import keys
from caesura.server.ledger import StorageRow, ToolDecision, storage, tool_decisions, usage

Grouping = Literal["key", "workspace", "model", "day"]

_DAY_MS = 24 * 3600 * 1000
_SUMMED = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "thinking_tokens",
    "cost_micros",
)
_GROUPS: dict[Grouping, ColumnElement[Any]] = {
    "key": usage.c.key_id,
    "workspace": usage.c.workspace,
    "model": usage.c.model,
    "day": cast(usage.c.started_ms // _DAY_MS, BigInteger),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageLine:
    """The sum of some replies.

    group: what they have in common: a key's id and its name, a workspace, a model, or a day (UTC).
    num_replies: how many were begun.
    others: see `ledger.UsageRow`.
    """

    group: str
    num_replies: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    thinking_tokens: int
    cost_micros: int


def usage_lines(database: Engine, by: Grouping, *, since_ms: int = 0) -> list[UsageLine]:
    """The replies that began since then, summed by what they have in common."""
    group = _GROUPS[by]
    sums = [func.sum(usage.c[name]).label(name) for name in _SUMMED]
    query = (
        select(group.label("common"), func.count().label("num_replies"), *sums)
        .where(usage.c.started_ms >= since_ms)
        .group_by(group)
        .order_by(group)
    )
    with database.connect() as connection:
        names = {row.id: row.name for row in connection.execute(select(keys.c.id, keys.c.name))}
        # PostgreSQL sums large integers to decimals.
        return [
            UsageLine(
                group=_shown(by, row.common, names),
                num_replies=row.num_replies,
                **{name: int(getattr(row, name)) for name in _SUMMED},
            )
            for row in connection.execute(query)
        ]


def _shown(by: Grouping, common: Any, names: dict[str, str]) -> str:
    match by:
        case "key":
            return f"{common} ({names[common]})" if common in names else common or "(no key)"
        case "day":
            return datetime.fromtimestamp(int(common) * _DAY_MS / 1000, UTC).date().isoformat()
        case _:
            return str(common)


def storage_rows(database: Engine, *, since_ms: int = 0) -> list[StorageRow]:
    """What was billed for storage since then."""
    query = select(storage).where(storage.c.from_ms >= since_ms).order_by(storage.c.from_ms, storage.c.id)
    with database.connect() as connection:
        return [StorageRow(**row) for row in connection.execute(query).mappings()]


def decisions(database: Engine, *, since_ms: int = 0, request_id: str | None = None) -> list[ToolDecision]:
    """Which tools were decided on since then, the oldest first; of one request, if it is named."""
    query = select(tool_decisions).where(tool_decisions.c.made_ms >= since_ms)
    if request_id is not None:
        query = query.where(tool_decisions.c.request_id == request_id)
    query = query.order_by(tool_decisions.c.made_ms, tool_decisions.c.request_id, tool_decisions.c.position)
    with database.connect() as connection:
        return [ToolDecision(**row) for row in connection.execute(query).mappings()]
