"""The document of what the server takes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

import httpx
import jsonschema
from fastapi import FastAPI
from starlette.routing import Route

from caesura.messages.scripted import ScriptedClient
from caesura.server import create_app
from caesura.server.openapi import OPERATIONS
from tests.server.test_random_bodies import BODY

Connect = Callable[[FastAPI], httpx.AsyncClient]
# What is no part of the API: probes, where nothing is, and the document itself.
APART = {("HEAD", "/"), ("HEAD", "/api/hello"), ("GET", "/openapi.json")}


async def read_document(in_process: Connect) -> dict[str, Any]:
    response = await in_process(create_app(ScriptedClient())).get("/openapi.json")
    assert response.status_code == 200
    return response.json()


def test_every_route_is_in_the_document_and_nothing_else() -> None:
    routes = [route for route in create_app(ScriptedClient()).router.routes if isinstance(route, Route)]
    served = {
        (method, re.sub(r":\w+\}", "}", route.path))
        for route in routes
        for method in route.methods or set()
        if method != "HEAD" or "GET" not in (route.methods or set())
    }
    served = {(method, path) for method, path in served if not path.endswith("{path}")} - APART
    assert served == {(method.upper(), path) for method, path in OPERATIONS}


async def test_the_bodies_are_those_that_are_read(in_process: Connect) -> None:
    whole = await read_document(in_process)

    def is_described(body: object, name: str) -> bool:
        schema = {"$ref": f"#/components/schemas/{name}", "components": whole["components"]}
        return cast("Any", jsonschema.Draft202012Validator(schema)).is_valid(body)

    named = {**BODY, "tools": [{"type": "custom", **BODY["tools"][0]}, BODY["tools"][1]]}
    assert is_described(named, "WireRequest")
    assert is_described({**BODY, "tools": None, "system": "x"}, "WireRequest")
    assert not is_described({**BODY, "max_tokens": "many"}, "WireRequest")
    assert not is_described({**BODY, "messages": [{"role": "nobody", "content": "x"}]}, "WireRequest")
    chat = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    assert is_described(chat, "ChatBody")
    assert not is_described({**chat, "unheard_of": 1}, "ChatBody")
    assert is_described({"model": "m", "prompt": [1, 2]}, "TextBody")


async def test_the_headers_are_those_that_are_read(in_process: Connect) -> None:
    paths = (await read_document(in_process))["paths"]

    def headers(method: str, path: str) -> set[str]:
        return {each["name"] for each in paths[path][method]["parameters"] if each["in"] == "header"}

    dialect = {"x-api-key", "anthropic-version", "anthropic-beta"}
    for path in ("/v1/messages", "/v1/messages/count_tokens"):
        assert headers("post", path) == {*dialect, "caesura-memory"}
    assert headers("post", "/v1/messages/batches") == dialect
    assert headers("get", "/v1/models") == headers("post", "/v1/chat/completions") == {"x-api-key"}
    assert not headers("get", "/health")


async def test_what_the_document_says_of_the_memorys_header_is_what_holds(in_process: Connect) -> None:
    operation = (await read_document(in_process))["paths"]["/v1/messages"]["post"]
    (schema,) = [each["schema"] for each in operation["parameters"] if each["name"] == "caesura-memory"]
    client = in_process(create_app(ScriptedClient(otherwise="Yes.")))
    body = {"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    for value in ("on", "off", "maybe"):
        refused = await client.post("/v1/messages", json=body, headers={"caesura-memory": value})
        is_unknown = "must be `on` or `off`" in refused.text
        assert is_unknown == (value not in schema["enum"])


async def test_errors_have_the_envelope_that_is_described(in_process: Connect) -> None:
    whole = await read_document(in_process)
    client = in_process(create_app(ScriptedClient()))
    for path, name in (("/v1/messages", "Error"), ("/v1/chat/completions", "OpenAiError")):
        refused = await client.post(path, json={})
        assert refused.status_code == 400
        schema = {"$ref": f"#/components/schemas/{name}", "components": whole["components"]}
        cast("Any", jsonschema.Draft202012Validator(schema)).validate(refused.json())
