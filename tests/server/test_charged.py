"""Whatever is answered is charged to whoever asked: OpenAI's routes, plain texts, and lines of batches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from caesura.messages.scripted import ScriptedClient
from caesura.server import create_app
from caesura.server.accounts import Accounts, open_accounts
from caesura.server.backing import Backing
from caesura.server.batch_store import BatchStore
from caesura.server.key_ring import KeyRing
from caesura.server.keys import create_key
from caesura.server.ledger import usage
from caesura.server.limits import Limits
from tests.server.scripted_texts import ScriptedTexts

Connect = Callable[[FastAPI], httpx.AsyncClient]
CHAT = {"model": "scripted", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
TEXT = {"model": "scripted", "prompt": ["one two ", "three "], "max_tokens": 2}


@pytest.fixture
def accounts(database_url: str) -> Iterator[Accounts]:
    with open_accounts(database_url) as opened:
        yield opened


def app_of(accounts: Accounts) -> FastAPI:
    backing = Backing(
        accounts=accounts, texts=ScriptedTexts("four five"), batches=BatchStore(accounts.database)
    )
    return create_app(ScriptedClient(otherwise="hello there"), backing=backing)


def keyed(accounts: Accounts) -> Accounts:
    """The same, with the keys that have been made since."""
    return replace(accounts, keys=KeyRing(accounts.database))


def charged(accounts: Accounts) -> Sequence[Any]:
    assert accounts.ledger.flush(60)
    with accounts.database.connect() as connection:
        return connection.execute(select(usage).order_by(usage.c.input_tokens)).all()


async def test_a_chat_is_charged(accounts: Accounts, in_process: Connect) -> None:
    key, made = create_key(accounts.database, "k", workspace="w")
    client, headers = in_process(app_of(keyed(accounts))), {"authorization": f"Bearer {key}"}
    response = await client.post("/v1/chat/completions", json=CHAT, headers=headers)
    (row,) = charged(accounts)
    assert (row.key_id, row.workspace, row.service_tier) == (made.id, "w", "standard")
    assert (row.input_tokens, row.output_tokens, row.status) == (2, 2, "complete")
    assert row.request_id == response.headers["request-id"]


@pytest.mark.parametrize("fields", [{}, {"logprobs": 1, "echo": True}], ids=["added", "scored"])
async def test_each_text_is_charged(accounts: Accounts, in_process: Connect, fields: dict[str, Any]) -> None:
    response = await in_process(app_of(accounts)).post("/v1/completions", json={**TEXT, **fields})
    assert response.status_code == 200
    rows = charged(accounts)
    assert [(row.input_tokens, row.output_tokens) for row in rows] == [(1, 2), (2, 2)]
    assert {row.request_id for row in rows} == {response.headers["request-id"]}


async def test_who_may_ask_no_more_is_told_so_in_openais_words(
    accounts: Accounts, in_process: Connect
) -> None:
    key, _ = create_key(accounts.database, "k", limits=Limits(requests=1))
    client, headers = in_process(app_of(keyed(accounts))), {"authorization": f"Bearer {key}"}
    assert (await client.post("/v1/chat/completions", json=CHAT, headers=headers)).status_code == 200
    refused = await client.post("/v1/chat/completions", json=CHAT, headers=headers)
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert int(refused.headers["retry-after"]) > 0


async def test_lines_are_charged_at_the_batchs_rate_and_count_against_no_limit(
    accounts: Accounts, in_process: Connect
) -> None:
    limits = Limits(requests=1, output_tokens=9)
    key, made = create_key(accounts.database, "k", workspace="w", limits=limits)
    params = {name: CHAT[name] for name in ("model", "messages", "max_tokens")}
    requests = [{"custom_id": f"r{number}", "params": params} for number in range(5)]
    app, headers = app_of(keyed(accounts)), {"x-api-key": key}
    async with app.router.lifespan_context(app), in_process(app) as client:
        batch = await client.post("/v1/messages/batches", json={"requests": requests}, headers=headers)
        path = f"/v1/messages/batches/{batch.json()['id']}"
        async with asyncio.timeout(20):
            while (await client.get(path, headers=headers)).json()["processing_status"] != "ended":
                await asyncio.sleep(0.01)
        counts = (await client.get(path, headers=headers)).json()["request_counts"]
    assert counts["succeeded"] == 5
    rows = charged(accounts)
    assert {(row.key_id, row.workspace, row.service_tier) for row in rows} == {(made.id, "w", "batch")}
    assert len({row.request_id for row in rows}) == 5
