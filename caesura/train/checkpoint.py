"""Checkpoints that a power cut cannot spoil.

Each is a folder written through torch.distributed.checkpoint under a temporary name, with a hash of every
file, and renamed when it is whole: a run finds either a complete one or the one before. Enters: model,
optimisers, step. Leaves: `checkpoints/step_N`. Read next: `loop.py`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.optim import Optimizer

log = logging.getLogger(__name__)

_MANIFEST = "manifest.json"
_KEPT = 2


class Checkpoints:
    """The checkpoints of one run, newest last; the two newest are kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, step: int, model: nn.Module, optimisers: list[Optimizer]) -> bool:
        """Write one; False, with the reason logged and nothing lost, if the disk refuses."""
        part, whole = self._folder / f"step_{step}.part", self._path(step)
        try:
            _remove(part)
            part.mkdir(parents=True)
            _quietly_save(_state(step, model, optimisers), part)
            _write_manifest(part, step)
            _remove(whole)
            os.replace(part, whole)
            _sync(self._folder)
        except (OSError, CheckpointException) as error:
            _remove(part)
            log.error("checkpoint at step %d not written (%s); the previous one stays", step, error)
            return False
        for old in [each for each in self.steps() if each < step][: 1 - _KEPT]:
            _remove(self._path(old))
        return True

    def steps(self) -> list[int]:
        """The steps of which there is a checkpoint, ascending."""
        names = [path.name for path in self._folder.glob("step_*")] if self._folder.is_dir() else []
        numbers = [name.removeprefix("step_") for name in names]
        return sorted(int(number) for number in numbers if number.isdigit())

    def restore(self, model: nn.Module, optimisers: list[Optimizer]) -> int:
        """Load the newest whole checkpoint; returns its step, 0 if there is none.

        What a killed process left half-written is removed; a damaged checkpoint is set aside as
        `step_N.damaged`, and the log says so.
        """
        for leftover in self._folder.glob("step_*.part"):
            _remove(leftover)
        for step in reversed(self.steps()):
            folder = self._path(step)
            if (reason := _damage(folder)) is not None:
                older = [each for each in self.steps() if each < step]
                instead = f"using the one before, of step {older[-1]}" if older else "starting anew"
                log.warning("checkpoint %s is damaged (%s); %s", folder, reason, instead)
                _remove(folder.with_suffix(".damaged"))
                folder.rename(folder.with_suffix(".damaged"))
                continue
            _restore(folder, step, model, optimisers)
            return step
        return 0

    def _path(self, step: int) -> Path:
        return self._folder / f"step_{step}"


def _restore(folder: Path, step: int, model: nn.Module, optimisers: list[Optimizer]) -> None:
    state = _state(step, model, optimisers)
    _quietly_load(state, folder)
    model.load_state_dict(state["model"])
    for index, optimiser in enumerate(optimisers):
        set_optimizer_state_dict(model, optimiser, state[f"optimiser_{index}"])
    torch.set_rng_state(state["generator"])


def _state(step: int, model: nn.Module, optimisers: list[Optimizer]) -> dict[str, Any]:
    state: dict[str, Any] = {
        "model": model.state_dict(),
        "step": torch.tensor(step),
        "generator": torch.get_rng_state(),
    }
    for index, optimiser in enumerate(optimisers):
        state[f"optimiser_{index}"] = get_optimizer_state_dict(model, optimiser)
    return state


def _quietly_save(state: dict[str, Any], folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a single process without a process group is what we mean
        save(state, checkpoint_id=str(folder), no_dist=not torch.distributed.is_initialized())


def _quietly_load(state: dict[str, Any], folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        load(state, checkpoint_id=str(folder), no_dist=not torch.distributed.is_initialized())


def _write_manifest(folder: Path, step: int) -> None:
    hashes = {path.name: _hash(path) for path in sorted(folder.iterdir())}
    with (folder / _MANIFEST).open("w", encoding="utf-8") as file:
        json.dump({"step": step, "sha256": hashes}, file)
        file.flush()
        os.fsync(file.fileno())


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    """Make a rename outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _damage(folder: Path) -> str | None:
    """Why a checkpoint cannot be used, or None."""
    try:
        expected = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"its manifest cannot be read: {error}"
    for name, digest in expected.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if _hash(path) != digest:
            return f"{name} is not what was written"
    return None
