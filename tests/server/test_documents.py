"""Documents and citations over HTTP: the official SDK's calls work unchanged."""

from __future__ import annotations

import asyncio
import base64
import json
import zlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anthropic
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from caesura.engine import EngineConfig, LoadedModel, LocalClient
from caesura.messages.content import TextBlock
from caesura.messages.fold import collect
from caesura.messages.pdf import PdfLimits
from caesura.messages.remote import RemoteClient
from caesura.messages.request import MessagesRequest
from caesura.messages.scripted import SCRIPTED_MODEL, ScriptedClient, ScriptedReply
from caesura.messages.sealing import Sealer
from caesura.messages.signing import SigningClient
from caesura.server import ServerConfig, create_app
from caesura.server.backing import Backing
from caesura.server.file_store import FileStore
from tests.engine.conftest import loaded as loaded
from tests.messages.reading import GRASS, asked, found, paged, pdf, plain

Connect = Callable[[FastAPI], httpx.AsyncClient]
Serve = Callable[[FastAPI], AbstractAsyncContextManager[httpx.AsyncClient]]
ON = {"enabled": True}
SOURCE = {"type": "text", "media_type": "text/plain", "data": GRASS}
DOCUMENT: Any = {"type": "document", "source": SOURCE, "title": "Colours", "citations": ON}
QUESTION: Any = {"type": "text", "text": "What colour is it?"}
ASKED: Any = [{"role": "user", "content": [DOCUMENT, QUESTION]}]
ANSWER = "It is <cite 0:0>green</cite> and <cite 0:1,0:0+1>blue</cite>."
LOCATIONS = [(0, 19, "The grass is green."), (20, 36, "The sky is blue."), (0, 36, GRASS[:36])]


def served(*replies: ScriptedReply | str, **backing: Any) -> tuple[FastAPI, ScriptedClient]:
    inner = ScriptedClient(replies)
    return create_app(SigningClient(inner, Sealer(bytes(32))), backing=Backing(**backing)), inner


def sdk(http: httpx.AsyncClient) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(api_key="key", base_url=str(http.base_url), max_retries=0)


def fields(messages: Any = ASKED, **more: Any) -> dict[str, Any]:
    return {"model": "claude-x", "max_tokens": 100, "messages": messages, **more}


def citations(block: Any) -> list[tuple[int, int, str]]:
    return [(each.start_char_index, each.end_char_index, each.cited_text) for each in block.citations or []]


async def test_a_whole_reply_that_cites(serve: Serve) -> None:
    app, _ = served(ANSWER)
    async with serve(app) as http, sdk(http) as client:
        message = await client.messages.create(**fields())
        counted = await client.messages.count_tokens(model="claude-x", messages=ASKED)
    assert [block.text for block in message.content] == ["It is ", "green", " and ", "blue", "."]  # type: ignore[union-attr]
    assert [each for block in message.content for each in citations(block)] == LOCATIONS
    (location,) = message.content[1].citations  # type: ignore[union-attr]
    assert isinstance(location, anthropic.types.CitationCharLocation)
    assert (location.document_index, location.document_title, location.file_id) == (0, "Colours", None)
    assert message.usage.input_tokens == counted.input_tokens


async def test_a_streamed_reply_that_cites_is_the_whole_reply(serve: Serve) -> None:
    app, _ = served(ANSWER, ANSWER)
    async with serve(app) as http, sdk(http) as client:
        whole = await client.messages.create(**fields())
        seen: list[str] = []
        async with client.messages.stream(**fields()) as stream:
            async for event in stream:
                if event.type == "citation":
                    seen.append(event.citation.cited_text)
            streamed = await stream.get_final_message()
    assert seen == [cited for _, _, cited in LOCATIONS]
    assert streamed.to_dict()["content"] == whole.to_dict()["content"]
    assert (streamed.stop_reason, streamed.usage) == (whole.stop_reason, whole.usage)


async def test_the_stream_has_the_prescribed_events(serve: Serve) -> None:
    app, _ = served("<cite 0:1>blue</cite>")
    async with serve(app) as http:
        raw = (await http.post("/v1/messages", json=fields(stream=True))).text
    data = [json.loads(line[6:]) for line in raw.splitlines() if line.startswith("data: ")]
    assert [(event["type"], event.get("delta", {}).get("type")) for event in data] == [
        ("message_start", None),
        ("content_block_start", None),
        ("content_block_delta", "text_delta"),
        ("content_block_delta", "citations_delta"),
        ("content_block_stop", None),
        ("message_delta", None),
        ("message_stop", None),
    ]
    assert data[3]["delta"]["citation"] == {
        "type": "char_location",
        "cited_text": "The sky is blue.",
        "document_index": 0,
        "document_title": "Colours",
        "start_char_index": 20,
        "end_char_index": 36,
    }


