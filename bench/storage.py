"""How many bytes the keys and values of conversations take, beside the naive layout.

Enters: a folder. Leaves: figures: the share of bytes that is saved, for conversations that share a system
prompt and for a session of an agent that sends its whole history each turn. Everything goes through the
chat format and the engine, which is stepped here by hand: replies are text that is rendered again in the
next turn, and what that costs is counted. Two naive layouts, both contiguous and exact to the token:
one stores what every request computed, the other one only the longest request of every line of conversation.
Read next: `soak.py`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from bench.measure import Figure
from bench.settings import Settings
from bench.texts import Texts
from caesura.engine import EngineConfig, EngineCore, SequenceRequest, load
from caesura.engine.kv_store import page_bytes
from caesura.engine.loading import build_core
from caesura.engine.pages import PAGE_SIZE_CPU
from caesura.messages.content import Conversation, Role, conversation
from caesura.messages.events import TextDelta
from caesura.messages.request import Sampling
from caesura.tokens.text_memory import TextMemory

WANTED_PERCENT = 22.0
# `build_engine` gives models of nano's size one thread.
_OUR_THREADS = 1

Turns = list[tuple[Role, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How long everything is, in tokens of text.

    num_system: the system prompt. num_reply: every reply.
    num_conversations, num_turns, num_question: of the conversations that share it.
    num_steps, num_result: turns of the agent's session, and what its tools tell it in each.
    retried: turns of the session that are asked twice; it goes on from the second reply.
    """

    num_system: int = 2000
    num_reply: int = 60
    num_conversations: int = 10
    num_turns: int = 5
    num_question: int = 60
    num_steps: int = 30
    num_result: int = 300
    retried: tuple[int, ...] = (8, 16, 24)


