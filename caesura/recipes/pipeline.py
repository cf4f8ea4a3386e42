"""All of nano, from text to the aligned model: what `caesura train nano --all` runs.

Enters: the data folder. Leaves: a config tree of jobs, each in the file of its own kind. Read next: `nano.py`
(text, conversations, tools), `alignment.py` (the constitution), `preferences.py` (judges, and what they
prefer), `reinforcement.py` (problems that can be checked).
"""

from __future__ import annotations

from caesura.model import PRESETS
from caesura.recipes import alignment, nano, preferences, reinforcement
from caesura.train.recipe import Recipe


def recipe() -> Recipe:
    """Text, conversations and tools; then what the model is to be like, and how it thinks. Reinforcement does
    not go on from the preferences: they made nano answer harmful requests that it had declined (docs/log.md).
    """
    shape = PRESETS["nano"]
    return Recipe(
        name="nano",
        tokenizer_texts=nano.tokenizer_texts,
        vocab_size=shape.vocab_size,
        stages=(
            nano.pretrain(),
            nano.sft(),
            nano.tools(),
            alignment.revisions(),
            alignment.constitution(),
            alignment.decisions(),
            alignment.feedback(),
            *preferences.rewards(),
            preferences.preferences(anchors=alignment.kept_rows(5)),
            reinforcement.reasoning(
                start_from="nano-decisions", anchors=alignment.kept_rows(6), guard=alignment.guard()
            ),
        ),
        max_positions=shape.max_positions,
    )
