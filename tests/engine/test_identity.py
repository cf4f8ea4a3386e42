from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import torch

from caesura.engine.identity import cache_identity, folder_identity
from caesura.engine.kv_store import KVStore
from caesura.engine.loading import LoadedModel
from caesura.model import RopeConfig, Transformer, save_model
from tests.engine.conftest import SMALL


def test_a_single_bit_of_the_weights_makes_another_folder(tmp_path: Path, loaded: LoadedModel) -> None:
    folder, twin, other = (tmp_path / name for name in ("folder", "twin", "other"))
    save_model(loaded.model, folder)
    shutil.copytree(folder, twin)
    shutil.copytree(folder, other)
    weights = bytearray((other / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (other / "model.safetensors").write_bytes(weights)
    assert folder_identity(folder) == folder_identity(twin) != folder_identity(other)


def test_whatever_changes_keys_and_values_changes_the_identity(loaded: LoadedModel) -> None:
    def identity(
        weights: bytes = b"weights", page_size: int = 32, dtype: torch.dtype = torch.float32, **fields: object
    ) -> bytes:
        model = Transformer(replace(SMALL, **fields))  # pyright: ignore[reportArgumentType]
        model.to_dtype(dtype)
        store = KVStore(
            model.config, num_pages=1, page_size=page_size, dtype=dtype, device=torch.device("cpu")
        )
        return cache_identity(weights, model, store)

    identities = [
        identity(),
        identity(weights=b"other"),
        identity(page_size=64),
        identity(dtype=torch.bfloat16),
        identity(rope=RopeConfig(type="yarn", factor=4.0)),
    ]
    assert len(set(identities)) == len(identities)
    assert identity() == identities[0]
