"""The remote client speaks to any Messages server, and says plainly what went wrong."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import httpx
import pytest

from caesura.messages.content import Conversation, Tool, conversation
from caesura.messages.errors import (
    ApiError,
    AuthenticationError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
)
from caesura.messages.events import TextDelta
from caesura.messages.fold import collect, fold
from caesura.messages.remote import RemoteClient
from caesura.messages.request import (
    Diagnostics,
    MessagesRequest,
    OutputFormat,
    Sampling,
    Thinking,
    ToolChoice,
)
from caesura.messages.scripted import SCRIPTED_MODEL, ScriptedCall, ScriptedClient, ScriptedReply
from caesura.messages.typed_tools import typed_tool
from caesura.server import ServerConfig, create_app

REQUEST = MessagesRequest(
    model="scripted",
    conversation=conversation(("user", "what is it?"), system="Be brief."),
    max_tokens=50,
    sampling=Sampling(seed=7),
    thinking=Thinking(mode="enabled", budget_tokens=20),
)
REPLY = ScriptedReply(thinking="well now", text="it is\u2028a \u00fcber test")


def over(client: ScriptedClient, api_key: str | None = None, *, keys: tuple[str, ...] = ()) -> RemoteClient:
    """A remote client of an in-process server."""
    transport = httpx.ASGITransport(create_app(client, ServerConfig(api_keys=keys)))
    http_client = httpx.AsyncClient(transport=transport)
    return RemoteClient("http://localhost/v1/", api_key, http_client=http_client)


def answering(handler: Callable[[httpx.Request], httpx.Response]) -> RemoteClient:
    http_client = httpx.AsyncClient(transport=httpx.MockTransport(handler))
    return RemoteClient("http://there", "k", http_client=http_client)


async def test_it_gives_the_same_events_as_the_client_behind_the_server() -> None:
    direct = [event async for event in ScriptedClient([REPLY]).stream(REQUEST)]
    async with over(ScriptedClient([REPLY])) as remote:
        assert [event async for event in remote.stream(REQUEST)] == direct


CALLING = replace(
    REQUEST,
    conversation=Conversation(
        turns=REQUEST.conversation.turns,
        tools=(
            Tool(name="add", input_schema={"type": "object"}, strict=True),
            typed_tool("text_editor_20250728", {"max_characters": 7}),
        ),
    ),
    tool_choice=ToolChoice(is_parallel=False),
    output_format=OutputFormat(kind="regex", text="a+"),
)
CALL = ScriptedReply(thinking="well now", text="so", calls=(ScriptedCall(name="add", input={"a": "\u2028"}),))


async def test_calls_come_through_as_they_are() -> None:
    direct = [event async for event in ScriptedClient([CALL]).stream(CALLING)]
    inner = ScriptedClient([CALL])
    async with over(inner) as remote:
        assert [event async for event in remote.stream(CALLING)] == direct
        assert await remote.count_tokens(CALLING) == await inner.count_tokens(CALLING)
    assert inner.history == [replace(CALLING, stream=True)]
    assert fold(direct).stop_reason == "tool_use"


async def test_the_client_behind_the_server_sees_the_same_request() -> None:
    inner = ScriptedClient([REPLY])
    async with over(inner) as remote:
        await collect(remote.stream(REQUEST))
    assert [request.conversation for request in inner.history] == [REQUEST.conversation]
    assert (inner.history[0].sampling, inner.history[0].thinking) == (REQUEST.sampling, REQUEST.thinking)


async def test_it_warms_the_cache_of_the_server() -> None:
    warm = replace(REQUEST, max_tokens=0, thinking=Thinking(), diagnostics=Diagnostics())
    inner = ScriptedClient([REPLY])
    direct = [event async for event in ScriptedClient([REPLY]).stream(warm)]
    async with over(inner) as remote:
        assert [event async for event in remote.stream(warm)] == direct
    (asked,) = inner.history
    assert (asked.max_tokens, asked.stream, asked.diagnostics) == (0, False, Diagnostics())


async def test_it_counts_and_lists() -> None:
    inner = ScriptedClient()
    async with over(inner) as remote:
        assert await remote.count_tokens(REQUEST) == await inner.count_tokens(REQUEST)
        assert list(await remote.models()) == [SCRIPTED_MODEL]


async def test_it_shows_its_key() -> None:
    async with over(ScriptedClient(["hi"]), "secret", keys=("secret",)) as remote:
        assert (await collect(remote.stream(REQUEST))).stop_reason == "end_turn"
    async with over(ScriptedClient(["hi"]), "wrong", keys=("secret",)) as remote:
        with pytest.raises(AuthenticationError):
            await collect(remote.stream(REQUEST))


@pytest.mark.parametrize("error", [OverloadedError("full"), InvalidRequestError("max_tokens: no")])
async def test_an_error_before_the_reply_has_its_class(error: ApiError) -> None:
    async with over(ScriptedClient([error])) as remote:
        with pytest.raises(type(error), match=error.message):
            await collect(remote.stream(REQUEST))


async def test_an_error_inside_the_reply_has_its_class() -> None:
    reply = ScriptedReply(text="half", error=OverloadedError("full"))
    async with over(ScriptedClient([reply])) as remote:
        stream = remote.stream(REQUEST)
        seen = [await anext(stream) for _ in range(4)]
        assert TextDelta(index=0, text="half") in seen
        with pytest.raises(OverloadedError, match="full"):
            await anext(stream)


async def test_an_unknown_model_is_named() -> None:
    async with over(ScriptedClient()) as remote:
        with pytest.raises(NotFoundError, match="model: gpt"):
            await remote.count_tokens(
                MessagesRequest(model="gpt", conversation=REQUEST.conversation, max_tokens=1)
            )


async def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    async with RemoteClient(url) as remote:
        with pytest.raises(ApiError, match=rf"cannot reach {url}.*Is the server running"):
            await collect(remote.stream(REQUEST))
        with pytest.raises(ApiError, match="cannot reach"):
            await remote.models()


async def test_a_slow_server_is_a_timeout() -> None:
    def wait(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("too slow", request=request)

    async with answering(wait) as remote:
        with pytest.raises(ApiError, match="in time") as late:
            await remote.models()
    assert late.value.type == "timeout_error"


@pytest.mark.parametrize("status", [404, 500, 502])
async def test_a_foreign_error_body_is_quoted(status: int) -> None:
    async with answering(lambda request: httpx.Response(status, text="<h1>Bad Gateway</h1>")) as remote:
        with pytest.raises(ApiError, match=f"status {status}: <h1>Bad"):
            await collect(remote.stream(REQUEST))


@pytest.mark.parametrize("text", ["", "not json", "[1]", '{"data": [{}]}'])
async def test_nonsense_is_reported_as_such(text: str) -> None:
    async with answering(lambda request: httpx.Response(200, text=text)) as remote:
        with pytest.raises(ApiError, match="no Messages server sends"):
            await remote.models()


async def test_a_stream_that_breaks_off_is_reported() -> None:
    start = {"type": "message_start", "message": {"id": "m", "model": "m", "usage": {"input_tokens": 1}}}

    async def body() -> AsyncIterator[bytes]:
        yield b"event: message_start\ndata: " + json.dumps(start).encode() + b"\n\n"

    async with answering(lambda request: httpx.Response(200, content=body())) as remote:
        with pytest.raises(ApiError, match="broke the reply off"):
            await collect(remote.stream(REQUEST))


async def test_both_credentials_and_the_older_dialect_are_sent() -> None:
    seen: list[httpx.Request] = []

    def note(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"data": []})

    async with answering(note) as remote:
        await remote.models()
    headers = seen[0].headers
    assert (headers["x-api-key"], headers["authorization"]) == ("k", "Bearer k")
    assert headers["anthropic-version"] == "2023-06-01"


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.0.0.1", "127.0.0.2", "[::1]"])
def test_a_proxy_never_comes_between_this_machine_and_itself(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    assert not uses_proxy(RemoteClient(f"http://{host}:8000", "key"))
    assert uses_proxy(RemoteClient("http://10.0.0.1:8000", "key"))
    assert not uses_proxy(RemoteClient("http://10.0.0.1:8000", "key", is_direct=True))


def uses_proxy(client: RemoteClient) -> bool:
    return client._http.trust_env


async def test_an_alias_is_not_a_model_of_its_own() -> None:
    client = over(ScriptedClient())
    assert [model.id for model in await client.models()] == ["scripted"]


async def test_a_reply_that_may_fill_the_window_may_do_so_behind_the_server_too() -> None:
    inner = ScriptedClient([REPLY, REPLY])
    async with over(inner) as remote:
        await collect(remote.stream(replace(REQUEST, fills_window=True)))
        await collect(remote.stream(REQUEST))
    assert [request.fills_window for request in inner.history] == [True, False]