async def test_a_cited_reply_goes_back_as_it_came(serve: Serve) -> None:
    app, inner = served(ANSWER, "Yes.")
    async with serve(app) as http, sdk(http) as client:
        first = await client.messages.create(**fields())
        history: Any = [*ASKED, first.to_param(), {"role": "user", "content": "Sure?"}]
        await client.messages.create(**fields(history))
    replayed = inner.history[1].conversation.turns[1].content
    assert [len(block.citations) for block in replayed if isinstance(block, TextBlock)] == [0, 1, 0, 2, 0]


async def test_search_results_in_a_tools_result_are_cited(serve: Serve) -> None:
    result = {
        "type": "search_result",
        "source": "https://example.org",
        "title": "Sky",
        "content": [{"type": "text", "text": "Blue by day."}, {"type": "text", "text": "Black by night."}],
        "citations": ON,
    }
    history: Any = [
        {"role": "user", "content": "Look it up."},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "look", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [result]}]},
    ]
    app, _ = served("<cite 0:1>Black</cite>")
    async with serve(app) as http, sdk(http) as client:
        message = await client.messages.create(**fields(history))
    (location,) = message.content[0].citations  # type: ignore[union-attr]
    assert isinstance(location, anthropic.types.CitationsSearchResultLocation)
    assert location.cited_text == "Black by night."
    assert (location.search_result_index, location.start_block_index, location.end_block_index) == (0, 1, 2)
    assert (location.source, location.title) == ("https://example.org", "Sky")


async def test_pages_of_a_pdf_are_cited(serve: Serve) -> None:
    data = base64.b64encode(pdf("Grass is green.", "Sky is blue.")).decode()
    source = {"type": "base64", "media_type": "application/pdf", "data": data}
    messages: Any = [{"role": "user", "content": [{"type": "document", "source": source, "citations": ON}]}]
    app, _ = served("<cite 0:1>blue</cite>")
    async with serve(app) as http, sdk(http) as client:
        message = await client.messages.create(**fields(messages))
    (location,) = message.content[0].citations  # type: ignore[union-attr]
    assert isinstance(location, anthropic.types.CitationPageLocation)
    assert (location.cited_text, location.start_page_number, location.end_page_number) == (
        "Sky is blue.",
        2,
        3,
    )


async def test_without_citations_an_answer_stays_as_it_is(serve: Serve) -> None:
    bare = {key: value for key, value in DOCUMENT.items() if key != "citations"}
    app, _ = served(ANSWER)
    async with serve(app) as http, sdk(http) as client:
        message = await client.messages.create(**fields([{"role": "user", "content": [bare, QUESTION]}]))
    assert [block.to_dict() for block in message.content] == [{"type": "text", "text": ANSWER}]


@pytest.mark.parametrize(
    ("filename", "data", "mime_type", "cited"),
    [
        ("a.txt", GRASS.encode(), "text/plain", "The grass is green."),
        ("a.pdf", pdf("Grass is green."), "application/pdf", "Grass is green."),
    ],
)
async def test_a_file_is_cited_by_its_name(
    serve: Serve, tmp_path: Path, database: Engine, filename: str, data: bytes, mime_type: str, cited: str
) -> None:
    app, _ = served("<cite 0:0>green</cite>", files=FileStore(tmp_path / "files", database))
    async with serve(app) as http, sdk(http) as client:
        file = await client.files.upload(file=(filename, data, mime_type))
        source = {"type": "file", "file_id": file.id}
        messages: Any = [{"role": "user", "content": [{**DOCUMENT, "source": source}, QUESTION]}]
        message = await client.messages.create(**fields(messages))
    (location,) = message.content[0].citations  # type: ignore[union-attr]
    assert (location.cited_text, location.file_id) == (cited, file.id)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("data", "mime_type", "reason"),
    [
        (b"\xff", "text/plain", "the file is not valid UTF-8: byte 0xff at 0"),
        (b"x", "image/png", "documents are `application/pdf` or `text/plain`, and this file is `image/png`"),
    ],
)
async def test_a_file_that_is_no_document_is_refused(
    serve: Serve, tmp_path: Path, database: Engine, data: bytes, mime_type: str, reason: str
) -> None:
    app, _ = served("", files=FileStore(tmp_path / "files", database))
    async with serve(app) as http, sdk(http) as client:
        file = await client.files.upload(file=("a", data, mime_type))
        messages: Any = [
            {"role": "user", "content": [{**DOCUMENT, "source": {"type": "file", "file_id": file.id}}]}
        ]
        with pytest.raises(anthropic.BadRequestError) as refused:
            await client.messages.create(**fields(messages))
    assert f"messages.0.content.0.source.file.file_id: {reason}" in str(refused.value)


