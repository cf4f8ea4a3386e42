"""Requests that mean harm: each attack by its name, and what becomes of it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from caesura.messages.scripted import ScriptedClient
from caesura.server import ServerConfig, create_app
from caesura.server.backing import Backing
from caesura.server.batch_store import BatchStore
from caesura.server.file_store import FileStore
from tests.messages.pictures import image, png

Connect = Callable[[FastAPI], httpx.AsyncClient]
Serve = Callable[[FastAPI], AbstractAsyncContextManager[httpx.AsyncClient]]
ASK = {"model": "scripted", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
SECRET = "a-key-that-nobody-knows"
OURS = "sk-caesura-0123456789ab-" + "x" * 43


def app_of(config: ServerConfig | None = None, **backing: Any) -> FastAPI:
    return create_app(ScriptedClient(otherwise="ok"), config, Backing(**backing))


async def posted(client: httpx.AsyncClient, raw: bytes, path: str = "/v1/messages") -> tuple[int, str]:
    """The status and the message of an error, which has the envelope."""
    response = await client.post(path, content=raw)
    body = response.json()
    if response.status_code == 200:
        return 200, ""
    assert body["type"] == "error"
    assert body["request_id"] == response.headers["request-id"]
    return response.status_code, body["error"]["message"]


def raw_body(content: str) -> bytes:
    return (
        b'{"model":"scripted","max_tokens":9,"messages":[{"role":"user","content":'
        + content.encode()
        + b"}]}"
    )


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (raw_body('"\\ud800"'), "not valid JSON"),
        (raw_body('"\\udc00\\ud800"'), "not valid JSON"),
        (raw_body('"x"').replace(b"x", b"\xff"), "not valid UTF-8: byte 0xff"),
        (raw_body('"x"').replace(b"x", b"\xed\xa0\x80"), "not valid UTF-8"),
        (raw_body('"x"').replace(b"x", b"\xc0\x80"), "not valid UTF-8"),
        (raw_body('"x"').replace(b"x", b"\0"), "not valid JSON"),
        (raw_body('"x"').decode().encode("utf-16"), "not valid UTF-8"),
        (b"\xef\xbb\xbf" + raw_body('"x"'), "not valid JSON"),
        (raw_body('"x"') + b"{}", "not valid JSON"),
        (raw_body('"x"').replace(b":9,", b":NaN,"), "not valid JSON"),
        (raw_body('"x"').replace(b":9,", b":Infinity,"), "not valid JSON"),
        (raw_body('"x"').replace(b":9,", b":1e400,"), "max_tokens: Input should be"),
        (raw_body('"x"').replace(b":9,", b":" + b"9" * 400 + b","), "max_tokens: Input should be"),
        (raw_body('"x"').replace(b":9,", b":" + b"9" * 5_000 + b","), "not valid JSON"),
        (raw_body('"x"').replace(b":9,", b":true,"), "max_tokens: Input should be a valid integer"),
        (raw_body("[" * 100_000 + "]" * 100_000), "not valid JSON: recursion limit"),
        (raw_body('{"a":' * 100_000 + "1" + "}" * 100_000), "not valid JSON: recursion limit"),
        (
            b'{"model":"scripted","max_tokens":9,"messages":' + b"[" * 300 + b"]" * 300 + b"}",
            "recursion limit",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
async def test_bytes_that_are_no_sound_json_are_refused(in_process: Connect, raw: bytes, words: str) -> None:
    status, message = await posted(in_process(app_of()), raw)
    assert status == 400
    assert words in message
    assert len(message) < 400


async def test_of_a_key_that_comes_twice_the_last_one_counts_everywhere(in_process: Connect) -> None:
    client = ScriptedClient(otherwise="ok")
    raw = raw_body('"first","content":"last"')
    await in_process(create_app(client)).post("/v1/messages", content=raw)
    (request,) = client.history
    assert request.conversation.turns[0].content[0].text == "last"  # type: ignore[union-attr]


async def test_a_nul_in_a_text_or_a_name_is_just_a_character(in_process: Connect) -> None:
    client = in_process(app_of())
    assert await posted(client, raw_body('"a\\u0000b"')) == (200, "")
    status, _ = await posted(client, raw_body('"x"').replace(b"scripted", b"scripted\\u0000"))
    assert status == 404


# Looking at each of its quotation marks in turn, one would be busy for hours.
ENDLESS_TEXT = b'"' + rb"\"" * 2_000_000


@pytest.mark.parametrize("end", [b"", b"\\"])
async def test_a_text_without_an_end_keeps_nobody_busy(
    in_process: Connect, database: Engine, end: bytes
) -> None:
    client = in_process(app_of(batches=BatchStore(database)))
    raw = b'{"requests":[{"custom_id":"a","params":{"x":' + ENDLESS_TEXT + end
    assert (await posted(client, raw, "/v1/messages/batches"))[0] == 400
    commas = b"[" + b"1," * 2_000_000
    assert (await posted(client, commas + ENDLESS_TEXT + end))[0] == 400


async def test_ten_thousand_tools_are_read_and_more_are_refused_unread(in_process: Connect) -> None:
    client = in_process(app_of())
    tool = {"description": "x", "input_schema": {"type": "object"}}
    tools = [{**tool, "name": f"t{number}"} for number in range(10_001)]
    assert await posted(client, json.dumps({**ASK, "tools": tools[:10_000]}).encode()) == (200, "")
    status, message = await posted(client, json.dumps({**ASK, "tools": tools}).encode())
    assert (status, message) == (400, "tools: 10001 tools > 10000 maximum; leave some of them out")


@pytest.mark.parametrize(
    "pair",
    [
        [{"name": "a", "input_schema": {"type": "object"}}] * 2,
        [{"type": "bash_20250124", "name": "bash"}, {"name": "bash", "input_schema": {"type": "object"}}],
        [{"type": "bash_20250124", "name": "bash"}, {"type": "bash_20241022", "name": "bash"}],
    ],
)
async def test_tools_whose_names_collide_are_refused(in_process: Connect, pair: list[Any]) -> None:
    status, message = await posted(in_process(app_of()), json.dumps({**ASK, "tools": pair}).encode())
    assert status == 400
    assert message.startswith("tools: Tool names must be unique. Found twice: ")


async def test_a_picture_that_promises_too_many_pixels_is_refused_before_it_is_decoded(
    in_process: Connect,
) -> None:
    client = in_process(app_of())
    for width, height in ((8_001, 1), (1, 8_001), (2**31, 2**31), (2**32 - 1, 1)):
        body = {**ASK, "messages": [{"role": "user", "content": [image(png(width, height))]}]}
        status, message = await posted(client, json.dumps(body).encode())
        assert status == 400
        assert "exceed max allowed size: 8000 pixels" in message


CALL = {"type": "tool_use", "id": "t1", "name": "add", "input": {}}
OTHER = {**CALL, "id": "t2"}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "1"}
LATER = {**RESULT, "tool_use_id": "t2"}


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (["hi", [CALL], [RESULT], "so", [RESULT]], "unexpected `tool_use_id`"),
        (["hi", [CALL], [RESULT, RESULT]], "must have a single result"),
        (["hi", [CALL], [RESULT], [OTHER], [RESULT]], "ids were found without `tool_result`"),
        (["hi", [CALL], [LATER], [OTHER], [RESULT]], "ids were found without `tool_result`"),
        (["hi", [CALL], [RESULT], [CALL], [RESULT]], "`tool_use` ids must be unique"),
        ([[RESULT], [CALL], "hi"], "unexpected `tool_use_id`"),
        (["hi", [CALL], [{"type": "text", "text": "first"}, RESULT]], "ids were found without `tool_result`"),
    ],
)
async def test_results_that_are_replayed_or_reordered_are_refused(
    in_process: Connect, contents: list[Any], words: str
) -> None:
    roles = ["user", "assistant"] * 4
    messages = [{"role": role, "content": content} for role, content in zip(roles, contents, strict=False)]
    status, message = await posted(in_process(app_of()), json.dumps({**ASK, "messages": messages}).encode())
    assert status == 400
    assert words in message


LINE = {"custom_id": "a", "params": ASK}


async def test_of_two_lists_of_requests_none_is_taken(in_process: Connect, database: Engine) -> None:
    client = in_process(app_of(batches=BatchStore(database)))
    rows = json.dumps([LINE]).encode()
    for second in (b'"requests":[]', b'"re\\u0071uests":[]'):
        raw = b'{"requests":' + rows + b"," + second + b"}"
        status, message = await posted(client, raw, "/v1/messages/batches")
        assert status == 400
        assert message.startswith("requests: it is there twice")


async def test_a_batch_of_more_than_100000_lines_or_of_equal_names_is_refused(
    in_process: Connect, database: Engine
) -> None:
    client = in_process(app_of(batches=BatchStore(database)))
    row = b'{"custom_id":"r%d","params":{}}'
    rows = b",".join(row % number for number in range(100_001))
    status, message = await posted(client, b'{"requests":[' + rows + b"]}", "/v1/messages/batches")
    assert (status, message) == (400, "requests: List should have at most 100000 items after validation")
    rows = b",".join([row % 1, row % 2, row % 1])
    status, message = await posted(client, b'{"requests":[' + rows + b"]}", "/v1/messages/batches")
    assert status == 400
    assert message.startswith("requests.2.custom_id: `r1` is that of requests.0 too")


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "..", "%2e%2e%2f%2e%2e%2fetc", "file_..", "a\\u0000b", "/etc"]
)
async def test_a_file_id_is_never_a_path(
    in_process: Connect, database: Engine, tmp_path: Path, name: str
) -> None:
    client = in_process(app_of(files=FileStore(tmp_path / "files", database)))
    source = json.dumps({"type": "image", "source": {"type": "file", "file_id": "NAME"}}).replace(
        "NAME", name
    )
    status, message = await posted(client, raw_body(f"[{source}]"))
    assert status == 404
    assert message.startswith("messages.0.content.0.source.file.file_id: file not found")


async def test_uploads_on_their_way_count_together(
    in_process: Connect, database: Engine, tmp_path: Path
) -> None:
    store = FileStore(tmp_path / "files", database, max_bytes=5_000_000)
    client = in_process(app_of(files=store))
    with store.receive() as other:
        other.write(b"x" * 3_000_000)
        refused = await client.post("/v1/files", files={"file": ("a", b"y" * 3_000_000)})
        assert refused.status_code == 400
        assert refused.json()["error"]["details"] == {"error_code": "storage_quota_exceeded"}
    taken = await client.post("/v1/files", files={"file": ("a", b"y" * 3_000_000)})
    assert taken.status_code == 200, taken.text


KEYED = ServerConfig(api_keys=(SECRET,))


@pytest.mark.parametrize(
    "url",
    [
        f"/v1/models?x={SECRET}",
        f"/v1/models?key={SECRET}",
        "/v1/models?api_key=",
        f"/v1/models?{OURS}",
        f"/v1/models?a={OURS}",
        f"/v1/models/{OURS}",
        f"/{OURS}",
        f"/v1/models?a=%{ord(SECRET[0]):02x}{SECRET[1:]}",
    ],
)
async def test_a_key_in_the_url_does_not_work_and_is_in_no_log(
    serve: Serve, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    async with serve(app_of(KEYED)) as http:
        with caplog.at_level(logging.DEBUG):
            alone = await http.get(url)
            beside = await http.get(url, headers={"x-api-key": SECRET})
    for refused in (alone, beside):
        assert refused.status_code == 400
        assert "a key in the URL is not taken" in refused.json()["error"]["message"]
    ours = [
        record.getMessage() for record in caplog.records if not record.name.startswith(("http", "asyncio"))
    ]
    assert any('"GET' in line for line in ours), "the server's log of requests was read"
    assert not any(secret[8:] in line for line in ours for secret in (SECRET, OURS))


async def test_a_short_key_of_the_operator_may_be_a_word_in_a_query(in_process: Connect) -> None:
    client = in_process(app_of(ServerConfig(api_keys=("20",))))
    assert (await client.get("/v1/models?limit=20", headers={"x-api-key": "20"})).status_code == 200


async def raw_answer(http: httpx.AsyncClient, request: bytes) -> bytes:
    """What the server says to bytes, until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", http.base_url.port)
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return answer


