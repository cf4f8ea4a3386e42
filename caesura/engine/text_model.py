"""Text continued and scored by the models of a `LocalClient`.

What is added comes from the engine like any reply's answer: markers other than the end are never written, and
a first word always is. Scores are computed apart from it (`prompt_scores.py`), one text at a time.
Enters: a `TextRequest`. Leaves: events, or scores. Read next: `caesura/messages/texts.py` for the shapes.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from caesura.engine.core import Finished
from caesura.engine.engine import Engine
from caesura.engine.loading import LoadedModel
from caesura.engine.local_client import STOP_REASONS, LocalClient
from caesura.engine.prompt_scores import TokenScore, prompt_scores
from caesura.engine.sequence import SequenceRequest
from caesura.messages.errors import ApiError, InvalidRequestError, OverloadedError
from caesura.messages.events import Event, MessageDelta, MessageStart, MessageStop, TextDelta
from caesura.messages.response import StopReason, Usage
from caesura.messages.texts import Scored, ScoredToken, TextRequest
from caesura.tokens.foreign_tokenizer import ForeignTokenizer, Piece
from caesura.tokens.markers import BEGIN
from caesura.tokens.tokenizer import Tokenizer

# Attention over so many tokens at once takes seconds on a CPU, and some hundred megabytes.
MAX_SCORED_TOKENS = 8192
_MAX_WAITING = 256


class _Prompt(NamedTuple):
    """What the network reads.

    ids: all of them. num_hidden: how many of the first are the mark of a beginning, which nobody sent.
    """

    ids: tuple[int, ...]
    num_hidden: int


class _Added(NamedTuple):
    """What the model wrote behind a prompt."""

    text: str
    finished: Finished


class LocalTexts:
    """A `TextModel` over a client, which outlives it."""

    def __init__(self, client: LocalClient) -> None:
        self._client = client
        self._scorer = ThreadPoolExecutor(1, thread_name_prefix="caesura-score")
        self._num_waiting = 0

    async def extend(self, request: TextRequest) -> AsyncIterator[Event]:
        loaded, engine = self._client.loaded(request.model), self._client.engine(request.model)
        stream = engine.submit(_sequence_request(request, _prompt(loaded, request.prompt), engine))
        try:
            name = f"msg_{secrets.token_hex(12)}"
            yield MessageStart(id=name, model=request.model, usage=stream.usage)
            async for news in stream:
                if isinstance(news, Finished):
                    yield MessageDelta(
                        stop_reason=_stop_reason(news), stop_sequence=news.stop_sequence, usage=news.usage
                    )
                    yield MessageStop()
                else:
                    yield news
        finally:
            if request.when_cut is None or stream.is_over:
                stream.close()
            elif (usage := await stream.cut()) is not None:
                request.when_cut(usage)

    async def score(self, request: TextRequest, num_top: int) -> Scored:
        loaded = self._client.loaded(request.model)
        prompt = _prompt(loaded, request.prompt)
        _check_length(len(prompt.ids) + request.max_tokens)
        added = await self._added(request, prompt) if request.max_tokens else _nothing(prompt)
        ids = (*prompt.ids, *added.finished.output)
        scores = await self._scores(loaded, ids, num_top)
        # A first token has none before it.
        aligned = [None, *scores][prompt.num_hidden :]
        pieces = loaded.tokenizer.token_bytes
        tokens = [_token(pieces, *each) for each in zip(ids[prompt.num_hidden :], aligned, strict=True)]
        return Scored(
            tokens=tuple(tokens),
            num_prompt=len(prompt.ids) - prompt.num_hidden,
            text=added.text,
            stop_reason=_stop_reason(added.finished),
            stop_sequence=added.finished.stop_sequence,
            usage=added.finished.usage,
        )

    def close(self) -> None:
        """Score nothing further."""
        self._scorer.shutdown(wait=False, cancel_futures=True)

    async def _added(self, request: TextRequest, prompt: _Prompt) -> _Added:
        engine = self._client.engine(request.model)
        stream = engine.submit(_sequence_request(request, prompt, engine))
        pieces: list[str] = []
        try:
            async for news in stream:
                if isinstance(news, Finished):
                    return _Added("".join(pieces), news)
                if isinstance(news, TextDelta):
                    pieces.append(news.text)
        finally:
            stream.close()
        raise ApiError("the text broke off before its end")

    async def _scores(self, loaded: LoadedModel, ids: tuple[int, ...], num_top: int) -> list[TokenScore]:
        if self._num_waiting >= _MAX_WAITING:
            raise OverloadedError(f"Overloaded: {self._num_waiting} texts wait to be scored; try again later")
        self._num_waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(
                self._scorer, lambda: prompt_scores(loaded.model, ids, num_top=num_top)
            )
        finally:
            self._num_waiting -= 1


def _prompt(loaded: LoadedModel, prompt: str | tuple[int, ...]) -> _Prompt:
    if not isinstance(prompt, str):
        unknown = next((token for token in prompt if not 0 <= token < loaded.tokenizer.vocab_size), None)
        if unknown is not None:
            limit = loaded.tokenizer.vocab_size - 1
            raise InvalidRequestError(
                f"prompt: {unknown} is no token of this model; ids go from 0 to {limit}"
            )
        if not prompt:
            raise InvalidRequestError("prompt: a list of ids needs at least one")
        return _Prompt(prompt, 0)
    before = _beginning(loaded.tokenizer)
    ids = (*before, *_encode(loaded.tokenizer, prompt))
    if not ids:
        raise InvalidRequestError("prompt: it is empty, and this model has no token that begins a text")
    return _Prompt(ids, len(before))


def _beginning(tokenizer: Tokenizer | ForeignTokenizer) -> tuple[int, ...]:
    """What stands before every text that the model was trained on."""
    return tokenizer.prefix if isinstance(tokenizer, ForeignTokenizer) else (tokenizer.marker(BEGIN),)


def _encode(tokenizer: Tokenizer | ForeignTokenizer, text: str) -> list[int]:
    if isinstance(tokenizer, ForeignTokenizer):
        return tokenizer.encode([Piece(text, is_template=False)]).ids
    return tokenizer.encode(text)


def _check_length(num_tokens: int) -> None:
    if num_tokens > MAX_SCORED_TOKENS:
        raise InvalidRequestError(
            f"logprobs: {num_tokens} tokens > {MAX_SCORED_TOKENS} maximum that are scored at once; shorten"
            " the prompt, or leave `logprobs` out"
        )


def _sequence_request(request: TextRequest, prompt: _Prompt, engine: Engine) -> SequenceRequest:
    num_prompt, window = len(prompt.ids), engine.max_positions
    if num_prompt > window:
        raise InvalidRequestError(f"prompt is too long: {num_prompt} tokens > {window} maximum")
    if num_prompt + request.max_tokens > window:
        raise InvalidRequestError(
            f"input length and `max_tokens` exceed context limit: {num_prompt} + {request.max_tokens} > "
            f"{window}, decrease input length or `max_tokens` and try again"
        )
    return SequenceRequest(
        prompt=prompt.ids,
        opening="answer",
        max_tokens=request.max_tokens,
        sampling=request.sampling,
        stop_sequences=request.stop_sequences,
        tenant=request.tenant,
    )


def _stop_reason(finished: Finished) -> StopReason:
    stop_reason = STOP_REASONS.get(finished.reason)
    if stop_reason is None:
        raise ApiError(f"the text was {finished.reason} before it ended")
    return stop_reason


def _nothing(prompt: _Prompt) -> _Added:
    """What there is behind a prompt that is only scored."""
    usage = Usage(input_tokens=len(prompt.ids))
    finished = Finished(
        reason="max_tokens", stop_sequence=None, usage=usage, output=(), is_forced=(), log_probs=()
    )
    return _Added("", finished)


def _token(pieces: list[bytes], token: int, score: TokenScore | None) -> ScoredToken:
    def piece(each: int) -> bytes:
        # A network may have rows for more ids than its tokenizer has words.
        return pieces[each] if each < len(pieces) else b""

    if score is None:
        return ScoredToken(piece=piece(token), log_prob=None)
    top = tuple((piece(each), log_prob) for each, log_prob in score.top)
    return ScoredToken(piece=piece(token), log_prob=score.log_prob, top=top)
