"""The Messages API over HTTP.

Enters: a Client and a config. Leaves: an app whose routes read a body, ask the Client, and write what it
answers: `/v1/messages`, `/v1/messages/count_tokens`, `/v1/models`, probes. Every error, the framework's
too, has the API's envelope. A chat page may be mounted at `/`. Read next: `exchange.py` for one request,
`sse.py` for streams, `front_door.py` for what comes before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from typing import Any, cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from caesura.messages.background import MAX_INLINE_SIZE, Background
from caesura.messages.client import Client
from caesura.messages.context_client import ContextClient
from caesura.messages.errors import ApiError
from caesura.messages.memory_tool import body_with_server_memory
from caesura.messages.request import MessagesRequest
from caesura.messages.validation import (
    Dialect,
    parse_count_request,
    parse_request,
)
from caesura.messages.wire import SERVER_NAME, message_json, model_json
from caesura.server.authentication import Access
from caesura.server.backing import Backing
from caesura.server.batch_lines import BatchLines
from caesura.server.batch_runner import BatchRunner
from caesura.server.batches import BatchesApi
from caesura.server.catalogue import find_model, models_page, page_request
from caesura.server.completions import CompletionsApi
from caesura.server.config import ServerConfig
from caesura.server.dialects import TOKEN_COUNT_BETA, dialect_of
from caesura.server.endpoint import Endpoint
from caesura.server.exchange import REQUEST_ID, Exchange, error_answer
from caesura.server.file_sources import has_pdf
from caesura.server.files import FilesApi
from caesura.server.front_door import FrontDoor
from caesura.server.kept_pdfs import KeptPdfs
from caesura.server.measuring import MeasuredClient, ReplyMeter, ResponseMeter, error_type_of
from caesura.server.memory_client import MemoryClient
from caesura.server.memory_header import wants_memory
from caesura.server.metrics import CONTENT_TYPE, Metrics
from caesura.server.openai import OpenAiApi
from caesura.server.openapi import document
from caesura.server.replies import Replies
from caesura.server.sources import Sources
from caesura.server.sse import MessagesFraming
from caesura.server.traffic import Traffic


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


def _nowhere(routes: Sequence[Route]) -> list[Route]:
    nowhere = _Nowhere(routes)
    return [Route("/v1/{path:path}", nowhere), Route("/api/hello", nowhere)]


class _MessagesApi:
    """The handlers, over one Client."""

    def __init__(
        self,
        client: Client,
        replies: Replies,
        config: ServerConfig,
        metrics: Metrics,
        backing: Backing,
        sources: Sources,
    ) -> None:
        self._client = client
        self._sources = sources
        self._backing = backing
        self._has_batches = backing.batches is not None
        self._replies = replies
        self._config = config
        self._metrics = metrics
        self._background = Background()
        self._documents = Background()
        self._pdfs = KeptPdfs()

    def routes(self) -> list[Route]:
        return [
            Route("/v1/messages", Endpoint(self.create_message), methods=["POST"]),
            Route("/v1/messages/count_tokens", Endpoint(self.count_tokens), methods=["POST"]),
            Route("/v1/models", Endpoint(self.list_models), methods=["GET"]),
            Route("/v1/models/{model_id:path}", Endpoint(self.retrieve_model), methods=["GET"]),
            Route("/health", Endpoint(self.health), methods=["GET"]),
            Route("/metrics", Endpoint(self.metrics), methods=["GET"]),
            Route("/openapi.json", Endpoint(self.openapi), methods=["GET"]),
            Route("/", Endpoint(self.health), methods=["HEAD"]),
            Route("/api/hello", Endpoint(self.health), methods=["HEAD"]),
        ]

    async def create_message(self, exchange: Exchange) -> None:
        asked = await self._asked(exchange, parse_request)
        request = await self._replies.address(exchange, asked)
        if asked.stream:
            with_token_counts = TOKEN_COUNT_BETA in exchange.betas()
            framing = MessagesFraming(exchange.request_id, with_token_counts=with_token_counts)
            await self._replies.stream(exchange, request, framing, name=asked.model)
        else:
            message = await self._replies.whole(exchange, request)
            await exchange.send_json(message_json(replace(message, model=asked.model)))

    async def count_tokens(self, exchange: Exchange) -> None:
        asked = await self._asked(exchange, parse_count_request)
        request = await self._replies.address(exchange, asked)
        await exchange.send_json(await exchange.until_disconnect(self._counted(request)))

    async def _counted(self, request: MessagesRequest) -> dict[str, Any]:
        counted: dict[str, Any] = {"input_tokens": await self._client.count_tokens(request)}
        if request.context_edits:
            whole = await self._client.count_tokens(replace(request, context_edits=()))
            counted["context_management"] = {"original_input_tokens": whole}
        return counted

    async def list_models(self, exchange: Exchange) -> None:
        page = page_request(
            limit=exchange.query("limit"),
            after_id=exchange.query("after_id"),
            before_id=exchange.query("before_id"),
            lifecycles=[*exchange.query_list("lifecycle[]"), *exchange.query_list("lifecycle")],
        )
        models = await self._client.models()
        await exchange.send_json(models_page(models, page, has_batches=self._has_batches))

    async def retrieve_model(self, exchange: Exchange) -> None:
        info = find_model(await self._client.models(), exchange.path_params["model_id"])
        await exchange.send_json(model_json(info, has_batches=self._has_batches))

    async def health(self, exchange: Exchange) -> None:
        body: dict[str, Any] = {"status": "ok", "server": SERVER_NAME}
        engines = {} if self._has_keys() else self._backing.engines()
        if engines:
            body["engines"] = {name: asdict(cast("Any", numbers)) for name, numbers in engines.items()}
        await exchange.send_json(body)

    def _has_keys(self) -> bool:
        """With keys, /health answers whoever asks, and how busy we are is not everyone's business."""
        accounts = self._backing.accounts
        return bool(self._config.api_keys) or (accounts is not None and accounts.keys.has_any)

    async def metrics(self, exchange: Exchange) -> None:
        await exchange.send(self._metrics.page(), CONTENT_TYPE)

    async def openapi(self, exchange: Exchange) -> None:
        await exchange.send_json(await asyncio.to_thread(document))

    async def _asked(
        self, exchange: Exchange, parse: Callable[[object, Dialect], MessagesRequest]
    ) -> MessagesRequest:
        raw = await exchange.read_body(self._config.max_body_bytes)
        dialect = dialect_of(self._config, exchange.headers.get("anthropic-version"), exchange.betas())
        dialect = replace(dialect, pdf_reader=self._pdfs.of(exchange.tenant))
        filled = await exchange.until_disconnect(self._sources.read(raw, exchange.tenant))
        # Even a short body may hold a PDF that takes very long.
        weight, background = filled.num_bytes, self._background
        if has_pdf(filled.body):
            weight, background = weight + MAX_INLINE_SIZE + 1, self._documents
        body = body_with_server_memory(filled.body) if wants_memory(exchange) else filled.body
        return await background.run(weight, parse, body, dialect)


