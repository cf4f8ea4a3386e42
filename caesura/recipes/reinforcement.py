"""Thinking sharpened by reinforcement: problems that can be checked, in every mode and at every budget.

Enters: the runs folder. Leaves: config trees. A shorter run is an override away, e.g.
`caesura train nano-reasoning --set num_steps=10`. Read next: `caesura/rl/reinforcement.py`.
"""

from __future__ import annotations

from caesura.recipes.nano import MIX, Conversations, ConversationsWithTools
from caesura.rl.curriculum import CurriculumConfig
from caesura.rl.grpo import UpdateConfig
from caesura.rl.guard import GuardConfig
from caesura.rl.losses import GroupLossConfig
from caesura.rl.policy import ScoringConfig
from caesura.rl.reinforcement import ReinforcementStage
from caesura.rl.rewards import RewardConfig
from caesura.rl.rollouts import RolloutConfig
from caesura.rl.watch import WatchConfig
from caesura.train.optimisers import OptimiserConfig
from caesura.train.packing import PackingConfig
from caesura.train.recipe import Recipe
from caesura.train.stage import Documents

# Families in which nano fails most often come more often.
_WEIGHTS = {"graph": 3.0, "lists": 3.0, "word_problems": 3.0, "letters": 2.5, "dates": 2.5, "sorting": 1.5}
# How often it solves them when it thinks, before this stage.
_EXPECTED = {
    "addition": 0.99,
    "boolean": 0.97,
    "chain": 0.99,
    "dates": 0.8,
    "equations": 0.97,
    "graph": 0.65,
    "letters": 0.75,
    "lists": 0.55,
    "multiplication": 0.95,
    "sorting": 0.85,
    "state": 0.98,
    "units": 0.92,
    "word_problems": 0.7,
}
# What it could do before, in small.
_KEPT = ConversationsWithTools(
    num_tools=900,
    seed=6,
    max_tokens=1536,
    others=Conversations(
        num_chat=3_000, num_reasoning=4_000, mix=MIX, seed=6, max_tokens=512, prose_chars=300_000
    ),
)


def recipe() -> Recipe:
    """The stage alone, from a model folder or an earlier stage: set `start_from`."""
    return Recipe(
        name="nano-reasoning", tokenizer_texts=None, vocab_size=0, stages=(reasoning(),), max_positions=0
    )


def reasoning(
    start_from: str = "nano-tools", anchors: Documents = _KEPT, guard: GuardConfig | None = None
) -> ReinforcementStage:
    """GRPO with verifiable rewards, without division by the groups' spread. anchors: what is not to be
    forgotten over it. guard: what is asked to see that it is not.
    """
    return ReinforcementStage(
        name="nano-reasoning",
        display_name="Caesura nano",
        start_from=start_from,
        num_steps=16,
        optimiser=OptimiserConfig(
            name="adamw",
            # On the way accuracy falls by two points; it is the falling rate at the end that pays.
            learning_rate=3e-4,
            embedding_learning_rate=3e-4,
            weight_decay=0.0,
            warmup_steps=3,
        ),
        curriculum=CurriculumConfig(
            num_groups=96,
            num_siblings=8,
            shares={"disabled": 0.05, "limited": 0.15, "enabled": 0.6, "adaptive": 0.2},
            weights=_WEIGHTS,
            expected=_EXPECTED,
        ),
        rollouts=RolloutConfig(max_running=256, max_step_tokens=2048),
        reward=RewardConfig(),
        update=UpdateConfig(
            loss=GroupLossConfig(credit="branch", constant_tokens=64),
            scoring=ScoringConfig(batch_tokens=4096),
            num_updates=2,
        ),
        watch=WatchConfig(gold_every=8, gold_problems=3),
        shown_weight=1.0,
        shown_below=0.8,
        num_practised=512,
        guard=guard,
        anchors=anchors,
        anchor_packing=PackingConfig(
            batch_tokens=4096, row_tokens=(256, 512, 1024, 1536), seed=6, lead_targets=3, lead_weight=12
        ),
    )
