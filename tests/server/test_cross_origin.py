"""Browsers and pages of other origins: those that are allowed get through, the others learn nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fastapi import FastAPI

from caesura.messages.errors import CaesuraError
from caesura.messages.events import Event
from caesura.messages.request import MessagesRequest
from caesura.messages.scripted import ScriptedClient
from caesura.server import ServerConfig, create_app
from tests.server.conftest import Serve

Connect = Callable[[FastAPI], httpx.AsyncClient]
ASK = {"model": "scripted", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
PAGE = "https://app.example"
EVIL = "https://evil.example"
API_HEADERS = {
    "x-api-key",
    "authorization",
    "anthropic-version",
    "anthropic-beta",
    "content-type",
    "anthropic-dangerous-direct-browser-access",
}
KEYLESS = ServerConfig(allowed_origins=(PAGE, "http://localhost:3000"))
KEYED = ServerConfig(allowed_origins=(PAGE,), api_keys=("a-key",))
BOTH = pytest.mark.parametrize("config", [KEYLESS, KEYED], ids=["keyless", "keyed"])


class BrokenClient(ScriptedClient):
    """Fails in a way that nobody foresaw."""

    def stream(self, request: MessagesRequest) -> AsyncIterator[Event]:
        raise KeyError("secret detail")


def app(config: ServerConfig) -> FastAPI:
    return create_app(ScriptedClient(otherwise="hello you"), config)


def asking(origin: str = PAGE, *names: str, method: str = "POST") -> dict[str, str]:
    """What a browser sends before a page's request."""
    wanted = {"access-control-request-headers": ",".join(names)} if names else {}
    return {"origin": origin, "access-control-request-method": method, **wanted}


def names(response: httpx.Response, header: str) -> list[str]:
    return response.headers.get(header, "").split(", ")


def told(response: httpx.Response) -> list[str]:
    """Everything that a browser is told of other origins."""
    return [name for name in response.headers if name.startswith("access-control-")]


@BOTH
@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/messages"), ("GET", "/v1/models")])
async def test_a_browser_is_told_before_its_page_has_shown_a_key(
    in_process: Connect, config: ServerConfig, method: str, path: str
) -> None:
    ask = asking(PAGE, *sorted(API_HEADERS), method=method)
    response = await in_process(app(config)).options(path, headers=ask)
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers.get_list("access-control-allow-origin") == [PAGE]
    assert method in names(response, "access-control-allow-methods")
    assert set(names(response, "access-control-allow-headers")) >= API_HEADERS
    assert int(response.headers["access-control-max-age"]) > 0
    assert response.headers["vary"] == "origin"
    assert response.headers["request-id"].startswith("req_")


async def test_headers_that_an_sdk_adds_are_allowed_but_never_all_of_them(in_process: Connect) -> None:
    ask = asking(PAGE, "x-stainless-os", "X-Stainless-Lang", "*", "a\tb")
    allowed = names(
        await in_process(app(KEYED)).options("/v1/messages", headers=ask), "access-control-allow-headers"
    )
    assert set(allowed) == {*API_HEADERS, "x-stainless-os", "x-stainless-lang", "a", "b"}
    assert len(allowed) == len(set(allowed))


@BOTH
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_an_allowed_page_may_read_what_it_asked_for(
    serve: Serve, config: ServerConfig, stream: bool
) -> None:
    headers = {"origin": PAGE, "x-api-key": "a-key"}
    async with serve(app(config)) as client:
        response = await client.post("/v1/messages", json={**ASK, "stream": stream}, headers=headers)
    assert response.status_code == 200
    assert "hello" in response.text
    assert response.headers["content-type"].startswith("text/event-stream" if stream else "application/json")
    assert response.headers.get_list("access-control-allow-origin") == [PAGE]
    assert {"request-id", "retry-after"} <= set(names(response, "access-control-expose-headers"))
    assert response.headers["vary"] == "origin"


