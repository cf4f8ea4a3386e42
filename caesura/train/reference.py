"""What the frozen reference says of every reply, asked once and kept beside the pairs.

Enters: a model and pairs. Leaves: `reference.npy`, and the two terms that the loss of a batch needs beside
the policy's own. Shapes: N pairs, B pairs of a batch, S = 2B sides. Read next: `preference_stage.py`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from caesura.messages.errors import DataError
from caesura.model import Transformer
from caesura.train.pairs import PairBatch, PairConfig, PairSet, in_order
from caesura.train.preference_loss import hidden_function, reply_log_probs
from caesura.train.steps import LoopConfig

log = logging.getLogger(__name__)

LogProbs = Callable[[PairBatch], Tensor]


class Terms(NamedTuple):
    """reference_S: log-probabilities of a batch's sides. num_ids_S: how many ids their replies have."""

    reference_S: Tensor
    num_ids_S: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencedPairs:
    """Pairs, and what the reference says of them.

    pairs: the pairs. num_ids_N2: the number of ids of the chosen and of the rejected reply of each.
    log_probs_N2: their log-probabilities.
    """

    pairs: PairSet
    num_ids_N2: npt.NDArray[np.int64]
    log_probs_N2: npt.NDArray[np.float32]

    def terms(self, indices_B: Tensor, device: str) -> Terms:
        """The terms of some pairs, all chosen sides first."""
        indices = indices_B.numpy()
        reference_2B = self.log_probs_N2[indices].T
        num_ids_2B = self.num_ids_N2[indices].T.astype(np.float32)
        return Terms(*(torch.from_numpy(each.reshape(-1)).to(device) for each in (reference_2B, num_ids_2B)))


def policy_log_probs(model: Transformer, config: LoopConfig, device: str, *, is_compiled: bool) -> LogProbs:
    """`reply_log_probs` of a model, in the precision of the run."""
    hidden = hidden_function(model, is_compiled=is_compiled)

    def log_probs(batch: PairBatch) -> Tensor:
        with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=config.is_bfloat16):
            return reply_log_probs(model, batch, hidden)

    return log_probs


@torch.no_grad()
def reference_log_probs(
    log_probs: LogProbs, pairs: PairSet, config: PairConfig, file: Path, device: str
) -> npt.NDArray[np.float32]:
    """(N, 2): asked once, then read from `file`. Raises DataError where one is no number."""
    if file.is_file():
        return np.load(file)
    log.info("%s: asking the reference about %d pairs", file, len(pairs))
    found_N2 = np.zeros((len(pairs), 2), np.float32)
    for chosen, batch in in_order(pairs, np.arange(len(pairs)), config):
        found_N2[chosen] = log_probs(batch.to(device)).float().cpu().numpy().reshape(2, -1).T
    if not np.isfinite(found_N2).all():
        raise DataError("some log-probabilities of the reference are no numbers; its weights are damaged")
    part = file.with_name(file.name + ".part")
    with part.open("wb") as opened:
        np.save(opened, found_N2)
    os.replace(part, file)
    return found_N2
