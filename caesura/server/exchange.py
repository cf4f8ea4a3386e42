"""One HTTP request and its response, as plain ASGI.

Enters: scope, receive, send. Leaves: a body read within its limit, JSON or a stream written, and work
that stops when the client goes away. Read next: `app.py`.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from caesura.messages.errors import (
    ApiError,
    InvalidRequestError,
    OverloadedError,
    RateLimitError,
    RequestTimeoutError,
    RequestTooLargeError,
)
from caesura.messages.wire import error_json
from caesura.server import openai_writing
from caesura.server.caller import Caller
from caesura.server.config import MIB

REQUEST_ID = "caesura.request_id"
CALLER = "caesura.caller"
OPENAI_PATHS = ("/v1/chat/completions", "/v1/completions")
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
    return json.dumps(error_json(error.type, error.message, request_id, error.error_code)).encode()


def error_answer(error: ApiError, request_id: str, path: str) -> tuple[int, bytes]:
    """The status and the body of an error, in the envelope that clients of this path read."""
    if path in OPENAI_PATHS:
        return openai_writing.error_status(error), json.dumps(openai_writing.error_json(error)).encode()
    return error.status, error_body(error, request_id)


def error_headers(error: ApiError) -> tuple[Header, ...]:
    """What a client must know of an error before it reads the body."""
    match error:
        case RequestTooLargeError() | RequestTimeoutError():
            # What may be left of the body is not read: the connection cannot go on.
            return ((b"connection", b"close"),)
        case RateLimitError() | OverloadedError():
            return ((b"retry-after", str(error.retry_after_s).encode()),)
        case _:
            return ()


async def send_bytes(
    send: Send,
    status: int,
    body: bytes,
    headers: tuple[Header, ...] = (),
    content_type: str = "application/json",
) -> None:
    """A whole response, JSON unless said otherwise."""
    length = (b"content-length", str(len(body)).encode())
    all_headers = [(b"content-type", content_type.encode()), length, *headers]
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": body})


class Exchange:
    """A request that is being answered."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.headers = Headers(scope=scope)
        self.path_params: dict[str, str] = scope.get("path_params", {})
        self.request_id: str = scope[REQUEST_ID]
        self.caller: Caller = scope[CALLER]
        self._path: str = scope["path"]
        self._query: bytes = scope["query_string"]
        self._receive = receive
        self._send = send
        self._is_read = False

    @property
    def tenant(self) -> str:
        """Whose caches and files this request may use."""
        return self.caller.tenant

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
        # A list of a million small pieces takes many times their bytes.
        whole = bytearray()
        async for chunk in self.body(max_bytes):
            whole += chunk
        return bytes(whole)

    async def body(self, max_bytes: int) -> AsyncIterator[bytes]:
        """The body as it comes; raises ApiError as `read_body` does."""
        encoding = ", ".join(self.headers.getlist("content-encoding")).strip().lower()
        if encoding not in ("", "identity"):
            reason = f"`{encoding[:40]}` is not supported by this server; send the body as it is"
            raise InvalidRequestError(f"content-encoding: {reason}")
        size_bytes = 0
        async for chunk in self._chunks():
            size_bytes += len(chunk)
            if size_bytes > max_bytes:
                raise _too_large(max_bytes)
            yield chunk

    async def _chunks(self) -> AsyncIterator[bytes]:
        while not self._is_read:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            self._is_read = not message.get("more_body", False)
            yield message.get("body", b"")

    async def _discard_rest(self) -> None:
        """Most clients read no answer before they have sent everything, so what is too large is read on and
        thrown away, up to a point.
        """
        size_bytes = 0
        async for chunk in self._chunks():
            size_bytes += len(chunk)
            if size_bytes > _MAX_DISCARDED_BYTES:
                return

    async def send_json(self, value: object, status: int = 200) -> None:
        """Answer with JSON."""
        await send_bytes(self._send, status, json.dumps(value).encode())

    async def send(self, body: bytes, content_type: str) -> None:
        """Answer with something else."""
        await send_bytes(self._send, 200, body, content_type=content_type)

    async def send_error(self, error: ApiError) -> None:
        """Answer with an error envelope."""
        if isinstance(error, RequestTooLargeError):
            await self._discard_rest()
        status, body = error_answer(error, self.request_id, self._path)
        await send_bytes(self._send, status, body, error_headers(error))

    async def start(self, headers: Mapping[str, str]) -> None:
        """Send the headers of something that comes in pieces."""
        pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": 200, "headers": pairs})

    async def start_stream(self) -> None:
        """Send the headers of an event stream."""
        await self.start(
            {
                "content-type": "text/event-stream; charset=utf-8",
                "cache-control": "no-cache",
                "x-accel-buffering": "no",
            }
        )

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
