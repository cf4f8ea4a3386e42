"""The Messages API on the engine: a `Client` that computes its own replies.

Enters: a `MessagesRequest`. Leaves: the event stream. A request is rendered and checked against the
context window before anything is queued, so what it got wrong is raised before the first event. Closing
the iterator cancels the sequence within one step. Read next: `engine.py`.

How a prompt is kept: its cache breakpoints become retentions of 5 minutes or an hour. A prompt is matched
page by page with what is there, and the longest match counts, so a breakpoint looks back over all blocks
before it, not over 20. What `message_start` says of the cache is an estimate, what `message_delta` says is
exact. Where the format writes former turns otherwise than they were generated, the engine is given what the
next prompt will begin with, to compute it while nobody asks for anything.

What the answer must look like, which tools may be called and what may be cited becomes grammars, which are
compiled before anything is queued too.

How thinking is asked for: "disabled" opens the answer; "enabled" opens a thought of at most
`budget_tokens`; "adaptive" lets the model's first token decide, and `EFFORT_BUDGETS` limits its thought. A
model that cannot think decides not to.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from caesura.engine.core import Finished
from caesura.engine.engine import Engine
from caesura.engine.grammar import GrammarCompiler
from caesura.engine.loading import EngineConfig, LoadedModel, build_engine, grammar_compiler
from caesura.engine.promises import check_promises, constraint_of
from caesura.engine.render_size import num_characters
from caesura.engine.sequence import FinishReason, Retention, SequenceRequest
from caesura.engine.streams import Stream
from caesura.engine.tails import EndedReply, TailSource, next_tail
from caesura.engine.tiers import PageTiers
from caesura.messages.content import ToolUseBlock
from caesura.messages.errors import ApiError, InvalidRequestError, NotFoundError
from caesura.messages.events import Event, MessageDelta, MessageStart, MessageStop
from caesura.messages.fingerprints import Fingerprints
from caesura.messages.fold import MessageFold
from caesura.messages.request import Effort, MessagesRequest
from caesura.messages.response import ModelInfo, StopReason
from caesura.tokens.call_writing import CallHabits
from caesura.tokens.phase_tokens import Opening
from caesura.tokens.prompt import Breakpoint, Prompt
from caesura.tokens.text_memory import TextMemory

# The most thinking tokens of adaptive thinking; None: as many as max_tokens allows.
EFFORT_BUDGETS: dict[Effort, int | None] = {
    "low": 256,
    "medium": 1024,
    "high": 4096,
    "xhigh": 16_384,
    "max": None,
}

STOP_REASONS: dict[FinishReason, StopReason] = {
    "end": "end_turn",
    "tool_use": "tool_use",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "window": "model_context_window_exceeded",
}

_TTL_S = {"5m": 300.0, "1h": 3600.0}
# Rendering more characters than this takes over a millisecond, which other streams would feel.
_MAX_INLINE_CHARACTERS = 10_000
# More at once would take the processors away from the engine's own thread.
_MAX_RENDERS = 2


class _Served(NamedTuple):
    loaded: LoadedModel
    engine: Engine
    texts: TextMemory
    warms_tails: bool
    grammars: GrammarCompiler
    enforces_grammars: bool

    @property
    def habits(self) -> CallHabits:
        """How the model calls tools."""
        return self.loaded.chat_format.phase_tokens.calls

    @property
    def enforced_grammars(self) -> GrammarCompiler | None:
        """None where no reply is held to one."""
        return self.grammars if self.enforces_grammars else None


def _served(loaded: LoadedModel, config: EngineConfig) -> _Served:
    texts = TextMemory(loaded.tokenizer.vocab_size)
    warms_tails = config.warms_tails and not loaded.chat_format.is_append_only
    grammars = grammar_compiler(loaded)
    grammars.prepare()
    engine = build_engine(loaded, config)
    return _Served(loaded, engine, texts, warms_tails, grammars, config.enforces_grammars)


class LocalClient:
    """Serves one or several models, each with an engine of its own."""

    def __init__(
        self,
        models: Mapping[str, LoadedModel],
        config: EngineConfig | None = None,
        tiers: Mapping[str, PageTiers] | None = None,
    ) -> None:
        """models: by the name that requests use, the default one first.

        tiers: by the same names; who made them closes them after this client.
        """
        config, tiers = config or EngineConfig(), tiers or {}
        self._served = {
            name: _served(loaded, replace(config, tiers=tiers.get(name, config.tiers)))
            for name, loaded in models.items()
        }
        self._fingerprints = Fingerprints()
        self._renderers = ThreadPoolExecutor(_MAX_RENDERS, thread_name_prefix="caesura-render")

    async def stream(self, request: MessagesRequest) -> AsyncIterator[Event]:
        """The reply as events. Raises ApiError (see `Client.stream`)."""
        served = self._find(request.model)
        sequence_request = await self._sequence_request(served, request)
        stream = served.engine.submit(sequence_request, request.when_admitted)
        reply, has_ended = MessageFold(), False
        try:
            name = _message_id()
            miss = self._fingerprints.diagnose(request, sequence_request.prompt, name)
            yield MessageStart(id=name, model=request.model, usage=stream.usage, cache_miss=miss)
            async for news in stream:
                if isinstance(news, Finished):
                    yield _outcome(news)
                    has_ended = True
                    yield MessageStop()
                else:
                    if served.warms_tails:
                        reply.add(news)
                    yield news
        finally:
            await _leave(stream, request)
            if has_ended and served.warms_tails and not _has_calls(reply):
                ended = EndedReply(
                    conversation=request.conversation, content=reply.content, request=sequence_request
                )
                served.engine.warm(_tail_source(served, ended))

    async def count_tokens(self, request: MessagesRequest) -> int:
        """The length of the rendered prompt."""
        return len((await self._render(self._find(request.model), request)).ids)

    async def check(self, request: MessagesRequest) -> None:
        """Raises ApiError for what is refused however long the conversation is: tools, form, `max_tokens`."""
        served = self._find(request.model)
        _check_wishes(request, served)
        _check_limits(0, request, served)
        await constraint_of(request, served.enforced_grammars, (), served.habits)

    async def models(self) -> list[ModelInfo]:
        """The models on offer, the default one first, with the window that their engines can hold. Forms are
        kept to whatever the model.
        """
        return [
            replace(
                served.loaded.info,
                id=name,
                max_input_tokens=served.engine.max_positions,
                can_structure=True,
            )
            for name, served in self._served.items()
        ]

    def engine(self, model: str) -> Engine:
        """The engine behind a model, for its numbers. Raises NotFoundError."""
        return self._find(model).engine

    def loaded(self, model: str) -> LoadedModel:
        """What a model's folder held. Raises NotFoundError."""
        return self._find(model).loaded

    def close(self) -> None:
        """Shut the engines down; replies on their way end in an ApiError."""
        for served in self._served.values():
            served.engine.close()
            served.grammars.close()
        self._renderers.shutdown(wait=False, cancel_futures=True)

    def _find(self, model: str) -> _Served:
        served = self._served.get(model)
        if served is None:
            raise NotFoundError(f"model: {model}")
        return served

    async def _sequence_request(self, served: _Served, request: MessagesRequest) -> SequenceRequest:
        prompt = await self._render(served, request)
        _check_limits(len(prompt.ids), request, served)
        return SequenceRequest(
            prompt=prompt.ids,
            opening=_opening(request, served),
            is_continued=request.conversation.is_prefilled,
            max_tokens=request.max_tokens,
            sampling=request.sampling,
            budget_tokens=_budget(request),
            stop_sequences=request.stop_sequences,
            constraint=await constraint_of(request, served.enforced_grammars, prompt.sources, served.habits),
            tenant=request.tenant,
            retentions=tuple(map(_retention, prompt.breakpoints)),
            sources=prompt.sources,
        )

    async def _render(self, served: _Served, request: MessagesRequest) -> Prompt:
        """The prompt. One that exceeds the window is rendered to its end all the same, because its
        refusal and `count_tokens` both state the exact length.
        """
        _check_wishes(request, served)
        conversation, opening = request.conversation, _opening(request, served)
        texts = served.texts.of(request.tenant)
        render = partial(served.loaded.chat_format.render, conversation, opening=opening, texts=texts)
        try:
            if num_characters(conversation) <= _MAX_INLINE_CHARACTERS:
                return render()
            return await asyncio.get_running_loop().run_in_executor(self._renderers, render)
        except ValueError as error:
            raise InvalidRequestError(f"messages: {error}") from error


