"""A server with keys in its database: attacked, limited, billed, and audited, over HTTP."""

from __future__ import annotations

import asyncio
import base64
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anthropic
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from caesura.messages.scripted import ScriptedCall, ScriptedClient, ScriptedReply
from caesura.server import ServerConfig, create_app
from caesura.server.accounts import Accounts, open_accounts
from caesura.server.backing import Backing
from caesura.server.key_ring import MAX_AGE_S, KeyRing
from caesura.server.keys import create_key, list_keys, revoke_key
from caesura.server.ledger_reports import decisions, usage_lines
from caesura.server.limiter import Limiter
from caesura.server.limits import Limits
from tests.server.clock import Clock
from tests.server.test_ledger_writer import wait_for_a_row

Connect = Callable[[FastAPI], httpx.AsyncClient]
Serve = Callable[[FastAPI], AbstractAsyncContextManager[httpx.AsyncClient]]
ASK: dict[str, Any] = {
    "model": "scripted",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "a secret question"}],
}
UNKNOWN = "sk-caesura-0123456789ab-" + "x" * 43


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(database_url: str, clock: Clock) -> Iterator[Accounts]:
    with open_accounts(database_url) as opened:
        keys = KeyRing(opened.database, clock=clock)
        limiter = Limiter(clock=clock, wall_clock=lambda: 1_800_000_000 + clock())
        yield replace(opened, keys=keys, limiter=limiter)


def key_of(accounts: Accounts, clock: Clock, name: str = "k", workspace: str = "w", **limits: int) -> str:
    """A new key, which the server knows from now on."""
    key, _ = create_key(accounts.database, name, workspace=workspace, limits=Limits(**limits))
    clock.now_s += MAX_AGE_S
    return key


def app_of(
    accounts: Accounts, client: ScriptedClient | None = None, config: ServerConfig | None = None
) -> FastAPI:
    client = client or ScriptedClient(otherwise="hello there")
    return create_app(client, config, Backing(accounts=accounts))


