"""Thinking sharpened by reinforcement: problems that can be checked, in every mode and at every budget.

Enters: the runs folder. Leaves: config trees. A shorter run is an override away, e.g.
`caesura train nano-reasoning --set num_steps=10`. Read next: `caesura/rl/reinforcement.py`.
"""

from __future__ import annotations

from caesura.rl.curriculum import CurriculumConfig
from caesura.rl.grpo import UpdateConfig
from caesura.rl.losses import GroupLossConfig
from caesura.rl.policy import ScoringConfig
from caesura.rl.reinforcement import ReinforcementStage
from caesura.rl.rewards import RewardConfig
from caesura.rl.rollouts import RolloutConfig
from caesura.rl.watch import WatchConfig
from caesura.train.optimisers import OptimiserConfig
from caesura.train.recipe import Recipe

# Families in which nano fails most often come more often.
_WEIGHTS = {"graph": 3.0, "lists": 3.0, "word_problems": 3.0, "letters": 2.5, "dates": 2.5, "sorting": 1.5}


def recipe() -> Recipe:
    """The stage alone, from a model folder or an earlier stage: set `start_from`."""
    return Recipe(
        name="nano-reasoning", tokenizer_texts=None, vocab_size=0, stages=(reasoning(),), max_positions=0
    )


def reasoning(start_from: str = "nano-tools") -> ReinforcementStage:
    """GRPO with verifiable rewards, without division by the groups' spread."""
    return ReinforcementStage(
        name="nano-reasoning",
        display_name="Caesura nano",
        start_from=start_from,
        num_steps=80,
        optimiser=OptimiserConfig(
            name="adamw",
            learning_rate=2e-4,
            embedding_learning_rate=2e-4,
            weight_decay=0.0,
            warmup_steps=3,
        ),
        curriculum=CurriculumConfig(num_groups=48, num_siblings=8, weights=_WEIGHTS),
        rollouts=RolloutConfig(),
        reward=RewardConfig(),
        update=UpdateConfig(loss=GroupLossConfig(), scoring=ScoringConfig(batch_tokens=4096), num_updates=2),
        watch=WatchConfig(gold_every=10, gold_problems=2),
        shown_weight=0.5,
    )
