"""The Message Batches API: create, list, retrieve, cancel, delete, and results line by line.

A batch's body is only cut into requests when it comes; what is wrong with one of them becomes that line's
outcome. Enters: exchanges. Leaves: batches as JSON, results as JSON lines. Read next: `batch_lines.py` for
one line, `batch_runner.py` for when.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import Any

from starlette.routing import Route

from caesura.messages.errors import InvalidRequestError, NotFoundError
from caesura.server.batch_reading import Entry, read_entries
from caesura.server.batch_rows import Batch, Line
from caesura.server.batch_runner import BatchRunner
from caesura.server.batch_store import BatchStore
from caesura.server.catalogue import page_request
from caesura.server.endpoint import Endpoint
from caesura.server.exchange import Exchange
from caesura.server.files import rfc3339
from caesura.server.memory_header import refuse_memory

_RESULT_LINES = 200


class BatchesApi:
    """The handlers, over one store."""

    def __init__(self, store: BatchStore | None, runner: BatchRunner | None, max_body_bytes: int) -> None:
        """store, runner: None where no batches are kept."""
        self._kept = store
        self._runner = runner
        self._max_body_bytes = max_body_bytes

    def routes(self) -> list[Route]:
        """What is answered here."""
        one = "/v1/messages/batches/{batch_id}"
        return [
            Route("/v1/messages/batches", Endpoint(self.create), methods=["POST"]),
            Route("/v1/messages/batches", Endpoint(self.list_batches), methods=["GET"]),
            Route(one, Endpoint(self.retrieve), methods=["GET"]),
            Route(one, Endpoint(self.delete), methods=["DELETE"]),
            Route(f"{one}/cancel", Endpoint(self.cancel), methods=["POST"]),
            Route(f"{one}/results", Endpoint(self.results), methods=["GET"]),
        ]

    @property
    def _store(self) -> BatchStore:
        if self._kept is None:
            raise NotFoundError("batches: this server keeps no message batches")
        return self._kept

    async def create(self, exchange: Exchange) -> None:
        """Keep a batch; it is worked on from now on."""
        store = self._store
        body = bytearray()
        refuse_memory(exchange, 'give each request the tool, with `"executed_by": "server"`')
        async for chunk in exchange.body(self._max_body_bytes):
            body += chunk
        caller, betas = exchange.caller, ",".join(sorted(exchange.betas()))
        version = exchange.headers.get("anthropic-version", "")

        def keep() -> Batch:
            entries = read_entries(body)
            return store.create(
                _bodies(body, entries),
                num_requests=len(entries),
                caller=caller,
                version=version[:16],
                betas=betas,
            )

        batch = await asyncio.to_thread(keep)
        self._wake()
        await exchange.send_json(batch_json(batch))

    async def list_batches(self, exchange: Exchange) -> None:
        """A page of the tenant's batches."""
        page = page_request(
            limit=exchange.query("limit"),
            after_id=exchange.query("after_id"),
            before_id=exchange.query("before_id"),
            lifecycles=[],
        )
        found = await asyncio.to_thread(
            self._store.newest,
            exchange.tenant,
            limit=page.limit + 1,
            after=await self._place(exchange, "after_id", page.after_id),
            before=await self._place(exchange, "before_id", page.before_id),
        )
        chosen = found[-page.limit :] if page.before_id else found[: page.limit]
        await exchange.send_json(
            {
                "data": [batch_json(batch) for batch in chosen],
                "has_more": len(found) > page.limit,
                "first_id": chosen[0].id if chosen else None,
                "last_id": chosen[-1].id if chosen else None,
            }
        )

    async def retrieve(self, exchange: Exchange) -> None:
        """One batch as it stands."""
        await exchange.send_json(batch_json(await self._found(exchange)))

    async def cancel(self, exchange: Exchange) -> None:
        """Have a batch ended; what is answered by then stays."""
        batch = await asyncio.to_thread(self._store.cancel, exchange.tenant, exchange.path_params["batch_id"])
        self._wake()
        await exchange.send_json(batch_json(batch))

    async def delete(self, exchange: Exchange) -> None:
        """Forget a batch that has ended."""
        name = exchange.path_params["batch_id"]
        await asyncio.to_thread(self._store.delete, exchange.tenant, name)
        await exchange.send_json({"id": name, "type": "message_batch_deleted"})

    async def results(self, exchange: Exchange) -> None:
        """What came of each line."""
        batch = await self._found(exchange)
        if batch.ended_ms is None:
            raise NotFoundError(f"message batch {batch.id} has no results yet: it is still processing")
        if batch.archived_ms is not None:
            raise NotFoundError(f"message batch {batch.id} has no results any more: they are kept 29 days")
        await exchange.until_disconnect(self._send_results(exchange, batch))

    async def _send_results(self, exchange: Exchange, batch: Batch) -> None:
        await exchange.start({"content-type": "application/x-jsonl"})
        last = -1
        while some := await asyncio.to_thread(self._store.lines, batch.id, after=last, limit=_RESULT_LINES):
            await exchange.write(_results(batch, some))
            last = some[-1].position
        await exchange.end_stream()

    async def _found(self, exchange: Exchange) -> Batch:
        return await asyncio.to_thread(self._store.find, exchange.tenant, exchange.path_params["batch_id"])

    async def _place(self, exchange: Exchange, field: str, name: str | None) -> tuple[int, str] | None:
        if not name:
            return None
        try:
            return (await asyncio.to_thread(self._store.find, exchange.tenant, name)).place
        except NotFoundError as error:
            raise InvalidRequestError(f"{field}: there is no message batch `{name[:100]}`") from error

    def _wake(self) -> None:
        if self._runner is not None:
            self._runner.wake()


def _bodies(body: bytearray, entries: Sequence[Entry]) -> Iterator[tuple[str, str]]:
    return ((entry.custom_id, body[entry.start : entry.stop].decode()) for entry in entries)


def _results(batch: Batch, lines: Sequence[Line]) -> bytes:
    """Lines as JSON lines. Their results are JSON already, and are not read for this."""
    unanswered = json.dumps({"type": batch.unfinished})
    rows = [f'{{"custom_id": "{line.custom_id}", "result": {line.result or unanswered}}}\n' for line in lines]
    return "".join(rows).encode()


def batch_json(batch: Batch) -> dict[str, Any]:
    """A batch as it stands."""
    has_results = batch.ended_ms is not None and batch.archived_ms is None
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": _status(batch),
        "request_counts": _counts(batch),
        "created_at": rfc3339(batch.created_ms),
        "expires_at": rfc3339(batch.expires_ms),
        "ended_at": _time(batch.ended_ms),
        "cancel_initiated_at": _time(batch.cancel_ms),
        "archived_at": _time(batch.archived_ms),
        # Relative to wherever the client reached this server.
        "results_url": f"/v1/messages/batches/{batch.id}/results" if has_results else None,
    }


def _time(time_ms: int | None) -> str | None:
    return None if time_ms is None else rfc3339(time_ms)


def _status(batch: Batch) -> str:
    if batch.ended_ms is not None:
        return "ended"
    return "in_progress" if batch.cancel_ms is None else "canceling"


def _counts(batch: Batch) -> dict[str, int]:
    """All are processing until the batch has ended."""
    counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
    if batch.unfinished is None:
        return counts | {"processing": batch.num_requests}
    left = batch.num_requests - batch.num_succeeded - batch.num_errored
    return counts | {
        "succeeded": batch.num_succeeded,
        "errored": batch.num_errored,
        batch.unfinished: left,
    }
