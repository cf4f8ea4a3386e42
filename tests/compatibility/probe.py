"""Asks our server one thing, in process, with the scripted model behind it, and says what became of it.

Enters: a request. Leaves: an `Answer`, and the words of the page: `works`, `refused with 400`, `ignored`.
Read next: `page.py`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import httpx
from fastapi import FastAPI

from caesura.messages.event_source import EventSourceReader
from caesura.messages.request import MessagesRequest
from caesura.messages.scripted import ScriptedClient
from caesura.messages.sealing import Sealer
from caesura.messages.signing import SigningClient
from caesura.server import ServerConfig, create_app
from caesura.server.accounts import open_accounts
from caesura.server.backing import Backing
from caesura.server.batch_runner import BatchPolicy
from caesura.server.batch_store import BatchStore
from caesura.server.config import MIB
from caesura.server.database import default_url
from caesura.server.file_store import FileStore
from caesura.server.memory_store import MemoryStore
from tests.clients.directions import direct
from tests.clients.servers import two_keys

OLD, NEW = "2023-06-01", "2026-10-21"
WORKS, IGNORED, NEVER = "works", "ignored", "never sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back.

    status, headers: of the response. body: its JSON, or its text. events: of a stream.
    request: what reached the model, if anything did.
    """

    status: int
    headers: Mapping[str, str]
    body: Any
    events: list[dict[str, Any]]
    request: MessagesRequest | None

    @property
    def usage(self) -> dict[str, Any]:
        """Of a whole message."""
        return self.body["usage"]

    @property
    def kinds(self) -> list[str]:
        """Of its blocks."""
        return [block["type"] for block in self.body["content"]]

    @property
    def error(self) -> dict[str, Any]:
        """What an error is about."""
        return self.body["error"]


class Probe:
    """A server in this process, with a key that opens it."""

    def __init__(self, http: httpx.AsyncClient, scripted: ScriptedClient, key: str, poor_key: str) -> None:
        """poor_key: opens it once a minute."""
        self._http = http
        self._scripted = scripted
        self._headers = {"x-api-key": key, "anthropic-version": OLD}
        self.key, self.poor_key = key, poor_key

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **options: Any
    ) -> Answer:
        """One request. headers: instead of the usual ones of the same names; an empty one is left out."""
        num_before = len(self._scripted.history)
        merged = {**self._headers, **(headers or {})}
        kept = {name: value for name, value in merged.items() if value}
        response = await self._http.request(method, path, headers=kept, **options)
        history = self._scripted.history
        return Answer(
            status=response.status_code,
            headers=response.headers,
            body=_body(response),
            events=_events(response),
            request=history[-1] if len(history) > num_before else None,
        )

    async def message(self, fields: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
        """`POST /v1/messages`, where nothing is said of a field as `BODY` has it; None leaves a field out."""
        return await self.ask("POST", "/v1/messages", headers, json=body_of(fields))


BODY: dict[str, Any] = {
    "model": "scripted",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "What is it?"}],
}


def body_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The usual body with other fields."""
    return {name: value for name, value in {**BODY, **fields}.items() if value is not _LEFT_OUT}


_LEFT_OUT = object()
LEFT_OUT: Any = _LEFT_OUT


def _body(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return response.text


def _events(response: httpx.Response) -> list[dict[str, Any]]:
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        return []
    reader = EventSourceReader()
    return [json.loads(data) for data in reader.feed(response.content)]


@asynccontextmanager
async def asking(
    app: FastAPI, scripted: ScriptedClient, key: str = "", poor_key: str = ""
) -> AsyncGenerator[Probe]:
    """A probe of an app. key: none where the app wants none."""
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60.0) as http,
    ):
        yield Probe(http, scripted, key, poor_key)


@asynccontextmanager
async def asking_another(backing: Backing) -> AsyncGenerator[Probe]:
    """A probe of another server, without keys, that has something else behind it."""
    scripted = ScriptedClient(otherwise=direct)
    async with asking(
        create_app(SigningClient(scripted, Sealer(bytes(32))), None, backing), scripted
    ) as probe:
        yield probe


@asynccontextmanager
async def probing(folder: Path) -> AsyncGenerator[Probe]:
    """A probe of a server that keeps its things in `folder`."""
    scripted = ScriptedClient(otherwise=direct)
    async with AsyncExitStack() as stack:
        key, poor_key = two_keys(default_url(folder))
        accounts = stack.enter_context(open_accounts(default_url(folder)))
        app = create_app(
            SigningClient(scripted, Sealer(bytes(32))),
            ServerConfig(max_body_bytes=MIB),
            Backing(
                accounts=accounts,
                files=FileStore(folder / "files", accounts.database, max_bytes=10 * MIB),
                batches=BatchStore(accounts.database),
                batch_policy=BatchPolicy(retry_s=0.01),
                memory=MemoryStore(folder / "memory"),
            ),
        )
        yield await stack.enter_async_context(asking(app, scripted, key, poor_key))


Check = Callable[[Probe], Awaitable[str]]
Judge = Callable[[Answer], object]


class Row(NamedTuple):
    """One line of the page.

    name: of the feature, in Markdown. check: finds out what becomes of it. remark: what else is to be said.
    """

    name: str
    check: Check
    remark: str = ""


def verdict(answer: Answer, is_honoured: Judge) -> str:
    """In the page's words. is_honoured: asked of an answer that is no error."""
    if answer.status >= 300:
        return f"refused with {answer.status}"
    return WORKS if is_honoured(answer) else IGNORED


def field(
    fields: Mapping[str, Any], is_honoured: Judge | None = None, headers: Mapping[str, str] | None = None
) -> Check:
    """Something in the body of a message; unless told otherwise it is honoured if the model's request is
    another one than without it.
    """

    async def check(probe: Probe) -> str:
        plain = await probe.message({})
        answer = await probe.message(fields, headers)
        return verdict(answer, is_honoured or (lambda each: each.request != plain.request))

    return check


def block(
    *blocks: Mapping[str, Any],
    role: str = "user",
    before: list[Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Check:
    """Content blocks in the last message, or before it if the role is not the user's; honoured if all of
    them reach the model.
    """
    said: list[Any] = [*(before or []), {"role": role, "content": list(blocks)}]
    messages = said if role == "user" else [*BODY["messages"], *said, *BODY["messages"]]
    place = len(messages) - 1 if role == "user" else 1

    def reaches(answer: Answer) -> bool:
        turns = cast("MessagesRequest", answer.request).conversation.turns
        return len(turns) > place and len(turns[place].content) >= len(blocks)

    return field({"messages": messages}, reaches, headers)


def error(status: int, kind: str, ask: Callable[[Probe], Awaitable[Answer]]) -> Check:
    """An error that is to be as the API has it."""

    async def check(probe: Probe) -> str:
        answer = await ask(probe)
        if answer.status != status:
            return f"differs: {answer.status}"
        has_envelope = answer.body["type"] == "error" and answer.body["request_id"].startswith("req_")
        return WORKS if has_envelope and answer.error["type"] == kind else f"differs: {answer.error['type']}"

    return check


def judged(ask: Callable[[Probe], Awaitable[Answer]], is_honoured: Judge) -> Check:
    """Anything else."""

    async def check(probe: Probe) -> str:
        return verdict(await ask(probe), is_honoured)

    return check