def _framework_error(request: Request, status: int, message: str, headers: dict[str, str]) -> Response:
    error = ApiError(message, type=error_type_of(status))
    _, body = error_answer(error, request.scope[REQUEST_ID], request.url.path)
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


def _batch_runner(
    client: Client,
    config: ServerConfig,
    backing: Backing,
    metrics: Metrics,
    traffic: Traffic,
    sources: Sources,
) -> BatchRunner | None:
    """Who works on message batches, if any are kept."""
    if backing.batches is None:
        return None
    measured = MeasuredClient(_traced(client, backing), ReplyMeter(metrics, "batch"))
    batch_lines = BatchLines(measured, config, backing.accounts, sources)
    return BatchRunner(backing.batches, batch_lines.answer, traffic, backing.batch_policy)


def _traced(client: Client, backing: Backing) -> Client:
    return client if backing.tracing is None else backing.tracing.client(client)


@asynccontextmanager
async def _working(runner: BatchRunner | None) -> AsyncGenerator[None]:
    """Batches are worked on until this is over."""
    if runner is None:
        yield
        return
    task = asyncio.create_task(runner.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _api_routes(
    client: Client,
    config: ServerConfig,
    backing: Backing,
    metrics: Metrics,
    traffic: Traffic,
    runner: BatchRunner | None,
    sources: Sources,
) -> list[Route]:
    """Every route of the APIs, over replies that are measured and charged."""
    meter = ReplyMeter(metrics, traffic=traffic)

    def replies_of(answering: Client) -> Replies:
        return Replies(MeasuredClient(_traced(answering, backing), meter), config, backing.accounts)

    replies = replies_of(client)
    return [
        *_MessagesApi(client, replies, config, metrics, backing, sources).routes(),
        *OpenAiApi(client, replies, config, sources).routes(),
        *BatchesApi(backing.batches, runner, config.max_batch_bytes).routes(),
        *FilesApi(backing.files, max_file_bytes=backing.max_file_bytes).routes(),
        *CompletionsApi(client, backing.texts, replies_of, config.max_body_bytes).routes(),
    ]


def create_app(client: Client, config: ServerConfig | None = None, backing: Backing | None = None) -> FastAPI:
    """The app that serves a Client."""
    config, backing = config or ServerConfig(), backing or Backing()
    client = MemoryClient(ContextClient(client), backing.memory)
    metrics = Metrics(engines=backing.engines, energy=backing.energy)
    traffic = Traffic()
    sources = Sources(backing.files, backing.fetcher)
    runner = _batch_runner(client, config, backing, metrics, traffic, sources)
    app = FastAPI(
        title="Caesura", openapi_url=None, redirect_slashes=False, lifespan=lambda _: _working(runner)
    )
    routes = _api_routes(client, config, backing, metrics, traffic, runner, sources)
    app.router.routes.extend(routes)
    app.router.routes.extend(_nowhere(routes))
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, _validation_error)
    accounts = backing.accounts
    access = Access(config, accounts.keys if accounts else None)
    app.add_middleware(FrontDoor, access=access, config=config, accounts=accounts)
    app.add_middleware(ResponseMeter, metrics=metrics, routes=routes)
    if backing.tracing is not None:
        app.add_middleware(backing.tracing.app, routes=routes)
    return app
