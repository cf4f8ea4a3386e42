"""What really passes between a client and a server: an app that hands everything on and notes it down.

Enters: the address of a server. Leaves: an ASGI app, and one `Passage` a request. Read next:
`claude_code.py`, which reads them.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.types import Message, Receive, Scope, Send

# What concerns one connection only, and is set anew on the next.
_HOP_HEADERS = (b"host", b"connection", b"transfer-encoding", b"content-length", b"accept-encoding")
_PATIENCE_S = 900.0
_FIRST_PIECE = b"event: content_block_delta"


@dataclass(slots=True, kw_only=True)
class Passage:
    """One request and its answer.

    method, path, query, headers: as the client sent them. body: as JSON where it is; None: there is none.
    status: 0 while nothing was answered.
    events: the data of the answer's events, or the answer itself. first_s: from the request to the first
        delta. is_whole: whether the answer was handed on to its end.
    """

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: Any = None
    status: int = 0
    events: list[Any] = field(default_factory=list[Any])
    first_s: float | None = None
    is_whole: bool = False

    @property
    def is_reply(self) -> bool:
        """Whether a model was asked."""
        return (self.method, self.path) == ("POST", "/v1/messages")

    @property
    def betas(self) -> list[str]:
        """What the client names in `anthropic-beta`."""
        named = ",".join(value for name, value in self.headers if name == "anthropic-beta")
        return [beta.strip() for beta in named.split(",") if beta.strip()]


class Recorder:
    """An ASGI app that hands every request on to a server."""

    def __init__(self, upstream: str) -> None:
        """upstream: the server's base URL."""
        self.passages: list[Passage] = []
        self._upstream = upstream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        passage = Passage(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode(),
            headers=[(name.decode(), value.decode("latin-1")) for name, value in headers],
        )
        self.passages.append(passage)
        body = await _whole_body(receive)
        passage.body = json_or_text(body)
        kept = [(name, value) for name, value in headers if name not in _HOP_HEADERS]
        work = asyncio.ensure_future(self._pass_on(passage, kept, body, send))
        watcher = asyncio.ensure_future(_disconnect(receive))
        await asyncio.wait({work, watcher}, return_when=asyncio.FIRST_COMPLETED)
        # Whoever leaves us leaves the server, too.
        for task in (work, watcher):
            task.cancel()
        await asyncio.gather(work, watcher, return_exceptions=True)
        if work.done() and not work.cancelled():
            work.result()

    async def _pass_on(
        self, passage: Passage, headers: list[tuple[bytes, bytes]], body: bytes, send: Send
    ) -> None:
        path = passage.path + (f"?{passage.query}" if passage.query else "")
        asked_s = time.monotonic()
        async with (
            httpx.AsyncClient(base_url=self._upstream, timeout=_PATIENCE_S, trust_env=False) as http,
            http.stream(passage.method, path, headers=headers, content=body) as response,
        ):
            await self._hand_on(passage, response, send, asked_s)

    async def _hand_on(self, passage: Passage, response: httpx.Response, send: Send, asked_s: float) -> None:
        passage.status = response.status_code
        kept = [(name, value) for name, value in response.headers.raw if name.lower() not in _HOP_HEADERS]
        await send({"type": "http.response.start", "status": response.status_code, "headers": kept})
        received = b""
        try:
            async for piece in response.aiter_raw():
                received += piece
                if passage.first_s is None and _FIRST_PIECE in received:
                    passage.first_s = time.monotonic() - asked_s
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
            passage.is_whole = True
        finally:
            passage.events = _events(received)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _whole_body(receive: Receive) -> bytes:
    body = b""
    while True:
        message: Message = await receive()
        body += message.get("body", b"")
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return body


def json_or_text(data: bytes) -> Any:
    """What the bytes mean; None for none."""
    try:
        return json.loads(data) if data else None
    except ValueError:
        return data.decode("utf-8", "replace")


def _events(received: bytes) -> list[Any]:
    lines = received.splitlines()
    events = [json_or_text(line.removeprefix(b"data: ")) for line in lines if line.startswith(b"data: ")]
    return events or [json_or_text(received)]
