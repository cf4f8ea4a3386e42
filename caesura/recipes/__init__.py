"""Named runs. A new one is a new file and one line here."""

from collections.abc import Callable

from caesura.recipes import alignment, finetune, nano, pipeline, preferences, principle, reinforcement
from caesura.train.recipe import Recipe

RECIPES: dict[str, Callable[[], Recipe]] = {
    "nano": pipeline.recipe,
    "nano-control": nano.control,
    "nano-alignment": alignment.recipe,
    "nano-reasoning": reinforcement.recipe,
    "finetune": finetune.recipe,
    "preferences": preferences.recipe,
    "principle": principle.recipe,
}

__all__ = ["RECIPES"]
