"""Whatever is sent to whichever route, it is answered or refused: never a failure, never without an end.

`CAESURA_FUZZ_EXAMPLES=1000 make test ARGS='-k test_fuzz'` tries more than the few of every day.
"""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.schemas import OpenApiSchema

from caesura.messages.blocks_in import UNSUPPORTED_BLOCKS
from caesura.messages.typed_tools import TYPED_TOOLS
from caesura.server.database import default_url, open_database
from caesura.server.openapi import OPERATIONS
from tests.messages.pictures import image, png
from tests.server.fuzzing import EXAMPLES, KEY, sent, whole_app
from tests.server.test_random_bodies import BODY, changed

Json = dict[str, Any]
Fuzz = Callable[[Callable[..., None]], Callable[..., None]]


def fuzz(*strategies: st.SearchStrategy[Any], share: float = 1.0) -> Fuzz:
    """A test that is tried with many examples. share: of how many others are."""
    bounds = settings(
        max_examples=max(5, int(EXAMPLES * share)),
        deadline=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.filter_too_much,
        ],
    )
    return lambda test: bounds(given(*strategies)(test))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Generator[FastAPI]:
    folder: Path = tmp_path_factory.mktemp("fuzz")
    database = open_database(default_url(folder / "state"))
    yield whole_app(folder, database)
    database.dispose()


@pytest.fixture(scope="module")
def described(app: FastAPI) -> OpenApiSchema:
    """The server by its own document."""
    return schemathesis.openapi.from_asgi("/openapi.json", app, headers={"x-api-key": KEY})


NAMES = st.sampled_from(["a", "add", "t1", "t2", "file_" + "0" * 24, "x" * 300, "", "é", "\0"]) | st.text(
    max_size=5
)
ANY_TEXT = st.text(max_size=12) | st.sampled_from([" ", "\n", "\0", "\u2028", "\U0001f600", "x" * 5_000])
CACHE = st.none() | st.fixed_dictionaries(
    {"type": st.just("ephemeral")}, optional={"ttl": st.sampled_from(["5m", "1h", "1d"])}
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=5,
)
SOURCES = st.one_of(
    st.just(image(png(2, 2))["source"]),
    st.builds(
        lambda data: {"type": "base64", "media_type": "image/png", "data": base64.b64encode(data).decode()},
        st.binary(max_size=40) | st.binary(max_size=30).map(png(2, 2)[:20].__add__),
    ),
    st.builds(lambda name: {"type": "file", "file_id": name}, NAMES),
    st.builds(lambda url: {"type": "url", "url": url}, ANY_TEXT.map("http://".__add__) | ANY_TEXT),
    ANY_JSON,
)


