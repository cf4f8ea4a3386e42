"""Checkpoints that a power cut cannot spoil.

Each is a folder written through torch.distributed.checkpoint under a temporary name and renamed when it is
whole, so a run finds either a complete one or the one before. Enters: model, optimisers, step. Leaves:
`checkpoints/step_N`. Read next: `loop.py`.
"""

from __future__ import annotations

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
        part = self._folder / f"step_{step}.part"
        try:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            _quietly_save(_state(step, model, optimisers), part)
            (part / _MANIFEST).write_text(json.dumps({"step": step, "sizes": _sizes(part)}), encoding="utf-8")
            os.replace(part, self._folder / f"step_{step}")
        except (OSError, CheckpointException) as error:
            shutil.rmtree(part, ignore_errors=True)
            log.error("checkpoint at step %d not written (%s); the previous one stays", step, error)
            return False
        for old in self.steps()[:-_KEPT]:
            shutil.rmtree(self._folder / f"step_{old}", ignore_errors=True)
        return True

    def steps(self) -> list[int]:
        """The steps of which there is a checkpoint, ascending."""
        found = self._folder.glob("step_*") if self._folder.is_dir() else []
        return sorted(int(path.name.removeprefix("step_")) for path in found if path.suffix != ".part")

    def restore(self, model: nn.Module, optimisers: list[Optimizer]) -> int:
        """Load the newest whole checkpoint; returns its step, 0 if there is none. Damaged ones are
        passed over, and the log says so.
        """
        for step in reversed(self.steps()):
            folder = self._folder / f"step_{step}"
            if (reason := _damage(folder)) is not None:
                log.warning("checkpoint %s is damaged (%s); using the one before", folder, reason)
                continue
            state = _state(step, model, optimisers)
            _quietly_load(state, folder)
            model.load_state_dict(state["model"])
            for index, optimiser in enumerate(optimisers):
                set_optimizer_state_dict(model, optimiser, state[f"optimiser_{index}"])
            torch.set_rng_state(state["generator"])
            return step
        return 0


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


def _sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted(folder.iterdir())}


def _damage(folder: Path) -> str | None:
    """Why a checkpoint cannot be used, or None."""
    try:
        expected = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))["sizes"]
    except (OSError, ValueError, KeyError) as error:
        return f"its manifest cannot be read: {error}"
    for name, size in expected.items():
        path = folder / name
        found = path.stat().st_size if path.is_file() else 0
        if found != size:
            return f"{name} has {found} of {size} bytes"
    return None
