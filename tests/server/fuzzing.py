"""A whole server for bodies that mean no good, and what must hold of whatever it answers.

Enters: requests. Leaves: responses, checked: never a failure of the server's, never without an envelope.
`CAESURA_FUZZ_EXAMPLES` says how many of each kind are tried. Read next: `test_fuzz.py`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import Engine

from caesura.messages.events import Event
from caesura.messages.request import MessagesRequest
from caesura.messages.response import ModelInfo
from caesura.messages.scripted import ScriptedCall, ScriptedClient, ScriptedReply
from caesura.messages.sealing import Sealer
from caesura.messages.signing import SigningClient
from caesura.server import ServerConfig, create_app
from caesura.server.accounts import Accounts
from caesura.server.backing import Backing
from caesura.server.batch_store import BatchStore
from caesura.server.exchange import OPENAI_PATHS
from caesura.server.fetching import Fetcher
from caesura.server.file_store import FileStore
from caesura.server.memory_store import MemoryStore
from tests.server.scripted_texts import ScriptedTexts

EXAMPLES = int(os.environ.get("CAESURA_FUZZ_EXAMPLES", "20"))
KEY = "a-key-for-fuzzing"
# Nothing takes so long that is not stuck.
STUCK_S = 60.0


class ObligingClient:
    """A Client that does whatever a request wants: it thinks, it calls the tool that is asked for."""

    def __init__(self) -> None:
        self._knows_models = ScriptedClient()

    def stream(self, request: MessagesRequest) -> AsyncIterator[Event]:
        names = [tool.name for tool in request.conversation.tools]
        name = request.tool_choice.name or (names[0] if names else "")
        calls = (ScriptedCall(name=name, input={"a": [1]}),) if name else ()
        return ScriptedClient([ScriptedReply(thinking="hm", text="so it is", calls=calls)]).stream(request)

    async def count_tokens(self, request: MessagesRequest) -> int:
        return await self._knows_models.count_tokens(request)

    async def models(self) -> Sequence[ModelInfo]:
        return await self._knows_models.models()


async def _nowhere(host: str, port: int) -> Sequence[str]:
    raise OSError("no such name")


def whole_app(folder: Path, database: Engine, accounts: Accounts | None = None) -> FastAPI:
    """An app with everything that it can have, over an obliging Client."""
    client = SigningClient(ObligingClient(), Sealer(bytes(32)))
    backing = Backing(
        files=FileStore(folder / "files", database),
        batches=BatchStore(database),
        texts=ScriptedTexts("so it is"),
        memory=MemoryStore(folder / "memory"),
        fetcher=Fetcher(resolve=_nowhere),
        accounts=accounts,
    )
    return create_app(client, ServerConfig(api_keys=(KEY,)), backing)


def sent(app: FastAPI, requests: Callable[[httpx.AsyncClient], Any]) -> list[httpx.Response]:
    """What is answered to requests, one after the other."""

    async def run() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        headers = {"x-api-key": KEY}
        async with (
            asyncio.timeout(STUCK_S),
            httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as http,
        ):
            return [await each for each in requests(http)]

    responses = asyncio.run(run())
    for response in responses:
        check(response)
    return responses


def check(response: httpx.Response) -> None:
    """What holds of every answer."""
    path = response.request.url.path
    assert response.status_code < 500, (response.status_code, response.text[:500])
    assert response.headers["request-id"].startswith("req_")
    if response.status_code >= 400:
        check_error(response, path)
    elif response.headers["content-type"].startswith("text/event-stream"):
        check_stream(response.text, path)


def check_error(response: httpx.Response, path: str) -> None:
    body = response.json()
    error = body["error"]
    assert isinstance(error["type"], str)
    assert 0 < len(error["message"]) < 3_000
    if path not in OPENAI_PATHS:
        assert body["type"] == "error"
        assert body["request_id"] == response.headers["request-id"]


def check_stream(text: str, path: str) -> None:
    assert '"api_error"' not in text
    end = "data: [DONE]" if path in OPENAI_PATHS else "event: message_stop"
    assert end in text or "event: error" in text or '"error"' in text
