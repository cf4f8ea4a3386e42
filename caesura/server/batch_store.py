"""Message batches in the database: what was asked, and what came of it.

Whoever works on a batch holds a lease on it, which is renewed; when its holder is killed, another may take
over once the lease has run out. Every method may block. Enters: batches and outcomes. Leaves: `Batch`es and
`Line`s. Read next: `batch_rows.py` for the tables, `batch_runner.py`, which works on them.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, fields, replace
from itertools import islice
from typing import Any

from sqlalchemy import Engine, Row, Select, delete, func, select, update

from caesura.messages.errors import InvalidRequestError, NotFoundError
from caesura.server.batch_rows import Batch, Line, Outcome, Unfinished, batches, lines
from caesura.server.caller import Caller
from caesura.server.database import milliseconds
from caesura.server.newest import newest

LIFE_MS = 24 * 3_600_000
# How long results are kept.
KEPT_MS = 29 * LIFE_MS
# Rows of one transaction: so few that nobody who writes besides has to wait.
_ROWS = 1_000
_NAME = re.compile(r"msgbatch_[0-9a-f]{24}", re.ASCII)

_BATCH_COLUMNS = [batches.c[field.name] for field in fields(Batch)]


class BatchStore:
    """Two tables."""

    def __init__(self, database: Engine, clock: Callable[[], float] = time.time) -> None:
        """clock: seconds since 1970."""
        self._database = database
        self._clock = clock

    def now_ms(self) -> int:
        """The time as the tables have it."""
        return milliseconds(self._clock)

    def create(
        self,
        entries: Iterable[tuple[str, str]],
        *,
        num_requests: int,
        caller: Caller,
        version: str = "",
        betas: str = "",
    ) -> Batch:
        """Keep a batch.

        entries: the `custom_id` and the body of each request. version, betas: see `Batch`.
        """
        now_ms = self.now_ms()
        batch = Batch(
            id=f"msgbatch_{secrets.token_hex(12)}",
            tenant=caller.tenant,
            key_id=caller.key_id,
            workspace=caller.workspace,
            version=version,
            betas=betas,
            num_requests=num_requests,
            created_ms=now_ms,
            expires_ms=now_ms + LIFE_MS,
        )
        with self._database.begin() as connection:
            connection.execute(batches.insert(), asdict(batch) | {"is_stored": False})
        for chunk in _chunked(enumerate(entries)):
            rows = [
                {"batch_id": batch.id, "position": position, "custom_id": custom_id, "body": body}
                for position, (custom_id, body) in chunk
            ]
            with self._database.begin() as connection:
                connection.execute(lines.insert(), rows)
        self._set(batch.id, is_stored=True)
        return batch

    def find(self, tenant: str, name: str) -> Batch:
        """One batch of a tenant. Raises NotFoundError."""
        query = self._stored().where(batches.c.tenant == tenant, batches.c.id == name)
        # Whatever else is sent as a name, the database need not even see.
        found = self._batches(query) if _NAME.fullmatch(name) else []
        if not found:
            raise NotFoundError(f"message batch not found: {name[:100]}")
        return found[0]

    def newest(
        self,
        tenant: str,
        *,
        limit: int,
        after: tuple[int, str] | None = None,
        before: tuple[int, str] | None = None,
    ) -> list[Batch]:
        """Batches of a tenant, the newest first: those behind a place, or those directly before one."""
        query = self._stored().where(batches.c.tenant == tenant)
        return newest(query, batches, self._batches, limit=limit, after=after, before=before)

    def cancel(self, tenant: str, name: str) -> Batch:
        """Ask for a batch to be ended. Raises NotFoundError, or InvalidRequestError if it has ended."""
        batch = self.find(tenant, name)
        if batch.ended_ms is not None:
            raise InvalidRequestError(f"message batch {name} has ended; it cannot be canceled any more")
        if batch.cancel_ms is None:
            self._set(batch.id, cancel_ms=self.now_ms())
        return self.find(tenant, name)

    def delete(self, tenant: str, name: str) -> None:
        """Forget a batch. Raises NotFoundError, or InvalidRequestError for one that has not ended."""
        batch = self.find(tenant, name)
        if batch.ended_ms is None:
            raise InvalidRequestError(
                f"message batch {name} is still processing; cancel it first, and delete it once it has ended"
            )
        # From here on it is nobody's; a crash leaves the rest to `tidy`.
        self._set(batch.id, is_stored=False)
        self._drop(batch.id)

    def lines(self, batch_id: str, *, after: int, limit: int, is_pending: bool = False) -> list[Line]:
        """Lines of a batch behind a position, in order. is_pending: only those without an outcome."""
        query = (
            select(lines.c.position, lines.c.custom_id, lines.c.body, lines.c.outcome, lines.c.result)
            .where(lines.c.batch_id == batch_id, lines.c.position > after)
            .order_by(lines.c.position)
            .limit(limit)
        )
        if is_pending:
            query = query.where(lines.c.outcome.is_(None))
        with self._database.connect() as connection:
            return [Line(**row._mapping) for row in connection.execute(query)]  # pyright: ignore[reportPrivateUsage]

    def finish(self, batch_id: str, position: int, outcome: Outcome, result: str) -> None:
        """Note what came of a line."""
        line = (lines.c.batch_id == batch_id) & (lines.c.position == position)
        with self._database.begin() as connection:
            connection.execute(update(lines).where(line).values(outcome=outcome, result=result))

    def claim(self, holder: str, lease_ms: int) -> list[Batch]:
        """Every batch that has something left to be done and that nobody else holds, the oldest first; they
        are the holder's until the lease runs out.
        """
        now_ms = self.now_ms()
        is_free = batches.c.holder.is_(None) | (batches.c.holder == holder) | (batches.c.leased_ms <= now_ms)
        to_do = batches.c.ended_ms.is_(None) & batches.c.is_stored & is_free
        with self._database.begin() as connection:
            values = {"holder": holder, "leased_ms": now_ms + lease_ms}
            connection.execute(update(batches).where(to_do).values(values))
        held = self._stored().where(batches.c.ended_ms.is_(None), batches.c.holder == holder)
        return self._batches(held.order_by(batches.c.created_ms, batches.c.id))

    def release(self, holder: str) -> None:
        """Let others take over at once."""
        with self._database.begin() as connection:
            held = update(batches).where(batches.c.holder == holder)
            connection.execute(held.values(holder=None, leased_ms=None))

    def end(self, batch: Batch, unfinished: Unfinished) -> Batch:
        """Nothing more is done. unfinished: what becomes of lines without an outcome."""
        counts = self._counts(batch.id)
        ended = replace(
            batch,
            ended_ms=self.now_ms(),
            num_succeeded=counts.get("succeeded", 0),
            num_errored=counts.get("errored", 0),
            unfinished=unfinished,
        )
        names = ("ended_ms", "num_succeeded", "num_errored", "unfinished")
        self._set(batch.id, **{name: getattr(ended, name) for name in names}, holder=None, leased_ms=None)
        return ended

    def tidy(self) -> None:
        """Drop results that are too old, and what a crash left of batches that were not accepted."""
        now_ms = self.now_ms()
        is_old = (batches.c.ended_ms <= now_ms - KEPT_MS) & batches.c.archived_ms.is_(None)
        for name in self._names(select(batches.c.id).where(is_old)):
            self._delete_lines(name)
            self._set(name, archived_ms=now_ms)
        is_torn = ~batches.c.is_stored & (batches.c.created_ms <= now_ms - LIFE_MS)
        for name in self._names(select(batches.c.id).where(is_torn)):
            self._drop(name)

    def _stored(self) -> Select[Any]:
        return select(*_BATCH_COLUMNS).where(batches.c.is_stored)

    def _batches(self, query: Select[Any]) -> list[Batch]:
        with self._database.connect() as connection:
            return [_batch(row) for row in connection.execute(query)]

    def _names(self, query: Select[Any]) -> Sequence[str]:
        with self._database.connect() as connection:
            return list(connection.scalars(query))

    def _set(self, batch_id: str, **values: object) -> None:
        with self._database.begin() as connection:
            connection.execute(update(batches).where(batches.c.id == batch_id).values(values))

    def _counts(self, batch_id: str) -> dict[str, int]:
        query = select(lines.c.outcome, func.count()).where(lines.c.batch_id == batch_id)
        with self._database.connect() as connection:
            rows = connection.execute(query.group_by(lines.c.outcome))
            return {row[0]: row[1] for row in rows if row[0] is not None}

    def _drop(self, batch_id: str) -> None:
        self._delete_lines(batch_id)
        with self._database.begin() as connection:
            connection.execute(delete(batches).where(batches.c.id == batch_id))

    def _delete_lines(self, batch_id: str) -> None:
        """A few at a time, so that nobody who writes besides has to wait."""
        of_batch = lines.c.batch_id == batch_id
        while True:
            with self._database.begin() as connection:
                last = connection.scalar(
                    select(lines.c.position).where(of_batch).order_by(lines.c.position).offset(_ROWS).limit(1)
                )
                some = of_batch if last is None else of_batch & (lines.c.position < last)
                connection.execute(delete(lines).where(some))
            if last is None:
                return


def _batch(row: Row[Any]) -> Batch:
    return Batch(**row._mapping)  # pyright: ignore[reportPrivateUsage]


def _chunked(items: Iterable[tuple[int, tuple[str, str]]]) -> Iterator[list[tuple[int, tuple[str, str]]]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, _ROWS)):
        yield chunk
