"""The safetensors files of a model folder: which there are, what they hold, one tensor at a time.

Enters: a folder. Leaves: names and shapes from the files' headers, then tensors, each copied straight to
where it is wanted. Never pickle. Read next: `folder.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from safetensors import SafetensorError, safe_open
from torch import Tensor

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")


class FolderError(ValueError):
    """A model folder that is missing, damaged, or not of a kind that can be read safely."""


class WeightReader:
    """A folder's weight files, opened; a context manager.

    shapes: of every tensor, by name; a base model's names get the `model.` that a whole model's have.
    """

    def __init__(self, folder: Path) -> None:
        """Raises FolderError for files that are missing, damaged or pickled."""
        self._stack = ExitStack()
        self._sources: dict[str, tuple[Path, Any, str]] = {}
        shapes: dict[str, tuple[int, ...]] = {}
        with self._stack:
            for path in weight_files(folder):
                file = self._open(path)
                for stored in file.keys():  # noqa: SIM118 (not a dict)
                    name = stored if stored.startswith(("model.", "lm_head.")) else f"model.{stored}"
                    self._sources[name] = (path, file, stored)
                    shapes[name] = tuple(file.get_slice(stored).get_shape())
            # All went well: the files stay open until we are left.
            self._stack = self._stack.pop_all()
        self.shapes: Mapping[str, tuple[int, ...]] = shapes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def read_into(self, target: Tensor, names: Sequence[str]) -> None:
        """Fill `target` with the tensors of these names, one below the other, in its own dtype."""
        start = 0
        for name in names:
            path, file, stored = self._sources[name]
            try:
                tensor: Tensor = file.get_tensor(stored)
            except (SafetensorError, OSError) as error:
                raise FolderError(f"{path} cannot be read as safetensors: {error}") from error
            target[start : start + len(tensor)].copy_(tensor)
            start += len(tensor)

    def _open(self, path: Path) -> Any:
        try:
            return self._stack.enter_context(safe_open(path, framework="pt"))
        except (SafetensorError, OSError) as error:
            raise FolderError(f"{path} cannot be read as safetensors: {error}") from error


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder, in the index's order if it is sharded."""
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if index.is_file():
        names = _indexed_names(index)
        if any(Path(name).name != name for name in names):
            raise FolderError(f"{index} names a file outside of its folder")
        absent = [name for name in names if not (folder / name).is_file()]
        if absent:
            raise FolderError(f"{folder} lacks {len(absent)} of {len(names)} weight files, e.g. {absent[0]}")
        return [folder / name for name in names]
    if single.is_file():
        return [single]
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        raise FolderError(
            f"{folder} has only pickled weights ({pickles[0]}), which can run code when opened; "
            "convert them to safetensors first"
        )
    raise FolderError(f"{folder} has no model.safetensors")


def _indexed_names(index: Path) -> list[str]:
    """The file names of a sharded folder's index, in its order."""
    try:
        fields: object = json.loads(index.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FolderError(f"{index} is not valid JSON: {error}") from error
    weight_map = cast(dict[str, object], fields).get("weight_map") if isinstance(fields, dict) else None
    names = list(cast(dict[str, object], weight_map).values()) if isinstance(weight_map, dict) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise FolderError(f"{index} has no weight_map from weights to file names")
    return list(dict.fromkeys(cast(list[str], names)))