def block(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """Blocks of a type, now and then with a breakpoint."""
    return st.fixed_dictionaries(
        {"type": st.just(kind), **fields}, optional={"cache_control": CACHE, "citations": ANY_JSON}
    )


TEXTS = block("text", text=ANY_TEXT)
IMAGES = block("image", source=SOURCES)
CALLS = block("tool_use", id=NAMES, name=NAMES, input=st.dictionaries(ANY_TEXT, ANY_JSON, max_size=3))
RESULTS = block(
    "tool_result",
    tool_use_id=NAMES,
    content=ANY_TEXT | st.lists(TEXTS | IMAGES, max_size=2) | ANY_JSON,
    is_error=st.booleans() | st.none(),
)
BLOCKS = st.one_of(
    TEXTS,
    IMAGES,
    CALLS,
    RESULTS,
    block("thinking", thinking=ANY_TEXT, signature=ANY_TEXT | st.just("v1.AAAA")),
    block("redacted_thinking", data=ANY_TEXT),
    st.sampled_from(sorted(UNSUPPORTED_BLOCKS)).map(lambda kind: {"type": kind}),
    ANY_JSON,
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["user", "user", "assistant", "assistant", "system", "tool"]),
            "content": ANY_TEXT | st.lists(BLOCKS, max_size=3),
        }
    ),
    max_size=5,
)
SCHEMAS = ANY_JSON | st.dictionaries(
    st.sampled_from(["type", "properties", "required", "anyOf", "$ref", "enum", "pattern", "maxLength"]),
    ANY_JSON | st.sampled_from(["object", "string", "#", "#/properties/a", "(a+)+$"]),
    max_size=4,
)
TOOLS = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {
                "name": NAMES,
                "input_schema": SCHEMAS.map(lambda schema: {"type": "object", **as_dict(schema)}),
            },
            optional={"description": ANY_TEXT, "input_examples": ANY_JSON, "cache_control": CACHE},
        ),
        st.sampled_from(sorted(TYPED_TOOLS)).map(lambda kind: {"type": kind, "name": TYPED_TOOLS[kind].name}),
        st.sampled_from(["web_search_20250305", "nothing"]).map(
            lambda kind: {"type": kind, "name": "web_search"}
        ),
    ),
    max_size=4,
)
FORMATS = st.one_of(
    st.builds(
        lambda kind, schema: {"type": kind, "schema": schema},
        st.sampled_from(["json_schema", "xml", "yaml"]),
        SCHEMAS,
    ),
    st.builds(lambda text: {"type": "regex", "pattern": text}, ANY_TEXT),
    st.builds(lambda text: {"type": "lark", "grammar": text}, ANY_TEXT),
)
OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "system": ANY_TEXT | st.lists(TEXTS, max_size=2),
    "tools": TOOLS,
    "tool_choice": st.sampled_from([{"type": "any"}, {"type": "none"}, {"type": "auto"}])
    | NAMES.map(lambda name: {"type": "tool", "name": name}),
    "thinking": st.sampled_from([{"type": "adaptive"}, {"type": "disabled"}, {"type": "between_tools"}])
    | st.integers().map(lambda budget: {"type": "enabled", "budget_tokens": budget}),
    "output_config": st.fixed_dictionaries({}, optional={"format": FORMATS, "effort": ANY_TEXT}),
    "stop_sequences": st.lists(ANY_TEXT, max_size=3),
    "temperature": st.floats(),
    "top_p": st.floats(min_value=-1, max_value=2),
    "top_k": st.integers(),
    "seed": st.integers(),
    "cache_control": CACHE,
    "diagnostics": ANY_JSON,
    "metadata": ANY_JSON,
    "container": ANY_JSON,
    "service_tier": ANY_TEXT,
}
REQUESTS = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["scripted", "scripted", "claude-x", "nobody", "", "\0"]),
        "max_tokens": st.integers(min_value=-1, max_value=2_000),
        "messages": MESSAGES,
    },
    optional=OPTIONS,
)


def as_dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def text_of(body: object) -> bytes:
    """JSON text, in which NaN and lone halves of characters stand as Python writes them."""
    return json.dumps(body).encode()


@fuzz(REQUESTS)
def test_conversations_of_every_order(app: FastAPI, body: Json) -> None:
    streamed = {**body, "stream": True}
    sent(
        app,
        lambda http: (
            http.post(path, content=text_of(each))
            for path in ("/v1/messages", "/v1/messages/count_tokens")
            for each in (body, streamed)
        ),
    )


@fuzz(changed(BODY), st.data())
def test_bytes_of_a_body_that_were_changed(app: FastAPI, body: Json, data: st.DataObject) -> None:
    raw = bytearray(text_of(body))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        raw += b" "
    paths = ("/v1/messages", "/v1/chat/completions", "/v1/completions", "/v1/messages/batches")
    sent(app, lambda http: (http.post(path, content=bytes(raw)) for path in paths))


@fuzz(
    st.lists(
        st.fixed_dictionaries(
            {"custom_id": NAMES | st.sampled_from(["a", "b"]), "params": REQUESTS | ANY_JSON}
        ),
        max_size=4,
    )
    | ANY_JSON,
    st.sampled_from(["", "?limit=0", "?after_id=x", "?before_id=%00", "?limit=1&limit=2"]),
    NAMES,
)
def test_batches(app: FastAPI, requests: Any, query: str, name: str) -> None:
    url = "/v1/messages/batches"
    (created, *_) = sent(
        app,
        lambda http: (
            http.post(url, content=text_of({"requests": requests})),
            http.get(url + query),
            http.get(f"{url}/{quoted(name)}"),
            http.delete(f"{url}/{quoted(name)}"),
        ),
    )
    if created.status_code == 200:
        one = f"{url}/{created.json()['id']}"
        sent(app, lambda http: (http.get(f"{one}/results"), http.delete(one), http.post(f"{one}/cancel")))


