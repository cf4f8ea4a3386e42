"""What it costs to keep a reply to a form: the engine with a grammar beside the engine without, in turns.

Decoding is stepped by hand in one thread, and the time is that thread's own: the differences are small, and
whatever else the machine does would hide them. Enters: a folder. Leaves: figures: tokens a second, and the
time to the first token of a request whose schema, or tools, nobody has asked for before. Read next:
`cancelling.py`.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from bench.contest import random_prompt, words
from bench.measure import Figure, interleaved
from bench.settings import Settings
from caesura.engine import EngineConfig, LocalClient, SequenceRequest, load
from caesura.engine.constraint import FREE, Constraint
from caesura.engine.core import EngineCore
from caesura.engine.grammar_sources import GrammarSource
from caesura.engine.loading import LoadedModel, build_core, grammar_compiler
from caesura.messages.client import Client
from caesura.messages.content import Tool, conversation
from caesura.messages.events import Event, MessageDelta
from caesura.messages.fold import collect
from caesura.messages.request import MessagesRequest, OutputFormat, Sampling, ToolChoice
from caesura.tokens import CaesuraFormat, PhaseTokens, Tokenizer

_MODEL = "measured"
_MOST_LOST = 0.05
_MOST_LATE_MS = 20.0
_NUM_TOOLS = 12
# `build_engine` gives models of nano's size one thread.
_OUR_THREADS = 1
Schema = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """repeats: counted rounds. num_prompt, num_new: tokens of each stream. streams: how many at once."""

    repeats: int = 9
    num_prompt: int = 32
    num_new: int = 128
    streams: tuple[int, ...] = (1, 8)


QUICK = Sizes(repeats=1, num_prompt=16, num_new=8, streams=(1, 2))

# More records than anyone writes here, so that no reply ends before its limit.
RECORDS: Schema = {
    "type": "array",
    "minItems": 50_000,
    "items": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 3, "maxLength": 40},
            "age": {"type": "integer", "minimum": 0, "maximum": 120},
            "kind": {"enum": ["red", "green", "blue"]},
            "mail": {"type": "string", "format": "email"},
            "note": {"type": "string"},
        },
        "required": ["name", "age", "kind", "mail", "note"],
        "additionalProperties": False,
    },
}


def measure_constraint(folder: Path, settings: Settings) -> list[Figure]:
    """Decoding with and without, one stream and several; then the first token."""
    sizes = QUICK if settings.is_quick else Sizes()
    torch.set_num_threads(settings.threads or _OUR_THREADS)
    loaded = _endless(load(folder, name=_MODEL))
    compiler = grammar_compiler(loaded)
    text = json.dumps(RECORDS)
    grammar = compiler.compile(GrammarSource(kind="json_schema", text=text, path=("bench",)))
    decoding = Decoding(build_core(loaded, EngineConfig()), words(folder), Constraint(answer=grammar), sizes)
    figures = [
        decoding.figure(streams, temperature) for temperature in (0.0, 1.0) for streams in sizes.streams
    ]
    compiler.close()
    return [*figures, *asyncio.run(_first_tokens(loaded, sizes))]


class _EndlessFormat(CaesuraFormat):
    """Ours, but that an answer never ends by itself: both sides must do the same work."""

    @property
    def phase_tokens(self) -> PhaseTokens:
        tokens = super().phase_tokens
        return replace(tokens, never=(*tokens.never, *tokens.end))


def _endless(loaded: LoadedModel) -> LoadedModel:
    assert isinstance(loaded.tokenizer, Tokenizer)
    return replace(loaded, chat_format=_EndlessFormat(loaded.tokenizer))


class Decoding:
    """The same prompts with a constraint and without."""

    def __init__(self, core: EngineCore, vocabulary: range, constraint: Constraint, sizes: Sizes) -> None:
        self._core = core
        self._vocabulary = vocabulary
        self._constraint = constraint
        self._sizes = sizes

    def figure(self, streams: int, temperature: float) -> Figure:
        """Tokens a second of the engine's thread."""
        run = partial(self._rate, streams, temperature)
        held, free = interleaved(self._sizes.repeats, partial(run, self._constraint), partial(run, FREE))
        sizes, plural = self._sizes, "s" if streams > 1 else ""
        return Figure(
            name=f"decode under a schema, {streams} stream{plural} of {sizes.num_new}, "
            f"temperature {temperature:g}",
            unit="tokens/s",
            ours=held,
            peer="without",
            peers=free,
            at_least=1 - _MOST_LOST,
        )

    def _rate(self, streams: int, temperature: float, constraint: Constraint) -> float:
        """Of steps that only decode. The replies are cut off then."""
        rng, num_new = random.Random(streams), self._sizes.num_new
        for stream in range(streams):
            request = SequenceRequest(
                prompt=random_prompt(rng, self._vocabulary, self._sizes.num_prompt),
                max_tokens=self._core.max_positions // 2,
                sampling=Sampling(temperature=temperature, seed=stream),
                constraint=constraint,
            )
            self._core.add(self._core.prepare(request))
        # Prompts are read a few tokens a step while others write.
        while len(self._core.step()) < streams:
            if not self._core.has_work:
                raise RuntimeError("the replies ended before all had begun; the figure is void")
        start_s = time.thread_time()
        for _ in range(num_new):
            reports = self._core.step()
            if len(reports) != streams or any(report.finished for report in reports):
                raise RuntimeError("a reply ended, or waited; the figure is void")
        spent_s = time.thread_time() - start_s
        self._core.cancel_all()
        return streams * num_new / spent_s


