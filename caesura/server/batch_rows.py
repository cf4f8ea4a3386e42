"""How message batches are kept: two tables, and their rows as immutable values.

A line is a request of a batch; it has an outcome once it is answered. A line without one in a batch that has
ended was cancelled, or expired, whichever ended the batch, so ending one writes a single row.
Enters: nothing. Leaves: tables, `Batch`es and `Line`s. Read next: `batch_store.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from caesura.server.database import metadata

Outcome = Literal["succeeded", "errored"]
Unfinished = Literal["canceled", "expired"]

batches = Table(
    "batches",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(128), nullable=False),
    Column("key_id", String(32), nullable=False),
    Column("workspace", String(64), nullable=False),
    Column("version", String(16), nullable=False),
    Column("betas", Text, nullable=False),
    Column("num_requests", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("cancel_ms", BigInteger),
    Column("ended_ms", BigInteger),
    Column("archived_ms", BigInteger),
    Column("num_succeeded", Integer, nullable=False),
    Column("num_errored", Integer, nullable=False),
    Column("unfinished", String(16)),
    # Whether all its lines are there.
    Column("is_stored", Boolean, nullable=False),
    Column("holder", String(32)),
    Column("leased_ms", BigInteger),
    Index("batches_of_tenant", "tenant", "created_ms", "id"),
    Index("batches_to_do", "ended_ms", "created_ms"),
)
lines = Table(
    "batch_lines",
    metadata,
    Column("batch_id", ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("custom_id", String(64), nullable=False),
    Column("body", Text, nullable=False),
    Column("outcome", String(16)),
    Column("result", Text),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Requests that are answered when there is time.

    id: msgbatch_...
    tenant, key_id, workspace: whose it is, and who pays.
    version, betas: the headers of its request, which say how its lines are read; `betas` with commas.
    num_requests: how many they are.
    created_ms, expires_ms, cancel_ms, ended_ms, archived_ms: milliseconds since 1970; None: not yet.
    num_succeeded, num_errored: of its requests; 0 until it has ended.
    unfinished: what became of all others; None until it has ended.
    """

    id: str
    tenant: str
    key_id: str
    workspace: str
    version: str
    betas: str
    num_requests: int
    created_ms: int
    expires_ms: int
    cancel_ms: int | None = None
    ended_ms: int | None = None
    archived_ms: int | None = None
    num_succeeded: int = 0
    num_errored: int = 0
    unfinished: Unfinished | None = None

    @property
    def place(self) -> tuple[int, str]:
        """Where it stands among its tenant's."""
        return self.created_ms, self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A request of a batch.

    position: in its batch. custom_id: how its sender calls it.
    body: as it was sent, a JSON object with `custom_id` and `params`.
    outcome, result: what came of it, `result` as a JSON object; None until it is answered.
    """

    position: int
    custom_id: str
    body: str
    outcome: Outcome | None = None
    result: str | None = None
