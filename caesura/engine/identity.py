"""Which weights computed a page: a digest of a model folder, and what else keys and values depend on.

Enters: a folder; how its model was loaded. Leaves: bytes for the root key. Read next: `page_keys.py`.
"""

from __future__ import annotations

from hashlib import blake2b, file_digest
from pathlib import Path

from caesura.engine.kv_store import KVStore
from caesura.model.transformer import Transformer
from caesura.model.weights import weight_files


def folder_identity(folder: Path) -> bytes:
    """A digest of config.json and of every weight file, whole: a fine-tuned copy differs in nothing else."""
    digest = blake2b(digest_size=32)
    for path in (folder / "config.json", *weight_files(folder)):
        with path.open("rb") as file:
            digest.update(file_digest(file, "sha256").digest())
    return digest.digest()


def cache_identity(weights: bytes, model: Transformer, store: KVStore) -> bytes:
    """All that keys and values depend on beside ids: weights, shape, rope, quantisation, and how pages lie.

    A quantised model has other tensors than the one that it was made from.
    """
    tensors = [(name, tensor.dtype, tuple(tensor.shape)) for name, tensor in model.state_dict().items()]
    pages = (store.dtype, store.page_size, store.page_bytes)
    return blake2b(weights + repr((model.config, tensors, pages)).encode(), digest_size=32).digest()
