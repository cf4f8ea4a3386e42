"""What stands at a URL that a request names, fetched so that nobody reaches through us what is not theirs.

A name is looked up once, every address that it has must be public, and the connection is made to one of
those addresses, so that a second look-up cannot lead elsewhere (DNS rebinding). Where the answer is another
URL, that is held to the same, a few times. Only http and https on their own ports, without credentials,
cookies or proxies; nothing compressed; so long and so much and no more.
Enters: URLs. Leaves: bytes, or an `InvalidRequestError` that says no more of a network than that a host is
not public. Read next: `url_sources.py`, which asks; `public_addresses.py`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

import httpx

from caesura.messages.errors import InvalidRequestError
from caesura.server.config import MIB
from caesura.server.public_addresses import is_public

_PORTS = {"http": 80, "https": 443}
_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_URL_CHARACTERS = 4_096
_HEADERS = {"user-agent": "caesura", "accept-encoding": "identity", "connection": "close"}

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class Fetched(NamedTuple):
    """What was there. media_type: as its server calls it, in lower case, without parameters."""

    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchPolicy:
    """How far a fetch goes.

    timeout_s: for all of it, redirects included.
    max_bytes: of what is fetched.
    max_redirects: that are followed.
    max_running: fetches at a time, of all requests together.
    """

    timeout_s: float = 15.0
    max_bytes: int = 7 * MIB
    max_redirects: int = 3
    max_running: int = 8


class SystemResolver:
    """Names to addresses, as this machine looks them up; on threads of its own, for it may take long."""

    def __init__(self, max_threads: int = 4) -> None:
        self._threads = ThreadPoolExecutor(max_threads, thread_name_prefix="caesura-names")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Raises OSError for a name that is not known."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _look_up, host, port)


def _look_up(host: str, port: int) -> list[str]:
    return [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _default_transport() -> httpx.AsyncBaseTransport:
    # A connection that is kept could be used for another name at the same address, whose certificate was
    # never seen. Nothing of the environment (proxies) has a say.
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.AsyncHTTPTransport(trust_env=False, limits=limits, retries=0)


class Fetcher:
    """Fetches what is public."""

    def __init__(
        self,
        policy: FetchPolicy | None = None,
        *,
        resolve: Resolve | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """resolve: names to addresses. transport: sends one request to the address in its URL."""
        self._policy = policy or FetchPolicy()
        self._resolve = resolve or SystemResolver()
        self._transport = transport or _default_transport()
        self._room = asyncio.Semaphore(self._policy.max_running)

    async def fetch(self, url: str) -> Fetched:
        """What is at a URL. Raises InvalidRequestError."""
        try:
            async with asyncio.timeout(self._policy.timeout_s), self._room:
                return await self._followed(url)
        except TimeoutError:
            raise InvalidRequestError(
                f"it could not be fetched within {self._policy.timeout_s:g} s"
            ) from None
        except (httpx.HTTPError, OSError) as error:
            raise InvalidRequestError("its server could not be reached, or broke off") from error

    async def _followed(self, url: str) -> Fetched:
        place = _checked(url)
        for _ in range(self._policy.max_redirects + 1):
            async with self._response(place) as response:
                if response.status_code not in _REDIRECTS:
                    return await self._read(response)
                place = _redirected(place, response.headers.get("location"))
        raise InvalidRequestError(f"it leads on more than {self._policy.max_redirects} times")

    @asynccontextmanager
    async def _response(self, place: httpx.URL) -> AsyncGenerator[httpx.Response]:
        """The response's head, from the address that was checked."""
        address = await self._address(place)
        request = httpx.Request(
            "GET",
            place.copy_with(host=address, fragment=None),
            headers={**_HEADERS, "host": place.netloc.decode("ascii")},
            # The certificate is checked against the name, not against the address.
            extensions={"sni_hostname": place.raw_host.decode("ascii")},
        )
        response = await self._transport.handle_async_request(request)
        try:
            yield response
        finally:
            await response.aclose()

    async def _address(self, place: httpx.URL) -> str:
        """One of the addresses that the name has, all of which are public."""
        host, port = place.raw_host.decode("ascii"), _PORTS[place.scheme]
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError):
            addresses = []
        if not addresses or not all(map(is_public, addresses)):
            # The same words for a name that nobody knows: which names there are inside is nobody's business.
            raise InvalidRequestError("its host is not known, or has an address that is not public")
        return addresses[0]

    async def _read(self, response: httpx.Response) -> Fetched:
        if response.status_code != 200:
            raise InvalidRequestError(f"its server answers with status {response.status_code}")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise InvalidRequestError("its server sends it compressed, unasked")
        data = bytearray()
        assert isinstance(response.stream, httpx.AsyncByteStream)
        async for piece in response.stream:
            data += piece
            if len(data) > self._policy.max_bytes:
                raise InvalidRequestError(f"it is larger than {self._policy.max_bytes} bytes")
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return Fetched(media_type, bytes(data))


def _checked(url: str) -> httpx.URL:
    """The URL, if it is of a kind that is fetched; whose address it is comes later."""
    if len(url) > _MAX_URL_CHARACTERS:
        raise InvalidRequestError(f"{len(url)} characters > {_MAX_URL_CHARACTERS} maximum")
    try:
        place = httpx.URL(url)
        host = place.raw_host
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise InvalidRequestError("it is no URL") from error
    if place.scheme not in _PORTS or not host:
        raise InvalidRequestError("only http:// and https:// URLs are fetched")
    if place.port not in (None, _PORTS[place.scheme]):
        raise InvalidRequestError("only ports 80 (http) and 443 (https) are asked")
    if place.userinfo:
        raise InvalidRequestError("a URL with a user or a password in it is not fetched")
    return place


def _redirected(place: httpx.URL, location: str | None) -> httpx.URL:
    if not location:
        raise InvalidRequestError("it leads on to nowhere")
    try:
        following = place.join(location[: _MAX_URL_CHARACTERS + 1])
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise InvalidRequestError("it leads on to what is no URL") from error
    if place.scheme == "https" and following.scheme != "https":
        raise InvalidRequestError("it leads on from https to something else")
    return _checked(str(following))