def quoted(name: str) -> str:
    """A part of a path, whatever it is; halves of characters cannot be sent."""
    return "".join(f"%{byte:02x}" for byte in name.encode("utf-8", "replace")) or "%20"


@fuzz(
    st.binary(max_size=60),
    st.text(max_size=20),
    st.text(max_size=20),
    st.dictionaries(st.sampled_from(["expires_in_seconds", "file", "x"]), st.text(max_size=12), max_size=2),
    st.binary(max_size=80),
)
def test_uploads(app: FastAPI, data: bytes, name: str, kind: str, fields: dict[str, str], raw: bytes) -> None:
    heading = {"content-type": "multipart/form-data; boundary=xyz"}
    part = b'--xyz\r\ncontent-disposition: form-data; name="file"; filename="' + raw + b'"\r\n\r\n'
    uploads = sent(
        app,
        lambda http: (
            http.post("/v1/files", files={"file": (name, data, kind)}, data=fields),
            http.post("/v1/files", content=part + data + b"\r\n--xyz--\r\n", headers=heading),
            http.post("/v1/files", content=b"--xyz" + raw, headers=heading),
            http.post("/v1/files", content=raw, headers={"content-type": "multipart/form-data"}),
        ),
    )
    taken = [f"/v1/files/{upload.json()['id']}" for upload in uploads if upload.status_code == 200]
    sent(
        app,
        lambda http: (
            call(url)
            for one in taken
            for call, url in ((http.get, one), (http.get, f"{one}/content"), (http.delete, one))
        ),
    )


@fuzz(
    st.sampled_from(["/v1/files", "/v1/models", "/v1/messages/batches"]),
    st.lists(
        st.tuples(
            st.sampled_from(["limit", "after_id", "before_id", "page", "ids[]", "lifecycle[]", "scope_id"]),
            st.text(max_size=12) | st.sampled_from(["1", "1000", "1001", "page_", "page_MS5maWxlXw=="]),
        ),
        max_size=4,
    ),
)
def test_queries(app: FastAPI, path: str, query: list[tuple[str, str]]) -> None:
    sent(app, lambda http: (http.get(path, params=tuple(query)),))


CHAT: Json = {
    "model": "scripted",
    "messages": [
        {"role": "system", "content": "be"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "hi"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "add", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "t1", "content": "3"},
    ],
    "tools": [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}],
    "tool_choice": "auto",
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    "max_tokens": 20,
    "temperature": 1,
    "stop": ["x"],
    "stream_options": {"include_usage": True},
}
TEXT: Json = {
    "model": "scripted",
    "prompt": ["one two", "three"],
    "max_tokens": 5,
    "echo": True,
    "logprobs": 1,
}


@fuzz(changed(CHAT), changed(TEXT))
def test_bodies_of_openais_form(app: FastAPI, chat: Json, text: Json) -> None:
    sent(
        app,
        lambda http: (
            http.post(f"/v1/{path}", content=text_of({**copy.deepcopy(body), **streamed}))
            for path, body in (("chat/completions", chat), ("completions", text))
            for streamed in ({}, {"stream": True})
        ),
    )


def test_headers_are_tried_as_well(described: OpenApiSchema) -> None:
    seen: set[str] = set()

    @fuzz(described["/v1/messages"]["post"].as_strategy(), share=2.0)
    def noted(case: schemathesis.Case) -> None:
        seen.update(name.lower() for name in case.headers)

    noted()
    assert {"anthropic-version", "anthropic-beta", "caesura-memory"} <= seen


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_whatever_the_document_allows_or_forbids(described: OpenApiSchema, method: str, path: str) -> None:
    @fuzz(described[path][method].as_strategy(), share=0.5)
    def answered(case: schemathesis.Case) -> None:
        response = case.call(headers={"x-api-key": KEY})
        case.validate_response(response, checks=[not_a_server_error])
        # Whatever keys are made up beside ours, it is the route that is tried, not the door.
        assert response.status_code != 401

    answered()
