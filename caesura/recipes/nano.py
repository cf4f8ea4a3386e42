"""The bundled model, stage by stage: words, text, then conversations in which it learns to pause.

Enters: the data folder. Leaves: config trees that `caesura train nano --all` runs in order. A smaller run is
an override away, e.g. `--set loop.num_steps=100`. Read next: `pipeline.py`, which puts all jobs in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from caesura.messages.content import text_of, thinking_of
from caesura.model import PRESETS
from caesura.recipes.chat import chat_rows
from caesura.recipes.reasoning import ReasoningMix, reasoning_rows
from caesura.recipes.text import pretraining_documents
from caesura.recipes.tool_sets import tool_set_kinds
from caesura.recipes.tools import tool_rows
from caesura.tokens import CaesuraFormat
from caesura.train.encoding import Encoded, encode_documents, encode_row
from caesura.train.loop import LoopConfig
from caesura.train.optimisers import OptimiserConfig
from caesura.train.packing import PackingConfig
from caesura.train.recipe import Recipe
from caesura.train.stage import Stage

_TEXT_ROW = 256
_CHAT_ROWS = (128, 256, 512)
_TOOL_ROWS = (256, 512, 1024, 1536)
# Families whose steps are harder to learn come more often.
MIX = ReasoningMix(
    weights={
        "addition": 0.5,
        "boolean": 1.5,
        "letters": 0.8,
        "graph": 1.2,
        "lists": 1.2,
        "multiplication": 1.3,
        "sorting": 1.2,
        "state": 1.5,
        "units": 1.3,
        "word_problems": 1.5,
    }
)


def tokenizer_texts(data: Path) -> Iterator[str]:
    """What the merges are learnt from: prose, chat and reasoning, about a third each."""
    yield from pretraining_documents(data, seed=1, max_chars=6_000_000)
    rows = chain(chat_rows(data, 1, 20_000), reasoning_rows(1, 20_000, ReasoningMix(fast=0.0, cut=0.0)))
    for row in rows:
        for turn in row.conversation.turns:
            yield thinking_of(turn.content) + text_of(turn.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prose:
    """Plain text in pieces that fit a row.

    max_chars: how much of it. max_tokens: the longest piece. seed: of the shuffle.
    """

    max_chars: int
    max_tokens: int
    seed: int = 0

    def __call__(self, chat_format: CaesuraFormat, data: Path, runs: Path) -> Iterator[Encoded]:
        texts = pretraining_documents(data, seed=self.seed, max_chars=self.max_chars)
        return encode_documents(chat_format.tokenizer, texts, max_tokens=self.max_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversations:
    """Chat and reasoning rows, and plain text among them, so that prose is not forgotten.

    num_chat, num_reasoning: how many rows of each. mix: see `ReasoningMix`. seed: of all three.
    max_tokens: the few chat rows that are longer are left out; longer prose goes on in another document.
    prose_chars: how much plain text; all of a document but its first token is learnt.
    """

    num_chat: int
    num_reasoning: int
    mix: ReasoningMix
    seed: int
    max_tokens: int
    prose_chars: int = 0

    def __call__(self, chat_format: CaesuraFormat, data: Path, runs: Path) -> Iterator[Encoded]:
        chat = (encode_row(chat_format, row) for row in chat_rows(data, self.seed, self.num_chat))
        yield from (each for each in chat if len(each.ids) <= self.max_tokens + 1)
        for row in reasoning_rows(self.seed, self.num_reasoning, self.mix):
            yield encode_row(chat_format, row)
        if self.prose_chars:
            prose = Prose(max_chars=self.prose_chars, max_tokens=self.max_tokens, seed=self.seed)
            yield from prose(chat_format, data, runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationsWithTools:
    """Rows in which tools are at hand, among rows of the kinds before, so that neither is forgotten.

    num_tools: how many rows with tools. seed: of them. max_tokens: the few that are longer are left out.
    others: the rest.
    """

    num_tools: int
    seed: int
    max_tokens: int
    others: Conversations

    def __call__(self, chat_format: CaesuraFormat, data: Path, runs: Path) -> Iterator[Encoded]:
        rows = tool_rows(self.seed, self.num_tools, tool_set_kinds(data))
        encoded = (encode_row(chat_format, row) for row in rows)
        yield from (each for each in encoded if len(each.ids) <= self.max_tokens + 1)
        yield from self.others(chat_format, data, runs)


def pretrain() -> Stage:
    """Plain text: spelling, words, grammar, a little of the world."""
    return Stage(
        name="nano-pretrain",
        model=PRESETS["nano"],
        documents=Prose(max_chars=34_000_000, max_tokens=_TEXT_ROW),
        packing=PackingConfig(batch_tokens=8192, row_tokens=(_TEXT_ROW,)),
        loop=LoopConfig(num_steps=700, optimiser=OptimiserConfig(learning_rate=3e-3, decay_fraction=0.2)),
    )


def sft() -> Stage:
    """Conversations: chat, every family of problems in both modes, and some of the text again."""
    return Stage(
        name="nano-sft",
        display_name="Caesura nano",
        start_from="nano-pretrain",
        documents=Conversations(
            num_chat=40_000,
            num_reasoning=260_000,
            mix=MIX,
            seed=2,
            max_tokens=_CHAT_ROWS[-1],
            prose_chars=10_000_000,  # a tenth of the tokens
        ),
        packing=PackingConfig(batch_tokens=8192, row_tokens=_CHAT_ROWS, seed=2),
        loop=LoopConfig(
            num_steps=1700,
            optimiser=OptimiserConfig(learning_rate=3e-3, embedding_learning_rate=3e-3, decay_fraction=0.35),
        ),
    )


def tools() -> Stage:
    """Tools: half of the tokens are conversations with tools, the other half is the stage before in small."""
    return Stage(
        name="nano-tools",
        display_name="Caesura nano",
        start_from="nano-sft",
        documents=ConversationsWithTools(
            num_tools=13_000,
            seed=3,
            max_tokens=_TOOL_ROWS[-1],
            others=Conversations(
                num_chat=7_000,
                num_reasoning=46_000,
                mix=MIX,
                seed=3,
                max_tokens=_CHAT_ROWS[-1],
                prose_chars=1_800_000,
            ),
        ),
        packing=PackingConfig(batch_tokens=8192, row_tokens=_TOOL_ROWS, seed=3),
        loop=LoopConfig(
            num_steps=1060,
            optimiser=OptimiserConfig(learning_rate=2e-3, embedding_learning_rate=2e-3, decay_fraction=0.5),
        ),
    )


def control() -> Recipe:
    """The same words, text, problems and answers, but no thought: at once, or after full stops.

    What it reaches is what answers alone can teach; what nano reaches beyond it is owed to thinking.
    """
    mix = replace(MIX, fast=0.7, cut=0.0, filler=0.3, free_choice=0.0)
    trained = sft()
    stage = replace(
        trained,
        name="nano-control-sft",
        display_name="Caesura nano, control without thinking",
        documents=Conversations(
            num_chat=0,
            num_reasoning=260_000,
            mix=mix,
            seed=2,
            max_tokens=_CHAT_ROWS[-1],
            prose_chars=9_000_000,  # the same share
        ),
        loop=replace(trained.loop, num_steps=1300),
    )
    # Called as the other is, for it shares its words and its text.
    return Recipe(
        name="nano",
        tokenizer_texts=tokenizer_texts,
        vocab_size=PRESETS["nano"].vocab_size,
        stages=(pretrain(), stage),
        max_positions=PRESETS["nano"].max_positions,
    )