@pytest.mark.parametrize(
    ("client", "request_", "status"),
    [
        (ScriptedClient(), ("POST", "/v1/messages", {}), 401),
        (ScriptedClient(), ("GET", "/v1/nothing", {"x-api-key": "a-key"}), 404),
        (ScriptedClient(), ("PUT", "/v1/messages", {"x-api-key": "a-key"}), 405),
        (BrokenClient(), ("POST", "/v1/messages", {"x-api-key": "a-key"}), 500),
    ],
    ids=["no key", "no route", "no method", "a fault"],
)
async def test_an_allowed_page_may_read_why_it_is_refused(
    in_process: Connect, client: ScriptedClient, request_: tuple[str, str, dict[str, str]], status: int
) -> None:
    method, path, headers = request_
    response = await in_process(create_app(client, KEYED)).request(
        method, path, json=ASK, headers={"origin": PAGE, **headers}
    )
    assert response.status_code == status
    assert response.headers["access-control-allow-origin"] == PAGE
    assert response.json()["request_id"] == response.headers["request-id"]


@BOTH
@pytest.mark.parametrize("origin", [EVIL, "null", "https://app.example.evil.example", "http://app.example"])
async def test_the_browser_of_any_other_page_is_told_nothing(
    in_process: Connect, config: ServerConfig, origin: str
) -> None:
    client = in_process(app(config))
    before = await client.options("/v1/messages", headers=asking(origin, "x-api-key"))
    assert before.status_code in (401, 403)
    after = await client.post("/v1/messages", json=ASK, headers={"origin": origin, "x-api-key": "a-key"})
    assert [told(before), told(after)] == [[], []]
    # Or a cache could give this answer to the page that is allowed.
    assert before.headers["vary"] == after.headers["vary"] == "origin"


async def test_two_origins_are_none(in_process: Connect) -> None:
    headers = [("origin", PAGE), ("origin", PAGE), ("access-control-request-method", "POST")]
    response = await in_process(app(KEYED)).options("/v1/messages", headers=headers)
    assert (response.status_code, told(response)) == (401, [])


@BOTH
async def test_credentials_that_a_browser_sends_unasked_are_never_let_in(
    in_process: Connect, config: ServerConfig
) -> None:
    client = in_process(app(config))
    answers = [
        await client.options("/v1/messages", headers=asking()),
        await client.post("/v1/messages", json=ASK, headers={"origin": PAGE, "cookie": "a=b"}),
    ]
    for answer in answers:
        assert "access-control-allow-credentials" not in answer.headers
        assert "*" not in answer.headers["access-control-allow-origin"]


async def test_a_preflight_opens_neither_another_name_of_the_server_nor_its_page(in_process: Connect) -> None:
    rebound = {**asking(), "host": "evil.example"}
    assert (await in_process(app(KEYLESS)).options("/v1/messages", headers=rebound)).status_code == 403
    page = await in_process(app(KEYED)).options("/", headers=asking())
    assert (page.status_code, told(page)) == (401, [])


async def test_options_without_a_question_is_no_preflight(in_process: Connect) -> None:
    headers = {"origin": PAGE, "x-api-key": "a-key"}
    assert (await in_process(app(KEYED)).options("/v1/messages", headers=headers)).status_code == 405


async def test_a_server_that_allows_no_origin_says_nothing_of_origins(in_process: Connect) -> None:
    headers = {"origin": PAGE, "x-api-key": "a-key"}
    closed = app(ServerConfig(api_keys=("a-key",)))
    response = await in_process(closed).post("/v1/messages", json=ASK, headers=headers)
    assert (response.status_code, told(response)) == (200, [])
    assert "vary" not in response.headers


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "app.example",
        "https://*.app.example",
        "https://app.example/",
        "https://app.example/chat",
        "https://me@app.example",
        "https://app.example:443",
        "http://app.example:80",
        "https://bücher.example",
        "https://",
        "",
    ],
)
def test_what_no_browser_calls_an_origin_is_refused_at_the_start(origin: str) -> None:
    with pytest.raises(CaesuraError, match="is no origin that can be allowed"):
        ServerConfig(allowed_origins=(PAGE, origin))


@pytest.mark.parametrize(
    "origin",
    ["http://localhost:3000", "https://app.example:8443", "chrome-extension://abc", "tauri://localhost"],
)
async def test_what_browsers_call_an_origin_is_taken(in_process: Connect, origin: str) -> None:
    client = in_process(app(ServerConfig(allowed_origins=(origin,))))
    response = await client.get("/v1/models", headers={"origin": origin})
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (200, origin)
