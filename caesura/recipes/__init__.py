"""Named runs. A new one is a new file and one line here."""

from collections.abc import Callable

from caesura.recipes import finetune, nano, reinforcement
from caesura.train.recipe import Recipe

RECIPES: dict[str, Callable[[], Recipe]] = {
    "nano": nano.recipe,
    "nano-control": nano.control,
    "nano-reasoning": reinforcement.recipe,
    "finetune": finetune.recipe,
}

__all__ = ["RECIPES"]
