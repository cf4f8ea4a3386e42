"""The ledger: what each reply took and cost, which tools it decided to use, what is stored.

Rows hold counts, names and hashes, never a word of a prompt or of a reply.

Enters: nothing. Leaves: tables, and rows as immutable values. Read next: `metering.py`, which makes rows,
`ledger_writer.py`, which writes them, `ledger_reports.py`, which reads them.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table

from caesura.server.database import metadata
from caesura.server.prices import ServiceTier

# complete: the reply ended. cut: the client left before. failed: we failed it; it costs nothing.
ReplyStatus = Literal["complete", "cut", "failed"]


def _row_id() -> str:
    return secrets.token_hex(16)


usage = Table(
    "usage",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("request_id", String(64), nullable=False),
    Column("key_id", String(32), nullable=False),
    Column("workspace", String(64), nullable=False),
    Column("model", String, nullable=False),
    Column("service_tier", String(16), nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cache_read_tokens", BigInteger, nullable=False),
    Column("cache_write_5m_tokens", BigInteger, nullable=False),
    Column("cache_write_1h_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("thinking_tokens", BigInteger, nullable=False),
    Column("status", String(16), nullable=False),
    Column("stop_reason", String(64)),
    Column("cost_micros", BigInteger, nullable=False),
    Index("usage_started", "started_ms"),
    Index("usage_request", "request_id"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """A reply that was begun.

    request_id: as the response's `request-id` header has it.
    key_id, workspace: who asked; no key: "".
    model: its own name, whatever the request called it.
    started_ms, ended_ms: milliseconds since 1970.
    input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens: the prompt; disjoint.
    output_tokens: what was written, thoughts included.
    thinking_tokens: those of output_tokens that were thought.
    status: how it ended; for a reply that was cut, tokens are those that were generated till then.
    stop_reason: None unless it is complete.
    cost_micros: in millionths of the price list's currency.
    id: tells the row from all others, so that it can be written twice and be there once.
    """

    request_id: str
    key_id: str
    workspace: str
    model: str
    service_tier: ServiceTier
    started_ms: int
    ended_ms: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    thinking_tokens: int
    status: ReplyStatus
    stop_reason: str | None
    cost_micros: int
    id: str = field(default_factory=_row_id)


tool_decisions = Table(
    "tool_decisions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("request_id", String(64), nullable=False),
    Column("key_id", String(32), nullable=False),
    Column("workspace", String(64), nullable=False),
    Column("model", String, nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),
    Column("tool_use_id", String(128), nullable=False),
    Column("tool", String(256), nullable=False),
    Column("arguments_sha256", String(64), nullable=False),
    Index("tool_decisions_made", "made_ms"),
    Index("tool_decisions_request", "request_id"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDecision:
    """A model's decision to use a tool.

    request_id, key_id, workspace, model: see `UsageRow`.
    made_ms: when the call was complete, in milliseconds since 1970.
    position: of the block in the reply's content.
    tool_use_id: the id by which the client answers.
    tool: the tool's name.
    arguments_sha256: in hexadecimal; see `metering.arguments_sha256`.
    id: see `UsageRow`.
    """

    request_id: str
    key_id: str
    workspace: str
    model: str
    made_ms: int
    position: int
    tool_use_id: str
    tool: str
    arguments_sha256: str
    id: str = field(default_factory=_row_id)


storage = Table(
    "storage",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("workspace", String(64), nullable=False),
    Column("name", String, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("from_ms", BigInteger, nullable=False),
    Column("to_ms", BigInteger, nullable=False),
    Column("cost_micros", BigInteger, nullable=False),
    Index("storage_from", "from_ms"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageRow:
    """An adapter that was kept for a while; billed apart from tokens.

    workspace: whose it is.
    name: the adapter's.
    size_bytes: how large it was.
    from_ms, to_ms: the time that this row bills, in milliseconds since 1970.
    cost_micros: see `prices.storage_cost_micros`.
    id: see `UsageRow`.
    """

    workspace: str
    name: str
    size_bytes: int
    from_ms: int
    to_ms: int
    cost_micros: int
    id: str = field(default_factory=_row_id)


LedgerRow = UsageRow | ToolDecision | StorageRow

TABLES: dict[type[LedgerRow], Table] = {UsageRow: usage, ToolDecision: tool_decisions, StorageRow: storage}
