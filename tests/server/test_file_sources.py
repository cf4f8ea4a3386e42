"""Files that a request names."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from caesura.messages.content import ImageBlock, ToolResultBlock
from caesura.messages.errors import InvalidRequestError, NotFoundError
from caesura.messages.scripted import ScriptedClient
from caesura.messages.validation import parse_request
from caesura.server import ServerConfig, create_app
from caesura.server.backing import Backing
from caesura.server.file_sources import MAX_INLINED_BYTES, with_files
from caesura.server.file_store import FileStore

Connect = Callable[[FastAPI], httpx.AsyncClient]
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def store(tmp_path: Path, database: Engine) -> FileStore:
    return FileStore(tmp_path / "files", database)


def put(store: FileStore, data: bytes = PIXEL, tenant: str = "t") -> str:
    with store.receive() as incoming:
        incoming.write(data)
        return store.add(incoming, tenant=tenant, filename="a.png", mime_type="image/png").id


def image(name: str) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "file", "file_id": name}}


def body_of(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "hi"}, {"role": "user", "content": list(blocks)}]}


def test_a_file_takes_the_place_that_names_it(store: FileStore) -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": [image(put(store))]}
    body: Any = with_files(body_of(image(put(store)), result), store, "t").body
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PIXEL).decode()}
    first, second = body["messages"][1]["content"]
    assert first["source"] == second["content"][0]["source"] == source


@pytest.mark.parametrize("name", ["file_none", "../../etc/passwd"])
def test_a_file_that_is_not_there_is_named_with_its_place(store: FileStore, name: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        with_files(body_of({"type": "text"}, image(name)), store, "t")
    assert caught.value.message == f"messages.1.content.1.source.file.file_id: file not found: {name}"


def test_what_stands_before_a_summary_is_not_looked_for(store: FileStore) -> None:
    summary: dict[str, Any] = {
        "role": "assistant",
        "content": [{"type": "compaction", "content": "They looked."}],
    }
    messages = [
        {"role": "user", "content": [image("file_gone")]},
        summary,
        {"role": "user", "content": "So?"},
    ]
    body = {"model": "m", "max_tokens": 9, "messages": messages}
    filled = with_files(body, store, "t")
    assert filled.num_bytes == 0
    turns = parse_request(filled.body).conversation.turns
    assert not any(isinstance(block, ImageBlock) for turn in turns for block in turn.content)
    summary["content"] = [{"type": "compaction", "content": None}]
    with pytest.raises(NotFoundError, match=r"^messages\.0\.content\.0"):
        with_files(body, store, "t")


def test_nobody_elses_file_is_read(store: FileStore) -> None:
    with pytest.raises(NotFoundError):
        with_files(body_of(image(put(store))), store, "other")


def test_files_together_are_no_larger_than_a_body(store: FileStore) -> None:
    half = image(put(store, bytes(MAX_INLINED_BYTES // 2 + 1)))
    with_files(body_of({**half}), store, "t")
    with pytest.raises(InvalidRequestError, match=r"^messages\.1\.content\.1\.source\.file: "):
        with_files(body_of({**half}, {**half}), store, "t")
    whole = image(put(store, bytes(MAX_INLINED_BYTES + 1)))
    with pytest.raises(InvalidRequestError, match="maximum in one request"):
        with_files(body_of(whole), store, "t")


def test_without_a_store_a_body_is_left_as_it_is() -> None:
    assert with_files(body_of(image("file_x")), None, "t").body == body_of(image("file_x"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["file", "messages", "content", "source"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["messages", "content", "source", "type", "file_id"]), inner, max_size=4
        )
    ),
    max_leaves=10,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JSON)
def test_whatever_has_another_shape_is_left_to_its_reader(store: FileStore, body: object) -> None:
    with suppress(NotFoundError):
        with_files(body, store, "t")


async def test_a_request_may_name_files_of_its_sender(in_process: Connect, store: FileStore) -> None:
    inner = ScriptedClient(otherwise="a dot")
    app = create_app(inner, ServerConfig(api_keys=("one", "two")), Backing(files=store))
    client, mine = in_process(app), {"x-api-key": "one"}
    sent = await client.post("/v1/files", files={"file": ("a.png", PIXEL, "image/png")}, headers=mine)
    ask = {
        "model": "scripted",
        "max_tokens": 5,
        "messages": [{"role": "user", "content": [image(sent.json()["id"])]}],
    }
    assert (await client.post("/v1/messages", json=ask, headers=mine)).status_code == 200
    (block,) = inner.history[0].conversation.turns[0].content
    assert not isinstance(block, ToolResultBlock)
    assert isinstance(block, ImageBlock)
    assert block.data == PIXEL
    refused = await client.post("/v1/messages", json=ask, headers={"x-api-key": "two"})
    assert refused.status_code == 404
    counted = {name: ask[name] for name in ("model", "messages")}
    assert (await client.post("/v1/messages/count_tokens", json=counted, headers=mine)).is_success
