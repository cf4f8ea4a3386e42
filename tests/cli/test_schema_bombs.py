"""Schemas, expressions and grammars that mean harm, sent to the real server before a real model."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from caesura.cli.local import local_client
from caesura.messages.errors import MAX_MESSAGE_CHARACTERS
from caesura.server import create_app

Json = dict[str, Any]


def nested(depth: int, wrap: Any, inner: Any) -> Any:
    for _ in range(depth):
        inner = wrap(inner)
    return inner


def doubling(keyword: str, depth: int) -> Json:
    """2 ** depth ways, each said in a line."""
    steps = {f"s{n}": {keyword: [{"$ref": f"#/$defs/s{n + 1}"}] * 2} for n in range(depth)}
    return {"$ref": "#/$defs/s0", "$defs": {**steps, f"s{depth}": {"type": "string"}}}


def of(schema: Json) -> Json:
    """An object that holds it."""
    return {
        "type": "object",
        "properties": {"a": schema},
        "required": ["a"],
        **{name: schema.pop(name) for name in ("$defs",) if name in schema},
    }


BOMBS: dict[str, Json] = {
    "a reference to itself": of({"$ref": "#/properties/a"}),
    "references in a circle": of(
        {"$ref": "#/$defs/x", "$defs": {"x": {"$ref": "#/$defs/y"}, "y": {"$ref": "#/$defs/x"}}}
    ),
    "a chain of references": of(
        {
            "$ref": "#/$defs/s0",
            "$defs": {
                **{f"s{n}": {"$ref": f"#/$defs/s{n + 1}"} for n in range(20_000)},
                "s20000": {"type": "null"},
            },
        }
    ),
    "all of two, all of two, and so on": of(doubling("allOf", 60)),
    "any of two, any of two, and so on": of(doubling("anyOf", 60)),
    "one of two, one of two, and so on": of(doubling("oneOf", 60)),
    "as deep as JSON may be": of(
        nested(60, lambda inner: {"type": "array", "items": inner}, {"type": "null"})
    ),
    "not, not, not": of(nested(80, lambda inner: {"not": inner}, {"type": "null"})),
    "a giant enumeration": of({"enum": [f"value {number}" for number in range(100_000)]}),
    "a giant constant": of({"const": "x" * 5_000_000}),
    "many properties": {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(20_000)}},
    "many properties, all required": {
        "type": "object",
        "properties": {f"p{n}": {"type": "string"} for n in range(5_000)},
        "required": [f"p{n}" for n in range(5_000)],
    },
    "an expression with a catastrophe": of({"type": "string", "pattern": "^(a+)+(b|a+)*$"}),
    "an expression of many states": of({"type": "string", "pattern": "^(a|b)*a(a|b){200}$"}),
    "repetitions of repetitions": of({"type": "string", "pattern": "^((a{1,500}){1,500}){1,500}$"}),
    "an expression that looks around": of({"type": "string", "pattern": "^(?=a)(?!b)\\\\1$"}),
    "an endless text": of({"type": "string", "minLength": 10**9}),
    "endless items": of({"type": "array", "items": {"type": "integer"}, "minItems": 10**9}),
    "a product of steps": of({"type": "integer", "multipleOf": 999_999_937, "minimum": 10**15}),
    "numbers of many digits": of({"type": "integer", "minimum": 10**300, "maximum": 10**301}),
    "keys by expression": {"type": "object", "patternProperties": {"^(a+)+$": {"type": "string"}}},
}
GRAMMARS: dict[str, Json] = {
    "a rule without an end": {"type": "lark", "grammar": "start: start"},
    "rules in a circle": {"type": "lark", "grammar": "start: a\na: b\nb: a"},
    "rules that double": {
        "type": "lark",
        "grammar": "start: r0\n" + "".join(f"r{n}: r{n + 1} r{n + 1}\n" for n in range(60)) + 'r60: "x"',
    },
    "ambiguity": {"type": "lark", "grammar": 'start: start start | "a" | "aa" |'},
    "an expression that never ends": {"type": "regex", "pattern": "(a*)*b"},
    "many states": {"type": "regex", "pattern": "(a|b)*a(a|b){300}"},
    "no expression": {"type": "regex", "pattern": "((((((((("},
    "many brackets": {"type": "regex", "pattern": "(" * 20_000 + ")" * 20_000},
}


@pytest.fixture(scope="module")
def app(tiny_folder: Path) -> Generator[FastAPI]:
    with local_client({"nano": tiny_folder}, num_threads=1) as client:
        yield create_app(client)


def body(**fields: Any) -> Json:
    return {"model": "nano", "max_tokens": 4, "messages": [{"role": "user", "content": "a sum"}], **fields}


async def answered(app: FastAPI, asked: Json) -> httpx.Response:
    """The answer; until it is there, others are answered too."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        asking = asyncio.create_task(http.post("/v1/messages", json=asked))
        while not asking.done():
            assert (await http.get("/health")).status_code == 200
            await asyncio.sleep(0.01)
        return await asking


def check(response: httpx.Response) -> None:
    """It was enforced, or refused by name, or there was no time for it; it was no failure."""
    assert response.status_code in (200, 400), response.text[:500]
    if response.status_code == 400:
        error = response.json()["error"]
        assert error["type"] == "invalid_request_error"
        assert len(error["message"]) <= MAX_MESSAGE_CHARACTERS


@pytest.mark.parametrize("name", BOMBS)
async def test_a_schema_that_means_harm_is_kept_to_or_refused(app: FastAPI, name: str) -> None:
    form = {"type": "json_schema", "schema": BOMBS[name]}
    check(await answered(app, body(output_config={"format": form})))


@pytest.mark.parametrize("name", GRAMMARS)
async def test_a_grammar_that_means_harm_is_kept_to_or_refused(app: FastAPI, name: str) -> None:
    check(await answered(app, body(output_config={"format": GRAMMARS[name]})))


async def test_many_tools_that_mean_harm_are_refused(app: FastAPI) -> None:
    bomb = BOMBS["any of two, any of two, and so on"]
    tools = [{"name": f"t{number}", "input_schema": bomb} for number in range(50)]
    check(await answered(app, body(tools=tools)))
