"""The Messages API over HTTP.

Enters: a Client and a config. Leaves: an app whose routes read a body, ask the Client, and write what it
answers: `/v1/messages`, `/v1/messages/count_tokens`, `/v1/models`, probes. Every error, the framework's
too, has the API's envelope. A chat page may be mounted at `/`. Read next: `exchange.py` for one request,
`sse.py` for streams, `front_door.py` for what comes before.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from caesura.messages.background import Background
from caesura.messages.client import Client
from caesura.messages.closing import closing
from caesura.messages.errors import HTTP_STATUS, ApiError, ErrorType
from caesura.messages.events import MessageStart
from caesura.messages.fold import collect
from caesura.messages.request import MessagesRequest
from caesura.messages.validation import (
    Dialect,
    parse_count_request,
    parse_json,
    parse_request,
    version_of,
)
from caesura.messages.wire import SERVER_NAME, message_json, model_json
from caesura.server.authentication import Access
from caesura.server.catalogue import check_request, find_model, models_page, page_request
from caesura.server.config import ServerConfig
from caesura.server.exchange import REQUEST_ID, ClientDisconnected, Exchange, error_body
from caesura.server.front_door import FrontDoor
from caesura.server.sse import EventWriter

logger = logging.getLogger(__name__)

TOKEN_COUNT_BETA = "thinking-token-count-2026-05-13"

Handler = Callable[[Exchange], Awaitable[None]]
# What each model's engine is doing, in numbers.
Numbers = Callable[[], Mapping[str, Mapping[str, int]]]
_STATUS_TYPES: dict[int, ErrorType] = {status: error_type for error_type, status in HTTP_STATUS.items()}


class _Endpoint:
    """A route's end: a handler, with errors answered and departures noticed."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        try:
            await self._handler(exchange)
        except ApiError as error:
            await exchange.send_error(error)
        except ClientDisconnected:
            logger.info("%s: the client left before its answer", exchange.request_id)