QUICK = Sizes(
    num_system=200, num_reply=12, num_conversations=3, num_turns=2, num_question=20,
    num_steps=3, num_result=40, retried=(1,),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What was kept, and what it stands for.

    of_requests: for every request, the tokens whose keys and values it needed: prompt and reply without the
        reply's last, which nothing ever reads.
    of_lines: the same of those requests that nobody continued; they hold all that was said.
    token_bytes: of one token's keys and values.
    num_bytes: of the most pages that were ever held, partly filled ones included.
    """

    of_requests: list[int]
    of_lines: list[int]
    token_bytes: int
    num_bytes: int

    def figures(self, name: str) -> list[Figure]:
        """The share that is saved, of either naive layout."""
        layouts = {
            "conversation": ("lines of conversation, each stored once", self.of_lines),
            "request": ("requests, each stored", self.of_requests),
        }
        return [
            self._figure(f"{name}: bytes saved of the naive layout per {layout}", words, tokens)
            for layout, (words, tokens) in layouts.items()
        ]

    def _figure(self, name: str, words: str, tokens: Sequence[int]) -> Figure:
        naive_bytes = sum(tokens) * self.token_bytes
        return Figure(
            name=name,
            unit="%",
            ours=[100.0 * (1.0 - self.num_bytes / naive_bytes)],
            at_least=WANTED_PERCENT,
            is_absolute=True,
            note=f"{self.num_bytes / 1e6:,.1f} MB instead of {naive_bytes / 1e6:,.1f}; "
            f"{len(tokens)} {words}, {sum(tokens):,} tokens",
        )


class Reply(NamedTuple):
    """A reply's text, and the tokens whose keys and values its request needed."""

    text: str
    num_tokens: int


class KeepingEngine:
    """The engine without its thread, which keeps what it computes in memory and nowhere else."""

    def __init__(self, folder: Path, settings: Settings, *, num_reply: int) -> None:
        torch.set_num_threads(settings.threads or _OUR_THREADS)
        loaded, config = load(folder), EngineConfig()
        self._core: EngineCore = build_core(loaded, config)
        self._format = loaded.chat_format
        self._texts = TextMemory(loaded.tokenizer.vocab_size).of("")
        self._num_reply = num_reply
        self._num_asked = self._num_held = 0
        dtype = loaded.model.embed_tokens.weight.dtype
        self.token_bytes = page_bytes(loaded.model.config, 1, dtype)
        self._page_bytes = self.token_bytes * PAGE_SIZE_CPU

    @property
    def num_bytes(self) -> int:
        """Of the most pages that were held after any step.

        Raises RuntimeError if any page has left memory, or is held by nobody who could say why.
        """
        stats = self._core.stats()
        if stats.num_evicted_pages or stats.num_spills or stats.num_used_pages:
            raise RuntimeError(
                f"{stats.num_evicted_pages} pages were evicted, {stats.num_spills} sequences gave theirs "
                f"back, {stats.num_used_pages} are still in use; the figure is void"
            )
        return self._num_held * self._page_bytes

    def replies(self, asked: Sequence[Conversation]) -> list[Reply]:
        """Replies to requests that come at the same time."""
        numbers = [self._add(each) for each in asked]
        texts = dict.fromkeys(numbers, "")
        num_tokens: dict[int, int] = {}
        while len(num_tokens) < len(numbers):
            for report in self._core.step():
                texts[report.sequence] += "".join(
                    event.text for event in report.events if isinstance(event, TextDelta)
                )
                if report.finished is not None:
                    usage = report.finished.usage
                    num_tokens[report.sequence] = usage.prompt_tokens + usage.output_tokens - 1
            stats = self._core.stats()
            self._num_held = max(self._num_held, stats.num_pages - stats.num_free_pages)
        return [Reply(texts[number], num_tokens[number]) for number in numbers]

    def _add(self, asked: Conversation) -> int:
        prompt = self._format.render(asked, opening="answer", texts=self._texts).ids
        # The same question gets another reply the second time.
        sampling = Sampling(seed=self._num_asked)
        self._num_asked += 1
        prepared = self._core.prepare(
            SequenceRequest(prompt=prompt, max_tokens=self._num_reply, sampling=sampling)
        )
        self._core.add(prepared)
        return prepared.sequence.id


def converse(engine: KeepingEngine, texts: Texts, sizes: Sizes) -> Stored:
    """Conversations side by side that begin with one system prompt."""
    rng = random.Random(0)
    system = texts.text(rng, sizes.num_system)
    talks: list[Turns] = [[] for _ in range(sizes.num_conversations)]
    of_requests: list[int] = []
    replies: list[Reply] = []
    for _ in range(sizes.num_turns):
        for talk in talks:
            talk.append(("user", texts.text(rng, sizes.num_question)))
        replies = engine.replies([conversation(*talk, system=system) for talk in talks])
        for talk, reply in zip(talks, replies, strict=True):
            talk.append(("assistant", reply.text))
        of_requests += [reply.num_tokens for reply in replies]
    of_lines = [reply.num_tokens for reply in replies]
    return Stored(
        of_requests=of_requests,
        of_lines=of_lines,
        token_bytes=engine.token_bytes,
        num_bytes=engine.num_bytes,
    )


def work(engine: KeepingEngine, texts: Texts, sizes: Sizes) -> Stored:
    """An agent's session: what its tools told it goes in, its whole history each time."""
    rng = random.Random(1)
    system = texts.text(rng, sizes.num_system)
    turns: Turns = []
    of_requests: list[int] = []
    of_lines: list[int] = []
    for step in range(sizes.num_steps):
        turns.append(("user", texts.text(rng, sizes.num_result)))
        asked = conversation(*turns, system=system)
        [reply] = engine.replies([asked])
        of_requests.append(reply.num_tokens)
        if step in sizes.retried:
            of_lines.append(reply.num_tokens)
            [reply] = engine.replies([asked])
            of_requests.append(reply.num_tokens)
        turns.append(("assistant", reply.text))
    return Stored(
        of_requests=of_requests,
        of_lines=[*of_lines, of_requests[-1]],
        token_bytes=engine.token_bytes,
        num_bytes=engine.num_bytes,
    )


def measure_storage(folder: Path, settings: Settings) -> list[Figure]:
    """Each on an engine of its own."""
    sizes, texts = QUICK if settings.is_quick else Sizes(), Texts(folder)
    shared = converse(KeepingEngine(folder, settings, num_reply=sizes.num_reply), texts, sizes)
    session = work(KeepingEngine(folder, settings, num_reply=sizes.num_reply), texts, sizes)
    return [
        *shared.figures(
            f"{sizes.num_conversations} conversations of {sizes.num_turns} turns that share a system prompt "
            f"of {sizes.num_system:,} tokens"
        ),
        *session.figures(
            f"an agent's session of {sizes.num_steps} turns, {len(sizes.retried)} of them asked twice"
        ),
    ]