def _check_wishes(request: MessagesRequest, served: _Served) -> None:
    check_promises(request, served.loaded.chat_format.phase_tokens)
    if request.conversation.is_prefilled and _opening(request, served) != "answer":
        raise InvalidRequestError(
            "messages: the final turn is the assistant's, which cannot be continued when thinking is "
            "enabled; end with a user turn or disable thinking"
        )


async def _leave(stream: Stream, request: MessagesRequest) -> None:
    """Cancel the sequence if it has not ended, and tell whoever wants to know what it had taken."""
    if request.when_cut is None or stream.is_over:
        stream.close()
    elif (usage := await stream.cut()) is not None:
        request.when_cut(usage)


def _has_calls(reply: MessageFold) -> bool:
    """Templates keep the thought before a call until its result is answered."""
    return any(isinstance(block, ToolUseBlock) for block in reply.content)


def _tail_source(served: _Served, reply: EndedReply) -> TailSource:
    texts, chat_format = served.texts.of(reply.request.tenant), served.loaded.chat_format
    return partial(next_tail, reply, chat_format, texts, max_tokens=served.engine.max_positions)


def _opening(request: MessagesRequest, served: _Served) -> Opening:
    """How the prompt ends. `max_tokens` has no say in it: `count_tokens` is not told any."""
    match request.thinking.mode:
        case "enabled":
            return "think"
        case "adaptive":
            return "choose" if served.loaded.chat_format.can_think else "answer"
        case "disabled":
            return "answer"


