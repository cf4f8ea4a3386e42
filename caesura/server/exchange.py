"""One HTTP request and its response, as plain ASGI.

Enters: scope, receive, send. Leaves: a body read within its limit, JSON or a stream written, and work
that stops when the client goes away. Read next: `app.py`.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from caesura.messages.errors import ApiError, InvalidRequestError, RequestTimeoutError, RequestTooLargeError
from caesura.messages.wire import error_json
from caesura.server.config import MIB

REQUEST_ID = "caesura.request_id"
TENANT = "caesura.tenant"
_MAX_DISCARDED_BYTES = 256 * MIB

Result = TypeVar("Result")
Header = tuple[bytes, bytes]


class ClientDisconnected(Exception):  # noqa: N818 - an event on the wire, not a fault
    """Nobody is left to answer."""


def new_request_id() -> str:
    """A name for one request, for headers, bodies and logs."""
    return f"req_{secrets.token_hex(12)}"


def error_body(error: ApiError, request_id: str | None) -> bytes:
    """The envelope of an error."""
    return json.dumps(error_json(error.type, error.message, request_id)).encode()


async def send_bytes(send: Send, status: int, body: bytes, headers: tuple[Header, ...] = ()) -> None:
    """A whole JSON response."""
    length = (b"content-length", str(len(body)).encode())
    all_headers = [(b"content-type", b"application/json"), length, *headers]
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": body})


class Exchange:
    """A request that is being answered."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.headers = Headers(scope=scope)
        self.path_params: dict[str, str] = scope.get("path_params", {})
        self.request_id: str = scope[REQUEST_ID]
        self.tenant: str = scope[TENANT]
        self._query: bytes = scope["query_string"]
        self._receive = receive
        self._send = send

    def query(self, name: str) -> str | None:
        """A query parameter, the last one if there are several."""
        return self.query_list(name)[-1] if self.query_list(name) else None

    def query_list(self, name: str) -> list[str]:
        """Every value of a query parameter."""
        return parse_qs(self._query.decode("latin-1"), keep_blank_values=True).get(name, [])

    def betas(self) -> frozenset[str]:
        """The betas that the client names, however it spreads them over headers."""
        values = ",".join(self.headers.getlist("anthropic-beta"))
        return frozenset(beta.strip() for beta in values.split(",") if beta.strip())

    async def read_body(self, max_bytes: int) -> bytes:
        """The whole body; raises ApiError for one that is too large or compressed."""
        encoding = self.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            reason = f"`{encoding[:40]}` is not supported by this server; send the body as it is"
            raise InvalidRequestError(f"content-encoding: {reason}")
        chunks: list[bytes] = []
        size_bytes = 0
        async for chunk in self._chunks():
            size_bytes += len(chunk)
            if size_bytes <= max_bytes:
                chunks.append(chunk)
            elif chunks:
                chunks.clear()
            # Most clients read no answer before they have sent everything, so what is too large is read
            # on and thrown away, up to a point.
            if size_bytes > max_bytes + _MAX_DISCARDED_BYTES:
                break
        if size_bytes > max_bytes:
            raise _too_large(max_bytes)
        return b"".join(chunks)

    async def _chunks(self) -> AsyncIterator[bytes]:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            yield message.get("body", b"")
            if not message.get("more_body", False):
                return

    async def send_json(self, value: object, status: int = 200) -> None:
        """Answer with JSON."""
        await send_bytes(self._send, status, json.dumps(value).encode())

    async def send_error(self, error: ApiError) -> None:
        """Answer with an error envelope."""
        # What may be left of a body that was too large or too slow is not read: the connection cannot go on.
        is_unread = isinstance(error, RequestTooLargeError | RequestTimeoutError)
        headers: tuple[Header, ...] = ((b"connection", b"close"),) if is_unread else ()
        await send_bytes(self._send, error.status, error_body(error, self.request_id), headers)

    async def start_stream(self) -> None:
        """Send the headers of an event stream."""
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-cache"),
            (b"x-accel-buffering", b"no"),
        ]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def write(self, chunk: bytes) -> None:
        """Send the next bytes of a stream."""
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def end_stream(self) -> None:
        """Close a stream."""
        await self._send({"type": "http.response.body", "body": b""})

    async def until_disconnect(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The work's result; the work is cancelled, and ClientDisconnected raised, if the client leaves."""
        task = asyncio.ensure_future(work)
        watcher = asyncio.ensure_future(self._disconnect())
        try:
            await asyncio.wait({task, watcher}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise ClientDisconnected
        finally:
            task.cancel()
            watcher.cancel()
            await asyncio.gather(task, watcher, return_exceptions=True)

    async def _disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _too_large(max_bytes: int) -> RequestTooLargeError:
    limit = f"{max_bytes // MIB} MB" if max_bytes >= MIB else f"{max_bytes} bytes"
    return RequestTooLargeError(
        f"Request exceeds the maximum size of {limit} ({max_bytes} bytes); shorten the conversation"
    )