async def test_the_operator_limits_pages(in_process: Connect) -> None:
    app = create_app(ScriptedClient(["x"]), ServerConfig(pdf_limits=PdfLimits(max_pages=1)))
    data = base64.b64encode(pdf("a", "b")).decode()
    source = {"type": "base64", "media_type": "application/pdf", "data": data}
    async with in_process(app) as http:
        body = fields([{"role": "user", "content": [{"type": "document", "source": source}]}])
        reply = await http.post("/v1/messages", json=body)
    assert reply.status_code == 400
    assert "A maximum of 1 PDF pages may be provided; found 2." in reply.json()["error"]["message"]


@pytest.mark.parametrize("spelling", ["application/pdf", "application\\/pdf", "applicatio\\u006e/pdf"])
async def test_a_pdf_that_is_read_keeps_nobody_waiting(in_process: Connect, spelling: str) -> None:
    app, _ = served(*["x"] * 4)
    long = zlib.compress(b"BT /F1 12 Tf (a) Tj ET\n" * 50_000)
    data = base64.b64encode(pdf("a", content=long)).decode()
    source = {"type": "base64", "media_type": "application/pdf", "data": data}
    asked = fields([{"role": "user", "content": [{"type": "document", "source": source}]}])
    slow = json.dumps(asked).replace("application/pdf", spelling)
    async with in_process(app) as http:
        reading = [asyncio.create_task(http.post("/v1/messages", content=slow)) for _ in range(3)]
        quick = await http.post("/v1/messages", json=fields())
        assert quick.status_code == 200
        assert not any(task.done() for task in reading)
        assert [reply.status_code for reply in await asyncio.gather(*reading)] == [200] * 3


async def test_a_model_that_cannot_cite_says_so(in_process: Connect) -> None:
    model = replace(SCRIPTED_MODEL, can_cite=False)
    app = create_app(ScriptedClient(["x"], models=[model]))
    async with in_process(app) as http:
        refused = await http.post("/v1/messages", json=fields())
        listed = (await http.get("/v1/models/scripted")).json()["capabilities"]
    assert refused.status_code == 400
    assert "citations are not supported on this model" in refused.json()["error"]["message"]
    assert (listed["citations"], listed["pdf_input"]) == ({"supported": False}, {"supported": True})


async def test_a_remote_server_is_asked_and_read_alike(in_process: Connect) -> None:
    app, inner = served(ANSWER, ANSWER)
    told = asked(plain(title="Colours"), paged("One."), found("a"), question="And?")
    told = replace(
        told, turns=(replace(told.turns[0], content=(told.turns[0].content[0], told.turns[0].content[2])),)
    )
    request = MessagesRequest(model="scripted", conversation=told, max_tokens=50)
    async with RemoteClient("http://localhost", http_client=in_process(app)) as remote:
        there = await collect(remote.stream(request))
        info = (await remote.models())[0]
    here = await collect(inner.stream(request))
    assert there.content == here.content
    assert inner.history[0].conversation == told
    assert (info.can_cite, info.can_read_pdf) == (True, True)


async def test_the_engine_cites_over_http(serve: Serve, loaded: LoadedModel) -> None:
    info = replace(loaded.info, can_cite=True, can_read_pdf=True)
    engine = LocalClient({"tiny": replace(loaded, info=info)}, EngineConfig(num_pages=40, num_threads=1))
    try:
        async with serve(create_app(engine)) as http, sdk(http) as client:
            for seed in range(3):
                body = fields(model="tiny", max_tokens=30, extra_body={"seed": seed})
                whole = await client.messages.create(**body)
                async with client.messages.stream(**body) as stream:
                    streamed = await stream.get_final_message()
                counted = await client.messages.count_tokens(model="tiny", messages=ASKED)
                assert streamed.to_dict()["content"] == whole.to_dict()["content"]
                usage = whole.usage
                prompt = usage.input_tokens + (usage.cache_read_input_tokens or 0)
                assert prompt + (usage.cache_creation_input_tokens or 0) == counted.input_tokens
    finally:
        engine.close()
