"""Models in this process: folders to a Client.

Enters: model folders by name. Leaves: a `LocalClient`, or a `ModelFolderError` that says what is wrong with
which folder. This file imports torch; verbs import it only when they need it. Read next:
`caesura/engine/local_client.py`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

from caesura.cli.dtypes import Dtype
from caesura.engine import EngineConfig, LoadedModel, LocalClient, load
from caesura.messages.errors import ModelFolderError
from caesura.model.folder import FolderError
from caesura.tokens.tokenizer import TokenizerError

_TORCH_DTYPES: dict[Dtype, torch.dtype | None] = {
    Dtype.AUTO: None,
    Dtype.FLOAT32: torch.float32,
    Dtype.BFLOAT16: torch.bfloat16,
    Dtype.FLOAT16: torch.float16,
}


@contextmanager
def local_client(
    folders: Mapping[str, Path], *, num_threads: int | None = None, dtype: Dtype = Dtype.AUTO
) -> Generator[LocalClient]:
    """A Client over these folders, the default one first; its engines stop on the way out."""
    models = {name: _loaded(name, folder, dtype) for name, folder in folders.items()}
    client = LocalClient(models, EngineConfig(num_threads=num_threads))
    try:
        yield client
    finally:
        client.close()


def _loaded(name: str, folder: Path, dtype: Dtype) -> LoadedModel:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return load(folder, name=name, dtype=_TORCH_DTYPES[dtype], device=device)
    except (FolderError, TokenizerError) as error:
        raise ModelFolderError(f"model `{name}` cannot be loaded: {error}") from error
