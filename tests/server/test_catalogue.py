"""Names of models, and pages of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest
from fastapi import FastAPI

from caesura.messages.scripted import SCRIPTED_MODEL, ScriptedClient
from caesura.server import create_app
from tests.messages.pictures import image, png

MODELS = [replace(SCRIPTED_MODEL, id=name) for name in ("nano", "b", "c/d", "e", "f")]


@pytest.fixture
def client(in_process: Callable[[FastAPI], httpx.AsyncClient]) -> httpx.AsyncClient:
    return in_process(create_app(ScriptedClient(models=MODELS)))


@pytest.mark.parametrize(
    ("query", "ids", "has_more"),
    [
        ("", ["nano", "b", "c/d", "e", "f", "claude-nano"], False),
        ("limit=2", ["nano", "b"], True),
        ("limit=2&after_id=b", ["c/d", "e"], True),
        ("limit=2&after_id=e", ["f", "claude-nano"], False),
        ("after_id=claude-nano", [], False),
        ("limit=2&before_id=e", ["b", "c/d"], True),
        ("limit=2&before_id=b", ["nano"], False),
        ("limit=1000&beta=true", ["nano", "b", "c/d", "e", "f", "claude-nano"], False),
        ("lifecycle[]=retired", [], False),
        ("lifecycle[]=retired&lifecycle[]=active", ["nano", "b", "c/d", "e", "f", "claude-nano"], False),
    ],
)
async def test_models_are_listed_in_pages(
    client: httpx.AsyncClient, query: str, ids: list[str], has_more: bool
) -> None:
    body = (await client.get(f"/v1/models?{query}")).json()
    assert [model["id"] for model in body["data"]] == ids
    assert body["has_more"] is has_more
    assert (body["first_id"], body["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("limit=0", "limit: Input should be greater than or equal to 1"),
        ("limit=1001", "limit: Input should be less than or equal to 1000"),
        ("limit=99999999999999999999", "limit: Input should be less than or equal to 1000"),
        ("limit=ten", "limit: Input should be a valid integer"),
        ("limit=-1", "limit: Input should be a valid integer"),
        ("limit=\u0663", "limit: Input should be a valid integer"),
        ("after_id=zz", "after_id: there is no model `zz`"),
        ("before_id=zz", "before_id: there is no model `zz`"),
        ("after_id=b&before_id=e", "after_id: only one of after_id and before_id may be given"),
        ("lifecycle[]=young", "lifecycle.0: Input should be 'active', 'deprecated' or 'retired'"),
    ],
)
async def test_a_bad_page_is_refused_by_name(client: httpx.AsyncClient, query: str, message: str) -> None:
    response = await client.get(f"/v1/models?{query}")
    assert response.status_code == 400
    assert response.json()["error"]["message"] == message


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("b", "b"),
        ("c/d", "c/d"),
        ("claude-opus-4-1", "nano"),
        ("nano", "nano"),
        ("claude-nano", "nano"),
        ("b[1m]", "b"),
        ("claude-nano[1m]", "nano"),
    ],
)
async def test_a_model_is_found_by_name_or_alias(client: httpx.AsyncClient, name: str, found: str) -> None:
    assert (await client.get(f"/v1/models/{name}")).json()["id"] == found


async def test_a_model_says_how_long_it_was_trained_for(client: httpx.AsyncClient) -> None:
    body = (await client.get("/v1/models/nano")).json()
    assert (body["max_input_tokens"], body["trained_tokens"]) == (200_000, 4_096)
    assert body["capabilities"]["thinking"]["types"]["adaptive"] == {"supported": True}


async def test_a_model_that_is_not_there_is_404(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/models/zz")
    assert (response.status_code, response.json()["error"]["message"]) == (404, "model: zz")


async def test_a_server_without_models_says_so(in_process: Callable[[FastAPI], httpx.AsyncClient]) -> None:
    empty = in_process(create_app(ScriptedClient(models=[])))
    assert (await empty.get("/v1/models")).json()["data"] == []
    assert (await empty.get("/v1/models/claude-x")).status_code == 404


async def test_the_default_model_is_listed_once_more_for_clients_that_look_for_claude(
    client: httpx.AsyncClient,
) -> None:
    *_, alias = (await client.get("/v1/models")).json()["data"]
    default = (await client.get("/v1/models/nano")).json()
    assert alias == {**default, "id": "claude-nano", "alias_of": "nano"}


@pytest.mark.parametrize("names", [["claude-x", "b"], ["x", "claude-x"]])
async def test_a_name_that_says_claude_needs_no_alias(
    in_process: Callable[[FastAPI], httpx.AsyncClient], names: list[str]
) -> None:
    models = [replace(SCRIPTED_MODEL, id=name) for name in names]
    listed = (await in_process(create_app(ScriptedClient(models=models))).get("/v1/models")).json()
    assert [model["id"] for model in listed["data"]] == names


@pytest.mark.parametrize("is_in_a_result", [False, True])
async def test_a_model_that_cannot_see_refuses_pictures(
    in_process: Callable[[FastAPI], httpx.AsyncClient], is_in_a_result: bool
) -> None:
    picture = image(png(2, 2))
    result = {"type": "tool_result", "tool_use_id": "t", "content": [picture]}
    call = {"type": "tool_use", "id": "t", "name": "look", "input": {}}
    looking = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": [call]}]
    messages = [
        *(looking if is_in_a_result else []),
        {"role": "user", "content": [result if is_in_a_result else picture]},
    ]
    body = {"model": "blind", "max_tokens": 9, "messages": messages}
    models = [replace(SCRIPTED_MODEL, id="blind", can_see=False), replace(SCRIPTED_MODEL, id="seeing")]
    async with in_process(create_app(ScriptedClient(["ok"], models=models))) as http:
        refused = await http.post("/v1/messages", json=body)
        read = await http.post("/v1/messages", json={**body, "model": "seeing"})
    assert (refused.status_code, read.status_code) == (400, 200)
    assert refused.json()["error"]["message"] == (
        "messages: `image` blocks are not supported on this model (blind); leave the images out"
    )
