"""How much of the machine training uses: useful FLOPs over the measured peak of a bfloat16 product.

Enters: a scratch folder. Leaves: figures, by the trainer's own count (`caesura/train/loop.py`, which
also measures the peak, at its start). Read next: `caesura/train/loop.py`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from bench.measure import Figure
from bench.model_folder import shape
from caesura.model import Transformer
from caesura.train.encoding import TokenSet
from caesura.train.loop import LoopConfig, Metrics, train
from caesura.train.packing import Packer, PackingConfig

_REPEATS = 5
_STEPS_EACH = 2
# Documents as short as those that nano learns from, so that rows are packed as they are there.
_DOCUMENT_TOKENS = (60, 257)


def random_documents(vocab_size: int, count: int) -> TokenSet:
    """Random ids in documents of random lengths."""
    rng = np.random.default_rng(0)
    starts = np.concatenate([[0], np.cumsum(rng.integers(*_DOCUMENT_TOKENS, size=count))])
    ids = rng.integers(0, vocab_size, size=int(starts[-1]), dtype=np.uint32)
    return TokenSet(ids=ids, mask=np.ones(len(ids), np.bool_), starts=starts.astype(np.int64))


def measure_training(folder: Path, *, is_quick: bool) -> list[Figure]:
    """Utilisation and tokens a second at nano's size; compilation and the first steps are not counted."""
    config = shape(is_quick=is_quick)
    model = Transformer(config)
    model.initialise(torch.Generator().manual_seed(0))
    packing = PackingConfig(batch_tokens=512 if is_quick else 8192, row_tokens=(256,))
    packer = Packer(random_documents(config.vocab_size, 200 if is_quick else 5000), packing)
    repeats = 1 if is_quick else _REPEATS
    loop = LoopConfig(
        num_steps=(repeats + 1) * _STEPS_EACH,
        is_compiled=not is_quick,
        log_every=_STEPS_EACH,
        checkpoint_every_s=3600.0,
    )
    rows: list[Metrics] = []
    train(model, packer, loop, folder / "training", rows.append)
    counted = rows[1:]
    size = f"{config.num_parameters / 1e6:.1f}M parameters, {packing.batch_tokens} tokens a step"
    return [
        Figure(
            name=f"training, share of the bfloat16 matmul peak, {size}",
            unit="",
            ours=[row.utilisation for row in counted],
        ),
        Figure(name=f"training, {size}", unit="tokens/s", ours=[row.tokens_per_s for row in counted]),
    ]
