"""Which weights computed a page: a digest of a model folder, and what else keys and values depend on.

A digest must be of the very weights that are in memory: the pages of other ones, found under it on the disk,
would be read as this model's own. So a folder counts only if nobody changed it between its first reading and
the digest's end.
Enters: a folder; how its model was loaded. Leaves: bytes for the root key. Read next: `page_keys.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import NamedTuple, TypeVar

from caesura.engine.kv_store import KVStore
from caesura.model.transformer import Transformer
from caesura.model.weights import FolderError, weight_files

Made = TypeVar("Made")


class _FileState(NamedTuple):
    """What differs once a file was replaced (another inode) or written to (`changed_ns`, which nobody can set
    back); None where there is no such file.
    """

    path: Path
    device: int | None = None
    inode: int | None = None
    size_bytes: int | None = None
    changed_ns: int | None = None


def read_unchanged(folder: Path, read: Callable[[], Made]) -> Made:
    """What `read` makes of a folder whose config.json and weights stay as they are meanwhile.

    Raises FolderError where they do not. To read on until they do would wait for whoever writes; a second
    digest before the first reading would find the same, and read every byte once more.
    """
    before = _states(folder)
    made = read()
    if _states(folder) != before:
        raise FolderError(f"{folder} was changed while it was read; load it again when it is complete")
    return made


def _states(folder: Path) -> list[_FileState]:
    # A folder that lacks either is refused in better words by whoever reads it.
    return [_state(path) for path in _identifying(folder)] if (folder / "config.json").is_file() else []


def _state(path: Path) -> _FileState:
    try:
        found = path.stat()
    except FileNotFoundError:
        return _FileState(path)
    return _FileState(path, found.st_dev, found.st_ino, found.st_size, found.st_ctime_ns)


def _identifying(folder: Path) -> list[Path]:
    return [folder / "config.json", *weight_files(folder)]


def folder_identity(folder: Path) -> bytes:
    """A digest of config.json and of every weight file, whole: a fine-tuned copy differs in nothing else."""
    digest = blake2b(digest_size=32)
    for path in _identifying(folder):
        with path.open("rb") as file:
            digest.update(file_digest(file, "sha256").digest())
    return digest.digest()


def cache_identity(weights: bytes, model: Transformer, store: KVStore) -> bytes:
    """All that keys and values depend on beside ids: weights, shape, rope, quantisation, and how pages lie.

    A quantised model has other tensors than the one that it was made from.
    """
    tensors = [(name, tensor.dtype, tuple(tensor.shape)) for name, tensor in model.state_dict().items()]
    pages = (store.stored_dtype, store.page_size, store.page_bytes)
    return blake2b(weights + repr((model.config, tensors, pages)).encode(), digest_size=32).digest()
