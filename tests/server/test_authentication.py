"""Each lock is tried with the wrong key."""

from __future__ import annotations

import base64
from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Message

from caesura.messages.errors import CaesuraError
from caesura.messages.scripted import ScriptedClient
from caesura.server import ServerConfig, create_app
from caesura.server.authentication import check_binding

Connect = Callable[[FastAPI], httpx.AsyncClient]
ASK = {"model": "scripted", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
KEYED = ServerConfig(api_keys=("first-key", "second-key"))


def app(config: ServerConfig | None = None) -> FastAPI:
    made = create_app(ScriptedClient(otherwise="hello"), config)

    async def page() -> str:
        return "a page"

    made.get("/page")(page)
    made.post("/page")(page)
    return made


def basic(password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"me:{password}".encode()).decode()}


@pytest.mark.parametrize(
    "headers",
    [
        {"x-api-key": "first-key"},
        {"x-api-key": "second-key"},
        {"authorization": "Bearer second-key"},
        {"authorization": "bearer first-key"},
        {"x-api-key": "first-key", "authorization": "Bearer first-key"},
    ],
)
async def test_a_known_key_opens(in_process: Connect, headers: dict[str, str]) -> None:
    response = await in_process(app(KEYED)).post("/v1/messages", json=ASK, headers=headers)
    assert response.status_code == 200


async def tenant_of(in_process: Connect, headers: dict[str, str], config: ServerConfig = KEYED) -> str:
    client = ScriptedClient(otherwise="hello")
    await in_process(create_app(client, config)).post("/v1/messages", json=ASK, headers=headers)
    (request,) = client.history
    return request.tenant


async def test_each_key_is_a_tenant_of_its_own_however_it_is_shown(in_process: Connect) -> None:
    first = {await tenant_of(in_process, headers) for headers in keyed("first-key")}
    second = {await tenant_of(in_process, headers) for headers in keyed("second-key")}
    assert len(first) == len(second) == 1
    assert first.isdisjoint(second)
    assert not any("key" in tenant for tenant in first | second), "a key cannot be told from its tenant"
    other = ServerConfig(api_keys=("second-key", "third-key"))
    assert {await tenant_of(in_process, keyed("second-key")[0], other)} == second, "the others do not matter"


def keyed(key: str) -> list[dict[str, str]]:
    """The ways to show a key."""
    return [
        {"x-api-key": key},
        {"authorization": f"Bearer {key}"},
        {"x-api-key": key, "authorization": "Bearer wrong"},
    ]


async def test_without_keys_everyone_is_one_tenant(in_process: Connect) -> None:
    assert await tenant_of(in_process, {}, ServerConfig()) == ""
    assert await tenant_of(in_process, {"x-api-key": "none-needed"}, ServerConfig()) == ""


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "x-api-key header is required (or Authorization: Bearer)"),
        ({"x-api-key": "wrong"}, "invalid x-api-key"),
        ({"x-api-key": ""}, "invalid x-api-key"),
        ({"x-api-key": "first-ke"}, "invalid x-api-key"),
        ({"x-api-key": "first-key2"}, "invalid x-api-key"),
        ({"x-api-key": "FIRST-KEY"}, "invalid x-api-key"),
        ({"x-api-key": "first-key,second-key"}, "invalid x-api-key"),
        ({"authorization": "Bearer wrong"}, "invalid bearer token"),
        ({"authorization": "Bearer"}, "invalid bearer token"),
        ({"authorization": "first-key"}, "x-api-key header is required (or Authorization: Bearer)"),
        (basic("first-key"), "x-api-key header is required (or Authorization: Bearer)"),
    ],
)
async def test_a_wrong_key_does_not(in_process: Connect, headers: dict[str, str], message: str) -> None:
    client = in_process(app(KEYED))
    for method, path in [("POST", "/v1/messages"), ("GET", "/v1/models"), ("GET", "/v1/nothing")]:
        response = await client.request(method, path, headers=headers)
        assert response.status_code == 401
        assert response.json()["error"] == {"type": "authentication_error", "message": message}
        assert response.json()["request_id"] == response.headers["request-id"]


async def test_a_key_in_bytes_that_are_no_text_does_not_open_or_break(in_process: Connect) -> None:
    response = await in_process(app(KEYED)).get("/v1/models", headers={"x-api-key": b"\xff\xfe"})  # type: ignore[dict-item]
    assert response.status_code == 401


async def test_with_a_key_the_server_may_have_any_name(in_process: Connect) -> None:
    headers = {"host": "models.example", "x-api-key": "first-key", "origin": "https://app.example"}
    assert (await in_process(app(KEYED)).get("/v1/models", headers=headers)).status_code == 200


async def test_probes_need_no_key(in_process: Connect) -> None:
    client = in_process(app(KEYED))
    assert (await client.head("/")).status_code == 200
    assert (await client.head("/api/hello")).status_code == 200
    assert (await client.get("/health")).status_code == 200


async def test_a_page_asks_the_browser_for_the_key(in_process: Connect) -> None:
    client = in_process(app(KEYED))
    refused = await client.get("/page")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Basic ")
    assert (await client.get("/page", headers=basic("wrong"))).status_code == 401
    assert (await client.get("/page", headers={"authorization": "Basic !"})).status_code == 401
    assert (await client.get("/page", headers=basic("second-key"))).text == '"a page"'


async def test_a_foreign_page_cannot_use_the_browsers_password(in_process: Connect) -> None:
    headers = {**basic("first-key"), "origin": "http://evil.example"}
    assert (await in_process(app(KEYED)).post("/page", headers=headers)).status_code == 403


