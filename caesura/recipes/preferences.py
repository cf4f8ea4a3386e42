"""What nano prefers: comparisons in four dimensions, the models that learn to judge them, and the step that
moves nano itself towards what is preferred.

Enters: the data folder, and the comparisons that the constitution's feedback left, where it did. Leaves:
stages. Read next: `pairing.py`, `caesura/train/reward_stage.py`, `caesura/train/preference_stage.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from caesura.evals.tasks import FAMILIES, MAX_DIFFICULTY
from caesura.messages.content import Conversation, TextBlock, ThinkingBlock, Turn, text_turn
from caesura.messages.preferences import DIMENSIONS, Dimension, Preference, read_preferences
from caesura.model import Transformer
from caesura.recipes.chat import KINDS
from caesura.recipes.coherent_pairs import coherent_kinds
from caesura.recipes.harmless_pairs import harmless_kinds, judged_pairs
from caesura.recipes.helpful_pairs import helpful_kinds
from caesura.recipes.honest_pairs import honest_kinds
from caesura.recipes.nano import Conversations
from caesura.recipes.pairing import WeightedDraw, balanced, drawn
from caesura.recipes.reasoning import ReasoningMix
from caesura.recipes.wording import Kind
from caesura.tokens import CaesuraFormat
from caesura.train.data import Row
from caesura.train.encoding import encode_row
from caesura.train.optimisers import OptimiserConfig
from caesura.train.packing import PackingConfig
from caesura.train.pairs import PairConfig
from caesura.train.preference_loss import PreferenceLossConfig
from caesura.train.preference_stage import PreferenceStage
from caesura.train.preference_watch import WatchConfig
from caesura.train.recipe import Recipe
from caesura.train.reward_stage import RewardStage
from caesura.train.scoring import reproduces
from caesura.train.stage import Documents
from caesura.train.steps import LoopConfig

START = "nano-decisions"
FEEDBACK = "nano-feedback"
_KINDS: Mapping[Dimension, Callable[[Path, Mapping[str, Kind]], Mapping[str, WeightedDraw]]] = {
    "helpful": helpful_kinds,
    "harmless": harmless_kinds,
    "honest": honest_kinds,
    "coherent": coherent_kinds,
}
# Comparisons drawn, and steps: about one pass, and less than four minutes on two cores, the control included.
_SIZES: Mapping[Dimension, tuple[int, int]] = {
    "helpful": (4_100, 80),
    "harmless": (4_100, 80),
    "honest": (5_800, 120),
    "coherent": (4_500, 100),
}
_ROWS = (64, 128, 256, 512)
_KEPT = Conversations(num_chat=1_500, num_reasoning=9_000, mix=ReasoningMix(), seed=5, max_tokens=_ROWS[-1])


def load_exchanges(data: Path) -> Mapping[str, Kind]:
    """Every kind of exchange by its name; reading their data takes seconds, so it is done once."""
    return {name: weighted.load(data) for name, weighted in KINDS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgements:
    """Comparisons in one dimension: drawn by rule, judged by people, judged by the constitution.

    dimension: which. num_drawn: how many are drawn by rule. seed: of them.
    has_judged: whether those that people judged are among them, where the dimension has such.
    feedback: the job whose `preferences.jsonl` is read where it is there; the rows of the dimension.
    """

    dimension: Dimension
    num_drawn: int
    seed: int
    has_judged: bool = True
    feedback: str = FEEDBACK

    def inputs(self, runs: Path) -> tuple[Path, ...]:
        """See `ReadsFiles`."""
        return (runs / self.feedback / "preferences.jsonl",)

    def __call__(self, data: Path, runs: Path) -> Iterator[Preference]:
        kinds = _KINDS[self.dimension](data, load_exchanges(data))
        rows = list(drawn(kinds, f"{self.dimension}/{self.seed}", self.num_drawn))
        if self.has_judged and self.dimension == "harmless":
            rows += judged_pairs(data)
        random.Random(self.seed).shuffle(rows)
        # The constitution's own are kept whole: they are few, and they are what it is about.
        yield from balanced(rows)
        yield from feedback_rows(runs / self.feedback, (self.dimension,))


@dataclass(frozen=True, slots=True, kw_only=True)
class AllJudgements:
    """Comparisons in all four dimensions, to learn from at once.

    num_drawn: how many are drawn by rule, for each dimension. seed: of them. feedback: see `Judgements`.
    max_feedback: how many of the constitution's.
    """

    num_drawn: Mapping[Dimension, int]
    seed: int
    feedback: str = FEEDBACK
    max_feedback: int = 2_000

    def inputs(self, runs: Path) -> tuple[Path, ...]:
        """See `ReadsFiles`."""
        return (runs / self.feedback / "preferences.jsonl",)

    def __call__(self, data: Path, runs: Path) -> Iterator[Preference]:
        exchanges = load_exchanges(data)
        for dimension, num in self.num_drawn.items():
            kinds = _KINDS[dimension](data, exchanges)
            yield from balanced(list(drawn(kinds, f"{dimension}/{self.seed}", num)))
        yield from islice(feedback_rows(runs / self.feedback, DIMENSIONS), self.max_feedback)


def feedback_rows(folder: Path, dimensions: tuple[Dimension, ...]) -> Iterator[Preference]:
    """The constitution's comparisons in some dimensions; none where its feedback has not been asked."""
    path = folder / "preferences.jsonl"
    if path.is_file():
        yield from (row for row in read_preferences(path) if row.dimension in dimensions)


