"""Our own harmful requests and their harmless twins, from one grammar.

Enters: a seed and the part of the vocabulary. Leaves: `SafetyPrompt`s. Read next: `harmful.py`,
`harmless.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from caesura.evals.safety.grammar.forms import Phrases
from caesura.evals.safety.grammar.harmful import harmful_prompt
from caesura.evals.safety.grammar.harmless import harmless_prompt
from caesura.evals.safety.prompts import SafetyPrompt

__all__ = ["Phrases", "grammar_prompts", "harmful_prompt", "harmless_prompt"]


def grammar_prompts(
    seed: int, num: int, *, holds_out: bool = False, harmful_share: float = 0.5
) -> Iterator[SafetyPrompt]:
    """`num` prompts, the same ones for the same seed. holds_out: made of the words kept for measuring."""
    words = Phrases(holds_out=holds_out)
    for number in range(num):
        rng = Random(f"safety/{seed}/{number}/{holds_out}")
        draw = harmful_prompt if rng.random() < harmful_share else harmless_prompt
        yield draw(rng, words)