async def _first_tokens(loaded: LoadedModel, sizes: Sizes) -> list[Figure]:
    config = EngineConfig(num_threads=_OUR_THREADS)
    held = LocalClient({_MODEL: loaded}, config)
    free = LocalClient({_MODEL: loaded}, replace(config, enforces_grammars=False))
    try:
        return [
            await _late(held, free, "a new schema", _with_schema, sizes.repeats),
            await _late(held, free, f"{_NUM_TOOLS} new tools", _with_tools, sizes.repeats),
        ]
    finally:
        held.close()
        free.close()


async def _late(
    held: Client,
    free: Client,
    what: str,
    form: Callable[[MessagesRequest, int], MessagesRequest],
    repeats: int,
) -> Figure:
    """Milliseconds more to the first token: the same request to a client that keeps to grammars and to one
    that does not, each going first in turn. Both have read its prompt, which takes many times as long as what
    is measured; neither has seen its form.
    """
    late_ms: list[float] = []
    for number in range(repeats + 1):
        request = form(_question(number), number)
        sides = [free, held] if number % 2 else [held, free]
        read = replace(request, max_tokens=0, output_format=None, tool_choice=ToolChoice(mode="none"))
        for side in sides:
            await collect(side.stream(read))
        times_ms = {id(side): 1e3 * await _first_s(side.stream(request)) for side in sides}
        if number:
            late_ms.append(times_ms[id(held)] - times_ms[id(free)])
    return Figure(
        name=f"first token under {what}, over the same without",
        unit="ms",
        ours=late_ms,
        at_most=_MOST_LATE_MS,
        is_absolute=True,
    )


async def _first_s(stream: AsyncIterator[Event]) -> float:
    """Seconds until the one token of a reply is there. No block tells of it on both sides: a call's opens
    when its name is complete, which free writing may never get to.
    """
    start_s, end_s = time.perf_counter(), 0.0
    async for event in stream:
        if isinstance(event, MessageDelta):
            end_s = time.perf_counter()
            if event.usage.output_tokens != 1 or not event.usage.cache_read_input_tokens:
                raise RuntimeError(f"a reply took {event.usage}; the figure is void")
    return end_s - start_s


def _question(number: int) -> MessagesRequest:
    text = f"Question {number}: what do you know of this? " * 8
    return MessagesRequest(
        model=_MODEL,
        conversation=conversation(("user", text)),
        max_tokens=1,
        sampling=Sampling(temperature=0.0),
    )


def _with_schema(request: MessagesRequest, number: int) -> MessagesRequest:
    return replace(request, output_format=OutputFormat(kind="json_schema", schema=new_schema(number)))


def _with_tools(request: MessagesRequest, number: int) -> MessagesRequest:
    """Any of many tools may be called; none has to be."""
    tools = tuple(
        Tool(name=f"tool_{number}_{at}", description="Does it.", input_schema=_arguments(number, at))
        for at in range(_NUM_TOOLS)
    )
    told = replace(request.conversation, tools=tools)
    return replace(request, conversation=told)


def _arguments(number: int, tool: int) -> Schema:
    """A few of them; the prompt holds them all, and reading it is not what is measured."""
    whole = new_schema(number * 100 + tool)
    names = [*whole["properties"]][tool % 4 :: 3]
    properties = {name: whole["properties"][name] for name in names if name[0] == "q"}
    return {**whole, "properties": properties, "required": [*properties]}


def new_schema(number: int) -> Schema:
    """Two dozen properties of the usual kinds, none of whose names was seen before."""
    kinds: list[Schema] = [
        {"type": "string", "maxLength": 200},
        {"type": "integer", "minimum": 0, "maximum": 1000 + number},
        {"type": "number"},
        {"type": "boolean"},
        {"enum": [f"kind {number} {each}" for each in range(12)]},
        {"type": "array", "items": {"type": "string"}, "maxItems": 8},
        {"type": "string", "format": "date-time"},
        {"anyOf": [{"type": "string", "pattern": "^[A-Z]{2}[0-9]{4}$"}, {"type": "null"}]},
    ]
    inner = {f"p{number}_{at}": kinds[at % len(kinds)] for at in range(16)}
    part = {"type": "object", "properties": inner, "required": [*inner][:6], "additionalProperties": False}
    outer: Schema = {f"q{number}_{at}": kinds[at % len(kinds)] for at in range(8)}
    outer[f"parts{number}"] = {"type": "array", "items": part, "maxItems": 5}
    return {"type": "object", "properties": outer, "required": [*outer], "additionalProperties": False}