@dataclass(frozen=True, slots=True, kw_only=True)
class SolvedProblems:
    """The share of held-out problems whose written solution, thought and answer, is what the model would
    write greedily. A lower bound of its accuracy, and cheap: one pass, no decoding.

    num_problems: of each family. seed: of the problems.
    """

    num_problems: int = 20
    seed: int = 11

    def __call__(self, model: Transformer, chat_format: CaesuraFormat) -> float:
        rows = [
            solved_row(f"gold/{self.seed}/{number}", name, 1 + number % MAX_DIFFICULTY)
            for name in FAMILIES
            for number in range(self.num_problems)
        ]
        results = reproduces(model, [encode_row(chat_format, row) for row in rows])
        return sum(results) / len(results)


def solved_row(seed: str, family: str, difficulty: int) -> Row:
    """A problem that nothing trains on, thought through."""
    problem = FAMILIES[family].problem(seed, difficulty, is_held_out=True)
    reply = (ThinkingBlock(thinking=problem.thinking), TextBlock(text=problem.reply))
    turns = (text_turn("user", problem.question), Turn(role="assistant", content=reply))
    return Row(conversation=Conversation(turns=turns), mode="think", source=family, licence="Apache-2.0")


def recipe() -> Recipe:
    """The judges, then nano itself; each can be run alone, e.g. `preferences:nano-reward-honest`."""
    return Recipe(
        name="preferences",
        tokenizer_texts=None,
        vocab_size=0,
        stages=(*rewards(), preferences()),
        max_positions=0,
    )


def rewards() -> tuple[RewardStage, ...]:
    """The four judges."""
    return tuple(reward(dimension, *sizes) for dimension, sizes in _SIZES.items())


def reward(dimension: Dimension, num_drawn: int, num_steps: int) -> RewardStage:
    """One judge: a pass over its comparisons, and the same again with shuffled labels."""
    return RewardStage(
        name=f"nano-reward-{dimension}",
        dimension=dimension,
        comparisons=Judgements(dimension=dimension, num_drawn=num_drawn, seed=4),
        start_from=START,
        pairs=PairConfig(batch_pairs=32, row_tokens=_ROWS, seed=4),
        loop=LoopConfig(
            num_steps=num_steps,
            is_compiled=False,
            log_every=10,
            checkpoint_every_s=60,
            optimiser=OptimiserConfig(
                learning_rate=1e-3, embedding_learning_rate=1e-3, warmup_steps=10, decay_fraction=0.5
            ),
        ),
    )


def preferences(anchors: Documents = _KEPT) -> PreferenceStage:
    """DPO, gently: small steps, rows of all kinds beside it, and a watch over what it costs. anchors: those
    rows.
    """
    return PreferenceStage(
        name="nano-preferences",
        display_name="Caesura nano",
        comparisons=AllJudgements(
            num_drawn={"harmless": 2_400, "honest": 1_600, "helpful": 1_200, "coherent": 600}, seed=5
        ),
        start_from=START,
        pairs=PairConfig(batch_pairs=32, row_tokens=_ROWS, seed=5),
        loss=PreferenceLossConfig(beta=0.1, sft=0.1),
        anchors=anchors,
        anchor_packing=PackingConfig(batch_tokens=4096, row_tokens=(128, 256, 512, 1536), seed=5),
        gold=SolvedProblems(),
        watch=WatchConfig(every=25, max_gold_drop=0.02, max_kl=0.5),
        loop=LoopConfig(
            num_steps=60,
            is_compiled=False,
            log_every=5,
            checkpoint_every_s=60,
            optimiser=OptimiserConfig(
                name="adamw", learning_rate=5e-5, embedding_learning_rate=5e-5, warmup_steps=10
            ),
        ),
    )