async def test_the_api_does_not_ask_the_browser(in_process: Connect) -> None:
    response = await in_process(app(KEYED)).get("/v1/models")
    assert "www-authenticate" not in response.headers


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "127.0.0.1:8000", "127.8.8.8", "[::1]:8000", "LOCALHOST"]
)
async def test_without_keys_loopback_names_are_answered(in_process: Connect, host: str) -> None:
    assert (await in_process(app()).get("/v1/models", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example@localhost.evil.example",
        "192.168.0.7:8000",
        "0.0.0.0",
        "[::]",
        "[",
        "",
    ],
)
async def test_a_rebound_name_is_refused(in_process: Connect, host: str) -> None:
    client = in_process(app())
    for method, path in [("POST", "/v1/messages"), ("GET", "/v1/models"), ("GET", "/page"), ("HEAD", "/")]:
        response = await client.request(method, path, headers={"host": host})
        assert response.status_code == 403
    assert (await client.get("/page", headers={"host": host})).json()["error"]["type"] == "permission_error"


async def test_two_host_headers_are_refused(in_process: Connect) -> None:
    headers = [("host", "localhost"), ("host", "evil.example")]
    assert (await in_process(app()).get("/v1/models", headers=headers)).status_code == 403


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://localhost:3000",
        "http://127.0.0.1:8000",
        "file://",
        "http://localhost:8000.evil.example",
    ],
)
async def test_a_foreign_origin_is_refused(in_process: Connect, origin: str) -> None:
    headers = {"host": "localhost:8000", "origin": origin}
    response = await in_process(app()).post("/v1/messages", json=ASK, headers=headers)
    assert response.status_code == 403
    assert response.json()["error"]["type"] == "permission_error"


async def test_the_servers_own_pages_may_call_it(in_process: Connect) -> None:
    headers = {"host": "localhost:8000", "origin": "http://localhost:8000"}
    assert (await in_process(app()).post("/v1/messages", json=ASK, headers=headers)).status_code == 200


async def test_an_operator_may_allow_more_names_and_origins(in_process: Connect) -> None:
    config = ServerConfig(allowed_hosts=("box.lan",), allowed_origins=("http://localhost:3000",))
    headers = {"host": "box.lan:8000", "origin": "http://localhost:3000"}
    assert (await in_process(app(config)).get("/v1/models", headers=headers)).status_code == 200


async def test_without_keys_another_machine_is_refused() -> None:
    transport = httpx.ASGITransport(app(), client=("192.168.0.9", 4000))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        response = await client.get("/v1/models")
    assert response.status_code == 403
    assert "192.168.0.9 is not this machine" in response.json()["error"]["message"]


async def test_a_foreign_websocket_is_closed() -> None:
    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    scope = {
        "type": "websocket",
        "path": "/",
        "headers": [(b"host", b"localhost"), (b"origin", b"http://evil.example")],
        "client": ("127.0.0.1", 1),
    }
    await app()(scope, receive, send)  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}]


def refusal(host: str, *, needs_key: bool) -> str:
    """Why an address may not be listened on; empty if it may."""
    try:
        check_binding(host, needs_key=needs_key)
    except CaesuraError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.1.2.3"])
def test_loopback_may_be_bound_without_keys(host: str) -> None:
    assert refusal(host, needs_key=False) == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "box.lan", ""])
def test_nothing_else_may_be_bound_without_keys(host: str) -> None:
    assert "without an API key" in refusal(host, needs_key=False)
    assert refusal(host, needs_key=True) == ""


@pytest.mark.parametrize("key", ["", " "])
def test_a_blank_key_is_no_key(key: str) -> None:
    with pytest.raises(CaesuraError, match="blank"):
        ServerConfig(api_keys=("good", key))


@pytest.mark.parametrize("credentials", [b"Basic \xe9\xe9", b"Basic \xff", b"Basic =", b"Bearer \xe9"])
@pytest.mark.parametrize("path", ["/page", "/v1/models"])
async def test_credentials_that_are_no_text_are_401(
    in_process: Connect, path: str, credentials: bytes
) -> None:
    headers = {b"authorization": credentials}
    response = await in_process(app(KEYED)).get(path, headers=headers)  # type: ignore[arg-type]
    assert response.status_code == 401
    assert response.json()["error"]["type"] == "authentication_error"
    assert response.headers["request-id"] == response.json()["request_id"]


async def test_a_websocket_with_credentials_that_are_no_text_is_closed() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    headers = [(b"authorization", b"Basic \xe9\xe9")]
    scope = {"type": "websocket", "path": "/page", "headers": headers, "query_string": b"", "client": None}
    await app(KEYED)(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize("key", ["schl\u00fcssel", "a\nb", "\u043a\u043b\u044e\u0447"])
def test_a_key_that_no_header_carries_is_refused_at_the_start(key: str) -> None:
    with pytest.raises(CaesuraError, match="printable ASCII"):
        ServerConfig(api_keys=(key,))


async def test_metrics_need_a_key_like_everything_else_unless_the_operator_opens_them(
    in_process: Connect,
) -> None:
    assert (await in_process(app(KEYED)).get("/metrics")).status_code == 401
    opened = in_process(app(ServerConfig(api_keys=("k",), opens_metrics=True)))
    assert (await opened.get("/metrics")).status_code == 200
    assert (await opened.get("/v1/models")).status_code == 401
    assert (await opened.get("/openapi.json")).status_code == 401