def _budget(request: MessagesRequest) -> int | None:
    if request.thinking.mode == "adaptive":
        return EFFORT_BUDGETS[request.effort]
    return request.thinking.budget_tokens


def _retention(breakpoint: Breakpoint) -> Retention:
    return Retention(position=breakpoint.position, ttl_s=_TTL_S[breakpoint.control.ttl])


def _check_limits(num_prompt: int, request: MessagesRequest, served: _Served) -> None:
    window = served.engine.max_positions
    if num_prompt > window:
        raise InvalidRequestError(f"prompt is too long: {num_prompt} tokens > {window} maximum")
    max_tokens = served.loaded.info.max_tokens
    if request.max_tokens > max_tokens:
        raise InvalidRequestError(
            f"max_tokens: {request.max_tokens} > {max_tokens}, which is the maximum allowed number of "
            f"output tokens for {request.model}"
        )
    if num_prompt + request.max_tokens > window and not request.fills_window:
        raise InvalidRequestError(
            f"input length and `max_tokens` exceed context limit: {num_prompt} + {request.max_tokens} > "
            f"{window}, decrease input length or `max_tokens` and try again"
        )


def _outcome(finished: Finished) -> MessageDelta:
    stop_reason = STOP_REASONS.get(finished.reason)
    if stop_reason is None:
        raise ApiError(f"the reply was {finished.reason} before it ended")
    return MessageDelta(stop_reason=stop_reason, stop_sequence=finished.stop_sequence, usage=finished.usage)


def _message_id() -> str:
    return f"msg_{secrets.token_hex(12)}"
