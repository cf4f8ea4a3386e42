"""The Message Batches API over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from caesura.messages.errors import ApiError, OverloadedError
from caesura.messages.scripted import ScriptedClient, ScriptedReply
from caesura.server import ServerConfig, create_app
from caesura.server.backing import Backing
from caesura.server.batch_rows import Batch
from caesura.server.batch_runner import BatchPolicy
from caesura.server.batch_store import KEPT_MS, BatchStore
from caesura.server.caller import Caller
from caesura.server.file_store import FileStore
from tests.server.clock import Clock
from tests.server.prometheus import value
from tests.server.test_file_sources import PIXEL

Connect = Callable[[FastAPI], httpx.AsyncClient]
Serve = Callable[[FastAPI], AbstractAsyncContextManager[httpx.AsyncClient]]
PARAMS = {"model": "scripted", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
QUICK = BatchPolicy(retry_s=0.0, max_tries=2)
PATH = "/v1/messages/batches"


def request(custom_id: str, **params: object) -> dict[str, Any]:
    return {"custom_id": custom_id, "params": {**PARAMS, **params}}


def app_of(
    store: BatchStore, client: ScriptedClient | None = None, *, keys: tuple[str, ...] = (), **backing: Any
) -> FastAPI:
    client = client or ScriptedClient(otherwise="hello there")
    return create_app(
        client, ServerConfig(api_keys=keys), Backing(batches=store, batch_policy=QUICK, **backing)
    )


@asynccontextmanager
async def at_work(app: FastAPI, connect: Connect) -> AsyncGenerator[httpx.AsyncClient]:
    async with app.router.lifespan_context(app), connect(app) as client:
        yield client


@pytest.fixture
def store(database: Engine) -> BatchStore:
    return BatchStore(database)


async def sent(client: httpx.AsyncClient, *requests: dict[str, Any], **headers: str) -> dict[str, Any]:
    response = await client.post(PATH, json={"requests": requests}, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


async def ended(client: httpx.AsyncClient, batch: dict[str, Any], **headers: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            body = (await client.get(f"{PATH}/{batch['id']}", headers=headers)).json()
            if body["processing_status"] == "ended":
                return body
            await asyncio.sleep(0.01)


async def results(client: httpx.AsyncClient, batch: dict[str, Any]) -> dict[str, dict[str, Any]]:
    response = await client.get(batch["results_url"], headers={"accept": "application/binary"})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-jsonl"
    rows = [json.loads(line) for line in response.text.splitlines()]
    return {row["custom_id"]: row["result"] for row in rows}


async def test_a_batch_as_it_comes_and_as_it_ends(in_process: Connect, store: BatchStore) -> None:
    async with at_work(app_of(store), in_process) as client:
        batch = await sent(client, request("a"), request("b"))
        assert batch == {
            "id": batch["id"],
            "type": "message_batch",
            "processing_status": "in_progress",
            "request_counts": {"processing": 2, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
            "created_at": batch["created_at"],
            "expires_at": batch["expires_at"],
            "ended_at": None,
            "cancel_initiated_at": None,
            "archived_at": None,
            "results_url": None,
        }
        assert batch["id"].startswith("msgbatch_")
        over = await ended(client, batch)
        assert over["request_counts"] == {**batch["request_counts"], "processing": 0, "succeeded": 2}
        assert over["ended_at"] is not None
        assert over["results_url"] == f"{PATH}/{batch['id']}/results"
        answers = await results(client, over)
    message = answers["a"]["message"]
    assert answers["a"]["type"] == "succeeded"
    assert message["content"] == [{"type": "text", "text": "hello there"}]
    assert message["usage"]["service_tier"] == "batch"
    assert set(answers) == {"a", "b"}


async def test_what_is_wrong_with_a_line_is_its_outcome(in_process: Connect, store: BatchStore) -> None:
    wrong: dict[str, Any] = {
        "stream": {"stream": True},
        "warm": {"max_tokens": 0},
        "speed": {"speed": "fast"},
        "field": {"top_p": 3},
        "model": {"model": "gpt-4"},
        "long": {"max_tokens": 200_001},
        "messages": {"messages": []},
    }
    async with at_work(app_of(store), in_process) as client:
        batch = await sent(
            client, request("good"), *(request(name, **params) for name, params in wrong.items())
        )
        over = await ended(client, batch)
        answers = await results(client, over)
    assert over["request_counts"]["errored"] == len(wrong)
    assert answers.pop("good")["type"] == "succeeded"
    for name, answer in answers.items():
        assert answer["type"] == "errored"
        envelope = answer["error"]
        assert set(envelope) == {"type", "error", "request_id"}
        assert envelope["request_id"].startswith("req_")
        expected = "not_found_error" if name == "model" else "invalid_request_error"
        assert envelope["error"]["type"] == expected, name
    assert answers["stream"]["error"]["error"]["message"].startswith("stream: ")
    assert answers["field"]["error"]["error"]["message"].startswith("top_p: ")


async def test_failures_of_ours_are_tried_again(in_process: Connect, store: BatchStore) -> None:
    passing = [OverloadedError("full"), "hello", KeyError("secret detail"), ApiError("broken")]
    async with at_work(app_of(store, ScriptedClient(passing)), in_process) as client:
        first = await ended(client, await sent(client, request("a")))
        second = await ended(client, await sent(client, request("a")))
        assert (await results(client, first))["a"]["type"] == "succeeded"
        answer = (await results(client, second))["a"]
    assert answer["error"]["error"] == {"type": "api_error", "message": "broken"}


async def test_a_line_is_read_in_the_dialect_that_the_batch_came_in(
    in_process: Connect, store: BatchStore
) -> None:
    async with at_work(app_of(store), in_process) as client:
        new = await sent(client, request("a", temperature=0.5), **{"anthropic-version": "2026-10-21"})
        old = await sent(client, request("a", temperature=0.5), **{"anthropic-version": "2023-06-01"})
        told = [(await results(client, await ended(client, batch)))["a"]["type"] for batch in (new, old)]
    assert told == ["errored", "succeeded"]


async def test_an_any_claude_name_means_the_default_model(in_process: Connect, store: BatchStore) -> None:
    async with at_work(app_of(store), in_process) as client:
        over = await ended(client, await sent(client, request("a", model="claude-x")))
        assert (await results(client, over))["a"]["message"]["model"] == "claude-x"


async def test_a_line_may_name_a_file_of_its_sender(
    in_process: Connect, store: BatchStore, tmp_path: Path, database: Engine
) -> None:
    files = FileStore(tmp_path / "files", database)
    async with at_work(app_of(store, files=files), in_process) as client:
        file = (await client.post("/v1/files", files={"file": ("a.png", PIXEL, "image/png")})).json()
        source = {"type": "file", "file_id": file["id"]}
        ask = [{"role": "user", "content": [{"type": "image", "source": source}]}]
        over = await ended(client, await sent(client, request("a", messages=ask)))
        assert (await results(client, over))["a"]["type"] == "succeeded"


async def test_cancelling_keeps_what_is_answered(in_process: Connect, store: BatchStore) -> None:
    never = ScriptedReply(text="never", pause=asyncio.Event())
    async with at_work(app_of(store, ScriptedClient(["hello"], otherwise=never)), in_process) as client:
        batch = await sent(client, *(request(f"r{number}") for number in range(20)))
        refused = await client.delete(f"{PATH}/{batch['id']}")
        assert refused.status_code == 400
        assert "cancel it first" in refused.json()["error"]["message"]
        early = await client.get(f"{PATH}/{batch['id']}/results")
        assert early.status_code == 404
        async with asyncio.timeout(20):
            while not any(line.outcome for line in store.lines(batch["id"], after=-1, limit=1)):
                await asyncio.sleep(0.01)
        cancelling = (await client.post(f"{PATH}/{batch['id']}/cancel")).json()
        assert cancelling["cancel_initiated_at"] is not None
        assert cancelling["processing_status"] == "canceling"
        over = await ended(client, batch)
        counts = over["request_counts"]
        assert (counts["succeeded"], counts["canceled"]) == (1, 19)
        answers = await results(client, over)
        assert answers["r0"]["type"] == "succeeded"
        assert answers["r19"] == {"type": "canceled"}
        again = await client.post(f"{PATH}/{batch['id']}/cancel")
        assert again.status_code == 400
        gone = await client.delete(f"{PATH}/{batch['id']}")
        assert gone.json() == {"id": batch["id"], "type": "message_batch_deleted"}
        assert (await client.get(f"{PATH}/{batch['id']}")).status_code == 404


async def test_a_restart_goes_on_where_it_was(in_process: Connect, store: BatchStore) -> None:
    never = ScriptedReply(text="never", pause=asyncio.Event())
    async with at_work(app_of(store, ScriptedClient(["hello"], otherwise=never)), in_process) as client:
        batch = await sent(client, *(request(f"r{number}") for number in range(12)))
        async with asyncio.timeout(20):
            while not any(line.outcome for line in store.lines(batch["id"], after=-1, limit=1)):
                await asyncio.sleep(0.01)
    inner = ScriptedClient(otherwise="and on")
    async with at_work(app_of(store, inner), in_process) as client:
        over = await ended(client, batch)
        answers = await results(client, over)
    assert over["request_counts"]["succeeded"] == 12
    assert len(inner.history) == 11
    assert answers["r0"]["message"]["content"][0]["text"] == "hello"
    assert answers["r11"]["message"]["content"][0]["text"] == "and on"


async def test_somebody_who_waits_goes_first(in_process: Connect, store: BatchStore) -> None:
    pause = asyncio.Event()
    inner = ScriptedClient([ScriptedReply(text="slow", pause=pause)], otherwise="hello")
    async with at_work(app_of(store, inner), in_process) as client:
        waiting = asyncio.create_task(client.post("/v1/messages", json=PARAMS))
        async with asyncio.timeout(20):
            while not inner.history:
                await asyncio.sleep(0.01)
        batch = await sent(client, request("a"))
        body = (await client.get(f"{PATH}/{batch['id']}")).json()
        assert (body["processing_status"], len(inner.history)) == ("in_progress", 1)
        pause.set()
        assert (await waiting).status_code == 200
        await ended(client, batch)
        assert len(inner.history) == 2


async def test_batches_are_measured_apart_and_keep_nobody_waiting(
    in_process: Connect, store: BatchStore
) -> None:
    async with at_work(app_of(store), in_process) as client:
        await ended(client, await sent(client, request("a"), request("b")))
        page = (await client.get("/metrics")).text
    assert value(page, "caesura_tokens_total", model="scripted", tier="batch", kind="output") == 4
    assert value(page, "caesura_tokens_total", model="scripted", tier="standard", kind="output") is None


async def test_the_models_say_that_there_are_batches(in_process: Connect, store: BatchStore) -> None:
    for app, is_supported in ((app_of(store), True), (create_app(ScriptedClient()), False)):
        client = in_process(app)
        one = (await client.get("/v1/models/scripted")).json()
        first, alias = (await client.get("/v1/models")).json()["data"]
        for model in (one, first, alias):
            assert model["capabilities"]["batch"] == {"supported": is_supported}
        assert alias["alias_of"] == "scripted"


async def test_a_line_is_no_larger_than_a_request(in_process: Connect, store: BatchStore) -> None:
    app = create_app(
        ScriptedClient(otherwise="hello"), ServerConfig(max_body_bytes=300), Backing(batches=store)
    )
    async with at_work(app, in_process) as client:
        over = await ended(client, await sent(client, request("a"), request("b", user="x" * 300)))
        answers = await results(client, over)
    assert answers["a"]["type"] == "succeeded"
    assert answers["b"]["error"]["error"]["type"] == "request_too_large"


async def test_keys_see_their_own_batches_only(in_process: Connect, store: BatchStore) -> None:
    mine, other = {"x-api-key": "one"}, {"x-api-key": "two"}
    inner = ScriptedClient(otherwise="hello")
    async with at_work(app_of(store, inner, keys=("one", "two")), in_process) as client:
        batch = await sent(client, request("a"), **mine)
        await ended(client, batch, **mine)
        path = f"{PATH}/{batch['id']}"
        assert (await client.get(PATH, headers=other)).json()["data"] == []
        for method, where in (
            ("GET", path),
            ("DELETE", path),
            ("POST", f"{path}/cancel"),
            ("GET", f"{path}/results"),
        ):
            assert (await client.request(method, where, headers=other)).status_code == 404
            assert (await client.request(method, where)).status_code == 401
        assert (await client.get(f"{path}/results", headers=mine)).status_code == 200
        await client.post("/v1/messages", json=PARAMS, headers=mine)
    tenants = {request.tenant for request in inner.history}
    assert len(tenants) == 1, "a line's prompt is its sender's, like any other"


async def test_pages_go_on_by_id_and_back(in_process: Connect, store: BatchStore) -> None:
    made = [await asyncio.to_thread(put, store) for _ in range(5)]
    client = in_process(app_of(store))
    whole = (await client.get(PATH)).json()
    order = [batch["id"] for batch in whole["data"]]
    assert sorted(order) == sorted(batch.id for batch in made)
    first = (await client.get(f"{PATH}?limit=2")).json()
    assert ([batch["id"] for batch in first["data"]], first["has_more"]) == (order[:2], True)
    last = (await client.get(f"{PATH}?limit=3&after_id={order[1]}")).json()
    assert ([batch["id"] for batch in last["data"]], last["has_more"]) == (order[2:], False)
    back = (await client.get(f"{PATH}?limit=2&before_id={order[3]}")).json()
    assert ([batch["id"] for batch in back["data"]], back["has_more"]) == (order[1:3], True)
    for query in ("limit=0", "after_id=msgbatch_none", "before_id=%00", "after_id=a&before_id=b"):
        assert (await client.get(f"{PATH}?{query}")).status_code == 400


def put(store: BatchStore) -> Batch:
    return store.create([("a", json.dumps(request("a")))], num_requests=1, caller=Caller())


async def test_results_are_kept_29_days(in_process: Connect, database: Engine) -> None:
    clock = Clock()
    store = BatchStore(database, clock)
    batch = store.end(put(store), "expired")
    client = in_process(app_of(store))
    path = f"{PATH}/{batch.id}"
    assert (await results(client, {"results_url": f"{path}/results"})) == {"a": {"type": "expired"}}
    clock.now_s += KEPT_MS / 1000
    store.tidy()
    body = (await client.get(path)).json()
    assert (body["results_url"], body["archived_at"]) == (None, "1970-01-30T00:01:40.000Z")
    assert (await client.get(f"{path}/results")).status_code == 404
    assert (await client.delete(path)).status_code == 200


@pytest.mark.parametrize(
    ("requests", "words"),
    [
        ([], "requests: List should have at least 1 item"),
        ([request("a"), request("a")], "requests.1.custom_id: `a` is that of requests.0 too"),
        ([{"custom_id": "a"}], "requests.0.params: Field required"),
        ("x", "requests: Input should be a valid list"),
    ],
)
async def test_what_is_no_batch_is_400(
    in_process: Connect, store: BatchStore, requests: object, words: str
) -> None:
    client = in_process(app_of(store))
    response = await client.post(PATH, json={"requests": requests})
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith(words)
    assert (await client.get(PATH)).json()["data"] == []


async def test_a_batch_that_is_too_large_is_413(serve: Serve, store: BatchStore) -> None:
    app = create_app(ScriptedClient(), ServerConfig(max_batch_bytes=10_000), Backing(batches=store))
    async with serve(app) as http:
        response = await http.post(PATH, json={"requests": [request("a" * 64)] * 100})
        assert response.status_code == 413
        assert response.json()["error"]["type"] == "request_too_large"


async def test_100000_lines_are_taken_while_others_are_answered(
    in_process: Connect, store: BatchStore
) -> None:
    client = in_process(app_of(store))
    rows = ",".join(json.dumps(request(f"r{number}")) for number in range(100_000))
    content = f'{{"requests":[{rows}]}}'.encode()
    taking = asyncio.create_task(client.post(PATH, content=content, timeout=120))
    for _ in range(5):
        assert (await client.post("/v1/messages", json=PARAMS)).status_code == 200
    assert not taking.done(), "these were answered meanwhile"
    response = await taking
    assert response.status_code == 200, response.text
    assert response.json()["request_counts"]["processing"] == 100_000
    last = store.lines(response.json()["id"], after=99_998, limit=5)
    assert [line.custom_id for line in last] == ["r99999"]


async def test_a_server_without_a_store_says_so(in_process: Connect) -> None:
    client = in_process(create_app(ScriptedClient()))
    for method, path in (("POST", PATH), ("GET", PATH), ("GET", f"{PATH}/msgbatch_x")):
        response = await client.request(method, path, json={} if method == "POST" else None)
        assert response.status_code == 404
        assert response.json()["error"]["message"] == "batches: this server keeps no message batches"


@pytest.mark.parametrize("is_beta", [False, True])
async def test_the_sdk_works(serve: Serve, store: BatchStore, is_beta: bool) -> None:
    app = app_of(store, keys=("key",))
    async with app.router.lifespan_context(app), serve(app) as http:
        base_url = str(http.base_url)
        async with anthropic.AsyncAnthropic(api_key="key", base_url=base_url, max_retries=0) as sdk:
            batches: Any = sdk.beta.messages.batches if is_beta else sdk.messages.batches
            batch = await batches.create(requests=[request("a"), request("b", top_p=7)])
            async with asyncio.timeout(20):
                while (await batches.retrieve(batch.id)).processing_status != "ended":
                    await asyncio.sleep(0.01)
            told = {row.custom_id: row.result async for row in await batches.results(batch.id)}
            assert told["a"].message.content[0].text == "hello there"
            assert told["b"].error.error.type == "invalid_request_error"
            assert [each.id async for each in batches.list(limit=1)] == [batch.id]
            with pytest.raises(anthropic.BadRequestError):
                await batches.cancel(batch.id)
            assert (await batches.delete(batch.id)).type == "message_batch_deleted"
