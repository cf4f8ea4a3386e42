"""Losses over packed batches.

Enters: hidden states and a batch's targets. Leaves: sums and counts, so that the caller can divide by the
global count of unmasked targets whatever the number of micro-batches or ranks. Read next: `loop.py`.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def cross_entropy_sum(logits_BTV: Tensor, targets_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """sum over unmasked positions of -log softmax(logits)[target], in float32; a scalar in nats."""
    losses = F.cross_entropy(logits_BTV.float().flatten(0, 1), targets_BT.flatten(), reduction="none")
    return (losses * mask_BT.flatten()).sum()
