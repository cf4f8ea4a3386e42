"""OpenAI's chat API, as an adapter over the same Client.

A chat becomes the body of a Messages request and is read like one; the reply goes back in OpenAI's form. A
chat that names no limit may write as much as the window leaves.
Enters: exchanges. Leaves: chat completions. Read next: `openai_reading.py`, `openai_writing.py`;
`completions.py` for texts without a chat. docs/openai.md lists every field.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from starlette.routing import Route

from caesura.messages.background import Background
from caesura.messages.client import Client
from caesura.messages.errors import InvalidRequestError
from caesura.messages.request import MessagesRequest
from caesura.messages.response import ModelInfo
from caesura.messages.validation import Dialect, parse_json, parse_request
from caesura.server.catalogue import find_model
from caesura.server.config import ServerConfig
from caesura.server.endpoint import Endpoint
from caesura.server.exchange import Exchange
from caesura.server.memory_header import refuse_memory
from caesura.server.openai_reading import messages_body, with_places_of
from caesura.server.openai_shapes import ChatBody, read_shape
from caesura.server.openai_writing import ChatFraming, chat_json
from caesura.server.replies import Replies
from caesura.server.sources import Sources

# OpenAI's clients send no version, and temperatures.
_DIALECT = Dialect(version="2023-06-01", is_strict=True)


class _Chat(NamedTuple):
    """What was asked, and the request that it became, under the name that the asker uses."""

    body: ChatBody
    request: MessagesRequest


class OpenAiApi:
    """The handlers, over one Client."""

    def __init__(
        self,
        client: Client,
        replies: Replies,
        config: ServerConfig,
        sources: Sources,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """wall_clock: seconds since 1970, for `created`."""
        self._client = client
        self._replies = replies
        self._config = config
        self._sources = sources
        self._wall_clock = wall_clock
        self._background = Background()

    def routes(self) -> list[Route]:
        """What is answered here."""
        return [Route("/v1/chat/completions", Endpoint(self.create_chat), methods=["POST"])]

    async def create_chat(self, exchange: Exchange) -> None:
        """Answer a chat, whole or streamed."""
        refuse_memory(exchange, "only `/v1/messages` can show what a memory was told")
        raw = await exchange.read_body(self._config.max_body_bytes)
        models = await self._client.models()
        chat = await exchange.until_disconnect(
            self._read(raw, exchange.tenant, lambda name: find_model(models, name))
        )
        request = await self._replies.address(exchange, chat.request)
        try:
            await self._answer(exchange, chat.body, request, find_model(models, request.model))
        except InvalidRequestError as error:
            # What only the model can tell: a form that cannot be kept to, a prompt that is too long.
            raise with_places_of(chat.body, error) from error

    async def _answer(
        self, exchange: Exchange, body: ChatBody, request: MessagesRequest, info: ModelInfo
    ) -> None:
        if not (body.max_tokens or body.max_completion_tokens):
            request = await self._with_room(exchange, request, info)
        created_s = int(self._wall_clock())
        if request.stream:
            options = body.stream_options
            has_usage = options is not None and bool(options.include_usage)
            framing = ChatFraming(created_s=created_s, has_usage=has_usage)
            await self._replies.stream(exchange, request, framing, name=body.model)
        else:
            message = await self._replies.whole(exchange, request)
            await exchange.send_json(chat_json(replace(message, model=body.model), created_s=created_s))

    async def _read(self, raw: bytes, tenant: str, find: Callable[[str], ModelInfo]) -> _Chat:
        body = await self._background.run(len(raw), lambda: read_shape(ChatBody, parse_json(raw)))
        max_tokens = find(body.model).max_tokens
        try:
            asked = await self._background.run(len(raw), messages_body, body, max_tokens=max_tokens)
            filled = await self._sources.fill(asked, len(raw), tenant)
            request = await self._background.run(filled.num_bytes, parse_request, filled.body, _DIALECT)
        except InvalidRequestError as error:
            raise with_places_of(body, error) from error
        return _Chat(body, _with_temperature(request, body.temperature))

    async def _with_room(
        self, exchange: Exchange, request: MessagesRequest, info: ModelInfo
    ) -> MessagesRequest:
        """The request with whatever its prompt leaves; one that leaves nothing is refused by the Client."""
        num_prompt = await exchange.until_disconnect(self._client.count_tokens(request))
        room = max(2, info.max_input_tokens - num_prompt)
        return replace(request, max_tokens=min(info.max_tokens, room))


def _with_temperature(request: MessagesRequest, temperature: float | None) -> MessagesRequest:
    """OpenAI's go beyond 1, which no Messages request says."""
    if temperature is None or temperature <= 1:
        return request
    if request.thinking.mode == "enabled":
        raise InvalidRequestError("`temperature` may only be set to 1 when thinking is enabled")
    return replace(request, sampling=replace(request.sampling, temperature=temperature))
