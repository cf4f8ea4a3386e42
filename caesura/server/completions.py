"""`/v1/completions`: text that is continued, echoed and scored, without a chat around it.

Several prompts are answered in one response, one choice each. With `logprobs` a text is computed first and
then scored in one pass, prompt and continuation alike: with `echo`, what evaluation harnesses ask for.
Enters: exchanges. Leaves: text completions. Read next: `caesura/messages/texts.py` for who answers;
`text_client.py`. docs/openai.md lists every field.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple, TypeVar, cast

from starlette.routing import Route

from caesura.messages.background import Background
from caesura.messages.client import Client
from caesura.messages.content import Conversation, text_of
from caesura.messages.errors import InvalidRequestError
from caesura.messages.fold import collect
from caesura.messages.request import MessagesRequest, Sampling
from caesura.messages.request_rules import check_stop_sequences
from caesura.messages.response import Message
from caesura.messages.texts import Scored, TextModel, TextRequest
from caesura.messages.validation import parse_json
from caesura.server.endpoint import Endpoint
from caesura.server.exchange import Exchange
from caesura.server.memory_header import refuse_memory
from caesura.server.openai_logprobs import logprobs_json, text_of_pieces
from caesura.server.openai_shapes import MAX_PROMPTS, TextBody, read_shape
from caesura.server.openai_writing import FINISH_REASONS, TextFraming, usage_json
from caesura.server.replies import Replies
from caesura.server.text_client import TextClient

DEFAULT_MAX_TOKENS = 16

Prompt = str | tuple[int, ...]
Result = TypeVar("Result")
# Replies of a Client other than the server's own, measured and charged like those.
RepliesOf = Callable[[Client], Replies]


class _Text(NamedTuple):
    """An answered prompt."""

    prompt: Prompt
    message: Message
    scored: Scored | None


class CompletionsApi:
    """The handlers, over one model of text."""

    def __init__(
        self,
        client: Client,
        texts: TextModel | None,
        replies_of: RepliesOf,
        max_body_bytes: int,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """texts: None where nobody here continues plain text. wall_clock: seconds since 1970."""
        self._client = client
        self._texts = texts
        self._replies_of = replies_of
        self._max_body_bytes = max_body_bytes
        self._wall_clock = wall_clock
        self._background = Background()

    def routes(self) -> list[Route]:
        """What is answered here."""
        return [Route("/v1/completions", Endpoint(self.create_text), methods=["POST"])]

    async def create_text(self, exchange: Exchange) -> None:
        """Answer with texts, whole or streamed."""
        refuse_memory(exchange, "only `/v1/messages` can show what a memory was told")
        raw = await exchange.read_body(self._max_body_bytes)
        body = await self._background.run(len(raw), lambda: read_shape(TextBody, parse_json(raw)))
        if self._texts is None:
            raise InvalidRequestError(
                "prompt: this server's models continue no plain text; use /v1/chat/completions"
            )
        prompts = _prompts(body)
        _check(body, prompts)
        request = await self._replies_of(self._client).address(exchange, _request(body.model, body))
        asked = [_text_request(request, body, prompt) for prompt in prompts]
        if body.stream:
            await self._stream(exchange, body, self._texts, asked[0])
        else:
            texts = self._texts
            work = [self._answer(exchange, body, texts, each) for each in asked]
            answers = await exchange.until_disconnect(_all_of(work))
            await exchange.send_json(_completion_json(body, answers, created_s=int(self._wall_clock())))

    async def _stream(self, exchange: Exchange, body: TextBody, texts: TextModel, asked: TextRequest) -> None:
        options = body.stream_options
        has_usage = options is not None and bool(options.include_usage)
        framing = TextFraming(created_s=int(self._wall_clock()), has_usage=has_usage)
        replies = self._replies_of(TextClient(self._client, texts, asked, None))
        await replies.stream(exchange, _request(asked.model, body), framing, name=body.model)

    async def _answer(
        self, exchange: Exchange, body: TextBody, texts: TextModel, asked: TextRequest
    ) -> _Text:
        # Only scoring knows the text of a prompt that came as ids.
        is_scored = body.logprobs is not None or (body.echo and not isinstance(asked.prompt, str))
        client = TextClient(self._client, texts, asked, (body.logprobs or 0) if is_scored else None)
        charged = self._replies_of(client).client(exchange)
        message = await collect(charged.stream(_request(asked.model, body)))
        return _Text(asked.prompt, message, client.scored)


def _prompts(body: TextBody) -> list[Prompt]:
    """Each prompt of a body: a text, ids, or a list of either."""
    prompt = body.prompt
    if isinstance(prompt, str):
        return [prompt]
    if not prompt:
        raise InvalidRequestError("prompt: a list needs at least one prompt")
    if isinstance(prompt[0], int):
        return [tuple(cast("list[int]", prompt))]
    if len(prompt) > MAX_PROMPTS:
        raise InvalidRequestError(f"prompt: {len(prompt)} prompts > {MAX_PROMPTS} maximum in one request")
    several = cast("list[str] | list[list[int]]", prompt)
    return [each if isinstance(each, str) else tuple(each) for each in several]


def _check(body: TextBody, prompts: Sequence[Prompt]) -> None:
    _check_stop(body)
    if body.max_tokens == 0 and not body.echo:
        raise InvalidRequestError("max_tokens: 0 adds nothing, which is of use with `echo` only")
    if not body.stream:
        return
    refused = {"echo": body.echo, "logprobs": body.logprobs is not None, "prompt": len(prompts) > 1}
    for name, is_asked in refused.items():
        if is_asked:
            what = "several prompts" if name == "prompt" else "this field"
            raise InvalidRequestError(
                f"{name}: {what} cannot be combined with `stream`; leave one of them out"
            )


def _check_stop(body: TextBody) -> None:
    try:
        check_stop_sequences(body.stop or [])
    except InvalidRequestError as error:
        raise InvalidRequestError(error.message.replace("stop_sequences", "stop", 1)) from error


def _request(model: str, body: TextBody) -> MessagesRequest:
    """What is charged and measured; of the conversation there is nothing."""
    max_tokens = DEFAULT_MAX_TOKENS if body.max_tokens is None else body.max_tokens
    nothing = Conversation(turns=())
    return MessagesRequest(model=model, conversation=nothing, max_tokens=max_tokens, stream=bool(body.stream))


def _text_request(request: MessagesRequest, body: TextBody, prompt: Prompt) -> TextRequest:
    return TextRequest(
        model=request.model,
        prompt=prompt,
        max_tokens=request.max_tokens,
        sampling=_sampling(body),
        stop_sequences=tuple(body.stop or ()),
        tenant=request.tenant,
    )


def _sampling(body: TextBody) -> Sampling:
    return Sampling(
        temperature=1.0 if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        top_k=None if body.top_k is None or body.top_k < 1 else body.top_k,
        seed=None if body.seed is None else body.seed % 2**63,
    )


async def _all_of(work: Sequence[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Every result, in order; the first failure ends the others."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _completion_json(body: TextBody, texts: Sequence[_Text], *, created_s: int) -> dict[str, Any]:
    return {
        "id": f"cmpl-{texts[0].message.id.removeprefix('msg_')}",
        "object": "text_completion",
        "created": created_s,
        "model": body.model,
        "choices": [_choice_json(body, index, text) for index, text in enumerate(texts)],
        "usage": usage_json([text.message.usage for text in texts]),
    }


def _choice_json(body: TextBody, index: int, text: _Text) -> dict[str, Any]:
    added = text_of(text.message.content)
    logprobs = None
    if text.scored is not None and body.logprobs is not None:
        tokens = text.scored.tokens
        logprobs = logprobs_json(tokens if body.echo else tokens[text.scored.num_prompt :])
    return {
        "text": _shown_prompt(text) + added if body.echo else added,
        "index": index,
        "logprobs": logprobs,
        "finish_reason": FINISH_REASONS[text.message.stop_reason],
    }


def _shown_prompt(text: _Text) -> str:
    if isinstance(text.prompt, str):
        return text.prompt
    assert text.scored is not None
    return text_of_pieces(text.scored.tokens[: text.scored.num_prompt])
