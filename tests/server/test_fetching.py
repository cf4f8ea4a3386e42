"""URLs as sources, attacked without a network: names and servers are made up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from caesura.messages.content import DocumentBlock, ImageBlock, PlainText
from caesura.messages.errors import InvalidRequestError
from caesura.messages.scripted import ScriptedClient
from caesura.server import create_app
from caesura.server.backing import Backing
from caesura.server.batch_store import BatchStore
from caesura.server.fetching import Fetcher, FetchPolicy
from caesura.server.public_addresses import is_public
from caesura.server.url_sources import MAX_URLS
from tests.messages.pictures import png

Connect = Callable[[FastAPI], httpx.AsyncClient]
Answer = httpx.Response | Callable[[httpx.Request], httpx.Response]
PICTURE = png(2, 2)
PUBLIC = "93.184.215.14"
OTHER = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"


class Net:
    """Names with their addresses, and what is answered for a URL; it remembers what was asked."""

    def __init__(self, names: dict[str, list[str]], answers: dict[str, Answer]) -> None:
        self.names, self.answers = names, answers
        self.looked_up: list[str] = []
        self.requests: list[httpx.Request] = []

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.looked_up.append(host)
        if host not in self.names:
            raise OSError("no such name")
        return self.names[host]

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        named = f"{request.url.scheme}://{request.headers['host']}{request.url.raw_path.decode()}"
        answer = self.answers[named]
        return answer if isinstance(answer, httpx.Response) else answer(request)

    def fetcher(self, **policy: Any) -> Fetcher:
        transport = httpx.MockTransport(self.answer)
        return Fetcher(FetchPolicy(**policy), resolve=self.resolve, transport=transport)


def picture(data: bytes = PICTURE, kind: str = "image/png", status: int = 200) -> httpx.Response:
    return httpx.Response(status, headers={"content-type": kind}, stream=Pieces([data]))


def leading(to: str, status: int = 302) -> httpx.Response:
    return httpx.Response(status, headers={"location": to}, stream=Pieces([]))


class Pieces(httpx.AsyncByteStream):
    """A body that counts what was read of it."""

    def __init__(self, pieces: Sequence[bytes], pause: asyncio.Event | None = None) -> None:
        self._pieces, self._pause = pieces, pause
        self.num_read = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            if self._pause is not None:
                await self._pause.wait()
            self.num_read += 1
            yield piece


@pytest.mark.parametrize("address", [PUBLIC, OTHER])
async def test_what_is_public_is_fetched_from_the_address_that_was_checked(address: str) -> None:
    net = Net({"pics.example": [address]}, {"https://pics.example/a?b=c": picture()})
    fetched = await net.fetcher().fetch("https://pics.example/a?b=c#fragment")
    assert fetched == ("image/png", PICTURE)
    (request,) = net.requests
    assert request.url.host == address
    assert request.headers["host"] == "pics.example"
    assert request.extensions["sni_hostname"] == "pics.example", "whose certificate it must be"
    assert net.looked_up == ["pics.example"], "a second look-up could say something else"
    assert request.headers["accept-encoding"] == "identity"
    assert "cookie" not in request.headers
    assert "authorization" not in request.headers


HIDDEN = [
    *("127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255"),
    *("192.168.1.1", "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "192.0.0.192"),
    *("168.63.129.16", "198.18.0.1", "192.0.2.1", "203.0.113.5", "224.0.0.1", "239.1.1.1", "240.0.0.1"),
    *("255.255.255.255", "192.88.99.1", "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1"),
    *("::ffff:93.184.215.14", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "100::1", "fc00::1", "fd00:ec2::254"),
    *("fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2001:db8::1", "2001::1", "2002:7f00:1::", "3fff::1"),
    *("2002:a9fe:a9fe::1", "2001:0:7f00:1::", "5f00::1", "not an address", ""),
]


@pytest.mark.parametrize("address", HIDDEN)
async def test_what_is_not_public_is_refused_after_the_look_up(address: str) -> None:
    net = Net({"evil.example": [PUBLIC, address], "127.1": [address]}, {})
    for url in ("http://evil.example/", "https://127.1/"):
        with pytest.raises(InvalidRequestError, match="not known, or has an address that is not public"):
            await net.fetcher().fetch(url)
    assert net.requests == []


@settings(deadline=None)
@given(st.ip_addresses())
def test_only_ordinary_addresses_are_public(address: Any) -> None:
    if is_public(str(address)):
        assert address.is_global
        assert not address.is_multicast
        assert address.version == 4 or 0x2000 <= int(address) >> 112 <= 0x3FFF


async def test_a_name_that_nobody_knows_is_refused_in_the_same_words() -> None:
    with pytest.raises(InvalidRequestError, match="not known, or has an address that is not public"):
        await Net({}, {}).fetcher().fetch("http://internal.corp/")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("file:///etc/passwd", "only http"),
        ("ftp://pics.example/a", "only http"),
        ("gopher://pics.example/", "only http"),
        ("data:image/png;base64,AAAA", "only http"),
        ("//pics.example/a", "only http"),
        ("/etc/passwd", "only http"),
        ("", "only http"),
        ("http://", "only http"),
        ("http:///a", "only http"),
        ("http://pics.example:22/", "only ports"),
        ("http://pics.example:443/", "only ports"),
        ("https://pics.example:6379/", "only ports"),
        ("http://pics.example:99999/", "no URL|only ports"),
        ("http://user:secret@pics.example/", "user or a password"),
        ("http://127.0.0.1@pics.example/", "user or a password"),
        ("http://pics.example\r\nx: y/", "no URL"),
        ("http://[::1/", "no URL"),
        ("http://" + "a" * 5_000, "5007 characters > 4096 maximum"),
        ("http://pics.example/\x00", "no URL"),
        ("http://\ud800.example/", "no URL"),
        ("http://xn--\xe9/", "no URL|not public"),
    ],
)
async def test_what_is_no_plain_url_is_refused_before_the_look_up(url: str, words: str) -> None:
    net = Net({"pics.example": [PUBLIC]}, {})
    with pytest.raises(InvalidRequestError, match=words):
        await net.fetcher().fetch(url)
    assert net.requests == []


@settings(deadline=None)
@given(st.text(max_size=60) | st.text(max_size=40).map("http://".__add__))
def test_whatever_is_given_as_a_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequestError):
        asyncio.run(Net({}, {}).fetcher().fetch(url))


@pytest.mark.parametrize(
    "target",
    [
        "http://inside.example/",
        "http://127.0.0.1/",
        "http://[::1]/",
        "//inside.example/",
        "http://0x7f000001/",
        "file:///etc/passwd",
        "http://start.example:22/",
        "http://u:p@start.example/",
    ],
)
async def test_where_a_server_leads_is_held_to_the_same(target: str) -> None:
    names = {"start.example": [PUBLIC], "inside.example": ["10.0.0.1"], "127.0.0.1": ["127.0.0.1"]}
    names |= {"::1": ["::1"], "0x7f000001": ["127.0.0.1"]}
    net = Net(names, {"http://start.example/": leading(target)})
    with pytest.raises(InvalidRequestError):
        await net.fetcher().fetch("http://start.example/")
    assert len(net.requests) == 1


async def test_a_name_that_has_another_address_by_the_second_look_up_is_refused() -> None:
    net = Net({"flip.example": [PUBLIC]}, {})

    def flip(_: httpx.Request) -> httpx.Response:
        net.names["flip.example"] = ["127.0.0.1"]
        return leading("/again")

    net.answers["http://flip.example/"] = flip
    with pytest.raises(InvalidRequestError, match="not public"):
        await net.fetcher().fetch("http://flip.example/")
    assert len(net.requests) == 1


async def test_a_few_steps_are_followed_and_no_more() -> None:
    names = {"pics.example": [PUBLIC]}
    answers: dict[str, Answer] = {f"http://pics.example/{n}": leading(f"/{n + 1}") for n in range(4)}
    answers["http://pics.example/3"] = picture()
    net = Net(names, answers)
    assert (await net.fetcher(max_redirects=3).fetch("http://pics.example/0")).data == PICTURE
    with pytest.raises(InvalidRequestError, match="leads on more than 2 times"):
        await Net(names, answers).fetcher(max_redirects=2).fetch("http://pics.example/0")


async def test_nothing_leads_from_https_back_to_http() -> None:
    net = Net({"pics.example": [PUBLIC]}, {"https://pics.example/": leading("http://pics.example/a")})
    with pytest.raises(InvalidRequestError, match="from https to something else"):
        await net.fetcher().fetch("https://pics.example/")


async def test_a_body_without_an_end_is_left_at_the_limit() -> None:
    endless = Pieces([b"x" * 1_000] * 1_000)
    answer = httpx.Response(200, headers={"content-type": "image/png"}, stream=endless)
    net = Net({"pics.example": [PUBLIC]}, {"http://pics.example/": answer})
    with pytest.raises(InvalidRequestError, match="larger than 5000 bytes"):
        await net.fetcher(max_bytes=5_000).fetch("http://pics.example/")
    assert endless.num_read == 6


async def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    silent = Pieces([b"x"], asyncio.Event())
    net = Net({"pics.example": [PUBLIC]}, {"http://pics.example/": httpx.Response(200, stream=silent)})
    with pytest.raises(InvalidRequestError, match=r"within 0\.05 s"):
        await net.fetcher(timeout_s=0.05).fetch("http://pics.example/")


async def test_what_comes_compressed_unasked_is_not_unpacked() -> None:
    bomb = httpx.Response(200, headers={"content-encoding": "gzip"}, stream=Pieces([b"\x1f\x8b"]))
    net = Net({"pics.example": [PUBLIC]}, {"http://pics.example/": bomb})
    with pytest.raises(InvalidRequestError, match="compressed"):
        await net.fetcher().fetch("http://pics.example/")


async def test_a_server_that_cannot_be_reached_is_a_400() -> None:
    def gone(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    net = Net({"pics.example": [PUBLIC]}, {"http://pics.example/": gone})
    with pytest.raises(InvalidRequestError, match="could not be reached"):
        await net.fetcher().fetch("http://pics.example/")


def ask(*urls: str, inside: bool = False) -> dict[str, Any]:
    images = [{"type": "image", "source": {"type": "url", "url": url}} for url in urls]
    if not inside:
        return {"model": "scripted", "max_tokens": 9, "messages": [{"role": "user", "content": images}]}
    call = {"type": "tool_use", "id": "t", "name": "see", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": images}
    contents: list[Any] = ["hi", [call], [result]]
    roles = ("user", "assistant", "user")
    messages = [{"role": role, "content": each} for role, each in zip(roles, contents, strict=True)]
    return {"model": "scripted", "max_tokens": 9, "messages": messages}


NET = {"pics.example": [PUBLIC]}
URL = "https://pics.example/a.png"


async def answered(
    in_process: Connect, body: dict[str, Any], fetcher: Fetcher | None, path: str = "/v1/messages"
) -> tuple[ScriptedClient, httpx.Response]:
    client = ScriptedClient(otherwise="ok")
    app = create_app(client, backing=Backing(fetcher=fetcher))
    return client, await in_process(app).post(path, json=body)


async def test_unless_the_operator_says_so_nothing_is_fetched(in_process: Connect) -> None:
    _, response = await answered(in_process, ask(URL), None)
    assert response.status_code == 400
    message = response.json()["error"]["message"]
    assert message.startswith("messages.0.content.0.image.source.url: this server fetches no URLs")
    assert "--fetch-urls" in message


async def test_a_picture_takes_the_place_of_its_url_and_is_fetched_once(in_process: Connect) -> None:
    net = Net(NET, {URL: lambda _: picture(kind="image/jpeg; charset=x")})
    client, response = await answered(in_process, ask(URL, URL), net.fetcher())
    assert response.status_code == 200, response.text
    blocks = client.history[0].conversation.turns[0].content
    assert blocks == (ImageBlock(media_type="image/png", data=PICTURE),) * 2, "its head says what it is"
    assert len(net.requests) == 1
    client, response = await answered(in_process, ask(URL, inside=True), net.fetcher())
    assert response.status_code == 200, response.text


async def test_a_text_takes_the_place_of_its_url_and_what_is_no_document_does_not(
    in_process: Connect,
) -> None:
    document = {"type": "document", "source": {"type": "url", "url": URL}}
    body = {**ask(), "messages": [{"role": "user", "content": [document]}]}
    net = Net(NET, {URL: picture(b"A hare ran.", kind="text/plain; charset=utf-8")})
    client, response = await answered(in_process, body, net.fetcher())
    assert response.status_code == 200, response.text
    [block] = client.history[0].conversation.turns[0].content
    assert isinstance(block, DocumentBlock)
    assert block.source == PlainText(text="A hare ran.")
    for answer in (picture(kind="text/html"), picture(b"\xff\xfe", kind="text/plain")):
        _, response = await answered(in_process, body, Net(NET, {URL: answer}).fetcher())
        assert response.status_code == 400
        assert "messages.0.content.0.document.source.url: " in response.json()["error"]["message"]


async def test_an_openai_chat_may_name_a_url_too(in_process: Connect) -> None:
    part = {"type": "image_url", "image_url": {"url": URL}}
    system = {"role": "system", "content": "see"}
    body = {"model": "scripted", "messages": [system, {"role": "user", "content": [part]}]}
    net = Net(NET, {URL: picture()})
    client, response = await answered(in_process, body, net.fetcher(), "/v1/chat/completions")
    assert response.status_code == 200, response.text
    assert client.history[0].conversation.turns[0].content[0] == ImageBlock(
        media_type="image/png", data=PICTURE
    )
    _, refused = await answered(in_process, body, None, "/v1/chat/completions")
    assert refused.status_code == 400
    assert refused.json()["error"]["message"].startswith("messages.1.content.0.image.source.url: this server")


async def test_a_line_of_a_batch_may_name_a_url_too(in_process: Connect, database: Engine) -> None:
    net = Net(NET, {URL: picture()})
    app = create_app(
        ScriptedClient(otherwise="ok"),
        backing=Backing(fetcher=net.fetcher(), batches=BatchStore(database)),
    )
    async with app.router.lifespan_context(app), in_process(app) as client:
        lines = [
            {"custom_id": "a", "params": ask(URL)},
            {"custom_id": "b", "params": ask("http://no.example")},
        ]
        batch = (await client.post("/v1/messages/batches", json={"requests": lines})).json()
        url = f"/v1/messages/batches/{batch['id']}"
        async with asyncio.timeout(20):
            while (body := (await client.get(url)).json())["processing_status"] != "ended":
                await asyncio.sleep(0.01)
    assert body["request_counts"] | {"processing": 0} == {
        **{"processing": 0, "succeeded": 1, "errored": 1, "canceled": 0, "expired": 0}
    }


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (picture(kind="text/html"), "it is no image but `text/html`"),
        (picture(b"<svg/>"), "no PNG, JPEG, GIF or WebP"),
        (picture(png(8_001, 1)), "exceed max allowed size: 8000 pixels"),
        (picture(status=404), "answers with status 404"),
        (picture(status=304), "answers with status 304"),
        (httpx.Response(302, stream=Pieces([])), "leads on to nowhere"),
    ],
)
async def test_what_is_there_is_held_to_the_limits_of_what_is_sent(
    in_process: Connect, answer: httpx.Response, words: str
) -> None:
    net = Net(NET, {URL: answer})
    _, response = await answered(in_process, ask(URL), net.fetcher())
    assert response.status_code == 400
    message = response.json()["error"]["message"]
    assert message.startswith("messages.0.content.0.image.source.")
    assert words in message


@pytest.mark.parametrize(
    "half", [{"type": {}}, {"type": ["image"]}, {"source": []}, {"source": {"type": "url"}}]
)
async def test_what_is_half_a_source_is_for_the_reader_to_refuse(
    in_process: Connect, half: dict[str, Any]
) -> None:
    body = ask(URL)
    body["messages"][0]["content"][0] |= half
    _, response = await answered(in_process, body, Net(NET, {}).fetcher())
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith("messages.0.content.0")


async def test_one_request_does_not_ask_the_whole_world(in_process: Connect) -> None:
    net = Net(NET, {})
    urls = [f"https://pics.example/{number}" for number in range(MAX_URLS + 1)]
    _, response = await answered(in_process, ask(*urls), net.fetcher())
    assert response.status_code == 400
    assert response.json()["error"]["message"] == "messages: 21 URLs > 20 maximum in one request"
    assert net.requests == []


async def test_what_is_fetched_is_limited_together(in_process: Connect) -> None:
    large = PICTURE + bytes(6 * 2**20)
    urls = [f"https://pics.example/{number}" for number in range(5)]
    net = Net(NET, {url: picture(large) for url in urls})
    _, response = await answered(in_process, ask(*urls), net.fetcher())
    assert response.status_code == 400
    assert "bytes at URLs >" in response.json()["error"]["message"]
