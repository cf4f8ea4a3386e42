"""Named runs. A new one is a new file and one line here."""

from collections.abc import Callable

from caesura.recipes import nano
from caesura.train.recipe import Recipe

RECIPES: dict[str, Callable[[], Recipe]] = {"nano": nano.recipe}

__all__ = ["RECIPES"]
