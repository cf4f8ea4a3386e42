"""Memory that a step works in, kept from one step to the next.

Fresh memory of this size is slow to touch. Enters: what it is for, and how much. Leaves: a tensor to write
to. Read next: `kv_store.py`.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

# What a step works in: gathered histories, gathered tails of histories, scores.
Purpose = Literal["history", "tail", "scores"]


class Workspace:
    """A space for each purpose."""

    def __init__(self, dtype: torch.dtype, device: torch.device) -> None:
        self._dtype = dtype
        self._device = device
        self._spaces: dict[Purpose, Tensor] = {}

    def space(self, purpose: Purpose, *shape: int) -> Tensor:
        """A tensor, good until the next one is asked for, for the same purpose."""
        size, space = math.prod(shape), self._spaces.get(purpose)
        if space is None or space.numel() < size:
            # With something to spare, for histories grow.
            space = torch.empty(size + size // 4, dtype=self._dtype, device=self._device)
            self._spaces[purpose] = space
        return space[:size].view(shape)
