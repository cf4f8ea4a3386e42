"""One stage of a recipe, from data to a Hugging Face folder: prepare, train, export; each part resumes.

Enters: a `Stage`. Leaves, in its folder: `tokens/`, `checkpoints/`, `metrics.jsonl`, `recipe.json`, and at
the end `model/`. Read next: `caesura/recipes/nano.py` for stages.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from caesura.model import ModelConfig, Transformer, load_model, save_model
from caesura.tokens import CaesuraFormat, Tokenizer
from caesura.train.encoding import Encoded, TokenSet
from caesura.train.loop import LoopConfig, Metrics, train
from caesura.train.packing import Packer, PackingConfig

log = logging.getLogger(__name__)

Documents = Callable[[CaesuraFormat, Path], Iterable[Encoded]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What one stage trains, on what, and how.

    name: the stage's folder below the runs folder.
    documents: (chat format, data folder) -> encoded documents.
    model: the shape of a fresh model, for a first stage. start_from: the stage to go on from, otherwise.
    packing, loop: see there.
    seed: of the fresh weights.
    display_name: what people read in lists of models.
    """

    name: str
    documents: Documents
    packing: PackingConfig
    loop: LoopConfig
    model: ModelConfig | None = None
    start_from: str | None = None
    seed: int = 0
    display_name: str = ""


def run_stage(
    stage: Stage,
    *,
    runs: Path,
    data: Path,
    tokenizer_folder: Path,
    on_metrics: Callable[[Metrics], None],
    device: str = "cpu",
) -> Path:
    """Run a stage to its end, from wherever it stopped; returns the exported model folder."""
    folder = runs / stage.name
    tokenizer = Tokenizer.load(tokenizer_folder)
    save_recipe(stage, folder)
    packer = Packer(prepare(stage, tokenizer, folder / "tokens", data), stage.packing)
    log.info("%s: one pass over the data is about %d steps", stage.name, packer.num_batches)
    model = first_model(stage, runs)
    metrics = _MetricsFile(folder / "metrics.jsonl", on_metrics)
    train(model, packer, stage.loop, folder, metrics, device=device)
    export(model, tokenizer, folder / "model", card(stage, datetime.now(UTC)))
    return folder / "model"


def card(stage: Stage, now: datetime) -> dict[str, Any]:
    """What `config.json` has no field for: the model list's facts, the trained length among them."""
    return {
        "display_name": stage.display_name or stage.name,
        "created_at": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "trained_tokens": max(stage.packing.row_tokens),
    }


def prepare(stage: Stage, tokenizer: Tokenizer, folder: Path, data: Path) -> TokenSet:
    """Encode the stage's documents once; later calls map what is there."""
    if not (folder / "manifest.json").is_file():
        log.info("%s: encoding its documents", stage.name)
        TokenSet.collect(stage.documents(CaesuraFormat(tokenizer), data)).save(folder)
    return TokenSet.load(folder)


def first_model(stage: Stage, runs: Path) -> Transformer:
    """Fresh weights, or those of the stage before. Raises ValueError if a stage names neither or both."""
    if (stage.model is None) == (stage.start_from is None):
        raise ValueError(f"stage {stage.name} must name either a fresh model or a stage to start from")
    if stage.start_from is not None:
        return load_model(runs / stage.start_from / "model")
    assert stage.model is not None
    model = Transformer(stage.model)
    model.initialise(torch.Generator().manual_seed(stage.seed))
    return model


def export(model: Transformer, tokenizer: Tokenizer, folder: Path, facts: dict[str, Any]) -> None:
    """Write the Hugging Face folder, with `facts` as `caesura.json`, under a temporary name; then put it
    in place whole.
    """
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    save_model(model, part)
    tokenizer.save(part, max_positions=model.config.max_positions)
    generation = {
        "bos_token_id": tokenizer.marker("<|begin|>"),
        "eos_token_id": tokenizer.marker("<|end|>"),
        "pad_token_id": tokenizer.marker("<|pad|>"),
        "do_sample": True,
        "temperature": 1.0,
    }
    for name, fields in (("generation_config", generation), ("caesura", facts)):
        (part / f"{name}.json").write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)


def save_recipe(stage: Stage, folder: Path) -> None:
    """The resolved config tree beside the run; callables by their qualified name."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(dataclasses.asdict(stage), indent=2, default=_name_of)
    (folder / "recipe.json").write_text(text + "\n", encoding="utf-8")


def _name_of(value: Any) -> str:
    function = getattr(value, "func", value)
    return f"{function.__module__}.{function.__qualname__}{getattr(value, 'keywords', '')}"


class _MetricsFile:
    """Appends each row as a JSON line, then passes it on."""

    def __init__(self, path: Path, then: Callable[[Metrics], None]) -> None:
        self._path = path
        self._then = then

    def __call__(self, metrics: Metrics) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({k: round(v, 6) for k, v in metrics._asdict().items()}) + "\n")
        self._then(metrics)