class _Nowhere:
    """Where requests end that no route of the API takes, so that a page mounted at `/` never gets them."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fitting = [
            route.methods or set[str]() for route in self._routes if route.path_regex.match(scope["path"])
        ]
        if fitting:
            raise HTTPException(405, headers={"allow": ", ".join(sorted(set[str]().union(*fitting)))})
        raise HTTPException(404)


class _MessagesApi:
    """The handlers, over one Client."""

    def __init__(self, client: Client, config: ServerConfig, numbers: Numbers | None) -> None:
        self._client = client
        self._config = config
        # With keys, /health answers whoever asks, and how busy we are is not everyone's business.
        self._numbers = None if config.api_keys else numbers
        self._background = Background()

    def routes(self) -> list[Route]:
        routes = [
            Route("/v1/messages", _Endpoint(self.create_message), methods=["POST"]),
            Route("/v1/messages/count_tokens", _Endpoint(self.count_tokens), methods=["POST"]),
            Route("/v1/models", _Endpoint(self.list_models), methods=["GET"]),
            Route("/v1/models/{model_id:path}", _Endpoint(self.retrieve_model), methods=["GET"]),
            Route("/health", _Endpoint(self.health), methods=["GET"]),
            Route("/", _Endpoint(self.health), methods=["HEAD"]),
            Route("/api/hello", _Endpoint(self.health), methods=["HEAD"]),
        ]
        nowhere = _Nowhere(routes)
        return [*routes, Route("/v1/{path:path}", nowhere), Route("/api/hello", nowhere)]

    async def create_message(self, exchange: Exchange) -> None:
        asked = await self._asked(exchange, parse_request)
        request = await self._addressed(exchange, asked)
        if asked.stream:
            await exchange.until_disconnect(self._stream(exchange, request, asked.model))
        else:
            message = await exchange.until_disconnect(collect(self._client.stream(request)))
            await exchange.send_json(message_json(replace(message, model=asked.model)))

    async def _stream(self, exchange: Exchange, request: MessagesRequest, name: str) -> None:
        """Write the reply as it comes; what fails before its first event is an ordinary error."""
        writer = EventWriter(
            exchange.write,
            request_id=exchange.request_id,
            ping_interval_s=self._config.ping_interval_s,
            write_timeout_s=self._config.write_timeout_s,
            with_token_counts=TOKEN_COUNT_BETA in exchange.betas(),
        )
        async with closing(self._client.stream(request)) as events:
            first = await anext(events, None)
            if not isinstance(first, MessageStart):
                raise ApiError("the reply did not begin with message_start")
            await exchange.start_stream()
            await writer.write(replace(first, model=name), events)
            await exchange.end_stream()

    async def count_tokens(self, exchange: Exchange) -> None:
        asked = await self._asked(exchange, parse_count_request)
        request = await self._addressed(exchange, asked)
        num_tokens = await exchange.until_disconnect(self._client.count_tokens(request))
        await exchange.send_json({"input_tokens": num_tokens})

    async def list_models(self, exchange: Exchange) -> None:
        page = page_request(
            limit=exchange.query("limit"),
            after_id=exchange.query("after_id"),
            before_id=exchange.query("before_id"),
            lifecycles=[*exchange.query_list("lifecycle[]"), *exchange.query_list("lifecycle")],
        )
        await exchange.send_json(models_page(await self._client.models(), page))

    async def retrieve_model(self, exchange: Exchange) -> None:
        info = find_model(await self._client.models(), exchange.path_params["model_id"])
        await exchange.send_json(model_json(info))

    async def health(self, exchange: Exchange) -> None:
        body: dict[str, Any] = {"status": "ok", "server": SERVER_NAME}
        await exchange.send_json(body | ({"engines": self._numbers()} if self._numbers else {}))

    async def _asked(
        self, exchange: Exchange, parse: Callable[[object, Dialect], MessagesRequest]
    ) -> MessagesRequest:
        body = await exchange.read_body(self._config.max_body_bytes)
        dialect = self._dialect(exchange)
        return await self._background.run(len(body), lambda: parse(parse_json(body), dialect))

    def _dialect(self, exchange: Exchange) -> Dialect:
        return Dialect(
            version=version_of(exchange.headers.get("anthropic-version")),
            is_strict=self._config.is_strict,
            allows_sampling=self._config.allows_sampling,
        )

    async def _addressed(self, exchange: Exchange, asked: MessagesRequest) -> MessagesRequest:
        """The request under the name by which the Client knows the model, and with who asks."""
        info = find_model(await self._client.models(), asked.model)
        check_request(asked, info)
        return replace(asked, model=info.id, tenant=exchange.tenant)


def _framework_error(request: Request, status: int, message: str, headers: dict[str, str]) -> Response:
    default: ErrorType = "api_error" if status >= 500 else "invalid_request_error"
    error = ApiError(message, type=_STATUS_TYPES.get(status, default))
    body = error_body(error, request.scope[REQUEST_ID])
    return Response(body, status_code=status, headers=headers, media_type="application/json")


async def _http_exception(request: Request, error: Exception) -> Response:
    """What the framework has to say (404, 405), in the API's envelope."""
    if not isinstance(error, HTTPException):
        raise error
    message = f"{request.method} {request.url.path[:200]}: {error.detail}"
    return _framework_error(request, error.status_code, message, dict(error.headers or {}))


async def _validation_error(request: Request, error: Exception) -> Response:
    """A route of the framework's own kind that got wrong input: 400 here, never 422."""
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    return _framework_error(request, 400, f"{'.'.join(map(str, first['loc']))}: {first['msg']}", {})


def create_app(client: Client, config: ServerConfig | None = None, numbers: Numbers | None = None) -> FastAPI:
    """The app that serves a Client. numbers: what `/health` tells of the engines, unless there are keys."""
    config = config or ServerConfig()
    app = FastAPI(title="Caesura", openapi_url=None, redirect_slashes=False)
    app.router.routes.extend(_MessagesApi(client, config, numbers).routes())
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_middleware(FrontDoor, access=Access(config), body_timeout_s=config.body_timeout_s)
    return app