POST = b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\n"
BODY = json.dumps(ASK).encode()
SIZE = str(len(BODY)).encode()
CHUNKED = hex(len(BODY))[2:].encode() + b"\r\n" + BODY + b"\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        POST + b"content-length: " + SIZE + b"\r\ncontent-length: 3\r\n\r\n" + BODY,
        POST + b"content-length: 3, " + SIZE + b"\r\n\r\n" + BODY,
        POST + b"content-length: -1\r\n\r\n" + BODY,
        POST + b"content-length: +3\r\n\r\n" + BODY,
        POST
        + b"content-length: "
        + SIZE
        + b"\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        + CHUNKED,
        POST + b"transfer-encoding: gzip, chunked\r\n\r\n" + CHUNKED,
        POST + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n" + CHUNKED,
        POST + b"x: y\r\n folded: z\r\ncontent-length : 3\r\n\r\n" + BODY,
        POST + b"a: b\0c\r\n\r\n",
        POST + b"a\xff: b\r\n\r\n",
        b"POST /v1/\xff HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ],
)
async def test_a_request_whose_length_or_head_is_ambiguous_is_refused(serve: Serve, request_: bytes) -> None:
    client = ScriptedClient(otherwise="ok")
    async with serve(create_app(client)) as http:
        answer = await raw_answer(http, request_)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 501"))
    assert answer.count(b"HTTP/1.1 ") == 1, "what came behind it was taken for no other request"
    assert client.history == []


