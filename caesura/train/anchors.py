"""Rows that are learnt on as before, beside what a later stage teaches, so that nothing is forgotten.

Enters: documents, and a policy. Leaves: a loss for each step, and in the stage's folder `anchors/`, the rows
as ids. Read next: `preference_stage.py`, `caesura/rl/reinforcement.py`, which add it to their own.
"""

from __future__ import annotations

import logging
from pathlib import Path

from torch import Tensor

from caesura.model import Transformer, document_mask
from caesura.tokens import CaesuraFormat
from caesura.train.encoding import TokenSet
from caesura.train.job import Place
from caesura.train.loop import loss_function
from caesura.train.packing import Batch, Packer, PackingConfig
from caesura.train.stage import Documents
from caesura.train.steps import LoopConfig

log = logging.getLogger(__name__)


class Anchors:
    """The rows, packed, and how a policy's loss on them is computed."""

    def __init__(self, packer: Packer, policy: Transformer, loop: LoopConfig, device: str) -> None:
        """loop: whether the loss is compiled, and in bfloat16."""
        self._packer, self._device = packer, device
        self._loss_sum = loss_function(policy, loop, device)

    def loss(self, step: int) -> Tensor:
        """Nats a target of the step's batch; a scalar with its gradient."""
        batch = Batch(*(tensor.to(self._device) for tensor in self._packer.batch(step)))
        loss_sum = self._loss_sum(*batch, document_mask(batch.positions_BT))
        return loss_sum / batch.mask_BT.sum().clamp(min=1)


def packed_anchors(
    documents: Documents, packing: PackingConfig, folder: Path, chat_format: CaesuraFormat, place: Place
) -> Packer:
    """The rows in batches; encoded once, into the stage's folder."""
    kept = folder / "anchors"
    if not (kept / "manifest.json").is_file():
        log.info("%s: encoding its anchors", folder.name)
        TokenSet.collect(documents(chat_format, place.data, place.runs)).save(kept)
    return Packer(TokenSet.load(kept), packing)
