from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from caesura.engine.identity import cache_identity, folder_identity, read_unchanged
from caesura.engine.int8_store import Int8Store
from caesura.engine.loading import LoadedModel
from caesura.engine.plain_store import PlainStore
from caesura.model import RopeConfig, Transformer, save_model
from caesura.model.folder import FolderError
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


def test_a_folder_counts_only_if_it_stays_as_it_is_while_it_is_read(
    tmp_path: Path, loaded: LoadedModel
) -> None:
    folder = tmp_path / "folder"
    save_model(loaded.model, folder)
    weights, config = folder / "model.safetensors", folder / "config.json"
    content, times = weights.read_bytes(), weights.stat()

    def written_in_place_under_the_old_time() -> None:
        weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))

    def replaced() -> None:
        (folder / "next").write_bytes(content)
        (folder / "next").rename(weights)

    def sharded() -> None:
        index = {"weight_map": {"lm_head.weight": "model.safetensors"}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        weights.rename(folder / "shard.safetensors")
        index["weight_map"]["lm_head.weight"] = "shard.safetensors"
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    assert read_unchanged(folder, lambda: folder_identity(folder)) == folder_identity(folder)
    for change in (written_in_place_under_the_old_time, replaced, config.unlink, sharded):
        # Until the file system's clock ticks: writes within one of its ticks look alike.
        while config.touch() or config.stat().st_ctime_ns <= weights.stat().st_ctime_ns:
            pass
        with pytest.raises(FolderError, match="was changed while it was read"):
            read_unchanged(folder, change)


def test_whatever_changes_keys_and_values_changes_the_identity(loaded: LoadedModel) -> None:
    def identity(
        weights: bytes = b"weights",
        page_size: int = 32,
        dtype: torch.dtype = torch.float32,
        store_type: type[PlainStore | Int8Store] = PlainStore,
        **fields: object,
    ) -> bytes:
        model = Transformer(replace(SMALL, **fields))  # pyright: ignore[reportArgumentType]
        model.to_dtype(dtype)
        store = store_type(
            model.config, num_pages=1, page_size=page_size, dtype=dtype, device=torch.device("cpu")
        )
        return cache_identity(weights, model, store)

    identities = [
        identity(),
        identity(weights=b"other"),
        identity(page_size=64),
        identity(dtype=torch.bfloat16),
        identity(rope=RopeConfig(type="yarn", factor=4.0)),
        identity(store_type=Int8Store),
        identity(store_type=Int8Store, dtype=torch.bfloat16),
    ]
    assert len(set(identities)) == len(identities)
    assert identity() == identities[0]