async def test_headers_that_are_too_long_are_refused(serve: Serve) -> None:
    async with serve(app_of()) as http:
        answer = await raw_answer(http, POST + b"x: " + b"y" * 100_000 + b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400")
        assert (await http.get("/health")).status_code == 200


async def test_an_endless_body_in_chunks_is_413_and_the_connection_is_over(serve: Serve) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(2_000):
            yield b"x" * 1_000

    async with serve(app_of(ServerConfig(max_body_bytes=5_000))) as http:
        response = await http.post("/v1/messages", content=endless())
    assert response.status_code == 413
    assert response.headers["connection"] == "close"


async def test_bodies_that_are_too_much_together_are_529(in_process: Connect) -> None:
    client = in_process(app_of(ServerConfig(max_held_bytes=10_000)))
    large = {**ASK, "metadata": {"user_id": "x" * 12_000}}
    refused = await client.post("/v1/messages", json=large)
    assert refused.status_code == 529
    assert refused.json()["error"]["type"] == "overloaded_error"
    assert (await client.post("/v1/messages", json=ASK)).status_code == 200, "it was given back"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, identity", "x" * 5_000])
@pytest.mark.parametrize(
    "path", ["/v1/messages", "/v1/messages/count_tokens", "/v1/messages/batches", "/v1/files"]
)
async def test_a_compressed_body_is_refused_before_it_is_read(
    in_process: Connect, database: Engine, tmp_path: Path, encoding: str, path: str
) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("it was read")
        yield b""

    batches, files = BatchStore(database), FileStore(tmp_path / "files", database)
    headers = {"content-encoding": encoding, "content-type": "multipart/form-data; boundary=x"}
    response = await in_process(app_of(batches=batches, files=files)).post(
        path, content=never(), headers=headers
    )
    assert response.status_code == 400
    message = response.json()["error"]["message"]
    assert message.startswith("content-encoding: ")
    assert len(message) < 200


async def test_a_second_encoding_does_not_hide_behind_the_first(in_process: Connect) -> None:
    headers = [("content-encoding", "identity"), ("content-encoding", "gzip")]
    response = await in_process(app_of()).post("/v1/messages", content=BODY, headers=headers)
    assert response.status_code == 400
    assert "content-encoding" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "arguments", ['{"a":"\\ud800"}', '{"a":' + "[" * 500 + "]" * 500 + "}", '{"a":NaN}', "[]"]
)
async def test_arguments_of_a_chats_call_are_read_as_strictly_as_a_body(
    in_process: Connect, arguments: str
) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": arguments}}
    messages = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "r"},
    ]
    body = {"model": "scripted", "messages": messages}
    response = await in_process(app_of()).post("/v1/chat/completions", json=body)
    assert response.status_code == 400
    assert "messages.1.tool_calls.function.arguments" in response.json()["error"]["message"]


async def test_what_is_refused_in_a_batch_is_not_repeated_at_length(
    in_process: Connect, database: Engine
) -> None:
    app = app_of(batches=BatchStore(database))
    line = {"custom_id": "a", "params": {**ASK, "stream": "x" * 100_000}}
    async with app.router.lifespan_context(app), in_process(app) as client:
        batch = (await client.post("/v1/messages/batches", json={"requests": [line]})).json()
        url = f"/v1/messages/batches/{batch['id']}"
        async with asyncio.timeout(20):
            while (await client.get(url)).json()["processing_status"] != "ended":
                await asyncio.sleep(0.01)
        outcome = (await client.get(f"{url}/results")).text
    assert "is not supported in a message batch" in outcome
    assert len(outcome) < 1_000
