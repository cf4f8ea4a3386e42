"""Models in this process: folders to a Client.

Enters: model folders by name. Leaves: a `LocalClient`, or a `ModelFolderError` that says what is wrong with
which folder. This file imports torch; verbs import it only when they need it. Read next:
`caesura/engine/local_client.py`.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from caesura.cli.caching import Caching
from caesura.cli.dtypes import Dtype, KVDtype, Loading, Quantise
from caesura.cli.page_tiers import page_tiers, ram_bytes
from caesura.cli.state import state_folder
from caesura.engine import EngineConfig, LoadedModel, LocalClient, load
from caesura.engine.fit import (
    Need,
    available_bytes,
    check_cache_ram,
    holds_second_copy,
    kv_budget,
    need,
)
from caesura.engine.kv_store import KVDtype as EngineKVDtype
from caesura.engine.loading import chosen_dtype, step_threads
from caesura.kernels.building import Build
from caesura.messages.errors import ModelFolderError
from caesura.model.folder import FolderError, read_config
from caesura.model.frozen import MAX_FROZEN_PARAMETERS
from caesura.model.quantised import Quantisation
from caesura.model.rope_scaling import RopeScaling
from caesura.tokens.tokenizer import TokenizerError

_TORCH_DTYPES: dict[Dtype, torch.dtype | None] = {
    Dtype.AUTO: None,
    Dtype.FLOAT32: torch.float32,
    Dtype.BFLOAT16: torch.bfloat16,
    Dtype.FLOAT16: torch.float16,
}
_QUANTISATIONS: dict[Quantise | None, Quantisation | None] = {
    None: None,
    Quantise.INT8: "int8",
    Quantise.INT4: "int4",
}
_KV_DTYPES: dict[KVDtype, EngineKVDtype | None] = {KVDtype.AUTO: None, KVDtype.INT8: "int8"}

_NOTHING_BELOW = Caching(disk_bytes=0, ram_bytes=0)


@contextmanager
def local_client(
    folders: Mapping[str, Path],
    *,
    num_threads: int | None = None,
    loading: Loading | None = None,
    caching: Caching = _NOTHING_BELOW,
    enforces_grammars: bool = True,
) -> Generator[LocalClient]:
    """A Client over these folders, the default one first; its engines stop on the way out.

    caching: what is kept below their memory; unless given, nothing. enforces_grammars: see `EngineConfig`.
    """
    loading = loading or Loading()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    config = EngineConfig(
        num_threads=num_threads,
        kv_dtype=_KV_DTYPES[loading.kv_dtype],
        enforces_grammars=enforces_grammars,
    )
    kv_bytes = _kv_bytes(folders, config, loading, device, ram_bytes(caching, device))
    # Begun here, so that it is built by the time that the models are read.
    native = Build(state_folder(os.environ) / "native") if _may_be_native(loading, device) else None
    config = replace(config, kv_bytes=kv_bytes, native=native)
    models = {name: _loaded(name, folder, loading, device) for name, folder in folders.items()}
    with page_tiers(models, caching, device) as tiers:
        client = LocalClient(models, config, tiers)
        try:
            yield client
        finally:
            client.close()


def _may_be_native(loading: Loading, device: str) -> bool:
    """Whether there are models for which native steps are made; how large they are is not known here."""
    if not loading.is_native or loading.quantise is not None or loading.kv_dtype is not KVDtype.AUTO:
        return False
    return device == "cpu" and chosen_dtype(_TORCH_DTYPES[loading.dtype], None, device) == torch.bfloat16


def _kv_bytes(
    folders: Mapping[str, Path], config: EngineConfig, loading: Loading, device: str, cache_ram_bytes: int
) -> int:
    """What each model's keys and values may take. Nothing is loaded before all of it is known to fit."""
    needs = [_need(name, folder, config, loading, device) for name, folder in folders.items()]
    try:
        if device != "cpu":
            check_cache_ram(cache_ram_bytes, available_bytes("cpu"))
        return kv_budget(
            needs,
            wanted_bytes=loading.kv_bytes,
            available_bytes=available_bytes(device),
            cache_ram_bytes=cache_ram_bytes if device == "cpu" else 0,
        )
    except FolderError as error:
        names = ", ".join(f"`{name}`" for name in folders)
        raise ModelFolderError(f"{names}: {error}") from error


def _need(name: str, folder: Path, config: EngineConfig, loading: Loading, device: str) -> Need:
    quantise = _QUANTISATIONS[loading.quantise]
    try:
        dtype = chosen_dtype(_TORCH_DTYPES[loading.dtype], quantise, device)
        scaling = _rope_scaling(loading)
        shape = read_config(folder) if scaling is None else scaling.applied(read_config(folder))
    except ValueError as error:
        raise ModelFolderError(f"model `{name}` cannot be loaded: {error}") from error
    is_small = shape.num_parameters <= MAX_FROZEN_PARAMETERS
    on_one_thread = step_threads(shape.num_parameters, config.num_threads) == 1
    return need(
        shape,
        dtype=dtype,
        quantise=quantise,
        max_running=config.scheduler.max_running,
        kv_dtype=config.kv_dtype,
        has_second_copy=holds_second_copy(shape.num_parameters, dtype, quantise, device),
        has_native_copy=is_small and on_one_thread and _may_be_native(loading, device),
    )


def _loaded(name: str, folder: Path, loading: Loading, device: str) -> LoadedModel:
    try:
        return load(
            folder,
            name=name,
            dtype=_TORCH_DTYPES[loading.dtype],
            device=device,
            quantise=_QUANTISATIONS[loading.quantise],
            rope_scaling=_rope_scaling(loading),
        )
    except (FolderError, TokenizerError) as error:
        raise ModelFolderError(f"model `{name}` cannot be loaded: {error}") from error


def _rope_scaling(loading: Loading) -> RopeScaling | None:
    return RopeScaling.parse(loading.rope_scaling) if loading.rope_scaling else None