def bearing(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def test_without_any_key_the_server_is_open_to_this_machine(
    accounts: Accounts, in_process: Connect
) -> None:
    client = in_process(app_of(accounts))
    assert (await client.post("/v1/messages", json=ASK)).status_code == 200
    (line,) = usage_lines(flushed(accounts).database, "key")
    assert (line.group, line.num_replies) == ("(no key)", 1)


def flushed(accounts: Accounts) -> Accounts:
    assert accounts.ledger.flush(60)
    return accounts


async def test_from_the_first_key_on_every_request_needs_one(
    accounts: Accounts, clock: Clock, in_process: Connect
) -> None:
    client = in_process(app_of(accounts))
    assert (await client.get("/v1/models")).status_code == 200
    key = key_of(accounts, clock)
    assert (await client.get("/v1/models")).status_code == 401
    assert (await client.get("/v1/models", headers={"x-api-key": key})).status_code == 200
    assert (await client.get("/v1/models", headers=bearing(key))).status_code == 200
    assert (await client.get("/health")).status_code == 200


async def test_revoking_closes_within_a_second_and_the_last_one_opens_nothing(
    accounts: Accounts, clock: Clock, in_process: Connect
) -> None:
    key = key_of(accounts, clock)
    client = in_process(app_of(accounts))
    assert (await client.get("/v1/models", headers={"x-api-key": key})).status_code == 200
    revoke_key(accounts.database, "k")
    clock.now_s += MAX_AGE_S
    for headers, message in [
        ({"x-api-key": key}, "invalid x-api-key"),
        (bearing(key), "invalid bearer token"),
        ({}, "x-api-key header is required (or Authorization: Bearer)"),
    ]:
        response = await client.post("/v1/messages", json=ASK, headers=headers)
        assert response.status_code == 401
        assert response.json()["error"] == {"type": "authentication_error", "message": message}
        assert response.json()["request_id"] == response.headers["request-id"]


async def test_wrong_keys_are_all_refused_alike(
    accounts: Accounts, clock: Clock, in_process: Connect
) -> None:
    key = key_of(accounts, clock)
    client = in_process(app_of(accounts))
    kept = list_keys(accounts.database)[0]
    tries = [
        UNKNOWN,
        key[:-1],
        key + "x",
        key.upper(),
        key[:24] + "x" * 43,
        kept.id,
        kept.name,
        kept.digest.hex(),
        f"{key},{key}",
        f'"{key}"',
        "sk-caesura-",
        "' OR 1=1 --",
        "x" * 20_000,
    ]
    replies = [await client.get("/v1/models", headers={"x-api-key": wrong}) for wrong in tries]
    assert {reply.status_code for reply in replies} == {401}
    assert {reply.json()["error"]["message"] for reply in replies} == {"invalid x-api-key"}
    assert not any("ratelimit" in name for reply in replies for name in reply.headers)


async def test_the_operators_keys_and_the_databases_both_open(
    accounts: Accounts, clock: Clock, in_process: Connect
) -> None:
    key = key_of(accounts, clock)
    client = in_process(app_of(accounts, config=ServerConfig(api_keys=("house-key",))))
    for good in (key, "house-key"):
        assert (await client.get("/v1/models", headers={"x-api-key": good})).status_code == 200
    assert (await client.get("/v1/models", headers={"x-api-key": UNKNOWN})).status_code == 401
    await client.post("/v1/messages", json=ASK, headers={"x-api-key": "house-key"})
    (line,) = usage_lines(flushed(accounts).database, "key")
    assert line.group.startswith("option_")
    assert "house" not in line.group


@pytest.mark.parametrize("path", ["/v1/models", "/v1/messages", "/v1/nothing", "/health", "/"])
@pytest.mark.parametrize("name", ["api_key", "x-api-key", "beta", "X"])
async def test_a_key_in_the_url_is_refused_and_not_repeated(
    accounts: Accounts, clock: Clock, in_process: Connect, path: str, name: str
) -> None:
    key = key_of(accounts, clock)
    client = in_process(app_of(accounts))
    for headers in ({}, {"x-api-key": key}):
        response = await client.get(f"{path}?{name}={key}", headers=headers)
        assert response.status_code == 400
        assert response.json()["error"]["type"] == "invalid_request_error"
        assert "a key in the URL is not taken" in response.json()["error"]["message"]
        assert key[-43:] not in response.text
        encoded = "".join(f"%{ord(letter):02x}" for letter in key)
        assert (await client.get(f"{path}?{name}={encoded}", headers=headers)).status_code == 400


@pytest.mark.parametrize("name", ["api_key", "key", "API-KEY", "access_token", "authorization"])
async def test_any_key_in_the_url_of_the_api_is_refused_even_where_none_is_needed(
    accounts: Accounts, in_process: Connect, name: str
) -> None:
    client = in_process(app_of(accounts))
    assert (await client.post(f"/v1/messages?{name}=anything", json=ASK)).status_code == 400
    assert (await client.post("/v1/messages?beta=true&page=2", json=ASK)).status_code == 200


async def test_a_key_in_the_url_does_not_reach_the_log(
    accounts: Accounts, clock: Clock, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    key = key_of(accounts, clock)
    with caplog.at_level(logging.DEBUG):
        async with serve(app_of(accounts)) as http:
            await http.get(f"/v1/models?api_key={key}")
            await http.get("/v1/models?limit=3", headers={"x-api-key": key})
    requests = [record.getMessage() for record in caplog.records if record.name == "uvicorn.access"]
    assert any("/v1/models?limit=3" in line for line in requests), "the log is on"
    assert any('"GET /v1/models HTTP/1.1" 400' in line for line in requests)
    logged = [record.getMessage() for record in caplog.records if not record.name.startswith("http")]
    assert key[-43:] not in "\n".join(logged)


async def test_a_browser_opens_a_page_with_a_key_as_password_but_not_the_api(
    accounts: Accounts, clock: Clock, in_process: Connect
) -> None:
    key = key_of(accounts, clock)
    app = app_of(accounts)

    async def page() -> str:
        return "a page"

    app.get("/page")(page)
    basic = {"authorization": "Basic " + base64.b64encode(f"me:{key}".encode()).decode()}
    client = in_process(app)
    assert (await client.get("/page")).status_code == 401
    assert (await client.get("/page", headers=basic)).status_code == 200
    assert (await client.get("/v1/models", headers=basic)).status_code == 401


async def test_keys_of_a_workspace_share_a_tenant_and_no_others_do(
    accounts: Accounts, clock: Clock, in_process: Connect
) -> None:
    client = ScriptedClient(otherwise="hello")
    http = in_process(app_of(accounts, client, ServerConfig(api_keys=("house-key",))))
    shown = [
        key_of(accounts, clock, "a", "one"),
        key_of(accounts, clock, "b", "one"),
        key_of(accounts, clock, "c", "two"),
        "house-key",
    ]
    for key in shown:
        await http.post("/v1/messages", json=ASK, headers={"x-api-key": key})
    first, same, other, house = [request.tenant for request in client.history]
    assert first == same
    assert len({first, other, house, ""}) == 4


async def test_a_keys_last_use_is_noted(accounts: Accounts, clock: Clock, in_process: Connect) -> None:
    key = key_of(accounts, clock, "used")
    key_of(accounts, clock, "unused")
    await in_process(app_of(accounts)).get("/v1/models", headers={"x-api-key": key})
    uses = {each.name: each.last_used_ms for each in list_keys(flushed(accounts).database)}
    assert uses["unused"] is None
    assert uses["used"] is not None


RATE_HEADERS = {
    f"anthropic-ratelimit-{what}-{part}"
    for what in ("requests", "input-tokens", "output-tokens", "tokens")
    for part in ("limit", "remaining", "reset")
}


async def test_every_response_says_what_is_left(
    accounts: Accounts, clock: Clock, in_process: Connect
) -> None:
    key = key_of(accounts, clock, requests=4, input_tokens=1000, output_tokens=600)
    headers = {"x-api-key": key}
    client = in_process(app_of(accounts))
    replies = [
        await client.get("/v1/models", headers=headers),
        await client.get("/v1/nothing", headers=headers),
        await client.post("/v1/messages", json=ASK, headers=headers),
        await client.post("/v1/messages", json={**ASK, "max_tokens": "x"}, headers=headers),
        await client.post("/v1/messages", json={**ASK, "stream": True}, headers=headers),
        await client.post("/v1/messages/count_tokens", json=ASK, headers=headers),
        await client.post("/v1/messages", json=ASK, headers=headers),
    ]
    assert [reply.status_code for reply in replies] == [200, 404, 200, 400, 200, 200, 429]
    for reply in replies:
        assert {name for name in reply.headers if "ratelimit" in name} == RATE_HEADERS
    left = [int(reply.headers["anthropic-ratelimit-requests-remaining"]) for reply in replies]
    assert left == [4, 4, 3, 2, 1, 0, 0]
    assert replies[-1].headers["anthropic-ratelimit-requests-reset"] == "2027-01-15T08:02:41Z"


async def test_a_429_says_when_to_come_back_and_then_lets_in(
    accounts: Accounts, clock: Clock, in_process: Connect
) -> None:
    headers = {"x-api-key": key_of(accounts, clock, requests=1)}
    client = in_process(app_of(accounts))
    assert (await client.post("/v1/messages", json=ASK, headers=headers)).status_code == 200
    refused = await client.post("/v1/messages", json=ASK, headers=headers)
    assert refused.status_code == 429
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert refused.headers["retry-after"] == "60"
    clock.now_s += 60
    assert (await client.post("/v1/messages", json=ASK, headers=headers)).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_output_over_the_allowance_is_an_ordinary_429(
    accounts: Accounts, clock: Clock, in_process: Connect, stream: bool
) -> None:
    headers = {"x-api-key": key_of(accounts, clock, output_tokens=60)}
    client = in_process(app_of(accounts))
    body = {**ASK, "stream": stream}
    assert (await client.post("/v1/messages", json=body, headers=headers)).status_code == 200
    refused = await client.post("/v1/messages", json={**body, "max_tokens": 60}, headers=headers)
    assert refused.status_code == 429
    assert refused.headers["content-type"] == "application/json"
    assert refused.headers["retry-after"] == "2", "two tokens were written, at one a second"
    assert "60 output tokens per minute" in refused.json()["error"]["message"]
    assert (await client.post("/v1/messages", json=body, headers=headers)).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_input_over_the_allowance_is_an_ordinary_429(
    accounts: Accounts, clock: Clock, in_process: Connect, stream: bool
) -> None:
    headers = {"x-api-key": key_of(accounts, clock, input_tokens=6)}
    client = in_process(app_of(accounts))
    body = {**ASK, "stream": stream}
    assert (await client.post("/v1/messages", json=body, headers=headers)).status_code == 200
    refused = await client.post("/v1/messages", json=body, headers=headers)
    assert refused.status_code == 429
    assert refused.headers["content-type"] == "application/json"
    assert refused.headers["retry-after"] == "20"
    assert len(usage_lines(flushed(accounts).database, "key")) == 1


async def test_the_sdk_sees_limits_as_the_api_has_them(
    accounts: Accounts, clock: Clock, serve: Serve
) -> None:
    key = key_of(accounts, clock, requests=1)
    async with serve(app_of(accounts)) as http:
        sdk = anthropic.AsyncAnthropic(base_url=str(http.base_url), api_key=key, max_retries=0)
        reply = await sdk.messages.with_raw_response.create(**ASK)
        assert reply.headers["anthropic-ratelimit-requests-limit"] == "1"
        with pytest.raises(anthropic.RateLimitError) as refused:
            await sdk.messages.create(**ASK)
        assert refused.value.response.headers["retry-after"] == "60"
        await sdk.close()


async def test_a_reply_is_billed_to_its_key_under_its_request_id(
    accounts: Accounts, clock: Clock, in_process: Connect
) -> None:
    key = key_of(accounts, clock, "laptop")
    tools = [{"name": "search", "input_schema": {"type": "object"}}]
    reply = ScriptedReply(text="see", calls=(ScriptedCall(name="search", input={"q": 1}),))
    client = in_process(app_of(accounts, ScriptedClient([reply])))
    response = await client.post("/v1/messages", json={**ASK, "tools": tools}, headers={"x-api-key": key})
    (line,) = usage_lines(flushed(accounts).database, "key")
    usage = response.json()["usage"]
    assert line.group.endswith("(laptop)")
    assert (line.input_tokens, line.output_tokens) == (usage["input_tokens"], usage["output_tokens"])
    (made,) = decisions(accounts.database, request_id=response.headers["request-id"])
    assert (made.tool, made.workspace) == ("search", "w")
    assert made.tool_use_id == response.json()["content"][-1]["id"]


async def lines_until(lines: AsyncIterator[str], wanted: str) -> None:
    async for line in lines:
        if wanted in line:
            return
    raise AssertionError(f"no {wanted}")


async def test_a_stream_that_its_client_leaves_is_billed_for_what_was_generated(
    accounts: Accounts, clock: Clock, serve: Serve
) -> None:
    key = key_of(accounts, clock, output_tokens=10_000)
    reply = ScriptedReply(text="word " * 400, delay_s=0.02)
    body = {**ASK, "max_tokens": 5000, "stream": True}
    async with serve(app_of(accounts, ScriptedClient([reply]))) as http:
        async with http.stream("POST", "/v1/messages", json=body, headers={"x-api-key": key}) as response:
            await asyncio.wait_for(lines_until(response.aiter_lines(), "text_delta"), 60)
        await asyncio.to_thread(wait_for_a_row, accounts.database)
        (line,) = usage_lines(accounts.database, "key")
        assert 0 < line.output_tokens < 400
        assert line.cost_micros == line.input_tokens + 5 * line.output_tokens
        after = await http.get("/v1/models", headers={"x-api-key": key})
        left = int(after.headers["anthropic-ratelimit-output-tokens-remaining"])
        assert left == 10_000 - line.output_tokens


async def test_no_word_of_a_prompt_or_a_reply_is_kept(tmp_path: Path, in_process: Connect) -> None:
    with open_accounts(f"sqlite:///{tmp_path}/ledger.sqlite") as accounts:
        tools = [{"name": "search", "input_schema": {"type": "object"}}]
        call = ScriptedCall(name="search", input={"q": "hidden argument"})
        client = in_process(
            app_of(accounts, ScriptedClient([ScriptedReply(text="an answer", calls=(call,))]))
        )
        assert (await client.post("/v1/messages", json={**ASK, "tools": tools})).status_code == 200
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"search" in kept, "the tool's name is"
    for word in (b"secret question", b"an answer", b"hidden argument"):
        assert word not in kept


async def test_keys_are_read_though_every_other_thread_is_busy(database: Engine) -> None:
    """Large batches are read on the loop's own threads, and everybody waits for the keys."""
    clock, may_end = Clock(), threading.Event()
    ring = KeyRing(database, clock=clock)
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as threads:
        loop.set_default_executor(threads)
        busy = asyncio.ensure_future(asyncio.to_thread(may_end.wait, 60))
        clock.now_s += 2
        create_key(database, "late")
        assert (await ring.keys()).has_any
        may_end.set()
        assert await busy
