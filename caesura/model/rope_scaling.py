"""Stretching a model's window when it is loaded: `yarn:4` makes it four times as long.

Enters: a word such as `yarn:4`. Leaves: a config whose rope and window are stretched. The factor is fixed
for as long as the model is loaded: one that followed the prompt's length would turn the keys that are kept.
Read next: `rope.py`, for the formulas.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, Self, cast, get_args

from caesura.model.config import ModelConfig, RopeConfig

Stretch = Literal["yarn", "ntk", "linear"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RopeScaling:
    """How far a window is stretched, and by which formula.

    type: "yarn", "ntk" or "linear"; see `RopeConfig`.
    factor: at least 1; 1 changes nothing.
    """

    type: Stretch
    factor: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.factor) and self.factor >= 1):
            raise ValueError(f"rope scaling factor {self.factor:g} is not a number from 1 on")

    @classmethod
    def parse(cls, word: str) -> Self:
        """`yarn:4` and the like. Raises ValueError that says what is wrong."""
        kind, _, factor = word.partition(":")
        try:
            number = float(factor)
        except ValueError:
            number = math.nan
        if kind not in get_args(Stretch) or math.isnan(number):
            raise ValueError(
                f"`{word}` is not TYPE:FACTOR, such as yarn:4; types: {', '.join(get_args(Stretch))}"
            )
        return cls(type=cast(Stretch, kind), factor=number)

    def applied(self, config: ModelConfig) -> ModelConfig:
        """The config with a longer window. Raises ValueError for one whose rope is scaled already."""
        if self.factor == 1:
            return config
        if config.rope.type != "default":
            raise ValueError(
                f"rope is scaled already ({config.rope.type} by {config.rope.factor:g}); "
                "load it without a rope scaling of your own, or take the scaling out of config.json"
            )
        rope = RopeConfig(
            theta=config.rope.theta,
            type=self.type,
            factor=self.factor,
            original_max_positions=config.max_positions,
        )
        return replace(config, rope=rope, max_positions=int(config.max_positions * self.factor))
