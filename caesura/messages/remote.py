"""A Client over any Messages server.

Enters: requests. Leaves: the server's events; its errors as `ApiError`s, and a clear one when it cannot
be reached. Speaks the dialect of 2023-06-01, the one that takes sampling parameters. Read next:
`event_source.py` and `wire.py` for the bytes.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from caesura.messages.errors import ApiError
from caesura.messages.event_source import event_data
from caesura.messages.events import Event, MessageDelta, MessageStart, MessageStop
from caesura.messages.request import WINDOW_BETA, MessagesRequest
from caesura.messages.request_body import count_body, request_body
from caesura.messages.response import ModelInfo
from caesura.messages.wire_reading import parse_error, parse_event, parse_message, parse_model

_TIMEOUT = httpx.Timeout(600.0, connect=5.0)
_BETA = "anthropic-beta"
_HEADERS = {
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "thinking-token-count-2026-05-13",
    "user-agent": "caesura",
}


def _credentials(api_key: str | None) -> dict[str, str]:
    # Servers read the one or the other header; those that see both agree on the key.
    return {"x-api-key": api_key, "authorization": f"Bearer {api_key}"} if api_key else {}


def _is_loopback(base_url: str) -> bool:
    try:
        name = (urlsplit(base_url).hostname or "").rstrip(".")
        if name == "localhost" or name.endswith(".localhost"):
            return True
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _error_of(response: httpx.Response) -> ApiError:
    """The error that a failed response stands for, whoever wrote its body."""
    try:
        return parse_error(response.json())
    except (ValueError, KeyError, TypeError):
        text = response.text[:200].strip() or "an empty body"
        return ApiError(f"{response.request.url} answered with status {response.status_code}: {text}")


class RemoteClient:
    """A Client that asks a Messages server over HTTP; close it, or use it in `async with`."""

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        is_direct: bool = False,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        """base_url: without `/v1` (a trailing one is tolerated).

        is_direct: whether proxies that the environment names are passed by, as they are for loopback anyway.
        http_client: for tests and special transports; it is closed with this client.
        """
        self.base_url = base_url.rstrip("/").removesuffix("/v1")
        # A proxy that the environment names must not come between this machine and itself.
        is_direct = is_direct or _is_loopback(base_url)
        default = httpx.AsyncClient(timeout=_TIMEOUT, trust_env=not is_direct)
        self._http = http_client or default
        self._headers = {**_HEADERS, **_credentials(api_key)}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    @contextmanager
    def _clear_failures(self) -> Generator[None]:
        """What can go wrong between here and the server, said plainly."""
        try:
            yield
        except httpx.ConnectError as error:
            message = f"cannot reach {self.base_url}: {error}. Is the server running there?"
            raise ApiError(message) from error
        except httpx.TimeoutException as error:
            message = f"{self.base_url} did not answer in time ({type(error).__name__})"
            raise ApiError(message, type="timeout_error") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ApiError(f"the connection to {self.base_url} failed: {error}") from error
        except (ValueError, KeyError, TypeError) as error:
            message = f"{self.base_url} sent what no Messages server sends ({error!r})"
            raise ApiError(message) from error

    async def stream(self, request: MessagesRequest) -> AsyncIterator[Event]:
        if not request.max_tokens:
            for event in await self._warm(request):
                yield event
            return
        body = request_body(replace(request, stream=True))
        url = f"{self.base_url}/v1/messages"
        with self._clear_failures():
            headers = {**self._headers, **({_BETA: WINDOW_BETA} if request.fills_window else {})}
            async with self._http.stream("POST", url, json=body, headers=headers) as response:
                if response.status_code != 200:
                    await response.aread()
                    raise _error_of(response)
                async for data in event_data(response.aiter_bytes()):
                    event = None if data == b"[DONE]" else parse_event(json.loads(data))
                    if event is not None:
                        yield event
                    if isinstance(event, MessageStop):
                        return
                raise ApiError(f"{self.base_url} broke the reply off before its end")

    async def _warm(self, request: MessagesRequest) -> Sequence[Event]:
        """Fill the cache. Servers refuse to stream what has no content, so events are made of the whole."""
        reply = await self._json("POST", "/v1/messages", json=request_body(replace(request, stream=False)))
        with self._clear_failures():
            message = parse_message(reply)
        start = MessageStart(
            id=message.id,
            model=message.model,
            usage=message.usage,
            input_transformations=message.input_transformations,
            cache_miss=message.cache_miss,
        )
        delta = MessageDelta(
            stop_reason=message.stop_reason,
            stop_sequence=message.stop_sequence,
            usage=message.usage,
            applied_edits=message.applied_edits,
        )
        return (start, delta, MessageStop())

    async def _json(self, method: str, path: str, **options: Any) -> Any:
        with self._clear_failures():
            url = self.base_url + path
            response = await self._http.request(method, url, headers=self._headers, **options)
            if response.status_code != 200:
                raise _error_of(response)
            return response.json()

    async def count_tokens(self, request: MessagesRequest) -> int:
        reply = await self._json("POST", "/v1/messages/count_tokens", json=count_body(request))
        with self._clear_failures():
            return int(reply["input_tokens"])

    async def models(self) -> Sequence[ModelInfo]:
        reply = await self._json("GET", "/v1/models", params={"limit": 1000})
        with self._clear_failures():
            # An alias is another name for a model that is in the list already.
            return [parse_model(model) for model in reply["data"] if not model.get("alias_of")]
